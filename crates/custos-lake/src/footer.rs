//! Opening a file's footer.
//!
//! A file opens only if its length, magic bytes, row count and address (table and file id from
//! the log) are those of its log entry, and every column chunk is encrypted: the parquet crate
//! itself would read a plaintext file put in its place.

use std::ops::Range;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use roaring::RoaringBitmap;
use tokio::task::spawn_blocking;

use crate::log::FileEntry;
use crate::open_file::text_as_views;
use crate::parquet_crypto::Decryption;
use crate::writer::SUBJECTS_ENTRY;
use crate::{LakeError, TableSpec};

/// First and last bytes of a Parquet file with an encrypted footer.
const MAGIC: &[u8] = b"PARE";

/// Shortest possible file: two magics and the footer's length.
const FILE_BYTES_MIN: u64 = 12;

/// Nonce and tag of AES-GCM, which every sealed part has.
const SEAL_BYTES: usize = 12 + 16;

/// Bytes at the end of a file that are read at first; most footers are shorter.
const TAIL_BYTES: u64 = 64 << 10;

/// What a footer is opened with, and checked against.
#[derive(Clone)]
pub(crate) struct Footer {
    pub(crate) spec: Arc<TableSpec>,
    pub(crate) entry: FileEntry,
    pub(crate) decryption: Decryption,
    pub(crate) indexes: PageIndexPolicy,
}

/// What a footer says, and whose rows are in the file.
pub(crate) struct Opened {
    pub(crate) as_written: ArrowReaderMetadata,
    /// For reading text as views.
    pub(crate) with_views: ArrowReaderMetadata,
    pub(crate) subjects: RoaringBitmap,
}

/// An opened footer, or how many bytes at the end of the file it takes.
enum Parsed {
    Opened(Box<Opened>),
    TakesBytes(u64),
}

impl Footer {
    /// Reads and checks the footer.
    pub(crate) async fn read(self, store: &Arc<dyn ObjectStore>) -> Result<Opened, LakeError> {
        let path = Path::from(self.entry.path.as_str());
        let head = async {
            let head = store.get_range(&path, 0..MAGIC.len() as u64).await;
            head.map_err(LakeError::storage("reading a data file"))
        };
        let (tail, head) = futures::join!(self.tail(&**store, &path, TAIL_BYTES), head);
        let mut tail = tail?;
        if head? != MAGIC || !tail.ends_with(MAGIC) {
            return Err(self.wrong("it is not an encrypted Parquet file"));
        }
        loop {
            let (this, bytes) = (self.clone(), tail.clone());
            // Opening takes a core for a while, and a parser that fails on bytes that nobody
            // sealed must not take the process with it.
            let parsed = spawn_blocking(move || this.parse(&bytes)).await;
            match parsed.map_err(|_| self.wrong("its footer cannot be read"))?? {
                Parsed::Opened(opened) => return Ok(*opened),
                Parsed::TakesBytes(count) if count > tail.len() as u64 => {
                    tail = self.tail(&**store, &path, count).await?;
                }
                Parsed::TakesBytes(_) => return Err(self.wrong("its footer cannot be read")),
            }
        }
    }

    /// The last `count` bytes of the file, whose length must be that of its entry.
    async fn tail(
        &self,
        store: &dyn ObjectStore,
        path: &Path,
        count: u64,
    ) -> Result<Bytes, LakeError> {
        let length = self.entry.bytes;
        if length < FILE_BYTES_MIN {
            return Err(self.wrong("its length differs"));
        }
        let range = length.saturating_sub(count)..length;
        let expected = range.end - range.start;
        let options = GetOptions { range: Some(range.into()), ..GetOptions::default() };
        let failed = LakeError::storage("reading a data file");
        let found = match store.get_opts(path, options).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Err(self.wrong("it is missing")),
            // A file that is too short has no such range.
            Err(error) => {
                return Err(match store.head(path).await {
                    Ok(meta) if meta.size != length => self.wrong("its length differs"),
                    _ => failed(error),
                });
            }
        };
        if found.meta.size != length {
            return Err(self.wrong("its length differs"));
        }
        let bytes = found.bytes().await.map_err(failed)?;
        if bytes.len() as u64 != expected {
            return Err(self.wrong("its length differs"));
        }
        Ok(bytes)
    }

    fn parse(&self, tail: &Bytes) -> Result<Parsed, LakeError> {
        let sealed = || self.wrong("its footer does not open with its secrets and address");
        let mut reader =
            self.decryption.metadata_reader().with_page_index_policy(PageIndexPolicy::Skip);
        match reader.try_parse_sized(tail, self.entry.bytes) {
            Ok(()) => {}
            Err(ParquetError::NeedMoreData(count)) => return Ok(Parsed::TakesBytes(count as u64)),
            Err(_) => return Err(sealed()),
        }
        let mut metadata = reader.finish().map_err(|_| sealed())?;
        self.check(&metadata)?;
        if let Some(range) = index_range(&metadata)
            && self.indexes != PageIndexPolicy::Skip
        {
            let tail_from = self.entry.bytes.saturating_sub(tail.len() as u64);
            let Some(from) = range.start.checked_sub(tail_from) else {
                return Ok(Parsed::TakesBytes(self.entry.bytes.saturating_sub(range.start)));
            };
            let place = from as usize..range.end.saturating_sub(tail_from) as usize;
            if !tail.get(place).is_some_and(is_in_parts) {
                return Err(sealed());
            }
            let mut reader = ParquetMetaDataReader::new_with_metadata(metadata)
                .with_page_index_policy(self.indexes);
            reader.read_page_indexes_sized(tail, self.entry.bytes).map_err(|_| sealed())?;
            metadata = reader.finish().map_err(|_| sealed())?;
        }
        let subjects = self.subjects(&metadata)?;
        let metadata = Arc::new(metadata);
        let read_as = |options: ArrowReaderOptions| {
            ArrowReaderMetadata::try_new(Arc::clone(&metadata), options)
                .map_err(|_| self.wrong("its footer cannot be read"))
        };
        let as_written = read_as(ArrowReaderOptions::new().with_skip_arrow_metadata(false))?;
        let views = text_as_views(as_written.schema());
        let with_views = read_as(ArrowReaderOptions::new().with_schema(views))?;
        Ok(Parsed::Opened(Box::new(Opened { as_written, with_views, subjects })))
    }

    /// Row count, and that nothing is in clear.
    fn check(&self, metadata: &ParquetMetaData) -> Result<(), LakeError> {
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
        LakeError::Integrity { table: self.spec.name().clone(), file: self.entry.file, what }
    }
}

/// Where the page indexes of a file lie, if it has some.
fn index_range(metadata: &ParquetMetaData) -> Option<Range<u64>> {
    let chunks = metadata.row_groups().iter().flat_map(|group| group.columns());
    let places = chunks.flat_map(|chunk| {
        let range = |offset: Option<i64>, length: Option<i32>| {
            let from = u64::try_from(offset?).ok()?;
            Some(from..from.checked_add(u64::try_from(length?).ok()?)?)
        };
        [
            range(chunk.column_index_offset(), chunk.column_index_length()),
            range(chunk.offset_index_offset(), chunk.offset_index_length()),
        ]
    });
    places.flatten().reduce(|one, other| one.start.min(other.start)..one.end.max(other.end))
}

/// Whether bytes are a row of sealed parts: each its length in four bytes, little end first, then
/// at least nonce and tag.
///
/// These lengths are in clear. The parquet crate believes them before it knows whether the seal is
/// whole: it would ask for up to 4 GiB of memory, and panic at fewer bytes than a nonce has.
pub(crate) fn is_in_parts(mut bytes: &[u8]) -> bool {
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
