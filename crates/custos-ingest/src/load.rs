//! Loads: from a file to committed tables.
//!
//! The bytes are sealed into a journal and the batch recorded: from then on the load is safe from
//! a crash, since whoever comes next folds it again. Folding splits each row, writes files, records
//! which they are, commits them to the vault first and to the facts second, and destroys the
//! journal. Every step can be repeated.

mod fold;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use custos_audit::{Action, AuditLog, Entry, Outcome};
use custos_core::{BatchId, Clock, FileId};
use custos_keys::{DestructionCause, KeyService, NamedKey, random_bytes};
use custos_lake::vault::IdentifierHashes;
use custos_lake::{Access, CommitOutcome, FileEntry, Lake, SealedObjects, Table, vault};
use custos_policy::{MaintenanceJob, PolicySet};
use serde::Serialize;

use crate::contract::Contract;
use crate::ledger::{Batch, BatchPlan, BatchState, Lease, Ledger, LoadCounts, RegisteredContract};
use crate::mentions::RefusedRows;
use crate::quarantine::{self, QuarantineReason, Refused};
use crate::subjects::{identifiers, is_barred};
use crate::{IngestError, ReadError};
use fold::Fold;

/// What became of a load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoadReport {
    /// How many rows ended where.
    pub counts: LoadCounts,
    /// Why rows were refused, most frequent reason first.
    pub refused: Vec<QuarantineReason>,
}

/// Brings files into the lake.
pub struct Ingest {
    lake: Lake,
    journal: SealedObjects,
    keys: Arc<KeyService>,
    ledger: Arc<dyn Ledger>,
    policy: Arc<PolicySet>,
    audit: Arc<AuditLog>,
    clock: Arc<dyn Clock>,
    hashes: IdentifierHashes,
}

impl fmt::Debug for Ingest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ingest")
    }
}

/// The tables that a source's loads change.
#[derive(Debug)]
struct Tables {
    identifiers: Table,
    landing: Table,
    quarantine: Table,
}

impl Ingest {
    /// An ingest into this lake.
    pub fn new(
        lake: Lake,
        keys: Arc<KeyService>,
        ledger: Arc<dyn Ledger>,
        policy: Arc<PolicySet>,
        audit: Arc<AuditLog>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, IngestError> {
        let journal = lake.objects();
        let hashes = IdentifierHashes::new(&keys);
        Ok(Self { lake, journal, keys, ledger, policy, audit, clock, hashes })
    }

    /// The hashes under which identifiers are compared.
    pub const fn hashes(&self) -> &IdentifierHashes {
        &self.hashes
    }

    /// Reads a contract and makes it the newest of its source, if it may follow the present one.
    pub async fn register(&self, file_name: &str, text: &str) -> Result<Contract, IngestError> {
        let contract = Contract::parse(file_name, text).map_err(IngestError::Contract)?;
        // Jobs that look at all sources must not meet one that they do not know.
        let _alone = self.ledger.lease_maintenance().await?;
        let registered = self.ledger.contracts().await?;
        if let Some(present) = registered.iter().find(|known| known.source == contract.id) {
            if present.text == text {
                return Ok(contract);
            }
            let older =
                Contract::parse("registered", &present.text).map_err(IngestError::Contract)?;
            contract.evolution(&older).map_err(IngestError::Contract)?;
            // Loads that were promised under the older contract are read under it.
            let (_, _lease) = self.recover_and_hold(&older, "register").await?;
            self.put_contract(&contract, text).await?;
            return Ok(contract);
        }
        self.put_contract(&contract, text).await?;
        Ok(contract)
    }

    async fn put_contract(&self, contract: &Contract, text: &str) -> Result<(), IngestError> {
        let record = RegisteredContract { source: contract.id.clone(), text: text.to_owned() };
        Ok(self.ledger.put_contract(&record).await?)
    }

    /// Loads a file. When it returns, every row is stored, refused or counted.
    ///
    /// # Errors
    ///
    /// [`IngestError::Read`] if the file as a whole cannot be read; then nothing of it is kept.
    pub async fn load(
        &self,
        contract: &Contract,
        path: &Path,
        actor: &str,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<LoadReport, IngestError> {
        let file = path.display().to_string();
        let bytes = tokio::fs::read(path)
            .await
            .map_err(|source| ReadError::Open { file: file.clone(), source })?;
        let _lease = self.ledger.lease_source(&contract.id).await?;
        self.recover_leased(contract, actor).await?;
        let load = self.load_hash(contract, &bytes);
        let seen = contract.record_key.is_empty()
            && self.ledger.folded(&contract.id, &load).await?.is_some();
        if seen {
            return self.recount(contract, &bytes, &file, progress).await;
        }
        // A file that cannot be read to its end is refused before anything is promised.
        let batch = self.journal(contract, load, &bytes, false).await?;
        self.fold(contract, batch, &bytes, &file, actor, progress).await
    }

    /// Reads a source's refused rows again under its present contract.
    pub async fn replay(
        &self,
        contract: &Contract,
        actor: &str,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<LoadReport, IngestError> {
        let _lease = self.ledger.lease_source(&contract.id).await?;
        self.recover_leased(contract, actor).await?;
        let tables = self.tables(contract).await?;
        let grant = self.policy.maintenance(MaintenanceJob::Ingest, tables.quarantine.name());
        let files = quarantine::as_files(&tables.quarantine, Access::Maintenance(&grant)).await?;
        let mut report = LoadReport { counts: LoadCounts::default(), refused: Vec::new() };
        // The first batch takes the refused rows out of quarantine; rows that are still broken go
        // back in with it. One journal holds all, so that a crash loses none.
        let bytes = serde_json::to_vec(&files.iter().map(|file| file.expose()).collect::<Vec<_>>())
            .map_err(|_| IngestError::Internal)?;
        if files.is_empty() {
            return Ok(report);
        }
        let load = self.load_hash(contract, &[&bytes[..], &random_bytes::<16>()?].concat());
        let batch = self.journal(contract, load, &bytes, true).await?;
        let folded = self.fold(contract, batch, &bytes, "quarantine", actor, progress).await?;
        report.counts += folded.counts;
        report.refused = folded.refused;
        Ok(report)
    }

    /// Finishes what a crash left unfinished in one source and keeps others from loading it for as
    /// long as the lease lives.
    pub async fn recover_and_hold(
        &self,
        contract: &Contract,
        actor: &str,
    ) -> Result<(usize, Box<dyn Lease>), IngestError> {
        let lease = self.ledger.lease_source(&contract.id).await?;
        Ok((self.recover_leased(contract, actor).await?, lease))
    }

    async fn recover_leased(&self, contract: &Contract, actor: &str) -> Result<usize, IngestError> {
        let unfinished = self.ledger.unfinished(Some(&contract.id)).await?;
        let count = unfinished.len();
        for batch in unfinished {
            if batch.state == BatchState::Planned {
                self.finish(contract, batch).await?;
                continue;
            }
            let Some(bytes) = self.journal.get(batch.journal).await? else {
                // Its journal never became durable or was erased: it was never acknowledged.
                self.abandon(batch, &[]).await?;
                continue;
            };
            let folded = self.fold(contract, batch, &bytes, "journal", actor, &|_| ()).await;
            match folded {
                // The load was refused as a whole, and is given up by that.
                Ok(_) | Err(IngestError::Read(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }

    async fn journal(
        &self,
        contract: &Contract,
        load: [u8; 32],
        bytes: &[u8],
        replay: bool,
    ) -> Result<Batch, IngestError> {
        let journal = self.journal.put(bytes).await?;
        let batch = Batch {
            id: BatchId::from_random(random_bytes()?),
            source: contract.id.clone(),
            load,
            journal,
            suppression_epoch: self.ledger.suppression().await?.epoch,
            state: BatchState::Journaled,
            replay,
            plan: None,
            counts: None,
            opened_at: self.clock.now(),
        };
        self.ledger.put_batch(&batch).await?;
        Ok(batch)
    }

    async fn fold(
        &self,
        contract: &Contract,
        mut batch: Batch,
        bytes: &[u8],
        file: &str,
        actor: &str,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<LoadReport, IngestError> {
        let tables = self.tables(contract).await?;
        let suppression = self.ledger.suppression().await?;
        batch.suppression_epoch = suppression.epoch;
        let mut fold = Fold::begin(self, contract, &tables, suppression, batch.id).await?;
        let read = match batch.replay {
            false => fold.read(bytes, file, progress).await,
            true => fold.read_refused(bytes, progress).await,
        };
        let refused = quarantine::reasons(fold.refused());
        let ages = fold.ages();
        let (mut plan, counts) = fold.end().await?;
        match read {
            Ok(()) => {}
            Err(error @ IngestError::Read(_)) => {
                self.abandon(batch, &all_files(&plan)).await?;
                return Err(error);
            }
            // The load was promised: what was written goes, the journal stays for the next try.
            Err(error) => {
                let written: Vec<_> = all_files(&plan).iter().map(|entry| entry.file).collect();
                self.destroy(&written, DestructionCause::Abandoned).await?;
                return Err(error);
            }
        }
        if batch.replay {
            plan.quarantine_replaced = tables.quarantine.snapshot().await?.files;
        }
        // Before their rows can be seen.
        self.ledger.put_ages(&ages).await?;
        batch.plan = Some(plan);
        batch.counts = Some(counts);
        batch.state = BatchState::Planned;
        self.ledger.put_batch(&batch).await?;
        self.record(&batch, actor, Outcome::Intent).await?;
        let batch = self.finish(contract, batch).await?;
        self.record(&batch, actor, Outcome::Done).await?;
        Ok(LoadReport { counts, refused })
    }

    /// Commits a planned batch and destroys its journal.
    async fn finish(&self, contract: &Contract, mut batch: Batch) -> Result<Batch, IngestError> {
        let tables = self.tables(contract).await?;
        let plan = batch.plan.clone().unwrap_or_default();
        let id = batch.id;
        for (table, add, remove) in [
            (&tables.identifiers, plan.vault, Vec::new()),
            (&tables.landing, plan.landing, Vec::new()),
            (&tables.quarantine, plan.quarantine, plan.quarantine_replaced.clone()),
        ] {
            if !add.is_empty() || !remove.is_empty() {
                // Nobody else writes while the source is leased, so a plan is never stale.
                if table.commit(id, add, remove).await? == CommitOutcome::Conflict {
                    return Err(IngestError::Internal);
                }
            }
        }
        let replaced: Vec<_> = plan.quarantine_replaced.iter().map(|entry| entry.file).collect();
        tables.quarantine.forget(&replaced);
        self.destroy(&replaced, DestructionCause::Replaced).await?;
        tables.quarantine.delete_bytes(&plan.quarantine_replaced).await?;
        self.destroy(&[batch.journal], DestructionCause::JournalFolded).await?;
        self.journal.delete(batch.journal).await?;
        batch.state = BatchState::Folded;
        self.ledger.put_batch(&batch).await?;
        Ok(batch)
    }

    /// Gives a batch up: what it wrote is destroyed, nothing of it was committed.
    async fn abandon(&self, mut batch: Batch, files: &[FileEntry]) -> Result<(), IngestError> {
        let mut owners: Vec<FileId> = files.iter().map(|entry| entry.file).collect();
        owners.push(batch.journal);
        self.destroy(&owners, DestructionCause::Abandoned).await?;
        self.journal.delete(batch.journal).await?;
        batch.state = BatchState::Abandoned;
        batch.plan = None;
        self.ledger.put_batch(&batch).await?;
        Ok(())
    }

    async fn destroy(&self, files: &[FileId], cause: DestructionCause) -> Result<(), IngestError> {
        if !files.is_empty() {
            self.keys.destroy(files, cause, &*self.clock).await?;
        }
        Ok(())
    }

    /// Counts the rows of a load that was folded before, and stores nothing.
    async fn recount(
        &self,
        contract: &Contract,
        bytes: &[u8],
        file: &str,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<LoadReport, IngestError> {
        let suppression = self.ledger.suppression().await?;
        let mut counts = LoadCounts::default();
        let mut refused = Vec::new();
        let reader = fold::reader(contract, file, bytes)?;
        let header = reader.header().map(<[u8]>::to_vec);
        let refused_rows = RefusedRows::new(contract);
        let barred = &suppression.identifiers;
        for record in reader {
            let record = record?;
            counts.read += 1;
            let mentions = || refused_rows.mentions(header.as_deref(), &record, &self.hashes);
            match &record.cells {
                Ok(row) => {
                    let found = identifiers(contract, &row.values, &self.hashes);
                    if is_barred(&found, row.event_time(contract), barred) {
                        counts.barred += 1;
                    } else {
                        counts.duplicate += 1;
                    }
                }
                Err(_) if mentions().is_barred(barred) => counts.barred += 1,
                Err(problem) => {
                    counts.quarantined += 1;
                    refused.push(Refused::new(&record, problem.into(), mentions()));
                }
            }
            progress(counts.read);
        }
        Ok(LoadReport { counts, refused: quarantine::reasons(&refused) })
    }

    /// The keyed hash that tells a load from others.
    fn load_hash(&self, contract: &Contract, bytes: &[u8]) -> [u8; 32] {
        self.keys.mac_key(NamedKey::Load).mac(&[contract.id.as_str().as_bytes(), bytes])
    }

    async fn tables(&self, contract: &Contract) -> Result<Tables, IngestError> {
        Ok(Tables {
            identifiers: self.lake.table(Arc::new(vault::identifiers_spec()?)).await?,
            landing: self.lake.table(Arc::new(contract.landing_spec()?)).await?,
            quarantine: self.lake.table(Arc::new(contract.quarantine_spec()?)).await?,
        })
    }

    async fn record(
        &self,
        batch: &Batch,
        actor: &str,
        outcome: Outcome,
    ) -> Result<(), IngestError> {
        let counts = batch.counts.unwrap_or_default();
        let detail = [
            ("batch", batch.id.to_string()),
            ("read", counts.read.to_string()),
            ("stored", counts.stored.to_string()),
            ("updated", counts.updated.to_string()),
            ("duplicate", counts.duplicate.to_string()),
            ("quarantined", counts.quarantined.to_string()),
            ("barred", counts.barred.to_string()),
        ];
        self.audit
            .append(Entry {
                at: self.clock.now(),
                actor: actor.to_owned(),
                action: Action::Ingest,
                object: batch.source.landing_table().to_string(),
                purpose: None,
                outcome,
                tie: None,
                detail: detail.map(|(name, value)| (name.to_owned(), value)).into(),
            })
            .await?;
        Ok(())
    }
}

fn all_files(plan: &BatchPlan) -> Vec<FileEntry> {
    [&plan.vault, &plan.landing, &plan.quarantine].into_iter().flatten().cloned().collect()
}
