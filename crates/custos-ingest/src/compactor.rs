//! Loaded files as sorted ones, table by table.

use std::fmt;
use std::sync::Arc;

use custos_audit::{Action, AuditLog, Entry, Outcome};
use custos_core::{Clock, TableName};
use custos_lake::{Compacted, Lake, Layout, TableSpec, vault};
use custos_policy::{MaintenanceJob, PolicySet};

use crate::IngestError;
use crate::contract::Contract;
use crate::ledger::Ledger;

/// Compacts the tables that loads write to.
pub struct Compactor {
    lake: Lake,
    ledger: Arc<dyn Ledger>,
    policy: Arc<PolicySet>,
    audit: Arc<AuditLog>,
    clock: Arc<dyn Clock>,
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
        Self { lake, ledger, policy, audit, clock }
    }

    /// Compacts every table that is worth it, and returns what was done to which. Between tables
    /// an erasure that waits goes first.
    pub async fn run(
        &self,
        actor: &str,
        progress: &(dyn Fn(&TableName) + Send + Sync),
    ) -> Result<Vec<(TableName, Compacted)>, IngestError> {
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
            loop {
                let compacted = self.table(spec.clone(), actor).await?;
                if compacted == Compacted::default() {
                    break;
                }
                done.push((name.clone(), compacted));
            }
        }
        Ok(done)
    }

    async fn table(&self, spec: TableSpec, actor: &str) -> Result<Compacted, IngestError> {
        // Neither an erasure nor who clears leftovers may come in between.
        let _alone = self.ledger.lease_maintenance().await?;
        let table = self.lake.table(Arc::new(spec)).await?;
        let grant = self.policy.maintenance(MaintenanceJob::Compaction, table.name());
        let compacted = table.compact(&grant, Layout::default()).await?;
        if compacted != Compacted::default() {
            self.record(table.name(), &compacted, actor).await?;
        }
        Ok(compacted)
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
