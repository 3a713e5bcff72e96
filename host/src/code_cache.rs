//! Compiled programs, kept across batches, blocks and states.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use alloy_primitives::B256;
use warpevm_compiler::{Options, Program, Spec, compile_with};

use crate::limits::CODE_CACHE_BYTES_MAX;

#[derive(Debug, Default)]
struct Slot {
    program: OnceLock<Arc<Program>>,
}

#[derive(Debug, Default)]
struct Entries {
    map: HashMap<(B256, Spec), (Arc<Slot>, u64)>,
    clock: u64,
    /// Bytes of the programs in the map.
    bytes: usize,
}

/// A cache of programs by code hash and spec, bounded in bytes.
#[derive(Debug)]
pub struct CodeCache {
    entries: Mutex<Entries>,
    bytes_max: usize,
    passes: Options,
}

impl Default for CodeCache {
    fn default() -> CodeCache {
        CodeCache::with_passes(Options::ALL)
    }
}

fn program_bytes(program: &Program) -> usize {
    program.ops.len() * size_of::<warpevm_compiler::Op>()
        + program.consts.len() * 32
        + program.jump_table.len() * 4
        + size_of::<Program>()
}

impl CodeCache {
    /// A cache of programs that these passes make.
    pub fn with_passes(passes: Options) -> CodeCache {
        CodeCache { passes, ..CodeCache::with_bytes_max(CODE_CACHE_BYTES_MAX) }
    }

    /// A cache that holds at most so many bytes of programs.
    pub fn with_bytes_max(bytes_max: usize) -> CodeCache {
        CodeCache { entries: Mutex::default(), bytes_max, passes: Options::ALL }
    }

    /// The program of a code; compiled on first use, by one thread while others wait.
    pub fn get(&self, hash: B256, code: &[u8], spec: Spec) -> Arc<Program> {
        let slot = {
            let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            entries.clock += 1;
            let now = entries.clock;
            let entry = entries.map.entry((hash, spec)).or_default();
            entry.1 = now;
            entry.0.clone()
        };
        if let Some(program) = slot.program.get() {
            return program.clone();
        }
        let mut made = None;
        let program = slot.program.get_or_init(|| {
            let program = Arc::new(compile_with(code, spec, &self.passes));
            made = Some(program_bytes(&program));
            program
        });
        if let Some(bytes) = made {
            self.added(bytes);
        }
        program.clone()
    }

    /// Accounts for a new program; drops the half used least recently when there are too many.
    fn added(&self, bytes: usize) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.bytes += bytes;
        if entries.bytes <= self.bytes_max {
            return;
        }
        let mut times: Vec<u64> = entries.map.values().map(|(_, time)| *time).collect();
        times.sort_unstable();
        let median = times[times.len() / 2];
        entries.map.retain(|_, (_, time)| *time >= median);
        entries.bytes = entries
            .map
            .values()
            .filter_map(|(slot, _)| slot.program.get())
            .map(|program| program_bytes(program))
            .sum();
    }

    /// Programs in the cache.
    pub fn len(&self) -> usize {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).map.len()
    }

    /// Nothing is cached.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_stays_within_its_bound() {
        let cache = CodeCache::with_bytes_max(4096);
        for n in 0..200u8 {
            cache.get(B256::with_last_byte(n), &[0x60, n, 0x00], Spec::Osaka);
        }
        assert!(cache.len() < 100, "{} programs", cache.len());
        assert!(!cache.is_empty());
    }

    #[test]
    fn a_program_is_compiled_once() {
        let cache = CodeCache::default();
        let a = cache.get(B256::ZERO, &[0x00], Spec::Osaka);
        let b = cache.get(B256::ZERO, &[0x00], Spec::Osaka);
        assert!(Arc::ptr_eq(&a, &b));
        assert!(!Arc::ptr_eq(&a, &cache.get(B256::ZERO, &[0x00], Spec::Cancun)));
    }
}
