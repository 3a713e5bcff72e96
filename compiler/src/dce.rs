//! Which nodes of a graph does anything depend on?
//!
//! # Soundness
//! A node stays if it has an effect (see [`has_effect`]), if the terminator or a live exit value
//! reads it, or if a node that stays does. Nodes with an effect that another pass proved dead are
//! marked so already. Operands come before their users, so one backward walk suffices.

use crate::graph::{Graph, has_effect};
use crate::value::Val;

/// Marks every node that nothing depends on as dead. `exits` are the exit values that are read.
pub(crate) fn remove_dead(graph: &mut Graph, exits: impl Iterator<Item = Val>) {
    let mut needed = vec![false; graph.nodes.len()];
    let mut need = |v: Val| {
        if let Some(id) = v.as_node() {
            needed[id.index()] = true;
        }
    };
    exits.for_each(&mut need);
    if let Some(end) = graph.end {
        graph.for_each_operand(&end, &mut need);
    }
    for i in (0..graph.nodes.len()).rev() {
        let node = graph.nodes[i];
        if node.dead {
            continue;
        }
        if needed[i] || has_effect(node.kind) {
            graph.for_each_operand(&node, |v| {
                if let Some(id) = v.as_node() {
                    needed[id.index()] = true;
                }
            });
        } else {
            graph.nodes[i].dead = true;
        }
    }
}
