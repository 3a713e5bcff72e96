// The word ops as a kernel, for the tests that run its machine code on the CPU: thread i computes
// out[i]. An op that is not known copies a, which is what loading and storing costs.
#include "op/keccak.cuh"
#include "op_test.cuh"

extern "C" __global__ void op_words(warpevm::u32 op, warpevm::u32 n, const warpevm::u256* a,
                                    const warpevm::u256* b, const warpevm::u256* c,
                                    warpevm::u256* out) {
    using namespace warpevm;
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
#define OP_TEST_CASE(number, expression) \
    case number:                         \
        out[i] = expression;             \
        break
    switch (op) {
#include "op_words.inc"
        default:
            out[i] = a[i];
    }
}
