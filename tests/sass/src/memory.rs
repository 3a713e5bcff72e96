//! The memory that a launch may touch.

/// Ranges of this process's memory, by address. Whoever lists a range promises that it stays
/// readable and writable, and that nothing else uses it, while launches run.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Start and end of each, sorted.
    ranges: Vec<(u64, u64)>,
}

impl Memory {
    /// Nothing.
    pub fn new() -> Memory {
        Memory::default()
    }

    /// Every address, for kernels whose memory others manage.
    ///
    /// # Safety
    /// The kernel may only touch what is there and what no one else uses.
    pub unsafe fn everything() -> Memory {
        // No system has memory at the first addresses.
        Memory { ranges: vec![(1 << 16, u64::MAX)] }
    }

    /// Adds what a slice covers.
    ///
    /// # Safety
    /// The slice must outlive every launch with this memory, and nothing else may use it meanwhile.
    pub unsafe fn add<T>(&mut self, slice: &mut [T]) {
        let range = slice.as_mut_ptr_range();
        self.ranges.push((range.start as u64, range.end as u64));
        self.ranges.sort_unstable();
    }

    /// Adds a range of addresses.
    ///
    /// # Safety
    /// As of [`Memory::add`].
    pub unsafe fn add_range(&mut self, start: u64, len: u64) {
        self.ranges.push((start, start + len));
        self.ranges.sort_unstable();
    }

    /// Whether `len` bytes at an address are part of one range.
    pub(crate) fn holds(&self, address: u64, len: u64) -> bool {
        let after = self.ranges.partition_point(|(start, _)| *start <= address);
        let Some(last) = address.checked_add(len) else {
            return false;
        };
        // Ranges may lie within others.
        self.ranges[..after].iter().rev().any(|(_, end)| last <= *end)
    }
}
