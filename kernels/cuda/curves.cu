// Pairings, KZG and BLS12-381, over the instances that wait for them.
#include "kernel.cuh"

WE_KERNEL(curves, precompile_thread(&launch, &job, thread, PRECOMPILE_KERNEL_CURVES))
