use custos_core::StoreError;

use super::*;
use crate::testing::{Home, at, on_both};

fn principal(name: &str, secret: u8) -> NewPrincipal {
    NewPrincipal {
        name: name.parse().unwrap(),
        roles: vec!["analyst".to_owned(), "ops \"quoted\"".to_owned()],
        secret_sha256: [secret; 32],
        scram: vec![secret; 60],
        created_at: at(i64::from(secret)),
    }
}

fn stored(new: &NewPrincipal, revoked_at: Option<Timestamp>) -> StoredPrincipal {
    StoredPrincipal {
        name: new.name.clone(),
        roles: new.roles.clone(),
        created_at: new.created_at,
        revoked_at,
    }
}

async fn a_principal_is_known_by_name_and_secret_until_it_is_revoked(home: Home) {
    let store = home.create().await;
    let ana = principal("ana", 1);
    store.add_principal(&ana).await.unwrap();
    let other = home.open().await;
    let expected = Some(stored(&ana, None));
    assert_eq!(other.principal(&ana.name).await.unwrap(), expected);
    assert_eq!(other.principal_by_secret(&[1; 32]).await.unwrap(), expected);
    assert_eq!(other.principal_by_secret(&[2; 32]).await.unwrap(), None);
    let login = other.scram_login(&ana.name).await.unwrap().unwrap();
    assert_eq!(login, (stored(&ana, None), vec![1; 60]));
    assert!(!other.was_revoked(&ana.name).await.unwrap());
    assert!(!other.was_revoked(&"bo".parse().unwrap()).await.unwrap());
    assert!(store.revoke_principal(&ana.name, at(7)).await.unwrap());
    assert!(other.was_revoked(&ana.name).await.unwrap());
    assert!(!store.revoke_principal(&ana.name, at(8)).await.unwrap());
    assert_eq!(other.principal(&ana.name).await.unwrap(), None);
    assert_eq!(other.principal_by_secret(&[1; 32]).await.unwrap(), None);
    assert_eq!(other.scram_login(&ana.name).await.unwrap(), None);
    assert_eq!(other.principals().await.unwrap(), [stored(&ana, Some(at(7)))]);
}

async fn names_and_secrets_belong_to_one_principal(home: Home) {
    let store = home.create().await;
    store.add_principal(&principal("ana", 1)).await.unwrap();
    for taken in [principal("ana", 2), principal("bo", 1)] {
        let error = store.add_principal(&taken).await.unwrap_err();
        assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    }
    store.revoke_principal(&"ana".parse().unwrap(), at(5)).await.unwrap();
    let error = store.add_principal(&principal("ana", 1)).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "a revoked secret stays revoked");
    store.add_principal(&principal("ana", 3)).await.unwrap();
    assert!(!store.was_revoked(&"ana".parse().unwrap()).await.unwrap());
    let names = [stored(&principal("ana", 1), Some(at(5))), stored(&principal("ana", 3), None)];
    assert_eq!(store.principals().await.unwrap(), names);
}

#[test]
fn debug_does_not_show_the_hash_of_a_secret() {
    let shown = format!("{:?}", principal("ana", 177));
    assert!(shown.contains("ana") && !shown.contains("177, 177"));
}

on_both! {
    a_principal_is_known_by_name_and_secret_until_it_is_revoked,
    names_and_secrets_belong_to_one_principal,
}
