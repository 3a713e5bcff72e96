//! Running a kernel.

use std::collections::BTreeMap;

use crate::decode::{
    Access, Address, Atomic, Base, Compare, Dst, Inst, Join, Op, Place, Pred, PredDst, Space,
    Special, Src,
};
use crate::fault::Fault;
use crate::memory::Memory;
use crate::module::Kernel;

/// Bytes of a thread's own memory.
const LOCAL_BYTES: usize = 256 << 10;
/// Bytes of constant bank 0: what the driver gives a kernel, arguments among it.
const BANK0_BYTES: usize = 4096;
/// Where arguments begin in bank 0 (sm_90).
const ARGUMENTS_OFF: usize = 0x210;
/// Where bank 0 has the generic address of the arguments.
const ARGUMENTS_ADDRESS_OFF: usize = 0x198;
/// Where bank 0 has the threads of a block, the address of local memory, and its size.
const BLOCK_THREADS_OFF: usize = 0;
const LOCAL_ADDRESS_OFF: usize = 0x20;
const LOCAL_SIZE_OFF: usize = 0x28;
/// Register of zero.
const RZ: usize = 255;

/// A kernel that can be launched any number of times; it counts what it executes.
pub struct Launch<'k> {
    kernel: &'k Kernel,
    bank0: Vec<u8>,
    local: Vec<u64>,
    executed: Vec<u64>,
    /// Instructions that one thread may execute.
    pub limit: u64,
}

/// What was executed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Instructions.
    pub total: u64,
    /// The same by function of the source.
    pub by_function: BTreeMap<String, u64>,
    /// The same by name of the instruction.
    pub by_name: BTreeMap<String, u64>,
}

/// Registers of a lane and of its warp.
struct Lane<'l> {
    r: [u32; 256],
    u: [u32; 64],
    p: [bool; 8],
    up: [bool; 8],
    thread: u32,
    block: u32,
    pc: u32,
    banks: [&'l [u8]; 4],
}

/// Where to go on.
enum Next {
    Follow,
    Jump(u32),
    End,
}

impl<'k> Launch<'k> {
    /// Prepares a kernel.
    pub fn new(kernel: &'k Kernel) -> Launch<'k> {
        Launch {
            kernel,
            bank0: vec![0; BANK0_BYTES],
            local: vec![0xa5a5_a5a5_a5a5_a5a5; LOCAL_BYTES / 8],
            executed: vec![0; kernel.code.len()],
            limit: u64::MAX,
        }
    }

    /// Runs `blocks` times `threads` threads one after another. `arguments` is the kernel's
    /// argument block.
    pub fn run(
        &mut self,
        arguments: &[u8],
        blocks: u32,
        threads: u32,
        memory: &Memory,
    ) -> Result<(), Fault> {
        for block in 0..blocks {
            for thread in 0..threads {
                self.run_thread(arguments, block, thread, threads, memory)?;
            }
        }
        Ok(())
    }

    /// Runs one thread of a block of `threads`.
    pub fn run_thread(
        &mut self,
        arguments: &[u8],
        block: u32,
        thread: u32,
        threads: u32,
        memory: &Memory,
    ) -> Result<(), Fault> {
        let put = |bank: &mut [u8], at: usize, bytes: &[u8]| {
            bank[at..at + bytes.len()].copy_from_slice(bytes);
        };
        let local = self.local.as_mut_ptr() as u64;
        put(&mut self.bank0, BLOCK_THREADS_OFF, &threads.to_le_bytes());
        put(&mut self.bank0, LOCAL_ADDRESS_OFF, &local.to_le_bytes());
        put(&mut self.bank0, LOCAL_SIZE_OFF, &(LOCAL_BYTES as u32).to_le_bytes());
        put(&mut self.bank0, ARGUMENTS_OFF, arguments);
        let arguments = self.bank0[ARGUMENTS_OFF..].as_ptr() as u64;
        put(&mut self.bank0, ARGUMENTS_ADDRESS_OFF, &arguments.to_le_bytes());
        self.thread(block, thread, memory)
    }

    /// What was executed since the start.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        let functions = &self.kernel.functions;
        for (at, executed) in self.executed.iter().enumerate().filter(|(_, n)| **n > 0) {
            let pc = 16 * at as u32;
            let function = functions.partition_point(|(start, _)| *start <= pc) - 1;
            let name = &self.kernel.names[self.kernel.code[at].name as usize];
            counts.total += executed;
            *counts.by_function.entry(functions[function].1.clone()).or_default() += executed;
            *counts.by_name.entry(name.clone()).or_default() += executed;
        }
        counts
    }

    fn thread(&mut self, block: u32, thread: u32, memory: &Memory) -> Result<(), Fault> {
        let [two, three] = &self.kernel.banks;
        let mut lane = Lane {
            r: [0; 256],
            u: [0; 64],
            p: [false; 8],
            up: [false; 8],
            thread,
            block,
            pc: 0,
            banks: [&self.bank0, &[], two, three],
        };
        let local = self.local.as_mut_ptr() as u64;
        let mut memory = memory.clone();
        let arguments = self.bank0[ARGUMENTS_OFF..].as_ptr() as u64;
        let arguments_len = (BANK0_BYTES - ARGUMENTS_OFF) as u64;
        // SAFETY: the lane's own memory and its arguments live as long as the launch, which no one
        // else uses; nobody writes into arguments, whose type is const.
        unsafe {
            memory.add_range(local, LOCAL_BYTES as u64);
            memory.add_range(arguments, arguments_len);
        }
        let mut left = self.limit;
        loop {
            let at = (lane.pc / 16) as usize;
            let Some(inst) = self.kernel.code.get(at) else {
                return Err(lane.broken("a jump out of the kernel"));
            };
            self.executed[at] += 1;
            match left.checked_sub(1) {
                Some(less) => left = less,
                None => return Err(Fault::Endless { thread, limit: self.limit }),
            }
            match lane.step(inst, local, &memory)? {
                Next::Follow => lane.pc += 16,
                Next::Jump(pc) => lane.pc = pc,
                Next::End => return Ok(()),
            }
        }
    }
}

fn pair(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// A 32-bit addend of a sum with carry: what is negated counts as its complement and one.
fn addend(value: u32, negated: bool) -> u64 {
    // `value` is negated already, but for the carry of zero.
    if negated { u64::from(!value.wrapping_neg()) + 1 } else { u64::from(value) }
}

impl Lane<'_> {
    fn broken(&self, why: &str) -> Fault {
        Fault::Instruction { thread: self.thread, pc: self.pc, why: why.to_owned() }
    }

    fn constant(&self, bank: u8, base: Base, off: u32, len: usize) -> u64 {
        let base = match base {
            Base::None => 0,
            Base::Reg(i) => self.r[i as usize],
            Base::Uniform(i) => self.u[i as usize],
        };
        let at = base.wrapping_add(off) as usize;
        let bytes = self.banks.get(bank as usize).copied().unwrap_or_default();
        let mut word = [0; 8];
        // What lies beyond the end of a bank reads as zero.
        if let Some(found) = bytes.get(at..(at + len).min(bytes.len())) {
            word[..found.len()].copy_from_slice(found);
        }
        u64::from_le_bytes(word)
    }

    fn word(&self, place: Place, half: u32) -> u32 {
        match place {
            Place::Zero => 0,
            Place::Reg(i) => self.r[i as usize + half as usize],
            Place::Uniform(i) => self.u[i as usize + half as usize],
            Place::Imm(value) => {
                if half == 0 {
                    value
                } else {
                    0
                }
            }
            Place::Const { bank, base, off } => {
                self.constant(bank, base, off.wrapping_add(4 * half), 4) as u32
            }
        }
    }

    fn get(&self, src: &Src) -> u32 {
        let mut value = self.word(src.place, 0);
        if src.invert {
            value = !value;
        }
        if src.negate { value.wrapping_neg() } else { value }
    }

    fn get64(&self, src: &Src) -> u64 {
        let value = pair(self.word(src.place, 0), self.word(src.place, 1));
        let value = if src.invert { !value } else { value };
        if src.negate { value.wrapping_neg() } else { value }
    }

    fn set(&mut self, d: Dst, half: u32, value: u32) {
        match d {
            Dst::None => {}
            Dst::Reg(i) => self.r[i as usize + half as usize] = value,
            Dst::Uniform(i) => self.u[i as usize + half as usize] = value,
        }
        self.r[RZ] = 0;
    }

    fn set64(&mut self, d: Dst, value: u64) {
        self.set(d, 0, value as u32);
        self.set(d, 1, (value >> 32) as u32);
    }

    fn is(&self, pred: Pred) -> bool {
        let value = match pred.place {
            PredDst::True => true,
            PredDst::Lane(i) => self.p[i as usize],
            PredDst::Uniform(i) => self.up[i as usize],
        };
        value != pred.not
    }

    fn set_pred(&mut self, out: PredDst, value: bool) {
        match out {
            PredDst::True => {}
            PredDst::Lane(i) => self.p[i as usize] = value,
            PredDst::Uniform(i) => self.up[i as usize] = value,
        }
    }

    fn address(&self, address: &Address, space: Space, local: u64) -> u64 {
        let wide = |low: u32, high: u32, is: bool| if is { pair(low, high) } else { low.into() };
        let reg =
            address.reg.map_or(0, |(i, is)| wide(self.r[i as usize], self.r[i as usize + 1], is));
        let uniform = address
            .uniform
            .map_or(0, |(i, is)| wide(self.u[i as usize], self.u[i as usize + 1], is));
        let sum = reg.wrapping_add(uniform).wrapping_add(address.off as u64);
        match space {
            Space::Global => sum,
            Space::Local => local + (sum & 0xffff_ffff),
        }
    }

    /// A place of `len` bytes that the launch may touch.
    fn checked(&self, address: u64, len: u8, memory: &Memory) -> Result<*mut u8, Fault> {
        // The hardware faults on what is not aligned, too.
        if memory.holds(address, len.into()) && address.is_multiple_of(len.into()) {
            return Ok(address as *mut u8);
        }
        Err(Fault::Memory { thread: self.thread, pc: self.pc, address })
    }

    fn load(&mut self, d: Dst, access: Access, at: *const u8) {
        let mut bytes = [0; 16];
        let len = access.bytes as usize;
        // SAFETY: `checked` gave the place for as many bytes.
        unsafe { std::ptr::copy_nonoverlapping(at, bytes.as_mut_ptr(), len) };
        let word =
            |i: usize| u32::from_le_bytes(bytes[4 * i..4 * i + 4].try_into().unwrap_or([0; 4]));
        match (access.bytes, access.signed) {
            (1, true) => self.set(d, 0, i32::from(bytes[0] as i8) as u32),
            (2, true) => self.set(d, 0, i32::from(word(0) as i16) as u32),
            _ => (0..len.div_ceil(4)).for_each(|i| self.set(d, i as u32, word(i))),
        }
    }

    fn store(&self, a: &Src, access: Access, at: *mut u8) {
        let len = access.bytes as usize;
        let mut bytes = [0; 16];
        for i in 0..len.div_ceil(4) {
            let word = if i == 0 { self.get(a) } else { self.word(a.place, i as u32) };
            bytes[4 * i..4 * i + 4].copy_from_slice(&word.to_le_bytes());
        }
        // SAFETY: `checked` gave the place for as many bytes.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), at, len) };
    }

    #[allow(clippy::too_many_lines, reason = "one arm for each instruction")]
    fn step(&mut self, inst: &Inst, local: u64, memory: &Memory) -> Result<Next, Fault> {
        if !self.is(inst.guard) {
            return Ok(Next::Follow);
        }
        match &inst.op {
            Op::Nop => {}
            Op::Exit => return Ok(Next::End),
            Op::Mov { d, a } => self.set(*d, 0, self.get(a)),
            Op::Clear { d, wide } => match wide {
                true => self.set64(*d, 0),
                false => self.set(*d, 0, 0),
            },
            Op::Special { d, which } => {
                let value = match which {
                    Special::Thread => self.thread,
                    Special::Block => self.block,
                    Special::Lane => self.thread % 32,
                };
                self.set(*d, 0, value);
            }
            Op::LoadConst { d, access, from } => {
                let Place::Const { bank, base, off } = *from else {
                    return Err(self.broken("a constant from elsewhere"));
                };
                let value = self.constant(bank, base, off, access.bytes.into());
                match (access.bytes, access.signed) {
                    (8, _) => self.set64(*d, value),
                    (1, true) => self.set(*d, 0, i32::from(value as i8) as u32),
                    (2, true) => self.set(*d, 0, i32::from(value as i16) as u32),
                    _ => self.set(*d, 0, value as u32),
                }
            }
            Op::Add3 { d, out, src, carry, extended } => {
                let sum: u64 = src
                    .iter()
                    .map(|s| addend(self.get(s), s.negate && !extended))
                    .chain(carry.iter().map(|p| u64::from(self.is(*p))))
                    .sum();
                self.set(*d, 0, sum as u32);
                match out {
                    [first, PredDst::True] => self.set_pred(*first, sum >> 32 != 0),
                    [first, second] => {
                        self.set_pred(*first, sum >> 32 >= 1);
                        self.set_pred(*second, sum >> 32 >= 2);
                    }
                }
            }
            Op::MulAdd { d, src: [a, b, c], carry } => {
                let product = self.get(a).wrapping_mul(self.get(b));
                let sum = product.wrapping_add(self.get(c)).wrapping_add(self.is(*carry).into());
                self.set(*d, 0, sum);
            }
            Op::MulAddWide { d, high, signed, out, src: [a, b, c], carry } => {
                let (x, y) = (self.get(a), self.get(b));
                let product = match signed {
                    true => (i64::from(x as i32) * i64::from(y as i32)) as u64,
                    false => u64::from(x) * u64::from(y),
                };
                let sum =
                    u128::from(product) + u128::from(self.get64(c)) + u128::from(self.is(*carry));
                match high {
                    true => self.set(*d, 0, (sum >> 32) as u32),
                    false => self.set64(*d, sum as u64),
                }
                self.set_pred(*out, sum >> 64 != 0);
            }
            Op::Lea { d, out, a, b, shift } => {
                let shifted = self.get(a).wrapping_shl((*shift).into());
                let sum = addend(shifted, a.negate) + addend(self.get(b), b.negate);
                self.set(*d, 0, sum as u32);
                self.set_pred(*out, sum >> 32 != 0);
            }
            Op::LeaHigh { d, out, a, b, c, shift, carry } => {
                let low = self.get(a);
                let high = match c {
                    Some(c) => self.get(c),
                    None => ((low as i32) >> 31) as u32,
                };
                let shifted = (pair(low, high) << (shift & 63)) >> 32;
                let sum = (shifted & 0xffff_ffff)
                    + addend(self.get(b), b.negate)
                    + u64::from(self.is(*carry));
                self.set(*d, 0, sum as u32);
                self.set_pred(*out, sum >> 32 != 0);
            }
            Op::Logic { d, out, src, table, or } => {
                let [a, b, c] = [self.get(&src[0]), self.get(&src[1]), self.get(&src[2])];
                let mut value = 0;
                for row in (0..8).filter(|row| table >> row & 1 != 0) {
                    let pick = |word: u32, bit: u32| if row & bit != 0 { word } else { !word };
                    value |= pick(a, 4) & pick(b, 2) & pick(c, 1);
                }
                let or = self.is(*or);
                self.set(*d, 0, value);
                self.set_pred(*out, value != 0 || or);
            }
            Op::PredLogic { out, src, table } => {
                let [a, b, c] = src.map(|p| u8::from(self.is(p)));
                let row = a << 2 | b << 1 | c;
                self.set_pred(out[0], table[0] >> row & 1 != 0);
                self.set_pred(out[1], table[1] >> row & 1 != 0);
            }
            Op::Shift { d, left, wrap, high, wide, signed, src: [low, amount, up] } => {
                let (value, amount) = (pair(self.get(low), self.get(up)), self.get(amount));
                let bits = if *wide { 64 } else { 32 };
                let amount = if *wrap { amount & (bits - 1) } else { amount.min(bits) };
                let shifted = match (left, signed) {
                    (true, _) => value.checked_shl(amount).unwrap_or(0),
                    (false, true) => ((value as i64) >> amount.min(63)) as u64,
                    (false, false) => value.checked_shr(amount).unwrap_or(0),
                };
                self.set(*d, 0, if *high { (shifted >> 32) as u32 } else { shifted as u32 });
            }
            Op::Select { d, a, b, p } => {
                let value = if self.is(*p) { self.get(a) } else { self.get(b) };
                self.set(*d, 0, value);
            }
            Op::Compare { out, how, signed, join, a, b, with, low } => {
                let (a, b) = (self.get(a), self.get(b));
                let order = match signed {
                    true => (a as i32).cmp(&(b as i32)),
                    false => a.cmp(&b),
                };
                // The high halves decide; where they are equal, the comparison of the low ones.
                let order_holds = |strict: bool| match how {
                    Compare::Eq => order.is_eq(),
                    Compare::Ne => order.is_ne(),
                    Compare::Lt => order.is_lt(),
                    Compare::Le => {
                        if strict {
                            order.is_lt()
                        } else {
                            order.is_le()
                        }
                    }
                    Compare::Gt => order.is_gt(),
                    Compare::Ge => {
                        if strict {
                            order.is_gt()
                        } else {
                            order.is_ge()
                        }
                    }
                };
                let holds = match (low.map(|p| self.is(p)), how) {
                    (None, _) => order_holds(false),
                    (Some(low), Compare::Eq) => order.is_eq() && low,
                    (Some(low), Compare::Ne) => order.is_ne() || low,
                    (Some(low), _) => {
                        if order.is_eq() {
                            low
                        } else {
                            order_holds(true)
                        }
                    }
                };
                let with = self.is(*with);
                let join = |value: bool| match join {
                    Join::And => value && with,
                    Join::Or => value || with,
                    Join::Xor => value != with,
                };
                self.set_pred(out[0], join(holds));
                self.set_pred(out[1], join(!holds));
            }
            Op::Permute { d, a, selector, c } => {
                let bytes = pair(self.get(a), self.get(c)).to_le_bytes();
                let selector = self.get(selector);
                let pick = |i: u32| {
                    let code = selector >> (4 * i) & 15;
                    let byte = bytes[(code & 7) as usize];
                    if code & 8 != 0 { ((byte as i8) >> 7) as u8 } else { byte }
                };
                self.set(*d, 0, u32::from_le_bytes([pick(0), pick(1), pick(2), pick(3)]));
            }
            Op::FirstOne { d, a, signed, shift } => {
                let value = self.get(a);
                let value = if *signed && (value as i32) < 0 { !value } else { value };
                let at = match (value, shift) {
                    (0, _) => u32::MAX,
                    (_, true) => value.leading_zeros(),
                    (_, false) => 31 - value.leading_zeros(),
                };
                self.set(*d, 0, at);
            }
            Op::CountOnes { d, a } => self.set(*d, 0, self.get(a).count_ones()),
            Op::ReverseBits { d, a } => self.set(*d, 0, self.get(a).reverse_bits()),
            Op::SignExtend { d, a, bits, signed } => {
                let (value, bits) = (self.get(a), self.get(bits).min(32));
                let away = 32 - bits;
                let value = match (away, signed) {
                    (32, _) => 0,
                    (_, true) => ((value << away) as i32 >> away) as u32,
                    (_, false) => value << away >> away,
                };
                self.set(*d, 0, value);
            }
            Op::Absolute { d, a } => self.set(*d, 0, (self.get(a) as i32).unsigned_abs()),
            Op::MinMax { d, a, b, min, signed } => {
                let (a, b) = (self.get(a), self.get(b));
                let less = if *signed { (a as i32) < (b as i32) } else { a < b };
                self.set(*d, 0, if less == self.is(*min) { a } else { b });
            }
            Op::AddMinMax { d, a, c, b, min, signed } => {
                let (a, b) = (self.get(a).wrapping_add(self.get(c)), self.get(b));
                let less = if *signed { (a as i32) < (b as i32) } else { a < b };
                self.set(*d, 0, if less == self.is(*min) { a } else { b });
            }
            Op::Reciprocal { d, a } => {
                let value = 1.0 / f32::from_bits(self.get(a));
                self.set(*d, 0, value.to_bits());
            }
            Op::ToFloat { d, a, wide, signed, up } => {
                let (narrow, wide_value) = (self.get(a), self.get64(a));
                let value = match (wide, signed) {
                    (true, true) => i128::from(wide_value as i64),
                    (true, false) => i128::from(wide_value),
                    (false, true) => i128::from(narrow as i32),
                    (false, false) => i128::from(narrow),
                };
                let nearest = value as f32;
                let below = *up && (nearest as i128) < value;
                self.set(*d, 0, if below { nearest.next_up() } else { nearest }.to_bits());
            }
            Op::FromFloat { d, a, wide, signed } => {
                // The casts round to zero and saturate, as the instruction does.
                let value = f32::from_bits(self.get(a));
                match (wide, signed) {
                    (true, _) => self.set64(*d, value as u64),
                    (false, true) => self.set(*d, 0, value as i32 as u32),
                    (false, false) => self.set(*d, 0, value as u32),
                }
            }
            Op::Load { d, space, access, from } => {
                let at = self.checked(self.address(from, *space, local), access.bytes, memory)?;
                self.load(*d, *access, at);
            }
            Op::Store { space, access, to, a } => {
                let at = self.checked(self.address(to, *space, local), access.bytes, memory)?;
                self.store(a, *access, at);
            }
            Op::Atomic { d, how, wide, at, a, b } => {
                let bytes = if *wide { 8 } else { 4 };
                let access = Access { bytes, signed: false };
                let place = self.checked(self.address(at, Space::Global, local), bytes, memory)?;
                let read = |src: &Src| if *wide { self.get64(src) } else { self.get(src).into() };
                let (a, b) = (read(a), read(b));
                let mut old = [0; 8];
                // SAFETY: `checked` gave the place for as many bytes.
                unsafe {
                    std::ptr::copy_nonoverlapping(place, old.as_mut_ptr(), bytes.into());
                }
                let old = u64::from_le_bytes(old);
                let new = match how {
                    Atomic::Add => old.wrapping_add(a),
                    Atomic::Exchange => a,
                    Atomic::Or => old | a,
                    Atomic::CompareAndSwap => {
                        if old == a {
                            b
                        } else {
                            old
                        }
                    }
                };
                let new = new.to_le_bytes();
                // SAFETY: the same place.
                unsafe {
                    std::ptr::copy_nonoverlapping(new.as_ptr(), place, bytes.into());
                }
                match access.bytes {
                    8 => self.set64(*d, old),
                    _ => self.set(*d, 0, old as u32),
                }
            }
            Op::Branch { target, when } => {
                if self.is(*when) {
                    return Ok(Next::Jump(*target));
                }
            }
            Op::BranchTo { a, off } => {
                let to = self.get64(a);
                let to = to.wrapping_add_signed(*off).wrapping_add(u64::from(self.pc) + 16);
                return match u32::try_from(to) {
                    Ok(pc) if pc % 16 == 0 => Ok(Next::Jump(pc)),
                    _ => Err(self.broken("a jump to no instruction")),
                };
            }
            Op::Call { target } => return Ok(Next::Jump(*target)),
            Op::Return { a } => return Ok(Next::Jump(self.get(a))),
            Op::ToPreds { a, mask } => {
                let value = self.get(a);
                for i in (0..7).filter(|i| mask >> i & 1 != 0) {
                    self.p[i] = value >> i & 1 != 0;
                }
            }
            Op::FromPreds { d, a, mask } => {
                let preds = (0..7).map(|i| u32::from(self.p[i]) << i).sum::<u32>();
                let mask = u32::from(*mask);
                self.set(*d, 0, (self.get(a) & !mask) | (preds & mask));
            }
        }
        Ok(Next::Follow)
    }
}
