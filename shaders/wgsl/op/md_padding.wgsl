// The Merkle-Damgard padding that SHA-256 and RIPEMD-160 share: 0x80, zeros, the bit length.

// Number of 64-byte blocks of the call's input after padding.
fn md_block_count() -> u32 {
    return call_input_len / 64u + 1u + u32(call_input_len % 64u >= 56u);
}

// Four bytes of the padded input at `i` (a multiple of 4), big-endian, without the bit length.
fn md_padded_u32(i: u32) -> u32 {
    var x = call_input_u32(i);
    if i <= call_input_len && call_input_len - i < 4u {
        x |= 0x80000000u >> (8u * (call_input_len - i));
    }
    return x;
}
