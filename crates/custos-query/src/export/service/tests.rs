use std::fs;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use custos_core::StoreError;
use custos_keys::SealedRecord;

use super::*;
use crate::QueryError;
use crate::export::ExportLease;
use crate::governor::tests::{CANARY, Doors, World, principal};

const DAY: i64 = SECONDS_A_DAY;

/// Exports in memory.
#[derive(Debug, Default)]
struct Ledger(Mutex<Vec<StoredExport>>);

#[derive(Debug)]
struct Free;

#[async_trait]
impl ExportLease for Free {
    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Ledger {
    fn change(&self, id: FileId, f: impl FnOnce(&mut StoredExport)) -> Result<(), StoreError> {
        let mut exports = self.0.lock().unwrap();
        let found = exports.iter_mut().find(|export| export.id == id);
        f(found.ok_or(StoreError::Conflict { operation: "changing an export" })?);
        Ok(())
    }
}

#[async_trait]
impl ExportLedger for Ledger {
    async fn lease_exports(&self) -> Result<Box<dyn ExportLease>, StoreError> {
        Ok(Box::new(Free))
    }

    async fn begin_export(&self, export: &StoredExport) -> Result<(), StoreError> {
        self.0.lock().unwrap().insert(0, export.clone());
        Ok(())
    }

    async fn complete_export(&self, id: FileId, sealed: &SealedRecord) -> Result<(), StoreError> {
        let stored = self.export(id).await?;
        if stored.is_none_or(|export| export.complete || export.revoked_at.is_some()) {
            return Err(StoreError::Conflict { operation: "completing an export" });
        }
        self.change(id, |export| {
            export.complete = true;
            export.sealed = sealed.clone();
        })
    }

    async fn revoke_export(&self, id: FileId, at: Timestamp) -> Result<(), StoreError> {
        self.change(id, |export| {
            export.revoked_at.get_or_insert(at);
        })
    }

    async fn export(&self, id: FileId) -> Result<Option<StoredExport>, StoreError> {
        Ok(self.0.lock().unwrap().iter().find(|export| export.id == id).cloned())
    }

    async fn exports(&self) -> Result<Vec<StoredExport>, StoreError> {
        Ok(self.0.lock().unwrap().clone())
    }
}

struct Office {
    world: World,
    doors: Doors,
    service: ExportService,
}

impl Office {
    async fn new() -> Self {
        let world = World::with_rows(5_000).await;
        let doors = world.doors(world.limits()).await;
        let service = ExportService::new(ExportParts {
            keys: Arc::clone(&world.keys),
            ledger: Arc::new(Ledger::default()),
            policy: Arc::clone(&world.policy),
            audit: Arc::clone(&world.audit),
            clock: Arc::<custos_testkit::FakeClock>::clone(&world.clock),
        });
        Self { world, doors, service }
    }

    fn wanted(&self) -> NewExport {
        NewExport {
            sql: "select canary_text, n from people order by n".to_owned(),
            purpose: "legal_claims".parse().unwrap(),
            recipient: "Mail House".to_owned(),
            life_seconds: 30 * DAY,
            format: ExportFormat::Parquet,
            path: self.world.folder.path().join("audience.parquet"),
        }
    }

    async fn export(&self, new: NewExport) -> Result<Export, ExportError> {
        let doors = (&self.doors.governor, &self.doors.executor);
        self.service.export(new, &principal("officer"), doors, &|_| {}).await
    }

    async fn key(&self, id: FileId, role: &str) -> Result<DisclosedKey, ExportError> {
        self.service.key(&format!("{REFERENCE}{id}"), MASTER_KEY, &principal(role)).await
    }

    /// What of exports is in the audit log, in order.
    async fn audited(&self) -> Vec<(Action, Outcome)> {
        let entries = self.world.entries().await.into_iter();
        let of_exports = entries.filter(|entry| entry.action != Action::Query);
        of_exports.map(|entry| (entry.action, entry.outcome)).collect()
    }

    fn left_in_folder(&self) -> usize {
        let entries = fs::read_dir(self.world.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains("export") || name.contains("audience")).count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_sealed_recorded_and_its_key_goes_to_whoever_may_export_too() {
    let office = Office::new().await;
    let export = office.export(office.wanted()).await.unwrap();
    assert_eq!((export.rows, export.state, export.subjects), (5_000, ExportState::Open, 1_000));
    assert_eq!(export.columns, ["canary_text", "n"]);
    let bytes = fs::read(office.wanted().path).unwrap();
    assert_eq!((&bytes[..4], &bytes[bytes.len() - 4..]), (&b"PARE"[..], &b"PARE"[..]));
    for plain in [CANARY, "canary_text", "Mail House"] {
        assert!(!bytes.windows(plain.len()).any(|window| window == plain.as_bytes()), "{plain}");
    }
    office.key(export.id, "officer").await.unwrap();
    assert!(matches!(office.key(export.id, "marketer").await, Err(ExportError::Unknown)));
    let listed = office.service.list().await.unwrap();
    assert_eq!((listed.len(), listed[0].recipient.as_str()), (1, "Mail House"));
    assert_eq!(
        office.audited().await,
        [
            (Action::Export, Outcome::Intent),
            (Action::Export, Outcome::Done),
            (Action::ExportOpened, Outcome::Done),
            (Action::ExportOpened, Outcome::Refused),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_the_lake_are_never_given_out() {
    let office = Office::new().await;
    let files = office.world.table.snapshot().await.unwrap().files;
    assert!(!files.is_empty());
    let export = office.export(office.wanted()).await.unwrap();
    for reference in [
        format!("{REFERENCE}{}", files[0].file),
        format!("{REFERENCE}{}", KeyService::root_owner()),
        files[0].file.to_string(),
        export.id.to_string(),
        String::new(),
    ] {
        let refused = office.service.key(&reference, MASTER_KEY, &principal("officer")).await;
        assert!(matches!(refused, Err(ExportError::Unknown)), "{reference}");
    }
    let reference = format!("{REFERENCE}{}", export.id);
    let refused = office.service.key(&reference, "custos.lake", &principal("officer")).await;
    assert!(matches!(refused, Err(ExportError::Unknown)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_ends_with_its_time_or_when_it_is_revoked() {
    let office = Office::new().await;
    let export = office.export(office.wanted()).await.unwrap();
    office.world.clock.advance(Duration::from_secs(30 * 24 * 60 * 60 - 1));
    office.key(export.id, "officer").await.unwrap();
    office.world.clock.advance(Duration::from_secs(1));
    assert!(matches!(office.key(export.id, "officer").await, Err(ExportError::Expired)));

    let path = office.world.folder.path().join("audience.2.parquet");
    let export = office.export(NewExport { path, ..office.wanted() }).await.unwrap();
    let revoked = office.service.revoke(export.id, &principal("officer")).await.unwrap();
    assert_eq!(revoked.state, ExportState::Revoked);
    assert!(matches!(office.key(export.id, "officer").await, Err(ExportError::Revoked)));
    let secrets = office.world.keys.file_secrets(&[export.id], &KeyClass::ALL).await.unwrap();
    assert!(secrets.is_empty());
    office.service.revoke(export.id, &principal("officer")).await.unwrap();
    let unknown = office.service.revoke(KeyService::root_owner(), &principal("officer")).await;
    assert!(matches!(unknown, Err(ExportError::Unknown)));
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_are_found_by_whose_rows_they_may_hold() {
    let office = Office::new().await;
    let export = office.export(office.wanted()).await.unwrap();
    let path = office.world.folder.path().join("audience.2.parquet");
    let sql = "select 1 as one".to_owned();
    office.export(NewExport { path, sql, ..office.wanted() }).await.unwrap();
    let holding = async |rid| {
        let found = office.service.holding(&[Rid::new(rid)]).await.unwrap();
        found.into_iter().map(|export| export.id).collect::<Vec<_>>()
    };
    assert_eq!(holding(1).await, [export.id]);
    assert_eq!(holding(1_000).await, [export.id]);
    assert!(holding(1_001).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_on_the_way_leaves_no_file_and_no_key() {
    let office = Office::new().await;
    let sql = "select 1 / (n - 4000) as broken from people".to_owned();
    let failed = office.export(NewExport { sql, ..office.wanted() }).await;
    assert!(matches!(failed, Err(ExportError::Query(QueryError::DivideByZero))));
    let sql = "select nothing from people".to_owned();
    let failed = office.export(NewExport { sql, ..office.wanted() }).await;
    assert!(matches!(failed, Err(ExportError::Query(QueryError::UnknownColumn { .. }))));
    assert_eq!(office.left_in_folder(), 0);
    for export in office.service.list().await.unwrap() {
        assert_eq!(export.state, ExportState::Revoked);
        let secrets = office.world.keys.file_secrets(&[export.id], &KeyClass::ALL).await.unwrap();
        assert!(secrets.is_empty());
    }
    let audited = office.audited().await;
    assert_eq!(audited.len(), 4);
    assert_eq!(audited[1], (Action::Export, Outcome::Failed));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_exported_is_refused_before_anything_is_read() {
    let office = Office::new().await;
    let wanted = || office.wanted();
    fs::write(office.world.folder.path().join("there"), "x").unwrap();
    let there = office.world.folder.path().join("there");
    for (new, says) in [
        (NewExport { purpose: "analytics".parse().unwrap(), ..wanted() }, "not open"),
        (NewExport { format: ExportFormat::Csv, ..wanted() }, "in clear"),
        (NewExport { format: ExportFormat::ParquetPlain, ..wanted() }, "in clear"),
        (NewExport { recipient: "  ".to_owned(), ..wanted() }, "recipient"),
        (NewExport { life_seconds: 0, ..wanted() }, "366 days"),
        (NewExport { life_seconds: 367 * DAY, ..wanted() }, "366 days"),
        (NewExport { path: there.clone(), ..wanted() }, "already"),
    ] {
        let error = office.export(new).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    assert_eq!(fs::read(there).unwrap(), b"x");
    assert_eq!(office.left_in_folder(), 0);
    assert!(office.service.list().await.unwrap().is_empty());
    let audited = office.audited().await;
    assert!(audited.iter().all(|entry| *entry == (Action::Export, Outcome::Refused)));
    assert_eq!(audited.len(), 7);
}
