//! What revm lacks of single specs: net gas metering of SSTORE in Constantinople (EIP-1283), and
//! codes that only look like a delegation (EIP-7702), which they are from Prague on.

use crate::state::StorageProbe;
use alloy_primitives::{Address, B256, U256};
use revm::bytecode::Bytecode;
use revm::bytecode::eip7702::{EIP7702_BYTECODE_LEN, EIP7702_MAGIC_BYTES, EIP7702_VERSION};
use revm::context_interface::Host;
use revm::context_interface::cfg::gas_params::{GasId, GasParams};
use revm::database_interface::DatabaseRef;
use revm::handler::instructions::EthInstructions;
use revm::primitives::hardfork::SpecId;
use revm::state::AccountInfo;
use revm_interpreter::instructions::host::sstore_with_gas_accounting;
use revm_interpreter::interpreter::EthInterpreter;
use revm_interpreter::{Instruction, InstructionContext, InstructionExecResult, InstructionResult};
use warpevm_compiler::Spec;
use warpevm_compiler::opcode::op::SSTORE;

use super::spec_id;

/// An SSTORE that changes nothing, or a slot that the transaction changed before (EIP-1283).
const SSTORE_NOOP_GAS: u64 = 200;
/// A slot that was zero before the transaction, changed for the first time.
const SSTORE_INIT_GAS: u64 = 20_000;
/// Any other slot, changed for the first time.
const SSTORE_CLEAN_GAS: u64 = 5_000;

/// The prices of a spec where they are not those that revm has for `revm_spec(spec)`.
pub(super) fn gas_params(spec: Spec, mut params: GasParams) -> GasParams {
    if spec == Spec::Constantinople {
        let (init, clean) = (SSTORE_INIT_GAS - SSTORE_NOOP_GAS, SSTORE_CLEAN_GAS - SSTORE_NOOP_GAS);
        params.override_gas([
            (GasId::sstore_static(), SSTORE_NOOP_GAS),
            (GasId::sstore_set_without_load_cost(), init),
            (GasId::sstore_reset_without_cold_load_cost(), clean),
            (GasId::sstore_set_refund(), init),
            (GasId::sstore_reset_refund(), clean),
        ]);
    }
    params
}

/// Replaces the instructions that a spec has otherwise than revm.
pub(super) fn instructions<H: Host>(
    spec: Spec,
    instructions: &mut EthInstructions<EthInterpreter, H>,
) {
    if spec == Spec::Constantinople {
        instructions.insert_instruction(SSTORE, Instruction::new(net_metered_sstore), 0);
    }
}

/// SSTORE of EIP-1283: as in Istanbul (EIP-2200), at other prices, and without its check that more
/// gas is left than a stipend.
fn net_metered_sstore<H: Host + ?Sized>(
    context: InstructionContext<'_, H, EthInterpreter>,
) -> InstructionExecResult {
    sstore_with_gas_accounting(context, |context, _, load| {
        let prices = context.host.gas_params();
        let (cost, refund) = (
            prices.sstore_dynamic_gas(true, &load.data, false),
            prices.sstore_refund(true, &load.data),
        );
        let gas = &mut context.interpreter.gas;
        if !gas.record_regular_cost(cost) {
            return Err(InstructionResult::OutOfGas);
        }
        gas.record_refund(refund);
        Ok(())
    })
}

/// A code as a spec sees it: from Prague on one of 23 bytes that begins with 0xef0100 delegates to
/// the address that follows (EIP-7702), before it is plain code, however the database marked it.
pub(super) fn code_in(spec: Spec, code: Bytecode) -> Bytecode {
    let prague = spec_id(spec).is_enabled_in(SpecId::PRAGUE);
    let delegates = prague && is_designator(code.original_byte_slice());
    if delegates == code.is_eip7702() {
        return code;
    }
    let bytes = code.original_bytes();
    if !delegates {
        return Bytecode::new_legacy(bytes);
    }
    Bytecode::new_eip7702_raw(bytes).unwrap_or(code)
}

fn is_designator(code: &[u8]) -> bool {
    code.len() == EIP7702_BYTECODE_LEN
        && code.starts_with(EIP7702_MAGIC_BYTES)
        && code[EIP7702_MAGIC_BYTES.len()] == EIP7702_VERSION
}

/// A database whose codes are as a spec sees them.
#[derive(Clone, Debug)]
pub struct InSpec<DB: DatabaseRef> {
    db: DB,
    spec: Spec,
    /// Tells whether an account has storage (EIP-7610).
    pub(super) probe: Option<StorageProbe<DB>>,
}

impl<DB: DatabaseRef> InSpec<DB> {
    /// This database under a spec.
    pub fn new(spec: Spec, db: DB) -> InSpec<DB> {
        InSpec { db, spec, probe: None }
    }

    /// Whether an account has storage, as far as is known.
    pub(super) fn has_storage(&self, address: Address) -> Result<bool, DB::Error> {
        self.probe.map_or(Ok(false), |probe| probe(&self.db, address))
    }
}

impl<DB: DatabaseRef> DatabaseRef for InSpec<DB> {
    type Error = DB::Error;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, DB::Error> {
        let mut account = self.db.basic_ref(address)?;
        if let Some(account) = &mut account {
            account.code = account.code.take().map(|code| code_in(self.spec, code));
        }
        Ok(account)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, DB::Error> {
        Ok(code_in(self.spec, self.db.code_by_hash_ref(hash)?))
    }

    fn storage_ref(&self, address: Address, key: U256) -> Result<U256, DB::Error> {
        self.db.storage_ref(address, key)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, DB::Error> {
        self.db.block_hash_ref(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::Bytes;

    #[test]
    fn a_designator_delegates_from_prague_on_however_it_is_marked() {
        let bytes: Bytes = [&[0xef, 0x01, 0x00][..], &[7; 20]].concat().into();
        for code in [Bytecode::new_legacy(bytes.clone()), Bytecode::new_raw(bytes.clone())] {
            for spec in Spec::ALL {
                let seen = code_in(spec, code.clone());
                let prague = spec_id(spec).is_enabled_in(SpecId::PRAGUE);
                assert_eq!(seen.is_eip7702(), prague, "{spec}");
                assert_eq!(seen.original_bytes(), bytes);
            }
        }
        for other in [&[0xef, 0x01, 0x01][..], &[0xef, 0x00, 0x00]] {
            let bytes: Bytes = [other, &[7; 20]].concat().into();
            assert!(!code_in(Spec::Prague, Bytecode::new_legacy(bytes)).is_eip7702());
        }
        let long: Bytes = [&[0xef, 0x01, 0x00][..], &[7; 21]].concat().into();
        assert!(!code_in(Spec::Prague, Bytecode::new_legacy(long)).is_eip7702());
    }
}
