//! Lowers EVM bytecode into dependency-annotated graphs and on into register programs.
//!
//! The crate knows no device and does no I/O. A byte string goes through these forms:
//!
//! 1. [`mod@cfg`]: basic blocks (bbs);
//! 2. [`flow`]: extended bbs and the edges between them, jumps resolved; [`facts`] and
//!    [`liveness`] over them;
//! 3. [`graph`]: per extended bb an SSA dependency graph, optimised while it is built;
//! 4. [`program`]: the lowered ops that a device runs.
//!
//! [`baseline`] goes from bytes to ops at once, for code that is seen for the first time.

pub mod access;
mod analysis;
pub mod asm;
pub mod baseline;
mod build;
pub mod cfg;
mod dce;
pub mod depend;
mod dot;
pub mod drawing;
pub mod effects;
pub mod facts;
pub mod flow;
mod fold;
pub mod forks;
pub mod gas;
pub mod graph;
mod hash;
pub mod limits;
pub mod liveness;
mod lower;
mod memory;
mod moves;
pub mod opcode;
mod options;
mod part;
pub mod precompile;
mod print;
pub mod program;
mod reach;
pub mod rules;
pub mod spec;
mod storage;
pub mod symbolic;
pub mod value;
pub mod verify;
mod verify_graph;

pub use baseline::{Baseline, compile_baseline};
pub use options::Options;
pub use part::{NoPart, Part};
pub use program::{Op, OpKind, Operand, Program};
pub use reach::Dispatch;
pub use rules::{Rule, Rules};
pub use spec::Spec;

pub use access::{AccessKind, AccessSet, Accessed, Env, Found, Scratch};
pub use analysis::{Analysis, EbbAnalysis, JumpCounts, Stats};
pub use effects::EffectSet;

use build::{Builder, Input};
use cfg::Cfg;
use flow::Flow;
use graph::Region;
use lower::Lowered;
use value::ConstPool;

/// Which compiler this is: a hash of its sources, made when it is built. Programs that are kept
/// carry it, so that another compiler never runs them.
///
/// A number that is raised by hand would be forgotten once, and what an older compiler got wrong
/// would then be run by one in which it is mended. A hash also differs where programs do not, after
/// a comment was edited: then they are compiled again, which costs time only. Dependencies are no
/// part of it: of theirs, programs depend on the arithmetic of 256-bit integers alone.
pub const VERSION: u128 = match u128::from_str_radix(env!("WARPEVM_COMPILER_VERSION"), 16) {
    Ok(version) => version,
    Err(_) => panic!("the build script wrote no number"),
};

/// Compiles `code` for `spec` with every pass.
pub fn compile(code: &[u8], spec: Spec) -> Program {
    compile_with(code, spec, &Options::ALL)
}

/// Compiles `code` for `spec` with the passes that `options` names.
pub fn compile_with(code: &[u8], spec: Spec, options: &Options) -> Program {
    run(code, spec, options, &mut |_, _, _, _| {}).program
}

/// Compiles `code` and keeps every form on the way.
pub fn analyse(code: &[u8], spec: Spec) -> Analysis {
    analyse_with(code, spec, &Options::ALL)
}

/// As [`analyse`], with the passes that `options` names.
pub fn analyse_with(code: &[u8], spec: Spec, options: &Options) -> Analysis {
    let mut ebbs = Vec::new();
    let forms = run(code, spec, options, &mut |builder, region, part, ops| {
        let id = region.parts[part].id;
        let graph = region.graph(part);
        let dependencies = depend::dependencies(&graph, &builder.pool);
        let is_root = region.parts[part].parent.is_none();
        ebbs.push(EbbAnalysis { id, is_root, graph, dependencies, ops });
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

/// Is shown each ebb: the builder, its region, its part there, its ops.
type See<'a> = &'a mut dyn FnMut(&Builder<'_>, &Region, usize, core::ops::Range<u32>);

/// Compiles `code`.
fn run(code: &[u8], spec: Spec, options: &Options, see: See<'_>) -> Forms {
    let table = opcode::table_of(spec);
    let cfg = Cfg::new(code, table);
    let flow = flow::resolve(code, &cfg, table, options);
    let order = facts::reverse_postorder(&flow);
    let facts = match options.facts {
        true => facts::facts(&flow, &order),
        false => vec![facts::Facts::NONE; flow.ebbs.len()],
    };
    let live_in = match options.liveness {
        true => liveness::live_in(&flow, &order),
        false => vec![liveness::Live::ALL; flow.ebbs.len()],
    };
    let (facts, live_in, single) = (&facts[..], &live_in[..], &flow.single_entries()[..]);
    let input = Input { code, spec, table, cfg: &cfg, flow: &flow, facts, live_in, single };
    let mut builder = Builder::new(input, *options);
    let program = lower_all(&mut builder, see);
    if cfg!(debug_assertions) {
        verify::verify(&program).expect("the compiler made a program that breaks its contract");
    }
    Forms { constants: builder.pool, cfg, flow, program }
}

/// Builds and lowers every ebb in the order of the layout.
fn lower_all(builder: &mut Builder<'_>, see: See<'_>) -> Program {
    let flow = builder.input.flow;
    let mut lowering = lower::Lowering::new(flow.ebbs.len());
    let mut regions: Vec<Option<Box<Lowered>>> = Vec::new();
    regions.resize_with(flow.ebbs.len(), || None);
    let layout = lower::layout(flow);
    for (i, id) in layout.iter().enumerate() {
        let next = layout.get(i + 1).copied();
        let start = lowering.ops();
        if builder.places[id.index()].is_none() {
            builder.frugal = false;
            builder.build(*id, false);
            regions[id.index()] = Some(Box::new(Lowered::new(builder.take_region())));
        }
        let (root, part) = builder.places[id.index()].expect("it was built");
        let part = part as usize;
        let mut lowered = regions[root.index()].take().expect("a part of it is left");
        builder.frugal = false;
        if !lowering.part(builder, &mut lowered, part, next) {
            builder.frugal = true;
            builder.build(*id, true);
            *lowered = Lowered::new(builder.take_region());
            let fits = lowering.part(builder, &mut lowered, part, next);
            assert!(fits, "the frugal form always fits");
        }
        see(builder, &lowered.region, part, start..lowering.ops());
        lowered.left -= 1;
        if lowered.left > 0 {
            regions[root.index()] = Some(lowered);
        } else {
            builder.recycle(lowered.region);
        }
    }
    lowering.finish(builder)
}
