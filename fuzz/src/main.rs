//! `warpevm-fuzz`: random transactions through the engine and through sequential revm.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use warpevm::Backend;
use warpevm_fuzz::bytes::{self, Target};
use warpevm_fuzz::check::{Checker, Counts};
use warpevm_fuzz::run::{Done, Failed, Plan, run};
use warpevm_fuzz::{shrink, world};

/// Compares the engine with sequential revm on random transactions.
#[derive(Debug, Parser)]
struct Args {
    /// The seed; all cases follow from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Transactions to compare.
    #[arg(long, default_value_t = 100_000)]
    count: u64,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Ends after so many seconds, whatever the count.
    #[arg(long, default_value_t = 3600)]
    seconds: u64,
    /// Only this case.
    #[arg(long)]
    case: Option<u64>,
    /// Failing cases to look for.
    #[arg(long, default_value_t = 1)]
    failures: usize,
    /// Where cases run: `cpu`, `cuda`, `cuda-fake`, `wgpu`.
    #[arg(long, default_value = "cpu")]
    backend: Backend,
    /// Gives a target arbitrary bytes instead; `count` is of inputs then.
    #[arg(long, value_enum)]
    target: Option<Target>,
    /// Where reproducers are written.
    #[arg(long, default_value = "target/fuzz")]
    out: PathBuf,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    if let Some(target) = args.target {
        return bytes_target(&args, target);
    }
    let plan = Plan {
        seed: args.seed,
        first: args.case.unwrap_or(0),
        transactions: args.count,
        cases: if args.case.is_some() { 1 } else { u64::MAX },
        jobs: args.jobs.max(1),
        time: Duration::from_secs(args.seconds),
        failures: args.failures.max(1),
        backend: args.backend,
    };
    // Before threads need it: a device that is not there is an error.
    Checker::on(args.backend)?;
    let start = Instant::now();
    std::panic::set_hook(Box::new(|_| {}));
    let Done { counts, failed } = run(&plan, |case| {
        eprintln!("case {case} of seed {} does not end", args.seed);
        std::process::exit(3);
    });
    let _ = std::panic::take_hook();
    print_counts(&counts, args.seed, start.elapsed());
    for failed in &failed {
        report(&args, failed)?;
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs a target on bytes.
fn bytes_target(args: &Args, target: Target) -> Result<ExitCode> {
    std::panic::set_hook(Box::new(|_| {}));
    let time = Duration::from_secs(args.seconds);
    let ran = bytes::run(target, args.seed, args.count, args.jobs.max(1), time);
    println!("seed {}, {target:?}: {} inputs, {} bytes", args.seed, ran.inputs, ran.bytes);
    let Some((input, why)) = ran.failed else { return Ok(ExitCode::SUCCESS) };
    println!("{why}\n{}", alloy_primitives::hex::encode(input));
    Ok(ExitCode::FAILURE)
}

fn print_counts(counts: &Counts, seed: u64, took: Duration) {
    println!(
        "seed {seed}: {} transactions ({} in blocks) in {} cases, {:.1} s, {:.0} per second",
        counts.transactions,
        counts.in_blocks,
        counts.cases,
        took.as_secs_f64(),
        counts.transactions as f64 / took.as_secs_f64(),
    );
    println!("gas: {}; replays: {}", counts.gas, counts.replays);
    println!("specs: {:?}", counts.specs);
    let mut shares = [("valid", 0), ("success", 0), ("revert", 0), ("halt", 0), ("rejected", 0)];
    for (end, count) in &counts.ends {
        let place = match end.as_str() {
            "Stop" | "Return" | "SelfDestruct" => 1,
            "Revert" => 2,
            end if end.starts_with("rejected") => 4,
            _ => 3,
        };
        shares[place].1 += count;
        shares[0].1 += if place == 4 { 0 } else { *count };
    }
    let shares = shares.map(|(name, n)| (name, format!("{:.1}%", percent(n, counts))));
    println!("shares: {shares:?}");
    println!("ends: {:?}", counts.ends);
    println!("suspensions: {:?}", counts.suspensions);
    print!("{}", counts.coverage.histogram());
    println!("larger classes: {:?}; fallbacks: {:?}", counts.classes, counts.fallbacks);
}

fn percent(part: u64, counts: &Counts) -> f64 {
    100.0 * part as f64 / counts.transactions.max(1) as f64
}

/// Shrinks a failing case and writes it down.
fn report(args: &Args, failed: &Failed) -> Result<()> {
    let Failed { case: number, block, failure } = failed;
    let kind = if *block { "block" } else { "batch" };
    println!("\ncase {number}, {kind}: {:?}: {}", failure.kind, failure.what);
    let case = world::cases(args.seed, *number).into_iter().find(|case| case.block == *block);
    let case = case.context("every case number has both")?;
    std::panic::set_hook(Box::new(|_| {}));
    let (small, failure) = shrink::shrink(&mut Checker::on(args.backend)?, &case, failure);
    let _ = std::panic::take_hook();
    println!("shrunk: {:?}: {}", failure.kind, failure.what);
    println!("{small:#?}");
    let name = format!("seed-{}-case-{number}-{kind}", args.seed);
    let test = shrink::state_test(&small, &failure).and_then(|test| test.to_json(&name));
    write(&args.out, &name, &serde_json::to_string_pretty(&test.context("revm runs the test")?)?)
}

fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    std::fs::create_dir_all(folder).context("the folder of reproducers")?;
    let path = folder.join(format!("{name}.json"));
    std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    println!("written: {}", path.display());
    Ok(())
}
