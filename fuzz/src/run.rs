//! Runs many cases on several threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use warpevm::Backend;

use crate::check::{Checker, Counts, Failure};
use crate::coverage::CASES_PER_LOOK;
use crate::world;

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The seed of all cases.
    pub seed: u64,
    /// The first case.
    pub first: u64,
    /// Transactions after which it ends.
    pub transactions: u64,
    /// Cases after which it ends.
    pub cases: u64,
    /// Threads.
    pub jobs: usize,
    /// Time after which it ends.
    pub time: Duration,
    /// Failing cases after which it ends.
    pub failures: usize,
    /// Where cases run.
    pub backend: Backend,
}

/// A case that failed.
#[derive(Clone, Debug)]
pub struct Failed {
    /// The number of the case.
    pub case: u64,
    /// Its block rather than its batch.
    pub block: bool,
    /// How.
    pub failure: Failure,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Done {
    /// What ran.
    pub counts: Counts,
    /// What failed.
    pub failed: Vec<Failed>,
}

/// A case that runs longer than this hangs: none needs a second.
const CASE_TIME_MAX: Duration = Duration::from_secs(120);

/// Runs cases until the plan is done. `hang` is told of a case that does not end.
pub fn run(plan: &Plan, hang: impl Fn(u64) + Sync) -> Done {
    let next = AtomicU64::new(plan.first);
    let transactions = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let done = Mutex::new(Done::default());
    let start = Instant::now();
    let running: Vec<Mutex<Option<(u64, Instant)>>> =
        (0..plan.jobs).map(|_| Mutex::new(None)).collect();
    let lock = || done.lock().expect("no thread panics with it");
    let work = |slot: &Mutex<Option<(u64, Instant)>>| {
        let mut checker = Checker::on(plan.backend).expect("the backend is there");
        while !stop.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= plan.first.saturating_add(plan.cases) || start.elapsed() >= plan.time {
                break;
            }
            *slot.lock().expect("nobody panics with it") = Some((number, Instant::now()));
            let before = checker.counts.transactions;
            for case in world::cases(plan.seed, number) {
                if number.is_multiple_of(CASES_PER_LOOK) {
                    checker.counts.coverage.look(&case);
                }
                if let Some(failure) = checker.check(&case) {
                    let mut done = lock();
                    done.failed.push(Failed { case: number, block: case.block, failure });
                    stop.fetch_or(done.failed.len() >= plan.failures, Ordering::Relaxed);
                }
            }
            let ran = checker.counts.transactions - before;
            let all = transactions.fetch_add(ran, Ordering::Relaxed) + ran;
            stop.fetch_or(all >= plan.transactions, Ordering::Relaxed);
        }
        *slot.lock().expect("nobody panics with it") = None;
        lock().counts.add(&checker.counts);
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = running.iter().map(|slot| scope.spawn(|| work(slot))).collect();
        while threads.iter().any(|thread| !thread.is_finished()) {
            std::thread::sleep(Duration::from_millis(20));
            for slot in &running {
                let case = *slot.lock().expect("nobody panics with it");
                if let Some((number, since)) = case
                    && since.elapsed() > CASE_TIME_MAX
                {
                    hang(number);
                }
            }
        }
    });
    done.into_inner().expect("no thread panics with it")
}
