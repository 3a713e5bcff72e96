//! Symbolic access sets evaluate to the keys that a run touches.

use alloy_primitives::{Address, B256, U256, keccak256};
use warpevm_compiler::{Env, Spec, analyse, asm};

/// A token with a balance mapping at slot 1 and an owner at slot 0.
const TOKEN: &str = "
    4 calldatasize lt @none jumpi
    0 calldataload 224 shr
    dup1 push4 0xa9059cbb eq @transfer jumpi
    dup1 push4 0x8da5cb5b eq @owner jumpi
    none: 0 0 revert
    owner: 0 sload 0 mstore 32 0 return
    transfer: caller 0 mstore 1 32 mstore 64 0 keccak256 dup1 sload
    36 calldataload dup2 dup2 gt @none jumpi
    swap1 sub swap1 sstore
    4 calldataload 0xffffffffffffffffffffffffffffffffffffffff and
    0 mstore 1 32 mstore 64 0 keccak256 dup1 sload
    36 calldataload add swap1 sstore
    1 0 mstore 32 0 return";

fn mapping(key: Address, slot: u64) -> U256 {
    let words = [key.into_word(), B256::from(U256::from(slot))];
    keccak256(words.concat()).into()
}

fn env<'a>(data: &'a [u8], storage: &'a dyn Fn(U256) -> Option<U256>) -> Env<'a> {
    Env {
        caller: Address::repeat_byte(0xca),
        address: Address::repeat_byte(0xad),
        origin: Address::repeat_byte(0x0f),
        value: U256::ZERO,
        call_data: data,
        storage,
    }
}

#[test]
fn transfer_touches_two_balances() {
    let analysis = analyse(&asm::assemble(TOKEN).unwrap(), Spec::Cancun);
    assert_eq!(analysis.selectors().into_iter().collect::<Vec<_>>(), [0x8da5_cb5b, 0xa905_9cbb]);
    let to = Address::repeat_byte(0x22);
    let mut data = 0xa905_9cbbu32.to_be_bytes().to_vec();
    data.extend(to.into_word());
    data.extend(B256::from(U256::from(5)));
    let accessed = analysis.access_set(Some(0xa905_9cbb)).evaluate(&env(&data, &|_| None));
    let both = [mapping(Address::repeat_byte(0xca), 1), mapping(to, 1)];
    assert!(accessed.complete);
    assert_eq!(accessed.writes, both.into_iter().collect());
    assert_eq!(accessed.reads, accessed.writes);
    assert!(accessed.accounts.is_empty());

    let owner = analysis.access_set(Some(0x8da5_cb5b)).evaluate(&env(&data[..4], &|_| None));
    assert_eq!(owner.reads.into_iter().collect::<Vec<_>>(), [U256::ZERO]);
    assert!(owner.writes.is_empty() && owner.complete);
}

#[test]
fn a_proxy_is_followed_through_storage() {
    let source = "calldatasize 0 0 calldatacopy 0 0 calldatasize 0 7 sload gas delegatecall stop";
    let analysis = analyse(&asm::assemble(source).unwrap(), Spec::Cancun);
    let set = analysis.access_set(None);
    let target = Address::repeat_byte(0x77);
    let storage = |key| (key == U256::from(7)).then(|| U256::from_be_slice(target.as_slice()));
    let known = set.evaluate(&env(&[], &storage));
    assert!(known.complete && known.accounts.contains(&target));
    let unknown = set.evaluate(&env(&[], &|_| None));
    assert!(!unknown.complete && unknown.accounts.is_empty());
}
