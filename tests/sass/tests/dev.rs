use std::path::Path;
use warpevm_sass::*;
#[test]
fn dev() {
    let m = Module::load(
        Path::new("/tmp/nv/all.cubin"),
        Path::new("/tmp/cuda2/nvidia/cu13/bin/nvdisasm"),
    )
    .unwrap();
    let mut names: Vec<_> = m.kernels().map(|k| k.name.clone()).collect();
    names.sort();
    println!("{names:?}");
    let mut seed = 1u64;
    let mut next = || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        seed >> 11 ^ seed << 30
    };
    let n = 256usize;
    let mut a: Vec<[u64; 4]> = (0..n)
        .map(|i| {
            let mut w = [next(), next(), next(), next()];
            for k in (4 - i % 4)..4 {
                w[k] = 0;
            }
            w
        })
        .collect();
    let mut b: Vec<[u64; 4]> = (0..n)
        .map(|i| {
            let mut w = [next(), next(), next(), next()];
            for k in (i / 4 % 5)..4 {
                w[k] = 0;
            }
            w
        })
        .collect();
    let mut c = a.clone();
    let mut o = vec![[0u64; 4]; n];
    for name in [
        "k_add",
        "k_sub",
        "k_mul",
        "k_div",
        "k_mod",
        "k_mulmod",
        "k_lt",
        "k_shl",
        "k_sar",
        "k_keccak2",
        "k_exp",
    ] {
        let k = m.kernel(name).unwrap();
        let mut mem = Memory::new();
        unsafe {
            mem.add(&mut a[..]);
            mem.add(&mut b[..]);
            mem.add(&mut c[..]);
            mem.add(&mut o[..]);
        }
        let args: Vec<u8> =
            [a.as_ptr() as u64, b.as_ptr() as u64, c.as_ptr() as u64, o.as_ptr() as u64]
                .iter()
                .flat_map(|x| x.to_le_bytes())
                .collect();
        let mut l = Launch::new(k);
        let t = std::time::Instant::now();
        if let Err(e) = l.run(&args, 2, 128, &mem) {
            println!("{name}: {e}");
            continue;
        }
        let s = t.elapsed();
        let total = l.counts().total;
        println!(
            "{name}: {} per thread, {:.1} M/s; {:x?} {:x?} -> {:x?}",
            total / n as u64,
            total as f64 / s.as_secs_f64() / 1e6,
            a[5],
            b[5],
            o[5]
        );
    }
}
