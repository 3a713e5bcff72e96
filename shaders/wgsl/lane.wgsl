// How a kernel reaches the memory of its instance: units of 16 bytes of 32 instances, interleaved.
// Offsets are bytes from the start of the instance, multiples of 4 where nothing else is said.

const TILE: u32 = 32u;

var<private> lane: u32;  // the instance's first unit

// Selects an instance.
fn lane_open(index: u32) {
    let tile_units = layout_of(LAYOUT_BYTES) * (TILE / 16u);
    lane = (arg(LAUNCH + LAUNCH_MEMORY) >> 4u) + (index / TILE) * tile_units + index % TILE;
}

fn get32(off: u32) -> u32 {
    return memory[lane + (off >> 4u) * TILE][(off >> 2u) & 3u];
}

fn set32(off: u32, x: u32) {
    memory[lane + (off >> 4u) * TILE][(off >> 2u) & 3u] = x;
}

fn get64(off: u32) -> vec2<u32> {
    return vec2<u32>(get32(off), get32(off + 4u));
}

fn set64(off: u32, x: vec2<u32>) {
    set32(off, x.x);
    set32(off + 4u, x.y);
}

fn set_byte(off: u32, x: u32) {
    let shift = (off & 3u) * 8u;
    let at = off & ~3u;
    set32(at, (get32(at) & ~(0xffu << shift)) | ((x & 0xffu) << shift));
}

// Clears whole units' worth of 4 bytes.
fn zero32(off: u32, len: u32) {
    for (var i = 0u; i < len; i += 4u) {
        set32(off + i, 0u);
    }
}
