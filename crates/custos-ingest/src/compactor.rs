//! Loaded files as sorted ones, table by table.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use custos_audit::{Action, AuditLog, Entry, Outcome};
use custos_core::{Clock, TableName, Timestamp};
use custos_lake::{Compacted, FileEntry, Lake, Layout, Table, vault};
use custos_policy::{MaintenanceJob, PolicySet};

use crate::IngestError;
use crate::contract::Contract;
use crate::ledger::Ledger;

/// How long the bytes of replaced files stay, for queries that have them open.
const KEPT: Duration = Duration::from_secs(3_600);

/// Compacts the tables that loads write to.
pub struct Compactor {
    lake: Lake,
    ledger: Arc<dyn Ledger>,
    policy: Arc<PolicySet>,
    audit: Arc<AuditLog>,
    clock: Arc<dyn Clock>,
    /// What was replaced, and until when its bytes stay. What a crash makes this forget is left
    /// over, and goes with the next erasure, vacuum or doctor.
    replaced: Mutex<Vec<(Timestamp, Table, Vec<FileEntry>)>>,
}

impl fmt::Debug for Compactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Compactor")
    }
}

impl Compactor {
    /// A compactor of this lake.
    pub fn new(
        lake: Lake,
        ledger: Arc<dyn Ledger>,
        policy: Arc<PolicySet>,
        audit: Arc<AuditLog>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { lake, ledger, policy, audit, clock, replaced: Mutex::default() }
    }

    /// Compacts every table that is worth it, and returns what was done to which. Between tables
    /// an erasure that waits goes first.
    pub async fn run(
        &self,
        actor: &str,
        progress: &(dyn Fn(&TableName) + Send + Sync),
    ) -> Result<Vec<(TableName, Compacted)>, IngestError> {
        self.delete_replaced().await?;
        let mut specs = vec![vault::identifiers_spec()?];
        for known in self.ledger.contracts().await? {
            let contract = Contract::parse(known.source.as_str(), &known.text)
                .map_err(IngestError::Contract)?;
            specs.push(contract.landing_spec()?);
        }
        let mut done = Vec::new();
        for spec in specs {
            let name = spec.name().clone();
            progress(&name);
            let table = self.lake.table(Arc::new(spec)).await?;
            while let Some(compacted) = self.table(&table, actor).await? {
                done.push((name.clone(), compacted));
            }
        }
        Ok(done)
    }

    async fn table(&self, table: &Table, actor: &str) -> Result<Option<Compacted>, IngestError> {
        let layout = Layout::default();
        if !table.wants_compaction(layout).await? {
            return Ok(None);
        }
        // Neither an erasure nor who clears leftovers may come in between.
        let alone = self.ledger.lease_maintenance().await?;
        let grant = self.policy.maintenance(MaintenanceJob::Compaction, table.name());
        let Some(sorted) = table.sort(&grant, layout).await? else { return Ok(None) };
        alone.check().await?;
        let Some((compacted, replaced)) = table.replace(sorted).await? else { return Ok(None) };
        let until = self.clock.now().micros() + KEPT.as_micros() as i64;
        self.kept().push((Timestamp::from_micros(until), table.clone(), replaced));
        self.record(table.name(), &compacted, actor).await?;
        Ok(Some(compacted))
    }

    fn kept(&self) -> MutexGuard<'_, Vec<(Timestamp, Table, Vec<FileEntry>)>> {
        self.replaced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deletes the bytes of what was replaced long enough ago.
    async fn delete_replaced(&self) -> Result<(), IngestError> {
        let now = self.clock.now();
        let due: Vec<_> = self.kept().extract_if(.., |(until, ..)| *until <= now).collect();
        for (_, table, files) in due {
            table.delete_bytes(&files).await?;
        }
        Ok(())
    }

    async fn record(
        &self,
        table: &TableName,
        compacted: &Compacted,
        actor: &str,
    ) -> Result<(), IngestError> {
        let detail = [
            ("job", MaintenanceJob::Compaction.as_str().to_owned()),
            ("files_before", compacted.files_before.to_string()),
            ("files_after", compacted.files_after.to_string()),
            ("rows", compacted.rows.to_string()),
            ("superseded", compacted.superseded.to_string()),
        ];
        let entry = Entry {
            at: self.clock.now(),
            actor: actor.to_owned(),
            action: Action::Maintenance,
            object: table.to_string(),
            purpose: None,
            outcome: Outcome::Done,
            tie: None,
            detail: detail.map(|(name, value)| (name.to_owned(), value)).into(),
        };
        self.audit.append(entry).await?;
        Ok(())
    }
}
