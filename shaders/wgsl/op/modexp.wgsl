// Modular exponentiation (EIP-198): precompile 0x05.
//
// Numbers have limbs of 16 bits, least significant first, so that a product with two more limbs
// fits in 32 bits. All is done modulo M = 2^k m, whose top bit is the top bit of a limb, and only
// the result is reduced modulo m.

const MODEXP_LIMB: u32 = 0xffffu;

// Where numbers begin in the scratch memory, whose start is the output's.
var<private> modexp_m: u32;
var<private> modexp_base: u32;
var<private> modexp_power: u32;
var<private> modexp_x: u32;

// Places the numbers for these lengths of base, exponent and modulus; gives the bytes they take.
fn modexp_place(lens: vec3<u32>) -> u32 {
    let limbs = (lens.z + 1u) / 2u;
    modexp_m = (lens.z + 3u) / 4u;
    modexp_base = modexp_m + limbs;
    modexp_power = modexp_base + limbs;
    modexp_x = modexp_power + limbs;
    return 4u * (modexp_x + max(2u * limbs, (lens.x + 1u) / 2u) + 2u);
}

// Loads the big-endian integer of `bytes` bytes at `off` of the input; gives its number of limbs,
// without zeros on top.
fn modexp_load(to: u32, off: u32, bytes: u32) -> u32 {
    var n = 0u;
    for (var i = 0u; 2u * i < bytes; i++) {
        var x: u32;
        if 2u * i + 1u < bytes {
            x = call_input_u32(off + bytes - 2u - 2u * i) >> 16u;
        } else {
            x = call_input_u32(off) >> 24u;
        }
        scratch_set(to + i, x);
        if x != 0u {
            n = i + 1u;
        }
    }
    return n;
}

// The limbs of a number times 2^k for k < 16, from the top down: one more.
fn modexp_shift(to: u32, source: u32, n: u32, k: u32) {
    var above = 0u;
    for (var i = n + 1u; i > 0u; i--) {
        var x = 0u;
        if i > 1u {
            x = scratch_get(source + i - 2u);
        }
        let limb = (above << k) | (x >> (16u - k));
        above = x;
        // Limb i - 1 of the result has the high bits of limb i - 2.
        scratch_set(to + i - 1u, limb & MODEXP_LIMB);
    }
}

// X := POWER * the number at `factor`, 2 n limbs.
fn modexp_multiply(factor: u32, n: u32) {
    for (var i = 0u; i < n; i++) {
        scratch_set(modexp_x + i, 0u);
    }
    for (var i = 0u; i < n; i++) {
        let a = scratch_get(modexp_power + i);
        var carry = 0u;
        for (var j = 0u; j < n; j++) {
            let at = modexp_x + i + j;
            let t = a * scratch_get(factor + j) + scratch_get(at) + carry;
            scratch_set(at, t & MODEXP_LIMB);
            carry = t >> 16u;
        }
        scratch_set(modexp_x + i + n, carry);
    }
}

// X := X mod M for xn limbs of X and n of M: Knuth's algorithm D.
fn modexp_reduce(xn: u32, n: u32) {
    for (var i = xn; i <= n; i++) {
        scratch_set(modexp_x + i, 0u);
    }
    if xn < n {
        return;
    }
    scratch_set(modexp_x + xn, 0u);
    let d1 = scratch_get(modexp_m + n - 1u);
    var d0 = 0u;
    if n > 1u {
        d0 = scratch_get(modexp_m + n - 2u);
    }
    for (var j = xn - n + 1u; j > 0u; j--) {
        let at = modexp_x + j - 1u;
        let u = (scratch_get(at + n) << 16u) | scratch_get(at + n - 1u);
        var u0 = 0u;
        if n > 1u {
            u0 = scratch_get(at + n - 2u);
        }
        // The estimate is the digit, or one more, once the next limb has been looked at.
        var q = u / d1;
        var r = u - q * d1;
        for (var i = 0u; i < 2u; i++) {
            if r <= MODEXP_LIMB && (q > MODEXP_LIMB || q * d0 > ((r << 16u) | u0)) {
                q--;
                r += d1;
            }
        }
        var borrow = 0u;
        for (var i = 0u; i < n; i++) {
            let p = q * scratch_get(modexp_m + i) + borrow;
            let t = scratch_get(at + i) - (p & MODEXP_LIMB);
            scratch_set(at + i, t & MODEXP_LIMB);
            borrow = (p >> 16u) + (t >> 31u);
        }
        if scratch_get(at + n) < borrow {
            var carry = 0u;
            for (var i = 0u; i < n; i++) {
                let t = scratch_get(at + i) + scratch_get(modexp_m + i) + carry;
                scratch_set(at + i, t & MODEXP_LIMB);
                carry = t >> 16u;
            }
        }
        scratch_set(at + n, 0u);
    }
}

// Limb i of POWER >> k, n limbs.
fn modexp_result_limb(i: u32, n: u32, k: u32) -> u32 {
    if i >= n {
        return 0u;
    }
    var above = 0u;
    if i + 1u < n {
        above = scratch_get(modexp_power + i + 1u);
    }
    return ((scratch_get(modexp_power + i) >> k) | (above << (16u - k))) & MODEXP_LIMB;
}

// Writes base^exponent mod modulus, `lens.z` bytes; zeros for a modulus of 0 or 1; 0^0 = 1. `lens`
// are those of base, exponent and modulus. The modulus has been loaded to M; it has `n` limbs
// without zeros on top. `first` is a bit of the exponent, from its top, above which all are zero.
fn modexp(lens: vec3<u32>, n: u32, first: u32) {
    var k = 0u;
    if n != 0u {
        k = countLeadingZeros(scratch_get(modexp_m + n - 1u)) - 16u;
        modexp_shift(modexp_x, modexp_m, n, k);
        for (var i = 0u; i < n; i++) {
            scratch_set(modexp_m + i, scratch_get(modexp_x + i));
        }
        for (var i = 1u; i < n; i++) {
            scratch_set(modexp_power + i, 0u);
        }
        scratch_set(modexp_power, 1u);
        // Turns: the base, then for each bit a square, and a product where it is set; at the end
        // 2^k times the power.
        var xn = modexp_load(modexp_x, 96u, lens.x);
        var to = modexp_base;
        var factor = modexp_power;
        var bit = first;
        var is_last = false;
        loop {
            modexp_reduce(xn, n);
            for (var i = 0u; i < n; i++) {
                scratch_set(to + i, scratch_get(modexp_x + i));
            }
            if is_last {
                break;
            }
            if to == modexp_power && factor == modexp_power {
                let byte = call_input_u32(96u + lens.x + (bit >> 3u)) >> 24u;
                if ((byte >> (7u - (bit & 7u))) & 1u) != 0u {
                    factor = modexp_base;
                }
                bit++;
            } else {
                factor = modexp_power;
            }
            to = modexp_power;
            if factor == modexp_power && bit == 8u * lens.y {
                modexp_shift(modexp_x, modexp_power, n, k);
                xn = n + 1u;
                is_last = true;
            } else {
                modexp_multiply(factor, n);
                xn = 2u * n;
            }
        }
    }
    for (var i = 0u; i < lens.z; i += 4u) {
        var x = 0u;
        for (var j = i; j < min(i + 4u, lens.z); j++) {
            let from_low = lens.z - 1u - j;
            let limb = modexp_result_limb(from_low >> 1u, n, k);
            x |= ((limb >> (8u * (from_low & 1u))) & 0xffu) << (24u - 8u * (j - i));
        }
        return_u32(i, x);
    }
}
