//! The first results of a block or batch, as a table for people.

use crate::output::Say;
use alloy_primitives::hex;
use warpevm::results::{reason, result_end, status_name};
use warpevm::types::Outcome;

/// How many results the table shows.
pub(super) const ROWS_MAX: usize = 10;
/// Characters of a reason that it shows.
const TEXT_CHARS_MAX: usize = 60;
/// Bytes of an output that it shows at each end of a longer one: a word fits whole.
const OUTPUT_BYTES_SHOWN: usize = 16;

const HEADER: [&str; 4] = ["call", "status", "gas used", "result"];

/// A result in four cells.
pub(super) fn row(index: usize, outcome: &Outcome) -> [String; 4] {
    let status = status_name(outcome);
    let gas =
        outcome.result.as_ref().map_or_else(|_| String::new(), |ran| ran.gas_used.to_string());
    [index.to_string(), status.to_owned(), gas, result(outcome)]
}

/// What a result is, in one line: why it failed, the new contract, the output, else how it ended.
fn result(outcome: &Outcome) -> String {
    if let Some(reason) = reason(outcome) {
        return shorten(&reason);
    }
    let Ok(ran) = &outcome.result else { return String::new() };
    match ran.created {
        Some(address) => format!("created {}", hex::encode_prefixed(address)),
        None if ran.output.is_empty() => result_end(outcome).to_owned(),
        None => shorten_bytes(&ran.output),
    }
}

/// Bytes in hex: of many only both ends, and how many there are.
fn shorten_bytes(bytes: &[u8]) -> String {
    let shown = OUTPUT_BYTES_SHOWN;
    if bytes.len() <= 2 * shown {
        return hex::encode_prefixed(bytes);
    }
    let (start, end) = (&bytes[..shown], &bytes[bytes.len() - shown..]);
    let (start, end) = (hex::encode_prefixed(start), hex::encode(end));
    format!("{start}...{end} ({} bytes)", bytes.len())
}

/// A text on one line that does nothing to a terminal, and only its start if it is long: contracts
/// choose what they say.
fn shorten(text: &str) -> String {
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut start: String = text.chars().take(TEXT_CHARS_MAX).map(plain).collect();
    if text.chars().nth(TEXT_CHARS_MAX).is_some() {
        start.push_str("...");
    }
    start
}

/// Prints the rows, of so many results in all.
pub(super) fn print(rows: &[[String; 4]], count: usize, say: Say) -> anyhow::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([HEADER[column].len()]).max().unwrap_or_default()
    };
    let [index, status, gas] = [0, 1, 2].map(width);
    let line = |[a, b, c, d]: [&str; 4]| {
        let text = format!("  {a:>index$}  {b:<status$}  {c:>gas$}  {d}");
        say.line(text.trim_end())
    };
    line(HEADER)?;
    rows.iter().try_for_each(|row| line(row.each_ref().map(String::as_str)))?;
    match count - rows.len() {
        0 => Ok(()),
        more => say.line(format!("  ... and {more} more; --output FILE writes all")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_contract_says_stays_on_its_line() {
        assert_eq!(shorten("a\n\u{1b}[2Jb"), "a\u{fffd}\u{fffd}[2Jb");
        let long = shorten(&"x".repeat(TEXT_CHARS_MAX + 1));
        assert_eq!(long, format!("{}...", "x".repeat(TEXT_CHARS_MAX)));
        assert_eq!(shorten(&"x".repeat(TEXT_CHARS_MAX)), "x".repeat(TEXT_CHARS_MAX));
    }

    #[test]
    fn a_word_is_shown_whole_and_more_by_its_ends() {
        assert_eq!(shorten_bytes(&[0xab; 32]), format!("0x{}", "ab".repeat(32)));
        let long = [vec![0; 16], vec![7], vec![0xff; 16]].concat();
        let ends = format!("0x{}...{} (33 bytes)", "00".repeat(16), "ff".repeat(16));
        assert_eq!(shorten_bytes(&long), ends);
    }
}
