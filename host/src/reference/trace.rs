//! What transactions execute: opcodes, hashing, what they touch. Counted by an inspector, so apart
//! from anything that is measured.

use super::{ReferenceError, config, fault};
use crate::types::{Env, Transaction};
use alloy_primitives::Log;
use revm::context::Context;
use revm::context::result::EVMError;
use revm::database::CacheDB;
use revm::database_interface::{DatabaseCommit, DatabaseRef};
use revm::inspector::InspectEvm;
use revm::interpreter::interpreter_types::Jumps;
use revm::interpreter::{Interpreter, InterpreterTypes};
use revm::{Inspector, MainBuilder, MainContext};
use warpevm_compiler::opcode::op::KECCAK256;

/// Bytes that one permutation of keccak takes in.
const KECCAK_RATE_BYTES: u64 = 136;

/// Sums over transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Transactions, rejected ones included.
    pub transactions: u64,
    /// How often each opcode ran.
    pub ops: Box<[u64; 256]>,
    /// Permutations of KECCAK256.
    pub keccak_permutations: u64,
    /// Accounts touched.
    pub accounts: u64,
    /// Storage slots touched.
    pub slots: u64,
    /// Bytes of logs: addresses, topics, data.
    pub log_bytes: u64,
    /// Bytes of results.
    pub output_bytes: u64,
    /// Bytes of calldata.
    pub data_bytes: u64,
}

impl Default for Trace {
    fn default() -> Trace {
        Trace {
            transactions: 0,
            ops: Box::new([0; 256]),
            keccak_permutations: 0,
            accounts: 0,
            slots: 0,
            log_bytes: 0,
            output_bytes: 0,
            data_bytes: 0,
        }
    }
}

impl Trace {
    /// Opcodes that ran.
    pub fn op_count(&self) -> u64 {
        self.ops.iter().sum()
    }
}

impl<CTX, I: InterpreterTypes<Stack = revm::interpreter::Stack>> Inspector<CTX, I> for Trace {
    fn step(&mut self, interpreter: &mut Interpreter<I>, _: &mut CTX) {
        let opcode = interpreter.bytecode.opcode();
        self.ops[usize::from(opcode)] += 1;
        if opcode == KECCAK256
            && let Ok(length) = interpreter.stack.peek(1)
        {
            // More than 64 bits is out of gas.
            let length = u64::try_from(length).unwrap_or(0);
            self.keccak_permutations += length / KECCAK_RATE_BYTES + 1;
        }
    }

    fn log(&mut self, _: &mut CTX, log: Log) {
        self.log_bytes += 20 + 32 * log.topics().len() as u64 + log.data.data.len() as u64;
    }
}

/// Runs transactions under an inspector: each on `db` itself, or in order each on what those before
/// it left.
pub fn trace<DB: DatabaseRef>(
    env: &Env,
    transactions: &[Transaction],
    db: DB,
    in_order: bool,
) -> Result<Trace, ReferenceError> {
    let context: revm::handler::MainnetContext<_> = Context::mainnet().with_db(CacheDB::new(db));
    let context = context.with_cfg(config(env)).with_block(env.block.clone());
    let mut evm = context.build_mainnet_with_inspector(Trace::default());
    for tx in transactions {
        evm.inspector.transactions += 1;
        evm.inspector.data_bytes += tx.data.len() as u64;
        match evm.inspect_tx(tx.clone()) {
            Ok(ran) => {
                evm.inspector.output_bytes += ran.result.output().map_or(0, |o| o.len() as u64);
                evm.inspector.accounts += ran.state.len() as u64;
                let slots = ran.state.values().map(|account| account.storage.len() as u64);
                evm.inspector.slots += slots.sum::<u64>();
                if in_order {
                    evm.ctx.journaled_state.database.commit(ran.state);
                }
            }
            Err(EVMError::Transaction(_)) => {}
            Err(error) => return Err(fault(error)),
        }
    }
    Ok(evm.inspector)
}
