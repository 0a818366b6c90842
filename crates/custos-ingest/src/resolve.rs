//! Identity resolution over the vault: from identifiers to persons, with the evidence kept.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use custos_audit::{Action, AuditLog, Entry, Outcome};
use custos_core::{BatchId, Clock, IdentifierType, PersonMap, Redacted};
use custos_identity::{Limits, Link, Refusal, SubjectName, resolve};
use custos_keys::{DestructionCause, KeyService, random_bytes};
use custos_lake::vault::{self, IndexRow, LinkRow, UNLINKED};
use custos_lake::{Access, CommitOutcome, Lake, Table};
use custos_policy::{MaintenanceJob, PolicySet};

use crate::{IngestError, Lease, Ledger};

/// What a run of identity resolution found.
#[derive(Debug)]
pub struct ResolveReport {
    /// Subjects that have an identifier.
    pub subjects: u64,
    /// People they are.
    pub persons: PersonMap,
    /// Pairs of subjects that were joined.
    pub links: u64,
    /// Identifiers that would have joined different people, and did not.
    pub refused: Vec<Refusal>,
}

/// Resolves identities anew from all of the vault.
#[derive(Debug)]
pub struct Resolver {
    lake: Lake,
    keys: Arc<KeyService>,
    ledger: Arc<dyn Ledger>,
    policy: Arc<PolicySet>,
    audit: Arc<AuditLog>,
    clock: Arc<dyn Clock>,
}

impl Resolver {
    /// A resolver for this lake.
    pub const fn new(
        lake: Lake,
        keys: Arc<KeyService>,
        ledger: Arc<dyn Ledger>,
        policy: Arc<PolicySet>,
        audit: Arc<AuditLog>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { lake, keys, ledger, policy, audit, clock }
    }

    /// Reads the vault, finds who is whom and replaces what was known of it.
    pub async fn run(&self, actor: &str) -> Result<ResolveReport, IngestError> {
        // An erasure must not meet persons that were read before it.
        let alone = self.ledger.lease_maintenance().await?;
        let identifiers = self.lake.table(Arc::new(vault::identifiers_spec()?)).await?;
        let grant = self.policy.maintenance(MaintenanceJob::Resolution, identifiers.name());
        let access = Access::Maintenance(&grant);
        let index = vault::read_index(&identifiers, access).await?;
        let names = vault::read_values(&identifiers, access, &[IdentifierType::Name], None).await?;
        let names: Vec<SubjectName> = names
            .iter()
            .map(|row| SubjectName {
                rid: row.index.rid,
                key: Redacted::new(custos_identity::name_key(row.value.expose())),
            })
            .collect();
        let resolution = resolve(&links(&index), &names, &Limits::default());
        let evidence: Vec<LinkRow> = resolution
            .evidence
            .iter()
            .map(|found| LinkRow {
                rid: found.left,
                other: found.right,
                kind: found.kind.as_str().to_owned(),
                rule: found.rule.as_str().to_owned(),
            })
            .collect();
        let persons_table = self.lake.table(Arc::new(vault::persons_spec()?)).await?;
        let persons_batch = vault::persons_batch(persons_table.spec(), &resolution.persons)?;
        self.replace(&persons_table, &persons_batch, &*alone).await?;
        let links_table = self.lake.table(Arc::new(vault::links_spec()?)).await?;
        let links_batch = vault::links_batch(links_table.spec(), &evidence)?;
        self.replace(&links_table, &links_batch, &*alone).await?;
        let subjects: roaring::RoaringBitmap = index.iter().map(|row| row.rid.get()).collect();
        let report = ResolveReport {
            subjects: subjects.len(),
            persons: resolution.persons,
            links: evidence.len() as u64,
            refused: resolution.refused,
        };
        self.record(actor, &report).await?;
        Ok(report)
    }

    /// Puts these rows in the place of all that a table holds.
    async fn replace(
        &self,
        table: &Table,
        batch: &RecordBatch,
        alone: &dyn Lease,
    ) -> Result<(), IngestError> {
        loop {
            let before = table.snapshot().await?.files;
            let mut writer = table.writer();
            writer.write(batch).await?;
            let written = writer.finish().await?;
            let id = BatchId::from_random(random_bytes()?);
            alone.check().await?;
            let outcome = table.commit(id, written.clone(), before.clone()).await?;
            let (gone, cause) = match outcome {
                CommitOutcome::Committed(_) => (before, DestructionCause::Replaced),
                CommitOutcome::Conflict => (written, DestructionCause::Abandoned),
            };
            let files: Vec<_> = gone.iter().map(|entry| entry.file).collect();
            table.forget(&files);
            self.keys.destroy(&files, cause, &*self.clock).await?;
            table.delete_bytes(&gone).await?;
            if matches!(outcome, CommitOutcome::Committed(_)) {
                return Ok(());
            }
        }
    }

    async fn record(&self, actor: &str, report: &ResolveReport) -> Result<(), IngestError> {
        let detail = [
            ("subjects", report.subjects),
            ("persons_of_several", report.persons.clusters().count() as u64),
            ("links", report.links),
            ("refused", report.refused.len() as u64),
        ];
        self.audit
            .append(Entry {
                at: self.clock.now(),
                actor: actor.to_owned(),
                action: Action::Resolve,
                object: "vault.persons".to_owned(),
                purpose: None,
                outcome: Outcome::Done,
                tie: None,
                detail: detail.map(|(name, count)| (name.to_owned(), count.to_string())).into(),
            })
            .await?;
        Ok(())
    }
}

/// The identifiers that may join subjects, with scopes as numbers.
fn links(index: &[IndexRow]) -> Vec<Link> {
    let mut scopes: HashMap<&str, u16> = HashMap::new();
    let mut links = Vec::with_capacity(index.len());
    for row in index.iter().filter(|row| row.kind.links() && row.scope != UNLINKED) {
        let next = u16::try_from(scopes.len()).unwrap_or(u16::MAX);
        let scope = *scopes.entry(&row.scope).or_insert(next);
        links.push(Link {
            rid: row.rid,
            kind: row.kind,
            scope: Some(scope),
            hash: row.hash,
            assurance: row.assurance,
        });
    }
    links
}
