//! Generated questions, many and repeatable.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use tokio::runtime::{Handle, Runtime};

use crate::queries::questions;
use crate::rows::Asker;
use crate::twins::{Question, Twins, Worlds};

/// Questions that a run without settings asks.
const QUERIES: u32 = 2_000;

/// Threads that ask; a part of the result of a seed.
const THREADS: u32 = 2;

/// What came of the questions.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    asked: AtomicU64,
    /// By those who may see totals only, for whom most statements are too curious.
    of_totals: AtomicU64,
    totals_seen: AtomicU64,
    answered: AtomicU64,
    with_rows: AtomicU64,
    short: AtomicU64,
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

impl Tally {
    /// How many were answered alike.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

/// Tests that switch something for the whole process on run alone, and so do all others here.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many questions are asked, which, and how long the one that shows something is made smaller.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking {
    pub(crate) count: u32,
    pub(crate) seed: u64,
    pub(crate) shrink: u32,
}

impl Asking {
    /// Asks until a question is answered differently; that one, made small, is the error.
    pub(crate) fn ask(self, runtime: &Handle, twins: &Twins, tally: &Tally) -> Result<(), String> {
        let config = Config {
            cases: self.count,
            failure_persistence: None,
            max_shrink_iters: self.shrink,
            ..Config::default()
        };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(config, rng);
        let ask = |question: Question| {
            let seen = runtime.block_on(twins.check(&question)).map_err(TestCaseError::fail)?;
            tally.asked.fetch_add(1, Ordering::Relaxed);
            if question.asker == Asker::Improver {
                tally.of_totals.fetch_add(1, Ordering::Relaxed);
                tally.totals_seen.fetch_add(u64::from(!seen.is_empty()), Ordering::Relaxed);
                return Ok(());
            }
            tally.answered.fetch_add(u64::from(seen.is_answer()), Ordering::Relaxed);
            tally.with_rows.fetch_add(u64::from(!seen.is_empty()), Ordering::Relaxed);
            Ok(())
        };
        let ran = runner.run(&questions(), ask).map_err(|error| error.to_string());
        tally.short.fetch_add(twins.short(), Ordering::Relaxed);
        ran
    }
}

#[test]
fn generated_statements_are_answered_as_if_what_is_hidden_had_never_existed() {
    let _alone = alone();
    let count = setting("CUSTOS_NI_QUERIES").map_or(QUERIES, |count| count.try_into().unwrap());
    let seed = setting("CUSTOS_NI_SEED").unwrap_or(1);
    let runtime = Runtime::new().unwrap();
    let worlds = runtime.block_on(Worlds::new());
    let tally = Tally::default();
    let begun = std::time::Instant::now();
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (handle, worlds, tally) = (runtime.handle(), &worlds, &tally);
                let share = count / THREADS + u32::from(thread < count % THREADS);
                let seed = seed.wrapping_mul(1 << 32).wrapping_add(u64::from(thread));
                let asking = Asking { count: share, seed, shrink: 3_000 };
                scope.spawn(move || {
                    let twins = handle.block_on(worlds.twins());
                    asking.ask(handle, &twins, tally)
                })
            })
            .collect();
        for thread in asking {
            if let Err(violation) = thread.join().unwrap() {
                panic!("seed {seed}: {violation}");
            }
        }
    });
    let asked = tally.asked();
    let Tally { of_totals, totals_seen, answered, with_rows, short, .. } = &tally;
    let [of_totals, totals_seen, answered, with_rows, short] =
        [of_totals, totals_seen, answered, with_rows, short]
            .map(|count| count.load(Ordering::Relaxed));
    println!(
        "{asked} statements, {answered} answered, {with_rows} with rows, {totals_seen} of \
         {of_totals} with totals, {short} short of memory, 0 violations, seed {seed}, {:.0} s",
        begun.elapsed().as_secs_f64()
    );
    assert_eq!(asked, u64::from(count));
    // A generator whose statements are refused, or find nothing, would prove little.
    let of_rows = asked - of_totals;
    assert!(answered * 10 >= of_rows * 9, "{answered} of {of_rows} were answered");
    assert!(totals_seen * 4 >= of_totals, "{totals_seen} of {of_totals} found totals");
    // Two pairs a statement, a quarter of them in little memory.
    assert!(short * 4 <= asked, "{short} comparisons were left out");
    assert!(with_rows * 2 >= of_rows, "{with_rows} of {of_rows} found rows");
}
