//! A small assembler, so that tests and benchmarks can write code that people can read.
//!
//! Tokens stand between white space; `;` begins a comment.
//!
//! | token | meaning |
//! |---|---|
//! | `add`, `DUP3` | an opcode |
//! | `7`, `0x1f` | the shortest PUSH of that number (PUSH1 for 0) |
//! | `push4 0x1f` | a PUSH of that size |
//! | `name:` | a JUMPDEST called `name` |
//! | `@name` | a PUSH2 of its pc |
//! | `#5b00` | these bytes |

use crate::opcode::{by_name, immediate_size, op};
use alloy_primitives::U256;
use std::collections::HashMap;

/// A token that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AsmError {
    /// It is no opcode, number, label or bytes.
    #[error("unknown token '{0}'")]
    UnknownToken(String),
    /// A number that does not fit in its PUSH, or none where one must follow.
    #[error("bad immediate '{0}'")]
    BadImmediate(String),
    /// A label that stands nowhere.
    #[error("unknown label '{0}'")]
    UnknownLabel(String),
}

/// Assembles `source`.
pub fn assemble(source: &str) -> Result<Vec<u8>, AsmError> {
    let mut code = Vec::new();
    let mut labels = HashMap::new();
    let mut uses = Vec::new();
    let lines = source.lines().map(|line| line.split(';').next().unwrap_or(""));
    let mut tokens = lines.flat_map(str::split_whitespace);
    while let Some(token) = tokens.next() {
        if let Some(label) = token.strip_suffix(':') {
            labels.insert(label, code.len());
            code.push(op::JUMPDEST);
        } else if let Some(label) = token.strip_prefix('@') {
            code.push(op::PUSH2);
            uses.push((code.len(), label));
            code.extend([0, 0]);
        } else if let Some(bytes) = token.strip_prefix('#') {
            let bytes = alloy_primitives::hex::decode(bytes);
            code.extend(bytes.map_err(|_| AsmError::UnknownToken(token.to_owned()))?);
        } else if let Some(value) = number(token) {
            push(&mut code, value, value.byte_len().max(1), token)?;
        } else {
            let row = by_name(&token.to_ascii_uppercase());
            let row = row.ok_or_else(|| AsmError::UnknownToken(token.to_owned()))?;
            match immediate_size(row.byte) {
                0 => code.push(row.byte),
                size => {
                    let text = tokens.next().unwrap_or("");
                    let value =
                        number(text).ok_or_else(|| AsmError::BadImmediate(text.to_owned()))?;
                    push(&mut code, value, usize::from(size), text)?;
                }
            }
        }
    }
    for (at, label) in uses {
        let pc = labels.get(label).ok_or_else(|| AsmError::UnknownLabel(label.to_owned()))?;
        code[at..at + 2].copy_from_slice(&(*pc as u16).to_be_bytes());
    }
    Ok(code)
}

fn number(token: &str) -> Option<U256> {
    if !token.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    token.parse().ok()
}

fn push(code: &mut Vec<u8>, value: U256, size: usize, text: &str) -> Result<(), AsmError> {
    if value.byte_len() > size {
        return Err(AsmError::BadImmediate(text.to_owned()));
    }
    code.push(op::PUSH0 + size as u8);
    code.extend(&value.to_be_bytes::<32>()[32 - size..]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_token() {
        let code = assemble("0 0x1ff push4 1 @end jump #00fe end: dup1 ; comment\n stop").unwrap();
        let want = [
            0x60, 0, 0x61, 1, 0xff, 0x63, 0, 0, 0, 1, 0x61, 0, 16, 0x56, 0x00, 0xfe, 0x5b, 0x80, 0,
        ];
        assert_eq!(code, want);
    }

    #[test]
    fn errors_name_the_token() {
        assert_eq!(assemble("addd"), Err(AsmError::UnknownToken("addd".into())));
        assert_eq!(assemble("push1 256"), Err(AsmError::BadImmediate("256".into())));
        assert_eq!(assemble("@x"), Err(AsmError::UnknownLabel("x".into())));
        assert_eq!(assemble("push1"), Err(AsmError::BadImmediate("".into())));
    }
}
