//! Finds the code in what a user gives: hex digits, an artefact of a compiler, or plain bytes.
//!
//! # Terms
//! An input is *text* if it holds no control character but white space. Text is hex digits, JSON,
//! or what solc prints; text that is none of these is an error, never code. Only what is no text
//! is taken for the bytes of a code themselves.

use super::artifact::{self, Contract};
use anyhow::{Context, bail, ensure};
use std::path::Path;
use warpevm::input::bytes;

/// Longer codes are refused: no chain takes such a code.
const CODE_BYTES_MAX: usize = 16 << 20;
/// Longer files are refused before they are read. A compiler's output for a large project has
/// hundreds of megabytes.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// Characters of an input that an error shows.
const SHOWN_CHARS_MAX: usize = 40;
/// How UTF-16 begins, as some shells write it.
const UTF16_MARKS: [[u8; 2]; 2] = [[0xff, 0xfe], [0xfe, 0xff]];

/// The code that `input` names or is: a path, `-`, or hex digits. Of several contracts that of the
/// name `contract`. Before it how errors call the input.
pub(super) fn read(input: &str, contract: Option<&str>) -> anyhow::Result<(String, Vec<u8>)> {
    let path = Path::new(input);
    let (place, code) = if input == bytes::STDIN || path.exists() {
        (input.to_owned(), from_path(path, contract)?)
    } else {
        let shown = format!("'{}'", shown(input));
        let code = from_hex(input);
        let code = code.with_context(|| format!("{shown} is neither a file nor hex digits"))?;
        if contract.is_some() {
            return Err(usage_of_contract("hex digits"));
        }
        (shown, code)
    };
    ensure!(!code.is_empty(), "{place}: the code is empty");
    let bytes = code.len();
    ensure!(bytes <= CODE_BYTES_MAX, "{place}: {bytes} bytes are more than {CODE_BYTES_MAX}");
    Ok((place, code))
}

/// `--contract` where there are no contracts: wrong usage.
fn usage_of_contract(what: &str) -> anyhow::Error {
    let text = format!("--contract chooses a contract of an artefact, but the input is {what}");
    clap::Error::raw(clap::error::ErrorKind::ArgumentConflict, text + "\n").into()
}

fn from_path(path: &Path, contract: Option<&str>) -> anyhow::Result<Vec<u8>> {
    let place = if path == Path::new(bytes::STDIN) {
        "standard input".to_owned()
    } else {
        let kind = std::fs::metadata(path).with_context(|| path.display().to_string())?;
        let place = path.display();
        ensure!(!kind.is_dir(), "{place}: is a folder, not a code");
        let size = kind.len();
        ensure!(size <= FILE_BYTES_MAX, "{place}: {size} bytes are more than {FILE_BYTES_MAX}");
        place.to_string()
    };
    let read = bytes::read(path)?;
    from_bytes(&read, contract).with_context(|| place)
}

/// The code in the content of a file.
fn from_bytes(bytes: &[u8], contract: Option<&str>) -> anyhow::Result<Vec<u8>> {
    if UTF16_MARKS.iter().any(|mark| bytes.starts_with(mark)) {
        bail!("it is text in UTF-16: write it as UTF-8");
    }
    let content = bytes::without_mark(bytes);
    if !is_text(content) {
        return match contract {
            Some(_) => Err(usage_of_contract("the bytes of a code")),
            None => Ok(content.to_vec()),
        };
    }
    let text = std::str::from_utf8(content).context("it is text, but neither hex nor UTF-8")?;
    let contracts = match text.trim_start().chars().next() {
        None => bail!("it is empty"),
        Some('{' | '[' | '"') => artifact::from_json(text)?,
        Some('=') => artifact::from_solc(text),
        Some(_) if contract.is_some() => return Err(usage_of_contract("hex digits")),
        Some(_) => return from_hex(text),
    };
    chosen(contracts, contract)
}

/// Whether it is text: it holds no control character but white space, or it says that it is hex.
fn is_text(bytes: &[u8]) -> bool {
    let control = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
    bytes.trim_ascii_start().starts_with(b"0x") || !bytes.iter().any(control)
}

/// The code of the contract that was chosen, or of the only one that has code.
fn chosen(contracts: Vec<Contract>, name: Option<&str>) -> anyhow::Result<Vec<u8>> {
    let named: Vec<_> = contracts.iter().filter_map(|c| c.name.as_deref()).collect();
    let candidates: Vec<_> = match name {
        Some(_) if named.is_empty() => return Err(usage_of_contract("one without a name")),
        Some(name) => contracts.iter().filter(|contract| contract.is_called(name)).collect(),
        // Interfaces and abstract contracts have no code.
        None if contracts.len() > 1 => contracts.iter().filter(|c| c.has_code()).collect(),
        None => contracts.iter().collect(),
    };
    let list = |all: &[&Contract]| {
        let names = all.iter().map(|contract| contract.name.as_deref().unwrap_or("?"));
        names.collect::<Vec<_>>().join(", ")
    };
    match (&candidates[..], name) {
        ([one], _) => one.code(),
        ([], Some(name)) => bail!("no contract '{name}'; it has {}", named.join(", ")),
        ([], None) if named.is_empty() => bail!("it holds no contract"),
        ([], None) => bail!("none of its contracts has deployed code: {}", named.join(", ")),
        (several, None) => bail!("several contracts, choose by --contract: {}", list(several)),
        (several, Some(name)) => bail!("'{name}' may be any of {}", list(several)),
    }
}

/// The bytes that hex digits stand for: with or without one `0x`, with white space between them.
pub(super) fn from_hex(text: &str) -> anyhow::Result<Vec<u8>> {
    let start = text.trim_start();
    let skipped = text.len() - start.len();
    let prefix = if start.starts_with("0x") || start.starts_with("0X") { 2 } else { 0 };
    let (mut code, mut high) = (Vec::with_capacity(text.len() / 2), None);
    for (at, character) in text.char_indices().skip_while(|(at, _)| *at < skipped + prefix) {
        let Some(digit) = character.to_digit(16) else {
            if character.is_whitespace() {
                continue;
            }
            if let Some(library) = unlinked(&text[at..]) {
                bail!("{}: library {library} is not linked", position(text, at));
            }
            bail!("{}: {character:?} is no hex digit", position(text, at));
        };
        high = match high {
            None => Some((at, digit)),
            Some((_, high)) => {
                code.push((high << 4 | digit) as u8);
                None
            }
        };
    }
    if let Some((at, _)) = high {
        let digits = 2 * code.len() + 1;
        bail!("{}: the last of {digits} hex digits has no second one", position(text, at));
    }
    Ok(code)
}

/// The placeholder of a library that a compiler leaves in hex, `__$…$__` or `__name__`.
fn unlinked(text: &str) -> Option<String> {
    let mark = text.split_whitespace().next().filter(|text| text.starts_with("__"))?;
    Some(shown(&mark.chars().take(SHOWN_CHARS_MAX).collect::<String>()))
}

/// Where a byte of a text is.
fn position(text: &str, at: usize) -> String {
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
    format!("line {line}, column {column}")
}

/// The start of an input.
fn shown(input: &str) -> String {
    if input.chars().count() <= SHOWN_CHARS_MAX {
        return input.to_owned();
    }
    input.chars().take(SHOWN_CHARS_MAX).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: [u8; 5] = [0x60, 1, 0x60, 2, 1];

    fn outcome(input: &[u8], contract: Option<&str>) -> Result<Vec<u8>, String> {
        from_bytes(input, contract).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn the_code_is_found_in_whatever_holds_it() {
        let two = r#"{"contracts":{"a.sol:A":{"bin-runtime":"6001600201"},
            "b.sol:B":{"bin-runtime":"00"},"i.sol:I":{"bin-runtime":""}}}"#;
        let standard = r#"{"errors":[],"contracts":{"a.sol":{"A":{"evm":{
            "bytecode":{"object":"ff"},"deployedBytecode":{"object":"6001600201"}}},
            "I":{"evm":{"bytecode":{"object":""},"deployedBytecode":{"object":""}}}}}}"#;
        let solc = "\n======= a.sol:A =======\nBinary:\nff\nBinary of the runtime part:\n\
            6001600201\nContract JSON ABI\n[]\n\n======= b.sol:B =======\n\
            Binary of the runtime part:\n00\n";
        let cases: [(&str, Option<&str>); 20] = [
            ("6001600201", None),
            ("0x6001600201", None),
            (" \r\n0X6001600201\n", None),
            ("\u{feff}6001600201", None),
            ("0x6001\n600201\n", None),
            ("60 01 60 02\t01", None),
            ("60016\n00201", None),
            (r#""0x6001600201""#, None),
            (r#"{"deployed":"0x6001600201","creation":"0xff"}"#, None),
            ("\u{feff}{\"deployed\":\"0x6001600201\"}", None),
            (
                r#"{"bytecode":{"object":"0xff"},"deployedBytecode":{"object":"0x6001600201"}}"#,
                None,
            ),
            (r#"{"contractName":"A","bytecode":"0xff","deployedBytecode":"0x6001600201"}"#, None),
            (r#"{"contractName":"A","deployedBytecode":"0x6001600201"}"#, Some("A")),
            (r#"{"evm":{"deployedBytecode":{"object":"6001600201"}}}"#, None),
            (r#"{"deployed":"0x6001600201","deployedBytecode":"6001600201"}"#, None),
            (standard, None),
            (standard, Some("a.sol:A")),
            (two, Some("A")),
            (solc, Some("a.sol:A")),
            ("======= a.sol:A =======\nBinary of the runtime part:\n6001600201\n", None),
        ];
        for (input, contract) in cases {
            assert_eq!(outcome(input.as_bytes(), contract), Ok(CODE.to_vec()), "{input}");
        }
        assert_eq!(outcome(&CODE, None), Ok(CODE.to_vec()), "plain bytes");
        let info = format!("{{\"output\":{standard}}}");
        assert_eq!(outcome(info.as_bytes(), None), Ok(CODE.to_vec()), "{info}");
    }

    #[test]
    fn what_holds_no_code_is_an_error_that_says_why() {
        let two =
            r#"{"contracts":{"a.sol:A":{"bin-runtime":"01"},"b.sol:A":{"bin-runtime":"00"}}}"#;
        let library = format!("{{\"deployed\":\"0x73__${}$__01\"}}", "ab".repeat(17));
        let cases: [(&str, Option<&str>, &str); 26] = [
            ("", None, "it is empty"),
            ("\u{feff} \n", None, "it is empty"),
            ("6001\n600g", None, "line 2, column 4: 'g' is no hex digit"),
            ("0x0x6001", None, "line 1, column 4: 'x' is no hex digit"),
            ("600", None, "line 1, column 3: the last of 3 hex digits has no second one"),
            ("hello", None, "line 1, column 1: 'h' is no hex digit"),
            ("6001é", None, "line 1, column 5: 'é' is no hex digit"),
            ("0x60\u{1}", None, "line 1, column 5: '\\u{1}' is no hex digit"),
            ("73__$ab$__01", None, "line 1, column 3: library __$ab$__01 is not linked"),
            (&library, None, "deployed: line 1, column 5: library __$abab"),
            (r#"{"deployed":"0x600"}"#, None, "deployed: line 1, column 5: the last of 3"),
            (r#"{"deployed":7}"#, None, "deployed: expected a string of hex digits, found 7"),
            (r#"{"deployed":""}"#, None, "it has no code: an interface or an abstract contract"),
            (r#"{"deployed":"0x"}"#, None, "it has no code"),
            (r#"{"bytecode":"0x60"}"#, None, "there is creation code only"),
            (r#"{"bytecode":{"object":"0x60"}}"#, None, "there is creation code only"),
            (r#"{"creation":"0x60"}"#, None, "there is creation code only"),
            (r#"{"abi":[]}"#, None, "there is no deployed code in it"),
            (r#"{"contracts":{}}"#, None, "it holds no contract"),
            ("[]", None, "it holds no contract"),
            ("{", None, "EOF while parsing"),
            (r#"{"deployed":"0x60","deployed":"0x61"}"#, None, "`deployed` stands twice"),
            (
                r#"{"deployed":"0x60","deployedBytecode":"0x61"}"#,
                None,
                "deployed and deployedBytecode disagree",
            ),
            (two, None, "several contracts, choose by --contract: a.sol:A, b.sol:A"),
            (two, Some("A"), "'A' may be any of a.sol:A, b.sol:A"),
            (two, Some("C"), "no contract 'C'; it has a.sol:A, b.sol:A"),
        ];
        for (input, contract, message) in cases {
            let error = outcome(input.as_bytes(), contract).expect_err(input);
            assert!(error.contains(message), "{input}: {error}");
        }
        let utf16 = b"\xff\xfe6\x000\x00";
        assert!(outcome(utf16, None).expect_err("UTF-16").contains("UTF-16"));
        let latin = outcome(b"caf\xe9", None).expect_err("Latin-1");
        assert!(latin.contains("neither hex nor UTF-8"), "{latin}");
    }

    #[test]
    fn solc_output_without_deployed_code_is_an_error() {
        let creation = "======= a.sol:A =======\nBinary:\n6001\n";
        assert!(
            outcome(creation.as_bytes(), None).expect_err("creation").contains("creation code")
        );
        let interface = "======= a.sol:I =======\nBinary of the runtime part:\n\n";
        assert!(outcome(interface.as_bytes(), None).expect_err("none").contains("no code"));
        let twice = "======= a:A =======\nBinary of the runtime part:\n00\n".to_owned()
            + "======= a:A =======\nBinary of the runtime part:\n01\n";
        assert!(outcome(twice.as_bytes(), None).expect_err("two").contains("disagree"));
    }

    #[test]
    fn a_name_where_nothing_has_one_is_wrong_usage() {
        for input in [&b"6001"[..], &CODE, br#"{"deployed":"0x60"}"#] {
            let error = from_bytes(input, Some("A")).expect_err("usage");
            assert!(error.downcast_ref::<clap::Error>().is_some(), "{error:#}");
        }
        let error = read("6001", Some("A")).expect_err("usage");
        assert!(error.downcast_ref::<clap::Error>().is_some(), "{error:#}");
    }
}
