// Precompiled contracts that the device runs itself. The others suspend the instance, and the host
// runs all that are pending in one parallel batch.
#ifndef WARPEVM_PRECOMPILE_CUH
#define WARPEVM_PRECOMPILE_CUH

#include "op/ripemd160.cuh"
#include "op/sha256.cuh"
#include "state.cuh"

namespace warpevm {

enum PrecompileResult : u32 {
    PRECOMPILE_OK = 0,    // output in the return region, vm.ret_len set, gas charged
    PRECOMPILE_FAIL = 1,  // bad input or not enough gas: all gas is lost
    PRECOMPILE_HOST = 2,  // not on the device
    PRECOMPILE_CLASS = 3, // the return region is too small; the need is set
};

WE_DEV WE_INLINE u32 return_word(Vm& vm, const u256& x) {
    vm.m.store_be(vm.lay->return_off, x);
    vm.ret_len = 32;
    return PRECOMPILE_OK;
}

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

// Runs precompile `id` on the running frame's input. The return region holds at least 64 bytes in
// every memory class.
WE_DEV WE_NOINLINE u32 run_precompile(Vm& vm, u32 id) {
    Bytes in = input_of(vm);
    vm.ret_len = 0;
    switch (id) {
        case 2:
            if (!charge(vm, 60 + 12 * words_of(in.len))) return PRECOMPILE_FAIL;
            return return_word(vm, sha256(in, in.len));
        case 3:
            if (!charge(vm, 600 + 120 * words_of(in.len))) return PRECOMPILE_FAIL;
            return return_word(vm, ripemd160(in, in.len));
        case 4:
            return precompile_identity(vm, in);
        default:
            return PRECOMPILE_HOST;
    }
}

}  // namespace warpevm
#endif
