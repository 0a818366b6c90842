//! Reading encrypted files.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use custos_core::{KeyClass, TableName};
use custos_keys::FileSecrets;
use custos_policy::{MaintenanceGrant, ReadGrant};
use futures::{FutureExt, Stream, StreamExt, TryStreamExt, stream};
use object_store::ObjectStore;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, RowSelection, RowSelectionPolicy};
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, RowGroupMetaData};
use roaring::RoaringBitmap;

use crate::file_bytes::FileBytes;
use crate::footer::Footer;
use crate::log::FileEntry;
use crate::parquet_crypto::Decryption;
use crate::{ColumnRole, LakeError, Table, TableSpec};

/// Files opened at once: storage far away takes its time for each.
const OPENED_AT_ONCE: usize = 32;

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
            Self::Read(grant) => column.role != ColumnRole::Value || grant.reads(&column.name),
        }
    }
}

/// Which rows to read.
#[derive(Debug, Clone)]
pub struct RowRange {
    /// Neighbouring row groups.
    pub row_groups: Range<usize>,
    /// One bit a row of these groups; `None` reads all of them.
    pub rows: Option<BooleanBuffer>,
}

impl RowRange {
    /// All rows of one row group.
    pub const fn group(at: usize) -> Self {
        Self { row_groups: at..at + 1, rows: None }
    }
}

/// A data file whose footer was opened; columns are decrypted as they are read.
///
/// Holds key material: drop it once the file is no longer live.
pub struct OpenFile {
    spec: Arc<TableSpec>,
    entry: FileEntry,
    store: Arc<dyn ObjectStore>,
    metadata: ArrowReaderMetadata,
    /// The same footer for reading text as views.
    metadata_of_views: ArrowReaderMetadata,
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
        let known: Vec<_> = files.iter().map(|entry| self.cache().get(entry, &classes)).collect();
        let missing = files.iter().zip(&known).filter(|(_, known)| known.is_none());
        let missing: Vec<_> = missing.map(|(entry, _)| entry.file).collect();
        let wanted: Vec<_> = classes.iter().copied().collect();
        let mut secrets = self.keys().file_secrets(&missing, &wanted).await?;
        let (mut opened, mut openings) = (Vec::with_capacity(files.len()), Vec::new());
        for (entry, known) in files.iter().zip(known) {
            if known.is_none() {
                let secrets = secrets.remove(&entry.file);
                openings.push(self.open_and_keep(entry, &classes, secrets).boxed());
            }
            opened.push(known);
        }
        let newly: Vec<Arc<OpenFile>> =
            stream::iter(openings).buffered(OPENED_AT_ONCE).try_collect().await?;
        let mut newly = newly.into_iter();
        Ok(opened.into_iter().filter_map(|known| known.or_else(|| newly.next())).collect())
    }

    async fn open_and_keep(
        &self,
        entry: &FileEntry,
        classes: &BTreeSet<KeyClass>,
        secrets: Option<FileSecrets>,
    ) -> Result<Arc<OpenFile>, LakeError> {
        let shredded = || LakeError::Shredded { table: self.name().clone(), file: entry.file };
        let file = self.open_with(entry, classes, &secrets.ok_or_else(shredded)?).await?;
        self.cache().put(Arc::clone(&file));
        Ok(file)
    }

    /// Opens a file of which only this process has the secrets.
    pub(crate) async fn open_passing(
        &self,
        entry: &FileEntry,
        secrets: &FileSecrets,
        access: Access<'_>,
    ) -> Result<Arc<OpenFile>, LakeError> {
        self.open_with(entry, &access.classes(self.spec())?, secrets).await
    }

    async fn open_with(
        &self,
        entry: &FileEntry,
        classes: &BTreeSet<KeyClass>,
        secrets: &FileSecrets,
    ) -> Result<Arc<OpenFile>, LakeError> {
        let whole = *classes == self.spec().classes();
        let footer = Footer {
            spec: Arc::clone(self.spec()),
            entry: entry.clone(),
            decryption: Decryption::new(self.spec(), secrets)?,
            // Page indexes need every column's key, so a reader with some of them does without.
            indexes: if whole { PageIndexPolicy::Optional } else { PageIndexPolicy::Skip },
        };
        let footer = footer.read(self.store()).await?;
        let in_file = footer.as_written.schema();
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
            metadata: footer.as_written,
            metadata_of_views: footer.with_views,
            subjects: footer.subjects,
            classes: classes.clone(),
            places,
        }))
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

    /// For each column of the table its place in the file.
    pub(crate) fn place(&self, column: usize) -> Option<usize> {
        self.places.get(column).copied().flatten()
    }

    /// The columns of the file itself.
    pub(crate) fn file_schema(&self) -> &SchemaRef {
        self.metadata.schema()
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
        self.read_as(&self.metadata, self.spec.schema(), access, columns, range, batch_rows)
    }

    /// Like [`OpenFile::read`], with text as views, which cost less to decode and to compute with.
    ///
    /// The buffers that they point into hold values of rows that were not asked for, too.
    pub fn read_views(
        &self,
        access: Access<'_>,
        columns: &[usize],
        range: RowRange,
        batch_rows: usize,
    ) -> Result<impl Stream<Item = Result<RecordBatch, LakeError>> + Send + use<>, LakeError> {
        let schema = text_as_views(self.spec.schema());
        self.read_as(&self.metadata_of_views, &schema, access, columns, range, batch_rows)
    }

    fn read_as(
        &self,
        metadata: &ArrowReaderMetadata,
        schema: &Schema,
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
        let mask = ProjectionMask::roots(parquet_schema, roots.iter().copied());
        let ahead = match range.rows.as_ref().is_none_or(is_dense) {
            true => self.chunks(&roots, range.row_groups.clone()),
            false => VecDeque::new(),
        };
        let mut builder = ParquetRecordBatchStreamBuilder::new_with_metadata(
            FileBytes::new(&self.store, &self.entry, ahead),
            metadata.clone(),
        )
        .with_batch_size(batch_rows)
        .with_projection(mask)
        .with_row_groups(range.row_groups.collect());
        if let Some(rows) = range.rows {
            builder = builder
                .with_row_selection(RowSelection::from_boolean_buffer(rows))
                .with_row_selection_policy(RowSelectionPolicy::default());
        }
        let failed = self.failed();
        let stream = builder.build().map_err(|_| failed("read"))?;
        let layout = Layout::new(schema, columns, &self.places);
        // A stream that panicked is asked no more.
        Ok(AssertUnwindSafe(stream).catch_unwind().map(move |batch| match batch {
            Ok(Ok(batch)) => layout.arrange(&batch).ok_or_else(|| failed("arranged")),
            Ok(Err(_)) | Err(_) => Err(failed("decrypted")),
        }))
    }

    /// Where columns of some row groups lie in the file, in its order.
    fn chunks(&self, columns: &[usize], row_groups: Range<usize>) -> VecDeque<Range<u64>> {
        let groups = self.metadata.metadata().row_groups().get(row_groups).unwrap_or_default();
        let chunk = |group: &RowGroupMetaData, at: usize| {
            let (start, length) = group.columns().get(at)?.byte_range();
            Some(start..start + length)
        };
        let of_group = |group| columns.iter().filter_map(move |&at| chunk(group, at));
        let mut chunks: Vec<_> = groups.iter().flat_map(of_group).collect();
        chunks.sort_unstable_by_key(|chunk| chunk.start);
        chunks.into()
    }

    pub(crate) fn check_granted(&self, access: Access<'_>, at: usize) -> Result<(), LakeError> {
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
    fn new(table: &Schema, columns: &[usize], places: &[Option<usize>]) -> Self {
        let fields: Vec<_> = columns.iter().map(|&at| table.field(at).clone()).collect();
        let names =
            columns.iter().map(|&at| places[at].map(|_| table.field(at).name().clone())).collect();
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

/// The same columns with text as views.
pub(crate) fn text_as_views(schema: &Schema) -> SchemaRef {
    let field = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 => Arc::new(Field::clone(field).with_data_type(DataType::Utf8View)),
        _ => Arc::clone(field),
    };
    let fields: Fields = schema.fields().iter().map(field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// Whether so many rows are read that their pages are not worth being fetched one by one.
fn is_dense(rows: &BooleanBuffer) -> bool {
    rows.count_set_bits() >= rows.len() / 8
}
