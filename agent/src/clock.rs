//! The PC's clocks, read in one place only.
//!
//! Machines get the time as an argument; this is for the shells around them and for what is stored.

use docket_protocol::ids::UnixMs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Now, by the PC's clock, which may be wrong and may jump.
pub fn now() -> UnixMs {
    let ms = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    };
    UnixMs(ms)
}

/// How long the PC has been on, asleep or not. It never jumps, whoever sets the clock.
#[cfg(target_os = "linux")]
pub fn uptime() -> Duration {
    let up = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(up.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(up.tv_nsec).unwrap_or(0))
}

/// How long the PC has been on, asleep or not. It never jumps, whoever sets the clock.
#[cfg(windows)]
pub fn uptime() -> Duration {
    // SAFETY: it takes nothing and cannot fail.
    Duration::from_millis(unsafe { windows_sys::Win32::System::SystemInformation::GetTickCount64() })
}

/// How long this program has asked: elsewhere no boot is told from another, so nothing is kept of it.
#[cfg(not(any(target_os = "linux", windows)))]
pub fn uptime() -> Duration {
    static FIRST: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    FIRST.elapsed()
}
