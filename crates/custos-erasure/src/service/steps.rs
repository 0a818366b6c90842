//! The steps from verified to certified.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use custos_audit::{Action, Outcome};
use custos_core::{BatchId, FileId, IdentifierType};
use custos_ingest::{Lease, Mentions};
use custos_keys::{DestructionCause, random_bytes};
use custos_lake::rewrite::{self, Selection};
use custos_lake::{Access, CommitOutcome, Table, vault};
use custos_policy::MaintenanceJob;
use roaring::RoaringBitmap;

use super::ErasureService;
use crate::certificate::{AuditProof, Barred, Statement, SubjectCommitment, TableStatement};
use crate::dossier::{Dossier, PersonalValue, Phase, TableStep};
use crate::scope;
use crate::{ErasureError, State, StoredRequest};

impl ErasureService {
    /// L1: bars the person's return, then rewrites the vault without them.
    pub(super) async fn unlink(
        &self,
        alone: &dyn Lease,
        request: &mut StoredRequest,
        dossier: &mut Dossier,
        actor: &str,
        progress: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<(), ErasureError> {
        self.record(actor, Action::Unlinked, request, Outcome::Intent, dossier).await?;
        progress("barring the person's return");
        self.bar(alone, request, dossier, actor).await?;
        let subjects = bitmap(dossier);
        for spec in [vault::identifiers_spec()?, vault::persons_spec()?, vault::links_spec()?] {
            progress(&format!("rewriting {}", spec.name()));
            let table = self.lake.table(Arc::new(spec)).await?;
            self.rewrite_table(&table, Selection::Subjects(&subjects), request, dossier).await?;
        }
        self.requests.forget_consents(&dossier.subjects).await?;
        dossier.asked_for = None;
        request.state = request.state.step(State::Unlinked)?;
        self.write_ledger(request, dossier).await?;
        self.save(request, dossier).await?;
        self.record(actor, Action::Unlinked, request, Outcome::Done, dossier).await?;
        Ok(())
    }

    /// Publishes what bars the person's rows while no load is open, so that each load was either
    /// finished before, and is rewritten, or checks the list. What a crash left of them in files
    /// that no table names goes too.
    async fn bar(
        &self,
        alone: &dyn Lease,
        request: &mut StoredRequest,
        dossier: &mut Dossier,
        actor: &str,
    ) -> Result<(), ErasureError> {
        let vault = vault::identifiers_spec()?;
        if dossier.step(vault.name()).is_some() {
            // A crash came after the list was out and the vault was begun: what the vault still
            // says of the person is no longer whole, and what bars them is known.
            return Ok(());
        }
        let quiet = self.hold_sources(alone, actor).await?;
        self.clear_leftovers(&quiet).await?;
        self.widen(request, dossier).await?;
        let identifiers = self.lake.table(Arc::new(vault)).await?;
        let grant = self.policy.maintenance(MaintenanceJob::Erasure, identifiers.name());
        let access = Access::Maintenance(&grant);
        let subjects = bitmap(dossier);
        let rows =
            vault::read_values(&identifiers, access, &IdentifierType::ALL, Some(&subjects)).await?;
        let values: BTreeSet<PersonalValue> =
            scope::values_of(&rows).into_iter().chain(dossier.asked_for.clone()).collect();
        let index = vault::read_index(&identifiers, access).await?;
        let hashes = self.ingest.hashes();
        dossier.barred_until = self.clock.now();
        dossier.barred =
            scope::suppression(&values, &subjects, &index, hashes, dossier.barred_until);
        self.save(request, dossier).await?;
        self.requests.suppress(request.id, &dossier.barred).await?;
        // A source that somebody else leased meanwhile may have been loaded without the list.
        Ok(quiet.check().await?)
    }

    /// L2: rewrites all other tables, and reads everything back.
    pub(super) async fn rewrite(
        &self,
        request: &mut StoredRequest,
        dossier: &mut Dossier,
        actor: &str,
        progress: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<(), ErasureError> {
        self.record(actor, Action::Rewritten, request, Outcome::Intent, dossier).await?;
        let subjects = bitmap(dossier);
        let barred: HashMap<_, _> =
            dossier.barred.iter().map(|entry| (entry.hash, entry.suppressed)).collect();
        let matches = |mentions: &[u8]| {
            Mentions::decode(mentions).is_none_or(|mentions| mentions.is_barred(&barred))
        };
        for contract in self.contracts().await? {
            progress(&format!("rewriting {}", contract.id.landing_table()));
            let landing = self.lake.table(Arc::new(contract.landing_spec()?)).await?;
            self.rewrite_table(&landing, Selection::Subjects(&subjects), request, dossier).await?;
            // A replay of refused rows rewrites their table too; one at a time.
            let (_, _lease) = self.ingest.recover_and_hold(&contract, actor).await?;
            let quarantine = self.lake.table(Arc::new(contract.quarantine_spec()?)).await?;
            let column = quarantine.spec().position("mentions").ok_or(ErasureError::Internal)?;
            let selection = Selection::Bytes { column, matches: &matches };
            self.rewrite_table(&quarantine, selection, request, dossier).await?;
        }
        dossier.completed_at = Some(self.clock.now());
        request.state = request.state.step(State::Rewritten)?;
        self.write_ledger(request, dossier).await?;
        self.save(request, dossier).await?;
        self.record(actor, Action::Rewritten, request, Outcome::Done, dossier).await?;
        Ok(())
    }

    /// Rewrites one table without what is selected, destroys the secrets of what it replaced and
    /// reads the table back.
    async fn rewrite_table(
        &self,
        table: &Table,
        selection: Selection<'_>,
        request: &mut StoredRequest,
        dossier: &mut Dossier,
    ) -> Result<(), ErasureError> {
        let grant = self.policy.maintenance(MaintenanceJob::Erasure, table.name());
        loop {
            let mut step = match dossier.step(table.name()) {
                Some(step) => step.clone(),
                None => {
                    let prepared = rewrite::prepare(table, selection, &grant).await?;
                    let step = TableStep {
                        table: table.name().clone(),
                        phase: Phase::Prepared,
                        commit: BatchId::from_random(random_bytes()?),
                        prepared,
                        absence: None,
                        destroyed: Vec::new(),
                    };
                    dossier.put(step.clone());
                    self.save(request, dossier).await?;
                    step
                }
            };
            match step.phase {
                Phase::Prepared if !self.swap(table, &step).await? => {
                    dossier.remove(table.name());
                    self.save(request, dossier).await?;
                    continue;
                }
                Phase::Prepared => step.phase = Phase::Committed,
                Phase::Committed => {
                    step.destroyed = self.shred(table, &step, request).await?;
                    let written = &step.prepared.written;
                    let absence = rewrite::verify(table, selection, written, &grant).await?;
                    if absence.hits() > 0 {
                        return Err(ErasureError::StillThere { table: table.name().clone() });
                    }
                    step.absence = Some(absence);
                    step.phase = Phase::Done;
                }
                Phase::Done => return Ok(()),
            }
            dossier.put(step);
            self.save(request, dossier).await?;
        }
    }

    /// Puts the replacements in place; `false` if somebody else rewrote the files first.
    async fn swap(&self, table: &Table, step: &TableStep) -> Result<bool, ErasureError> {
        let prepared = &step.prepared;
        if prepared.is_empty() {
            return Ok(true);
        }
        let (add, remove) = (prepared.written.clone(), prepared.replaced.clone());
        match table.commit(step.commit, add, remove).await? {
            CommitOutcome::Committed(_) => Ok(true),
            CommitOutcome::Conflict => {
                let written: Vec<FileId> =
                    prepared.written.iter().map(|entry| entry.file).collect();
                self.keys.destroy(&written, DestructionCause::Abandoned, &*self.clock).await?;
                table.delete_bytes(&prepared.written).await?;
                Ok(false)
            }
        }
    }

    /// Destroys the secrets of the replaced files, then their bytes.
    async fn shred(
        &self,
        table: &Table,
        step: &TableStep,
        request: &StoredRequest,
    ) -> Result<Vec<FileId>, ErasureError> {
        let replaced: Vec<FileId> = step.prepared.replaced.iter().map(|entry| entry.file).collect();
        if replaced.is_empty() {
            return Ok(replaced);
        }
        table.forget(&replaced);
        let cause = DestructionCause::Erasure(request.id);
        let proof = self.keys.destroy(&replaced, cause, &*self.clock).await?;
        if replaced.iter().any(|file| !proof.files().contains(file)) {
            return Err(ErasureError::NotShredded { table: table.name().clone() });
        }
        table.delete_bytes(&step.prepared.replaced).await?;
        Ok(replaced)
    }

    /// Issues the certificate over what was proven.
    pub(super) async fn certify(
        &self,
        request: &mut StoredRequest,
        dossier: &mut Dossier,
        actor: &str,
    ) -> Result<(), ErasureError> {
        let index =
            self.record(actor, Action::CertificateIssued, request, Outcome::Done, dossier).await?;
        let head = self.audit.head().await?;
        let inclusion = self.audit.prove(index, head.size).await?;
        let exported = self.audit.export(index, 1).await?;
        let leaf = exported.first().ok_or(ErasureError::Internal)?.leaf();
        let audit = AuditProof { leaf: BASE64URL.encode(leaf), inclusion, head };
        let statement = self.statement(request, dossier, audit)?;
        let signed = statement.sign(&self.keys.signing_key()).ok_or(ErasureError::Internal)?;
        request.certificate = Some(signed);
        request.state = request.state.step(State::Certified)?;
        self.write_ledger(request, dossier).await?;
        self.save(request, dossier).await
    }

    fn statement(
        &self,
        request: &StoredRequest,
        dossier: &Dossier,
        audit: AuditProof,
    ) -> Result<Statement, ErasureError> {
        let tables = dossier
            .steps
            .iter()
            .filter_map(|step| {
                let absence = step.absence.as_ref()?;
                Some(TableStatement {
                    table: step.table.clone(),
                    version_before: step.prepared.version,
                    version_after: absence.version(),
                    files_replaced: step.prepared.replaced.iter().map(|entry| entry.file).collect(),
                    rows_removed: step.prepared.rows_dropped,
                    cells_cleared: step.prepared.cells_cleared,
                    files_checked: absence.files(),
                    rows_read_back: absence.rows_read(),
                    hits: absence.hits(),
                })
            })
            .collect();
        Ok(Statement {
            version: 1,
            request: request.id,
            regime: dossier.regime.clone(),
            level: request.state.level(),
            received_at: request.received_at,
            verified: dossier.verified.clone().ok_or(ErasureError::Internal)?,
            completed_at: dossier.completed_at.ok_or(ErasureError::Internal)?,
            subject: SubjectCommitment {
                r#type: dossier.asked_type.as_str().to_owned(),
                sha256: dossier.commitment.clone(),
            },
            subjects_erased: dossier.subjects.len() as u64,
            tables,
            files_destroyed: dossier.steps.iter().flat_map(|step| step.destroyed.clone()).collect(),
            key_management: self.destruction.clone(),
            barred: Barred {
                identifiers: dossier.barred.len() as u64,
                until: dossier.barred_until,
            },
            proven: PROVEN.map(str::to_owned).into(),
            attested: ATTESTED.map(str::to_owned).into(),
            policy: self.policy.version().to_string(),
            software: format!("custos {}", env!("CARGO_PKG_VERSION")),
            audit,
        })
    }
}

/// What who checks the certificate can conclude.
const PROVEN: [&str; 3] = [
    "the issuer signed this statement and it is unchanged",
    "the audit log under the signed head contains the entry of this erasure",
    "every file that was replaced is listed as destroyed, and no table read back has a hit",
];

/// What the issuer asserts and the certificate alone cannot prove.
const ATTESTED: [&str; 4] = [
    "the secrets of the listed files were deleted from the control store",
    "no live file of the listed tables named the person when it was read back",
    "backups of the control store from before hold wrapped secrets until their epoch is destroyed (L3)",
    "data that left Custos before the erasure is outside this statement",
];

fn bitmap(dossier: &Dossier) -> RoaringBitmap {
    dossier.subjects.iter().map(|rid| rid.get()).collect()
}
