//! How often somebody may guess.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failed logins after which a name from an address, or an address, has to wait.
const FAILURES_MAX: u32 = 10;

/// How long failures count, and how long there is to wait.
const WINDOW: Duration = Duration::from_secs(60);

/// Most names and addresses that are counted; beyond it the oldest are forgotten.
const COUNTED_MAX: usize = 100_000;

/// Failed logins, by name and address and by address alone.
///
/// Secrets have 256 random bits, which nobody guesses: this keeps who tries from costing anything.
/// A name is not locked for all, or anybody could lock out anybody.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<HashMap<(Option<String>, IpAddr), Failures>>);

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    since: Instant,
}

impl Failures {
    fn is_over(&self) -> bool {
        self.since.elapsed() > WINDOW
    }
}

impl Attempts {
    /// Whether somebody may try now.
    pub(crate) fn may_try(&self, name: &str, from: IpAddr) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys(name, from).iter().zip([1, 10]).all(|(key, share)| {
            let failures = known.get(key).filter(|failures| !failures.is_over());
            // Many people can share an address.
            failures.is_none_or(|failures| failures.count < FAILURES_MAX * share)
        })
    }

    /// Counts a failure.
    pub(crate) fn failed(&self, name: &str, from: IpAddr) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= COUNTED_MAX {
            known.retain(|_, failures| !failures.is_over());
        }
        if known.len() >= COUNTED_MAX {
            known.clear();
        }
        for key in keys(name, from) {
            let fresh = Failures { count: 0, since: Instant::now() };
            let failures = known.entry(key).or_insert(fresh);
            if failures.is_over() {
                *failures = fresh;
            }
            failures.count += 1;
        }
    }

    /// Forgets the failures of a name from an address.
    pub(crate) fn succeeded(&self, name: &str, from: IpAddr) {
        let [own, _] = keys(name, from);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&own);
    }
}

fn keys(name: &str, from: IpAddr) -> [(Option<String>, IpAddr); 2] {
    [(Some(name.to_owned()), from), (None, from)]
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn who_guesses_has_to_wait_and_nobody_else_has() {
        let attempts = Attempts::default();
        let from = |last| IpAddr::from(Ipv4Addr::new(127, 0, 0, last));
        for _ in 0..FAILURES_MAX {
            assert!(attempts.may_try("ana", from(1)));
            attempts.failed("ana", from(1));
        }
        assert!(!attempts.may_try("ana", from(1)));
        assert!(attempts.may_try("ana", from(2)) && attempts.may_try("bo", from(1)));
        attempts.succeeded("ana", from(1));
        assert!(attempts.may_try("ana", from(1)));
        for name in 0..10 * FAILURES_MAX {
            attempts.failed(&name.to_string(), from(3));
        }
        assert!(!attempts.may_try("new", from(3)));
    }
}
