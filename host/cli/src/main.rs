//! The command line of warpevm: commands, their arguments, exit codes: 0 all well, 1 a failure, 2
//! wrong usage.

// They panic where nobody reads, or the disk is full: `output` does not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod blocktest;
mod cache;
mod compare;
mod devices;
mod files;
mod graph;
mod interrupt;
mod output;
mod plan;
mod run;
mod runner;
mod stages;
mod statetest;
mod suite;
mod summary;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::io;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;
use warpevm::types::{Backend, Grouping, Policy};
use warpevm::{Config, Tiers};

/// The exit code of wrong usage, as clap has it.
const WRONG_USAGE: u8 = 2;

/// Executes Ethereum transactions, and compares every result with revm.
#[derive(Debug, Parser)]
#[command(name = "warpevm", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Executes blocks with their pre-state, and writes receipts.
    Run(Box<run::RunArgs>),
    /// Simulates batches of independent calls, and writes their results.
    Simulate(Box<run::SimulateArgs>),
    /// Measures suites of workloads beside revm, and writes a report.
    #[command(after_help = bench::EXAMPLES)]
    Bench(bench::BenchArgs),
    /// Runs the official state tests: state root and logs hash of every case.
    #[command(after_help = statetest::EXAMPLES)]
    Statetest(suite::SuiteArgs),
    /// Runs the official blockchain tests: whole blocks with their headers, valid or not.
    #[command(after_help = blocktest::EXAMPLES)]
    Blocktest(blocktest::Blocktest),
    /// Shows what the compiler makes of a code: basic blocks, dependency graphs, lowered ops.
    Graph(graph::GraphArgs),
    /// Shows which transactions of a block depend on which: waves, chains, the critical path.
    Plan(plan::PlanArgs),
    /// Shows, drops and makes compiled programs that are kept on disk.
    Cache(cache::CacheArgs),
    /// Lists the devices that this build can run on.
    #[command(after_help = devices::EXAMPLES)]
    Devices {
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct EngineArgs {
    /// What executes.
    #[arg(long, value_enum, default_value_t = BackendArg::Cpu)]
    pub backend: BackendArg,
    /// Threads; 0 takes one for each core.
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = threads)]
    pub threads: usize,
    /// The GPU of the cuda or wgpu backend, by its number in `warpevm devices`; else all of CUDA's
    /// share a batch, or the first adapter of wgpu that WARPEVM_WGPU_ADAPTER matches.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub gpu: Option<i32>,
    /// Which transactions become neighbours on a GPU; else 'start'.
    #[arg(long, value_enum)]
    pub grouping: Option<GroupingArg>,
    /// Transactions in each warp of a GPU; else 32.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=32))]
    pub instances_per_warp: Option<u8>,
    /// Which programs of a code run; else auto. Results do not depend on it.
    #[arg(long, value_enum)]
    pub tiers: Option<TiersArg>,
    /// Neither takes compiled programs from the folder of `warpevm cache` nor keeps any there.
    #[arg(long)]
    pub no_cache: bool,
}

/// Which programs of a code run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TiersArg {
    /// Lowered at once, and compiled in the background where a code is hot.
    Auto,
    /// Lowered at once alone.
    Baseline,
    /// Compiled in full by who enters a code first.
    Full,
    /// For tests: lowered at once for the first frame of a code, then compiled.
    Swap,
}

impl From<TiersArg> for Tiers {
    fn from(arg: TiersArg) -> Tiers {
        match arg {
            TiersArg::Auto => Tiers::Auto,
            TiersArg::Baseline => Tiers::Baseline,
            TiersArg::Full => Tiers::Full,
            TiersArg::Swap => Tiers::Swap,
        }
    }
}

/// As many as the engine has ranges of code ids for. Each takes a stack and instance memory, and
/// 2,048 of them take 19 s to start on two cores.
pub(crate) const THREADS_COUNT_MAX: usize = warpevm::limits::WORKERS_COUNT_MAX as usize;

/// Parses a number of threads.
pub(crate) fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count <= THREADS_COUNT_MAX => Ok(count),
        Ok(_) => Err(format!("there are at most {THREADS_COUNT_MAX}")),
        Err(error) => Err(format!("{error}")),
    }
}

/// Rounds of a measurement at most: more tell no more, and one zero too many would take days.
pub(crate) const ROUNDS_MAX: i64 = 1000;

/// Parses a share of what there is.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "a share is a number from 0 to 1".to_owned())
}

/// The command line asks for what cannot be, which is seen only when it is looked at as a whole.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PolicyArg {
    /// One after the other.
    Sequential,
    /// All at once; those that saw a wrong state run again.
    Optimistic,
    /// By predicted accesses.
    Waves,
    /// By access lists alone (EIP-7928, EIP-2930).
    Declared,
    /// What the cost model expects to be fastest.
    Auto,
}

impl PolicyArg {
    /// Whether it may stand where one thread executes a block in its order.
    pub(crate) fn is_serial(self) -> bool {
        matches!(self, PolicyArg::Auto | PolicyArg::Sequential)
    }

    /// Its name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

impl From<PolicyArg> for Policy {
    fn from(arg: PolicyArg) -> Policy {
        match arg {
            PolicyArg::Sequential => Policy::Sequential,
            PolicyArg::Optimistic => Policy::Optimistic,
            PolicyArg::Waves => Policy::Waves,
            PolicyArg::Declared => Policy::Declared,
            PolicyArg::Auto => Policy::Auto,
        }
    }
}

impl EngineArgs {
    /// What the engine is told.
    pub(crate) fn config(&self, policy: Policy) -> Config {
        let mut config = Config::default()
            .with_backend(self.backend.into())
            .with_threads(self.threads)
            .with_gpu(self.gpu)
            .with_policy(policy);
        if let Some(grouping) = self.grouping {
            config.grouping = grouping.into();
        }
        if let Some(count) = self.instances_per_warp {
            config.instances_per_warp = count.into();
        }
        if let Some(tiers) = self.tiers {
            config.tiers = tiers.into();
        }
        config
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum GroupingArg {
    /// As they come.
    None,
    /// Calls of one contract with one selector.
    Start,
    /// Besides, after each launch: those that stopped at one op.
    Rounds,
}

impl From<GroupingArg> for Grouping {
    fn from(arg: GroupingArg) -> Grouping {
        match arg {
            GroupingArg::None => Grouping::None,
            GroupingArg::Start => Grouping::Start,
            GroupingArg::Rounds => Grouping::Rounds,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackendArg {
    /// The kernels, compiled for the CPU.
    Cpu,
    /// The kernels, compiled for an NVIDIA GPU.
    Cuda,
    /// The same on a device that the CPU plays: for tests.
    #[value(hide = true)]
    CudaFake,
    /// The kernels in WGSL, on any GPU with Vulkan, Metal or DirectX 12.
    Wgpu,
    /// Sequential revm, the reference.
    Revm,
}

impl From<BackendArg> for Backend {
    fn from(arg: BackendArg) -> Backend {
        match arg {
            BackendArg::Cpu => Backend::Cpu,
            BackendArg::Cuda => Backend::Cuda,
            BackendArg::CudaFake => Backend::CudaFake,
            BackendArg::Wgpu => Backend::Wgpu,
            BackendArg::Revm => Backend::Revm,
        }
    }
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return help_or_usage(&error),
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    // What cannot be logged is lost: to say so would fail the same way.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    log.log_internal_errors(false).init();
    let result = match &cli.command {
        Command::Run(args) => run::run(args),
        Command::Simulate(args) => run::simulate(args),
        Command::Bench(args) => bench::bench(args),
        Command::Statetest(args) => statetest::run(args),
        Command::Blocktest(args) => blocktest::run(args),
        Command::Graph(args) => graph::graph(args),
        Command::Plan(args) => plan::plan(args),
        Command::Cache(args) => cache::cache(args),
        Command::Devices { json } => devices::devices(*json),
    };
    let code = match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(format!("error: {error:#}"));
            match error.is::<Usage>() {
                true => return ExitCode::from(WRONG_USAGE),
                false => ExitCode::FAILURE,
            }
        }
    };
    if interrupt::asked() { interrupt::exit_code() } else { code }
}

/// Prints what clap has to say: help or the version, or what is wrong with the arguments. Unlike
/// clap's own exit it fails where the help cannot be written.
fn help_or_usage(error: &clap::Error) -> ExitCode {
    let code = u8::try_from(error.exit_code()).unwrap_or(WRONG_USAGE);
    match error.print() {
        Err(error) if code == 0 && error.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => ExitCode::from(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    /// Words as a shell reads them, as far as examples go: quotes hold spaces and pipes.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
        for char in line.chars() {
            match char {
                '\'' => quoted = !quoted,
                ' ' if !quoted => words.push(std::mem::take(&mut word)),
                other => word.push(other),
            }
        }
        words.push(word);
        words.retain(|word| !word.is_empty());
        words
    }

    /// The commands of ours in a line, which may have pipes and end in a file.
    fn ours(line: &str) -> Vec<Vec<String>> {
        let words = words(line);
        let parts = words.split(|word| word == "|").map(|part| {
            let end = part.iter().position(|word| word.starts_with(['>', '<', '#']));
            part[..end.unwrap_or(part.len())].to_vec()
        });
        parts.filter(|part| part.first().is_some_and(|word| word == "warpevm")).collect()
    }

    #[test]
    fn every_command_has_its_usage_and_examples_that_parse() {
        let mut cli = Cli::command();
        cli.build();
        for command in cli.get_subcommands_mut().filter(|command| command.get_name() != "help") {
            let name = command.get_name().to_owned();
            let usage = command.render_usage().to_string();
            assert!(usage.starts_with(&format!("Usage: warpevm {name}")), "{usage}");
            let help = command.render_long_help().to_string();
            let (_, examples) = help.split_once("Examples:\n").unwrap_or_else(|| {
                panic!("'{name} --help' has no examples");
            });
            let lines = examples.lines().take_while(|line| line.starts_with("  "));
            let examples: Vec<Vec<String>> = lines.flat_map(ours).collect();
            assert!(!examples.is_empty(), "'{name} --help' has no examples");
            for example in examples {
                assert_eq!(example[1], name, "in '{name} --help'");
                if let Err(error) = Cli::try_parse_from(&example) {
                    panic!("{}: {error}", example.join(" "));
                }
            }
        }
    }
}
