//! A chain in a temporary folder: real `docket-hub` and `docket-agent` processes on ports that the system
//! gives them. Whatever is started here is ended when it is dropped.

mod agent;
pub mod counter;
mod hub;
mod ledger;
mod process;
pub mod shop;
pub mod slips;
pub mod till;

pub use agent::{Agent, AgentOptions, PrinterAt};
pub use hub::{Hub, HubAddresses, HubOptions};
pub use ledger::{Ledger, TicketRow};
pub use process::{Process, program, run_to_end};
pub use shop::Shop;
pub use till::Till;

use std::path::Path;
use std::time::{Duration, Instant};

/// What a condition is waited for at most; far beyond what anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Waits until `look` gives a value.
///
/// # Errors
/// After `patience`: what was waited for, and the last state seen.
pub async fn wait_for<T, S: std::fmt::Debug>(
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> Result<T, S>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        match look() {
            Ok(value) => return Ok(value),
            Err(state) if Instant::now() >= deadline => {
                anyhow::bail!("waited {patience:?} for {what}; the last state: {state:#?}")
            }
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// Copies the files of a folder, not of those in it.
///
/// # Errors
/// Where one cannot be read or written.
pub fn copy_files(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
