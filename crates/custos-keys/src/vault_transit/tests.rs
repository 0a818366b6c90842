//! Against a real OpenBao.

use custos_core::Classify;
use custos_testkit::{OpenBao, workspace_root};

use super::*;
use crate::conformance;

const FIRST: EpochId = EpochId(1);
const SECOND: EpochId = EpochId(2);

fn token(text: &str) -> VaultToken {
    VaultToken::new(Zeroizing::new(text.to_owned()))
}

fn kms(bao: &OpenBao, prefix: &str, usual: &str, destroy: Option<&str>) -> VaultTransit {
    let address = format!("vault+{}/transit?prefix={prefix}", bao.address());
    let tokens = VaultTokens { use_token: token(usual), destroy_token: destroy.map(token) };
    VaultTransit::new(&address, tokens).unwrap()
}

fn policy(name: &str) -> String {
    let file = workspace_root().join("deploy/vault").join(format!("{name}.hcl"));
    std::fs::read_to_string(file).unwrap()
}

fn usual_token(bao: &OpenBao) -> String {
    bao.token(&[("custos-use", &policy("custos-use"))]).unwrap()
}

fn destroy_token(bao: &OpenBao) -> String {
    bao.token(&[("custos-destroy", &policy("custos-destroy"))]).unwrap()
}

async fn opens(kms: &VaultTransit, epoch: EpochId, wrapped: &[u8], secret: &Secret) -> bool {
    let opened = kms.unwrap(epoch, wrapped, b"here").await.unwrap();
    secret.expose(|bytes| opened.expose(|others| bytes == others))
}

#[tokio::test]
async fn transit_keeps_what_a_kms_promises_with_the_policies_that_are_shipped() {
    let bao = OpenBao::start().unwrap();
    let (usual, destroy) = (usual_token(&bao), destroy_token(&bao));
    conformance::kms(&kms(&bao, "custos", &usual, Some(&destroy))).await.unwrap();
    // A token that may do everything gets no further: keys are not made by the way.
    let root = bao.root_token();
    conformance::kms(&kms(&bao, "other", root, Some(root))).await.unwrap();
}

#[tokio::test]
async fn a_process_without_the_other_token_creates_and_destroys_nothing() {
    let bao = OpenBao::start().unwrap();
    let (usual, destroy) = (usual_token(&bao), destroy_token(&bao));
    let rotating = kms(&bao, "custos", &usual, Some(&destroy));
    rotating.create_epoch(FIRST).await.unwrap();
    let secret = Secret::random().unwrap();
    let serving = kms(&bao, "custos", &usual, None);
    let wrapped = serving.wrap(FIRST, &secret, b"here").await.unwrap();
    for refused in [serving.create_epoch(SECOND).await, serving.destroy_epoch(FIRST).await] {
        let error = refused.unwrap_err();
        assert!(matches!(error, KeyError::NoDestroyToken), "{error}");
        assert!(error.hint().unwrap().contains("CUSTOS_VAULT_DESTROY_TOKEN"));
    }
    // Nor does the policy let it, if it is tried with the wrong token.
    let disguised = kms(&bao, "custos", &usual, Some(&usual));
    for refused in [disguised.create_epoch(SECOND).await, disguised.destroy_epoch(FIRST).await] {
        assert!(matches!(refused, Err(KeyError::KmsDenied { .. })), "{refused:?}");
    }
    assert!(opens(&serving, FIRST, &wrapped, &secret).await);
    assert_eq!(serving.epochs().await.unwrap(), [FIRST]);
    // The token that destroys opens nothing.
    let destroying = kms(&bao, "custos", &destroy, Some(&destroy));
    let closed = destroying.unwrap(FIRST, &wrapped, b"here").await.unwrap_err();
    assert!(matches!(closed, KeyError::KmsDenied { .. }), "{closed}");
    // And does not bring a destroyed epoch back by way of what marks it.
    rotating.destroy_epoch(FIRST).await.unwrap();
    let config = json!({"deletion_allowed": true});
    let path = "keys/custos-destroyed-1/config";
    let allowed = rotating.change(Method::POST, path, Some(config), "testing").await;
    assert!(matches!(allowed, Err(KeyError::KmsDenied { .. })), "{allowed:?}");
}

#[tokio::test]
async fn a_destruction_that_was_cut_off_is_finished_and_meanwhile_binding() {
    let bao = OpenBao::start().unwrap();
    let kms = kms(&bao, "custos", bao.root_token(), Some(bao.root_token()));
    kms.create_epoch(FIRST).await.unwrap();
    kms.make(&kms.tombstone(FIRST), false, "testing").await.unwrap();
    assert_eq!(kms.epochs().await.unwrap(), []);
    let again = kms.create_epoch(FIRST).await;
    assert!(matches!(again, Err(KeyError::EpochDestroyed { .. })), "{again:?}");
    kms.destroy_epoch(FIRST).await.unwrap();
    assert!(!kms.exists("custos-epoch-1").await.unwrap());
}

#[tokio::test]
async fn a_server_that_starts_again_is_waited_for_and_opens_what_it_wrapped() {
    let mut bao = OpenBao::start().unwrap();
    let kms = kms(&bao, "custos", bao.root_token(), Some(bao.root_token()));
    kms.create_epoch(FIRST).await.unwrap();
    let secret = Secret::random().unwrap();
    let wrapped = kms.wrap(FIRST, &secret, b"here").await.unwrap();
    bao.stop().unwrap();
    let restarting = tokio::task::spawn_blocking(move || {
        bao.start_again().unwrap();
        bao
    });
    // Refused connections, then a sealed server, then an answer.
    assert!(opens(&kms, FIRST, &wrapped, &secret).await);
    let mut bao = restarting.await.unwrap();
    bao.stop().unwrap();
    let error = kms.unwrap(FIRST, &wrapped, b"here").await.unwrap_err();
    assert!(matches!(error, KeyError::KmsUnavailable { .. }), "{error}");
    assert_eq!(error.kind(), custos_core::ErrorKind::Unavailable);
}

#[tokio::test]
async fn errors_and_debug_show_neither_tokens_nor_what_was_sealed() {
    let bao = OpenBao::start().unwrap();
    let kms = kms(&bao, "custos", bao.root_token(), Some(bao.root_token()));
    kms.create_epoch(FIRST).await.unwrap();
    let other = super::VaultTransit::new(
        &format!("vault+{}/nowhere", bao.address()),
        VaultTokens { use_token: token("canary-token"), destroy_token: None },
    )
    .unwrap();
    let errors = [
        kms.unwrap(FIRST, b"vault:v1:canary", b"here").await.unwrap_err(),
        other.unwrap(FIRST, b"vault:v1:canary", b"here").await.unwrap_err(),
        other.epochs().await.unwrap_err(),
    ];
    let shown = format!("{errors:?} {kms:?} {other:?}");
    assert!(!shown.contains("canary") && !shown.contains(bao.root_token()), "{shown}");
    assert!(matches!(errors[0], KeyError::Unopened));
    assert!(matches!(errors[1], KeyError::KmsDenied { .. }), "{errors:?}");
}
