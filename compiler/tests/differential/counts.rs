//! How many ops does a program run for how many opcodes? Fewer ops is what the compiler is for.

use crate::{lowered, stack, world::World};
use alloy_primitives::hex;
use warpevm_compiler::{Options, Spec, asm, compile_with};

/// A token in the manner of Solidity: dispatcher, checked arithmetic in internal functions, masks.
const TOKEN: &str = "
    0x80 0x40 mstore callvalue dup1 iszero @ok jumpi 0 0 revert
    ok: pop 4 calldatasize lt @none jumpi
    0 calldataload 224 shr
    dup1 push4 0x70a08231 eq @balance jumpi
    dup1 push4 0xa9059cbb eq @transfer jumpi
    none: 0 dup1 revert
    balance: pop 4 calldataload 0 mstore 0 32 mstore 64 0 keccak256 sload 0x80 mstore 32 0x80 return
    transfer: pop @done @decoded calldatasize 4 @decode jump
    decoded: @body jump
    done: 0x40 mload swap1 iszero iszero dup2 mstore 32 swap1 return
    decode: 64 dup2 dup4 sub slt iszero @long jumpi 0 0 revert
    long: dup1 calldataload 0xffffffffffffffffffffffffffffffffffffffff and
    dup2 32 add calldataload swap3 pop swap1 pop swap2 jump
    body: caller 0 mstore 0 32 mstore 64 0 keccak256 sload
    dup2 dup2 lt @none jumpi
    @less dup3 dup3 @checked_sub jump
    less: caller 0 mstore 0 32 mstore 64 0 keccak256 sstore pop
    dup2 0xffffffffffffffffffffffffffffffffffffffff and 0 mstore 0 32 mstore 64 0 keccak256
    @more dup3 dup3 sload @checked_add jump
    more: swap1 sstore
    0x40 mload dup2 dup2 mstore
    dup3 0xffffffffffffffffffffffffffffffffffffffff and caller
    0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef
    32 dup5 log3
    pop pop pop 1 swap1 jump
    checked_sub: dup2 dup2 sub dup2 dup2 gt @panic jumpi swap3 swap2 pop pop jump
    checked_add: dup2 dup2 add dup2 dup2 lt @panic jumpi swap3 swap2 pop pop jump
    panic: 0x11 4 mstore 36 0 revert";

/// Runs `code` both ways; the counts of opcodes and of ops.
fn counts(code: &[u8], data: &[u8], options: &Options) -> (u64, u64) {
    let program = compile_with(code, Spec::Osaka, options);
    let mut want = World::new(Spec::Osaka, 30_000_000_000, data);
    want.no_value = true;
    let mut got = want.clone();
    let (want_end, insts) = stack::run_counting(code, &mut want);
    let (got_end, ops) = lowered::run(&program, code, &mut got);
    assert!(want_end.is_ok(), "the case should succeed: {want_end:?}");
    assert_eq!((want_end, want.gas, want.events), (got_end, got.gas, got.events));
    (insts, ops)
}

#[test]
fn a_transfer_takes_few_ops() {
    let code = asm::assemble(TOKEN).unwrap();
    let mut data = 0xa905_9cbbu32.to_be_bytes().to_vec();
    data.extend([0; 12]);
    data.extend([0x22; 20]);
    data.extend([0; 31]);
    data.push(5);
    let (insts, ops) = counts(&code, &data, &Options::ALL);
    let (_, plain) = counts(&code, &data, &Options::NONE);
    println!("{insts} opcodes, {ops} ops, {plain} without passes");
    assert!(ops * 7 <= insts * 2, "{ops} ops for {insts} opcodes");
    assert!(ops * 2 < plain, "{ops} ops, {plain} without any pass");
}

/// `WARPEVM_STATE_TEST=<file> cargo test -- --ignored --nocapture state_test`
#[test]
#[ignore = "needs a state test file"]
fn state_test() {
    let path = std::env::var("WARPEVM_STATE_TEST").expect("the path of a state test");
    let text = std::fs::read_to_string(path).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (name, case) in json.as_object().unwrap() {
        let to = case["transaction"]["to"].as_str().unwrap().to_lowercase();
        let pre = case["pre"].as_object().unwrap();
        let account = pre.iter().find(|(address, _)| address.to_lowercase() == to).unwrap().1;
        let code = hex::decode(account["code"].as_str().unwrap()).unwrap();
        for data in case["transaction"]["data"].as_array().unwrap() {
            let data = hex::decode(data.as_str().unwrap()).unwrap();
            let (insts, ops) = counts(&code, &data, &Options::ALL);
            println!("{name}: {insts} opcodes, {ops} ops");
        }
    }
}
