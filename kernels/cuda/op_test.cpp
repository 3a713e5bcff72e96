// Batch entry points for the tests of the op library (tests/op.rs). Built twice by build.rs: with
// the limbs of the CPU (OP_TEST_SUFFIX _limbs64) and with those of the device (WE_LIMBS32, suffix
// _limbs32, and the namespace renamed so that both fit into one program). Not part of any product
// binary: nothing but the tests refers to these symbols. op_test.cu makes kernels of them.
#include "op/blake2f.cuh"
#include "op/bls12_381_map.cuh"
#include "op/bn254.cuh"
#include "op/bn254_pairing.cuh"
#include "op/keccak.cuh"
#include "op/kzg.cuh"
#include "op/modexp.cuh"
#include "op/p256.cuh"
#include "op/ripemd160.cuh"
#include "op/secp256k1.cuh"
#include "op/sha256.cuh"
#include "op/u256.cuh"

#define OP_TEST_JOIN2(a, b) a##b
#define OP_TEST_JOIN(a, b) OP_TEST_JOIN2(a, b)
#define OP_TEST(name) OP_TEST_JOIN(name, OP_TEST_SUFFIX)

using namespace warpevm;

namespace {

template <class F>
WE_DEV void each(u32 n, u256* out, F f) {
    for (u32 i = 0; i < n; i++) out[i] = f(i);
}

WE_DEV u256 through_bytes(const u256& a, u32 misalignment) {
    u8 bytes[40];
    to_be_bytes(a, bytes + misalignment);
    return from_be_bytes(bytes + misalignment);
}

WE_DEV u256 first_bytes(const u256& a) {
    u8 bytes[32];
    to_be_bytes(a, bytes);
    u64 r = 0;
    for (u32 i = 0; i < 8; i++) r = (r << 8) | bytes[i];
    return from_u64(r);
}

}  // namespace

// out[i] = op(a[i], b[i], c[i]). The numbers are those of WORD_OPS in tests/op.rs.
// Returns false for an unknown op.
extern "C" WE_DEV bool OP_TEST(op_test_words)(u32 op, u32 n, const u256* a, const u256* b,
                                            const u256* c, u256* out) {
#define OP_TEST_CASE(number, expression) \
    case number: \
        each(n, out, [=](u32 i) { return expression; }); \
        return true
    switch (op) {
        OP_TEST_CASE(0, add(a[i], b[i]));
        OP_TEST_CASE(1, sub(a[i], b[i]));
        OP_TEST_CASE(2, mul(a[i], b[i]));
        OP_TEST_CASE(3, div(a[i], b[i]));
        OP_TEST_CASE(4, sdiv(a[i], b[i]));
        OP_TEST_CASE(5, mod(a[i], b[i]));
        OP_TEST_CASE(6, smod(a[i], b[i]));
        OP_TEST_CASE(7, addmod(a[i], b[i], c[i]));
        OP_TEST_CASE(8, mulmod(a[i], b[i], c[i]));
        OP_TEST_CASE(9, exp(a[i], b[i]));
        OP_TEST_CASE(10, signextend(a[i], b[i]));
        OP_TEST_CASE(11, from_bool(lt(a[i], b[i])));
        OP_TEST_CASE(12, from_bool(gt(a[i], b[i])));
        OP_TEST_CASE(13, from_bool(slt(a[i], b[i])));
        OP_TEST_CASE(14, from_bool(sgt(a[i], b[i])));
        OP_TEST_CASE(15, from_bool(eq(a[i], b[i])));
        OP_TEST_CASE(16, from_bool(is_zero(a[i])));
        OP_TEST_CASE(17, bit_and(a[i], b[i]));
        OP_TEST_CASE(18, bit_or(a[i], b[i]));
        OP_TEST_CASE(19, bit_xor(a[i], b[i]));
        OP_TEST_CASE(20, bit_not(a[i]));
        OP_TEST_CASE(21, byte_at(a[i], b[i]));
        OP_TEST_CASE(22, shl(a[i], b[i]));
        OP_TEST_CASE(23, shr(a[i], b[i]));
        OP_TEST_CASE(24, sar(a[i], b[i]));
        OP_TEST_CASE(25, from_u64(clz(a[i])));
        OP_TEST_CASE(26, shl_k(b[i], low_u32(a[i]) & 255));
        OP_TEST_CASE(27, shr_k(b[i], low_u32(a[i]) & 255));
        OP_TEST_CASE(28, sar_k(b[i], low_u32(a[i]) & 255));
        OP_TEST_CASE(29, from_u64(low_u64(a[i])));
        OP_TEST_CASE(30, from_bool(fits_u64(a[i])));
        OP_TEST_CASE(31, from_bool(fits_u32(a[i])));
        OP_TEST_CASE(32, bswap(a[i]));
        OP_TEST_CASE(33, through_bytes(a[i], i % 8));
        OP_TEST_CASE(34, first_bytes(a[i]));
        OP_TEST_CASE(35, high_half(mul_full(a[i], b[i])));
        OP_TEST_CASE(36, low_half(mul_full(a[i], b[i])));
        OP_TEST_CASE(37, from_u64x4(u64_at(a[i], 3), u64_at(b[i], 2), u64_at(c[i], 1),
                                    u64_at(a[i], 0)));
        OP_TEST_CASE(38, neg(a[i]));
        OP_TEST_CASE(39, from_u64(bit_length(a[i])));
        OP_TEST_CASE(40, from_bool(is_negative(a[i])));
        OP_TEST_CASE(41, keccak256_1(a[i]));
        OP_TEST_CASE(42, keccak256_2(a[i], b[i]));
        OP_TEST_CASE(43, a[i]);
        default: return false;
    }
#undef OP_TEST_CASE
}

// Hash 0 is keccak256, 1 sha256, 2 ripemd160.
extern "C" WE_DEV bool OP_TEST(op_test_hash)(u32 hash, const u8* data, u32 len, u256* out) {
    ByteSource src{data};
    switch (hash) {
        case 0: *out = keccak256(src, len); return true;
        case 1: *out = sha256(src, len); return true;
        case 2: *out = ripemd160(src, len); return true;
        default: return false;
    }
}

// `input` has blake2f_input_bytes.
extern "C" WE_DEV bool OP_TEST(op_test_blake2f)(const u8* input, u256* out) {
    u256 words[2];
    if (!blake2f(ByteSource{input}, words)) return false;
    out[0] = words[0];
    out[1] = words[1];
    return true;
}

// Curve operations on words: 0 ecrecover(hash, v, r, s), 1 p256_verify(hash, r, s, x, y),
// 2 bn254_add(x1, y1, x2, y2), 3 bn254_mul(x, y, k), 4 ecrecover on processors without BMI2. False
// for an invalid input.
extern "C" WE_DEV bool OP_TEST(op_test_curve)(u32 op, const u256* in, u256* out) {
    switch (op) {
        case 0: return ecrecover(in[0], in[1], in[2], in[3], out[0]);
        case 1: return p256_verify(in[0], in[1], in[2], in[3], in[4]);
        case 2: return bn254_add(in[0], in[1], in[2], in[3], out[0], out[1]);
        case 3: return bn254_mul(in[0], in[1], in[2], out[0], out[1]);
#ifdef WE_SECP256K1_X86
        case 4: return secp256k1_recover<Secp256k1Curve>(in[0], in[1], in[2], in[3], out[0]);
#else
        case 4: return ecrecover(in[0], in[1], in[2], in[3], out[0]);
#endif
        default: return false;
    }
}

namespace {

template <class F>
WE_DEV bool secp256k1_field_op(u32 op, const u256& a, const u256& b, u256& out) {
    switch (op) {
        case 0: out = F::number(F::mul(a, b)); return true;
        case 1: out = F::number(F::sqr(a)); return true;
        case 2: out = F::number(F::add(a, b)); return true;
        case 3: out = F::number(F::sub(a, b)); return true;
        case 4: out = F::number(F::halve(a)); return true;
        case 5: out = F::number(F::inverse(a)); return true;
        case 6: out = from_bool(F::is_zero(a)); return true;
        default: return false;
    }
}

}  // namespace

// The base field of secp256k1 on any two words, by number: a * b, a^2, a + b, a - b, a / 2, 1 / a,
// whether a is 0.
extern "C" WE_DEV bool OP_TEST(op_test_secp256k1_field)(u32 op, const u256* in, u256* out) {
#ifdef WE_SECP256K1_X86
    if (has_bmi2_x86) return secp256k1_field_op<Secp256k1Reducible>(op, in[0], in[1], *out);
#endif
    const u256 p = Secp256k1Field::modulus();
    u256 a = lt(in[0], p) ? in[0] : sub(in[0], p), b = lt(in[1], p) ? in[1] : sub(in[1], p);
    return secp256k1_field_op<Secp256k1Field>(op, a, b, *out);
}

// The precompile on `input`, whose header the caller has decoded into the three lengths (at most
// 1024). False if it wrote behind the workspace that it asked for.
extern "C" WE_DEV bool OP_TEST(op_test_modexp)(const u8* input, u32 len, u32 base_len, u32 exp_len,
                                        u32 mod_len, u8* out) {
    constexpr limb guard = (limb)0xa5a5a5a5a5a5a5a5ull;
    limb workspace[modexp_workspace_limbs(1024) + 8];
    u32 asked = modexp_workspace_limbs(base_len > mod_len ? base_len : mod_len);
    for (u32 i = 0; i < asked + 8; i++) workspace[i] = guard;
    ByteOut bytes{out};
    modexp(ByteSource{input}, len, base_len, exp_len, mod_len, workspace, bytes);
    bool intact = true;
    for (u32 i = 0; i < 8; i++) intact = intact && workspace[asked + i] == guard;
    return intact;
}

extern "C" WE_DEV u64 OP_TEST(op_test_modexp_gas)(const u32* price, u64 base_len, u64 exp_len,
                                                  u64 mod_len, const u256* head) {
    ModexpPrice p = {(ModexpRule)price[0], price[1], price[2], price[3]};
    return modexp_gas(p, base_len, exp_len, mod_len, *head);
}

// ---- the pairing curves (tests/pairing_curves.rs) ----

namespace {

struct BytesAt {
    u8* data;
    WE_DEV void set(u32 i, u8 byte) const { data[i] = byte; }
};

WE_DEV void copy_bytes(void* to, const void* from, usize len) {
    for (usize i = 0; i < len; i++) ((u8*)to)[i] = ((const u8*)from)[i];
}

WE_DEV bool write_flag(u8* out, bool flag) {
    for (u32 i = 0; i < 32; i++) out[i] = 0;
    out[31] = flag;
    return true;
}

template <class P>
WE_DEV bool field_op(u32 op, const u8* a_bytes, const u8* b_bytes, u8* out) {
    typedef PrimeField<P> F;
    typename F::Elem a, b, r;
    typename F::Wide x, y;
    copy_bytes(&a, a_bytes, sizeof a);
    copy_bytes(&b, b_bytes, sizeof b);
    F::mul_wide(x, a, a);
    F::mul_wide(y, b, b);
    switch (op) {
        case 0: F::add(r, a, b); break;
        case 1: F::sub(r, a, b); break;
        case 2: F::mul(r, a, b); break;
        case 3: F::inverse(r, a); break;
        case 4: F::halve(r, a); break;
        case 5: F::neg(r, a); break;
        case 6:  // 16 (a^2 + b^2), which exceeds p R before it is reduced
            F::add_wide(x, x, y);
            for (u32 i = 0; i < 4; i++) F::add_wide(x, x, x);
            F::reduce(r, x);
            break;
        case 7: F::sub_wide(x, x, y), F::reduce(r, x); break;
        case 8: F::add_unreduced(r, a, b), F::mul_wide(x, r, r), F::reduce(r, x); break;
        case 9: return F::is_reduced(a);
        default: return false;
    }
    copy_bytes(out, &r, sizeof r);
    return true;
}

}  // namespace

// Operation `op` on two elements in Montgomery form, of alt_bn128's base field (`field` 0) or that
// of BLS12-381 (1). The numbers are those of FIELD_OPS in the test.
extern "C" WE_DEV bool OP_TEST(op_test_field)(u32 field, u32 op, const u8* a, const u8* b,
                                              u8* out) {
    return field == 0 ? field_op<Bn254Prime>(op, a, b, out) : field_op<Bls381Prime>(op, a, b, out);
}

// The precompile with this address on an input whose length is valid. False for an invalid input.
extern "C" WE_DEV bool OP_TEST(op_test_pairing_curve)(u32 address, const u8* input, u32 len,
                                                    u8* out) {
    ByteSource src{input};
    BytesAt bytes{out};
    bool ok, one;
    switch (address) {
        case 0x08:
            one = bn254_pairing(src, len / 192, ok);
            return ok && write_flag(out, one);
        case 0x0a: return kzg_point_evaluation(src);
        case 0x0b: return bls381_add<Bls381G1>(src, bytes);
        case 0x0c: return bls381_msm<Bls381G1>(src, len / 160, bytes);
        case 0x0d: return bls381_add<Bls381G2>(src, bytes);
        case 0x0e: return bls381_msm<Bls381G2>(src, len / 288, bytes);
        case 0x0f:
            one = bls381_pairing(src, len / 384, ok);
            return ok && write_flag(out, one);
        case 0x10: return bls381_map<MapG1>(src, bytes);
        case 0x11: return bls381_map<MapG2>(src, bytes);
        default: return false;
    }
}

extern "C" WE_DEV u64 OP_TEST(op_test_msm_gas)(u32 address, u64 count) {
    // Single multiplications as EIP-2537 prices them.
    return address == 0x0c ? bls381_msm_gas(Bls381G1(), count, 12000)
                           : bls381_msm_gas(Bls381G2(), count, 22500);
}

// The constant of point evaluation: x and y as EIP-2537 encodes them.
extern "C" WE_DEV void OP_TEST(op_test_kzg_tau)(u8* out) {
    BytesAt bytes{out};
    for (u32 i = 0; i < 4; i++) {
        Bls381Fp::Elem x;
        Bls381Fp::set_table(x, kzg_tau_g2 + 6 * i);
        bls381_write(bytes, 64 * i, x);
    }
}

// The root that the map to G2 takes of g = in[0..128], for u = in[128..256], elements as EIP-2537
// encodes them: whether g is a square.
extern "C" WE_DEV bool OP_TEST(op_test_map_root)(const u8* in, u8* out) {
    ByteSource src{in};
    BytesAt bytes{out};
    Bls381Fp2::Elem g, u, y;
    bls381_read(g, src, 0);
    bls381_read(u, src, 128);
    bool square = MapG2::root(y, g, u);
    bls381_write(bytes, 0, y);
    return square;
}
