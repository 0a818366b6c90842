//! Contracts and connectors: validate, split identifiers from facts, journal, quarantine, commit.
//!
//! A [`Contract`] says what a source delivers and what each column is; a [`Reader`] turns a file
//! into rows of typed [`Value`]s under it, and says of every other row what is wrong with it
//! without quoting it. [`Ingest`] brings a file into the lake: identifiers to the vault, the rest
//! to the landing table, broken rows to quarantine. [`Resolver`] finds out which subjects are one
//! person.
//!
//! Reading knows nothing of people, keys or tables; loading knows nothing of SQL, consent or who
//! may see what.
//!
//! Read first: [`Contract`], [`Reader`], then `load.rs` for the way of a file into the lake.

mod batch_builder;
mod compactor;
mod contract;
mod error;
mod ledger;
mod load;
mod load_error;
mod mentions;
mod quarantine;
mod reader;
mod records;
mod resolve;
mod row;
mod subjects;
mod tables;

pub use compactor::Compactor;
pub use contract::{
    Column, Contract, ContractProblem, CsvFormat, Format, Header, IdentifierSpec, LogicalType,
    NdjsonFormat, Range, Status, Unattributed, WriteMode,
};
pub use error::ReadError;
pub use ledger::{
    Batch, BatchPlan, BatchState, Lease, Ledger, LoadCounts, RegisteredContract, Suppressed,
    Suppression,
};
pub use load::{Ingest, LoadReport};
pub use load_error::IngestError;
pub use mentions::Mentions;
pub use quarantine::QuarantineReason;
pub use reader::{CELL_BYTES_MAX, JSON_DEPTH_MAX, ROW_BYTES_MAX, Reader};
pub use resolve::{ResolveReport, Resolver};
pub use row::{ParsedRow, Record, RowFault, RowProblem, Value};
pub use tables::vault_dataset;
