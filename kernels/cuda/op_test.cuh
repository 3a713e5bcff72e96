// What the tests of the op library do with its conversions.
#ifndef WARPEVM_OP_TEST_CUH
#define WARPEVM_OP_TEST_CUH

#include "op/u256.cuh"

namespace warpevm {

WE_DEV WE_INLINE u256 through_bytes(const u256& a, u32 misalignment) {
    u8 bytes[40];
    to_be_bytes(a, bytes + misalignment);
    return from_be_bytes(bytes + misalignment);
}

WE_DEV WE_INLINE u256 first_bytes(const u256& a) {
    u8 bytes[32];
    to_be_bytes(a, bytes);
    u64 r = 0;
    for (u32 i = 0; i < 8; i++) r = (r << 8) | bytes[i];
    return from_u64(r);
}

}  // namespace warpevm
#endif
