// One call of `bytes.wgsl` per invocation, on 256 bytes of its own.

const REGION_BYTES: u32 = 256u;

@group(0) @binding(0) var<uniform> which: vec4<u32>;  // y: how many calls
// Whose bytes, or 3: a word from memory to memory, or 4: a word from memory; to, from, length and,
// from bit 16 on, what the range has.
@group(0) @binding(1) var<storage, read_write> calls: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> input: array<u32>;
@group(0) @binding(3) var<storage, read_write> code: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read_write> regions: array<u32>;

var<private> region: u32;

fn get32(off: u32) -> u32 {
    return regions[region + (off >> 2u)];
}

fn set32(off: u32, x: u32) {
    regions[region + (off >> 2u)] = x;
}

fn code_at(off: u32) -> u32 {
    return code[off >> 4u][(off >> 2u) & 3u];
}

fn rolled(n: u32) -> u32 {
    return n + which.w;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= which.y {
        return;
    }
    region = id.x * (REGION_BYTES / 4u);
    for (var i = 0u; i < REGION_BYTES; i += 4u) {
        set32(i, (id.x * 0x9e3779b9u) ^ (i * 0x01010101u));
    }
    let call = calls[id.x];
    let len = call.w & 0xffffu;
    let left = call.w >> 16u;
    if call.x == 3u {
        store_be(call.y, load_be(FROM_MEMORY, call.z, 32u));
    } else if call.x == 4u {
        let word = load_be(FROM_MEMORY, call.z, left);
        for (var i = 0u; i < 4u; i++) {
            set32(4u * i, word.lo[i]);
            set32(16u + 4u * i, word.hi[i]);
        }
    } else {
        copy_padded(call.y, call.x, call.z, left, len);
    }
}
