//! Makes a failing case small: fewer transactions, accounts, slots and instructions, plainer
//! fields, as long as it fails in the same way.

use std::ops::Range;

use alloy_primitives::{Bytes, U256};
use warpevm::Error;
use warpevm::reference::Sequential;
use warpevm::reference::reproducer::StateTest;
use warpevm::state::MemoryState;
use warpevm::types::AccountChange;
use warpevm_compiler::opcode::{immediate_size, op};

use crate::case::Case;
use crate::check::{Checker, Failure};

/// Cases that shrinking may run.
const CHECKS_MAX: u32 = 20_000;

/// Takes away what the failure does not need.
pub fn shrink(checker: &mut Checker, case: &Case, failure: &Failure) -> (Case, Failure) {
    let (case, failure) = (case.clone(), failure.clone());
    let mut shrinker = Shrinker { checker, case, failure, left: CHECKS_MAX };
    loop {
        let before = shrinker.left;
        let better =
            shrinker.transactions() | shrinker.accounts() | shrinker.codes() | shrinker.fields();
        if !better || shrinker.left == 0 || shrinker.left == before {
            return (shrinker.case, shrinker.failure);
        }
    }
}

struct Shrinker<'a> {
    checker: &'a mut Checker,
    case: Case,
    failure: Failure,
    left: u32,
}

/// Where code stands in a case.
#[derive(Clone, Copy)]
enum Place {
    Account(usize),
    Data(usize),
}

impl Place {
    fn get(self, case: &Case) -> Vec<u8> {
        match self {
            Place::Account(i) => case.accounts[i].code.to_vec(),
            Place::Data(i) => case.txs[i].data.to_vec(),
        }
    }

    fn set(self, case: &mut Case, bytes: Vec<u8>) {
        match self {
            Place::Account(i) => case.accounts[i].code = bytes.into(),
            Place::Data(i) => case.txs[i].data = bytes.into(),
        }
    }
}

impl Shrinker<'_> {
    /// Keeps the change if the case still fails.
    fn attempt(&mut self, change: impl FnOnce(&mut Case)) -> bool {
        let mut case = self.case.clone();
        change(&mut case);
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        match self.checker.check(&case) {
            Some(failure) if failure.kind == self.failure.kind => {
                (self.case, self.failure) = (case, failure);
                true
            }
            _ => false,
        }
    }

    /// Removes ranges of `len` things, long ones first.
    fn ranges(&mut self, len: fn(&Case) -> usize, remove: fn(&mut Case, Range<usize>)) -> bool {
        let mut better = false;
        let mut size = len(&self.case).div_ceil(2).max(1);
        loop {
            let mut at = 0;
            while at < len(&self.case) {
                let end = (at + size).min(len(&self.case));
                match self.attempt(|case| remove(case, at..end)) {
                    true => better = true,
                    false => at = end,
                }
            }
            if size == 1 {
                return better;
            }
            size /= 2;
        }
    }

    fn transactions(&mut self) -> bool {
        if let (Some(tx), false) = (self.failure.tx, self.case.block) {
            self.attempt(|case| case.txs = vec![case.txs[tx].clone()]);
        }
        self.ranges(|case| case.txs.len(), |case, range| drop(case.txs.drain(range)))
    }

    fn accounts(&mut self) -> bool {
        let mut better =
            self.ranges(|case| case.accounts.len(), |case, range| drop(case.accounts.drain(range)));
        for i in 0..self.case.accounts.len() {
            if !self.case.accounts[i].storage.is_empty() {
                better |= self.attempt(|case| case.accounts[i].storage.clear());
            }
            if !self.case.accounts[i].code.is_empty() {
                better |= self.attempt(|case| case.accounts[i].code = Bytes::new());
            }
        }
        better
    }

    fn codes(&mut self) -> bool {
        let accounts = (0..self.case.accounts.len()).map(Place::Account);
        let places: Vec<Place> =
            accounts.chain((0..self.case.txs.len()).map(Place::Data)).collect();
        places.into_iter().fold(false, |better, place| better | self.code(place))
    }

    /// Shortens one code: cuts its end, then takes instructions out, first all the same length
    /// (a JUMPDEST for each byte, so that jumps still lead where they did).
    fn code(&mut self, place: Place) -> bool {
        let mut better = false;
        let mut keep = place.get(&self.case).len() / 2;
        while keep < place.get(&self.case).len() {
            let code = place.get(&self.case);
            match self.attempt(|case| place.set(case, code[..keep].to_vec())) {
                true => (better, keep) = (true, keep / 2),
                false => keep += (code.len() - keep).div_ceil(2),
            }
            if keep + 1 >= code.len() {
                break;
            }
        }
        for fill in [true, false] {
            let mut size = instructions(&place.get(&self.case)).len().div_ceil(2).max(1);
            loop {
                better |= self.instructions(place, size, fill);
                if size == 1 {
                    break;
                }
                size /= 2;
            }
        }
        better
    }

    fn instructions(&mut self, place: Place, size: usize, fill: bool) -> bool {
        let mut better = false;
        let mut at = 0;
        loop {
            let mut code = place.get(&self.case);
            let starts = instructions(&code);
            if at >= starts.len() {
                return better;
            }
            let end = starts.get(at + size).copied().unwrap_or(code.len());
            let range = starts[at]..end;
            let filled = code[range.clone()].iter().all(|byte| *byte == op::JUMPDEST);
            match fill {
                true => code[range].fill(op::JUMPDEST),
                false => drop(code.drain(range)),
            }
            let done = !(fill && filled) && self.attempt(|case| place.set(case, code));
            better |= done;
            if fill || !done {
                at += size;
            }
        }
    }

    fn fields(&mut self) -> bool {
        let mut better = false;
        for i in 0..self.case.txs.len() {
            let tx = self.case.txs[i].clone();
            if !tx.access_list.0.is_empty() {
                better |= self.attempt(|case| case.txs[i].access_list.0.clear());
            }
            if tx.authorization_list.len() > 1 {
                better |= self.attempt(|case| case.txs[i].authorization_list.truncate(1));
            }
            if !tx.value.is_zero() {
                better |= self.attempt(|case| case.txs[i].value = U256::ZERO);
            }
            if tx.tx_type != 0 {
                better |= self.attempt(|case| {
                    case.txs[i].tx_type = 0;
                    case.txs[i].gas_priority_fee = None;
                    case.txs[i].authorization_list.clear();
                    case.txs[i].blob_hashes.clear();
                });
            }
        }
        if self.case.engine != 0 {
            better |= self.attempt(|case| case.engine = 0);
        }
        better
    }
}

/// Where instructions start.
fn instructions(code: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut at = 0;
    while at < code.len() {
        starts.push(at);
        at += 1 + usize::from(immediate_size(code[at]));
    }
    starts
}

/// The transaction to blame as a state test, with every account of the case.
pub fn state_test(case: &Case, failure: &Failure) -> Result<StateTest, Error> {
    let db: MemoryState = case.state();
    let mut revm = Sequential::new(&case.env, &db).with_storage_probe();
    let last = case.txs.len().saturating_sub(1);
    let blamed = failure.tx.unwrap_or(last).min(last);
    if case.block {
        for tx in &case.txs[..blamed] {
            revm.transact(tx)?;
        }
    }
    let tx = &case.txs[blamed];
    let (_, touched) = revm.transact_once(tx)?;
    let also: Vec<AccountChange> = case
        .accounts
        .iter()
        .map(|account| AccountChange {
            address: account.address,
            info: None,
            code: None,
            wiped: false,
            storage: account.storage.clone(),
        })
        .collect();
    StateTest::new(&case.env, tx, revm.state(), &touched, &also, failure.what.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_skip_immediates() {
        assert_eq!(instructions(&[0x60, 1, 0x61, 0x60, 0x60, 0x00, 0x7f]), [0, 2, 5, 6]);
    }
}
