//! What a caller can do about a failure.

use std::time::Duration;

/// The cause of a failure, cut by what the caller can do about it.
///
/// Doors translate this, and only this, into HTTP status, SQLSTATE or gRPC code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request itself is wrong; changing it helps.
    Invalid,
    /// Nobody proved who is asking.
    Unauthenticated,
    /// The asker may not do this.
    Denied,
    /// The thing named does not exist, or the asker may not know that it does.
    NotFound,
    /// Somebody else changed the state first; reading again and repeating helps.
    Conflict,
    /// A limit on size was passed.
    TooLarge,
    /// A limit on rate was passed; waiting helps.
    Throttled,
    /// Custos does not do this.
    Unsupported,
    /// Time ran out.
    Timeout,
    /// A part Custos depends on is not there; repeating later helps.
    Unavailable,
    /// Stored data failed a check of integrity; an operator must look.
    Integrity,
    /// A defect; an operator must look.
    Internal,
}

/// An error that knows its [`ErrorKind`] and, where there is one, the remedy.
///
/// Implementations match without a wildcard arm, so that a new variant asks for its kind.
pub trait Classify: std::error::Error {
    /// The kind that doors translate.
    fn kind(&self) -> ErrorKind;

    /// What to do about it, as a sentence apart from the message.
    fn hint(&self) -> Option<String> {
        None
    }

    /// After which time repeating the same can help, where that is known.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}
