//! A GPU execution engine for Ethereum transactions.
//!
//! [`Engine::simulate`] runs a batch of independent calls, [`Engine::execute`] a block in order,
//! both on a [`State`], which is a database of revm's and what has changed since. Results are those
//! of sequential Ethereum, whatever ran them.
//!
//! ```
//! use warpevm::revm::{database::{CacheDB, EmptyDB}, primitives::{Address, TxKind, U256}};
//! use warpevm::{Config, Engine, Env, State, Transaction, TxStatus};
//!
//! let rich = Address::repeat_byte(1);
//! let mut db = CacheDB::new(EmptyDB::default());
//! db.insert_account_info(rich, warpevm::revm::state::AccountInfo::from_balance(U256::MAX));
//! let transfer = Transaction {
//!     caller: rich,
//!     kind: TxKind::Call(Address::repeat_byte(2)),
//!     value: U256::from(7),
//!     ..Default::default()
//! };
//!
//! let engine = Engine::new(Config::default())?;
//! let mut state = State::new(db)?;
//! let block = engine.execute(&Env::default(), &[transfer], &mut state)?;
//! let done = block.outcomes[0].result.as_ref().expect("it is valid");
//! assert_eq!((done.status, done.gas_used), (TxStatus::Success, 21_000));
//! # Ok::<(), warpevm::Error>(())
//! ```
//!
//! Modules that the documentation hides are for the tests of warpevm itself: they change as it
//! does.

// They panic where nobody reads, or the disk is full.
#![deny(clippy::print_stdout, clippy::print_stderr)]

#[doc(hidden)]
pub mod backend;
#[doc(hidden)]
pub mod buffer;
#[cfg(feature = "chain")]
pub mod chain;
#[doc(hidden)]
pub mod code;
#[cfg(feature = "files")]
pub mod conformance;
mod convert;
pub mod engine;
pub mod error;
#[cfg(feature = "files")]
pub mod input;
#[doc(hidden)]
pub mod instance;
pub mod limits;
pub mod plan;
mod pool;
#[doc(hidden)]
pub mod redo;
pub mod reference;
#[doc(hidden)]
pub mod report;
#[cfg(feature = "files")]
pub mod results;
pub mod state;
mod sync;
pub mod types;

pub use code::Tiers;
pub use code::artefact::{Artefacts, default_artefacts_dir};
pub use convert::{UnsupportedSetting, bundle_state};
pub use engine::{
    Batch, BlockResult, Config, Divergence, DivergenceCounts, Engine, Hints, Proposal,
};
pub use error::{Error, ErrorKind};
pub use plan::Waits;
pub use revm;
pub use state::State;
pub use types::*;

/// Compiles the README's example.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
