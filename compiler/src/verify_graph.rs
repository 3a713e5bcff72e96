//! Does a region keep the rules that passes and the lowering rely on?
//!
//! # Terms
//! The rules are those of [`crate::graph`]. A value is *at hand* in a part if its node belongs to
//! that part or to one above it, and comes before its user.
//!
//! # Soundness
//! Every rule is checked from the nodes alone, without what the builder knows. An error is always a
//! bug of the compiler. It runs after a region is built and after each pass over it.

use crate::graph::{Node, Part, Region, observes_gas};
use crate::program::OpKind;
use crate::value::{ConstPool, Val, ValKind};

/// A rule that a region breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("part {part}, node {node}: {what}")]
pub(crate) struct GraphError {
    /// The place of the part in its region.
    pub part: usize,
    /// The node; behind the last of the part: its terminator, or its exit.
    pub node: usize,
    /// What is wrong with it.
    pub what: String,
}

/// Checks every rule.
pub(crate) fn verify(region: &Region, pool: &ConstPool) -> Result<(), GraphError> {
    let verifier = Verifier { region, pool };
    let mut start = 0;
    for (at, part) in region.parts.iter().enumerate() {
        if part.start != start || part.end < start || part.end as usize > region.nodes.len() {
            return fail(at, part.start as usize, "nodes do not follow those of the part before");
        }
        if part.parent.is_none() != (at == 0) || part.parent.is_some_and(|p| p as usize >= at) {
            return fail(at, part.start as usize, "parents do not come before their parts");
        }
        start = part.end;
        verifier.part(at, part)?;
    }
    match start as usize == region.nodes.len() {
        true => Ok(()),
        false => fail(region.parts.len(), start as usize, "the node belongs to no part"),
    }
}

fn fail<T>(part: usize, node: usize, what: impl Into<String>) -> Result<T, GraphError> {
    Err(GraphError { part, node, what: what.into() })
}

/// Kinds that cost static gas wherever they come from.
fn has_static_gas(kind: OpKind) -> bool {
    use OpKind::*;
    matches!(kind, Sload | Log | Call | CallCode | DelegateCall | StaticCall | Create | Create2)
}

struct Verifier<'a> {
    region: &'a Region,
    pool: &'a ConstPool,
}

impl Verifier<'_> {
    fn part(&self, at: usize, part: &Part) -> Result<(), GraphError> {
        let (start, end) = (part.start as usize, part.end as usize);
        let mut is_closed = false;
        for index in start..end {
            let node = &self.region.nodes[index];
            if node.kind.shape().contains('T') && !node.kind.is_test() {
                return fail(at, index, "a terminator among the nodes");
            }
            self.operands(at, index, node)?;
            if node.dead {
                continue;
            }
            if is_closed && has_static_gas(node.kind) {
                return fail(at, index, "no section begins after an observer of gas");
            }
            is_closed |= observes_gas(node.kind);
            is_closed &= node.kind != OpKind::Section;
        }
        match &part.terminator {
            Some(node) if node.kind.shape().contains('T') => self.operands(at, end, node)?,
            _ => return fail(at, end, "the part has no terminator"),
        }
        for value in &part.exit {
            self.value(at, end, *value)?;
        }
        for (_, value) in part.exits() {
            self.alive(at, end, value)?;
        }
        let heights = [part.base, part.exit_base()];
        if heights.iter().any(|height| *height < part.low || *height > part.high) {
            return fail(at, end, "the stack leaves its bounds");
        }
        Ok(())
    }

    /// The operands of a node are those that its kind has, and each is at hand.
    fn operands(&self, at: usize, index: usize, node: &Node) -> Result<(), GraphError> {
        let shape = node.kind.shape();
        let (plain, more) = shape.split_once('E').unwrap_or((shape, ""));
        let count = match (node.kind, more.as_bytes().first()) {
            (OpKind::Log, _) => usize::from(node.x),
            (_, Some(digit)) => usize::from(digit - b'0'),
            (_, None) => 0,
        };
        let further = match node.ext {
            Node::NO_EXT => [Val::NONE; 4],
            ext => match self.region.exts.get(ext as usize) {
                Some(further) => *further,
                None => return fail(at, index, "its further operands do not exist"),
            },
        };
        let named = ['a', 'b', 'c'].map(|letter| plain.contains(letter));
        let named = named.into_iter().chain((0..4).map(|i| i < count));
        for (operand, is_named) in node.args.into_iter().chain(further).zip(named) {
            if (operand != Val::NONE) != is_named {
                return fail(at, index, format!("{} has other operands", node.kind.name()));
            }
            if is_named {
                self.value(at, index, operand)?;
                if !node.dead {
                    self.alive(at, index, operand)?;
                }
            }
        }
        Ok(())
    }

    /// The value is at hand for the node.
    fn value(&self, at: usize, index: usize, value: Val) -> Result<(), GraphError> {
        if value == Val::NONE {
            return fail(at, index, "no value");
        }
        match value.kind() {
            ValKind::Const(id) if id.0 as usize >= self.pool.len() => {
                fail(at, index, format!("constant {} does not exist", id.0))
            }
            ValKind::Entry(depth) if depth >= self.region.parts[at].pops => {
                fail(at, index, format!("it does not reach down to entry value {depth}"))
            }
            ValKind::Const(_) | ValKind::Entry(_) => Ok(()),
            ValKind::Node(id) => {
                let (from, parts) = (id.index(), &self.region.parts);
                let is_of = |part: &Part| (part.start as usize..part.end as usize).contains(&from);
                let mut path = std::iter::successors(Some(&parts[at]), |part| {
                    part.parent.map(|parent| &parts[parent as usize])
                });
                if from >= index || !path.any(is_of) {
                    return fail(at, index, format!("v{from} is not at hand"));
                }
                match self.region.nodes[from].kind.shape().contains('d') {
                    true => Ok(()),
                    false => fail(at, index, format!("v{from} has no result")),
                }
            }
        }
    }

    /// The value is not one that a pass removed.
    fn alive(&self, at: usize, index: usize, value: Val) -> Result<(), GraphError> {
        match value.as_node().filter(|id| self.region.node(*id).dead) {
            Some(id) => fail(at, index, format!("v{} was removed", id.0)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{ConstId, NodeId};
    use crate::{Options, Spec, run};

    /// A root with a store and a call, and the two ways on from it.
    fn region() -> (Region, ConstPool) {
        let code = [
            // sstore(calldataload(0), calldataload(1)); sload(keccak256(0, 32))
            &[0x60, 0x01, 0x35, 0x5f, 0x35, 0x55, 0x60, 0x20, 0x5f, 0x20, 0x54][..],
            // log1(0, 32, that); call(gas, caller, 0, 0, 32, 0, 32)
            &[0x60, 0x20, 0x5f, 0xa1],
            &[0x60, 0x20, 0x5f, 0x60, 0x20, 0x5f, 0x5f, 0x33, 0x5a, 0xf1],
            // if it failed, returns the size of the callee's code, else its balance
            &[0x60, 0x24, 0x57, 0x33, 0x3b, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3],
            &[0x5b, 0x33, 0x31, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3],
        ]
        .concat();
        let mut found = None;
        run(&code, Spec::Osaka, &Options::ALL, &mut |builder, region, _, _| {
            found.get_or_insert_with(|| (region.clone(), builder.pool.clone()));
        });
        found.expect("a region")
    }

    fn broken(change: impl FnOnce(&mut Region)) -> String {
        let (mut region, pool) = region();
        assert_eq!(verify(&region, &pool), Ok(()));
        change(&mut region);
        verify(&region, &pool).expect_err("it is broken").what
    }

    fn find(region: &Region, kind: OpKind) -> usize {
        region.nodes.iter().position(|node| node.kind == kind && !node.dead).expect("it is there")
    }

    #[test]
    fn every_rule_can_fail() {
        fn node(region: &mut Region, kind: OpKind) -> &mut Node {
            let at = find(region, kind);
            &mut region.nodes[at]
        }
        let load = |r: &Region| find(r, OpKind::Sload);
        type Case<'a> = (&'a str, &'a dyn Fn(&mut Region));
        let cases: [Case<'_>; 18] = [
            ("do not follow", &|r| r.parts[0].end -= 1),
            ("do not follow", &|r| r.parts.last_mut().expect("one").end += 1),
            ("do not come before", &|r| r.parts[0].parent = Some(0)),
            ("do not come before", &|r| r.parts[1].parent = Some(1)),
            ("belongs to no part", &|r| r.nodes.push(r.nodes[0])),
            ("terminator among", &|r| node(r, OpKind::Sload).kind = OpKind::Return),
            ("no section begins", &|r| node(r, OpKind::Section).dead = true),
            ("no terminator", &|r| r.parts[0].terminator = None),
            ("leaves its bounds", &|r| r.parts[0].high = r.parts[0].exit_base() - 1),
            ("leaves its bounds", &|r| r.parts[0].low = r.parts[0].base + 1),
            ("do not exist", &|r| node(r, OpKind::Call).ext = 99),
            ("has other operands", &|r| node(r, OpKind::Sload).args[0] = Val::NONE),
            ("has other operands", &|r| node(r, OpKind::Sload).args[1] = r_constant(0)),
            ("has other operands", &|r| node(r, OpKind::Log).x = 2),
            ("does not exist", &|r| node(r, OpKind::Sload).args[0] = r_constant(9999)),
            ("does not reach down", &|r| node(r, OpKind::Sload).args[0] = Val::entry(7)),
            ("is not at hand", &|r| {
                let own = Val::node(NodeId(load(r) as u32));
                node(r, OpKind::Sload).args[0] = own;
            }),
            ("has no result", &|r| {
                let store = Val::node(NodeId(find(r, OpKind::Sstore) as u32));
                node(r, OpKind::Sload).args[0] = store;
            }),
        ];
        for (expected, change) in cases {
            let found = broken(change);
            assert!(found.contains(expected), "{expected}: {found}");
        }
        let sides = broken(|r| {
            // A value of one side is not at hand on the other.
            let [.., one, other] = &r.parts[..] else { panic!("two sides") };
            let value =
                (one.start..one.end).find(|at| r.nodes[*at as usize].kind.shape().contains('d'));
            let mut user = r.nodes[find(r, OpKind::Balance)];
            user.args[0] = Val::node(NodeId(value.expect("a result")));
            r.nodes.insert(other.end as usize, user);
            r.parts.last_mut().expect("one").end += 1;
        });
        assert!(sides.contains("not at hand"), "{sides}");
        let removed = broken(|r| {
            let key = node(r, OpKind::Sload).args[0].as_node().expect("a node");
            r.nodes[key.index()].dead = true;
        });
        assert!(removed.contains("was removed"), "{removed}");
    }

    fn r_constant(id: u32) -> Val {
        Val::constant(ConstId(id))
    }
}
