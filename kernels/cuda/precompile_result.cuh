// How precompiled contracts give their results.
#ifndef WARPEVM_PRECOMPILE_RESULT_CUH
#define WARPEVM_PRECOMPILE_RESULT_CUH

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

WE_DEV WE_INLINE u32 return_words(Vm& vm, const u256& x, const u256& y) {
    vm.m.store_be(vm.lay->return_off, x);
    vm.m.store_be(vm.lay->return_off + 32, y);
    vm.ret_len = 64;
    return PRECOMPILE_OK;
}

struct ReturnBytes {
    Lane m;
    u32 off;
    WE_DEV WE_INLINE void set(u32 i, u8 x) const { m.set_byte(off + i, x); }
};

}  // namespace warpevm
#endif
