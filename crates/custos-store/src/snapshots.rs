//! Snapshots: sealed copies of a store in a file, put into the lake while the store is in use.
//!
//! A *chain* is a full copy and the increments after it, each of which holds every row that was
//! changed since the one before, as a small database. Increments of a stream are numbered; a full
//! copy says which of them it holds already. All are sealed as backups are, so they die with their
//! epoch. An increment names the id of the one before it, and is put only where none is: so copies of a
//! store that were both written to never make one chain of two histories.
//!
//! What the lake rests on is in a snapshot before: each version of a table, and each destruction of
//! secrets, waits for [`Snapshots::secure`]. A restored store and the lake are then as a crash could
//! have left them. What does not reach the lake by itself (consents, principals, the audit log) can
//! be lost for as long as the pause between two snapshots.

mod chain;
mod increment;
mod restore;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Weak};

use custos_core::{Clock, FileId, StoreError, Timestamp};
use custos_keys::{BackupKey, KeyService, Kms, random_bytes};
use custos_lake::ControlCopies;

use crate::backup::{SNAPSHOT, blocking, mark_as_copy, seal, unusable};
use crate::lease::FileLease;
use crate::private_files::erase;
use crate::store::SqliteStore;
use crate::{BackupError, Store};
use chain::{Chain, Kind, Name};
use increment::Content;

pub use restore::{FromLake, ListedSnapshot, list_snapshots, restore_from_lake};

/// The sealed full copy before it is in the lake, in the store's folder.
const SEALED: &str = ".snapshot.sealed";

/// Full copies that are kept, and the increments after them.
const FULL_KEPT: usize = 3;

/// A new full copy is made when increments are this share of it, but not for less than the bytes.
const SHARE: i64 = 2;
const INCREMENTS_BYTES_MIN: i64 = 1 << 20;

/// And when there are so many increments.
const INCREMENTS_MAX: i64 = 500;

/// Changes of rows that one increment holds; for more a full copy is made, which takes no memory.
const CHANGES_MAX: i64 = 200_000;

/// Turns to a snapshot that others disturb.
const ATTEMPTS_MAX: u32 = 5;

/// Keeps the lake's snapshots of a store up to date.
pub struct Snapshots {
    store: SqliteStore,
    keys: Arc<KeyService>,
    kms: Arc<dyn Kms>,
    copies: ControlCopies,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Snapshots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshots").field("store", &self.store).finish_non_exhaustive()
    }
}

/// How far the snapshots of a store are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotStatus {
    /// When the newest was taken.
    pub at: Option<Timestamp>,
    /// Whether the store was changed since.
    pub changed: bool,
    /// Objects of the present chain that are not in the lake any more.
    pub missing: u64,
}

impl Store {
    /// From now on, and for as long as the answer lives, what the lake rests on is in a snapshot
    /// before. `None` for a database of a server, which has its own replication.
    pub fn keep_snapshots(
        &self,
        keys: Arc<KeyService>,
        kms: Arc<dyn Kms>,
        copies: ControlCopies,
        clock: Arc<dyn Clock>,
    ) -> Option<Arc<Snapshots>> {
        let store = self.sqlite()?.clone();
        let snapshots = Arc::new(Snapshots { store, keys, kms, copies, clock });
        self.snapshots.set(Arc::downgrade(&snapshots)).ok()?;
        Some(snapshots)
    }

    /// The snapshots of this store, if they are kept.
    pub(crate) fn snapshots(&self) -> Option<Arc<Snapshots>> {
        self.snapshots.get().and_then(Weak::upgrade)
    }

    /// Makes what was stored outlive the loss of the store.
    pub(crate) async fn secure(&self) -> Result<(), StoreError> {
        let Some(snapshots) = self.snapshots() else { return Ok(()) };
        snapshots.secure().await.map_err(|error| match error {
            BackupError::Store(error) => error,
            error => StoreError::Unavailable {
                operation: "putting a snapshot of it into the lake",
                source: Box::new(error),
            },
        })
    }
}

impl Snapshots {
    /// Puts what was changed since the last snapshot into the lake; durable when it returns.
    pub async fn secure(&self) -> Result<(), BackupError> {
        for _ in 0..ATTEMPTS_MAX {
            let chain = self.chain().await?;
            if !chain.is_begun() {
                self.begin().await?;
            } else if !chain.changed() || self.ship().await? {
                return Ok(());
            }
        }
        Err(StoreError::Conflict { operation: "taking a snapshot" }.into())
    }

    /// Does [`Snapshots::secure`], and makes a full copy when it is time for one.
    pub async fn keep(&self) -> Result<(), BackupError> {
        self.secure().await?;
        if self.chain().await?.wants_full() {
            let _alone = FileLease::take(self.store.folder(), "_backup").await?;
            if self.chain().await?.wants_full() {
                self.copy_fully().await?;
            }
        }
        Ok(())
    }

    /// Makes a full copy under the newest epoch, whatever there is.
    pub(crate) async fn renew(&self) -> Result<(), BackupError> {
        for _ in 0..ATTEMPTS_MAX {
            // After this nobody seals under an older epoch.
            self.secure().await?;
            let _alone = FileLease::take(self.store.folder(), "_backup").await?;
            if self.copy_fully().await? {
                return Ok(());
            }
        }
        Err(StoreError::Conflict { operation: "taking a full snapshot" }.into())
    }

    /// How far they are, by the store and by what is in the lake.
    pub async fn status(&self) -> Result<SnapshotStatus, BackupError> {
        let mut chain = self.chain().await?;
        let mut missing = 0;
        for _ in 0..ATTEMPTS_MAX {
            let there = self.copies.list().await?;
            missing = missing_of(&chain, &there);
            // Another process may have made a full copy and deleted what was before it.
            let before = std::mem::replace(&mut chain, self.chain().await?);
            if (before.stream, before.full) == (chain.stream.clone(), chain.full) {
                break;
            }
        }
        Ok(SnapshotStatus {
            at: chain.at.map(Timestamp::from_micros),
            changed: chain.changed() || !chain.is_begun(),
            missing,
        })
    }

    /// Begins a new chain, for when the present one is not whole.
    pub async fn begin_anew(&self) -> Result<(), BackupError> {
        let alone = FileLease::take(self.store.folder(), "_snapshot").await?;
        self.end_chain().await?;
        drop(alone);
        self.begin().await
    }

    /// Deletes all but the present chain: what is left after a rotation is under destroyed keys.
    pub(crate) async fn delete_others(&self) -> Result<(), BackupError> {
        let chain = self.chain().await?;
        let Some(present) = chain.stream.zip(chain.full) else { return Ok(()) };
        let (stream, number) = present;
        let full = Name { stream, number, kind: Kind::Full };
        self.delete(|name| name.stream != full.stream || *name < full).await
    }

    /// Deletes what is older than the newest full copies, and never of the present chain.
    async fn prune(&self) -> Result<(), BackupError> {
        let chain = self.chain().await?;
        let names = chain::parse_all(&self.copies.list().await?);
        let mut full: Vec<Name> =
            names.into_iter().filter(|name| name.kind == Kind::Full).collect();
        full.sort_unstable();
        let Some(oldest) = full.len().checked_sub(FULL_KEPT).and_then(|at| full.get(at)) else {
            return Ok(());
        };
        // Whatever the clock said when it began.
        let present = chain.stream.zip(chain.full).map(|(stream, number)| Name {
            stream,
            number,
            kind: Kind::Full,
        });
        let oldest = present.as_ref().map_or(oldest, |present| present.min(oldest));
        self.delete(|name| name < oldest).await
    }

    async fn delete(&self, is_old: impl Fn(&Name) -> bool) -> Result<(), BackupError> {
        for name in chain::parse_all(&self.copies.list().await?).iter().filter(|name| is_old(name))
        {
            self.copies.delete(&name.to_string()).await?;
        }
        Ok(())
    }

    /// Makes the first full copy of a chain, unless there is one.
    async fn begin(&self) -> Result<(), BackupError> {
        let _alone = FileLease::take(self.store.folder(), "_backup").await?;
        if !self.chain().await?.is_begun() {
            self.copy_fully().await?;
        }
        Ok(())
    }

    /// Puts an increment into the lake, if there is a chain; `false` if there is none any more.
    async fn ship(&self) -> Result<bool, BackupError> {
        let _alone = FileLease::take(self.store.folder(), "_snapshot").await?;
        let mut chain = self.chain().await?;
        if let (true, Some(pending)) = (chain.is_begun(), chain.pending.clone()) {
            // A crash came, or an answer got lost.
            match self.next_increment(&chain, &pending).await? {
                Found::Nothing => {}
                Found::Ours(content) => {
                    self.note(&content, &chain).await?;
                }
                Found::Another => self.end_chain().await?,
            }
            chain = self.chain().await?;
        }
        let (true, Some(stream)) = (chain.is_begun(), &chain.stream) else { return Ok(false) };
        if !chain.changed() {
            return Ok(true);
        }
        if chain.is_too_much() {
            self.end_chain().await?;
            return Ok(false);
        }
        let id = FileId::from_random(random_bytes()?).to_string();
        self.note_pending(&id).await?;
        let key = self.keys.backup_key().await?;
        let (mut content, rows) = Content::gather(&self.store, &chain, &id).await?;
        let made_at = self.clock.now();
        let sealed = blocking(move || seal_rows(key, made_at, &rows)).await?;
        let bytes = sealed.len();
        let name = Name { stream: stream.clone(), number: content.number, kind: Kind::Increment };
        if !self.copies.put(&name.to_string(), sealed).await? {
            // Our own, if a store retried by itself.
            if !matches!(self.next_increment(&chain, &id).await?, Found::Ours(_)) {
                self.end_chain().await?;
                return Ok(false);
            }
        }
        content.bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.note(&content, &chain).await
    }

    /// Copies the store, and puts that into the lake; `false` if another chain began meanwhile.
    /// For who has the lease of backups.
    async fn copy_fully(&self) -> Result<bool, BackupError> {
        self.begin_stream().await?;
        let copy = self.store.folder().join(SNAPSHOT);
        let sealed = self.store.folder().join(SEALED);
        for leftover in [&copy, &sealed] {
            erase(leftover).map_err(unusable("removing an older copy"))?;
        }
        let made = self.make_sealed_copy(&copy, &sealed).await;
        erase(&copy).map_err(unusable("removing the copy"))?;
        let put = match made {
            Ok(name) => self.put_full(name, &sealed).await,
            Err(error) => Err(error),
        };
        erase(&sealed).map_err(unusable("removing the sealed copy"))?;
        let put = put?;
        if put {
            self.prune().await?;
        }
        Ok(put)
    }

    async fn make_sealed_copy(
        &self,
        copy: &Path,
        sealed: &Path,
    ) -> Result<Option<Name>, BackupError> {
        self.store.copy_to(copy).await?;
        let made_at = self.clock.now();
        mark_as_copy(copy, made_at).await.map_err(crate::error::failed("copying it"))?;
        let (stream, number) = chain::of_copy(copy).await?;
        let key = self.keys.backup_key().await?;
        let (from, into) = (copy.to_owned(), sealed.to_owned());
        blocking(move || seal(key, made_at, &from, &into)).await?;
        Ok(stream.map(|stream| Name { stream, number, kind: Kind::Full }))
    }

    async fn put_full(&self, name: Option<Name>, sealed: &Path) -> Result<bool, BackupError> {
        let Some(name) = name else { return Ok(false) };
        let bytes = std::fs::metadata(sealed).map_err(unusable("reading the sealed copy"))?.len();
        self.copies.put_file(&name.to_string(), sealed).await?;
        self.note_full(&name, i64::try_from(bytes).unwrap_or(i64::MAX)).await
    }

    /// What is in the place of the next increment, of which we know the id.
    async fn next_increment(&self, chain: &Chain, id: &str) -> Result<Found, BackupError> {
        let Some(stream) = chain.stream.clone() else { return Ok(Found::Nothing) };
        let name = Name { stream, number: chain.number + 1, kind: Kind::Increment }.to_string();
        let Some(sealed) = self.copies.get(&name, None).await? else { return Ok(Found::Nothing) };
        let read = match restore::open(&*self.kms, &sealed).await {
            Ok((_, rows)) => Content::read(&rows, sealed.len()).await,
            Err(error) => Err(error),
        };
        match read {
            Ok(content) if content.id == id => Ok(Found::Ours(content)),
            Ok(_) => Ok(Found::Another),
            // Damaged, or under keys that were destroyed since.
            Err(error) if restore::is_of_the_copy(&error) => Ok(Found::Another),
            Err(error) => Err(error),
        }
    }
}

/// What is found where an increment is to be put.
enum Found {
    Nothing,
    Ours(Content),
    Another,
}

/// How many objects of a chain are not in a sorted list.
fn missing_of(chain: &Chain, there: &[(String, u64)]) -> u64 {
    let (Some(stream), Some(full)) = (&chain.stream, chain.full) else { return 0 };
    let is_missing = |kind, number| {
        let name = Name { stream: stream.clone(), number, kind }.to_string();
        there.binary_search_by(|(found, _)| found.as_str().cmp(&name)).is_err()
    };
    let increments = (full + 1..=chain.number).filter(|it| is_missing(Kind::Increment, *it));
    u64::from(is_missing(Kind::Full, full)) + increments.count() as u64
}

fn seal_rows(key: BackupKey, made_at: Timestamp, rows: &[u8]) -> Result<Vec<u8>, BackupError> {
    let mut sealed = Vec::with_capacity(rows.len() + (4 << 10));
    key.seal(made_at, &mut std::io::Cursor::new(rows), &mut sealed)?;
    Ok(sealed)
}

#[cfg(test)]
mod tests;
