//! Bytes that nothing needs any more: of replaced files, of what a crash left, of old log entries.

use std::fmt;
use std::time::Duration;

use custos_core::{FileId, Timestamp};
use custos_ingest::Lease;
use custos_keys::DestructionCause;
use custos_lake::{Garbage, LOG_KEPT, Table};
use serde::Serialize;

use super::{ErasureService, Quiet};
use crate::ErasureError;

/// What one place holds and nothing needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnneededAt {
    /// A table, or `journal`.
    pub place: String,
    /// Data files or journals.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects of the table's log.
    pub log_entries: u64,
    /// Their bytes.
    pub log_bytes: u64,
}

/// What was found; while this lives nothing is made that nobody names yet.
pub struct Unneeded<'a> {
    secrets: Vec<FileId>,
    tables: Vec<(&'a Table, Garbage, Garbage)>,
    journals: Garbage,
    leases: [Box<dyn Lease>; 2],
}

impl fmt::Debug for Unneeded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unneeded(..)")
    }
}

impl Unneeded<'_> {
    /// Files whose secrets are still there although nothing names them.
    pub fn secrets(&self) -> u64 {
        self.secrets.len() as u64
    }

    /// The places that hold something.
    pub fn places(&self) -> Vec<UnneededAt> {
        let journals = ("journal".to_owned(), &self.journals, &Garbage::default());
        let tables =
            self.tables.iter().map(|(table, data, log)| (table.name().to_string(), data, log));
        let at = |(place, data, log): (String, &Garbage, &Garbage)| UnneededAt {
            place,
            files: data.objects(),
            bytes: data.bytes(),
            log_entries: log.objects(),
            log_bytes: log.bytes(),
        };
        let mut places: Vec<UnneededAt> = tables.map(at).chain([at(journals)]).collect();
        places.retain(|place| place.files + place.log_entries > 0);
        places
    }
}

impl ErasureService {
    /// Finds what no table, load, request or export needs and that was neither written nor replaced
    /// less than `kept` ago: queries may still read what was replaced. The ages are by the clock of
    /// the object store.
    pub async fn find_unneeded<'a>(
        &self,
        quiet: &'a Quiet<'_>,
        kept: Duration,
    ) -> Result<Unneeded<'a>, ErasureError> {
        let leases = [self.ledger.lease_requests().await?, self.others.hold_others().await?];
        let named = self.named(quiet).await?;
        let owners = self.keys.owners().await?;
        let secrets = owners.into_iter().filter(|owner| !named.contains(owner)).collect();
        let before = self.ago(kept);
        let mut tables = Vec::with_capacity(quiet.tables.len());
        for table in &quiet.tables {
            let data = table.unneeded(&named, before).await?;
            let log = table.expired_log(self.ago(LOG_KEPT)).await?;
            tables.push((table, data, log));
        }
        let journals = self.lake.objects().unneeded(&named, before).await?;
        Ok(Unneeded { secrets, tables, journals, leases })
    }

    /// Destroys the secrets and deletes the bytes that were found. What a crash leaves of that is
    /// found again.
    pub async fn delete_unneeded(
        &self,
        quiet: &Quiet<'_>,
        unneeded: &Unneeded<'_>,
    ) -> Result<(), ErasureError> {
        // If all leases are held still, nobody was writing what was listed.
        quiet.check().await?;
        for lease in &unneeded.leases {
            lease.check().await?;
        }
        if !unneeded.secrets.is_empty() {
            let cause = DestructionCause::Abandoned;
            self.keys.destroy(&unneeded.secrets, cause, &*self.clock).await?;
        }
        for (table, data, log) in &unneeded.tables {
            table.delete_garbage(data).await?;
            table.delete_garbage(log).await?;
        }
        Ok(self.lake.objects().delete_garbage(&unneeded.journals).await?)
    }

    fn ago(&self, span: Duration) -> Timestamp {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(self.clock.now().micros().saturating_sub(micros))
    }
}
