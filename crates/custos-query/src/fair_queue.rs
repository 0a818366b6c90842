//! Whose turn it is to compute: the principal's that has computed least.
//!
//! Fair queuing by start times (Goyal, Vin and Cheng, 1996), in which a packet is what a task
//! computes until it waits or yields, and a flow is a principal.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// How long a slice lasts at least, for what would rather go on.
const SLICE_MIN: Duration = Duration::from_millis(1);

/// What a principal has computed, in nanoseconds of a processor.
#[derive(Debug, Default)]
pub(crate) struct Account(AtomicU64);

impl Account {
    fn used(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Time slices for those who compute, as many at a time as there are processors.
pub(crate) struct FairQueue(Mutex<State>);

struct State {
    free: usize,
    waiting: Vec<Waiting>,
    /// What the one had used whose turn came last.
    virtual_time: u64,
}

struct Waiting {
    account: Arc<Account>,
    slice: oneshot::Sender<Slice>,
}

impl fmt::Debug for FairQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        write!(f, "FairQueue({} free, {} waiting)", state.free, state.waiting.len())
    }
}

/// A slice, or a place in the queue for one.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Nobody else wants it.
    Given(Slice),
    /// It comes when it is the account's turn.
    Waits(oneshot::Receiver<Slice>),
}

/// Leave to compute; once dropped, it is somebody else's turn.
#[derive(Debug)]
pub(crate) struct Slice {
    queue: Option<Arc<FairQueue>>,
    account: Arc<Account>,
    begun: Option<Instant>,
}

impl FairQueue {
    /// A queue in which so many may compute at a time.
    pub(crate) fn new(slices: usize) -> Arc<Self> {
        let state = State { free: slices, waiting: Vec::new(), virtual_time: 0 };
        Arc::new(Self(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a slice.
    pub(crate) fn ask(self: &Arc<Self>, account: &Arc<Account>) -> Asked {
        let mut state = self.state();
        // Whoever wanted nothing for a while does not get that while now.
        let used = account.0.fetch_max(state.virtual_time, Ordering::Relaxed);
        if state.free == 0 {
            let (slice, given) = oneshot::channel();
            state.waiting.push(Waiting { account: Arc::clone(account), slice });
            return Asked::Waits(given);
        }
        state.free -= 1;
        state.virtual_time = state.virtual_time.max(used);
        Asked::Given(self.slice(account))
    }

    fn slice(self: &Arc<Self>, account: &Arc<Account>) -> Slice {
        Slice { queue: Some(Arc::clone(self)), account: Arc::clone(account), begun: None }
    }

    /// Gives a slice that is over to whoever has used least, the first of equals.
    fn pass_on(self: &Arc<Self>) {
        loop {
            let mut state = self.state();
            let next = state.waiting.iter().enumerate();
            let next = next.min_by_key(|(_, waiting)| waiting.account.used());
            let Some(next) = next.map(|(at, _)| at) else {
                state.free += 1;
                return;
            };
            let Waiting { account, slice } = state.waiting.remove(next);
            state.virtual_time = state.virtual_time.max(account.used());
            drop(state);
            match slice.send(self.slice(&account)) {
                Ok(()) => return,
                // It is gone, and what was for it is still to be given.
                Err(mut unwanted) => unwanted.queue = None,
            }
        }
    }
}

impl Slice {
    /// Begins to use it.
    pub(crate) fn begin(mut self) -> Self {
        self.begun = Some(Instant::now());
        self
    }

    /// Whose it is.
    pub(crate) const fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// The same again, to be waited for behind those who have used less.
    pub(crate) fn again(self) -> Option<Asked> {
        let (queue, account) = (self.queue.clone()?, Arc::clone(&self.account));
        drop(self);
        Some(queue.ask(&account))
    }

    /// Whether it lasted long enough, and somebody else waits who has used less.
    pub(crate) fn is_due(&self) -> bool {
        let Some(queue) = &self.queue else { return false };
        let nanoseconds = self.nanoseconds();
        let used = self.account.used() + nanoseconds;
        u128::from(nanoseconds) >= SLICE_MIN.as_nanos()
            && queue.state().waiting.iter().any(|waiting| {
                !Arc::ptr_eq(&waiting.account, &self.account) && waiting.account.used() < used
            })
    }

    fn nanoseconds(&self) -> u64 {
        let begun = self.begun.map(|begun| begun.elapsed().as_nanos());
        begun.map_or(0, |nanoseconds| u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

impl Drop for Slice {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.take() {
            self.account.0.fetch_add(self.nanoseconds(), Ordering::Relaxed);
            queue.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(used: u64) -> Arc<Account> {
        Arc::new(Account(AtomicU64::new(used)))
    }

    fn given(asked: Asked) -> Slice {
        match asked {
            Asked::Given(slice) => slice,
            Asked::Waits(mut waits) => waits.try_recv().unwrap(),
        }
    }

    fn waits(asked: &mut Asked) -> bool {
        match asked {
            Asked::Given(_) => false,
            Asked::Waits(waits) => waits.try_recv().is_err(),
        }
    }

    #[test]
    fn who_has_used_least_is_next_and_the_first_of_equals() {
        let queue = FairQueue::new(1);
        let (much, little) = (account(1_000), account(10));
        let first = given(queue.ask(&account(0)));
        let mut asked = [&much, &little, &little].map(|of| queue.ask(of));
        assert!(asked.iter_mut().all(waits));
        let [of_much, one, mut other] = asked;
        drop(first);
        let one = given(one);
        assert!(waits(&mut other));
        drop(one);
        drop(given(other));
        drop(given(of_much));
        assert_eq!(queue.state().free, 1);
    }

    #[test]
    fn who_rested_is_not_paid_for_it() {
        let queue = FairQueue::new(1);
        let (busy, rested) = (account(1_000), account(0));
        drop(given(queue.ask(&busy)));
        let running = given(queue.ask(&busy));
        let _asked = queue.ask(&rested);
        assert_eq!(rested.used(), 1_000);
        assert!(!running.is_due(), "nobody has used less");
    }

    #[test]
    fn what_is_computed_is_counted_and_makes_room_for_others() {
        let queue = FairQueue::new(1);
        let (one, other) = (account(0), account(0));
        let slice = given(queue.ask(&one)).begin();
        assert!(!slice.is_due());
        let asked = queue.ask(&other);
        std::thread::sleep(SLICE_MIN);
        assert!(slice.is_due());
        let mut again = slice.again().unwrap();
        assert!(waits(&mut again));
        assert!(one.used() >= 1_000_000);
        drop(given(asked));
        drop(given(again));
    }

    #[test]
    fn slices_of_those_who_left_are_not_lost() {
        let queue = FairQueue::new(2);
        let of = account(0);
        let (first, second) = (given(queue.ask(&of)), given(queue.ask(&of)));
        // One leaves before its turn, one between its turn and its beginning.
        drop(queue.ask(&of));
        let unread = queue.ask(&of);
        drop(first);
        drop(unread);
        drop(second);
        assert_eq!(queue.state().free, 2);
        assert!(queue.state().waiting.is_empty());
    }
}
