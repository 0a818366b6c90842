//! Erasing a person, and proving it.

mod requests;
mod state;

pub use requests::{RequestStore, StoredRequest, SuppressionEntry};
pub use state::{IllegalStep, Level, State, UnknownLevel};
