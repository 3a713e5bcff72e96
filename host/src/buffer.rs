//! Zeroed memory that the kernels address directly, committed by the system page by page on first
//! use.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use bytemuck::Pod;
use memmap2::MmapMut;

/// Alignment of every buffer: a cache line.
const ALIGN_BYTES: usize = 64;

/// Alignment that is asked for: for a larger one the standard allocator clears every byte itself,
/// which would commit all pages.
const ASKED_ALIGN_BYTES: usize = 16;

/// Bytes from which on a buffer is a mapping of its own. What an allocator gives again, it has to
/// clear, all of it: tables have room for much that is never used.
const MAPPED_BYTES_MIN: usize = 1 << 16;

/// Bytes that do not move while the buffer lives.
#[derive(Debug)]
pub struct Buffer {
    block: Block,
    /// The first aligned byte in it.
    start: NonNull<u8>,
    bytes: usize,
}

/// Where a buffer's bytes are from.
#[derive(Debug)]
enum Block {
    /// The allocator.
    Allocated(NonNull<u8>, Layout),
    /// The system. Held until the buffer is dropped.
    Mapped { _map: MmapMut },
}

// SAFETY: the buffer owns its bytes; shared access goes through methods that state their rules.
unsafe impl Send for Buffer {}
// SAFETY: as above; `&Buffer` gives out shared slices and raw pointers only.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// A zeroed buffer, or `None` when the system has no address space left.
    pub fn zeroed(bytes: usize) -> Option<Buffer> {
        Self::allocated(bytes, alloc_zeroed)
    }

    /// A buffer from `alloc` or `alloc_zeroed`, or mapped. Only what is zeroed may be viewed as a
    /// slice.
    fn allocated(bytes: usize, allocate: unsafe fn(Layout) -> *mut u8) -> Option<Buffer> {
        if bytes >= MAPPED_BYTES_MIN {
            let mut map = MmapMut::map_anon(bytes).ok()?;
            let start = NonNull::new(map.as_mut_ptr())?;
            return Some(Buffer { block: Block::Mapped { _map: map }, start, bytes });
        }
        let size = bytes.checked_add(ALIGN_BYTES)?;
        let layout = Layout::from_size_align(size, ASKED_ALIGN_BYTES).ok()?;
        // SAFETY: the layout has a size above zero.
        let block = NonNull::new(unsafe { allocate(layout) })?;
        let skip = block.as_ptr().align_offset(ALIGN_BYTES);
        // SAFETY: `skip` is less than the alignment, which was added to the size.
        let start = unsafe { block.add(skip) };
        Some(Buffer { block: Block::Allocated(block, layout), start, bytes })
    }

    /// Where it starts.
    pub fn as_ptr(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// The bytes. No kernel may be writing to them.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: of this size and initialised, by `alloc_zeroed` or the system; kernels and host
        // take turns on instance memory, the only buffers that are viewed as slices.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.bytes) }
    }

    /// The bytes, to write.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `&mut self` excludes other views.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.bytes) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Block::Allocated(block, layout) = &self.block {
            // SAFETY: allocated with the same layout.
            unsafe { dealloc(block.as_ptr(), *layout) }
        }
    }
}

/// A dense array of device structs. Kernels read entries that have been published; an entry is
/// written before it is published, later only by [`Column::set`].
#[derive(Debug)]
pub struct Column<T> {
    buffer: Buffer,
    capacity: u32,
    entry: PhantomData<T>,
}

impl<T: Pod> Column<T> {
    /// 64-bit pieces of an entry.
    const PIECES: usize = size_of::<T>() / size_of::<u64>();

    /// A zeroed array of `capacity` entries.
    pub fn zeroed(capacity: u32) -> Option<Column<T>> {
        Self::allocated(capacity, alloc_zeroed)
    }

    /// An array of `capacity` entries, each of which must be written before it is read: room that
    /// is not used costs no time.
    pub fn unfilled(capacity: u32) -> Option<Column<T>> {
        Self::allocated(capacity, alloc)
    }

    fn allocated(capacity: u32, allocate: unsafe fn(Layout) -> *mut u8) -> Option<Column<T>> {
        let bytes = size_of::<T>().checked_mul(capacity as usize)?;
        Some(Column { buffer: Buffer::allocated(bytes, allocate)?, capacity, entry: PhantomData })
    }

    /// Entries it has room for.
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Where the kernels find it.
    pub fn address(&self) -> u64 {
        self.buffer.as_ptr() as u64
    }

    /// Where entry `index` is.
    pub fn entry_ptr(&self, index: u32) -> *mut T {
        assert!(index < self.capacity, "entry {index} of {}", self.capacity);
        // SAFETY: within the allocation.
        unsafe { self.buffer.as_ptr().cast::<T>().add(index as usize) }
    }

    fn pieces(&self, index: u32) -> &[AtomicU64] {
        const { assert!(align_of::<T>() == 8 && size_of::<T>().is_multiple_of(8)) };
        let start = self.entry_ptr(index).cast::<AtomicU64>();
        // SAFETY: within the allocation, aligned, initialised (zeroed or written). Fields of
        // published entries that change are accessed atomically by everyone while others may read
        // them.
        unsafe { std::slice::from_raw_parts(start, Self::PIECES) }
    }

    /// A copy of entry `index`, which must have been published to this thread. While another thread
    /// sets it, the copy may be of pieces of both values.
    pub fn get(&self, index: u32) -> T {
        let mut value = T::zeroed();
        let bytes = bytemuck::bytes_of_mut(&mut value);
        for (to, piece) in bytes.chunks_exact_mut(8).zip(self.pieces(index)) {
            to.copy_from_slice(&piece.load(Ordering::Relaxed).to_ne_bytes());
        }
        fence(Ordering::Acquire);
        value
    }

    /// Sets entry `index`. What it names must be visible to who reads it, so that is ordered
    /// before. One thread at a time may set an entry.
    pub fn set(&self, index: u32, value: T) {
        fence(Ordering::Release);
        let bytes = bytemuck::bytes_of(&value);
        for (from, piece) in bytes.chunks_exact(8).zip(self.pieces(index)) {
            let new = u64::from_ne_bytes(from.try_into().unwrap_or_default());
            piece.store(new, Ordering::Relaxed);
        }
    }

    /// Writes entry `index`.
    ///
    /// # Safety
    /// No thread reads or writes the entry at the same time: it has not been published yet.
    pub unsafe fn write(&self, index: u32, value: T) {
        // SAFETY: aligned and within the allocation; exclusive by the caller's promise.
        unsafe { self.entry_ptr(index).write(value) }
    }

    /// A larger copy of the first `len` entries; the others must be written before they are read.
    pub fn grown(&self, capacity: u32, len: u32) -> Option<Column<T>> {
        assert!(len <= self.capacity && capacity >= self.capacity);
        let column = Column::<T>::unfilled(capacity)?;
        // SAFETY: both hold at least `len` entries and do not overlap.
        unsafe {
            let to = column.buffer.as_ptr().cast::<T>();
            to.copy_from_nonoverlapping(self.buffer.as_ptr().cast::<T>(), len as usize);
        }
        Some(column)
    }
}
