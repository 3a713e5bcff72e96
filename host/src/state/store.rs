//! State that lasts: databases that take over what blocks changed, and take it back.
//!
//! What a block changes is gathered first ([`super::Pending`]) and committed once all checks hold,
//! so a block that is not valid leaves no trace. A database may fail at any call; a commit that
//! fails has changed nothing.

use crate::types::AccountChange;
use alloy_eips::BlockNumHash;
use alloy_primitives::{Address, B256};
use revm::database_interface::DatabaseRef;

/// A database that knows which accounts have storage (EIP-7610). revm's databases do not.
pub trait HasStorage: DatabaseRef {
    /// Whether an account has a slot that is not zero.
    fn has_storage(&self, address: Address) -> Result<bool, Self::Error>;
}

impl<DB: HasStorage + ?Sized> HasStorage for &DB {
    fn has_storage(&self, address: Address) -> Result<bool, Self::Error> {
        (**self).has_storage(address)
    }
}

/// [`HasStorage::has_storage`] of a database, for those who take any: most do not know.
pub type StorageProbe<DB> = fn(&DB, Address) -> Result<bool, <DB as DatabaseRef>::Error>;

/// A state that blocks change. What is read is the state after the last block that was committed.
pub trait StateStore: HasStorage {
    /// Takes over what a block changed, all or nothing. BLOCKHASH then knows the block.
    fn commit(&mut self, block: BlockNumHash, changes: &[AccountChange])
    -> Result<(), Self::Error>;

    /// Takes the last block back, all or nothing: another one will follow its parent. Returns the
    /// accounts that it had changed as they are now.
    fn revert(&mut self) -> Result<Vec<AccountChange>, Self::Error>;
}

/// A state whose root is known.
pub trait StateRoot: DatabaseRef {
    /// The root after each of these lists of changes, each on top of those before it. Nothing is
    /// changed.
    fn roots_after(&self, steps: &[&[AccountChange]]) -> Result<Vec<B256>, Self::Error>;

    /// The root of what is there.
    fn state_root(&self) -> Result<B256, Self::Error> {
        self.root_after(&[])
    }

    /// The root of what is there, with changes.
    fn root_after(&self, changes: &[AccountChange]) -> Result<B256, Self::Error> {
        // There is one for each step.
        Ok(self.roots_after(&[changes])?.pop().unwrap_or_default())
    }
}
