//! `warpevm cache`: compiled programs on disk.

use super::output::{Progress, line};
use super::{Usage, interrupt};
use alloy_primitives::B256;
use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use warpevm::chain::{BlockSource, Selection};
use warpevm::code::artefact::{Artefacts, Pruned, default_artefacts_dir};
use warpevm::code::ids::delegate_of;
use warpevm::input::{self, Input, InputError};
use warpevm::limits::ARTEFACTS_BYTES_MAX;
use warpevm::state::MemoryState;
use warpevm::types::Spec;
use warpevm_benches::figures::duration;
use warpevm_compiler::{Options, compile_with};

const EXAMPLES: &str = "\
Examples:
  warpevm cache list
  warpevm cache prune --max 200M
  warpevm cache clear
  warpevm cache warm host/examples/token-block host/examples/erc20-batch.json
  warpevm cache warm mainnet.tar.zst --block 19000000..19000100 --json

Programs lie in $WARPEVM_CACHE/programs, else in warpevm/programs in $XDG_CACHE_HOME or ~/.cache.
docs/CACHE.md says what is kept, and for how long.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CacheArgs {
    #[command(subcommand)]
    action: Action,
    /// Prints JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Says how many programs there are, and what they take.
    List,
    /// Removes the programs that were not used for longest, and what killed processes left.
    Prune {
        /// What the rest may take: bytes, or with K, M or G (1,024 of the one before).
        #[arg(long, value_name = "SIZE", value_parser = size)]
        #[arg(default_value_t = ARTEFACTS_BYTES_MAX)]
        max: u64,
    },
    /// Removes all programs.
    Clear,
    /// Compiles the codes of blocks and batches for their specs, so that later runs find them.
    Warm {
        /// What `run` reads: block folders, folders or .tar.zst archives of them, batch files.
        #[arg(required = true, value_name = "INPUT")]
        inputs: Vec<PathBuf>,
        /// Which blocks: numbers, ranges of them (N..M, both included) or names of folders, with
        /// commas between them; or 'all' [default: all].
        #[arg(long, value_name = "N|N..M|NAME|all")]
        block: Option<Selection>,
    },
}

/// Parses a size in bytes.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        "T" | "TB" | "TIB" => 40,
        _ => return Err("expected a number of bytes, or with K, M or G, such as 200M".to_owned()),
    };
    let count: u64 = digits.parse().map_err(|error| format!("{error}: expected such as 200M"))?;
    count.checked_mul(1 << shift).ok_or_else(|| "more than 64 bits hold".to_owned())
}

/// Does what was asked; false if something is wrong.
pub(crate) fn cache(args: &CacheArgs) -> anyhow::Result<bool> {
    let folder = default_artefacts_dir();
    let folder = folder.context("no folder for programs: neither WARPEVM_CACHE nor HOME is set")?;
    let artefacts = Artefacts::open(folder, ARTEFACTS_BYTES_MAX)?;
    match &args.action {
        Action::List => list(&artefacts, args.json)?,
        Action::Prune { max } => removed(&artefacts, artefacts.prune(*max)?, args.json)?,
        Action::Clear => removed(&artefacts, artefacts.clear()?, args.json)?,
        Action::Warm { inputs, block } => {
            return warm(&artefacts, inputs, block.as_ref(), args.json);
        }
    }
    Ok(true)
}

/// A size for people.
fn readable(bytes: u64) -> String {
    match bytes {
        0..=0xf_ffff => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

/// Programs and the bytes that they take.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Sum {
    programs: u64,
    bytes: u64,
}

impl Sum {
    fn add(&mut self, bytes: u64) {
        self.programs += 1;
        self.bytes += bytes;
    }
}

fn list(artefacts: &Artefacts, json: bool) -> anyhow::Result<()> {
    let (mut all, mut other) = (Sum::default(), Sum::default());
    let mut specs: BTreeMap<usize, Sum> = BTreeMap::new();
    for found in artefacts.list()? {
        all.add(found.bytes);
        match found.current {
            true => specs.entry(found.spec as usize).or_default().add(found.bytes),
            false => other.add(found.bytes),
        }
    }
    let specs: Vec<(Spec, Sum)> = Spec::ALL
        .into_iter()
        .filter_map(|spec| Some((spec, *specs.get(&(spec as usize))?)))
        .collect();
    let folder = artefacts.folder().display().to_string();
    if json {
        let by_spec: serde_json::Map<_, _> =
            specs.iter().map(|(spec, sum)| (spec.to_string(), json!(sum))).collect();
        let object = json!({"folder": folder, "programs": all.programs, "bytes": all.bytes,
            "bytes_max": ARTEFACTS_BYTES_MAX, "by_spec": by_spec, "other_versions": other});
        return line(object.to_string());
    }
    line(format!("{folder}: {} programs, {}", all.programs, readable(all.bytes)))?;
    let row = |name: &str, sum: &Sum| {
        line(format!("  {name:<18}{:>10}  {:>12}", sum.programs, readable(sum.bytes)))
    };
    specs.iter().try_for_each(|(spec, sum)| row(spec.name(), sum))?;
    if other.programs > 0 {
        row("of other versions", &other)?;
    }
    Ok(())
}

fn removed(artefacts: &Artefacts, pruned: Pruned, json: bool) -> anyhow::Result<()> {
    let folder = artefacts.folder().display();
    let Pruned { programs, bytes } = pruned;
    match json {
        true => line(
            json!({"folder": folder.to_string(), "removed": programs, "bytes": bytes}).to_string(),
        ),
        false => line(format!("{folder}: {programs} programs removed, {}", readable(bytes))),
    }
}

/// What warming did.
struct Warming<'a> {
    artefacts: &'a Artefacts,
    /// Codes that were looked at.
    seen: HashSet<(B256, Spec)>,
    code_bytes: u64,
    compiled: AtomicU64,
}

fn warm(
    artefacts: &Artefacts,
    inputs: &[PathBuf],
    selection: Option<&Selection>,
    json: bool,
) -> anyhow::Result<bool> {
    interrupt::listen();
    let start = Instant::now();
    let mut warming =
        Warming { artefacts, seen: HashSet::new(), code_bytes: 0, compiled: AtomicU64::new(0) };
    for path in inputs {
        warming.input(path, selection)?;
    }
    let (counts, compiled) = (artefacts.counts(), warming.compiled.into_inner());
    let (codes, seconds) = (warming.seen.len(), start.elapsed().as_secs_f64());
    if json {
        let object = json!({"folder": artefacts.folder().display().to_string(), "codes": codes,
            "code_bytes": warming.code_bytes, "compiled": compiled, "found": counts.hits,
            "damaged": counts.damaged, "oversized": counts.oversized,
            "failures": counts.failures, "seconds": seconds, "interrupted": interrupt::asked()});
        line(object.to_string())?;
    } else {
        let (size, time) = (readable(warming.code_bytes), duration(seconds));
        let found = counts.hits;
        line(format!("{codes} codes ({size}): {compiled} compiled, {found} there, in {time}"))?;
    }
    let folder = artefacts.folder().display();
    ensure!(counts.failures == 0, "{folder}: {} programs could not be kept", counts.failures);
    Ok(!interrupt::asked())
}

impl Warming<'_> {
    fn input(&mut self, path: &Path, selection: Option<&Selection>) -> anyhow::Result<()> {
        let source = match input::open(path)? {
            Input::Batch(_) if selection.is_some() => {
                let text = format!("{}: a batch has no blocks for --block", path.display());
                return Err(Usage(text).into());
            }
            Input::Batch(batch) => {
                self.state(&batch.state, batch.env.spec);
                return Ok(());
            }
            Input::Blocks(source) => source,
        };
        let selection = selection.unwrap_or(&Selection::All);
        let progress = Progress::new(source.count(selection)? as u64, "blocks");
        source.visit(selection, |_, block| {
            if !interrupt::asked() {
                let block = block?;
                self.state(&block.state, block.env.spec);
                progress.step(1);
            }
            Ok::<_, InputError>(())
        })?;
        Ok(())
    }

    /// Compiles the codes of a state that are not there yet, by all threads.
    fn state(&mut self, state: &MemoryState, spec: Spec) {
        let codes = state.codes.iter().map(|(hash, code)| (*hash, code.original_byte_slice()));
        let new: Vec<_> = codes
            .filter(|(_, code)| !code.is_empty() && delegate_of(code).is_none())
            .filter(|(hash, _)| self.seen.insert((*hash, spec)))
            .collect();
        self.code_bytes += new.iter().map(|(_, code)| code.len() as u64).sum::<u64>();
        new.par_iter().for_each(|(hash, code)| {
            let passes = &Options::ALL;
            if interrupt::asked() || self.artefacts.get(*hash, spec, passes, code.len()).is_some() {
                return;
            }
            let program = compile_with(code, spec, passes);
            self.artefacts.put(*hash, spec, passes, code.len(), &program);
            self.compiled.fetch_add(1, Ordering::Relaxed);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let sizes = [("0", 0), ("17", 17), ("2K", 2048), ("200M", 200 << 20), ("1GiB", 1 << 30)];
        for (text, bytes) in sizes {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "M", "-1", "1.5G", "1 M", "1Q", "99999999999T", "18446744073709551616"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
