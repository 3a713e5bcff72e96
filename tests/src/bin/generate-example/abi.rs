//! Call data by hand: the few shapes that the example needs.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};

/// One argument of a call.
pub enum Arg {
    Word(U256),
    Bytes(Vec<u8>),
    Words(Vec<U256>),
}

impl From<Address> for Arg {
    fn from(value: Address) -> Arg {
        Arg::Word(value.into_word().into())
    }
}

impl From<B256> for Arg {
    fn from(value: B256) -> Arg {
        Arg::Word(value.into())
    }
}

impl From<U256> for Arg {
    fn from(value: U256) -> Arg {
        Arg::Word(value)
    }
}

impl From<u64> for Arg {
    fn from(value: u64) -> Arg {
        Arg::Word(U256::from(value))
    }
}

/// The arguments as the contract ABI lays them out: heads, then the tails of dynamic ones.
pub fn encode(args: &[Arg]) -> Vec<u8> {
    let mut head = Vec::new();
    let mut tail = Vec::new();
    let push = |to: &mut Vec<u8>, word: U256| to.extend(word.to_be_bytes::<32>());
    for arg in args {
        let offset = U256::from(32 * args.len() + tail.len());
        match arg {
            Arg::Word(word) => push(&mut head, *word),
            Arg::Bytes(bytes) => {
                push(&mut head, offset);
                push(&mut tail, U256::from(bytes.len()));
                tail.extend(bytes);
                tail.resize(tail.len().next_multiple_of(32), 0);
            }
            Arg::Words(words) => {
                push(&mut head, offset);
                push(&mut tail, U256::from(words.len()));
                words.iter().for_each(|word| push(&mut tail, *word));
            }
        }
    }
    head.extend(tail);
    head
}

/// The call data of `signature` (`"transfer(address,uint256)"`) with `args`.
pub fn call<const N: usize>(signature: &str, args: [Arg; N]) -> Bytes {
    let mut data = keccak256(signature).0[..4].to_vec();
    data.extend(encode(&args));
    data.into()
}

/// `call("f(uint256)"; x, y)` with every argument turned into an [`Arg`].
#[macro_export]
macro_rules! call {
    ($signature:expr $(; $($arg:expr),*)?) => {
        $crate::abi::call($signature, [$($($crate::abi::Arg::from($arg)),*)?])
    };
}

impl From<Vec<u8>> for Arg {
    fn from(value: Vec<u8>) -> Arg {
        Arg::Bytes(value)
    }
}

impl From<Vec<U256>> for Arg {
    fn from(value: Vec<U256>) -> Arg {
        Arg::Words(value)
    }
}
