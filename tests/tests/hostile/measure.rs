//! What a run costs on the thread that makes it: processor time, and heap at its highest.
//!
//! Neither depends on what else the machine does: the clock stands while the thread waits, and the
//! heap is counted where it is asked for. Large blocks that are asked for zeroed do not count: an
//! instance and the code array are such, and the system commits of them only what is touched.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counting.
struct Counting;

/// Zeroed blocks from this size on do not count.
const ZEROED_BYTES_MIN: usize = 64 << 10;
/// So many of them are known at a time; more would count.
const ZEROED_COUNT_MAX: usize = 64;

thread_local! {
    static LIVE_BYTES: Cell<isize> = const { Cell::new(0) };
    static PEAK_BYTES: Cell<isize> = const { Cell::new(0) };
    /// Where blocks lie that do not count.
    static ZEROED: [Cell<usize>; ZEROED_COUNT_MAX] =
        const { [const { Cell::new(0) }; ZEROED_COUNT_MAX] };
}

fn count(bytes: isize) {
    let live = LIVE_BYTES.get() + bytes;
    LIVE_BYTES.set(live);
    PEAK_BYTES.set(PEAK_BYTES.get().max(live));
}

/// Puts `new` in the place of `old` in the list of blocks that do not count.
fn replace_zeroed(old: usize, new: usize) -> bool {
    ZEROED.with(|places| {
        let place = places.iter().find(|place| place.get() == old);
        place.map(|place| place.set(new)).is_some()
    })
}

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        let block = unsafe { System.alloc_zeroed(layout) };
        let large = layout.size() >= ZEROED_BYTES_MIN && !block.is_null();
        if !large || !replace_zeroed(0, block as usize) {
            count(layout.size() as isize);
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if layout.size() < ZEROED_BYTES_MIN || !replace_zeroed(block as usize, 0) {
            count(-(layout.size() as isize));
        }
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // What is asked for again counts from then on: it is touched.
        let known = layout.size() >= ZEROED_BYTES_MIN && replace_zeroed(block as usize, 0);
        count(size as isize - if known { 0 } else { layout.size() as isize });
        // SAFETY: the caller's promise.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a run costs.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Processor time of the thread.
    pub seconds: f64,
    /// Heap that the thread asked for, at its highest, beyond what it had before.
    pub heap_bytes: u64,
}

/// Runs and measures.
pub fn measure<T>(run: impl FnOnce() -> T) -> (T, Cost) {
    let (start, live) = (thread_seconds(), LIVE_BYTES.get());
    PEAK_BYTES.set(live);
    let made = run();
    let heap_bytes = (PEAK_BYTES.get() - live) as u64;
    (made, Cost { seconds: thread_seconds() - start, heap_bytes })
}

/// The clock of this thread.
fn thread_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0, "every Unix has the clock of a thread");
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[test]
fn costs_are_counted() {
    let (made, cost) = measure(|| {
        drop(vec![1u8; 3 << 20]);
        vec![0u8; 100 << 20]
    });
    assert_eq!(made.len(), 100 << 20);
    assert!((3 << 20..4 << 20).contains(&cost.heap_bytes), "{cost:?}");
    let (sum, work) = measure(|| (0..20_000_000u64).fold(0, |a, b| std::hint::black_box(a ^ b)));
    let ((), rest) = measure(|| std::thread::sleep(std::time::Duration::from_millis(300)));
    assert!(work.seconds > rest.seconds && rest.seconds < 0.1, "{sum}, {work:?}, {rest:?}");
}
