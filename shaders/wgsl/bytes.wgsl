// Byte ranges: an instance's memory, the launch's data and codes, at any alignment.

const FROM_MEMORY: u32 = 0u;  // of the instance
const FROM_INPUT: u32 = 1u;
const FROM_CODE: u32 = 2u;

fn bswap32(x: u32) -> u32 {
    let y = ((x & 0x00ff00ffu) << 8u) | ((x >> 8u) & 0x00ff00ffu);
    return (y << 16u) | (y >> 16u);
}

// 4 bytes at a multiple of 4, little-endian.
fn load32(source: u32, off: u32) -> u32 {
    if source == FROM_MEMORY {
        return get32(off);
    }
    if source == FROM_INPUT {
        return input_at(off);
    }
    return code_at(off);
}

// 4 bytes at any offset, little-endian.
fn load32_any(source: u32, off: u32) -> u32 {
    let at = off & ~3u;
    let shift = (off & 3u) * 8u;
    var x = load32(source, at);
    if shift != 0u {
        x = (x >> shift) | (load32(source, at + 4u) << (32u - shift));
    }
    return x;
}

// The same of a range that ends after `left` bytes: zeros past its end.
fn load32_until(source: u32, off: u32, left: u32) -> u32 {
    if left == 0u {
        return 0u;
    }
    let x = load32_any(source, off);
    return select(x & ((1u << ((left & 3u) * 8u)) - 1u), x, left >= 4u);
}

// A big-endian word at any offset of a range that ends after `left` bytes.
fn load_be(source: u32, off: u32, left: u32) -> Word {
    var x = w_zero();
    for (var i = 0u; i < 32u; i += 4u) {
        let limb = bswap32(load32_until(source, off + i, left - min(left, i)));
        x = Word(vec4<u32>(limb, x.lo.xyz), vec4<u32>(x.lo.w, x.hi.xyz));
    }
    return x;
}

// Stores a big-endian word at any offset of the instance's memory.
fn store_be(off: u32, x: Word) {
    let shift = (off & 3u) * 8u;
    var rest = x;
    var at = off & ~3u;
    var carry = select(get32(at) & ((1u << shift) - 1u), 0u, shift == 0u);
    for (var i = 0u; i < 8u; i++) {
        let limb = bswap32(rest.hi.w);
        rest = Word(vec4<u32>(0u, rest.lo.xyz), vec4<u32>(rest.lo.w, rest.hi.xyz));
        set32(at, carry | (limb << shift));
        carry = select(limb >> ((32u - shift) & 31u), 0u, shift == 0u);
        at += 4u;
    }
    if shift != 0u {
        set32(at, carry | (get32(at) & ~((1u << shift) - 1u)));
    }
}

// Copies `len` bytes to the instance's memory, of which the range has `left`; zeros past its end.
// Ranges of the instance's memory may overlap.
fn copy_bytes(source: u32, off: u32, left: u32, to: u32, len: u32) {
    // Single bytes up to a multiple of 4, then units of 4, then single bytes.
    let head = min((4u - (to & 3u)) & 3u, len);
    let units = (len - head) >> 2u;
    let pieces = len - 3u * units;
    let backward = source == FROM_MEMORY && to > off && to - off < len;
    for (var i = 0u; i < pieces; i++) {
        let piece = select(i, pieces - 1u - i, backward);
        let before = clamp(piece, head, head + units) - head;  // units before it
        let at = piece + 3u * before;
        let x = load32_until(source, off + at, left - min(left, at));
        if piece >= head && piece < head + units {
            set32(to + at, x);
        } else {
            set_byte(to + at, x);
        }
    }
}
