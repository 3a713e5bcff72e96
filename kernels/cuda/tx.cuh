// A transaction around its frames: the prologue (validity against the state, fees, nonce, access
// list, authorizations), the opening of the outermost frame, and the epilogue (refund, fees,
// deletions).
#ifndef WARPEVM_TX_CUH
#define WARPEVM_TX_CUH

#include "frame.cuh"

namespace warpevm {

// The registers of the prologue: no frame is open.
WE_DEV WE_INLINE void no_frame(Vm& vm) {
    vm.depth = NONE;
    vm.frame_serial = 0;
    vm.gas = vm.op_gas = 0;
    vm.mem_len = vm.op_mem_len = 0;
    vm.flags = 0;
}

WE_DEV WE_INLINE u32 reject(Vm& vm, u32 end) {
    vm.end = end;
    return CTL_DONE;
}

// Nonce, balance and code of the sender (yellow paper 6, EIP-2681, EIP-3607, EIP-7702).
WE_DEV WE_NOINLINE u32 check_sender(Vm& vm, u32 sender) {
    const Tx* tx = vm.tx;
    observe(vm, sender, ACCOUNT_READ_BALANCE | ACCOUNT_READ_INFO);
    const Code& code = vm.codes()[WE_ACC(vm, sender, code)];
    bool delegated = vm.has(RULE_DELEGATIONS) && (code.flags & CODE_DELEGATION);
    if (!(tx->flags & TX_NO_EOA_CHECK) && code.len != 0 && !delegated) {
        return reject(vm, END_REJECT_SENDER_CODE);
    }
    u64 nonce = WE_ACC(vm, sender, nonce);
    if (!(tx->flags & TX_NO_NONCE_CHECK)) {
        if (tx->nonce < nonce) return reject(vm, END_REJECT_NONCE_LOW);
        if (tx->nonce > nonce) return reject(vm, END_REJECT_NONCE_HIGH);
    }
    if (nonce == ~0ull) return reject(vm, END_REJECT_NONCE_MAX);
    if (!(tx->flags & TX_NO_BALANCE_CHECK) &&
        ((tx->flags & TX_COST_OVERFLOW) ||
         lt(WE_ACCW(vm, sender, balance), to_u256(tx->max_cost)))) {
        return reject(vm, END_REJECT_BALANCE);
    }
    return CTL_NEXT;
}

// Loads what the access list and the authorizations name, so that the effects below cannot suspend.
WE_DEV WE_NOINLINE u32 load_lists(Vm& vm) {
    const Tx* tx = vm.tx;
    const AccessItem* items = (const AccessItem*)(vm.data() + tx->access_off);
    u32 i, s;
    for (u32 k = 0; k < tx->access_count; k++) {
        WE_TRY(find_account(vm, items[k].addr, i));
        if (items[k].is_slot) WE_TRY(find_slot(vm, i, to_u256(items[k].key), 0, s));
    }
    const Authorization* auths = (const Authorization*)(vm.data() + tx->auth_off);
    for (u32 k = 0; k < tx->auth_count; k++) {
        if (auths[k].flags & AUTH_VALID) WE_TRY(find_account(vm, auths[k].authority, i));
    }
    return CTL_NEXT;
}

WE_DEV WE_INLINE void warm(Vm& vm, u32 i) { observe(vm, i, ACCOUNT_WARM); }

WE_DEV WE_NOINLINE u32 warm_access_list(Vm& vm) {
    const Tx* tx = vm.tx;
    const AccessItem* items = (const AccessItem*)(vm.data() + tx->access_off);
    u32 i, s;
    for (u32 k = 0; k < tx->access_count; k++) {
        WE_TRY(find_account(vm, items[k].addr, i));
        warm(vm, i);
        if (!items[k].is_slot) continue;
        WE_TRY(find_slot(vm, i, to_u256(items[k].key), 0, s));
        WE_SLOT_SET(vm, s, flags, WE_SLOT(vm, s, flags) | SLOT_WARM);
    }
    return CTL_NEXT;
}

// EIP-7702: sets the delegations; a tuple that does not hold is skipped.
WE_DEV WE_NOINLINE u32 apply_authorizations(Vm& vm) {
    const Tx* tx = vm.tx;
    const Authorization* auths = (const Authorization*)(vm.data() + tx->auth_off);
    for (u32 k = 0; k < tx->auth_count; k++) {
        if (!(auths[k].flags & AUTH_VALID)) continue;
        u32 i;
        WE_TRY(find_account(vm, auths[k].authority, i));
        warm(vm, i);
        observe(vm, i, ACCOUNT_READ_INFO | ACCOUNT_READ_EMPTY);
        const Code& code = vm.codes()[WE_ACC(vm, i, code)];
        if (code.len != 0 && !(code.flags & CODE_DELEGATION)) continue;
        if (WE_ACC(vm, i, nonce) != auths[k].nonce) continue;
        if (WE_ACC(vm, i, flags) & ACCOUNT_EXISTS) {
            vm.refund += vm.schedule().authorization_refund();
        }
        WE_ACC_SET(vm, i, code, auths[k].code);
        WE_ACC_SET(vm, i, nonce, auths[k].nonce + 1);
        observe(vm, i, ACCOUNT_TOUCHED | ACCOUNT_EXISTS);
    }
    return CTL_NEXT;
}

WE_DEV WE_NOINLINE u32 prologue(Vm& vm) {
    const Tx* tx = vm.tx;
    no_frame(vm);
    if (tx->flags & TX_SYSTEM) {
        vm.phase = PHASE_START;
        return CTL_NEXT;
    }
    u32 sender;
    WE_TRY(find_account(vm, tx->caller, sender));
    WE_TRY(check_sender(vm, sender));
    WE_TRY(load_lists(vm));
    u256 balance = WE_ACCW(vm, sender, balance);
    if (!(tx->flags & TX_NO_BALANCE_CHECK)) {
        u256 fee = mul(from_u64(tx->gas_limit), to_u256(tx->gas_price));
        fee = add(fee, to_u256(tx->blob_cost));
        balance = sub(balance, fee);
    }
    WE_ACCW_SET(vm, sender, balance, balance);
    WE_ACC_SET(vm, sender, nonce, WE_ACC(vm, sender, nonce) + 1);
    observe(vm, sender, ACCOUNT_TOUCHED | ACCOUNT_EXISTS | ACCOUNT_WARM);
    WE_TRY(warm_access_list(vm));
    WE_TRY(apply_authorizations(vm));
    vm.phase = PHASE_START;
    return CTL_NEXT;
}

// Without the balance check a sender may lack the value: then the outermost frame does not begin,
// and its gas stays.
WE_DEV WE_INLINE bool lacks_value(const Vm& vm, u32 from) {
    return lt(WE_ACCW(vm, from, balance), to_u256(vm.tx->value));
}

WE_DEV WE_INLINE u32 refuse_start(Vm& vm) {
    vm.end = END_BALANCE;
    vm.phase = PHASE_EPILOGUE;
    return CTL_DONE;
}

// Opens the outermost frame. Runs again from its start after a suspension.
WE_DEV WE_NOINLINE u32 start_call(Vm& vm, NewFrame& f) {
    const Tx* tx = vm.tx;
    u32 from = NONE, to, code, delegate;
    bool system = tx->flags & TX_SYSTEM;
    if (!system) WE_TRY(find_account(vm, tx->caller, from));
    WE_TRY(find_account(vm, tx->to, to));
    u32 precompile = precompile_at(vm, tx->to);
    WE_TRY(code_to_run(vm, to, code, delegate));
    if (!precompile) WE_TRY(need_compiled(vm, code));
    warm(vm, to);
    if (delegate != NONE) warm(vm, delegate);
    f.addr = tx->to;
    f.account = to;
    f.code = precompile ? CODE_EMPTY : code;
    f.flags = 0;
    f.input_off = tx->data_off;
    f.input_len = tx->data_len;
    f.input_in_data = 1;
    WE_TRY(open_frame(vm, f));
    vm.phase = PHASE_RUN;
    if (system) {
        WE_TRY(touch(vm, to));
    } else {
        if (lacks_value(vm, from)) return refuse_start(vm);
        WE_TRY(transfer(vm, from, to, f.value));
    }
    return precompile ? start_precompile(vm, precompile) : (u32)CTL_FRAME;
}

WE_DEV WE_NOINLINE u32 start_create(Vm& vm, NewFrame& f) {
    const Tx* tx = vm.tx;
    u32 from, at;
    WE_TRY(find_account(vm, tx->caller, from));
    f.addr = create_address(tx->caller, WE_ACC(vm, from, nonce) - 1);
    WE_TRY(find_account(vm, f.addr, at));
    warm(vm, at);
    f.account = at;
    f.code = tx->code;
    f.flags = FRAME_CREATE;
    f.input_off = f.input_len = f.input_in_data = 0;
    WE_TRY(open_frame(vm, f));
    vm.phase = PHASE_RUN;
    if (lacks_value(vm, from)) {
        // The nonce is part of the creation, which does not begin.
        WE_ACC_SET(vm, from, nonce, WE_ACC(vm, from, nonce) - 1);
        return refuse_start(vm);
    }
    if (collides(vm, at)) {
        vm.end = END_CREATE_COLLISION;
        return end_frame(vm);
    }
    WE_TRY(make_contract(vm, from, f.value));
    return CTL_FRAME;
}

WE_DEV WE_INLINE u32 start(Vm& vm) {
    const Tx* tx = vm.tx;
    no_frame(vm);
    NewFrame f;
    f.value = to_u256(tx->value);
    f.caller = tx->caller;
    f.gas = tx->gas_limit - tx->intrinsic_gas;
    f.out_off = f.out_len = f.result_slot = 0;
    return tx->flags & TX_CREATE ? start_create(vm, f) : start_call(vm, f);
}

// The fee goes to the recipient; where the overlay has no entry of it, the host adds it, so that
// transactions do not all conflict on one account.
WE_DEV WE_INLINE u32 pay_coinbase(Vm& vm, u64 gas_used) {
    u256 fee = mul(from_u64(gas_used), to_u256(vm.tx->coinbase_price));
    u32 at, i = overlay_account(vm, vm.env->coinbase, at);
    if (i != NONE) return credit(vm, i, fee);
    WE_SETW(vm.m, Instance, 0, coinbase_credit, fee);
    return CTL_NEXT;
}

// Destroyed accounts go; so do touched empty ones (EIP-161).
WE_DEV WE_INLINE void delete_accounts(Vm& vm) {
    for (u32 i = 0; i < vm.accounts; i++) {
        u32 flags = WE_ACC(vm, i, flags);
        bool empty = vm.has(RULE_STATE_CLEARING) && (flags & ACCOUNT_TOUCHED) &&
                     holds_nothing(vm, i);
        if (flags & ACCOUNT_DESTROYED) {
            WE_ACC_SET(vm, i, flags, (flags & ~ACCOUNT_EXISTS) | ACCOUNT_WIPED);
        } else if (empty) {
            WE_ACC_SET(vm, i, flags, (flags & ~ACCOUNT_EXISTS) | ACCOUNT_READ_EMPTY);
        }
    }
}

WE_DEV WE_NOINLINE u32 epilogue(Vm& vm) {
    const Tx* tx = vm.tx;
    u64 used = tx->gas_limit - vm.gas;
    u64 refund = vm.refund > 0 ? (u64)vm.refund : 0;
    u64 most = used / vm.schedule().refund_quotient();
    if (refund > most) refund = most;
    if (tx->flags & TX_SYSTEM) refund = 0;
    if (used - refund < tx->floor_gas) {
        used = tx->floor_gas;
        refund = 0;
    }
    used -= refund;
    bool created = (tx->flags & TX_CREATE) && vm.end < END_REVERT;
    if (created) WE_SET(vm.m, Instance, 0, created, WE_FRAME(vm, addr));
    WE_SET(vm.m, Instance, 0, has_created, (u32)created);
    WE_SET(vm.m, Instance, 0, gas_used, used);
    WE_SET(vm.m, Instance, 0, gas_refunded, refund);
    if (!(tx->flags & (TX_SYSTEM | TX_NO_BALANCE_CHECK))) {
        u32 sender;
        vm.frame_serial = 0;  // nothing is undone from here on
        WE_TRY(find_account(vm, tx->caller, sender));
        WE_TRY(credit(vm, sender, mul(from_u64(tx->gas_limit - used), to_u256(tx->gas_price))));
        WE_TRY(pay_coinbase(vm, used));
    }
    delete_accounts(vm);
    return CTL_DONE;
}

}  // namespace warpevm
#endif
