// The precompiles of the pairing curves: alt_bn128's pairing, KZG point evaluation, BLS12-381.
//
// Stack of a call in bytes, on sm_90 and on the CPU. Batches of pairing_batch_count pairs and
// msm_batch_count points make up most of it; it does not grow with the input.
//
//                   0x08   0x0a   0x0b   0x0c   0x0d   0x0e   0x0f   0x10   0x11
//   device         6,208  9,776  1,424  4,592  3,200  9,296  9,216  1,120  3,376
//   CPU, at most  16 KiB 36 KiB  9 KiB 33 KiB 10 KiB 60 KiB 20 KiB 10 KiB 10 KiB
#ifndef WARPEVM_PRECOMPILE_CURVES_CUH
#define WARPEVM_PRECOMPILE_CURVES_CUH

#include "op/bls12_381_map.cuh"
#include "op/bn254_pairing.cuh"
#include "op/kzg.cuh"
#include "precompile_result.cuh"

namespace warpevm {

// EIP-197, EIP-1108.
WE_DEV WE_NOINLINE u32 precompile_bn254_pairing(Vm& vm, const Bytes& in) {
    constexpr u32 pair_bytes = 192;
    u32 count = in.len / pair_bytes;
    GasSchedule schedule = vm.schedule();
    u64 cost = schedule.bn254_pairing() + (u64)count * schedule.bn254_pairing_pair();
    if (!charge(vm, cost) || in.len % pair_bytes != 0) return PRECOMPILE_FAIL;
    bool ok, one = bn254_pairing(in, count, ok);
    return ok ? return_word(vm, from_bool(one)) : (u32)PRECOMPILE_FAIL;
}

// EIP-4844.
WE_DEV WE_NOINLINE u32 precompile_kzg(Vm& vm, const Bytes& in) {
    if (!charge(vm, vm.schedule().kzg_point_evaluation()) || in.len != kzg_input_bytes) {
        return PRECOMPILE_FAIL;
    }
    if (!kzg_point_evaluation(in)) return PRECOMPILE_FAIL;
    return return_words(vm, from_u64(4096), bls381_order());  // FIELD_ELEMENTS_PER_BLOB
}

// EIP-2537. The result of a call that writes a point of G.
template <class G>
WE_DEV WE_INLINE u32 return_point(Vm& vm, bool ok) {
    vm.ret_len = ok ? 2 * G::field_bytes : 0;
    return ok ? PRECOMPILE_OK : PRECOMPILE_FAIL;
}

template <class G>
WE_DEV WE_NOINLINE u32 precompile_bls_add(Vm& vm, const Bytes& in, u64 cost) {
    if (!charge(vm, cost) || in.len != 4 * G::field_bytes) return PRECOMPILE_FAIL;
    return return_point<G>(vm, bls381_add<G>(in, ReturnBytes{vm.m, vm.lay->return_off}));
}

template <class G>
WE_DEV WE_NOINLINE u32 precompile_bls_msm(Vm& vm, const Bytes& in, u64 each) {
    u32 bytes = 2 * G::field_bytes + 32, count = in.len / bytes;
    if (count == 0 || in.len % bytes != 0) return PRECOMPILE_FAIL;
    if (!charge(vm, bls381_msm_gas(G(), count, each))) return PRECOMPILE_FAIL;
    return return_point<G>(vm, bls381_msm<G>(in, count, ReturnBytes{vm.m, vm.lay->return_off}));
}

template <class M>
WE_DEV WE_NOINLINE u32 precompile_bls_map(Vm& vm, const Bytes& in, u64 cost) {
    typedef typename M::G G;
    if (!charge(vm, cost) || in.len != G::field_bytes) return PRECOMPILE_FAIL;
    return return_point<G>(vm, bls381_map<M>(in, ReturnBytes{vm.m, vm.lay->return_off}));
}

WE_DEV WE_NOINLINE u32 precompile_bls_pairing(Vm& vm, const Bytes& in) {
    u32 count = in.len / 384;
    if (count == 0 || in.len % 384 != 0) return PRECOMPILE_FAIL;
    GasSchedule schedule = vm.schedule();
    u64 cost = schedule.bls_pairing() + (u64)count * schedule.bls_pairing_pair();
    if (!charge(vm, cost)) return PRECOMPILE_FAIL;
    bool ok, one = bls381_pairing(in, count, ok);
    return ok ? return_word(vm, from_bool(one)) : (u32)PRECOMPILE_FAIL;
}

WE_DEV WE_NOINLINE u32 precompile_bls(Vm& vm, const Bytes& in, u32 id) {
    if (vm.lay->return_cap < 2 * Bls381G2::field_bytes) {
        need_class(vm, REGION_RETURN, 2 * Bls381G2::field_bytes);
        return PRECOMPILE_CLASS;
    }
    GasSchedule schedule = vm.schedule();
    switch (id) {
        case PRECOMPILE_BLS_G1_ADD:
            return precompile_bls_add<Bls381G1>(vm, in, schedule.bls_g1_add());
        case PRECOMPILE_BLS_G1_MSM:
            return precompile_bls_msm<Bls381G1>(vm, in, schedule.bls_g1_mul());
        case PRECOMPILE_BLS_G2_ADD:
            return precompile_bls_add<Bls381G2>(vm, in, schedule.bls_g2_add());
        case PRECOMPILE_BLS_G2_MSM:
            return precompile_bls_msm<Bls381G2>(vm, in, schedule.bls_g2_mul());
        case PRECOMPILE_BLS_PAIRING:
            return precompile_bls_pairing(vm, in);
        case PRECOMPILE_BLS_MAP_G1:
            return precompile_bls_map<MapG1>(vm, in, schedule.bls_map_g1());
        default:
            return precompile_bls_map<MapG2>(vm, in, schedule.bls_map_g2());
    }
}

// All of them.
WE_DEV WE_INLINE u32 run_curve_precompile(Vm& vm, const Bytes& in, u32 id) {
    if (id == PRECOMPILE_BN254_PAIRING) return precompile_bn254_pairing(vm, in);
    if (id == PRECOMPILE_KZG_POINT_EVALUATION) return precompile_kzg(vm, in);
    return precompile_bls(vm, in, id);
}

}  // namespace warpevm
#endif
