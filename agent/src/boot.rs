//! Which boot of the PC this is: what was written without fsync is still there in the same one.

/// An id that every boot has anew; `None` where the system has none, which counts as another boot.
pub fn id() -> Option<String> {
    if cfg!(target_os = "linux") {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(id.trim().to_owned())
    } else {
        None
    }
}
