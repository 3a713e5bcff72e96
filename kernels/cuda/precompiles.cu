// Precompiles, over the instances that wait for them. Modexp stands alone for its workspace: every
// thread that a device can hold gets the stack frame of the kernel's deepest call.
#include "kernel.cuh"

WE_KERNEL(precompiles, precompile_thread(&launch, &job, thread, PRECOMPILE_KERNEL_PLAIN))
WE_KERNEL(modexp, precompile_thread(&launch, &job, thread, PRECOMPILE_KERNEL_MODEXP))
