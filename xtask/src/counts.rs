//! `cargo xtask counts`: the instructions that the CPU executes for a few workloads, under
//! callgrind, beside the committed ones (docs/decisions/014-counts-on-the-cpu.md).

use crate::test::RELEASE_BUILD;
use crate::{cargo, setup};
use anyhow::{Context, Result, bail, ensure};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The committed counts.
const FILE: &str = "benches/counts/cpu.tsv";
/// What `warpevm-counts` runs, beside batches of its own.
const BLOCKS: &str = "mainnet/mainnet-dev.tar.zst";
/// Between two calls of it lies a part (`benches/src/bin/counts.rs`).
const MARK: &str = "warpevm_counts_mark";
/// A count may be so much above the committed one.
const MARGIN: f64 = 0.01;

const NOTE: &str = "\
# Instructions that one thread executes, by `cargo xtask counts --bless`. Cold: a new engine, which
# has seen no code; warm: one with programs of the full compiler. The snapshot is read anew in both.
workload\trun\ttransactions\tinstructions
";

/// A part and what it took.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Count {
    /// Workload, run and transactions, as the file has them.
    part: String,
    instructions: u64,
}

/// Why nothing can be counted here.
pub fn missing(root: &Path) -> Option<String> {
    let blocks = setup::fixtures_dir(root).join(BLOCKS);
    if !setup::runs("valgrind", &["--version"]) {
        return Some("valgrind is not installed (Debian: apt-get install valgrind)".to_owned());
    }
    let why = format!("{} is missing; docs/TESTING.md says where it is from", blocks.display());
    (!blocks.exists()).then_some(why)
}

/// Counts, and compares or (`bless`) writes.
pub fn run(root: &Path, bless: bool) -> Result<()> {
    let counts = count(root)?;
    let file = root.join(FILE);
    if bless {
        let mut text = NOTE.to_owned();
        counts.iter().for_each(|one| writeln!(text, "{}\t{}", one.part, one.instructions).unwrap());
        fs::create_dir_all(file.parent().expect("it is in a folder"))?;
        return fs::write(&file, text).with_context(|| format!("cannot write {FILE}"));
    }
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {FILE}"))?;
    let committed = parse(&text)?;
    let mut wrong = 0;
    for one in &counts {
        let before = committed.iter().find(|before| before.part == one.part);
        let before = before.with_context(|| format!("{FILE} has no '{}'", one.part))?;
        let ratio = one.instructions as f64 / before.instructions as f64;
        println!("{:40} {:>14}  {ratio:.4}", one.part.replace('\t', " "), one.instructions);
        wrong += usize::from(ratio > 1.0 + MARGIN);
    }
    ensure!(committed.len() == counts.len(), "{FILE} has other workloads than were counted");
    ensure!(wrong == 0, "{wrong} counts are more than {MARGIN} above {FILE}");
    Ok(())
}

fn parse(text: &str) -> Result<Vec<Count>> {
    text.strip_prefix(NOTE)
        .with_context(|| format!("{FILE} does not begin as `--bless` writes it"))?
        .lines()
        .map(|line| {
            let (part, count) =
                line.rsplit_once('\t').with_context(|| format!("{FILE}: {line}"))?;
            let instructions = count.parse().with_context(|| format!("{FILE}: {line}"))?;
            Ok(Count { part: part.to_owned(), instructions })
        })
        .collect()
}

fn count(root: &Path) -> Result<Vec<Count>> {
    ensure!(cargo(root, &RELEASE_BUILD).status()?.success(), "warpevm-counts does not build");
    let program = setup::target_dir(root).join("release/warpevm-counts");
    let folder = setup::target_dir(root).join(format!("counts-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let counted = callgrind(&program, &setup::fixtures_dir(root).join(BLOCKS), &folder);
    fs::remove_dir_all(&folder)?;
    counted
}

/// Runs it. callgrind writes a file at each mark: those after the second of a pair are parts.
fn callgrind(program: &Path, blocks: &Path, folder: &Path) -> Result<Vec<Count>> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "-q", "--dump-line=no"]);
    command.arg(format!("--dump-before={MARK}"));
    command.arg(format!("--callgrind-out-file={}", folder.join("part").display()));
    let output = command.arg(program).arg(blocks).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "{}: {}", program.display(), output.status);
    let parts = String::from_utf8(output.stdout)?;
    let count = |(index, part): (usize, &str)| {
        let file = folder.join(format!("part.{}", 2 * (index + 1)));
        Ok(Count { part: part.to_owned(), instructions: total(&file)? })
    };
    let counts: Vec<Count> = parts.lines().enumerate().map(count).collect::<Result<_>>()?;
    ensure!(!counts.is_empty(), "nothing was counted");
    Ok(counts)
}

/// The instructions of a file of callgrind's.
fn total(file: &PathBuf) -> Result<u64> {
    let text = fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
    let Some(line) = text.lines().find_map(|line| line.strip_prefix("totals: ")) else {
        bail!("{} has no totals", file.display());
    };
    Ok(line.trim().parse()?)
}
