// The entry points of op_test.cpp as kernels of one thread, for the tests of the machine code.
#define OP_TEST_SUFFIX _device
#include "op_test.cpp"

#define OP_TEST_KERNEL(name, arguments, call) \
    extern "C" __global__ void name(u64* result, OP_TEST_PLAIN arguments) { \
        *result = (u64)name##_device call; \
    }
#define OP_TEST_PLAIN(...) __VA_ARGS__

OP_TEST_KERNEL(op_test_words,
               (u32 op, u32 n, const u256* a, const u256* b, const u256* c, u256* out),
               (op, n, a, b, c, out))
OP_TEST_KERNEL(op_test_hash, (u32 hash, u32 len, const u8* data, u256* out),
               (hash, data, len, out))
OP_TEST_KERNEL(op_test_blake2f, (const u8* input, u256* out), (input, out))
OP_TEST_KERNEL(op_test_curve, (u32 op, const u256* in, u256* out), (op, in, out))
OP_TEST_KERNEL(op_test_modexp,
               (u32 len, u32 base_len, u32 exp_len, u32 mod_len, const u8* input, u8* out),
               (input, len, base_len, exp_len, mod_len, out))
OP_TEST_KERNEL(op_test_field, (u32 field, u32 op, const u8* a, const u8* b, u8* out),
               (field, op, a, b, out))
OP_TEST_KERNEL(op_test_pairing_curve, (u32 address, u32 len, const u8* input, u8* out),
               (address, input, len, out))
