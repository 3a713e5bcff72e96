//! An instance: how a transaction becomes one, what it needs on its way, and what it leaves.
//!
//! | file | what |
//! |---|---|
//! | `encode.rs` | transactions in the device's form, and every check that needs no state |
//! | `layout.rs` | memory classes: how much of everything an instance has, and where it stands |
//! | `session.rs` | what the transactions of one call of the engine share; what instances need |
//! | `precompiles.rs` | precompiles that the device does not take |
//! | `view.rs` | an instance's memory as the host reads it |
//! | `decode.rs` | from that memory to what a transaction did |

pub mod decode;
pub mod encode;
pub mod layout;
pub mod precompiles;
pub mod session;
pub mod view;
