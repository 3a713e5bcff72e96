//! The report: one HTML file that needs nothing else.

use super::ablate::{Ablation, CONTROL, ideas};
use super::figures::{duration, median, percent};
use super::measure::{END_TO_END, FIRST, Measured, RESIDENT, Rounds, Row};
use super::model::{GPUS, Model, mix};
use super::plot::{self, Axes, Line, short};
use super::suites::Suite;
use std::fmt::Write as _;
use warpevm::types::Backend;

/// Opcodes that the mix of a case lists.
const MIX_SHOWN: usize = 6;
/// Rows of the picture of stages, at most.
const STAGE_BARS_MAX: usize = 30;
/// GPUs whose ceilings are drawn.
const GPUS_DRAWN: [&str; 2] = ["H100 SXM", "GeForce RTX 5090"];

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --good: #0a7d4f; --bad: #c0392b; }
@media (prefers-color-scheme: dark) { :root { --good: #4cc38a; --bad: #ff8272; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1180px; margin: 2em auto; padding: 0 1em;
  background: Canvas; color: CanvasText; }
h1 { font-size: 1.7em; } h2 { margin-top: 2.2em; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; font-size: 13px; margin: 0.8em 0; }
td, th { padding: 2px 10px; text-align: right; border-bottom: 1px solid var(--line); }
th { vertical-align: bottom; font-weight: 600; background: var(--soft); }
td:first-child, th:first-child, td.text, th.text { text-align: left; }
td { font-variant-numeric: tabular-nums; white-space: nowrap; }
td.wrap { white-space: normal; min-width: 14em; }
.scroll { overflow-x: auto; } .good { color: var(--good); } .bad { color: var(--bad); }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(420px, 1fr)); gap: 1.2em; }
figure { margin: 0; } figcaption { font-weight: 600; } svg { width: 100%; height: auto; }
.legend span { margin-right: 1.2em; font-size: 13px; white-space: nowrap; }
.legend i { display: inline-block; width: 12px; height: 12px; margin-right: 5px; }
code { background: var(--soft); padding: 1px 4px; } .note { color: GrayText; font-size: 13px; }
";

/// All that the report shows.
pub struct Report<'a> {
    pub command: &'a str,
    pub machine: &'a str,
    pub rounds: Rounds,
    pub measured: &'a [Measured],
    pub ablations: &'a [Ablation],
    pub left_out: &'a [String],
    pub model: &'a Model,
}

/// Text as HTML.
fn text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A table: heads, then rows of cells that are HTML.
fn table(out: &mut String, heads: &[&str], rows: &[Vec<String>]) {
    out.push_str("<div class=scroll><table><tr>");
    heads.iter().for_each(|head| *out += &format!("<th>{}</th>", text(head)));
    out.push_str("</tr>\n");
    for row in rows {
        out.push_str("<tr>");
        row.iter().for_each(|cell| *out += &format!("<td>{cell}</td>"));
        out.push_str("</tr>\n");
    }
    out.push_str("</table></div>\n");
}

fn legend<S: AsRef<str>>(out: &mut String, names: &[S]) {
    out.push_str("<div class=legend>");
    for (index, name) in names.iter().enumerate() {
        let (colour, name) = (plot::html_colour(index), text(name.as_ref()));
        *out += &format!("<span><i style=\"background:{colour}\"></i>{name}</span>");
    }
    out.push_str("</div>\n");
}

/// A plot with its caption and its lines' names; nothing where there is nothing to draw.
fn figure(out: &mut String, caption: &str, axes: &Axes<'_>, lines: &[Line]) -> anyhow::Result<()> {
    if lines.iter().all(|line| line.points.is_empty()) {
        return Ok(());
    }
    let svg = plot::lines(axes, lines)?;
    *out += &format!("<figure><figcaption>{}</figcaption>\n{svg}\n", text(caption));
    legend(out, &lines.iter().map(|line| line.name.as_str()).collect::<Vec<_>>());
    out.push_str("</figure>\n");
    Ok(())
}

/// A ratio, green above 1 and red below.
fn times(ratio: f64) -> String {
    let class = if ratio >= 1.0 { "good" } else { "bad" };
    let ratio = if ratio < 1e3 { format!("{ratio:.2}") } else { short(ratio) };
    format!("<span class={class}>{ratio}</span>")
}

/// Who made a row, with threads and what the stage means.
fn who(row: &Row) -> String {
    let threads =
        if row.threads == 1 { "1 thread".to_owned() } else { format!("{} threads", row.threads) };
    let resident = if row.stage == RESIDENT { ", state at hand" } else { "" };
    format!("{}, {threads}{resident}", row.contender)
}

/// The rows that measure all of it.
fn whole(measured: &Measured) -> impl Iterator<Item = &Row> {
    measured.rows.iter().filter(|row| row.stage == END_TO_END || row.stage == RESIDENT)
}

/// Everyone who took part, in order.
fn everyone<'a>(measured: impl Iterator<Item = &'a Measured>) -> Vec<String> {
    let mut names = Vec::new();
    for row in measured.flat_map(whole) {
        let name = who(row);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

impl Report<'_> {
    /// The file.
    pub fn html(&self) -> anyhow::Result<String> {
        let mut out = format!(
            "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\n\
             <meta name=viewport content=\"width=device-width\">\n\
             <title>warpevm benchmarks</title>\n<style>{STYLE}</style></head><body>\n"
        );
        self.head(&mut out);
        let mut suites: Vec<Suite> = self.measured.iter().map(|one| one.suite).collect();
        suites.dedup();
        for suite in suites {
            let cases: Vec<_> = self.measured.iter().filter(|one| one.suite == suite).collect();
            self.suite(&mut out, suite, &cases)?;
        }
        self.stages(&mut out)?;
        if !self.measured.is_empty() {
            self.model(&mut out)?;
        }
        self.ablation(&mut out);
        self.missing(&mut out);
        out.push_str("</body></html>\n");
        Ok(out)
    }

    fn head(&self, out: &mut String) {
        let _ = write!(
            out,
            "<h1>warpevm benchmarks</h1>\n<p>warpevm {} executed Ethereum transactions{}. Everyone \
             took turns on the same input, {} rounds after some that do not count; figures are \
             medians. Every result (status, gas, output, logs, state changes) was compared with \
             that of revm, the usual implementation in Rust, and all were equal.</p>\n\
             <p>Machine: {}<br>Command: <code>{}</code></p>\n",
            env!("CARGO_PKG_VERSION"),
            if self.measured.is_empty() { "" } else { " beside revm" },
            self.rounds,
            text(self.machine),
            text(self.command),
        );
        if self.measured.is_empty() {
            return;
        }
        out.push_str(
            "<ul><li><b>revm</b>: one thread, one EVM for all transactions, codes analysed before, \
             results thrown away.<li><b>revm-parallel</b>: the same on several threads, each with \
             an EVM of its own. Blocks have an order, so it takes no part in them.<li><b>cpu</b>, \
             <b>cuda</b>, …: backends of warpevm, results and state changes included; programs are \
             compiled once, before.<li><b>state at hand</b>: accounts and slots are in the \
             engine's state table from an earlier run, as in a service that asks again and \
             again. Without these words they are read from a map in memory each time, as revm \
             does.</ul>\n",
        );
        self.overview(out);
    }

    /// A row for each case: its largest batch.
    fn overview(&self, out: &mut String) {
        out.push_str(
            "<h2>At a glance</h2>\n<p>How many times as fast as one thread of revm; of \
            suites with several cases, the least, the median and the greatest of the largest \
            batches.</p>\n",
        );
        let names = everyone(self.measured.iter());
        let names: Vec<&String> = names.iter().filter(|n| !n.starts_with("revm,")).collect();
        let mut suites: Vec<Suite> = self.measured.iter().map(|one| one.suite).collect();
        suites.dedup();
        let mut rows = Vec::new();
        for suite in suites {
            let cases = self.largest(|one| one.suite == suite);
            let mut row = vec![suite.name(), cases.len().to_string()];
            for name in &names {
                let rows = cases.iter().flat_map(|one| whole(one));
                let rows = rows.filter(|row| who(row) == **name);
                let mut ratios: Vec<f64> = rows.filter_map(|row| row.ratio_to_revm).collect();
                ratios.sort_by(f64::total_cmp);
                let middle = median(&ratios);
                row.push(match &ratios[..] {
                    [] => "–".to_owned(),
                    [one] => times(*one),
                    [least, .., most] => {
                        format!("{} … {} … {}", times(*least), times(middle), times(*most))
                    }
                });
            }
            rows.push(row);
        }
        let mut heads = vec!["suite", "cases"];
        heads.extend(names.iter().map(|name| name.as_str()));
        table(out, &heads, &rows);
    }

    /// Of each case that passes, the largest batch.
    fn largest(&self, passes: impl Fn(&Measured) -> bool) -> Vec<&Measured> {
        let mut largest: Vec<&Measured> = Vec::new();
        for one in self.measured.iter().filter(|one| passes(one)) {
            let same = |other: &&mut &Measured| other.suite == one.suite && other.name == one.name;
            match largest.iter_mut().find(same) {
                Some(other) if other.batch < one.batch => *other = one,
                Some(_) => {}
                None => largest.push(one),
            }
        }
        largest
    }

    fn suite(&self, out: &mut String, suite: Suite, cases: &[&Measured]) -> anyhow::Result<()> {
        let _ = write!(out, "<h2>{}</h2>\n<p>{}</p>\n", suite.name(), suite.about());
        let names = everyone(cases.iter().copied());
        out.push_str("<div class=plots>\n");
        let mut drawn: Vec<&str> = Vec::new();
        for case in cases {
            let same: Vec<_> = cases.iter().filter(|other| other.name == case.name).collect();
            if same.len() < 2 || drawn.contains(&case.name.as_str()) {
                continue;
            }
            drawn.push(&case.name);
            let lines = names.iter().map(|name| {
                let rows = same.iter().flat_map(|one| whole(one)).filter(|row| who(row) == *name);
                let points = rows.map(|row| (row.batch as f64, row.transactions_per_second));
                Line { name: name.clone(), points: points.collect(), joined: true }
            });
            let (x, y) = ("transactions of a batch", "transactions/s");
            let axes = Axes { x, y, x_log: true, y_log: true };
            figure(out, &case.name, &axes, &lines.collect::<Vec<_>>())?;
        }
        self.series(out, cases)?;
        out.push_str("</div>\n");
        self.cases(out, cases);
        Ok(())
    }

    /// Plots over a share or a length: a plot for each series.
    fn series(&self, out: &mut String, cases: &[&Measured]) -> anyhow::Result<()> {
        let mut series: Vec<&str> = cases.iter().filter_map(|one| Some(one.point?.0)).collect();
        series.dedup();
        for name in series {
            let of_series = || {
                cases.iter().filter_map(|one| Some((one, one.point.filter(|(s, _)| *s == name)?.1)))
            };
            let x_log = of_series().any(|(_, x)| x >= 10.0);
            let names = everyone(of_series().map(|(one, _)| *one));
            let names = names.into_iter().filter(|name| !name.starts_with("revm,"));
            let lines = names.map(|name| {
                let points = of_series().flat_map(|(one, x)| {
                    let rows = whole(one).filter(|row| who(row) == name);
                    rows.filter_map(move |row| Some((x, row.ratio_to_revm?))).collect::<Vec<_>>()
                });
                let points = points.collect();
                Line { name, points, joined: true }
            });
            let lines: Vec<Line> = lines.collect();
            let x = match name {
                "chains" => "transactions of a chain",
                "Zipf recipients" => "exponent of the distribution",
                _ => "share of transactions in conflict",
            };
            let axes = Axes { x, y: "times as fast as revm", x_log, y_log: false };
            figure(out, name, &axes, &lines)?;
        }
        Ok(())
    }

    fn cases(&self, out: &mut String, cases: &[&Measured]) {
        let heads = [
            "case",
            "transactions",
            "who",
            "median",
            "least",
            "most",
            "tx/s",
            "gas/s",
            "ops/s",
            "times revm",
            "resident",
            "bytes each",
            "result",
        ];
        let mut rows = Vec::new();
        for case in cases {
            for (index, row) in whole(case).enumerate() {
                let name = if index == 0 { text(&case.name) } else { String::new() };
                let engine = row.backend != Backend::Revm;
                rows.push(vec![
                    name,
                    row.batch.to_string(),
                    text(&who(row)),
                    duration(row.seconds_median),
                    duration(row.seconds_min),
                    duration(row.seconds_max),
                    short(row.transactions_per_second),
                    short(row.gas_per_second),
                    short(row.ops_per_second),
                    row.ratio_to_revm.map_or_else(String::new, times),
                    if engine { percent(row.residency_transactions) } else { String::new() },
                    if engine { row.bytes_per_instance.to_string() } else { String::new() },
                    format!("<code>{}</code>", &row.result_hash.to_string()[..10]),
                ]);
            }
        }
        let _ = writeln!(out, "<details><summary>{} cases in figures</summary>", cases.len());
        table(out, &heads, &rows);
        self.mixes(out, cases);
        out.push_str("</details>\n");
    }

    /// What the transactions of cases do.
    fn mixes(&self, out: &mut String, cases: &[&Measured]) {
        let mut rows = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        for case in cases.iter().rev() {
            if seen.contains(&case.name.as_str()) {
                continue;
            }
            seen.push(&case.name);
            let each = |sum: u64| short(sum as f64 / case.batch.max(1) as f64);
            let ends = case.ends.iter().map(|(end, count)| format!("{end} {count}"));
            let mix = mix(&case.trace, MIX_SHOWN).into_iter();
            let mix = mix.map(|(name, share)| format!("{name} {:.0}%", share * 100.0));
            rows.push(vec![
                text(&case.name),
                case.batch.to_string(),
                ends.collect::<Vec<_>>().join(", "),
                each(case.gas_used),
                each(case.trace.op_count()),
                each(case.trace.keccak_permutations),
                each(case.trace.slots),
                mix.collect::<Vec<_>>().join(", "),
            ]);
        }
        rows.reverse();
        let heads = [
            "case",
            "transactions",
            "ended with",
            "gas each",
            "opcodes each",
            "keccak each",
            "slots each",
            "most frequent opcodes",
        ];
        out.push_str("<p>What a transaction does, counted by an inspector of revm:</p>\n");
        table(out, &heads, &rows);
    }

    fn stages(&self, out: &mut String) -> anyhow::Result<()> {
        let mut bars: Vec<(String, Vec<(String, f64)>)> = Vec::new();
        let mut firsts = Vec::new();
        for case in self.largest(|one| !one.in_order) {
            let engines = case.rows.iter().filter(|row| row.backend != Backend::Revm);
            let engines: Vec<&Row> = engines.collect();
            let Some(most) = engines.iter().map(|row| row.threads).max() else { continue };
            let mut names: Vec<&str> = engines.iter().map(|row| row.contender.as_str()).collect();
            names.dedup();
            for name in names {
                let of = |stage: &str| case.row(name, most, stage).map(|row| row.seconds_median);
                let parts = engines.iter().filter(|row| {
                    let whole = [END_TO_END, RESIDENT, FIRST, "compile"];
                    row.threads == most
                        && row.contender == name
                        && !whole.contains(&row.stage.as_str())
                });
                let each = 1e6 / case.batch.max(1) as f64;
                let parts: Vec<(String, f64)> =
                    parts.map(|row| (row.stage.clone(), row.seconds_median * each)).collect();
                let who = format!("{}/{}, {name}", case.suite.name(), case.name);
                firsts.push(vec![
                    text(&who),
                    case.batch.to_string(),
                    of(FIRST).map_or_else(String::new, duration),
                    of("compile").map_or_else(String::new, duration),
                    of(END_TO_END).map_or_else(String::new, duration),
                    of(RESIDENT).map_or_else(String::new, duration),
                ]);
                bars.push((who, parts));
            }
        }
        if bars.is_empty() {
            return Ok(());
        }
        out.push_str(
            "<h2>Time per stage</h2>\n<p>Thread time of a transaction of the largest batch, by \
             stage, the longest transactions apart. On a CPU <b>transact</b> is checking, \
             encoding, \
             running the kernel and decoding, which one thread does for one transaction after the \
             other; <b>page-in</b> is reading the snapshot. On a device stages overlap.</p>\n",
        );
        let sum = |parts: &[(String, f64)]| parts.iter().map(|(_, length)| length).sum::<f64>();
        bars.sort_by(|a, b| sum(&a.1).total_cmp(&sum(&b.1)));
        bars.truncate(STAGE_BARS_MAX);
        // Those that would leave nothing to see of the others.
        let middle = bars.get(bars.len() / 2).map_or(0.0, |(_, parts)| sum(parts));
        bars.retain(|(_, parts)| sum(parts) <= middle * 12.0);
        *out += &plot::bars("microseconds of a thread for one transaction", &bars)?;
        legend(out, &plot::names(&bars));
        let heads =
            ["case", "transactions", "first run", "of it compiling", "later runs", "state at hand"];
        out.push_str("<details><summary>The first run, which compiles</summary>\n");
        table(out, &heads, &firsts);
        out.push_str("</details>\n");
        Ok(())
    }

    fn model(&self, out: &mut String) -> anyhow::Result<()> {
        let Model { per_op, per_transaction, .. } = self.model;
        let _ = write!(
            out,
            "<h2>What a GPU could do</h2>\n<p>A ceiling, not a measurement: machine instructions \
             of a transaction by counts for sm_90 (<code>kernels/counts</code>) and the opcodes \
             that ran, over what a GPU executes in a second by its data sheet. Threads of a warp \
             are taken to stay together, memory never to wait. Around each opcode that is more \
             than a move on the stack the interpreter takes {per_op:.0} instructions, and \
             {per_transaction:.0} for each transaction; both follow from counting whole ERC-20 \
             transfers and the example batch. PCIe: what has to travel to the device and back.\
             </p>\n"
        );
        let cases = self.largest(|one| one.trace.op_count() > 0 || one.suite == Suite::Transfers);
        let cases: Vec<&Measured> = cases.into_iter().filter(|one| !one.in_order).collect();
        self.roofline(out, &cases)?;
        let mut heads = vec!["case", "instructions", "bytes to, from"];
        heads.extend(GPUS.iter().map(|gpu| gpu.name));
        heads.extend(["measured", "share of the ceiling"]);
        let mut rows = Vec::new();
        for case in &cases {
            let cost = self.model.cost(&case.trace);
            let mut row = vec![
                format!("{}/{}", case.suite.name(), text(&case.name)),
                short(cost.instructions),
                format!("{:.0}, {:.0}", cost.upload_bytes, cost.readback_bytes),
            ];
            for gpu in &GPUS {
                let ceiling = self.model.ceiling(&cost, gpu);
                row.push(format!("{}, {}", short(ceiling.predicted), ceiling.bound_by));
            }
            row.extend(self.on_gpu(case));
            rows.push(row);
        }
        out.push_str("<p>Transactions/s, and what binds:</p>\n");
        table(out, &heads, &rows);
        let heads = [
            "GPU",
            "multiprocessors",
            "clock",
            "integer ops/s",
            "memory",
            "PCIe, each way",
            "figures from",
        ];
        let rows: Vec<Vec<String>> = GPUS
            .iter()
            .map(|gpu| {
                vec![
                    gpu.name.to_owned(),
                    gpu.multiprocessors.to_string(),
                    format!("{:.2} GHz", gpu.clock_hz / 1e9),
                    short(gpu.integers_per_second()),
                    format!("{}B/s", short(gpu.memory_bytes_per_second)),
                    format!("{}B/s", short(gpu.pcie_bytes_per_second)),
                    gpu.source.to_owned(),
                ]
            })
            .collect();
        table(out, &heads, &rows);
        Ok(())
    }

    /// What a GPU was measured at, and its share of the ceiling; the GPU by its name.
    fn on_gpu(&self, case: &Measured) -> [String; 2] {
        let row = whole(case).filter(|row| row.backend == Backend::Cuda);
        let best =
            row.max_by(|a, b| a.transactions_per_second.total_cmp(&b.transactions_per_second));
        let Some(best) = best else { return ["–".to_owned(), "–".to_owned()] };
        let rate = best.transactions_per_second;
        let gpu = GPUS.iter().find(|gpu| self.machine.contains(gpu.model));
        let share = gpu.map(|gpu| {
            let ceiling = self.model.ceiling(&self.model.cost(&case.trace), gpu);
            format!("{} of {}", percent(rate / ceiling.predicted), gpu.name)
        });
        [short(rate), share.unwrap_or_else(|| "not in the table of GPUs".to_owned())]
    }

    /// Rates over instructions, under the slopes of GPUs.
    fn roofline(&self, out: &mut String, cases: &[&Measured]) -> anyhow::Result<()> {
        let costs: Vec<f64> =
            cases.iter().map(|case| self.model.cost(&case.trace).instructions).collect();
        let least = costs.iter().copied().fold(f64::INFINITY, f64::min);
        let most = costs.iter().copied().fold(0.0, f64::max);
        if !least.is_finite() || least <= 0.0 {
            return Ok(());
        }
        let mut lines = Vec::new();
        for gpu in GPUS.iter().filter(|gpu| GPUS_DRAWN.contains(&gpu.name)) {
            let steps = 24;
            let at = |step: i32| least * (most / least).powf(f64::from(step) / f64::from(steps));
            let points = (0..=steps).map(|step| (at(step), gpu.integers_per_second() / at(step)));
            let name = format!("ceiling, {}", gpu.name);
            lines.push(Line { name, points: points.collect(), joined: true });
        }
        let gpu = &GPUS[1];
        let predicted = cases.iter().zip(&costs).map(|(case, x)| {
            (*x, self.model.ceiling(&self.model.cost(&case.trace), gpu).predicted)
        });
        let name = format!("predicted with PCIe and memory, {}", gpu.name);
        lines.push(Line { name, points: predicted.collect(), joined: false });
        for name in everyone(cases.iter().copied()) {
            let points = cases.iter().zip(&costs).flat_map(|(case, x)| {
                let rows = whole(case).filter(|row| who(row) == name);
                rows.map(|row| (*x, row.transactions_per_second)).collect::<Vec<_>>()
            });
            let points: Vec<_> = points.collect();
            if !name.contains("state at hand") || name.starts_with("cuda") {
                lines.push(Line { name, points, joined: false });
            }
        }
        let axes = Axes {
            x: "instructions of a transaction (model)",
            y: "transactions/s",
            x_log: true,
            y_log: true,
        };
        out.push_str("<div class=plots>\n");
        figure(out, "Measured rates under the ceilings of GPUs", &axes, &lines)?;
        out.push_str("</div>\n");
        Ok(())
    }

    fn ablation(&self, out: &mut String) {
        if self.ablations.is_empty() {
            return;
        }
        out.push_str(
            "<h2>What each idea is worth</h2>\n<p>Least time with one idea switched off, by the \
             least with all on: above 1 the idea helps. <b>(nothing)</b> is all on measured a \
             second time, so what it differs from 1 is noise. A policy stands for choosing it \
             always instead of auto.</p>\n",
        );
        let mut cases: Vec<(Suite, &str)> = Vec::new();
        for one in self.ablations {
            if !cases.contains(&(one.suite, one.case.as_str())) {
                cases.push((one.suite, &one.case));
            }
        }
        let names: Vec<String> =
            cases.iter().map(|(suite, case)| format!("{} {case}", suite.name())).collect();
        let mut heads = vec!["switched off"];
        heads.extend(names.iter().map(String::as_str));
        let rows: Vec<Vec<String>> = ideas(self.ablations)
            .into_iter()
            .map(|idea| {
                let mut row = vec![text(idea)];
                for (suite, case) in &cases {
                    let found = self
                        .ablations
                        .iter()
                        .find(|one| one.off == idea && one.suite == *suite && one.case == *case);
                    row.push(found.map_or_else(
                        || "–".to_owned(),
                        |one| match one.off.as_str() {
                            CONTROL => format!("{:.2}", one.ratio),
                            _ => coloured(one.ratio),
                        },
                    ));
                }
                row
            })
            .collect();
        table(out, &heads, &rows);
    }

    fn missing(&self, out: &mut String) {
        if self.left_out.is_empty() {
            return;
        }
        out.push_str("<h2>Left out</h2>\n<ul>\n");
        self.left_out.iter().for_each(|one| *out += &format!("<li>{}\n", text(one)));
        out.push_str("</ul>\n");
    }
}

/// A ratio of an ablation: coloured when it is beyond noise.
fn coloured(ratio: f64) -> String {
    match ratio {
        r if r >= 1.05 => format!("<span class=good>{ratio:.2}</span>"),
        r if r <= 0.95 => format!("<span class=bad>{ratio:.2}</span>"),
        _ => format!("{ratio:.2}"),
    }
}
