//! How often somebody may guess.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
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

/// Longest name that is counted by itself: nobody has a longer one.
const NAME_BYTES_MAX: usize = 120;

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
    /// How long somebody has to wait before the next try; nothing if they may try now.
    pub(crate) fn wait(&self, name: Option<&str>, from: IpAddr) -> Option<Duration> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = keys(name, from).filter_map(|(key, share)| {
            let failures = known.get(&key).filter(|failures| !failures.is_over())?;
            let is_over = failures.count >= FAILURES_MAX * share;
            is_over.then(|| WINDOW.saturating_sub(failures.since.elapsed()))
        });
        waits.max()
    }

    /// Counts a failure.
    pub(crate) fn failed(&self, name: Option<&str>, from: IpAddr) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= COUNTED_MAX {
            known.retain(|_, failures| !failures.is_over());
        }
        if known.len() >= COUNTED_MAX {
            known.clear();
        }
        for (key, _) in keys(name, from) {
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
        let own = (Some(name.to_owned()), network(from));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&own);
    }
}

/// What a failure counts for, and how many times more of them are borne: many people can share an
/// address.
fn keys(name: Option<&str>, from: IpAddr) -> impl Iterator<Item = ((Option<String>, IpAddr), u32)> {
    let network = network(from);
    let own = name
        .filter(|name| name.len() <= NAME_BYTES_MAX)
        .map(|name| ((Some(name.to_owned()), network), 1));
    own.into_iter().chain([((None, network), 10)])
}

/// The address, or in IPv6 the network, since one customer has all addresses of it
/// ([RFC 6177](https://www.rfc-editor.org/rfc/rfc6177)).
fn network(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn who_guesses_has_to_wait_and_nobody_else_has() {
        let attempts = Attempts::default();
        let from = |last| IpAddr::from(Ipv4Addr::new(127, 0, 0, last));
        let may_try = |name, from| attempts.wait(Some(name), from).is_none();
        for _ in 0..FAILURES_MAX {
            assert!(may_try("ana", from(1)));
            attempts.failed(Some("ana"), from(1));
        }
        let wait = attempts.wait(Some("ana"), from(1)).unwrap();
        assert!(wait <= WINDOW && wait > WINDOW / 2, "{wait:?}");
        assert!(may_try("ana", from(2)) && may_try("bo", from(1)));
        attempts.succeeded("ana", from(1));
        assert!(may_try("ana", from(1)));
        for name in 0..10 * FAILURES_MAX {
            assert!(may_try("new", from(3)));
            attempts.failed(Some(&name.to_string()), from(3));
        }
        assert!(!may_try("new", from(3)));
        assert!(attempts.wait(None, from(3)).is_some() && attempts.wait(None, from(1)).is_none());
        attempts.failed(Some(&"x".repeat(NAME_BYTES_MAX + 1)), from(4));
        let known = attempts.0.lock().unwrap();
        let longest = known.keys().filter_map(|(name, _)| Some(name.as_ref()?.len())).max();
        assert!(longest.is_some_and(|longest| longest <= NAME_BYTES_MAX));
    }

    #[test]
    fn all_addresses_of_a_network_of_ipv6_are_one() {
        let attempts = Attempts::default();
        let from = |text: &str| text.parse::<IpAddr>().unwrap();
        for host in 0..10 * FAILURES_MAX {
            attempts.failed(None, from(&format!("2001:db8:0:1::{host:x}")));
        }
        assert!(attempts.wait(None, from("2001:db8:0:1:ffff::1")).is_some());
        assert!(attempts.wait(None, from("2001:db8:0:2::1")).is_none());
        attempts.failed(Some("ana"), from("::ffff:192.0.2.1"));
        attempts.succeeded("ana", from("192.0.2.1"));
        assert!(!attempts.0.lock().unwrap().keys().any(|(name, _)| name.is_some()));
    }
}
