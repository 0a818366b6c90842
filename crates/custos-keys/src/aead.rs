//! Sealing bytes: AES-256-GCM with a random nonce in front.
//!
//! A sealed value is nonce (12 bytes), ciphertext, tag (16 bytes). The additional data `aad` is
//! not stored; naming the place the value belongs to there keeps it from being moved elsewhere.

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use zeroize::{Zeroize, Zeroizing};

use crate::{KeyError, Secret, random_bytes};

pub(crate) const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// How many bytes longer a sealed value is than what it holds.
pub const OVERHEAD_BYTES: usize = NONCE_BYTES + TAG_BYTES;

/// Seals `plaintext` so that it opens only with the same secret and the same `aad`.
///
/// One secret may seal up to 2^32 values.
pub fn seal(secret: &Secret, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, KeyError> {
    seal_with(&cipher(secret), aad, plaintext)
}

/// Opens what [`seal`] returned.
pub fn open(secret: &Secret, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    open_with(&cipher(secret), aad, sealed)
}

/// Opens a sealed value and seals it with another secret, where it lies.
///
/// What fails to open stays as it was; the value is in clear nowhere once this returns.
pub fn reseal(
    (from, opened): (&Secret, &[u8]),
    (to, bound): (&Secret, &[u8]),
    sealed: &mut [u8],
) -> Result<(), KeyError> {
    let (nonce, rest) = sealed.split_first_chunk_mut::<NONCE_BYTES>().ok_or(KeyError::Unopened)?;
    let (text, tag) = rest.split_last_chunk_mut::<TAG_BYTES>().ok_or(KeyError::Unopened)?;
    let next_nonce = random_bytes::<NONCE_BYTES>()?;
    cipher(from)
        .decrypt_inout_detached(
            (&*nonce).into(),
            opened,
            InOutBuf::from(&mut *text),
            (&*tag).into(),
        )
        .map_err(|_| KeyError::Unopened)?;
    let next_tag =
        cipher(to).encrypt_inout_detached((&next_nonce).into(), bound, InOutBuf::from(&mut *text));
    let Ok(next_tag) = next_tag else {
        text.zeroize();
        return Err(KeyError::TooLarge);
    };
    *nonce = next_nonce;
    tag.copy_from_slice(&next_tag);
    Ok(())
}

pub(crate) fn cipher(secret: &Secret) -> Aes256Gcm {
    secret.expose(|bytes| Aes256Gcm::new(bytes.into()))
}

pub(crate) fn seal_with(
    cipher: &Aes256Gcm,
    aad: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, KeyError> {
    let nonce = random_bytes::<NONCE_BYTES>()?;
    let mut sealed = Vec::with_capacity(plaintext.len() + OVERHEAD_BYTES);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plaintext);
    let text = InOutBuf::from(&mut sealed[NONCE_BYTES..]);
    let tag = cipher
        .encrypt_inout_detached((&nonce).into(), aad, text)
        .map_err(|_| KeyError::TooLarge)?;
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

pub(crate) fn open_with(
    cipher: &Aes256Gcm,
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(KeyError::Unopened)?;
    let (text, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(KeyError::Unopened)?;
    let mut plaintext = Zeroizing::new(text.to_vec());
    cipher
        .decrypt_inout_detached(nonce.into(), aad, InOutBuf::from(&mut plaintext[..]), tag.into())
        .map_err(|_| KeyError::Unopened)?;
    Ok(plaintext)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_sealed_opens_in_its_place_only(
            text: Vec<u8>, aad: Vec<u8>, other: Vec<u8>, flip: prop::sample::Index,
        ) {
            let secret = Secret::random().unwrap();
            let mut sealed = seal(&secret, &aad, &text).unwrap();
            prop_assert_eq!(sealed.len(), text.len() + OVERHEAD_BYTES);
            prop_assert_eq!(&*open(&secret, &aad, &sealed).unwrap(), &text);
            prop_assert_eq!(open(&secret, &other, &sealed).is_ok(), aad == other);
            prop_assert!(open(&Secret::random().unwrap(), &aad, &sealed).is_err());
            prop_assert!(open(&secret, &aad, &sealed[..sealed.len() - 1]).is_err());
            let at = flip.index(sealed.len());
            sealed[at] ^= 1;
            prop_assert!(matches!(open(&secret, &aad, &sealed), Err(KeyError::Unopened)));
        }
    }

    proptest! {
        #[test]
        fn what_is_sealed_again_opens_in_its_new_place_only(
            text: Vec<u8>, old: Vec<u8>, new: Vec<u8>,
        ) {
            let (from, to) = (Secret::random().unwrap(), Secret::random().unwrap());
            let first = seal(&from, &old, &text).unwrap();
            let mut sealed = first.clone();
            prop_assert!(reseal((&to, &old), (&from, &new), &mut sealed).is_err());
            prop_assert_eq!(&sealed, &first);
            reseal((&from, &old), (&to, &new), &mut sealed).unwrap();
            prop_assert_eq!(&*open(&to, &new, &sealed).unwrap(), &text);
            prop_assert!(open(&from, &old, &sealed).is_err());
            prop_assert_ne!(&sealed[..NONCE_BYTES], &first[..NONCE_BYTES]);
        }
    }

    #[test]
    fn too_few_bytes_do_not_open() {
        let secret = Secret::random().unwrap();
        for length in 0..OVERHEAD_BYTES {
            assert!(open(&secret, b"", &vec![0; length]).is_err());
        }
    }

    #[test]
    fn sealing_twice_gives_different_bytes() {
        let secret = Secret::random().unwrap();
        assert_ne!(seal(&secret, b"", b"x").unwrap(), seal(&secret, b"", b"x").unwrap());
    }
}
