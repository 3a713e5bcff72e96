// The state that a transaction sees: the shared table, the overlay of the instance, the undo
// journal; and the changes of a turn. kernels/cuda/state.cuh says what each does.

const_assert SIZEOF_OVERLAY_ACCOUNT == 128u && SIZEOF_OVERLAY_SLOT == 112u;
const_assert OVERLAY_ACCOUNT_BALANCE == 0u && OVERLAY_ACCOUNT_FIRST_BALANCE == 32u;
const_assert OVERLAY_ACCOUNT_NONCE == 64u && OVERLAY_ACCOUNT_FIRST_NONCE == 72u;
const_assert OVERLAY_ACCOUNT_ADDR == 80u && OVERLAY_ACCOUNT_FLAGS == 100u;
const_assert OVERLAY_ACCOUNT_CODE == 104u && OVERLAY_ACCOUNT_BASE == 108u;
const_assert OVERLAY_ACCOUNT_MARK == 112u && OVERLAY_ACCOUNT_FIRST_CODE == 116u;
const_assert OVERLAY_ACCOUNT_FIRST_FLAGS == 120u;
const_assert OVERLAY_SLOT_KEY == 0u && OVERLAY_SLOT_VALUE == 32u && OVERLAY_SLOT_ORIGINAL == 64u;
const_assert OVERLAY_SLOT_ACCOUNT == 96u && OVERLAY_SLOT_FLAGS == OVERLAY_ACCOUNT_FLAGS;
const_assert OVERLAY_SLOT_BASE == 104u && OVERLAY_SLOT_MARK == 108u;
const_assert TABLE_ACCOUNT_BALANCE == 0u && TABLE_SLOT_KEY == 0u;

const_assert OVERLAY_SLOT_ORIGINAL == 64u;

fn account_off(i: u32) -> u32 {
    return regions.accounts_off + i * SIZEOF_OVERLAY_ACCOUNT;
}

fn slot_off(i: u32) -> u32 {
    return regions.storage_off + i * SIZEOF_OVERLAY_SLOT;
}

// ---- service: words of the input buffer --------------------------------------------------------

// Offsets of words that the turn wants, 0 of none, and the words.
var<private> input_0: u32;
var<private> input_1: u32;
var<private> input_2: u32;
var<private> word_0: Word;
var<private> word_1: Word;
var<private> word_2: Word;

fn serve_input() {
    for (var i = 0u; i < rolled(3u); i++) {
        let off = select(select(input_2, input_1, i == 1u), input_0, i == 0u);
        if off == 0u {
            continue;
        }
        read_input(off, 32u);
        let x = buffer_word(0u);
        switch i {
            case 0u: {
                word_0 = x;
            }
            case 1u: {
                word_1 = x;
            }
            default: {
                word_2 = x;
            }
        }
    }
}

// ---- service: find an account ------------------------------------------------------------------

const FIND_NONE: u32 = 0u;
const FIND_LOAD: u32 = 1u;  // from the table if the overlay lacks it
const FIND_PEEK: u32 = 2u;  // in the overlay only: NONE if it is not there

// What an overlay entry says.
struct Account {
    flags: u32,
    code: u32,
    nonce: vec2<u32>,
    balance: Word,
}

// What a code's entry says.
struct CodeHead {
    flags: u32,
    len: u32,
    bytes: u32,
    delegate: Addr,
    hash: Word,
}

var<private> finds: u32;
var<private> find_addr: Addr;
// The overlay's entry of it, and what it says, its code with it.
var<private> found: u32;
var<private> seen: Account;
var<private> seen_code: CodeHead;
// What the turn wants of the running account.
var<private> sees_self: bool;
var<private> sees_code: bool;
var<private> self_seen: Account;

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
            break;
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
    let mask = regions.account_index_cap - 1u;
    var place = 0u;
    found = NONE;
    for (var i = 0u; i <= mask; i++) {
        place = regions.account_index_off + 4u * ((hash + i) & mask);
        let e = get32(place);
        if e == 0u {
            break;
        }
        let unit = lane + (account_off(e - 1u) >> 4u) * TILE;
        let is_same = all(memory[unit + 5u * TILE] == find_addr.a);
        if is_same && memory[unit + 6u * TILE].x == find_addr.b {
            found = e - 1u;
            break;
        }
    }
    if found == NONE && finds == FIND_LOAD {
        load_account(hash, place);
    }
}

// Copies a table entry into the overlay.
fn load_account(hash: u32, place: u32) {
    let base = table_account(hash);
    if base == NONE {
        need_addr = find_addr;
        suspend_op(NEED_ACCOUNT);
        return;
    }
    if accounts >= regions.accounts_cap {
        need_class(REGION_ACCOUNTS, accounts + 1u);
        return;
    }
    found = accounts;
    accounts++;
    read_state(arg(LAUNCH + LAUNCH_ACCOUNTS) + base * SIZEOF_TABLE_ACCOUNT, SIZEOF_TABLE_ACCOUNT);
    let balance = buffer_word(TABLE_ACCOUNT_BALANCE);
    let nonce = buffer_64(TABLE_ACCOUNT_NONCE);
    let code = buffer_32(TABLE_ACCOUNT_CODE);
    let kept = ACCOUNT_EXISTS | ACCOUNT_HAS_STORAGE | ACCOUNT_WIPED;
    let first_flags = buffer_32(TABLE_ACCOUNT_FLAGS) & kept;
    // Precompiles and (EIP-3651) the fee recipient are warm from the start.
    let is_coinbase = has(RULE_WARM_COINBASE) && same(find_addr, coinbase);
    let warm = precompile_at(find_addr) != 0u || is_coinbase;
    put_word(OVERLAY_ACCOUNT_BALANCE, balance);
    put_word(OVERLAY_ACCOUNT_FIRST_BALANCE, balance);
    put_64(OVERLAY_ACCOUNT_NONCE, nonce);
    put_64(OVERLAY_ACCOUNT_FIRST_NONCE, nonce);
    put_addr(OVERLAY_ACCOUNT_ADDR, find_addr);
    put_32(OVERLAY_ACCOUNT_FLAGS, first_flags | select(0u, ACCOUNT_WARM, warm));
    put_32(OVERLAY_ACCOUNT_CODE, code);
    put_32(OVERLAY_ACCOUNT_BASE, base);
    put_32(OVERLAY_ACCOUNT_MARK, 0u);
    put_32(OVERLAY_ACCOUNT_FIRST_CODE, code);
    put_32(OVERLAY_ACCOUNT_FIRST_FLAGS, first_flags);
    put_32(OVERLAY_ACCOUNT_RESERVED, 0u);
    write_memory(account_off(found), SIZEOF_OVERLAY_ACCOUNT);
    set32(place, found + 1u);
}

fn hash_seed() -> vec2<u32> {
    return arg64(LAUNCH + LAUNCH_HASH_SEED);
}

fn account_at(i: u32) -> Account {
    read_memory(account_off(i), SIZEOF_OVERLAY_ACCOUNT);
    return Account(
        buffer_32(OVERLAY_ACCOUNT_FLAGS),
        buffer_32(OVERLAY_ACCOUNT_CODE),
        buffer_64(OVERLAY_ACCOUNT_NONCE),
        buffer_word(OVERLAY_ACCOUNT_BALANCE),
    );
}

// Service: what the account that was found, and the running one, say.
fn serve_seen() {
    for (var i = 0u; i < rolled(2u); i++) {
        let is_found = i == 0u;
        if !select(sees_self, finds != FIND_NONE && found != NONE, is_found) {
            continue;
        }
        let x = account_at(select(account, found, is_found));
        if is_found {
            seen = x;
        } else {
            self_seen = x;
        }
    }
}

fn serve_code() {
    read_code(code_entry(seen.code), SIZEOF_CODE);
    seen_code.flags = buffer_32(CODE_FLAGS);
    seen_code.len = buffer_32(CODE_LEN);
    seen_code.bytes = buffer_32(CODE_BYTES);
    seen_code.hash = buffer_word(CODE_HASH);
    seen_code.delegate = buffer_addr(CODE_DELEGATE);
}

fn is_warm(x: Account) -> bool {
    return (x.flags & ACCOUNT_WARM) != 0u;
}

fn holds_nothing(x: Account) -> bool {
    return u64_is_zero(x.nonce) && x.code == CODE_EMPTY && w_is_zero(x.balance);
}

// Whether an account is dead (EIP-161), or before that fork does not exist. Who asks observes
// ACCOUNT_READ_EMPTY.
fn is_dead(x: Account) -> bool {
    if !has(RULE_STATE_CLEARING) {
        return (x.flags & ACCOUNT_EXISTS) == 0u;
    }
    return holds_nothing(x);
}

// ---- service: find a slot ----------------------------------------------------------------------

var<private> finds_slot: bool;
var<private> find_key: Word;
var<private> find_transient: u32;  // 0 or SLOT_TRANSIENT
// The overlay's entry of it, and what it says.
var<private> slot: u32;
var<private> slot_flags: u32;
var<private> slot_value: Word;
var<private> slot_original: Word;

fn want_slot(key: Word, transient: u32) {
    finds_slot = true;
    find_key = key;
    find_transient = transient;
}

// The table's entry of `find_key` of the account with this table entry, or NONE.
fn table_slot(owner: u32) -> u32 {
    let index = arg(LAUNCH + LAUNCH_SLOT_INDEX) >> 2u;
    let entries = arg(LAUNCH + LAUNCH_SLOTS);
    let mask = arg(LAUNCH + LAUNCH_SLOT_MASK);
    let hash = hash_slot(hash_seed(), find_key, owner);
    for (var i = 0u; i <= mask; i++) {
        let e = state[index + ((hash + i) & mask)];
        if e == 0u {
            break;
        }
        // Leaves it in the buffer.
        read_state(entries + (e - 1u) * SIZEOF_TABLE_SLOT, SIZEOF_TABLE_SLOT);
        let is_owner = buffer_32(TABLE_SLOT_ACCOUNT) == owner;
        if is_owner && w_eq(buffer_word(TABLE_SLOT_KEY), find_key) {
            return e - 1u;
        }
    }
    return NONE;
}

// Of the account with overlay entry `owner`.
fn serve_slot(owner: u32) {
    let mask = regions.storage_index_cap - 1u;
    let hash = hash_slot(hash_seed(), find_key, owner | (find_transient << 30u));
    var place = 0u;
    slot = NONE;
    for (var i = 0u; i <= mask; i++) {
        place = regions.storage_index_off + 4u * ((hash + i) & mask);
        let e = get32(place);
        if e == 0u {
            break;
        }
        read_memory(slot_off(e - 1u), SIZEOF_OVERLAY_SLOT);
        let flags = buffer_32(OVERLAY_SLOT_FLAGS);
        let is_owner = buffer_32(OVERLAY_SLOT_ACCOUNT) == owner;
        let is_kind = (flags & SLOT_TRANSIENT) == find_transient;
        if is_owner && is_kind && w_eq(buffer_word(OVERLAY_SLOT_KEY), find_key) {
            slot = e - 1u;
            slot_flags = flags;
            slot_value = buffer_word(OVERLAY_SLOT_VALUE);
            slot_original = buffer_word(OVERLAY_SLOT_ORIGINAL);
            break;
        }
    }
    if slot == NONE {
        load_slot(owner, place);
    }
}

fn load_slot(owner: u32, place: u32) {
    var original = w_zero();
    var base = NONE;
    read_memory(account_off(owner), SIZEOF_OVERLAY_ACCOUNT);
    let flags = buffer_32(OVERLAY_ACCOUNT_FLAGS);
    let addr = buffer_addr(OVERLAY_ACCOUNT_ADDR);
    if find_transient == 0u && (flags & ACCOUNT_CREATED) == 0u {
        base = table_slot(buffer_32(OVERLAY_ACCOUNT_BASE));
        if base == NONE && (flags & ACCOUNT_WIPED) == 0u {
            need_addr = addr;
            need_key = find_key;
            suspend_op(NEED_SLOT);
            return;
        }
        original = w_select(original, buffer_word(TABLE_SLOT_VALUE), base != NONE);
    }
    if slots >= regions.storage_cap {
        need_class(REGION_STORAGE, slots + 1u);
        return;
    }
    slot = slots;
    slots++;
    slot_flags = find_transient;
    slot_value = original;
    slot_original = original;
    put_word(OVERLAY_SLOT_KEY, find_key);
    put_word(OVERLAY_SLOT_VALUE, original);
    put_word(OVERLAY_SLOT_ORIGINAL, original);
    put_32(OVERLAY_SLOT_ACCOUNT, owner);
    put_32(OVERLAY_SLOT_FLAGS, find_transient);
    put_32(OVERLAY_SLOT_BASE, base);
    put_32(OVERLAY_SLOT_MARK, 0u);
    write_memory(slot_off(slot), SIZEOF_OVERLAY_SLOT);
    set32(place, slot + 1u);
}

// ---- journal -----------------------------------------------------------------------------------

// Takes back every change since the journal had `to` entries. What was read stays read; so does the
// touch of precompile 3 (from EIP-161 on), as the history of mainnet has it.
fn undo(to: u32) {
    spend((journal - to) >> 1u);
    while journal > to {
        journal--;
        read_memory(regions.journal_off + journal * SIZEOF_JOURNAL, SIZEOF_JOURNAL);
        let entry = buffer_32(JOURNAL_ENTRY);
        let value_before = buffer_word(JOURNAL_VALUE);
        let nonce = buffer_64(JOURNAL_NONCE);
        let flags = buffer_32(JOURNAL_FLAGS);
        let code = buffer_32(JOURNAL_CODE);
        let mark = buffer_32(JOURNAL_MARK);
        let is_slot = (entry & JOURNAL_STORAGE) != 0u;
        let off = select(account_off(entry), slot_off(entry & ~JOURNAL_STORAGE), is_slot);
        let size = select(SIZEOF_OVERLAY_ACCOUNT, SIZEOF_OVERLAY_SLOT, is_slot);
        read_memory(off, size);
        if is_slot {
            put_word(OVERLAY_SLOT_VALUE, value_before);
            put_32(OVERLAY_SLOT_FLAGS, flags | (buffer_32(OVERLAY_SLOT_FLAGS) & SLOT_WRITTEN));
            put_32(OVERLAY_SLOT_MARK, mark);
        } else {
            var kept = ACCOUNT_READ_BALANCE | ACCOUNT_READ_INFO | ACCOUNT_READ_EMPTY;
            let ripemd160 = Addr(vec4<u32>(0u), swap32(PRECOMPILE_RIPEMD160));
            let is_kept = same(buffer_addr(OVERLAY_ACCOUNT_ADDR), ripemd160);
            if has(RULE_STATE_CLEARING) && is_kept {
                kept |= ACCOUNT_TOUCHED;
            }
            put_word(OVERLAY_ACCOUNT_BALANCE, value_before);
            put_64(OVERLAY_ACCOUNT_NONCE, nonce);
            put_32(OVERLAY_ACCOUNT_FLAGS, flags | (buffer_32(OVERLAY_ACCOUNT_FLAGS) & kept));
            put_32(OVERLAY_ACCOUNT_CODE, code);
            put_32(OVERLAY_ACCOUNT_MARK, mark);
        }
        write_memory(off, size);
    }
}

// ---- service: the changes of a turn ------------------------------------------------------------

// What else than flags a change of an account is.
const CHANGE_CREDIT: u32 = 1u;     // plus `value`; does not observe the balance: credits commute
const CHANGE_DEBIT: u32 = 2u;      // less `value`, which was checked (and so observed) before
const CHANGE_NONCE_ONE: u32 = 4u;
const CHANGE_NONCE_NEXT: u32 = 8u;
const CHANGE_CODE: u32 = 16u;      // to `new_code`
const CHANGE_NONCE_BACK: u32 = 32u;

const TOUCH: u32 = ACCOUNT_TOUCHED | ACCOUNT_EXISTS;

struct Change {
    entry: u32,
    observed: u32,  // flags that stay when the frame fails
    flags: u32,
    what: u32,      // CHANGE_*
}

// At the end of the turn, in this order: of the account that acts (the running one, the sender), of
// the one that it acts on, of a third.
var<private> own: Change;
var<private> their: Change;
var<private> third: Change;
var<private> value: Word;
var<private> new_code: u32;

// The change of the turn's slot.
var<private> changes_slot: bool;
var<private> new_slot_flags: u32;
var<private> new_slot_value: Word;

fn change_slot(flags: u32, to: Word) {
    changes_slot = true;
    new_slot_flags = flags;
    new_slot_value = to;
}

// Moves `value` from the one that acts to the other, and touches that.
fn transfer() {
    take_value();
    their.flags |= TOUCH;
    their.what |= CHANGE_CREDIT;
}

fn take_value() {
    if !w_is_zero(value) {
        own.flags |= TOUCH;
        own.what |= CHANGE_DEBIT;
    }
}

fn changes() -> bool {
    let flags = own.observed | own.flags | own.what | their.observed | their.flags | their.what;
    return (flags | third.observed | third.flags) != 0u || changes_slot;
}

fn new_nonce(nonce: vec2<u32>, what: u32) -> vec2<u32> {
    if (what & CHANGE_NONCE_ONE) != 0u {
        return vec2<u32>(1u, 0u);
    }
    if (what & CHANGE_NONCE_NEXT) != 0u {
        return u64_add(nonce, vec2<u32>(1u, 0u));
    }
    if (what & CHANGE_NONCE_BACK) != 0u {
        return u64_sub(nonce, vec2<u32>(1u, 0u));
    }
    return nonce;
}

// Entries are journaled before their first change in the running frame (frames have serials from 1;
// the prologue, serial 0, cannot be undone).
fn serve_changes() {
    for (var k = 0u; k < rolled(4u); k++) {
        var ch = own;
        if k == 1u {
            ch = their;
        } else if k == 2u {
            ch = third;
        }
        let is_slot = k == 3u;
        if !select((ch.observed | ch.flags | ch.what) != 0u, changes_slot, is_slot) {
            continue;
        }
        // What it is.
        let off = select(account_off(ch.entry), slot_off(slot), is_slot);
        let size = select(SIZEOF_OVERLAY_ACCOUNT, SIZEOF_OVERLAY_SLOT, is_slot);
        read_memory(off, size);
        let entry = select(ch.entry, slot | JOURNAL_STORAGE, is_slot);
        let nonce = buffer_64(OVERLAY_ACCOUNT_NONCE);
        let code = buffer_32(OVERLAY_ACCOUNT_CODE);
        let flags = buffer_32(OVERLAY_ACCOUNT_FLAGS) | select(ch.observed, 0u, is_slot);
        let mark = select(buffer_32(OVERLAY_ACCOUNT_MARK), buffer_32(OVERLAY_SLOT_MARK), is_slot);
        let old = w_select(
            buffer_word(OVERLAY_ACCOUNT_BALANCE),
            buffer_word(OVERLAY_SLOT_VALUE),
            is_slot,
        );
        // What it becomes.
        var new_flags = flags | ch.flags;
        var next = old;
        var what = ch.what;
        if w_is_zero(value) {
            what &= ~(CHANGE_CREDIT | CHANGE_DEBIT);
        }
        if is_slot {
            new_flags = flags | new_slot_flags;
            next = new_slot_value;
            what = select(1u, 0u, w_eq(next, old));
        } else if (what & (CHANGE_CREDIT | CHANGE_DEBIT)) != 0u {
            let debits = (what & CHANGE_DEBIT) != 0u;
            next = w_add(old, w_neg_if(value, debits));
        }
        let is_change = what != 0u || new_flags != flags;
        let new_mark = select(mark, frame_serial, is_change && mark < frame_serial);
        if is_slot {
            put_word(OVERLAY_SLOT_VALUE, next);
            put_32(OVERLAY_SLOT_MARK, new_mark);
        } else {
            put_word(OVERLAY_ACCOUNT_BALANCE, next);
            put_32(OVERLAY_ACCOUNT_MARK, new_mark);
            put_64(OVERLAY_ACCOUNT_NONCE, new_nonce(nonce, what));
            put_32(OVERLAY_ACCOUNT_CODE, select(code, new_code, (what & CHANGE_CODE) != 0u));
        }
        put_32(OVERLAY_ACCOUNT_FLAGS, new_flags);
        write_memory(off, size);
        if new_mark == mark {
            continue;
        }
        if journal >= regions.journal_cap {
            need_class(REGION_JOURNAL, journal + 1u);
            return;
        }
        put_word(JOURNAL_VALUE, old);
        put_64(JOURNAL_NONCE, nonce);
        put_32(JOURNAL_ENTRY, entry);
        put_32(JOURNAL_FLAGS, flags);
        put_32(JOURNAL_CODE, code);
        put_32(JOURNAL_MARK, mark);
        write_memory(regions.journal_off + journal * SIZEOF_JOURNAL, SIZEOF_JOURNAL);
        journal++;
    }
}
