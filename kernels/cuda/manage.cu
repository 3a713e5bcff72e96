// Beginning instances, packing what they did, answering their needs; the state table's indexes.
#include "kernel.cuh"

WE_KERNEL(start, start_thread(&launch, &job, thread))
WE_KERNEL(collect, collect_thread(&launch, &job, thread))
WE_KERNEL(answer, answer_thread(&launch, &job, thread))
WE_KERNEL(index_accounts, index_accounts_thread(&launch, &job, thread))
WE_KERNEL(index_slots, index_slots_thread(&launch, &job, thread))
WE_KERNEL(scatter, scatter_thread(&launch, &job, thread))
