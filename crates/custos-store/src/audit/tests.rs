use std::collections::BTreeSet;

use custos_audit::conformance;
use tokio::task::JoinSet;

use super::*;
use crate::testing::{Home, on_both};

async fn the_store_keeps_what_an_audit_store_promises(home: Home) {
    let store = home.create().await;
    conformance::audit_store(&store).await.unwrap();
}

async fn two_processes_append_without_gaps_and_without_mixing(home: Home) {
    let store = home.create().await;
    let stores = [store.clone(), home.open().await];
    let mut tasks = JoinSet::new();
    for writer in 0..8_u8 {
        let store = stores[usize::from(writer) % 2].clone();
        tasks.spawn(async move {
            for round in 0..10_u8 {
                let leaves = (0..3).map(|leaf| vec![writer, round, leaf]).collect();
                let first = store.append(leaves).await.unwrap();
                let read = store.read(first, 3).await.unwrap();
                assert!(
                    (0..3).all(|leaf| read[usize::from(leaf)].1 == [writer, round, leaf]),
                    "leaves of one call lie together"
                );
            }
        });
    }
    tasks.join_all().await;
    let leaves = store.read(0, 1000).await.unwrap();
    assert!(leaves.iter().map(|(index, _)| *index).eq(0..240));
    let distinct: BTreeSet<Vec<u8>> = leaves.into_iter().map(|(_, leaf)| leaf).collect();
    assert_eq!(distinct.len(), 240);
    assert_eq!(home.open().await.len().await.unwrap(), 240);
}

on_both! {
    the_store_keeps_what_an_audit_store_promises,
    two_processes_append_without_gaps_and_without_mixing,
}
