// The interpreter.
#include "kernel.cuh"

WE_KERNEL(run, run_thread(&launch, &job, thread))
