// Calls the translated kernel `op_words` as tests/op.rs calls the library.
#include <stdbool.h>
#include <string.h>

void sass_thread(const void* params, unsigned len, unsigned tid, unsigned ctaid, unsigned ntid);

bool op_words(unsigned op, unsigned n, const void* a, const void* b, const void* c, void* out) {
    struct {
        unsigned op, n;
        const void *a, *b, *c;
        void* out;
    } params = {op, n, a, b, c, out};
    for (unsigned i = 0; i < n; i++) sass_thread(&params, sizeof params, i % 128, i / 128, 128);
    return true;
}
