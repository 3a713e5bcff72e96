//! Where allocations lie within one buffer.

use std::collections::BTreeMap;

/// Every allocation begins at a multiple of this; the first one after as much, so that none lies at
/// offset 0.
const ALIGN_BYTES: u64 = 256;

/// Allocations of a buffer that may grow up to a limit: first fit.
#[derive(Debug)]
pub struct Places {
    /// Start to length.
    free: BTreeMap<u64, u64>,
    used: BTreeMap<u64, u64>,
    /// Where nothing has been yet.
    end: u64,
    max: u64,
}

impl Places {
    /// Nothing yet, of at most `max` bytes.
    pub fn new(max: u64) -> Places {
        Places { free: BTreeMap::new(), used: BTreeMap::new(), end: ALIGN_BYTES, max }
    }

    /// Bytes that the buffer must have.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Bytes that are not in use, in one piece or several.
    pub fn room(&self) -> u64 {
        (self.max - self.end) + self.free.values().sum::<u64>()
    }

    /// A place for so many bytes, if there is one.
    pub fn take(&mut self, bytes: u64) -> Option<u64> {
        let bytes = bytes.max(1).checked_next_multiple_of(ALIGN_BYTES)?;
        let found = self.free.iter().find(|(_, len)| **len >= bytes).map(|(at, len)| (*at, *len));
        let at = match found {
            Some((at, len)) => {
                self.free.remove(&at);
                if len > bytes {
                    self.free.insert(at + bytes, len - bytes);
                }
                at
            }
            None => {
                // What is free at the end grows.
                let last = self.free.last_key_value().map(|(at, len)| (*at, at + len));
                let at = match last {
                    Some((at, end)) if end == self.end => at,
                    _ => self.end,
                };
                let end = at.checked_add(bytes).filter(|end| *end <= self.max)?;
                self.free.remove(&at);
                self.end = end;
                at
            }
        };
        self.used.insert(at, bytes);
        Some(at)
    }

    /// Gives a place back.
    pub fn give(&mut self, at: u64) {
        let Some(mut len) = self.used.remove(&at) else { return };
        let mut at = at;
        if let Some(after) = self.free.remove(&(at + len)) {
            len += after;
        }
        if let Some((before, before_len)) = self.free.range(..at).next_back()
            && before + before_len == at
        {
            (at, len) = (*before, before_len + len);
        }
        self.free.insert(at, len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_apart_aligned_and_used_again() {
        let mut places = Places::new(1 << 20);
        let mut all: Vec<(u64, u64)> = Vec::new();
        let mut number = 7u64;
        for round in 0..4000 {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(round);
            let (choice, bytes) = (number >> 60, (number >> 33) % 30_000);
            if choice < 7 && !all.is_empty() {
                let (at, _) = all.swap_remove((number >> 40) as usize % all.len());
                places.give(at);
                continue;
            }
            let used: u64 = all.iter().map(|(_, len)| len.max(&1).next_multiple_of(256)).sum();
            assert_eq!(places.room(), (1 << 20) - 256 - used);
            let Some(at) = places.take(bytes) else { continue };
            assert!(at > 0 && at.is_multiple_of(256) && at + bytes <= places.end());
            assert!(places.end() <= 1 << 20);
            let apart = |(other, len): &(u64, u64)| at + bytes <= *other || other + len <= at;
            assert!(all.iter().all(apart), "round {round}");
            all.push((at, bytes));
        }
        all.iter().for_each(|(at, _)| places.give(*at));
        assert_eq!(places.free.len(), 1, "what is free is one piece again");
        assert_eq!(places.take((1 << 20) - 256), Some(256));
        assert_eq!((places.room(), places.take(1)), (0, None));
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let mut places = Places::new(4096);
        let first = places.take(1000);
        assert_eq!(first, Some(256));
        assert_eq!((places.take(u64::MAX), places.take(4096)), (None, None));
        places.give(256);
        assert_eq!(places.take(3840), Some(256), "what is free at the end grows");
    }
}
