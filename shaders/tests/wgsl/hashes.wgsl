// Keccak-256 of messages, one per invocation.

@group(0) @binding(0) var<uniform> which: vec4<u32>;  // y: how many messages
// Of each message: the index of its first u32 in `data`, its length in bytes.
@group(0) @binding(1) var<storage, read_write> messages: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> data: array<u32>;
@group(0) @binding(3) var<storage, read_write> results: array<Word>;

@compute @workgroup_size(64)
fn hash(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= which.y {
        return;
    }
    var at = messages[id.x].x;
    var left = messages[id.x].y;
    keccak_reset();
    loop {
        let len = min(left, KECCAK_RATE_BYTES);
        // Bytes behind the message are junk.
        for (var i = 0u; 4u * i < len; i++) {
            let junk = 8u * (4u - min(len - 4u * i, 4u));
            keccak_xor_u32(i, (data[at + i] << junk) >> junk);
        }
        if len < KECCAK_RATE_BYTES {
            keccak_pad(len);
        }
        keccak_permute();
        if len < KECCAK_RATE_BYTES {
            break;
        }
        at += KECCAK_RATE_LIMBS;
        left -= len;
    }
    results[id.x] = keccak_digest();
}

// Each message is `which.x` words.
@compute @workgroup_size(64)
fn hash_words(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= which.y {
        return;
    }
    let at = messages[id.x].x;
    keccak_reset();
    for (var i = 0u; i < which.x; i++) {
        let j = at + 8u * i;
        keccak_xor_word(4u * i,
                        Word(vec4<u32>(data[j], data[j + 1u], data[j + 2u], data[j + 3u]),
                             vec4<u32>(data[j + 4u], data[j + 5u], data[j + 6u], data[j + 7u])));
    }
    keccak_pad(32u * which.x);
    keccak_permute();
    results[id.x] = keccak_digest();
}
