//! What goes to stdout and how a run shows that it goes on.

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Shorter runs show no progress.
const PROGRESS_AFTER: Duration = Duration::from_secs(1);

/// Whether the reader of stdout went away (`warpevm ... | head`): no failure.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Writes a line to stdout. Unlike `println!` it does not panic when the pipe is closed.
pub(crate) fn line(text: impl AsRef<str>) -> anyhow::Result<()> {
    write(format!("{}\n", text.as_ref()).as_bytes())
}

/// Writes to stdout what is a file elsewhere.
pub(crate) fn write(bytes: &[u8]) -> anyhow::Result<()> {
    let write = |mut out: io::StdoutLock<'_>| {
        out.write_all(bytes)?;
        out.flush()
    };
    write(io::stdout().lock()).context("standard output")
}

/// Writes a line to stderr. Where that is closed or full, nobody can be told.
pub(crate) fn complain(text: impl AsRef<str>) {
    let _ = writeln!(io::stderr(), "{}", text.as_ref());
}

/// Where a command tells what it did: stdout, unless what it writes goes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Say {
    Stdout,
    Stderr,
}

impl Say {
    /// Writes a line.
    pub(crate) fn line(self, text: impl AsRef<str>) -> anyhow::Result<()> {
        match self {
            Say::Stdout => line(text),
            Say::Stderr => {
                complain(text);
                Ok(())
            }
        }
    }
}

/// A bar on stderr, if that is a terminal, from one second on.
pub(crate) struct Progress {
    bar: ProgressBar,
    start: Instant,
    shown: AtomicBool,
}

impl Progress {
    /// A bar for `total` steps of which each is a `what`.
    pub(crate) fn new(total: u64, what: &'static str) -> Progress {
        let style = format!("{{bar:40}} {{pos}}/{{len}} {what} {{elapsed}} (left {{eta}}) {{msg}}");
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template(&style) {
            bar.set_style(style);
        }
        Progress { bar, start: Instant::now(), shown: AtomicBool::new(false) }
    }

    /// Says something beside the count.
    pub(crate) fn message(&self, text: String) {
        self.bar.set_message(text);
    }

    /// Counts steps, and shows the bar when it is time.
    pub(crate) fn step(&self, steps: u64) {
        self.bar.inc(steps);
        let late = self.start.elapsed() >= PROGRESS_AFTER;
        if late && !self.shown.swap(true, Ordering::Relaxed) {
            // indicatif itself draws nothing where stderr is no terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// Writes a line without the bar in between.
    pub(crate) fn line(&self, say: Say, text: impl AsRef<str>) -> anyhow::Result<()> {
        self.around(|| say.line(text))
    }

    /// Does what writes to a terminal without the bar in between.
    pub(crate) fn around<R>(&self, write: impl FnOnce() -> R) -> R {
        self.bar.suspend(write)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
