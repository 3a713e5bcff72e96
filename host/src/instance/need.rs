//! What a suspended instance gets. Each need is met here once, for every device.
//!
//! A worker of the CPU acts on an [`Answer`] at once; a device's lane gathers those of a round, so
//! that each account, slot and program travels once.

use std::sync::Arc;
use std::time::Instant;

use alloy_primitives::Bytes;
use revm::DatabaseRef;
use warpevm_compiler::Program;
use warpevm_compiler::precompile;
use warpevm_kernels::abi::{self, Addr, CODE_EMPTY, Instance, Layout, Need, Region, Status, Word};

use crate::code::CodeProgram;
use crate::code::ids::{CodeBytes, TempCodes, hash_word};
use crate::error::Error;
use crate::instance::encode::{CodeSink, NotEncoded};
use crate::instance::layout::capacity;
use crate::instance::precompiles;
use crate::instance::session::{Hold, Session};
use crate::instance::view::View;
use crate::report::Counts;
use crate::state::PageError;
use crate::types::Transaction;

/// What becomes of an instance that needs something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It goes on with these values in its head and, if there are any, these bytes as return data.
    Resume(abi::Answer, Option<Bytes>),
    /// It goes on once this is in the table.
    Page(Page),
    /// It goes on once this lasting code has its program ([`Server::provide`], or
    /// [`Server::device_program`]).
    Program(u32),
    /// It goes on after the kernel of the precompile with this number.
    Kernel(u32),
    /// It starts again in a memory class whose region has so many entries.
    Restart(Region, u32),
    /// Its codes are more than there are ids for.
    Leave,
}

/// An account, or a slot of it, that the table lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Page {
    /// The account.
    pub addr: Addr,
    /// The slot; `None`: only the account.
    pub key: Option<Word>,
}

impl Page {
    /// An account.
    pub fn account(addr: Addr) -> Page {
        Page { addr, key: None }
    }
}

/// Where the bytes are that an instance points to.
#[derive(Clone, Copy)]
pub enum Shown<'a> {
    /// In its memory, or in the data of the launch.
    Memory(View<'a>, &'a [u8]),
    /// Packed behind its head, and nothing else.
    Packed(&'a [u8]),
}

impl<'a> Shown<'a> {
    fn input(self, asked: &Instance) -> Option<&'a [u8]> {
        let (offset, len) = (asked.need_off, asked.need_len);
        match self {
            Shown::Packed(bytes) => bytes.get(..len as usize),
            Shown::Memory(view, _) if asked.need_in_data == 0 => view.bytes(offset, len),
            Shown::Memory(_, data) => data.get(offset as usize..offset as usize + len as usize),
        }
    }

    fn return_data(self, asked: &Instance) -> Option<&'a [u8]> {
        match self {
            Shown::Packed(bytes) => bytes.get(..asked.ret_len as usize),
            Shown::Memory(view, _) => Some(view.return_data()),
        }
    }
}

/// Serves the needs of instances that share a range of code ids.
pub struct Server<'a, 's, DB> {
    /// The session.
    pub session: &'a Session<'s, DB>,
    /// The codes that transactions bring and make.
    pub temps: &'a mut TempCodes,
    /// Where needs and times are counted.
    pub counts: &'a mut Counts,
    /// The instances run on a device, whose programs are whole.
    pub on_device: bool,
}

impl<DB: DatabaseRef + Sync> Server<'_, '_, DB> {
    /// What becomes of an instance that suspended. `last` is what it needed before.
    pub fn serve(
        &mut self,
        asked: &Instance,
        last: &mut Instance,
        shown: Shown<'_>,
        layout: &Layout,
    ) -> Result<Answer, Error> {
        let need = Need::from_u32(asked.need)
            .ok_or_else(|| Error::Bug(format!("an instance needs {}", asked.need)))?;
        // A code that turns out to be hot is there.
        let is_hot =
            need == Need::Code && !self.on_device && self.session.codes.is_hot(asked.need_code);
        if is_stuck(&std::mem::replace(last, *asked), asked) && !is_hot {
            return Err(Error::Bug(format!("need {need:?} is not met")));
        }
        self.counts.suspensions[need as usize] += 1;
        let cut = || Error::Bug(format!("what {need:?} points to is out of bounds"));
        let page = |key| Answer::Page(Page { addr: asked.need_addr, key });
        let answer = match need {
            Need::Nothing => {
                return Err(Error::Bug("an instance suspends for nothing".to_owned()));
            }
            Need::Account => page(None),
            Need::Slot => page(Some(asked.need_key)),
            Need::Code => self.called(asked.need_code)?,
            Need::InitCode => self.made(shown.input(asked).ok_or_else(cut)?, true),
            Need::Deploy => self.made(shown.return_data(asked).ok_or_else(cut)?, false),
            Need::BlockHash => {
                let resume_word = block_hash(self.session, asked)?;
                Answer::Resume(abi::Answer { resume_word, ..Default::default() }, None)
            }
            Need::Precompile => self.precompile(asked, shown.input(asked).ok_or_else(cut)?, layout),
            Need::Kernel => Answer::Kernel(asked.need_code),
            Need::Class => {
                let region = Region::from_u32(asked.need_code)
                    .ok_or_else(|| Error::Bug(format!("no region {}", asked.need_code)))?;
                Answer::Restart(region, asked.need_len)
            }
            Need::Steps => Answer::Resume(abi::Answer::default(), None),
            Need::Lower => self.lower(asked.need_code, asked.need_off)?,
        };
        Ok(answer)
    }

    /// A temporary code gets its program at once; a lasting one is for whoever asks.
    fn called(&mut self, id: u32) -> Result<Answer, Error> {
        let Some(code) = self.temps.get(id).cloned() else {
            return Ok(Answer::Program(id));
        };
        let program = self.compiled(&code);
        self.temps.set_program(&self.session.codes, id, program);
        Ok(Answer::Resume(abi::Answer::default(), None))
    }

    fn code_of(&self, id: u32) -> Result<CodeBytes, Error> {
        let code = self.session.code_view(self.temps).get(id);
        code.ok_or_else(|| Error::Bug(format!("no code {id}")))
    }

    /// The whole program of a code.
    pub fn device_program(&mut self, id: u32) -> Result<Arc<Program>, Error> {
        let code = self.code_of(id)?;
        let start = Instant::now();
        let program = self.session.cache.device_program(&code, self.session.spec());
        self.counts.compile += start.elapsed();
        Ok(program)
    }

    /// Gives a lasting code its program on the CPU, or hears that it is hot.
    pub fn provide(&mut self, id: u32) -> Result<(), Error> {
        let code = self.code_of(id)?;
        let Session { codes, cache, .. } = self.session;
        if !codes.heard_hot(id) {
            let program = self.compiled(&code);
            codes.set_program(id, program, cache.frames_to_hot());
        } else if let Some(growing) = codes.growing(id) {
            let start = Instant::now();
            let taken = cache.heard_hot(&code, self.session.spec(), &growing);
            self.counts.compile += start.elapsed();
            if growing.better().is_some() {
                codes.replace(self.session.state.codes(), id);
            } else if let Some(frames) = cache.frames_to_hot().filter(|_| !taken) {
                codes.count_again(id, frames);
            }
        }
        Ok(())
    }

    fn compiled(&mut self, code: &CodeBytes) -> CodeProgram {
        let start = Instant::now();
        let (cache, spec) = (self.session.cache, self.session.spec());
        let program = match self.on_device {
            true => CodeProgram::Whole(cache.device_program(code, spec)),
            false => cache.program(code, spec),
        };
        self.counts.compile += start.elapsed();
        program
    }

    /// Lowers what op `at` of code `id` stands for.
    fn lower(&mut self, id: u32, at: u32) -> Result<Answer, Error> {
        let start = Instant::now();
        let growing = match self.temps.program(id) {
            Some(program) => program.growing().cloned(),
            None => self.session.codes.growing(id),
        };
        if !growing.is_some_and(|growing| self.session.cache.lower(&growing, at)) {
            return Err(Error::Bug(format!("op {at} of code {id} stands for nothing")));
        }
        self.counts.compile += start.elapsed();
        Ok(Answer::Resume(abi::Answer::default(), None))
    }

    /// An id for a code that a transaction brings or makes; `None`: there is none left. Equal codes
    /// share one. Init code gets its program at once, deployed code when it is called.
    fn make(&mut self, bytes: &[u8], is_init: bool) -> Option<u32> {
        if bytes.is_empty() {
            return Some(CODE_EMPTY);
        }
        let code = CodeBytes::new(bytes);
        if !is_init && let Some(id) = self.session.state.codes().find(code.hash) {
            return Some(id);
        }
        let id = self.temps.add(&self.session.codes, code.clone()).ok()?;
        if is_init && self.temps.program(id).is_none() {
            let program = self.compiled(&code);
            self.temps.set_program(&self.session.codes, id, program);
        }
        Some(id)
    }

    fn made(&mut self, bytes: &[u8], is_init: bool) -> Answer {
        match self.make(bytes, is_init) {
            Some(resume_code) => {
                Answer::Resume(abi::Answer { resume_code, ..Default::default() }, None)
            }
            None => Answer::Leave,
        }
    }

    /// Runs a precompile that the device does not take.
    fn precompile(&mut self, asked: &Instance, input: &[u8], layout: &Layout) -> Answer {
        let start = Instant::now();
        let (number, gas) = (asked.need_code, asked.need_gas);
        let ran = precompiles::run(self.session.spec(), number, input, gas);
        self.counts.host_precompiles += start.elapsed();
        let len = ran.output.len() as u32;
        if len > capacity(layout, Region::Return) {
            return Answer::Restart(Region::Return, len);
        }
        let values = abi::Answer {
            resume_ok: ran.ok.into(),
            resume_gas: ran.gas_used,
            host_precompiles: precompile::bit(number),
            ..Default::default()
        };
        Answer::Resume(values, Some(ran.output))
    }
}

impl<DB: DatabaseRef + Sync> CodeSink for Server<'_, '_, DB> {
    fn code(&mut self, code: &[u8], init: bool) -> Result<u32, NotEncoded> {
        self.make(code, init).ok_or(NotEncoded::TooLarge)
    }
}

/// Whether an instance is done after a launch; else it is suspended.
pub fn is_done(head: &Instance) -> Result<bool, Error> {
    match Status::from_u32(head.status) {
        Some(Status::Done) => Ok(true),
        Some(Status::Suspended) => Ok(false),
        _ => Err(Error::Bug(format!("status {} after a launch", head.status))),
    }
}

/// The instance asks for the same again, though it was served and nothing happened in between.
fn is_stuck(last: &Instance, now: &Instance) -> bool {
    let paged = [Need::Account, Need::Slot, Need::Code, Need::Lower].map(|need| need as u32);
    paged.contains(&now.need)
        && last.need == now.need
        && last.steps == now.steps
        && last.need_addr == now.need_addr
        && last.need_key == now.need_key
        && last.need_code == now.need_code
}

/// Puts an account or slot into the table.
pub fn page_in<DB: DatabaseRef + Sync>(hold: &mut Hold<'_, DB>, page: &Page) -> Result<(), Error> {
    let state = hold.state;
    loop {
        let table = hold.table();
        let paged = match &page.key {
            Some(key) => state.page_slot(table, &page.addr, key),
            None => state.page_account(table, &page.addr),
        };
        match paged {
            Ok(_) => return Ok(()),
            Err(PageError::Full(full)) => hold.grow(full)?,
            Err(PageError::Failed(error)) => return Err(error),
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
        for address in [Some(&tx.caller), tx.kind.to()].into_iter().flatten().copied() {
            let _ = page_in(hold, &Page::account(address.into_array()));
        }
    }
}

/// The block hash that an instance asks for.
fn block_hash<DB: DatabaseRef + Sync>(
    session: &Session<'_, DB>,
    asked: &Instance,
) -> Result<Word, Error> {
    let number = asked.need_key;
    let hash = match number[1..] {
        [0, 0, 0] => session.state.block_hash(number[0])?,
        _ => Default::default(),
    };
    Ok(hash_word(hash))
}
