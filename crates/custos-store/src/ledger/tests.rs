use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use custos_core::{BatchId, Classify, ErrorKind, FileId};
use custos_erasure::{RequestStore, SuppressionEntry};
use custos_ingest::{BatchPlan, LoadCounts};
use custos_lake::FileEntry;
use tokio::task::JoinSet;

use super::*;
use crate::testing::{Home, at, on_both, request_id, rids};

pub(crate) fn batch(number: u8, source: &str, state: BatchState) -> Batch {
    let file = FileEntry {
        file: FileId::from_random([number; 16]),
        path: format!("{number}.parquet"),
        bytes: u64::from(number),
        rows: 3,
        sha256: [number; 32],
        level: 0,
        since: 0,
    };
    Batch {
        id: BatchId::from_random([number; 16]),
        source: source.parse().unwrap(),
        load: [number; 32],
        journal: FileId::from_random([number ^ 0xff; 16]),
        suppression_epoch: 7,
        state,
        replay: number.is_multiple_of(2),
        plan: Some(BatchPlan { landing: vec![file], ..BatchPlan::default() }),
        counts: Some(LoadCounts { read: 3, stored: 3, ..LoadCounts::default() }),
        opened_at: at(i64::from(number) + 1),
    }
}

async fn two_processes_never_lease_a_subject_twice(home: Home) {
    let store = home.create().await;
    let stores = [store.clone(), home.open().await];
    let mut tasks = JoinSet::new();
    for writer in 0..8_usize {
        let store = stores[writer % 2].clone();
        tasks.spawn(async move {
            let mut leased = Vec::new();
            for count in 1..=12_u32 {
                let first = store.lease_subjects(count).await.unwrap().get();
                leased.extend(first..first + count);
            }
            leased
        });
    }
    let mut leased = tasks.join_all().await.concat();
    leased.sort_unstable();
    assert!(leased.into_iter().eq(1..=8 * 78));
}

async fn subjects_end_at_the_largest_number(home: Home) {
    let store = home.create().await;
    assert_eq!(store.lease_subjects(u32::MAX - 2).await.unwrap().get(), 1);
    let error = store.lease_subjects(3).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("not enough left"));
    assert_eq!(store.lease_subjects(2).await.unwrap().get(), u32::MAX - 1);
    store.lease_subjects(1).await.unwrap_err();
}

async fn a_source_has_one_writer_at_a_time(home: Home) {
    let store = home.create().await;
    let stores = [store.clone(), home.open().await];
    let inside = Arc::new(AtomicU32::new(0));
    let _unrelated = store.lease_source(&"crm".parse().unwrap()).await.unwrap();
    let _maintenance = store.lease_maintenance().await.unwrap();
    let mut tasks = JoinSet::new();
    for writer in 0..8_usize {
        let (store, inside) = (stores[writer % 2].clone(), Arc::clone(&inside));
        tasks.spawn(async move {
            for _ in 0..4 {
                let lease = store.lease_source(&"pos".parse().unwrap()).await.unwrap();
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "somebody else is inside");
                store.put_batch(&batch(1, "pos", BatchState::Journaled)).await.unwrap();
                lease.check().await.unwrap();
                inside.fetch_sub(1, Ordering::SeqCst);
            }
        });
    }
    tasks.join_all().await;
}

async fn unfinished_batches_are_listed_oldest_first(home: Home) {
    let store = home.create().await;
    let states =
        [BatchState::Planned, BatchState::Folded, BatchState::Journaled, BatchState::Abandoned];
    let batches: Vec<Batch> = (0..12_u8)
        .map(|number| {
            let source = if number < 6 { "pos" } else { "crm" };
            batch(number, source, states[usize::from(number) % 4])
        })
        .collect();
    for batch in batches.iter().rev() {
        store.put_batch(batch).await.unwrap();
    }
    let open: Vec<Batch> =
        batches.iter().filter(|batch| batch.opened_at.micros() % 2 == 1).cloned().collect();
    let store = home.open().await;
    assert_eq!(store.unfinished(None).await.unwrap(), open);
    let crm = "crm".parse().unwrap();
    assert_eq!(store.unfinished(Some(&crm)).await.unwrap(), open[3..]);
}

async fn a_load_is_found_once_it_is_folded(home: Home) {
    let store = home.create().await;
    let (pos, crm): (SourceId, SourceId) = ("pos".parse().unwrap(), "crm".parse().unwrap());
    let mut batch = batch(1, "pos", BatchState::Journaled);
    for state in [BatchState::Journaled, BatchState::Planned, BatchState::Abandoned] {
        batch.state = state;
        store.put_batch(&batch).await.unwrap();
        assert_eq!(store.folded(&pos, &batch.load).await.unwrap(), None);
    }
    batch.state = BatchState::Folded;
    batch.counts = Some(LoadCounts { read: 9, duplicate: 9, ..LoadCounts::default() });
    store.put_batch(&batch).await.unwrap();
    assert_eq!(store.folded(&pos, &batch.load).await.unwrap(), Some(batch.clone()));
    assert_eq!(store.folded_batches(&pos).await.unwrap(), [batch.clone()]);
    assert!(store.folded_batches(&crm).await.unwrap().is_empty());
    assert_eq!(store.folded(&crm, &batch.load).await.unwrap(), None);
    assert_eq!(store.folded(&pos, &[9; 32]).await.unwrap(), None);
    assert_eq!(store.unfinished(None).await.unwrap(), []);
}

async fn the_newest_contract_of_each_source_is_kept(home: Home) {
    let store = home.create().await;
    let contract = |source: &str, text: &str| RegisteredContract {
        source: source.parse().unwrap(),
        text: text.to_owned(),
    };
    for (source, text) in [("pos", "v1"), ("crm", "v1"), ("pos", "v2"), ("pos", "v2")] {
        store.put_contract(&contract(source, text)).await.unwrap();
    }
    let expected = [contract("crm", "v1"), contract("pos", "v2")];
    assert_eq!(home.open().await.contracts().await.unwrap(), expected);
}

async fn ingest_sees_what_erasure_barred(home: Home) {
    let store = home.create().await;
    let before = store.suppression().await.unwrap();
    assert_eq!((before.epoch, before.identifiers.len(), before.tombstones.len()), (0, 0, 0));
    let request = crate::requests::tests::request(1, 1);
    RequestStore::open(&store, &request, &rids(&[4, 2, u32::MAX, 0])).await.unwrap();
    let suppressed = Suppressed { until: at(5), shared: true };
    store.suppress(request_id(1), &[SuppressionEntry { hash: [3; 16], suppressed }]).await.unwrap();
    let after = store.suppression().await.unwrap();
    assert!(after.epoch > before.epoch);
    assert_eq!(after.identifiers, HashMap::from([([3; 16], suppressed)]));
    assert_eq!(after.tombstones.iter().collect::<Vec<_>>(), [2, 4, u32::MAX]);
}

on_both! {
    a_source_has_one_writer_at_a_time,
    two_processes_never_lease_a_subject_twice,
    subjects_end_at_the_largest_number,
    unfinished_batches_are_listed_oldest_first,
    a_load_is_found_once_it_is_folded,
    the_newest_contract_of_each_source_is_kept,
    ingest_sees_what_erasure_barred,
}
