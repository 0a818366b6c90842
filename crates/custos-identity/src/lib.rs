//! Normalising identifiers, matching and clustering subjects into persons, with evidence.
//!
//! This crate is pure: it reads no vault and holds no key. The resolver sees keyed hashes of
//! normalised values, and of clear values only the comparable forms of names, in memory.
//!
//! Read first: [`normalise`] (one value in its comparable form, or why it identifies nobody),
//! [`resolve`] (links in, persons and the evidence for them out) and [`pairwise`] (how good
//! the persons are where the truth is known).
//!
//! ```
//! use custos_core::{Assurance, IdentifierType, Rid};
//! use custos_identity::{Limits, Link, normalise, resolve};
//!
//! let shop = normalise(IdentifierType::Phone, "0086 138-1234-5678", Some("CN"))?;
//! let web = normalise(IdentifierType::Phone, "１３８１２３４５６７８", Some("CN"))?;
//! assert_eq!(shop, web);
//!
//! let link = |rid| Link {
//!     rid: Rid::new(rid),
//!     kind: IdentifierType::Phone,
//!     scope: None,
//!     hash: [7; 16], // the keyed hash of the normalised value
//!     assurance: Assurance::Verified,
//! };
//! let resolution = resolve(&[link(1), link(2)], &[], &Limits::default());
//! assert_eq!(resolution.persons.person_of(Rid::new(2)).0, Rid::new(1));
//! # Ok::<(), custos_identity::NormaliseError>(())
//! ```

mod error;
mod fold;
mod link;
mod name;
mod normalise;
mod quality;
mod resolve;

pub use error::NormaliseError;
pub use link::{Evidence, Limits, Link, Refusal, RefusalReason, Resolution, Rule, SubjectName};
pub use name::name_key;
pub use normalise::normalise;
pub use quality::{Quality, pairwise};
pub use resolve::resolve;
