//! The keys of a provider, kept for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::time::timeout;

use super::ProviderUnavailable;
use super::provider::{FetchError, Key, Provider};

/// After this time keys are asked for anew: so long one is used that the provider took back.
const FRESH: Duration = Duration::from_secs(5 * 60);

/// After this time keys are not used any more, also if the provider does not answer.
const KEPT_MAX: Duration = Duration::from_secs(60 * 60);

/// Time between two requests for keys, whatever is asked for.
const PAUSE: Duration = Duration::from_secs(5);

/// How long the provider may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

/// The keys of a provider.
pub(super) struct KeyCache {
    provider: Provider,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: Option<Arc<Known>>,
    fetch: Option<Fetch>,
}

/// Keys as they were at some time.
struct Known {
    keys: HashMap<String, Arc<Key>>,
    since: Instant,
}

/// A request for keys, which all wait for who need one.
struct Fetch {
    begun: Instant,
    outcome: Shared<BoxFuture<'static, Option<Arc<Known>>>>,
}

impl State {
    fn usable(&self) -> Option<&Arc<Known>> {
        self.known.as_ref().filter(|known| known.since.elapsed() < KEPT_MAX)
    }
}

impl KeyCache {
    pub(super) fn new(provider: Provider) -> Self {
        Self { provider, state: Mutex::default() }
    }

    /// The key of this id, if the provider has one.
    pub(super) async fn find(&self, id: &str) -> Result<Option<Arc<Key>>, ProviderUnavailable> {
        let outcome = {
            let mut state = self.state();
            let known = state.usable().and_then(|known| Some((known.since, known.keys.get(id)?)));
            let last = state.fetch.as_ref().filter(|fetch| fetch.begun.elapsed() < PAUSE);
            match (known, last) {
                // Nobody waits for keys to be fresh while somebody else sees to it.
                (Some((since, key)), last) if last.is_some() || since.elapsed() < FRESH => {
                    return Ok(Some(Arc::clone(key)));
                }
                (_, Some(last)) => last.outcome.clone(),
                (_, None) => {
                    let outcome = fetch(self.provider.clone()).boxed().shared();
                    let begun = Instant::now();
                    state.fetch = Some(Fetch { begun, outcome: outcome.clone() });
                    outcome
                }
            }
        };
        // No lock is held from here on.
        let fetched = outcome.await;
        let mut state = self.state();
        if let Some(fetched) = fetched
            && state.known.as_ref().is_none_or(|known| known.since < fetched.since)
        {
            state.known = Some(fetched);
        }
        let known = state.usable().ok_or(ProviderUnavailable)?;
        Ok(known.keys.get(id).map(Arc::clone))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn fetch(provider: Provider) -> Option<Arc<Known>> {
    let since = Instant::now();
    let keys = match timeout(ANSWER_TIME_MAX, provider.keys()).await {
        Ok(Ok(keys)) => keys,
        Ok(Err(error)) => {
            let error = match error {
                FetchError::Http(error) => FetchError::Http(error.without_url()),
                error => error,
            };
            let source = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, source, "the keys of the provider of tokens were not fetched");
            return None;
        }
        Err(_) => {
            tracing::warn!("the provider of tokens did not answer in time");
            return None;
        }
    };
    let keys = keys.into_iter().map(|(id, key)| (id, Arc::new(key))).collect();
    Some(Arc::new(Known { keys, since }))
}
