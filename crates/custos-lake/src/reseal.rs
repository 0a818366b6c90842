//! A file without some of its subjects, at the price of the row groups that hold them.
//!
//! Row groups without the subjects are carried over: their pages are opened and sealed again under
//! the new file's secrets, and neither decompressed nor decoded. The parquet crate has no call for
//! that, so it is done in two passes. First the new file is written with the old, still sealed
//! bytes in the places of the carried pages; page headers and pages keep their length, so that all
//! offsets in the new footer are right. Then each of those places is opened with the old secrets
//! and sealed with the new ones where it lies.
//!
//! What a page is bound to: [Parquet modular encryption, "AAD
//! suffix"](https://github.com/apache/parquet-format/blob/master/Encryption.md).

use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use custos_core::{FileId, KeyClass};
use custos_keys::{DestructionCause, FileSecrets, Secret, aead};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{
    ArrowRowGroupWriterFactory, ArrowWriterOptions, compute_leaves,
};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaDataPtr};
use parquet::file::writer::SerializedFileWriter;

use crate::{LakeError, OpenFile, Table, parquet_crypto};

/// The kinds of sealed parts of a column chunk, as the specification numbers them.
#[derive(Debug, Clone, Copy)]
enum Module {
    DataPage = 2,
    DictionaryPage = 3,
    DataPageHeader = 4,
    DictionaryPageHeader = 5,
}

/// A row group of the new file that is one of the old file's.
struct Carried {
    from: usize,
    to: usize,
    /// Where its columns lie in the new file.
    placed: RowGroupMetaDataPtr,
}

/// Writes a new file out of row groups that are carried over and ones that are written anew.
pub(crate) struct Resealer {
    table: Table,
    source: Arc<OpenFile>,
    bytes: Bytes,
    old: FileSecrets,
    new: FileSecrets,
    writer: SerializedFileWriter<Vec<u8>>,
    factory: ArrowRowGroupWriterFactory,
    carried: Vec<Carried>,
    groups: usize,
}

impl Resealer {
    /// Begins a replacement of a file that was opened with all its secrets and has all columns of
    /// its table.
    pub(crate) async fn begin(table: &Table, source: &Arc<OpenFile>) -> Result<Self, LakeError> {
        let spec = table.spec();
        let entry = source.entry();
        let failed = || failed(table, entry.file);
        let classes: Vec<KeyClass> = spec.classes().into_iter().collect();
        let old = table
            .keys()
            .file_secrets(&[entry.file], &classes)
            .await?
            .remove(&entry.file)
            .ok_or_else(|| LakeError::Shredded { table: table.name().clone(), file: entry.file })?;
        let bytes = table
            .store()
            .get(&Path::from(entry.path.as_str()))
            .await
            .map_err(LakeError::storage("reading a data file"))?
            .bytes()
            .await
            .map_err(LakeError::storage("reading a data file"))?;
        let new = table.keys().create_file_secrets(&classes).await?;
        let group_rows = source.row_groups().into_iter().max().unwrap_or(1);
        let properties = parquet_crypto::writer_properties(spec, &new, group_rows)?;
        let (writer, factory) = ArrowWriter::try_new_with_options(
            Vec::with_capacity(bytes.len()),
            Arc::clone(spec.schema()),
            ArrowWriterOptions::new().with_properties(properties),
        )
        .and_then(ArrowWriter::into_serialized_writer)
        .map_err(|_| failed())?;
        let (carried, groups) = (Vec::new(), 0);
        let (table, source) = (table.clone(), Arc::clone(source));
        Ok(Self { table, source, bytes, old, new, writer, factory, carried, groups })
    }

    /// Takes a row group over as it is.
    pub(crate) fn carry(&mut self, group: usize) -> Result<(), LakeError> {
        let failed = failed(&self.table, self.source.entry().file);
        let placed = self.append(group).map_err(|_| failed)?;
        self.carried.push(Carried { from: group, to: self.groups, placed });
        self.groups += 1;
        Ok(())
    }

    fn append(&mut self, group: usize) -> Result<RowGroupMetaDataPtr, ParquetError> {
        let metadata = self.source.metadata();
        let source = metadata.row_group(group);
        let rows_written = u64::try_from(source.num_rows())?;
        let mut writer = self.writer.next_row_group()?;
        for (at, chunk) in source.columns().iter().enumerate() {
            let pages = metadata.offset_index().and_then(|groups| groups.get(group)?.get(at));
            let close = ColumnCloseResult {
                bytes_written: u64::try_from(chunk.compressed_size())?,
                rows_written,
                metadata: chunk.clone(),
                bloom_filter: None,
                column_index: None,
                offset_index: pages.cloned(),
            };
            writer.append_column(&self.bytes, close)?;
        }
        writer.close()
    }

    /// Writes rows as a row group of their own.
    pub(crate) fn write(&mut self, batches: &[RecordBatch]) -> Result<(), LakeError> {
        let failed = failed(&self.table, self.source.entry().file);
        self.encode(batches).map_err(|_| failed)?;
        self.groups += 1;
        Ok(())
    }

    fn encode(&mut self, batches: &[RecordBatch]) -> Result<(), ParquetError> {
        let mut columns = self.factory.create_column_writers(self.groups)?;
        for batch in batches {
            let mut writers = columns.iter_mut();
            for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
                for leaf in compute_leaves(field, column)? {
                    let writer = writers
                        .next()
                        .ok_or_else(|| ParquetError::General("more leaves than columns".into()))?;
                    writer.write(&leaf)?;
                }
            }
        }
        let mut group = self.writer.next_row_group()?;
        for column in columns {
            column.close()?.append_to_row_group(&mut group)?;
        }
        group.close()?;
        Ok(())
    }

    /// Whether the new file has rows.
    pub(crate) const fn has_rows(&self) -> bool {
        self.groups > 0
    }

    /// Gives the new file up: no row would be in it.
    pub(crate) async fn abandon(self) -> Result<(), LakeError> {
        let clock = &**self.table.clock();
        let files = [self.new.file()];
        self.table.keys().destroy(&files, DestructionCause::Abandoned, clock).await?;
        Ok(())
    }

    /// Adds an entry to the footer, which is sealed like the rest.
    pub(crate) fn footer_entry(&mut self, entry: parquet::file::metadata::KeyValue) {
        self.writer.append_key_value_metadata(entry);
    }

    /// Ends the file: its id and its bytes, every part sealed under its own secrets.
    pub(crate) fn finish(self) -> Result<(FileId, Vec<u8>), LakeError> {
        let Self { table, source, bytes: old_bytes, old, new, writer, carried, .. } = self;
        let table = &table;
        let failed = || failed(table, source.entry().file);
        let mut bytes = writer.into_inner().map_err(|_| failed())?;
        let old_aad = file_aad(table, old.file(), &old_bytes).ok_or_else(failed)?;
        let new_aad = file_aad(table, new.file(), &bytes).ok_or_else(failed)?;
        for group in &carried {
            for (at, chunk) in group.placed.columns().iter().enumerate() {
                let class = table.spec().columns().get(at).ok_or_else(failed)?.class;
                let (Some(from), Some(to)) = (old.get(class), new.get(class)) else {
                    return Err(failed());
                };
                let opened = Seal { secret: from, aad: &old_aad, group: group.from, column: at };
                let sealed = Seal { secret: to, aad: &new_aad, group: group.to, column: at };
                let range = range(chunk).ok_or_else(failed)?;
                let place = bytes.get_mut(range).ok_or_else(failed)?;
                let has_dictionary = chunk.dictionary_page_offset().is_some();
                reseal(place, has_dictionary, &opened, &sealed).ok_or_else(failed)?;
            }
        }
        Ok((new.file(), bytes))
    }
}

/// What the parts of a column chunk are sealed with and bound to.
struct Seal<'a> {
    secret: &'a Secret,
    aad: &'a [u8],
    group: usize,
    column: usize,
}

impl Seal<'_> {
    /// The data that a part is bound to; pages after the first of their kind are numbered.
    fn aad(&self, module: Module, page: Option<usize>) -> Option<Vec<u8>> {
        let mut aad = self.aad.to_vec();
        aad.push(module as u8);
        for ordinal in [Some(self.group), Some(self.column), page].into_iter().flatten() {
            aad.extend(i16::try_from(ordinal).ok()?.to_le_bytes());
        }
        Some(aad)
    }
}

/// Opens the parts of a column chunk and seals them again, each where it lies.
fn reseal(chunk: &mut [u8], has_dictionary: bool, from: &Seal<'_>, to: &Seal<'_>) -> Option<()> {
    let mut rest = chunk;
    if has_dictionary {
        rest = reseal_part(rest, Module::DictionaryPageHeader, None, from, to)?;
        rest = reseal_part(rest, Module::DictionaryPage, None, from, to)?;
    }
    let mut page = 0;
    while !rest.is_empty() {
        rest = reseal_part(rest, Module::DataPageHeader, Some(page), from, to)?;
        rest = reseal_part(rest, Module::DataPage, Some(page), from, to)?;
        page += 1;
    }
    Some(())
}

/// Seals the first part again and returns what follows it: a part is its length in four bytes,
/// little end first, then nonce, ciphertext and tag.
fn reseal_part<'b>(
    bytes: &'b mut [u8],
    module: Module,
    page: Option<usize>,
    from: &Seal<'_>,
    to: &Seal<'_>,
) -> Option<&'b mut [u8]> {
    let (length, rest) = bytes.split_first_chunk_mut::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (part, rest) = rest.split_at_mut_checked(length)?;
    let (opened, bound) = (from.aad(module, page)?, to.aad(module, page)?);
    aead::reseal((from.secret, &opened), (to.secret, &bound), part).ok()?;
    Some(rest)
}

/// Where a column chunk lies.
fn range(chunk: &ColumnChunkMetaData) -> Option<std::ops::Range<usize>> {
    let start = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
    let start = usize::try_from(start).ok()?;
    Some(start..start + usize::try_from(chunk.compressed_size()).ok()?)
}

/// What all parts of a file are bound to: its address, and eight random bytes that stand, in
/// Thrift's compact form, after the address in the clear part of the footer.
fn file_aad(table: &Table, file: FileId, bytes: &[u8]) -> Option<Vec<u8>> {
    let (rest, tail) = bytes.split_last_chunk::<8>()?;
    let length = usize::try_from(u32::from_le_bytes(*tail.first_chunk::<4>()?)).ok()?;
    let footer = rest.get(rest.len().checked_sub(length)?..)?;
    let mut aad = parquet_crypto::aad(table.name(), file);
    let start = footer.windows(aad.len()).position(|window| window == aad)?;
    // A binary field that follows its neighbour, eight bytes long.
    let unique = footer.get(start + aad.len()..)?.strip_prefix(&[0x18, 8])?;
    aad.extend(unique.first_chunk::<8>()?);
    Some(aad)
}

fn failed(table: &Table, file: FileId) -> LakeError {
    LakeError::Parquet { table: table.name().clone(), file, operation: "sealed again" }
}
