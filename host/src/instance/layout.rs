//! Memory classes: how much of everything an instance has, and where it stands.

use warpevm_kernels::abi::{
    CALL_DEPTH_MAX, Frame, Instance, Journal, Layout, OverlayAccount, OverlaySlot, Region,
};

use crate::limits::CLASS_COUNT;

/// Capacities of a class, in entries (bytes for memory, return data and logs).
#[derive(Clone, Copy, Debug)]
struct Capacities {
    frames: u32,
    slots: u32,
    memory: u32,
    ret: u32,
    accounts: u32,
    storage: u32,
    journal: u32,
    logs: u32,
}

/// The classes, smallest first; each holds at least what the one before holds.
///
/// - Class 0 fits a token transfer (1 frame of about 30 slots, 4 accounts, 2 to 4 slots, one log)
///   or a swap through a few contracts, within 16 KiB.
/// - Class 1 (128 KiB) fits most of what mainnet does.
/// - Class 2 (1 MiB) fits nearly all of it.
/// - Class 3 (2.4 MiB) allows the full call depth where frames are small, or a memory of 1 MiB. It
///   is the largest of which 32 instances fit into what a lane takes of 128 MiB, which is all that
///   some adapters bind.
/// - Class 4 (16 MiB) has some of everything.
/// - Class 5 (28 MiB) has the memory besides that one frame can buy with 500 million gas: for long
///   computations, which else would run in class 4 first, and then in class 6 one at a time.
/// - Class 6 is what 100 million gas can buy where each thing is cheapest: 1,024 frames with full
///   stacks, a memory of 1,000 frames of 256 KiB each, two million warm slots before Berlin. The
///   system commits only what is touched.
const CLASSES: [Capacities; CLASS_COUNT] = [
    Capacities {
        frames: 6,
        slots: 146,
        memory: 2560,
        ret: 832,
        accounts: 10,
        storage: 20,
        journal: 40,
        logs: 832,
    },
    Capacities {
        frames: 32,
        slots: 1024,
        memory: 32 << 10,
        ret: 8 << 10,
        accounts: 64,
        storage: 160,
        journal: 256,
        logs: 8 << 10,
    },
    Capacities {
        frames: 128,
        slots: (8 << 10) - 64,
        memory: 320 << 10,
        ret: 64 << 10,
        accounts: 512,
        storage: 1024,
        journal: 2048,
        logs: 64 << 10,
    },
    Capacities {
        frames: CALL_DEPTH_MAX + 1,
        slots: 12_800,
        memory: 1088 << 10,
        ret: 336 << 10,
        accounts: 1024,
        storage: 1024,
        journal: 2304,
        logs: 72 << 10,
    },
    Capacities {
        frames: CALL_DEPTH_MAX + 1,
        slots: 64 << 10,
        memory: 4 << 20,
        ret: 1 << 20,
        accounts: 8 << 10,
        storage: 32 << 10,
        journal: 40 << 10,
        logs: 1 << 20,
    },
    Capacities {
        frames: CALL_DEPTH_MAX + 1,
        slots: 64 << 10,
        memory: 16 << 20,
        ret: 1 << 20,
        accounts: 8 << 10,
        storage: 32 << 10,
        journal: 40 << 10,
        logs: 1 << 20,
    },
    Capacities {
        frames: CALL_DEPTH_MAX + 1,
        slots: 5 << 19,
        memory: 512 << 20,
        ret: 64 << 20,
        accounts: 1 << 20,
        storage: 1 << 21,
        journal: 1 << 22,
        logs: 128 << 20,
    },
];

/// Regions start at multiples of this: kernels move frame slots in units of 16 bytes.
const REGION_ALIGN_BYTES: u64 = 16;

/// Bytes between regions that nothing may touch. Instrumented kernels find out who does.
const GUARD_BYTES: u64 = if warpevm_kernels::SANITIZED { 64 } else { 0 };

/// A length of a hash index over `entries`: a power of two, at most half full.
fn index_len(entries: u32) -> u32 {
    (entries * 2).next_power_of_two()
}

fn place(c: &Capacities) -> Layout {
    let mut at = size_of::<Instance>() as u64;
    let mut take = |count: u32, entry_bytes: usize| {
        let start = (at + GUARD_BYTES).next_multiple_of(REGION_ALIGN_BYTES);
        at = start + u64::from(count) * entry_bytes as u64;
        start as u32
    };
    let mut layout = Layout {
        frames_off: take(c.frames, size_of::<Frame>()),
        frames_cap: c.frames,
        accounts_off: take(c.accounts, size_of::<OverlayAccount>()),
        accounts_cap: c.accounts,
        account_index_off: take(index_len(c.accounts), 4),
        account_index_cap: index_len(c.accounts),
        storage_off: take(c.storage, size_of::<OverlaySlot>()),
        storage_cap: c.storage,
        storage_index_off: take(index_len(c.storage), 4),
        storage_index_cap: index_len(c.storage),
        journal_off: take(c.journal, size_of::<Journal>()),
        journal_cap: c.journal,
        slots_off: take(c.slots, 32),
        slots_cap: c.slots,
        memory_off: take(c.memory, 1),
        memory_cap: c.memory,
        return_off: take(c.ret, 1),
        return_cap: c.ret,
        logs_off: take(c.logs, 1),
        logs_cap: c.logs,
        bytes: 0,
    };
    layout.bytes = (at + GUARD_BYTES).next_multiple_of(64);
    layout
}

/// Every class's layout.
pub fn classes() -> [Layout; CLASS_COUNT] {
    CLASSES.each_ref().map(place)
}

/// Entries (bytes for memory, return data and logs) that a class has for a region.
pub fn capacity(layout: &Layout, region: Region) -> u32 {
    match region {
        Region::Frames => layout.frames_cap,
        Region::Slots => layout.slots_cap,
        Region::Memory => layout.memory_cap,
        Region::Return => layout.return_cap,
        Region::Accounts => layout.accounts_cap,
        Region::Storage => layout.storage_cap,
        Region::Journal => layout.journal_cap,
        Region::Logs => layout.logs_cap,
    }
}

/// The smallest class above `class` in which `region` has `entries`. Classes only grow, so what
/// fitted before fits there too.
pub fn next_class(
    layouts: &[Layout; CLASS_COUNT],
    class: usize,
    region: Region,
    entries: u32,
) -> Option<usize> {
    (class + 1..CLASS_COUNT).find(|&next| capacity(&layouts[next], region) >= entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGIONS: [Region; 8] = [
        Region::Frames,
        Region::Slots,
        Region::Memory,
        Region::Return,
        Region::Accounts,
        Region::Storage,
        Region::Journal,
        Region::Logs,
    ];

    #[test]
    fn classes_have_the_sizes_we_say() {
        let bytes = classes().map(|layout| layout.bytes);
        assert!(bytes[0] <= 16 << 10, "{bytes:?}");
        assert!(bytes[1] <= 128 << 10, "{bytes:?}");
        assert!(bytes[2] <= 1 << 20, "{bytes:?}");
        // 2.4 MiB.
        assert!(bytes[3] * 10 <= 24 << 20, "{bytes:?}");
        assert!(bytes[4] <= 16 << 20, "{bytes:?}");
        assert!(bytes[5] <= 28 << 20, "{bytes:?}");
        assert!(bytes[6] < 1 << 32, "offsets are 32 bits: {bytes:?}");
    }

    #[test]
    fn classes_only_grow() {
        let layouts = classes();
        for pair in layouts.windows(2) {
            for region in REGIONS {
                assert!(capacity(&pair[0], region) <= capacity(&pair[1], region));
            }
        }
    }

    #[test]
    fn regions_do_not_overlap_and_are_aligned() {
        for l in classes() {
            let span = |offset: u32, cap: u32, entry: usize| {
                (u64::from(offset), u64::from(cap) * entry as u64)
            };
            let mut spans = vec![
                (0, size_of::<Instance>() as u64),
                span(l.frames_off, l.frames_cap, size_of::<Frame>()),
                span(l.slots_off, l.slots_cap, 32),
                span(l.memory_off, l.memory_cap, 1),
                span(l.return_off, l.return_cap, 1),
                span(l.accounts_off, l.accounts_cap, size_of::<OverlayAccount>()),
                span(l.account_index_off, l.account_index_cap, 4),
                span(l.storage_off, l.storage_cap, size_of::<OverlaySlot>()),
                span(l.storage_index_off, l.storage_index_cap, 4),
                span(l.journal_off, l.journal_cap, size_of::<Journal>()),
                span(l.logs_off, l.logs_cap, 1),
            ];
            spans.sort_unstable();
            assert!(spans.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0));
            assert!(spans.iter().all(|(offset, _)| offset % REGION_ALIGN_BYTES == 0));
            let end = spans.last().map(|(offset, len)| offset + len);
            assert!(end <= Some(l.bytes) && l.bytes % 64 == 0);
            assert!(l.account_index_cap.is_power_of_two() && l.storage_index_cap.is_power_of_two());
        }
    }

    #[test]
    fn the_next_class_is_the_smallest_that_fits() {
        let layouts = classes();
        assert_eq!(next_class(&layouts, 0, Region::Memory, 3000), Some(1));
        assert_eq!(next_class(&layouts, 0, Region::Memory, 1 << 20), Some(3));
        assert_eq!(next_class(&layouts, 2, Region::Frames, 129), Some(3));
        assert_eq!(next_class(&layouts, 2, Region::Memory, 2 << 20), Some(4));
        assert_eq!(next_class(&layouts, 1, Region::Logs, 100), Some(2));
        assert_eq!(next_class(&layouts, 0, Region::Memory, u32::MAX), None);
        assert_eq!(next_class(&layouts, 4, Region::Memory, 5 << 20), Some(5));
        assert_eq!(next_class(&layouts, 6, Region::Frames, 1), None);
    }
}
