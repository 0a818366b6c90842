//! The control store on SQLite: implements the ports the crates above declare.
