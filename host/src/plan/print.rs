//! A plan as text.

use super::Plan;
use std::fmt::Write;

/// Waves, components and transactions of a chain that the text shows.
const SHOWN_MAX: usize = 12;

impl Plan {
    /// The plan as text, in lines.
    pub fn text(&self) -> String {
        let mut out = String::new();
        // A string takes all that is written.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let share = 100.0 * self.critical_path_gas as f64 / self.gas.max(1) as f64;
        writeln!(
            out,
            "critical path: {} of {} gas ({share:.1}%), {} transactions: {}",
            self.critical_path_gas,
            self.gas,
            self.critical_path.len(),
            chain(&self.critical_path)
        )?;
        let speedups = self.speedups.iter().map(|s| match s.lanes {
            Some(lanes) => format!("{lanes} lanes {:.2}", s.speedup),
            None => format!("unlimited {:.2}", s.speedup),
        });
        writeln!(out, "speedup: {}", speedups.collect::<Vec<_>>().join(", "))?;
        let count = self.waves.len();
        writeln!(out, "waves: {count}, warps of {} instances", self.warp)?;
        for (i, wave) in self.waves.iter().enumerate().take(SHOWN_MAX) {
            writeln!(
                out,
                "  wave {i}: {} transactions, {} functions, {} warps, {} gas, largest {}",
                wave.transactions, wave.functions, wave.warps, wave.gas, wave.gas_max
            )?;
        }
        more(out, count)?;
        let count = self.components.len();
        writeln!(out, "components: {count}, besides {} transactions alone", self.alone)?;
        for component in self.components.iter().take(SHOWN_MAX) {
            writeln!(
                out,
                "  {} transactions, {} gas; chain of {} with {} gas: {}",
                component.transactions,
                component.gas,
                component.chain.len(),
                component.chain_gas,
                chain(&component.chain)
            )?;
        }
        more(out, count)?;
        writeln!(out, "hot keys:")?;
        for hot in &self.hot_keys {
            writeln!(out, "  {}: {} edges, chain of {}", hot.key, hot.edges, hot.chain)?;
        }
        let named = |counts: &std::collections::BTreeMap<&str, usize>| {
            let counts = counts.iter().map(|(name, count)| format!("{name} {count}"));
            counts.collect::<Vec<_>>().join(", ")
        };
        writeln!(out, "edges: {}", named(&self.edges))?;
        let (complete, all) = (self.complete, self.transactions);
        writeln!(out, "accesses: {}; all known of {complete} of {all}", named(&self.sources))
    }
}

fn more(out: &mut String, count: usize) -> std::fmt::Result {
    match count.checked_sub(SHOWN_MAX) {
        None | Some(0) => Ok(()),
        Some(more) => writeln!(out, "  ... and {more} more"),
    }
}

fn chain(chain: &[u32]) -> String {
    let shown = chain.iter().take(SHOWN_MAX).map(ToString::to_string);
    let mut text = shown.collect::<Vec<_>>().join(" > ");
    if chain.len() > SHOWN_MAX {
        text += " > ...";
    }
    text
}
