//! The engine: threads, workers and what is known of codes, for any number of states.
//!
//! Each file uses only those above it.
//!
//! | file | what |
//! |---|---|
//! | `config.rs` | how an engine works, as its user says it |
//! | `commit.rs` | what a transaction touched, and its writes into the table |
//! | `footprint.rs` | what one that ran ahead observed and did, held against the table |
//! | `times.rs`, `wide.rs` | what a block takes; what of it is wide enough for a device |
//! | `functions.rs`, `cost.rs` | what calls of functions did; what a block will cost |
//! | `walk.rs` | what is measured and recorded on the way through a block |
//! | `ahead.rs` | a transaction that ran before its turn |
//! | `parts.rs` | what an engine has |
//! | `schedule.rs` | hints, and how a crew goes about a block |
//! | `policy.rs` | decides that |
//! | `prefill.rs`, `publish.rs` | what transactions that run ahead leave for others |
//! | `in_order.rs` | a transaction whose turn it is |
//! | `crew.rs` | threads that execute a block together |
//! | `feed.rs` | a device beside them |
//! | `execute.rs`, `system.rs`, `simulate.rs`, `two_phase.rs` | what users call |

mod ahead;
mod commit;
mod config;
mod cost;
mod crew;
mod execute;
mod feed;
mod footprint;
mod functions;
mod in_order;
mod parts;
mod policy;
mod prefill;
mod publish;
mod schedule;
mod simulate;
mod system;
mod times;
mod two_phase;
mod walk;
mod wide;

pub use config::Config;
pub use execute::BlockResult;
pub use parts::Engine;
pub use schedule::Hints;
pub use simulate::Batch;
pub use two_phase::{Divergence, DivergenceCounts, Proposal, Unforeseen};
