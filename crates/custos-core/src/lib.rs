//! The vocabulary every other Custos crate speaks.
//!
//! Ids, purposes and data categories, the clock, redaction, error kinds and the invariant
//! catalogue. This crate does no I/O, knows no async runtime and no Arrow; it builds in seconds.
//!
//! Read first: [`Rid`] (who a row is about), [`Purpose`] (what an answer is for) and
//! [`ErrorKind`] (what a caller can do about a failure).
//!
//! ```
//! use custos_core::{Purpose, Rid};
//! let analytics: Purpose = "analytics".parse()?;
//! assert!(!analytics.is_within(&"marketing".parse()?));
//! assert_eq!(Rid::NONE.get(), 0);
//! # Ok::<(), custos_core::NameError>(())
//! ```

mod classify;
mod clock;
mod identifier;
mod ids;
mod invariant;
mod names;
mod persons;
mod redacted;
mod store_error;
mod table;
mod timestamp;

pub use classify::{Classify, ErrorKind};
pub use clock::Clock;
pub use identifier::{Assurance, IdentifierType, IdentifierTypeError, meant_by};
pub use ids::{BatchId, EpochId, FileId, PersonId, RequestId, Rid};
pub use invariant::Invariant;
pub use names::{DataCategory, NameError, PrincipalId, Purpose, SourceId, TableName};
pub use persons::PersonMap;
pub use redacted::Redacted;
pub use store_error::StoreError;
pub use table::{Cell, ColumnKind, KeyClass};
pub use timestamp::{Timestamp, TimestampError};
