//! Which boot of the PC this is: what was written without fsync is still there in the same one.
//!
//! To take another boot for the same one is a lie: a journal that lost its end in a power cut would be believed. To take
//! the same one for another costs a marked reprint. So what cannot be known counts as another boot.
//!
//! Linux says which boot it is. Windows does not, so an id is drawn in each boot and kept where only that boot has it: in
//! a volatile key of the registry. Such a key is in the kernel's memory and never in a file, so it lives exactly as long
//! as the page cache that it vouches for:
//!
//! | what happens | key | page cache |
//! |---|---|---|
//! | the agent is killed, the clock is set, the PC sleeps | stays | stays |
//! | hibernation, also that of a shutdown with "fast startup" | comes back with the kernel | the same |
//! | restart, power cut, a crash of Windows, a hibernation that is not resumed | gone | gone |
//!
//! The key is the machine's where the agent may write there (a service may), else the user's: that one is gone with
//! the user's session, too, which is on the safe side.
//!
//! Where neither can be had, every process has an id of its own: what it has written itself is there when it opens
//! everything anew, and what another one has written may not be.
//!
//! # What was rejected
//! The time at which Windows started: a PC whose clock has no battery starts at the same second after each power cut. The
//! count of boots (`BootId`, kept for prefetching): not every PC has it, and it is written late, so that a power cut
//! can bring an old number back. The uptime: it says the same in two boots.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::OnceLock;

/// An id that every boot has anew, or every process.
pub fn id() -> String {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| of_system().unwrap_or_else(of_process)).clone()
}

#[cfg(target_os = "linux")]
fn of_system() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

#[cfg(windows)]
fn of_system() -> Option<String> {
    volatile_key::id()
}

#[cfg(not(any(target_os = "linux", windows)))]
fn of_system() -> Option<String> {
    None
}

#[cfg(windows)]
mod volatile_key {
    use ring::rand::{SecureRandom, SystemRandom};
    use std::ptr::{null, null_mut};
    use windows_sys::Win32::Foundation::{ERROR_CHILD_MUST_BE_VOLATILE, ERROR_FILE_NOT_FOUND, ERROR_SUCCESS};
    use windows_sys::Win32::System::Registry::{
        HKEY, HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE, KEY_CREATE_SUB_KEY, KEY_QUERY_VALUE, KEY_SET_VALUE,
        REG_BINARY, REG_OPEN_CREATE_OPTIONS, REG_OPTION_NON_VOLATILE, REG_OPTION_VOLATILE, RegCloseKey,
        RegCreateKeyExW, RegQueryValueExW, RegSetValueExW,
    };
    use windows_sys::w;

    const ID_BYTES: usize = 16;
    const ID_BYTES_SAID: u32 = ID_BYTES as u32;

    pub(super) fn id() -> Option<String> {
        let id = [HKEY_LOCAL_MACHINE, HKEY_CURRENT_USER].into_iter().find_map(|root| {
            let key = Key::create(root, w!("Software\\Docket\\Boot"), REG_OPTION_VOLATILE).ok()?;
            if key.is_volatile() { key.id() } else { None }
        });
        if id.is_none() {
            tracing::warn!(
                "this boot cannot be told from others: after a crash a ticket in flight is repeated"
            );
        }
        id.map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    struct Key(HKEY);

    impl Key {
        /// Opens a key, and makes it if it is not there; else the system's error.
        fn create(parent: HKEY, path: *const u16, options: REG_OPEN_CREATE_OPTIONS) -> Result<Self, u32> {
            let rights = KEY_QUERY_VALUE | KEY_SET_VALUE | KEY_CREATE_SUB_KEY;
            let mut key = null_mut();
            // SAFETY: `parent` is open, `path` ends with a zero, and `key` outlives the call.
            let error = unsafe {
                RegCreateKeyExW(parent, path, 0, null(), options, rights, null(), &raw mut key, null_mut())
            };
            if error == ERROR_SUCCESS { Ok(Self(key)) } else { Err(error) }
        }

        /// One that was there before may be of another kind, if somebody has made it by hand. In a volatile key alone
        /// nothing lasting can be made.
        fn is_volatile(&self) -> bool {
            let lasting = Self::create(self.0, w!("Lasting"), REG_OPTION_NON_VOLATILE);
            lasting.is_err_and(|error| error == ERROR_CHILD_MUST_BE_VOLATILE)
        }

        /// The id in it; drawn if there is none. Where two agents draw at once the last one counts, and to the other
        /// its next start is another boot.
        fn id(&self) -> Option<[u8; ID_BYTES]> {
            let mut id = [0; ID_BYTES];
            let (mut kind, mut length) = (0, ID_BYTES_SAID);
            // SAFETY: the key is open, and `id` is as long as `length` says.
            let error = unsafe {
                RegQueryValueExW(self.0, w!("Id"), null(), &raw mut kind, id.as_mut_ptr(), &raw mut length)
            };
            match error {
                ERROR_SUCCESS => (kind == REG_BINARY && length == ID_BYTES_SAID).then_some(id),
                ERROR_FILE_NOT_FOUND => {
                    SystemRandom::new().fill(&mut id).ok()?;
                    // SAFETY: the key is open, and `id` is as long as is said.
                    let error = unsafe {
                        RegSetValueExW(self.0, w!("Id"), 0, REG_BINARY, id.as_ptr(), ID_BYTES_SAID)
                    };
                    (error == ERROR_SUCCESS).then_some(id)
                }
                _ => None,
            }
        }
    }

    impl Drop for Key {
        fn drop(&mut self) {
            // SAFETY: the key is open, and nothing uses it any more.
            unsafe { RegCloseKey(self.0) };
        }
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
