//! Every form of one code, kept for people and for the scheduler.

use crate::cfg::Cfg;
use crate::depend::Dependencies;
use crate::flow::{EbbId, Flow};
use crate::graph::{Graph, View};
use crate::program::Program;
use crate::spec::Spec;
use crate::value::ConstPool;
use alloy_primitives::U256;
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

/// How many jump insts of the ebbs have a known target, counting copies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct JumpCounts {
    /// Their target is known.
    pub resolved: usize,
    /// They look up their target at run time.
    pub computed: usize,
}

/// How large, how wide and how deep a code or a part of it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stats {
    /// Bytes of code; of a part: of its bbs.
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
    /// Constants that the lowered ops name.
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
    /// Bytes of memory that it takes, about.
    pub fn bytes(&self) -> usize {
        let of_ebb = |ebb: &EbbAnalysis| {
            let EbbAnalysis { graph, dependencies, .. } = ebb;
            size_of::<EbbAnalysis>()
                + size_of_val(&graph.nodes[..])
                + size_of_val(&graph.exts[..])
                + size_of_val(&graph.exit[..])
                + size_of_val(&dependencies.edges[..])
                + size_of_val(&dependencies.places[..])
        };
        size_of::<Analysis>()
            + self.code.len() * (1 + size_of::<u32>())
            + size_of_val(&self.cfg.bbs[..])
            + size_of_val(&self.flow.ebbs[..])
            + self.constants.len() * size_of::<U256>()
            + self.program.bytes()
            + self.ebbs.iter().map(of_ebb).sum::<usize>()
    }

    /// The graph of an ebb with its constants.
    pub fn view<'a>(&'a self, ebb: &'a EbbAnalysis) -> View<'a> {
        View { nodes: &ebb.graph.nodes, exts: &ebb.graph.exts, pool: &self.constants }
    }
}
