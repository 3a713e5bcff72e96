// The interpreter: runs the frames of one instance until the transaction is over or suspends.
//
// Gas, sp and the op pointer of the running frame live in locals; ops that need more go through
// functions on Vm, with gas written back before and read after. An op's body holds its semantics:
// its static gas and its stack checks were done by the `Bb` or `Section` before it.
#ifndef WARPEVM_INTERP_CUH
#define WARPEVM_INTERP_CUH

#include "tx.cuh"
#include "storage_ops.cuh"

namespace warpevm {

// Operands: slots and constants are both 32 bytes apart, so each operand is one of two bases plus
// 32 times its encoding.
struct Operands {
    Lane m;
    u32 slots_off;
    const u8* consts;
    u32 sp;

    WE_DEV WE_INLINE u256 read(u32 x) const {
#if WE_TILE == 1
        usize slots = (usize)m.base + slots_off + 32 * ((usize)sp - OPERAND_SLOT_BIAS);
        usize consts_base = (usize)consts - 32 * (usize)OPERAND_CONST_BIT;
        usize p = (x & OPERAND_CONST_BIT ? consts_base : slots) + 32 * (usize)x;
        // By limbs, which stay in registers: a copy of the whole would go through the stack, and
        // its 16-byte loads would wait for 8-byte stores.
        u256 v;
        WE_UNROLL
        for (u32 i = 0; i < word_limbs; i++) {
            __builtin_memcpy(&v.w[i], (const void*)(p + sizeof(limb) * i), sizeof(limb));
        }
        return v;
#else
        if (x & OPERAND_CONST_BIT) {
            return to_u256(((const Word*)consts)[x & ~OPERAND_CONST_BIT]);
        }
        return m.slot(slots_off + 32 * (sp + x - OPERAND_SLOT_BIAS));
#endif
    }
    WE_DEV WE_INLINE u32 slot(u32 x) const { return sp + x - OPERAND_SLOT_BIAS; }
    WE_DEV WE_INLINE void write(u32 x, const u256& v) const {
#if WE_TILE == 1
        usize p = (usize)m.base + slots_off + 32 * ((usize)sp + x - OPERAND_SLOT_BIAS);
        WE_UNROLL
        for (u32 i = 0; i < word_limbs; i++) {
            __builtin_memcpy((void*)(p + sizeof(limb) * i), &v.w[i], sizeof(limb));
        }
#else
        m.set_slot(slots_off + 32 * slot(x), v);
#endif
    }
};

WE_DEV WE_INLINE u32 jump_target(const Code* code, const u256& pc) {
    if (!fits_u32(pc) || low_u32(pc) >= code->len) return 0;
    const u32* table = (const u32*)code->jump_table;
    u32 at = low_u32(pc), block = at / 32 * 2;
    u32 bits = table[block], bit = 1u << at % 32;
    if (!(bits & bit)) return 0;
    return table[table[block + 1] + popcount32(bits & (bit - 1))];
}

WE_DEV WE_INLINE CallArgs call_args(const Operands& o, const Op* p) {
    CallArgs c;
    c.kind = p->code;
    c.result_slot = o.slot(p->dst);
    c.gas = o.read(p->a);
    c.to = o.read(p->b);
    c.value = p->code == OP_CALL || p->code == OP_CALL_CODE ? o.read(p->c) : zero256();
    const Op* e = p + 1;
    c.in_off = o.read(e->dst);
    c.in_len = o.read(e->a);
    c.out_off = o.read(e->b);
    c.out_len = o.read(e->c);
    return c;
}

WE_DEV WE_INLINE CreateArgs create_args(const Operands& o, const Op* p) {
    CreateArgs c;
    c.with_salt = p->code == OP_CREATE2;
    c.result_slot = o.slot(p->dst);
    c.value = o.read(p->a);
    c.off = o.read(p->b);
    c.len = o.read(p->c);
    c.salt = c.with_salt ? o.read(p[1].dst) : zero256();
    return c;
}

WE_DEV WE_INLINE u32 log_op(Vm& vm, const Operands& o, const Op* p) {
    u256 topic[4];
    u32 n = (u32)p->x;
    if (n > 0) topic[0] = o.read(p[1].dst);
    if (n > 1) topic[1] = o.read(p[1].a);
    if (n > 2) topic[2] = o.read(p[1].b);
    if (n > 3) topic[3] = o.read(p[1].c);
    return op_log(vm, o.read(p->a), o.read(p->b), n, topic);
}

// RETURN and REVERT: the range becomes the return data.
WE_DEV WE_NOINLINE u32 op_return(Vm& vm, const u256& off, const u256& len, u32 end) {
    u32 o, n;
    WE_TRY(expand_range(vm, off, len, o, n));
    if (n > vm.lay->return_cap) return need_class(vm, REGION_RETURN, n);
    if (n) vm.m.copy(vm.lay->return_off, vm.mem + o, n);
    vm.ret_len = n;
    return halt(vm, end);
}

WE_DEV WE_NOINLINE u32 exp_gas(Vm& vm, const u256& exponent) {
    u64 bytes = (bit_length(exponent) + 7) / 8;
    u64 per_byte = vm.schedule().exp_byte();
    return charge(vm, bytes * per_byte) ? (u32)CTL_NEXT : halt(vm, END_OUT_OF_GAS);
}

// Ops of the loop below. A, B, C read operands, W writes the result.
#define A (o.read(p->a))
#define B (o.read(p->b))
#define C (o.read(p->c))
#define W(x) o.write(p->dst, (x))

// Operands of functions that take references. A GPU has them in memory: in the same four places
// for all ops, or the stack frame of every thread would hold a copy per op.
#if WE_CUDA
#define RA (ra = A)
#define RB (rb = B)
#define RC (rc = C)
#define RD(x) (rd = (x))
#define WE_RESULT u256& r = rd
#else
#define RA A
#define RB B
#define RC C
#define RD(x) (x)
#define WE_RESULT u256 r
#endif

#if WE_CUDA || !defined(__GNUC__)
#define WE_CASE(name) case OP_##name:
#define WE_NEXT goto next
#else
// One indirect jump per op, so that the branch predictor sees which op follows which.
#define WE_CASE(name) L_##name:
#define WE_NEXT goto* labels[p->code]
#endif

#define WE_PURE(name, x) \
    WE_CASE(name) {      \
        W(x);            \
        p++;             \
        WE_NEXT;         \
    }

// An op through a function on Vm; `width` is 2 where an Ext follows.
#define WE_CALL(expr, width)            \
    do {                                \
        vm.gas = vm.op_gas = gas;       \
        vm.op_mem_len = vm.mem_len;     \
        ctl = (expr);                   \
        gas = vm.gas;                   \
        if (ctl != CTL_NEXT) goto stop; \
        p += (width);                   \
    } while (0)

// The same where `cond` says that it has anything to do; on a GPU, where a second path through an
// op takes registers, always.
#if WE_CUDA
#define WE_CALL_IF(cond, expr, width) WE_CALL(expr, width)
#else
#define WE_CALL_IF(cond, expr, width) \
    do {                              \
        if (cond) {                   \
            WE_CALL(expr, width);     \
        } else {                      \
            p += (width);             \
        }                             \
    } while (0)
#endif

#define WE_VM(name, expr)  \
    WE_CASE(name) {        \
        WE_CALL(expr, 1);  \
        WE_NEXT;           \
    }

// The same with a result.
#define WE_VMR(name, expr)           \
    WE_CASE(name) {                  \
        WE_RESULT;                   \
        const Op* at = p;            \
        WE_CALL(expr, 1);            \
        o.write(at->dst, r);         \
        WE_NEXT;                     \
    }

// A conditional jump to op imm.
#define WE_BRANCH(name, cond)        \
    WE_CASE(name) {                  \
        bool taken = (cond);         \
        o.sp += (u32)(i32)p->x;      \
        p = taken ? ops + p->imm : p + 1; \
        WE_NEXT;                     \
    }

#define WE_HALT(e)         \
    do {                   \
        vm.gas = gas;      \
        ctl = halt(vm, e); \
        goto stop;         \
    } while (0)

// Runs frames until CTL_DONE or CTL_SUSPEND.
WE_DEV WE_ONCE u32 run_frames(Vm& vm) {
#if !(WE_CUDA || !defined(__GNUC__))
#define WE_LABEL(name) &&L_##name,
    static const void* const labels[] = {WARPEVM_OPS(WE_LABEL)};
#undef WE_LABEL
#endif
    const Op* ops;
    const Op* p;
    Operands o;
    u64 gas;
    u32 mem, ctl;
    u64 steps = vm.steps_left;
    const BlockEnv* env = vm.env;
#if WE_CUDA
    u256 ra, rb, rc, rd;
#endif

reload:
    ops = (const Op*)vm.code_entry->ops;
    p = ops + vm.ip;
    o.m = vm.m;
    o.slots_off = vm.lay->slots_off;
    o.consts = (const u8*)vm.code_entry->consts;
    o.sp = vm.sp;
    gas = vm.gas;
    mem = vm.mem;

#if WE_CUDA || !defined(__GNUC__)
next:
    switch (p->code) {
#else
    WE_NEXT;
#endif

    WE_CASE(BAD_JUMP) { WE_HALT(END_BAD_JUMP); }
    WE_CASE(STOP) {
        vm.ret_len = 0;
        WE_HALT(END_STOP);
    }
    WE_CASE(INVALID) { WE_HALT(END_INVALID_OPCODE); }
    WE_CASE(EXT) { WE_HALT(END_INVALID_OPCODE); }

    WE_CASE(BB) {
        u32 height = o.sp - vm.slots_base;
        if (--steps == 0) {
            steps = 1;
            ctl = suspend_here(vm, NEED_STEPS);
            goto stop;
        }
        if (gas < p->imm) WE_HALT(END_OUT_OF_GAS);
        gas -= p->imm;
        if (height < p->a || height + p->b > STACK_ITEMS_MAX) WE_HALT(END_STACK);
        vm.reserved_slots = p->c;
        if (o.sp + p->c > vm.lay->slots_cap) {
            ctl = need_class(vm, REGION_SLOTS, (u64)o.sp + p->c);
            goto stop;
        }
        p++;
        WE_NEXT;
    }
    WE_CASE(SECTION) {
        if (gas < p->imm) WE_HALT(END_OUT_OF_GAS);
        gas -= p->imm;
        p++;
        WE_NEXT;
    }
    WE_CASE(LOWER) {
#if WE_TILE == 1
        // Another thread may set it at any time, after what it names.
        u32 to = __atomic_load_n(&p->imm, __ATOMIC_ACQUIRE);
        if (to == 0) {
            WE_SET(vm.m, Instance, 0, need_code, vm.code);
            WE_SET(vm.m, Instance, 0, need_off, (u32)(p - ops));
            ctl = suspend_here(vm, NEED_LOWER);
            goto stop;
        }
        p = ops + to;
        WE_NEXT;
#else
        WE_HALT(END_INVALID_OPCODE);  // programs of devices are whole
#endif
    }
    WE_CASE(FALL) {
        o.sp += (u32)(i32)p->x;
        p++;
        WE_NEXT;
    }
    WE_CASE(GO_TO) {
        o.sp += (u32)(i32)p->x;
        p = ops + p->imm;
        WE_NEXT;
    }
    WE_CASE(JUMP) {
        u32 target = jump_target(vm.code_entry, A);
        o.sp += (u32)(i32)p->x;
        p = ops + target;
        WE_NEXT;
    }
    WE_CASE(JUMP_I) {
        bool taken = !is_zero(A);
        u32 target = taken ? jump_target(vm.code_entry, B) : 0;
        o.sp += (u32)(i32)p->x;
        p = taken ? ops + target : p + 1;
        WE_NEXT;
    }
    WE_BRANCH(JUMP_IF, !is_zero(A))
    WE_BRANCH(JUMP_IF_ZERO, is_zero(A))
    WE_BRANCH(JUMP_EQ, eq(A, B))
    WE_BRANCH(JUMP_NE, !eq(A, B))
    WE_BRANCH(JUMP_LT, lt(A, B))
    WE_BRANCH(JUMP_GE, !lt(A, B))
    WE_BRANCH(JUMP_SLT, slt(A, B))
    WE_BRANCH(JUMP_SGE, !slt(A, B))
    WE_VM(RETURN, op_return(vm, RA, RB, END_RETURN))
    WE_VM(REVERT, op_return(vm, RA, RB, END_REVERT))
    WE_VM(SELF_DESTRUCT, op_self_destruct(vm, RA))

    WE_PURE(MOV, A)
    WE_PURE(LOAD_K, to_u256(((const Word*)o.consts)[p->imm]))
    WE_PURE(ADD, add(A, B))
    WE_PURE(MUL, mul(A, B))
    WE_PURE(SUB, sub(A, B))
    WE_PURE(DIV, div(A, B))
    WE_PURE(SDIV, sdiv(A, B))
    WE_PURE(MOD, mod(A, B))
    WE_PURE(SMOD, smod(A, B))
    WE_PURE(ADD_MOD, addmod(A, B, C))
    WE_PURE(MUL_MOD, mulmod(A, B, C))
    WE_CASE(EXP) {
        u256 base = A, exponent = B;
        const Op* at = p;
        WE_CALL(exp_gas(vm, exponent), 1);
        o.write(at->dst, exp(base, exponent));
        WE_NEXT;
    }
    WE_PURE(EXP_K, exp(A, B))
    WE_PURE(SIGN_EXTEND, signextend(A, B))
    WE_PURE(LT, from_bool(lt(A, B)))
    WE_PURE(GT, from_bool(gt(A, B)))
    WE_PURE(SLT, from_bool(slt(A, B)))
    WE_PURE(SGT, from_bool(sgt(A, B)))
    WE_PURE(EQ, from_bool(eq(A, B)))
    WE_PURE(IS_ZERO, from_bool(is_zero(A)))
    WE_PURE(NOT_ZERO, from_bool(!is_zero(A)))
    WE_PURE(AND, bit_and(A, B))
    WE_PURE(OR, bit_or(A, B))
    WE_PURE(XOR, bit_xor(A, B))
    WE_PURE(NOT, bit_not(A))
    WE_PURE(BYTE, byte_at(A, B))
    WE_PURE(SHL, shl(A, B))
    WE_PURE(SHR, shr(A, B))
    WE_PURE(SAR, sar(A, B))
    WE_PURE(SHL_K, shl_k(A, p->imm))
    WE_PURE(SHR_K, shr_k(A, p->imm))
    WE_PURE(SAR_K, sar_k(A, p->imm))
    WE_PURE(CLZ, from_u64(clz(A)))

    WE_VMR(KECCAK, op_keccak(vm, RA, RB, r))
    WE_PURE(KECCAK_K, keccak256(memory_range(vm, p->imm, (u16)p->x), (u16)p->x))
    WE_PURE(KECCAK1, keccak256_1(A))
    WE_PURE(KECCAK2, keccak256_2(A, B))

    WE_PURE(ADDRESS, from_addr(WE_FRAME(vm, addr)))
    WE_PURE(ORIGIN, from_addr(vm.tx->caller))
    WE_PURE(CALLER, from_addr(WE_FRAME(vm, caller)))
    WE_PURE(CALL_VALUE, WE_GETW(vm.m, Frame, vm.frame, value))
    WE_CASE(CALL_DATA_LOAD) {
        u256 off = A;
        W(fits_u32(off) ? input_of(vm).word(low_u32(off)) : zero256());
        p++;
        WE_NEXT;
    }
    WE_PURE(CALL_DATA_LOAD_K, input_of(vm).word(p->imm))
    WE_PURE(CALL_DATA_SIZE, from_u64(vm.input_len))
    WE_PURE(CODE_SIZE, from_u64(vm.code_entry->len))
    WE_PURE(GAS_PRICE, to_u256(vm.tx->gas_price))
    WE_PURE(RETURN_DATA_SIZE, from_u64(vm.ret_len))
    WE_PURE(COINBASE, from_addr(env->coinbase))
    WE_PURE(TIMESTAMP, to_u256(env->timestamp))
    WE_PURE(NUMBER, to_u256(env->number))
    WE_PURE(PREV_RANDAO, to_u256(env->prevrandao))
    WE_PURE(GAS_LIMIT, to_u256(env->gas_limit))
    WE_PURE(CHAIN_ID, to_u256(env->chain_id))
    WE_PURE(SELF_BALANCE, op_self_balance(vm))
    WE_PURE(BASE_FEE, to_u256(env->base_fee))
    WE_PURE(BLOB_HASH, op_blob_hash(vm, A))
    WE_PURE(BLOB_BASE_FEE, to_u256(env->blob_base_fee))
    WE_VMR(BALANCE, op_balance(vm, RA, r))
    WE_VMR(EXT_CODE_SIZE, op_ext_code_size(vm, RA, r))
    WE_VMR(EXT_CODE_HASH, op_ext_code_hash(vm, RA, r))
    WE_VMR(BLOCK_HASH, op_block_hash(vm, RA, r))

    WE_VM(CALL_DATA_COPY, op_call_data_copy(vm, RA, RB, RC))
    WE_VM(CODE_COPY, op_code_copy(vm, RA, RB, RC))
    WE_VM(RETURN_DATA_COPY, op_return_data_copy(vm, RA, RB, RC))
    WE_VM(MCOPY, op_mcopy(vm, RA, RB, RC))
    WE_CASE(EXT_CODE_COPY) {
        WE_CALL(op_ext_code_copy(vm, RA, RB, RC, RD(o.read(p[1].dst))), 2);
        WE_NEXT;
    }

    WE_CASE(MEM_EXPAND) {
        if (p->imm > vm.mem_len) WE_CALL(expand_slow(vm, p->imm), 0);
        p++;
        WE_NEXT;
    }
    WE_CASE(MLOAD) {
        u256 off = A;
        const Op* at = p;
        if (!fits_u32(off)) WE_HALT(END_OUT_OF_GAS);
        WE_CALL_IF(low_u64(off) + 32 > vm.mem_len, expand(vm, low_u64(off) + 32), 1);
        o.write(at->dst, o.m.load_be(mem + low_u32(off)));
        WE_NEXT;
    }
    WE_CASE(MSTORE) {
        u256 off = A, value = B;
        if (!fits_u32(off)) WE_HALT(END_OUT_OF_GAS);
        WE_CALL_IF(low_u64(off) + 32 > vm.mem_len, expand(vm, low_u64(off) + 32), 1);
        o.m.store_be(mem + low_u32(off), value);
        WE_NEXT;
    }
    WE_CASE(MSTORE8) {
        u256 off = A, value = B;
        if (!fits_u32(off)) WE_HALT(END_OUT_OF_GAS);
        WE_CALL_IF(low_u64(off) + 1 > vm.mem_len, expand(vm, low_u64(off) + 1), 1);
        o.m.set_byte(mem + low_u32(off), (u8)low_u32(value));
        WE_NEXT;
    }
    WE_PURE(MLOAD_K, o.m.load_be(mem + p->imm))
    WE_CASE(MSTORE_K) {
        o.m.store_be(mem + p->imm, A);
        p++;
        WE_NEXT;
    }
    WE_CASE(MSTORE8_K) {
        o.m.set_byte(mem + p->imm, (u8)low_u32(A));
        p++;
        WE_NEXT;
    }
    WE_PURE(MSIZE, from_u64(vm.mem_len))
    WE_PURE(GAS, from_u64(gas))

    WE_VMR(SLOAD, op_sload(vm, RA, r))
    WE_VM(SSTORE, op_sstore(vm, RA, RB))
    WE_VMR(TLOAD, op_tload(vm, RA, r))
    WE_VM(TSTORE, op_tstore(vm, RA, RB))
    WE_CASE(LOG) {
        WE_CALL(log_op(vm, o, p), 2);
        WE_NEXT;
    }
    WE_CASE(CREATE) WE_CASE(CREATE2) {
        u32 width = p->code == OP_CREATE2 ? 2 : 1;
        vm.sp = o.sp;
        vm.ip = (u32)(p - ops) + width;
        WE_CALL(op_create(vm, create_args(o, p)), width);
        WE_NEXT;
    }
    WE_CASE(CALL) WE_CASE(CALL_CODE) WE_CASE(DELEGATE_CALL) WE_CASE(STATIC_CALL) {
        vm.sp = o.sp;
        vm.ip = (u32)(p - ops) + 2;
        WE_CALL(op_call(vm, call_args(o, p)), 2);
        WE_NEXT;
    }

#if WE_CUDA || !defined(__GNUC__)
    }
#endif

stop:
    if (ctl == CTL_HALT) ctl = end_frame(vm);
    if (ctl == CTL_FRAME) goto reload;
    vm.steps_left = steps;
    // An op that runs again, or a bb that has not begun, goes on at itself.
    if (ctl == CTL_SUSPEND && vm.step != STEP_DEPLOY && vm.step != STEP_PRECOMPILE) {
        vm.ip = (u32)(p - ops);
        vm.sp = o.sp;
        vm.gas = gas;
    }
    return ctl;
}

#undef A
#undef B
#undef C
#undef W
#undef RA
#undef RB
#undef RC
#undef RD

// ---- one launch of one instance
// -------------------------------------------------------------------

WE_DEV WE_NOINLINE void load_vm(Vm& vm) {
    const Lane& m = vm.m;
    vm.tx = (const Tx*)vm.launch->txs + WE_GET(m, Instance, 0, tx);
    vm.env = (const BlockEnv*)vm.launch->env;
    vm.rules = vm.launch->rules;
    vm.phase = WE_GET(m, Instance, 0, phase);
    vm.refund = WE_GET(m, Instance, 0, refund);
    vm.accounts = WE_GET(m, Instance, 0, accounts);
    vm.storage = WE_GET(m, Instance, 0, storage);
    vm.journal = WE_GET(m, Instance, 0, journal);
    vm.logs = WE_GET(m, Instance, 0, logs);
    vm.log_bytes = WE_GET(m, Instance, 0, log_bytes);
    vm.ret_len = WE_GET(m, Instance, 0, ret_len);
    vm.serial = WE_GET(m, Instance, 0, serial);
    vm.step = WE_GET(m, Instance, 0, step);
    vm.steps_left = vm.launch->step_budget;
    vm.end = END_RETURN;
    vm.depth = WE_GET(m, Instance, 0, depth);
    if (vm.phase == PHASE_RUN) load_frame(vm);
}

WE_DEV WE_NOINLINE void save_vm(Vm& vm, u32 status) {
    const Lane& m = vm.m;
    if (vm.phase == PHASE_RUN) save_frame(vm);
    u64 steps = vm.launch->step_budget - vm.steps_left;
    WE_SET(m, Instance, 0, status, status);
    WE_SET(m, Instance, 0, phase, vm.phase);
    WE_SET(m, Instance, 0, depth, vm.depth);
    WE_SET(m, Instance, 0, refund, vm.refund);
    WE_SET(m, Instance, 0, accounts, vm.accounts);
    WE_SET(m, Instance, 0, storage, vm.storage);
    WE_SET(m, Instance, 0, journal, vm.journal);
    WE_SET(m, Instance, 0, logs, vm.logs);
    WE_SET(m, Instance, 0, log_bytes, vm.log_bytes);
    WE_SET(m, Instance, 0, ret_len, vm.ret_len);
    WE_SET(m, Instance, 0, serial, vm.serial);
    WE_SET(m, Instance, 0, step, vm.step);
    WE_SET(m, Instance, 0, end, vm.end);
    WE_SET(m, Instance, 0, steps, WE_GET(m, Instance, 0, steps) + steps);
}

// The frames of a transaction, from wherever it stands.
WE_DEV WE_INLINE u32 run_phases(Vm& vm) {
    u32 ctl = CTL_NEXT;
    if (vm.phase == PHASE_PROLOGUE) {
        ctl = prologue(vm);
        if (ctl != CTL_NEXT) return ctl;
    }
    if (vm.phase == PHASE_START) {
        ctl = start(vm);
    } else if (vm.step == STEP_DEPLOY) {
        ctl = end_frame(vm);
    } else if (vm.step == STEP_PRECOMPILE) {
        ctl = resume_precompile(vm);
    } else {
        ctl = CTL_FRAME;
    }
    if (ctl == CTL_FRAME) ctl = run_frames(vm);
    if (ctl != CTL_DONE || vm.phase != PHASE_EPILOGUE) return ctl;
    return epilogue(vm);
}

// The memory of instance `index`.
WE_DEV WE_INLINE Lane lane_of(const Launch* launch, u32 index) {
    u64 bytes = ((const Layout*)launch->layout)->bytes;
    u8* tile = (u8*)launch->memory + (usize)(index / WE_TILE) * bytes * WE_TILE;
    return Lane{tile + index % WE_TILE * 16};
}

// Runs instance `index` of a launch until it is done or suspended.
WE_DEV WE_ONCE void run_instance(const Launch* launch, u32 index) {
    Vm vm;
    vm.launch = launch;
    vm.lay = (const Layout*)launch->layout;
    vm.m = lane_of(launch, index);
    u32 status = WE_GET(vm.m, Instance, 0, status);
    if (status == STATUS_DONE || status == STATUS_SUSPENDED) return;
    load_vm(vm);
    if (run_phases(vm) == CTL_DONE) {
        clear_index(vm);
        save_vm(vm, STATUS_DONE);
    } else {
        save_vm(vm, STATUS_SUSPENDED);
    }
}

}  // namespace warpevm
#endif
