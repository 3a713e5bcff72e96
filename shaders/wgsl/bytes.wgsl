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

// The first `count` bytes of 4, as a mask.
fn first_bytes(count: u32) -> u32 {
    return select((1u << ((count & 3u) * 8u)) - 1u, 0xffffffffu, count >= 4u);
}

// The bytes of the 4 at `at` (a multiple of 4) that lie in `start..to`, as a mask.
fn mask_of(at: u32, start: u32, to: u32) -> u32 {
    let before = max(start, at) - at;
    let until = max(to, at) - at;
    return first_bytes(until) & ~first_bytes(before);
}

// Replaces the bytes of a mask.
fn set_masked(off: u32, x: u32, mask: u32) {
    if mask == 0xffffffffu {
        set32(off, x);
    } else {
        set32(off, (get32(off) & ~mask) | (x & mask));
    }
}

// Copies a range into instance memory, of which the source has `left` bytes: zeros past its end.
// From instance memory it may overlap.
fn copy_padded(to: u32, space: u32, start: u32, left: u32, len: u32) {
    let first = to & ~3u;
    let count = select((to + len - first + 3u) >> 2u, 0u, len == 0u);
    let backwards = space == FROM_MEMORY && start < to;
    for (var i = 0u; i < count; i++) {
        let at = first + 4u * select(i, count - 1u - i, backwards);
        let there = mask_of(at, to, to + min(left, len));
        var x = 0u;
        if there != 0u {
            x = bytes_le(space, start + (at - to)) & there;
        }
        set_masked(at, x, mask_of(at, to, to + len));
    }
}

fn copy_bytes(to: u32, space: u32, start: u32, len: u32) {
    copy_padded(to, space, start, len, len);
}

// 4 bytes of a range that ends after `left` bytes: zeros past its end.
fn bytes_le_until(space: u32, off: u32, left: u32) -> u32 {
    if left == 0u {
        return 0u;
    }
    return bytes_le(space, off) & first_bytes(left);
}

// A big-endian number of 32 bytes of a range that ends after `left` bytes.
fn load_be(space: u32, off: u32, left: u32) -> Word {
    var x = w_zero();
    for (var i = 0u; i < rolled(32u); i += 4u) {
        let limb = swap32(bytes_le_until(space, off + i, left - min(left, i)));
        x = Word(vec4<u32>(limb, x.lo.xyz), vec4<u32>(x.lo.w, x.hi.xyz));
    }
    return x;
}

// Stores a big-endian number in the instance's memory.
fn store_be(off: u32, x: Word) {
    let shift = (off & 3u) * 8u;
    var rest = x;
    var at = off & ~3u;
    var carry = 0u;
    for (var i = 0u; i < rolled(8u); i++) {
        let limb = swap32(rest.hi.w);
        rest = Word(vec4<u32>(0u, rest.lo.xyz), vec4<u32>(rest.lo.w, rest.hi.xyz));
        set_masked(at, carry | (limb << shift), mask_of(at, off, off + 32u));
        carry = select(limb >> ((32u - shift) & 31u), 0u, shift == 0u);
        at += 4u;
    }
    if shift != 0u {
        set_masked(at, carry, first_bytes(off & 3u));
    }
}
