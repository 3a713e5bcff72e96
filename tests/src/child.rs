//! Tests on a device in processes of their own: a shader that does not end hangs the driver, and
//! whoever waits for it.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Set in the process that runs the test.
const CHILD_VAR: &str = "WARPEVM_DEVICE_TEST";
/// What a test may take, on a busy machine and with cold caches.
const TIMEOUT: Duration = Duration::from_secs(400);

/// Whether this is the process that runs the test.
pub fn is_child() -> bool {
    std::env::var_os(CHILD_VAR).is_some()
}

/// Starts this program again for one test; prints what it said. `folder` is for what it writes.
/// Panics unless the test passed.
pub fn run(test: &str, folder: &str) {
    run_for(test, folder, TIMEOUT).unwrap_or_else(|error| panic!("{error}"));
}

/// The same, telling what went wrong.
pub fn run_for(test: &str, folder: &str, timeout: Duration) -> Result<(), String> {
    let name = format!("{}-{}.out", test.replace("::", "-"), std::process::id());
    let output = Path::new(folder).join(name);
    let file = File::create(&output).expect("the folder for temporary files can be written");
    let mut child = Command::new(std::env::current_exe().expect("the test's own program"))
        .args([test, "--exact", "--nocapture"])
        .env(CHILD_VAR, "1")
        .stdin(Stdio::null())
        .stdout(file.try_clone().expect("a second handle"))
        .stderr(file)
        .spawn()
        .expect("the test's own program starts");
    let start = Instant::now();
    let status = loop {
        match child.try_wait().expect("the child can be waited for") {
            Some(status) => break Some(status),
            None if start.elapsed() > timeout => {
                child.kill().expect("the child can be killed");
                child.wait().expect("the child can be waited for");
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let said = std::fs::read(&output).expect("what the child wrote can be read");
    let said = String::from_utf8_lossy(&said);
    std::fs::remove_file(&output).expect("what the child wrote can be removed");
    println!("{said}");
    match status {
        None => Err(format!("{test} did not end within {timeout:?}")),
        Some(status) if !status.success() => Err(format!("{test} failed: {status}")),
        Some(_) if !said.contains("1 passed") => Err(format!("no test has the name {test}")),
        Some(_) => Ok(()),
    }
}
