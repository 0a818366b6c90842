//! Who holds which identifier, in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use custos_core::{Assurance, FileId, IdentifierType, Rid, SourceId};
use futures::TryStreamExt;
use roaring::RoaringBitmap;

use super::{BATCH_ROWS, IdentifierHashes, UNLINKED, shape};
use crate::{Access, LakeError, OpenFile, RowRange, Table, TableSpec};

const COLUMNS: [&str; 6] = [TableSpec::SUBJECT, "_hash", "source", "type", "scope", "assurance"];

/// An identifier in its comparable form.
#[derive(Clone)]
pub struct Sought {
    /// What it is.
    pub kind: IdentifierType,
    /// Within which numbering it is unique; if empty, all that the vault knows are tried.
    pub scope: String,
    /// The normalised value.
    pub value: String,
}

impl fmt::Debug for Sought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sought").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// An account that holds an identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The account.
    pub rid: Rid,
    /// The source that gave the identifier.
    pub source: SourceId,
    /// How sure the source is of it.
    pub assurance: Assurance,
}

/// Which accounts hold which identifiers: keyed hashes, and no value.
///
/// Takes about 24 bytes an identifier. As long as a file of the vault lives its part is not read
/// again, so that a newer index costs what is new.
#[derive(Debug, Default)]
pub struct VaultIndex {
    version: u64,
    files: BTreeMap<FileId, Arc<Part>>,
}

/// What one file of the vault says.
#[derive(Debug, Default)]
struct Part {
    /// In order of hash.
    entries: Vec<Entry>,
    sources: Vec<SourceId>,
    scopes: BTreeSet<(IdentifierType, String)>,
    /// For each source, by its place in `sources`, the subjects it gave a verified identifier.
    verified: Vec<RoaringBitmap>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    hash: [u8; 16],
    rid: u32,
    /// The place in `sources`.
    source: u16,
    verified: bool,
}

impl VaultIndex {
    /// Reads the index of a vault as of now, but for the files that an older one knows.
    pub async fn read(table: &Table, access: Access<'_>, older: &Self) -> Result<Self, LakeError> {
        let (snapshot, opened) = table.open_current(access).await?;
        let mut files = BTreeMap::new();
        for file in opened {
            let id = file.entry().file;
            let part = match older.files.get(&id) {
                Some(part) => Arc::clone(part),
                None => Arc::new(Part::read(table, &file, access).await?),
            };
            files.insert(id, part);
        }
        Ok(Self { version: snapshot.version, files })
    }

    /// The version of the vault that it is of.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The accounts that hold an identifier, by whatever source and with whatever assurance.
    pub fn holders(&self, sought: &Sought, hashes: &IdentifierHashes) -> Vec<Holder> {
        let of_kind = |part: &Arc<Part>| {
            let scopes = part.scopes.iter().filter(|(kind, _)| *kind == sought.kind);
            scopes.map(|(_, scope)| scope.clone()).collect::<Vec<_>>()
        };
        let scopes: BTreeSet<String> = match sought.scope.as_str() {
            "" => self.files.values().flat_map(of_kind).filter(|name| name != UNLINKED).collect(),
            scope => BTreeSet::from([scope.to_owned()]),
        };
        let hashes: Vec<_> =
            scopes.iter().map(|scope| hashes.index(sought.kind, scope, &sought.value)).collect();
        let holders = hashes
            .iter()
            .flat_map(|hash| self.files.values().flat_map(move |part| part.holders(hash)));
        holders.collect()
    }

    /// The sources that gave a subject a verified identifier.
    pub fn vouchers(&self, rid: Rid) -> impl Iterator<Item = &SourceId> {
        self.files.values().flat_map(move |part| {
            let vouches = part.verified.iter().zip(&part.sources);
            vouches.filter(move |(of, _)| of.contains(rid.get())).map(|(_, source)| source)
        })
    }

    /// The largest subject in it, 0 if there is none.
    pub fn subject_max(&self) -> u32 {
        let parts = self.files.values().flat_map(|part| &part.entries);
        parts.map(|entry| entry.rid).max().unwrap_or(0)
    }
}

impl Part {
    async fn read(table: &Table, file: &OpenFile, access: Access<'_>) -> Result<Self, LakeError> {
        let columns: Vec<usize> =
            COLUMNS.iter().filter_map(|name| table.spec().position(name)).collect();
        let mut part = Self::default();
        for row_group in 0..file.row_groups().len() {
            let range = RowRange::group(row_group);
            let mut batches = Box::pin(file.read(access, &columns, range, BATCH_ROWS)?);
            while let Some(batch) = batches.try_next().await? {
                part.add(&batch).ok_or_else(|| shape(table, "an index row is odd"))?;
            }
        }
        part.entries.sort_unstable();
        part.entries.dedup();
        part.entries.shrink_to_fit();
        Ok(part)
    }

    fn add(&mut self, batch: &RecordBatch) -> Option<()> {
        let rids = batch.columns().first()?.as_primitive_opt::<Int64Type>()?;
        let hashes = batch.columns().get(1)?.as_binary_opt::<i32>()?;
        let text = |column: usize| batch.columns().get(column)?.as_string_opt::<i32>();
        let (sources, kinds, scopes) = (text(2)?, text(3)?, text(4)?);
        let assurances = text(5)?;
        self.entries.reserve(batch.num_rows());
        let mut last: Option<(&str, &str)> = None;
        for at in 0..batch.num_rows() {
            let numbering = (kinds.value(at), scopes.value(at));
            if last != Some(numbering) {
                self.scopes.insert((numbering.0.parse().ok()?, numbering.1.to_owned()));
                last = Some(numbering);
            }
            let rid = Rid::from_column(rids.value(at))?.get();
            let source = self.source(sources.value(at))?;
            let verified = match assurances.value(at) {
                "verified" => true,
                "claimed" => false,
                _ => return None,
            };
            if verified {
                self.verified.get_mut(usize::from(source))?.insert(rid);
            }
            let hash = hashes.value(at).try_into().ok()?;
            self.entries.push(Entry { hash, rid, source, verified });
        }
        Some(())
    }

    /// The place of a source.
    fn source(&mut self, name: &str) -> Option<u16> {
        let place = match self.sources.iter().position(|known| known.as_str() == name) {
            Some(place) => place,
            None => {
                self.sources.push(name.parse().ok()?);
                self.verified.push(RoaringBitmap::new());
                self.sources.len() - 1
            }
        };
        u16::try_from(place).ok()
    }

    fn holders<'a>(&'a self, hash: &'a [u8; 16]) -> impl Iterator<Item = Holder> + 'a {
        let from = self.entries.partition_point(|entry| entry.hash < *hash);
        let found = self.entries[from..].iter().take_while(move |entry| entry.hash == *hash);
        found.filter_map(|entry| {
            Some(Holder {
                rid: Rid::new(entry.rid),
                source: self.sources.get(usize::from(entry.source))?.clone(),
                assurance: match entry.verified {
                    true => Assurance::Verified,
                    false => Assurance::Claimed,
                },
            })
        })
    }
}
