//! The virtual machine.

use anyhow::Context;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs a program inside, as root; what it said. It sees this machine's files, cannot change them, and has no network
/// but its own.
///
/// # Errors
/// When the machine cannot be made or does not get to the end, and when the program fails; with what it said.
pub fn run(program: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("lab/run.sh");
    let output = Command::new(&script)
        .arg(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("running {}", script.display()))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    anyhow::ensure!(
        output.status.success(),
        "in the virtual machine: {}\n{said}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(said)
}
