use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::util::pretty::pretty_format_batches;
use async_trait::async_trait;
use custos_audit::MemoryAuditStore;
use custos_consent::{ConsentBook, ConsentEvent, ConsentStatus};
use custos_core::{
    Assurance, BatchId, IdentifierType, KeyClass, PersonMap, Redacted, SourceId, StoreError,
};
use custos_keys::{KeyService, LocalKeyRing, MemorySecretStore, random_bytes};
use custos_lake::vault::{self, IdentifierRow, IndexRow};
use custos_lake::{ColumnRole, ColumnSpec, Lake, MemoryHeads, Storage, TableSpec};
use custos_policy::{Dataset, DatasetColumn, PolicyFiles, PolicySet};
use custos_testkit::{FakeClock, workspace_root};
use tempfile::TempDir;

use super::*;
use crate::{Catalog, Epochs, GovernedSource, Limits, Population, View};

const SERVICE: &str = "essential.service";
const DAY: u64 = 86_400;

/// Noon of the last day on which some order is not five years old.
const NOW: &str = "2026-06-15T12:00:00Z";

/// What people said, and who was erased.
#[derive(Debug, Default)]
struct People {
    epoch: AtomicU64,
    said: Mutex<Vec<ConsentEvent>>,
    erased: Mutex<RoaringBitmap>,
}

impl People {
    fn say(&self, rid: u32, status: ConsentStatus, at: &str) {
        lock(&self.said).push(ConsentEvent {
            rid: Rid::new(rid),
            at: at.parse().unwrap(),
            purpose: SERVICE.parse().unwrap(),
            status,
            expires_at: None,
            notice: Some("v1".to_owned()),
            channel: None,
            authority: true,
        });
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }

    fn erase(&self, rid: u32) {
        lock(&self.erased).insert(rid);
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Population for People {
    async fn epochs(&self) -> Result<Epochs, StoreError> {
        let epoch = self.epoch.load(Ordering::SeqCst);
        Ok(Epochs { consent: epoch, suppression: epoch, ..Epochs::default() })
    }

    async fn consents(&self) -> Result<ConsentBook, StoreError> {
        Ok(ConsentBook::from_events(lock(&self.said).clone()))
    }

    async fn tombstones(&self) -> Result<RoaringBitmap, StoreError> {
        Ok(lock(&self.erased).clone())
    }
}

/// A shop whose people, orders and tags are published.
struct Shop {
    _folder: TempDir,
    clock: Arc<FakeClock>,
    people: Arc<People>,
    persons: Table,
    orders: Table,
    identifiers: Table,
    audit: Arc<AuditLog>,
    profiles: Profiles,
}

/// Subject, identifier, assurance.
type Held<'a> = (u32, &'a str, Assurance);

/// Subject, order, instant.
type Order<'a> = (u32, &'a str, &'a str);

const ANA: &str = "ana@canary.example";
const BO: &str = "bo@canary.example";

/// Ana has two accounts that are not known to be hers both; Bo has one; Cem shares Bo's address in
/// a household; Dora claims Ana's; Eve and nobody else claims one.
const HELD: [Held<'_>; 8] = [
    (1, ANA, Assurance::Verified),
    (2, "ana@work.example", Assurance::Verified),
    (3, BO, Assurance::Verified),
    (3, "family@canary.example", Assurance::Verified),
    (4, "family@canary.example", Assurance::Verified),
    (5, ANA, Assurance::Claimed),
    (6, "eve@canary.example", Assurance::Claimed),
    (3, "known@canary.example", Assurance::Claimed),
];

const ORDERS: [Order<'_>; 6] = [
    (1, "a1", "2021-06-16T08:00:00Z"),
    (1, "a2", "2026-01-01T08:00:00Z"),
    (2, "a3", "2026-02-01T08:00:00Z"),
    (3, "b1", "2026-03-01T08:00:00Z"),
    (4, "c1", "2026-04-01T08:00:00Z"),
    (6, "e1", "2026-05-01T08:00:00Z"),
];

impl Shop {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    /// With further published tables over the orders.
    async fn with(views: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("spill")).unwrap();
        let ring = LocalKeyRing::create(&folder.path().join("keys"), None).unwrap();
        let secrets = Arc::new(MemorySecretStore::default());
        let keys = Arc::new(KeyService::initialise(Arc::new(ring), secrets).await.unwrap());
        let files = PolicyFiles::from_dir(&workspace_root().join("policies")).unwrap();
        let policy = Arc::new(PolicySet::load(&files).unwrap());
        let clock = Arc::new(FakeClock::at(NOW.parse().unwrap()));
        let lake = Lake::new(
            Storage::folder(&folder.path().join("lake")).unwrap(),
            Arc::clone(&keys),
            Arc::<MemoryHeads>::default(),
            Arc::<FakeClock>::clone(&clock),
        );
        let audit = Arc::new(AuditLog::new(
            Arc::new(MemoryAuditStore::new()),
            keys.signing_key(),
            Arc::<FakeClock>::clone(&clock),
        ));
        let identifiers = lake.table(Arc::new(vault::identifiers_spec().unwrap())).await.unwrap();
        let orders = lake.table(Arc::new(orders_spec())).await.unwrap();
        let persons = lake.table(Arc::new(vault::persons_spec().unwrap())).await.unwrap();
        let people = Arc::new(People::default());
        let governor = Arc::new(
            Governor::new(
                Arc::clone(&policy),
                catalog(&identifiers, &orders, views),
                Arc::clone(&keys),
                Arc::<FakeClock>::clone(&clock),
                Limits::with_spill_in(folder.path().join("spill")),
            )
            .unwrap(),
        );
        let executor = Arc::new(Executor::new(
            Arc::<People>::clone(&people),
            persons.clone(),
            policy,
            Arc::clone(&audit),
            Arc::<FakeClock>::clone(&clock),
        ));
        let profiles = Profiles::new(
            governor,
            executor,
            identifiers.clone(),
            Arc::clone(&audit),
            Arc::<FakeClock>::clone(&clock),
        );
        let shop =
            Self { _folder: folder, clock, people, persons, orders, identifiers, audit, profiles };
        let hashes = IdentifierHashes::new(&keys);
        shop.hold(&hashes, &HELD).await;
        shop.order(&ORDERS).await;
        shop
    }

    async fn hold(&self, hashes: &IdentifierHashes, held: &[Held<'_>]) {
        let row = |&(rid, value, assurance): &Held<'_>| IdentifierRow {
            index: IndexRow {
                rid: Rid::new(rid),
                source: "pos_orders".parse::<SourceId>().unwrap(),
                role: String::new(),
                kind: IdentifierType::Email,
                scope: String::new(),
                assurance,
                hash: hashes.index(IdentifierType::Email, "", value),
            },
            seen_at: None,
            value: Redacted::new(value.to_owned()),
        };
        let rows: Vec<_> = held.iter().map(row).collect();
        let batch = vault::identifiers_batch(self.identifiers.spec(), &rows).unwrap();
        append(&self.identifiers, &batch).await;
    }

    async fn order(&self, orders: &[Order<'_>]) {
        let at = |text: &str| text.parse::<Timestamp>().unwrap().micros();
        let times = orders.iter().map(|order| at(order.2));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(orders.iter().map(|order| i64::from(order.0)))),
            // Ana's first account sent everybody.
            Arc::new(Int64Array::from(vec![1; orders.len()])),
            Arc::new(StringArray::from_iter_values(orders.iter().map(|order| order.1))),
            Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
        ];
        let schema = Arc::clone(self.orders.spec().schema());
        append(&self.orders, &RecordBatch::try_new(schema, columns).unwrap()).await;
    }

    /// Makes these subjects one person.
    async fn merge(&self, subjects: &[u32]) {
        let cluster = subjects.iter().map(|rid| Rid::new(*rid)).collect();
        let persons = PersonMap::from_clusters([cluster]);
        append(&self.persons, &vault::persons_batch(self.persons.spec(), &persons).unwrap()).await;
        // Who is whom is asked for a few times a second only.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }

    async fn ask(&self, role: &str, purpose: &str, email: &str) -> Result<Profile, QueryError> {
        let sought =
            Sought { kind: IdentifierType::Email, scope: String::new(), value: email.to_owned() };
        let principal = Principal::new(role.parse().unwrap(), vec![role.to_owned()]);
        let lookup = Lookup {
            sought: &sought,
            parts: &ProfilePart::ALL.into(),
            rows_max: 2,
            principal: &principal,
            purpose: &purpose.parse().unwrap(),
        };
        self.profiles.look_up(lookup).await
    }

    async fn service(&self, email: &str) -> Result<Profile, QueryError> {
        self.ask("support", SERVICE, email).await
    }

    /// The orders of a person, newest first, and whether they come from what is in readiness.
    async fn orders_of(&self, email: &str) -> (Vec<String>, bool) {
        self.clock.advance(Duration::from_micros(1));
        let now = self.clock.now();
        let profile = self.service(email).await.unwrap();
        let orders = profile.parts[&ProfilePart::Orders].column_by_name("order_id").unwrap();
        let orders = orders.as_string_view().iter().flatten().map(str::to_owned);
        (orders.collect(), profile.as_of < now)
    }

    async fn prepare(&self) {
        // Not wanted before somebody asked.
        let _answer = self.service(ANA).await;
        let _answer = self.ask("officer", "legal_claims", ANA).await;
        for ready in lock(&self.profiles.ready).values_mut() {
            ready.tried = None;
        }
        self.profiles.refresh().await;
        assert!(lock(&self.profiles.ready).values().all(|ready| ready.prepared.is_some()));
    }

    async fn entries(&self) -> Vec<Entry> {
        let exported = self.audit.export(0, 1_000).await.unwrap();
        exported.iter().map(|entry| entry.entry().unwrap()).collect()
    }
}

async fn append(table: &Table, rows: &RecordBatch) {
    let mut writer = table.writer();
    writer.write(rows).await.unwrap();
    let written = writer.finish().await.unwrap();
    let id = BatchId::from_random(random_bytes().unwrap());
    table.commit(id, written, Vec::new()).await.unwrap();
}

fn orders_spec() -> TableSpec {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let columns = vec![
        ColumnSpec::technical("_rid_referrer", DataType::Int64, ColumnRole::SecondarySubject),
        ColumnSpec::value("order_id", DataType::Utf8, KeyClass::Fact),
        ColumnSpec::value("ordered_at", time, KeyClass::Core),
    ];
    let spec = TableSpec::new("landing.pos_orders".parse().unwrap(), columns).unwrap();
    assert!(spec.position_of(ColumnRole::Version).is_none());
    spec
}

fn column(name: &str, category: Option<&str>, class: KeyClass) -> DatasetColumn {
    let category = category.map(|category| category.parse().unwrap());
    DatasetColumn { name: name.to_owned(), category, kind: None, class }
}

fn catalog(identifiers: &Table, orders: &Table, more: &[(&str, &str)]) -> Catalog {
    let purposes: Vec<Purpose> = vec![
        SERVICE.parse().unwrap(),
        "legal_claims".parse().unwrap(),
        "functional".parse().unwrap(),
    ];
    let dataset = |table: &Table, columns, event_time: Option<&str>| Dataset {
        table: table.name().clone(),
        columns,
        purposes: purposes.clone(),
        unattributed_visible: false,
        jurisdiction: "cn".to_owned(),
        event_time: event_time.map(str::to_owned),
    };
    let of_vault = vec![
        column("source", None, KeyClass::Core),
        column("email", Some("user.contact.email"), KeyClass::Identifier),
    ];
    let of_orders = vec![
        column("order_id", Some("user.behavior.purchase_history"), KeyClass::Fact),
        column("ordered_at", None, KeyClass::Core),
    ];
    let notified = BTreeMap::from([("pos_orders".to_owned(), purposes.clone())]);
    let vault = GovernedSource::new(dataset(identifiers, of_vault, None), identifiers.clone())
        .with_row_sources("source", notified);
    let landed =
        GovernedSource::new(dataset(orders, of_orders, Some("ordered_at")), orders.clone());
    let view = |sql: &str, views: &[&str], tables: &[&Table]| View {
        sql: sql.to_owned(),
        views: views.iter().map(|view| (*view).to_owned()).collect(),
        tables: tables.iter().map(|table| table.name().clone()).collect(),
    };
    let mut catalog = Catalog {
        sources: BTreeMap::from([
            (identifiers.name().clone(), Arc::new(vault)),
            (orders.name().clone(), Arc::new(landed)),
        ]),
        views: BTreeMap::from([
            (
                "profiles".to_owned(),
                view(
                    "select person_id, min(email) as email from vault.identifiers \
                     where person_id is not null group by person_id",
                    &[],
                    &[identifiers],
                ),
            ),
            (
                "orders".to_owned(),
                view(
                    "select person_id, order_id, ordered_at from landing.pos_orders",
                    &[],
                    &[orders],
                ),
            ),
            (
                "tags".to_owned(),
                view(
                    "select person_id, concat('bought_', count(*)) as tag from customer.orders \
                     group by person_id",
                    &["orders"],
                    &[],
                ),
            ),
        ]),
    };
    let more = more.iter().map(|(name, sql)| ((*name).to_owned(), view(sql, &[], &[orders])));
    catalog.views.extend(more);
    catalog
}

/// All of a profile but when it is of, as text.
fn shown(profile: &Profile) -> String {
    let mut text = format!("{} {:?}", profile.person_id, profile.consent);
    for (part, rows) in &profile.parts {
        let rows = pretty_format_batches(std::slice::from_ref(rows)).unwrap();
        text.push_str(&format!("\n{part}\n{rows}"));
    }
    text
}

fn orders(of: &[&str]) -> Vec<String> {
    of.iter().map(|order| (*order).to_owned()).collect()
}

#[tokio::test]
async fn what_is_in_readiness_is_what_statements_answer() {
    let shop = Shop::new().await;
    let everybody = [ANA, "ana@work.example", BO, "eve@canary.example"];
    let mut computed = Vec::new();
    for email in everybody {
        for (role, purpose) in [("support", SERVICE), ("officer", "legal_claims")] {
            computed.push(shown(&shop.ask(role, purpose, email).await.unwrap()));
        }
    }
    shop.prepare().await;
    let mut prepared = Vec::new();
    for email in everybody {
        for (role, purpose) in [("support", SERVICE), ("officer", "legal_claims")] {
            let began = shop.clock.now();
            shop.clock.advance(Duration::from_micros(1));
            let profile = shop.ask(role, purpose, email).await.unwrap();
            assert!(profile.as_of <= began, "{email} {role}");
            prepared.push(shown(&profile));
        }
    }
    assert_eq!(prepared, computed);
    // Masked for one, clear for the other, and of different ids.
    assert!(!computed[0].contains(ANA) && computed[1].contains(ANA), "{computed:?}");
    assert_ne!(computed[0].split(' ').next(), computed[1].split(' ').next());
    assert!(computed[0].contains("bought_2"), "{computed:?}");
}

#[tokio::test]
async fn only_the_newest_rows_are_shown_the_newest_first() {
    let shop = Shop::new().await;
    shop.order(&[(3, "b2", "2026-03-02T08:00:00Z"), (3, "b3", "2026-02-02T08:00:00Z")]).await;
    assert_eq!(shop.orders_of(BO).await, (orders(&["b2", "b1"]), false));
    shop.prepare().await;
    assert_eq!(shop.orders_of(BO).await, (orders(&["b2", "b1"]), true));
}

#[tokio::test]
async fn whoever_may_not_be_shown_is_unknown_from_the_next_lookup_on() {
    let shop = Shop::new().await;
    let unknown = shop.service("nobody@canary.example").await.unwrap_err();
    assert!(matches!(unknown, QueryError::UnknownPerson));
    shop.prepare().await;
    assert!(shop.orders_of(BO).await.1);

    shop.people.say(3, ConsentStatus::Restricted, "2026-06-01T00:00:00Z");
    assert!(matches!(shop.service(BO).await, Err(QueryError::UnknownPerson)));
    // Others are still in readiness, and those whom the law wants shown are.
    assert!(shop.orders_of(ANA).await.1);
    let claims = shop.ask("officer", "legal_claims", BO).await.unwrap();
    assert_eq!(claims.consent.unwrap().basis, "legal_obligation");

    shop.people.say(3, ConsentStatus::Given, "2026-06-02T00:00:00Z");
    assert!(shop.orders_of(BO).await.1);
    shop.people.erase(3);
    for (role, purpose) in [("support", SERVICE), ("officer", "legal_claims")] {
        assert!(matches!(shop.ask(role, purpose, BO).await, Err(QueryError::UnknownPerson)));
    }
    // And in what is prepared from now on.
    shop.prepare().await;
    assert!(matches!(shop.service(BO).await, Err(QueryError::UnknownPerson)));
}

#[tokio::test]
async fn whoever_may_not_look_people_up_finds_nobody() {
    let shop = Shop::new().await;
    shop.prepare().await;
    let refused = shop.ask("analyst", "analytics", ANA).await.unwrap_err();
    assert!(matches!(refused, QueryError::UnknownPerson));
    // To act for a purpose that is not theirs is refused as it is of any statement.
    let denied = shop.ask("analyst", SERVICE, ANA).await.unwrap_err();
    assert!(matches!(denied, QueryError::Denied { .. }));
    let totals = shop.ask("analyst", "functional.service.improve", ANA).await.unwrap_err();
    assert!(matches!(totals, QueryError::TotalsOnly { .. }));
}

#[tokio::test]
async fn rows_that_grow_too_old_are_not_shown_on_the_day_after() {
    let shop = Shop::new().await;
    shop.prepare().await;
    assert_eq!(shop.orders_of(ANA).await, (orders(&["a2", "a1"]), true));
    // Midnight, and a microsecond later.
    let next = day_of(shop.clock.now()) + 1;
    shop.clock.set(Timestamp::from_micros(next * DAY as i64 * 1_000_000 - 1));
    assert_eq!(shop.orders_of(ANA).await, (orders(&["a2", "a1"]), true));
    assert_eq!(shop.orders_of(ANA).await, (orders(&["a2"]), false));
    // Nobody else has such rows.
    assert!(shop.orders_of(BO).await.1);
    shop.clock.advance(Duration::from_secs(DAY));
    assert!(!shop.orders_of(BO).await.1);
    shop.prepare().await;
    assert_eq!(shop.orders_of(ANA).await, (orders(&["a2"]), true));
}

#[tokio::test]
async fn what_landed_since_may_be_missing_and_as_of_says_so() {
    let shop = Shop::new().await;
    shop.prepare().await;
    shop.order(&[(3, "b2", "2026-06-02T08:00:00Z")]).await;
    assert_eq!(shop.orders_of(BO).await, (orders(&["b1"]), true));
    shop.prepare().await;
    assert_eq!(shop.orders_of(BO).await, (orders(&["b2", "b1"]), true));
}

#[tokio::test]
async fn people_who_are_found_to_be_one_have_one_profile() {
    let shop = Shop::new().await;
    shop.prepare().await;
    assert_eq!(shop.orders_of("ana@work.example").await, (orders(&["a3"]), true));
    shop.merge(&[1, 2]).await;
    assert_eq!(shop.orders_of("ana@work.example").await, (orders(&["a3", "a2"]), false));
    // What one account said holds for both.
    shop.people.say(1, ConsentStatus::Restricted, "2026-06-01T00:00:00Z");
    assert!(matches!(shop.service("ana@work.example").await, Err(QueryError::UnknownPerson)));
    shop.people.say(1, ConsentStatus::Given, "2026-06-02T00:00:00Z");
    shop.prepare().await;
    assert_eq!(shop.orders_of(ANA).await, (orders(&["a3", "a2"]), true));
}

#[tokio::test]
async fn where_rows_name_others_it_matters_what_those_say() {
    let naming = "select distinct person_id, cast(person_id_referrer as varchar) as segment \
                  from landing.pos_orders";
    let shop = Shop::with(&[("segments", naming)]).await;
    shop.prepare().await;
    assert!(shop.orders_of(BO).await.1);
    let sent_by = |profile: Profile| {
        let rows = profile.parts[&ProfilePart::Segments].column(0).as_string::<i32>().clone();
        rows.iter().flatten().map(str::to_owned).collect::<Vec<_>>()
    };
    let ana = shop.service(ANA).await.unwrap().person_id.to_string();
    assert_eq!(sent_by(shop.service(BO).await.unwrap()), [ana]);
    shop.people.say(1, ConsentStatus::Restricted, "2026-06-01T00:00:00Z");
    assert_eq!(sent_by(shop.service(BO).await.unwrap()), [""; 0]);
    assert!(!shop.orders_of(BO).await.1);
}

#[tokio::test]
async fn a_claim_leads_to_nobody_who_is_known() {
    let shop = Shop::new().await;
    // Dora claims it, too.
    assert_eq!(shop.orders_of(ANA).await.0, orders(&["a2", "a1"]));
    assert_eq!(shop.orders_of("eve@canary.example").await.0, orders(&["e1"]));
    let known = shop.service("known@canary.example").await;
    assert!(matches!(known, Err(QueryError::UnknownPerson)));
}

#[tokio::test]
async fn of_several_who_share_an_identifier_none_is_guessed() {
    let shop = Shop::new().await;
    let shared = "family@canary.example";
    assert!(matches!(shop.service(shared).await, Err(QueryError::SeveralPeople)));
    // Whoever may not be shown is not one of them.
    shop.people.say(3, ConsentStatus::Restricted, "2026-06-01T00:00:00Z");
    assert_eq!(shop.orders_of(shared).await.0, orders(&["c1"]));
}

#[tokio::test]
async fn each_lookup_is_in_the_audit_log_and_nobody_is_named_there() {
    let shop = Shop::new().await;
    shop.service(ANA).await.unwrap();
    shop.service("nobody@canary.example").await.unwrap_err();
    shop.ask("analyst", "analytics", ANA).await.unwrap_err();
    shop.ask("analyst", SERVICE, ANA).await.unwrap_err();
    shop.prepare().await;
    let before = shop.entries().await.len();
    shop.service(ANA).await.unwrap();
    let entries = shop.entries().await;
    // From what is in readiness: one entry, and no statement.
    assert_eq!(entries.len(), before + 1);
    let lookups: Vec<_> = entries.iter().filter(|entry| entry.action == Action::Lookup).collect();
    let told =
        |entry: &&Entry| (entry.actor.clone(), entry.outcome, entry.detail["answer"].clone());
    let told: Vec<_> = lookups.iter().map(told).collect();
    let one = |actor: &str, outcome, answer: &str| (actor.to_owned(), outcome, answer.to_owned());
    assert_eq!(
        told[..4],
        [
            one("support", Outcome::Done, "the profile of one person"),
            one("support", Outcome::Done, "nobody holds the identifier"),
            one("analyst", Outcome::Refused, "no right to look people up"),
            one(
                "analyst",
                Outcome::Refused,
                "purpose `essential.service` is not open to this principal"
            ),
        ]
    );
    assert!(!format!("{entries:?}").contains("canary"), "{entries:?}");
    let prepares = entries.iter().filter(|entry| entry.detail.contains_key("prepares"));
    assert!(prepares.count() > 0);
}

#[tokio::test]
async fn what_nobody_asked_for_is_not_prepared_and_what_is_fresh_is_not_prepared_again() {
    let shop = Shop::new().await;
    shop.profiles.refresh().await;
    assert!(shop.entries().await.is_empty());
    shop.prepare().await;
    let before = shop.entries().await.len();
    for ready in lock(&shop.profiles.ready).values_mut() {
        ready.tried = None;
    }
    shop.profiles.refresh().await;
    assert_eq!(shop.entries().await.len(), before);
}
