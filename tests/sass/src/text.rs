//! What the disassembler prints.

use std::collections::HashMap;

/// A line with an instruction.
#[derive(Debug)]
pub struct Line<'a> {
    /// Its place in the section.
    pub pc: u32,
    /// The instruction without its end and comments.
    pub text: &'a str,
}

/// One kernel's section.
#[derive(Debug, Default)]
pub struct Section<'a> {
    /// In order.
    pub lines: Vec<Line<'a>>,
    /// Labels and functions within it.
    pub labels: HashMap<&'a str, u32>,
}

/// Splits the output by section: the kernel's name to its lines.
pub fn sections(text: &str) -> HashMap<&str, Section<'_>> {
    let mut all: HashMap<&str, Section<'_>> = HashMap::new();
    let mut current: Option<&str> = None;
    let mut waiting: Vec<&str> = Vec::new();
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(name) = trimmed.strip_prefix(".text.").and_then(|rest| rest.strip_suffix(':')) {
            current = Some(name);
            all.entry(name).or_default();
            waiting.clear();
            continue;
        }
        if trimmed.starts_with("//-----") {
            current = None;
        }
        let Some(section) = current.and_then(|name| all.get_mut(name)) else { continue };
        if let Some((pc, text)) = instruction(trimmed) {
            waiting.drain(..).for_each(|label| {
                section.labels.insert(label, pc);
            });
            section.lines.push(Line { pc, text });
        } else if let Some(label) = trimmed.strip_suffix(':')
            && !label.contains(char::is_whitespace)
        {
            waiting.push(label);
        }
    }
    all
}

/// `/*0120*/  @P0 IADD3 R1, R2, R3, RZ ;` as its place and its text.
fn instruction(line: &str) -> Option<(u32, &str)> {
    let (pc, rest) = line.strip_prefix("/*")?.split_once("*/")?;
    let pc = u32::from_str_radix(pc, 16).ok()?;
    let text = rest.split("(*").next()?.split(';').next()?.trim();
    Some((pc, text))
}

/// Splits operands at commas that are in no brackets.
pub fn operands(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (i, c) in text.char_indices() {
        match c {
            '[' | '(' => depth += 1,
            ']' | ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    let last = text[start..].trim();
    if !last.is_empty() {
        parts.push(last);
    }
    parts
}
