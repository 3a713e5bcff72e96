//! An instance: how a transaction becomes one, what it needs on its way, and what it leaves.
//!
//! | file | what |
//! |---|---|
//! | `encode.rs` | transactions in the device's form, and every check that needs no state |
//! | `layout.rs` | memory classes: how much of everything an instance has, and where it stands |
//! | `session.rs` | what the transactions of one call of the engine share; the hold on the table |
//! | `need.rs` | what a suspended instance gets |
//! | `precompiles.rs` | precompiles that the device does not take |
//! | `view.rs` | an instance's memory as the host reads it |
//! | `finished.rs` | what a finished instance shows: result, output, logs, overlay |
//! | `decode.rs` | from the overlay to changes of the state |

pub mod decode;
pub mod encode;
pub mod finished;
pub mod layout;
pub mod need;
pub mod precompiles;
pub mod session;
pub mod view;
