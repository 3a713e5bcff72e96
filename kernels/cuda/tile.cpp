// The device kernels for a fake device: the CPU's compiler, but the limbs, the interleaved layout
// and the split kernels of a GPU (build.rs defines WE_LIMBS32 and WE_TILE). The namespace has a
// name of its own there, so that both CPU builds fit into one program.
#include "device.cuh"

using namespace warpevm;

// The numbers are those of `Kernel` in kernels/src/sources.rs.
extern "C" void warpevm_tile_thread(u32 kernel, const Launch* launch, const Job* job, u32 thread) {
    switch (kernel) {
        case 0:
            return run_thread(launch, job, thread);
        case 1:
            return precompile_thread(launch, job, thread, PRECOMPILE_KERNEL_PLAIN);
        case 2:
            return precompile_thread(launch, job, thread, PRECOMPILE_KERNEL_MODEXP);
        case 3:
            return start_thread(launch, job, thread);
        case 4:
            return collect_thread(launch, job, thread);
        case 5:
            return answer_thread(launch, job, thread);
        case 6:
            return index_accounts_thread(launch, job, thread);
        case 7:
            return index_slots_thread(launch, job, thread);
        case 8:
            return scatter_thread(launch, job, thread);
        case 9:
            return precompile_thread(launch, job, thread, PRECOMPILE_KERNEL_CURVES);
    }
}
