//! System calls.

use std::sync::Mutex;

use alloy_primitives::{Address, Bytes};
use revm::DatabaseRef;

use super::in_order::commit_finished;
use super::parts::Engine;
use crate::backend::cpu::Ran;
use crate::error::Error;
use crate::instance::session::Hold;
use crate::reference::Sequential;
use crate::report::Counts;
use crate::state::State;
use crate::types::{Backend, Env, Executed};

impl Engine {
    /// Makes a system call (EIP-4788, EIP-2935, EIP-7002, EIP-7251) and leaves the state as it
    /// does. No sender pays; a call to an account without code does nothing.
    pub fn system_call<DB: DatabaseRef + Sync>(
        &self,
        env: &Env,
        to: Address,
        data: Bytes,
        state: &mut State<DB>,
    ) -> Result<Executed, Error> {
        let counts = Mutex::new(Counts::default());
        let state = &*state;
        if self.config.backend == Backend::Revm {
            return system_call_with_revm(env, to, data, state);
        }
        let session = self.session(env, state)?;
        let mut worker = self.worker()?;
        let mut hold = Hold::new(state);
        let result = match worker.system_call(&session, &mut hold, to, &data)? {
            Ran::Done(class) => {
                let outcome = worker.outcome(&session, hold.table(), class)?;
                commit_finished(&session, &worker, &mut hold, class)?;
                worker.finish(class);
                outcome.result.map_err(|reason| Error::Bug(format!("system call: {reason}")))
            }
            _ => {
                hold.release();
                system_call_with_revm(env, to, data, state)
            }
        };
        self.rest(worker, &counts);
        result
    }
}

/// The same on revm.
fn system_call_with_revm<DB: DatabaseRef + Sync>(
    env: &Env,
    to: Address,
    data: Bytes,
    state: &State<DB>,
) -> Result<Executed, Error> {
    let executed = Sequential::on_state(env, state).system_call(to, data)?;
    executed.changes.iter().try_for_each(|change| state.apply(change))?;
    Ok(executed)
}
