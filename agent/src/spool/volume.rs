//! The disk that the spool is on. Somebody else may fill it, so it is looked at whether or not anything is stored.

use std::io;
use std::path::Path;

/// From so much in use on, in percent, people are told: the share of the spool's bound at which they are, too.
const FILLING_PERCENT: u64 = super::FILLING_PERCENT;
/// With so much free, nobody is told, however little that is of the disk: four times the usual spool. Most PCs
/// live at four fifths for years, and an alarm that is always there is none.
const PLENTY_BYTES: u64 = 4 << 30;

/// How full it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Volume {
    /// What this program may still use.
    pub free_bytes: u64,
    /// All of it.
    pub bytes: u64,
}

impl Volume {
    /// The one that a folder is on.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn of(folder: &Path) -> io::Result<Self> {
        of_system(folder)
    }

    /// Whether people should make room while there still is some.
    pub fn is_filling(self) -> bool {
        let used = self.bytes.saturating_sub(self.free_bytes);
        let percent = u128::from(used) * 100 / u128::from(self.bytes.max(1));
        self.free_bytes < PLENTY_BYTES && percent >= u128::from(FILLING_PERCENT)
    }
}

#[cfg(unix)]
fn of_system(folder: &Path) -> io::Result<Volume> {
    let found = rustix::fs::statvfs(folder)?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Ok(Volume { free_bytes: bytes(found.f_bavail), bytes: bytes(found.f_blocks) })
}

#[cfg(windows)]
fn of_system(folder: &Path) -> io::Result<Volume> {
    use std::os::windows::ffi::OsStrExt as _;
    use windows_sys::Win32::Storage::FileSystem::GetDiskFreeSpaceExW;
    let path: Vec<u16> = folder.as_os_str().encode_wide().chain([0]).collect();
    let (mut free_bytes, mut bytes) = (0, 0);
    // SAFETY: the path ends with a zero, and both numbers outlive the call.
    let done = unsafe {
        GetDiskFreeSpaceExW(path.as_ptr(), &raw mut free_bytes, &raw mut bytes, std::ptr::null_mut())
    };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(Volume { free_bytes, bytes }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_nearly_full_is_told_unless_plenty_is_left() {
        let is_filling = |free_bytes, bytes| Volume { free_bytes, bytes }.is_filling();
        assert!(!is_filling(21, 100) && is_filling(20, 100) && is_filling(0, 100));
        assert!(is_filling(3 << 30, 100 << 30));
        assert!(!is_filling(51 << 30, 256 << 30), "a fifth of a large disk is plenty");
    }

    #[test]
    fn the_system_says_how_full_it_is() {
        let volume = Volume::of(&std::env::temp_dir()).unwrap();
        assert!(volume.bytes > 0 && volume.free_bytes <= volume.bytes, "{volume:?}");
        assert!(Volume::of(Path::new("/there/is/no/such/folder")).is_err());
    }
}
