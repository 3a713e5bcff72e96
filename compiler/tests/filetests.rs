//! Golden tests: each file in `filetests/` names the forms under test, holds a code in assembly,
//! and beside it what the compiler made of it.
//!
//! ```text
//! ; what this shows
//! ; test: graph lowered
//! ; spec: cancun            (default osaka)
//! ; options: none +cse      (default all; `-name` and `+name` switch passes)
//! <assembly>
//! ---
//! <expectation>
//! ```
//!
//! `WARPEVM_BLESS=1` writes the expectations anew.

use std::path::{Path, PathBuf};
use warpevm_compiler::{Options, Spec, analyse_with, asm};

const SEPARATOR: &str = "---\n";

fn header<'a>(source: &'a str, key: &str) -> Option<&'a str> {
    let prefix = format!("; {key}:");
    source.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::trim)
}

fn options(words: &str) -> Options {
    let mut options = Options::ALL;
    for word in words.split_whitespace() {
        match (word, word.split_at(1)) {
            ("all", _) => options = Options::ALL,
            ("none", _) => options = Options::NONE,
            (_, (sign @ ("+" | "-"), name)) => {
                let switch = options.by_name(name).unwrap_or_else(|| panic!("no pass '{name}'"));
                *switch = sign == "+";
            }
            _ => panic!("bad option '{word}'"),
        }
    }
    options
}

fn actual(source: &str) -> String {
    let spec: Spec = header(source, "spec").unwrap_or("osaka").parse().unwrap();
    let options = options(header(source, "options").unwrap_or("all"));
    let code = asm::assemble(source).unwrap();
    let analysis = analyse_with(&code, spec, &options);
    let forms = header(source, "test").expect("a '; test:' line");
    let mut out = String::new();
    for form in forms.split_whitespace() {
        out += &match form {
            "cfg" => analysis.cfg_text(),
            "graph" => analysis.graph_text(),
            "lowered" => analysis.lowered_text(),
            "access" => analysis.access_text(),
            "effects" => analysis.effect_text(),
            "stats" => analysis.stats().to_string(),
            "dot" => analysis.dot(),
            "json" => serde_json::to_string_pretty(&analysis.json()).unwrap() + "\n",
            other => panic!("no form '{other}'"),
        };
    }
    out
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("filetests");
    let entries = std::fs::read_dir(folder).expect("the folder of filetests");
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ext| ext == "txt"));
    files.sort();
    files
}

#[test]
fn golden() {
    let bless = std::env::var_os("WARPEVM_BLESS").is_some();
    let mut wrong = Vec::new();
    let files = files();
    assert!(files.len() >= 60, "only {} filetests were found", files.len());
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let (source, want) = text.split_once(SEPARATOR).unwrap_or((&text, ""));
        let got = actual(source);
        if bless {
            std::fs::write(&path, format!("{source}{SEPARATOR}{got}")).unwrap();
        } else if got != want {
            wrong.push(format!("{}:\nwant\n{want}\ngot\n{got}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
