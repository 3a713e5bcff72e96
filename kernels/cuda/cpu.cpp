// The kernels as a CPU library: the `cpu` backend runs the very source that CUDA compiles.
#include "interp.cuh"
#ifdef WE_SANITIZE
#include "sanitize.cuh"
#endif

extern "C" void warpevm_cpu_run(const warpevm::Launch* launch, warpevm::u32 instance) {
#ifdef WE_SANITIZE
    const warpevm::Layout& layout = *(const warpevm::Layout*)launch->layout;
    warpevm::Guards guards((warpevm::u8*)launch->memory + instance * layout.bytes, layout);
#endif
    warpevm::run_instance(launch, instance);
}
