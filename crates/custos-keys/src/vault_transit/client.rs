//! Calls of the transit engine: one request and its answer, repeated while it is worth it.

use std::fmt;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, StatusCode, Url, redirect};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use zeroize::Zeroizing;

use crate::KeyError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// For one request and its answer.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The pause before the first repetition; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(100);

/// With the pauses, an outage of about six seconds is bridged.
const ATTEMPTS_MAX: u32 = 7;

/// A token of OpenBao or Vault. Wiped when dropped; `Debug` shows nothing of it.
pub struct VaultToken(Zeroizing<String>);

impl VaultToken {
    /// This text as a token.
    pub fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }
}

impl fmt::Debug for VaultToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VaultToken(..)")
    }
}

/// What a call came to.
#[derive(Debug)]
pub(super) enum Answer<T> {
    /// It was done.
    Done(T),
    /// There is no such thing.
    Missing,
    /// It makes no sense to the engine, for instance because the key or the seal is not right.
    Rejected,
}

/// Speaks to one engine.
#[derive(Debug)]
pub(super) struct Transit {
    http: Client,
    mount: Url,
}

/// The part of an answer that all answers have.
#[derive(Deserialize)]
struct Envelope<T> {
    data: Option<T>,
    #[serde(default)]
    errors: Vec<IgnoredAny>,
}

impl Transit {
    pub(super) fn new(mount: Url) -> Result<Self, KeyError> {
        let operation = "preparing the client";
        let http = Client::builder()
            // Without a default provider of the process this chooses ring, so it cannot panic.
            .use_rustls_tls()
            // A token goes to the address that was configured and nowhere else.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .build()
            .map_err(unavailable(operation))?;
        Ok(Self { http, mount })
    }

    /// Calls `path` below the mount. All calls may be repeated: done twice is done once.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        token: &VaultToken,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
        operation: &'static str,
    ) -> Result<Answer<T>, KeyError> {
        let mut pause = PAUSE;
        for _ in 1..ATTEMPTS_MAX {
            match self.attempt(token, &method, path, body, operation).await {
                Err(KeyError::KmsUnavailable { .. }) => tokio::time::sleep(pause).await,
                other => return other,
            }
            pause *= 2;
        }
        self.attempt(token, &method, path, body, operation).await
    }

    async fn attempt<T: DeserializeOwned>(
        &self,
        token: &VaultToken,
        method: &Method,
        path: &str,
        body: Option<&serde_json::Value>,
        operation: &'static str,
    ) -> Result<Answer<T>, KeyError> {
        let url = self.mount.join(path).map_err(|_| KeyError::KmsAnswer { operation })?;
        let mut header =
            HeaderValue::from_str(&token.0).map_err(|_| KeyError::KmsDenied { operation })?;
        header.set_sensitive(true);
        let mut request = self.http.request(method.clone(), url).header("x-vault-token", header);
        if let Some(body) = body {
            let body = serde_json::to_vec(body).map_err(|_| KeyError::KmsAnswer { operation })?;
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let response = request.send().await.map_err(unavailable(operation))?;
        let status = response.status();
        // An answer may hold secrets.
        let text = response.bytes().await.map_err(unavailable(operation))?;
        let text: Zeroizing<Vec<u8>> = Zeroizing::new(text.into());
        read(status, &text, operation)
    }
}

/// What an answer means. An engine that is down, sealed, busy or behind says so by its status.
fn read<T: DeserializeOwned>(
    status: StatusCode,
    text: &[u8],
    operation: &'static str,
) -> Result<Answer<T>, KeyError> {
    let useless = KeyError::KmsAnswer { operation };
    let code = status.as_u16();
    if status.is_server_error() || [412, 429, 472, 473].contains(&code) {
        let source = format!("it answered with status {code}").into();
        return Err(KeyError::KmsUnavailable { operation, source });
    }
    if [401, 403].contains(&code) {
        return Err(KeyError::KmsDenied { operation });
    }
    let envelope = match text {
        b"" => Envelope { data: None, errors: Vec::new() },
        text => match serde_json::from_slice(text) {
            Ok(envelope) => envelope,
            Err(_) => return Err(useless),
        },
    };
    match (code, envelope) {
        (200, Envelope { data: Some(data), .. }) => Ok(Answer::Done(data)),
        (204, _) => serde_json::from_str("{}").map(Answer::Done).map_err(|_| useless),
        // With a text, it is the engine itself that is missing.
        (404, Envelope { errors, .. }) if errors.is_empty() => Ok(Answer::Missing),
        (400, _) => Ok(Answer::Rejected),
        _ => Err(useless),
    }
}

fn unavailable(operation: &'static str) -> impl FnOnce(reqwest::Error) -> KeyError {
    move |error| KeyError::KmsUnavailable { operation, source: Box::new(error.without_url()) }
}
