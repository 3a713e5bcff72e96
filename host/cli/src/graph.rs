//! `warpevm graph`: what the compiler makes of a code.

mod artifact;
mod code;

use super::output::line;
use alloy_primitives::keccak256;
use anyhow::Context;
use clap::{Args, ValueEnum};
use std::str::FromStr;
use warpevm::types::Spec;
use warpevm_compiler::{Part, analyse};

const EXAMPLES: &str = "\
Examples:
  warpevm graph 0x6001600201
  warpevm graph host/examples/artifacts/Token.json --format stats
  warpevm graph host/examples/artifacts/Token.json --function 'transfer(address,uint256)'
  warpevm graph out/Pair.sol/Pair.json --function 0x022c0d9f --format dot
  warpevm graph build-info.json --contract src/Pair.sol:Pair --bb 0x1f --format dot
  warpevm graph - --format dot

Pipe DOT into `dot -Tsvg`. docs/GRAPHS.md says what the drawings and the fields of stats mean.";

const STATS: &str = "\
Size, width and depth, as JSON; of the whole code also per function.

bb: basic block; ebb: bbs that always run one after another; opcodes: of the bbs; ebb_opcodes: of
the ebbs, copies included; lowered_ops: what a device runs; edges: dependencies by type, raw a read
after a write, war a write after a read, waw a write after a write; width: ops that wait for none
of each other; critical_path, total_cost: along dependencies and of all ops, about in device
instructions; symbolic_keys: storage keys that follow from the call; unknown_keys: that do not.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct GraphArgs {
    /// Code as hex digits, or a file, `-` for standard input: hex digits, an artefact (Foundry,
    /// Hardhat, solc), or the bytes of a code.
    #[arg(value_name = "HEX|FILE|-")]
    pub code: String,
    /// Which contract of an artefact with several: NAME or FILE:NAME.
    #[arg(long, value_name = "NAME")]
    pub contract: Option<String>,
    /// Only what calls of one function may run: its selector (8 hex digits) or its signature.
    #[arg(long, value_name = "SELECTOR")]
    pub function: Option<Selector>,
    /// Only the extended basic blocks that hold the basic block at this pc.
    #[arg(long, value_name = "PC", value_parser = pc)]
    pub bb: Option<u32>,
    /// The protocol version.
    #[arg(long, default_value_t = Spec::default())]
    pub spec: Spec,
    /// What is printed.
    #[arg(long, value_enum, default_value_t = GraphFormat::Text)]
    pub format: GraphFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// Basic blocks, dependency graphs and lowered ops.
    Text,
    /// A drawing for Graphviz: ops if they are few, else basic blocks, else functions.
    Dot,
    /// The same as text, as JSON.
    Json,
    #[value(help = STATS)]
    Stats,
}

/// The first four bytes of calldata, which choose a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Selector(pub u32);

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Selector, String> {
        let wrong = || {
            "expected 8 hex digits, or a signature such as 'transfer(address,uint256)'".to_owned()
        };
        if text.contains('(') {
            let bytes = if is_signature(text) { keccak256(text) } else { return Err(wrong()) };
            return Ok(Selector(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])));
        }
        let digits = text.strip_prefix("0x").unwrap_or(text);
        if digits.len() != 8 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        u32::from_str_radix(digits, 16).map(Selector).map_err(|_| wrong())
    }
}

/// Whether this is `name(type,…)` as it is hashed: without spaces, names of parameters, and
/// abbreviated types, which would give another selector.
fn is_signature(text: &str) -> bool {
    let Some((name, types)) = text.split_once('(') else { return false };
    let Some(types) = types.strip_suffix(')') else { return false };
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
    let flat: String = types.chars().filter(|c| !matches!(c, '(' | ')')).collect();
    let known = |t: &str| {
        let base = t.split('[').next().unwrap_or_default();
        let short = matches!(base, "uint" | "int" | "byte" | "fixed" | "ufixed");
        // A tuple leaves only its brackets behind.
        !short && t.chars().all(|c| word(c) || matches!(c, '[' | ']'))
    };
    let depth = types.chars().try_fold(0u32, |depth, c| match c {
        '(' => Some(depth + 1),
        ')' => depth.checked_sub(1),
        _ => Some(depth),
    });
    let named = !name.is_empty() && name.chars().all(word);
    named && depth == Some(0) && flat.split(',').all(known)
}

/// A pc, in decimal or with `0x`.
fn pc(text: &str) -> Result<u32, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|error| format!("{error}: expected a pc such as 31 or 0x1f"))
}

/// Prints what the compiler makes of a code.
pub(crate) fn graph(args: &GraphArgs) -> anyhow::Result<bool> {
    let (place, code) = code::read(&args.code, args.contract.as_deref()).map_err(|error| {
        match error.downcast::<clap::Error>() {
            Ok(usage) => usage.exit(),
            Err(error) => error,
        }
    })?;
    let analysis = analyse(&code, args.spec);
    let part = analysis.part(args.function.map(|selector| selector.0), args.bb).context(place)?;
    let text = match args.format {
        GraphFormat::Text => part.text(),
        GraphFormat::Dot => part.dot(),
        GraphFormat::Json => part.json().to_string(),
        GraphFormat::Stats => stats(&part)?,
    };
    line(text.trim_end())?;
    Ok(true)
}

/// Statistics as JSON; of a whole code with those of its functions.
fn stats(part: &Part<'_>) -> anyhow::Result<String> {
    if !part.is_whole() {
        return Ok(serde_json::to_string(&part.stats())?);
    }
    let whole = serde_json::to_string(&part.analysis.stats())?;
    let functions = serde_json::to_string(&part.analysis.function_stats())?;
    // Spliced, so that the fields keep their order.
    let open = whole.strip_suffix('}').context("statistics are an object")?;
    Ok(format!("{open},\"functions\":{functions}}}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_digits_or_signatures() {
        for text in ["a9059cbb", "0xa9059cbb", "A9059CBB", "transfer(address,uint256)"] {
            assert_eq!(text.parse(), Ok(Selector(0xa905_9cbb)), "{text}");
        }
        // From the ABI specification, and the transfer of ERC-1155.
        assert_eq!("baz(uint32,bool)".parse(), Ok(Selector(0xcdcd_77c0)));
        let batch = "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)";
        assert_eq!(batch.parse(), Ok(Selector(0x2eb2_c2d6)));
        assert_eq!("aggregate((address,bytes)[])".parse(), Ok(Selector(0x252d_ba42)));
        assert_eq!("totalSupply()".parse(), Ok(Selector(0x1816_0ddd)));
        for text in [
            "",
            "0x",
            "a9059cb",
            "0xa9059cbb00",
            "0x0xa9059cbb",
            "transfer",
            "transfer(",
            "(address)",
            "transfer(address, uint256)",
            "transfer(uint)",
            "transfer(address)(uint256)x",
            "f((uint256)",
        ] {
            assert!(text.parse::<Selector>().is_err(), "{text}");
        }
    }

    #[test]
    fn pcs_are_decimal_or_hexadecimal() {
        assert_eq!((pc("31"), pc("0x1f")), (Ok(31), Ok(31)));
        assert!(["", "0x", "1f", "-1", "0x100000000"].iter().all(|text| pc(text).is_err()));
    }
}
