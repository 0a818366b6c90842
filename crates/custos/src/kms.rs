//! The key management that the configuration names, with the credentials of the environment.

use std::env::VarError;
use std::sync::Arc;

use custos_core::ErrorKind;
use custos_keys::{Kms, LocalKeyRing, Passphrase, VaultToken, VaultTokens, VaultTransit};
use zeroize::Zeroizing;

use crate::config::KeysPlace;
use crate::failure::Failure;

/// Makes what the keys of a new installation are to be in, as far as that is ours to make.
pub(crate) fn create(keys: &KeysPlace) -> Result<Arc<dyn Kms>, Failure> {
    match keys {
        KeysPlace::Folder(folder) => {
            Ok(Arc::new(LocalKeyRing::create(folder, passphrase()?.as_ref())?))
        }
        KeysPlace::Vault(address) => vault(address),
    }
}

/// Opens what the keys are in.
pub(crate) fn open(keys: &KeysPlace) -> Result<Arc<dyn Kms>, Failure> {
    match keys {
        KeysPlace::Folder(folder) => {
            Ok(Arc::new(LocalKeyRing::open(folder, passphrase()?.as_ref())?))
        }
        KeysPlace::Vault(address) => vault(address),
    }
}

/// What the keys are in, for output.
pub(crate) const fn provider(keys: &KeysPlace) -> &'static str {
    match keys {
        KeysPlace::Folder(_) => "local key ring",
        KeysPlace::Vault(_) => "OpenBao or Vault transit",
    }
}

fn vault(address: &str) -> Result<Arc<dyn Kms>, Failure> {
    let use_token = secret("CUSTOS_VAULT_TOKEN")?.map(VaultToken::new).ok_or_else(|| {
        Failure::new(ErrorKind::Unauthenticated, "there is no token for the kms").with_hint(
            "give it in CUSTOS_VAULT_TOKEN, or a file that holds it in CUSTOS_VAULT_TOKEN_FILE; \
             policies are in `deploy/vault/`",
        )
    })?;
    let destroy_token = secret("CUSTOS_VAULT_DESTROY_TOKEN")?.map(VaultToken::new);
    Ok(Arc::new(VaultTransit::new(address, VaultTokens { use_token, destroy_token })?))
}

fn passphrase() -> Result<Option<Passphrase>, Failure> {
    Ok(secret("CUSTOS_KEYS_PASSPHRASE")?.map(Passphrase::new))
}

/// A secret that is in the variable `name`, or in the file that `name` with `_FILE` names; there
/// the end of the last line does not count.
fn secret(name: &str) -> Result<Option<Zeroizing<String>>, Failure> {
    let file_name = format!("{name}_FILE");
    let given = match std::env::var(name) {
        Ok(text) => Some(text),
        Err(VarError::NotPresent) => None,
        // Taken for unset, it would leave a new key ring unsealed.
        Err(VarError::NotUnicode(_)) => {
            let message = format!("`{name}` is not text in UTF-8");
            return Err(Failure::new(ErrorKind::Invalid, message)
                .with_hint("set a UTF-8 locale, or put the secret into a file"));
        }
    };
    let file = std::env::var_os(&file_name);
    let text = match (given.map(Zeroizing::new), file) {
        (Some(_), Some(_)) => {
            let message = format!("`{name}` and `{file_name}` are both set");
            return Err(Failure::new(ErrorKind::Invalid, message).with_hint("unset one of them"));
        }
        (Some(text), None) => text,
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file).map(Zeroizing::new).map_err(|error| {
                let message = format!("the file that `{file_name}` names cannot be read: {error}");
                Failure::new(ErrorKind::Invalid, message)
            })?;
            Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned())
        }
        (None, None) => return Ok(None),
    };
    if text.is_empty() {
        let message = format!("`{name}`, or the file that `{file_name}` names, is empty");
        return Err(Failure::new(ErrorKind::Invalid, message).with_hint("unset it, or fill it"));
    }
    Ok(Some(text))
}
