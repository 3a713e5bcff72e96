//! What is known of one code in one spec, each part made when it is first wanted.

use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use alloy_primitives::Address;
use alloy_primitives::map::HashMap;
use warpevm_compiler::access::Expr;
use warpevm_compiler::{AccessSet, Analysis, EffectSet, Program};

use super::growing::Growing;
use crate::limits::{CODE_FUNCTIONS_COUNT_MAX, PLAN_SET_EXPRESSIONS_COUNT_MAX};

/// What a call touches, as far as that is known of the code.
#[derive(Clone, Debug)]
pub enum Predicted {
    /// Its access set, and what evaluating it costs in units of about 30 nanoseconds.
    Set(Arc<AccessSet>, usize),
    /// The set is too large to be of use.
    Large,
    /// The code is that of another account (EIP-7702).
    Delegation(Address),
}

impl Predicted {
    /// Of an access set.
    pub fn of(set: AccessSet) -> Predicted {
        if set.expressions.len() > PLAN_SET_EXPRESSIONS_COUNT_MAX {
            return Predicted::Large;
        }
        let one = |expr: &Expr| match expr {
            Expr::Keccak(words) => 4 + 2 * words.len(),
            Expr::Storage(_) => 4,
            _ => 1,
        };
        let cost = 1 + set.expressions.iter().map(one).sum::<usize>() + set.accesses.len();
        Predicted::Set(Arc::new(set), cost)
    }

    /// Bytes of memory that it takes besides its own.
    pub fn bytes(&self) -> usize {
        match self {
            Predicted::Set(set, _) => set.bytes(),
            Predicted::Large | Predicted::Delegation(_) => 0,
        }
    }
}

/// How much something is worth keeping: how often it was asked for, of late more than before, then
/// when.
#[derive(Debug, Default)]
pub struct Heat {
    asked: AtomicU64,
    at: AtomicU64,
}

impl Heat {
    /// It was asked for at this time.
    pub fn touch(&self, now: u64) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.at.store(now, Ordering::Relaxed);
    }

    /// How often it was asked for, of late.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// What is dropped first has the least.
    pub fn rank(&self) -> (u64, u64) {
        (self.asked.load(Ordering::Relaxed), self.at.load(Ordering::Relaxed))
    }

    /// Others were dropped: what was asked for before counts half from now on.
    pub fn cool(&self) {
        self.asked.store(self.asked.load(Ordering::Relaxed) / 2, Ordering::Relaxed);
    }
}

/// Drops the colder half of a map, and cools the rest.
pub fn drop_colder_half<K: Eq + Hash, V>(map: &mut HashMap<K, V>, heat: impl Fn(&V) -> &Heat) {
    let mut ranks: Vec<(u64, u64)> = map.values().map(|value| heat(value).rank()).collect();
    let Some(last) = ranks.len().checked_sub(1) else { return };
    let median = *ranks.select_nth_unstable(last / 2).1;
    map.retain(|_, value| heat(value).rank() > median);
    map.values().for_each(|value| heat(value).cool());
}

/// What is known of a function of a code.
#[derive(Debug, Default)]
pub struct Function {
    /// What calls touch.
    pub predicted: OnceLock<Predicted>,
    /// What calls do.
    pub effects: OnceLock<Arc<EffectSet>>,
    /// How often effects were asked for before they were made.
    pub effects_asked: AtomicU32,
    heat: Heat,
}

/// Bytes of a function of which nothing is known, with its place in the map.
pub const FUNCTION_BYTES: usize = size_of::<Function>() + 64;

impl Function {
    fn bytes(&self) -> usize {
        FUNCTION_BYTES
            + self.predicted.get().map_or(0, Predicted::bytes)
            + self.effects.get().map_or(0, |effects| effects.bytes())
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Knowledge {
    /// The code compiled in full.
    pub program: OnceLock<Arc<Program>>,
    /// The baseline's program, all of it.
    pub whole: OnceLock<Arc<Program>>,
    /// The baseline's program, as far as it was entered.
    pub growing: OnceLock<Arc<Growing>>,
    /// Somebody asked for the full program.
    pub asked_to_compile: AtomicBool,
    /// Where it delegates to (EIP-7702).
    pub delegate: OnceLock<Address>,
    /// What functions are derived from; dropped when all of them take too much.
    pub analysis: Mutex<Option<Arc<Analysis>>>,
    /// How many functions have effects.
    pub effects_count: AtomicU32,
    /// By selector; `None`: calldata too short for one.
    functions: RwLock<HashMap<Option<u32>, Arc<Function>>>,
    /// How much it is asked for.
    pub heat: Heat,
}

/// Bytes of a code of which nothing is known, with its place in the map.
pub const KNOWLEDGE_BYTES: usize = size_of::<Knowledge>() + 96;

impl Knowledge {
    /// What is predicted of a function's calls.
    pub fn predicted(&self, selector: Option<u32>, now: u64) -> Option<Predicted> {
        if let Some(target) = self.delegate.get() {
            return Some(Predicted::Delegation(*target));
        }
        let functions = self.functions.read().unwrap_or_else(PoisonError::into_inner);
        let function = functions.get(&selector)?;
        function.heat.touch(now);
        function.predicted.get().cloned()
    }

    /// A function; says whether it is new.
    pub fn function(&self, selector: Option<u32>, now: u64) -> (Arc<Function>, bool) {
        let functions = self.functions.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(function) = functions.get(&selector) {
            function.heat.touch(now);
            return (function.clone(), false);
        }
        drop(functions);
        let mut functions = self.functions.write().unwrap_or_else(PoisonError::into_inner);
        if functions.len() >= CODE_FUNCTIONS_COUNT_MAX {
            drop_colder_half(&mut functions, |function| &function.heat);
        }
        let function = functions.entry(selector).or_default().clone();
        function.heat.touch(now);
        (function, true)
    }

    /// Bytes that it takes, but for the analysis.
    pub fn bytes(&self) -> usize {
        let functions = self.functions.read().unwrap_or_else(PoisonError::into_inner);
        KNOWLEDGE_BYTES
            + self.program.get().map_or(0, |program| program.bytes())
            + self.whole.get().map_or(0, |program| program.bytes())
            + self.growing.get().map_or(0, |growing| growing.bytes())
            + functions.values().map(|function| function.bytes()).sum::<usize>()
    }

    /// How many functions are known.
    pub fn function_count(&self) -> usize {
        self.functions.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}
