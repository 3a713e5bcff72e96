//! Accounts with keys, so that every signature in the example is genuine.

use alloy_primitives::{Address, B256, Signature, keccak256};
use k256::ecdsa::SigningKey;

pub struct User {
    pub address: Address,
    key: SigningKey,
}

impl User {
    /// The user's key is public knowledge: never send anything to this address on a real chain.
    pub fn new(role: &str, index: usize) -> User {
        let secret = keccak256(format!("warpevm example {role} {index}"));
        let key = SigningKey::from_bytes(&secret.0.into()).expect("a hash is a valid key");
        let public = key.verifying_key().to_encoded_point(false);
        User { address: Address::from_raw_public_key(&public.as_bytes()[1..]), key }
    }

    pub fn sign(&self, digest: B256) -> Signature {
        let (signature, recovery) =
            self.key.sign_prehash_recoverable(digest.as_slice()).expect("32 bytes can be signed");
        Signature::from_signature_and_parity(signature, recovery.is_y_odd())
    }
}
