//! Numbers that the kernels in CUDA have as tables: `WE_CONST u64 NAME[COUNT] = { ... };`.

use std::collections::BTreeMap;

/// Files of `kernels/cuda/op/` with the numbers of BLS12-381.
const SOURCES: [&str; 4] = [
    include_str!("../../../kernels/cuda/op/bls12_381.cuh"),
    include_str!("../../../kernels/cuda/op/bls12_381_map.cuh"),
    include_str!("../../../kernels/cuda/op/bls12_381_msm.cuh"),
    include_str!("../../../kernels/cuda/op/kzg.cuh"),
];

/// Limbs of a number of BLS12-381's field.
const LIMBS: usize = 6;

pub(super) struct Tables(BTreeMap<&'static str, Vec<u64>>);

impl Tables {
    pub(super) fn read() -> Tables {
        let mut tables = BTreeMap::new();
        for table in SOURCES.iter().flat_map(|source| source.split("WE_CONST ").skip(1)) {
            let (head, rest) = table.split_once('{').expect("a table begins");
            let (body, _) = rest.split_once('}').expect("a table ends");
            let (declared, count) = head.split_once('[').expect("a table has a length");
            let name = declared.split_whitespace().last().expect("a table has a name");
            let values: Vec<u64> = body.split(',').map(number).collect();
            assert_eq!(count.split(']').next(), Some(values.len().to_string().as_str()), "{name}");
            tables.insert(name, values);
        }
        Tables(tables)
    }

    pub(super) fn values(&self, name: &str) -> &[u64] {
        self.0.get(name).unwrap_or_else(|| panic!("no table {name}"))
    }

    /// How many numbers of the field a table has.
    pub(super) fn count(&self, name: &str) -> usize {
        self.values(name).len() / LIMBS
    }

    /// Number `i` of the field, in hexadecimal.
    pub(super) fn hex(&self, name: &str, i: usize) -> String {
        let limbs = &self.values(name)[i * LIMBS..(i + 1) * LIMBS];
        limbs.iter().rev().map(|limb| format!("{limb:016x}")).collect()
    }

    /// Numbers `2 i` and `2 i + 1`: an element of F2.
    pub(super) fn hex2(&self, name: &str, i: usize) -> [String; 2] {
        [2 * i, 2 * i + 1].map(|at| self.hex(name, at))
    }
}

fn number(text: &str) -> u64 {
    let text = text.trim().trim_end_matches("ull");
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.unwrap_or_else(|_| panic!("no number: {text}"))
}
