//! What `ring.key` says: the ring key itself, or how it follows from a passphrase.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::RING_KEY;
use crate::{KeyError, Passphrase, Secret, aead, hex, random_bytes};

const VERSION: u32 = 1;
const SALT_BYTES: usize = 16;

/// The second choice of RFC 9106, for machines that have other things to do with their memory.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 4;

/// More than this is nothing that this program wrote.
const MEMORY_KIB_MAX: u32 = 4 * 1024 * 1024;
const PASSES_MAX: u32 = 64;
const LANES_MAX: u32 = 64;

/// What the check value is bound to.
const CHECK: &[u8] = b"custos/ring-key/1";

/// How a ring key follows from a passphrase.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Derivation {
    version: u32,
    algorithm: AlgorithmName,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: String,
    /// Nothing, sealed under the ring key: tells a wrong passphrase from a damaged ring.
    check: String,
}

#[derive(Debug, Serialize, Deserialize)]
enum AlgorithmName {
    #[serde(rename = "argon2id")]
    Argon2id,
}

/// A new ring key and the file that it comes from.
pub(super) fn create(passphrase: Option<&Passphrase>) -> Result<Zeroizing<String>, KeyError> {
    let Some(passphrase) = passphrase else {
        return Ok(Secret::random()?.expose(|bytes| Zeroizing::new(hex::encode(bytes))));
    };
    let mut derivation = Derivation {
        version: VERSION,
        algorithm: AlgorithmName::Argon2id,
        memory_kib: MEMORY_KIB,
        passes: PASSES,
        lanes: LANES,
        salt: STANDARD.encode(random_bytes::<SALT_BYTES>()?),
        check: String::new(),
    };
    let key = derivation.derive(passphrase)?;
    derivation.check = STANDARD.encode(aead::seal(&key, CHECK, b"")?);
    let text = serde_json::to_string_pretty(&derivation);
    text.map(Zeroizing::new).map_err(|_| malformed("it cannot be written as JSON"))
}

/// The ring key that the file holds or leads to.
pub(super) fn open(text: &[u8], passphrase: Option<&Passphrase>) -> Result<Secret, KeyError> {
    let text = std::str::from_utf8(text).map_err(|_| malformed("it is not text"))?;
    let sealed = text.trim_start().starts_with('{');
    match (sealed, passphrase) {
        (false, None) => plain(text),
        (false, Some(_)) => Err(KeyError::PassphraseUnused),
        (true, None) => Err(KeyError::PassphraseMissing),
        (true, Some(passphrase)) => {
            let derivation: Derivation = serde_json::from_str(text)
                .map_err(|_| malformed("it is not the JSON of a passphrase's parameters"))?;
            derivation.open(passphrase)
        }
    }
}

fn plain(text: &str) -> Result<Secret, KeyError> {
    let key = hex::decode(text.trim_end())
        .ok_or_else(|| malformed("it is not 32 bytes in hexadecimal digits"))?;
    Ok(Secret::from_bytes(&Zeroizing::new(key)))
}

impl Derivation {
    fn open(&self, passphrase: &Passphrase) -> Result<Secret, KeyError> {
        if self.version != VERSION {
            return Err(malformed("its version is not known to this program"));
        }
        let check =
            STANDARD.decode(&self.check).map_err(|_| malformed("its check is not base64"))?;
        let key = self.derive(passphrase)?;
        aead::open(&key, CHECK, &check).map_err(|_| KeyError::WrongPassphrase)?;
        Ok(key)
    }

    fn derive(&self, passphrase: &Passphrase) -> Result<Secret, KeyError> {
        let refused = || malformed("its parameters are not those of argon2id");
        if self.memory_kib > MEMORY_KIB_MAX || self.passes > PASSES_MAX || self.lanes > LANES_MAX {
            return Err(refused());
        }
        let AlgorithmName::Argon2id = self.algorithm;
        let params =
            Params::new(self.memory_kib, self.passes, self.lanes, None).map_err(|_| refused())?;
        let salt = STANDARD.decode(&self.salt).map_err(|_| malformed("its salt is not base64"))?;
        let mut blocks = vec![Block::default(); params.block_count()];
        let mut key = Zeroizing::new([0; 32]);
        let derived = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(passphrase.as_bytes(), &salt, &mut *key, &mut blocks);
        blocks.iter_mut().for_each(Zeroize::zeroize);
        derived.map_err(|_| refused())?;
        Ok(Secret::from_bytes(&key))
    }
}

fn malformed(what: &'static str) -> KeyError {
    KeyError::RingMalformed { file: RING_KEY, what }
}
