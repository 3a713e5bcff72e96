//! Reads an input whole, once: a file, a pipe, or standard input (`-`).

use super::InputError;
use super::archive::Archive;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// How standard input is named on the command line.
pub const STDIN: &str = "-";
/// The byte order mark of UTF-8, which editors of some systems put first. It is no part of a text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// The first bytes of a zstd frame.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// How much of a file decides what it is.
const START_BYTES: u64 = 64;

/// What a path names, opened once: what comes through a pipe comes once.
pub(crate) enum Opened {
    Folder,
    /// A `.tar.zst`, by its content or its name.
    Archive(Archive),
    /// JSON, by its content or its name.
    Json(Vec<u8>),
    /// Neither. It was not read to its end, which it may not have.
    Unknown,
}

/// Opens what a path names.
pub(crate) fn open(path: &Path) -> Result<Opened, InputError> {
    let io = |error| InputError::io(path, error);
    let mut file: Box<dyn Read> = Box::new(io::stdin());
    let mut again = false;
    if path != Path::new(STDIN) {
        let kind = fs::metadata(path).map_err(io)?;
        if kind.is_dir() {
            return Ok(Opened::Folder);
        }
        again = kind.is_file();
        file = Box::new(File::open(path).map_err(io)?);
    }
    let mut bytes = Vec::new();
    file.by_ref().take(START_BYTES).read_to_end(&mut bytes).map_err(io)?;
    let named = |name: &str| path.extension().is_some_and(|extension| extension == name);
    let archive = bytes.starts_with(&ZSTD_MAGIC) || named("zst");
    if archive && again {
        return Ok(Opened::Archive(Archive::file(path)));
    }
    if !archive && !is_json(&bytes) && !named("json") {
        return Ok(Opened::Unknown);
    }
    file.read_to_end(&mut bytes).map_err(io)?;
    Ok(if archive { Opened::Archive(Archive::memory(path, bytes)) } else { Opened::Json(bytes) })
}

/// Whether a file that begins so is JSON, or would be in UTF-8.
fn is_json(start: &[u8]) -> bool {
    let text = without_mark(start);
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    matches!(first, Some(b'{' | b'[')) || other_encoding(start).is_some()
}

/// Reads what a path names to its end, in one go: what comes through a pipe comes once. `-` is
/// standard input.
pub fn read(path: &Path) -> Result<Vec<u8>, InputError> {
    let read = || {
        if path != Path::new(STDIN) {
            return fs::read(path);
        }
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error| InputError::io(path, error))
}

/// Whether two names are of one file; what is no file, or is not there, is none.
pub(crate) fn is_same_file(one: &Path, other: &Path) -> bool {
    let metadata = |path: &Path| fs::metadata(path).ok().filter(fs::Metadata::is_file);
    let (Some(first), Some(second)) = (metadata(one), metadata(other)) else { return false };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        (first.dev(), first.ino()) == (second.dev(), second.ino())
    }
    #[cfg(not(unix))]
    {
        let _ = (first, second);
        fs::canonicalize(one).is_ok_and(|one| fs::canonicalize(other).is_ok_and(|two| one == two))
    }
}

/// A text without the byte order mark that it may begin with.
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)
}

/// The encoding of a text that is not in UTF-8: by its byte order mark, else since an object or
/// a list begins with a character of ASCII.
pub fn other_encoding(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        [0, 0, 0, b'{' | b'[', ..] | [b'{' | b'[', 0, 0, 0, ..] => Some("UTF-32"),
        [0, b'{' | b'[', ..] | [b'{' | b'[', 0, ..] => Some("UTF-16"),
        _ => None,
    }
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

    #[test]
    fn what_is_not_utf_8_is_known_by_its_start() {
        let utf_16: Vec<u16> = "{\"a\": 1}".encode_utf16().collect();
        let utf_32: Vec<u32> = "{\"a\": 1}".chars().map(u32::from).collect();
        let little: Vec<u8> = utf_16.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = utf_16.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        assert_eq!(other_encoding(&little), Some("UTF-16"));
        assert_eq!(other_encoding(&big), Some("UTF-16"));
        assert_eq!(other_encoding(&[&[0xff, 0xfe], &little[..]].concat()), Some("UTF-16"));
        assert_eq!(other_encoding(&[&[0xfe, 0xff], &big[..]].concat()), Some("UTF-16"));
        let little: Vec<u8> = utf_32.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = utf_32.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        assert_eq!(other_encoding(&little), Some("UTF-32"));
        assert_eq!(other_encoding(&big), Some("UTF-32"));
        assert_eq!(other_encoding(b"{\"a\": 1}"), None);
        assert_eq!(other_encoding("\u{feff}{}".as_bytes()), None);
        assert_eq!(other_encoding(b""), None);
        assert!(is_json(&little) && is_json(b"\n [") && !is_json(&[1, 2, 3]) && !is_json(b""));
    }
}
