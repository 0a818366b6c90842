use std::collections::BTreeMap;

use custos_core::{Classify, ErrorKind, Timestamp};
use custos_keys::{KeyService, LocalKeyRing, MemorySecretStore};
use tempfile::TempDir;

use super::*;
use crate::proof::is_included;
use crate::{Action, MemoryAuditStore, Outcome, verify_inclusion};

const NOON: Timestamp = Timestamp::from_micros(43_200_000_000);

#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        NOON
    }
}

async fn keys() -> KeyService {
    let folder = TempDir::new().unwrap();
    let ring = Arc::new(LocalKeyRing::create(folder.path(), None).unwrap());
    let store = Arc::new(MemorySecretStore::new());
    KeyService::initialise(ring, store).await.unwrap()
}

async fn key() -> SigningKey {
    keys().await.signing_key()
}

fn on(store: &Arc<MemoryAuditStore>, key: SigningKey) -> AuditLog {
    let store = Arc::clone(store);
    AuditLog::new(store, key, Arc::new(Stopped))
}

async fn log() -> (Arc<MemoryAuditStore>, AuditLog) {
    let store = Arc::new(MemoryAuditStore::new());
    let log = on(&store, key().await);
    (store, log)
}

fn entry(number: u64) -> Entry {
    Entry {
        at: NOON,
        actor: "analyst".to_owned(),
        action: Action::Query,
        object: format!("customer.orders {number}"),
        purpose: Some("analytics".parse().unwrap()),
        outcome: Outcome::Intent,
        tie: None,
        detail: BTreeMap::from([("policy".to_owned(), "7".to_owned())]),
    }
}

async fn filled(size: u64) -> (Arc<MemoryAuditStore>, AuditLog) {
    let (store, log) = log().await;
    log.append_all(&(0..size).map(entry).collect::<Vec<_>>()).await.unwrap();
    (store, log)
}

async fn leaf(store: &MemoryAuditStore, index: u64) -> Vec<u8> {
    store.read(index, 1).await.unwrap().remove(0).1
}

#[tokio::test]
async fn every_entry_of_every_size_is_proven() {
    let (store, log) = log().await;
    for size in 1..=70 {
        assert_eq!(log.append(entry(size - 1)).await.unwrap(), size - 1);
        let head = log.head().await.unwrap();
        assert_eq!(head.size, size);
        let proof = log.prove(size / 2, size).await.unwrap();
        let bytes = leaf(&store, size / 2).await;
        verify_inclusion(&bytes, &proof, &head, &log.key.public()).unwrap();
        prove_all(&store, &log, &head).await;
    }
    // Proofs for sizes that the log has long passed lead to the same heads.
    for head in store.heads().await.unwrap().iter().step_by(9) {
        prove_all(&store, &log, head).await;
    }
}

async fn prove_all(store: &MemoryAuditStore, log: &AuditLog, head: &SignedHead) {
    for index in 0..head.size {
        let proof = log.prove(index, head.size).await.unwrap();
        assert!(is_included(&leaf(store, index).await, &proof, head), "{index} of {}", head.size);
    }
}

#[tokio::test]
async fn a_proof_shows_nothing_but_its_own_entry() {
    let (store, log) = filled(70).await;
    let head = log.head().await.unwrap();
    for index in 0..70 {
        let proof = log.prove(index, 70).await.unwrap();
        let bytes = leaf(&store, index).await;
        let included = |bytes: &[u8], proof: &InclusionProof| is_included(bytes, proof, &head);
        assert!(included(&bytes, &proof));
        assert!(!included(&leaf(&store, (index + 1) % 70).await, &proof));
        for other in (0..72).filter(|other| *other != index) {
            assert!(!included(&bytes, &InclusionProof { index: other, ..proof.clone() }));
        }
        for at in 0..proof.path.len() {
            let mut changed = proof.clone();
            changed.path[at].0[5] ^= 1;
            assert!(!included(&bytes, &changed));
            let mut shorter = proof.clone();
            shorter.path.remove(at);
            assert!(!included(&bytes, &shorter));
            let mut longer = proof.clone();
            longer.path.insert(at, proof.path[at]);
            assert!(!included(&bytes, &longer));
        }
        assert!(!included(&bytes, &InclusionProof { size: 69, ..proof.clone() }));
    }
}

#[tokio::test]
async fn a_head_that_was_changed_or_is_of_another_key_is_refused() {
    let (store, log) = filled(5).await;
    let head = log.head().await.unwrap();
    let public = log.key.public();
    let proof = log.prove(2, 5).await.unwrap();
    let bytes = leaf(&store, 2).await;
    let stranger = key().await.public();
    assert!(verify_inclusion(&bytes, &proof, &head, &stranger).is_err());
    let other = verify_inclusion(b"other", &proof, &head, &public);
    assert!(matches!(other, Err(AuditError::NotIncluded)));
    let changes: [fn(&mut SignedHead); 4] = [
        |head| head.size += 1,
        |head| head.root.0[0] ^= 1,
        |head| head.at = head.at.plus_seconds(1),
        |head| head.signature[0] ^= 1,
    ];
    for change in changes {
        let mut changed = head.clone();
        change(&mut changed);
        let error = changed.verify(&public).unwrap_err();
        assert!(matches!(error, AuditError::HeadSignature { .. }));
    }
}

#[tokio::test]
async fn an_untouched_log_verifies_over_many_pages() {
    let (_store, log) = filled(3).await;
    assert_eq!(log.verify().await.unwrap().heads_checked, 0);
    log.head().await.unwrap();
    log.append_all(&(0..9000).map(entry).collect::<Vec<_>>()).await.unwrap();
    let head = log.head().await.unwrap();
    let found = log.verify().await.unwrap();
    assert_eq!(found, Verification { size: 9003, root: head.root, heads_checked: 2 });
    for index in [0, 255, 256, 4096, 8191, 9002] {
        log.prove(index, 9003).await.unwrap();
    }
}

#[tokio::test]
async fn the_empty_log_has_a_head_and_verifies() {
    let (_store, log) = log().await;
    assert_eq!(log.head().await.unwrap().size, 0);
    assert_eq!(log.verify().await.unwrap().heads_checked, 1);
    assert!(matches!(log.prove(0, 0).await, Err(AuditError::OutOfRange { .. })));
}

/// Changes a log of 40 entries with heads of 10, 20, 30 and 40, and verifies it.
async fn verified_after(tamper: impl FnOnce(&mut Vec<Vec<u8>>)) -> AuditError {
    let (store, log) = log().await;
    for ten in 0..4 {
        log.append_all(&(ten * 10..ten * 10 + 10).map(entry).collect::<Vec<_>>()).await.unwrap();
        log.head().await.unwrap();
    }
    log.verify().await.unwrap();
    store.tamper(tamper);
    let error = log.verify().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity);
    let cold = on(&store, log.key);
    assert_eq!(cold.verify().await.unwrap_err().to_string(), error.to_string());
    error
}

#[tokio::test]
async fn a_changed_entry_is_found_between_the_heads_around_it() {
    for index in [0, 9, 10, 25, 39] {
        let error = verified_after(|leaves| {
            leaves[index] = serde_json::to_vec(&entry(999)).unwrap();
        });
        let expected = (index as u64 / 10 * 10, index as u64 / 10 * 10 + 10);
        match error.await {
            AuditError::Changed { first, size } => assert_eq!((first, size), expected),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn an_entry_that_is_no_longer_one_is_named() {
    let error = verified_after(|leaves| leaves[13][0] ^= 1).await;
    assert!(matches!(error, AuditError::Malformed { index: 13 }));
}

#[tokio::test]
async fn a_cut_log_is_found_by_its_heads() {
    let error = verified_after(|leaves| leaves.truncate(39)).await;
    assert!(matches!(error, AuditError::Truncated { size: 40, len: 39 }));
    let error = verified_after(Vec::clear).await;
    assert!(matches!(error, AuditError::Truncated { size: 10, len: 0 }));
}

#[tokio::test]
async fn exchanged_and_removed_entries_are_found() {
    let error = verified_after(|leaves| leaves.swap(11, 12)).await;
    assert!(matches!(error, AuditError::Changed { first: 10, size: 20 }));
    let error = verified_after(|leaves| drop(leaves.remove(25))).await;
    assert!(matches!(error, AuditError::Changed { first: 20, size: 30 }));
    let error = verified_after(|leaves| {
        let again = leaves[5].clone();
        leaves.insert(6, again);
    });
    assert!(matches!(error.await, AuditError::Changed { first: 0, size: 10 }));
}

#[tokio::test]
async fn a_log_cut_together_with_its_heads_is_found_by_a_head_kept_elsewhere() {
    let (_store, log) = filled(30).await;
    let witnessed = log.head().await.unwrap();
    let shorter = Arc::new(MemoryAuditStore::new());
    let log = on(&shorter, log.key);
    log.append_all(&(0..20).map(entry).collect::<Vec<_>>()).await.unwrap();
    log.verify().await.unwrap();
    let error = log.verify_against(&[witnessed]).await.unwrap_err();
    assert!(matches!(error, AuditError::Truncated { size: 30, len: 20 }));
}

#[tokio::test]
async fn a_head_of_somebody_else_in_the_store_is_found() {
    let (store, log) = filled(5).await;
    let forger = on(&store, key().await);
    forger.head().await.unwrap();
    let error = log.verify().await.unwrap_err();
    assert!(matches!(error, AuditError::HeadSignature { size: 5 }));
}

#[tokio::test]
async fn what_was_changed_after_it_was_remembered_gets_no_proof() {
    let (store, log) = filled(600).await;
    log.head().await.unwrap();
    store.tamper(|leaves| leaves[3] = serde_json::to_vec(&entry(999)).unwrap());
    let error = log.prove(3, 600).await.unwrap_err();
    assert!(matches!(error, AuditError::Changed { .. }));
}

#[tokio::test]
async fn logs_on_one_store_agree_whoever_appends() {
    let store = Arc::new(MemoryAuditStore::new());
    let keys = keys().await;
    let [first, second] = [(); 2].map(|()| on(&store, keys.signing_key()));
    for number in 0..50 {
        let (writer, reader) = if number % 2 == 0 { (&first, &second) } else { (&second, &first) };
        assert_eq!(writer.append(entry(number)).await.unwrap(), number);
        let head = reader.head().await.unwrap();
        assert_eq!((head.size, head.root), (number + 1, writer.head().await.unwrap().root));
    }
}

#[tokio::test]
async fn an_exported_entry_is_word_for_word_what_was_hashed() {
    let (store, log) = filled(7).await;
    let page = log.export(2, 3).await.unwrap();
    assert_eq!(page.iter().map(|exported| exported.index).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(page[0].leaf(), leaf(&store, 2).await);
    assert_eq!(page[0].entry().unwrap(), entry(2));
    assert_eq!(
        serde_json::to_string(&page[0]).unwrap(),
        r#"{"index":2,"entry":{"at":"1970-01-01T12:00:00Z","actor":"analyst","action":"query","object":"customer.orders 2","purpose":"analytics","outcome":"intent","tie":null,"detail":{"policy":"7"}}}"#
    );
    assert!(log.export(7, 3).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_head_and_a_proof_survive_being_json() {
    let (_store, log) = filled(9).await;
    let head = log.head().await.unwrap();
    let json = serde_json::to_string(&head).unwrap();
    assert_eq!(serde_json::from_str::<SignedHead>(&json).unwrap(), head);
    let proof = log.prove(4, 9).await.unwrap();
    let json = serde_json::to_string(&proof).unwrap();
    assert_eq!(serde_json::from_str::<InclusionProof>(&json).unwrap(), proof);
}
