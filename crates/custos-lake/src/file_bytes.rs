//! The bytes of a data file.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use crate::footer::is_in_parts;
use crate::log::FileEntry;

/// How much is fetched at once, unless one row group alone has more.
const AHEAD_BYTES: u64 = 8 << 20;

/// Where the parquet crate gets a file's bytes from. Footers are read by
/// [`Footer`](crate::footer::Footer) alone.
pub(crate) struct FileBytes {
    store: Arc<dyn ObjectStore>,
    path: Path,
    /// What will be asked for, in the order of the file. The crate asks row group by row group, and
    /// every time the threads that compute would have to wait, so more is fetched with it.
    ahead: VecDeque<Range<u64>>,
    /// What of it has come, until it is asked for or passed over.
    come: Vec<(Range<u64>, Bytes)>,
}

impl FileBytes {
    /// The bytes of a file, of which these parts will be asked for in this order.
    pub(crate) fn new(
        store: &Arc<dyn ObjectStore>,
        entry: &FileEntry,
        ahead: VecDeque<Range<u64>>,
    ) -> Self {
        let path = Path::from(entry.path.as_str());
        Self { store: Arc::clone(store), path, ahead, come: Vec::new() }
    }

    /// Bytes as they were read, if they can be handed on.
    fn checked(range: &Range<u64>, bytes: Bytes) -> Result<Bytes, ParquetError> {
        if bytes.len() as u64 != range.end.saturating_sub(range.start) {
            return Err(ParquetError::General("a read broke off".to_owned()));
        }
        if !is_in_parts(&bytes) {
            return Err(ParquetError::General("a sealed part has another length".to_owned()));
        }
        Ok(bytes)
    }

    async fn fetch(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, ParquetError> {
        let bytes = self.store.get_ranges(&self.path, ranges).await;
        let bytes = bytes.map_err(|error| ParquetError::External(Box::new(error)))?;
        match bytes.len() == ranges.len() {
            true => Ok(bytes),
            false => Err(ParquetError::General("a read broke off".to_owned())),
        }
    }

    /// What comes next: all that lies there, and as much after it as is worth fetching with it.
    fn next_ahead(&mut self, asked: Range<u64>) -> Vec<Range<u64>> {
        let (mut next, mut bytes) = (Vec::new(), 0);
        while self.ahead.pop_front_if(|chunk| chunk.end <= asked.start).is_some() {}
        while let Some(chunk) = self.ahead.front()
            && (chunk.start < asked.end || bytes + (chunk.end - chunk.start) <= AHEAD_BYTES)
        {
            bytes += chunk.end - chunk.start;
            next.extend(self.ahead.pop_front());
        }
        next
    }

    /// The bytes of a range, if they have come.
    fn taken(&mut self, range: &Range<u64>) -> Option<Bytes> {
        let at = self.come.iter().position(|(come, bytes)| {
            come.start <= range.start && range.end <= come.start + bytes.len() as u64
        })?;
        let (come, bytes) = &self.come[at];
        let start = usize::try_from(range.start - come.start).ok()?;
        let length = usize::try_from(range.end.checked_sub(range.start)?).ok()?;
        let taken = bytes.slice(start..start + length);
        if come == range {
            self.come.swap_remove(at);
        }
        Some(taken)
    }
}

impl AsyncFileReader for FileBytes {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move {
            let bytes = self.store.get_range(&self.path, range.clone()).await;
            let bytes = bytes.map_err(|error| ParquetError::External(Box::new(error)))?;
            Self::checked(&range, bytes)
        }
        .boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        async move {
            let from = ranges.iter().map(|range| range.start).min().unwrap_or_default();
            // Nothing that lies before is asked for any more.
            self.come.retain(|(come, _)| come.end > from);
            let mut found: Vec<_> = ranges.iter().map(|range| self.taken(range)).collect();
            let up_to = ranges.iter().map(|range| range.end).max().unwrap_or_default();
            let next = match found.contains(&None) {
                true => self.next_ahead(from..up_to),
                false => Vec::new(),
            };
            if !next.is_empty() {
                let bytes = self.fetch(&next).await?;
                self.come.extend(next.into_iter().zip(bytes));
                let places = ranges.iter().zip(&mut found).filter(|(_, found)| found.is_none());
                places.for_each(|(range, place)| *place = self.taken(range));
            }
            let missing = ranges.iter().zip(&found).filter(|(_, found)| found.is_none());
            let missing: Vec<_> = missing.map(|(range, _)| range.clone()).collect();
            if !missing.is_empty() {
                let fetched = self.fetch(&missing).await?;
                let places = found.iter_mut().filter(|found| found.is_none());
                places.zip(fetched).for_each(|(place, bytes)| *place = Some(bytes));
            }
            let found = ranges.iter().zip(found);
            found.map(|(range, bytes)| Self::checked(range, bytes.unwrap_or_default())).collect()
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

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;
    use proptest::prelude::*;

    use super::*;

    /// Column chunks of row groups in the order of the file, each of one sealed part or more.
    fn chunks() -> impl Strategy<Value = Vec<Vec<usize>>> {
        let parts = prop::collection::vec(28..200_usize, 1..4);
        prop::collection::vec(parts, 1..40)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn what_is_fetched_ahead_is_what_lies_there(
            chunks in chunks(),
            asked in prop::collection::vec((any::<bool>(), any::<bool>()), 40),
            per_group in 1..5_usize,
            is_ahead in any::<bool>(),
        ) {
            let (mut file, mut places) = (Vec::new(), Vec::new());
            for (at, parts) in chunks.iter().enumerate() {
                let mut place = Vec::new();
                for length in parts {
                    let start = file.len() as u64;
                    file.extend(u32::try_from(*length).unwrap().to_le_bytes());
                    file.extend((0..*length).map(|byte| (at * 31 + byte) as u8));
                    place.push(start..file.len() as u64);
                }
                places.push(place);
            }
            let whole = |place: &Vec<Range<u64>>| place[0].start..place[place.len() - 1].end;
            let ahead = if is_ahead { places.iter().map(whole).collect() } else { VecDeque::new() };
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let store = Arc::new(InMemory::new());
                let path = Path::from("data");
                store.put(&path, file.clone().into()).await.unwrap();
                let mut source = FileBytes { store, path, ahead, come: Vec::new() };
                for (group, asked) in places.chunks(per_group).zip(asked.chunks(per_group)) {
                    // Row groups may be passed over, and of a chunk its last part may be all.
                    let of_group = group.iter().zip(asked);
                    let of_group = of_group.filter(|(_, (is_asked, _))| *is_asked);
                    let ranges: Vec<_> = of_group
                        .map(|(place, (_, is_whole))| match is_whole {
                            true => whole(place),
                            false => place[place.len() - 1].clone(),
                        })
                        .collect();
                    if ranges.is_empty() {
                        continue;
                    }
                    let bytes = source.get_byte_ranges(ranges.clone()).await.unwrap();
                    for (range, bytes) in ranges.iter().zip(bytes) {
                        let wanted = &file[range.start as usize..range.end as usize];
                        assert_eq!(&bytes[..], wanted);
                    }
                    let first = ranges[0].start;
                    assert!(source.come.iter().all(|(come, _)| come.end > first), "kept for nothing");
                }
            });
        }
    }

    #[test]
    fn no_more_is_fetched_at_once_than_is_worth_it() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let third = AHEAD_BYTES / 3;
        let ahead = (0..9).map(|at| at * third..(at + 1) * third).collect();
        let mut source = FileBytes { store, path: Path::from("data"), ahead, come: Vec::new() };
        assert_eq!(source.next_ahead(0..third).len(), 3);
        assert_eq!(source.next_ahead(4 * third..8 * third).len(), 4, "all that is asked for");
        assert_eq!(source.next_ahead(8 * third..9 * third).len(), 1);
        assert!(source.next_ahead(0..u64::MAX).is_empty());
    }
}
