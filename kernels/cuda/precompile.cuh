// Precompiled contracts. Calls that the device does not take (of modexp with operands of more than
// MODEXP_BYTES_DEVICE_MAX) suspend the instance, and the host runs them.
#ifndef WARPEVM_PRECOMPILE_CUH
#define WARPEVM_PRECOMPILE_CUH

#include "op/blake2f.cuh"
#include "op/bn254.cuh"
#include "op/modexp.cuh"
#include "op/p256.cuh"
#include "op/ripemd160.cuh"
#include "op/secp256k1.cuh"
#include "op/sha256.cuh"
#include "precompile_curves.cuh"

namespace warpevm {

// Charges `base` and `per_word` for each word of the input.
WE_DEV WE_INLINE bool charge_input(Vm& vm, const Bytes& in, u32 base, u32 per_word) {
    return charge(vm, base + per_word * words_of(in.len));
}

// The input.
WE_DEV WE_INLINE u32 precompile_identity(Vm& vm, const Bytes& in) {
    GasSchedule schedule = vm.schedule();
    if (!charge_input(vm, in, schedule.identity(), schedule.identity_word())) {
        return PRECOMPILE_FAIL;
    }
    if (in.len > vm.lay->return_cap) {
        need_class(vm, REGION_RETURN, in.len);
        return PRECOMPILE_CLASS;
    }
    if (in.len && in.in_data) vm.m.copy_in(vm.lay->return_off, in.in_data + in.off, in.len);
    if (in.len && !in.in_data) vm.m.copy(vm.lay->return_off, in.off, in.len);
    vm.ret_len = in.len;
    return PRECOMPILE_OK;
}

// An invalid signature gives no output, and is no failure.
WE_DEV WE_NOINLINE u32 precompile_ecrecover(Vm& vm, const Bytes& in) {
    if (!charge(vm, vm.schedule().ecrecover())) return PRECOMPILE_FAIL;
    u256 address;
    bool ok = ecrecover(in.word(0), in.word(32), in.word(64), in.word(96), address);
    return ok ? return_word(vm, address) : (u32)PRECOMPILE_OK;
}

WE_DEV WE_INLINE ModexpPrice modexp_price(const Vm& vm) {
    GasSchedule schedule = vm.schedule();
    ModexpPrice price;
    price.rule = vm.has(RULE_MODEXP_RAISED)     ? modexp_raised
                 : vm.has(RULE_MODEXP_BY_WORDS) ? modexp_by_words
                                                : modexp_by_bytes;
    price.divisor = schedule.modexp_divisor();
    price.least = schedule.modexp_least();
    price.exponent_byte = schedule.modexp_exponent_byte();
    return price;
}

// EIP-198, EIP-2565, EIP-7823, EIP-7883; up to MODEXP_BYTES_DEVICE_MAX.
WE_DEV WE_NOINLINE u32 precompile_modexp(Vm& vm, const Bytes& in) {
    u256 lens[3] = {in.word(0), in.word(32), in.word(64)};
    if (vm.has(RULE_MODEXP_LIMIT)) {
        u256 most = from_u64(vm.schedule().modexp_bytes_max());
        for (u32 i = 0; i < 3; i++) {
            if (gt(lens[i], most)) return PRECOMPILE_FAIL;
        }
    }
    if (!fits_u32(lens[0]) || !fits_u32(lens[1]) || !fits_u32(lens[2])) return PRECOMPILE_HOST;
    u32 base = low_u32(lens[0]), exponent = low_u32(lens[1]), modulus = low_u32(lens[2]);
    if (base > MODEXP_BYTES_DEVICE_MAX || modulus > MODEXP_BYTES_DEVICE_MAX) return PRECOMPILE_HOST;
    u256 head = in.word(96 + (u64)base);
    if (exponent < 32) head = exponent ? shr_k(head, 256 - 8 * exponent) : zero256();
    ModexpPrice price = modexp_price(vm);
    if (!charge(vm, modexp_gas(price, base, exponent, modulus, head))) return PRECOMPILE_FAIL;
    if (modulus > vm.lay->return_cap) {
        need_class(vm, REGION_RETURN, modulus);
        return PRECOMPILE_CLASS;
    }
    limb workspace[modexp_workspace_limbs(MODEXP_BYTES_DEVICE_MAX)];
    ReturnBytes out = {vm.m, vm.lay->return_off};
    modexp(in, in.len, base, exponent, modulus, workspace, out);
    vm.ret_len = modulus;
    return PRECOMPILE_OK;
}

// EIP-196, EIP-1108.
WE_DEV WE_NOINLINE u32 precompile_bn254(Vm& vm, const Bytes& in, bool multiply) {
    GasSchedule schedule = vm.schedule();
    if (!charge(vm, multiply ? schedule.bn254_mul() : schedule.bn254_add())) return PRECOMPILE_FAIL;
    u256 x, y;
    bool ok = multiply ? bn254_mul(in.word(0), in.word(32), in.word(64), x, y)
                       : bn254_add(in.word(0), in.word(32), in.word(64), in.word(96), x, y);
    return ok ? return_words(vm, x, y) : (u32)PRECOMPILE_FAIL;
}

// EIP-152.
WE_DEV WE_NOINLINE u32 precompile_blake2f(Vm& vm, const Bytes& in) {
    if (in.len != blake2f_input_bytes) return PRECOMPILE_FAIL;
    u64 cost = (u64)vm.schedule().blake2f_round() * blake2f_rounds(in);
    if (!charge(vm, cost)) return PRECOMPILE_FAIL;
    u256 out[2];
    return blake2f(in, out) ? return_words(vm, out[0], out[1]) : (u32)PRECOMPILE_FAIL;
}

// EIP-7951: 1, or no output for anything invalid.
WE_DEV WE_NOINLINE u32 precompile_p256(Vm& vm, const Bytes& in) {
    if (!charge(vm, vm.schedule().p256_verify())) return PRECOMPILE_FAIL;
    if (in.len != 160) return PRECOMPILE_OK;
    bool ok = p256_verify(in.word(0), in.word(32), in.word(64), in.word(96), in.word(128));
    return ok ? return_word(vm, from_u64(1)) : (u32)PRECOMPILE_OK;
}

// Runs precompile `id` on the running frame's input. The return region holds at least 64 bytes in
// every memory class.
WE_DEV WE_NOINLINE u32 run_precompile(Vm& vm, u32 id) {
    Bytes in = input_of(vm);
    GasSchedule schedule = vm.schedule();
    vm.ret_len = 0;
    switch (id) {
        case PRECOMPILE_ECRECOVER:
            return precompile_ecrecover(vm, in);
        case PRECOMPILE_SHA256:
            if (!charge_input(vm, in, schedule.sha256(), schedule.sha256_word())) {
                return PRECOMPILE_FAIL;
            }
            return return_word(vm, sha256(in, in.len));
        case PRECOMPILE_RIPEMD160:
            if (!charge_input(vm, in, schedule.ripemd160(), schedule.ripemd160_word())) {
                return PRECOMPILE_FAIL;
            }
            return return_word(vm, ripemd160(in, in.len));
        case PRECOMPILE_IDENTITY:
            return precompile_identity(vm, in);
#if !WE_SPLIT  // these have kernels of their own
        case PRECOMPILE_MODEXP:
            return precompile_modexp(vm, in);
        case PRECOMPILE_BN254_PAIRING:
        case PRECOMPILE_KZG_POINT_EVALUATION:
        case PRECOMPILE_BLS_G1_ADD:
        case PRECOMPILE_BLS_G1_MSM:
        case PRECOMPILE_BLS_G2_ADD:
        case PRECOMPILE_BLS_G2_MSM:
        case PRECOMPILE_BLS_PAIRING:
        case PRECOMPILE_BLS_MAP_G1:
        case PRECOMPILE_BLS_MAP_G2:
            return run_curve_precompile(vm, in, id);
#endif
        case PRECOMPILE_BN254_ADD:
        case PRECOMPILE_BN254_MUL:
            return precompile_bn254(vm, in, id == PRECOMPILE_BN254_MUL);
        case PRECOMPILE_BLAKE2F:
            return precompile_blake2f(vm, in);
        case PRECOMPILE_P256_VERIFY:
            return precompile_p256(vm, in);
        default:
            return PRECOMPILE_HOST;
    }
}

}  // namespace warpevm
#endif
