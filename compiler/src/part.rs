//! Which ebbs of a code are shown, and how large they are.
//!
//! # Terms
//! A *part* is the whole code, what calls with one selector may run, the ebbs that hold one bb, or
//! what is both. It is printed in the same forms as the whole.

use crate::access::AccessKind;
use crate::analysis::{Analysis, EbbAnalysis, Stats};
use crate::cfg::{Bb, BbEnd, BbId};
use crate::depend::EdgeKind;
use crate::flow::EbbId;
use crate::program::{Op, OpKind};
use std::collections::{BTreeMap, BTreeSet};

/// Some ebbs of a code.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// The code.
    pub analysis: &'a Analysis,
    /// The function that it is limited to.
    pub selector: Option<u32>,
    /// The bb that it is limited to.
    pub bb: Option<BbId>,
    /// In the order of the program.
    pub(crate) ebbs: Vec<&'a EbbAnalysis>,
    /// The bbs of these, in order of the code; of the whole code: all.
    pub(crate) bbs: Vec<BbId>,
    whole: bool,
}

/// Why there is no such part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum NoPart {
    #[error("no function {selector:#010x}: {}", dispatched(known))]
    Selector { selector: u32, known: Vec<u32> },
    #[error("no basic block holds pc {pc:#x}; {has}")]
    Pc { pc: u32, has: String },
    #[error("function {selector:#010x} does not run the basic block at pc {pc:#x}")]
    Apart { selector: u32, pc: u32 },
}

fn dispatched(known: &[u32]) -> String {
    if known.is_empty() {
        return "no selector was found that the code compares calldata with".to_owned();
    }
    let known: Vec<_> = known.iter().map(|selector| format!("{selector:#010x}")).collect();
    format!("the code dispatches {}", known.join(", "))
}

impl Analysis {
    /// Everything.
    pub fn whole(&self) -> Part<'_> {
        let bbs = (0..self.cfg.bbs.len() as u32).map(BbId).collect();
        let ebbs = self.ebbs.iter().collect();
        Part { analysis: self, selector: None, bb: None, ebbs, bbs, whole: true }
    }

    /// What calls with this selector may run, whether or not the code compares with it.
    pub(crate) fn function(&self, selector: u32) -> Part<'_> {
        Part { selector: Some(selector), ..self.only(&self.reached(selector)) }
    }

    pub(crate) fn only(&self, ids: &BTreeSet<EbbId>) -> Part<'_> {
        let ebbs: Vec<_> = self.ebbs.iter().filter(|ebb| ids.contains(&ebb.id)).collect();
        let bbs: BTreeSet<_> = ids.iter().flat_map(|id| self.flow.bbs(*id)).copied().collect();
        let bbs = bbs.into_iter().collect();
        Part { analysis: self, selector: None, bb: None, ebbs, bbs, whole: false }
    }

    /// The part that a selector, a pc in a bb, both or nothing choose.
    pub fn part(&self, selector: Option<u32>, pc: Option<u32>) -> Result<Part<'_>, NoPart> {
        let part = match selector {
            None => self.whole(),
            Some(selector) => {
                let known = self.selectors();
                if !known.contains(&selector) {
                    let known = known.into_iter().collect();
                    return Err(NoPart::Selector { selector, known });
                }
                self.function(selector)
            }
        };
        let Some(pc) = pc else { return Ok(part) };
        let bb = self.bb_at(pc)?;
        let mut ebbs = part.ebbs;
        ebbs.retain(|ebb| self.flow.bbs(ebb.id).contains(&bb));
        if let (Some(selector), true) = (selector, ebbs.is_empty()) {
            return Err(NoPart::Apart { selector, pc });
        }
        Ok(Part { bb: Some(bb), ebbs, bbs: vec![bb], whole: false, ..part })
    }

    fn bb_at(&self, pc: u32) -> Result<BbId, NoPart> {
        let bbs = &self.cfg.bbs;
        let holds = |bb: &Bb| (bb.start..bb.end).contains(&pc);
        let found = bbs.iter().position(holds).map(|at| BbId(at as u32));
        found.ok_or_else(|| {
            // The last one may be empty: what runs off the end stops.
            let mut full = bbs.iter().filter(|bb| bb.start < bb.end);
            let ends = [full.clone().rfind(|bb| bb.end <= pc), full.find(|bb| bb.start > pc)];
            let near = ends.into_iter().flatten();
            let near: Vec<_> = near.map(|bb| format!("[{:#x}, {:#x})", bb.start, bb.end)).collect();
            let bytes = self.code.len();
            let has = format!("the code has {bytes} bytes, near are {}", near.join(" and "));
            NoPart::Pc { pc, has }
        })
    }

    /// Counts everything.
    pub fn stats(&self) -> Stats {
        Stats { code_bytes: self.code.len(), ..self.whole().stats() }
    }

    /// The same for each selector, under its eight hex digits.
    pub fn function_stats(&self) -> BTreeMap<String, Stats> {
        let one = |selector| (format!("{selector:#010x}"), self.function(selector).stats());
        self.selectors().into_iter().map(one).collect()
    }

    /// How many opcodes a bb has.
    pub(crate) fn opcodes(&self, bb: BbId) -> u64 {
        let Bb { start, end, .. } = *self.cfg.bb(bb);
        let mut pc = start as usize;
        let mut count = 0;
        while pc < end as usize {
            count += 1;
            pc += 1 + usize::from(crate::opcode::immediate_size(self.code[pc]));
        }
        count
    }
}

impl Part<'_> {
    /// Whether it is the code as a whole.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// The calls whose accesses belong to it (`None`: of any calldata).
    pub(crate) fn calls(&self) -> Vec<Option<u32>> {
        match (self.bb, self.selector) {
            (Some(_), _) => Vec::new(),
            (None, Some(selector)) => vec![Some(selector)],
            (None, None) => self.analysis.every_call(),
        }
    }

    pub(crate) fn ops(&self) -> impl Iterator<Item = &Op> {
        let ops = &self.analysis.program.ops;
        self.ebbs.iter().flat_map(|ebb| &ops[ebb.ops.start as usize..ebb.ops.end as usize])
    }

    /// Counts everything.
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats_of_graphs();
        self.count_keys(&mut stats);
        stats
    }

    /// The same without storage keys, which take a walk.
    pub(crate) fn stats_of_graphs(&self) -> Stats {
        let mut stats = Stats {
            code_bytes: self.bbs.iter().map(|bb| self.analysis.cfg.bb(*bb).bytes() as usize).sum(),
            opcodes: self.bbs.iter().map(|bb| self.analysis.opcodes(*bb)).sum(),
            bbs: self.bbs.len(),
            ebbs: self.ebbs.len(),
            lowered_ops: self.ops().count(),
            constants: self.constants(),
            ..Stats::default()
        };
        if self.is_whole() {
            // Those that stand before the ebbs, and the constants that tables name.
            stats.lowered_ops = self.analysis.program.ops.len();
            stats.constants = self.analysis.program.consts.len();
        }
        self.count_graphs(&mut stats);
        stats
    }

    fn count_graphs(&self, stats: &mut Stats) {
        let mut edges = [0; EdgeKind::ALL.len()];
        let (mut nodes, mut bundles) = (0, 0);
        for ebb in &self.ebbs {
            stats.ebb_opcodes += u64::from(ebb.graph.insts);
            let levels = ebb.dependencies.bundles(&ebb.graph);
            nodes += levels.iter().map(Vec::len).sum::<usize>();
            bundles += levels.iter().filter(|level| !level.is_empty()).count();
            let width = levels.iter().map(Vec::len).max().unwrap_or(0);
            stats.width_max = stats.width_max.max(width);
            stats.critical_path += ebb.dependencies.critical_path;
            stats.total_cost += ebb.dependencies.total_cost;
            for edge in &ebb.dependencies.edges {
                edges[edge.kind as usize] += 1;
            }
            let bbs = self.analysis.flow.bbs(ebb.id).iter().map(|bb| self.analysis.cfg.bb(*bb));
            let jumps = bbs.filter(|bb| matches!(bb.exit, BbEnd::Jump | BbEnd::JumpI)).count();
            let computed = usize::from(self.analysis.flow.ebb(ebb.id).term.is_computed());
            stats.jumps.resolved += jumps.saturating_sub(computed);
            stats.jumps.computed += computed;
        }
        stats.width_mean = nodes as f64 / bundles.max(1) as f64;
        for kind in EdgeKind::ALL {
            stats.edges.insert(kind.name(), edges[kind as usize]);
        }
    }

    fn count_keys(&self, stats: &mut Stats) {
        let mut keys = BTreeSet::new();
        for selector in self.calls() {
            let set = self.analysis.access_set(selector);
            for (kind, id) in &set.accesses {
                if *kind != AccessKind::Account {
                    keys.insert((selector, set.text(*id)));
                }
            }
        }
        stats.unknown_keys = keys.iter().filter(|(_, key)| key == "unknown").count();
        stats.symbolic_keys = keys.len() - stats.unknown_keys;
    }

    /// Constants that its ops name.
    fn constants(&self) -> usize {
        let mut named = BTreeSet::new();
        for op in self.ops() {
            match OpKind::from_code(op.code) {
                // Its fields are plain numbers.
                Some(OpKind::Bb) => {}
                Some(OpKind::LoadK) => {
                    named.insert(op.imm);
                }
                _ => {
                    named.extend([op.dst, op.a, op.b, op.c].iter().filter_map(|o| o.as_constant()))
                }
            }
        }
        named.len()
    }
}
