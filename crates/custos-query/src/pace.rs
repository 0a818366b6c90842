//! How many statements a principal may begin in a minute.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use custos_core::PrincipalId;

use crate::QueryError;

/// Principals that are counted before those are forgotten who have all of their minute again.
const COUNTED_MAX: usize = 10_000;

/// Counts the statements of principals.
#[derive(Debug)]
pub(crate) struct Pace {
    /// None limits nobody.
    per_minute: Option<u32>,
    left: Mutex<HashMap<PrincipalId, Left>>,
}

/// The statements that a principal may begin at once; each takes one, and time gives them back.
#[derive(Debug, Clone, Copy)]
struct Left {
    statements: f64,
    since: Instant,
}

impl Left {
    fn at(self, now: Instant, per_minute: f64) -> f64 {
        let minutes = now.saturating_duration_since(self.since).as_secs_f64() / 60.0;
        minutes.mul_add(per_minute, self.statements).min(per_minute)
    }
}

impl Pace {
    pub(crate) fn new(per_minute: Option<u32>) -> Self {
        Self { per_minute, left: Mutex::default() }
    }

    /// Counts a statement that begins, or is [`QueryError::TooFast`].
    pub(crate) fn admit(&self, principal: &PrincipalId, now: Instant) -> Result<(), QueryError> {
        let Some(per_minute) = self.per_minute.map(f64::from) else { return Ok(()) };
        let mut all = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= COUNTED_MAX {
            all.retain(|_, left| left.at(now, per_minute) < per_minute);
        }
        let own = all.entry(principal.clone());
        let own = own.or_insert(Left { statements: per_minute, since: now });
        *own = Left { statements: own.at(now, per_minute), since: now };
        if own.statements < 1.0 {
            let wait = (1.0 - own.statements) * 60.0 / per_minute;
            return Err(QueryError::TooFast { wait: Duration::from_secs_f64(wait) });
        }
        own.statements -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(pace: &Pace, name: &str, now: Instant) -> Option<Duration> {
        match pace.admit(&name.parse().unwrap(), now) {
            Ok(()) => None,
            Err(QueryError::TooFast { wait }) => Some(wait),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn who_used_up_a_minute_waits_for_the_next_statement_and_nobody_else_does() {
        let (pace, now) = (Pace::new(Some(30)), Instant::now());
        for _ in 0..30 {
            assert_eq!(wait(&pace, "ana", now), None);
        }
        let left = wait(&pace, "ana", now).unwrap();
        assert!(left <= Duration::from_secs(2) && left > Duration::from_millis(1_900), "{left:?}");
        assert_eq!(wait(&pace, "bo", now), None);
        let later = now + left + Duration::from_millis(1);
        assert_eq!(wait(&pace, "ana", later), None);
        assert!(wait(&pace, "ana", later).is_some());
        let much_later = now + Duration::from_secs(3600);
        assert!((0..30).all(|_| wait(&pace, "ana", much_later).is_none()));
        assert!(wait(&pace, "ana", much_later).is_some(), "a pause is not saved up");
    }

    #[test]
    fn without_a_limit_nobody_waits() {
        let (pace, now) = (Pace::new(None), Instant::now());
        assert!((0..10_000).all(|_| wait(&pace, "ana", now).is_none()));
        assert!(pace.left.lock().unwrap().is_empty());
    }
}
