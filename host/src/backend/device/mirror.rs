//! A state's table and codes, copied to a device.
//!
//! The dense arrays are the host's; the device builds their hash indexes itself. The copy changes
//! only while no kernel reads it: launches hold it for reading until they are over. Entries of
//! temporary codes belong to one lane each, which writes them itself.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use bytemuck::{Pod, bytes_of, cast_slice};
use revm::DatabaseRef;
use warpevm_compiler::Program;
use warpevm_kernels::abi::{CODE_COMPILED, CODE_EMPTY, Code, Job, Launch, TableAccount, TableSlot};
use warpevm_kernels::sources::Kernel;

use super::driver::{AnyDriver, DriverError, Space, Stream};
use super::memory::{DeviceBuffer, Staging, upload};
use crate::code::ids::{CodeBytes, TEMP_BASE, empty_program};
use crate::instance::session::Session;
use crate::limits::{CODES_PER_TX_COUNT_MAX, COMPACT_CODES_START_COUNT};
use crate::state::table::{Table, Touched};
use crate::types::Spec;

static NEXT_GENERATION: AtomicU64 = AtomicU64::new(0);
static NEXT_FOLLOWER: AtomicU64 = AtomicU64::new(1);

/// Bytes of a piece of a [`CodeArena`].
const ARENA_BYTES: u64 = 4 << 20;

/// What a stream of work needs at hand.
pub struct Io<'a> {
    /// The device.
    pub driver: &'a AnyDriver,
    /// The stream.
    pub stream: Stream,
    /// For uploads.
    pub staging: &'a mut Staging,
}

/// Bytes on their way to the device.
#[derive(Default)]
pub struct Pieces {
    bytes: Vec<u8>,
    pieces: Vec<(u64, usize, usize)>,
}

impl Pieces {
    /// Adds bytes for an address.
    pub fn add(&mut self, to: u64, bytes: &[u8]) {
        self.pieces.push((to, self.bytes.len(), bytes.len()));
        self.bytes.extend_from_slice(bytes);
    }

    /// There is nothing.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Queues the copies.
    ///
    /// # Safety
    /// The addresses are valid; the staging memory is left alone until the stream is synchronised.
    pub unsafe fn send(&self, io: &mut Io<'_>) -> Result<(), DriverError> {
        let staged = io.staging.take(self.bytes.len())?;
        staged.copy_from_slice(&self.bytes);
        for (to, start, len) in &self.pieces {
            // SAFETY: by the caller's promise.
            unsafe { upload(io.driver, io.stream, *to, &staged[*start..*start + *len])? };
        }
        Ok(())
    }
}

/// Device memory for codes that is given out piece by piece and taken back at once.
pub struct CodeArena {
    driver: AnyDriver,
    buffers: Vec<DeviceBuffer>,
    /// The one that is being filled.
    current: usize,
    used: u64,
}

impl CodeArena {
    /// Nothing yet.
    pub fn new(driver: &AnyDriver) -> CodeArena {
        CodeArena { driver: driver.clone(), buffers: Vec::new(), current: 0, used: 0 }
    }

    /// Takes everything back. Nothing on the device uses it any more.
    pub fn reset(&mut self) {
        (self.current, self.used) = (0, 0);
    }

    fn alloc(&mut self, bytes: u64) -> Result<u64, DriverError> {
        loop {
            if let Some(buffer) = self.buffers.get(self.current) {
                let at = self.used.next_multiple_of(64);
                if at + bytes <= buffer.bytes() {
                    self.used = at + bytes;
                    return Ok(buffer.address() + at);
                }
                (self.current, self.used) = (self.current + 1, 0);
                continue;
            }
            let mut buffer = DeviceBuffer::new(&self.driver, Space::Code);
            // SAFETY: it is new.
            unsafe { buffer.reserve(bytes.max(ARENA_BYTES))? };
            self.buffers.push(buffer);
        }
    }

    /// Puts bytes on the device.
    pub fn put(&mut self, bytes: &[u8], pieces: &mut Pieces) -> Result<u64, DriverError> {
        let to = self.alloc(bytes.len() as u64)?;
        pieces.add(to, bytes);
        Ok(to)
    }

    /// Puts a program on the device and into its code's entry.
    pub fn put_program(
        &mut self,
        entry: &mut Code,
        program: &Program,
        pieces: &mut Pieces,
    ) -> Result<(), DriverError> {
        let consts: Vec<[u64; 4]> = program.consts.iter().map(|c| c.into_limbs()).collect();
        entry.ops = self.put(cast_slice(&program.ops), pieces)?;
        entry.consts = self.put(cast_slice(&consts), pieces)?;
        entry.jump_table = self.put(cast_slice(&program.jump_table), pieces)?;
        entry.entry = program.entry;
        entry.flags |= CODE_COMPILED;
        Ok(())
    }

    /// Puts a code without its program on the device.
    pub fn put_code(
        &mut self,
        code: &CodeBytes,
        spec: Spec,
        pieces: &mut Pieces,
    ) -> Result<Code, DriverError> {
        let bytes = self.put(code.padded(), pieces)?;
        Ok(Code { bytes, len: code.as_slice().len() as u32, ..code.entry(spec) })
    }
}

/// A dense array and its hash index.
struct Array {
    entries: DeviceBuffer,
    index: DeviceBuffer,
    /// Entries that there is room for, and that are there.
    capacity: u32,
    len: u32,
}

impl Array {
    fn new(driver: &AnyDriver) -> Array {
        let buffer = || DeviceBuffer::new(driver, Space::State);
        Array { entries: buffer(), index: buffer(), capacity: 0, len: 0 }
    }

    /// Makes it as large as the host's, and queues the copies of what it lacks.
    ///
    /// # Safety
    /// No kernel reads it.
    unsafe fn append<T: Pod>(
        &mut self,
        io: &Io<'_>,
        capacity: u32,
        len: u32,
        entry: impl Fn(u32) -> T,
        pieces: &mut Pieces,
    ) -> Result<(), DriverError> {
        if capacity > self.capacity {
            self.len = 0;
            // SAFETY: by the caller's promise.
            unsafe {
                self.entries.reserve(u64::from(capacity) * size_of::<T>() as u64)?;
                self.index.reserve(u64::from(capacity) * 8)?;
                io.driver.zero(io.stream, self.index.address(), u64::from(capacity) * 8)?;
            }
            self.capacity = capacity;
        }
        if len > self.len {
            let to = self.entries.address() + u64::from(self.len) * size_of::<T>() as u64;
            let new: Vec<T> = (self.len..len).map(entry).collect();
            pieces.add(to, cast_slice(&new));
        }
        Ok(())
    }

    fn mask(&self) -> u32 {
        // Twice as long as the entries, as on the host.
        (self.capacity * 2).wrapping_sub(1)
    }
}

struct MirrorState {
    accounts: Array,
    slots: Array,
    /// `Code`s: lasting ones, then each lane's range.
    codes: DeviceBuffer,
    /// The lasting ones as the device has them.
    entries: Vec<Code>,
    compiled: HashSet<u32>,
    /// Every program that was wanted: frames that run must find theirs after a new beginning.
    programs: HashMap<u32, Arc<Program>>,
    arena: CodeArena,
    /// For records on their way to their places.
    scratch: DeviceBuffer,
    /// False while a change is under way: an error left it half done.
    whole: bool,
    /// Another number for other buffers.
    generation: u64,
}

impl MirrorState {
    fn new(driver: &AnyDriver) -> MirrorState {
        MirrorState {
            accounts: Array::new(driver),
            slots: Array::new(driver),
            codes: DeviceBuffer::new(driver, Space::Code),
            entries: Vec::new(),
            compiled: HashSet::new(),
            programs: HashMap::new(),
            arena: CodeArena::new(driver),
            scratch: DeviceBuffer::new(driver, Space::State),
            whole: false,
            generation: NEXT_GENERATION.fetch_add(1, Ordering::Relaxed),
        }
    }
}

/// Where the entry of a code stands, by its id.
#[derive(Clone, Copy)]
enum Order {
    /// At the place of its id.
    ById,
    /// This many temporary ones first, from the last on, then the lasting ones.
    Compact(u32),
}

impl Order {
    /// Its place in the code array.
    fn place(self, id: u32) -> u32 {
        match self {
            Order::Compact(temps) if id >= TEMP_BASE => temps - 1 - (id - TEMP_BASE),
            Order::Compact(temps) => temps + id,
            Order::ById => id,
        }
    }

    /// Entries of an array for so many lasting codes and as many temporary ones as there may be.
    fn entries(self, lasting: u32, temps: u32) -> u32 {
        match self {
            Order::Compact(_) => temps + lasting.next_power_of_two().max(COMPACT_CODES_START_COUNT),
            Order::ById => TEMP_BASE + temps,
        }
    }
}

/// The copy of one state, for one spec.
pub struct Mirror {
    /// The table and the spec.
    pub key: (u64, Spec),
    follower: u64,
    /// Temporary codes of all lanes, from `TEMP_BASE` on.
    temps: u32,
    order: Order,
    inner: RwLock<MirrorState>,
}

/// Held while kernels read the copy.
pub struct Reading<'m>(RwLockReadGuard<'m, MirrorState>, Order);

impl Reading<'_> {
    /// Changes when everything that lanes put into the code array is gone.
    pub fn generation(&self) -> u64 {
        self.0.generation
    }

    /// Fills in the launch.
    pub fn describe(&self, launch: &mut Launch) {
        launch.accounts = self.0.accounts.entries.address();
        launch.account_index = self.0.accounts.index.address();
        launch.account_mask = self.0.accounts.mask();
        launch.slots = self.0.slots.entries.address();
        launch.slot_index = self.0.slots.index.address();
        launch.slot_mask = self.0.slots.mask();
        // The first lasting one.
        launch.codes = self.code_address(CODE_EMPTY);
    }

    /// Where a code's entry stands.
    pub fn code_address(&self, id: u32) -> u64 {
        entry_address(&self.0.codes, self.1, id)
    }
}

fn entry_address(codes: &DeviceBuffer, order: Order, id: u32) -> u64 {
    codes.address() + u64::from(order.place(id)) * size_of::<Code>() as u64
}

impl Mirror {
    /// Of nothing yet. `lanes` is above the number of every lane.
    pub fn new(driver: &AnyDriver, key: (u64, Spec), lanes: u32) -> Mirror {
        let temps = lanes * CODES_PER_TX_COUNT_MAX;
        let order = if driver.compact_codes() { Order::Compact(temps) } else { Order::ById };
        Mirror {
            key,
            follower: NEXT_FOLLOWER.fetch_add(1, Ordering::Relaxed),
            temps,
            order,
            inner: RwLock::new(MirrorState::new(driver)),
        }
    }

    /// The copy, up to date with the programs of `wanted`, for kernels to read.
    pub fn read<DB: DatabaseRef + Sync>(
        &self,
        io: &mut Io<'_>,
        session: &Session<'_, DB>,
        wanted: &[(u32, Arc<Program>)],
    ) -> Result<Reading<'_>, DriverError> {
        loop {
            self.sync(io, session, &session.state.table(), wanted)?;
            let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
            // Another lane may have failed to change it meanwhile, or have begun it anew.
            if inner.whole && wanted.iter().all(|(id, _)| inner.compiled.contains(id)) {
                return Ok(Reading(inner, self.order));
            }
        }
    }

    /// Brings the copy up to date, with the programs of `wanted`. Returns when it is.
    fn sync<DB: DatabaseRef + Sync>(
        &self,
        io: &mut Io<'_>,
        session: &Session<'_, DB>,
        table: &Table,
        wanted: &[(u32, Arc<Program>)],
    ) -> Result<(), DriverError> {
        if self.is_current(session, table, wanted) {
            return Ok(());
        }
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *inner;
        if !inner.whole {
            let programs = std::mem::take(&mut inner.programs);
            *inner = MirrorState { programs, ..MirrorState::new(io.driver) };
        }
        inner.programs.extend(wanted.iter().cloned());
        inner.whole = false;
        let result = self.update(inner, io, session, table);
        // Also after an error nothing may be under way when the lock is let go.
        let over = io.driver.synchronize(io.stream);
        result.and(over)?;
        inner.whole = true;
        Ok(())
    }

    fn update<DB: DatabaseRef + Sync>(
        &self,
        inner: &mut MirrorState,
        io: &mut Io<'_>,
        session: &Session<'_, DB>,
        table: &Table,
    ) -> Result<(), DriverError> {
        let changes = table.changes_for(self.follower);
        if changes.is_none() {
            (inner.accounts.capacity, inner.slots.capacity) = (0, 0);
        }
        let codes = |inner: &mut MirrorState, pieces: &mut Pieces| {
            self.update_codes(inner, session, pieces)
        };
        // SAFETY: the write lock is held: no kernel reads the copy. All addresses are of buffers
        // that live in `inner`; everything is over before it is let go.
        unsafe { update_table(inner, io, table, changes.unwrap_or_default(), codes) }
    }

    fn is_current<DB: DatabaseRef + Sync>(
        &self,
        session: &Session<'_, DB>,
        table: &Table,
        wanted: &[(u32, Arc<Program>)],
    ) -> bool {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.whole
            && inner.accounts.len == table.account_count()
            && inner.slots.len == table.slot_count()
            && inner.entries.len() as u32 == session.state.codes().count()
            && wanted.iter().all(|(id, _)| inner.compiled.contains(id))
            && table.has_none_for(self.follower)
    }

    fn update_codes<DB: DatabaseRef + Sync>(
        &self,
        inner: &mut MirrorState,
        session: &Session<'_, DB>,
        pieces: &mut Pieces,
    ) -> Result<(), DriverError> {
        let spec = session.spec();
        let count = session.state.codes().count();
        let entries = self.order.entries(count, self.temps);
        let bytes = u64::from(entries) * size_of::<Code>() as u64;
        let mut known = inner.entries.len() as u32;
        // What nobody has written nobody reads: ids come from entries that are there.
        // SAFETY: the caller holds the write lock.
        if unsafe { inner.codes.reserve(bytes)? } {
            // Another array: lanes put their codes there again.
            inner.generation = NEXT_GENERATION.fetch_add(1, Ordering::Relaxed);
            known = 0;
        }
        let address = |id: u32| entry_address(&inner.codes, self.order, id);
        for id in inner.entries.len() as u32..count {
            let code = session.state.codes().get(id);
            let code = code.ok_or_else(|| DriverError::Failed(format!("no code {id}")))?;
            let mut entry = inner.arena.put_code(&code, spec, pieces)?;
            if id == CODE_EMPTY {
                inner.arena.put_program(&mut entry, &empty_program(), pieces)?;
                inner.compiled.insert(id);
            }
            inner.entries.push(entry);
        }
        let new = &inner.entries[known as usize..];
        if !new.is_empty() {
            pieces.add(address(known), cast_slice(new));
        }
        for (id, program) in &inner.programs {
            let Some(entry) = inner.entries.get_mut(*id as usize) else {
                return Err(DriverError::Failed(format!("no code {id}")));
            };
            if inner.compiled.insert(*id) {
                inner.arena.put_program(entry, program, pieces)?;
                pieces.add(address(*id), bytes_of(entry));
            }
        }
        Ok(())
    }
}

/// Queues what makes the device's table the host's, which others may change meanwhile. `codes` adds
/// the codes.
///
/// # Safety
/// No kernel reads the copy, and nobody changes it until the stream is synchronised.
unsafe fn update_table(
    inner: &mut MirrorState,
    io: &mut Io<'_>,
    table: &Table,
    changes: Touched,
    codes: impl FnOnce(&mut MirrorState, &mut Pieces) -> Result<(), DriverError>,
) -> Result<(), DriverError> {
    let mut pieces = Pieces::default();
    let (accounts, slots) = table.capacity();
    let (account_len, slot_len) = (table.account_count(), table.slot_count());
    // SAFETY: by the caller's promise.
    unsafe {
        let entry = |i| table.account(i);
        inner.accounts.append(io, accounts, account_len, entry, &mut pieces)?;
        inner.slots.append(io, slots, slot_len, |i| table.slot(i), &mut pieces)?;
    }
    let (old_accounts, old_slots) = (inner.accounts.len, inner.slots.len);
    let places = |list: Vec<u32>, len: u32| -> Vec<u32> {
        let mut list: Vec<u32> = list.into_iter().filter(|i| *i < len).collect();
        list.sort_unstable();
        list.dedup();
        list
    };
    let account_places = places(changes.accounts, old_accounts);
    let slot_places = places(changes.slots, old_slots);
    let account_records: Vec<TableAccount> =
        account_places.iter().map(|i| table.account(*i)).collect();
    let slot_records: Vec<TableSlot> = slot_places.iter().map(|i| table.slot(*i)).collect();
    // After the accounts, so that those have no code that the device lacks: a code is there before
    // an account has it.
    fence(Ordering::Acquire);
    codes(inner, &mut pieces)?;
    let parts: [&[u8]; 4] = [
        cast_slice(&account_records),
        cast_slice(&slot_records),
        cast_slice(&account_places),
        cast_slice(&slot_places),
    ];
    let total: usize = parts.iter().map(|part| part.len()).sum();
    // SAFETY: by the caller's promise.
    unsafe { inner.scratch.reserve(total as u64)? };
    let mut at = inner.scratch.address();
    let addresses = parts.map(|part| {
        let start = at;
        if !part.is_empty() {
            pieces.add(start, part);
        }
        at += part.len() as u64;
        start
    });
    let mut launch = Launch { hash_seed: table.seed(), ..Default::default() };
    launch.accounts = inner.accounts.entries.address();
    launch.account_index = inner.accounts.index.address();
    launch.account_mask = inner.accounts.mask();
    launch.slots = inner.slots.entries.address();
    launch.slot_index = inner.slots.index.address();
    launch.slot_mask = inner.slots.mask();
    let index = |from: u32, to: u32| Job { size: from, count: to - from, ..Default::default() };
    let scatter = |records: u64, places: u64, to: u64, size: usize, count: usize| Job {
        records,
        places,
        to,
        size: size as u32,
        count: count as u32,
        ..Default::default()
    };
    let [a_records, s_records, a_places, s_places] = addresses;
    let (a_size, s_size) = (size_of::<TableAccount>(), size_of::<TableSlot>());
    let (a_to, s_to) = (launch.accounts, launch.slots);
    let jobs = [
        (Kernel::IndexAccounts, index(old_accounts, account_len)),
        (Kernel::IndexSlots, index(old_slots, slot_len)),
        (Kernel::Scatter, scatter(a_records, a_places, a_to, a_size, account_places.len())),
        (Kernel::Scatter, scatter(s_records, s_places, s_to, s_size, slot_places.len())),
    ];
    // SAFETY: by the caller's promise; the addresses are of buffers with room for what is there.
    unsafe {
        pieces.send(io)?;
        for (kernel, job) in jobs.into_iter().filter(|(_, job)| job.count > 0) {
            io.driver.launch(io.stream, kernel, &launch, &job)?;
        }
    }
    (inner.accounts.len, inner.slots.len) = (account_len, slot_len);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_code_has_a_place_of_its_own() {
        const TEMPS: u32 = 3 * CODES_PER_TX_COUNT_MAX;
        for (order, first) in [(Order::ById, 0), (Order::Compact(TEMPS), TEMPS)] {
            let entries = order.entries(5000, TEMPS);
            let ids = (0..5000).chain(TEMP_BASE..TEMP_BASE + TEMPS);
            let places: HashSet<u32> = ids.map(|id| order.place(id)).collect();
            assert_eq!(places.len() as u32, 5000 + TEMPS);
            assert!(places.iter().all(|place| *place < entries));
            assert_eq!(order.place(0), first);
        }
        // As `code_entry` of shaders/wgsl/bindings.wgsl has it.
        assert_eq!(Order::Compact(TEMPS).place(TEMP_BASE + 7), TEMPS - 8);
    }
}
