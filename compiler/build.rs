//! Gives the crate its version: a hash of its own sources.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// FNV-1a with 128 bits. Nobody chooses sources to collide, and it needs no dependency.
struct Fnv(u128);

impl Fnv {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = (1 << 88) + 0x13b;

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(Fnv::PRIME);
        }
    }
}

/// The sources below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where it is"));
    let mut files = vec![root.join("Cargo.toml"), root.join("build.rs")];
    sources(&root.join("src"), &mut files)?;
    // A folder lists its files in any order.
    files.sort();
    let mut hash = Fnv(Fnv::BASIS);
    for file in &files {
        let name = file.strip_prefix(&root).expect("it is below").to_string_lossy();
        let text = fs::read(file)?;
        // With the lengths, no text can pass for a name.
        for part in [name.replace('\\', "/").as_bytes(), &text] {
            hash.write(&(part.len() as u64).to_le_bytes());
            hash.write(part);
        }
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=Cargo.toml");
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rustc-env=WARPEVM_COMPILER_VERSION={:032x}", hash.0);
    Ok(())
}
