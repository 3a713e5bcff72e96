// Ops that read the environment, accounts and code, that copy bytes, and that log.
#ifndef WARPEVM_ENV_OPS_CUH
#define WARPEVM_ENV_OPS_CUH

#include "op/keccak.cuh"
#include "state.cuh"

namespace warpevm {

// ---- accounts ---------------------------------------------------------------------------------

// What a cold access costs more than a warm one, which is what sections have (EIP-2929).
WE_DEV WE_INLINE u32 cold_account_gas(const Vm& vm) {
    return vm.schedule().cold_account() - vm.schedule().warm_access();
}

// Finds an account and charges EIP-2929's cold access; the section has the warm (or older) cost.
WE_DEV WE_INLINE u32 access_account(Vm& vm, const Addr& addr, u32& i) {
    WE_TRY(find_account(vm, addr, i));
    if (!vm.has(RULE_WARM_ACCESS) || is_warm(vm, i)) return CTL_NEXT;
    if (!charge(vm, cold_account_gas(vm))) return halt(vm, END_OUT_OF_GAS);
    return set_flags(vm, i, ACCOUNT_WARM);
}

WE_DEV WE_NOINLINE u32 op_balance(Vm& vm, const u256& addr, u256& out) {
    u32 i;
    WE_TRY(access_account(vm, to_addr(addr), i));
    observe(vm, i, ACCOUNT_READ_BALANCE);
    out = WE_ACCW(vm, i, balance);
    return CTL_NEXT;
}

WE_DEV WE_NOINLINE u256 op_self_balance(Vm& vm) {
    observe(vm, vm.account, ACCOUNT_READ_BALANCE);
    return WE_ACCW(vm, vm.account, balance);
}

WE_DEV WE_NOINLINE u32 op_ext_code_size(Vm& vm, const u256& addr, u256& out) {
    u32 i;
    WE_TRY(access_account(vm, to_addr(addr), i));
    observe(vm, i, ACCOUNT_READ_INFO);
    out = from_u64(vm.codes()[WE_ACC(vm, i, code)].len);
    return CTL_NEXT;
}

// EIP-1052: zero for a dead account.
WE_DEV WE_NOINLINE u32 op_ext_code_hash(Vm& vm, const u256& addr, u256& out) {
    u32 i;
    WE_TRY(access_account(vm, to_addr(addr), i));
    observe(vm, i, ACCOUNT_READ_INFO);
    out = is_dead(vm, i) ? zero256() : to_u256(vm.codes()[WE_ACC(vm, i, code)].hash);
    return CTL_NEXT;
}

// ---- copies -----------------------------------------------------------------------------------

// Copies `n` bytes of `src` (length `src_len`) from `from` (any 256-bit offset) to memory at `o`,
// with zeros past the end.
WE_DEV WE_INLINE void copy_padded(Vm& vm, u32 o, const u8* src, u64 src_len, const u256& from,
                                  u32 n) {
    u64 start = fits_u64(from) ? low_u64(from) : src_len;
    u64 avail = start < src_len ? src_len - start : 0;
    u32 k = avail < n ? (u32)avail : n;
    if (k) vm.m.copy_in(vm.mem + o, src + start, k);
    if (n > k) vm.m.zero(vm.mem + o + k, n - k);
}

WE_DEV WE_INLINE u32 copy_start(Vm& vm, const u256& to, const u256& len, u32& o, u32& n) {
    WE_TRY(charge_words(vm, len, vm.schedule().copy_word()));
    return expand_range(vm, to, len, o, n);
}

WE_DEV WE_NOINLINE u32 op_call_data_copy(Vm& vm, const u256& to, const u256& from,
                                         const u256& len) {
    u32 o, n;
    WE_TRY(copy_start(vm, to, len, o, n));
    if (n == 0) return CTL_NEXT;
    if (vm.input_in_data) {
        copy_padded(vm, o, vm.data() + vm.input_off, vm.input_len, from, n);
        return CTL_NEXT;
    }
    u64 start = fits_u64(from) ? low_u64(from) : vm.input_len;
    u64 avail = start < vm.input_len ? vm.input_len - start : 0;
    u32 k = avail < n ? (u32)avail : n;
    if (k) vm.m.copy(vm.mem + o, vm.input_off + (u32)start, k);
    if (n > k) vm.m.zero(vm.mem + o + k, n - k);
    return CTL_NEXT;
}

WE_DEV WE_NOINLINE u32 op_code_copy(Vm& vm, const u256& to, const u256& from, const u256& len) {
    u32 o, n;
    WE_TRY(copy_start(vm, to, len, o, n));
    if (n == 0) return CTL_NEXT;
    copy_padded(vm, o, (const u8*)vm.code_entry->bytes, vm.code_entry->len, from, n);
    return CTL_NEXT;
}

WE_DEV WE_NOINLINE u32 op_ext_code_copy(Vm& vm, const u256& addr, const u256& to, const u256& from,
                                        const u256& len) {
    u32 i, o, n;
    WE_TRY(find_account(vm, to_addr(addr), i));
    WE_TRY(copy_start(vm, to, len, o, n));
    WE_TRY(access_account(vm, to_addr(addr), i));
    observe(vm, i, ACCOUNT_READ_INFO);
    if (n == 0) return CTL_NEXT;
    const Code& c = vm.codes()[WE_ACC(vm, i, code)];
    copy_padded(vm, o, (const u8*)c.bytes, c.len, from, n);
    return CTL_NEXT;
}

// EIP-211: reading past the end halts.
WE_DEV WE_NOINLINE u32 op_return_data_copy(Vm& vm, const u256& to, const u256& from,
                                           const u256& len) {
    if (!fits_u32(from) || !fits_u32(len) || low_u64(from) + low_u64(len) > vm.ret_len) {
        return halt(vm, END_RETURN_DATA_BOUNDS);
    }
    u32 o, n;
    WE_TRY(copy_start(vm, to, len, o, n));
    if (n) vm.m.copy(vm.mem + o, vm.lay->return_off + low_u32(from), n);
    return CTL_NEXT;
}

WE_DEV WE_NOINLINE u32 op_mcopy(Vm& vm, const u256& to, const u256& from, const u256& len) {
    u32 o, n, f;
    WE_TRY(copy_start(vm, to, len, o, n));
    WE_TRY(expand_range(vm, from, len, f, n));
    if (n) vm.m.copy(vm.mem + o, vm.mem + f, n);
    return CTL_NEXT;
}

// ---- hashes, logs, blocks ---------------------------------------------------------------------

// The section has what does not depend on the length.
WE_DEV WE_NOINLINE u32 op_keccak(Vm& vm, const u256& off, const u256& len, u256& out) {
    u32 o, n;
    WE_TRY(charge_words(vm, len, vm.schedule().keccak_word()));
    WE_TRY(expand_range(vm, off, len, o, n));
    out = keccak256(memory_range(vm, o, n), n);
    return CTL_NEXT;
}

// The section has what does not depend on the length.
WE_DEV WE_NOINLINE u32 op_log(Vm& vm, const u256& off, const u256& len, u32 topics,
                              const u256* topic) {
    if (vm.flags & FRAME_STATIC) return halt(vm, END_STATIC_VIOLATION);
    u64 per_byte = vm.schedule().log_byte();
    if (!fits_u64(len) || low_u64(len) > vm.gas / per_byte) return halt(vm, END_OUT_OF_GAS);
    vm.gas -= per_byte * low_u64(len);
    u32 o, n;
    WE_TRY(expand_range(vm, off, len, o, n));
    u32 padded = (n + 7) & ~7u;
    u64 size = sizeof(LogHead) + 32 * topics + (u64)padded;
    if (vm.log_bytes + size > vm.lay->logs_cap) {
        return need_class(vm, REGION_LOGS, vm.log_bytes + size);
    }
    u32 at = vm.lay->logs_off + vm.log_bytes;
    WE_SET(vm.m, LogHead, at, addr, WE_ACC(vm, vm.account, addr));
    WE_SET(vm.m, LogHead, at, topics, topics);
    WE_SET(vm.m, LogHead, at, data_len, n);
    at += sizeof(LogHead);
    for (u32 i = 0; i < topics; i++, at += 32) vm.m.set_word(at, topic[i]);
    if (n) vm.m.copy(at, vm.mem + o, n);
    vm.log_bytes += (u32)size;
    vm.logs++;
    return CTL_NEXT;
}

// The hash of one of the 256 blocks before this one, else zero. The host knows them.
WE_DEV WE_NOINLINE u32 op_block_hash(Vm& vm, const u256& number, u256& out) {
    if (vm.step == STEP_BLOCK_HASH) {
        vm.step = STEP_NONE;
        out = WE_GETW(vm.m, Instance, 0, resume_word);
        return CTL_NEXT;
    }
    u256 current = to_u256(vm.env->number);
    out = zero256();
    if (!lt(number, current) || gt(sub(current, number), from_u64(256))) return CTL_NEXT;
    WE_SETW(vm.m, Instance, 0, need_key, number);
    vm.step = STEP_BLOCK_HASH;
    return suspend_op(vm, NEED_BLOCK_HASH);
}

// EIP-4844.
WE_DEV WE_INLINE u256 op_blob_hash(const Vm& vm, const u256& index) {
    if (!fits_u32(index) || low_u32(index) >= vm.tx->blob_count) return zero256();
    return to_u256(((const Word*)(vm.data() + vm.tx->blob_off))[low_u32(index)]);
}

}  // namespace warpevm
#endif
