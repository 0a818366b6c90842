//! What `ring.json` says.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use custos_core::EpochId;
use serde::{Deserialize, Serialize};

use super::RING;
use crate::{KeyError, Secret, aead};

const VERSION: u32 = 1;

/// The ring as stored: key-encryption keys sealed under the ring key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RingFile {
    version: u32,
    ring: String,
    epochs: Vec<SealedKek>,
    destroyed: BTreeSet<EpochId>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedKek {
    epoch: EpochId,
    sealed: String,
}

/// The ring with its key-encryption keys in plain form.
#[derive(Debug)]
pub(super) struct OpenRing {
    keys: BTreeMap<EpochId, Secret>,
    destroyed: BTreeSet<EpochId>,
}

impl RingFile {
    /// A ring without epochs; `ring` names it.
    pub(super) fn new(ring: String) -> Self {
        Self { version: VERSION, ring, epochs: Vec::new(), destroyed: BTreeSet::new() }
    }

    pub(super) fn from_json(bytes: &[u8]) -> Result<Self, KeyError> {
        let ring: Self =
            serde_json::from_slice(bytes).map_err(|_| malformed("it is not a ring's JSON"))?;
        if ring.version != VERSION {
            return Err(malformed("its version is not known to this program"));
        }
        Ok(ring)
    }

    pub(super) fn to_json(&self) -> Result<String, KeyError> {
        serde_json::to_string_pretty(self).map_err(|_| malformed("it cannot be written as JSON"))
    }

    pub(super) fn create(&mut self, epoch: EpochId, ring_key: &Secret) -> Result<(), KeyError> {
        if self.destroyed.contains(&epoch) {
            return Err(KeyError::EpochDestroyed { epoch });
        }
        if self.epochs.iter().any(|kek| kek.epoch == epoch) {
            return Err(KeyError::EpochExists { epoch });
        }
        let aad = self.aad(epoch);
        let sealed = Secret::random()?.expose(|bytes| aead::seal(ring_key, &aad, bytes))?;
        self.epochs.push(SealedKek { epoch, sealed: STANDARD.encode(sealed) });
        Ok(())
    }

    pub(super) fn destroy(&mut self, epoch: EpochId) -> Result<(), KeyError> {
        let before = self.epochs.len();
        self.epochs.retain(|kek| kek.epoch != epoch);
        if self.epochs.len() == before && !self.destroyed.contains(&epoch) {
            return Err(KeyError::EpochUnknown { epoch });
        }
        self.destroyed.insert(epoch);
        Ok(())
    }

    pub(super) fn open(self, ring_key: &Secret) -> Result<OpenRing, KeyError> {
        let mut keys = BTreeMap::new();
        for kek in &self.epochs {
            keys.insert(kek.epoch, self.open_kek(kek, ring_key)?);
        }
        Ok(OpenRing { keys, destroyed: self.destroyed })
    }

    fn open_kek(&self, kek: &SealedKek, ring_key: &Secret) -> Result<Secret, KeyError> {
        let sealed = STANDARD.decode(&kek.sealed).map_err(|_| malformed("a key is not base64"))?;
        let bytes = aead::open(ring_key, &self.aad(kek.epoch), &sealed)
            .map_err(|_| malformed("a key in it does not open with the ring key beside it"))?;
        let bytes = <&[u8; 32]>::try_from(bytes.as_slice())
            .map_err(|_| malformed("a key in it has the wrong length"))?;
        Ok(Secret::from_bytes(bytes))
    }

    fn aad(&self, epoch: EpochId) -> Vec<u8> {
        format!("custos/ring/1/{epoch}/{}", self.ring).into_bytes()
    }
}

impl OpenRing {
    pub(super) fn key(&self, epoch: EpochId) -> Result<&Secret, KeyError> {
        self.keys.get(&epoch).ok_or_else(|| {
            if self.destroyed.contains(&epoch) {
                KeyError::EpochDestroyed { epoch }
            } else {
                KeyError::EpochUnknown { epoch }
            }
        })
    }

    pub(super) fn epochs(&self) -> Vec<EpochId> {
        self.keys.keys().copied().collect()
    }
}

fn malformed(what: &'static str) -> KeyError {
    KeyError::RingMalformed { file: RING, what }
}
