// SLOAD, SSTORE, TLOAD, TSTORE.
#ifndef WARPEVM_STORAGE_OPS_CUH
#define WARPEVM_STORAGE_OPS_CUH

#include "state.cuh"

namespace warpevm {

// Marks a slot warm; true if it was cold (EIP-2929).
WE_DEV WE_INLINE u32 warm_slot(Vm& vm, u32 i, bool& was_cold) {
    was_cold = !(WE_SLOT(vm, i, flags) & SLOT_WARM);
    if (!was_cold) return CTL_NEXT;
    WE_TRY(journal_slot(vm, i));
    WE_SLOT_SET(vm, i, flags, WE_SLOT(vm, i, flags) | SLOT_WARM);
    return CTL_NEXT;
}

// The section has the warm (or pre-Berlin) cost.
WE_DEV WE_NOINLINE u32 op_sload(Vm& vm, const u256& key, u256& out) {
    u32 i;
    WE_TRY(find_slot(vm, vm.account, key, 0, i));
    if (vm.has(RULE_WARM_ACCESS)) {
        bool cold;
        WE_TRY(warm_slot(vm, i, cold));
        u32 more = vm.schedule().cold_slot() - vm.schedule().warm_access();
        if (cold && !charge(vm, more)) return halt(vm, END_OUT_OF_GAS);
    }
    out = WE_SLOTW(vm, i, value);
    return CTL_NEXT;
}

struct SstoreGas {
    u32 cost;
    i32 refund;
};

// Net gas metering: EIP-1283 and EIP-2200.
WE_DEV WE_INLINE SstoreGas net_sstore_gas(const GasSchedule& schedule, const u256& original,
                                          const u256& current, const u256& value) {
    u32 load = schedule.sload(), set = schedule.sstore_set(), reset = schedule.sstore_reset();
    i32 clears = (i32)schedule.sstore_clear_refund();
    if (eq(current, value)) return SstoreGas{load, 0};
    if (eq(original, current)) {
        if (is_zero(original)) return SstoreGas{set, 0};
        return SstoreGas{reset, is_zero(value) ? clears : 0};
    }
    i32 refund = 0;
    if (!is_zero(original)) {
        if (is_zero(current)) refund -= clears;
        if (is_zero(value)) refund += clears;
    }
    if (eq(original, value)) {
        refund += (i32)((is_zero(original) ? set : reset) - load);
    }
    return SstoreGas{load, refund};
}

WE_DEV WE_NOINLINE u32 op_sstore(Vm& vm, const u256& key, const u256& value) {
    if (vm.flags & FRAME_STATIC) return halt(vm, END_STATIC_VIOLATION);
    // EIP-2200: never with only a call stipend left.
    GasSchedule schedule = vm.schedule();
    if (vm.gas <= schedule.sstore_sentry()) return halt(vm, END_OUT_OF_GAS);
    u32 i;
    WE_TRY(find_slot(vm, vm.account, key, 0, i));
    u256 current = WE_SLOTW(vm, i, value);
    SstoreGas g;
    if (vm.has(RULE_NET_STORAGE_GAS)) {
        g = net_sstore_gas(schedule, WE_SLOTW(vm, i, original), current, value);
    } else {
        bool set = is_zero(current) && !is_zero(value);
        bool clear = !is_zero(current) && is_zero(value);
        g = SstoreGas{set ? schedule.sstore_set() : schedule.sstore_reset(),
                      clear ? (i32)schedule.sstore_clear_refund() : 0};
    }
    if (vm.has(RULE_WARM_ACCESS)) {
        bool cold;
        WE_TRY(warm_slot(vm, i, cold));
        if (cold) g.cost += schedule.cold_slot();
    }
    if (!charge(vm, g.cost)) return halt(vm, END_OUT_OF_GAS);
    vm.refund += g.refund;
    if (eq(current, value)) return CTL_NEXT;
    WE_TRY(journal_slot(vm, i));
    WE_SLOTW_SET(vm, i, value, value);
    WE_SLOT_SET(vm, i, flags, WE_SLOT(vm, i, flags) | SLOT_WRITTEN);
    return CTL_NEXT;
}

// EIP-1153; the section has the cost.
WE_DEV WE_NOINLINE u32 op_tload(Vm& vm, const u256& key, u256& out) {
    u32 i;
    WE_TRY(find_slot(vm, vm.account, key, SLOT_TRANSIENT, i));
    out = WE_SLOTW(vm, i, value);
    return CTL_NEXT;
}

WE_DEV WE_NOINLINE u32 op_tstore(Vm& vm, const u256& key, const u256& value) {
    if (vm.flags & FRAME_STATIC) return halt(vm, END_STATIC_VIOLATION);
    u32 i;
    WE_TRY(find_slot(vm, vm.account, key, SLOT_TRANSIENT, i));
    if (eq(WE_SLOTW(vm, i, value), value)) return CTL_NEXT;
    WE_TRY(journal_slot(vm, i));
    WE_SLOTW_SET(vm, i, value, value);
    return CTL_NEXT;
}

}  // namespace warpevm
#endif
