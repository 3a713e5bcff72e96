//! Where do the bbs of a byte string begin and end, and how does each of them leave?
//!
//! # Terms
//! A *leader* is pc 0, a JUMPDEST that is not inside an immediate, or the pc after a JUMPI. A *bb*
//! runs from a leader to the next leader or through the first inst that ends it. Bytes between a
//! terminator and the next JUMPDEST belong to no bb: nothing can reach them. One empty bb stands
//! at the end of the code, where running off the end stops the frame.
//!
//! # Soundness
//! Execution enters a bb only at its leader: computed jumps reach JUMPDESTs alone, and every
//! JUMPDEST is a leader. Jump destinations do not depend on the spec, since immediates do not.

use crate::opcode::{Table, immediate_size, op};

/// A bb of the control flow graph, in order of the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BbId(pub u32);

impl BbId {
    /// Stands for 'no bb' in tables.
    pub const NONE: BbId = BbId(u32::MAX);

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// How a bb ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BbEnd {
    /// By an op that ends the frame, or at the end of the code.
    Halt,
    /// It runs into the next leader.
    Fall,
    /// By JUMP.
    Jump,
    /// By JUMPI.
    JumpI,
}

/// A basic block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bb {
    /// The pc of its leader.
    pub start: u32,
    /// The pc after its last inst, immediate included; at most the length of the code.
    pub end: u32,
    /// How it ends.
    pub exit: BbEnd,
    /// Whether it starts with a JUMPDEST.
    pub jumpdest: bool,
}

impl Bb {
    /// Its length in bytes.
    pub fn bytes(&self) -> u32 {
        self.end - self.start
    }
}

/// The bbs of a code. Edges are the business of [`crate::flow`].
#[derive(Clone, Debug, Default)]
pub struct Cfg {
    /// In order of the code; the last is the empty bb at its end.
    pub bbs: Vec<Bb>,
    /// Per pc: the bb that starts there with a JUMPDEST, else [`BbId::NONE`].
    jumpdests: Vec<BbId>,
}

impl Cfg {
    /// Splits `code` into bbs.
    pub fn new(code: &[u8], table: &Table) -> Cfg {
        let mut cfg = Cfg {
            bbs: Vec::with_capacity(code.len() / 12 + 2),
            jumpdests: vec![BbId::NONE; code.len()],
        };
        let mut pc = 0;
        while pc < code.len() {
            let start = pc;
            let jumpdest = code[pc] == op::JUMPDEST;
            let exit = scan(code, table, &mut pc);
            if jumpdest {
                cfg.jumpdests[start] = BbId(cfg.bbs.len() as u32);
            }
            cfg.bbs.push(Bb { start: start as u32, end: pc as u32, exit, jumpdest });
            if matches!(exit, BbEnd::Halt | BbEnd::Jump) {
                skip_dead(code, &mut pc);
            }
        }
        let end = code.len() as u32;
        cfg.bbs.push(Bb { start: end, end, exit: BbEnd::Halt, jumpdest: false });
        cfg
    }

    /// The bb of this id.
    pub fn bb(&self, id: BbId) -> &Bb {
        &self.bbs[id.index()]
    }

    /// The bb that a jump to `pc` reaches.
    pub fn jumpdest(&self, pc: u64) -> Option<BbId> {
        let id = *self.jumpdests.get(usize::try_from(pc).ok()?)?;
        (id != BbId::NONE).then_some(id)
    }
}

/// Moves `pc` over one bb and says how it ends.
fn scan(code: &[u8], table: &Table, pc: &mut usize) -> BbEnd {
    let start = *pc;
    while *pc < code.len() {
        let byte = code[*pc];
        if byte == op::JUMPDEST && *pc != start {
            return BbEnd::Fall;
        }
        *pc = (*pc + 1 + usize::from(immediate_size(byte))).min(code.len());
        match byte {
            op::JUMP => return BbEnd::Jump,
            op::JUMPI => return BbEnd::JumpI,
            _ if table[usize::from(byte)].terminator => return BbEnd::Halt,
            _ => {}
        }
    }
    BbEnd::Fall
}

/// Moves `pc` to the next JUMPDEST, over code that nothing reaches.
fn skip_dead(code: &[u8], pc: &mut usize) {
    while *pc < code.len() && code[*pc] != op::JUMPDEST {
        *pc += 1 + usize::from(immediate_size(code[*pc]));
    }
    *pc = (*pc).min(code.len());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opcode::table_of;
    use crate::spec::Spec;

    #[test]
    fn leaders_and_ends() {
        // PUSH1 5b; JUMPI; STOP; 5b is data of PUSH2; JUMPDEST; truncated PUSH2
        let code = [0x60, 0x5b, 0x57, 0x00, 0x61, 0x5b, 0x5b, 0x5b, 0x61, 0x01];
        let cfg = Cfg::new(&code, table_of(Spec::Osaka));
        let ends: Vec<_> = cfg.bbs.iter().map(|b| (b.start, b.end, b.exit)).collect();
        assert_eq!(
            ends,
            [
                (0, 3, BbEnd::JumpI),
                (3, 4, BbEnd::Halt),
                (7, 10, BbEnd::Fall),
                (10, 10, BbEnd::Halt)
            ]
        );
        assert_eq!(cfg.jumpdest(7), Some(BbId(2)));
        assert_eq!(cfg.jumpdest(5), None);
        assert_eq!(cfg.jumpdest(10), None);
    }
}
