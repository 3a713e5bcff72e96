//! Where the rows of a run go, and which of them an earlier run has written.

use super::args::{Asked, Output};
use crate::files::NewFile;
use alloy_primitives::B256;
use anyhow::Context;
use serde::Serialize;
use std::io::{self, BufWriter, Stdout, Write};
use warpevm::results::{Earlier, Format, Row, Writer};

/// What takes the bytes.
enum RowsFile {
    Stdout(BufWriter<Stdout>),
    File(NewFile),
}

impl Write for RowsFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            RowsFile::Stdout(out) => out.write(bytes),
            RowsFile::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            RowsFile::Stdout(out) => out.flush(),
            RowsFile::File(file) => file.flush(),
        }
    }
}

/// A file that was written: how many rows, beside those of an earlier run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Written {
    pub rows: u64,
    pub file: String,
}

/// Writes rows. A file has its name only when the run ends, and holds what it had until then.
pub(super) struct Rows {
    writer: Writer<RowsFile>,
    /// How messages call the target.
    place: String,
    earlier: Option<Earlier>,
}

impl Rows {
    /// What was asked for, if anything.
    pub(super) fn open(asked: &Asked) -> anyhow::Result<Option<Rows>> {
        let stdout = || RowsFile::Stdout(BufWriter::new(io::stdout()));
        let (target, format, place, earlier) = match &asked.output {
            Output::None => return Ok(None),
            Output::Json | Output::Stdout => {
                (stdout(), Format::JsonLines, "standard output".to_owned(), None)
            }
            Output::File(path, format) => {
                let open = || Earlier::open(path, *format, asked.changes);
                let earlier = asked.resume.then(open).transpose()?;
                let file = RowsFile::File(NewFile::create(path)?);
                (file, *format, path.display().to_string(), earlier)
            }
        };
        let writer = Writer::new(target, format, asked.changes).with_context(|| place.clone())?;
        Ok(Some(Rows { writer, place, earlier }))
    }

    /// Writes a row.
    pub(super) fn write(&mut self, row: &Row<'_>) -> anyhow::Result<()> {
        self.writer.write(row).with_context(|| self.place.clone())
    }

    /// Hands on what is buffered, so that whoever reads has whole blocks.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        self.writer.flush().with_context(|| self.place.clone())
    }

    /// Takes over the rows of the next block or batch of this name, if the earlier file has all.
    pub(super) fn take(
        &mut self,
        input: &str,
        block: Option<(u64, &[B256])>,
        count: usize,
    ) -> anyhow::Result<bool> {
        let Some(earlier) = &mut self.earlier else { return Ok(false) };
        let Some(stored) = earlier.take(input, block, count as u64) else { return Ok(false) };
        earlier.copy(&stored, self.writer.get_mut())?;
        Ok(true)
    }

    /// Gives a file its name.
    pub(super) fn finish(mut self) -> anyhow::Result<Option<Written>> {
        self.flush()?;
        let (rows, place) = (self.writer.rows(), self.place);
        match self.writer.into_inner() {
            RowsFile::Stdout(_) => Ok(None),
            RowsFile::File(file) => {
                file.finish()?;
                Ok(Some(Written { rows, file: place }))
            }
        }
    }
}
