// Vm: the running state of one instance while a launch executes it, and the small things that all
// ops need: gas, EVM memory, suspension. Below it are lane.cuh and op/; above it state.cuh.
#ifndef WARPEVM_VM_CUH
#define WARPEVM_VM_CUH

#include "generated/gas.cuh"
#include "generated/ops.cuh"
#include "lane.cuh"

// 1: precompiles run in a kernel of their own over the instances that wait for them, so that their
// registers, stack frames and code do not burden the interpreter's. So it is on devices.
#ifndef WE_SPLIT
#define WE_SPLIT (WE_TILE > 1)
#endif

namespace warpevm {

// What an op tells the interpreter loop.
enum Ctl : u32 {
    CTL_NEXT = 0,     // go on with the next op
    CTL_FRAME = 1,    // another frame runs now: reload it
    CTL_HALT = 2,     // the running frame ends with vm.end
    CTL_SUSPEND = 3,  // the launch ends for this instance
    CTL_DONE = 4,     // the transaction is over
};

struct Vm {
    Lane m;
    const Launch* launch;
    const Layout* lay;
    const Tx* tx;
    const BlockEnv* env;
    u32 rules;

    // The running frame.
    u32 depth;
    u32 frame;  // offset of its Frame
    u32 ip, sp, reserved_slots;
    u64 gas;
    u32 mem;      // offset of its EVM memory in the instance
    u32 mem_len;  // a multiple of 32
    u32 slots_base;
    u32 account;  // overlay entry of its address
    u32 code;
    u32 flags;
    u32 frame_serial;
    u32 input_off, input_len, input_in_data;
    const Code* code_entry;

    // The transaction.
    i64 refund;
    u32 accounts, storage, journal, logs, log_bytes, ret_len, serial, step, phase;
    u32 end;
    u64 steps_left;

    // Gas and memory at the start of the running op, for a suspension that runs it again.
    u64 op_gas;
    u32 op_mem_len;

    WE_DEV WE_INLINE bool has(u32 rule) const { return (rules & rule) != 0; }
    WE_DEV WE_INLINE GasSchedule schedule() const { return GasSchedule{&launch->gas}; }
    WE_DEV WE_INLINE const u8* data() const { return (const u8*)launch->data; }
    WE_DEV WE_INLINE const Code* codes() const { return (const Code*)launch->codes; }
};

// ---- ending, suspending ---------------------------------------------------------------------

WE_DEV WE_INLINE u32 halt(Vm& vm, u32 end) {
    vm.end = end;
    return CTL_HALT;
}

// Suspends in the middle of an op whose effects so far stay (vm.step says where it goes on).
WE_DEV WE_INLINE u32 suspend_here(Vm& vm, u32 need) {
    WE_SET(vm.m, Instance, 0, need, need);
    return CTL_SUSPEND;
}

// Suspends an op that so far only charged gas and grew memory: both are taken back, and the op runs
// again from its start.
WE_DEV WE_INLINE u32 suspend_op(Vm& vm, u32 need) {
    vm.gas = vm.op_gas;
    vm.mem_len = vm.op_mem_len;
    return suspend_here(vm, need);
}

// The region must hold `len` entries: restart in a larger memory class.
WE_DEV WE_NOINLINE u32 need_class(Vm& vm, u32 region, u64 len) {
    WE_SET(vm.m, Instance, 0, need_code, region);
    WE_SET(vm.m, Instance, 0, need_len, len > 0xffffffffull ? 0xffffffffu : (u32)len);
    return suspend_here(vm, NEED_CLASS);
}

// ---- gas ------------------------------------------------------------------------------------

// Takes `amount` from the gas left; false (and nothing taken) if it does not suffice.
WE_DEV WE_INLINE bool charge(Vm& vm, u64 amount) {
    if (amount > vm.gas) return false;
    vm.gas -= amount;
    return true;
}

WE_DEV WE_INLINE u64 words_of(u64 bytes) { return bytes / 32 + (bytes % 32 != 0); }

// Cost of a memory of `w` words (yellow paper appendix H, C_mem): 3 w + w^2 / 512, exact up to 2^36
// words.
WE_DEV WE_INLINE u64 memory_cost(const GasSchedule& schedule, u64 words) {
    u64 divisor = schedule.memory_square_divisor();
    u64 q = words / divisor, r = words % divisor;
    return schedule.memory_word() * words + divisor * q * q + 2 * q * r + r * r / divisor;
}

// Grows EVM memory of the running frame to at least `end` bytes, charging the expansion. All open
// frames together have EVM_MEMORY_BYTES_MAX.
WE_DEV WE_NOINLINE u32 expand_slow(Vm& vm, u64 end) {
    if (end > EVM_MEMORY_BYTES_MAX) return halt(vm, END_OUT_OF_GAS);
    u64 words = words_of(end);
    GasSchedule schedule = vm.schedule();
    u64 cost = memory_cost(schedule, words) - memory_cost(schedule, vm.mem_len / 32);
    if (!charge(vm, cost)) return halt(vm, END_OUT_OF_GAS);
    u64 in_region = (u64)(vm.mem - vm.lay->memory_off) + words * 32;
    if (in_region > EVM_MEMORY_BYTES_MAX) return halt(vm, END_OUT_OF_GAS);
    if (in_region > vm.lay->memory_cap) return need_class(vm, REGION_MEMORY, in_region);
    vm.m.zero(vm.mem + vm.mem_len, (u32)(words * 32) - vm.mem_len);
    vm.mem_len = (u32)(words * 32);
    return CTL_NEXT;
}

WE_DEV WE_INLINE u32 expand(Vm& vm, u64 end) {
    if (end <= vm.mem_len) return CTL_NEXT;
    return expand_slow(vm, end);
}

// Checks and expands for the range (off, len) as they stand on the stack; both are given back as
// u32 (0, 0 for an empty range, which expands nothing whatever its offset).
WE_DEV WE_INLINE u32 expand_range(Vm& vm, const u256& off, const u256& len, u32& o, u32& n) {
    o = n = 0;
    if (is_zero(len)) return CTL_NEXT;
    if (!fits_u64(off) || !fits_u64(len)) return halt(vm, END_OUT_OF_GAS);
    u64 end = low_u64(off) + low_u64(len);
    if (end < low_u64(off)) return halt(vm, END_OUT_OF_GAS);
    u32 c = expand(vm, end);
    o = (u32)low_u64(off);
    n = (u32)low_u64(len);
    return c;
}

// Charges `per_word` gas for each word of a length on the stack.
WE_DEV WE_INLINE u32 charge_words(Vm& vm, const u256& len, u64 per_word) {
    if (!fits_u64(len)) return halt(vm, END_OUT_OF_GAS);
    u64 words = words_of(low_u64(len));
    if (words > vm.gas) return halt(vm, END_OUT_OF_GAS);
    // words < 2^59, per_word < 32: no overflow.
    return charge(vm, words * per_word) ? (u32)CTL_NEXT : halt(vm, END_OUT_OF_GAS);
}

// Leaves the function with the result of `call` unless it is CTL_NEXT.
#define WE_TRY(call)                              \
    do {                                          \
        u32 we_ctl = (call);                      \
        if (we_ctl != CTL_NEXT) return we_ctl;    \
    } while (0)

// ---- precompiles ----------------------------------------------------------------------------

// The bit of the precompile at an address in sets of them, as Launch::precompiles; 0 where none can
// be (compiler/src/precompile.rs).
WE_DEV WE_INLINE u32 precompile_bit(u32 number) {
    if (number == PRECOMPILE_FAR) return 1;
    return number - 1 < 31 ? 1u << number : 0;
}

// ---- small conversions ----------------------------------------------------------------------

WE_DEV WE_INLINE bool same(const Addr& a, const Addr& b) {
    return ((a.w[0] ^ b.w[0]) | (a.w[1] ^ b.w[1]) | (a.w[2] ^ b.w[2]) | (a.w[3] ^ b.w[3]) |
            (a.w[4] ^ b.w[4])) == 0;
}

// The low 160 bits of a word.
WE_DEV WE_INLINE Addr to_addr(const u256& x) {
    u64 a = u64_at(x, 0), b = u64_at(x, 1), c = u64_at(x, 2);
    return Addr{{bswap32((u32)c), bswap32((u32)(b >> 32)), bswap32((u32)b), bswap32((u32)(a >> 32)),
                 bswap32((u32)a)}};
}

WE_DEV WE_INLINE u256 from_addr(const Addr& x) {
    u64 a = (u64)bswap32(x.w[3]) << 32 | bswap32(x.w[4]);
    u64 b = (u64)bswap32(x.w[1]) << 32 | bswap32(x.w[2]);
    return from_u64x4(a, b, bswap32(x.w[0]), 0);
}

// A byte range in instance memory or in the launch's data: a source for the hashes.
struct Bytes {
    Lane m;
    const u8* in_data;  // not null: the range lies there
    u32 off, len;
    WE_DEV WE_INLINE u64 load8(u32 i) const {
        return in_data ? load_le64(in_data + off + i) : m.load8(off + i);
    }
    WE_DEV WE_INLINE u8 byte(u32 i) const { return in_data ? in_data[off + i] : m.byte(off + i); }
    // 32 bytes, big-endian, reading zeros past the end.
    WE_DEV u256 word(u64 i) const {
        if (i >= len) return zero256();
        if (i + 32 <= len) {
            u32 o = off + (u32)i;
            return in_data ? from_be_bytes(in_data + o) : m.load_be(o);
        }
        u8 buf[32];
        for (u32 k = 0; k < 32; k++) buf[k] = i + k < len ? byte((u32)i + k) : 0;
        return from_be_bytes(buf);
    }
};

WE_DEV WE_INLINE Bytes input_of(const Vm& vm) {
    return Bytes{vm.m, vm.input_in_data ? vm.data() : nullptr, vm.input_off, vm.input_len};
}

WE_DEV WE_INLINE Bytes memory_range(const Vm& vm, u32 off, u32 len) {
    return Bytes{vm.m, nullptr, vm.mem + off, len};
}

}  // namespace warpevm
#endif
