// Call frames: opening, ending, CALL and its family, CREATE and CREATE2, SELFDESTRUCT.
//
// A frame's saved registers are in its Frame, the running frame's in Vm. `open_frame` and
// `end_frame` are the only places that switch.
#ifndef WARPEVM_FRAME_CUH
#define WARPEVM_FRAME_CUH

#include "env_ops.cuh"
#include "precompile.cuh"

namespace warpevm {

WE_DEV WE_INLINE u32 frame_off(const Vm& vm, u32 depth) {
    return vm.lay->frames_off + depth * (u32)sizeof(Frame);
}

#define WE_FRAME(vm, f) WE_GET((vm).m, Frame, (vm).frame, f)
#define WE_FRAME_SET(vm, f, x) WE_SET((vm).m, Frame, (vm).frame, f, x)

// Reads the running frame's registers from its Frame.
WE_DEV WE_NOINLINE void load_frame(Vm& vm) {
    vm.frame = frame_off(vm, vm.depth);
    vm.ip = WE_FRAME(vm, ip);
    vm.sp = WE_FRAME(vm, sp);
    vm.reserved_slots = WE_FRAME(vm, reserved_slots);
    vm.gas = WE_FRAME(vm, gas);
    vm.mem = vm.lay->memory_off + WE_FRAME(vm, memory_off);
    vm.mem_len = WE_FRAME(vm, memory_len);
    vm.slots_base = WE_FRAME(vm, slots_base);
    vm.account = WE_FRAME(vm, account);
    vm.code = WE_FRAME(vm, code);
    vm.flags = WE_FRAME(vm, flags);
    vm.frame_serial = WE_FRAME(vm, serial);
    vm.input_off = WE_FRAME(vm, input_off);
    vm.input_len = WE_FRAME(vm, input_len);
    vm.input_in_data = WE_FRAME(vm, input_in_data);
    vm.code_entry = vm.codes() + vm.code;
}

// Writes back those that change.
WE_DEV WE_NOINLINE void save_frame(Vm& vm) {
    WE_FRAME_SET(vm, ip, vm.ip);
    WE_FRAME_SET(vm, sp, vm.sp);
    WE_FRAME_SET(vm, reserved_slots, vm.reserved_slots);
    WE_FRAME_SET(vm, gas, vm.gas);
    WE_FRAME_SET(vm, memory_len, vm.mem_len);
}

struct NewFrame {
    u256 value;
    Addr addr, caller;
    u32 account, code, flags;
    u32 input_off, input_len, input_in_data;
    u32 out_off, out_len, result_slot;
    u64 gas;
};

// Opens a frame inside the running one (or the outermost, where vm.depth is NONE) and makes it the
// running one. The caller has taken the gas and checked the depth.
WE_DEV WE_NOINLINE u32 open_frame(Vm& vm, const NewFrame& f) {
    u32 memory_off = 0, slots_base = 0, depth = 0;
    if (vm.depth != NONE) {
        save_frame(vm);
        memory_off = vm.mem - vm.lay->memory_off + vm.mem_len;
        slots_base = vm.sp + vm.reserved_slots;
        depth = vm.depth + 1;
    }
    if (depth >= vm.lay->frames_cap) return need_class(vm, REGION_FRAMES, (u64)depth + 1);
    vm.depth = depth;
    vm.frame = frame_off(vm, depth);
    WE_SETW(vm.m, Frame, vm.frame, value, f.value);
    WE_FRAME_SET(vm, gas, f.gas);
    WE_FRAME_SET(vm, addr, f.addr);
    WE_FRAME_SET(vm, caller, f.caller);
    WE_FRAME_SET(vm, ip, vm.codes()[f.code].entry);
    WE_FRAME_SET(vm, sp, slots_base);
    WE_FRAME_SET(vm, reserved_slots, 0u);
    WE_FRAME_SET(vm, account, f.account);
    WE_FRAME_SET(vm, code, f.code);
    WE_FRAME_SET(vm, input_off, f.input_off);
    WE_FRAME_SET(vm, input_len, f.input_len);
    WE_FRAME_SET(vm, input_in_data, f.input_in_data);
    WE_FRAME_SET(vm, memory_off, memory_off);
    WE_FRAME_SET(vm, memory_len, 0u);
    WE_FRAME_SET(vm, slots_base, slots_base);
    WE_FRAME_SET(vm, journal, vm.journal);
    WE_FRAME_SET(vm, logs, vm.logs);
    WE_FRAME_SET(vm, log_bytes, vm.log_bytes);
    WE_FRAME_SET(vm, refund, vm.refund);
    WE_FRAME_SET(vm, serial, ++vm.serial);
    WE_FRAME_SET(vm, flags, f.flags);
    WE_FRAME_SET(vm, out_off, f.out_off);
    WE_FRAME_SET(vm, out_len, f.out_len);
    WE_FRAME_SET(vm, result_slot, f.result_slot);
    vm.ret_len = 0;
    load_frame(vm);
    return CTL_NEXT;
}

WE_DEV WE_INLINE void set_result(Vm& vm, u32 slot, const u256& x) {
    vm.m.set_slot(vm.lay->slots_off + 32 * slot, x);
}

// What a create frame's end charges and checks before its code is deployed; END_RETURN if all is
// well.
WE_DEV WE_INLINE u32 check_deploy(Vm& vm) {
    GasSchedule schedule = vm.schedule();
    if (vm.has(RULE_CODE_SIZE_LIMIT) && vm.ret_len > schedule.deployed_code_bytes_max()) {
        return END_CODE_SIZE;
    }
    if (vm.has(RULE_RESERVED_CODE_PREFIX) && vm.ret_len && vm.m.byte(vm.lay->return_off) == 0xef) {
        return END_CODE_FIRST_BYTE;
    }
    if (!charge(vm, schedule.deploy_byte() * (u64)vm.ret_len)) {
        if (vm.has(RULE_PAID_DEPLOYMENT)) return END_OUT_OF_GAS;
        vm.ret_len = 0;  // a contract without code
    }
    return END_RETURN;
}

// Ends the running frame with vm.end: commits or undoes it, and gives the result to the parent.
WE_DEV WE_NOINLINE u32 end_frame(Vm& vm) {
    u32 end = vm.end;
    bool create = vm.flags & FRAME_CREATE;
    if (end < END_REVERT && create) {
        if (vm.step == STEP_DEPLOY) {
            vm.step = STEP_NONE;
            WE_TRY(journal_account(vm, vm.account));
            WE_ACC_SET(vm, vm.account, code, WE_GET(vm.m, Instance, 0, resume_code));
        } else {
            end = check_deploy(vm);
            if (end == END_RETURN && vm.ret_len) {
                vm.step = STEP_DEPLOY;
                return suspend_here(vm, NEED_DEPLOY);
            }
        }
    }
    if (end >= END_REVERT) {
        undo(vm, WE_FRAME(vm, journal));
        vm.logs = WE_FRAME(vm, logs);
        vm.log_bytes = WE_FRAME(vm, log_bytes);
        vm.refund = WE_FRAME(vm, refund);
        if (end != END_REVERT) {
            vm.gas = 0;
            vm.ret_len = 0;
        }
    }
    vm.end = end;
    if (vm.depth == 0) {
        vm.phase = PHASE_EPILOGUE;
        return CTL_DONE;
    }
    bool ok = end < END_REVERT;
    u256 result = from_bool(ok);
    if (create && ok) {
        result = from_addr(WE_FRAME(vm, addr));
        vm.ret_len = 0;
    }
    u64 gas = vm.gas;
    u32 out_off = WE_FRAME(vm, out_off), out_len = WE_FRAME(vm, out_len);
    u32 slot = WE_FRAME(vm, result_slot);
    vm.depth--;
    load_frame(vm);
    vm.gas += gas;
    u32 n = out_len < vm.ret_len ? out_len : vm.ret_len;
    if (n && !create) vm.m.copy(vm.mem + out_off, vm.lay->return_off, n);
    set_result(vm, slot, result);
    return CTL_FRAME;
}

// Asks for the precompile of the frame that was just opened; the answer is in resume_*.
WE_DEV WE_INLINE u32 ask_precompile(Vm& vm, u32 id, u32 need) {
    WE_SET(vm.m, Instance, 0, need_code, id);
    WE_SET(vm.m, Instance, 0, need_off, vm.input_off);
    WE_SET(vm.m, Instance, 0, need_len, vm.input_len);
    WE_SET(vm.m, Instance, 0, need_in_data, vm.input_in_data);
    WE_SET(vm.m, Instance, 0, need_gas, vm.gas);
    vm.step = STEP_PRECOMPILE;
    return suspend_here(vm, need);
}

// Runs the precompile of the frame that was just opened, or asks for it.
WE_DEV WE_INLINE u32 start_precompile(Vm& vm, u32 id) {
#if WE_SPLIT
    if (id != PRECOMPILE_IDENTITY) return ask_precompile(vm, id, NEED_KERNEL);
    vm.ret_len = 0;
    u32 r = precompile_identity(vm, input_of(vm));
#else
    u32 r = run_precompile(vm, id);
    if (r == PRECOMPILE_HOST) return ask_precompile(vm, id, NEED_PRECOMPILE);
#endif
    if (r == PRECOMPILE_CLASS) return CTL_SUSPEND;
    vm.end = r == PRECOMPILE_OK ? END_RETURN : END_PRECOMPILE;
    return end_frame(vm);
}

// The host, or the kernel of precompiles, has run the precompile.
WE_DEV WE_NOINLINE u32 resume_precompile(Vm& vm) {
    vm.step = STEP_NONE;
    u64 used = WE_GET(vm.m, Instance, 0, resume_gas);
    bool ok = WE_GET(vm.m, Instance, 0, resume_ok) && charge(vm, used);
    vm.ret_len = ok ? WE_GET(vm.m, Instance, 0, ret_len) : 0;
    vm.end = ok ? END_RETURN : END_PRECOMPILE;
    return end_frame(vm);
}

// Moves value and touches the callee, inside the frame that was just opened.
WE_DEV WE_INLINE u32 transfer(Vm& vm, u32 from, u32 to, const u256& value) {
    if (!is_zero(value)) WE_TRY(debit(vm, from, value));
    return credit(vm, to, value);
}

// ---- CALL, CALLCODE, DELEGATECALL, STATICCALL
// -----------------------------------------------------

struct CallArgs {
    u256 gas, to, value, in_off, in_len, out_off, out_len;
    u32 kind;         // an OpCode
    u32 result_slot;  // absolute
};

// The code that runs at an account, a delegation followed (EIP-7702); `delegate` is its overlay
// entry or NONE.
WE_DEV WE_INLINE u32 code_to_run(Vm& vm, u32 i, u32& code, u32& delegate) {
    delegate = NONE;
    observe(vm, i, ACCOUNT_READ_INFO);
    code = WE_ACC(vm, i, code);
    if (vm.has(RULE_DELEGATIONS) && (vm.codes()[code].flags & CODE_DELEGATION)) {
        WE_TRY(find_account(vm, vm.codes()[code].delegate, delegate));
        observe(vm, delegate, ACCOUNT_READ_INFO);
        code = WE_ACC(vm, delegate, code);
        if (precompile_at(vm, WE_ACC(vm, delegate, addr))) code = CODE_EMPTY;
        // A delegation is followed once: a designator is no code, and running it halts.
    }
    return CTL_NEXT;
}

WE_DEV WE_INLINE u32 need_code(Vm& vm, u32 code) {
    WE_SET(vm.m, Instance, 0, need_code, code);
    return suspend_op(vm, NEED_CODE);
}

#if WE_TILE == 1
// The code has no program yet, is counted, or runs a better program than its own.
WE_DEV WE_NOINLINE u32 prepare_code(Vm& vm, u32& code) {
    const Code* entry = vm.codes() + code;
    // Another thread may set flags at any time, after what they are about.
    u32 flags = __atomic_load_n(&entry->flags, __ATOMIC_ACQUIRE);
    u32* words = (u32*)&entry->delegate;
    if (flags & CODE_REPLACED) {
        code = words[1];
        return CTL_NEXT;
    }
    if (flags & CODE_COMPILED) {
        // Threads may miss each other's frames: heat is a guess.
        u32 left = __atomic_load_n(words, __ATOMIC_RELAXED);
        if (left != 0) {
            __atomic_store_n(words, left - 1, __ATOMIC_RELAXED);
            return CTL_NEXT;
        }
    }
    return need_code(vm, code);
}
#endif

// The id whose program runs in a frame of `code`.
WE_DEV WE_INLINE u32 need_compiled(Vm& vm, u32& code) {
    if (code == CODE_EMPTY) return CTL_NEXT;
    u32 flags = vm.codes()[code].flags;
#if WE_TILE == 1
    const u32 all = CODE_COMPILED | CODE_COUNTED | CODE_REPLACED;
    return (flags & all) == CODE_COMPILED ? (u32)CTL_NEXT : prepare_code(vm, code);
#else
    return flags & CODE_COMPILED ? (u32)CTL_NEXT : need_code(vm, code);
#endif
}

// What the call costs besides the section's static gas and memory.
WE_DEV WE_INLINE u64 call_cost(Vm& vm, const CallArgs& c, u32 to, u32 delegate) {
    GasSchedule schedule = vm.schedule();
    u64 cost = 0;
    if (vm.has(RULE_WARM_ACCESS) && !is_warm(vm, to)) cost += cold_account_gas(vm);
    if (delegate != NONE) {
        bool warm = is_warm(vm, delegate) || delegate == to;
        cost += warm ? schedule.warm_access() : schedule.cold_account();
    }
    bool value = !is_zero(c.value);
    if (value) cost += schedule.call_value();
    if (c.kind == OP_CALL && (value || !vm.has(RULE_STATE_CLEARING)) && is_dead(vm, to)) {
        cost += schedule.call_new_account();
    }
    return cost;
}

// EIP-150: at most all but one 64th; before, what was asked for or nothing.
WE_DEV WE_INLINE bool forwarded_gas(Vm& vm, const u256& asked, u64& gas) {
    u64 left = vm.gas;
    bool fits = fits_u64(asked) && low_u64(asked) <= left;
    if (!vm.has(RULE_WITHHOLDS_GAS)) {
        gas = low_u64(asked);
        return fits;
    }
    u64 most = left - left / 64;
    gas = fits && low_u64(asked) < most ? low_u64(asked) : most;
    return true;
}

WE_DEV WE_INLINE NewFrame call_frame(Vm& vm, const CallArgs& c, u32 to, const Addr& to_addr_) {
    NewFrame f;
    bool own_code = c.kind == OP_CALL || c.kind == OP_STATIC_CALL;
    Addr self = WE_FRAME(vm, addr);
    f.value = c.kind == OP_DELEGATE_CALL ? WE_GETW(vm.m, Frame, vm.frame, value) : c.value;
    f.addr = own_code ? to_addr_ : self;
    f.caller = c.kind == OP_DELEGATE_CALL ? WE_FRAME(vm, caller) : self;
    f.account = own_code ? to : vm.account;
    f.flags = (vm.flags & FRAME_STATIC) | (c.kind == OP_STATIC_CALL ? FRAME_STATIC : 0);
    f.input_in_data = 0;
    f.result_slot = c.result_slot;
    return f;
}

// CALL and its family. vm.ip is already that of the op after it, but for a suspension.
WE_DEV WE_NOINLINE u32 op_call(Vm& vm, const CallArgs& c) {
    if (c.kind == OP_CALL && (vm.flags & FRAME_STATIC) && !is_zero(c.value)) {
        return halt(vm, END_STATIC_VIOLATION);
    }
    u32 in_off, in_len, out_off, out_len, to, code, delegate;
    WE_TRY(expand_range(vm, c.in_off, c.in_len, in_off, in_len));
    WE_TRY(expand_range(vm, c.out_off, c.out_len, out_off, out_len));
    Addr addr = to_addr(c.to);
    WE_TRY(find_account(vm, addr, to));
    u32 precompile = precompile_at(vm, addr);
    WE_TRY(code_to_run(vm, to, code, delegate));
    if (!precompile) WE_TRY(need_compiled(vm, code));
    if (!charge(vm, call_cost(vm, c, to, delegate))) return halt(vm, END_OUT_OF_GAS);
    u64 gas;
    if (!forwarded_gas(vm, c.gas, gas)) return halt(vm, END_OUT_OF_GAS);
    // From here on nothing suspends except for a larger memory class.
    if (vm.has(RULE_WARM_ACCESS)) WE_TRY(set_flags(vm, to, ACCOUNT_WARM));
    if (delegate != NONE) WE_TRY(set_flags(vm, delegate, ACCOUNT_WARM));
    vm.gas -= gas;
    bool value = !is_zero(c.value) && c.kind != OP_DELEGATE_CALL;
    if (value) gas += vm.schedule().call_stipend();
    vm.ret_len = 0;
    bool refused = vm.depth >= CALL_DEPTH_MAX;
    if (!refused && value) {
        observe(vm, vm.account, ACCOUNT_READ_BALANCE);
        refused = lt(WE_ACCW(vm, vm.account, balance), c.value);
    }
    if (refused) {
        vm.gas += gas;
        set_result(vm, c.result_slot, zero256());
        return CTL_NEXT;
    }
    NewFrame f = call_frame(vm, c, to, addr);
    f.code = precompile ? CODE_EMPTY : code;
    f.input_off = vm.mem + in_off;
    f.input_len = in_len;
    f.out_off = out_off;
    f.out_len = out_len;
    f.gas = gas;
    u32 from = vm.account;
    if (code == CODE_EMPTY && !precompile) {  // no frame is needed: nothing in it can fail
        if (c.kind != OP_DELEGATE_CALL) WE_TRY(transfer(vm, from, f.account, c.value));
        vm.gas += gas;
        set_result(vm, c.result_slot, from_u64(1));
        return CTL_NEXT;
    }
    WE_TRY(open_frame(vm, f));
    if (c.kind != OP_DELEGATE_CALL) WE_TRY(transfer(vm, from, f.account, c.value));
    return precompile ? start_precompile(vm, precompile) : (u32)CTL_FRAME;
}

// ---- CREATE, CREATE2
// ------------------------------------------------------------------------------

// keccak(rlp([sender, nonce])), its low 160 bits (yellow paper 7).
WE_DEV WE_NOINLINE Addr create_address(const Addr& sender, u64 nonce) {
    u8 buf[32];
    u32 bytes = 0;
    for (u64 n = nonce; n; n >>= 8) bytes++;
    u32 nonce_len = nonce < 0x80 ? 1 : 1 + bytes;
    buf[0] = (u8)(0xc0 + 21 + nonce_len);
    buf[1] = 0x80 + 20;
    copy_bytes(buf + 2, &sender, 20);
    if (nonce < 0x80) {
        buf[22] = nonce ? (u8)nonce : 0x80;
    } else {
        buf[22] = (u8)(0x80 + bytes);
        for (u32 i = 0; i < bytes; i++) buf[23 + i] = (u8)(nonce >> (8 * (bytes - 1 - i)));
    }
    return to_addr(keccak256(ByteSource{buf}, 22 + nonce_len));
}

// EIP-1014: keccak(0xff, sender, salt, keccak(init code)).
WE_DEV WE_NOINLINE Addr create2_address(const Addr& sender, const u256& salt, const u256& hash) {
    u8 buf[85];
    buf[0] = 0xff;
    copy_bytes(buf + 1, &sender, 20);
    to_be_bytes(salt, buf + 21);
    to_be_bytes(hash, buf + 53);
    return to_addr(keccak256(ByteSource{buf}, 85));
}

// EIP-684 and EIP-7610: whether a contract may not be created at this account.
WE_DEV WE_INLINE bool collides(Vm& vm, u32 i) {
    observe(vm, i, ACCOUNT_READ_INFO);
    return WE_ACC(vm, i, nonce) != 0 || WE_ACC(vm, i, code) != CODE_EMPTY ||
           (WE_ACC(vm, i, flags) & (ACCOUNT_HAS_STORAGE | ACCOUNT_WIPED)) == ACCOUNT_HAS_STORAGE;
}

// Makes the account of a create frame, inside that frame.
WE_DEV WE_INLINE u32 make_contract(Vm& vm, u32 from, const u256& value) {
    WE_TRY(set_flags(vm, vm.account, ACCOUNT_CREATED));
    WE_TRY(transfer(vm, from, vm.account, value));
    if (!vm.has(RULE_STATE_CLEARING)) return CTL_NEXT;
    WE_TRY(journal_account(vm, vm.account));
    WE_ACC_SET(vm, vm.account, nonce, 1ull);
    return CTL_NEXT;
}

struct CreateArgs {
    u256 value, off, len, salt;
    bool with_salt;
    u32 result_slot;
};

WE_DEV WE_INLINE u32 init_code_gas(Vm& vm, const CreateArgs& c) {
    GasSchedule schedule = vm.schedule();
    if (vm.has(RULE_INIT_CODE_LIMIT)) {
        if (!fits_u64(c.len) || low_u64(c.len) > schedule.init_code_bytes_max()) {
            return halt(vm, END_INIT_CODE_SIZE);
        }
        WE_TRY(charge_words(vm, c.len, schedule.init_code_word()));
    }
    return c.with_salt ? charge_words(vm, c.len, schedule.keccak_word()) : (u32)CTL_NEXT;
}

// A create that does not start: the result is zero and the gas stays.
WE_DEV WE_INLINE u32 refuse_create(Vm& vm, const CreateArgs& c) {
    vm.step = STEP_NONE;
    set_result(vm, c.result_slot, zero256());
    return CTL_NEXT;
}

// The section has the creation's static gas. vm.ip is already that of the op after it, but for a
// suspension.
WE_DEV WE_NOINLINE u32 op_create(Vm& vm, const CreateArgs& c) {
    if (vm.flags & FRAME_STATIC) return halt(vm, END_STATIC_VIOLATION);
    u32 off, len, at;
    WE_TRY(init_code_gas(vm, c));
    WE_TRY(expand_range(vm, c.off, c.len, off, len));
    vm.ret_len = 0;
    u64 nonce = WE_ACC(vm, vm.account, nonce);
    observe(vm, vm.account, ACCOUNT_READ_INFO);
    if (!is_zero(c.value)) observe(vm, vm.account, ACCOUNT_READ_BALANCE);
    if (vm.depth >= CALL_DEPTH_MAX || lt(WE_ACCW(vm, vm.account, balance), c.value) ||
        nonce == ~0ull) {
        return refuse_create(vm, c);
    }
    Addr self = WE_FRAME(vm, addr), addr;
    if (vm.step == STEP_INIT_CODE) {
        addr = WE_GET(vm.m, Instance, 0, need_addr);
    } else if (c.with_salt) {
        addr = create2_address(self, c.salt, keccak256(memory_range(vm, off, len), len));
    } else {
        addr = create_address(self, nonce);
    }
    WE_TRY(find_account(vm, addr, at));
    u32 code = CODE_EMPTY;
    if (len) {
        if (vm.step != STEP_INIT_CODE) {
            WE_SET(vm.m, Instance, 0, need_off, vm.mem + off);
            WE_SET(vm.m, Instance, 0, need_len, len);
            // For the op's second run: the address took a hash or two.
            WE_SET(vm.m, Instance, 0, need_addr, addr);
            vm.step = STEP_INIT_CODE;
            return suspend_op(vm, NEED_INIT_CODE);
        }
        code = WE_GET(vm.m, Instance, 0, resume_code);
    }
    // From here on nothing suspends except for a larger memory class.
    vm.step = STEP_NONE;
    WE_TRY(journal_account(vm, vm.account));
    WE_ACC_SET(vm, vm.account, nonce, nonce + 1);
    if (vm.has(RULE_WARM_ACCESS)) WE_TRY(set_flags(vm, at, ACCOUNT_WARM));
    u64 gas = vm.gas;
    if (vm.has(RULE_WITHHOLDS_GAS)) gas -= gas / 64;
    vm.gas -= gas;
    if (collides(vm, at)) {
        set_result(vm, c.result_slot, zero256());
        return CTL_NEXT;
    }
    NewFrame f;
    f.value = c.value;
    f.addr = addr;
    f.caller = self;
    f.account = at;
    f.code = code;
    f.flags = FRAME_CREATE;
    f.input_off = f.input_len = f.input_in_data = 0;
    f.out_off = f.out_len = 0;
    f.result_slot = c.result_slot;
    f.gas = gas;
    u32 from = vm.account;
    WE_TRY(open_frame(vm, f));
    WE_TRY(make_contract(vm, from, c.value));
    return CTL_FRAME;
}

// ---- SELFDESTRUCT
// ---------------------------------------------------------------------------------

// The section has the static gas (EIP-150). Ends the frame.
WE_DEV WE_NOINLINE u32 op_self_destruct(Vm& vm, const u256& beneficiary) {
    if (vm.flags & FRAME_STATIC) return halt(vm, END_STATIC_VIOLATION);
    u32 to;
    WE_TRY(find_account(vm, to_addr(beneficiary), to));
    u32 self = vm.account;
    observe(vm, self, ACCOUNT_READ_BALANCE);
    u256 balance = WE_ACCW(vm, self, balance);
    GasSchedule schedule = vm.schedule();
    u64 cost = 0, fresh = schedule.self_destruct_new_account();
    if (vm.has(RULE_WARM_ACCESS) && !is_warm(vm, to)) cost += schedule.cold_account();
    if (fresh && (!is_zero(balance) || !vm.has(RULE_STATE_CLEARING)) && is_dead(vm, to)) {
        cost += fresh;
    }
    if (!charge(vm, cost)) return halt(vm, END_OUT_OF_GAS);
    if (vm.has(RULE_WARM_ACCESS)) WE_TRY(set_flags(vm, to, ACCOUNT_WARM));
    u32 flags = WE_ACC(vm, self, flags);
    // EIP-6780: only what this transaction created goes; the balance moves in any case.
    bool destroy = !vm.has(RULE_SELF_DESTRUCT_OF_NEW_ONLY) || (flags & ACCOUNT_CREATED);
    if (destroy && !(flags & ACCOUNT_DESTROYED)) vm.refund += schedule.self_destruct_refund();
    if (to != self) {
        WE_TRY(transfer(vm, self, to, balance));
    } else if (destroy) {
        WE_TRY(debit(vm, self, balance));
    }
    if (destroy) WE_TRY(set_flags(vm, self, ACCOUNT_DESTROYED));
    vm.ret_len = 0;
    return halt(vm, END_SELF_DESTRUCT);
}

}  // namespace warpevm
#endif
