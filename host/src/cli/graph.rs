//! `warpevm graph`: what the compiler makes of a code.

use super::output::line;
use alloy_primitives::hex;
use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use std::path::Path;
use warpevm::types::Spec;
use warpevm_compiler::analyse;

/// Longer inputs are refused: no chain takes such a code.
const CODE_BYTES_MAX: u64 = 16 << 20;

#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    /// Code as hex digits, or a file: hex digits, a compiler artifact (JSON with `deployed`), or
    /// the bytes themselves.
    #[arg(value_name = "HEX|FILE")]
    pub code: String,
    /// The protocol version.
    #[arg(long, default_value_t = Spec::default())]
    pub spec: Spec,
    /// What is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Basic blocks, dependency graphs and lowered ops.
    Text,
    /// The dependency graphs for Graphviz.
    Dot,
    /// The same as JSON.
    Json,
    /// Size, width and depth, as JSON.
    Stats,
}

/// Prints what the compiler makes of a code.
pub(crate) fn graph(args: &GraphArgs) -> anyhow::Result<bool> {
    let analysis = analyse(&read_code(&args.code)?, args.spec);
    let text = match args.format {
        Format::Text => analysis.text(),
        Format::Dot => analysis.dot(),
        Format::Json => analysis.json().to_string(),
        Format::Stats => serde_json::to_string(&analysis.stats())?,
    };
    line(text.trim_end())?;
    Ok(true)
}

fn read_code(code: &str) -> anyhow::Result<Vec<u8>> {
    let path = Path::new(code);
    if !path.is_file() {
        return hex::decode(code.trim())
            .with_context(|| format!("'{code}' is neither a file nor hex digits"));
    }
    let bytes = std::fs::read(path).with_context(|| code.to_owned())?;
    if bytes.len() as u64 > CODE_BYTES_MAX {
        bail!("{code}: {} bytes are more than {CODE_BYTES_MAX}", bytes.len());
    }
    let Some(text) = std::str::from_utf8(&bytes).ok().map(str::trim) else { return Ok(bytes) };
    if text.starts_with('{') {
        let artifact: serde_json::Value =
            serde_json::from_str(text).with_context(|| code.to_owned())?;
        let deployed = artifact["deployed"].as_str();
        let deployed = deployed.with_context(|| format!("{code}: there is no `deployed` code"))?;
        return hex::decode(deployed).with_context(|| format!("{code}: deployed"));
    }
    Ok(hex::decode(text).unwrap_or(bytes))
}
