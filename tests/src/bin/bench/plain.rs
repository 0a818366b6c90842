//! The same rows as Parquet, plain or sealed: what others read, and what the same engine reads
//! without us.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use custos_lake::{Access, OpenFile, RowRange, Table};
use datafusion::common::config::{ConfigFileDecryptionProperties, ConfigFileEncryptionProperties};
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

/// Rows of a batch when whole files are read.
pub(crate) const READ_ROWS: usize = 8_192;

/// What files are sealed with that the engine opens itself: footer and columns alike, with a key as
/// long as those of the lake.
const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// A folder of files that are read without us.
#[derive(Debug, Clone)]
pub(crate) struct Plain {
    pub(crate) folder: PathBuf,
    is_sealed: bool,
}

impl Plain {
    pub(crate) fn new(folder: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&folder)?;
        Ok(Self { folder, is_sealed: false })
    }

    /// A folder of files that are sealed, with a key that the engine has.
    pub(crate) fn sealed(folder: PathBuf) -> Result<Self> {
        Ok(Self { is_sealed: true, ..Self::new(folder)? })
    }

    /// Writes batches as one file, durably.
    pub(crate) fn write(&self, name: usize, batches: &[RecordBatch], group: usize) -> Result<()> {
        let schema = schema(&batches.first().context("no rows")?.schema());
        let mut properties = properties(group)?;
        if self.is_sealed {
            let sealing = ConfigFileEncryptionProperties {
                encrypt_footer: true,
                footer_key_as_hex: KEY.to_owned(),
                ..ConfigFileEncryptionProperties::default()
            };
            let sealing = Arc::new(sealing.try_into()?);
            properties = properties.into_builder().with_file_encryption_properties(sealing).build();
        }
        let mut writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties))?;
        for batch in batches {
            writer.write(&RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec())?)?;
        }
        let mut file = File::create(self.folder.join(format!("{name:05}.parquet")))?;
        file.write_all(&writer.into_inner()?)?;
        file.sync_all()?;
        Ok(())
    }

    /// Writes the rows of sealed files with the same cut.
    pub(crate) async fn mirror(&self, table: &Table, access: Access<'_>) -> Result<()> {
        let (_, files) = table.open_current(access).await?;
        for (name, file) in files.iter().enumerate() {
            let batches: Vec<RecordBatch> = read_sealed(table, file, access)?.try_collect().await?;
            let group = file.row_groups().into_iter().max().context("no row group")?;
            self.write(name, &batches, group)?;
        }
        Ok(())
    }

    /// The files, in the order of their names.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(&self.folder)?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
        files.retain(|path| path.extension().is_some_and(|extension| extension == "parquet"));
        files.sort_unstable();
        Ok(files)
    }

    /// The same engine over the files, registered as `events`.
    pub(crate) async fn engine(&self) -> Result<SessionContext> {
        let context = SessionContext::new_with_config(SessionConfig::new());
        let folder = self.folder.to_str().context("a path that is text")?;
        let mut options = ParquetReadOptions::default();
        if self.is_sealed {
            let footer_key_as_hex = KEY.to_owned();
            options = options.file_decryption_properties(ConfigFileDecryptionProperties {
                footer_key_as_hex,
                ..ConfigFileDecryptionProperties::default()
            });
        }
        context.register_parquet("events", folder, options).await?;
        Ok(context)
    }
}

/// Reads a sealed file, all columns and rows.
pub(crate) fn read_sealed(
    table: &Table,
    file: &OpenFile,
    access: Access<'_>,
) -> Result<impl futures::Stream<Item = Result<RecordBatch>> + Send + use<>> {
    let columns: Vec<usize> = (0..table.spec().columns().len()).collect();
    let row_groups = 0..file.row_groups().len();
    let range = RowRange { row_groups, rows: None };
    Ok(file.read(access, &columns, range, READ_ROWS)?.map_err(anyhow::Error::from))
}

/// Reads a plain file, all columns and rows, the way the engine does, and counts the latter.
#[expect(deprecated, reason = "the shortest way to read from an object store, good enough here")]
pub(crate) async fn count_rows(path: &Path) -> Result<usize> {
    let store = Arc::new(LocalFileSystem::new());
    let reader = parquet::arrow::async_reader::ParquetObjectReader::new(
        store,
        object_store::path::Path::from_absolute_path(path)?,
    );
    let mut batches =
        ParquetRecordBatchStreamBuilder::new(reader).await?.with_batch_size(READ_ROWS).build()?;
    let mut rows = 0;
    while let Some(batch) = batches.try_next().await? {
        rows += batch.num_rows();
    }
    Ok(rows)
}

/// The rows of a file written anew: the least that an erasure costs who keeps no list of subjects.
pub(crate) fn rewrite(from: &Path, to: &Path, group: usize) -> Result<()> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(from)?)?
        .with_batch_size(READ_ROWS)
        .build()?;
    let schema = arrow::array::RecordBatchReader::schema(&reader);
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties(group)?))?;
    for batch in reader {
        writer.write(&batch?)?;
    }
    let mut file = File::create(to)?;
    file.write_all(&writer.into_inner()?)?;
    file.sync_all()?;
    Ok(())
}

fn properties(group: usize) -> Result<WriterProperties> {
    Ok(WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_max_row_group_row_count(Some(group))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .build())
}

/// The same columns, the first under the name that others know it by.
fn schema(sealed: &Schema) -> SchemaRef {
    let fields = sealed.fields().iter().enumerate().map(|(at, field)| match at {
        0 => Arc::new(Field::new("subject_id", field.data_type().clone(), false)),
        _ => Arc::clone(field),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
