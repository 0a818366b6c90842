//! The system's clock.

use custos_core::{Clock, Timestamp};

/// Tells the time of the machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the real time comes in")]
    fn now(&self) -> Timestamp {
        chrono::Utc::now().into()
    }
}
