//! Time that moves when a test says so.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use custos_core::{Clock, Timestamp};

/// A clock that stands still until it is set or advanced. Shared by reference or `Arc`.
#[derive(Debug)]
pub struct FakeClock {
    micros: AtomicI64,
}

impl FakeClock {
    /// A clock that shows `now`.
    pub const fn at(now: Timestamp) -> Self {
        Self { micros: AtomicI64::new(now.micros()) }
    }

    /// Shows `now` from here on; may go back in time, as clocks of machines do.
    pub fn set(&self, now: Timestamp) {
        self.micros.store(now.micros(), Ordering::SeqCst);
    }

    /// Moves forward by whole microseconds of `by`.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.micros.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.micros.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_stands_still_until_it_is_moved() {
        let clock = FakeClock::at(Timestamp::from_micros(5));
        assert_eq!(clock.now(), clock.now());
        clock.advance(Duration::from_millis(1));
        assert_eq!(clock.now().micros(), 1_005);
        clock.set(Timestamp::from_micros(-7));
        assert_eq!(clock.now().micros(), -7);
    }
}
