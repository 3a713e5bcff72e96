//! Puts code together: labels for jumps, and data behind the instructions.

use alloy_primitives::{Address, U256};
use warpevm_compiler::opcode::op;

/// A place in the code that is not yet known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(usize);

/// Where a label's two bytes go.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// A position in the code.
    Code(usize),
    /// The end of a word of the data.
    Word(Label),
}

/// Code that grows. Labels are PUSH2, so code stays below 64 KiB.
#[derive(Clone, Debug, Default)]
pub struct Asm {
    code: Vec<u8>,
    labels: Vec<Option<usize>>,
    uses: Vec<(Place, Label)>,
    data: Vec<(Label, Vec<u8>)>,
}

impl Asm {
    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.code.len()
    }

    /// Nothing so far.
    pub fn is_empty(&self) -> bool {
        self.code.is_empty()
    }

    /// An opcode.
    pub fn op(&mut self, byte: u8) {
        self.code.push(byte);
    }

    /// Opcodes.
    pub fn ops(&mut self, bytes: &[u8]) {
        self.code.extend_from_slice(bytes);
    }

    /// The shortest PUSH (PUSH1 for 0, so that it means the same in every spec).
    pub fn push(&mut self, value: U256) {
        let len = value.byte_len().max(1);
        self.code.push(op::PUSH0 + len as u8);
        self.code.extend_from_slice(&value.to_be_bytes::<32>()[32 - len..]);
    }

    /// The same for a small number.
    pub fn push_u64(&mut self, value: u64) {
        self.push(U256::from(value));
    }

    /// PUSH20.
    pub fn push_address(&mut self, address: Address) {
        self.code.push(op::PUSH0 + 20);
        self.code.extend_from_slice(address.as_slice());
    }

    /// A label to be bound later.
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// PUSH2 of a label.
    pub fn push_label(&mut self, label: Label) {
        self.code.push(op::PUSH2);
        self.uses.push((Place::Code(self.code.len()), label));
        self.code.extend_from_slice(&[0, 0]);
    }

    /// A JUMPDEST at which `label` points.
    pub fn bind(&mut self, label: Label) {
        self.labels[label.0] = Some(self.code.len());
        self.code.push(op::JUMPDEST);
    }

    /// Bytes behind the instructions; the label points at them.
    pub fn data(&mut self, bytes: Vec<u8>) -> Label {
        let label = self.label();
        self.data.push((label, bytes));
        label
    }

    /// A table of 32-byte words behind the instructions, each the place of a label.
    pub fn table(&mut self, labels: &[Label]) -> Label {
        let label = self.label();
        self.data.push((label, Vec::new()));
        for target in labels {
            let entry = self.label();
            self.data.push((entry, vec![0; 32]));
            self.uses.push((Place::Word(entry), *target));
        }
        label
    }

    /// The code.
    pub fn finish(mut self) -> Vec<u8> {
        for (label, bytes) in std::mem::take(&mut self.data) {
            self.labels[label.0] = Some(self.code.len());
            self.code.extend(bytes);
        }
        for (at, label) in &self.uses {
            let at = match at {
                Place::Code(at) => *at,
                Place::Word(entry) => self.labels[entry.0].expect("data was placed") + 30,
            };
            let to = self.labels[label.0].expect("every label is bound") as u16;
            self.code[at..at + 2].copy_from_slice(&to.to_be_bytes());
        }
        self.code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_data_and_tables() {
        let mut asm = Asm::default();
        let end = asm.label();
        asm.push_label(end);
        asm.op(op::JUMP);
        let data = asm.data(vec![7, 8]);
        asm.push_label(data);
        let table = asm.table(&[end]);
        asm.push_label(table);
        asm.bind(end);
        let mut want = vec![0x61, 0, 10, 0x56, 0x61, 0, 11, 0x61, 0, 13, 0x5b, 7, 8];
        want.extend([0; 30]);
        want.extend([0, 10]);
        assert_eq!(asm.finish(), want);
    }
}
