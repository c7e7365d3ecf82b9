//! The PC's clock, moved by hours in either direction while the agent runs: libfaketime, in the agent's process alone.
//!
//! It stands between the program and the C library, where Rust's `SystemTime` asks for the time. What counts time spans
//! (`Instant`) is left as it is, as the kernel leaves it when somebody sets the clock.

use super::{ORDERS, push_all, settle_soon};
use anyhow::ensure;
use docket_tests::chain::shop::now_s;
use docket_tests::chain::{PATIENCE, wait_for};
use docket_tests::network::Branch;
use docket_tests::platform::orders::PlacedOrder;
use std::ffi::OsString;
use std::time::Instant;
use tempfile::NamedTempFile;

/// Where Debian's package `faketime` puts it, below the folder of an architecture.
const LIBRARY: &str = "faketime/libfaketime.so.1";
/// Hours that the clock is moved by.
const JUMPS_H: [i64; 3] = [7, -9, 0];
/// How old what the agent has written may be.
const OFF_S_MAX: i64 = 120;

/// A clock that can be moved.
pub struct Clock(NamedTempFile);

impl Clock {
    pub fn new() -> Self {
        let clock = Clock(NamedTempFile::new().expect("a temporary file"));
        clock.set(0).expect("a file that can be written");
        clock
    }

    /// For the process whose clock it is.
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        let library = format!("/usr/lib/{}-linux-gnu/{LIBRARY}", std::env::consts::ARCH);
        [
            ("LD_PRELOAD", OsString::from(library)),
            ("FAKETIME_TIMESTAMP_FILE", self.0.path().into()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ]
        .map(|(name, value)| (name.into(), value))
        .into()
    }

    fn set(&self, hours: i64) -> anyhow::Result<()> {
        Ok(std::fs::write(self.0.path(), format!("{hours:+}h\n"))?)
    }
}

/// The session goes on through each jump, and is opened anew after the last one but one.
pub async fn jumps(
    clock: &Clock,
    name: &str,
    branch: &mut Branch,
    mut orders: Vec<PlacedOrder>,
) -> anyhow::Result<()> {
    let log = branch.shop.agent.log_text();
    ensure!(!log.contains("ld.so"), "this test takes libfaketime (Debian: faketime): {log}");
    let mut next = 2;
    for hours in JUMPS_H {
        clock.set(hours)?;
        let at = Instant::now();
        orders.extend(push_all(branch, next..next + ORDERS / 4).await?);
        next += ORDERS / 4;
        settle_soon(branch, &format!("{name} to {hours:+} h"), at, &orders).await?;
        until_clock_is(branch, hours).await?;
        ensure!(branch.sessions()? == 1 + i64::from(hours == 0), "the session was lost at {hours:+} h");
        if hours < 0 {
            // TLS looks at the clock.
            branch.shop.agent.process()?.kill();
            branch.start_agent().await?;
        }
    }
    Ok(())
}

/// Waits until what the agent writes bears the moved clock's time: it really has jumped.
async fn until_clock_is(branch: &Branch, hours: i64) -> anyhow::Result<()> {
    wait_for(&format!("the agent's clock to be off by {hours} h"), PATIENCE, || {
        let status = branch.shop.agent.status().map_err(|error| error.to_string())?;
        let at_ms = status["file"]["at"].as_i64().ok_or_else(|| status.to_string())?;
        let off_s = at_ms / 1_000 - now_s();
        if (off_s - hours * 3_600).abs() < OFF_S_MAX { Ok(()) } else { Err(format!("off by {off_s} s")) }
    })
    .await
}
