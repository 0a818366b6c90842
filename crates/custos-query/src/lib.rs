//! SQL in, governed record batches out.
//!
//! A statement becomes a [`Governed`] plan or a refusal; an [`Executor`] runs nothing else. Each
//! table of such a plan is an opaque leaf that opens files against a
//! [`ReadGrant`](custos_policy::ReadGrant), shows only rows whose subject is visible for the
//! purpose now, masks columns, replaces internal ids by keyed ones, and tells the planner nothing
//! about what it hides. What does not fit in memory goes into sealed files without a name, and
//! how a statement ends is in the audit log even if its caller has left. An [`ExportService`] takes
//! an answer out in a file, under a key that it gives out and can take back.
//!
//! This crate alone holds a DataFusion session. It does not know wire formats, contracts, where
//! consent is stored, or how files are encrypted.
//!
//! Read first: [`Governor::govern`], [`Executor::run`], then `scan.rs`, where a row is let
//! through or not.

mod aging;
mod allow;
mod answer_cache;
mod array_agg;
mod bounded;
mod budget;
mod catalogue;
mod client_memory;
mod complexity;
mod compute;
mod date_trunc;
mod dense;
mod dialect;
mod error;
mod export;
mod fair_queue;
mod gathered;
mod governor;
mod interrupt;
mod kept_text;
mod labels;
mod limits;
mod mask;
mod memory;
#[cfg(feature = "mutants")]
pub mod mutants;
#[cfg(not(feature = "mutants"))]
mod mutants;
mod newest_rows;
mod others_named;
mod pace;
mod parquet_pieces;
mod per_principal;
mod person_ids;
pub mod pg_type;
mod population;
mod postgres_functions;
mod principal_share;
mod profiles;
mod pruning;
mod question;
mod replaced;
mod resources;
mod row_bits;
mod row_stream;
mod running;
mod scalar_functions;
mod scan;
mod scrub;
mod session;
mod shortage;
mod source;
mod spill;
mod subjects_read;
mod tally;
mod time_format;
mod totals;
mod units;

pub use client_memory::ClientMemory;
pub use complexity::STACK_BYTES;
pub use error::QueryError;
pub use export::{
    Export, ExportError, ExportFormat, ExportLease, ExportLedger, ExportParts, ExportService,
    ExportState, NewExport, StoredExport,
};
pub use governor::{Catalog, Executor, Governed, Governor, View};
pub use limits::Limits;
pub use parquet_pieces::ParquetPieces;
pub use pg_type::PgType;
pub use population::{Asked, Consents, Epochs, KnownOf, Population, Visibility};
pub use profiles::{
    ConsentRecord, Lookup, Profile, ProfileConsent, ProfilePart, ProfileParts, Profiles,
    UnknownProfilePart,
};
pub use question::{Description, Question};
pub use row_stream::RowStream;
pub use session::Session;
pub use source::GovernedSource;
pub use tally::Tally;
