// How a kernel calls its thread's function. Arguments come in constant memory.
#ifndef WARPEVM_KERNEL_CUH
#define WARPEVM_KERNEL_CUH

#include "device.cuh"

// Threads of a thread block, and how many thread blocks a multiprocessor must be able to hold: 4 of
// 128 give each thread 128 registers, with which the interpreter spills nothing.
#define WE_BLOCK_THREADS 128
#define WE_BLOCKS_PER_SM 4

#define WE_KERNEL(name, body)                                                               \
    extern "C" __global__ void __launch_bounds__(WE_BLOCK_THREADS, WE_BLOCKS_PER_SM)        \
        warpevm_##name(const __grid_constant__ warpevm::Launch launch,                      \
                       const __grid_constant__ warpevm::Job job) {                          \
        using namespace warpevm;                                                            \
        u32 thread = blockIdx.x * blockDim.x + threadIdx.x;                                 \
        if (thread < job.count) body;                                                       \
    }

#endif
