//! Lowers EVM bytecode into dependency-annotated graphs and on into register programs.
//!
//! The crate knows no device and does no I/O. A byte string goes through these forms:
//!
//! 1. [`cfg`]: basic blocks (bbs);
//! 2. [`flow`]: extended bbs and the edges between them, jumps resolved; [`facts`] and
//!    [`liveness`] over them;
//! 3. [`graph`]: per extended bb an SSA dependency graph, optimised while it is built;
//! 4. [`program`]: the lowered ops that a device runs.

pub mod access;
mod analysis;
pub mod asm;
mod build;
pub mod cfg;
mod dce;
pub mod depend;
pub mod facts;
pub mod flow;
mod fold;
pub mod graph;
mod hash;
pub mod limits;
pub mod liveness;
mod lower;
mod memory;
mod moves;
pub mod opcode;
mod options;
mod print;
pub mod program;
pub mod spec;
mod storage;
pub mod value;
pub mod verify;

pub use options::Options;
pub use program::{Op, OpKind, Operand, Program};
pub use spec::Spec;

pub use access::{AccessKind, AccessSet, Accessed, Env};
pub use analysis::{Analysis, EbbAnalysis, Stats};

use build::{Builder, Input};
use cfg::Cfg;
use flow::{EbbId, Flow};
use value::ConstPool;

/// Compiles `code` for `spec` with every pass.
pub fn compile(code: &[u8], spec: Spec) -> Program {
    compile_with(code, spec, &Options::ALL)
}

/// Compiles `code` for `spec` with the passes that `options` names.
pub fn compile_with(code: &[u8], spec: Spec, options: &Options) -> Program {
    run(code, spec, options, &mut |_, _, _| {}).program
}

/// Compiles `code` and keeps every form on the way.
pub fn analyse(code: &[u8], spec: Spec) -> Analysis {
    analyse_with(code, spec, &Options::ALL)
}

/// As [`analyse`], with the passes that `options` names.
pub fn analyse_with(code: &[u8], spec: Spec, options: &Options) -> Analysis {
    let mut ebbs = Vec::new();
    let forms = run(code, spec, options, &mut |id, builder, ops| {
        let graph = builder.graph.clone();
        let dependencies = depend::dependencies(&graph, &builder.pool);
        ebbs.push(EbbAnalysis { id, graph, dependencies, ops });
    });
    Analysis {
        spec,
        code: code.to_vec(),
        cfg: forms.cfg,
        flow: forms.flow,
        constants: forms.constants,
        ebbs,
        program: forms.program,
    }
}

/// What a compilation leaves.
struct Forms {
    cfg: Cfg,
    flow: Flow,
    constants: ConstPool,
    program: Program,
}

/// Compiles `code`; `see` is shown each ebb, its graph and the range of its ops.
fn run(
    code: &[u8],
    spec: Spec,
    options: &Options,
    see: &mut dyn FnMut(EbbId, &Builder<'_>, core::ops::Range<u32>),
) -> Forms {
    let table = opcode::table_of(spec);
    let cfg = Cfg::new(code, table);
    let flow = flow::resolve(code, &cfg, table, options);
    let order = facts::reverse_postorder(&flow);
    let facts = match options.facts {
        true => facts::facts(&flow, &order),
        false => vec![facts::Facts::NONE; flow.ebbs.len()],
    };
    let live_out = match options.liveness {
        true => liveness::live_out(&flow, &order),
        false => vec![liveness::Live::ALL; flow.ebbs.len()],
    };
    let input =
        Input { code, spec, table, cfg: &cfg, flow: &flow, facts: &facts, live_out: &live_out };
    let mut builder = Builder::new(input, *options);
    let mut lowering = lower::Lowering::new(flow.ebbs.len());
    let layout = lower::layout(&flow);
    for (i, id) in layout.iter().enumerate() {
        let next = layout.get(i + 1).copied();
        let start = lowering.ops();
        builder.frugal = false;
        builder.build(*id);
        if !lowering.ebb(&mut builder, *id, next) {
            builder.frugal = true;
            builder.build(*id);
            let fits = lowering.ebb(&mut builder, *id, next);
            assert!(fits, "the frugal form always fits");
        }
        see(*id, &builder, start..lowering.ops());
    }
    let program = lowering.finish(&builder);
    if cfg!(debug_assertions) {
        verify::verify(&program).expect("the compiler made a program that breaks its contract");
    }
    Forms { constants: builder.pool, cfg, flow, program }
}
