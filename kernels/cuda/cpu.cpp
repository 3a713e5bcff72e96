// The kernels as a CPU library: the `cpu` backend runs the very source that CUDA compiles.
#include "interp.cuh"

extern "C" void warpevm_cpu_run(const warpevm::Launch* launch, warpevm::u32 instance) {
    warpevm::run_instance(launch, instance);
}
