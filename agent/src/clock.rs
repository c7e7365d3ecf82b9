//! The PC's wall clock and its boot, read in one place only.
//!
//! Machines get the time as an argument; this is for the shells around them and for what is stored.

use docket_protocol::ids::UnixMs;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, by the PC's clock, which may be wrong and may jump.
pub fn now() -> UnixMs {
    let ms = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    };
    UnixMs(ms)
}

/// A name for the time since the machine was started; `None` where none can be trusted.
///
/// What was written without an fsync is still there if, and only if, this is the same as it was then. Where it
/// is unknown, the reader has to assume that power was lost in between.
///
/// Linux has a random id for each boot. Windows has no such id: the boot time follows from the clock, and an
/// old PC with an empty CMOS battery starts at the same time every day, so it is not used.
pub fn boot_id() -> Option<String> {
    #[cfg(target_os = "linux")]
    {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let id = id.trim();
        (!id.is_empty()).then(|| id.to_owned())
    }
    #[cfg(not(target_os = "linux"))]
    {
        None
    }
}
