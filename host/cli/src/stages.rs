//! What each stage of a run took, in the order of the stages: wall time apart from sums over
//! threads.

use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::BTreeMap;
use warpevm_benches::figures::duration;

/// Stages by the clock on the wall, in their order. `execute` is a part of `run`; those after it,
/// up to `join-threads`, are parts of `execute`.
const WALL: [&str; 11] = [
    "read",
    "run",
    "execute",
    "speculate",
    "execute-in-order",
    "validate-and-commit",
    "derive-effects",
    "wake-threads",
    "join-threads",
    "validate",
    "header",
];
/// The last one: rows of results.
const WRITE: &str = "write";
/// Stages that run on several threads at once: sums over these, which add up to more than `run`.
const THREADS: [&str; 7] =
    ["compile", "page-in", "encode", "kernel", "readback", "host-precompiles", "fallback"];
/// A stage that took less did nothing: people do not see it.
const SHOWN_SECONDS_MIN: f64 = 1e-6;

/// Seconds by stage.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stages(BTreeMap<String, f64>);

impl Stages {
    /// Adds seconds to a stage.
    pub(crate) fn add(&mut self, stage: &str, seconds: f64) {
        *self.0.entry(stage.to_owned()).or_default() += seconds;
    }

    /// Adds those of another run.
    pub(crate) fn add_all(&mut self, other: &Stages) {
        other.0.iter().for_each(|(stage, seconds)| self.add(stage, *seconds));
    }

    /// What a stage took.
    pub(crate) fn seconds(&self, stage: &str) -> f64 {
        self.0.get(stage).copied().unwrap_or_default()
    }

    /// The stages by the wall clock, in order; one that has no place comes last.
    fn wall(&self) -> impl Iterator<Item = (&str, f64)> {
        let known = |stage: &str| WALL.contains(&stage) || THREADS.contains(&stage);
        let others = self.0.keys().map(String::as_str);
        let others = others.filter(move |stage| !known(stage) && *stage != WRITE);
        self.there(WALL.into_iter().chain(others).chain([WRITE]))
    }

    /// The stages that are sums over threads, in order.
    fn threads(&self) -> impl Iterator<Item = (&str, f64)> {
        self.there(THREADS.into_iter())
    }

    fn there<'a>(
        &'a self,
        stages: impl Iterator<Item = &'a str>,
    ) -> impl Iterator<Item = (&'a str, f64)> {
        stages.filter_map(|stage| Some((stage, *self.0.get(stage)?)))
    }

    /// A line for each kind, for people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let told = |stages: Vec<(&str, f64)>| {
            let shown = stages.into_iter().filter(|(_, seconds)| *seconds >= SHOWN_SECONDS_MIN);
            let each = shown.map(|(stage, seconds)| format!("{stage} {}", duration(seconds)));
            each.collect::<Vec<_>>().join(", ")
        };
        let (wall, threads): (Vec<_>, Vec<_>) = (self.wall().collect(), self.threads().collect());
        let mut lines = Vec::new();
        if !wall.is_empty() {
            lines.push(format!("wall time: {}", told(wall)));
        }
        if !threads.is_empty() {
            lines.push(format!("summed over threads: {}", told(threads)));
        }
        lines
    }
}

/// As JSON: `seconds` and `thread_seconds`, each a map in the order of the stages.
impl Serialize for Stages {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        struct InOrder<'a>(Vec<(&'a str, f64)>);
        impl Serialize for InOrder<'_> {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_map(self.0.iter().copied())
            }
        }
        let mut map = to.serialize_map(Some(2))?;
        map.serialize_entry("seconds", &InOrder(self.wall().collect()))?;
        map.serialize_entry("thread_seconds", &InOrder(self.threads().collect()))?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_come_in_their_order() {
        let mut stages = Stages::default();
        for stage in ["write", "compile", "validate", "run", "new", "read", "page-in"] {
            stages.add(stage, 1.0);
        }
        stages.add("run", 1.5);
        stages.add("speculate", 0.0);
        let lines = stages.lines();
        assert_eq!(
            lines,
            [
                "wall time: read 1.00 s, run 2.50 s, validate 1.00 s, new 1.00 s, write 1.00 s",
                "summed over threads: compile 1.00 s, page-in 1.00 s",
            ]
        );
        let json = serde_json::to_string(&stages).expect("JSON");
        assert!(json.starts_with("{\"seconds\":{\"read\":1.0,\"run\":2.5,"), "{json}");
        assert!(json.ends_with("\"thread_seconds\":{\"compile\":1.0,\"page-in\":1.0}}"), "{json}");
    }
}
