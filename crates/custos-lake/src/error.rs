//! Why the lake did not do what was asked.

use custos_core::{Classify, ErrorKind, FileId, StoreError, TableName};
use custos_keys::KeyError;

/// A failure of the lake. `Display` names tables and files, never values.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// The folder or bucket could not be read or written.
    #[error("object storage failed while {operation}")]
    Storage {
        /// What was being done.
        operation: &'static str,
        /// The store's own error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The place of the lake is not one.
    #[error("the lake's location cannot be used: {what}")]
    Location {
        /// What is wrong with it.
        what: String,
    },
    /// The log of a table could not be read or written.
    #[error("the log of table `{table}` failed while {operation}")]
    Log {
        /// The table.
        table: TableName,
        /// What was being done.
        operation: &'static str,
        /// The log library's own error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file is not what its log entry says.
    #[error("file {file} of table `{table}` is not the one the log names: {what}")]
    Integrity {
        /// The table.
        table: TableName,
        /// The file.
        file: FileId,
        /// What differs.
        what: &'static str,
    },
    /// A journal cannot be opened although its secret is there.
    #[error("journal {file} cannot be opened: {what}")]
    Broken {
        /// The journal.
        file: FileId,
        /// What is wrong with it.
        what: &'static str,
    },
    /// An entry of the record of erasures does not open.
    #[error("entry {position} of the record of erasures cannot be opened")]
    RecordBroken {
        /// Its place.
        position: u64,
    },
    /// The log of a table holds something Custos did not write.
    #[error("the log of table `{table}` holds an entry that Custos did not write: {what}")]
    ForeignEntry {
        /// The table.
        table: TableName,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The log of a table is not what this installation left.
    #[error("the log of table `{table}` is not the one this installation wrote: {what}")]
    Tampered {
        /// The table.
        table: TableName,
        /// What shows it.
        what: &'static str,
    },
    /// The secrets of a live file are gone.
    #[error(
        "the secrets of file {file} of table `{table}` are gone: it was shredded, or the control store is not the one that wrote it"
    )]
    Shredded {
        /// The table.
        table: TableName,
        /// The file.
        file: FileId,
    },
    /// A column was asked for whose class the grant does not open.
    #[error("the grant does not open column `{column}` of table `{table}`")]
    NotGranted {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
    },
    /// The grant is for another table.
    #[error("the grant is not for table `{table}`")]
    WrongGrant {
        /// The table.
        table: TableName,
    },
    /// Data does not have the table's shape.
    #[error("data for table `{table}` does not have its shape: {what}")]
    Shape {
        /// The table.
        table: TableName,
        /// What differs.
        what: String,
    },
    /// Encoding or decoding Parquet failed. The library's text may quote data, so it is not shown.
    #[error("file {file} of table `{table}` could not be {operation}")]
    Parquet {
        /// The table.
        table: TableName,
        /// The file.
        file: FileId,
        /// What was being done, as a participle.
        operation: &'static str,
    },
    /// Encoding an export failed. The library's text may quote data, so it is not shown.
    #[error("the export could not be {operation}")]
    Export {
        /// What was being done, as a participle.
        operation: &'static str,
    },
    /// Too many other writers were faster.
    #[error("table `{table}` is being changed by others; the commit lost {attempts} times")]
    Contention {
        /// The table.
        table: TableName,
        /// How often the commit was tried.
        attempts: u32,
    },
    /// A name written in this program is not one; a defect.
    #[error("a built-in table name is not a name")]
    NoSuchName,
    /// Keys could not be had.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The control store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LakeError {
    pub(crate) fn storage(operation: &'static str) -> impl FnOnce(object_store::Error) -> Self {
        move |source| Self::Storage { operation, source: Box::new(source) }
    }
}

impl Classify for LakeError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Storage { .. } | Self::Log { .. } => ErrorKind::Unavailable,
            Self::Integrity { .. }
            | Self::Broken { .. }
            | Self::RecordBroken { .. }
            | Self::ForeignEntry { .. }
            | Self::Tampered { .. }
            | Self::Shredded { .. }
            | Self::Parquet { .. } => ErrorKind::Integrity,
            Self::NotGranted { .. } | Self::WrongGrant { .. } => ErrorKind::Denied,
            Self::Export { .. } => ErrorKind::Unavailable,
            Self::Shape { .. } | Self::NoSuchName => ErrorKind::Internal,
            Self::Contention { .. } => ErrorKind::Conflict,
            Self::Location { .. } => ErrorKind::Invalid,
            Self::Keys(error) => error.kind(),
            Self::Store(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Storage { source, .. } if is_full(&**source) => {
                Some("the disk is full: free space and repeat the command; nothing was lost".into())
            }
            Self::Storage { .. } | Self::Log { .. } => Some(
                "check that the lake's folder or bucket exists, is writable and has space, and that \
                 its credentials are in the environment"
                    .into(),
            ),
            Self::Export { .. } => Some(
                "check that the disk has space, and cast columns of unusual types to VARCHAR"
                    .into(),
            ),
            Self::Contention { .. } => Some("repeat the command".into()),
            Self::Location { .. } => Some(
                "name a folder, or a URL such as `s3://bucket/prefix` with AWS_ENDPOINT, \
                 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"
                    .into(),
            ),
            Self::Tampered { .. } => Some(
                "bring lake and control store back to one moment from a backup; somebody may have \
                 changed the lake"
                    .into(),
            ),
            Self::Keys(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Integrity { .. }
            | Self::Broken { .. }
            | Self::ForeignEntry { .. }
            | Self::Shredded { .. } => {
                Some("run `custos doctor`; do not restore single files by hand".into())
            }
            Self::RecordBroken { .. } => Some(
                "restore the folder `ledger` of the lake: without it nobody knows whom to forget \
                 again"
                    .into(),
            ),
            Self::NotGranted { .. }
            | Self::WrongGrant { .. }
            | Self::Shape { .. }
            | Self::NoSuchName
            | Self::Parquet { .. } => None,
        }
    }
}

/// Whether an error is, at its root, a full disk.
fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return matches!(
                io.kind(),
                std::io::ErrorKind::StorageFull
                    | std::io::ErrorKind::QuotaExceeded
                    | std::io::ErrorKind::FileTooLarge
            );
        }
        current = error.source();
    }
    false
}
