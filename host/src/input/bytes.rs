//! Reads an input whole, once: a file, a pipe, or standard input (`-`).

use super::InputError;
use std::io::{self, Read};
use std::path::Path;

/// How standard input is named on the command line.
pub const STDIN: &str = "-";
/// The byte order mark of UTF-8, which editors of some systems put first. It is no part of a text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Reads what a path names to its end, in one go: what comes through a pipe comes once. `-` is
/// standard input.
pub fn read(path: &Path) -> Result<Vec<u8>, InputError> {
    let read = || {
        if path != Path::new(STDIN) {
            return std::fs::read(path);
        }
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error| InputError::io(path, error))
}

/// A text without the byte order mark that it may begin with.
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mark_is_taken_off_and_only_at_the_start() {
        assert_eq!(without_mark("\u{feff}{}".as_bytes()), b"{}");
        assert_eq!(without_mark("\u{feff}\u{feff}".as_bytes()), "\u{feff}".as_bytes());
        assert_eq!(without_mark(b"{}"), b"{}");
        assert_eq!(without_mark("{\u{feff}}".as_bytes()), "{\u{feff}}".as_bytes());
    }
}
