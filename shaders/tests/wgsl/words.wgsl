// One op on every case: out[i] = op(in[3 i], in[3 i + 1], in[3 i + 2]). The test names the ops in
// the order of their numbers.

// Which op, how many cases, and the number of the op for `w_arith`.
@group(0) @binding(0) var<uniform> which: vec4<u32>;
@group(0) @binding(1) var<storage, read_write> cases: array<Word>;
@group(0) @binding(2) var<storage, read_write> results: array<Word>;

fn flag(b: bool) -> Word {
    return w_from_bool(b);
}

fn num(x: vec2<u32>) -> Word {
    return w_from_u64(x);
}

// 64-bit ops on the low limbs: x and y are numbers, k an amount.
fn apply64(op: u32, x: vec2<u32>, y: vec2<u32>, c: Word) -> Word {
    let k = c.lo.x;
    switch op {
        case 100u: { return num(u64_add(x, y)); }
        case 101u: { return num(u64_sub(x, y)); }
        case 102u: { return num(u64_neg(x)); }
        case 103u: { return num(u64_add_sat(x, y)); }
        case 104u: { return num(u64_sub_sat(x, y)); }
        case 105u: { return num(u64_mul(x, y)); }
        case 106u: { return Word(u64_mul_wide(x, y), vec4<u32>()); }
        case 107u: { return num(u64_mul32(x.x, y.x)); }
        case 108u: { return num(u64_mul_add2(x.x, y.x, x.y, y.y)); }
        case 109u: { return num(u64_shl(x, k)); }
        case 110u: { return num(u64_shr(x, k)); }
        case 111u: { return num(u64_div16(x, max(k & 0xffffu, 1u))); }
        case 112u: { return flag(u64_lt(x, y)); }
        case 113u: { return flag(u64_le(x, y)); }
        case 114u: { return flag(u64_gt(x, y)); }
        case 115u: { return flag(u64_eq(x, y)); }
        case 116u: { return flag(u64_is_zero(x)); }
        case 117u: { return num(u64_min(x, y)); }
        case 118u: { return num(u64_max(x, y)); }
        case 119u: { return flag(i64_lt(x, y)); }
        case 120u: { return flag(i64_le(x, y)); }
        case 121u: { return flag(i64_gt(x, y)); }
        case 122u: { return flag(i64_is_negative(x)); }
        case 123u: { return num(u64_from(k)); }
        default: { return w_not(w_zero()); }
    }
}

fn apply(op: u32, a: Word, b: Word, c: Word) -> Word {
    let k = a.lo.x & 255u;
    switch op {
        case 0u: { return w_add(a, b); }
        case 1u: { return w_sub(a, b); }
        case 2u: { return w_mul(a, b); }
        case 10u: { return w_signextend(a, b); }
        case 11u: { return flag(w_lt(a, b)); }
        case 12u: { return flag(w_gt(a, b)); }
        case 13u: { return flag(w_slt(a, b)); }
        case 14u: { return flag(w_sgt(a, b)); }
        case 15u: { return flag(w_eq(a, b)); }
        case 16u: { return flag(w_is_zero(a)); }
        case 17u: { return w_and(a, b); }
        case 18u: { return w_or(a, b); }
        case 19u: { return w_xor(a, b); }
        case 20u: { return w_not(a); }
        case 21u: { return w_byte(a, b); }
        case 22u: { return w_shl(a, b); }
        case 23u: { return w_shr(a, b); }
        case 24u: { return w_sar(a, b); }
        case 25u: { return w_from_u32(w_clz(a)); }
        case 26u: { return w_shl_k(b, k); }
        case 27u: { return w_shr_k(b, k); }
        case 28u: { return w_sar_k(b, k); }
        case 29u: { return num(a.lo.xy); }
        case 30u: { return flag(w_fits_u64(a)); }
        case 31u: { return flag(w_fits_u32(a)); }
        case 32u: { return w_bswap(a); }
        case 35u: { return w_mul_wide(a, b).hi; }
        case 36u: { return w_mul_wide(a, b).lo; }
        case 38u: { return w_neg(a); }
        case 39u: { return w_from_u32(w_bit_length(a)); }
        case 40u: { return flag(w_is_negative(a)); }
        case 43u: { return a; }
        default: { return apply64(op, a.lo.xy, b.lo.xy, c); }
    }
}

@compute @workgroup_size(64)
fn plain(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i < which.y {
        results[i] = apply(which.x, cases[3u * i], cases[3u * i + 1u], cases[3u * i + 2u]);
    }
}

@compute @workgroup_size(64)
fn arith(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i < which.y {
        results[i] = w_arith(which.z, cases[3u * i], cases[3u * i + 1u], cases[3u * i + 2u]);
    }
}

// By their own names, which fix the op for `w_arith`.
@compute @workgroup_size(64)
fn named(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i >= which.y {
        return;
    }
    let a = cases[3u * i];
    let b = cases[3u * i + 1u];
    let c = cases[3u * i + 2u];
    var result = w_not(w_zero());
    switch which.x {
        case 3u: { result = w_div(a, b); }
        case 4u: { result = w_sdiv(a, b); }
        case 5u: { result = w_mod(a, b); }
        case 6u: { result = w_smod(a, b); }
        case 7u: { result = w_addmod(a, b, c); }
        case 8u: { result = w_mulmod(a, b, c); }
        case 9u: { result = w_exp(a, b); }
        default: {}
    }
    results[i] = result;
}
