//! The arguments of `run` and `simulate`, and which of them exclude each other: a flag that would
//! do nothing is refused.

use crate::files::{is_stdout, keep_inputs};
use crate::{BackendArg, EngineArgs, PolicyArg, Usage, share};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use warpevm::chain::Selection;
use warpevm::reference::validate::Validate;
use warpevm::results::Format;
use warpevm::{Backend, Config};

/// Where reproducers are written unless the command line says otherwise.
const REPRODUCERS_FOLDER: &str = "warpevm-reproducers";

const RUN_EXAMPLES: &str = "Examples:
  warpevm run host/examples/token-block
  warpevm run blocks.tar.zst --block 19000000..19000099 --output receipts.jsonl --keep-going
  warpevm run blocks.tar.zst --output receipts.jsonl --resume
  warpevm run blocks/ --validate off --policy waves --threads 8 --output - | jq .gas_used

Columns of --output and every number of the summary: docs/RESULTS.md.";

const SIMULATE_EXAMPLES: &str = "Examples:
  warpevm simulate host/examples/erc20-batch.json
  warpevm simulate batch.json --output results.csv
  warpevm simulate batch.json --output - --changes | jq 'select(.status != \"success\")'
  make-batch | warpevm simulate - --validate off --json

The batch file: docs/BATCH.md. Columns of --output and every number of the summary:
docs/RESULTS.md.";

/// Executes blocks.
#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub(crate) struct RunArgs {
    /// Block folders (block.json, pre_state.json, codes.json), folders or .tar.zst archives of
    /// them, or batch files (docs/BATCH.md); '-' is standard input (docs/INPUT.md).
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// Which blocks: numbers, ranges of them (N..M, both included) or names (docs/INPUT.md), with
    /// commas between them; or 'all', which is what it is unless said.
    #[arg(long, value_name = "N|N..M|NAME|all")]
    block: Option<Selection>,
    /// How transactions of a block are found that can run at the same time; else 'auto'.
    #[arg(long, value_enum)]
    policy: Option<PolicyArg>,
    /// Of batches: also measures one thread against one thread of revm.
    #[arg(long)]
    compare: bool,
    #[command(flatten)]
    common: CommonArgs,
}

/// Simulates batches.
#[derive(Debug, Args)]
#[command(after_help = SIMULATE_EXAMPLES)]
pub(crate) struct SimulateArgs {
    /// Batch files (docs/BATCH.md); '-' is standard input.
    #[arg(required = true, value_name = "BATCH")]
    inputs: Vec<PathBuf>,
    /// Also measures one thread against one thread of revm.
    #[arg(long)]
    compare: bool,
    #[command(flatten)]
    common: CommonArgs,
}

/// What both commands take.
#[derive(Debug, Args)]
struct CommonArgs {
    #[command(flatten)]
    engine: EngineArgs,
    /// How much is compared with revm; else 'full', which runs everything again on one thread of
    /// revm: that takes as long as revm takes, and the summary says how long. What the revm backend
    /// runs is compared with nothing.
    #[arg(long, value_enum)]
    validate: Option<ValidateArg>,
    /// Where a transaction whose result differs from revm's is written as a state test; else
    /// 'warpevm-reproducers'. The revm backend is the reference: nothing of it differs.
    #[arg(long, value_name = "DIR")]
    reproducers: Option<PathBuf>,
    /// What a difference means: a failure (unless said), or (for production) that revm's result is
    /// taken.
    #[arg(long, value_enum)]
    on_mismatch: Option<OnMismatch>,
    /// Fails when a smaller share of the transactions ran wholly on the device: 0 to 1.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", value_parser = share)]
    min_residency: f64,
    /// Writes a row for each transaction: JSON lines (.jsonl, .ndjson) or CSV (.csv); '-' is
    /// standard output as JSON lines, and all else goes to standard error.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Rows also hold every account that changed.
    #[arg(long)]
    changes: bool,
    /// Goes on after an input or block that cannot be read or run; the exit code is 1 all the same.
    #[arg(long)]
    keep_going: bool,
    /// Goes on where an earlier run with the same --output ended: blocks and batches whose rows are
    /// complete are not run again.
    #[arg(long)]
    resume: bool,
    /// Prints a JSON object for each transaction (unless --output takes them), block and batch, and
    /// last one with the totals.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ValidateArg {
    /// Nothing.
    Off,
    /// One transaction in sixteen, always the same ones.
    Sample,
    /// Every transaction.
    Full,
}

impl From<ValidateArg> for Validate {
    fn from(arg: ValidateArg) -> Validate {
        match arg {
            ValidateArg::Off => Validate::Off,
            ValidateArg::Sample => Validate::Sample,
            ValidateArg::Full => Validate::Full,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OnMismatch {
    /// Exit code 1.
    Error,
    /// revm's result is taken, and the incident counted.
    Revm,
}

/// Where rows go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Nowhere.
    None,
    /// To standard output, between the objects of `--json`.
    Json,
    /// To standard output, alone.
    Stdout,
    File(PathBuf, Format),
}

/// What an input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InputKind {
    Blocks,
    Batch,
}

/// What both commands ask for.
#[derive(Debug)]
pub(super) struct Asked {
    pub inputs: Vec<PathBuf>,
    pub selection: Selection,
    pub config: Config,
    /// Whether compiled programs are kept on disk.
    pub keep_programs: bool,
    pub compare: bool,
    pub validate: Validate,
    pub reproducers: PathBuf,
    pub on_mismatch: OnMismatch,
    pub min_residency: f64,
    pub output: Output,
    pub changes: bool,
    pub keep_going: bool,
    pub resume: bool,
    pub json: bool,
    /// Flags that are for one kind of input only, and the command's own kind.
    only: Vec<(&'static str, InputKind)>,
}

impl RunArgs {
    pub(super) fn asked(&self) -> Result<Asked, Usage> {
        let given = [
            ("--block", self.block.is_some(), InputKind::Blocks),
            ("--policy", self.policy.is_some(), InputKind::Blocks),
            ("--compare", self.compare, InputKind::Batch),
        ];
        let only = given.into_iter().filter(|(_, given, _)| *given);
        let only = only.map(|(flag, _, kind)| (flag, kind)).collect();
        let policy = self.policy.unwrap_or(PolicyArg::Auto);
        let serial = policy.is_serial();
        if self.common.engine.backend == BackendArg::Revm && !serial {
            return refused("--policy", "the revm backend runs one transaction after the other");
        }
        let engine = &self.common.engine;
        if engine.backend == BackendArg::Cpu && engine.threads == 1 && !serial {
            return refused("--policy", "one thread executes a block in its order");
        }
        let selection = self.block.clone().unwrap_or_default();
        self.common.asked(&self.inputs, selection, policy, self.compare, only)
    }
}

impl SimulateArgs {
    pub(super) fn asked(&self) -> Result<Asked, Usage> {
        let (all, auto) = (Selection::default(), PolicyArg::Auto);
        self.common.asked(
            &self.inputs,
            all,
            auto,
            self.compare,
            vec![("simulate", InputKind::Batch)],
        )
    }
}

impl CommonArgs {
    fn asked(
        &self,
        inputs: &[PathBuf],
        selection: Selection,
        policy: PolicyArg,
        compare: bool,
        only: Vec<(&'static str, InputKind)>,
    ) -> Result<Asked, Usage> {
        self.refuse_what_does_nothing()?;
        if compare && self.engine.backend == BackendArg::Revm {
            return refused("--compare", "it measures a backend beside revm");
        }
        let asked = Asked {
            inputs: inputs.to_vec(),
            selection,
            config: self.engine.config(policy.into()),
            keep_programs: !self.engine.no_cache,
            compare,
            validate: self.mode().into(),
            reproducers: self.reproducers.clone().unwrap_or_else(|| REPRODUCERS_FOLDER.into()),
            on_mismatch: self.on_mismatch.unwrap_or(OnMismatch::Error),
            min_residency: self.min_residency,
            output: self.output(inputs)?,
            changes: self.changes,
            keep_going: self.keep_going,
            resume: self.resume,
            json: self.json,
            only,
        };
        for (path, kind) in inputs.iter().filter_map(|path| Some((path, kind_by_name(path)?))) {
            asked.takes(path, kind)?;
        }
        Ok(asked)
    }

    /// How much is compared: revm with itself would tell nothing.
    fn mode(&self) -> ValidateArg {
        let unsaid = match self.engine.backend {
            BackendArg::Revm => ValidateArg::Off,
            _ => ValidateArg::Full,
        };
        self.validate.unwrap_or(unsaid)
    }

    fn refuse_what_does_nothing(&self) -> Result<(), Usage> {
        let engine = &self.engine;
        let no_gpu = !matches!(engine.backend, BackendArg::Cuda | BackendArg::Wgpu);
        let no_device = !Backend::from(engine.backend).is_device();
        let off = self.validate == Some(ValidateArg::Off);
        let revm = engine.backend == BackendArg::Revm;
        let compares_itself = revm && self.validate.is_some() && !off;
        let no_rows = self.output.is_none() && !self.json;
        let no_file = self.output.as_deref().is_none_or(is_stdout);
        let on_no_gpu = "the backend runs on no GPU";
        let not_compared = "nothing is compared with revm (--validate off)";
        let no_folder = "it names a folder, and '-' is standard output";
        let itself = "the revm backend is the reference itself";
        let rules = [
            ("--gpu", engine.gpu.is_some() && no_gpu, on_no_gpu),
            ("--grouping", engine.grouping.is_some() && no_device, on_no_gpu),
            ("--instances-per-warp", engine.instances_per_warp.is_some() && no_device, on_no_gpu),
            ("--threads", engine.threads > 1 && revm, "the revm backend has one"),
            ("--tiers", engine.tiers.is_some() && revm, itself),
            ("--no-cache", engine.no_cache && revm, itself),
            ("--validate", compares_itself, itself),
            ("--reproducers", self.reproducers.is_some() && off, not_compared),
            ("--reproducers", self.reproducers.as_deref().is_some_and(is_stdout), no_folder),
            ("--on-mismatch", self.on_mismatch.is_some() && off, not_compared),
            ("--on-mismatch", self.on_mismatch.is_some() && revm, itself),
            ("--min-residency", self.min_residency > 0.0 && revm, "revm is no device to leave"),
            ("--changes", self.changes && no_rows, "there are no rows: --output or --json"),
            ("--resume", self.resume && no_file, "there is no file to go on with: --output FILE"),
        ];
        match rules.into_iter().find(|(_, broken, _)| *broken) {
            Some((flag, _, cause)) => refused(flag, cause),
            None => Ok(()),
        }
    }

    fn output(&self, inputs: &[PathBuf]) -> Result<Output, Usage> {
        self.output.as_deref().map_or(Ok(()), |file| keep_inputs("--output", file, inputs))?;
        match self.output.as_deref() {
            None if self.json => Ok(Output::Json),
            None => Ok(Output::None),
            Some(file) if is_stdout(file) => Ok(Output::Stdout),
            Some(file) => match Format::of(file) {
                Some(format) => Ok(Output::File(file.to_owned(), format)),
                None => refused(
                    "--output",
                    &format!("'{}' ends in none of .jsonl, .ndjson, .csv", file.display()),
                ),
            },
        }
    }
}

impl Asked {
    /// Whether an input of this kind fits what was asked for.
    pub(super) fn takes(&self, path: &Path, kind: InputKind) -> Result<(), Usage> {
        let Some((flag, _)) = self.only.iter().find(|(_, only)| *only != kind) else {
            return Ok(());
        };
        let path = path.display();
        Err(Usage(match kind {
            InputKind::Blocks if *flag == "simulate" => {
                format!("simulate: '{path}' holds blocks, which `warpevm run` executes")
            }
            InputKind::Blocks => format!("{flag}: only for batches, and '{path}' holds blocks"),
            InputKind::Batch => format!("{flag}: only for blocks, and '{path}' is a batch"),
        }))
    }
}

fn refused<T>(flag: &str, cause: &str) -> Result<T, Usage> {
    Err(Usage(format!("{flag}: {cause}")))
}

/// What an input is, as far as its name tells before anything is read.
fn kind_by_name(path: &Path) -> Option<InputKind> {
    let ending = path.extension().and_then(|ending| ending.to_str());
    match ending {
        _ if path.is_dir() => Some(InputKind::Blocks),
        Some("zst") => Some(InputKind::Blocks),
        Some("json") => Some(InputKind::Batch),
        _ => None,
    }
}
