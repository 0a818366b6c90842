//! Governed rows that leave the platform in a file, under a key that can be taken back.
//!
//! An export is a query's answer as Parquet, sealed under a secret of its own that never leaves
//! with it. Who reads the file asks the gateway for the key each time, as long as they have the
//! right, the export has not expired and nobody revoked it. What was exported to whom, and whose
//! rows it may hold, is kept in a sealed record.

mod error;
mod file;
mod ledger;
mod record;
mod service;

pub use error::ExportError;
pub use file::ExportFormat;
pub use ledger::{ExportLease, ExportLedger, StoredExport};
pub use record::{Export, ExportState};
pub use service::{ExportParts, ExportService, NewExport};
