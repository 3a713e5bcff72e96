//! Writes the example block and the example batch (`host/examples/`).
//!
//! Everything follows from a fixed seed and the compiled contracts, so that the output is the same
//! on every machine. With `--check` nothing is written: the program fails where a file would
//! change.

mod abi;
mod batch;
mod block;
mod chain;
mod files;
mod rng;
mod users;
mod workload;
mod world;

use alloy_consensus::Header;
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B256, U256, address, keccak256};
use anyhow::{Context as _, Result, bail, ensure};
use chain::Chain;
use revm::context::BlockEnv;
use revm::context_interface::block::BlobExcessGasAndPrice;
use rng::Rng;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const SEED: u64 = 0x7761_7270_6576_6d01;
const NUMBER: u64 = 21_000_000;
/// In August 2024: after Cancun, before Prague.
const TIMESTAMP: u64 = 1_722_470_400;
const BENEFICIARY: Address = address!("00000000000000000000000000000000000000fe");
/// Eight times the mainnet limit of the time, to hold about three thousand transactions.
const GAS_LIMIT: u64 = 240_000_000;
const BASE_FEE: u64 = 8_123_456_789;
/// EIP-4844's parameter in Cancun.
const BLOB_UPDATE_FRACTION: u64 = 3_338_477;

fn main() -> Result<()> {
    let check = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--check") => true,
        Some(other) => bail!("unknown argument '{other}': only --check is known"),
    };
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/examples").canonicalize()?;
    let mut stale = Vec::new();
    for (name, text) in generate(&examples.join("artifacts"))? {
        let path: PathBuf = examples.join(name);
        if check {
            if std::fs::read_to_string(&path).ok().as_deref() != Some(&text) {
                stale.push(name);
            }
        } else {
            std::fs::create_dir_all(path.parent().context("the file has a folder")?)?;
            std::fs::write(&path, &text)?;
            println!("{name}: {} bytes", text.len());
        }
    }
    ensure!(stale.is_empty(), "stale: {stale:?}; run `cargo xtask example` and commit the result");
    Ok(())
}

/// The files by name.
fn generate(artifacts: &Path) -> Result<Vec<(&'static str, String)>> {
    // BLOCKHASH reaches back 256 blocks; the workload asks for the last two.
    let hashes: BTreeMap<u64, B256> = (NUMBER - 4..NUMBER)
        .map(|number| (number, keccak256(format!("warpevm example block {number}"))))
        .collect();
    let env = BlockEnv {
        number: U256::from(NUMBER),
        beneficiary: BENEFICIARY,
        timestamp: U256::from(TIMESTAMP),
        gas_limit: GAS_LIMIT,
        basefee: BASE_FEE,
        prevrandao: Some(keccak256("warpevm example randomness")),
        blob_excess_gas_and_price: Some(BlobExcessGasAndPrice::new(0, BLOB_UPDATE_FRACTION)),
        ..BlockEnv::default()
    };

    let mut chain = Chain::new(before(&env));
    let world = world::World::build(&mut chain, artifacts, TIMESTAMP)?;
    let planner = workload::Planner::new(&world, &mut chain, artifacts, TIMESTAMP, SEED);
    let intents = planner.plan()?;
    // The scene was set at an earlier block; its traces in this one's hashes are not wanted.
    chain.env = env.clone();
    chain.db.cache.block_hashes =
        hashes.iter().map(|(number, hash)| (U256::from(*number), *hash)).collect();
    let mut accounts = chain.accounts();
    // A tracer lists every sender, also one that does not exist before the block.
    for user in &world.users {
        accounts.entry(user.address).or_default();
    }

    let header = Header {
        parent_hash: hashes[&(NUMBER - 1)],
        beneficiary: BENEFICIARY,
        number: NUMBER,
        gas_limit: GAS_LIMIT,
        timestamp: TIMESTAMP,
        extra_data: "warpevm example".into(),
        mix_hash: env.prevrandao.unwrap_or_default(),
        base_fee_per_gas: Some(BASE_FEE),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(keccak256("warpevm example beacon block")),
        ..Header::default()
    };
    let withdrawals = withdrawals(&world);
    let mut rng = Rng::new(SEED ^ 1);
    let block = block::build(&world, &mut chain, &intents, header, withdrawals, &mut rng)?;
    println!("{} transactions, {} gas", block.txs.len(), block.header.gas_used);
    println!("{:#?}", block.outcomes);
    let (batch, outcomes) = batch::build(artifacts, &env, SEED ^ 2)?;
    println!("batch: {outcomes:?}");

    Ok(vec![
        ("token-block/block.json", files::block(&block)),
        ("token-block/pre_state.json", files::pre_state(&accounts)),
        ("token-block/codes.json", files::codes(&accounts)),
        ("token-block/block_hashes.json", files::block_hashes(&hashes)),
        ("erc20-batch.json", batch),
    ])
}

/// The block in which the scene is set, an hour earlier and without fees.
fn before(env: &BlockEnv) -> BlockEnv {
    BlockEnv {
        number: U256::from(NUMBER - 300),
        timestamp: U256::from(TIMESTAMP - 3_600),
        basefee: 0,
        ..env.clone()
    }
}

/// To a user, to a contract and to an account that the block does not otherwise touch.
fn withdrawals(world: &world::World) -> Vec<Withdrawal> {
    let to =
        [world.users[0].address, world.vault, address!("00000000000000000000000000000000000000ff")];
    let withdrawal = |(i, address): (u64, Address)| Withdrawal {
        index: 1_000 + i,
        validator_index: 70_000 + i,
        address,
        amount: 16_000_000 + i,
    };
    (0u64..).zip(to).map(withdrawal).collect()
}
