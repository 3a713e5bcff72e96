// Byte ranges at any alignment: loads, and copies into instance memory. The least significant byte
// of what `*_le` loads is the first one; `swap32` makes it big-endian.
//
// A load that is not aligned reads two neighbours, of which the second may lie behind the range:
// what it gives is not used. No allocation begins at offset 0, so that offsets up to 3 before a
// range do not wrap.

// Whose bytes a copy reads.
const FROM_INPUT: u32 = 0u;
const FROM_CODE: u32 = 1u;
const FROM_MEMORY: u32 = 2u;

fn swap32(x: u32) -> u32 {
    let y = ((x & 0x00ff00ffu) << 8u) | ((x >> 8u) & 0x00ff00ffu);
    return (y << 16u) | (y >> 16u);
}

// The 32 bits that begin `off & 3` bytes after the start of `a`; `b` comes after it.
fn shifted(a: u32, b: u32, off: u32) -> u32 {
    let shift = (off & 3u) * 8u;
    return select((a >> shift) | (b << ((32u - shift) & 31u)), a, shift == 0u);
}

fn input_byte(off: u32) -> u32 {
    return (input[off >> 2u] >> ((off & 3u) * 8u)) & 0xffu;
}

fn code_byte(off: u32) -> u32 {
    return (code_at(off) >> ((off & 3u) * 8u)) & 0xffu;
}

fn input_le(off: u32) -> u32 {
    return shifted(input[off >> 2u], input[(off >> 2u) + 1u], off);
}

fn code_le(off: u32) -> u32 {
    return shifted(code_at(off), code_at(off + 4u), off);
}

fn memory_le(off: u32) -> u32 {
    return shifted(get32(off), get32(off + 4u), off);
}

// A load from wherever: `space` is `FROM_*`.
fn bytes_le(space: u32, off: u32) -> u32 {
    if space == FROM_INPUT {
        return input_le(off);
    }
    if space == FROM_CODE {
        return code_le(off);
    }
    return memory_le(off);
}

// The bytes of the 4 at `at` (a multiple of 4) that lie in `start..end`, as a mask.
fn mask_of(at: u32, start: u32, end: u32) -> u32 {
    let before = select(0u, start - at, start > at);
    let after = select(0u, at + 4u - end, at + 4u > end);
    return (0xffffffffu << (before * 8u)) & (0xffffffffu >> (after * 8u));
}

// Replaces the bytes of a mask.
fn set_masked(off: u32, x: u32, mask: u32) {
    if mask == 0xffffffffu {
        set32(off, x);
    } else {
        set32(off, (get32(off) & ~mask) | (x & mask));
    }
}

// Copies a range into instance memory. From instance memory it may overlap.
fn copy_bytes(to: u32, space: u32, source: u32, len: u32) {
    if len == 0u {
        return;
    }
    let first = to & ~3u;
    let count = (to + len - first + 3u) >> 2u;
    let backwards = space == FROM_MEMORY && source < to;
    for (var i = 0u; i < count; i++) {
        let at = first + 4u * select(i, count - 1u - i, backwards);
        set_masked(at, bytes_le(space, source + (at - to)), mask_of(at, to, to + len));
    }
}

fn zero_bytes(to: u32, len: u32) {
    for (var at = to & ~3u; at < to + len; at += 4u) {
        set_masked(at, 0u, mask_of(at, to, to + len));
    }
}

// The 32 bytes at an offset as a big-endian number.
fn bytes_word(space: u32, off: u32) -> Word {
    return Word(
        vec4<u32>(
            swap32(bytes_le(space, off + 28u)),
            swap32(bytes_le(space, off + 24u)),
            swap32(bytes_le(space, off + 20u)),
            swap32(bytes_le(space, off + 16u)),
        ),
        vec4<u32>(
            swap32(bytes_le(space, off + 12u)),
            swap32(bytes_le(space, off + 8u)),
            swap32(bytes_le(space, off + 4u)),
            swap32(bytes_le(space, off)),
        ),
    );
}
