//! `warpevm statetest`: runs the official state tests.

use super::suite::{Suite, SuiteArgs};
use anyhow::Result;
use warpevm::conformance::state_test::TestState;
use warpevm::conformance::{Executor, state_test};
use warpevm::error::with_causes;
use warpevm::reference::Sequential;
use warpevm::{Backend, Engine, Env, Outcome, State, Transaction};

/// What `--help` ends with.
pub(crate) const EXAMPLES: &str = "Examples:
  warpevm statetest state_tests/
  warpevm statetest dev.tar.zst --fork Prague --filter transient --all-failures
  warpevm statetest dev.tar.zst --backend wgpu --sample 12 --min-residency 0.99 --json";

/// Executes through sequential revm.
struct CaseOnRevm;

impl Executor for CaseOnRevm {
    fn transact(&self, env: &Env, tx: &Transaction, state: &TestState) -> Result<Outcome, String> {
        let mut revm = Sequential::new(env, state).with_storage_probe();
        revm.transact_once(tx).map(|(outcome, _)| outcome).map_err(|e| with_causes(&e))
    }
}

/// Executes through an engine on the device asked for.
struct CaseOnEngine(Engine);

impl Executor for CaseOnEngine {
    fn transact(&self, env: &Env, tx: &Transaction, state: &TestState) -> Result<Outcome, String> {
        let state = State::new(state).map_err(|e| with_causes(&e))?.with_storage_probe();
        let batch = self.0.simulate(env, std::slice::from_ref(tx), &state);
        let outcomes = batch.map_err(|e| with_causes(&e))?.outcomes;
        outcomes.into_iter().next().ok_or_else(|| "the batch gave no outcome".to_owned())
    }
}

/// Runs the command; whether every case passed.
pub(crate) fn run(args: &SuiteArgs) -> Result<bool> {
    args.check()?;
    let executor: Box<dyn Executor> = match Backend::from(args.backend) {
        Backend::Revm => Box::new(CaseOnRevm),
        _ => Box::new(CaseOnEngine(Engine::new(args.config().with_threads(1))?)),
    };
    let suite = Suite::new(args);
    let total = suite
        .run(&|name, bytes, filter| state_test::run_file(name, bytes, executor.as_ref(), filter))?;
    suite.print(&total)
}
