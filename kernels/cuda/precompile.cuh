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

// Address 4: the input.
WE_DEV WE_INLINE u32 precompile_identity(Vm& vm, const Bytes& in) {
    if (!charge(vm, 15 + 3 * words_of(in.len))) return PRECOMPILE_FAIL;
    if (in.len > vm.lay->return_cap) {
        need_class(vm, REGION_RETURN, in.len);
        return PRECOMPILE_CLASS;
    }
    if (in.len && in.in_data) vm.m.copy_in(vm.lay->return_off, in.in_data + in.off, in.len);
    if (in.len && !in.in_data) vm.m.copy(vm.lay->return_off, in.off, in.len);
    vm.ret_len = in.len;
    return PRECOMPILE_OK;
}

// Address 1. An invalid signature gives no output, and is no failure.
WE_DEV WE_NOINLINE u32 precompile_ecrecover(Vm& vm, const Bytes& in) {
    if (!charge(vm, 3000)) return PRECOMPILE_FAIL;
    u256 address;
    bool ok = ecrecover(in.word(0), in.word(32), in.word(64), in.word(96), address);
    return ok ? return_word(vm, address) : (u32)PRECOMPILE_OK;
}

// Address 5 (EIP-198, EIP-2565, EIP-7823, EIP-7883), up to MODEXP_BYTES_DEVICE_MAX.
WE_DEV WE_NOINLINE u32 precompile_modexp(Vm& vm, const Bytes& in) {
    u256 lens[3] = {in.word(0), in.word(32), in.word(64)};
    if (vm.since(SPEC_OSAKA)) {
        for (u32 i = 0; i < 3; i++) {
            if (gt(lens[i], from_u64(1024))) return PRECOMPILE_FAIL;
        }
    }
    if (!fits_u32(lens[0]) || !fits_u32(lens[1]) || !fits_u32(lens[2])) return PRECOMPILE_HOST;
    u32 base = low_u32(lens[0]), exponent = low_u32(lens[1]), modulus = low_u32(lens[2]);
    if (base > MODEXP_BYTES_DEVICE_MAX || modulus > MODEXP_BYTES_DEVICE_MAX) return PRECOMPILE_HOST;
    u256 head = in.word(96 + (u64)base);
    if (exponent < 32) head = exponent ? shr_k(head, 256 - 8 * exponent) : zero256();
    ModexpRule rule = vm.since(SPEC_OSAKA)    ? modexp_osaka
                      : vm.since(SPEC_BERLIN) ? modexp_berlin
                                              : modexp_byzantium;
    if (!charge(vm, modexp_gas(rule, base, exponent, modulus, head))) return PRECOMPILE_FAIL;
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

// Addresses 6 and 7 (EIP-196, EIP-1108).
WE_DEV WE_NOINLINE u32 precompile_bn254(Vm& vm, const Bytes& in, bool multiply) {
    u64 cost = vm.since(SPEC_ISTANBUL) ? (multiply ? 6000 : 150) : (multiply ? 40000 : 500);
    if (!charge(vm, cost)) return PRECOMPILE_FAIL;
    u256 x, y;
    bool ok = multiply ? bn254_mul(in.word(0), in.word(32), in.word(64), x, y)
                       : bn254_add(in.word(0), in.word(32), in.word(64), in.word(96), x, y);
    return ok ? return_words(vm, x, y) : (u32)PRECOMPILE_FAIL;
}

// Address 9 (EIP-152).
WE_DEV WE_NOINLINE u32 precompile_blake2f(Vm& vm, const Bytes& in) {
    if (in.len != blake2f_input_bytes) return PRECOMPILE_FAIL;
    if (!charge(vm, blake2f_rounds(in))) return PRECOMPILE_FAIL;
    u256 out[2];
    return blake2f(in, out) ? return_words(vm, out[0], out[1]) : (u32)PRECOMPILE_FAIL;
}

// Address 0x100 (EIP-7951): 1, or no output for anything invalid.
WE_DEV WE_NOINLINE u32 precompile_p256(Vm& vm, const Bytes& in) {
    if (!charge(vm, 6900)) return PRECOMPILE_FAIL;
    if (in.len != 160) return PRECOMPILE_OK;
    bool ok = p256_verify(in.word(0), in.word(32), in.word(64), in.word(96), in.word(128));
    return ok ? return_word(vm, from_u64(1)) : (u32)PRECOMPILE_OK;
}

// Runs precompile `id` on the running frame's input. The return region holds at least 64 bytes in
// every memory class.
WE_DEV WE_NOINLINE u32 run_precompile(Vm& vm, u32 id) {
    Bytes in = input_of(vm);
    vm.ret_len = 0;
    switch (id) {
        case 1:
            return precompile_ecrecover(vm, in);
        case 2:
            if (!charge(vm, 60 + 12 * words_of(in.len))) return PRECOMPILE_FAIL;
            return return_word(vm, sha256(in, in.len));
        case 3:
            if (!charge(vm, 600 + 120 * words_of(in.len))) return PRECOMPILE_FAIL;
            return return_word(vm, ripemd160(in, in.len));
        case 4:
            return precompile_identity(vm, in);
#if !WE_SPLIT  // these have kernels of their own
        case 5:
            return precompile_modexp(vm, in);
        case 8:
        case 0x0a:
        case 0x0b:
        case 0x0c:
        case 0x0d:
        case 0x0e:
        case 0x0f:
        case 0x10:
        case 0x11:
            return run_curve_precompile(vm, in, id);
#endif
        case 6:
        case 7:
            return precompile_bn254(vm, in, id == 7);
        case 9:
            return precompile_blake2f(vm, in);
        case 0x100:
            return precompile_p256(vm, in);
        default:
            return PRECOMPILE_HOST;
    }
}

}  // namespace warpevm
#endif
