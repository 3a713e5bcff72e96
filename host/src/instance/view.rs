//! Instance memory as the host reads it when the kernel does not run on it.

use bytemuck::Pod;
use warpevm_kernels::abi::{Instance, Layout, LogHead, OverlayAccount, OverlaySlot};

/// One instance's memory and its layout. Counts in the head are bounded by the layout's capacities,
/// so a broken kernel cannot make the host read elsewhere.
#[derive(Clone, Copy)]
pub struct View<'a> {
    memory: &'a [u8],
    layout: &'a Layout,
}

impl<'a> View<'a> {
    /// The memory must be as long as the layout says and aligned to 8 bytes.
    pub fn new(memory: &'a [u8], layout: &'a Layout) -> View<'a> {
        assert!(memory.len() as u64 >= layout.bytes);
        View { memory, layout }
    }

    /// The head.
    pub fn head(&self) -> &'a Instance {
        bytemuck::from_bytes(&self.memory[..size_of::<Instance>()])
    }

    fn entries<T: Pod>(&self, offset: u32, count: u32, capacity: u32) -> &'a [T] {
        let start = offset as usize;
        let end = start + count.min(capacity) as usize * size_of::<T>();
        bytemuck::cast_slice(&self.memory[start..end])
    }

    /// The accounts that the transaction touched.
    pub fn accounts(&self) -> &'a [OverlayAccount] {
        self.entries(self.layout.accounts_off, self.head().accounts, self.layout.accounts_cap)
    }

    /// The slots that the transaction touched.
    pub fn storage(&self) -> &'a [OverlaySlot] {
        self.entries(self.layout.storage_off, self.head().storage, self.layout.storage_cap)
    }

    /// The return data.
    pub fn return_data(&self) -> &'a [u8] {
        self.entries(self.layout.return_off, self.head().ret_len, self.layout.return_cap)
    }

    /// The logs.
    pub fn logs(&self) -> Logs<'a> {
        let bytes = self.head().log_bytes;
        Logs { rest: self.entries(self.layout.logs_off, bytes, self.layout.logs_cap) }
    }

    /// Bytes that a need points to in instance memory.
    pub fn bytes(&self, offset: u32, len: u32) -> Option<&'a [u8]> {
        self.memory.get(offset as usize..offset as usize + len as usize)
    }
}

/// Iterates over the log region.
pub struct Logs<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Logs<'a> {
    /// Head, topics (as words), data.
    type Item = (LogHead, &'a [[u64; 4]], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (head, rest) = self.rest.split_at_checked(size_of::<LogHead>())?;
        let head: LogHead = bytemuck::pod_read_unaligned(head);
        let (topics, rest) = rest.split_at_checked(head.topics as usize * 32)?;
        let data = rest.get(..head.data_len as usize)?;
        let padded = (head.data_len as usize).next_multiple_of(8);
        self.rest = rest.get(padded..).unwrap_or_default();
        Some((head, bytemuck::cast_slice(topics), data))
    }
}
