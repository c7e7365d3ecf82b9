//! Which boot of the PC this is: what was written without fsync is still there in the same one.
//!
//! Where the system has no id of its boots, every process has one: what it has written itself is there when it opens
//! everything anew, and what another one has written may not be.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::OnceLock;

/// An id that every boot has anew, or every process.
pub fn id() -> String {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| of_system().unwrap_or_else(of_process)).clone()
}

fn of_system() -> Option<String> {
    if cfg!(target_os = "linux") {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(id.trim().to_owned())
    } else {
        None
    }
}

fn of_process() -> String {
    // The hasher's keys are the system's random numbers.
    format!("process {:016x}", RandomState::new().build_hasher().finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_is_in_one_boot() {
        assert_eq!(id(), id());
        assert_ne!(of_process(), of_process(), "another process is in another one");
    }
}
