//! Where the transit engine is, as configurations write it.

use reqwest::Url;

use crate::KeyError;

/// The prefix of key names where the address names none.
const PREFIX: &str = "custos";

/// The longest prefix.
const PREFIX_BYTES_MAX: usize = 40;

/// `vault+https://HOST:PORT/MOUNT?prefix=PREFIX`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// The root of the engine's paths, which ends with a slash.
    pub(super) mount: Url,
    /// What the names of all keys begin with.
    pub(super) prefix: String,
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, KeyError> {
        let http = text.strip_prefix("vault+").ok_or(wrong("it does not begin with `vault+`"))?;
        let url = Url::parse(http).map_err(|_| wrong("it is no url"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("its scheme is neither `vault+https` nor `vault+http`"));
        }
        if url.scheme() == "http" && !is_this_machine(&url) {
            return Err(wrong("secrets would travel in clear"));
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(wrong("credentials do not belong into it"));
        }
        let mount = url.path().trim_matches('/');
        if mount.is_empty() {
            return Err(wrong("it names no transit engine"));
        }
        let root = url.join(&format!("/v1/{mount}/")).map_err(|_| wrong("it is no url"))?;
        Ok(Self { mount: root, prefix: prefix(&url)? })
    }
}

fn prefix(url: &Url) -> Result<String, KeyError> {
    let mut prefix = PREFIX.to_owned();
    for (name, value) in url.query_pairs() {
        if name != "prefix" {
            return Err(wrong("it has a parameter other than `prefix`"));
        }
        prefix = value.into_owned();
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if prefix.is_empty() || prefix.len() > PREFIX_BYTES_MAX || !prefix.chars().all(plain) {
        return Err(wrong("the prefix is not a short name of lower-case letters, digits and `-`"));
    }
    Ok(prefix)
}

/// Whether what is sent stays on this machine.
fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse();
    host == "localhost" || address.is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

const fn wrong(what: &'static str) -> KeyError {
    KeyError::KmsAddress { what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_engine_and_prefix() {
        for (text, mount, prefix) in [
            ("vault+https://bao:8200/transit", "https://bao:8200/v1/transit/", "custos"),
            ("vault+https://bao/a/b/?prefix=eu-1", "https://bao/v1/a/b/", "eu-1"),
            ("vault+http://127.0.0.1:8200/transit", "http://127.0.0.1:8200/v1/transit/", "custos"),
            ("vault+http://[::1]:8200/transit", "http://[::1]:8200/v1/transit/", "custos"),
            ("vault+http://localhost/transit", "http://localhost/v1/transit/", "custos"),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!((address.mount.as_str(), address.prefix.as_str()), (mount, prefix));
        }
    }

    #[test]
    fn an_address_that_is_wrong_is_refused() {
        for text in [
            "https://bao/transit",
            "vault+ftp://bao/transit",
            "vault+https://bao",
            "vault+https://bao/",
            "vault+http://bao:8200/transit",
            "vault+http://127.0.0.1.example.org/transit",
            "vault+https://token@bao/transit",
            "vault+https://bao/transit?prefix=",
            "vault+https://bao/transit?prefix=a/b",
            "vault+https://bao/transit?token=t",
        ] {
            let refused = Address::parse(text);
            assert!(matches!(refused, Err(KeyError::KmsAddress { .. })), "{text}");
        }
    }
}
