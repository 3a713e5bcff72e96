//! Facts about protocol versions stand once (docs/decisions/006): no other code compares versions,
//! and none has a price in it.

use super::{extension, is_generated, read, tracked};
use std::path::{Path, PathBuf};

/// Where versions are compared: the table itself, and what revm has no name for.
const COMPARE: [&str; 2] = ["compiler/src/forks.rs", "host/src/reference/spec.rs"];
/// Kernels whose lines with a price may have no large number. Below them is the op library, whose
/// formulas (modexp's) are no prices.
const KERNELS: [&str; 3] = ["kernels/cuda", "shaders/wgsl/run", "shaders/wgsl/precompile"];
/// The least number that is no shift, part or size of a word but a price.
const PRICE_MIN: u64 = 100;

/// The sources but generated ones and tests, which say on their own what they expect; without
/// comments.
fn sources() -> Vec<(PathBuf, Vec<String>)> {
    let is_source = |path: &PathBuf| {
        let is_test = path.components().any(|part| part.as_os_str() == "tests")
            || path.file_stem().is_some_and(|stem| stem == "op_test");
        ["rs", "cuh", "cu", "cpp", "wgsl"].contains(&extension(path)) && !is_test
    };
    let files = tracked().into_iter().filter(is_source).map(|path| {
        let text = read(&path);
        (path, text)
    });
    let files = files.filter(|(_, text)| !is_generated(text)).map(|(path, text)| {
        let lines = text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
        let lines = lines.map(|line| line.split("//").next().unwrap_or_default().to_owned());
        (path, lines.collect())
    });
    files.collect()
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Names and numbers of a line.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c| !is_name(c)).filter(|word| !word.is_empty())
}

/// The value of a decimal or hexadecimal number, whatever its suffix.
fn number(word: &str) -> Option<u64> {
    let plain = word.replace('_', "");
    let (digits, radix) = match plain.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (&plain[..], 10),
    };
    let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    u64::from_str_radix(&digits[..end], radix).ok()
}

/// Whether a line compares protocol versions.
fn compares(line: &str) -> bool {
    const OPERATORS: [&str; 6] = [">=", "<=", "==", "!=", ">", "<"];
    let named = line.match_indices("Spec::").any(|(at, _)| {
        // With a path before it.
        let before = line[..at].trim_end_matches(|c| is_name(c) || c == ':').trim_end();
        let name = &line[at + "Spec::".len()..];
        let after = name.trim_start_matches(is_name).trim_start();
        let is_variant = name.starts_with(|c: char| c.is_ascii_uppercase());
        let is_arrow = before.ends_with("->") || before.ends_with("=>");
        let is_compared = OPERATORS.iter().any(|op| before.ends_with(op) && !is_arrow)
            || OPERATORS.iter().any(|op| after.starts_with(op));
        is_variant && is_compared
    });
    let number = ["spec as u32 ", "spec as u8 "].iter().any(|cast| {
        let after = line.split(cast).nth(1).unwrap_or_default();
        OPERATORS.iter().any(|op| after.starts_with(op))
    });
    let kernel = words(line).any(|word| word.starts_with("SPEC_"));
    named || number || kernel || line.contains("since(Spec::")
}

/// Whether a line gives a number to something that charges gas: `charge(vm, 3)`.
fn charges_number(line: &str) -> bool {
    line.match_indices('(').any(|(open, _)| {
        let before = &line[..open];
        let start = before.rfind(|c| !is_name(c)).map_or(0, |at| at + 1);
        if !before[start..].contains("charge") || before[..start].trim_end().ends_with("fn") {
            return false;
        }
        let mut depth = 0;
        let own: String = line[open..]
            .chars()
            .map_while(|c| {
                depth += i32::from(c == '(') - i32::from(c == ')');
                (depth > 0).then_some(if depth == 1 { c } else { ' ' })
            })
            .collect();
        words(&own).any(|word| number(word).is_some_and(|n| n > 0))
    })
}

/// Whether a line of a kernel has a price in it.
fn has_price(line: &str) -> bool {
    const PRICES: [&str; 5] = ["gas", "cost", "refund", "charge", "price"];
    let priced = words(line).any(|word| PRICES.iter().any(|price| word.contains(price)));
    priced && words(line).any(|word| number(word).is_some_and(|n| n >= PRICE_MIN))
}

#[test]
fn versions_are_compared_nowhere_else_and_prices_stand_nowhere_else() {
    let mut found = Vec::new();
    for (path, lines) in sources() {
        let is_kernel = KERNELS.iter().any(|folder| path.parent() == Some(Path::new(folder)));
        let may_compare = COMPARE.iter().any(|file| path == Path::new(file));
        for (i, line) in lines.iter().enumerate() {
            let what = match () {
                () if compares(line) && !may_compare => "compares protocol versions",
                () if charges_number(line) => "charges a number",
                () if is_kernel && has_price(line) => "has a price in it",
                () => continue,
            };
            found.push(format!("{}:{}: {what}: {}", path.display(), i + 1, line.trim()));
        }
    }
    assert!(found.is_empty(), "facts that stand in compiler/src/forks.rs:\n{}", found.join("\n"));
}

#[test]
fn what_the_check_sees() {
    for line in [
        "if spec >= Spec::London {",
        "let old = self.spec < warpevm_compiler::Spec::Berlin;",
        "spec if spec == Spec::Constantinople => 1,",
        "Spec::Prague <= spec",
        "if (vm.since(SPEC_BERLIN)) {",
        "bool berlin = spec >= SPEC_BERLIN;",
        "let late = spec as u32 >= 9;",
        "writer.since(Spec::Tangerine)",
    ] {
        assert!(compares(line), "{line}");
    }
    for line in [
        "Spec::London => 1,",
        "_ => Spec::London,",
        "fn mainnet() -> Spec::Name {",
        "if array.spec == spec {",
        "needs(Rule::BaseFee, there)",
    ] {
        assert!(!compares(line), "{line}");
    }
    for line in [
        "if (!charge(vm, 2600)) return;",
        "WE_TRY(charge_words(vm, len, 3));",
        "charge32(2500u);",
        "if !call_charge_words(60u, 12u) {",
        "self.charge(6 * n.div_ceil(32));",
    ] {
        assert!(charges_number(line), "{line}");
    }
    for line in [
        "charge(u64_mul32(words + more, per_word));",
        "pub fn charge(&mut self, gas: u64) {",
        "charge32(((bits + 7u) >> 3u) * gas_exp_byte());",
    ] {
        assert!(!charges_number(line), "{line}");
    }
    for line in ["var cost = select(0u, 2600u, cold);", "vm.refund += 24000;", "gas.x = 50000u;"] {
        assert!(has_price(line), "{line}");
    }
    assert!(!has_price("return vec2<u32>((gas.x >> 6u) | (gas.y << 26u), gas.y >> 6u);"));
}
