//! What all transactions of one call of the engine share, and the host's answers to what instances
//! need.

use std::sync::{Arc, Mutex, RwLockReadGuard};
use std::time::Instant;

use revm::DatabaseRef;
use warpevm_compiler::precompile;
use warpevm_kernels::abi::{self, CODE_EMPTY, Instance, Layout, Need, Region};

use crate::code_cache::CodeCache;
use crate::decode::CodeView;
use crate::encode::{CodeSink, Encoder, NotEncoded, block_env};
use crate::error::Error;
use crate::instance::View;
use crate::precompiles;
use crate::report::Counts;
use crate::state::State;
use crate::state::codes::{CodeArray, CodeBytes, TempCodes, hash_word};
use crate::state::table::{Full, Table};
use crate::state::versions::Versions;
use crate::types::{Env, Spec, Transaction};

/// What all transactions of one call of the engine share.
pub struct Session<'s, DB> {
    /// The state they run on.
    pub state: &'s State<DB>,
    /// The environment as the caller gave it.
    pub env: &'s Env,
    /// The environment as the device reads it.
    pub block_env: abi::BlockEnv,
    /// Checks and prices.
    pub encoder: Encoder,
    /// The device's codes.
    pub codes: Arc<CodeArray>,
    /// Programs.
    pub cache: &'s CodeCache,
    /// The fee recipient's place in the table.
    pub coinbase: u32,
    /// Basic blocks until an instance suspends.
    pub step_budget: u64,
    /// The right to use the largest memory class, of which the machine may not hold two.
    pub largest: &'s Mutex<()>,
    /// What transactions that are not committed yet leave for others.
    pub versions: Option<Arc<Versions>>,
}

impl<'s, DB: DatabaseRef + Sync> Session<'s, DB> {
    /// Starts on `state`.
    pub fn new(
        env: &'s Env,
        state: &'s State<DB>,
        cache: &'s CodeCache,
        largest: &'s Mutex<()>,
        step_budget: u64,
    ) -> Result<Session<'s, DB>, Error> {
        let block_env = block_env(env)?;
        Ok(Session {
            state,
            env,
            encoder: Encoder::new(env),
            codes: state.codes().array(env.spec)?,
            cache,
            coinbase: state.account_index(&block_env.coinbase)?,
            block_env,
            step_budget,
            largest,
            versions: None,
        })
    }

    /// The spec.
    pub fn spec(&self) -> Spec {
        self.env.spec
    }

    /// The codes that an overlay may name.
    pub fn code_view<'a>(&'a self, temps: &'a TempCodes) -> CodeView<'a> {
        CodeView { array: &self.codes, lasting: self.state.codes(), temps }
    }

    /// The program of a code.
    pub fn compiled(&self, code: &CodeBytes) -> Arc<warpevm_compiler::Program> {
        self.cache.get(code.hash, code.as_slice(), self.spec())
    }
}

/// What of a block a transaction sees, where versions are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its place in the block: it reads what those before it left.
    pub order: u32,
    /// How many are committed.
    pub committed: u32,
}

impl<DB> Drop for Session<'_, DB> {
    fn drop(&mut self) {
        if let Some(versions) = &self.versions {
            versions.clear(&self.state.table());
        }
    }
}

/// A hold on the table: it does not move while a kernel runs, and moves when it must.
pub struct Hold<'s, DB> {
    state: &'s State<DB>,
    guard: Option<RwLockReadGuard<'s, Table>>,
}

impl<'s, DB: DatabaseRef + Sync> Hold<'s, DB> {
    /// Takes hold when first used.
    pub fn new(state: &'s State<DB>) -> Hold<'s, DB> {
        Hold { state, guard: None }
    }

    /// The table.
    pub fn table(&mut self) -> &Table {
        self.guard.get_or_insert_with(|| self.state.table())
    }

    /// Lets go.
    pub fn release(&mut self) {
        self.guard = None;
    }

    /// Lets go for a moment if another thread waits for it.
    pub fn breathe(&mut self) {
        if self.state.growth_wanted() {
            self.release();
        }
    }

    /// Makes room in the table, which it lets go meanwhile.
    pub fn grow(&mut self, full: Full) -> Result<(), Error> {
        self.release();
        self.state.grow(full)
    }
}

/// What the driver does after a need was served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// Launch again.
    Resume,
    /// Restart in a memory class whose `Region` has so many entries.
    Restart(Region, u32),
    /// No memory class will do.
    Fallback,
}

/// The codes of a worker's transaction as the encoder and the needs add to them.
pub struct Codes<'a, 's, DB> {
    /// The session.
    pub session: &'a Session<'s, DB>,
    /// The worker's range.
    pub temps: &'a mut TempCodes,
    /// Where compile time is counted.
    pub counts: &'a mut Counts,
}

impl<DB: DatabaseRef + Sync> Codes<'_, '_, DB> {
    fn add(&mut self, code: CodeBytes, compile: bool) -> Option<u32> {
        let id = self.temps.push(&self.session.codes, code.clone()).ok()?;
        if compile {
            self.compile(id, &code);
        }
        Some(id)
    }

    fn compile(&mut self, id: u32, code: &CodeBytes) {
        let start = Instant::now();
        let program = self.session.compiled(code);
        self.counts.compile += start.elapsed();
        if self.temps.get(id).is_some() {
            self.temps.set_program(&self.session.codes, id, program);
        } else {
            self.session.codes.set_program(id, program);
        }
    }
}

impl<DB: DatabaseRef + Sync> CodeSink for Codes<'_, '_, DB> {
    fn code(&mut self, code: &[u8], init: bool) -> Result<u32, NotEncoded> {
        if code.is_empty() {
            return Ok(CODE_EMPTY);
        }
        self.add(CodeBytes::new(code), init).ok_or(NotEncoded::TooLarge)
    }
}

fn head(memory: &mut [u8]) -> &mut Instance {
    bytemuck::from_bytes_mut(&mut memory[..size_of::<Instance>()])
}

/// Serves the need of a suspended instance; `data` is what its offsets into the launch's data mean.
pub fn serve<DB: DatabaseRef + Sync>(
    codes: &mut Codes<'_, '_, DB>,
    hold: &mut Hold<'_, DB>,
    memory: &mut [u8],
    layout: &Layout,
    data: &[u8],
) -> Result<Served, Error> {
    let asked = *head(memory);
    let need = Need::from_u32(asked.need)
        .ok_or_else(|| Error::Device(format!("an instance needs {}", asked.need)))?;
    codes.counts.suspensions[need as usize] += 1;
    match need {
        Need::Nothing => return Err(Error::Device("an instance suspends for nothing".to_owned())),
        // Only where precompiles are kernels of their own, which the device launches itself.
        Need::Kernel => return Err(Error::Device("a kernel was not launched".to_owned())),
        Need::Account | Need::Slot => {
            let start = Instant::now();
            page_in(hold, need, &asked)?;
            codes.counts.page_in += start.elapsed();
        }
        Need::Code => {
            let id = asked.need_code;
            let code = codes.session.code_view(codes.temps).get(id);
            let code = code.ok_or_else(|| Error::Device(format!("no code {id}")))?;
            codes.compile(id, &code);
        }
        Need::InitCode | Need::Deploy => {
            let view = View::new(memory, layout);
            let bytes = match need {
                Need::Deploy => Some(view.return_data()),
                _ => input(&view, &asked, data),
            };
            let bytes = bytes.ok_or_else(|| Error::Device("code out of bounds".to_owned()))?;
            let Some(id) = make_code(codes, bytes, need) else {
                return Ok(Served::Fallback);
            };
            head(memory).resume_code = id;
        }
        Need::BlockHash => {
            head(memory).resume_word = block_hash(codes.session, &asked)?;
        }
        Need::Precompile => return run_precompile(codes, memory, layout, data, &asked),
        Need::Class => {
            let region = Region::from_u32(asked.need_code)
                .ok_or_else(|| Error::Device(format!("no region {}", asked.need_code)))?;
            return Ok(Served::Restart(region, asked.need_len));
        }
        Need::Steps => {}
    }
    Ok(Served::Resume)
}

/// Puts the account or slot that an instance asks for into the table.
pub fn page_in<DB: DatabaseRef + Sync>(
    hold: &mut Hold<'_, DB>,
    need: Need,
    asked: &Instance,
) -> Result<(), Error> {
    let state = hold.state;
    loop {
        let table = hold.table();
        let paged = match need {
            Need::Slot => state.page_slot(table, &asked.need_addr, &asked.need_key),
            _ => state.page_account(table, &asked.need_addr),
        };
        match paged {
            Ok(_) => return Ok(()),
            Err(Ok(full)) => hold.grow(full)?,
            Err(Err(error)) => return Err(error),
        }
    }
}

/// Puts the accounts into the table that these transactions ask for first: senders and callees. It
/// is no promise: an account that the database does not give is asked for again by the transaction
/// that needs it, which then says why.
pub fn page_ahead<'t, DB: DatabaseRef + Sync>(
    hold: &mut Hold<'_, DB>,
    txs: impl Iterator<Item = &'t Transaction>,
) {
    for tx in txs {
        for address in [Some(&tx.caller), tx.kind.to()].into_iter().flatten() {
            let addr = address.into_array();
            if let Err(Ok(full)) = hold.state.page_account(hold.table(), &addr)
                && hold.grow(full).is_ok()
            {
                let _ = hold.state.page_account(hold.table(), &addr);
            }
        }
    }
}

/// The instance asks for the same again, though it was served and nothing happened in between.
pub fn stuck(last: &Instance, now: &Instance) -> bool {
    let paged = [Need::Account as u32, Need::Slot as u32, Need::Code as u32];
    paged.contains(&now.need)
        && last.need == now.need
        && last.steps == now.steps
        && last.need_addr == now.need_addr
        && last.need_key == now.need_key
        && last.need_code == now.need_code
}

/// The block hash that an instance asks for.
pub fn block_hash<DB: DatabaseRef + Sync>(
    session: &Session<'_, DB>,
    asked: &Instance,
) -> Result<abi::Word, Error> {
    let number = asked.need_key;
    let hash = match number[1..] {
        [0, 0, 0] => session.state.block_hash(number[0])?,
        _ => Default::default(),
    };
    Ok(hash_word(hash))
}

/// Init code gets its program at once; deployed code when it is called.
fn make_code<DB: DatabaseRef + Sync>(
    codes: &mut Codes<'_, '_, DB>,
    bytes: &[u8],
    need: Need,
) -> Option<u32> {
    let code = CodeBytes::new(bytes);
    let known = codes.session.state.codes().find(code.hash);
    match (need, known) {
        (_, Some(CODE_EMPTY)) => Some(CODE_EMPTY),
        (Need::Deploy, Some(id)) => Some(id),
        _ => codes.add(code, need == Need::InitCode),
    }
}

fn input<'a>(view: &View<'a>, asked: &Instance, data: &'a [u8]) -> Option<&'a [u8]> {
    let (offset, len) = (asked.need_off, asked.need_len);
    match asked.need_in_data {
        0 => view.bytes(offset, len),
        _ => data.get(offset as usize..offset as usize + len as usize),
    }
}

fn run_precompile<DB: DatabaseRef + Sync>(
    codes: &mut Codes<'_, '_, DB>,
    memory: &mut [u8],
    layout: &Layout,
    data: &[u8],
    asked: &Instance,
) -> Result<Served, Error> {
    let start = Instant::now();
    let view = View::new(memory, layout);
    let input = input(&view, asked, data)
        .ok_or_else(|| Error::Device("precompile input out of bounds".to_owned()))?;
    let answer = precompiles::run(codes.session.spec(), asked.need_code, input, asked.need_gas);
    codes.counts.host_precompiles += start.elapsed();
    let len = answer.output.len() as u32;
    if len > layout.return_cap {
        return Ok(Served::Restart(Region::Return, len));
    }
    let to = layout.return_off as usize;
    memory[to..to + len as usize].copy_from_slice(&answer.output);
    let head = head(memory);
    head.resume_ok = answer.ok.into();
    head.resume_gas = answer.gas_used;
    head.ret_len = len;
    head.host_precompiles |= precompile::bit(asked.need_code);
    Ok(Served::Resume)
}
