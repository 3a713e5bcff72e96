//! What the users want: about three thousand transactions in a shuffled order.
//!
//! A scene that a transaction needs (tokens to send, an allowance) is set in the state before the
//! block as the transaction is planned.

use crate::abi::encode;
use crate::call;
use crate::chain::Chain;
use crate::rng::Rng;
use crate::users::User;
use crate::world::{
    self, BOT, BOTS, DEPLOYER, DROP_LEAVES, EXCHANGE, NEWCOMER, NEWCOMERS, REGULAR, World, ether,
    tokens,
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use anyhow::Result;
use std::path::Path;

/// A transaction before it has a nonce, a gas limit, fees and a signature.
#[derive(Clone)]
pub struct Intent {
    pub from: usize,
    pub kind: TxKind,
    pub value: U256,
    pub data: Bytes,
    /// The gas limit; else an estimate with a margin, as wallets do.
    pub gas_limit: Option<u64>,
}

/// How often each kind of thing happens.
const SENDS: usize = 760;
const WITHDRAWALS: usize = 60;
const TOKEN_TRANSFERS: usize = 920;
const TOKEN_WITHDRAWALS: usize = 30;
const APPROVALS: usize = 130;
const DELEGATED_TRANSFERS: usize = 130;
const PERMITS: usize = 50;
const SWAPS: usize = 170;
const BOT_SWAPS: usize = 120;
const ROUTES: usize = 80;
const LIQUIDITY: usize = 36;
const MINTS: usize = 60;
const COLLECTIBLE_TRANSFERS: usize = 30;
const BIDS: usize = 50;
const HASH_LOCKS: usize = 70;
const STAKES: usize = 90;
const DEPLOYMENTS: usize = 70;
const CLAIMS: usize = 60;
const LOANS: usize = 24;
const DISPERSALS: usize = 16;
const TIPS: usize = 6;
const FAULTS: usize = 60;
const DIGESTS: usize = 60;
const CREATIONS: usize = 12;

pub struct Planner<'a> {
    pub world: &'a World,
    pub chain: &'a mut Chain,
    pub rng: Rng,
    pub now: u64,
    artifacts: &'a Path,
    /// Regular users in random order; each sends once before any sends twice.
    queue: Vec<usize>,
    next: usize,
    /// Groups keep their inner order when all is shuffled.
    groups: Vec<Vec<Intent>>,
}

impl<'a> Planner<'a> {
    pub fn new(
        world: &'a World,
        chain: &'a mut Chain,
        artifacts: &'a Path,
        now: u64,
        seed: u64,
    ) -> Planner<'a> {
        let mut rng = Rng::new(seed);
        let mut queue: Vec<usize> = (0..REGULAR).collect();
        shuffle(&mut queue, &mut rng);
        Planner { world, chain, rng, now, artifacts, queue, next: 0, groups: Vec::new() }
    }

    /// Plans everything and returns it in the order of the block.
    pub fn plan(mut self) -> Result<Vec<Intent>> {
        self.endow()?;
        self.ether_transfers();
        self.token_transfers()?;
        self.allowances()?;
        self.trades()?;
        self.collectibles()?;
        self.escrow()?;
        self.vault_and_drop()?;
        self.deployments()?;
        self.loans_and_tips();
        self.faults_and_digests();
        Ok(merge(self.groups, &mut self.rng))
    }

    fn endow(&mut self) -> Result<()> {
        for user in 0..NEWCOMER {
            let amount = match user {
                EXCHANGE => ether(50_000_000),
                DEPLOYER => continue,
                _ => ether(self.rng.between(5_000, 50_000)),
            };
            self.chain.credit(self.address(user), amount)?;
        }
        Ok(())
    }

    fn address(&self, user: usize) -> Address {
        self.world.users[user].address
    }

    fn sender(&mut self) -> usize {
        self.next += 1;
        self.queue[(self.next - 1) % self.queue.len()]
    }

    fn anyone(&mut self) -> Address {
        let user = self.rng.below(REGULAR as u64) as usize;
        self.address(user)
    }

    /// An account that nobody has heard of, for one in four; else any user.
    fn recipient(&mut self) -> Address {
        if self.rng.chance(25) {
            Address::from_word(keccak256(self.rng.next().to_be_bytes()))
        } else {
            self.anyone()
        }
    }

    fn token(&mut self) -> Address {
        let index = self.rng.skewed(self.world.tokens.len() as u64);
        self.world.tokens[index]
    }

    fn intent(&self, from: usize, to: Address, data: Bytes, value: U256) -> Intent {
        Intent { from, kind: TxKind::Call(to), value, data, gas_limit: None }
    }

    fn send(&mut self, from: usize, to: Address, data: Bytes, value: U256) {
        let intent = self.intent(from, to, data, value);
        self.groups.push(vec![intent]);
    }

    fn approve(&mut self, token: Address, owner: Address, spender: Address) -> Result<()> {
        let data = call!("approve(address,uint256)"; spender, U256::MAX);
        self.chain.arrange(owner, TxKind::Call(token), data, U256::ZERO).map(drop)
    }

    fn ether_transfers(&mut self) {
        let exchange = self.address(EXCHANGE);
        for _ in 0..SENDS {
            let from = self.sender();
            // Deposits at the exchange: many credits of one account.
            let to = if self.rng.chance(6) { exchange } else { self.recipient() };
            let value = ether(self.rng.between(1, 3_000));
            self.send(from, to, Bytes::new(), value);
        }
        for _ in 0..WITHDRAWALS {
            let (to, value) = (self.recipient(), ether(self.rng.between(10, 20_000)));
            self.send(EXCHANGE, to, Bytes::new(), value);
        }
        for i in 0..NEWCOMERS {
            let from = self.sender();
            let (paid, to) = (self.address(NEWCOMER + i), self.recipient());
            let funding = self.intent(from, paid, Bytes::new(), ether(900));
            let spending = self.intent(NEWCOMER + i, to, Bytes::new(), ether(700));
            self.groups.push(vec![funding, spending]);
        }
    }

    fn token_transfers(&mut self) -> Result<()> {
        for i in 0..TOKEN_TRANSFERS {
            let from = self.sender();
            let (token, to) = (self.token(), self.recipient());
            let value = tokens(self.rng.between(1, 500));
            // A few own too little: the transfer reverts.
            let short = self.rng.chance(4);
            let owned = if short { value / U256::from(2) } else { value * U256::from(3) };
            self.world.mint(self.chain, token, self.address(from), owned)?;
            let mut intent =
                self.intent(from, token, call!("transfer(address,uint256)"; to, value), U256::ZERO);
            // And a few have a gas limit that ends in the middle of the transfer.
            if i % 97 == 50 {
                intent.gas_limit = Some(self.rng.between(24_000, 29_000));
            }
            self.groups.push(vec![intent]);
        }
        for _ in 0..TOKEN_WITHDRAWALS {
            let (token, to) = (self.token(), self.recipient());
            let value = tokens(self.rng.between(1, 9_000));
            let data = call!("transfer(address,uint256)"; to, value);
            self.send(EXCHANGE, token, data, U256::ZERO);
        }
        Ok(())
    }

    fn allowances(&mut self) -> Result<()> {
        for _ in 0..APPROVALS {
            let from = self.sender();
            let (token, spender) = (self.token(), self.anyone());
            let value = if self.rng.chance(30) { U256::MAX } else { tokens(self.rng.below(900)) };
            let data = call!("approve(address,uint256)"; spender, value);
            self.send(from, token, data, U256::ZERO);
        }
        for _ in 0..DELEGATED_TRANSFERS {
            let (spender, owner) = (self.sender(), self.rng.below(REGULAR as u64) as usize);
            let (owner, token, to) = (self.address(owner), self.token(), self.recipient());
            let value = tokens(self.rng.between(1, 200));
            self.world.mint(self.chain, token, owner, value * U256::from(2))?;
            let allowed = if self.rng.chance(10) { U256::ZERO } else { value };
            let data = call!("approve(address,uint256)"; self.address(spender), allowed);
            self.chain.arrange(owner, TxKind::Call(token), data, U256::ZERO)?;
            let data = call!("transferFrom(address,address,uint256)"; owner, to, value);
            self.send(spender, token, data, U256::ZERO);
        }
        for i in 0..PERMITS {
            let (relayer, owner) = (self.sender(), self.rng.below(REGULAR as u64) as usize);
            let token = self.token();
            // One in eight bears the signature of somebody else.
            let signer = if i % 8 == 7 { relayer } else { owner };
            let data = self.permit(token, owner, signer, self.address(relayer))?;
            self.send(relayer, token, data, U256::ZERO);
        }
        Ok(())
    }

    /// The call data of an EIP-2612 permit, for the nonce that stands in the state.
    fn permit(
        &mut self,
        token: Address,
        owner: usize,
        signer: usize,
        spender: Address,
    ) -> Result<Bytes> {
        let (value, deadline) = (tokens(50), self.now + 3_600);
        let separator = self.view(token, call!("domainSeparator()"))?;
        let nonce = self.view(token, call!("nonces(address)"; self.address(owner)))?;
        let kind = keccak256(
            "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)",
        );
        let owner = self.address(owner);
        let fields = encode(&[
            kind.into(),
            owner.into(),
            spender.into(),
            value.into(),
            nonce.into(),
            deadline.into(),
        ]);
        let digest =
            keccak256([&[0x19, 0x01], separator.as_slice(), keccak256(fields).as_slice()].concat());
        let signature = self.world.users[signer].sign(digest);
        let (v, r, s) = (27 + u64::from(signature.v()), signature.r(), signature.s());
        Ok(call!(
            "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)";
            owner, spender, value, deadline, v, r, s
        ))
    }

    fn view(&mut self, to: Address, data: Bytes) -> Result<B256> {
        let mut chain = self.chain.clone();
        let result = chain.arrange(self.address(DEPLOYER), TxKind::Call(to), data, U256::ZERO)?;
        Ok(B256::from_slice(result.output().map_or(&[], |output| output.as_ref())))
    }

    fn trades(&mut self) -> Result<()> {
        for _ in 0..SWAPS + BOT_SWAPS {
            let is_bot = self.rng.below((SWAPS + BOT_SWAPS) as u64) < BOT_SWAPS as u64;
            let from = if is_bot { BOT + self.rng.skewed(BOTS as u64) } else { self.sender() };
            let pool = self.rng.skewed(self.world.pools.len() as u64);
            let (pair, token) = {
                let pool = &self.world.pools[pool];
                (pool.pair, pool.tokens[self.rng.below(2) as usize])
            };
            let amount = tokens(self.rng.between(1, 400));
            if !is_bot {
                self.world.mint(self.chain, token, self.address(from), amount)?;
                self.approve(token, self.address(from), pair)?;
            }
            // Some ask for more than the pool gives.
            let wanted = if self.rng.chance(12) { amount * U256::from(3) } else { U256::from(1) };
            let data = call!(
                "swap(address,uint256,uint256,address)"; token, amount, wanted, self.address(from)
            );
            self.send(from, pair, data, U256::ZERO);
        }
        for i in 0..ROUTES {
            let from = self.sender();
            let t = &self.world.tokens;
            let paths = [vec![t[0], t[1], t[2]], vec![t[3], t[0]], vec![t[1], t[2], t[3], t[0]]];
            let mut path = paths[i % 3].clone();
            if i % 13 == 12 {
                path.push(t[5]); // No pair leads there.
            }
            let amount = tokens(self.rng.between(1, 50));
            self.world.mint(self.chain, path[0], self.address(from), amount)?;
            self.approve(path[0], self.address(from), self.world.router)?;
            let deadline = if i % 17 == 16 { self.now - 30 } else { self.now + 300 };
            let path: Vec<U256> = path.iter().map(|a| a.into_word().into()).collect();
            let data = call!(
                "swapAlong(uint256,uint256,uint256,address[])"; amount, 1u64, deadline, path
            );
            self.send(from, self.world.router, data, U256::ZERO);
        }
        self.liquidity()
    }

    fn liquidity(&mut self) -> Result<()> {
        for i in 0..LIQUIDITY {
            let from = self.sender();
            let owner = self.address(from);
            let world = self.world;
            let pool = &world.pools[self.rng.skewed(4)];
            let amounts = [tokens(20), tokens(30)];
            for (token, amount) in pool.tokens.into_iter().zip(amounts) {
                self.world.mint(self.chain, token, owner, amount)?;
                self.approve(token, owner, pool.pair)?;
            }
            let data = call!("addLiquidity(uint256,uint256)"; amounts[0], amounts[1]);
            if i % 3 == 0 {
                self.chain.arrange(owner, TxKind::Call(pool.pair), data, U256::ZERO)?;
                let burned = call!("removeLiquidity(uint256)"; tokens(self.rng.between(1, 20)));
                self.send(from, pool.pair, burned, U256::ZERO);
            } else {
                self.send(from, pool.pair, data, U256::ZERO);
            }
        }
        Ok(())
    }

    fn collectibles(&mut self) -> Result<()> {
        let to = self.world.collectible;
        for i in 0..COLLECTIBLE_TRANSFERS {
            let from = self.sender();
            let data = call!("mint(uint256)"; 1u64);
            self.chain.arrange(self.address(from), TxKind::Call(to), data, ether(10))?;
            // One in ten moves a piece of somebody else.
            let id = if i % 10 == 9 { i as u64 - 1 } else { i as u64 };
            let data = call!(
                "transferFrom(address,address,uint256)"; self.address(from), self.anyone(), id
            );
            self.send(from, to, data, U256::ZERO);
        }
        for i in 0..MINTS {
            let from = self.sender();
            let count = self.rng.between(1, 5);
            let paid = if i % 15 == 14 { count + 1 } else { count };
            self.send(from, to, call!("mint(uint256)"; count), ether(10 * paid));
        }
        Ok(())
    }

    fn escrow(&mut self) -> Result<()> {
        let mut price = 10;
        for i in 0..BIDS {
            let from = self.sender();
            price += self.rng.between(1, 30);
            let which = if i % 8 == 7 { 2 } else { 0 };
            self.send(from, self.world.auctions[which], call!("bid()"), ether(price));
        }
        for _ in 0..2 {
            let from = self.sender();
            self.send(from, self.world.auctions[1], call!("settle()"), U256::ZERO);
            let from = self.sender();
            self.send(from, self.world.auctions[0], call!("settle()"), U256::ZERO);
        }
        let to = self.world.hash_lock;
        for i in 0..HASH_LOCKS {
            let from = self.sender();
            let mut preimage = keccak256(format!("preimage {i}")).to_vec();
            preimage.truncate(8 + i % 25);
            let hash = revm::precompile::hash::sha256_run(&preimage, u64::MAX);
            let hash = U256::from_be_slice(&hash.expect("there is gas").bytes);
            let late = i % 7 == 6;
            let deadline = if late { self.now - 60 } else { self.now + 600 };
            let open = call!("open(bytes32,address,uint64)"; hash, self.recipient(), deadline);
            let value = ether(self.rng.between(10, 900));
            let claim =
                if late { call!("refund(bytes32)"; hash) } else { call!("claim(bytes)"; preimage) };
            let other = self.sender();
            match i % 3 {
                0 => self.send(from, to, open, value),
                1 => {
                    self.chain.arrange(self.address(from), TxKind::Call(to), open, value)?;
                    self.send(other, to, claim, U256::ZERO);
                }
                _ => {
                    let open = self.intent(from, to, open, value);
                    let claim = self.intent(other, to, claim, U256::ZERO);
                    self.groups.push(vec![open, claim]);
                }
            }
        }
        Ok(())
    }

    fn vault_and_drop(&mut self) -> Result<()> {
        let (vault, token) = (self.world.vault, self.world.tokens[0]);
        for i in 0..STAKES {
            let from = self.sender();
            let owner = self.address(from);
            let amount = tokens(self.rng.between(1, 300));
            self.world.mint(self.chain, token, owner, amount * U256::from(2))?;
            self.approve(token, owner, vault)?;
            let stake = call!("stake(uint256)"; amount);
            let data = match i % 4 {
                0 | 1 => stake,
                2 => {
                    self.chain.arrange(owner, TxKind::Call(vault), stake, U256::ZERO)?;
                    // One in eight wants more than there is: a checked subtraction panics.
                    let part = if i % 8 == 6 { amount * U256::from(2) } else { amount };
                    call!("unstake(uint256)"; part)
                }
                _ => {
                    self.chain.arrange(owner, TxKind::Call(vault), stake, U256::ZERO)?;
                    call!("collect()")
                }
            };
            self.send(from, vault, data, U256::ZERO);
        }
        for i in 0..CLAIMS {
            let from = self.sender();
            // Some leaves are claimed twice.
            let leaf = if i % 12 == 11 { i - 1 } else { i };
            assert!(leaf < DROP_LEAVES);
            let mut proof = Vec::new();
            let mut at = leaf;
            for layer in &self.world.drop_tree[..self.world.drop_tree.len() - 1] {
                proof.push(U256::from_be_bytes(layer[at ^ 1].0));
                at /= 2;
            }
            if i % 20 == 19 {
                proof.swap(0, 1); // No proof any more.
            }
            let data = call!(
                "claim(uint256,address,uint256,bytes32[])";
                leaf as u64, self.address(leaf), world::drop_amount(leaf), proof
            );
            self.send(from, self.world.drop, data, U256::ZERO);
        }
        Ok(())
    }

    fn deployments(&mut self) -> Result<()> {
        let factory = self.world.factory;
        for i in 0..DEPLOYMENTS {
            let from = self.sender();
            let salt = B256::from(U256::from(i % 3));
            let value = if i % 2 == 0 { U256::ZERO } else { ether(5) };
            let (data, value) = match i % 5 {
                0 => (call!("deploy()"), value),
                1 | 2 => (call!("deployAt(bytes32)"; salt), value),
                3 => (call!("clone(bytes32)"; salt), value),
                _ => (call!("payThroughEphemeral(address)"; self.recipient()), ether(20)),
            };
            let mut intent = self.intent(from, factory, data, value);
            // One in seven tries again: with CREATE2 the address is taken, which uses up all gas
            // that the creation was given, so that no estimate would do.
            let times = if i % 7 == 3 { 2 } else { 1 };
            if times == 2 {
                intent.gas_limit = Some(400_000);
            }
            self.groups.push(vec![intent; times]);
        }
        for i in 0..CREATIONS {
            let from = self.sender();
            let name = ["Collectible", "Token", "Wallet", "Stillborn"][i % 4];
            let mut data = world::creation(self.artifacts, name)?.to_vec();
            match name {
                "Token" => data.extend(encode(&[b"Zinc".to_vec().into(), b"ZN".to_vec().into()])),
                "Wallet" => data.extend(encode(&[self.address(from).into()])),
                _ => {}
            }
            // One has no gas left for storing the code, one is refused by EIP-3541.
            let gas_limit = matches!(i, 4 | 8).then_some(200_000);
            if i == 8 {
                data = vec![0x60, 0xef, 0x5f, 0x53, 0x60, 0x01, 0x5f, 0xf3];
            }
            let value = if name == "Wallet" { ether(1) } else { U256::ZERO };
            let kind = TxKind::Create;
            let intent = Intent { from, kind, value, data: data.into(), gas_limit };
            self.groups.push(vec![intent]);
        }
        Ok(())
    }

    fn loans_and_tips(&mut self) {
        for i in 0..LOANS {
            let from = self.sender();
            let mode = [0, 0, 3, 0, 1, 2][i % 6];
            let amount = tokens(self.rng.between(10, 5_000));
            let data = call!(
                "borrow(address,uint256,uint8)"; self.world.tokens[1], amount, mode as u64
            );
            self.send(from, self.world.borrower, data, U256::ZERO);
        }
        for i in 0..DISPERSALS {
            let from = self.sender();
            let to: Vec<U256> =
                (0..self.rng.between(2, 12)).map(|_| self.recipient().into_word().into()).collect();
            let total = 3 * to.len() as u64 + u64::from(i % 8 == 7);
            let data = call!("payAll(address[],uint256)"; to, ether(3));
            self.send(from, self.world.disperse, data, ether(total));
        }
        for _ in 0..TIPS {
            let from = BOT + self.rng.below(BOTS as u64) as usize;
            self.send(from, self.world.disperse, call!("tip()"), ether(2));
        }
    }

    fn faults_and_digests(&mut self) {
        for i in 0..FAULTS {
            let from = self.sender();
            let data = match i % 8 {
                0 => call!("reason()"),
                1 => call!("custom(uint256)"; i as u64),
                2 => call!("divide(uint256)"; (i % 16 / 8) as u64),
                3 => call!("index(uint256)"; (i % 16) as u64 / 4),
                4 => call!("invalid()"),
                5 => call!("burn()"),
                6 => call!("survive(uint256)"; (i / 8) as u64),
                _ => Bytes::from_static(&[0xde, 0xad, 0xbe, 0xef]),
            };
            let mut intent = self.intent(from, self.world.faulty, data, U256::ZERO);
            intent.gas_limit = matches!(i % 8, 4 | 5).then_some(90_000);
            self.groups.push(vec![intent]);
        }
        for i in 0..DIGESTS {
            let from = self.sender();
            let number = U256::from(self.rng.next());
            let data = match i % 5 {
                0 => call!("hashes(bytes)"; vec![i as u8; 3 * i]),
                1 => call!("power(uint256,uint256,uint256)"; number, U256::MAX, U256::MAX - number),
                2 => call!("curve(uint256)"; number),
                // Of the parent, this block (zero) and one that is too far back (zero).
                3 => call!("surroundings(uint256)"; [1u64, 2, 0, 300][i / 5 % 4]),
                _ => call!("grind(uint256)"; self.rng.between(50, 400)),
            };
            self.send(from, self.world.digest, data, U256::ZERO);
        }
    }
}

pub fn shuffle<T>(items: &mut [T], rng: &mut Rng) {
    for i in (1..items.len()).rev() {
        items.swap(i, rng.below(i as u64 + 1) as usize);
    }
}

/// All intents in random order, those of one group in theirs.
fn merge(groups: Vec<Vec<Intent>>, rng: &mut Rng) -> Vec<Intent> {
    let mut keyed = Vec::new();
    for group in groups {
        let mut keys: Vec<u64> = group.iter().map(|_| rng.next()).collect();
        keys.sort_unstable();
        keyed.extend(keys.into_iter().zip(group));
    }
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, intent)| intent).collect()
}

/// Finds a user by address, for whoever signs.
pub fn signer<'a>(world: &'a World, intent: &Intent) -> &'a User {
    &world.users[intent.from]
}
