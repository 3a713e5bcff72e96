// Fixed-width types and the macros that let one source compile as CUDA (NVRTC or nvcc) and as
// ordinary C++17. Nothing here or in the headers above it needs a standard library header.
//
// WE_CUDA      1 when a CUDA compiler reads the file, else 0.
// WE_DEV       marks a function of the device code (`__device__`; nothing on the CPU).
// WE_INLINE    always inlined. WE_NOINLINE: one copy, never inlined (big bodies, to keep kernels
//              small and their register need local). WE_ONCE: has one caller, into which device
//              code inlines it, since a call costs registers there.
// WE_CONST     a constant table at namespace scope, as in `WE_CONST u64 table[24] = {...};`.
// WE_LIMBS32   define it on the CPU to get the device's 8 x 32-bit limb code there, so that the
//              algorithms the GPU runs are tested on every machine. Always on under CUDA.
// WE_UNROLL    unroll the loop that follows fully (32 turns at most). WE_ROLL: keep it rolled
//              (device only).
// WE_OFFSETOF  offset of a field; NVRTC lacks the usual spelling.
#ifndef WARPEVM_OP_BASE_CUH
#define WARPEVM_OP_BASE_CUH

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#define WE_CUDA 1
#else
#define WE_CUDA 0
#endif

#if WE_CUDA
#define WE_DEV __device__
#define WE_INLINE __forceinline__
#define WE_NOINLINE inline __noinline__
#define WE_ONCE __forceinline__
#define WE_CONST static __constant__ const
#define WE_UNROLL _Pragma("unroll")
#define WE_ROLL _Pragma("unroll 1")
#define WE_OFFSETOF(S, f) __INTADDR__(&(((S*)0)->f))
#else
#define WE_DEV
#define WE_INLINE inline __attribute__((always_inline))
#define WE_NOINLINE inline __attribute__((noinline))
#define WE_ONCE inline
#define WE_CONST static constexpr
#define WE_UNROLL _Pragma("GCC unroll 32")
#define WE_ROLL
#define WE_OFFSETOF(S, f) __builtin_offsetof(S, f)
#endif

#if WE_CUDA && !defined(WE_LIMBS32)
#define WE_LIMBS32 1
#endif

// PTX carry chains exist only where a CUDA compiler generates device code.
#if WE_CUDA && defined(__CUDA_ARCH__)
#define WE_PTX 1
#else
#define WE_PTX 0
#endif

namespace warpevm {

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;
typedef long long i64;
typedef decltype(sizeof(0)) usize;

static_assert(sizeof(u16) == 2 && sizeof(u32) == 4 && sizeof(u64) == 8, "fixed-width types");
static_assert(sizeof(i32) == 4 && sizeof(i64) == 8, "fixed-width types");

// Leading zero bits; 32 or 64 for zero.
WE_DEV WE_INLINE u32 clz32(u32 x) {
#if WE_PTX
    return (u32)__clz((int)x);
#else
    return x == 0 ? 32u : (u32)__builtin_clz(x);
#endif
}

WE_DEV WE_INLINE u32 clz64(u64 x) {
#if WE_PTX
    return (u32)__clzll((long long)x);
#else
    return x == 0 ? 64u : (u32)__builtin_clzll(x);
#endif
}

// Bits that are set.
WE_DEV WE_INLINE u32 popcount32(u32 x) {
#if WE_PTX
    return (u32)__popc((int)x);
#else
    return (u32)__builtin_popcount(x);
#endif
}

WE_DEV WE_INLINE u32 bswap32(u32 x) {
#if WE_PTX
    return __byte_perm(x, 0, 0x0123);
#else
    return __builtin_bswap32(x);
#endif
}

WE_DEV WE_INLINE u64 bswap64(u64 x) {
#if WE_PTX
    return ((u64)bswap32((u32)x) << 32) | bswap32((u32)(x >> 32));
#else
    return __builtin_bswap64(x);
#endif
}

// Rotations; `k` in 1..31 and 1..63. Compilers turn both into one rotate or a funnel shift pair.
WE_DEV WE_INLINE u32 rotl32(u32 x, u32 k) { return (x << k) | (x >> (32 - k)); }
WE_DEV WE_INLINE u32 rotr32(u32 x, u32 k) { return (x >> k) | (x << (32 - k)); }
WE_DEV WE_INLINE u64 rotl64(u64 x, u32 k) { return (x << k) | (x >> (64 - k)); }
WE_DEV WE_INLINE u64 rotr64(u64 x, u32 k) { return (x >> k) | (x << (64 - k)); }

// Upper half of hi:lo << k, for `k` in 0..31 and 0..63.
WE_DEV WE_INLINE u32 funnel_left32(u32 hi, u32 lo, u32 k) {
#if WE_PTX
    return __funnelshift_l(lo, hi, k);
#else
    return (hi << k) | ((lo >> 1) >> (31 - k));
#endif
}

WE_DEV WE_INLINE u64 funnel_left64(u64 hi, u64 lo, u32 k) {
    return (hi << k) | ((lo >> 1) >> (63 - k));
}

// Lower half of hi:lo >> k, for `k` in 0..31 and 0..63.
WE_DEV WE_INLINE u32 funnel_right32(u32 hi, u32 lo, u32 k) {
#if WE_PTX
    return __funnelshift_r(lo, hi, k);
#else
    return (lo >> k) | ((hi << 1) << (31 - k));
#endif
}

WE_DEV WE_INLINE u64 funnel_right64(u64 hi, u64 lo, u32 k) {
    return (lo >> k) | ((hi << 1) << (63 - k));
}

// Atomics on device memory; both give the value before.
WE_DEV WE_INLINE u64 atomic_add(u64* p, u64 x) {
#if WE_CUDA
    return atomicAdd(p, x);
#else
    return __atomic_fetch_add(p, x, __ATOMIC_RELAXED);
#endif
}

WE_DEV WE_INLINE u32 atomic_cas(u32* p, u32 expected, u32 x) {
#if WE_CUDA
    return atomicCAS(p, expected, x);
#else
    __atomic_compare_exchange_n(p, &expected, x, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return expected;
#endif
}

WE_DEV WE_INLINE void copy_bytes(void* to, const void* from, u32 len) {
#if WE_CUDA
    memcpy(to, from, len);
#else
    __builtin_memcpy(to, from, len);
#endif
}

// Unaligned little- and big-endian loads, byte by byte; compilers merge them where that is legal.
WE_DEV WE_INLINE u32 load_le32(const u8* p) {
    return (u32)p[0] | ((u32)p[1] << 8) | ((u32)p[2] << 16) | ((u32)p[3] << 24);
}

WE_DEV WE_INLINE u64 load_le64(const u8* p) {
    return (u64)load_le32(p) | ((u64)load_le32(p + 4) << 32);
}

}  // namespace warpevm

#endif  // WARPEVM_OP_BASE_CUH
