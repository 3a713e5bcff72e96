//! `warpevm bench`: suites of workloads, every contender in one run, in turn.

use super::devices;
use super::output::{Progress, Say, complain};
use super::suite::start_threads;
use super::{BackendArg, GroupingArg, PolicyArg, ROUNDS_MAX, Usage, files, interrupt};
use anyhow::bail;
use clap::{Args, ValueEnum};
use regex::Regex;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use warpevm::Config;
use warpevm::conformance::fixtures;
use warpevm::types::Policy;
use warpevm_benches::ablate::{Ablation, ablate, choose, ideas};
use warpevm_benches::cold;
use warpevm_benches::figures::{duration, median};
use warpevm_benches::measure::{Contender, END_TO_END, FIRST, Measured, RESIDENT, Rounds, measure};
use warpevm_benches::model::{self, Model};
use warpevm_benches::suites::{Planned, Plans, Suite, Wanted};
use warpevm_benches::{html, plot};

/// What `--help` ends with.
pub(crate) const EXAMPLES: &str = "Examples:
  warpevm bench --tiny
  warpevm bench transfers swaps --threads 1,8 --json rows.json --html report.html
  warpevm bench blocks --input blocks.tar.zst --policies sequential,waves,auto
  warpevm bench compute --filter loops --backend cpu,wgpu --batch 256,4096
  warpevm bench conflicts --ablate";

/// Transactions of a batch at most. They take a few KiB each, so that more would fill most
/// machines' memory.
const BATCH_MAX: i64 = 1 << 24;
/// Rounds that count.
const ROUNDS: Rounds = Rounds { least: 5, most: 25 };
const ROUNDS_TINY: Rounds = Rounds { least: 1, most: 1 };
/// Microseconds of one thread that a round of an ablation may take.
const MICROS_ABLATE: f64 = 10_000.0;
/// GPUs of the table whose ceilings the command line prints.
const CEILINGS_SHOWN: usize = 3;
/// Cases that a message lists.
const LISTED_MAX: usize = 8;

/// The arguments.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Suites to run whole; else a selection of all that takes some minutes.
    #[arg(value_enum, value_name = "SUITE")]
    suites: Vec<Suite>,
    /// What runs beside revm.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [BackendArg::Cpu])]
    #[arg(value_name = "BACKEND,...")]
    backend: Vec<BackendArg>,
    /// The baselines; else all. Without revm no ratios are given.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "REVM,...")]
    against: Vec<Against>,
    /// Threads of the backends, each number in turn; 0 takes one for each core. revm-parallel has
    /// the most of them.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 0], value_name = "N,...")]
    #[arg(value_parser = super::threads)]
    threads: Vec<usize>,
    /// Batch sizes, in place of those of the suites.
    #[arg(long, value_delimiter = ',', value_name = "N,...")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=BATCH_MAX))]
    batch: Vec<u32>,
    /// How transactions of a block are chosen that run at the same time, each in turn; else auto.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "POLICY,...")]
    policies: Vec<PolicyArg>,
    /// Which transactions become neighbours on a GPU; else start.
    #[arg(long, value_enum)]
    grouping: Option<GroupingArg>,
    /// Rounds that are measured, everyone in turn; else 5 to 25, until they took half a second.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=ROUNDS_MAX))]
    rounds: Option<u32>,
    /// Only cases whose name (suite/case/batch) matches.
    #[arg(long, value_name = "REGEX")]
    filter: Option<Regex>,
    /// Block folders, or archives of them, for the suite of blocks.
    #[arg(long, value_name = "PATH")]
    input: Vec<PathBuf>,
    /// Measures what each idea that can be switched off is worth, instead of comparing with revm.
    #[arg(long)]
    ablate: bool,
    /// The smallest cases, once: shows that it works.
    #[arg(long)]
    tiny: bool,
    /// Where the rows are written as JSON; '-' is standard output, and all else goes to standard
    /// error.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where a report is written: one HTML file with plots; '-' as for the rows.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// A baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Against {
    /// One thread of revm.
    Revm,
    /// revm on as many threads as the backends, for independent calls.
    RevmParallel,
}

/// Runs the command. Results that differ from revm's are an error that names the case.
pub(crate) fn bench(args: &BenchArgs) -> anyhow::Result<bool> {
    let rounds = match args.rounds {
        Some(count) => Rounds::exactly(count),
        None if args.tiny => ROUNDS_TINY,
        None => ROUNDS,
    };
    args.check()?;
    // Writing comes last, and would be late to fail.
    for path in args.json.iter().chain(&args.html) {
        files::try_create(path)?;
    }
    start_threads(0)?;
    interrupt::listen();
    let Plans { mut cases, left_out } = read(&args.wanted())?;
    for why in &left_out {
        args.say().line(format!("left out: {why}"))?;
    }
    let names: Vec<String> = cases.iter().map(Planned::full_name).collect();
    cases.retain(|case| args.filter.as_ref().is_none_or(|f| f.is_match(&case.full_name())));
    if cases.is_empty() && !interrupt::asked() {
        bail!("nothing to measure: {}", args.why_nothing(&names));
    }
    let model = Model::new()?;
    let (measured, ablations) = match args.ablate {
        true => run_ablation(args, &cases, rounds)?,
        false => (run(args, &cases, rounds, &model)?, Vec::new()),
    };
    if interrupt::asked() {
        let (done, count) = (measured.len(), cases.len());
        complain(format!("interrupted: {done} of {count} cases were measured"));
    }
    // A file that says nothing would stand where an earlier one said something.
    if !measured.is_empty() {
        write_files(args, rounds, &BenchRun { measured, ablations, left_out, model })?;
    }
    Ok(true)
}

/// All cases.
fn read(wanted: &Wanted) -> anyhow::Result<Plans> {
    let mut plans = Plans::default();
    let progress = Progress::new(wanted.suites().len() as u64, "suites read");
    for suite in wanted.suites().iter().take_while(|_| !interrupt::asked()) {
        wanted.read(*suite, &mut plans)?;
        progress.step(1);
    }
    Ok(plans)
}

/// What a run gave.
struct BenchRun {
    measured: Vec<Measured>,
    ablations: Vec<Ablation>,
    left_out: Vec<String>,
    model: Model,
}

fn write_files(args: &BenchArgs, rounds: Rounds, report: &BenchRun) -> anyhow::Result<()> {
    let (command, machine) = (&command(), &machine(args));
    let BenchRun { measured, ablations, left_out, model } = report;
    if let Some(path) = &args.json {
        let rows = measured.iter().flat_map(|one| &one.rows);
        let text = match args.ablate {
            true => json(ablations.iter(), command, machine)?,
            false => json(rows, command, machine)?,
        };
        files::write(path, text.as_bytes())?;
    }
    if let Some(path) = &args.html {
        // What an ablation compares with itself is no comparison with revm.
        let measured = if args.ablate { &[][..] } else { measured };
        let report =
            html::Report { command, machine, rounds, measured, ablations, left_out, model };
        files::write(path, report.html()?.as_bytes())?;
    }
    Ok(())
}

fn run(
    args: &BenchArgs,
    cases: &[Planned],
    rounds: Rounds,
    model: &Model,
) -> anyhow::Result<Vec<Measured>> {
    let progress = Progress::new(cases.len() as u64, "cases");
    let mut all = Vec::new();
    let (first, again): (Vec<&Planned>, Vec<&Planned>) =
        cases.iter().partition(|case| case.suite == Suite::Cold);
    for case in again.into_iter().take_while(|_| !interrupt::asked()) {
        let measured = measure(case, &args.contenders(case.in_order), rounds)?;
        print(&progress, args.say(), &measured, model)?;
        progress.step(1);
        all.push(measured);
    }
    if !first.is_empty() && !interrupt::asked() {
        // Every round makes engines, and only their first runs count.
        all.extend(cold::measure(&first, &args.contenders(true), rounds.least, |measured| {
            print(&progress, args.say(), measured, model)?;
            progress.step(1);
            Ok(!interrupt::asked())
        })?);
    }
    Ok(all)
}

fn run_ablation(
    args: &BenchArgs,
    cases: &[Planned],
    rounds: Rounds,
) -> anyhow::Result<(Vec<Measured>, Vec<Ablation>)> {
    let chosen = choose(cases);
    let progress = Progress::new(chosen.len() as u64, "cases");
    let (mut all, mut ablations) = (Vec::new(), Vec::new());
    for case in chosen.into_iter().take_while(|_| !interrupt::asked()) {
        let threads = args.threads.iter().copied().map(threads).collect::<Vec<_>>();
        // Passes show best on one thread; policies and redo need several.
        let count = if case.in_order { threads.iter().max() } else { threads.iter().min() };
        let backend = args.backend.first().copied().unwrap_or(BackendArg::Cpu);
        let base = args.config(backend, count.copied().unwrap_or(1));
        let (measured, off) = ablate(case, base, rounds)?;
        progress.step(1);
        all.push(measured);
        ablations.extend(off);
    }
    print_ablations(&ablations, args.say())?;
    Ok((all, ablations))
}

/// A table: what is off, by suite the median of the ratios.
fn print_ablations(ablations: &[Ablation], say: Say) -> anyhow::Result<()> {
    let mut suites: Vec<Suite> = ablations.iter().map(|one| one.suite).collect();
    suites.dedup();
    let heads: Vec<String> = suites.iter().map(|suite| format!("{:>11}", suite.name())).collect();
    say.line(
        "least time with an idea off, by that with all on (median over the cases of a suite)",
    )?;
    say.line(format!("{:24}{}", "", heads.concat()))?;
    for idea in ideas(ablations) {
        let cells = suites.iter().map(|suite| {
            let of = ablations.iter().filter(|one| one.off == idea && one.suite == *suite);
            let ratios: Vec<f64> = of.map(|one| one.ratio).collect();
            match ratios.is_empty() {
                true => format!("{:>11}", "-"),
                false => format!("{:>11.2}", median(&ratios)),
            }
        });
        say.line(format!("{idea:24}{}", cells.collect::<String>()))?;
    }
    Ok(())
}

/// So many threads, where 0 means one for each core.
fn threads(count: usize) -> usize {
    match count {
        0 => available_parallelism().map_or(1, usize::from),
        count => count,
    }
}

impl BenchArgs {
    /// Whether the arguments go together: each must do something.
    fn check(&self) -> Result<(), Usage> {
        self.no_repeats()?;
        self.keep_inputs()?;
        let wants = |of: fn(&Suite) -> bool| self.suites.is_empty() || self.suites.iter().any(of);
        let device = |backend: &BackendArg| warpevm::types::Backend::from(*backend).is_device();
        let devices = self.backend.iter().any(device);
        let one_thread = !devices && self.threads.iter().all(|count| *count == 1);
        let serial = |policy: &PolicyArg| policy.is_serial();
        let ordered = !self.policies.iter().all(serial) || self.policies.len() > 1;
        let names_twice = |json: &PathBuf| self.html.iter().any(|html| files::is_same(json, html));
        let refused = [
            (
                self.backend.contains(&BackendArg::Revm),
                "--backend revm: it is a baseline (--against revm)",
            ),
            (
                !self.input.is_empty()
                    && !wants(|suite| matches!(suite, Suite::Blocks | Suite::Cold)),
                "--input: only the suites of blocks read it",
            ),
            (
                !self.batch.is_empty() && !wants(|suite| !suite.in_order()),
                "--batch: the suites have blocks as they are",
            ),
            (
                !self.policies.is_empty() && !wants(|suite| suite.in_order()),
                "--policies: the suites have independent calls, which no policy orders",
            ),
            (
                self.grouping.is_some() && !devices,
                "--grouping: it is for backends that are devices",
            ),
            (
                one_thread && ordered,
                "--policies: one thread executes a block in its order (--threads takes more)",
            ),
            (
                self.against.contains(&Against::RevmParallel) && !wants(|suite| !suite.in_order()),
                "--against revm-parallel: the suites have blocks, which revm runs in their order",
            ),
            (self.ablate && !self.against.is_empty(), "--against: --ablate compares with itself"),
            (self.ablate && !self.policies.is_empty(), "--policies: --ablate tries all"),
            (self.ablate && self.backend.len() > 1, "--backend: --ablate takes one"),
            (
                self.ablate && self.suites.contains(&Suite::Cold),
                "--ablate: what is off shows in runs that repeat, not in the first",
            ),
            (self.json.iter().any(names_twice), "--html: it names the file that --json names"),
        ];
        let refused = refused.into_iter().find(|(refused, _)| *refused);
        refused.map_or(Ok(()), |(_, why)| Err(Usage(why.to_owned())))
    }

    /// Refuses values that stand twice: they would be measured twice, or not at all.
    fn no_repeats(&self) -> Result<(), Usage> {
        let numbers = |list: &mut dyn Iterator<Item = u64>| list.map(|n| n.to_string()).collect();
        let lists: [(&str, Vec<String>); 7] = [
            ("SUITE", value_names(&self.suites)),
            ("--backend", value_names(&self.backend)),
            ("--against", value_names(&self.against)),
            ("--policies", value_names(&self.policies)),
            ("--threads", numbers(&mut self.threads.iter().map(|count| *count as u64))),
            ("--batch", numbers(&mut self.batch.iter().map(|count| u64::from(*count)))),
            ("--input", self.input.iter().map(|path| path.display().to_string()).collect()),
        ];
        for (option, values) in lists {
            let twice = |at: &usize| values[..*at].contains(&values[*at]);
            if let Some(at) = (0..values.len()).find(twice) {
                return Err(Usage(format!("{option}: '{}' stands twice", values[at])));
            }
        }
        Ok(())
    }

    fn keep_inputs(&self) -> Result<(), Usage> {
        for (option, file) in [("--json", &self.json), ("--html", &self.html)] {
            file.as_deref().map_or(Ok(()), |file| files::keep_inputs(option, file, &self.input))?;
        }
        Ok(())
    }

    /// Where everything is told that is not written.
    fn say(&self) -> Say {
        files::say(self.json.iter().chain(&self.html))
    }

    /// Why there is nothing to measure, if these are all cases.
    fn why_nothing(&self, cases: &[String]) -> String {
        match (&self.filter, cases) {
            (Some(filter), [_, ..]) => {
                let listed = cases[..cases.len().min(LISTED_MAX)].join(", ");
                let more = cases.len().saturating_sub(LISTED_MAX);
                let more = if more == 0 { String::new() } else { format!(" and {more} more") };
                format!("--filter: '{filter}' matches none of the cases {listed}{more}")
            }
            _ => "the suites have no case".to_owned(),
        }
    }

    fn wanted(&self) -> Wanted {
        Wanted {
            suites: self.suites.clone(),
            batches: self.batch.clone(),
            inputs: self.input.clone(),
            fixtures: fixtures::folder(Path::new(".")),
            tiny: self.tiny,
            micros: self.ablate.then_some(MICROS_ABLATE),
        }
    }

    fn config(&self, backend: BackendArg, threads: usize) -> Config {
        let grouping = self.grouping.unwrap_or(GroupingArg::Start).into();
        let backend = backend.into();
        Config::default().with_backend(backend).with_threads(threads).with_grouping(grouping)
    }

    fn policies(&self) -> &[PolicyArg] {
        if self.policies.is_empty() { &[PolicyArg::Auto] } else { &self.policies }
    }

    /// Everyone who takes part: policies only where there is an order.
    fn contenders(&self, in_order: bool) -> Vec<Contender> {
        let mut counts: Vec<usize> = self.threads.iter().map(|count| threads(*count)).collect();
        counts.sort_unstable();
        counts.dedup();
        let most = counts.last().copied().unwrap_or(1);
        let mut all: Vec<Contender> = Vec::new();
        let (policies, baselines) = (self.policies(), Against::value_variants());
        let against = if self.against.is_empty() { baselines } else { &self.against };
        for against in against {
            all.push(match against {
                Against::Revm => Contender::Revm,
                Against::RevmParallel => Contender::RevmParallel(most),
            });
        }
        for backend in &self.backend {
            let name = backend.to_possible_value();
            let name = name.map_or_else(String::new, |name| name.get_name().to_owned());
            let is_device = warpevm::types::Backend::from(*backend).is_device();
            for &count in &counts {
                // Threads only feed a device: as many as there are.
                if is_device && count < most {
                    continue;
                }
                let base = self.config(*backend, count);
                if !in_order {
                    all.push(Contender::Engine(name.clone(), base));
                    continue;
                }
                for policy in policies {
                    let name = match policies.len() {
                        1 => name.clone(),
                        _ => format!("{name} {}", policy.name()),
                    };
                    let policy = Policy::from(*policy);
                    all.push(Contender::Engine(name, base.with_policy(policy)));
                }
            }
        }
        all
    }
}

/// The names of values on the command line.
fn value_names<T: ValueEnum>(values: &[T]) -> Vec<String> {
    let name = |value: &T| value.to_possible_value().map(|value| value.get_name().to_owned());
    values.iter().filter_map(name).collect()
}

fn print(progress: &Progress, say: Say, case: &Measured, model: &Model) -> anyhow::Result<()> {
    let each = |sum: u64| plot::short(sum as f64 / case.batch.max(1) as f64);
    let ends = case.ends.iter().map(|(end, count)| format!("{count} {end}"));
    let chain = case.longest_chain_gas.map_or_else(String::new, |gas| {
        format!(", longest chain {:.1} of {:.1} Mgas", gas as f64 / 1e6, case.gas_used as f64 / 1e6)
    });
    let hash = case.rows.first().map_or_else(String::new, |row| row.result_hash.to_string());
    progress.line(
        say,
        format!(
            "{}/{}/{}: {}; each {} gas, {} opcodes{chain}; result {}",
            case.suite.name(),
            case.name,
            case.batch,
            ends.collect::<Vec<_>>().join(", "),
            each(case.gas_used),
            each(case.trace.op_count()),
            hash.get(..10).unwrap_or_default(),
        ),
    )?;
    let shown = [END_TO_END, RESIDENT, FIRST];
    for row in case.rows.iter().filter(|row| shown.contains(&row.stage.as_str())) {
        let ratio = row.ratio_to_revm.map_or_else(String::new, |r| format!("{r:8.2} times revm"));
        let stage = match row.stage.as_str() {
            END_TO_END => "",
            stage => stage,
        };
        let blocks = match row.policy {
            Some(_) if row.stage == END_TO_END => format!(
                "  once {:.1}%, replayed {}, redone {}",
                100.0 * row.first_final as f64 / case.batch.max(1) as f64,
                row.replays,
                row.redone
            ),
            _ => String::new(),
        };
        let who = format!("{} x{}", row.contender, row.threads);
        progress.line(
            say,
            format!(
                "  {who:18} {stage:20} {:>9} ({} to {})  {:>6} tx/s {:>6} gas/s {ratio}{blocks}",
                duration(row.seconds_median),
                duration(row.seconds_min),
                duration(row.seconds_max),
                plot::short(row.transactions_per_second),
                plot::short(row.gas_per_second),
            ),
        )?;
    }
    if !case.in_order {
        let cost = model.cost(&case.trace);
        let ceilings = model::GPUS[..CEILINGS_SHOWN].iter().map(|gpu| {
            let ceiling = model.ceiling(&cost, gpu);
            format!("{} {} ({})", gpu.name, plot::short(ceiling.predicted), ceiling.bound_by)
        });
        let ceilings = ceilings.collect::<Vec<_>>().join(", ");
        progress.line(say, format!("  ceilings by the model, tx/s: {ceilings}"))?;
    }
    Ok(())
}

/// Rows, each with where it was measured.
fn json<'r, R: serde::Serialize + 'r>(
    rows: impl Iterator<Item = &'r R>,
    command: &str,
    machine: &str,
) -> anyhow::Result<String> {
    let mut all = Vec::new();
    for row in rows {
        let mut row = serde_json::to_value(row)?;
        row["machine"] = machine.into();
        row["command"] = command.into();
        all.push(row);
    }
    Ok(serde_json::to_string_pretty(&all)? + "\n")
}

/// The command as it was given.
fn command() -> String {
    let mut words: Vec<String> = std::env::args().collect();
    if let Some(first) = words.first_mut() {
        *first = "warpevm".to_owned();
    }
    words.join(" ")
}

/// The processor, its cores, and GPUs if one takes part.
fn machine(args: &BenchArgs) -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name"));
    let name =
        name.map_or(std::env::consts::ARCH, |name| name.trim_start_matches([' ', '\t', ':']));
    let mut text = format!("{name}, {} threads, {}", threads(0), std::env::consts::OS);
    if args.backend.contains(&BackendArg::Cuda) {
        devices::gpu_names().iter().for_each(|name| text += &format!("; {name}"));
    }
    text
}
