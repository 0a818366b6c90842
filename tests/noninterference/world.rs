//! Lakes that hold the rows of a world, in one layout, and doors to them.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, TimeUnit};
use async_trait::async_trait;
use chrono::NaiveDate;
use custos_audit::{AuditLog, MemoryAuditStore};
use custos_consent::{AgeRecord, ConsentBook, ConsentEvent, ConsentStatus};
use custos_core::{
    BatchId, Clock, ColumnKind, KeyClass, PersonMap, Purpose, Rid, StoreError, Timestamp,
};
use custos_erasure::{ErasureParts, ErasureService};
use custos_ingest::{Ingest, Ledger};
use custos_keys::{Destruction, KeyService, Kms, LocalKeyRing, MemorySecretStore, random_bytes};
use custos_lake::{
    ColumnRole, ColumnSpec, Lake, Layout, MemoryHeads, Storage, Table, TableSpec, vault,
};
use custos_policy::{Dataset, DatasetColumn, MaintenanceJob, PolicyFiles, PolicySet, Principal};
use custos_query::{
    Catalog, Epochs, Executor, ExportParts, ExportService, GovernedSource, Governor, Limits,
    Population, Profiles, View,
};
use custos_store::Store;
use custos_testkit::{FakeClock, workspace_root};
use roaring::RoaringBitmap;
use tokio::sync::OnceCell;

use crate::rows::{
    Asker, EventRow, NOW, OrderRow, PersonRow, Rows, SUBJECTS, Standing, agreed_to_sensitive,
    persons,
};

/// Before anything was withdrawn or erased, and after.
#[derive(Debug)]
pub(crate) struct People {
    changed: AtomicBool,
}

#[async_trait]
impl Population for People {
    async fn epochs(&self) -> Result<Epochs, StoreError> {
        let epoch = u64::from(self.changed.load(Ordering::SeqCst));
        Ok(Epochs { consent: epoch, suppression: epoch, ..Epochs::default() })
    }

    async fn consents(&self) -> Result<ConsentBook, StoreError> {
        let changed = self.changed.load(Ordering::SeqCst);
        let events = (1..=SUBJECTS).flat_map(|rid| events(rid, changed));
        Ok(ConsentBook::from_events(events))
    }

    async fn tombstones(&self) -> Result<RoaringBitmap, StoreError> {
        let changed = self.changed.load(Ordering::SeqCst);
        let erased = |rid: &u32| changed && Standing::of(*rid) == Standing::Erased;
        Ok((1..=SUBJECTS).filter(erased).collect())
    }

    async fn ages(&self) -> Result<Vec<AgeRecord>, StoreError> {
        let is_child =
            |rid: &u32| matches!(Standing::of(*rid), Standing::Child | Standing::GuardedChild);
        let record = |rid| AgeRecord {
            rid: Rid::new(rid),
            born: NaiveDate::from_ymd_opt(2015, 1, 1),
            jurisdiction: None,
        };
        Ok((1..=SUBJECTS).filter(is_child).map(record).collect())
    }
}

/// What a subject said.
fn events(rid: u32, changed: bool) -> Vec<ConsentEvent> {
    let event = |purpose: &str, status, day: i64| ConsentEvent {
        rid: Rid::new(rid),
        at: Timestamp::from_micros(NOW - (100 - day) * 86_400_000_000),
        purpose: purpose.parse().unwrap(),
        status,
        expires_at: None,
        notice: None,
        channel: None,
        authority: true,
    };
    let insight =
        |status, day| vec![event("analytics", status, day), event("functional", status, day)];
    let both = |status, day| {
        let mut all = insight(status, day);
        all.push(event("marketing", status, day));
        all
    };
    let separate = event("separate.sensitive_data.analytics", ConsentStatus::Given, 1);
    let mut events = match Standing::of(rid) {
        Standing::AgreedToBoth | Standing::Erased | Standing::Child => {
            both(ConsentStatus::Given, 1)
        }
        Standing::GuardedChild => ["analytics", "functional", "marketing"]
            .map(|purpose| event(&format!("guardian.{purpose}"), ConsentStatus::Given, 1))
            .into(),
        Standing::AgreedToAnalytics => insight(ConsentStatus::Given, 1),
        Standing::AgreedToMarketing => vec![event("marketing", ConsentStatus::Given, 1)],
        Standing::NeverAsked => Vec::new(),
        Standing::Withdrew => {
            let mut all = both(ConsentStatus::Given, 1);
            if changed {
                all.extend(both(ConsentStatus::Withdrawn, 2));
            }
            all
        }
    };
    events.extend(agreed_to_sensitive(rid).then_some(separate));
    events
}

/// The shipped policies, but that analysts may see sensitive data of those who agreed to that.
fn policies() -> PolicyFiles {
    let folder = workspace_root().join("policies");
    let shipped = PolicyFiles::from_dir(&folder).unwrap();
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    let pairs = names.iter().filter_map(|name| {
        let text = shipped.text(name)?;
        let strict = r#"[Purpose::"legal_claims", Purpose::"essential.legal_obligation"]"#;
        let lax = strict.replace('[', r#"[Purpose::"analytics", "#);
        assert!(name != "access.cedar" || text.contains(strict));
        Some((name.clone(), text.replace(strict, &lax)))
    });
    PolicyFiles::from_pairs(pairs)
}

/// What all worlds share: equal subjects have equal ids, and equal values equal tokens.
pub(crate) struct Common {
    pub(crate) folder: tempfile::TempDir,
    keys: Arc<KeyService>,
    policy: Arc<PolicySet>,
    clock: Arc<FakeClock>,
    destruction: Destruction,
    store: OnceCell<Arc<Store>>,
}

impl Common {
    /// A control store for what statements do not ask.
    async fn store(&self) -> Arc<Store> {
        let made =
            async || Arc::new(Store::create(&self.folder.path().join("wire.db")).await.unwrap());
        Arc::clone(self.store.get_or_init(made).await)
    }

    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ring = LocalKeyRing::create(&folder.path().join("keys"), None).unwrap();
        let destruction = ring.destruction();
        let store = Arc::new(MemorySecretStore::default());
        let keys = KeyService::initialise(Arc::new(ring), store).await.unwrap();
        let files = policies();
        Self {
            folder,
            keys: Arc::new(keys),
            policy: Arc::new(PolicySet::load(&files).unwrap()),
            clock: Arc::new(FakeClock::at(Timestamp::from_micros(NOW))),
            destruction,
            store: OnceCell::new(),
        }
    }
}

/// How the files of a lake are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// One file, as loaded.
    Whole,
    /// Several files, as loaded, one of which holds only what nobody may see.
    Loaded,
    /// Sorted by subject into files and row groups of few rows.
    Sorted,
}

/// A lake with some rows.
pub(crate) struct World {
    common: Arc<Common>,
    lake: Lake,
}

impl World {
    pub(crate) async fn with(common: &Arc<Common>, rows: &Rows, cut: Cut) -> Self {
        let folder = tempfile::tempdir_in(common.folder.path()).unwrap().keep();
        let lake = Lake::new(
            Storage::folder(&folder).unwrap(),
            Arc::clone(&common.keys),
            Arc::<MemoryHeads>::default(),
            Arc::<FakeClock>::clone(&common.clock),
        );
        let world = Self { common: Arc::clone(common), lake };
        world.fill(&people_spec(), &rows.people, cut, |row| row.rid, people).await;
        world.fill(&orders_spec(), &rows.orders, cut, |row| row.rid, orders).await;
        world.fill(&events_spec(), &rows.events, cut, |row| row.rid, events_batch).await;
        let spec = vault::persons_spec().unwrap();
        let clusters = persons().into_iter();
        // Who is in no row is in no cluster either.
        let known = |rid: &u32| rows.people.iter().any(|row| row.rid == *rid);
        let clusters =
            clusters.map(|rids| rids.into_iter().filter(known).map(Rid::new).collect::<Vec<_>>());
        let batch = vault::persons_batch(&spec, &PersonMap::from_clusters(clusters)).unwrap();
        let table = world.table(spec).await;
        append(&table, &batch).await;
        world
    }

    async fn table(&self, spec: TableSpec) -> Table {
        self.lake.table(Arc::new(spec)).await.unwrap()
    }

    async fn fill<R: Clone>(
        &self,
        spec: &TableSpec,
        rows: &[R],
        cut: Cut,
        rid: fn(&R) -> u32,
        batch: fn(&TableSpec, &[R]) -> RecordBatch,
    ) {
        let table = self.table(spec.clone()).await;
        if cut == Cut::Whole {
            append(&table, &batch(spec, rows)).await;
            return;
        }
        let erased = |row: &R| rid(row) != 0 && Standing::of(rid(row)) == Standing::Erased;
        // Some of the erased lie among the others, the rest by themselves.
        let apart = |row: &R| erased(row) && rid(row) > SUBJECTS / 2;
        let (hidden, mixed): (Vec<R>, Vec<R>) = rows.iter().cloned().partition(apart);
        for part in mixed.chunks(rows.len() / 3 + 1).chain(hidden.chunks(rows.len() + 1)) {
            append(&table, &batch(spec, part)).await;
        }
        if cut == Cut::Sorted {
            let layout =
                Layout { file_rows: 96, group_rows: 16, files_min: 1, ..Layout::default() };
            let grant = self.common.policy.maintenance(MaintenanceJob::Compaction, table.name());
            let sorted = table.sort(&grant, layout).await.unwrap().unwrap();
            table.replace(sorted).await.unwrap().unwrap();
        }
    }

    /// Doors to this world, for statements within these limits. What was decided about rows
    /// before the last withdrawals and erasures lies in their caches.
    pub(crate) async fn doors(&self, limits: Limits) -> Doors {
        let Common { keys, policy, clock, .. } = &*self.common;
        let clock = || Arc::<FakeClock>::clone(clock);
        let governor = Governor::new(
            Arc::clone(policy),
            self.catalog().await,
            Arc::clone(keys),
            clock(),
            limits,
        )
        .unwrap();
        let persons = self.table(vault::persons_spec().unwrap()).await;
        let audit = AuditLog::new(Arc::new(MemoryAuditStore::new()), keys.signing_key(), clock());
        let people = Arc::new(People { changed: AtomicBool::new(false) });
        let population = Arc::<People>::clone(&people);
        let audit = Arc::new(audit);
        let executor =
            Executor::new(population, persons, Arc::clone(policy), Arc::clone(&audit), clock());
        let doors = Doors { governor: Arc::new(governor), executor: Arc::new(executor), audit };
        for asker in Asker::ALL {
            for table in ["people", "orders", "events"] {
                // So that of some files nothing was decided before.
                if (asker, table) == (Asker::Marketer, "people") {
                    continue;
                }
                // What it answers is not looked at: the state is one that was left since.
                let _before = doors.ask(asker, &format!("select count(*) from {table}")).await;
            }
        }
        people.changed.store(true, Ordering::SeqCst);
        doors
    }

    /// The time in this world.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::<FakeClock>::clone(&self.common.clock)
    }

    /// What handles requests for erasure, which no statement asks.
    pub(crate) async fn erasure(&self, audit: &Arc<AuditLog>) -> Arc<ErasureService> {
        let store = self.common.store().await;
        let Common { keys, policy, .. } = &*self.common;
        let ingest = Ingest::new(
            self.lake.clone(),
            Arc::clone(keys),
            Arc::clone(&store) as Arc<dyn Ledger>,
            Arc::clone(policy),
            Arc::clone(audit),
            self.clock(),
        );
        Arc::new(ErasureService::new(ErasureParts {
            lake: self.lake.clone(),
            ingest: Arc::new(ingest.unwrap()),
            ledger: Arc::clone(&store) as Arc<dyn Ledger>,
            requests: Arc::<Store>::clone(&store),
            others: Arc::<Store>::clone(&store),
            erased: store,
            keys: Arc::clone(keys),
            destruction: self.common.destruction.clone(),
            policy: Arc::clone(policy),
            audit: Arc::clone(audit),
            clock: self.clock(),
        }))
    }

    /// What finds people, which no statement asks.
    pub(crate) async fn profiles(&self, doors: &Doors) -> Arc<Profiles> {
        let (governor, executor) = (Arc::clone(&doors.governor), Arc::clone(&doors.executor));
        let identifiers = self.table(vault::identifiers_spec().unwrap()).await;
        let audit = Arc::clone(&doors.audit);
        Arc::new(Profiles::new(governor, executor, identifiers, audit, self.clock()))
    }

    /// What takes rows out, which no statement asks.
    pub(crate) async fn exports(&self, audit: &Arc<AuditLog>) -> Arc<ExportService> {
        let Common { keys, policy, .. } = &*self.common;
        Arc::new(ExportService::new(ExportParts {
            keys: Arc::clone(keys),
            ledger: self.common.store().await,
            policy: Arc::clone(policy),
            audit: Arc::clone(audit),
            clock: self.clock(),
        }))
    }

    async fn catalog(&self) -> Catalog {
        let notified = ["analytics", "functional", "marketing", "legal_claims"];
        let notified: Vec<Purpose> = notified.map(|name| name.parse().unwrap()).into();
        let by_source = BTreeMap::from([
            ("shop".to_owned(), notified.clone()),
            ("partner".to_owned(), vec!["marketing".parse().unwrap()]),
            ("lab".to_owned(), Vec::new()),
        ]);
        let mut catalog = Catalog::default();
        for (spec, event_time, unattributed) in [
            (people_spec(), None, false),
            (orders_spec(), Some("ordered_at"), false),
            (events_spec(), Some("at"), true),
        ] {
            let columns = spec.columns().iter().filter(|column| column.role == ColumnRole::Value);
            let dataset = Dataset {
                table: spec.name().clone(),
                columns: columns.map(described).collect(),
                purposes: notified.clone(),
                unattributed_visible: unattributed,
                jurisdiction: "de".to_owned(),
                event_time: event_time.map(str::to_owned),
            };
            let table = self.table(spec.clone()).await;
            let source = GovernedSource::new(dataset, table);
            let source = match spec.position("source") {
                Some(_) => source.with_row_sources("source", by_source.clone()),
                None => source,
            };
            catalog.sources.insert(spec.name().clone(), Arc::new(source));
        }
        for (name, sql, views, table) in VIEWS {
            let view = View {
                sql: (*sql).to_owned(),
                views: views.iter().map(|&view| view.to_owned()).collect(),
                tables: table.iter().map(|table| table.parse().unwrap()).collect(),
            };
            catalog.views.insert((*name).to_owned(), view);
        }
        catalog
    }
}

/// Name, definition, views below and tables.
type ViewText = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const VIEWS: &[ViewText] = &[
    (
        "people",
        "select person_id, subject_id, email, page, member, note, city, code, age, score, active \
         from landing.crm_contacts",
        &[],
        &["landing.crm_contacts"],
    ),
    (
        "orders",
        "select person_id, subject_id, person_id_referrer, order_no, amount, quantity, rate, \
         ordered_at from landing.pos_orders",
        &[],
        &["landing.pos_orders"],
    ),
    (
        "events",
        "select person_id, source, kind, event_no, duration, at from landing.web_events",
        &[],
        &["landing.web_events"],
    ),
    (
        "spend",
        "select person_id, count(*) as orders, sum(amount) as total, max(quantity) as most \
         from customer.orders group by person_id",
        &["orders"],
        &[],
    ),
];

/// What answers statements in a world.
pub(crate) struct Doors {
    pub(crate) governor: Arc<Governor>,
    pub(crate) executor: Arc<Executor>,
    pub(crate) audit: Arc<AuditLog>,
}

/// Somebody who asks.
pub(crate) fn principal(asker: Asker) -> Principal {
    let role = asker.role();
    Principal::new(role.parse().unwrap(), vec![role.to_owned()])
}

async fn append(table: &Table, batch: &RecordBatch) {
    let mut writer = table.writer();
    writer.write(batch).await.unwrap();
    let written = writer.finish().await.unwrap();
    let id = BatchId::from_random(random_bytes().unwrap());
    table.commit(id, written, Vec::new()).await.unwrap();
}

/// The columns of the worlds, with what they tell.
const CATEGORIES: [(&str, &str); 17] = [
    ("email", "user.contact.email"),
    ("page", "user.contact.url"),
    ("member", "user.unique_id"),
    ("note", "user.content"),
    ("city", "user.contact.address.city"),
    ("code", "user.behavior"),
    ("age", "user.demographic"),
    ("score", "user.demographic.political_opinion"),
    ("active", "user.behavior"),
    ("order_no", "system.operations"),
    ("amount", "user.behavior.purchase_history"),
    ("quantity", "user.behavior.purchase_history"),
    ("rate", "user.behavior"),
    ("ordered_at", "user.behavior"),
    ("source", "system.operations"),
    ("kind", "user.behavior"),
    ("at", "user.behavior"),
];

fn described(column: &ColumnSpec) -> DatasetColumn {
    let known = CATEGORIES.iter().find(|(name, _)| *name == column.name);
    let category = known.map_or("user.behavior", |(_, category)| category);
    let kind = match column.class {
        KeyClass::Identifier => ColumnKind::Identifier,
        KeyClass::Content => ColumnKind::Content,
        _ => ColumnKind::Fact,
    };
    DatasetColumn {
        name: column.name.clone(),
        category: Some(category.parse().unwrap()),
        kind: Some(kind),
        class: column.class,
    }
}

fn instants() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn spec(name: &str, columns: Vec<ColumnSpec>) -> TableSpec {
    TableSpec::new(name.parse().unwrap(), columns).unwrap()
}

fn people_spec() -> TableSpec {
    let identifier = |name| ColumnSpec::value(name, DataType::Utf8, KeyClass::Identifier);
    let columns = vec![
        identifier("email"),
        identifier("page"),
        identifier("member"),
        ColumnSpec::value("note", DataType::Utf8, KeyClass::Content),
        ColumnSpec::value("city", DataType::Utf8, KeyClass::Fact),
        ColumnSpec::value("code", DataType::Utf8, KeyClass::Fact),
        ColumnSpec::value("age", DataType::Int64, KeyClass::Fact),
        ColumnSpec::value("score", DataType::Float64, KeyClass::Fact),
        ColumnSpec::value("active", DataType::Boolean, KeyClass::Fact),
    ];
    spec("landing.crm_contacts", columns)
}

fn orders_spec() -> TableSpec {
    let referrer = ColumnRole::SecondarySubject;
    let columns = vec![
        ColumnSpec::technical("_rid_referrer", DataType::Int64, referrer),
        ColumnSpec::technical(TableSpec::KEY, DataType::Binary, ColumnRole::Key),
        ColumnSpec::technical(TableSpec::VERSION, DataType::Int64, ColumnRole::Version),
        ColumnSpec::value("order_no", DataType::Utf8, KeyClass::Fact),
        ColumnSpec::value("amount", DataType::Decimal128(12, 2), KeyClass::Fact),
        ColumnSpec::value("quantity", DataType::Int64, KeyClass::Fact),
        ColumnSpec::value("rate", DataType::Float64, KeyClass::Fact),
        ColumnSpec::value("ordered_at", instants(), KeyClass::Fact),
    ];
    spec("landing.pos_orders", columns)
}

fn events_spec() -> TableSpec {
    let columns = vec![
        ColumnSpec::value("source", DataType::Utf8, KeyClass::Fact),
        ColumnSpec::value("kind", DataType::Utf8, KeyClass::Fact),
        ColumnSpec::value("event_no", DataType::Int64, KeyClass::Fact),
        ColumnSpec::value("duration", DataType::Int64, KeyClass::Fact),
        ColumnSpec::value("at", instants(), KeyClass::Fact),
    ];
    spec("landing.web_events", columns)
}

fn batch(spec: &TableSpec, columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(Arc::clone(spec.schema()), columns).unwrap()
}

fn integers<R>(rows: &[R], of: impl Fn(&R) -> Option<i64>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<Int64Array>())
}

fn texts<R>(rows: &[R], of: impl Fn(&R) -> Option<&str>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<StringArray>())
}

fn floats<R>(rows: &[R], of: impl Fn(&R) -> Option<f64>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<Float64Array>())
}

fn times<R>(rows: &[R], of: impl Fn(&R) -> Option<i64>) -> ArrayRef {
    let times: TimestampMicrosecondArray = rows.iter().map(of).collect();
    Arc::new(times.with_timezone("UTC"))
}

fn people(spec: &TableSpec, rows: &[PersonRow]) -> RecordBatch {
    let columns = vec![
        integers(rows, |row| Some(i64::from(row.rid))),
        texts(rows, |row| row.email.as_deref()),
        texts(rows, |row| row.page.as_deref()),
        texts(rows, |row| row.member.as_deref()),
        texts(rows, |row| row.note.as_deref()),
        texts(rows, |row| row.city.as_deref()),
        texts(rows, |row| row.code.as_deref()),
        integers(rows, |row| row.age),
        floats(rows, |row| row.score),
        Arc::new(rows.iter().map(|row| row.active).collect::<BooleanArray>()),
    ];
    batch(spec, columns)
}

fn orders(spec: &TableSpec, rows: &[OrderRow]) -> RecordBatch {
    let key = |row: &OrderRow| u128::from(row.record).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060);
    let keys: Vec<[u8; 16]> = rows.iter().map(|row| key(row).to_be_bytes()).collect();
    let amounts: Decimal128Array = rows.iter().map(|row| row.amount).collect();
    let columns: Vec<ArrayRef> = vec![
        integers(rows, |row| Some(i64::from(row.rid))),
        integers(rows, |row| Some(i64::from(row.referrer))),
        Arc::new(BinaryArray::from_iter_values(&keys)),
        integers(rows, |row| Some(row.version)),
        texts(rows, |row| row.order_no.as_deref()),
        Arc::new(amounts.with_precision_and_scale(12, 2).unwrap()),
        integers(rows, |row| row.quantity),
        floats(rows, |row| row.rate),
        times(rows, |row| row.ordered_at),
    ];
    batch(spec, columns)
}

fn events_batch(spec: &TableSpec, rows: &[EventRow]) -> RecordBatch {
    let columns = vec![
        integers(rows, |row| Some(i64::from(row.rid))),
        texts(rows, |row| row.source),
        texts(rows, |row| row.kind.as_deref()),
        integers(rows, |row| row.event_no),
        integers(rows, |row| row.duration),
        times(rows, |row| row.at),
    ];
    batch(spec, columns)
}
