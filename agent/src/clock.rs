//! The PC's wall clock, read in one place only.
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
