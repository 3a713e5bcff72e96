//! Real mainnet blocks through the engine, against sequential revm.

mod common;

use alloy_primitives::Bytes;
use common::{MAINNET, source};
use warpevm::input::{BlockInput, InputError, Selection};
use warpevm::validate::compare;
use warpevm::{Config, Engine, Outcome, State, reference};
use warpevm_tests::fixture;

fn run(engine: &Engine, block: &BlockInput) -> Result<Vec<Outcome>, warpevm::Error> {
    let (env, spec) = (&block.env, block.env.spec);
    let mut state = State::new(&block.state)?;
    for (to, data) in reference::system_calls_before(spec, &block.header) {
        engine.system_call(env, to, data, &mut state)?;
    }
    let result = engine.execute(env, &block.transactions, &mut state)?;
    for withdrawal in &block.withdrawals {
        state.credit(withdrawal.address, withdrawal.wei())?;
    }
    for to in reference::system_calls_after(spec) {
        engine.system_call(env, *to, Bytes::new(), &mut state)?;
    }
    Ok(result.outcomes)
}

#[test]
fn every_block_gives_what_revm_gives() {
    let archive = fixture!("every_block_gives_what_revm_gives", MAINNET);
    let engines = [1, 2]
        .map(|threads| Engine::new(Config { threads, ..Default::default() }).expect("an engine"));
    let mut wrong = Vec::new();
    let count = source(&archive)
        .visit(&Selection::All, |_, block| {
            let block = block?;
            let expected = reference::execute_block(&block).expect("revm runs the block");
            for engine in &engines {
                let at = format!("block {}, {} threads", block.number, engine.threads());
                match run(engine, &block) {
                    Ok(outcomes) => {
                        let pairs = expected.iter().zip(&outcomes).enumerate();
                        let found = pairs.flat_map(|(i, (e, g))| compare(i, e, g));
                        wrong.extend(found.map(|mismatch| format!("{at}: {mismatch}")).take(4));
                    }
                    Err(error) => wrong.push(format!("{at}: {error}")),
                }
            }
            Ok::<_, InputError>(())
        })
        .expect("every block reads");
    assert!(count > 0);
    wrong.truncate(40);
    assert!(wrong.is_empty(), "differences:\n{}", wrong.join("\n"));
}
