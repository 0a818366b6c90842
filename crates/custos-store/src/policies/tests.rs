use custos_audit::{Action, AuditStore, Outcome};
use tokio::task::JoinSet;

use super::*;
use crate::testing::{Home, at, on_both};

fn epoch(number: u64, version: &str) -> PolicyEpoch {
    let files = BTreeMap::from([("purposes.yaml".to_owned(), format!("# {version} 'quoted'\n"))]);
    PolicyEpoch { number, version: version.to_owned(), at: at(7), files }
}

fn entry(version: &str) -> Entry {
    Entry {
        at: at(7),
        actor: "os.ana".to_owned(),
        action: Action::PolicyLoaded,
        object: "policies".to_owned(),
        purpose: None,
        outcome: Outcome::Done,
        tie: None,
        detail: BTreeMap::from([("policy".to_owned(), version.to_owned())]),
    }
}

async fn the_last_policies_put_into_force_are_those_that_are_read(home: Home) {
    let store = home.create().await;
    assert_eq!(store.policy_epoch().await.unwrap(), None);
    for (number, version) in [(1, "a"), (2, "b"), (3, "a")] {
        let epoch = epoch(number, version);
        assert!(store.put_policy_epoch(&epoch, &entry(version)).await.unwrap());
        assert_eq!(home.open().await.policy_epoch().await.unwrap(), Some(epoch));
    }
    assert!(!store.put_policy_epoch(&epoch(3, "b"), &entry("b")).await.unwrap());
    assert!(!store.put_policy_epoch(&epoch(5, "b"), &entry("b")).await.unwrap());
    assert_eq!(store.len().await.unwrap(), 3);
    let (_, leaf) = store.read(2, 1).await.unwrap().pop().unwrap();
    assert_eq!(leaf, entry("a").to_leaf().unwrap());
}

async fn of_processes_that_put_the_same_policies_into_force_one_does(home: Home) {
    let store = home.create().await;
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        for store in [store.clone(), home.open().await] {
            tasks.spawn(async move {
                store.put_policy_epoch(&epoch(1, "a"), &entry("a")).await.unwrap()
            });
        }
    }
    let put = tasks.join_all().await.into_iter().filter(|put| *put).count();
    assert_eq!((put, store.len().await.unwrap()), (1, 1));
}

on_both! {
    the_last_policies_put_into_force_are_those_that_are_read,
    of_processes_that_put_the_same_policies_into_force_one_does,
}
