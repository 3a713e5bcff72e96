//! `warpevm bench`: workloads, side by side with revm.

pub(super) mod ordered;
mod plot;
mod workload;

use super::BenchArgs;
use super::compare;
use super::output::line;
use super::runner::Runner;
use alloy_primitives::{B256, keccak256};
use serde_json::json;
use warpevm::types::Outcome;
use warpevm::validate::{self, Validate};
use workload::{Generated, address, transfers};

/// Device memory that a plain transfer may take.
const BYTES_PER_INSTANCE_GOAL: u64 = 16 << 10;

/// A hash over all results: two runs, or two backends, that agree in it agree in everything but
/// the exact reason of a halt.
fn result_hash(outcomes: &[Outcome]) -> B256 {
    let mut all = Vec::new();
    for outcome in outcomes {
        match &outcome.result {
            Err(rejected) => all.extend_from_slice(rejected.to_string().as_bytes()),
            Ok(e) => {
                all.push(e.status as u8);
                all.extend_from_slice(&e.gas_used.to_be_bytes());
                all.extend_from_slice(&e.gas_refunded.to_be_bytes());
                all.extend_from_slice(&e.output);
                all.extend_from_slice(&alloy_rlp::encode(&e.logs));
                all.extend_from_slice(format!("{:?}{:?}", e.created, e.changes).as_bytes());
            }
        }
        // Hash as we go, so that memory stays flat.
        let so_far = keccak256(&all);
        all.clear();
        all.extend_from_slice(so_far.as_slice());
    }
    keccak256(all)
}

/// ERC-20 transfers; false if a result differs from revm's.
pub(crate) fn erc20(args: &BenchArgs) -> anyhow::Result<bool> {
    let recipients: Vec<_> = (0..args.calls).map(|n| address("recipient", n)).collect();
    let Generated { env, txs: calls, state } = transfers(&recipients)?;
    let runner = Runner::new(args.engine)?;
    let ran = runner.calls(&env, &calls, &state)?;
    let mode: Validate = args.validate.into();
    let probe = state.storage_probe();
    let validation = validate::validate_calls(&env, &calls, &ran.outcomes, &state, &probe, mode)?;
    let comparison = compare::side_by_side(args.engine, &[(env, calls)], &state, args.rounds)?;
    let hash = result_hash(&ran.outcomes);
    let bytes = ran.report.bytes_per_instance;
    let wrong = validation.wrong.len();
    if args.json {
        let object = json!({
            "workload": "erc20",
            "calls": args.calls,
            "gas_used": ran.report.gas_used,
            "result_hash": hash,
            "validated": validation.checked,
            "mismatches": wrong,
            "bytes_per_instance": bytes,
            "seconds": ran.seconds,
            "compare": comparison,
        });
        line(object.to_string())?;
        return Ok(wrong == 0);
    }
    line(format!("erc20: {} transfers between distinct accounts, result {hash}", args.calls))?;
    line(format!("  compared with revm: {}, different: {wrong}", validation.checked))?;
    for mismatch in validation.mismatches().take(3) {
        line(format!("  {mismatch}"))?;
    }
    if bytes > 0 {
        let goal = if bytes <= BYTES_PER_INSTANCE_GOAL { "within" } else { "above" };
        line(format!("  device memory of an instance: {bytes} bytes ({goal} 16 KiB)"))?;
    }
    comparison.print()?;
    Ok(wrong == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use warpevm::reference;

    #[test]
    fn the_hash_is_of_all_results() {
        let recipients: Vec<_> = (0..4).map(|n| address("recipient", n)).collect();
        let Generated { env, txs, state } = transfers(&recipients).expect("generated");
        let outcomes = reference::simulate_sequential(&env, &txs, &state).expect("revm runs");
        assert_eq!(result_hash(&outcomes), result_hash(&outcomes.clone()));
        assert_ne!(result_hash(&outcomes), result_hash(&outcomes[1..]));
    }
}
