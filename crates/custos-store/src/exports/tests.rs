use super::*;
use crate::testing::{Home, at, on_both};

fn sealed(number: u8) -> SealedRecord {
    SealedRecord { owner: FileId::from_random([number; 16]), bytes: (0..=u8::MAX).collect() }
}

fn export(number: u8) -> StoredExport {
    StoredExport {
        id: FileId::from_random([number; 16]),
        begun_at: at(10),
        expires_at: at(20),
        complete: false,
        revoked_at: None,
        sealed: sealed(number),
    }
}

async fn an_export_is_found_as_it_was_begun_and_begun_once(home: Home) {
    let store = home.create().await;
    store.begin_export(&export(1)).await.unwrap();
    store.begin_export(&export(2)).await.unwrap();
    let again = store.begin_export(&export(1)).await;
    assert!(matches!(again, Err(StoreError::Conflict { .. })));
    let store = home.open().await;
    assert_eq!(store.export(export(1).id).await.unwrap(), Some(export(1)));
    assert_eq!(store.export(export(3).id).await.unwrap(), None);
    assert_eq!(store.exports().await.unwrap(), [export(2), export(1)]);
}

async fn an_export_is_completed_once_and_not_after_it_was_revoked(home: Home) {
    let store = home.create().await;
    store.begin_export(&export(1)).await.unwrap();
    let id = export(1).id;
    store.complete_export(id, &sealed(9)).await.unwrap();
    let complete = StoredExport { complete: true, sealed: sealed(9), ..export(1) };
    assert_eq!(store.export(id).await.unwrap(), Some(complete));
    let again = store.complete_export(id, &sealed(8)).await;
    assert!(matches!(again, Err(StoreError::Conflict { .. })));

    store.begin_export(&export(2)).await.unwrap();
    let id = export(2).id;
    store.revoke_export(id, at(30)).await.unwrap();
    store.revoke_export(id, at(40)).await.unwrap();
    let late = store.complete_export(id, &sealed(9)).await;
    assert!(matches!(late, Err(StoreError::Conflict { .. })));
    let revoked = StoredExport { revoked_at: Some(at(30)), ..export(2) };
    assert_eq!(store.export(id).await.unwrap(), Some(revoked));
}

on_both! {
    an_export_is_found_as_it_was_begun_and_begun_once,
    an_export_is_completed_once_and_not_after_it_was_revoked,
}
