//! What a transaction did, as rows for other programs: one schema, written as JSON lines or CSV.
//!
//! `docs/RESULTS.md` is the schema for people; a test holds the page against it.

mod earlier;
mod reason;
mod schema;
mod write;

pub use earlier::{Earlier, EarlierError, Stored};
pub use reason::{reason, rejection_name};
pub use schema::{COLUMNS, Kind, Row, RowColumn, Transacted, Value, result_end, status_name};
pub use write::{Format, Writer};
