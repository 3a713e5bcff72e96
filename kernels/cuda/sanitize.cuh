// What an instrumented build of the cpu backend has besides (docs/TESTING.md, Sanitizers). An
// instance is one piece of memory to AddressSanitizer: guards between its regions let it see an op
// that leaves its region for the next one. And errors planted on purpose: a run that does not
// report them would report nothing.
#ifndef WARPEVM_SANITIZE_CUH
#define WARPEVM_SANITIZE_CUH

#include "interp.cuh"
#include <sanitizer/asan_interface.h>

namespace warpevm {

// While it lives, the bytes between the regions of an instance must not be touched. The host may:
// it looks at instances between launches only.
class Guards {
public:
    Guards(u8* base, const Layout& l) : base(base), l(l) {
        each([](const u8* from, usize n) { __asan_poison_memory_region(from, n); });
    }
    ~Guards() {
        each([](const u8* from, usize n) { __asan_unpoison_memory_region(from, n); });
    }

private:
    u8* base;
    const Layout& l;

    // Regions in the order of their offsets, as the host places them.
    template <class F>
    void each(F guard) const {
        const u64 ends[] = {
            sizeof(Instance),
            l.frames_off + (u64)l.frames_cap * sizeof(Frame),
            l.accounts_off + (u64)l.accounts_cap * sizeof(OverlayAccount),
            l.account_index_off + (u64)l.account_index_cap * 4,
            l.storage_off + (u64)l.storage_cap * sizeof(OverlaySlot),
            l.storage_index_off + (u64)l.storage_index_cap * 4,
            l.journal_off + (u64)l.journal_cap * sizeof(Journal),
            l.slots_off + (u64)l.slots_cap * sizeof(Word),
            l.memory_off + (u64)l.memory_cap,
            l.return_off + (u64)l.return_cap,
            l.logs_off + (u64)l.logs_cap,
        };
        const u64 starts[] = {
            l.frames_off,        l.accounts_off, l.account_index_off, l.storage_off,
            l.storage_index_off, l.journal_off,  l.slots_off,         l.memory_off,
            l.return_off,        l.logs_off,     l.bytes,
        };
        for (u32 i = 0; i < 11; i++) {
            if (ends[i] < starts[i]) guard(base + ends[i], starts[i] - ends[i]);
        }
    }
};

// An error of this kind, on a buffer of `len` bytes. Kinds as in kernels/tests/planted.rs.
WE_NOINLINE u32 planted(u32 kind, u8* buffer, u32 len) {
    Lane m{buffer};
    switch (kind) {
    case 0:  // a write behind the end
        m.set<u32>(len, 1u);
        return 0;
    case 1:  // a read before the start
        return buffer[-(i64)1 - (i64)(len & 1)];
    case 2: {  // a write into a guard between regions
        Layout l = {};
        l.frames_off = sizeof(Instance);
        l.accounts_off = l.frames_off + 64;
        Guards guards(buffer, l);
        m.set_byte(l.frames_off + 8, 1);
        return 0;
    }
    case 3: {  // behind the end of an array on the stack
        volatile u32 words[4] = {};
        words[len & 7] = 1;
        return words[0];
    }
    case 4:  // signed overflow
        return (u32)((i32)(len | 0x7fffffff) + (i32)(len & 7));
    case 5:  // a shift by the width of the type
        return len << ((len & 7) + 28);
    case 6:  // a pointer that is not aligned
        return m.get<u32>((len & 7) + 1);
    default:
        return 0;
    }
}

}  // namespace warpevm

extern "C" warpevm::u32 warpevm_planted(warpevm::u32 kind, warpevm::u8* buffer, warpevm::u32 len) {
    return warpevm::planted(kind, buffer, len);
}
#endif
