//! Real mainnet blocks through the engine, against sequential revm.

mod common;

use common::{MAINNET, source};
use warpevm::chain::{BlockSource, Revm, Selection};
use warpevm::input::InputError;
use warpevm::reference::validate::compare;
use warpevm::{Config, Engine};
use warpevm_tests::fixture;

#[test]
fn every_block_gives_what_revm_gives() {
    let archive = fixture!("every_block_gives_what_revm_gives", MAINNET);
    let engines = [1, 2]
        .map(|threads| Engine::new(Config::default().with_threads(threads)).expect("an engine"));
    let mut wrong = Vec::new();
    let count = source(&archive)
        .visit(&Selection::All, |_, block| {
            let block = block?;
            let expected = block.execute(&Revm).expect("revm runs the block").outcomes;
            for engine in &engines {
                let at = format!("block {}, {} threads", block.number, engine.threads());
                match block.execute(engine) {
                    Ok(ran) => {
                        let pairs = expected.iter().zip(&ran.outcomes).enumerate();
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
