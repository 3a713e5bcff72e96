// Puts an entry into a hash index: linear probing, entry + 1, 0 is free. There is always room: an
// index is at most half full, and the loop ends after one turn around it.

@group(0) @binding(2) var<storage, read_write> state: array<atomic<u32>>;

// 32 bits at a byte offset (a multiple of 4) of `state`.
fn state_at(off: u32) -> u32 {
    return atomicLoad(&state[off >> 2u]);
}

fn index_entry(index: u32, mask: u32, hash: u32, entry: u32) {
    var at = hash & mask;
    var turns = 0u;
    loop {
        let got = atomicCompareExchangeWeak(&state[(index >> 2u) + at], 0u, entry + 1u);
        if got.exchanged || turns == mask {
            return;
        }
        // It may fail for no reason.
        if got.old_value != 0u {
            at = (at + 1u) & mask;
            turns++;
        }
    }
}
