//! Principals as the doors ask for them.

use std::sync::Arc;

use async_trait::async_trait;
use custos_core::{PrincipalId, StoreError};
use custos_gateway::{Authenticator, Login, salted_password};
use custos_keys::{KeyError, KeyService, MacKey, NamedKey, aead};
use custos_policy::Principal;
use custos_store::{Store, StoredPrincipal};

/// The principals of a control store.
#[derive(Debug)]
pub(crate) struct StoredPrincipals {
    store: Store,
    keys: Arc<KeyService>,
    salts: MacKey,
}

impl StoredPrincipals {
    pub(crate) fn new(store: Store, keys: Arc<KeyService>) -> Self {
        let salts = keys.mac_key(NamedKey::LoginSalt);
        Self { store, keys, salts }
    }
}

/// What is kept of a secret for logins by SCRAM, sealed.
pub(crate) fn sealed_login(
    keys: &KeyService,
    name: &PrincipalId,
    secret: &str,
) -> Result<Vec<u8>, KeyError> {
    let salt = salt(&keys.mac_key(NamedKey::LoginSalt), name.as_str());
    let salted = zeroize::Zeroizing::new(salted_password(secret, &salt));
    aead::seal(&keys.login_secret(), name.as_str().as_bytes(), &salted)
}

fn salt(salts: &MacKey, name: &str) -> [u8; 16] {
    salts.mac16(&[name.as_bytes()])
}

fn principal(found: StoredPrincipal) -> Principal {
    Principal::new(found.name, found.roles)
}

#[async_trait]
impl Authenticator for StoredPrincipals {
    async fn principal_by_secret(
        &self,
        sha256: &[u8; 32],
    ) -> Result<Option<Principal>, StoreError> {
        Ok(self.store.principal_by_secret(sha256).await?.map(principal))
    }

    async fn principal(&self, name: &PrincipalId) -> Result<Option<Principal>, StoreError> {
        Ok(self.store.principal(name).await?.map(principal))
    }

    async fn was_revoked(&self, name: &PrincipalId) -> Result<bool, StoreError> {
        self.store.was_revoked(name).await
    }

    async fn login(&self, name: &PrincipalId) -> Result<Option<Login>, StoreError> {
        let Some((found, sealed)) = self.store.scram_login(name).await? else { return Ok(None) };
        let opened = aead::open(&self.keys.login_secret(), name.as_str().as_bytes(), &sealed);
        // What does not open proves nothing.
        let Ok(salted) = opened else { return Ok(None) };
        Ok(Some(Login { principal: principal(found), salted_password: salted.to_vec() }))
    }

    fn salt(&self, name: &str) -> [u8; 16] {
        salt(&self.salts, name)
    }
}
