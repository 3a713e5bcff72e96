//! The kernels of precompiles against revm's precompiles and known answers, on a device: status,
//! gas and output.
//!
//! Instances stand in memory as in production, waiting for a precompile, and are read back.

#![allow(missing_docs, reason = "a test crate has no readers of its documentation")]

mod common;
#[path = "../../kernels/tests/common/mod.rs"]
mod inputs;
#[path = "../../kernels/tests/common/pairing_model.rs"]
mod model;

use std::time::Instant;

use alloy_primitives::{U256, hex};
use revm::precompile::{PrecompileSpecId, Precompiles, u64_to_address};
use warpevm_compiler::Spec;
use warpevm_kernels::abi::{Instance, Job, Launch, Layout, Need, Status};
use warpevm_shaders::gpu::Gpu;
use warpevm_shaders::{FIELD_DATA, Module, modules};
use wgpu::{BufferUsages, ComputePipeline};

use common::{must, on_device};
use inputs::precompiles::*;
use inputs::{Rng, SEED};

const BYZANTIUM: Spec = Spec::Byzantium;
const ISTANBUL: Spec = Spec::Istanbul;
const BERLIN: Spec = Spec::Berlin;
const OSAKA: Spec = Spec::Osaka;

/// Bytes of a kernel's arguments (`args` of `bindings.wgsl`).
const ARGS_BYTES: usize = 19 * 16;
/// Room of return data where a test says nothing else.
const RETURN_CAP: u32 = 16 << 10;

struct Call {
    id: u32,
    gas: u64,
    input: Vec<u8>,
    /// The input lies in the launch's data, else in the instance's memory.
    in_data: bool,
    /// Where it begins there, past a multiple of 16.
    shift: u32,
}

impl Call {
    fn new(rng: &mut Rng, id: u32, input: Vec<u8>) -> Self {
        let in_data = rng.below(2) == 0;
        Self { id, gas: u64::MAX >> 1, input, in_data, shift: rng.below(16) as u32 }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Answer {
    Ok {
        gas: u64,
        output: Vec<u8>,
    },
    Fail,
    /// The kernel leaves the call to the host.
    Left,
    /// The return region must have so many bytes.
    Class(u32),
}

fn reference(spec: Spec, call: &Call) -> Answer {
    let spec = match spec {
        OSAKA => PrecompileSpecId::OSAKA,
        BERLIN => PrecompileSpecId::BERLIN,
        ISTANBUL => PrecompileSpecId::ISTANBUL,
        _ => PrecompileSpecId::BYZANTIUM,
    };
    let address = u64_to_address(call.id.into());
    let precompile = Precompiles::new(spec).get(&address).expect("a precompile of the spec");
    match precompile.execute(&call.input, call.gas, 0) {
        Ok(output) if output.is_success() => {
            Answer::Ok { gas: output.gas_used, output: output.bytes.to_vec() }
        }
        _ => Answer::Fail,
    }
}

// ---- running a kernel ----

const TILE: usize = 32;

/// Memory of instances, as `lane.wgsl` reaches it.
struct Lanes {
    bytes: Vec<u8>,
    per_instance: usize,
}

impl Lanes {
    fn new(count: usize, per_instance: usize) -> Self {
        let bytes = vec![0; count.next_multiple_of(TILE) * per_instance];
        Self { bytes, per_instance }
    }

    fn at(&self, instance: usize, off: usize) -> usize {
        let tile = instance / TILE * TILE * self.per_instance;
        tile + (off / 16 * TILE + instance % TILE) * 16 + off % 16
    }

    fn write(&mut self, instance: usize, off: usize, bytes: &[u8]) {
        for (i, &byte) in bytes.iter().enumerate() {
            let at = self.at(instance, off + i);
            self.bytes[at] = byte;
        }
    }

    fn read(&self, instance: usize, off: usize, len: usize) -> Vec<u8> {
        (off..off + len).map(|off| self.bytes[self.at(instance, off)]).collect()
    }
}

/// An address in space 1.
fn address(off: usize) -> u64 {
    1 << 32 | off as u64
}

/// Runs a kernel over instances that wait for these calls.
fn run(
    gpu: &Gpu,
    kernel: &ComputePipeline,
    spec: Spec,
    return_cap: u32,
    calls: &[Call],
) -> Vec<Answer> {
    let longest = calls.iter().filter(|call| !call.in_data).map(|call| call.input.len()).max();
    let return_off = size_of::<Instance>().next_multiple_of(16);
    let memory_off = (return_off + return_cap as usize).next_multiple_of(16);
    // The input may be followed by other things, which must not count.
    let layout = Layout {
        bytes: (memory_off + longest.unwrap_or(0) + 32).next_multiple_of(64) as u64,
        return_off: return_off as u32,
        return_cap,
        ..bytemuck::Zeroable::zeroed()
    };
    let mut lanes = Lanes::new(calls.len(), layout.bytes as usize);
    lanes.bytes.fill(0xcc);
    let layout_at = 16;
    let data_at = layout_at + size_of::<Layout>();
    let mut input = vec![0; layout_at];
    input.extend(bytemuck::bytes_of(&layout));
    let fields_at = input.len() as u32;
    input.extend_from_slice(bytemuck::cast_slice(&FIELD_DATA));
    for (i, call) in calls.iter().enumerate() {
        let off = if call.in_data {
            input.resize(input.len().next_multiple_of(16) + call.shift as usize, 0xdd);
            input.extend(&call.input);
            input.len() - call.input.len() - data_at
        } else {
            let off = memory_off + call.shift as usize;
            lanes.write(i, off, &call.input);
            off
        };
        let instance = Instance {
            status: Status::Suspended as u32,
            need: Need::Kernel as u32,
            need_code: call.id,
            need_off: off as u32,
            need_len: call.input.len() as u32,
            need_in_data: call.in_data.into(),
            need_gas: call.gas,
            ..bytemuck::Zeroable::zeroed()
        };
        lanes.write(i, 0, bytemuck::bytes_of(&instance));
    }
    input.resize(input.len().next_multiple_of(16) + 16, 0xdd);
    let launch = Launch {
        data: address(data_at),
        memory: address(0),
        layout: address(layout_at),
        rules: spec.rules().for_kernels(),
        precompiles: spec.precompiles(),
        gas: spec.varying_gas(),
        ..bytemuck::Zeroable::zeroed()
    };
    let job = Job { count: calls.len() as u32, ..bytemuck::Zeroable::zeroed() };
    let mut args = bytemuck::bytes_of(&launch).to_vec();
    args.extend(bytemuck::bytes_of(&job));
    args.extend(fields_at.to_le_bytes());
    args.resize(ARGS_BYTES, 0);
    lanes.bytes = dispatch(gpu, kernel, &args, &lanes.bytes, &input, calls.len());
    (0..calls.len()).map(|i| answer(&lanes, i, return_off)).collect()
}

fn answer(lanes: &Lanes, i: usize, return_off: usize) -> Answer {
    let instance: Instance = bytemuck::pod_read_unaligned(&lanes.read(i, 0, size_of::<Instance>()));
    let is = |status: Status, need: Need| {
        (instance.status, instance.need) == (status as u32, need as u32)
    };
    if is(Status::Suspended, Need::Kernel) {
        return Answer::Left;
    }
    if is(Status::Suspended, Need::Class) {
        return Answer::Class(instance.need_len);
    }
    assert!(is(Status::Resumed, Need::Kernel), "{} {}", instance.status, instance.need);
    if instance.resume_ok == 0 {
        assert_eq!(instance.ret_len, 0);
        return Answer::Fail;
    }
    let output = lanes.read(i, return_off, instance.ret_len as usize);
    Answer::Ok { gas: instance.resume_gas, output }
}

/// Runs a kernel; gives the memory of instances.
fn dispatch(
    gpu: &Gpu,
    kernel: &ComputePipeline,
    args: &[u8],
    memory: &[u8],
    input: &[u8],
    count: usize,
) -> Vec<u8> {
    let readback = must(gpu.checked("a test's run", |device| {
        let buffer = |size: usize, usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: size as u64,
                usage,
                mapped_at_creation: false,
            })
        };
        let filled = |bytes: &[u8], usage| {
            let usage = usage | BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
            let buffer = buffer(bytes.len(), usage);
            gpu.queue.write_buffer(&buffer, 0, bytes);
            buffer
        };
        let buffers = [
            (0, filled(args, BufferUsages::UNIFORM)),
            (1, filled(memory, BufferUsages::STORAGE)),
            (4, filled(input, BufferUsages::STORAGE)),
        ];
        let readback = buffer(memory.len(), BufferUsages::MAP_READ | BufferUsages::COPY_DST);
        let entries: Vec<_> = buffers
            .iter()
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding: *binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &kernel.get_bind_group_layout(0),
            entries: &entries,
        });
        let mut encoder = device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(kernel);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(count.div_ceil(64) as u32, 1, 1);
        drop(pass);
        encoder.copy_buffer_to_buffer(&buffers[1].1, 0, &readback, 0, memory.len() as u64);
        gpu.queue.submit([encoder.finish()]);
        readback.map_async(wgpu::MapMode::Read, .., |mapped| mapped.expect("the memory"));
        readback
    }));
    must(gpu.wait(None, None));
    readback.get_mapped_range(..).expect("mapped").to_vec()
}

/// What became of calls: done, failed, left.
#[derive(Debug, Default)]
struct Counts {
    done: usize,
    empty: usize,
    failed: usize,
    left: usize,
}

/// Compares the kernel with revm; how often each thing happened.
fn check(gpu: &Gpu, kernel: &ComputePipeline, spec: Spec, calls: &[Call]) -> Counts {
    let mut counts = Counts::default();
    for (call, got) in calls.iter().zip(run(gpu, kernel, spec, RETURN_CAP, calls)) {
        let expected = reference(spec, call);
        match &got {
            Answer::Left => {
                counts.left += 1;
                continue;
            }
            Answer::Ok { output, .. } if output.is_empty() => counts.empty += 1,
            Answer::Ok { .. } => counts.done += 1,
            _ => counts.failed += 1,
        }
        assert!(
            got == expected,
            "precompile {:#x}, spec {spec}, gas {}, {} bytes at {} (data: {}), seed {SEED:#x}\n \
             input {}\n got {got:02x?}\n expected {expected:02x?}",
            call.id,
            call.gas,
            call.input.len(),
            call.shift,
            call.in_data,
            hex::encode(&call.input),
        );
    }
    counts
}

/// Known answers, given as input and output.
fn check_known(gpu: &Gpu, kernel: &ComputePipeline, known: &[(u32, &[u8], &str)]) {
    let rng = &mut Rng(SEED);
    let calls: Vec<Call> =
        known.iter().map(|(id, input, _)| Call::new(rng, *id, input.to_vec())).collect();
    for (got, (id, input, expected)) in
        run(gpu, kernel, OSAKA, RETURN_CAP, &calls).into_iter().zip(known)
    {
        let Answer::Ok { output, .. } = got else { panic!("{id:#x} {input:02x?}: {got:?}") };
        assert_eq!(hex::encode(output), *expected, "{id:#x} of {}", hex::encode(input));
    }
}

/// Each call with exactly the gas it takes, and with one less.
fn check_gas(gpu: &Gpu, kernel: &ComputePipeline, spec: Spec, calls: Vec<Call>) {
    let mut exact = Vec::new();
    for call in calls {
        let Answer::Ok { gas, .. } = reference(spec, &call) else { panic!("a valid call") };
        for gas in [gas, gas - 1] {
            exact.push(Call { gas, input: call.input.clone(), ..call });
        }
    }
    let counts = check(gpu, kernel, spec, &exact);
    assert_eq!(counts.failed * 2, exact.len(), "{counts:?}");
}

/// The kernel, and what it took to compile it: drivers do that at the first dispatch.
fn kernel(gpu: &Gpu, module: &Module<'_>) -> ComputePipeline {
    let start = Instant::now();
    let kernel = must(gpu.pipeline(module, "main", None));
    let nothing = Call { id: 0, gas: 0, input: Vec::new(), in_data: false, shift: 0 };
    assert_eq!(run(gpu, &kernel, OSAKA, RETURN_CAP, &[nothing]), [Answer::Left]);
    println!("{}: ready after {:?}", module.name, start.elapsed());
    kernel
}

fn words(words: &[U256]) -> Vec<u8> {
    be_bytes(words)
}

/// Sometimes shorter, which counts as followed by zeros, or longer, which does not count.
fn recut(rng: &mut Rng, mut input: Vec<u8>) -> Vec<u8> {
    match rng.below(12) {
        0 => input.truncate(rng.below(input.len() as u64 + 1) as usize),
        1 => {
            let more = rng.below(40) as usize;
            input.extend(rng.bytes(more));
        }
        _ => {}
    }
    input
}

// ---- tests ----

#[test]
fn hashes() {
    on_device("hashes", |gpu| {
        let kernel = kernel(gpu, &modules::HASHES);
        let blake = |rounds: u32, last: u8| {
            let h = "48c9bdf267e6096a3ba7ca8485ae67bb2bf894fe72f36e3cf1361d5f3af54fa5\
                     d182e6ad7f520e511f6c3e2b8c68059b6bbd41fbabd9831f79217e1319cde05b";
            let mut input = rounds.to_be_bytes().to_vec();
            input.extend(hex::decode(h).expect("hex"));
            input.extend(b"abc");
            input.resize(196, 0);
            input.extend([3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
            input
        };
        check_known(
            gpu,
            &kernel,
            &[
                (2, b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
                (2, b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
                (3, b"abc", "0000000000000000000000008eb208f7e05d987a9b044a8e98c6b087f15a0bfc"),
                (3, b"", "0000000000000000000000009c1185a5c5e9fc54612808977ee8f548b2258d31"),
                // EIP-152, vectors 5, 6 and 4.
                (
                    9,
                    &blake(12, 1),
                    "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1\
                     7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
                ),
                (
                    9,
                    &blake(12, 0),
                    "75ab69d3190a562c51aef8d88f1c2775876944407270c42c9844252c26d28752\
                     98743e7f6d5ea2f2d3e8d226039cd31b4e426ac4f2d3d666a610c2116fde4735",
                ),
                (
                    9,
                    &blake(0, 1),
                    "08c9bcf367e6096a3ba7ca8485ae67bb2bf894fe72f36e3cf1361d5f3af54fa5\
                     d282e6ad7f520e511f6c3e2b8c68059b9442be0454267ce079217e1319cde05b",
                ),
            ],
        );
        let rng = &mut Rng(SEED + 9000);
        let mut calls = Vec::new();
        for id in [2, 3] {
            let long = [1000, 1087, 1088, 4095, 4096, 10_000, 65_535];
            for len in (0..=200).chain(long) {
                let input = rng.bytes(len);
                calls.push(Call::new(rng, id, input));
            }
        }
        for case in 0..300u32 {
            let mut input = rng.bytes(213);
            input[..4].copy_from_slice(&(case % 50).to_be_bytes());
            input[212] = rng.below(3) as u8;
            if rng.below(10) == 0 {
                input.resize(205 + rng.below(16) as usize, 0);
            }
            calls.push(Call::new(rng, 9, input));
        }
        let counts = check(gpu, &kernel, OSAKA, &calls);
        assert!(counts.done > 550 && counts.failed > 100 && counts.left == 0, "{counts:?}");
        let samples = [(2, rng.bytes(33)), (3, rng.bytes(64)), (9, blake(12, 1))];
        let samples = samples.map(|(id, input)| Call::new(rng, id, input));
        check_gas(gpu, &kernel, OSAKA, samples.into());
        // The longest that a dispatch takes, and one more.
        for (id, most) in [(2, 262_144), (3, 131_072)] {
            let calls: Vec<Call> = [most, most + 1]
                .map(|len| rng.bytes(len))
                .map(|input| Call::new(rng, id, input))
                .into();
            let counts = check(gpu, &kernel, OSAKA, &calls);
            assert_eq!((counts.done, counts.left), (1, 1), "{id}");
        }
        let calls = [32_768, 32_769].map(|rounds| Call::new(rng, 9, blake(rounds, 1)));
        let counts = check(gpu, &kernel, OSAKA, &calls);
        assert_eq!((counts.done, counts.left), (1, 1));
    });
}

#[test]
fn modexp() {
    on_device("modexp", |gpu| {
        let kernel = kernel(gpu, &modules::MODULAR_POWER);
        // EIP-198: 3^(p - 1) mod p = 1, and 0^(p - 1) mod p = 0.
        let fermat = |base: &[u8]| {
            let mut input = words(&[U256::from(base.len()), U256::from(32), U256::from(32)]);
            input.extend(base);
            let p = secp256k1().p;
            input.extend(words(&[p - U256::from(1), p]));
            input
        };
        check_known(
            gpu,
            &kernel,
            &[
                (5, &fermat(&[3]), &format!("{:064x}", 1)),
                (5, &fermat(&[]), &format!("{:064x}", 0)),
            ],
        );
        let rng = &mut Rng(SEED + 9100);
        for spec in [BYZANTIUM, BERLIN, OSAKA] {
            let mut calls = Vec::new();
            for case in 0..1500 {
                let (most, exponent) = if case < 1300 { (41, 10) } else { (300, 40) };
                let lens =
                    [rng.below(most), rng.below(exponent), rng.below(most)].map(|x| x as usize);
                let input = modexp_input(rng, lens);
                let input = recut(rng, input);
                calls.push(Call::new(rng, 5, input));
            }
            let counts = check(gpu, &kernel, spec, &calls);
            assert!(counts.done > 1300 && counts.empty > 20, "{counts:?}");
            assert!(counts.left < 60, "{counts:?}");
            let samples = [[32, 32, 32], [64, 3, 65], [1, 200, 200], [1024, 0, 1024], [0, 40, 96]]
                .map(|lens| {
                    let mut input = words(&lens.map(|len: usize| U256::from(len)));
                    input.extend(rng.bytes(lens.iter().sum()));
                    if lens[1] > 32 {
                        // A long exponent whose first bytes are zero costs gas, and no time.
                        input[96 + lens[0]..][..32].fill(0);
                    }
                    Call::new(rng, 5, input)
                });
            check_gas(gpu, &kernel, spec, samples.into());
        }
        let rsa = |rng: &mut Rng, bytes: usize, exponent: &[u8]| {
            let mut input = words(&[bytes, exponent.len(), bytes].map(U256::from));
            input.extend(rng.bytes(bytes));
            input.extend(exponent);
            input.extend(rng.bytes(bytes));
            input[96 + bytes + exponent.len()] |= 0x80;
            Call::new(rng, 5, input)
        };
        let on_device =
            [(256, &[1, 0, 1][..]), (512, &[1, 0, 1]), (1024, &[3]), (1024, &[0x80]), (1, &[])]
                .map(|(bytes, exponent)| rsa(rng, bytes, exponent));
        assert_eq!(check(gpu, &kernel, OSAKA, &on_device).done, 5);
        // Too long for a dispatch; too long for a device.
        let left = [rsa(rng, 1024, &[1, 0]), rsa(rng, 1025, &[3]), rsa(rng, 16, &[1; 1025])];
        assert_eq!(check(gpu, &kernel, BERLIN, &left).left, 3);
        let mut lens = Vec::new();
        for at in 0..3 {
            for len in [U256::from(1) << 32, U256::MAX, U256::from(u32::MAX), U256::from(1025)] {
                let mut three = [U256::from(1); 3];
                three[at] = len;
                lens.push(Call { gas: 1 << 40, ..Call::new(rng, 5, words(&three)) });
            }
        }
        let counts = check(gpu, &kernel, OSAKA, &lens);
        assert_eq!(counts.failed, 12, "EIP-7823: {counts:?}");
        let counts = check(gpu, &kernel, BERLIN, &lens);
        assert!(counts.left >= 9, "{counts:?}");
        // A return region that is too small.
        let [big] = [rsa(rng, 256, &[3])];
        let got = run(gpu, &kernel, OSAKA, 832, &[big]);
        let [Answer::Class(room)] = got[..] else { panic!("{got:?}") };
        let big = rsa(rng, 256, &[3]);
        let got = run(gpu, &kernel, OSAKA, room, std::slice::from_ref(&big));
        assert_eq!(got, [reference(OSAKA, &big)]);
        assert!(matches!(run(gpu, &kernel, OSAKA, room - 4, &[big])[..], [Answer::Class(_)]));
    });
}

#[test]
fn points() {
    on_device("points", |gpu| {
        let kernel = kernel(gpu, &modules::POINTS);
        let recovered = hex!(
            "18c547e4f7b0f325ad1e56f57e26c745b09a3e503d86e00e5255ff7f715d3d1c"
            "000000000000000000000000000000000000000000000000000000000000001c"
            "73b1693892219d736caba55bdb67216e485557ea6b6af75f37096c9aa6a5a75f"
            "eeb940b1d03b21e36b0e47e79769f095fe2ab855bd91e3a38756b7d75a9c4549"
        );
        let two = U256::from(2);
        let twice_g = "030644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd3\
                       15ed738c0e0a7c92e7845f96b2ae9c0a68a6a449e3538fc7ff3ebf7a5a18a2c4";
        let g = [U256::from(1), two];
        check_known(
            gpu,
            &kernel,
            &[
                (1, &recovered, "000000000000000000000000a94f5374fce5edbc8e2a8697c15331677e6ebf0b"),
                (6, &words(&[g, g].concat()), twice_g),
                (7, &words(&[g[0], g[1], two]), twice_g),
            ],
        );
        let rng = &mut Rng(SEED + 9200);
        let [secp256k1, p256, bn254] = [secp256k1(), p256(), bn254()];
        let mut calls = Vec::new();
        for case in 0..1500 {
            let (id, input) = match case % 4 {
                0 => (1, words(&ecrecover_words(&secp256k1, rng))),
                1 => {
                    let p = bn254_operand(&bn254, rng, bn254.generator);
                    let q = bn254_operand(&bn254, rng, p);
                    (6, words(&[p.0, p.1, q.0, q.1]))
                }
                2 => {
                    let p = bn254_operand(&bn254, rng, bn254.generator);
                    (7, words(&[p.0, p.1, bn254.scalar(rng)]))
                }
                _ => {
                    let Some(input) = p256_words(&p256, rng) else { continue };
                    (0x100, words(&input))
                }
            };
            let input = recut(rng, input);
            calls.push(Call::new(rng, id, input));
        }
        for _ in 0..10 {
            for (input, _) in p256_bounds(&p256, rng) {
                calls.push(Call::new(rng, 0x100, words(&input)));
            }
        }
        // R = G and s = hash: the key would be infinity.
        let hash = U256::from(12345);
        let infinite = [hash, U256::from(27), secp256k1.generator.0, hash];
        calls.push(Call::new(rng, 1, words(&infinite)));
        let counts = check(gpu, &kernel, OSAKA, &calls);
        assert!(counts.done > 500 && counts.empty > 200 && counts.failed > 100, "{counts:?}");
        assert_eq!(counts.left, 0);
        for spec in [BYZANTIUM, ISTANBUL, OSAKA] {
            let samples = [(6, words(&g)), (7, words(&g)), (1, recovered.to_vec())];
            let mut samples: Vec<Call> =
                samples.map(|(id, input)| Call::new(rng, id, input)).into();
            if spec == OSAKA {
                samples.push(Call::new(rng, 0x100, vec![0; 160]));
            }
            check_gas(gpu, &kernel, spec, samples);
        }
    });
}

/// A curve with a pairing check, and its kernel.
struct Pairings {
    id: u32,
    module: &'static Module<'static>,
    g1: model::Curve,
    g2: model::Curve,
    generators: (model::Point, model::Point),
    bytes: fn(&model::Curve, model::Point) -> Vec<u8>,
    /// Of a coordinate.
    coordinate_bytes: usize,
}

impl Pairings {
    fn encode(&self, pairs: &[[model::Point; 2]]) -> Vec<u8> {
        let bytes = |[p, q]: &[model::Point; 2]| {
            [(self.bytes)(&self.g1, *p), (self.bytes)(&self.g2, *q)].concat()
        };
        pairs.iter().flat_map(bytes).collect()
    }

    /// Products of one and others, points outside of the groups, and what is no point.
    fn check(&self, gpu: &Gpu, kernel: &ComputePipeline, rng: &mut Rng) {
        let (g1, g2, (p, q)) = (&self.g1, &self.g2, self.generators);
        let [zero, one] = [0, 1].map(|x| format!("{x:064x}"));
        check_known(
            gpu,
            kernel,
            &[
                (self.id, &self.encode(&[[p, q]]), &zero),
                (self.id, &self.encode(&[[None, q], [p, None]]), &one),
                (self.id, &self.encode(&[[p, q], [g1.neg(p), q]]), &one),
                (self.id, &self.encode(&[[p, q], [p, g2.neg(q)]]), &one),
                (self.id, &self.encode(&[[p, q], [p, q]]), &zero),
            ],
        );
        let curves = &mut model::Rng(SEED);
        let mut inputs = Vec::new();
        for case in 0..20 {
            let [a, b] = [curves.u256() % g1.r, curves.u256() % g1.r];
            let [pa, qb] = [g1.mul(a, p), g2.mul(b, q)];
            let product = g1.neg(g1.mul(a.mul_mod(b, g1.r), p));
            let mut pairs = vec![[pa, qb], [product, q]];
            match case % 4 {
                0 => pairs.insert(1, [None, qb]),
                1 => pairs.extend([[pa, q], [g1.neg(p), g2.mul(a, q)]]),
                2 => pairs[1][0] = g1.neg(pa),
                _ => {}
            }
            inputs.push(self.encode(&pairs));
        }
        // Points outside of the groups, some of small order, also beside infinity.
        for point in model::subgroup_candidates(g1, p, curves) {
            inputs.push(self.encode(&[[point, None]]));
        }
        for point in model::subgroup_candidates(g2, q, curves) {
            inputs.push(self.encode(&[[None, point]]));
            inputs.push(self.encode(&[[p, q], [p, point]]));
        }
        for _ in 0..80 {
            let pair = [[p, None][curves.below(2)], [q, None][curves.below(2)]];
            let mut input = self.encode(&[[p, q], pair]);
            let half = input.len() / 2;
            model::spoil(curves, &mut input[half..], self.coordinate_bytes, g1.p);
            inputs.push(recut(rng, input));
        }
        let call = |rng: &mut Rng, input| Call::new(rng, self.id, input);
        let calls: Vec<Call> = inputs.into_iter().map(|input| call(rng, input)).collect();
        let counts = check(gpu, kernel, OSAKA, &calls);
        assert!(counts.done > 40 && counts.failed > 60 && counts.left == 0, "{counts:?}");
        let most = [4, 5].map(|count| call(rng, self.encode(&vec![[p, q]; count])));
        let counts = check(gpu, kernel, OSAKA, &most);
        assert_eq!((counts.done, counts.left), (1, 1));
    }
}

#[test]
fn pairing() {
    on_device("pairing", |gpu| {
        let pairings = Pairings {
            id: 8,
            module: &modules::BN254_PAIRING,
            g1: model::Curve::bn_g1(),
            g2: model::Curve::bn_g2(),
            generators: model::bn_generators(),
            bytes: model::bn_bytes,
            coordinate_bytes: 32,
        };
        let kernel = kernel(gpu, pairings.module);
        let rng = &mut Rng(SEED + 9300);
        check_known(gpu, &kernel, &[(8, &[], &format!("{:064x}", 1))]);
        pairings.check(gpu, &kernel, rng);
        let (p, q) = pairings.generators;
        for spec in [BYZANTIUM, ISTANBUL] {
            let samples = [pairings.encode(&[]), pairings.encode(&[[p, q]])];
            let samples = samples.map(|input| Call::new(rng, 8, input));
            check_gas(gpu, &kernel, spec, samples.into());
        }
    });
}

/// A point and a scalar as an MSM reads them.
fn multiple(curve: &model::Curve, point: model::Point, scalar: U256) -> Vec<u8> {
    [model::bls_bytes(curve, point), scalar.to_be_bytes::<32>().to_vec()].concat()
}

#[test]
fn bls12_381_groups() {
    on_device("bls12_381_groups", |gpu| {
        let kernel = kernel(gpu, &modules::BLS12_381);
        let (g1, g2) = model::bls_generators();
        let curves = &mut model::Rng(SEED);
        let rng = &mut Rng(SEED + 9400);
        for (add, msm, curve, generator, most) in [
            (0x0b, 0x0c, model::Curve::bls_g1(), g1, 32),
            (0x0d, 0x0e, model::Curve::bls_g2(), g2, 8),
        ] {
            let mut calls = Vec::new();
            let mut points = vec![None, generator, curve.neg(generator)];
            points.extend((0..2).map(|_| curve.random(curves)));
            points.push(curve.neg(points[3]));
            for a in &points {
                for b in &points {
                    let sum = [a, b].map(|point| model::bls_bytes(&curve, *point)).concat();
                    let mut bad = sum.clone();
                    model::spoil(curves, &mut bad, 64, curve.p);
                    calls.push(Call::new(rng, add, sum));
                    let bad = recut(rng, bad);
                    calls.push(Call::new(rng, add, bad));
                }
            }
            let mut inside = vec![None, generator];
            inside.extend((0..4).map(|_| curve.mul(curves.u256(), generator)));
            for case in 0..24 {
                let count = 1 + case % 3;
                let mut input = Vec::new();
                for _ in 0..count {
                    let point = inside[curves.below(inside.len())];
                    input.extend(multiple(&curve, point, curves.scalar()));
                }
                calls.push(Call::new(rng, msm, input.clone()));
                model::spoil(curves, &mut input[..2 * 64], 64, curve.p);
                let bad = recut(rng, input);
                calls.push(Call::new(rng, msm, bad));
            }
            // Points of the curve that are not in the group, some of small order.
            for point in model::subgroup_candidates(&curve, generator, curves) {
                calls.push(Call::new(rng, msm, multiple(&curve, point, U256::from(1))));
            }
            calls.push(Call::new(rng, msm, Vec::new()));
            let counts = check(gpu, &kernel, OSAKA, &calls);
            assert!(counts.done > 60 && counts.failed > 40 && counts.left == 0, "{counts:?}");
            let one = multiple(&curve, generator, U256::from(5));
            let sum = model::bls_bytes(&curve, generator).repeat(2);
            let samples = [(add, sum), (msm, one.clone()), (msm, one.repeat(2))];
            let samples = samples.map(|(id, input)| Call::new(rng, id, input));
            check_gas(gpu, &kernel, OSAKA, samples.into());
            let ends = [most, most + 1].map(|count| Call::new(rng, msm, one.repeat(count)));
            let counts = check(gpu, &kernel, OSAKA, &ends);
            assert_eq!((counts.done, counts.left), (1, 1));
            // There must be room for the output.
            let call = Call::new(rng, add, vec![0; 512]);
            assert_eq!(run(gpu, &kernel, OSAKA, 128, &[call]), [Answer::Class(256)]);
        }
    });
}

#[test]
fn bls12_381_pairing() {
    on_device("bls12_381_pairing", |gpu| {
        let pairings = Pairings {
            id: 0x0f,
            module: &modules::BLS12_381,
            g1: model::Curve::bls_g1(),
            g2: model::Curve::bls_g2(),
            generators: model::bls_generators(),
            bytes: model::bls_bytes,
            coordinate_bytes: 64,
        };
        let kernel = kernel(gpu, pairings.module);
        let rng = &mut Rng(SEED + 9500);
        pairings.check(gpu, &kernel, rng);
        let (p, q) = pairings.generators;
        let samples = [1, 2].map(|count| pairings.encode(&vec![[p, q]; count]));
        let samples = samples.map(|input| Call::new(rng, 0x0f, input));
        check_gas(gpu, &kernel, OSAKA, samples.into());
        let nothing = Call::new(rng, 0x0f, Vec::new());
        assert_eq!(check(gpu, &kernel, OSAKA, &[nothing]).failed, 1);
    });
}

#[test]
fn bls12_381_maps() {
    on_device("bls12_381_maps", |gpu| {
        let kernel = kernel(gpu, &modules::BLS12_381);
        let p = model::Curve::bls_g1().p;
        let curves = &mut model::Rng(SEED);
        let rng = &mut Rng(SEED + 9600);
        let edges = model::map_edges();
        let mut calls = Vec::new();
        for case in 0..64 {
            let mut number = || match curves.below(3) {
                0 => edges[curves.below(edges.len())],
                _ => curves.u384() % p,
            };
            let [a, b] = [number(), number()];
            let a = edges.get(case).copied().unwrap_or(a);
            let both = [model::padded(a), model::padded(b)].concat();
            calls.push(Call::new(rng, 0x10, model::padded(a)));
            calls.push(Call::new(rng, 0x11, both.clone()));
            let mut bad = both;
            model::spoil(curves, &mut bad, 64, p);
            calls.push(Call::new(rng, 0x10, bad[..64].to_vec()));
            let bad = recut(rng, bad);
            calls.push(Call::new(rng, 0x11, bad));
        }
        let counts = check(gpu, &kernel, OSAKA, &calls);
        assert!(counts.done > 130 && counts.failed > 50 && counts.left == 0, "{counts:?}");
        let samples = [(0x10, 64), (0x11, 128)];
        let samples = samples.map(|(id, len)| Call::new(rng, id, vec![0; len]));
        check_gas(gpu, &kernel, OSAKA, samples.into());
    });
}

#[test]
fn point_evaluation() {
    on_device("point_evaluation", |gpu| {
        let kernel = kernel(gpu, &modules::BLS12_381);
        let curve = model::Curve::bls_g1();
        let (g1, _) = model::bls_generators();
        let claim = model::valid_claim();
        let commitment = model::decompress(&curve, &claim.commitment);
        let proof = model::decompress(&curve, &claim.proof);
        let curves = &mut model::Rng(SEED);
        let rng = &mut Rng(SEED + 9700);
        let mut claims = vec![claim.clone()];
        // Claims about k f + c follow from those about f.
        for case in 0..6 {
            let k = if case == 0 { U256::ZERO } else { curves.u256() % curve.r };
            let c = if case == 1 { U256::ZERO } else { curves.u256() % curve.r };
            let sum = curve.add(curve.mul(k, commitment), curve.mul(c, g1));
            let right = model::Claim {
                z: claim.z,
                y: claim.y.mul_mod(k, curve.r).add_mod(c, curve.r),
                commitment: model::compress(&curve, sum),
                proof: model::compress(&curve, curve.mul(k, proof)),
            };
            let y = right.y.add_mod(U256::from(1), curve.r);
            claims.push(model::Claim { y, ..right.clone() });
            claims.push(model::Claim { z: curves.u256() % curve.r, ..right.clone() });
            claims.push(right);
        }
        // Constants, whose proof is infinity.
        for k in [U256::ZERO, U256::from(1), curve.r - U256::from(1)] {
            let commitment = model::compress(&curve, curve.mul(k, g1));
            let proof = model::compress(&curve, None);
            claims.push(model::Claim { z: k, y: k, commitment, proof });
        }
        for bytes in model::encodings(curves) {
            claims.push(model::Claim { commitment: bytes, ..claim.clone() });
            claims.push(model::Claim { proof: bytes, ..claim.clone() });
        }
        for big in [curve.r, U256::MAX] {
            claims.push(model::Claim { z: big, ..claim.clone() });
            claims.push(model::Claim { y: big, ..claim.clone() });
        }
        let mut inputs: Vec<Vec<u8>> = claims.iter().map(model::Claim::bytes).collect();
        for case in 0..40 {
            let mut bad = claim.bytes();
            let at = if case < 8 { 0 } else { curves.below(192) };
            bad[at] ^= 1 << (case % 8);
            inputs.push(recut(rng, bad));
        }
        let calls: Vec<Call> =
            inputs.into_iter().map(|input| Call::new(rng, 0x0a, input)).collect();
        let counts = check(gpu, &kernel, OSAKA, &calls);
        assert!(counts.done >= 10 && counts.failed > 100 && counts.left == 0, "{counts:?}");
        check_gas(gpu, &kernel, OSAKA, vec![Call::new(rng, 0x0a, claim.bytes())]);
    });
}
