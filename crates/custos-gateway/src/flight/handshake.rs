//! A name and a secret in, a token out.

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::refusal::Refusal;
use crate::identity::Identity;
use crate::listener::Peer;
use crate::wire_error::Failure;

/// Clients in Go leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The token of whoever the one `authorization` header names
/// ([RFC 7617, 2](https://www.rfc-editor.org/rfc/rfc7617#section-2)): the secret itself.
///
/// A token of another kind would have to be kept until it expires, and revoked with the secret.
pub(super) async fn token(
    identity: &Identity,
    peer: &Peer,
    headers: &HeaderMap,
) -> Result<String, Failure> {
    // Unknown names, wrong secrets and secrets of others must look the same.
    let (name, secret) = basic(headers).ok_or(Refusal::WrongLogin)?;
    identity.login(peer, &name, secret.as_bytes()).await?.ok_or(Refusal::WrongLogin)?;
    Ok(secret)
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let value = all.next()?.as_bytes();
    if all.next().is_some() {
        return None;
    }
    let (scheme, encoded) = value.split_at_checked("Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let decoded = BASE64.decode(encoded.trim_ascii()).ok()?;
    let (name, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    (!secret.is_empty()).then(|| (name.to_owned(), secret.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(values: &[&str]) -> Option<(String, String)> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        basic(&headers)
    }

    #[test]
    fn a_name_and_a_secret_are_read_from_one_header() {
        let header = format!("basic {}", BASE64.encode("ana:se:cret"));
        assert_eq!(sent(&[&header]), Some(("ana".to_owned(), "se:cret".to_owned())));
        let bare = header.trim_end_matches('=');
        assert!(bare.len() < header.len() && sent(&[bare]) == sent(&[&header]));
        let no_secret = format!("Basic {}", BASE64.encode("ana:"));
        for other in [&[][..], &[&*header, &*header], &[&*no_secret], &["Bearer x"], &["Basic ?"]] {
            assert_eq!(sent(other), None);
        }
    }
}
