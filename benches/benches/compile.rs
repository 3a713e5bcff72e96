//! How long does it take to compile a contract?
//!
//! Real contracts come from the fixtures (`WARPEVM_FIXTURES`, else `../shared/fixtures` beside the
//! clone; `contracts/contracts.tar.zst` there); hostile ones are made here.

use criterion::{BenchmarkId, Criterion, Throughput};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use warpevm::conformance::files;
use warpevm_compiler::opcode::op;
use warpevm_compiler::{Spec, analyse, compile};

const CODE_BYTES: usize = 24_576;

fn repeat(unit: &[u8]) -> Vec<u8> {
    unit.iter().copied().cycle().take(CODE_BYTES).collect()
}

/// Codes that stress one table of the compiler each.
fn hostile() -> Vec<(String, Vec<u8>)> {
    let mut computed = repeat(&[op::JUMPDEST]);
    computed[..3].copy_from_slice(&[op::PUSH0, op::CALLDATALOAD, op::JUMP]);
    let initcode: Vec<u8> =
        repeat(&[op::PUSH1, 7, op::CALLER, op::MUL, op::PUSH1, 9, op::MSTORE]).repeat(2);
    [
        ("jumpdest", repeat(&[op::JUMPDEST])),
        ("jumpdest-computed", computed),
        ("push-add", repeat(&[op::PUSH1, 1, op::ADD])),
        ("dup", repeat(&[op::DUP1])),
        ("jumpi", repeat(&[op::CALLVALUE, op::PUSH0, op::JUMPI])),
        ("keccak", repeat(&[op::PUSH0, op::MLOAD, op::PUSH1, 64, op::PUSH0, op::KECCAK256])),
        ("initcode-48k", initcode),
    ]
    .map(|(name, code)| (format!("hostile-{name}"), code))
    .into()
}

/// The contracts of the fixtures, if they are there.
fn contracts() -> Vec<(String, Vec<u8>)> {
    let root = std::env::var_os("WARPEVM_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures"),
        PathBuf::from,
    );
    let archive = root.join("contracts/contracts.tar.zst");
    let mut found = Vec::new();
    let read = files::visit_kind(&archive, "hex", &mut |file| {
        let file = file?;
        let text = String::from_utf8_lossy(&file.bytes);
        if let Ok(code) = alloy_primitives::hex::decode(text.trim()) {
            let name = file.name.trim_end_matches(".hex").replace('/', "-");
            found.push((name, code));
        }
        Ok(())
    });
    if let Err(error) = read {
        eprintln!("only hostile codes: {error}");
    }
    found
}

/// Without allocation or hashing of its own: what a compilation made, as one number.
fn digest(code: &[u8]) -> u64 {
    let program = compile(code, Spec::Osaka);
    program.ops.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, op| {
        let word = u64::from(op.code) << 32 | u64::from(op.imm);
        (hash ^ word).wrapping_mul(0x100_0000_01b3)
    })
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args().sample_size(20);
    let mut group = criterion.benchmark_group("compile");
    for (name, code) in hostile().into_iter().chain(contracts()) {
        eprintln!("{name}: {} bytes, digest {:016x}", code.len(), digest(&code));
        group.throughput(Throughput::Bytes(code.len() as u64));
        group.bench_with_input(BenchmarkId::new(name, "compile/cpu"), &code, |bench, code| {
            bench.iter(|| compile(black_box(code), Spec::Osaka));
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("analyse");
    for (name, code) in contracts() {
        group.bench_with_input(BenchmarkId::new(name, "analyse/cpu"), &code, |bench, code| {
            bench.iter(|| analyse(black_box(code), Spec::Osaka));
        });
    }
    group.finish();
    criterion.final_summary();
}
