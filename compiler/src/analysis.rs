//! Every form of one code, kept for people and for the scheduler.

use crate::access::AccessKind;
use crate::cfg::Cfg;
use crate::depend::{Dependencies, EdgeKind};
use crate::flow::{EbbId, Flow, JumpCounts};
use crate::graph::{Graph, View};
use crate::program::Program;
use crate::spec::Spec;
use crate::value::ConstPool;
use serde::Serialize;
use std::collections::BTreeMap;

/// One ebb in all its forms.
#[derive(Clone, Debug)]
pub struct EbbAnalysis {
    /// Which one.
    pub id: EbbId,
    /// Whether it is the root of its region.
    pub is_root: bool,
    /// Its nodes.
    pub graph: Graph,
    /// Their order.
    pub dependencies: Dependencies,
    /// Its ops in the program.
    pub ops: core::ops::Range<u32>,
}

/// Every form of a code on its way to a [`Program`].
#[derive(Clone, Debug)]
pub struct Analysis {
    /// For which spec it was compiled.
    pub spec: Spec,
    /// The code itself.
    pub code: Vec<u8>,
    /// Its bbs.
    pub cfg: Cfg,
    /// Its ebbs and the edges between them.
    pub flow: Flow,
    /// All constants of the graphs.
    pub constants: ConstPool,
    /// The ebbs in the order of the program.
    pub ebbs: Vec<EbbAnalysis>,
    /// The lowered form.
    pub program: Program,
}

/// How large, how wide and how deep a code is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stats {
    /// Bytes of code.
    pub code_bytes: usize,
    /// Opcodes in bbs (each bb once).
    pub opcodes: u64,
    /// Bbs.
    pub bbs: usize,
    /// Extended bbs, copies for several contexts included.
    pub ebbs: usize,
    /// Opcodes in extended bbs, copies included.
    pub ebb_opcodes: u64,
    /// Lowered ops.
    pub lowered_ops: usize,
    /// Constants of the program.
    pub constants: usize,
    /// Dependency edges by type.
    pub edges: BTreeMap<&'static str, usize>,
    /// Jumps by whether their target is known.
    pub jumps: JumpCounts,
    /// The largest bundle of independent nodes.
    pub width_max: usize,
    /// Live nodes over the number of bundles, all ebbs together.
    pub width_mean: f64,
    /// Sum over the ebbs of the greatest cost along dependencies.
    pub critical_path: u64,
    /// Sum of all costs.
    pub total_cost: u64,
    /// Storage keys of all functions that are derivable before execution.
    pub symbolic_keys: usize,
    /// Functions with storage keys that are not.
    pub unknown_keys: usize,
}

impl Analysis {
    /// The graph of an ebb with its constants.
    pub fn view<'a>(&'a self, ebb: &'a EbbAnalysis) -> View<'a> {
        View { nodes: &ebb.graph.nodes, exts: &ebb.graph.exts, pool: &self.constants }
    }

    /// Counts everything.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            code_bytes: self.code.len(),
            bbs: self.cfg.bbs.len(),
            ebbs: self.flow.ebbs.len(),
            lowered_ops: self.program.ops.len(),
            constants: self.program.consts.len(),
            jumps: self.flow.jumps,
            ..Stats::default()
        };
        for bb in &self.cfg.bbs {
            let mut pc = bb.start as usize;
            while pc < bb.end as usize {
                stats.opcodes += 1;
                pc += 1 + usize::from(crate::opcode::immediate_size(self.code[pc]));
            }
        }
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
        }
        let mut keys = std::collections::BTreeSet::new();
        for selector in self.selectors().into_iter().map(Some).chain([None]) {
            let set = self.access_set(selector);
            for (kind, id) in &set.accesses {
                if *kind != AccessKind::Account {
                    keys.insert((selector, set.text(*id)));
                }
            }
        }
        stats.unknown_keys = keys.iter().filter(|(_, key)| key == "unknown").count();
        stats.symbolic_keys = keys.len() - stats.unknown_keys;
        stats.width_mean = nodes as f64 / bundles.max(1) as f64;
        for kind in EdgeKind::ALL {
            stats.edges.insert(kind.name(), edges[kind as usize]);
        }
        stats
    }
}
