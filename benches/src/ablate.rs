//! What each idea that can be switched off is worth: cases with it off, beside all on, in turn.

use super::measure::{Contender, END_TO_END, Measured, RESIDENT, Rounds, measure};
use super::suites::{Planned, Suite};
use serde::Serialize;
use warpevm::Config;
use warpevm::types::{Grouping, Policy};
use warpevm_compiler::Options;

/// All on, measured a second time: what differs is noise.
pub const CONTROL: &str = "(nothing)";
/// All on.
const ALL_ON: &str = "all on";
/// Cases of a suite, at most.
const CASES_MAX: usize = 3;

/// One idea off in one case. The field names are those of `--json`.
#[derive(Clone, Debug, Serialize)]
pub struct Ablation {
    pub suite: Suite,
    pub case: String,
    pub batch: u64,
    pub off: String,
    pub seconds_median: f64,
    pub seconds_min: f64,
    /// Least time without the idea by least time with all on: above 1 it is worth having.
    pub ratio: f64,
}

/// The contenders: all on, the same again, and each idea off.
fn contenders(base: Config, in_order: bool) -> Vec<Contender> {
    let mut list = vec![(ALL_ON.to_owned(), base), (CONTROL.to_owned(), base)];
    for name in Options::NAMES {
        let mut passes = Options::ALL;
        if let Some(switch) = passes.by_name(name) {
            *switch = false;
        }
        list.push((name.to_owned(), base.with_passes(passes)));
    }
    list.push(("all passes".to_owned(), base.with_passes(Options::NONE)));
    if in_order {
        list.push(("redo".to_owned(), base.with_redo(false)));
        for (name, policy) in [
            ("policy auto: sequential", Policy::Sequential),
            ("policy auto: optimistic", Policy::Optimistic),
            ("policy auto: waves", Policy::Waves),
            ("policy auto: declared", Policy::Declared),
        ] {
            list.push((name.to_owned(), base.with_policy(policy)));
        }
    }
    if base.backend.is_device() {
        let none = base.with_grouping(Grouping::None);
        list.push(("grouping".to_owned(), none));
    }
    list.into_iter().map(|(name, config)| Contender::Engine(name, config)).collect()
}

/// The cases to look at: the largest batch of each of the first names of a suite; of a series, its
/// middle and its end.
pub fn choose(cases: &[Planned]) -> Vec<&Planned> {
    let suites = cases.iter().map(|case| case.suite).filter(|suite| *suite != Suite::Cold);
    let mut suites: Vec<Suite> = suites.collect();
    suites.dedup();
    let mut chosen = Vec::new();
    for suite in suites {
        let mut largest: Vec<&Planned> = Vec::new();
        for case in cases.iter().filter(|case| case.suite == suite) {
            match largest.iter_mut().find(|other| other.name == case.name) {
                Some(other) if other.batch < case.batch => *other = case,
                Some(_) => {}
                None => largest.push(case),
            }
        }
        if suite == Suite::Blocks {
            largest.sort_by_key(|case| std::cmp::Reverse(case.batch));
        }
        let step = match suite {
            Suite::Blocks => 1,
            _ => largest.len().div_ceil(CASES_MAX).max(1),
        };
        chosen.extend(largest.into_iter().step_by(step).take(CASES_MAX));
    }
    chosen
}

/// Measures a case with each idea off.
pub fn ablate(
    case: &Planned,
    base: Config,
    rounds: Rounds,
) -> anyhow::Result<(Measured, Vec<Ablation>)> {
    let measured = measure(case, &contenders(base, case.in_order), rounds)?;
    // Blocks change the state, which is read anew; calls run on a state that is there.
    let stage = if case.in_order { END_TO_END } else { RESIDENT };
    let rows: Vec<_> = measured.rows.iter().filter(|row| row.stage == stage).collect();
    let with = rows.iter().find(|row| row.contender == ALL_ON).map(|row| row.seconds_min);
    let with = with.unwrap_or_default().max(f64::MIN_POSITIVE);
    let off = rows.iter().filter(|row| row.contender != ALL_ON).map(|row| Ablation {
        suite: measured.suite,
        case: measured.name.clone(),
        batch: measured.batch,
        off: row.contender.clone(),
        seconds_median: row.seconds_median,
        seconds_min: row.seconds_min,
        ratio: row.seconds_min / with,
    });
    let off = off.collect();
    Ok((measured, off))
}

/// What is switched off, in the order of the table.
pub fn ideas(ablations: &[Ablation]) -> Vec<&str> {
    let mut ideas: Vec<&str> = Vec::new();
    for one in ablations {
        if !ideas.contains(&one.off.as_str()) {
            ideas.push(&one.off);
        }
    }
    ideas
}
