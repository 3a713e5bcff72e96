//! How transactions end. All that is said of an end stands in its row here, and nowhere else.

use super::TxStatus;
use revm::context::result::{HaltReason, OutOfGasError, SuccessReason};
use warpevm_kernels::abi;

/// The ends from one table. A row has our variant, which success and revert share with revm and
/// with devices; its name in rows and counts; and words. A halt also has the device's variant, the
/// reason that we give revm's users, and all of revm's reasons that it stands for.
macro_rules! ends {
    (
        $(success $success:ident: $success_name:literal, $success_words:literal;)*
        revert $revert:ident: $revert_name:literal, $revert_words:literal;
        $(
            halt $halt:ident, $device:ident: $halt_name:literal, $halt_words:literal,
            $reason:expr, ($reasons:pat);
        )*
    ) => {
        /// How a transaction ended, precisely. Variants are called as revm calls what they stand
        /// for, where it tells apart no more than a device does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum End {
            $(#[doc = concat!("The transaction ", $success_words, ".")] $success,)*
            #[doc = concat!("The transaction ", $revert_words, ".")]
            $revert,
            $(#[doc = concat!("A halt: ", $halt_words, ".")] $halt,)*
        }

        impl End {
            /// Its name in rows of results and in counts.
            pub const fn name(self) -> &'static str {
                match self {
                    $(End::$success => $success_name,)*
                    End::$revert => $revert_name,
                    $(End::$halt => $halt_name,)*
                }
            }

            /// In words.
            pub const fn words(self) -> &'static str {
                match self {
                    $(End::$success => $success_words,)*
                    End::$revert => $revert_words,
                    $(End::$halt => $halt_words,)*
                }
            }

            /// Which kind of end it is.
            pub const fn status(self) -> TxStatus {
                match self {
                    $(End::$success => TxStatus::Success,)*
                    End::$revert => TxStatus::Revert,
                    $(End::$halt => TxStatus::Halt,)*
                }
            }

            /// revm's reason of a success.
            pub const fn success(self) -> Option<SuccessReason> {
                match self {
                    $(End::$success => Some(SuccessReason::$success),)*
                    _ => None,
                }
            }

            /// revm's reason of a halt. Of those that a device does not tell apart, the first.
            pub const fn halt(self) -> Option<HaltReason> {
                match self {
                    $(End::$halt => Some($reason),)*
                    _ => None,
                }
            }

            /// What a device says; `None`: the transaction was not valid.
            pub(crate) const fn of_device(end: abi::End) -> Option<End> {
                Some(match end {
                    $(abi::End::$success => End::$success,)*
                    abi::End::$revert => End::$revert,
                    $(abi::End::$device => End::$halt,)*
                    abi::End::RejectNonceLow
                    | abi::End::RejectNonceHigh
                    | abi::End::RejectBalance
                    | abi::End::RejectSenderCode
                    | abi::End::RejectNonceMax => return None,
                })
            }
        }

        impl From<SuccessReason> for End {
            fn from(reason: SuccessReason) -> End {
                match reason {
                    $(SuccessReason::$success => End::$success,)*
                }
            }
        }

        impl From<&HaltReason> for End {
            fn from(reason: &HaltReason) -> End {
                use HaltReason::*;
                match reason {
                    $($reasons => End::$halt,)*
                }
            }
        }

        #[cfg(test)]
        const ALL: &[End] = &[$(End::$success,)* End::$revert, $(End::$halt,)*];
    };
}

ends! {
    success Stop: "stop", "stopped";
    success Return: "return", "returned";
    success SelfDestruct: "self-destruct", "destroyed itself";
    revert Revert: "revert", "reverted";
    halt OutOfGas, OutOfGas: "out-of-gas", "out of gas",
        HaltReason::OutOfGas(OutOfGasError::Basic), (OutOfGas(_));
    halt InvalidOpcode, InvalidOpcode:
        "invalid-opcode", "an opcode that is not defined, or INVALID",
        HaltReason::OpcodeNotFound, (OpcodeNotFound | InvalidFEOpcode | NotActivated);
    halt Stack, Stack: "stack", "stack underflow or overflow",
        HaltReason::StackUnderflow, (StackUnderflow | StackOverflow);
    halt InvalidJump, BadJump: "bad-jump", "a jump to a place that is no JUMPDEST",
        HaltReason::InvalidJump, (InvalidJump);
    halt StateChangeDuringStaticCall, StaticViolation:
        "static-violation", "a state change in a static call",
        HaltReason::StateChangeDuringStaticCall,
        (StateChangeDuringStaticCall | CallNotAllowedInsideStatic);
    halt OutOfOffset, ReturnDataBounds: "return-data-bounds", "RETURNDATACOPY past the end",
        HaltReason::OutOfOffset, (OutOfOffset);
    halt CreateCollision, CreateCollision:
        "create-collision", "a creation over an account that is there",
        HaltReason::CreateCollision, (CreateCollision);
    halt CreateContractSizeLimit, CodeSize: "code-size", "deployed code beyond the size limit",
        HaltReason::CreateContractSizeLimit, (CreateContractSizeLimit);
    halt CreateContractStartingWithEF, CodeFirstByte:
        "code-first-byte", "deployed code that starts with 0xef",
        HaltReason::CreateContractStartingWithEF, (CreateContractStartingWithEF);
    halt CreateInitCodeSizeLimit, InitCodeSize:
        "init-code-size", "init code beyond the size limit",
        HaltReason::CreateInitCodeSizeLimit, (CreateInitCodeSizeLimit);
    halt NonceOverflow, NonceOverflow:
        "nonce-overflow", "the creator's nonce is at its maximum",
        HaltReason::NonceOverflow, (NonceOverflow);
    halt PrecompileError, Precompile: "precompile", "a precompile failed on its input",
        HaltReason::PrecompileError, (PrecompileError | PrecompileErrorWithContext(_));
    halt CallTooDeep, Depth: "depth", "calls nested too deep",
        HaltReason::CallTooDeep, (CallTooDeep);
    halt OutOfFunds, Balance: "balance", "too little balance for the value of a call",
        HaltReason::OutOfFunds, (OverflowPayment | OutOfFunds);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn revms_reasons_and_devices_ends_come_back() {
        for end in ALL {
            match end.status() {
                TxStatus::Success => assert_eq!(end.success().map(End::from), Some(*end)),
                TxStatus::Revert => assert_eq!((end.success(), end.halt()), (None, None)),
                TxStatus::Halt => {
                    assert_eq!(end.halt().as_ref().map(End::from), Some(*end));
                }
            }
        }
        let devices: BTreeSet<&str> = (0..1_000)
            .filter_map(abi::End::from_u32)
            .filter_map(End::of_device)
            .map(End::name)
            .collect();
        assert_eq!(devices, ALL.iter().map(|end| end.name()).collect());
    }
}
