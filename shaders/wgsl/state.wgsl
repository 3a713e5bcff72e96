// The state table, as kernels see it that do not index it.

@group(0) @binding(2) var<storage, read_write> state: array<u32>;

// 32 bits at a byte offset (a multiple of 4) of `state`.
fn state_at(off: u32) -> u32 {
    return state[off >> 2u];
}
