// Inversion in the fields of prime_field.cuh.
#ifndef WARPEVM_OP_PRIME_INVERSE_CUH
#define WARPEVM_OP_PRIME_INVERSE_CUH

#include "divsteps.cuh"
#include "prime_field.cuh"

namespace warpevm {

// r := 1 / a in the field's form, and 0 for 0.
template <class P>
WE_DEV WE_NOINLINE void field_inverse(FieldElement<P>& r, const FieldElement<P>& a) {
    typedef PrimeField<P> F;
    FieldElement<P> x;
    divstep_inverse<F>(x.w, a.w);
    F::to_form(x, x);
    F::to_form(r, x);
}

}  // namespace warpevm

#endif  // WARPEVM_OP_PRIME_INVERSE_CUH
