//! What of a log, and of the files that it once named, nothing needs any more.

use std::collections::BTreeSet;
use std::time::Duration;

use custos_core::{FileId, Timestamp};
use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStoreExt};
use serde_json::Value;

use super::{LakeError, Snapshot, TableLog, failed, listed_late, undecodable};

/// Listings that may lag behind before it is an error.
const LISTINGS_MAX: u32 = 10;

/// Digits of a version in the name of an entry.
const VERSION_DIGITS: usize = 20;

/// How long log entries stay that a checkpoint made superfluous, so that a control store restored
/// from a backup of that age still finds what followed. They name ids and lengths of files and
/// nobody.
pub const LOG_KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);

impl TableLog {
    /// The live files as of now, whatever listings say: no entry follows.
    ///
    /// Who deletes what is not live asks this and not [`TableLog::snapshot`]. A crash between a
    /// commit and its being remembered, together with a listing that lags behind, would make the
    /// files of that commit look like leftovers.
    pub(crate) async fn confirmed(&mut self) -> Result<Snapshot, LakeError> {
        for _ in 0..LISTINGS_MAX {
            let now = self.snapshot().await?;
            let next = self.delta.log_store().read_commit_entry(now.version + 1).await;
            if next.map_err(failed(&self.name, "looking for a newer entry"))?.is_none() {
                self.heads.advance(&self.name, &self.newest()?).await?;
                return Ok(now);
            }
        }
        Err(listed_late(&self.name))
    }

    /// The objects of the log.
    pub(crate) async fn objects(&self) -> Result<Vec<ObjectMeta>, LakeError> {
        let log_store = self.delta.log_store();
        let listed = log_store.object_store(None).list(Some(log_store.log_path())).try_collect();
        listed.await.map_err(LakeError::storage("listing a log"))
    }

    /// The files that ceased to be live in one of these entries written since a time.
    pub(crate) async fn replaced_since(
        &self,
        objects: &[ObjectMeta],
        since: Timestamp,
    ) -> Result<BTreeSet<FileId>, LakeError> {
        let store = self.delta.log_store().object_store(None);
        let mut replaced = BTreeSet::new();
        for object in objects.iter().filter(|object| written(object) > since) {
            if !is_entry(object) {
                continue;
            }
            let read = LakeError::storage("reading a log");
            let bytes = match store.get(&object.location).await {
                Ok(found) => found.bytes().await,
                Err(error) => Err(error),
            };
            for line in bytes.map_err(read)?.split(|byte| *byte == b'\n') {
                if line.is_empty() {
                    continue;
                }
                let action: Value =
                    serde_json::from_slice(line).map_err(|_| undecodable(&self.name))?;
                let path = action.pointer("/remove/path").and_then(Value::as_str);
                replaced.extend(path.and_then(file_at));
            }
        }
        Ok(replaced)
    }

    /// The objects of the log that were written before a time and that no version since needs: what
    /// is older than a checkpoint of before that time. The checkpoint was read back and is right.
    ///
    /// The last version before that time stays: whoever trusted it then begins from its entry.
    pub(crate) async fn expired(
        &mut self,
        objects: Vec<ObjectMeta>,
        before: Timestamp,
    ) -> Result<Vec<ObjectMeta>, LakeError> {
        let version = self.newest()?.version;
        let is_old = |object: &&ObjectMeta| written(object) <= before;
        let recent = objects.iter().filter(|object| is_entry(object) && !is_old(object));
        let first = recent.filter_map(version_of).min();
        let keep = first.map_or(version, |first| first.saturating_sub(1)).min(version);
        let checkpoints = objects.iter().filter(|object| is_checkpoint(object));
        let Some(checkpoint) = checkpoints.filter_map(version_of).filter(|at| *at <= keep).max()
        else {
            return Ok(Vec::new());
        };
        if !self.checkpoint_holds(checkpoint).await? {
            return Ok(Vec::new());
        }
        let needed = |object: &ObjectMeta| version_of(object).is_none_or(|at| at >= checkpoint);
        Ok(objects.iter().filter(is_old).filter(|object| !needed(object)).cloned().collect())
    }
}

/// When an object was written, by the clock of its store.
pub(crate) fn written(object: &ObjectMeta) -> Timestamp {
    Timestamp::from_micros(object.last_modified.timestamp_micros())
}

/// The id of the file at a path below a table's folder; nothing if no file of ours is there.
pub(crate) fn file_at(path: &str) -> Option<FileId> {
    path.strip_suffix(".parquet")?.parse().ok()
}

fn is_entry(object: &ObjectMeta) -> bool {
    object.location.filename().is_some_and(|name| {
        name.strip_suffix(".json").is_some_and(|stem| stem.len() == VERSION_DIGITS)
    }) && version_of(object).is_some()
}

fn is_checkpoint(object: &ObjectMeta) -> bool {
    object.location.filename().is_some_and(|name| name.ends_with(".checkpoint.parquet"))
}

/// The version that an object of a log belongs to.
fn version_of(object: &ObjectMeta) -> Option<u64> {
    object.location.filename()?.get(..VERSION_DIGITS)?.parse().ok()
}
