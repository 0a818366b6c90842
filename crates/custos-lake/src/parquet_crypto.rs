//! Modular encryption of Parquet: the one place that names the parquet crate's key types.
//!
//! Two traps of the parquet crate are closed here. A column without a key would be written in
//! clear as soon as another has one, so every leaf is listed. And `Debug` of writer properties
//! prints keys, so they are never formatted.

#![expect(
    clippy::disallowed_types,
    reason = "this file alone may hold the parquet crate's key-bearing properties"
)]

use std::sync::Arc;

use custos_core::{FileId, KeyClass, TableName};
use custos_keys::FileSecrets;
use parquet::basic::{Compression, ZstdLevel};
use parquet::encryption::decrypt::FileDecryptionProperties;
use parquet::encryption::encrypt::FileEncryptionProperties;
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::{LakeError, TableSpec};

/// Rows of one row group, where nothing else is asked for.
pub(crate) const ROW_GROUP_ROWS: usize = 131_072;

/// What binds a file to its place: table and file id, as the log gives them.
pub(crate) fn aad(table: &TableName, file: FileId) -> Vec<u8> {
    format!("custos/1|{table}|{file}").into_bytes()
}

/// Properties that seal each column under the secret of its class, footer included.
pub(crate) fn writer_properties(
    spec: &TableSpec,
    secrets: &FileSecrets,
    group_rows: usize,
) -> Result<WriterProperties, LakeError> {
    let file = secrets.file();
    let fail = |operation| LakeError::Parquet { table: spec.name().clone(), file, operation };
    let core = key(secrets, KeyClass::Core).ok_or_else(|| fail("sealed"))?;
    let mut builder = FileEncryptionProperties::builder(core)
        .with_aad_prefix(aad(spec.name(), file))
        .with_aad_prefix_storage(true);
    for column in spec.columns() {
        let key = key(secrets, column.class).ok_or_else(|| fail("sealed"))?;
        builder = builder.with_column_key(&column.name, key);
    }
    let encryption = builder.build().map_err(|_| fail("sealed"))?;
    let level = ZstdLevel::try_new(1).map_err(|_| fail("compressed"))?;
    Ok(WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(group_rows))
        // They lie in the metadata of their column, which is sealed under its class.
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .with_file_encryption_properties(encryption)
        .build())
}

/// Properties of an export: footer and all columns sealed under its one secret, and its footer
/// naming with `key_metadata` how a reader asks for it.
///
/// The place that binds the file is stored in it, since other engines have no way to be told.
pub(crate) fn export_properties(
    secrets: &FileSecrets,
    key_metadata: Vec<u8>,
) -> Option<WriterProperties> {
    let encryption = FileEncryptionProperties::builder(key(secrets, KeyClass::Core)?)
        .with_footer_key_metadata(key_metadata)
        .with_aad_prefix(format!("custos/export/1|{}", secrets.file()).into_bytes())
        .with_aad_prefix_storage(true)
        .build()
        .ok()?;
    Some(
        plain_export_properties()?
            .into_builder()
            .with_file_encryption_properties(encryption)
            .build(),
    )
}

/// Properties of an export in clear.
pub(crate) fn plain_export_properties() -> Option<WriterProperties> {
    let level = ZstdLevel::try_new(1).ok()?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_statistics_enabled(EnabledStatistics::Chunk);
    Some(properties.build())
}

/// What opens the columns of a file whose secrets are present, for its table and id only.
#[derive(Clone)]
pub(crate) struct Decryption(Arc<FileDecryptionProperties>);

impl Decryption {
    pub(crate) fn new(spec: &TableSpec, secrets: &FileSecrets) -> Result<Self, LakeError> {
        let file = secrets.file();
        let shredded = || LakeError::Shredded { table: spec.name().clone(), file };
        let core = key(secrets, KeyClass::Core).ok_or_else(shredded)?;
        let mut builder =
            FileDecryptionProperties::builder(core).with_aad_prefix(aad(spec.name(), file));
        for column in spec.columns() {
            if let Some(key) = key(secrets, column.class) {
                builder = builder.with_column_key(&column.name, key);
            }
        }
        let table = || spec.name().clone();
        let failed = |_| LakeError::Parquet { table: table(), file, operation: "opened" };
        builder.build().map(Self).map_err(failed)
    }

    /// A reader of the file's footer.
    pub(crate) fn metadata_reader(&self) -> ParquetMetaDataReader {
        ParquetMetaDataReader::new().with_decryption_properties(Some(Arc::clone(&self.0)))
    }
}

fn key(secrets: &FileSecrets, class: KeyClass) -> Option<Vec<u8>> {
    secrets.get(class).map(|secret| secret.expose(|bytes| bytes.to_vec()))
}
