// What a device kernel does per thread. The kernels themselves (run.cu, precompiles.cu, curves.cu,
// manage.cu) and the fake device of the tests (tile.cpp), which calls these one thread after
// another, have nothing of their own.
//
// A batch of instances goes through: start, run, collect; then for those that suspended answer (or
// a kernel of precompiles), run and collect again, until all are done. Only what `collect` packs
// travels to the host. The state table on the device is a copy of the host's dense arrays, with
// hash indexes that the device builds itself.
#ifndef WARPEVM_DEVICE_CUH
#define WARPEVM_DEVICE_CUH

#include "interp.cuh"

namespace warpevm {

WE_DEV WE_INLINE u32 instance_of(const Job* job, u32 thread) {
    return job->ids ? ((const u32*)job->ids)[thread] : thread;
}

// ---- manage: beginning, results, answers --------------------------------------------------------

// Makes an instance ready for its transaction. One that was left suspended still uses its indexes.
WE_DEV WE_INLINE void start_thread(const Launch* launch, const Job* job, u32 thread) {
    const Layout* lay = (const Layout*)launch->layout;
    Lane m = lane_of(launch, instance_of(job, thread));
    u32 status = WE_GET(m, Instance, 0, status);
    if (status == STATUS_SUSPENDED || status == STATUS_RESUMED) {
        m.zero(lay->account_index_off, lay->account_index_cap * 4);
        m.zero(lay->storage_index_off, lay->storage_index_cap * 4);
    }
    m.zero(0, sizeof(Instance));
    WE_SET(m, Instance, 0, tx, job->txs ? ((const u32*)job->txs)[thread] : thread);
}

WE_DEV WE_INLINE u32 padded(u32 len) { return (len + 7) & ~7u; }

// Copies a range that starts at a multiple of 8, whole units of 8 bytes.
WE_DEV WE_INLINE u64* pack(u64* to, const Lane& m, u32 off, u32 len) {
    u32 units = padded(len) / 8;
    for (u32 i = 0; i < units; i++) to[i] = *(const u64*)m.at(off + 8 * i);
    return to + units;
}

// The input of a need, from wherever it stands.
WE_DEV WE_INLINE void pack_input(u64* to, const Launch* launch, const Lane& m) {
    u32 off = WE_GET(m, Instance, 0, need_off), len = WE_GET(m, Instance, 0, need_len);
    bool in_data = WE_GET(m, Instance, 0, need_in_data);
    const u8* data = (const u8*)launch->data + off;
    u32 i = 0;
    for (; i + 8 <= len; i += 8) to[i / 8] = in_data ? load_le64(data + i) : m.load8(off + i);
    u64 tail = 0;
    for (u32 k = i; k < len; k++) {
        tail |= (u64)(in_data ? data[k] : m.byte(off + k)) << (8 * (k - i));
    }
    if (i < len) to[i / 8] = tail;
}

// Packs an instance that is done or suspended.
WE_DEV WE_INLINE void collect_thread(const Launch* launch, const Job* job, u32 thread) {
    const Layout* lay = (const Layout*)launch->layout;
    Lane m = lane_of(launch, instance_of(job, thread));
    u32 status = WE_GET(m, Instance, 0, status), need = WE_GET(m, Instance, 0, need);
    bool done = status == STATUS_DONE;
    u32 accounts = 0, slots = 0, ret = 0, logs = 0, input = 0;
    if (done) {
        accounts = WE_GET(m, Instance, 0, accounts) * (u32)sizeof(OverlayAccount);
        slots = WE_GET(m, Instance, 0, storage) * (u32)sizeof(OverlaySlot);
        logs = WE_GET(m, Instance, 0, log_bytes);
    }
    if (done || need == NEED_DEPLOY) ret = WE_GET(m, Instance, 0, ret_len);
    if (!done && (need == NEED_INIT_CODE || need == NEED_PRECOMPILE)) {
        input = WE_GET(m, Instance, 0, need_len);
    }
    u32 len = (u32)sizeof(Instance) + accounts + slots + padded(ret) + logs + padded(input);
    u64 at = atomic_add((u64*)job->bytes_used, len);
    Packed* out = (Packed*)job->records + thread;
    out->len = len;
    out->reserved = 0;
    if (at + len > job->bytes_cap) {
        out->at = ~0ull;
        return;
    }
    out->at = at;
    u64* to = (u64*)(job->bytes + at);
    to = pack(to, m, 0, sizeof(Instance));
    to = pack(to, m, lay->accounts_off, accounts);
    to = pack(to, m, lay->storage_off, slots);
    to = pack(to, m, lay->return_off, ret);
    to = pack(to, m, lay->logs_off, logs);
    if (input) pack_input(to, launch, m);
}

// Gives an instance what it suspended for.
WE_DEV WE_INLINE void answer_thread(const Launch* launch, const Job* job, u32 thread) {
    const Layout* lay = (const Layout*)launch->layout;
    Lane m = lane_of(launch, instance_of(job, thread));
    const Answer* a = (const Answer*)job->records + thread;
    WE_SET(m, Instance, 0, resume_word, a->resume_word);
    WE_SET(m, Instance, 0, resume_gas, a->resume_gas);
    WE_SET(m, Instance, 0, resume_code, a->resume_code);
    WE_SET(m, Instance, 0, resume_ok, a->resume_ok);
    if (a->has_bytes) {
        m.copy_in(lay->return_off, (const u8*)job->bytes + a->bytes_off, a->bytes_len);
        WE_SET(m, Instance, 0, ret_len, a->bytes_len);
    }
    u32 ran = WE_GET(m, Instance, 0, host_precompiles) | a->host_precompiles;
    WE_SET(m, Instance, 0, host_precompiles, ran);
    WE_SET(m, Instance, 0, status, (u32)STATUS_RESUMED);
}

// ---- manage: the state table --------------------------------------------------------------------

WE_DEV WE_INLINE void index_entry(u32* index, u32 mask, u32 hash, u32 entry) {
    for (u32 i = hash & mask;; i = (i + 1) & mask) {
        if (atomic_cas(index + i, 0, entry + 1) == 0) return;
    }
}

// Puts account `size + thread` into its index.
WE_DEV WE_INLINE void index_accounts_thread(const Launch* l, const Job* job, u32 thread) {
    u32 entry = job->size + thread;
    const TableAccount& t = ((const TableAccount*)l->accounts)[entry];
    index_entry((u32*)l->account_index, l->account_mask, hash_account(l->hash_seed, t.addr), entry);
}

// The same for slots.
WE_DEV WE_INLINE void index_slots_thread(const Launch* l, const Job* job, u32 thread) {
    u32 entry = job->size + thread;
    const TableSlot& t = ((const TableSlot*)l->slots)[entry];
    u32 hash = hash_slot(l->hash_seed, to_u256(t.key), t.account);
    index_entry((u32*)l->slot_index, l->slot_mask, hash, entry);
}

// Writes record `thread` to its place.
WE_DEV WE_INLINE void scatter_thread(const Launch*, const Job* job, u32 thread) {
    const u64* from = (const u64*)(job->records + (u64)thread * job->size);
    u64* to = (u64*)(job->to + (u64)((const u32*)job->places)[thread] * job->size);
    for (u32 i = 0; i < job->size / 8; i++) to[i] = from[i];
}

// ---- run ----------------------------------------------------------------------------------------

WE_DEV WE_INLINE void run_thread(const Launch* launch, const Job* job, u32 thread) {
    u32 instance = instance_of(job, thread);
    if (instance != NONE) run_instance(launch, instance);
}

// ---- precompiles --------------------------------------------------------------------------------

// Kernels of precompiles: by what they take of a thread.
enum PrecompileKernel : u32 {
    PRECOMPILE_KERNEL_PLAIN = 0,
    PRECOMPILE_KERNEL_MODEXP = 1,  // a workspace of 5 KiB
    PRECOMPILE_KERNEL_CURVES = 2,  // pairings, KZG, BLS12-381: up to 14 KiB of stack
};

WE_DEV WE_INLINE u32 precompile_kernel(u32 id) {
    u32 bit = precompile_bit(id);
    if (bit & PRECOMPILES_MODEXP) return PRECOMPILE_KERNEL_MODEXP;
    return bit & PRECOMPILES_CURVES ? PRECOMPILE_KERNEL_CURVES : PRECOMPILE_KERNEL_PLAIN;
}

// Runs the precompile that an instance waits for, and answers as the host would. `kernel` is a
// constant, so that a kernel has only the code of its precompiles.
WE_DEV WE_INLINE void precompile_thread(const Launch* launch, const Job* job, u32 thread,
                                        PrecompileKernel kernel) {
    Vm vm;
    vm.launch = launch;
    vm.lay = (const Layout*)launch->layout;
    vm.m = lane_of(launch, instance_of(job, thread));
    const Lane& m = vm.m;
    u32 id = WE_GET(m, Instance, 0, need_code);
    if (WE_GET(m, Instance, 0, status) != STATUS_SUSPENDED) return;
    if (WE_GET(m, Instance, 0, need) != NEED_KERNEL || precompile_kernel(id) != kernel) return;
    load_vm(vm);
    u64 before = vm.gas;
    vm.ret_len = 0;
    u32 r = kernel == PRECOMPILE_KERNEL_MODEXP   ? precompile_modexp(vm, input_of(vm))
            : kernel == PRECOMPILE_KERNEL_CURVES ? run_curve_precompile(vm, input_of(vm), id)
                                                 : run_precompile(vm, id);
    if (r == PRECOMPILE_HOST) WE_SET(m, Instance, 0, need, (u32)NEED_PRECOMPILE);
    if (r == PRECOMPILE_HOST || r == PRECOMPILE_CLASS) return;
    WE_SET(m, Instance, 0, resume_ok, (u32)(r == PRECOMPILE_OK));
    WE_SET(m, Instance, 0, resume_gas, before - vm.gas);
    WE_SET(m, Instance, 0, ret_len, vm.ret_len);
    WE_SET(m, Instance, 0, status, (u32)STATUS_RESUMED);
}

}  // namespace warpevm
#endif
