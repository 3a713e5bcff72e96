//! Who waits for whom, whatever it follows from.

use super::dag::{Dag, slice};

/// Which earlier transactions one should wait for, since it will read what they write. A hint.
#[derive(Clone, Debug, Default)]
pub struct Waits {
    /// Per transaction: where its list ends.
    ends: Vec<u32>,
    all: Vec<u32>,
}

impl Waits {
    /// None for anyone.
    pub fn none() -> Waits {
        Waits::default()
    }

    /// Adds the list of the next transaction.
    pub fn push(&mut self, earlier: impl IntoIterator<Item = u32>) {
        self.all.extend(earlier);
        self.ends.push(self.all.len() as u32);
    }

    /// The transactions that `index` waits for.
    pub fn of(&self, index: usize) -> &[u32] {
        slice(&self.all, &self.ends, index)
    }
}

impl From<&Dag> for Waits {
    fn from(dag: &Dag) -> Waits {
        let mut waits = Waits::none();
        (0..dag.len() as u32).for_each(|index| waits.push(dag.waits(index).iter().copied()));
        waits
    }
}
