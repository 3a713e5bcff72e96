//! The driver of the `wgpu` backend, and its kernels that begin, pack and answer instances and
//! index the state table: against the same kernels in CUDA C++ on the fake device; its interpreter
//! where it was wrong once: against revm. On the first adapter, each test in a process of its own.

mod common;

use std::sync::Arc;

use alloy_primitives::{Address, U256};
use bytemuck::{bytes_of, cast_slice, from_bytes, pod_collect_to_vec};
use revm::context::TxEnv;
use revm::database::{CacheDB, EmptyDB};
use revm::primitives::TxKind;
use revm::state::{AccountInfo, Bytecode};
use warpevm::backend::device::driver::{Driver, DriverError, Space, Stream};
use warpevm::backend::device::fake::FakeDriver;
use warpevm::backend::wgpu::{WgpuDriver, adapters};
use warpevm::instance::layout::classes;
use warpevm::reference::validate::compare;
use warpevm::state::table::{account_hash, mix, slot_hash};
use warpevm::{Backend, Checks, Config, Engine, Spec, State, reference};
use warpevm_kernels::abi::{
    Answer, Instance, Job, Launch, Layout, Need, OverlayAccount, OverlaySlot, Packed, Status,
    TableAccount, TableSlot,
};
use warpevm_kernels::sources::Kernel;
use warpevm_tests::{asm, child, fixtures};

/// Instances of a tile.
const TILE: usize = 32;

/// Runs `body` in a process of its own on the adapter that the environment names, else the first.
fn on_device(test: &str, body: impl FnOnce(&Desk)) {
    if !child::is_child() {
        return child::run(test, env!("CARGO_TARGET_TMPDIR"));
    }
    if let Err(error) = adapters() {
        return fixtures::skip(test, &fixtures::Skip(error));
    }
    let driver = WgpuDriver::open(None).unwrap_or_else(|error| panic!("{error}"));
    println!("{test}: {}", driver.name());
    body(&Desk::new(Arc::new(driver)));
}

/// Shifts by amounts of any size: those of 256 bits and more were taken for small ones once.
#[test]
fn shifts_agree_with_revm() {
    on_device("shifts_agree_with_revm", |_| {
        // The word at 32 of the calldata, shifted by the one at 0.
        let program = |op: u8| {
            let source = format!("32 calldataload 0 calldataload #{op:x} 0 mstore 32 0 return");
            Bytecode::new_raw(asm(&source).into())
        };
        let mut db = CacheDB::<EmptyDB>::default();
        let mut calls = Vec::new();
        let small = [0u64, 1, 31, 32, 63, 64, 128, 224, 255, 256, 257, 288, 511, 1 << 32];
        let large = [64usize, 128, 255].map(|bit| U256::from(1) << bit);
        let amounts: Vec<U256> = small.into_iter().map(U256::from).chain(large).collect();
        for op in [0x1b, 0x1c, 0x1d] {
            let address = Address::repeat_byte(op);
            let info = AccountInfo { nonce: 1, ..Default::default() }.with_code(program(op));
            db.insert_account_info(address, info);
            for amount in &amounts {
                for value in [U256::from(3), U256::MAX - U256::from(9)] {
                    let data = [amount.to_be_bytes::<32>(), value.to_be_bytes::<32>()].concat();
                    calls.push(TxEnv {
                        kind: TxKind::Call(address),
                        data: data.into(),
                        gas_limit: 100_000,
                        chain_id: Some(1),
                        ..Default::default()
                    });
                }
            }
        }
        let mut env = common::block_env(Spec::Osaka);
        env.checks = Checks { nonce: false, balance: false, ..Checks::default() };
        env.block.basefee = 0;
        let expected = reference::simulate_sequential(&env, &calls, &db).expect("revm runs");
        let state = State::new(&db).expect("a state");
        for instances_per_warp in [32, 3] {
            let backend = Backend::Wgpu;
            let config =
                Config::default().with_backend(backend).with_instances_per_warp(instances_per_warp);
            let engine = Engine::new(config).expect("an engine");
            let batch = engine.simulate(&env, &calls, &state).expect("the device runs");
            assert_eq!(batch.outcomes.len(), calls.len());
            for (index, (expected, got)) in expected.iter().zip(&batch.outcomes).enumerate() {
                assert!(expected.result.is_ok(), "{expected:?}");
                assert!(compare(index, expected, got).is_empty(), "{:?}", calls[index].data);
                assert_eq!(got.fallback, None);
            }
        }
    });
}

/// A driver with one stream.
struct Desk {
    driver: Arc<dyn Driver>,
    stream: Stream,
}

impl Desk {
    fn new(driver: Arc<dyn Driver>) -> Desk {
        Desk { stream: driver.stream().expect("a stream"), driver }
    }

    fn fake() -> Desk {
        Desk::new(Arc::new(FakeDriver::new(1 << 30, Vec::new()).expect("a device")))
    }

    fn alloc(&self, space: Space, bytes: usize) -> u64 {
        self.driver.alloc(space, bytes as u64).expect("device memory")
    }

    fn put(&self, space: Space, bytes: &[u8]) -> u64 {
        let at = self.alloc(space, bytes.len().max(4));
        self.upload(at, bytes);
        at
    }

    fn upload(&self, at: u64, bytes: &[u8]) {
        // SAFETY: allocated with this length; synchronised at once.
        unsafe { self.driver.upload(self.stream, at, bytes.as_ptr(), bytes.len()) }
            .expect("an upload");
        self.synchronize();
    }

    fn get(&self, at: u64, bytes: usize) -> Vec<u8> {
        let mut got = vec![0xee; bytes];
        // SAFETY: as above.
        unsafe { self.driver.download(self.stream, got.as_mut_ptr(), at, bytes) }
            .expect("a download");
        self.synchronize();
        got
    }

    fn launch(&self, kernel: Kernel, launch: &Launch, job: &Job) {
        // SAFETY: the tests give addresses of allocations that are long enough.
        unsafe { self.driver.launch(self.stream, kernel, launch, job) }
            .unwrap_or_else(|error| panic!("{}: {error}", kernel.name()));
        self.synchronize();
    }

    fn synchronize(&self) {
        self.driver.synchronize(self.stream).unwrap_or_else(|error| panic!("{error}"));
    }
}

struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 += 1;
        mix(self.0, 0x1234_5678_9abc_def1)
    }

    fn below(&mut self, end: u32) -> u32 {
        (self.next() >> 32) as u32 % end
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

const NEEDS: [Need; 11] = [
    Need::Nothing,
    Need::Account,
    Need::Slot,
    Need::Code,
    Need::InitCode,
    Need::Deploy,
    Need::BlockHash,
    Need::Precompile,
    Need::Class,
    Need::Steps,
    Need::Kernel,
];

/// Random memory of an instance with a head that means something.
fn instance(rng: &mut Rng, layout: &Layout, data_len: u32) -> Vec<u8> {
    let mut memory = rng.bytes(layout.bytes as usize);
    let head: &mut Instance = bytemuck::from_bytes_mut(&mut memory[..size_of::<Instance>()]);
    let statuses = [Status::Done, Status::Done, Status::Suspended, Status::Suspended];
    head.status = statuses[rng.below(4) as usize] as u32;
    head.need = NEEDS[rng.below(NEEDS.len() as u32) as usize] as u32;
    head.accounts = rng.below(layout.accounts_cap + 1);
    head.storage = rng.below(layout.storage_cap + 1);
    head.ret_len = rng.below(layout.return_cap + 1);
    head.log_bytes = rng.below(layout.logs_cap / 8 + 1) * 8;
    head.need_in_data = rng.below(2);
    let all = if head.need_in_data == 1 { data_len } else { layout.memory_cap };
    let start = if head.need_in_data == 1 { 0 } else { layout.memory_off };
    let from = rng.below(all);
    head.need_off = start + from;
    head.need_len = rng.below(all - from + 1);
    memory
}

/// Unit `u` of instance `i` lies at unit `u * 32 + i` of its tile.
fn interleave(instances: &[Vec<u8>], layout: &Layout) -> Vec<u8> {
    let units = layout.bytes as usize / 16;
    let mut memory = vec![0; instances.len().next_multiple_of(TILE) * units * 16];
    for (i, instance) in instances.iter().enumerate() {
        for (unit, bytes) in instance.chunks(16).enumerate() {
            let at = (i / TILE * units + unit) * TILE + i % TILE;
            memory[at * 16..][..16].copy_from_slice(bytes);
        }
    }
    memory
}

/// Instances on a device.
struct World {
    launch: Launch,
    memory_bytes: usize,
    ids: u64,
    count: u32,
}

/// What all devices of a test get.
struct Content {
    layout: Layout,
    memory: Vec<u8>,
    data: Vec<u8>,
    /// The instances in the order of the threads.
    ids: Vec<u32>,
}

impl Content {
    /// `count` instances, of which all but a few have a thread.
    fn new(seed: u64, class: usize, count: usize) -> Content {
        let mut rng = Rng(seed << 32);
        let layout = classes()[class];
        let data = rng.bytes(3001);
        let instances: Vec<_> =
            (0..count).map(|_| instance(&mut rng, &layout, data.len() as u32)).collect();
        let mut ids: Vec<u32> = (0..count as u32).collect();
        for i in (1..count).rev() {
            ids.swap(i, rng.below(i as u32 + 1) as usize);
        }
        ids.truncate(count - 3);
        Content { memory: interleave(&instances, &layout), layout, data, ids }
    }

    fn on(&self, desk: &Desk) -> World {
        // Something before it, so that nothing lies at the start of its space.
        desk.put(Space::Instances, &[1; 1000]);
        desk.put(Space::Input, &[2; 1000]);
        let launch = Launch {
            memory: desk.put(Space::Instances, &self.memory),
            layout: desk.put(Space::Input, bytes_of(&self.layout)),
            data: desk.put(Space::Input, &self.data),
            instances: self.ids.len() as u32,
            ..Default::default()
        };
        let ids = desk.put(Space::Input, cast_slice(&self.ids));
        World { launch, memory_bytes: self.memory.len(), ids, count: self.ids.len() as u32 }
    }
}

impl World {
    fn memory(&self, desk: &Desk) -> Vec<u8> {
        desk.get(self.launch.memory, self.memory_bytes)
    }
}

/// What an instance packed: its length, and the bytes unless there was no room.
type Packing = (u32, Option<Vec<u8>>);

/// What `collect` gave with so much room: bytes asked for, and what each thread's instance packed.
fn collect(desk: &Desk, content: &Content, room: usize) -> (u64, Vec<Packing>) {
    let world = content.on(desk);
    let records = world.count as usize * size_of::<Packed>();
    let packed = desk.put(Space::Output, &vec![0; 8 + records]);
    let bytes = desk.alloc(Space::Output, room);
    let job = Job {
        ids: world.ids,
        records: packed + 8,
        bytes_used: packed,
        bytes,
        bytes_cap: room as u64,
        count: world.count,
        ..Default::default()
    };
    desk.launch(Kernel::Collect, &world.launch, &job);
    let got = desk.get(packed, 8 + records);
    let all = desk.get(bytes, room);
    assert_eq!(world.memory(desk), content.memory, "collect changes nothing");
    let mut places = Vec::new();
    let mut one = |packed: &Packed| {
        assert_eq!(packed.reserved, 0);
        let start = usize::try_from(packed.at).ok().filter(|_| packed.at != u64::MAX);
        let range = start.map(|start| start..start + packed.len as usize);
        places.extend(range.clone());
        (packed.len, range.map(|range| all[range].to_vec()))
    };
    let results: Vec<_> =
        pod_collect_to_vec::<u8, Packed>(&got[8..]).iter().map(&mut one).collect();
    places.sort_by_key(|range| range.start);
    assert!(places.windows(2).all(|pair| pair[0].end <= pair[1].start), "results overlap");
    (*from_bytes(&got[..8]), results)
}

#[test]
fn collect_packs_what_the_kernels_in_cuda_pack() {
    on_device("collect_packs_what_the_kernels_in_cuda_pack", |desk| {
        for (seed, class, count) in [(1, 0, 300), (2, 1, 40)] {
            let content = Content::new(seed, class, count);
            let room = content.memory.len() + count * content.data.len();
            let expected = collect(&Desk::fake(), &content, room);
            assert!(expected.1.iter().all(|(_, bytes)| bytes.is_some()), "there was room");
            let heads = size_of::<Instance>() + size_of::<OverlayAccount>();
            let long = expected.1.iter().filter(|(len, _)| *len as usize > heads).count();
            assert!(long > count / 3 && long < count, "results of every kind: {long}");
            assert_eq!(collect(desk, &content, room), expected);
        }
    });
}

#[test]
fn collect_counts_what_it_has_no_room_for() {
    on_device("collect_counts_what_it_has_no_room_for", |desk| {
        let content = Content::new(3, 0, 200);
        let (used, all) = collect(desk, &content, 1 << 22);
        let (again, some) = collect(desk, &content, used as usize / 2 / 8 * 8);
        assert_eq!(again, used);
        let without = some.iter().filter(|(_, bytes)| bytes.is_none()).count();
        assert!(without > 20 && without < 180, "{without} had no room");
        for (all, some) in all.iter().zip(&some) {
            assert_eq!(all.0, some.0);
            assert!(some.1.is_none() || some.1 == all.1);
        }
    });
}

#[test]
fn start_makes_instances_ready() {
    on_device("start_makes_instances_ready", |desk| {
        let content = Content::new(4, 0, 150);
        let run = |desk: &Desk, with_txs: bool| {
            let world = content.on(desk);
            let members: Vec<u32> = (0..world.count).map(|i| i * 7 + 1).collect();
            let txs = if with_txs { desk.put(Space::Input, cast_slice(&members)) } else { 0 };
            let job = Job { ids: world.ids, txs, count: world.count, ..Default::default() };
            desk.launch(Kernel::Start, &world.launch, &job);
            world.memory(desk)
        };
        for with_txs in [false, true] {
            let got = run(desk, with_txs);
            assert!(got != content.memory);
            assert!(got == run(&Desk::fake(), with_txs), "with transactions: {with_txs}");
        }
    });
}

#[test]
fn answers_reach_their_instances() {
    on_device("answers_reach_their_instances", |desk| {
        let content = Content::new(5, 0, 150);
        let mut rng = Rng(6 << 32);
        let mut bytes = vec![0; 5];
        let answers: Vec<Answer> = (0..content.ids.len())
            .map(|_| {
                let len = rng.below(content.layout.return_cap + 1).min(rng.below(1000));
                let bytes_off = bytes.len() as u32;
                bytes.extend(rng.bytes(len as usize));
                Answer {
                    resume_word: [rng.next(), rng.next(), rng.next(), rng.next()],
                    resume_gas: rng.next(),
                    resume_code: rng.next() as u32,
                    resume_ok: rng.below(2),
                    bytes_off,
                    bytes_len: len,
                    has_bytes: rng.below(3).min(1),
                    host_precompiles: 1 << rng.below(32),
                }
            })
            .collect();
        let run = |desk: &Desk| {
            let world = content.on(desk);
            let job = Job {
                ids: world.ids,
                records: desk.put(Space::Input, cast_slice(&answers)),
                bytes: desk.put(Space::Input, &bytes),
                count: world.count,
                ..Default::default()
            };
            desk.launch(Kernel::Answer, &world.launch, &job);
            world.memory(desk)
        };
        let got = run(desk);
        assert!(got != content.memory);
        assert!(got == run(&Desk::fake()));
    });
}

#[test]
fn precompiles_without_a_kernel_are_left_to_the_host() {
    on_device("precompiles_without_a_kernel_are_left_to_the_host", |desk| {
        let layout = classes()[0];
        let mut rng = Rng(7 << 32);
        let mut instances: Vec<Vec<u8>> =
            (0..100).map(|_| instance(&mut rng, &layout, 100)).collect();
        let heads = |instances: &mut Vec<Vec<u8>>, change: &dyn Fn(&mut Instance)| {
            let head = |m: &mut Vec<u8>| {
                change(bytemuck::from_bytes_mut(&mut m[..size_of::<Instance>()]));
            };
            instances.iter_mut().for_each(head);
        };
        // No precompile has this number.
        heads(&mut instances, &|head| head.need_code = 0x7777);
        let before = interleave(&instances, &layout);
        heads(&mut instances, &|head| {
            let waits = head.status == Status::Suspended as u32 && head.need == Need::Kernel as u32;
            if waits {
                head.need = Need::Precompile as u32;
            }
        });
        let after = interleave(&instances, &layout);
        assert!(before != after);
        for kernel in [Kernel::Precompiles, Kernel::Modexp, Kernel::Curves] {
            let ids = (0..100).collect();
            let content = Content { layout, memory: before.clone(), data: vec![0; 100], ids };
            let world = content.on(desk);
            let job = Job { ids: world.ids, count: world.count, ..Default::default() };
            desk.launch(kernel, &world.launch, &job);
            assert!(world.memory(desk) == after, "{}", kernel.name());
        }
    });
}

/// Where linear probing finds each of `hashes`' entries.
fn check_index(index: &[u32], hashes: &[u32], what: &str) {
    let mask = index.len() - 1;
    assert_eq!(index.iter().filter(|entry| **entry != 0).count(), hashes.len(), "{what}");
    for (entry, hash) in hashes.iter().enumerate() {
        let mut at = *hash as usize & mask;
        while index[at] != entry as u32 + 1 {
            assert!(index[at] != 0, "{what} {entry} is not where its hash {hash:#x} says");
            at = (at + 1) & mask;
        }
    }
}

#[test]
fn indexes_are_those_of_the_host() {
    on_device("indexes_are_those_of_the_host", |desk| {
        const COUNT: usize = 5000;
        for seed in [0u64, 1, 0xffff_ffff, 0x8765_4321_0fed_cba9] {
            let mut rng = Rng(seed ^ 0xabc);
            let mut accounts = Vec::new();
            let mut slots = Vec::new();
            for i in 0..COUNT as u32 {
                let mut addr = [0; 20];
                match i % 2 {
                    0 => addr.copy_from_slice(&rng.bytes(20)),
                    _ => addr[16..].copy_from_slice(&i.to_be_bytes()),
                }
                accounts.push(TableAccount { addr, nonce: rng.next(), ..Default::default() });
                let key = match i % 2 {
                    0 => [rng.next(), rng.next(), rng.next(), rng.next()],
                    _ => [i.into(), 0, 0, 0],
                };
                slots.push(TableSlot { key, account: i / 3, ..Default::default() });
            }
            let index_len = (COUNT * 2).next_power_of_two();
            let launch = Launch {
                accounts: desk.put(Space::State, cast_slice(&accounts)),
                account_index: desk.put(Space::State, &vec![0; index_len * 4]),
                account_mask: index_len as u32 - 1,
                slots: desk.put(Space::State, cast_slice(&slots)),
                slot_index: desk.put(Space::State, &vec![0; index_len * 4]),
                slot_mask: index_len as u32 - 1,
                hash_seed: seed,
                ..Default::default()
            };
            for kernel in [Kernel::IndexAccounts, Kernel::IndexSlots] {
                // As a table grows: some, then the rest.
                for (size, count) in [(0, 1234), (1234, COUNT as u32 - 1234)] {
                    desk.launch(kernel, &launch, &Job { size, count, ..Default::default() });
                }
            }
            let index = |at: u64| pod_collect_to_vec::<u8, u32>(&desk.get(at, index_len * 4));
            let hashes = accounts.iter().map(|a| account_hash(seed, &a.addr) as u32);
            check_index(&index(launch.account_index), &hashes.collect::<Vec<_>>(), "account");
            let hashes = slots.iter().map(|s| slot_hash(seed, &s.key, s.account) as u32);
            check_index(&index(launch.slot_index), &hashes.collect::<Vec<_>>(), "slot");
        }
    });
}

#[test]
fn records_are_scattered_to_their_places() {
    on_device("records_are_scattered_to_their_places", |desk| {
        let mut rng = Rng(8 << 32);
        for size in [size_of::<TableAccount>(), size_of::<OverlaySlot>(), 8] {
            let mut expected = rng.bytes(500 * size);
            let to = desk.put(Space::State, &expected);
            let places: Vec<u32> = (0..500).filter(|_| rng.below(3) == 0).collect();
            let records = rng.bytes(places.len() * size);
            for (place, record) in places.iter().zip(records.chunks(size)) {
                expected[*place as usize * size..][..size].copy_from_slice(record);
            }
            let job = Job {
                records: desk.put(Space::State, &records),
                places: desk.put(Space::State, cast_slice(&places)),
                to,
                size: size as u32,
                count: places.len() as u32,
                ..Default::default()
            };
            desk.launch(Kernel::Scatter, &Launch::default(), &job);
            assert!(desk.get(to, expected.len()) == expected);
        }
    });
}

#[test]
fn a_grid_has_more_than_one_row() {
    on_device("a_grid_has_more_than_one_row", |desk| {
        // One row has 65,535 workgroups of 64 threads.
        let count = 65_535 * 64 + 1000;
        let records: Vec<u64> = (0..count as u64).map(|i| mix(i, 9)).collect();
        let places: Vec<u32> = (0..count as u32).rev().collect();
        let job = Job {
            records: desk.put(Space::State, cast_slice(&records)),
            places: desk.put(Space::State, cast_slice(&places)),
            to: desk.alloc(Space::State, count * 8),
            size: 8,
            count: count as u32,
            ..Default::default()
        };
        desk.launch(Kernel::Scatter, &Launch::default(), &job);
        let got: Vec<u64> = pod_collect_to_vec(&desk.get(job.to, count * 8));
        assert!(got.iter().eq(records.iter().rev()));
    });
}

#[test]
fn memory_keeps_its_content_while_its_space_grows() {
    on_device("memory_keeps_its_content_while_its_space_grows", |desk| {
        let mut rng = Rng(10 << 32);
        let mut all: Vec<(u64, Vec<u8>)> = Vec::new();
        for round in 0..60 {
            let len = 1 + rng.below(1 << 18) as usize;
            let bytes = rng.bytes(len);
            let space = Space::ALL[round % 5];
            all.push((desk.put(space, &bytes), bytes));
            if round % 7 == 6 {
                let (at, _) = all.swap_remove(rng.below(all.len() as u32) as usize);
                // SAFETY: nothing uses it.
                unsafe { desk.driver.free(at) };
            }
        }
        for (at, bytes) in &all {
            assert!(at.is_multiple_of(256) && *at as u32 != 0 && at >> 32 != 0);
            assert!(desk.get(*at, bytes.len()) == *bytes, "at {at:#x}");
        }
        let (at, bytes) = &all[0];
        // SAFETY: within the allocation.
        unsafe { desk.driver.zero(desk.stream, *at, 8) }.expect("cleared");
        let got = desk.get(*at, bytes.len());
        assert!(got[..8] == [0; 8] && got[8..] == bytes[8..]);
    });
}

#[test]
fn what_a_device_cannot_do_is_an_error() {
    on_device("what_a_device_cannot_do_is_an_error", |desk| {
        let driver = &desk.driver;
        let free = driver.free_bytes().expect("some");
        let alloc = |bytes| driver.alloc(Space::Instances, bytes);
        assert_eq!(alloc(free + 1), Err(DriverError::OutOfMemory(free + 1)));
        assert_eq!(alloc(u64::MAX), Err(DriverError::OutOfMemory(u64::MAX)));
        let some = desk.put(Space::Instances, &[7; 64]);
        assert_eq!(driver.free_bytes(), Ok(free - 256));
        let mut bytes = [0; 64];
        for address in [0, 64, 6 << 32, u64::MAX, (1 << 32) + 0xffff_ff00] {
            let to = bytes.as_mut_ptr();
            // SAFETY: it must not be copied to, and if it is, it is long enough.
            let copied = unsafe { driver.download(desk.stream, to, address, 64) };
            assert!(matches!(copied, Err(DriverError::Failed(_))), "{address:#x}: {copied:?}");
            // SAFETY: as above.
            let copied = unsafe { driver.upload(desk.stream, address, to, 64) };
            assert!(matches!(copied, Err(DriverError::Failed(_))), "{address:#x}: {copied:?}");
        }
        assert_eq!(bytes, [0; 64]);
        assert_eq!(desk.get(some, 64), [7; 64], "it goes on after errors");
    });
}
