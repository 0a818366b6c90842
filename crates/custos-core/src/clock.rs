//! Time as a value that is passed in.

use crate::Timestamp;

/// Tells the time. Retention, erasure and consent take one, so that tests can set it.
pub trait Clock: std::fmt::Debug + Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;
}
