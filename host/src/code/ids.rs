//! Codes: their bytes by id, and per spec the array that the kernels read.
//!
//! Ids below [`TEMP_BASE`] stay with the state and name equal codes by one id. Ids from there on
//! are temporary: each worker has a range for the codes of the transaction that it runs (init
//! codes, deployed codes, designators), so that a million simulated creations leave nothing behind.
//! A worker's number is its range, in every state.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, keccak256};
use warpevm_compiler::{Program, Rule, Spec};
use warpevm_kernels::abi::{
    self, CODE_COMPILED, CODE_COUNTED, CODE_DELEGATION, CODE_EMPTY, CODE_REPLACED, Word,
};

use super::growing::Growing;
use super::tier::CodeProgram;
use crate::buffer::Column;
use crate::error::Error;
use crate::limits::{
    CODE_PADDING_BYTES, CODES_COUNT_MAX, CODES_PER_TX_COUNT_MAX, WORKERS_COUNT_MAX,
};
use crate::sync::lock;

/// The first temporary code id.
pub const TEMP_BASE: u32 = CODES_COUNT_MAX;

/// A hash as a word.
pub fn hash_word(hash: B256) -> Word {
    alloy_primitives::U256::from_be_bytes(hash.0).into_limbs()
}

/// A word as a hash.
pub fn word_hash(word: Word) -> B256 {
    B256::from(alloy_primitives::U256::from_limbs(word).to_be_bytes())
}

/// The target, if a code has the form of an EIP-7702 designator.
pub fn delegate_of(code: &[u8]) -> Option<Address> {
    let target = code.strip_prefix(&[0xef, 0x01, 0x00])?;
    Address::try_from(target).ok()
}

/// The bytes of a code, padded for the kernels.
#[derive(Clone, Debug)]
pub struct CodeBytes {
    /// keccak256 of the code.
    pub hash: B256,
    padded: Bytes,
    len: usize,
}

impl CodeBytes {
    /// With a hash that is already known.
    pub fn with_hash(code: &[u8], hash: B256) -> CodeBytes {
        let mut padded = Vec::with_capacity(code.len() + CODE_PADDING_BYTES);
        padded.extend_from_slice(code);
        padded.resize(code.len() + CODE_PADDING_BYTES, 0);
        CodeBytes { hash, padded: padded.into(), len: code.len() }
    }

    /// Hashes the code.
    pub fn new(code: &[u8]) -> CodeBytes {
        Self::with_hash(code, keccak256(code))
    }

    /// The code itself.
    pub fn code(&self) -> Bytes {
        self.padded.slice(..self.len)
    }

    /// The code itself, borrowed.
    pub fn as_slice(&self) -> &[u8] {
        &self.padded[..self.len]
    }

    /// It has the form of an EIP-7702 designator.
    pub fn is_designator(&self) -> bool {
        self.delegate().is_some()
    }

    /// The target, if this is an EIP-7702 designator.
    fn delegate(&self) -> Option<Address> {
        delegate_of(self.as_slice())
    }

    /// The code and the zeros that follow it.
    pub fn padded(&self) -> &[u8] {
        &self.padded
    }

    /// The device's entry, not compiled.
    pub fn entry(&self, spec: Spec) -> abi::Code {
        let delegate = self.delegate().filter(|_| spec.rules().has(Rule::Delegations));
        abi::Code {
            hash: hash_word(self.hash),
            bytes: self.padded.as_ptr() as u64,
            len: self.len as u32,
            flags: if delegate.is_some() { CODE_DELEGATION } else { 0 },
            delegate: delegate.unwrap_or_default().into_array(),
            ..Default::default()
        }
    }
}

/// The device's code array of one spec.
#[derive(Debug)]
pub struct CodeArray {
    /// The spec that its programs are compiled for.
    pub spec: Spec,
    column: Column<abi::Code>,
    /// Keeps the programs of the lasting ids alive; its lock is the right to fill them in.
    programs: Mutex<Programs>,
    /// The generation of programs that was looked at last.
    generation: AtomicU64,
}

#[derive(Debug, Default)]
struct Programs {
    whole: Vec<Arc<Program>>,
    /// By id.
    growing: HashMap<u32, Arc<Growing>>,
}

impl CodeArray {
    fn new(spec: Spec) -> Result<CodeArray, Error> {
        let entries = CODES_COUNT_MAX + WORKERS_COUNT_MAX * CODES_PER_TX_COUNT_MAX;
        let column =
            Column::zeroed(entries).ok_or(Error::Limit("no address space for the code table"))?;
        Ok(CodeArray { spec, column, programs: Mutex::default(), generation: AtomicU64::new(0) })
    }

    /// Where the kernels find it.
    pub fn address(&self) -> u64 {
        self.column.address()
    }

    fn field<T>(&self, id: u32, offset: usize) -> *mut T {
        assert!(id < self.column.capacity(), "code {id}");
        (self.column.address() as usize + id as usize * size_of::<abi::Code>() + offset) as *mut T
    }

    fn flags(&self, id: u32) -> &AtomicU32 {
        // SAFETY: aligned, inside the column, which lives as long as `self`; after publication the
        // field is only accessed atomically (kernels load it, `compiled` stores it).
        unsafe { AtomicU32::from_ptr(self.field(id, std::mem::offset_of!(abi::Code, flags))) }
    }

    /// Frames until a code is hot that is no designator.
    fn heat(&self, id: u32) -> &AtomicU32 {
        const { assert!(std::mem::offset_of!(abi::Code, delegate).is_multiple_of(4)) };
        // SAFETY: aligned, inside the column; kernels access it atomically as well.
        unsafe { AtomicU32::from_ptr(self.field(id, std::mem::offset_of!(abi::Code, delegate))) }
    }

    /// The id whose program runs in place of that of a code which is no designator.
    fn next(&self, id: u32) -> &AtomicU32 {
        // SAFETY: as above; written once, before the flag that lets kernels read it.
        unsafe {
            AtomicU32::from_ptr(self.field(id, std::mem::offset_of!(abi::Code, delegate) + 4))
        }
    }

    /// The hash of a published code.
    pub fn hash(&self, id: u32) -> B256 {
        // SAFETY: aligned and inside the column; never written after publication of the id.
        word_hash(unsafe { self.field::<Word>(id, std::mem::offset_of!(abi::Code, hash)).read() })
    }

    /// Fills in the program fields, then the flags.
    ///
    /// # Safety
    /// The caller holds the right to `id`: the lock, or it is a temporary id of its worker. The
    /// program outlives the id.
    unsafe fn compiled(&self, id: u32, program: &CodeProgram, frames: Option<u32>) {
        use std::mem::offset_of;
        let ([ops, consts, jump_table], entry) = program.addresses();
        // SAFETY: aligned and inside the column; kernels read these after they saw the flag.
        unsafe {
            self.field::<u64>(id, offset_of!(abi::Code, ops)).write(ops);
            self.field::<u64>(id, offset_of!(abi::Code, consts)).write(consts);
            self.field::<u64>(id, offset_of!(abi::Code, jump_table)).write(jump_table);
            self.field::<u32>(id, offset_of!(abi::Code, entry)).write(entry);
        }
        // A designator has its target there.
        let is_designator = self.flags(id).load(Ordering::Relaxed) & CODE_DELEGATION != 0;
        let counted = match frames.filter(|_| !is_designator) {
            Some(frames) => {
                self.heat(id).store(frames, Ordering::Relaxed);
                CODE_COUNTED
            }
            None => 0,
        };
        self.flags(id).fetch_or(CODE_COMPILED | counted, Ordering::Release);
    }

    /// Gives a lasting code its program. One that grows is hot after so many frames.
    pub fn set_program(&self, id: u32, program: CodeProgram, frames: Option<u32>) {
        let mut programs = lock(&self.programs);
        if self.flags(id).load(Ordering::Acquire) & CODE_COMPILED != 0 {
            return;
        }
        let frames = frames.filter(|_| program.growing().is_some());
        // SAFETY: the lock is held, and `programs` keeps the program.
        unsafe { self.compiled(id, &program, frames) };
        match program {
            CodeProgram::Whole(program) => programs.whole.push(program),
            CodeProgram::Growing(growing) => {
                programs.growing.insert(id, growing);
            }
        }
    }

    /// The program of a lasting code, if it grows.
    pub fn growing(&self, id: u32) -> Option<Arc<Growing>> {
        lock(&self.programs).growing.get(&id).cloned()
    }

    /// Whether frames on a code were counted down.
    pub fn is_hot(&self, id: u32) -> bool {
        let counted = self.flags(id).load(Ordering::Acquire) & CODE_COUNTED != 0;
        counted && self.heat(id).load(Ordering::Relaxed) == 0
    }

    /// Whether a lasting code turned out to be hot; says so once.
    pub fn heard_hot(&self, id: u32) -> bool {
        let before = self.flags(id).fetch_and(!CODE_COUNTED, Ordering::AcqRel);
        before & CODE_COMPILED != 0 && before & CODE_COUNTED != 0
    }

    /// A lasting code that was hot is counted anew.
    pub fn count_again(&self, id: u32, frames: u32) {
        self.heat(id).store(frames, Ordering::Relaxed);
        self.flags(id).fetch_or(CODE_COUNTED, Ordering::Release);
    }

    /// Frames that open from now on run better programs, where there are any. `generation` changes
    /// when there are; by it nobody looks twice.
    pub fn take_better(&self, codes: &Codes, generation: u64) {
        // Every transaction asks: no write where nothing is new.
        if self.generation.load(Ordering::Relaxed) == generation
            || self.generation.swap(generation, Ordering::AcqRel) == generation
        {
            return;
        }
        let mut programs = lock(&self.programs);
        let better = programs.growing.iter().filter(|(_, growing)| growing.better().is_some());
        let better = better.map(|(id, _)| *id);
        let better: Vec<u32> = better.collect();
        better.into_iter().for_each(|id| self.replace_with(codes, id, &mut programs));
    }

    /// Frames that open on a code from now on run its better program.
    pub fn replace(&self, codes: &Codes, id: u32) {
        self.replace_with(codes, id, &mut lock(&self.programs));
    }

    fn replace_with(&self, codes: &Codes, id: u32, programs: &mut Programs) {
        let better = programs.growing.get(&id).and_then(|growing| growing.better());
        let Some(program) = better.cloned() else { return };
        if self.flags(id).load(Ordering::Acquire) & (CODE_REPLACED | CODE_DELEGATION) != 0 {
            return;
        }
        // Without an id for it the code goes on as it is.
        let Some(next) = codes.another(id) else { return };
        // SAFETY: the lock is held, and `programs` keeps the program; nobody knows the new id until
        // the flag is set.
        unsafe {
            self.compiled(next, &CodeProgram::Whole(program.clone()), None);
        }
        self.next(id).store(next, Ordering::Relaxed);
        self.flags(id).fetch_or(CODE_REPLACED, Ordering::Release);
        programs.whole.push(program);
    }
}

#[derive(Debug, Default)]
struct Interned {
    by_hash: HashMap<B256, u32>,
    codes: Vec<CodeBytes>,
    arrays: Vec<Arc<CodeArray>>,
}

/// The codes of a state.
#[derive(Debug, Default)]
pub struct Codes(RwLock<Interned>);

impl Codes {
    /// With the empty code as id 0.
    pub fn new() -> Codes {
        let empty = CodeBytes::with_hash(&[], KECCAK256_EMPTY);
        Codes(RwLock::new(Interned {
            by_hash: HashMap::from([(KECCAK256_EMPTY, CODE_EMPTY)]),
            codes: vec![empty],
            arrays: Vec::new(),
        }))
    }

    /// The device's array for `spec`, with every code so far.
    pub fn array(&self, spec: Spec) -> Result<Arc<CodeArray>, Error> {
        let mut this = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(array) = this.arrays.iter().find(|array| array.spec == spec) {
            return Ok(array.clone());
        }
        let array = Arc::new(CodeArray::new(spec)?);
        for (id, code) in this.codes.iter().enumerate() {
            // SAFETY: nobody else knows the array yet.
            unsafe { array.column.write(id as u32, code.entry(spec)) };
        }
        array.set_program(CODE_EMPTY, CodeProgram::Whole(Arc::new(empty_program())), None);
        this.arrays.push(array.clone());
        Ok(array)
    }

    /// How many codes stay.
    pub fn count(&self) -> u32 {
        self.0.read().unwrap_or_else(PoisonError::into_inner).codes.len() as u32
    }

    /// The id of the code with this hash.
    pub fn find(&self, hash: B256) -> Option<u32> {
        if hash == KECCAK256_EMPTY || hash.is_zero() {
            return Some(CODE_EMPTY);
        }
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_hash.get(&hash).copied()
    }

    /// The bytes of a lasting code.
    pub fn get(&self, id: u32) -> Option<CodeBytes> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).codes.get(id as usize).cloned()
    }

    /// A lasting id for a code.
    pub fn intern(&self, code: CodeBytes) -> Result<u32, Error> {
        let mut this = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(&id) = this.by_hash.get(&code.hash) {
            return Ok(id);
        }
        let hash = code.hash;
        let id = this.add(code).ok_or(Error::Limit("codes of a state"))?;
        this.by_hash.insert(hash, id);
        Ok(id)
    }

    /// Another id for a code, which no account has: frames run it.
    fn another(&self, id: u32) -> Option<u32> {
        let mut this = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let code = this.codes.get(id as usize)?.clone();
        this.add(code)
    }
}

impl Interned {
    /// The next id.
    fn add(&mut self, code: CodeBytes) -> Option<u32> {
        let id = self.codes.len() as u32;
        if id >= CODES_COUNT_MAX {
            return None;
        }
        for array in &self.arrays {
            // SAFETY: the id is not known to anyone yet, and the write lock excludes other writers.
            unsafe { array.column.write(id, code.entry(array.spec)) };
        }
        self.codes.push(code);
        Some(id)
    }
}

/// The program of the empty code: stop at once.
pub fn empty_program() -> Program {
    use warpevm_compiler::program::OP_STOP;
    use warpevm_compiler::{Op, OpKind};
    let op = |kind: OpKind| Op { code: kind as u16, ..bytemuck::Zeroable::zeroed() };
    Program {
        ops: vec![op(OpKind::BadJump), op(OpKind::Stop)],
        entry: OP_STOP,
        ..Program::default()
    }
}

/// Numbers that are free.
static FREE_NUMBERS: Mutex<Vec<u32>> = Mutex::new(Vec::new());
static NEXT_NUMBER: Mutex<u32> = Mutex::new(0);

/// A worker's number while it lives: nobody else uses its range of ids.
#[derive(Debug)]
pub struct Number(u32);

impl Number {
    /// One that is free; fails when too many are taken.
    pub fn take() -> Result<Number, Error> {
        if let Some(number) = lock(&FREE_NUMBERS).pop() {
            return Ok(Number(number));
        }
        let mut next = lock(&NEXT_NUMBER);
        if *next >= WORKERS_COUNT_MAX {
            return Err(Error::Limit("workers of one process"));
        }
        *next += 1;
        Ok(Number(*next - 1))
    }

    /// The number.
    pub fn get(&self) -> u32 {
        self.0
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        lock(&FREE_NUMBERS).push(self.0);
    }
}

/// The temporary codes of the transaction that a worker runs.
#[derive(Debug)]
pub struct TempCodes {
    base: u32,
    codes: Vec<(CodeBytes, Option<CodeProgram>)>,
    ids: HashMap<B256, u32>,
}

/// A transaction has more codes than a worker has ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyCodes;

impl TempCodes {
    /// The range of worker number `worker`.
    pub fn new(worker: u32) -> TempCodes {
        assert!(worker < WORKERS_COUNT_MAX);
        let base = TEMP_BASE + worker * CODES_PER_TX_COUNT_MAX;
        TempCodes { base, codes: Vec::new(), ids: HashMap::new() }
    }

    /// The first id of the range.
    pub fn base(&self) -> u32 {
        self.base
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.codes.len()
    }

    /// Forgets all but the first `len`.
    pub fn truncate(&mut self, len: usize) {
        while self.codes.len() > len {
            let last = self.codes.pop();
            last.and_then(|(code, _)| self.ids.remove(&code.hash));
        }
    }

    /// The id of a code, a new one if there is no equal code.
    pub fn add(&mut self, array: &CodeArray, code: CodeBytes) -> Result<u32, TooManyCodes> {
        if let Some(id) = self.ids.get(&code.hash) {
            return Ok(*id);
        }
        if self.codes.len() >= CODES_PER_TX_COUNT_MAX as usize {
            return Err(TooManyCodes);
        }
        let id = self.base + self.codes.len() as u32;
        // SAFETY: the id belongs to this worker, whose instance does not run now.
        unsafe { array.column.write(id, code.entry(array.spec)) };
        self.ids.insert(code.hash, id);
        self.codes.push((code, None));
        Ok(id)
    }

    /// Gives a code its program.
    pub fn set_program(&mut self, array: &CodeArray, id: u32, program: CodeProgram) {
        if let Some(entry) = self.codes.get_mut(id.wrapping_sub(self.base) as usize) {
            // SAFETY: the id belongs to this worker; the entry keeps the program as long as the id.
            unsafe { array.compiled(id, &program, None) };
            entry.1 = Some(program);
        }
    }

    /// The program of a temporary code, if it has one.
    pub fn program(&self, id: u32) -> Option<&CodeProgram> {
        self.codes.get(id.checked_sub(self.base)? as usize)?.1.as_ref()
    }

    /// The bytes of a temporary code.
    pub fn get(&self, id: u32) -> Option<&CodeBytes> {
        self.codes.get(id.checked_sub(self.base)? as usize).map(|(code, _)| code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_codes_share_an_id_and_arrays_of_all_specs_see_them() {
        let codes = Codes::new();
        let before = codes.array(Spec::Cancun).expect("array");
        let id = codes.intern(CodeBytes::new(&[0x60, 1])).expect("intern");
        assert_eq!(codes.intern(CodeBytes::new(&[0x60, 1])).expect("intern"), id);
        let after = codes.array(Spec::Osaka).expect("array");
        for array in [before, after] {
            let entry = array.column.get(id);
            assert_eq!((entry.len, entry.flags), (2, 0));
            assert_eq!(array.hash(id), keccak256([0x60, 1]));
            assert_eq!(array.column.get(CODE_EMPTY).flags, CODE_COMPILED);
        }
        assert_eq!(codes.find(keccak256([0x60, 1])), Some(id));
        assert_eq!(codes.find(B256::ZERO), Some(CODE_EMPTY));
    }

    #[test]
    fn designators_delegate_from_prague_on() {
        let mut code = vec![0xef, 1, 0];
        code.extend([7; 20]);
        let code = CodeBytes::new(&code);
        assert_eq!(code.entry(Spec::Cancun).flags, 0);
        assert_eq!(code.entry(Spec::Prague).flags, CODE_DELEGATION);
        assert_eq!(code.entry(Spec::Prague).delegate, [7; 20]);
        assert_eq!(CodeBytes::new(&[0xef, 1, 0, 7]).entry(Spec::Osaka).flags, 0);
    }

    #[test]
    fn temporary_ids_are_reused() {
        let array = Codes::new().array(Spec::Osaka).expect("array");
        let mut temps = TempCodes::new(3);
        let a = temps.add(&array, CodeBytes::new(&[1])).expect("room");
        temps.set_program(&array, a, CodeProgram::Whole(Arc::new(empty_program())));
        assert_eq!(array.column.get(a).flags, CODE_COMPILED);
        assert_eq!(temps.add(&array, CodeBytes::new(&[1])), Ok(a), "an equal code");
        temps.truncate(0);
        let b = temps.add(&array, CodeBytes::new(&[2])).expect("room");
        assert_eq!((a, array.column.get(b).flags), (b, 0));
        assert_eq!(temps.add(&array, CodeBytes::new(&[1])), Ok(b + 1), "forgotten");
        temps.truncate(1);
        assert!(temps.get(b + 1).is_none() && temps.get(0).is_none());
    }
}
