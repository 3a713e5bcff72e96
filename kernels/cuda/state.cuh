// The state that a transaction sees: the shared table (read-only), the overlay of the instance, and
// the undo journal. Below it is vm.cuh; above it the ops that use state.
#ifndef WARPEVM_STATE_CUH
#define WARPEVM_STATE_CUH

#include "vm.cuh"

namespace warpevm {

// ---- hashing (the host computes the same: host/src/state) ------------------------------------

WE_DEV WE_INLINE u64 mul_fold(u64 a, u64 b) {
#if WE_CUDA
    return (a * b) ^ __umul64hi(a, b);
#else
    unsigned __int128 p = (unsigned __int128)a * b;
    return (u64)p ^ (u64)(p >> 64);
#endif
}

WE_DEV WE_INLINE u64 mix(u64 a, u64 b) {
    return mul_fold(a ^ HASH_SECRET_A, b ^ HASH_SECRET_B);
}

// A second secret: no factor of a product may be known to who chooses the keys, or all keys with a
// factor of zero collide, whatever the seed. And both factors of the last product are hashes: keys
// that differ in one plain factor only, as numbers in a row do, pile up under some seeds.
WE_DEV WE_INLINE u64 other_seed(u64 seed) { return seed << 32 | seed >> 32; }

WE_DEV WE_INLINE u32 hash_account(u64 seed, const Addr& a) {
    u64 x0 = (u64)a.w[1] << 32 | a.w[0], x1 = (u64)a.w[3] << 32 | a.w[2];
    u64 other = other_seed(seed);
    return (u32)mix(mix(x0 ^ seed, x1 ^ other), mix(a.w[4] ^ seed, other));
}

WE_DEV WE_INLINE u32 hash_slot(u64 seed, const u256& key, u32 account) {
    u64 k0 = u64_at(key, 0), k1 = u64_at(key, 1), k2 = u64_at(key, 2), k3 = u64_at(key, 3);
    u64 other = other_seed(seed);
    return (u32)mix(mix(k0 ^ seed, k1 ^ other), mix(k2 ^ seed, k3 ^ other ^ account));
}

// ---- the shared table -------------------------------------------------------------------------

// On the CPU the host may publish entries while other instances run: index last, so acquire it.
WE_DEV WE_INLINE u32 load_index(const u32* p) {
#if WE_CUDA
    return *p;
#else
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
#endif
}

// The table's values may change while an instance runs on the CPU: the host commits transactions
// before it. So each is loaded once, by pieces that are not torn; whether it was the right value
// the host finds out in the end.
template <class T>
WE_DEV WE_INLINE T load_shared(const T* p) {
#if WE_CUDA
    return *p;
#else
    return __atomic_load_n(p, __ATOMIC_RELAXED);
#endif
}

WE_DEV WE_INLINE Word load_shared(const Word* p) {
    Word x;
    WE_UNROLL
    for (u32 i = 0; i < 4; i++) x.l[i] = load_shared(&p->l[i]);
    return x;
}

// What the value names (a code) was written before it.
WE_DEV WE_INLINE void fence_loads() {
#if !WE_CUDA
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
#endif
}

// The newest version of an entry that a transaction before this one left and that the table does
// not have yet, or NONE. `versions` is the entry's field.
WE_DEV WE_INLINE u32 version_before(const Launch* l, const u32* versions) {
    if (l->versions == 0) return NONE;
    u32 number = load_shared(versions);
    if (number == 0) return NONE;
    u64 run = load_shared((const u64*)l->version_runs + (number - 1));
    fence_loads();
    const Version* v = (const Version*)l->versions + (u32)(run >> 32);
    u32 low = 0, high = (u32)run;
    while (low < high) {
        u32 middle = (low + high) >> 1;
        if (load_shared(&v[middle].order) < l->order) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0 || load_shared(&v[low - 1].order) < l->committed) return NONE;
    return (u32)(run >> 32) + low - 1;
}

// The table's entry of an account, or NONE.
WE_DEV WE_INLINE u32 table_account(const Launch* l, const Addr& addr) {
    const u32* index = (const u32*)l->account_index;
    const TableAccount* t = (const TableAccount*)l->accounts;
    u32 mask = l->account_mask;
    for (u32 i = hash_account(l->hash_seed, addr) & mask;; i = (i + 1) & mask) {
        u32 e = load_index(index + i);
        if (e == 0) return NONE;
        if (same(t[e - 1].addr, addr)) return e - 1;
    }
}

// The table's entry of a slot of the account with table entry `account`, or NONE.
WE_DEV WE_INLINE u32 table_slot(const Launch* l, u32 account, const u256& key) {
    const u32* index = (const u32*)l->slot_index;
    const TableSlot* t = (const TableSlot*)l->slots;
    u32 mask = l->slot_mask;
    for (u32 i = hash_slot(l->hash_seed, key, account) & mask;; i = (i + 1) & mask) {
        u32 e = load_index(index + i);
        if (e == 0) return NONE;
        const TableSlot& s = t[e - 1];
        if (s.account == account && eq(to_u256(s.key), key)) return e - 1;
    }
}

// ---- overlay accounts -------------------------------------------------------------------------

WE_DEV WE_INLINE u32 account_off(const Vm& vm, u32 i) {
    return vm.lay->accounts_off + i * (u32)sizeof(OverlayAccount);
}
WE_DEV WE_INLINE u32 storage_off(const Vm& vm, u32 i) {
    return vm.lay->storage_off + i * (u32)sizeof(OverlaySlot);
}

#define WE_ACC(vm, i, f) WE_GET((vm).m, OverlayAccount, account_off((vm), (i)), f)
#define WE_ACC_SET(vm, i, f, x) WE_SET((vm).m, OverlayAccount, account_off((vm), (i)), f, x)
#define WE_ACCW(vm, i, f) WE_GETW((vm).m, OverlayAccount, account_off((vm), (i)), f)
#define WE_ACCW_SET(vm, i, f, x) WE_SETW((vm).m, OverlayAccount, account_off((vm), (i)), f, x)
#define WE_SLOT(vm, i, f) WE_GET((vm).m, OverlaySlot, storage_off((vm), (i)), f)
#define WE_SLOT_SET(vm, i, f, x) WE_SET((vm).m, OverlaySlot, storage_off((vm), (i)), f, x)
#define WE_SLOTW(vm, i, f) WE_GETW((vm).m, OverlaySlot, storage_off((vm), (i)), f)
#define WE_SLOTW_SET(vm, i, f, x) WE_SETW((vm).m, OverlaySlot, storage_off((vm), (i)), f, x)

// The precompile at an address in this spec: its number, or 0.
WE_DEV WE_INLINE u32 precompile_at(const Vm& vm, const Addr& a) {
    if ((a.w[0] | a.w[1] | a.w[2] | a.w[3]) != 0) return 0;
    u32 n = bswap32(a.w[4]);
    return precompile_bit(n) & vm.launch->precompiles ? n : 0;
}

// The overlay's entry of an account, or NONE; `at` is its place (or the free one) in the index.
WE_DEV WE_INLINE u32 overlay_account(const Vm& vm, const Addr& addr, u32& at) {
    u32 mask = vm.lay->account_index_cap - 1;
    for (u32 i = hash_account(vm.launch->hash_seed, addr) & mask;; i = (i + 1) & mask) {
        at = vm.lay->account_index_off + 4 * i;
        u32 e = vm.m.get<u32>(at);
        if (e == 0) return NONE;
        if (same(WE_ACC(vm, e - 1, addr), addr)) return e - 1;
    }
}

// Copies a table entry into the overlay. Precompiles and (EIP-3651) the fee recipient are warm from
// the start, like everything else that the prologue warms.
WE_DEV WE_NOINLINE u32 load_account(Vm& vm, const Addr& addr, u32 at, u32& out) {
    u32 base = table_account(vm.launch, addr);
    if (base == NONE) {
        WE_SET(vm.m, Instance, 0, need_addr, addr);
        return suspend_op(vm, NEED_ACCOUNT);
    }
    if (vm.accounts >= vm.lay->accounts_cap) {
        return need_class(vm, REGION_ACCOUNTS, (u64)vm.accounts + 1);
    }
    const TableAccount* t = (const TableAccount*)vm.launch->accounts + base;
    u32 i = vm.accounts++;
    u32 flags = load_shared(&t->flags) & (ACCOUNT_EXISTS | ACCOUNT_HAS_STORAGE | ACCOUNT_WIPED);
    Word balance = load_shared(&t->balance);
    u64 nonce = load_shared(&t->nonce);
    u32 code = load_shared(&t->code);
    u32 version = version_before(vm.launch, &t->versions);
    if (version != NONE) {
        const Version* v = (const Version*)vm.launch->versions + version;
        flags = (flags & ~ACCOUNT_EXISTS) | load_shared(&v->flags);
        balance = load_shared(&v->value);
        nonce = load_shared(&v->nonce);
        code = load_shared(&v->code);
    }
    fence_loads();
    WE_ACC_SET(vm, i, first_flags, flags);
    if (precompile_at(vm, addr) || (vm.has(RULE_WARM_COINBASE) && same(addr, vm.env->coinbase))) {
        flags |= ACCOUNT_WARM;
    }
    WE_ACC_SET(vm, i, balance, balance);
    WE_ACC_SET(vm, i, first_balance, balance);
    WE_ACC_SET(vm, i, nonce, nonce);
    WE_ACC_SET(vm, i, first_nonce, nonce);
    WE_ACC_SET(vm, i, addr, addr);
    WE_ACC_SET(vm, i, flags, flags);
    WE_ACC_SET(vm, i, code, code);
    WE_ACC_SET(vm, i, first_code, code);
    WE_ACC_SET(vm, i, base, base);
    WE_ACC_SET(vm, i, mark, 0u);
    vm.m.set<u32>(at, i + 1);
    out = i;
    return CTL_NEXT;
}

// The overlay entry of an account. Changes nothing that a suspension would have to undo.
WE_DEV WE_INLINE u32 find_account(Vm& vm, const Addr& addr, u32& out) {
    u32 at;
    out = overlay_account(vm, addr, at);
    if (out != NONE) return CTL_NEXT;
    return load_account(vm, addr, at, out);
}

// ---- journal ----------------------------------------------------------------------------------

WE_DEV WE_INLINE u32 journal_off(const Vm& vm, u32 i) {
    return vm.lay->journal_off + i * (u32)sizeof(Journal);
}

// Call before the first change of an account in the running frame (frames have serials from 1; the
// prologue, serial 0, cannot be undone).
WE_DEV WE_INLINE u32 journal_account(Vm& vm, u32 i) {
    u32 mark = WE_ACC(vm, i, mark);
    if (mark >= vm.frame_serial) return CTL_NEXT;
    if (vm.journal >= vm.lay->journal_cap) {
        return need_class(vm, REGION_JOURNAL, (u64)vm.journal + 1);
    }
    u32 j = journal_off(vm, vm.journal++);
    WE_SET(vm.m, Journal, j, value, WE_ACC(vm, i, balance));
    WE_SET(vm.m, Journal, j, nonce, WE_ACC(vm, i, nonce));
    WE_SET(vm.m, Journal, j, entry, i);
    WE_SET(vm.m, Journal, j, flags, WE_ACC(vm, i, flags));
    WE_SET(vm.m, Journal, j, code, WE_ACC(vm, i, code));
    WE_SET(vm.m, Journal, j, mark, mark);
    WE_ACC_SET(vm, i, mark, vm.frame_serial);
    return CTL_NEXT;
}

// The same for a slot.
WE_DEV WE_INLINE u32 journal_slot(Vm& vm, u32 i) {
    u32 mark = WE_SLOT(vm, i, mark);
    if (mark >= vm.frame_serial) return CTL_NEXT;
    if (vm.journal >= vm.lay->journal_cap) {
        return need_class(vm, REGION_JOURNAL, (u64)vm.journal + 1);
    }
    u32 j = journal_off(vm, vm.journal++);
    WE_SET(vm.m, Journal, j, value, WE_SLOT(vm, i, value));
    WE_SET(vm.m, Journal, j, entry, i | JOURNAL_STORAGE);
    WE_SET(vm.m, Journal, j, flags, WE_SLOT(vm, i, flags));
    WE_SET(vm.m, Journal, j, mark, mark);
    WE_SLOT_SET(vm, i, mark, vm.frame_serial);
    return CTL_NEXT;
}

static constexpr u32 ACCOUNT_KEPT_ON_UNDO =
    ACCOUNT_READ_BALANCE | ACCOUNT_READ_INFO | ACCOUNT_READ_EMPTY;

// Takes back every change since the journal had `to` entries. What was read stays read. The touch
// of precompile 3 stays too (from EIP-161 on): mainnet's history has it so, see EIP-716's
// discussion of block 2,675,119, and the official tests require it.
WE_DEV WE_NOINLINE void undo(Vm& vm, u32 to) {
    while (vm.journal > to) {
        u32 j = journal_off(vm, --vm.journal);
        u32 entry = WE_GET(vm.m, Journal, j, entry);
        u32 flags = WE_GET(vm.m, Journal, j, flags);
        u32 mark = WE_GET(vm.m, Journal, j, mark);
        if (entry & JOURNAL_STORAGE) {
            u32 i = entry & ~JOURNAL_STORAGE;
            WE_SLOT_SET(vm, i, value, WE_GET(vm.m, Journal, j, value));
            WE_SLOT_SET(vm, i, flags, flags | (WE_SLOT(vm, i, flags) & SLOT_WRITTEN));
            WE_SLOT_SET(vm, i, mark, mark);
            continue;
        }
        u32 kept = ACCOUNT_KEPT_ON_UNDO;
        Addr a = WE_ACC(vm, entry, addr);
        if (vm.has(RULE_STATE_CLEARING) && (a.w[0] | a.w[1] | a.w[2] | a.w[3]) == 0 &&
            a.w[4] == bswap32(PRECOMPILE_RIPEMD160)) {
            kept |= ACCOUNT_TOUCHED;
        }
        WE_ACC_SET(vm, entry, balance, WE_GET(vm.m, Journal, j, value));
        WE_ACC_SET(vm, entry, nonce, WE_GET(vm.m, Journal, j, nonce));
        WE_ACC_SET(vm, entry, flags, flags | (WE_ACC(vm, entry, flags) & kept));
        WE_ACC_SET(vm, entry, code, WE_GET(vm.m, Journal, j, code));
        WE_ACC_SET(vm, entry, mark, mark);
    }
}

// ---- changes and observations -----------------------------------------------------------------

WE_DEV WE_INLINE void observe(Vm& vm, u32 i, u32 what) {
    WE_ACC_SET(vm, i, flags, WE_ACC(vm, i, flags) | what);
}

WE_DEV WE_INLINE bool is_warm(const Vm& vm, u32 i) { return WE_ACC(vm, i, flags) & ACCOUNT_WARM; }

WE_DEV WE_INLINE u32 set_flags(Vm& vm, u32 i, u32 flags) {
    u32 old = WE_ACC(vm, i, flags);
    if ((old & flags) == flags) return CTL_NEXT;
    WE_TRY(journal_account(vm, i));
    WE_ACC_SET(vm, i, flags, old | flags);
    return CTL_NEXT;
}

// Touching brings an account into being; from EIP-161 on it is deleted at the end if still empty.
WE_DEV WE_INLINE u32 touch(Vm& vm, u32 i) {
    return set_flags(vm, i, ACCOUNT_TOUCHED | ACCOUNT_EXISTS);
}

WE_DEV WE_INLINE bool holds_nothing(const Vm& vm, u32 i) {
    return WE_ACC(vm, i, nonce) == 0 && WE_ACC(vm, i, code) == CODE_EMPTY &&
           is_zero(WE_ACCW(vm, i, balance));
}

// Whether an account is dead (EIP-161), or before that fork does not exist; observes it.
WE_DEV WE_INLINE bool is_dead(Vm& vm, u32 i) {
    observe(vm, i, ACCOUNT_READ_EMPTY);
    if (!vm.has(RULE_STATE_CLEARING)) return !(WE_ACC(vm, i, flags) & ACCOUNT_EXISTS);
    return holds_nothing(vm, i);
}

// A credit does not observe the balance: credits commute.
WE_DEV WE_INLINE u32 credit(Vm& vm, u32 i, const u256& value) {
    WE_TRY(touch(vm, i));
    if (is_zero(value)) return CTL_NEXT;
    WE_TRY(journal_account(vm, i));
    WE_ACCW_SET(vm, i, balance, add(WE_ACCW(vm, i, balance), value));
    return CTL_NEXT;
}

// The caller has checked (and so observed) that the balance suffices.
WE_DEV WE_INLINE u32 debit(Vm& vm, u32 i, const u256& value) {
    WE_TRY(touch(vm, i));
    if (is_zero(value)) return CTL_NEXT;
    WE_TRY(journal_account(vm, i));
    WE_ACCW_SET(vm, i, balance, sub(WE_ACCW(vm, i, balance), value));
    return CTL_NEXT;
}

// ---- overlay storage --------------------------------------------------------------------------

WE_DEV WE_INLINE u32 overlay_slot(const Vm& vm, u32 account, const u256& key, u32 transient,
                                  u32& at) {
    u32 mask = vm.lay->storage_index_cap - 1;
    u32 h = hash_slot(vm.launch->hash_seed, key, account | transient << 30);
    for (u32 i = h & mask;; i = (i + 1) & mask) {
        at = vm.lay->storage_index_off + 4 * i;
        u32 e = vm.m.get<u32>(at);
        if (e == 0) return NONE;
        if (WE_SLOT(vm, e - 1, account) == account && eq(WE_SLOTW(vm, e - 1, key), key) &&
            (WE_SLOT(vm, e - 1, flags) & SLOT_TRANSIENT) == transient) {
            return e - 1;
        }
    }
}

// The value of a slot of the table, or of its version.
WE_DEV WE_INLINE u256 shared_slot(const Launch* l, u32 base) {
    const TableSlot* t = (const TableSlot*)l->slots + base;
    u32 version = version_before(l, &t->versions);
    const Word* value = version == NONE ? &t->value : &((const Version*)l->versions)[version].value;
    return to_u256(load_shared(value));
}

WE_DEV WE_NOINLINE u32 load_slot(Vm& vm, u32 account, const u256& key, u32 transient, u32 at,
                                 u32& out) {
    u256 original = zero256();
    u32 base = NONE;
    u32 flags = WE_ACC(vm, account, flags);
    if (!transient && !(flags & ACCOUNT_CREATED)) {
        base = table_slot(vm.launch, WE_ACC(vm, account, base), key);
        if (base == NONE && !(flags & ACCOUNT_WIPED)) {
            WE_SET(vm.m, Instance, 0, need_addr, WE_ACC(vm, account, addr));
            WE_SETW(vm.m, Instance, 0, need_key, key);
            return suspend_op(vm, NEED_SLOT);
        }
        if (base != NONE) original = shared_slot(vm.launch, base);
    }
    if (vm.storage >= vm.lay->storage_cap) {
        return need_class(vm, REGION_STORAGE, (u64)vm.storage + 1);
    }
    u32 i = vm.storage++;
    WE_SLOTW_SET(vm, i, key, key);
    WE_SLOTW_SET(vm, i, value, original);
    WE_SLOTW_SET(vm, i, original, original);
    WE_SLOT_SET(vm, i, account, account);
    WE_SLOT_SET(vm, i, flags, transient);
    WE_SLOT_SET(vm, i, base, base);
    WE_SLOT_SET(vm, i, mark, 0u);
    vm.m.set<u32>(at, i + 1);
    out = i;
    return CTL_NEXT;
}

// The overlay entry of a slot (`transient` 0 or SLOT_TRANSIENT). Changes nothing that a suspension
// would have to undo.
WE_DEV WE_INLINE u32 find_slot(Vm& vm, u32 account, const u256& key, u32 transient, u32& out) {
    u32 at;
    out = overlay_slot(vm, account, key, transient, at);
    if (out != NONE) return CTL_NEXT;
    return load_slot(vm, account, key, transient, at, out);
}

// ---- the end of a transaction -----------------------------------------------------------------

// Frees the index arrays for the next transaction. Costs no more than the entries used.
WE_DEV WE_NOINLINE void clear_index(Vm& vm) {
    u32 cap = vm.lay->account_index_cap, off = vm.lay->account_index_off;
    if (vm.accounts >= cap / 8) {
        vm.m.zero(off, cap * 4);
    } else {
        for (u32 e = 0; e < vm.accounts; e++) {
            u32 i = hash_account(vm.launch->hash_seed, WE_ACC(vm, e, addr));
            while (vm.m.get<u32>(off + 4 * (i & (cap - 1))) != e + 1) i++;
            vm.m.set<u32>(off + 4 * (i & (cap - 1)), 0u);
        }
    }
    cap = vm.lay->storage_index_cap, off = vm.lay->storage_index_off;
    if (vm.storage >= cap / 8) {
        vm.m.zero(off, cap * 4);
        return;
    }
    for (u32 e = 0; e < vm.storage; e++) {
        u32 transient = WE_SLOT(vm, e, flags) & SLOT_TRANSIENT;
        u32 i = hash_slot(vm.launch->hash_seed, WE_SLOTW(vm, e, key),
                          WE_SLOT(vm, e, account) | transient << 30);
        while (vm.m.get<u32>(off + 4 * (i & (cap - 1))) != e + 1) i++;
        vm.m.set<u32>(off + 4 * (i & (cap - 1)), 0u);
    }
}

}  // namespace warpevm
#endif
