//! The file of an export, which appears whole or not at all.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use custos_keys::FileSecrets;
use custos_lake::{ExportFile, KeyReference};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::ExportError;

/// The form of an export's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExportFormat {
    /// Encrypted Parquet, whose key the gateway gives out.
    Parquet,
    /// Parquet in clear.
    ParquetPlain,
    /// CSV in clear, with a header.
    Csv,
}

impl ExportFormat {
    /// The name in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::ParquetPlain => "parquet-plain",
            Self::Csv => "csv",
        }
    }

    /// Whether whoever has the file can read it.
    pub const fn is_plain(self) -> bool {
        match self {
            Self::Parquet => false,
            Self::ParquetPlain | Self::Csv => true,
        }
    }
}

/// A file on its way, beside the place where it will be.
pub(super) struct Staged {
    file: NamedTempFile,
    writer: Writer,
}

enum Writer {
    Parquet(ExportFile<File>),
    Csv(arrow::csv::Writer<File>),
}

impl Staged {
    /// Begins a file for `path`, for the eyes of its owner only.
    pub(super) fn begin(
        path: &Path,
        format: ExportFormat,
        schema: &SchemaRef,
        secrets: &FileSecrets,
        reference: KeyReference<'_>,
    ) -> Result<Self, ExportError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let file = tempfile::Builder::new()
            .prefix(".custos-export-")
            .tempfile_in(folder.unwrap_or(Path::new(".")))
            .map_err(ExportError::File)?;
        let to = file.as_file().try_clone().map_err(ExportError::File)?;
        let writer = match format {
            ExportFormat::Parquet => {
                Writer::Parquet(ExportFile::sealed(to, schema, secrets, reference)?)
            }
            ExportFormat::ParquetPlain => Writer::Parquet(ExportFile::plain(to, schema)?),
            ExportFormat::Csv => Writer::Csv(header(to, schema)?),
        };
        Ok(Self { file, writer })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), ExportError> {
        match &mut self.writer {
            Writer::Parquet(file) => Ok(file.write(batch)?),
            Writer::Csv(writer) => writer.write(batch).map_err(csv_error),
        }
    }

    /// Ends the file, safe on the disk, not at its place yet.
    pub(super) fn finish(self) -> Result<Finished, ExportError> {
        let written = match self.writer {
            Writer::Parquet(file) => file.finish()?,
            Writer::Csv(writer) => writer.into_inner(),
        };
        written.sync_all().map_err(ExportError::File)?;
        Ok(Finished(self.file))
    }
}

/// A whole file that is not at its place yet; dropped, it is gone.
pub(super) struct Finished(NamedTempFile);

impl Finished {
    /// Puts the file at its place, where nothing may be.
    pub(super) fn publish(self, path: &Path) -> Result<(), ExportError> {
        match self.0.persist_noclobber(path) {
            Ok(_) => Ok(()),
            Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(ExportError::Exists)
            }
            Err(error) => Err(ExportError::File(error.error)),
        }
    }
}

/// A CSV file with its header, which is there even if no row follows.
fn header(to: File, schema: &SchemaRef) -> Result<arrow::csv::Writer<File>, ExportError> {
    let mut writer = arrow::csv::WriterBuilder::new().with_header(true).build(to);
    let nobody = RecordBatch::new_empty(Arc::clone(schema));
    writer.write(&nobody).map_err(csv_error)?;
    Ok(writer)
}

fn csv_error(error: ArrowError) -> ExportError {
    match error {
        ArrowError::IoError(_, error) => ExportError::File(error),
        _ => ExportError::Type,
    }
}
