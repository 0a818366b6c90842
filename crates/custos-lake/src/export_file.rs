//! Parquet files that leave the lake.

use std::fmt;
use std::io::Write;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use custos_keys::FileSecrets;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::file::properties::WriterProperties;
use serde_json::json;

use crate::{LakeError, parquet_crypto};

/// What a reader of an export sends to the gateway to be given its key.
#[derive(Debug, Clone, Copy)]
pub struct KeyReference<'a> {
    /// Names the export.
    pub key: &'a str,
    /// Names what kind of key that is.
    pub master_key: &'a str,
}

impl KeyReference<'_> {
    /// The key metadata that pyarrow's `CryptoFactory` and Spark read: key material of type PKMT1
    /// in single wrapping, in which our reference stands in the place of the wrapped key.
    fn material(self) -> Vec<u8> {
        let material = json!({
            "keyMaterialType": "PKMT1",
            "internalStorage": true,
            "isFooterKey": true,
            "kmsInstanceID": "DEFAULT",
            "kmsInstanceURL": "DEFAULT",
            "masterKeyID": self.master_key,
            "wrappedDEK": self.key,
            "doubleWrapping": false,
        });
        material.to_string().into_bytes()
    }
}

/// Writes one Parquet file of any schema, row group by row group, for readers elsewhere.
pub struct ExportFile<W: Write + Send> {
    writer: ArrowWriter<W>,
}

impl<W: Write + Send> fmt::Debug for ExportFile<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExportFile")
    }
}

impl<W: Write + Send> ExportFile<W> {
    /// A file whose footer and columns are sealed under the core secret of `secrets`.
    ///
    /// Uniform encryption: readers that know no keys of single columns open it, too.
    pub fn sealed(
        to: W,
        schema: &SchemaRef,
        secrets: &FileSecrets,
        reference: KeyReference<'_>,
    ) -> Result<Self, LakeError> {
        let properties = parquet_crypto::export_properties(secrets, reference.material());
        Self::begin(to, schema, properties)
    }

    /// A file in clear.
    pub fn plain(to: W, schema: &SchemaRef) -> Result<Self, LakeError> {
        Self::begin(to, schema, parquet_crypto::plain_export_properties())
    }

    fn begin(
        to: W,
        schema: &SchemaRef,
        properties: Option<WriterProperties>,
    ) -> Result<Self, LakeError> {
        let begun = |()| LakeError::Export { operation: "begun" };
        let options =
            ArrowWriterOptions::new().with_properties(properties.ok_or(()).map_err(begun)?);
        let writer = ArrowWriter::try_new_with_options(to, Arc::clone(schema), options);
        Ok(Self { writer: writer.map_err(|_| begun(()))? })
    }

    /// Writes rows of the file's schema.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), LakeError> {
        self.writer.write(batch).map_err(|_| LakeError::Export { operation: "written" })
    }

    /// Ends the row group if it has more than so many bytes.
    pub fn end_row_group_over(&mut self, bytes: usize) -> Result<(), LakeError> {
        if self.writer.in_progress_size() > bytes {
            self.writer.flush().map_err(|_| LakeError::Export { operation: "written" })?;
        }
        Ok(())
    }

    /// Writes the footer and gives back what was written to.
    pub fn finish(self) -> Result<W, LakeError> {
        self.writer.into_inner().map_err(|_| LakeError::Export { operation: "finished" })
    }
}

impl ExportFile<Vec<u8>> {
    /// Takes the bytes that were written since the last call.
    pub fn take_written(&mut self) -> Vec<u8> {
        std::mem::take(self.writer.inner_mut())
    }
}
