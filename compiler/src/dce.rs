//! Which nodes of a region does anything depend on?
//!
//! # Soundness
//! A node stays if it has an effect (see [`has_effect`]), if a terminator or an exit value that is
//! read outside of the region reads it, or if a node that stays does. Nodes with an effect that
//! another pass proved dead are marked so already. Operands come before their users, so one
//! backward walk suffices.

use crate::graph::{Region, for_each_operand, has_effect};
use crate::value::Val;

/// Marks every node that nothing depends on as dead.
pub(crate) fn remove_dead(region: &mut Region) {
    let mut needed = vec![false; region.nodes.len()];
    let mut need = |v: Val| {
        if let Some(id) = v.as_node() {
            needed[id.index()] = true;
        }
    };
    for part in &region.parts {
        part.exits().for_each(|(_, value)| need(value));
        if let Some(end) = &part.terminator {
            for_each_operand(&region.exts, end, &mut need);
        }
    }
    for i in (0..region.nodes.len()).rev() {
        let node = &mut region.nodes[i];
        if node.dead {
            continue;
        }
        if needed[i] || has_effect(node.kind) {
            for_each_operand(&region.exts, node, |v| {
                if let Some(id) = v.as_node() {
                    needed[id.index()] = true;
                }
            });
        } else {
            node.dead = true;
        }
    }
}
