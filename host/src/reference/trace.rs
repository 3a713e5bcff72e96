//! What transactions execute: opcodes, hashing, what they touch. Counted by an inspector, so apart
//! from anything that is measured.

use super::{Evm, InSpec, fault};
use crate::error::Error;
use crate::types::{Env, Transaction};
use alloy_primitives::Log;
use revm::Inspector;
use revm::context::result::EVMError;
use revm::database::CacheDB;
use revm::database_interface::{DatabaseCommit, DatabaseRef};
use revm::interpreter::interpreter_types::Jumps;
use revm::interpreter::{Interpreter, InterpreterTypes};
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
) -> Result<Trace, Error> {
    let db = CacheDB::new(InSpec::new(env.spec, db));
    let mut evm = Evm::with_inspector(env, db, Trace::default());
    for tx in transactions {
        let trace = evm.inspector_mut();
        trace.transactions += 1;
        trace.data_bytes += tx.data.len() as u64;
        match evm.inspect(tx.clone()) {
            Ok((result, touched)) => {
                let trace = evm.inspector_mut();
                trace.output_bytes += result.output().map_or(0, |o| o.len() as u64);
                trace.accounts += touched.len() as u64;
                let slots = touched.values().map(|account| account.storage.len() as u64);
                trace.slots += slots.sum::<u64>();
                if in_order {
                    evm.db_mut().commit(touched);
                }
            }
            Err(EVMError::Transaction(_)) => {}
            Err(error) => return Err(fault(error)),
        }
    }
    Ok(std::mem::take(evm.inspector_mut()))
}
