//! The binary as cargo builds it for tests: with the features of the whole workspace. Other tests
//! of it stand in `tests/tests`.

use std::process::Command;

#[test]
fn it_says_its_version() {
    let output = Command::new(env!("CARGO_BIN_EXE_warpevm")).arg("--version").output();
    let output = output.expect("it starts");
    assert!(output.status.success());
    let version = format!("warpevm {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8_lossy(&output.stdout), version);
}
