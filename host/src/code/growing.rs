//! A program of the baseline, which grows while threads run it.
//!
//! Ops and constants stand in arrays that never move, with room for all that the code can give;
//! pages that nobody reaches cost address space only. A run of bbs is lowered by whoever enters it
//! first ([`CodeCache::lower`](super::CodeCache::lower)).
//!
//! # Soundness
//! Kernels read what others may write, by one rule: new ops and constants are in place before a
//! word that names them is stored (`Release`), and such a word, the `imm` of a jump or of a `Lower`
//! or a target in the jump table, is stored whole. Both its values are right at any time.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use alloy_primitives::Bytes;
use warpevm_compiler::baseline::{Patch, Run, Scratch};
use warpevm_compiler::{Baseline, Op, Program, Spec};

use crate::buffer::Column;
use crate::sync::lock;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// See the module.
#[derive(Debug)]
pub struct Growing {
    code: Bytes,
    ops: Column<Op>,
    consts: Column<[u64; 4]>,
    jump_table: Box<[AtomicU32]>,
    entry: u32,
    state: Mutex<Grown>,
    bytes: AtomicUsize,
    /// The program that takes its place, once there is one.
    better: OnceLock<Arc<Program>>,
}

/// What is known of the code, and how much is in place.
#[derive(Debug)]
struct Grown {
    baseline: Baseline,
    ops: u32,
    consts: u32,
}

impl Growing {
    /// With what runs from pc 0 on; `None`: there is no address space left.
    pub fn new(code: Bytes, spec: Spec) -> Option<Growing> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut baseline = Baseline::new(&code, spec);
            let program = baseline.start(&code, scratch);
            let ops = Column::unfilled(Baseline::ops_max(code.len()) as u32)?;
            let consts = Column::unfilled(Baseline::consts_max(code.len()) as u32)?;
            let jump_table = program.jump_table.iter().map(|word| AtomicU32::new(*word)).collect();
            let state = Grown { baseline, ops: 0, consts: 0 };
            let growing = Growing {
                code,
                ops,
                consts,
                jump_table,
                entry: program.entry,
                state: Mutex::new(state),
                bytes: AtomicUsize::new(0),
                better: OnceLock::new(),
            };
            let whole = Run { ops: program.ops, consts: program.consts, patches: Vec::new() };
            growing.add(&mut lock(&growing.state), &whole);
            Some(growing)
        })
    }

    /// Where kernels find ops, constants and jump table, and the op where execution starts.
    pub fn addresses(&self) -> ([u64; 3], u32) {
        let jump_table = self.jump_table.as_ptr() as u64;
        ([self.ops.address(), self.consts.address(), jump_table], self.entry)
    }

    /// The program that takes its place.
    pub fn better(&self) -> Option<&Arc<Program>> {
        self.better.get()
    }

    /// There is a better one.
    pub fn set_better(&self, program: Arc<Program>) {
        let _ = self.better.set(program);
    }

    /// Lowers the run that an op stands for, unless someone else did; gives how many bytes longer
    /// the program is. `None`: the op stands for nothing.
    pub fn lower(&self, op: u32) -> Option<usize> {
        let mut state = lock(&self.state);
        let n = state.baseline.jumpdest_of(op)?;
        if state.baseline.is_lowered(n) {
            return Some(0);
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let Grown { baseline, .. } = &mut *state;
            let run = baseline.lower(&self.code, n, scratch);
            Some(self.add(&mut state, run))
        })
    }

    /// Puts a run in place, then what names it.
    fn add(&self, state: &mut Grown, run: &Run) -> usize {
        for (i, op) in run.ops.iter().enumerate() {
            // SAFETY: nothing names the place yet, and the lock excludes other writers.
            unsafe { self.ops.write(state.ops + i as u32, *op) };
        }
        for (i, value) in run.consts.iter().enumerate() {
            // SAFETY: as above.
            unsafe { self.consts.write(state.consts + i as u32, value.into_limbs()) };
        }
        state.ops += run.ops.len() as u32;
        state.consts += run.consts.len() as u32;
        for patch in &run.patches {
            match *patch {
                Patch::Imm { op, to } => self.imm(op).store(to, Ordering::Release),
                Patch::Target { place, to } => {
                    self.jump_table[place as usize].store(to, Ordering::Release);
                }
            }
        }
        let bytes = size_of_val(&run.ops[..]) + size_of_val(&run.consts[..]);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        bytes
    }

    fn imm(&self, op: u32) -> &AtomicU32 {
        let at = self.ops.entry_ptr(op);
        // SAFETY: within the array and aligned; after the op is in place everyone accesses the
        // field whole, by the rule of the module.
        unsafe { AtomicU32::from_ptr(&raw mut (*at).imm) }
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        size_of::<Growing>()
            + size_of_val(&*self.jump_table)
            + self.bytes.load(Ordering::Relaxed)
            + lock(&self.state).baseline.bytes()
    }
}
