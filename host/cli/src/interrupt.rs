//! SIGINT: the first one asks a run to stop after the block, batch or file that it is at, so that
//! what ran is told; the second one ends the process.

use std::process::{ExitCode, exit};
use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code of what a signal ended: 128 and the signal's number.
const EXIT_CODE: u8 = 130;

static ASKED: AtomicBool = AtomicBool::new(false);

/// Begins to listen. Where no handler can be set, SIGINT ends the process as ever.
pub(crate) fn listen() {
    let handler = || {
        if ASKED.swap(true, Ordering::Relaxed) {
            exit(EXIT_CODE.into());
        }
        super::output::complain("interrupted: stopping soon; once more to stop at once");
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        tracing::warn!(%error, "SIGINT will end this run without its totals");
    }
}

/// Whether SIGINT came.
pub(crate) fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// The exit code of a run that SIGINT ended.
pub(crate) fn exit_code() -> ExitCode {
    ExitCode::from(EXIT_CODE)
}
