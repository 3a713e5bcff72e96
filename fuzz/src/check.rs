//! Runs a case through an engine and through revm, and compares all that either shows.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use alloy_primitives::{Address, U256};
use revm::database_interface::DatabaseRef;
use warpevm::error::with_causes;
use warpevm::reference::Sequential;
use warpevm::reference::validate::compare;
use warpevm::state::MemoryState;
use warpevm::{
    Backend, Config, Engine, Error, Fallback, Hints, Outcome, Policy, Rejected, Report, State,
    Tiers, TxStatus, Waits, types::AccountInfo,
};

use crate::case::Case;
use crate::coverage::Coverage;
use crate::rng::Rng;

const BASE: Config = Config::new().with_threads(1).with_tiers(Tiers::Full);

/// Engines that differ in everything that must not change a result.
const CONFIGS: [Config; 8] = [
    BASE,
    BASE.with_execute_class(0).with_step_budget(2).with_tiers(Tiers::Swap),
    BASE.with_simulate_class(1)
        .with_execute_class(0)
        .with_step_budget(7)
        .with_tiers(Tiers::Baseline),
    BASE.with_threads(2),
    BASE.with_threads(3)
        .with_simulate_class(2)
        .with_execute_class(0)
        .with_step_budget(3)
        .with_tiers(Tiers::Auto),
    BASE.with_threads(2).with_policy(Policy::Waves).with_tiers(Tiers::Swap),
    BASE.with_threads(3).with_policy(Policy::Optimistic).with_tiers(Tiers::Baseline),
    BASE.with_threads(4).with_policy(Policy::Declared).with_step_budget(5).with_redo(false),
];

/// The same for devices: few, since each opens the device, and with large budgets of steps, since
/// rounds take long there.
const DEVICE_CONFIGS: [Config; 2] = [
    BASE,
    BASE.with_threads(2)
        .with_execute_class(0)
        .with_policy(Policy::Optimistic)
        .with_tiers(Tiers::Baseline),
];

/// How many engines a case may name.
pub const ENGINES: usize = CONFIGS.len();

/// Cases after which the engines start anew, so that their caches stay small.
const CASES_PER_ENGINE: u64 = 2000;

/// A difference, or worse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind: a shrunk case must fail in the same way.
    pub kind: Kind,
    /// The transaction, where one is to blame.
    pub tx: Option<usize>,
    /// In words.
    pub what: String,
}

/// Kinds of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Results differ.
    Mismatch,
    /// The engine returned an error.
    Error,
    /// The engine panicked.
    Panic,
}

/// What ran.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Cases.
    pub cases: u64,
    /// Transactions compared.
    pub transactions: u64,
    /// Those of blocks.
    pub in_blocks: u64,
    /// By spec.
    pub specs: BTreeMap<&'static str, u64>,
    /// By how they ended: `End` or a rejection.
    pub ends: BTreeMap<String, u64>,
    /// Gas used.
    pub gas: u64,
    /// Reason to count.
    pub fallbacks: BTreeMap<Fallback, u64>,
    /// Need to count of suspensions.
    pub suspensions: BTreeMap<&'static str, u64>,
    /// Instances that ended in a larger memory class, by its bytes.
    pub classes: BTreeMap<u64, u64>,
    /// Transactions executed again.
    pub replays: u64,
    /// What a part of the cases do.
    pub coverage: Coverage,
}

impl Counts {
    /// Adds what another counted.
    pub fn add(&mut self, other: &Counts) {
        self.cases += other.cases;
        self.transactions += other.transactions;
        self.in_blocks += other.in_blocks;
        self.gas = self.gas.saturating_add(other.gas);
        self.replays += other.replays;
        sum(&mut self.specs, &other.specs);
        sum(&mut self.ends, &other.ends);
        sum(&mut self.fallbacks, &other.fallbacks);
        sum(&mut self.suspensions, &other.suspensions);
        sum(&mut self.classes, &other.classes);
        self.coverage.add(&other.coverage);
    }

    fn report(&mut self, report: &Report) {
        self.replays += report.replays;
        sum(&mut self.fallbacks, &report.fallbacks);
        sum(&mut self.suspensions, &report.suspensions);
        sum(&mut self.classes, &report.larger_classes);
    }

    fn case(&mut self, case: &Case, expected: &[Outcome]) {
        self.cases += 1;
        self.transactions += expected.len() as u64;
        *self.specs.entry(case.env.spec.name()).or_default() += expected.len() as u64;
        if case.block {
            self.in_blocks += expected.len() as u64;
        }
        for outcome in expected {
            let end = match &outcome.result {
                Ok(executed) => {
                    self.gas = self.gas.saturating_add(executed.gas_used);
                    format!("{:?}", executed.end)
                }
                Err(reason) => {
                    let text = format!("{reason:?}");
                    let name = text.split([' ', '(']).next().unwrap_or_default();
                    format!("rejected: {name}")
                }
            };
            *self.ends.entry(end).or_default() += 1;
        }
    }
}

fn sum<K: Ord + Clone>(into: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (key, count) in from {
        *into.entry(key.clone()).or_default() += count;
    }
}

/// Runs cases; keeps its engines.
pub struct Checker {
    backend: Backend,
    engines: Vec<Engine>,
    /// What ran.
    pub counts: Counts,
    age: u64,
}

fn engines(backend: Backend) -> Result<Vec<Engine>, Error> {
    let configs = if backend.is_device() { &DEVICE_CONFIGS[..] } else { &CONFIGS[..] };
    configs.iter().map(|config| Engine::new(config.with_backend(backend))).collect()
}

impl Default for Checker {
    fn default() -> Checker {
        Checker::on(Backend::Cpu).expect("the CPU is there")
    }
}

fn mismatch(tx: Option<usize>, what: String) -> Failure {
    Failure { kind: Kind::Mismatch, tx, what }
}

fn error(what: Error) -> Failure {
    Failure { kind: Kind::Error, tx: None, what: with_causes(&what) }
}

impl Checker {
    /// Cases run on this backend.
    pub fn on(backend: Backend) -> Result<Checker, Error> {
        let engines = engines(backend)?;
        Ok(Checker { backend, engines, counts: Counts::default(), age: 0 })
    }

    /// Where cases run.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    fn begin_anew(&mut self) {
        self.engines.clear();
        self.engines = engines(self.backend).expect("the backend was there before");
    }

    /// Runs a case on both sides. `None`: they agree.
    pub fn check(&mut self, case: &Case) -> Option<Failure> {
        self.age += 1;
        if self.age.is_multiple_of(CASES_PER_ENGINE) {
            self.begin_anew();
        }
        let run = catch_unwind(AssertUnwindSafe(|| match case.block {
            true => self.block(case),
            false => self.batch(case),
        }));
        match run {
            Ok(result) => result.err(),
            Err(panic) => {
                self.begin_anew();
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string()));
                let what = text.unwrap_or_default();
                Some(Failure { kind: Kind::Panic, tx: None, what })
            }
        }
    }

    fn batch(&mut self, case: &Case) -> Result<(), Failure> {
        let db = case.state();
        let mut revm = Sequential::new(&case.env, &db).with_storage_probe();
        let expected = revm.simulate(&case.txs).map_err(error)?;
        let state = State::with_seed(&db, case.table_seed).map_err(error)?;
        let state = state.with_storage_probe();
        let engine = &self.engines[case.engine % self.engines.len()];
        let batch = engine.simulate(&case.env, &case.txs, &state).map_err(error)?;
        same_outcomes(&expected, &batch.outcomes)?;
        if !state.changes().is_empty() {
            return Err(mismatch(None, "simulating changed the state".to_owned()));
        }
        self.counts.case(case, &expected);
        self.counts.report(&batch.report);
        Ok(())
    }

    fn block(&mut self, case: &Case) -> Result<(), Failure> {
        let db = case.state();
        let mut revm = Sequential::new(&case.env, &db).with_storage_probe();
        let mut expected = Vec::new();
        let mut rejected: Option<(usize, Rejected)> = None;
        for (index, tx) in case.txs.iter().enumerate() {
            let outcome = revm.transact(tx).map_err(error)?;
            if let Err(reason) = outcome.result {
                rejected = Some((index, reason));
                break;
            }
            expected.push(outcome);
        }
        let state = State::with_seed(&db, case.table_seed).map_err(error)?;
        let mut state = state.with_storage_probe();
        let engine = &self.engines[case.engine % self.engines.len()];
        let waits = any_waits(case);
        let hints = Hints::default().with_waits(waits.as_ref());
        match (engine.execute_with(&case.env, &case.txs, &mut state, &hints), rejected) {
            (Ok(result), None) => {
                same_outcomes(&expected, &result.outcomes)?;
                self.counts.report(&result.report);
            }
            (Ok(_), Some((index, reason))) => {
                let what = format!("validity: revm has rejected: {reason}, got valid");
                return Err(mismatch(Some(index), what));
            }
            (Err(Error::Rejected { index, reason }), expected) => {
                same_rejection(expected, (index, reason))?;
            }
            (Err(other), _) => return Err(error(other)),
        }
        same_state(case, &db, &revm, &state)?;
        self.counts.case(case, &expected);
        Ok(())
    }
}

/// Predictions that are missing, true or false: waiting for oneself, for later transactions and for
/// such as do not exist among them.
fn any_waits(case: &Case) -> Option<Waits> {
    let mut rng = Rng::new(case.table_seed);
    let count = case.txs.len() as u64;
    let kind = rng.below(4);
    let mut waits = Waits::none();
    for index in 0..count {
        match kind {
            0 => return None,
            1 => waits.push(index.checked_sub(1).map(|before| before as u32)),
            2 => waits.push((0..rng.below(3)).map(|_| rng.below(count + 2) as u32)),
            // Fewer lists than transactions.
            _ if index > count / 2 => {}
            _ => waits.push([]),
        }
    }
    Some(waits)
}

fn same_outcomes(expected: &[Outcome], got: &[Outcome]) -> Result<(), Failure> {
    if expected.len() != got.len() {
        let what = format!("{} outcomes, got {}", expected.len(), got.len());
        return Err(mismatch(None, what));
    }
    for (index, (expected, got)) in expected.iter().zip(got).enumerate() {
        let found = compare(index, expected, got);
        if !found.is_empty() {
            let text: Vec<_> = found.iter().map(ToString::to_string).collect();
            return Err(mismatch(Some(index), text.join("; ")));
        }
        if let (Ok(expected), Ok(got)) = (&expected.result, &got.result)
            && expected.status != TxStatus::Halt
            && expected.end != got.end
        {
            let what = format!("end: revm has {:?}, got {:?}", expected.end, got.end);
            return Err(mismatch(Some(index), what));
        }
    }
    Ok(())
}

fn same_rejection(
    expected: Option<(usize, Rejected)>,
    got: (usize, Rejected),
) -> Result<(), Failure> {
    let same = expected.as_ref().is_some_and(|(index, reason)| {
        *index == got.0 && std::mem::discriminant(reason) == std::mem::discriminant(&got.1)
    });
    match same {
        true => Ok(()),
        false => {
            let what = format!("rejection: revm has {expected:?}, got {:?}", got.1);
            Err(mismatch(Some(got.0), what))
        }
    }
}

type Revm<'a> = Sequential<&'a MemoryState>;

/// Both sides' states after a block: every account and slot that either knows.
fn same_state(
    case: &Case,
    before: &MemoryState,
    revm: &Revm<'_>,
    state: &State<&MemoryState>,
) -> Result<(), Failure> {
    let mut keys: BTreeMap<Address, BTreeSet<U256>> = BTreeMap::new();
    for account in &case.accounts {
        let slots = account.storage.iter().map(|(key, _)| *key);
        keys.entry(account.address).or_default().extend(slots);
    }
    for (address, account) in &revm.state().cache.accounts {
        keys.entry(*address).or_default().extend(account.storage.keys());
    }
    let changes: BTreeMap<_, _> = state.changes().into_iter().map(|c| (c.address, c)).collect();
    for change in changes.values() {
        let slots = change.storage.iter().map(|(key, _)| *key);
        keys.entry(change.address).or_default().extend(slots);
    }
    for (address, slots) in keys {
        let info = |db: &dyn Infos| db.info(address);
        let (was, is, ours) = (info(before), info(revm.state()), info(state));
        if is != ours {
            return Err(mismatch(None, format!("account {address}: revm {is:?}, got {ours:?}")));
        }
        let mut changed = was != is;
        for key in slots {
            let read = |db: &dyn Infos| db.slot(address, key);
            let (was, is, ours) = (read(before), read(revm.state()), read(state));
            if is != ours {
                let what = format!("slot {key:#x} of {address}: revm {is}, got {ours}");
                return Err(mismatch(None, what));
            }
            changed |= was != is;
        }
        let told = changes.get(&address);
        let right = match told {
            Some(change) => change.info == is && (changed || change.wiped),
            None => !changed,
        };
        if !right {
            let what = format!("change of {address}: {was:?} to {is:?}, told as {told:?}");
            return Err(mismatch(None, what));
        }
    }
    Ok(())
}

/// A database without its error.
trait Infos {
    fn info(&self, address: Address) -> Option<AccountInfo>;
    fn slot(&self, address: Address, key: U256) -> U256;
}

impl<DB: DatabaseRef> Infos for DB {
    fn info(&self, address: Address) -> Option<AccountInfo> {
        let info = self.basic_ref(address).expect("nothing fails in memory")?;
        let (balance, nonce) = (info.balance, info.nonce);
        Some(AccountInfo { balance, nonce, code_hash: info.code_hash() })
    }

    fn slot(&self, address: Address, key: U256) -> U256 {
        self.storage_ref(address, key).expect("nothing fails in memory")
    }
}
