//! In which order are values moved to their exit slots, so that none is lost?
//!
//! # Terms
//! A *parallel move* is a set of (destination, source) pairs with distinct destinations that are to
//! take effect at once. A move is *ready* when no other move still reads its destination.
//!
//! # Soundness
//! Only ready moves are emitted, so no source is overwritten before it is read. When none is
//! ready the rest are cycles: the old value of one destination is saved in a spare slot and read
//! from there, which makes that move ready.

/// Where a moved value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A slot relative to `sp`.
    Slot(i32),
    /// A constant of the pool, by raw id.
    Const(u32),
}

/// Orders parallel moves; keeps its buffers.
#[derive(Default)]
pub(crate) struct Moves {
    pending: Vec<(i32, Source)>,
    /// Per slot, from `lowest` on: how many pending moves read it.
    readers: Vec<u32>,
    /// Per slot: the pending move into it plus one, or 0.
    into: Vec<u32>,
    /// Per slot: where its old value was saved plus one, relative to `lowest`, or 0.
    saved: Vec<u32>,
    ready: Vec<u32>,
}

impl Moves {
    pub fn clear(&mut self) {
        self.pending.clear();
    }

    pub fn add(&mut self, to: i32, from: Source) {
        if from != Source::Slot(to) {
            self.pending.push((to, from));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether some move writes `slot`.
    pub fn writes(&self, slot: i32) -> bool {
        self.pending.iter().any(|(to, _)| *to == slot)
    }

    /// Calls `emit` with single moves in a safe order. `spare` is a slot above all others that
    /// cycles may use; returns whether one did.
    pub fn schedule(&mut self, spare: i32, mut emit: impl FnMut(i32, Source)) -> bool {
        if self.pending.is_empty() {
            return false;
        }
        let lowest = self.pending.iter().fold(spare, |low, (to, from)| match from {
            Source::Slot(from) => low.min(*to).min(*from),
            Source::Const(_) => low.min(*to),
        });
        let place = |slot: i32| (slot - lowest) as usize;
        let len = place(spare) + 1;
        for table in [&mut self.readers, &mut self.into, &mut self.saved] {
            table.clear();
            table.resize(len, 0);
        }
        for (i, (to, from)) in self.pending.iter().enumerate() {
            self.into[place(*to)] = i as u32 + 1;
            if let Source::Slot(from) = from {
                self.readers[place(*from)] += 1;
            }
        }
        self.ready.clear();
        for (i, (to, _)) in self.pending.iter().enumerate() {
            if self.readers[place(*to)] == 0 {
                self.ready.push(i as u32);
            }
        }
        let mut used_spare = false;
        let mut next_cycle = 0;
        loop {
            while let Some(i) = self.ready.pop() {
                let (to, from) = self.pending[i as usize];
                self.into[place(to)] = 0;
                let Source::Slot(slot) = from else {
                    emit(to, from);
                    continue;
                };
                let at = place(slot);
                let read = if self.saved[at] != 0 { spare } else { slot };
                emit(to, Source::Slot(read));
                self.readers[at] = self.readers[at].saturating_sub(1);
                if self.readers[at] == 0 && self.into[at] != 0 {
                    self.ready.push(self.into[at] - 1);
                }
            }
            // One cycle after another: each is finished before the spare slot is used again.
            while next_cycle < self.pending.len()
                && self.into[place(self.pending[next_cycle].0)] == 0
            {
                next_cycle += 1;
            }
            let Some((to, _)) = self.pending.get(next_cycle) else { return used_spare };
            let at = place(*to);
            emit(spare, Source::Slot(*to));
            used_spare = true;
            self.saved[at] = 1;
            self.readers[at] = 0;
            self.ready.push(self.into[at] - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(moves: &[(i32, Source)]) {
        let mut solver = Moves::default();
        moves.iter().for_each(|(to, from)| solver.add(*to, *from));
        let mut slots: Vec<i64> = (0..64).collect();
        let old = slots.clone();
        let mut count = 0;
        solver.schedule(60, |to, from| {
            count += 1;
            slots[to as usize] = match from {
                Source::Slot(from) => slots[from as usize],
                Source::Const(k) => -i64::from(k),
            };
        });
        for (to, from) in moves {
            let want = match from {
                Source::Slot(from) => old[*from as usize],
                Source::Const(k) => -i64::from(*k),
            };
            assert_eq!(slots[*to as usize], want, "{moves:?}");
        }
        assert!(count <= moves.len() + moves.len() / 2);
    }

    #[test]
    fn chains_cycles_and_constants() {
        use Source::*;
        check(&[(1, Slot(2)), (2, Slot(3)), (3, Slot(4))]);
        check(&[(3, Slot(2)), (2, Slot(1)), (1, Slot(0)), (0, Const(7))]);
        check(&[(1, Slot(2)), (2, Slot(1))]);
        check(&[(1, Slot(2)), (2, Slot(3)), (3, Slot(1)), (5, Slot(6)), (6, Slot(5))]);
        check(&[(1, Slot(2)), (2, Slot(1)), (7, Slot(1)), (8, Slot(2)), (9, Const(1))]);
        check(&[(4, Slot(4)), (1, Slot(0))]);
    }

    #[test]
    fn all_permutations_with_copies_of_four() {
        for code in 0..256u32 {
            let moves: Vec<_> =
                (0..4).map(|to| (to, Source::Slot((code >> (2 * to)) as i32 & 3))).collect();
            check(&moves);
        }
    }
}
