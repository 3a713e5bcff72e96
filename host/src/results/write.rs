//! Writes rows, one after the other, to whatever takes bytes.

use super::schema::{COLUMNS, Row, RowColumn, Value};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::io::{self, Write};
use std::path::Path;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A JSON object per line.
    JsonLines,
    /// CSV (RFC 4180) with a header.
    Csv,
}

impl Format {
    /// The format that a file's ending names.
    pub fn of(path: &Path) -> Option<Format> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" => Some(Format::JsonLines),
            "csv" => Some(Format::Csv),
            _ => None,
        }
    }
}

/// The columns that are written; `on_demand` also those that have to be asked for.
pub(super) fn columns(on_demand: bool) -> impl Iterator<Item = &'static RowColumn> {
    COLUMNS.iter().filter(move |column| on_demand || !column.on_demand)
}

/// Writes rows. Nothing is held back but what `out` itself buffers.
pub struct Writer<W: Write> {
    out: W,
    format: Format,
    on_demand: bool,
    rows: u64,
    /// One row of CSV.
    line: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Begins with the header, where the format has one.
    pub fn new(out: W, format: Format, on_demand: bool) -> io::Result<Writer<W>> {
        let mut writer = Writer { out, format, on_demand, rows: 0, line: Vec::new() };
        if format == Format::Csv {
            writer.record(|column| column.name.to_owned())?;
        }
        Ok(writer)
    }

    /// Writes a row.
    pub fn write(&mut self, row: &Row<'_>) -> io::Result<()> {
        match self.format {
            Format::JsonLines => {
                serde_json::to_writer(&mut self.out, &Object(row, self.on_demand))?;
                self.out.write_all(b"\n")?;
            }
            Format::Csv => self.record(|column| cell(&(column.value)(row)))?,
        }
        self.rows += 1;
        Ok(())
    }

    /// What it writes to, for rows that were written before with the same columns.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// How many rows it wrote, without those that it took over.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Hands what is buffered on.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// What it writes to.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn record(&mut self, text: impl Fn(&RowColumn) -> String) -> io::Result<()> {
        self.line.clear();
        let mut csv = csv::Writer::from_writer(&mut self.line);
        csv.write_record(columns(self.on_demand).map(text))?;
        csv.flush()?;
        drop(csv);
        self.out.write_all(&self.line)
    }
}

/// A value in CSV: what is missing is empty, lists are JSON.
fn cell(value: &Value<'_>) -> String {
    match value {
        Value::Null => String::new(),
        Value::Text(text) => text.to_string(),
        value => match serde_json::to_value(value) {
            Ok(serde_json::Value::String(text)) => text,
            Ok(json) => json.to_string(),
            Err(_) => String::new(),
        },
    }
}

struct Object<'a, 'r>(&'a Row<'r>, bool);

impl Serialize for Object<'_, '_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        for column in columns(self.1) {
            map.serialize_entry(column.name, &(column.value)(self.0))?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Transacted;
    use crate::results::reason::tests::reverted;
    use crate::types::{AccountChange, BlobFault, End, Executed, Outcome, Rejected, TxStatus};
    use alloy_primitives::{Address, B256, Log, U256, bytes};

    /// One success with everything that a row can have, one call that is not valid, one revert.
    fn outcomes() -> [Outcome; 3] {
        let log = Log::new_unchecked(Address::repeat_byte(1), vec![B256::ZERO], bytes!("0a"));
        let change = AccountChange {
            address: Address::repeat_byte(0xab),
            info: None,
            code: None,
            wiped: true,
            storage: vec![(U256::from(1), U256::MAX)],
        };
        let executed = Executed {
            status: TxStatus::Success,
            end: End::Return,
            gas_used: u64::MAX,
            gas_refunded: 1,
            output: bytes!("00ff"),
            created: Some(Address::repeat_byte(0xcd)),
            logs: vec![log],
            changes: vec![change],
        };
        let rejected = Rejected::Blobs(BlobFault::None);
        let [executed, rejected] =
            [Ok(executed), Err(rejected)].map(|result| Outcome { result, fallback: None });
        [executed, rejected, reverted("a, \"quoted\"\nreason")]
    }

    fn written(format: Format, on_demand: bool) -> String {
        let mut writer = Writer::new(Vec::new(), format, on_demand).expect("begun");
        let transacted =
            Transacted { block: 7, hash: B256::repeat_byte(9), ty: 2, cumulative_gas_used: 3 };
        for (call_id, outcome) in (0..).zip(&outcomes()) {
            let transacted = (call_id == 0).then_some(transacted);
            let row = Row { input: "a.json", call_id, transacted, outcome, differs: false };
            writer.write(&row).expect("written");
        }
        assert_eq!(writer.rows(), 3);
        String::from_utf8(writer.into_inner()).expect("UTF-8")
    }

    #[test]
    fn json_lines_keep_every_digit() {
        let text = written(Format::JsonLines, true);
        let rows: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[0]["gas_used"].as_u64(), Some(u64::MAX));
        assert_eq!(rows[0]["output"], "0x00ff");
        assert_eq!(rows[0]["logs"][0]["data"], "0x0a");
        assert_eq!(rows[0]["created"], format!("0x{}", "cd".repeat(20)));
        assert_eq!(rows[0]["changes"][0]["nonce"], serde_json::Value::Null);
        let key = format!("0x{}1", "0".repeat(63));
        assert_eq!(rows[0]["changes"][0]["storage"][&key], format!("0x{}", "f".repeat(64)));
        assert_eq!(rows[0]["logs_bloom"].as_str().map(str::len), Some(2 + 512));
        assert_eq!((&rows[1]["status"], &rows[1]["end"]), (&"invalid".into(), &"blobs".into()));
        assert!(rows[1]["gas_used"].is_null() && rows[1]["logs"].is_null());
        let names: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
        for row in &rows {
            let keys: Vec<&String> = row.as_object().expect("an object").keys().collect();
            assert_eq!(keys, names, "every row has every column, in order");
        }
        assert!(!written(Format::JsonLines, false).contains("\"changes\""));
    }

    #[test]
    fn csv_is_read_back_as_it_was() {
        let text = written(Format::Csv, true);
        let mut csv = csv::Reader::from_reader(text.as_bytes());
        let header = csv.headers().expect("a header").clone();
        let at = |name: &str| header.iter().position(|column| column == name).expect("a column");
        let rows: Vec<csv::StringRecord> = csv.records().map(|row| row.expect("CSV")).collect();
        assert_eq!(&rows[0][at("gas_used")], u64::MAX.to_string());
        assert_eq!(&rows[0][at("output")], "0x00ff");
        let logs: serde_json::Value = serde_json::from_str(&rows[0][at("logs")]).expect("JSON");
        assert_eq!(logs[0]["topics"][0], format!("0x{}", "0".repeat(64)));
        assert_eq!(&rows[1][at("reason")], "there is no blob (EIP-4844)");
        assert_eq!(&rows[2][at("reason")], "a, \"quoted\"\nreason");
        assert_eq!((&rows[1][at("gas_used")], &rows[1][at("differs")]), ("", "false"));
    }

    /// Values have the types that the schema says.
    #[test]
    fn values_fit_their_columns() {
        use crate::results::{Kind, Value};
        let transacted = Transacted { block: 7, hash: B256::ZERO, ty: 2, cumulative_gas_used: 3 };
        for outcome in &outcomes() {
            for transacted in [None, Some(transacted)] {
                let row = Row { input: "", call_id: 0, transacted, outcome, differs: true };
                for column in COLUMNS {
                    let fits = match ((column.value)(&row), column.kind) {
                        (Value::Null, _) => column.nullable,
                        (Value::Bytes(bytes), Kind::Fixed(len)) => bytes.len() == len,
                        (Value::Text(_), Kind::Text)
                        | (Value::Bool(_), Kind::Bool)
                        | (Value::U64(_), Kind::U64)
                        | (Value::Bytes(_), Kind::Bytes)
                        | (Value::Logs(_), Kind::Logs)
                        | (Value::Changes(_), Kind::Changes) => true,
                        _ => false,
                    };
                    assert!(fits, "{}", column.name);
                }
            }
        }
    }

    #[test]
    fn a_file_s_ending_is_its_format() {
        assert_eq!(Format::of(Path::new("a.jsonl")), Some(Format::JsonLines));
        assert_eq!(Format::of(Path::new("a/b.CSV")), Some(Format::Csv));
        assert_eq!((Format::of(Path::new("csv")), Format::of(Path::new("a.json"))), (None, None));
    }
}
