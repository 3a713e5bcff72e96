//! The contracts of the example and the accounts that use them.

use crate::abi::encode;
use crate::call;
use crate::chain::Chain;
use crate::users::User;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, bytes, hex, keccak256};
use anyhow::{Context as _, Result};
use std::path::Path;

/// Where EIP-4788 keeps the roots of beacon blocks, and its code.
pub const BEACON_ROOTS: Address = address!("000F3df6D732807Ef1319fB7B8bB8522d0Beac02");
const BEACON_ROOTS_CODE: Bytes = bytes!(
    "3373fffffffffffffffffffffffffffffffffffffffe14604d57602036146024575f5ffd"
    "5b5f35801560495762001fff810690815414603c575f5ffd5b62001fff01545f5260205ff3"
    "5b5f5ffd5b62001fff42064281555f359062001fff015500"
);

pub const REGULAR: usize = 2_300;
pub const BOTS: usize = 8;
pub const NEWCOMERS: usize = 24;
pub const BOT: usize = REGULAR;
pub const EXCHANGE: usize = BOT + BOTS;
pub const DEPLOYER: usize = EXCHANGE + 1;
/// Accounts that own nothing before the block: someone pays them in it before they can send.
pub const NEWCOMER: usize = DEPLOYER + 1;

/// Leaves of the drop's Merkle tree: 2^7, so that a proof has 7 hashes.
pub const DROP_LEAVES: usize = 128;

pub struct Pool {
    pub pair: Address,
    pub tokens: [Address; 2],
}

pub struct World {
    pub users: Vec<User>,
    pub tokens: Vec<Address>,
    pub pools: Vec<Pool>,
    pub router: Address,
    /// One runs, one is over, and one runs with a leader that refuses its money back.
    pub auctions: [Address; 3],
    pub stubborn: Address,
    pub hash_lock: Address,
    pub vault: Address,
    pub factory: Address,
    pub lender: Address,
    pub borrower: Address,
    pub collectible: Address,
    pub drop: Address,
    pub drop_tree: Vec<Vec<B256>>,
    pub disperse: Address,
    pub faulty: Address,
    pub digest: Address,
}

/// The creation code of a contract as `host/examples/build.js` left it.
pub fn creation(artifacts: &Path, name: &str) -> Result<Bytes> {
    let path = artifacts.join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
    let json: serde_json::Value = serde_json::from_str(&text)?;
    let code = json["creation"].as_str().context("the artifact has no creation code")?;
    Ok(hex::decode(code)?.into())
}

pub fn ether(milli: u64) -> U256 {
    U256::from(milli) * U256::from(1_000_000_000_000_000u64)
}

/// Whole tokens, of 18 decimals like ether.
pub fn tokens(count: u64) -> U256 {
    ether(count * 1000)
}

pub fn drop_amount(index: usize) -> U256 {
    tokens(10 + index as u64)
}

pub fn drop_leaf(index: usize, account: Address) -> B256 {
    keccak256(encode(&[(index as u64).into(), account.into(), drop_amount(index).into()]))
}

/// Every layer of the tree, leaves first; a pair is hashed in ascending order.
fn merkle_tree(leaves: Vec<B256>) -> Vec<Vec<B256>> {
    let mut layers = vec![leaves];
    while layers[layers.len() - 1].len() > 1 {
        let below = &layers[layers.len() - 1];
        let parent = |pair: &[B256]| {
            let (low, high) = (pair[0].min(pair[1]), pair[0].max(pair[1]));
            keccak256([low.0, high.0].concat())
        };
        layers.push(below.chunks(2).map(parent).collect());
    }
    layers
}

pub fn users() -> Vec<User> {
    let role = |name, count| (0..count).map(move |i| User::new(name, i));
    role("user", REGULAR)
        .chain(role("bot", BOTS))
        .chain(role("exchange", 1))
        .chain(role("deployer", 1))
        .chain(role("newcomer", NEWCOMERS))
        .collect()
}

impl World {
    /// Deploys everything. `now` is the time of the example block.
    pub fn build(chain: &mut Chain, artifacts: &Path, now: u64) -> Result<World> {
        let users = users();
        let owner = users[DEPLOYER].address;
        chain.put(owner, ether(1_000_000), None);
        chain.put(BEACON_ROOTS, U256::ZERO, Some(BEACON_ROOTS_CODE));
        let mut deploy = |name: &str, args: Vec<u8>| {
            chain.deploy(owner, &creation(artifacts, name)?, args).context(name.to_owned())
        };

        let names = ["Gold", "Silver", "Copper", "Iron", "Tin", "Lead"];
        let token = |name: &str| {
            let symbol = name[..2].to_uppercase();
            encode(&[name.as_bytes().to_vec().into(), symbol.into_bytes().into()])
        };
        let tokens: Vec<Address> =
            names.iter().map(|name| deploy("Token", token(name))).collect::<Result<_>>()?;
        let mut pools = Vec::new();
        for (a, b) in [(0, 1), (1, 2), (2, 3), (0, 3)] {
            let pair = deploy("Pair", encode(&[tokens[a].into(), tokens[b].into()]))?;
            let (low, high) = (tokens[a].min(tokens[b]), tokens[a].max(tokens[b]));
            pools.push(Pool { pair, tokens: [low, high] });
        }
        let mut auction = |ends_at: u64| deploy("Auction", encode(&[ends_at.into()]));
        let auctions = [auction(now + 600)?, auction(now - 600)?, auction(now + 600)?];
        let implementation = deploy("Vault", Vec::new())?;
        let init = call!("initialize(address,uint256)"; tokens[0], 1_000_000_000_000_000u64);
        let vault = deploy("Proxy", encode(&[implementation.into(), init.to_vec().into()]))?;
        let lender = deploy("Lender", Vec::new())?;
        let leaves = (0..DROP_LEAVES).map(|i| drop_leaf(i, users[i].address)).collect();
        let drop_tree = merkle_tree(leaves);
        let root = drop_tree[drop_tree.len() - 1][0];
        let mut world = World {
            tokens: tokens.clone(),
            pools,
            router: deploy("Router", Vec::new())?,
            auctions,
            stubborn: deploy("StubbornBidder", Vec::new())?,
            hash_lock: deploy("HashLock", Vec::new())?,
            vault,
            factory: deploy("Factory", Vec::new())?,
            lender,
            borrower: deploy("Borrower", encode(&[lender.into()]))?,
            collectible: deploy("Collectible", Vec::new())?,
            drop: deploy("MerkleDrop", encode(&[tokens[4].into(), root.into()]))?,
            drop_tree,
            disperse: deploy("Disperse", Vec::new())?,
            faulty: deploy("Faulty", Vec::new())?,
            digest: deploy("Digest", Vec::new())?,
            users,
        };
        world.fund(chain)?;
        Ok(world)
    }

    /// Gives contracts and bots what they work with.
    fn fund(&mut self, chain: &mut Chain) -> Result<()> {
        let owner = self.users[DEPLOYER].address;
        let rich = tokens(1_000_000_000);
        for token in self.tokens.clone() {
            self.mint(chain, token, owner, rich)?;
            self.mint(chain, token, self.users[EXCHANGE].address, rich)?;
        }
        for pool in &self.pools {
            for token in pool.tokens {
                let data = call!("approve(address,uint256)"; pool.pair, U256::MAX);
                chain.arrange(owner, TxKind::Call(token), data, U256::ZERO)?;
            }
            let data = call!("addLiquidity(uint256,uint256)"; tokens(2_000_000), tokens(3_000_000));
            chain.arrange(owner, TxKind::Call(pool.pair), data, U256::ZERO)?;
            let data = call!("register(address)"; pool.pair);
            chain.arrange(owner, TxKind::Call(self.router), data, U256::ZERO)?;
        }
        for bot in 0..BOTS {
            let bot = self.users[BOT + bot].address;
            for token in &self.tokens[..4] {
                self.mint(chain, *token, bot, tokens(100_000))?;
                for pool in &self.pools {
                    if pool.tokens.contains(token) {
                        let data = call!("approve(address,uint256)"; pool.pair, U256::MAX);
                        chain.arrange(bot, TxKind::Call(*token), data, U256::ZERO)?;
                    }
                }
            }
        }
        self.mint(chain, self.tokens[0], self.vault, tokens(1_000_000))?;
        self.mint(chain, self.tokens[1], self.lender, tokens(1_000_000))?;
        self.mint(chain, self.tokens[1], self.borrower, tokens(10_000))?;
        self.mint(chain, self.tokens[4], self.drop, tokens(1_000_000))?;
        chain.arrange(owner, TxKind::Call(self.auctions[0]), call!("bid()"), ether(10))?;
        chain.arrange(owner, TxKind::Call(self.auctions[1]), call!("bid()"), ether(700))?;
        let data = call!("bid(address)"; self.auctions[2]);
        chain.arrange(owner, TxKind::Call(self.stubborn), data, ether(50))?;
        Ok(())
    }

    pub fn mint(&self, chain: &mut Chain, token: Address, to: Address, value: U256) -> Result<()> {
        let owner = self.users[DEPLOYER].address;
        let data = call!("mint(address,uint256)"; to, value);
        chain.arrange(owner, TxKind::Call(token), data, U256::ZERO).map(drop)
    }
}
