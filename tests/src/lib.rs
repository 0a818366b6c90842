//! Integration tests live in `it/`.

pub mod hostile;
