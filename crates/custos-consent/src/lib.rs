//! Consent records and events, compiled to states and subject bitmaps per purpose and epoch.
//!
//! Events follow ISO/IEC TS 27560. This crate does no I/O beyond reading what it is handed, takes
//! the time as a value, and does not know policies: which purposes rest on consent is the
//! caller's [`RowBasis`].
//!
//! Read first: [`ConsentEvent`] (what happened), [`ConsentBook`] (what holds now, and who is
//! visible because of it) and [`read_csv`] (events out of a file).
//!
//! ```
//! use custos_consent::{ConsentBook, ConsentEvent, ConsentState, ConsentStatus, RowBasis};
//! use custos_core::{PersonMap, Purpose, Rid, Timestamp};
//!
//! let marketing: Purpose = "marketing".parse()?;
//! let event = ConsentEvent {
//!     rid: Rid::new(7),
//!     at: Timestamp::from_micros(1),
//!     purpose: marketing.clone(),
//!     status: ConsentStatus::Given,
//!     expires_at: None,
//!     notice: None,
//!     channel: None,
//!     authority: true,
//! };
//! let book = ConsentBook::from_events([event]);
//! let now = Timestamp::from_micros(2);
//! assert_eq!(book.state(Rid::new(7), &marketing, now), ConsentState::Given);
//!
//! let everyone = [7, 8].into_iter().collect();
//! let visible =
//!     book.visible(&marketing, RowBasis::NeedsGrant, &PersonMap::default(), &everyone, now);
//! assert_eq!(visible.iter().collect::<Vec<_>>(), [7]);
//! # Ok::<(), custos_core::NameError>(())
//! ```

mod ages;
mod book;
mod event;
mod import;
mod ledger;
mod persons;
mod requirements;
pub mod signals;
mod standing;
mod status;
#[cfg(test)]
mod testing;
mod topic;
mod visible;

pub use ages::{AgeLimits, AgeRules, Ages, UnknownAge};
pub use book::ConsentBook;
pub use event::ConsentEvent;
pub use import::{CsvImport, ImportProblem, ImportRow, read_csv};
pub use requirements::Requirements;
pub use standing::ConsentState;
pub use status::{ConsentStatus, ConsentStatusError};
pub use topic::{ConsentTopic, SeparateConsent};
pub use visible::RowBasis;
