//! Purposes, categories, Cedar access rules and retention in, decisions out; the only mint of read and maintenance grants.
