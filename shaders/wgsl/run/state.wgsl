// The state that a transaction sees: the shared table, the overlay of the instance, the undo
// journal; and the changes of a turn. kernels/cuda/state.cuh says what each does.

const_assert SIZEOF_OVERLAY_ACCOUNT == 128u;
const_assert SIZEOF_OVERLAY_SLOT == 112u;

fn hash_seed() -> vec2<u32> {
    return arg64(LAUNCH + LAUNCH_HASH_SEED);
}

fn account_off(i: u32) -> u32 {
    return layout_of(LAYOUT_ACCOUNTS_OFF) + i * SIZEOF_OVERLAY_ACCOUNT;
}

fn slot_off(i: u32) -> u32 {
    return layout_of(LAYOUT_STORAGE_OFF) + i * SIZEOF_OVERLAY_SLOT;
}

fn acc(i: u32, field: u32) -> u32 {
    return get32(account_off(i) + field);
}

fn acc_set(i: u32, field: u32, x: u32) {
    set32(account_off(i) + field, x);
}

fn acc_balance(i: u32) -> Word {
    return get_slot(account_off(i) + OVERLAY_ACCOUNT_BALANCE);
}

fn acc_nonce(i: u32) -> vec2<u32> {
    return get64(account_off(i) + OVERLAY_ACCOUNT_NONCE);
}

fn acc_addr(i: u32) -> Addr {
    return get_addr(account_off(i) + OVERLAY_ACCOUNT_ADDR);
}

fn observe(i: u32, what: u32) {
    let off = account_off(i) + OVERLAY_ACCOUNT_FLAGS;
    set32(off, get32(off) | what);
}

fn is_warm(i: u32) -> bool {
    return (acc(i, OVERLAY_ACCOUNT_FLAGS) & ACCOUNT_WARM) != 0u;
}

fn holds_nothing(i: u32) -> bool {
    return all(acc_nonce(i) == vec2<u32>(0u)) && acc(i, OVERLAY_ACCOUNT_CODE) == CODE_EMPTY
        && w_is_zero(acc_balance(i));
}

// Whether an account is dead (EIP-161), or before that fork does not exist; observes it.
fn is_dead(i: u32) -> bool {
    observe(i, ACCOUNT_READ_EMPTY);
    if !since(SPEC_SPURIOUS_DRAGON) {
        return (acc(i, OVERLAY_ACCOUNT_FLAGS) & ACCOUNT_EXISTS) == 0u;
    }
    return holds_nothing(i);
}

// ---- service: find an account ---------------------------------------------------------------------

const FIND_NONE: u32 = 0u;
const FIND_LOAD: u32 = 1u;  // from the table if the overlay lacks it
const FIND_PEEK: u32 = 2u;  // in the overlay only: NONE if it is not there

var<private> finds: u32;
var<private> find_addr: Addr;
// The overlay's entry.
var<private> found: u32;

fn want_account(x: Addr) {
    finds = FIND_LOAD;
    find_addr = x;
}

// The table's entry of `find_addr`, or NONE.
fn table_account(hash: u32) -> u32 {
    let index = arg(LAUNCH + LAUNCH_ACCOUNT_INDEX) >> 2u;
    let entries = arg(LAUNCH + LAUNCH_ACCOUNTS) >> 2u;
    let mask = arg(LAUNCH + LAUNCH_ACCOUNT_MASK);
    for (var i = 0u; i <= mask; i++) {
        let e = state[index + ((hash + i) & mask)];
        if e == 0u {
            return NONE;
        }
        let t = entries + (e - 1u) * (SIZEOF_TABLE_ACCOUNT / 4u) + TABLE_ACCOUNT_ADDR / 4u;
        let a = vec4<u32>(state[t], state[t + 1u], state[t + 2u], state[t + 3u]);
        if all(a == find_addr.a) && state[t + 4u] == find_addr.b {
            return e - 1u;
        }
    }
    return NONE;
}

fn serve_account() {
    let hash = hash_account(hash_seed(), find_addr.a, find_addr.b);
    let index = layout_of(LAYOUT_ACCOUNT_INDEX_OFF);
    let mask = layout_of(LAYOUT_ACCOUNT_INDEX_CAP) - 1u;
    var place = 0u;
    found = NONE;
    for (var i = 0u; i <= mask; i++) {
        place = index + 4u * ((hash + i) & mask);
        let e = get32(place);
        if e == 0u {
            break;
        }
        if same(acc_addr(e - 1u), find_addr) {
            found = e - 1u;
            break;
        }
    }
    if found != NONE || finds == FIND_PEEK {
        return;
    }
    let base = table_account(hash);
    if base == NONE {
        set_addr(INSTANCE_NEED_ADDR, find_addr);
        suspend_op(NEED_ACCOUNT);
        return;
    }
    if accounts >= layout_of(LAYOUT_ACCOUNTS_CAP) {
        need_class(REGION_ACCOUNTS, accounts + 1u);
        return;
    }
    found = accounts;
    accounts++;
    let t = (arg(LAUNCH + LAUNCH_ACCOUNTS) + base * SIZEOF_TABLE_ACCOUNT) >> 2u;
    let kept = ACCOUNT_EXISTS | ACCOUNT_HAS_STORAGE | ACCOUNT_WIPED;
    let first_flags = state[t + TABLE_ACCOUNT_FLAGS / 4u] & kept;
    let code = state[t + TABLE_ACCOUNT_CODE / 4u];
    let balance = Word(
        vec4<u32>(state[t], state[t + 1u], state[t + 2u], state[t + 3u]),
        vec4<u32>(state[t + 4u], state[t + 5u], state[t + 6u], state[t + 7u]),
    );
    let nonce = vec2<u32>(
        state[t + TABLE_ACCOUNT_NONCE / 4u],
        state[t + TABLE_ACCOUNT_NONCE / 4u + 1u],
    );
    // Precompiles and (EIP-3651) the fee recipient are warm from the start.
    let coinbase = input_addr(arg(LAUNCH + LAUNCH_ENV) + BLOCK_ENV_COINBASE);
    let is_coinbase = since(SPEC_SHANGHAI) && same(find_addr, coinbase);
    let warm = precompile_at(find_addr) != 0u || is_coinbase;
    let flags = first_flags | select(0u, ACCOUNT_WARM, warm);
    let off = account_off(found);
    set_slot(off + OVERLAY_ACCOUNT_BALANCE, balance);
    set_slot(off + OVERLAY_ACCOUNT_FIRST_BALANCE, balance);
    let unit = lane + ((off + OVERLAY_ACCOUNT_NONCE) >> 4u) * TILE;
    // nonce, first_nonce; addr; its end, flags, code, base; mark, first_code, first_flags.
    memory[unit] = vec4<u32>(nonce, nonce);
    memory[unit + TILE] = find_addr.a;
    memory[unit + 2u * TILE] = vec4<u32>(find_addr.b, flags, code, base);
    memory[unit + 3u * TILE] = vec4<u32>(0u, code, first_flags, 0u);
    set32(place, found + 1u);
}

const_assert TABLE_ACCOUNT_BALANCE == 0u;
const_assert OVERLAY_ACCOUNT_NONCE == 64u && OVERLAY_ACCOUNT_FIRST_NONCE == 72u;
const_assert OVERLAY_ACCOUNT_ADDR == 80u && OVERLAY_ACCOUNT_FLAGS == 100u;
const_assert OVERLAY_ACCOUNT_CODE == 104u && OVERLAY_ACCOUNT_BASE == 108u;
const_assert OVERLAY_ACCOUNT_MARK == 112u && OVERLAY_ACCOUNT_FIRST_CODE == 116u;
const_assert OVERLAY_ACCOUNT_FIRST_FLAGS == 120u;

// ---- service: find a slot -------------------------------------------------------------------------

var<private> finds_slot: bool;
var<private> find_key: Word;
// 0 or SLOT_TRANSIENT.
var<private> find_transient: u32;
var<private> slot: u32;

fn want_slot(key: Word, transient: u32) {
    finds_slot = true;
    find_key = key;
    find_transient = transient;
}

// The table's entry of `find_key` of the account with this table entry, or NONE.
fn table_slot(owner: u32) -> u32 {
    let index = arg(LAUNCH + LAUNCH_SLOT_INDEX) >> 2u;
    let entries = arg(LAUNCH + LAUNCH_SLOTS) >> 2u;
    let mask = arg(LAUNCH + LAUNCH_SLOT_MASK);
    let hash = hash_slot(hash_seed(), find_key, owner);
    for (var i = 0u; i <= mask; i++) {
        let e = state[index + ((hash + i) & mask)];
        if e == 0u {
            return NONE;
        }
        let t = entries + (e - 1u) * (SIZEOF_TABLE_SLOT / 4u);
        if state[t + TABLE_SLOT_ACCOUNT / 4u] == owner && w_eq(state_word(t), find_key) {
            return e - 1u;
        }
    }
    return NONE;
}

// A word of the table; `i` counts in 32 bits.
fn state_word(i: u32) -> Word {
    return Word(
        vec4<u32>(state[i], state[i + 1u], state[i + 2u], state[i + 3u]),
        vec4<u32>(state[i + 4u], state[i + 5u], state[i + 6u], state[i + 7u]),
    );
}

const_assert TABLE_SLOT_KEY == 0u;
const_assert OVERLAY_SLOT_KEY == 0u && OVERLAY_SLOT_VALUE == 32u && OVERLAY_SLOT_ORIGINAL == 64u;
const_assert OVERLAY_SLOT_ACCOUNT == 96u && OVERLAY_SLOT_FLAGS == 100u;
const_assert OVERLAY_SLOT_BASE == 104u && OVERLAY_SLOT_MARK == 108u;

// Of the account with overlay entry `owner`.
fn serve_slot(owner: u32) {
    let index = layout_of(LAYOUT_STORAGE_INDEX_OFF);
    let mask = layout_of(LAYOUT_STORAGE_INDEX_CAP) - 1u;
    let hash = hash_slot(hash_seed(), find_key, owner | (find_transient << 30u));
    var place = 0u;
    slot = NONE;
    for (var i = 0u; i <= mask; i++) {
        place = index + 4u * ((hash + i) & mask);
        let e = get32(place);
        if e == 0u {
            break;
        }
        let unit = lane + (slot_off(e - 1u) >> 4u) * TILE;
        let tail = memory[unit + 6u * TILE];
        let key = Word(memory[unit], memory[unit + TILE]);
        if tail.x == owner && (tail.y & SLOT_TRANSIENT) == find_transient && w_eq(key, find_key) {
            slot = e - 1u;
            break;
        }
    }
    if slot != NONE {
        return;
    }
    var original = w_zero();
    var base = NONE;
    let flags = acc(owner, OVERLAY_ACCOUNT_FLAGS);
    if find_transient == 0u && (flags & ACCOUNT_CREATED) == 0u {
        base = table_slot(acc(owner, OVERLAY_ACCOUNT_BASE));
        if base == NONE && (flags & ACCOUNT_WIPED) == 0u {
            set_addr(INSTANCE_NEED_ADDR, acc_addr(owner));
            set_word(INSTANCE_NEED_KEY, find_key);
            suspend_op(NEED_SLOT);
            return;
        }
        if base != NONE {
            let t = (arg(LAUNCH + LAUNCH_SLOTS) + base * SIZEOF_TABLE_SLOT) >> 2u;
            original = state_word(t + TABLE_SLOT_VALUE / 4u);
        }
    }
    if slots >= layout_of(LAYOUT_STORAGE_CAP) {
        need_class(REGION_STORAGE, slots + 1u);
        return;
    }
    slot = slots;
    slots++;
    let off = slot_off(slot);
    set_slot(off + OVERLAY_SLOT_KEY, find_key);
    set_slot(off + OVERLAY_SLOT_VALUE, original);
    set_slot(off + OVERLAY_SLOT_ORIGINAL, original);
    let tail = vec4<u32>(owner, find_transient, base, 0u);
    memory[lane + ((off + OVERLAY_SLOT_ACCOUNT) >> 4u) * TILE] = tail;
    set32(place, slot + 1u);
}

// ---- journal --------------------------------------------------------------------------------------

const JOURNAL_STORAGE: u32 = 0x80000000u;

// Pushes what an entry is, before its first change in the running frame (frames have serials from
// 1; the prologue, serial 0, cannot be undone). Halts nothing; may need a larger class.
fn journal_push(entry: u32, value: Word, nonce: vec2<u32>, flags: u32, code: u32, mark: u32) {
    if journal >= layout_of(LAYOUT_JOURNAL_CAP) {
        need_class(REGION_JOURNAL, journal + 1u);
        return;
    }
    let j = layout_of(LAYOUT_JOURNAL_OFF) + journal * SIZEOF_JOURNAL;
    journal++;
    set_word(j + JOURNAL_VALUE, value);
    set64(j + JOURNAL_NONCE, nonce);
    set32(j + JOURNAL_ENTRY, entry);
    set32(j + JOURNAL_FLAGS, flags);
    set32(j + JOURNAL_CODE, code);
    set32(j + JOURNAL_MARK, mark);
}

// Takes back every change since the journal had `to` entries. What was read stays read; so does the
// touch of precompile 3 (from EIP-161 on), as the history of mainnet has it.
fn undo(to: u32) {
    spend((journal - to) >> 1u);
    while journal > to {
        journal--;
        let j = layout_of(LAYOUT_JOURNAL_OFF) + journal * SIZEOF_JOURNAL;
        let entry = get32(j + JOURNAL_ENTRY);
        let value = get_word(j + JOURNAL_VALUE);
        let flags = get32(j + JOURNAL_FLAGS);
        let mark = get32(j + JOURNAL_MARK);
        if (entry & JOURNAL_STORAGE) != 0u {
            let off = slot_off(entry & ~JOURNAL_STORAGE);
            let written = get32(off + OVERLAY_SLOT_FLAGS) & SLOT_WRITTEN;
            set_slot(off + OVERLAY_SLOT_VALUE, value);
            set32(off + OVERLAY_SLOT_FLAGS, flags | written);
            set32(off + OVERLAY_SLOT_MARK, mark);
            continue;
        }
        let off = account_off(entry);
        let addr = get_addr(off + OVERLAY_ACCOUNT_ADDR);
        var kept = ACCOUNT_READ_BALANCE | ACCOUNT_READ_INFO | ACCOUNT_READ_EMPTY;
        if since(SPEC_SPURIOUS_DRAGON) && same(addr, Addr(vec4<u32>(0u), 0x03000000u)) {
            kept |= ACCOUNT_TOUCHED;
        }
        set_slot(off + OVERLAY_ACCOUNT_BALANCE, value);
        set64(off + OVERLAY_ACCOUNT_NONCE, get64(j + JOURNAL_NONCE));
        set32(off + OVERLAY_ACCOUNT_FLAGS, flags | (get32(off + OVERLAY_ACCOUNT_FLAGS) & kept));
        set32(off + OVERLAY_ACCOUNT_CODE, get32(j + JOURNAL_CODE));
        set32(off + OVERLAY_ACCOUNT_MARK, mark);
    }
}

// ---- service: the changes of a turn ---------------------------------------------------------------

// What else than flags a change of an account is.
const CHANGE_FLAGS: u32 = 0u;
const CHANGE_CREDIT: u32 = 1u;     // plus `value`; does not observe the balance: credits commute
const CHANGE_DEBIT: u32 = 2u;      // less `value`, which was checked (and so observed) before
const CHANGE_NONCE_ONE: u32 = 4u;
const CHANGE_NONCE_NEXT: u32 = 8u;
const CHANGE_CODE: u32 = 16u;      // to `new_code`

const TOUCH: u32 = ACCOUNT_TOUCHED | ACCOUNT_EXISTS;

var<private> changes: u32;
var<private> change_entry: array<u32, 4>;
var<private> change_flags: array<u32, 4>;
var<private> change_what: array<u32, 4>;
var<private> value: Word;
var<private> new_code: u32;

// Sets flags of an account, and changes it, at the end of the turn.
fn change(entry: u32, flags: u32, what: u32) {
    change_entry[changes] = entry;
    change_flags[changes] = flags;
    change_what[changes] = what;
    changes++;
}

// Moves `value` and touches the receiver.
fn transfer(source: u32, to: u32) {
    if !w_is_zero(value) {
        change(source, TOUCH, CHANGE_DEBIT);
    }
    change(to, TOUCH, CHANGE_CREDIT);
}

fn serve_changes() {
    for (var k = 0u; k < changes; k++) {
        let i = change_entry[k];
        var what = change_what[k];
        if w_is_zero(value) {
            what &= ~(CHANGE_CREDIT | CHANGE_DEBIT);
        }
        let off = account_off(i);
        let flags = get32(off + OVERLAY_ACCOUNT_FLAGS);
        let new_flags = flags | change_flags[k];
        if what == 0u && new_flags == flags {
            continue;
        }
        let balance = get_slot(off + OVERLAY_ACCOUNT_BALANCE);
        let nonce = get64(off + OVERLAY_ACCOUNT_NONCE);
        let code = get32(off + OVERLAY_ACCOUNT_CODE);
        let mark = get32(off + OVERLAY_ACCOUNT_MARK);
        if mark < frame_serial {
            journal_push(i, balance, nonce, flags, code, mark);
            if !go {
                return;
            }
            set32(off + OVERLAY_ACCOUNT_MARK, frame_serial);
        }
        set32(off + OVERLAY_ACCOUNT_FLAGS, new_flags);
        if (what & (CHANGE_CREDIT | CHANGE_DEBIT)) != 0u {
            var amount = value;
            if (what & CHANGE_DEBIT) != 0u {
                amount = w_sub(w_zero(), value);
            }
            set_slot(off + OVERLAY_ACCOUNT_BALANCE, w_add(balance, amount));
        }
        if (what & CHANGE_NONCE_ONE) != 0u {
            set64(off + OVERLAY_ACCOUNT_NONCE, vec2<u32>(1u, 0u));
        }
        if (what & CHANGE_NONCE_NEXT) != 0u {
            set64(off + OVERLAY_ACCOUNT_NONCE, u64_add(nonce, vec2<u32>(1u, 0u)));
        }
        if (what & CHANGE_CODE) != 0u {
            set32(off + OVERLAY_ACCOUNT_CODE, new_code);
        }
    }
}

// The change of the turn's slot: flags, and a value if it differs.
var<private> changes_slot: bool;
var<private> slot_flags: u32;
var<private> slot_value: Word;

fn change_slot(flags: u32, to: Word) {
    changes_slot = true;
    slot_flags = flags;
    slot_value = to;
}

fn serve_slot_change() {
    let off = slot_off(slot);
    let current = get_slot(off + OVERLAY_SLOT_VALUE);
    let flags = get32(off + OVERLAY_SLOT_FLAGS);
    if w_eq(current, slot_value) && (flags | slot_flags) == flags {
        return;
    }
    let mark = get32(off + OVERLAY_SLOT_MARK);
    if mark < frame_serial {
        journal_push(slot | JOURNAL_STORAGE, current, vec2<u32>(0u), flags, 0u, mark);
        if !go {
            return;
        }
        set32(off + OVERLAY_SLOT_MARK, frame_serial);
    }
    set_slot(off + OVERLAY_SLOT_VALUE, slot_value);
    set32(off + OVERLAY_SLOT_FLAGS, flags | slot_flags);
}
