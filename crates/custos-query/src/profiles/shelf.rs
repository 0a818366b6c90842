//! Rows of many people, kept so that those of one are found at once.

use std::fs::File;
use std::io::Cursor;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Int64Type, SchemaRef};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use custos_keys::{Secret, aead};

use crate::QueryError;
use crate::budget::Budget;

/// What the blocks are bound to, besides their number and the secret of their shelf.
const AAD: &[u8] = b"custos/profiles/1";

/// Rows of a block, unless one person has more. Few, since all are opened for one person; many,
/// since they are packed together.
const BLOCK_ROWS: usize = 128;

/// Rows in order of the person's id, in a file without a name, in packed and sealed blocks.
///
/// The secret is in memory only, and dropped with the shelf. Of the rows, memory holds nothing but
/// where each block begins: 24 bytes for some hundred rows.
pub(super) struct Shelf {
    file: File,
    secret: Secret,
    space: Arc<Budget>,
    blocks: Vec<Block>,
    bytes: u64,
    /// The column that names the person, which rows that are taken out lack.
    person: usize,
    schema: SchemaRef,
}

#[derive(Debug, Clone, Copy)]
struct Block {
    /// The first person in it. All rows of a person are in one block.
    first: i64,
    at: u64,
    length: u32,
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf").field("blocks", &self.blocks.len()).finish_non_exhaustive()
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        self.space.give_back(self.bytes);
    }
}

/// Puts rows on a shelf, in order of the person's id.
#[derive(Debug)]
pub(super) struct Shelving {
    shelf: Shelf,
    /// Rows that may not make a whole block yet.
    waiting: RecordBatch,
}

impl Shelving {
    /// A new shelf in a folder for rows of this schema, which takes its space from `space`.
    pub(super) fn new(
        folder: &Path,
        space: &Arc<Budget>,
        schema: &SchemaRef,
        person: &str,
    ) -> Result<Self, QueryError> {
        let person = schema.index_of(person).map_err(|_| QueryError::Internal)?;
        let shelf = Shelf {
            file: tempfile::tempfile_in(folder).map_err(|_| QueryError::SpillDisk)?,
            secret: Secret::random().map_err(|_| QueryError::Internal)?,
            space: Arc::clone(space),
            blocks: Vec::new(),
            bytes: 0,
            person,
            schema: Arc::clone(schema),
        };
        Ok(Self { shelf, waiting: RecordBatch::new_empty(Arc::clone(schema)) })
    }

    /// Adds rows, which follow all before them.
    pub(super) fn put(&mut self, rows: &RecordBatch) -> Result<(), QueryError> {
        let schema = &self.shelf.schema;
        let mut rows =
            concat_batches(schema, [&self.waiting, rows]).map_err(|_| QueryError::Internal)?;
        while let Some(end) = self.shelf.end_of_block(&rows) {
            self.shelf.write(&rows.slice(0, end))?;
            rows = rows.slice(end, rows.num_rows() - end);
        }
        self.waiting = rows;
        Ok(())
    }

    /// The shelf with all that was put there.
    pub(super) fn finish(mut self) -> Result<Shelf, QueryError> {
        if self.waiting.num_rows() > 0 {
            let rest = self.waiting;
            self.shelf.write(&rest)?;
        }
        self.shelf.blocks.shrink_to_fit();
        Ok(self.shelf)
    }
}

impl Shelf {
    /// The bytes that it takes on disk.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The rows of a person, without the column that names the person. Reads from disk.
    pub(super) fn rows_of(&self, person: i64) -> Result<RecordBatch, QueryError> {
        let nothing = || RecordBatch::new_empty(Arc::clone(&self.schema));
        let after = self.blocks.partition_point(|block| block.first <= person);
        let rows = match after.checked_sub(1) {
            Some(number) => {
                let block = self.open(number)?;
                let people = self.people(&block)?;
                let from = people.partition_point(|&id| id < person);
                let count = people[from..].partition_point(|&id| id == person);
                block.slice(from, count)
            }
            None => nothing(),
        };
        let others = (0..self.schema.fields().len()).filter(|at| *at != self.person);
        rows.project(&others.collect::<Vec<_>>()).map_err(|_| QueryError::Internal)
    }

    fn people<'a>(&self, rows: &'a RecordBatch) -> Result<&'a [i64], QueryError> {
        let people = rows.column(self.person).as_primitive_opt::<Int64Type>();
        people.map(|people| &**people.values()).ok_or(QueryError::Internal)
    }

    /// Where the first block of these rows ends, once that is certain.
    fn end_of_block(&self, rows: &RecordBatch) -> Option<usize> {
        let people = self.people(rows).ok()?;
        let last = *people.get(BLOCK_ROWS - 1)?;
        let end = people.partition_point(|&id| id <= last);
        (end < people.len()).then_some(end)
    }

    fn write(&mut self, rows: &RecordBatch) -> Result<(), QueryError> {
        let first = *self.people(rows)?.first().ok_or(QueryError::Internal)?;
        // A merge of rows that are not in order would be found by nobody.
        if self.blocks.last().is_some_and(|block| block.first >= first) {
            return Err(QueryError::Internal);
        }
        let packed = lz4_flex::compress_prepend_size(&encoded(rows)?);
        let sealed = aead::seal(&self.secret, &aad(self.blocks.len()), &packed)
            .map_err(|_| QueryError::Internal)?;
        let length = sealed.len() as u64;
        if !self.space.take(length) {
            return Err(QueryError::SpillFull);
        }
        let at = self.bytes;
        self.bytes += length;
        self.file.write_all_at(&sealed, at).map_err(|_| QueryError::SpillDisk)?;
        let length = u32::try_from(length).map_err(|_| QueryError::TooLarge)?;
        self.blocks.push(Block { first, at, length });
        Ok(())
    }

    fn open(&self, number: usize) -> Result<RecordBatch, QueryError> {
        let block = self.blocks.get(number).ok_or(QueryError::Internal)?;
        let mut sealed = vec![0; block.length as usize];
        self.file.read_exact_at(&mut sealed, block.at).map_err(|_| QueryError::SpillDisk)?;
        let packed = aead::open(&self.secret, &aad(number), &sealed)
            .map_err(|_| QueryError::SpillDamaged)?;
        let encoded =
            lz4_flex::decompress_size_prepended(&packed).map_err(|_| QueryError::SpillDamaged)?;
        decoded(&encoded).ok_or(QueryError::SpillDamaged)
    }
}

/// The additional data of a block.
fn aad(number: usize) -> Vec<u8> {
    [AAD, &(number as u64).to_le_bytes()].concat()
}

fn encoded(rows: &RecordBatch) -> Result<Vec<u8>, QueryError> {
    let columns = rows.columns().iter().map(compact).collect();
    let write = |rows: &RecordBatch| {
        let mut writer = StreamWriter::try_new(Vec::new(), &rows.schema())?;
        writer.write(rows)?;
        writer.into_inner()
    };
    let rows = RecordBatch::try_new(rows.schema(), columns);
    rows.and_then(|rows| write(&rows)).map_err(|_| QueryError::Internal)
}

/// The same values; views would bring along all that was computed with them.
fn compact(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Utf8View => Arc::new(column.as_string_view().gc()),
        DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
        _ => Arc::clone(column),
    }
}

fn decoded(bytes: &[u8]) -> Option<RecordBatch> {
    let mut reader = StreamReader::try_new(Cursor::new(bytes), None).ok()?;
    reader.next()?.ok()
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::{Field, Schema};

    use super::*;

    /// How many rows each of these people has; ids are twice the number.
    fn shelf(of: &[usize], space: &Arc<Budget>) -> Result<Shelf, QueryError> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("text", DataType::Utf8, true),
            Field::new("person_id", DataType::Int64, true),
        ]));
        let folder = std::env::temp_dir();
        let mut shelving = Shelving::new(&folder, space, &schema, "person_id")?;
        let ids = of.iter().enumerate().flat_map(|(number, rows)| vec![2 * number as i64; *rows]);
        let ids: Vec<i64> = ids.collect();
        for ids in ids.chunks(50) {
            let text: StringArray =
                ids.iter().map(|id| (id % 3 > 0).then(|| format!("canary-{id}"))).collect();
            let columns: Vec<ArrayRef> =
                vec![Arc::new(text), Arc::new(Int64Array::from(ids.to_vec()))];
            shelving.put(&RecordBatch::try_new(Arc::clone(&schema), columns).unwrap())?;
        }
        shelving.finish()
    }

    #[test]
    fn each_person_has_their_own_rows_and_nobody_elses() {
        let space = Arc::new(Budget::new(u64::MAX));
        let counts: Vec<usize> = (0..400).map(|number| [1, 0, 7, 1, 300, 2][number % 6]).collect();
        let shelf = shelf(&counts, &space).unwrap();
        assert!(shelf.blocks.len() > 50);
        for (number, count) in counts.iter().enumerate() {
            let rows = shelf.rows_of(2 * number as i64).unwrap();
            assert_eq!((rows.num_rows(), rows.num_columns()), (*count, 1));
            let text = rows.column(0).as_string::<i32>();
            let expected = (2 * number % 3 > 0).then(|| format!("canary-{}", 2 * number));
            assert!(text.iter().all(|text| text == expected.as_deref()));
            assert_eq!(shelf.rows_of(2 * number as i64 + 1).unwrap().num_rows(), 0);
        }
        assert_eq!(shelf.rows_of(-5).unwrap().num_rows(), 0);
        drop(shelf);
        assert_eq!(space.taken(), 0);
    }

    #[test]
    fn an_empty_shelf_has_nobody() {
        let shelf = shelf(&[], &Arc::new(Budget::new(10))).unwrap();
        assert_eq!(shelf.rows_of(0).unwrap().num_rows(), 0);
    }

    #[test]
    fn what_finds_no_space_is_refused_and_gives_back_what_it_took() {
        let space = Arc::new(Budget::new(5_000));
        let refused = shelf(&[1; 5_000], &space).unwrap_err();
        assert!(matches!(refused, QueryError::SpillFull));
        assert_eq!(space.taken(), 0);
    }

    #[test]
    fn a_block_is_sealed_and_opens_in_its_place_only() {
        let space = Arc::new(Budget::new(u64::MAX));
        let mut shelf = shelf(&[1; 500], &space).unwrap();
        let mut bytes = vec![0; usize::try_from(shelf.bytes).unwrap()];
        shelf.file.read_exact_at(&mut bytes, 0).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"canary"));
        shelf.blocks.swap(0, 1);
        assert!(matches!(shelf.open(0), Err(QueryError::SpillDamaged)));
    }
}
