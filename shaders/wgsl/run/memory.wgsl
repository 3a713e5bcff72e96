// EVM memory: what it costs to grow, and the service that grows it.

// The ranges that the op touches, offset and length as they stand on the stack; then, until the
// next op, where they are, as offsets in the frame's memory and lengths (0, 0 of an empty range).
var<private> ranges: u32;
var<private> range_off: Word;
var<private> range_len: Word;
var<private> other_off: Word;
var<private> other_len: Word;
var<private> at: u32;
var<private> len: u32;
var<private> other_at: u32;
var<private> other: u32;

fn want_range(off: Word, bytes: Word) {
    range_off = off;
    range_len = bytes;
    ranges = 1u;
}

fn want_other_range(off: Word, bytes: Word) {
    other_off = off;
    other_len = bytes;
    ranges = 2u;
}

// What `per_word` gas for each word of a length on the stack costs; halts where no gas suffices.
fn charge_words(bytes: Word, per_word: u32) {
    // Beyond 2^32 words even 2^64 gas would be gone, or the range is beyond any memory.
    if !w_fits_u64(bytes) || bytes.lo.y >= 32u {
        halt(END_OUT_OF_GAS);
        return;
    }
    let words = (bytes.lo.x >> 5u) | (bytes.lo.y << 27u);
    let more = select(0u, 1u, (bytes.lo.x & 31u) != 0u);
    if words + more < words {
        halt(END_OUT_OF_GAS);
        return;
    }
    charge(u64_mul32(words + more, per_word));
}

// Cost of a memory of `w` words (yellow paper appendix H, C_mem): 3 w + w^2 / 512, of at most 2^26
// words.
fn memory_cost(words: u32) -> vec2<u32> {
    let divisor = gas_memory_square_divisor();
    let q = words / divisor;
    let r = words % divisor;
    let small = gas_memory_word() * words + 2u * q * r + r * r / divisor;
    return u64_add(u64_mul32(q * divisor, q), vec2<u32>(small, 0u));
}

// Grows the frame's memory to at least `bytes`, charging the expansion. All open frames together
// have EVM_MEMORY_BYTES_MAX.
fn expand(bytes: u32) {
    if bytes <= mem_len {
        return;
    }
    if bytes > EVM_MEMORY_BYTES_MAX {
        halt(END_OUT_OF_GAS);
        return;
    }
    let words = (bytes + 31u) >> 5u;
    charge(u64_sub(memory_cost(words), memory_cost(mem_len >> 5u)));
    if !go {
        return;
    }
    let in_region = mem - regions.memory_off + words * 32u;
    if in_region > EVM_MEMORY_BYTES_MAX || in_region < words * 32u {
        halt(END_OUT_OF_GAS);
        return;
    }
    if in_region > regions.memory_cap {
        need_class(REGION_MEMORY, in_region);
        return;
    }
    let first = lane + ((mem + mem_len) >> 4u) * TILE;
    let count = (words * 32u - mem_len) >> 4u;
    for (var i = 0u; i < count; i++) {
        memory[first + i * TILE] = vec4<u32>(0u);
    }
    mem_len = words * 32u;
    spend(count >> 3u);
}

// Service: grows memory for the wanted ranges, and says where they are.
fn serve_ranges() {
    for (var i = 0u; i < rolled(ranges); i++) {
        var off = range_off;
        var bytes = range_len;
        if i == 1u {
            off = other_off;
            bytes = other_len;
        }
        if w_is_zero(bytes) {
            continue;
        }
        let last = off.lo.x + bytes.lo.x;
        if !w_fits_u32(off) || !w_fits_u32(bytes) || last < off.lo.x {
            halt(END_OUT_OF_GAS);
            return;
        }
        expand(last);
        if !go {
            return;
        }
        if i == 0u {
            at = off.lo.x;
            len = bytes.lo.x;
        } else {
            other_at = off.lo.x;
            other = bytes.lo.x;
        }
    }
}

// ---- the copy of a turn -------------------------------------------------------------------------

var<private> copies: bool;
var<private> copy_source: u32;  // FROM_*
var<private> copy_off: u32;
var<private> copy_left: u32;
var<private> copy_to: u32;
var<private> copy_len: u32;

// Copies `bytes` bytes at the end of the turn, of which the source has `left`; zeros past its end.
fn want_copy(source: u32, off: u32, left: u32, to: u32, bytes: u32) {
    copies = bytes != 0u;
    copy_source = source;
    copy_off = off;
    copy_left = left;
    copy_to = to;
    copy_len = bytes;
}

// The same of a source of `source_len` bytes, from any 256-bit place in it, to the frame's memory.
fn want_copy_padded(source: u32, off: u32, source_len: u32, place: Word) {
    var start = source_len;
    if w_fits_u32(place) {
        start = min(place.lo.x, source_len);
    }
    want_copy(source, off + start, source_len - start, mem + at, len);
}

// ---- the hash of a turn -------------------------------------------------------------------------

const HASH_NONE: u32 = 0u;
const HASH_MEMORY: u32 = 1u;   // `len` bytes at `at` of the frame's memory
const HASH_MESSAGE: u32 = 2u;  // the first `message_len` bytes of three words, big-endian

var<private> hashes: u32;
var<private> message: Word;
var<private> message_1: Word;
var<private> message_2: Word;
var<private> message_len: u32;

// The next 4 bytes of the message, little-endian.
fn take_message() -> u32 {
    let x = swap32(message.hi.w);
    message = w_push_low(message, message_1.hi.w);
    message_1 = w_push_low(message_1, message_2.hi.w);
    message_2 = w_push_low(message_2, 0u);
    return x;
}

// Service: keccak-256.
fn serve_hash() -> Word {
    let in_memory = hashes == HASH_MEMORY;
    let bytes = select(message_len, len, in_memory);
    let blocks = bytes / KECCAK_RATE_BYTES + 1u;
    keccak_reset();
    for (var block = 0u; block < blocks; block++) {
        let first = block * KECCAK_RATE_BYTES;
        for (var i = 0u; i < rolled(KECCAK_RATE_LIMBS); i++) {
            let off = first + 4u * i;
            let left = bytes - min(bytes, off);
            var x = 0u;
            if in_memory {
                x = bytes_le_until(FROM_MEMORY, mem + at + off, left);
            } else if left > 0u {
                x = take_message() & first_bytes(left);
            }
            if off <= bytes && left < 4u {
                x |= 1u << (8u * left);
            }
            if i == KECCAK_RATE_LIMBS - 1u && block + 1u == blocks {
                x |= 0x80000000u;
            }
            keccak_absorb(x);
        }
        keccak_permute();
    }
    spend(blocks);
    return keccak_digest();
}
