//! Rules and prices of every spec against revm's own: ours stand in `compiler/src/forks.rs`, and
//! the reference has none of them.

use alloy_primitives::{Address, U256};
use revm::context_interface::cfg::gas_params::{GasId, GasParams};
use revm::interpreter::instructions::gas_table_spec;
use revm::precompile::{PrecompileSpecId, Precompiles};
use revm::primitives::hardfork::SpecId;
use revm::primitives::{eip170, eip3860, eip7825};
use warpevm::Spec;
use warpevm::reference::spec_id;
use warpevm_compiler::gas::Intrinsic;
use warpevm_compiler::opcode::{op, table_of};
use warpevm_compiler::precompile::PRECOMPILES;
use warpevm_compiler::{Rule, precompile};

/// What EIP-2929 calls the cost of a cold access, of an account and of a slot.
fn cold(params: &GasParams, more: GasId) -> u64 {
    params.get(more) + params.get(GasId::warm_storage_read_cost())
}

#[test]
fn prices_are_those_of_revm() {
    for spec in Spec::ALL {
        let (gas, rules, params) = (spec.gas(), spec.rules(), GasParams::new_spec(spec_id(spec)));
        let mut pairs = vec![
            ("memory_word", gas.memory_word, params.get(GasId::memory_linear_cost())),
            (
                "memory_square_divisor",
                gas.memory_square_divisor,
                params.get(GasId::memory_quadratic_reduction()),
            ),
            ("copy_word", gas.copy_word, params.get(GasId::copy_per_word())),
            ("keccak_word", gas.keccak_word, params.get(GasId::keccak256_per_word())),
            ("log_byte", gas.log_byte, params.get(GasId::logdata())),
            ("exp_byte", gas.exp_byte, params.get(GasId::exp_byte_gas())),
            ("call_value", gas.call_value, params.get(GasId::transfer_value_cost())),
            ("call_new_account", gas.call_new_account, params.get(GasId::new_account_cost())),
            ("call_stipend", gas.call_stipend, params.get(GasId::call_stipend())),
            ("deploy_byte", gas.deploy_byte, params.get(GasId::code_deposit_cost())),
            (
                "sstore_clear_refund",
                gas.sstore_clear_refund,
                params.get(GasId::sstore_clearing_slot_refund()),
            ),
            (
                "self_destruct_new_account",
                gas.self_destruct_new_account,
                params.get(GasId::new_account_cost_for_selfdestruct()),
            ),
            (
                "self_destruct_refund",
                gas.self_destruct_refund,
                params.get(GasId::selfdestruct_refund()),
            ),
            ("refund_quotient", gas.refund_quotient, params.get(GasId::max_refund_quotient())),
        ];
        let opcodes = gas_table_spec(spec_id(spec));
        // SSTORE's parts: of a slot that is set and of one that is reset, as they add up.
        let load = params.get(GasId::sstore_static());
        let set = load + params.get(GasId::sstore_set_without_load_cost());
        let reset = load + params.get(GasId::sstore_reset_without_cold_load_cost());
        pairs.extend([
            ("sstore_set", gas.sstore_set, set),
            ("sstore_reset", gas.sstore_reset, reset),
        ]);
        // revm has no Constantinople, whose metering is the reference's own.
        if rules.has(Rule::NetStorageGas) && spec != Spec::Constantinople {
            pairs.push(("sload", gas.sload, load));
            pairs.push(("sstore_sentry", gas.sstore_sentry, params.get(GasId::call_stipend())));
        } else {
            pairs.push(("sstore_sentry", gas.sstore_sentry, 0));
            pairs.push(("sload", gas.sload, opcodes[usize::from(op::SLOAD)].into()));
        }
        if rules.has(Rule::WarmAccess) {
            let account = cold(&params, GasId::cold_account_additional_cost());
            let slot = cold(&params, GasId::cold_storage_additional_cost());
            let warm = params.get(GasId::warm_storage_read_cost());
            pairs.push(("cold_account", gas.cold_account, account));
            pairs.push(("cold_slot", gas.cold_slot, slot));
            pairs.push(("warm_access", gas.warm_access, warm));
        }
        if rules.has(Rule::Delegations) {
            let refund = params.get(GasId::tx_eip7702_regular_refund());
            pairs.push(("authorization_refund", gas.authorization_refund, refund));
        }
        for (name, ours, theirs) in pairs {
            assert_eq!(u64::from(ours), theirs, "{spec}: {name}");
        }
    }
}

#[test]
fn limits_are_those_of_the_eips() {
    for spec in Spec::ALL {
        let gas = spec.gas();
        assert_eq!(gas.deployed_code_bytes_max as usize, eip170::MAX_CODE_SIZE);
        assert_eq!(gas.init_code_bytes_max as usize, eip3860::MAX_INITCODE_SIZE);
        assert_eq!(u64::from(gas.tx_gas_max), eip7825::TX_GAS_LIMIT_CAP);
    }
}

#[test]
fn static_gas_of_opcodes_is_that_of_revm() {
    for spec in Spec::ALL {
        let (ours, theirs) = (table_of(spec), gas_table_spec(spec_id(spec)));
        let params = GasParams::new_spec(spec_id(spec));
        for (byte, info) in (0..=255u8).zip(ours).filter(|(_, info)| info.defined) {
            let more = match byte {
                op::LOG0..=op::LOG4 => u64::from(byte - op::LOG0) * params.get(GasId::logtopic()),
                op::CREATE | op::CREATE2 => params.get(GasId::create()),
                _ => 0,
            };
            let theirs = u64::from(theirs[usize::from(byte)]) + more;
            assert_eq!(u64::from(info.gas), theirs, "{spec}: opcode {byte:#04x}");
        }
    }
}

#[test]
fn precompiles_are_those_of_revm() {
    for spec in Spec::ALL {
        let theirs = Precompiles::new(PrecompileSpecId::from_spec_id(spec_id(spec)));
        let ours =
            PRECOMPILES.iter().filter(|row| spec.precompiles() & precompile::bit(row.number) != 0);
        let ours: Vec<Address> =
            ours.map(|row| Address::from_word(U256::from(row.number).into())).collect();
        let mut theirs: Vec<Address> = theirs.addresses().copied().collect();
        theirs.sort();
        assert_eq!(ours, theirs, "{spec}");
    }
}

#[test]
fn rules_come_with_their_fork() {
    let since = [
        (Rule::PaidDeployment, SpecId::HOMESTEAD),
        (Rule::LowSignatures, SpecId::HOMESTEAD),
        (Rule::DifficultyBySeconds, SpecId::HOMESTEAD),
        (Rule::WithholdsGas, SpecId::TANGERINE),
        (Rule::ReplayProtection, SpecId::SPURIOUS_DRAGON),
        (Rule::StateClearing, SpecId::SPURIOUS_DRAGON),
        (Rule::CodeSizeLimit, SpecId::SPURIOUS_DRAGON),
        (Rule::DifficultyByOmmers, SpecId::BYZANTIUM),
        (Rule::ReceiptStatus, SpecId::BYZANTIUM),
        (Rule::ModexpByWords, SpecId::BERLIN),
        (Rule::WarmAccess, SpecId::BERLIN),
        (Rule::AccessLists, SpecId::BERLIN),
        (Rule::BaseFee, SpecId::LONDON),
        (Rule::ReservedCodePrefix, SpecId::LONDON),
        (Rule::ProofOfStake, SpecId::MERGE),
        (Rule::WarmCoinbase, SpecId::SHANGHAI),
        (Rule::InitCodeLimit, SpecId::SHANGHAI),
        (Rule::Withdrawals, SpecId::SHANGHAI),
        (Rule::BeaconRoot, SpecId::CANCUN),
        (Rule::Blobs, SpecId::CANCUN),
        (Rule::SelfDestructOfNewOnly, SpecId::CANCUN),
        (Rule::BlockHashHistory, SpecId::PRAGUE),
        (Rule::FloorGas, SpecId::PRAGUE),
        (Rule::Requests, SpecId::PRAGUE),
        (Rule::Delegations, SpecId::PRAGUE),
        (Rule::ModexpLimit, SpecId::OSAKA),
        (Rule::TxGasLimit, SpecId::OSAKA),
        (Rule::ModexpRaised, SpecId::OSAKA),
        (Rule::BlobFeeBound, SpecId::OSAKA),
    ];
    for spec in Spec::ALL {
        for (rule, since) in since {
            let wanted = spec_id(spec).is_enabled_in(since);
            assert_eq!(spec.rules().has(rule), wanted, "{spec}: {rule:?}");
        }
        let net = spec == Spec::Constantinople || spec_id(spec).is_enabled_in(SpecId::ISTANBUL);
        assert_eq!(spec.rules().has(Rule::NetStorageGas), net, "{spec}");
    }
}

#[test]
fn transactions_pay_what_revm_says_before_they_run() {
    for spec in Spec::ALL {
        let (gas, rules) = (spec.gas(), spec.rules());
        let params = GasParams::new_spec(spec_id(spec));
        for (len, creates) in
            [0, 1, 31, 32, 33, 1000, 40_000].into_iter().flat_map(|len| [(len, false), (len, true)])
        {
            let data: Vec<u8> = (0..len).map(|i| (i % 3) as u8).collect();
            let zero_bytes = data.iter().filter(|byte| **byte == 0).count() as u64;
            let has = |rule, count| if rules.has(rule) { count } else { 0 };
            let tx = Intrinsic {
                creates,
                zero_bytes,
                non_zero_bytes: len - zero_bytes,
                listed_accounts: has(Rule::AccessLists, 2),
                listed_slots: has(Rule::AccessLists, 3),
                authorizations: 5,
            };
            let (accounts, slots) = (tx.listed_accounts, tx.listed_slots);
            let theirs = params.initial_tx_gas(&data, creates, accounts, slots, 5, None);
            let what = format!("{spec}, {len} bytes, a creation: {creates}");
            assert_eq!(gas.intrinsic(&tx, rules), theirs.initial_total_gas(), "{what}");
            assert_eq!(gas.floor(&tx, rules), has(Rule::FloorGas, theirs.floor_gas()), "{what}");
        }
    }
}
