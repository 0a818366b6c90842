//! Reading encrypted files.
//!
//! A file opens only if its length, magic bytes, row count and address (table and file id from
//! the log) are those of its log entry, and every column chunk is encrypted: the parquet crate
//! itself would read a plaintext file put in its place.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{Schema, SchemaRef};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use custos_core::{KeyClass, TableName};
use custos_keys::FileSecrets;
use custos_policy::{ColumnRule, MaintenanceGrant, ReadGrant};
use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, RowSelection, RowSelectionPolicy,
};
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use roaring::RoaringBitmap;

use crate::contained::contained;
use crate::log::FileEntry;
use crate::writer::SUBJECTS_ENTRY;
use crate::{ColumnRole, LakeError, Table, TableSpec, parquet_crypto};

/// First and last bytes of a Parquet file with an encrypted footer.
const MAGIC: &[u8] = b"PARE";

/// Shortest possible file: two magics and the footer's length.
const FILE_BYTES_MIN: u64 = 12;

/// Nonce and tag of AES-GCM, which every sealed part has.
const SEAL_BYTES: usize = 12 + 16;

/// By what right a file is read.
#[derive(Debug, Clone, Copy)]
pub enum Access<'a> {
    /// A principal's, for a purpose: opens the classes and columns the grant names.
    Read(&'a ReadGrant),
    /// A maintenance job's: opens the whole file.
    Maintenance(&'a MaintenanceGrant),
}

impl Access<'_> {
    /// The classes of a table's files that this opens.
    fn classes(self, spec: &TableSpec) -> Result<BTreeSet<KeyClass>, LakeError> {
        let table = match self {
            Self::Read(grant) => grant.table(),
            Self::Maintenance(grant) => grant.table(),
        };
        if table != spec.name() {
            return Err(LakeError::WrongGrant { table: spec.name().clone() });
        }
        let mut classes = spec.classes();
        if let Self::Read(grant) = self {
            classes.retain(|class| *class == KeyClass::Core || grant.opens(*class));
        }
        Ok(classes)
    }

    /// Whether this reads a column.
    fn covers(self, spec: &TableSpec, at: usize) -> bool {
        let column = &spec.columns()[at];
        match self {
            Self::Maintenance(_) => true,
            Self::Read(grant) => {
                column.role != ColumnRole::Value
                    || !matches!(grant.column(&column.name), ColumnRule::Absent)
            }
        }
    }
}

/// Which rows to read.
#[derive(Debug, Clone)]
pub struct RowRange {
    /// The row group.
    pub row_group: usize,
    /// One bit a row of the group; `None` reads all of them.
    pub rows: Option<BooleanBuffer>,
}

/// A data file whose footer was opened; columns are decrypted as they are read.
///
/// Holds key material: drop it once the file is no longer live.
pub struct OpenFile {
    spec: Arc<TableSpec>,
    entry: FileEntry,
    store: Arc<dyn ObjectStore>,
    metadata: ArrowReaderMetadata,
    subjects: RoaringBitmap,
    classes: BTreeSet<KeyClass>,
    /// For each column of the table its place in the file; absent in files older than the column.
    places: Vec<Option<usize>>,
}

impl fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenFile").field("file", &self.entry.file).finish_non_exhaustive()
    }
}

impl Table {
    /// Opens files of this table, fetching their secrets in one step.
    ///
    /// # Errors
    ///
    /// [`LakeError::Shredded`] if a file's secrets are gone, [`LakeError::Integrity`] if it is not
    /// the file its entry describes.
    pub async fn open(
        &self,
        files: &[FileEntry],
        access: Access<'_>,
    ) -> Result<Vec<Arc<OpenFile>>, LakeError> {
        let classes = access.classes(self.spec())?;
        let missing: Vec<_> = files
            .iter()
            .filter(|entry| self.cache().get(entry, &classes).is_none())
            .map(|entry| entry.file)
            .collect();
        let wanted: Vec<_> = classes.iter().copied().collect();
        let mut secrets = self.keys().file_secrets(&missing, &wanted).await?;
        let mut opened = Vec::with_capacity(files.len());
        for entry in files {
            let file = match self.cache().get(entry, &classes) {
                Some(file) => file,
                None => {
                    let secrets = secrets.remove(&entry.file).ok_or_else(|| {
                        LakeError::Shredded { table: self.name().clone(), file: entry.file }
                    })?;
                    let file = self.open_one(entry, &classes, &secrets).await?;
                    self.cache().put(Arc::clone(&file));
                    file
                }
            };
            opened.push(file);
        }
        Ok(opened)
    }

    async fn open_one(
        &self,
        entry: &FileEntry,
        classes: &BTreeSet<KeyClass>,
        secrets: &FileSecrets,
    ) -> Result<Arc<OpenFile>, LakeError> {
        let check = Check { table: self, entry };
        check.outside(&**self.store()).await?;
        let whole = *classes == self.spec().classes();
        let metadata = Arc::new(check.footer(secrets, whole).await?);
        check.inside(&metadata)?;
        let subjects = check.subjects(&metadata)?;
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(false);
        let metadata =
            ArrowReaderMetadata::try_new(metadata, options).map_err(|_| check.failed("opened"))?;
        let in_file = metadata.schema();
        let places = self
            .spec()
            .columns()
            .iter()
            .map(|column| in_file.index_of(&column.name).ok())
            .collect();
        Ok(Arc::new(OpenFile {
            spec: Arc::clone(self.spec()),
            entry: entry.clone(),
            store: Arc::clone(self.store()),
            metadata,
            subjects,
            classes: classes.clone(),
            places,
        }))
    }
}

/// The checks that a file is the one its log entry describes.
struct Check<'a> {
    table: &'a Table,
    entry: &'a FileEntry,
}

impl Check<'_> {
    /// Length and magic bytes.
    async fn outside(&self, store: &dyn ObjectStore) -> Result<(), LakeError> {
        let path = Path::from(self.entry.path.as_str());
        let found = match store.head(&path).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Err(self.wrong("it is missing")),
            Err(error) => return Err(LakeError::storage("looking at a data file")(error)),
        };
        if found.size != self.entry.bytes || found.size < FILE_BYTES_MIN {
            return Err(self.wrong("its length differs"));
        }
        let ends = [0..4, found.size - 4..found.size];
        let magics = store
            .get_ranges(&path, &ends)
            .await
            .map_err(LakeError::storage("reading a data file"))?;
        if magics.iter().any(|magic| &**magic != MAGIC) {
            return Err(self.wrong("it is not an encrypted Parquet file"));
        }
        Ok(())
    }

    async fn footer(
        &self,
        secrets: &FileSecrets,
        whole: bool,
    ) -> Result<ParquetMetaData, LakeError> {
        let decryption = parquet_crypto::decryption_properties(self.table.spec(), secrets)?;
        // Page indexes need every column's key, so a reader with some of them does without.
        let indexes = if whole { PageIndexPolicy::Optional } else { PageIndexPolicy::Skip };
        let mut source = source(self.table.store(), self.entry);
        let mut reader = ParquetMetaDataReader::new()
            .with_decryption_properties(Some(decryption))
            .with_page_index_policy(PageIndexPolicy::Skip);
        let reading = async {
            reader.try_load(&mut source, self.entry.bytes).await?;
            // What follows is a row of sealed parts, as are the pages.
            source.in_parts = true;
            let mut reader = reader.with_page_index_policy(indexes);
            reader.load_page_index(&mut source).await?;
            reader.finish()
        };
        contained(reading)
            .await
            .and_then(Result::ok)
            .ok_or_else(|| self.wrong("its footer does not open with its secrets and address"))
    }

    /// Row count, and that nothing is in clear.
    fn inside(&self, metadata: &ParquetMetaData) -> Result<(), LakeError> {
        if u64::try_from(metadata.file_metadata().num_rows()).ok() != Some(self.entry.rows) {
            return Err(self.wrong("its row count differs"));
        }
        let in_clear = metadata
            .row_groups()
            .iter()
            .flat_map(|group| group.columns())
            .any(|chunk| chunk.crypto_metadata().is_none());
        if in_clear {
            return Err(self.wrong("a column of it is not encrypted"));
        }
        Ok(())
    }

    fn subjects(&self, metadata: &ParquetMetaData) -> Result<RoaringBitmap, LakeError> {
        metadata
            .file_metadata()
            .key_value_metadata()
            .and_then(|entries| entries.iter().find(|entry| entry.key == SUBJECTS_ENTRY))
            .and_then(|entry| BASE64.decode(entry.value.as_ref()?).ok())
            .and_then(|bytes| RoaringBitmap::deserialize_from(&*bytes).ok())
            .ok_or_else(|| self.wrong("it does not list its subjects"))
    }

    fn wrong(&self, what: &'static str) -> LakeError {
        LakeError::Integrity { table: self.table.name().clone(), file: self.entry.file, what }
    }

    fn failed(&self, operation: &'static str) -> LakeError {
        LakeError::Parquet { table: self.table.name().clone(), file: self.entry.file, operation }
    }
}

impl OpenFile {
    /// The log entry of the file.
    pub const fn entry(&self) -> &FileEntry {
        &self.entry
    }

    /// The table that the file belongs to.
    pub fn table(&self) -> &TableName {
        self.spec.name()
    }

    /// All subjects that rows of the file name, in any role.
    pub const fn subjects(&self) -> &RoaringBitmap {
        &self.subjects
    }

    /// The decrypted footer.
    pub(crate) fn metadata(&self) -> &ParquetMetaData {
        self.metadata.metadata()
    }

    /// Whether the file has every column of its table, in their order.
    pub(crate) fn is_complete(&self) -> bool {
        self.metadata.schema().fields().len() == self.places.len()
            && self.places.iter().enumerate().all(|(at, place)| *place == Some(at))
    }

    pub(crate) const fn classes(&self) -> &BTreeSet<KeyClass> {
        &self.classes
    }

    /// Rows of each row group.
    pub fn row_groups(&self) -> Vec<usize> {
        self.metadata
            .metadata()
            .row_groups()
            .iter()
            .map(|group| usize::try_from(group.num_rows()).unwrap_or(0))
            .collect()
    }

    /// Reads columns (positions in the table) of some rows, in the order asked for.
    ///
    /// Columns that the file does not have yet are null. Batches have at most `batch_rows` rows.
    pub fn read(
        &self,
        access: Access<'_>,
        columns: &[usize],
        range: RowRange,
        batch_rows: usize,
    ) -> Result<impl Stream<Item = Result<RecordBatch, LakeError>> + Send + use<>, LakeError> {
        for &at in columns {
            self.check_granted(access, at)?;
        }
        let parquet_schema = self.metadata.metadata().file_metadata().schema_descr();
        let roots: Vec<_> = columns.iter().filter_map(|&at| self.places[at]).collect();
        let mask = ProjectionMask::roots(parquet_schema, roots);
        let mut builder = ParquetRecordBatchStreamBuilder::new_with_metadata(
            Source { in_parts: true, ..source(&self.store, &self.entry) },
            self.metadata.clone(),
        )
        .with_batch_size(batch_rows)
        .with_projection(mask)
        .with_row_groups(vec![range.row_group]);
        if let Some(rows) = range.rows {
            builder = builder
                .with_row_selection(RowSelection::from_boolean_buffer(rows))
                .with_row_selection_policy(RowSelectionPolicy::default());
        }
        let failed = self.failed();
        let stream = builder.build().map_err(|_| failed("read"))?;
        let layout = Layout::new(&self.spec, columns, &self.places);
        // A stream that panicked is asked no more.
        Ok(AssertUnwindSafe(stream).catch_unwind().map(move |batch| match batch {
            Ok(Ok(batch)) => layout.arrange(&batch).ok_or_else(|| failed("arranged")),
            Ok(Err(_)) | Err(_) => Err(failed("decrypted")),
        }))
    }

    fn check_granted(&self, access: Access<'_>, at: usize) -> Result<(), LakeError> {
        let classes = access.classes(&self.spec)?;
        let column = &self.spec.columns()[at];
        let granted = classes.contains(&column.class)
            && self.classes.contains(&column.class)
            && access.covers(&self.spec, at);
        if granted {
            return Ok(());
        }
        Err(LakeError::NotGranted { table: self.spec.name().clone(), column: column.name.clone() })
    }

    fn failed(&self) -> impl Fn(&'static str) -> LakeError + Send + use<> {
        let (table, file) = (self.spec.name().clone(), self.entry.file);
        move |operation| LakeError::Parquet { table: table.clone(), file, operation }
    }
}

/// How the columns of a file become those that were asked for.
struct Layout {
    schema: SchemaRef,
    /// For each wanted column its name in the file, or nothing if the file lacks it.
    names: Vec<Option<String>>,
}

impl Layout {
    fn new(spec: &TableSpec, columns: &[usize], places: &[Option<usize>]) -> Self {
        let fields: Vec<_> = columns.iter().map(|&at| spec.schema().field(at).clone()).collect();
        let names =
            columns.iter().map(|&at| places[at].map(|_| spec.columns()[at].name.clone())).collect();
        Self { schema: Arc::new(Schema::new(fields)), names }
    }

    fn arrange(&self, batch: &RecordBatch) -> Option<RecordBatch> {
        let columns: Vec<ArrayRef> = self
            .names
            .iter()
            .zip(self.schema.fields())
            .map(|(name, field)| match name {
                Some(name) => batch.column_by_name(name).cloned(),
                None => Some(new_null_array(field.data_type(), batch.num_rows())),
            })
            .collect::<Option<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).ok()
    }
}

fn source(store: &Arc<dyn ObjectStore>, entry: &FileEntry) -> Source {
    let path = Path::from(entry.path.as_str());
    Source { store: Arc::clone(store), path, in_parts: false }
}

/// Where the parquet crate gets a file's bytes from. Footers are read by [`Check::footer`] alone.
struct Source {
    store: Arc<dyn ObjectStore>,
    path: Path,
    /// Whether all that is read from here on are rows of sealed parts.
    in_parts: bool,
}

impl Source {
    /// Bytes as they were read, if they can be handed on.
    fn checked(&self, range: &Range<u64>, bytes: Bytes) -> Result<Bytes, ParquetError> {
        if bytes.len() as u64 != range.end.saturating_sub(range.start) {
            return Err(ParquetError::General("a read broke off".to_owned()));
        }
        if self.in_parts && !is_in_parts(&bytes) {
            return Err(ParquetError::General("a sealed part has another length".to_owned()));
        }
        Ok(bytes)
    }
}

/// Whether bytes are a row of sealed parts: each its length in four bytes, little end first, then
/// at least nonce and tag.
///
/// These lengths are in clear. The parquet crate believes them before it knows whether the seal is
/// whole: it would ask for up to 4 GiB of memory, and panic at fewer bytes than a nonce has.
fn is_in_parts(mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return false };
        let length = u32::from_le_bytes(*length) as usize;
        match rest.get(length..) {
            Some(rest) if length >= SEAL_BYTES => bytes = rest,
            _ => return false,
        }
    }
    true
}

impl AsyncFileReader for Source {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move {
            let bytes = self.store.get_range(&self.path, range.clone()).await;
            let bytes = bytes.map_err(|error| ParquetError::External(Box::new(error)))?;
            self.checked(&range, bytes)
        }
        .boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        async move {
            let bytes = self.store.get_ranges(&self.path, &ranges).await;
            let bytes = bytes.map_err(|error| ParquetError::External(Box::new(error)))?;
            if bytes.len() != ranges.len() {
                return Err(ParquetError::General("a read broke off".to_owned()));
            }
            ranges.iter().zip(bytes).map(|(range, bytes)| self.checked(range, bytes)).collect()
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        let refusal = "a footer is opened with its secrets only".to_owned();
        async move { Err(ParquetError::General(refusal)) }.boxed()
    }
}
