//! A lake with its control store and keys, used within this process.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::RecordBatch;
use custos_audit::AuditLog;
use custos_core::{BatchId, KeyClass, Timestamp};
use custos_keys::{KeyService, Kms, LocalKeyRing, random_bytes};
use custos_lake::{FileEntry, Lake, Storage, Table, TableSpec, vault};
use custos_policy::{
    Dataset, DatasetColumn, MaintenanceGrant, MaintenanceJob, PolicyFiles, PolicySet, Principal,
};
use custos_query::{
    Catalog, Executor, Governed, GovernedSource, Governor, Limits, Population, View,
};
use custos_store::Store;
use custos_testkit::{FakeClock, workspace_root};
use datafusion::logical_expr::LogicalPlan;
use futures::TryStreamExt;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asker {
    /// An officer, for a purpose for which everybody is visible.
    Officer,
    /// An analyst, who sees those who consent, and addresses as their category is shown to analysts.
    Analyst { addresses: &'static str },
}

impl Asker {
    const fn role(self) -> &'static str {
        match self {
            Self::Officer => "officer",
            Self::Analyst { .. } => "analyst",
        }
    }

    const fn purpose(self) -> &'static str {
        match self {
            Self::Officer => "legal_claims",
            Self::Analyst { .. } => "analytics",
        }
    }
}

/// 2026-06-01, after all events.
const NOW: i64 = 1_780_272_000_000_000;

/// All that an installation consists of, in a folder that goes with it.
pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) kms: Arc<dyn Kms>,
    pub(crate) keys: Arc<KeyService>,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) lake: Lake,
    policy: Arc<PolicySet>,
    audit: Arc<AuditLog>,
}

/// What answers statements in a world.
pub(crate) struct Engine {
    governor: Governor,
    executor: Arc<Executor>,
    asker: Asker,
}

impl World {
    pub(crate) async fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("spill"))?;
        let store = Store::create(&folder.path().join("control/custos.db")).await?;
        let ring = LocalKeyRing::create(&folder.path().join("keys"), None)?;
        let kms: Arc<dyn Kms> = Arc::new(ring);
        let keys = KeyService::initialise(Arc::clone(&kms), Arc::new(store.clone())).await?;
        let keys = Arc::new(keys);
        let clock = Arc::new(FakeClock::at(Timestamp::from_micros(NOW)));
        let policies = PolicyFiles::from_dir(&workspace_root().join("policies"))?;
        let policy = PolicySet::load(&policies).ok().context("the policies have mistakes")?;
        let audit = AuditLog::new(
            Arc::new(store.clone()),
            keys.signing_key(),
            Arc::<FakeClock>::clone(&clock),
        );
        let (policy, audit) = (Arc::new(policy), Arc::new(audit));
        let lake = lake(folder.path(), &keys, &store, &clock)?;
        Ok(Self { folder, store, kms, keys, clock, lake, policy, audit })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn grant(&self, job: MaintenanceJob, table: &Table) -> MaintenanceGrant {
        self.policy.maintenance(job, table.name())
    }

    /// The lake as a process that just started sees it: nothing is cached.
    pub(crate) async fn started_anew(&self) -> Result<Lake> {
        let keys = KeyService::open(Arc::clone(&self.kms), Arc::new(self.store.clone())).await?;
        lake(self.folder.path(), &Arc::new(keys), &self.store, &self.clock)
    }

    /// What answers statements over one table, published as `events`, in which everybody is
    /// visible.
    pub(crate) async fn engine(&self, lake: &Lake, spec: &Arc<TableSpec>) -> Result<Engine> {
        self.engine_for(lake, spec, Arc::new(self.store.clone())).await
    }

    /// The same with others visible.
    pub(crate) async fn engine_for(
        &self,
        lake: &Lake,
        spec: &Arc<TableSpec>,
        population: Arc<dyn Population>,
    ) -> Result<Engine> {
        self.engine_of(lake, spec, population, Asker::Officer).await
    }

    /// The same for another asker.
    pub(crate) async fn engine_of(
        &self,
        lake: &Lake,
        spec: &Arc<TableSpec>,
        population: Arc<dyn Population>,
        asker: Asker,
    ) -> Result<Engine> {
        let table = lake.table(Arc::clone(spec)).await?;
        let names: Vec<&str> = spec.columns().iter().skip(1).map(|one| one.name.as_str()).collect();
        let view = View {
            sql: format!("select person_id, {} from {}", names.join(", "), spec.name()),
            views: Vec::new(),
            tables: vec![spec.name().clone()],
        };
        let mut catalog = Catalog::default();
        let source = Arc::new(GovernedSource::new(dataset(spec, asker)?, table));
        catalog.sources.insert(spec.name().clone(), source);
        catalog.views.insert("events".to_owned(), view);
        let clock = || Arc::<FakeClock>::clone(&self.clock);
        // What is measured is computed each time.
        let limits = Limits { kept_answers_bytes: 0, ..Limits::with_spill_in(self.path("spill")) };
        let (policy, keys) = (Arc::clone(&self.policy), Arc::clone(&self.keys));
        let governor = Governor::new(policy, catalog, keys, clock(), limits)?;
        let persons = lake.table(Arc::new(vault::persons_spec()?)).await?;
        let (policy, audit) = (Arc::clone(&self.policy), Arc::clone(&self.audit));
        let executor = Executor::new(population, persons, policy, audit, clock());
        Ok(Engine { governor, executor: Arc::new(executor), asker })
    }
}

impl Engine {
    /// Asks, and returns the rows.
    pub(crate) async fn ask(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        Ok(self.executor.run(self.plan(sql).await?).await?.try_collect().await?)
    }

    /// Plans what could be asked.
    pub(crate) async fn plan(&self, sql: &str) -> Result<Governed<LogicalPlan>> {
        let role = self.asker.role();
        let principal = Principal::new(role.parse()?, vec![role.to_owned()]);
        Ok(self.governor.govern(sql, &principal, &self.asker.purpose().parse()?).await?)
    }
}

fn lake(
    folder: &Path,
    keys: &Arc<KeyService>,
    store: &Store,
    clock: &Arc<FakeClock>,
) -> Result<Lake> {
    let storage = Storage::folder(&folder.join("lake"))?;
    let heads = Arc::new(store.clone());
    Ok(Lake::new(storage, Arc::clone(keys), heads, Arc::<FakeClock>::clone(clock)))
}

/// What the policy is told of a table.
fn dataset(spec: &TableSpec, asker: Asker) -> Result<Dataset> {
    let addresses = match asker {
        Asker::Officer => "user.contact.email",
        Asker::Analyst { addresses } => addresses,
    };
    let columns = spec.columns().iter().skip(1).map(|column| {
        let category = match column.class {
            KeyClass::Identifier => addresses,
            KeyClass::Content => "user.content",
            _ => "user.behavior",
        };
        let category = Some(category.parse()?);
        Ok(DatasetColumn { name: column.name.clone(), category, kind: None, class: column.class })
    });
    Ok(Dataset {
        table: spec.name().clone(),
        columns: columns.collect::<Result<_>>()?,
        purposes: vec![asker.purpose().parse()?],
        unattributed_visible: false,
        jurisdiction: "de".to_owned(),
        event_time: Some("event_time".to_owned()),
    })
}

/// Makes files part of a table.
pub(crate) async fn commit(table: &Table, written: Vec<FileEntry>) -> Result<()> {
    table.commit(BatchId::from_random(random_bytes()?), written, Vec::new()).await?;
    Ok(())
}
