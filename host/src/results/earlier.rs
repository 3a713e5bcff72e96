//! Rows that an earlier run wrote: which blocks and batches of it are complete, so that a run can
//! go on where that one ended.
//!
//! A block's or a batch's rows stand together, from `call_id` 0 on. They are complete where there
//! are as many as it has transactions. What a run that died left half-written is a block with too
//! few rows, or a last row without its end: both are dropped, and so are rows that are known to be
//! wrong, so that what was wrong once is not forgotten.

use super::write::{Format, columns};
use alloy_primitives::{B256, hex};
use serde::Deserialize;
use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// An earlier file cannot be gone on with.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum EarlierError {
    // No source: the message has it.
    #[error("{}: {error}", file.display())]
    Io { file: PathBuf, error: io::Error },
    #[error("{}: is no regular file, so that what was written cannot be read back", file.display())]
    NoFile { file: PathBuf },
    #[error("{}: was written with other columns than now (docs/RESULTS.md)", file.display())]
    Columns { file: PathBuf },
    #[error("{}: row {row}: {message}", file.display())]
    Row { file: PathBuf, row: u64, message: String },
}

/// Rows of a block or batch in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// How many.
    pub rows: u64,
    /// Whether they can be taken over: in order from the first, none known to be wrong.
    good: bool,
    /// Stands for the hashes of the transactions: blocks of one number may differ in them.
    txs: u64,
    from: u64,
    to: u64,
}

/// An input and the block's number, if it is one.
type RowKey = (String, Option<u64>);

/// An earlier file and what is in it.
#[derive(Debug)]
pub struct Earlier {
    path: PathBuf,
    file: File,
    stored: HashMap<RowKey, VecDeque<Stored>>,
}

/// What tells rows apart.
#[derive(Debug, Deserialize)]
struct Head {
    input: String,
    block: Option<u64>,
    tx: Option<String>,
    call_id: u64,
    differs: bool,
}

/// What stands for a list of transactions, one hash more: as rows have it, none in a batch.
fn with_tx(txs: u64, tx: Option<&str>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (txs, tx).hash(&mut hasher);
    hasher.finish()
}

impl Earlier {
    /// Reads what a file holds. It must have the columns that would be written now.
    pub fn open(path: &Path, format: Format, on_demand: bool) -> Result<Earlier, EarlierError> {
        let failed = |error| EarlierError::Io { file: path.to_owned(), error };
        // A pipe would wait for someone who writes it.
        if !fs::metadata(path).map_err(failed)?.is_file() {
            return Err(EarlierError::NoFile { file: path.to_owned() });
        }
        let file = File::open(path).map_err(failed)?;
        let mut earlier = Earlier { path: path.to_owned(), file, stored: HashMap::new() };
        let mut groups = Groups { earlier: &mut earlier.stored, last: None };
        let input = BufReader::new(earlier.file.try_clone().map_err(failed)?);
        match format {
            Format::JsonLines => read_json_lines(path, input, on_demand, &mut groups)?,
            Format::Csv => read_csv(path, input, on_demand, &mut groups)?,
        }
        Ok(earlier)
    }

    /// The rows of the next block of this number and these transactions, or of the next batch of
    /// this name, if all of its `count` rows are there.
    pub fn take(
        &mut self,
        input: &str,
        block: Option<(u64, &[B256])>,
        count: u64,
    ) -> Option<Stored> {
        let txs = match block {
            Some((_, hashes)) => {
                hashes.iter().fold(0, |txs, hash| with_tx(txs, Some(&hex::encode_prefixed(hash))))
            }
            None => (0..count).fold(0, |txs, _| with_tx(txs, None)),
        };
        let key = (input.to_owned(), block.map(|(number, _)| number));
        let stored = self.stored.get_mut(&key)?;
        let whole = |one: &Stored| one.good && one.rows == count && one.txs == txs;
        let at = stored.iter().position(whole)?;
        stored.remove(at)
    }

    /// Copies rows as they are.
    pub fn copy(&mut self, stored: &Stored, to: &mut impl Write) -> Result<(), EarlierError> {
        let failed = |error| EarlierError::Io { file: self.path.clone(), error };
        self.file.seek(SeekFrom::Start(stored.from)).map_err(failed)?;
        let mut rows = (&self.file).take(stored.to - stored.from);
        io::copy(&mut rows, to).map(drop).map_err(failed)
    }
}

/// Puts rows together that belong to one block or batch.
struct Groups<'a> {
    earlier: &'a mut HashMap<RowKey, VecDeque<Stored>>,
    last: Option<RowKey>,
}

impl Groups<'_> {
    fn row(&mut self, head: Head, from: u64, to: u64) {
        let key = (head.input, head.block);
        let groups = self.earlier.entry(key.clone()).or_default();
        if self.last.as_ref() != Some(&key) || head.call_id == 0 {
            groups.push_back(Stored { rows: 0, good: true, txs: 0, from, to });
        }
        if let Some(group) = groups.back_mut() {
            group.good &= head.call_id == group.rows && !head.differs;
            group.txs = with_tx(group.txs, head.tx.as_deref());
            group.rows += 1;
            group.to = to;
        }
        self.last = Some(key);
    }
}

fn read_json_lines(
    file: &Path,
    mut input: impl BufRead,
    on_demand: bool,
    groups: &mut Groups<'_>,
) -> Result<(), EarlierError> {
    let (mut from, mut line) = (0, Vec::new());
    for row in 0.. {
        line.clear();
        let failed = |error| EarlierError::Io { file: file.to_owned(), error };
        let len = input.read_until(b'\n', &mut line).map_err(failed)?;
        if line.last() != Some(&b'\n') {
            break;
        }
        let bad = |error: serde_json::Error| EarlierError::Row {
            file: file.to_owned(),
            row,
            message: error.to_string(),
        };
        if row == 0 {
            let first: serde_json::Map<_, _> = serde_json::from_slice(&line).map_err(bad)?;
            same_columns(file, first.keys(), on_demand)?;
        }
        let to = from + len as u64;
        groups.row(serde_json::from_slice(&line).map_err(bad)?, from, to);
        from = to;
    }
    Ok(())
}

fn read_csv(
    file: &Path,
    mut input: impl BufRead + Seek,
    on_demand: bool,
    groups: &mut Groups<'_>,
) -> Result<(), EarlierError> {
    let failed = |error| EarlierError::Io { file: file.to_owned(), error };
    let (len, ended) = length_and_end(&mut input).map_err(failed)?;
    if len == 0 {
        // The run that began it was killed before it had written anything.
        return Ok(());
    }
    let mut csv = csv::ReaderBuilder::new().flexible(true).from_reader(input);
    let header = csv.headers().map_err(|error| failed(error.into()))?.clone();
    same_columns(file, header.iter(), on_demand)?;
    let mut record = csv::StringRecord::new();
    for row in 0.. {
        let from = csv.position().byte();
        if !csv.read_record(&mut record).map_err(|error| failed(error.into()))? {
            break;
        }
        let to = csv.position().byte();
        if to == len && !(ended && record.len() == header.len()) {
            break;
        }
        let bad = |message: String| EarlierError::Row { file: file.to_owned(), row, message };
        if record.len() != header.len() {
            return Err(bad(format!("has {} columns of {}", record.len(), header.len())));
        }
        let head = record.deserialize(Some(&header)).map_err(|error| bad(error.to_string()))?;
        groups.row(head, from, to);
    }
    Ok(())
}

/// How long a file is, and whether its last row has its end. Leaves the file at its start.
fn length_and_end(input: &mut (impl Read + Seek)) -> io::Result<(u64, bool)> {
    let mut last = [0];
    let len = input.seek(SeekFrom::End(0))?;
    if len > 0 {
        input.seek(SeekFrom::End(-1))?;
        input.read_exact(&mut last)?;
    }
    input.seek(SeekFrom::Start(0))?;
    Ok((len, last == *b"\n"))
}

fn same_columns<T: AsRef<str>>(
    file: &Path,
    found: impl Iterator<Item = T>,
    on_demand: bool,
) -> Result<(), EarlierError> {
    let found: Vec<T> = found.collect();
    let wanted = columns(on_demand).map(|column| column.name);
    match wanted.eq(found.iter().map(AsRef::as_ref)) {
        true => Ok(()),
        false => Err(EarlierError::Columns { file: file.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::reason::tests::reverted;
    use crate::results::{Row, Transacted, Writer};

    /// A file of rows: input, block, how many rows, whether they differ. The last `cut` bytes are
    /// missing.
    fn earlier(format: Format, blocks: &[(&str, u64, u64, bool)], cut: usize) -> Earlier {
        let mut writer = Writer::new(Vec::new(), format, false).expect("begun");
        let outcome = reverted("a\n\"b\"");
        for &(input, block, rows, differs) in blocks {
            let transacted =
                Some(Transacted { block, hash: B256::ZERO, ty: 0, cumulative_gas_used: 0 });
            for call_id in 0..rows {
                let row = Row { input, call_id, transacted, outcome: &outcome, differs };
                writer.write(&row).expect("written");
            }
        }
        let mut bytes = writer.into_inner();
        bytes.truncate(bytes.len() - cut);
        let name = format!("warpevm-earlier-{}-{:?}", std::process::id(), std::thread::current());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, bytes).expect("written");
        let opened = Earlier::open(&path, format, false);
        assert!(matches!(Earlier::open(&path, format, true), Err(EarlierError::Columns { .. })));
        std::fs::remove_file(&path).expect("removed");
        opened.expect("read")
    }

    fn rows(earlier: &mut Earlier, input: &str, block: u64, count: u64) -> Option<String> {
        let hashes = vec![B256::ZERO; count as usize];
        let stored = earlier.take(input, Some((block, &hashes)), count)?;
        let mut bytes = Vec::new();
        earlier.copy(&stored, &mut bytes).expect("copied");
        Some(String::from_utf8(bytes).expect("UTF-8"))
    }

    #[test]
    fn complete_blocks_are_found_and_copied() {
        for format in [Format::JsonLines, Format::Csv] {
            let blocks = [("a", 1, 2, false), ("a", 2, 3, false), ("b", 1, 1, false)];
            let mut earlier = earlier(format, &blocks, 0);
            let two = rows(&mut earlier, "a", 2, 3).expect("complete");
            assert_eq!(
                two.matches("revert").count(),
                2 * 3,
                "the status and the end of each: {two}"
            );
            assert!(two.ends_with('\n') && two.starts_with(['{', 'a']), "{two}");
            assert_eq!(rows(&mut earlier, "a", 1, 3), None, "a row is missing");
            assert!(rows(&mut earlier, "b", 1, 1).is_some());
            assert_eq!(rows(&mut earlier, "b", 1, 1), None, "it was there once");
            assert_eq!(rows(&mut earlier, "b", 2, 1), None);
        }
    }

    #[test]
    fn a_half_written_block_is_dropped_wherever_it_ends() {
        for format in [Format::JsonLines, Format::Csv] {
            for cut in 1..200 {
                let mut earlier = earlier(format, &[("a", 1, 2, false), ("a", 2, 2, false)], cut);
                assert_eq!(rows(&mut earlier, "a", 2, 2), None, "{format:?} without {cut} bytes");
                assert!(rows(&mut earlier, "a", 1, 2).is_some(), "{format:?} without {cut} bytes");
            }
        }
    }

    #[test]
    fn the_same_block_twice_is_there_twice_and_what_differed_runs_again() {
        let mut twice = earlier(Format::Csv, &[("a", 1, 2, false), ("a", 1, 2, false)], 0);
        assert!(rows(&mut twice, "a", 1, 2).is_some() && rows(&mut twice, "a", 1, 2).is_some());
        let mut wrong = earlier(Format::JsonLines, &[("a", 1, 2, true)], 0);
        assert_eq!(rows(&mut wrong, "a", 1, 2), None);
    }

    #[test]
    fn another_block_of_the_same_number_is_not_taken() {
        for format in [Format::JsonLines, Format::Csv] {
            let mut earlier = earlier(format, &[("a", 1, 2, false)], 0);
            let others = [B256::repeat_byte(1), B256::repeat_byte(2)];
            assert_eq!(earlier.take("a", Some((1, &others)), 2), None);
            assert!(rows(&mut earlier, "a", 1, 2).is_some());
        }
    }

    #[test]
    fn an_empty_file_holds_nothing() {
        for format in [Format::JsonLines, Format::Csv] {
            let name = format!("warpevm-empty-{}-{format:?}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::write(&path, b"").expect("written");
            let mut opened = Earlier::open(&path, format, false).expect("read");
            std::fs::remove_file(&path).expect("removed");
            assert_eq!(opened.take("a", None, 1), None);
        }
    }
}
