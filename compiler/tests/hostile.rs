//! Hostile and odd codes compile, verify, and stay linear in size.

use warpevm_compiler::baseline::{Scratch, grow};
use warpevm_compiler::opcode::op;
use warpevm_compiler::{
    Baseline, OpKind, Options, Program, Spec, analyse, compile, compile_with, verify,
};

const BYTES: usize = 24_576;

fn repeat(unit: &[u8]) -> Vec<u8> {
    unit.iter().copied().cycle().take(BYTES).collect()
}

/// Named codes of 24 KB that stress one table or another.
fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    let mut computed = repeat(&[op::JUMPDEST]);
    computed[..3].copy_from_slice(&[op::PUSH0, op::CALLDATALOAD, op::JUMP]);
    let constants: Vec<u8> =
        (0..8192u16).flat_map(|k| [op::PUSH1 + 1, (k >> 8) as u8, k as u8]).collect();
    let jumps: Vec<u8> = (0..BYTES / 4)
        .flat_map(|i| {
            let to = ((i + 1) * 4) as u16;
            [op::PUSH1 + 1, (to >> 8) as u8, to as u8, op::JUMP]
        })
        .collect();
    let calls: Vec<u8> = (0..BYTES / 7)
        .flat_map(|i| {
            let back = (i * 7 + 6) as u16;
            let unit = [op::PUSH1 + 1, (back >> 8) as u8, back as u8, op::PUSH1, 6, op::JUMP];
            unit.into_iter().chain([op::JUMPDEST])
        })
        .collect();
    vec![
        ("jumpdests", repeat(&[op::JUMPDEST])),
        ("jumpdests behind a computed jump", computed),
        ("push add", repeat(&[op::PUSH1, 1, op::ADD])),
        ("calldataload add", repeat(&[op::PUSH0, op::CALLDATALOAD, op::ADD])),
        ("dup", repeat(&[op::DUP1])),
        ("dup pop", repeat(&[op::DUP1, op::POP])),
        ("jumpi", repeat(&[op::JUMPI])),
        ("callvalue jumpi", repeat(&[op::CALLVALUE, op::PUSH0, op::JUMPI])),
        ("jumpi to itself", repeat(&[op::JUMPDEST, op::CALLVALUE, op::PUSH0, op::JUMPI])),
        ("constants", constants),
        ("jumps", jumps),
        ("calls of one function", calls),
        ("mstore", repeat(&[op::DUP1, op::DUP1, op::MSTORE])),
        ("mstore at offsets", repeat(&[op::CALLER, op::GAS, op::MSTORE])),
        ("sstore", repeat(&[op::CALLER, op::GAS, op::SSTORE])),
        ("sload", repeat(&[op::GAS, op::SLOAD])),
        ("exp", repeat(&[op::PUSH1, 3, op::PUSH1 + 1, 0xff, 0xff, op::EXP])),
        ("mulmod", repeat(&[op::DUP1, op::DUP1, op::DUP1, op::MULMOD])),
        ("iszero", repeat(&[op::ISZERO])),
        ("not add", repeat(&[op::NOT, op::CALLER, op::ADD])),
        ("live values", repeat(&[op::GAS, op::SWAP1 + 15, op::ADD])),
        ("pc", repeat(&[op::PC, op::POP])),
        ("swap", repeat(&[op::SWAP1, op::SWAP1 + 15])),
        ("push32", repeat(&[op::PUSH32])),
        ("msize", repeat(&[op::MSIZE, op::MLOAD])),
        ("keccak", repeat(&[op::PUSH0, op::MLOAD, op::PUSH1, 64, op::PUSH0, op::KECCAK256])),
    ]
}

#[test]
fn hostile_codes_compile_to_few_ops() {
    for (name, code) in hostile() {
        for options in [Options::ALL, Options::NONE] {
            let program = compile_with(&code, Spec::Osaka, &options);
            assert_eq!(verify::verify(&program), Ok(()), "{name}");
            assert!(program.ops.len() < 8 * BYTES, "{name}: {} ops", program.ops.len());
        }
    }
}

#[test]
fn slots_stay_bounded() {
    for (name, code) in hostile() {
        let program = compile(&code, Spec::Osaka);
        let most = program
            .ops
            .iter()
            .filter(|o| o.code == OpKind::Bb as u16)
            .map(|o| o.c.0)
            .max()
            .unwrap_or(0);
        assert!(u32::from(most) <= 1024 + 64, "{name}: {most} slots");
    }
}

#[test]
fn effects_stay_bounded() {
    let half = |unit: &[u8]| unit.iter().copied().cycle().take(BYTES / 2).collect::<Vec<_>>();
    let start = [op::PUSH0, op::CALLDATALOAD];
    let doubled = [&start[..], &half(&[op::DUP1, op::ADD]), &[op::PUSH0, op::SSTORE]].concat();
    let mut branches = Vec::new();
    for k in 0..(BYTES / 8) as u16 {
        let to = (8 * k + 8).to_be_bytes();
        branches.extend([op::JUMPDEST, op::PUSH1, k as u8, op::SLOAD]);
        branches.extend([op::PUSH1 + 1, to[0], to[1], op::JUMPI]);
    }
    branches.push(op::JUMPDEST);
    // Many paths, each of which needs the same long expression.
    let sum = half(&[op::DUP1, op::SLOAD, op::ADD]);
    let mut shared = [&start[..], &sum[..2100], &[op::DUP1]].concat();
    for _ in 0..400 {
        let to = (shared.len() as u16 + 8).to_be_bytes();
        shared.extend([op::CALLVALUE, op::PUSH1 + 1, to[0], to[1], op::JUMPI]);
        shared.extend([op::PUSH0, op::SSTORE, op::STOP, op::JUMPDEST]);
    }
    let own = [("doubled", doubled), ("branches", branches), ("shared", shared)];
    for (name, code) in hostile().into_iter().chain(own) {
        let start = std::time::Instant::now();
        let analysis = analyse(&code, Spec::Osaka);
        let analysed = start.elapsed();
        let set = analysis.effect_set(None);
        assert!(set.bytes() < 8 << 20, "{name}: {} bytes", set.bytes());
        let text = analysis.effect_text();
        assert!(text.len() < 64 << 20, "{name}: {} bytes of text", text.len());
        println!("{name}: {analysed:?}, then {:?}, {} bytes", start.elapsed(), set.bytes());
    }
}

#[test]
fn any_bytes_have_effects() {
    let mut state = 1u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    // Ops that keep a path alive are more likely.
    let likely = [
        op::PUSH1,
        op::PUSH1,
        op::PUSH1,
        op::DUP1,
        op::SLOAD,
        op::SSTORE,
        op::CALLDATALOAD,
        op::ADD,
        op::MSTORE,
        op::MLOAD,
        op::KECCAK256,
        op::LOG1,
        op::JUMPI,
        op::JUMPDEST,
        op::SWAP1,
        op::RETURN,
    ];
    let mut whole = 0;
    for _ in 0..3000 {
        let length = 20 + next() % 200;
        let code: Vec<u8> = (0..length)
            .map(|_| match next() % 4 {
                0 => (next() & 0xff) as u8,
                1 => (next() % 64) as u8,
                _ => likely[next() % likely.len()],
            })
            .collect();
        let analysis = analyse(&code, Spec::Osaka);
        whole += usize::from(!analysis.effect_set(None).segments.is_empty());
        analysis.effect_set(Some(0));
        analysis.effect_text();
    }
    assert!(whole > 10, "{whole}");
}

/// Every op of these kinds reads constants beyond those that an operand can name.
#[test]
fn many_constants_are_loaded() {
    let count = 40_000u32;
    let mut code = Vec::new();
    for k in 0..count {
        code.push(op::PUSH1 + 3);
        code.extend((0x0100_0000 + k).to_be_bytes());
        code.extend([op::PUSH0, op::SSTORE]);
    }
    code.push(op::STOP);
    let program = compile(&code, Spec::Osaka);
    assert_eq!(verify::verify(&program), Ok(()));
    let loads: Vec<_> = program.ops.iter().filter(|o| o.code == OpKind::LoadK as u16).collect();
    assert!(loads.len() as u32 >= count - 0x8000, "{}", loads.len());
    assert!(loads.iter().all(|o| (o.imm as usize) < program.consts.len()));
}

#[test]
fn gas_beyond_32_bits_is_split() {
    // LOG4 costs 1875: more than 4.29e9 gas in one section.
    let unit = [op::PUSH0, op::PUSH0, op::PUSH0, op::PUSH0, op::PUSH0, op::PUSH0, op::LOG4];
    let times = 2_400_000;
    let code: Vec<u8> = unit.iter().copied().cycle().take(unit.len() * times).collect();
    let program = compile_with(&code, Spec::Osaka, &Options { merge: false, ..Options::ALL });
    let gas: u64 = program
        .ops
        .iter()
        .filter(|o| o.code == OpKind::Bb as u16 || o.code == OpKind::Section as u16)
        .map(|o| u64::from(o.imm))
        .sum();
    assert_eq!(gas, times as u64 * (1875 + 12));
}

#[test]
fn empty_code_stops() {
    let program = compile(&[], Spec::Osaka);
    let at = |i: u32| OpKind::from_code(program.ops[i as usize].code);
    assert_eq!(at(program.entry), Some(OpKind::Bb));
    assert_eq!(at(program.entry + 1), Some(OpKind::Stop));
    assert!(Program::default().ops.is_empty());
}

/// A program that grows has room for so many ops and constants; none may need more, whatever is
/// repeated.
#[test]
fn programs_that_grow_have_room() {
    let insts: [&[u8]; 18] = [
        &[op::JUMPDEST],
        &[op::JUMP],
        &[op::JUMPI],
        &[op::SWAP1],
        &[op::SWAP16],
        &[op::DUP1],
        &[op::DUP16],
        &[op::POP],
        &[op::PUSH0],
        &[op::PUSH1, 1],
        &[op::PC],
        &[op::GAS],
        &[op::MSTORE],
        &[op::SSTORE],
        &[op::LOG4],
        &[op::CREATE2],
        &[op::CALL],
        &[op::ISZERO],
    ];
    let mut scratch = Scratch::default();
    let count = insts.len();
    for pattern in 0..count * count * count * count {
        let places = [1, count, count * count, count * count * count];
        let unit = places.map(|place| insts[pattern / place % count]).concat();
        let code = unit.repeat(24);
        let mut baseline = Baseline::new(&code, Spec::Osaka);
        let mut program = baseline.start(&code, &mut scratch);
        for n in 0..program.jump_targets().count() as u32 {
            if !baseline.is_lowered(n) {
                grow(&mut program, baseline.lower(&code, n, &mut scratch));
            }
        }
        let (ops, consts) = (program.ops.len(), program.consts.len());
        assert!(ops <= Baseline::ops_max(code.len()), "{ops} ops: {unit:x?}");
        assert!(consts <= Baseline::consts_max(code.len()), "{consts} constants: {unit:x?}");
    }
}
