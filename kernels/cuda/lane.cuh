// Lane: how device code reaches the memory of one instance.
//
// Every access to instance memory goes through here, so that the layout can be changed in one
// place. WE_TILE instances share a tile in which units of 16 bytes are interleaved: unit u of
// instance i lies at unit u * WE_TILE + i of the tile, so that the lanes of a warp read
// neighbouring units. With WE_TILE 1 (the CPU) an instance is one plain piece of memory. Offsets
// are bytes from the start of the instance. get and set want natural alignment, at most 16.
#ifndef WARPEVM_LANE_CUH
#define WARPEVM_LANE_CUH

#include "generated/abi.cuh"
#include "op/u256.cuh"

#ifndef WE_TILE
#if WE_CUDA
#define WE_TILE 32
#else
#define WE_TILE 1
#endif
#endif

namespace warpevm {

WE_DEV WE_INLINE u256 to_u256(const Word& x) { return from_u64x4(x.l[0], x.l[1], x.l[2], x.l[3]); }
WE_DEV WE_INLINE Word to_word(const u256& x) {
    return Word{{u64_at(x, 0), u64_at(x, 1), u64_at(x, 2), u64_at(x, 3)}};
}

template <class T>
struct Plain {
    typedef T type;
};

struct Lane {
    u8* base;

#if WE_TILE == 1
    WE_DEV WE_INLINE u8* at(u32 off) const { return base + off; }
#else
    WE_DEV WE_INLINE u8* at(u32 off) const {
        return base + (usize)(off >> 4) * (WE_TILE * 16) + (off & 15);
    }
#endif

    // Scalars, Word and Addr, field by field so that none crosses a unit.
    template <class T>
    WE_DEV WE_INLINE T get(u32 off) const {
        return get_as(off, Plain<T>());
    }
    template <class T>
    WE_DEV WE_INLINE T get_as(u32 off, Plain<T>) const {
        static_assert(sizeof(T) <= 8, "a scalar");
        return *(const T*)at(off);
    }
    WE_DEV WE_INLINE Word get_as(u32 off, Plain<Word>) const {
        Word x;
        WE_UNROLL
        for (u32 i = 0; i < 4; i++) x.l[i] = *(const u64*)at(off + 8 * i);
        return x;
    }
    WE_DEV WE_INLINE Addr get_as(u32 off, Plain<Addr>) const {
        Addr x;
        WE_UNROLL
        for (u32 i = 0; i < 5; i++) x.w[i] = *(const u32*)at(off + 4 * i);
        return x;
    }
    template <class T>
    WE_DEV WE_INLINE void set(u32 off, const T& x) const {
        static_assert(sizeof(T) <= 8, "a scalar");
        *(T*)at(off) = x;
    }
    WE_DEV WE_INLINE void set(u32 off, const Word& x) const {
        WE_UNROLL
        for (u32 i = 0; i < 4; i++) *(u64*)at(off + 8 * i) = x.l[i];
    }
    WE_DEV WE_INLINE void set(u32 off, const Addr& x) const {
        WE_UNROLL
        for (u32 i = 0; i < 5; i++) *(u32*)at(off + 4 * i) = x.w[i];
    }
    WE_DEV WE_INLINE u256 get_word(u32 off) const { return to_u256(get<Word>(off)); }
    WE_DEV WE_INLINE void set_word(u32 off, const u256& x) const { set(off, to_word(x)); }

    // Frame slots: 32 bytes, aligned to 16.
    WE_DEV WE_INLINE u256 slot(u32 off) const {
        u256 x;
        copy16(&x, at(off));
        copy16((u8*)&x + 16, at(off + 16));
        return x;
    }
    WE_DEV WE_INLINE void set_slot(u32 off, const u256& x) const {
        copy16(at(off), &x);
        copy16(at(off + 16), (const u8*)&x + 16);
    }
    static WE_DEV WE_INLINE void copy16(void* to, const void* from) {
        struct alignas(16) Unit {
            u64 x[2];
        };
        *(Unit*)to = *(const Unit*)from;
    }

    // Byte ranges, any alignment.
    WE_DEV WE_INLINE u8 byte(u32 off) const { return *at(off); }
    WE_DEV WE_INLINE void set_byte(u32 off, u8 x) const { *at(off) = x; }

#if WE_TILE == 1
    WE_DEV WE_INLINE u64 load8(u32 off) const { return load_le64(base + off); }
    WE_DEV WE_INLINE u256 load_be(u32 off) const { return from_be_bytes(base + off); }
    WE_DEV WE_INLINE void store_be(u32 off, const u256& x) const { to_be_bytes(x, base + off); }
    WE_DEV WE_INLINE void zero(u32 off, u32 len) const { __builtin_memset(base + off, 0, len); }
    // Ranges may overlap.
    WE_DEV WE_INLINE void copy(u32 to, u32 from, u32 len) const {
        __builtin_memmove(base + to, base + from, len);
    }
    WE_DEV WE_INLINE void copy_in(u32 to, const u8* from, u32 len) const {
        __builtin_memcpy(base + to, from, len);
    }
#else
    WE_DEV WE_INLINE u64 load8(u32 off) const {
        u64 x = 0;
        if ((off & 7) == 0) return *(const u64*)at(off);
        WE_UNROLL
        for (u32 i = 0; i < 8; i++) x |= (u64)byte(off + i) << (8 * i);
        return x;
    }
    WE_DEV WE_INLINE u256 load_be(u32 off) const {
        return bswap(from_u64x4(load8(off), load8(off + 8), load8(off + 16), load8(off + 24)));
    }
    WE_DEV WE_INLINE void store_be(u32 off, const u256& x) const {
        u256 y = bswap(x);
        WE_UNROLL
        for (u32 i = 0; i < 4; i++) store8(off + 8 * i, u64_at(y, i));
    }
    WE_DEV WE_INLINE void store8(u32 off, u64 x) const {
        if ((off & 7) == 0) {
            *(u64*)at(off) = x;
            return;
        }
        WE_UNROLL
        for (u32 i = 0; i < 8; i++) set_byte(off + i, (u8)(x >> (8 * i)));
    }
    WE_DEV void zero(u32 off, u32 len) const {
        for (; len && (off & 7); off++, len--) set_byte(off, 0);
        for (; len >= 8; off += 8, len -= 8) *(u64*)at(off) = 0;
        for (; len; off++, len--) set_byte(off, 0);
    }
    WE_DEV void copy(u32 to, u32 from, u32 len) const {
        if (to == from) return;
        if (to < from || to >= from + len) {
            u32 i = 0;
            for (; i + 8 <= len; i += 8) store8(to + i, load8(from + i));
            for (; i < len; i++) set_byte(to + i, byte(from + i));
        } else {
            u32 i = len;
            for (; i >= 8; i -= 8) store8(to + i - 8, load8(from + i - 8));
            for (; i > 0; i--) set_byte(to + i - 1, byte(from + i - 1));
        }
    }
    WE_DEV void copy_in(u32 to, const u8* from, u32 len) const {
        u32 i = 0;
        for (; i + 8 <= len; i += 8) store8(to + i, load_le64(from + i));
        for (; i < len; i++) set_byte(to + i, from[i]);
    }
#endif
};

// Fields of structs in instance memory: GET(lane, Frame, offset, gas).
#define WE_FIELD(S, f) ((u32)WE_OFFSETOF(S, f))
#define WE_GET(m, S, off, f) ((m).template get<decltype(S::f)>((off) + WE_FIELD(S, f)))
#define WE_SET(m, S, off, f, x) ((m).set((off) + WE_FIELD(S, f), (decltype(S::f))(x)))
#define WE_GETW(m, S, off, f) ((m).get_word((off) + WE_FIELD(S, f)))
#define WE_SETW(m, S, off, f, x) ((m).set_word((off) + WE_FIELD(S, f), (x)))

}  // namespace warpevm
#endif
