//! What a crash left: files and secrets that no table, load or request names.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use custos_core::{FileId, StoreError, Timestamp};
use custos_ingest::{Contract, IngestError, Lease};
use custos_keys::{DestructionCause, KeyService};
use custos_lake::{Table, vault};

use super::ErasureService;
use crate::ErasureError;

/// Secrets that are in use outside tables, loads and requests: those of exports.
#[async_trait]
pub trait OtherOwners: fmt::Debug + Send + Sync {
    /// Waits until nobody makes such secrets that no list names yet, and keeps it so.
    async fn hold_others(&self) -> Result<Box<dyn Lease>, StoreError>;

    /// The owners of those that are in use at this time: neither revoked nor expired.
    async fn others(&self, now: Timestamp) -> Result<Vec<FileId>, StoreError>;

    /// The owners under whose secrets records of them are sealed.
    async fn records(&self) -> Result<Vec<FileId>, StoreError>;

    /// Notes for each of these owners that is one of them that its secrets are destroyed.
    async fn note_destroyed(&self, owners: &[FileId], at: Timestamp) -> Result<(), StoreError>;
}

/// While this lives nobody writes: every source is held, and the only job is its owner's.
#[derive(Debug)]
pub struct Quiet<'a> {
    /// The contracts of all sources.
    pub contracts: Vec<Contract>,
    /// How many loads a crash had cut off; they are finished now.
    pub finished: usize,
    /// Every table of the lake.
    pub tables: Vec<Table>,
    alone: &'a dyn Lease,
    sources: Vec<Box<dyn Lease>>,
}

impl Quiet<'_> {
    /// Fails if somebody else may have been at work since this was taken.
    pub(super) async fn check(&self) -> Result<(), StoreError> {
        self.alone.check().await?;
        for source in &self.sources {
            source.check().await?;
        }
        Ok(())
    }
}

/// What was found and cleared away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cleared {
    /// Owners of secrets that were looked at.
    pub checked: u64,
    /// Secrets destroyed and objects deleted.
    pub cleared: u64,
}

impl ErasureService {
    /// Finishes the loads that a crash cut off and holds every source, for who already has the
    /// maintenance lease.
    pub async fn hold_sources<'a>(
        &self,
        alone: &'a dyn Lease,
        actor: &str,
    ) -> Result<Quiet<'a>, ErasureError> {
        let (mut finished, mut sources) = (0, Vec::new());
        let contracts = self.contracts().await?;
        for contract in &contracts {
            let (of_source, lease) = self.ingest.recover_and_hold(contract, actor).await?;
            finished += of_source;
            sources.push(lease);
        }
        let tables = self.tables(&contracts).await?;
        Ok(Quiet { contracts, finished, tables, alone, sources })
    }

    /// Holds every source as it is, for who only looks.
    pub async fn hold_sources_unfinished<'a>(
        &self,
        alone: &'a dyn Lease,
    ) -> Result<Quiet<'a>, ErasureError> {
        let mut sources = Vec::new();
        let contracts = self.contracts().await?;
        for contract in &contracts {
            sources.push(self.ledger.lease_source(&contract.id).await?);
        }
        let tables = self.tables(&contracts).await?;
        Ok(Quiet { contracts, finished: 0, tables, alone, sources })
    }

    /// Every table of the lake.
    async fn tables(&self, contracts: &[Contract]) -> Result<Vec<Table>, ErasureError> {
        let mut specs =
            vec![vault::identifiers_spec()?, vault::persons_spec()?, vault::links_spec()?];
        for contract in contracts {
            specs.extend([contract.landing_spec()?, contract.quarantine_spec()?]);
        }
        let mut tables = Vec::with_capacity(specs.len());
        for spec in specs {
            tables.push(self.lake.table(Arc::new(spec)).await?);
        }
        Ok(tables)
    }

    /// The newest contract of every source.
    pub(super) async fn contracts(&self) -> Result<Vec<Contract>, ErasureError> {
        let registered = self.ledger.contracts().await?;
        let parse = |known: &custos_ingest::RegisteredContract| {
            Contract::parse(known.source.as_str(), &known.text)
                .map_err(|problems| IngestError::Contract(problems).into())
        };
        registered.iter().map(parse).collect()
    }

    /// Destroys the secrets and deletes the objects that nothing names.
    pub async fn clear_leftovers(&self, quiet: &Quiet<'_>) -> Result<Cleared, ErasureError> {
        // No request is sealed under a secret that no list names yet while this is held.
        let sealing = self.ledger.lease_requests().await?;
        let exporting = self.others.hold_others().await?;
        let named = self.named(quiet).await?;
        let owners = self.keys.owners().await?;
        // If all leases are held still, nobody was writing what was listed just now.
        quiet.check().await?;
        sealing.check().await?;
        exporting.check().await?;
        let orphans: Vec<FileId> =
            owners.iter().filter(|owner| !named.contains(owner)).copied().collect();
        if !orphans.is_empty() {
            self.keys.destroy(&orphans, DestructionCause::Abandoned, &*self.clock).await?;
        }
        let mut cleared = orphans.len() as u64;
        for table in &quiet.tables {
            cleared += table.delete_unlisted(&named).await?;
        }
        let journals = self.lake.objects();
        for journal in journals.list().await? {
            if !named.contains(&journal) {
                journals.delete(journal).await?;
                cleared += 1;
            }
        }
        Ok(Cleared { checked: owners.len() as u64, cleared })
    }

    /// Every owner of secrets that a table, a load or a request names.
    pub(super) async fn named(&self, quiet: &Quiet<'_>) -> Result<BTreeSet<FileId>, ErasureError> {
        let mut named = BTreeSet::from([KeyService::root_owner()]);
        named.extend(self.others.others(self.clock.now()).await?);
        for table in &quiet.tables {
            named.extend(table.live_files().await?);
        }
        for request in self.requests.list().await? {
            named.insert(request.sealed.owner);
            let dossier = self.open_dossier(&request).await?;
            let written = dossier.steps.iter().flat_map(|step| &step.prepared.written);
            named.extend(written.map(|entry| entry.file));
        }
        for batch in self.ledger.unfinished(None).await? {
            named.insert(batch.journal);
            let plan = batch.plan.unwrap_or_default();
            let files = [plan.vault, plan.landing, plan.quarantine, plan.quarantine_replaced];
            named.extend(files.iter().flatten().map(|entry| entry.file));
        }
        Ok(named)
    }
}
