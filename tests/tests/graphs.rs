//! `warpevm graph`: what it reads, the functions that it finds, and its drawings.

mod common;

use common::{binary, temp_dir, warpevm, workspace};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use warpevm_compiler::limits::{DOT_EDGES_MAX, DOT_NODES_MAX};
use warpevm_compiler::{Analysis, Spec, analyse, asm};
use warpevm_tests::dot::Dot;

/// Two functions that share one of their own, a computed jump in it, and a fallback.
const CODE: &str = "
    4 calldatasize lt @none jumpi
    0 calldataload 224 shr
    dup1 push4 0x11111111 eq @one jumpi
    dup1 push4 0x22222222 eq @two jumpi
    none: 0 0 revert
    one: @one_back 1 @store jump
    one_back: stop
    two: @two_back 2 @store jump
    two_back: 7 7 log0 stop
    store: dup1 sstore jump";

/// The code of an example, and its artefact.
fn artifact(name: &str) -> (Vec<u8>, String) {
    let path = workspace().join(format!("host/examples/artifacts/{name}.json"));
    let json: Value = serde_json::from_slice(&std::fs::read(&path).expect("there")).expect("JSON");
    let code = json["deployed"].as_str().expect("deployed");
    (alloy_primitives::hex::decode(code).expect("hex"), path.to_str().expect("UTF-8").to_owned())
}

fn examples() -> Vec<String> {
    let folder = workspace().join("host/examples/artifacts");
    let names = folder.read_dir().expect("artefacts").map(|entry| entry.expect("one").path());
    let mut names: Vec<_> =
        names.map(|path| path.file_stem().expect("a name").to_string_lossy().into()).collect();
    names.sort();
    names
}

/// Reads a drawing and holds it to its bounds.
fn drawn(text: &str, what: &str) -> Dot {
    let dot = Dot::read(text).unwrap_or_else(|error| panic!("{what}: {error}\n{text}"));
    // The legend, and the node that says what was left out.
    assert!(dot.nodes.len() <= DOT_NODES_MAX + 2, "{what}: {} nodes", dot.nodes.len());
    assert!(dot.edges.len() <= DOT_EDGES_MAX, "{what}: {} edges", dot.edges.len());
    dot
}

#[test]
fn a_function_is_what_its_calls_run() {
    let analysis = analyse(&asm::assemble(CODE).expect("assembles"), Spec::Osaka);
    let selectors: Vec<_> = analysis.selectors().into_iter().collect();
    assert_eq!(selectors, [0x1111_1111, 0x2222_2222]);
    let text = |selector| analysis.part(Some(selector), None).expect("a function").text();
    let (one, two) = (text(0x1111_1111), text(0x2222_2222));
    assert!(!one.contains("Log") && two.contains("Log"), "{one}\n{two}");
    for text in [&one, &two] {
        assert!(text.contains("Sstore") && !text.contains("Revert"), "{text}");
    }
    assert!(one.contains("0x11111111\n") && !one.contains("0x22222222\n"), "{one}");
    let error = analysis.part(Some(3), None).expect_err("no function").to_string();
    assert_eq!(error, "no function 0x00000003: the code dispatches 0x11111111, 0x22222222");
    let error = analyse(&[0], Spec::Osaka).part(Some(3), None).expect_err("none").to_string();
    assert!(error.contains("no selector was found"), "{error}");
}

/// What an execution of a function runs is part of the function: held against every example by its
/// ABI, whose functions must all be found.
#[test]
fn every_function_of_the_examples_is_found() {
    let mut functions = 0;
    for name in examples() {
        let (code, path) = artifact(&name);
        let json: Value =
            serde_json::from_slice(&std::fs::read(path).expect("there")).expect("JSON");
        let abi = json["abi"].as_array().expect("an ABI");
        let wanted: BTreeSet<u32> = abi
            .iter()
            .filter(|entry| entry["type"] == "function")
            .map(|entry| {
                let types = entry["inputs"].as_array().expect("inputs").iter();
                let types: Vec<_> = types.map(|i| i["type"].as_str().expect("a type")).collect();
                let name = entry["name"].as_str().expect("a name");
                let hash = alloy_primitives::keccak256(format!("{name}({})", types.join(",")));
                u32::from_be_bytes(hash[..4].try_into().expect("four bytes"))
            })
            .collect();
        // Tuples are spelt out in a signature; none of the examples has one.
        assert!(!json["abi"].to_string().contains("tuple"), "{name}");
        let found = analyse(&code, Spec::Osaka).selectors();
        assert!(wanted.is_subset(&found), "{name}: {wanted:x?} of {found:x?}");
        functions += wanted.len();
    }
    assert!(functions > 60, "{functions}");
}

fn all_drawings(analysis: &Analysis, name: &str) -> usize {
    drawn(&analysis.dot(), name);
    for selector in analysis.selectors() {
        let part = analysis.part(Some(selector), None).expect("a function");
        drawn(&part.dot(), &format!("{name} {selector:#010x}"));
    }
    let bbs = analysis.cfg.bbs.iter().filter(|bb| bb.start < bb.end);
    for bb in bbs.clone() {
        let part = analysis.part(None, Some(bb.start)).expect("a bb");
        drawn(&part.dot(), &format!("{name} bb {:#x}", bb.start));
    }
    bbs.count()
}

#[test]
fn drawings_of_the_examples_hold_together() {
    for name in examples() {
        let analysis = analyse(&artifact(&name).0, Spec::Osaka);
        assert!(all_drawings(&analysis, &name) > 0, "{name} has no bbs");
    }
    let (token, _) = artifact("Token");
    assert!(analyse(&token, Spec::Osaka).dot().contains("\"function 0xa9059cbb"));
}

#[test]
fn drawings_of_random_programs_hold_together() {
    let mut state = 7u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    // PUSH1, JUMPDEST, JUMPI, JUMP, SSTORE, SLOAD, MSTORE, MLOAD, ADD, CALLDATALOAD, DUP1, STOP
    let likely = [0x60, 0x5b, 0x57, 0x56, 0x55, 0x54, 0x52, 0x51, 1, 0x35, 0x80, 0];
    for round in 0..60 {
        let length = 20 + next() % if round % 10 == 0 { 6_000 } else { 300 };
        let code: Vec<u8> = (0..length)
            .map(|_| match next() % 4 {
                0 => next() as u8,
                _ => likely[next() % likely.len()],
            })
            .collect();
        all_drawings(&analyse(&code, Spec::Osaka), &format!("round {round}"));
    }
}

/// Long chains, many edges, a wide dispatcher: what a drawing must bound.
#[test]
fn drawings_are_bounded_and_say_what_is_left_out() {
    // One store after another, each of the last one's value: 1,500 ops that all wait.
    let stores = format!("0 calldataload {} stop", "dup1 dup1 sstore 1 add ".repeat(1_500));
    let analysis = analyse(&asm::assemble(&stores).expect("assembles"), Spec::Osaka);
    let dot = drawn(&analysis.dot(), "stores");
    let labels: Vec<_> = dot.nodes.values().map(|node| &node["label"]).collect();
    let says = |text: &str| labels.iter().any(|label| label.contains(text));
    assert!(says("left out: ") || says("in a chain:"), "{labels:?}");
    let mut wide = "0 calldataload 224 shr ".to_owned();
    for selector in 1..=400 {
        wide += &format!("dup1 push4 {selector} eq @f{selector} jumpi ");
    }
    wide += "stop ";
    for selector in 1..=400 {
        wide += &format!("f{selector}: {selector} 0 sstore stop ");
    }
    let analysis = analyse(&asm::assemble(&wide).expect("assembles"), Spec::Osaka);
    assert_eq!(analysis.selectors().len(), 400);
    let dot = drawn(&analysis.dot(), "wide");
    assert!(dot.nodes.values().any(|node| node["label"].contains("left out: ")));
}

#[test]
fn the_critical_path_is_one_and_costs_what_is_said() {
    for name in examples() {
        let analysis = analyse(&artifact(&name).0, Spec::Osaka);
        for ebb in &analysis.ebbs {
            let order = &ebb.dependencies;
            let path = order.critical_nodes();
            let cost: u64 = path.iter().map(|id| u64::from(order.places[id.0 as usize].cost)).sum();
            assert_eq!(cost, order.critical_path, "{name} ebb{}", ebb.id.0);
            for pair in path.windows(2) {
                let edge = |edge: &&warpevm_compiler::depend::Edge| [edge.from, edge.to] == pair;
                assert!(order.edges.iter().any(|e| edge(&e)), "{name} ebb{}", ebb.id.0);
            }
        }
    }
}

#[test]
fn graphviz_takes_the_drawings() {
    let Ok(version) = Command::new("dot").arg("-V").output() else {
        return eprintln!("skipped: there is no `dot`");
    };
    assert!(version.status.success());
    for name in ["Token", "Router", "Digest"] {
        let analysis = analyse(&artifact(name).0, Spec::Osaka);
        let first = analysis.selectors().into_iter().next();
        for part in [analysis.part(None, None), analysis.part(first, None)] {
            let mut dot = Command::new("dot")
                .args(["-Tsvg", "-o", "/dev/null"])
                .stdin(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("dot runs");
            let text = part.expect("a part").dot();
            dot.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("written");
            let output = dot.wait_with_output().expect("dot ends");
            let says = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && says.is_empty(), "{name}: {says}");
        }
    }
}

#[test]
fn statistics_are_those_of_the_part() {
    let (_, token) = artifact("Token");
    let whole = warpevm(["graph", &token, "--format", "stats"]).json();
    let functions = whole["functions"].as_object().expect("functions");
    let transfer = warpevm(["graph", &token, "--format", "stats", "--function", "a9059cbb"]).json();
    assert_eq!(functions["0xa9059cbb"], transfer);
    for key in ["code_bytes", "bbs", "ebbs", "lowered_ops", "critical_path", "symbolic_keys"] {
        let [part, all] = [&transfer[key], &whole[key]].map(|n| n.as_u64().expect("a number"));
        assert!(0 < part && part < all, "{key}: {part} of {all}");
    }
}

#[test]
fn a_part_is_chosen_or_refused() {
    let (_, token) = artifact("Token");
    let graph = |args: &[&str]| warpevm([&["graph", token.as_str()], args].concat());
    for format in ["text", "json", "dot", "stats"] {
        let ran = graph(&["--function", "transfer(address,uint256)", "--format", format]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let bb = graph(&["--bb", "0", "--format", format]);
        assert!(bb.code == 0 && bb.stdout != ran.stdout, "{}", bb.stderr);
    }
    let ran = graph(&["--function", "deadbeef"]);
    assert_eq!(ran.code, 1);
    for text in ["Token.json: no function 0xdeadbeef: the code dispatches ", "0xa9059cbb"] {
        assert!(ran.stderr.contains(text), "{}", ran.stderr);
    }
    let ran = graph(&["--bb", "0xffff"]);
    assert!(
        ran.code == 1 && ran.stderr.contains("no basic block holds pc 0xffff"),
        "{}",
        ran.stderr
    );
    for args in [&["--function", "transfer"][..], &["--bb", "x"], &["--contract", "A"]] {
        let ran = warpevm([&["graph", "6001"], args].concat());
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.stderr);
    }
}

#[test]
fn code_comes_from_standard_input_too() {
    let mut child = Command::new(binary())
        .args(["graph", "-", "--format", "stats"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all("\u{feff}0x6001\n600201\n".as_bytes()).expect("written");
    drop(pipe);
    let output = child.wait_with_output().expect("it ends");
    let stats: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(stats["code_bytes"], 5);
}

#[test]
fn what_is_no_code_is_refused() {
    let folder = temp_dir("no-code");
    let file = |name: &str, content: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, content).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    for (path, error) in [
        (file("text", b"hello"), "text: line 1, column 1: 'h' is no hex digit"),
        (file("odd", b"6001\n600"), "odd: line 2, column 3: the last of 7 hex digits"),
        (file("empty", b""), "empty: it is empty"),
        (file("creation.json", br#"{"bytecode":"0x60"}"#), "there is creation code only"),
        (folder.to_str().expect("UTF-8").to_owned(), "is a folder, not a code"),
        ("0x".to_owned(), "'0x': the code is empty"),
    ] {
        let ran = warpevm(["graph", &path]);
        assert!(ran.code == 1 && ran.stderr.contains(error), "{path}: {}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
    let raw = file("raw", &[0x60, 1, 0x60, 2, 1]);
    assert_eq!(warpevm(["graph", &raw, "--format", "stats"]).json()["code_bytes"], 5);
}

/// Each example of the help is a command line that parses: it fails on a file that is not there, or
/// not at all, but not as wrong usage.
#[test]
fn examples_of_the_help_parse() {
    for command in ["graph", "plan"] {
        let help = warpevm([command, "--help"]).stdout;
        let examples: Vec<_> =
            help.lines().filter_map(|line| line.trim().strip_prefix("warpevm ")).collect();
        assert!(examples.len() >= 5, "{help}");
        for example in examples {
            let example = example.split(" | ").next().unwrap_or_default().replace('\'', "");
            // No input: what is tested are the options.
            let args = example.split(' ').map(|arg| match arg.contains("host/") {
                true => "no/such",
                false => arg,
            });
            let ran = warpevm(args);
            assert_ne!(ran.code, 2, "{example}: {}", ran.stderr);
        }
    }
}
