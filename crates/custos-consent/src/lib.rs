//! Consent records and events, compiled to states and subject bitmaps per purpose and epoch.
//!
//! Events and records follow ISO/IEC TS 27560. This crate does no I/O beyond reading what it is
//! handed, takes the time as a value, signs nothing, and does not know policies: which purposes
//! rest on consent is the caller's [`RowBasis`], what else they ask for the caller's
//! [`Requirements`].
//!
//! Read first: [`ConsentEvent`] (what happened), [`ConsentBook`] (what holds now, and who is
//! visible because of it) and [`ConsentTopic`] (how an event tells of separate consents and
//! guardians). Events come out of a file by [`read_csv`] and out of what browsers say by
//! [`signals`]; they go into a [`ConsentRecord`], and to the person as a [`ConsentReceipt`].
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
mod chunks;
mod event;
mod import;
mod ledger;
mod persons;
mod record;
mod requirements;
pub mod signals;
mod standing;
mod status;
#[cfg(test)]
mod testing;
mod topic;
mod visible;

pub use ages::{AgeLimits, AgeRecord, AgeRules, Ages, UnknownAge};
pub use book::ConsentBook;
pub use event::ConsentEvent;
pub use import::{CsvImport, ImportProblem, ImportRow, read_csv};
pub use record::{
    ConsentReceipt, ConsentRecord, Party, PiiInformation, PiiProcessing, RECORD_SCHEMA,
    RecordEntity, RecordEvent, RecordTerms,
};
pub use requirements::Requirements;
pub use standing::ConsentState;
pub use status::{ConsentStatus, ConsentStatusError};
pub use topic::{ConsentTopic, SeparateConsent, SeparateConsents};
pub use visible::RowBasis;
