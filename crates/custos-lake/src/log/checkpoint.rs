//! The live files of one version, written down in one piece.

use deltalake_core::DeltaTable;
use deltalake_core::protocol::checkpoints::create_checkpoint;
use object_store::ObjectStoreExt;

use super::{Heads, LakeError, TableLog, contained, failed, live_files, undecodable};

impl TableLog {
    /// Writes the live files of the loaded version down, and reads them back.
    ///
    /// The log library makes a checkpoint of log entries that it reads once more and that nobody
    /// compares with a head. One bit that is read wrong would stand in the checkpoint for good, and
    /// every reader begins with the newest: the table would open no more.
    pub(crate) async fn checkpoint(&self, version: u64) -> Result<(), LakeError> {
        let writing = contained(create_checkpoint(&self.delta, None)).await;
        if !matches!(self.checkpoint_holds(version).await, Ok(true)) {
            self.delete_checkpoint(version).await?;
            return Err(undecodable(&self.name));
        }
        let written = writing.ok_or_else(|| undecodable(&self.name))?;
        written.map_err(failed(&self.name, "writing a checkpoint"))
    }

    /// Whether a new reader that begins with the checkpoint of a version, if there is one, finds
    /// the live files that the entry of the version was made for.
    pub(super) async fn checkpoint_holds(&self, version: u64) -> Result<bool, LakeError> {
        let log_store = self.delta.log_store();
        let mut table = DeltaTable::new(self.delta.log_store());
        let reading = async {
            table
                .load_version(version)
                .await
                .map_err(failed(&self.name, "reading a checkpoint"))?;
            live_files(&self.name, &table).await
        };
        let at = contained(reading).await.ok_or_else(|| undecodable(&self.name))??;
        let heads = Heads { key: &self.key, table: &self.name, log_store: &log_store };
        heads.holds(version, &at.files).await
    }

    /// Deletes what points to a checkpoint, and then it.
    async fn delete_checkpoint(&self, version: u64) -> Result<(), LakeError> {
        let log_store = self.delta.log_store();
        let store = log_store.object_store(None);
        for name in ["_last_checkpoint".to_owned(), format!("{version:020}.checkpoint.parquet")] {
            match store.delete(&log_store.log_path().clone().join(name)).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(LakeError::storage("deleting a wrong checkpoint")(error)),
            }
        }
        Ok(())
    }
}
