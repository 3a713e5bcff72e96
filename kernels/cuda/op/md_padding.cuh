// The Merkle-Damgard padding that SHA-256 and RIPEMD-160 share: 0x80, zeros, the bit length.
#ifndef WARPEVM_OP_MD_PADDING_CUH
#define WARPEVM_OP_MD_PADDING_CUH

#include "base.cuh"

namespace warpevm {

constexpr u32 md_block_bytes = 64;

// Number of 64-byte blocks of a message of `len` bytes after padding.
WE_DEV WE_INLINE u32 md_block_count(u32 len) { return (u32)(((u64)len + 8) / md_block_bytes) + 1; }

// Eight bytes of the padded message at `off` (a multiple of 8), little-endian, without the length
// field, which the caller writes. Src is a byte source as in keccak.cuh.
template <class Src>
WE_DEV WE_INLINE u64 md_padded_lane(const Src& src, u32 len, u64 off) {
    if (off + 8 <= len) return src.load8((u32)off);
    if (off > len) return 0;
    u32 tail = len - (u32)off;
    u64 x = (u64)0x80 << (8 * tail);
    for (u32 j = 0; j < tail; j++) x |= (u64)src.byte((u32)off + j) << (8 * j);
    return x;
}

}  // namespace warpevm

#endif  // WARPEVM_OP_MD_PADDING_CUH
