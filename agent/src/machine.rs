//! Which PC this is, as its operating system says: a hash of the id that it drew when it was installed.
//!
//! It tells a copied data folder from its original. A disk that was copied as a whole has the same id, unless the system
//! was prepared for it (`sysprep`, an empty `/etc/machine-id`); there the hub goes by which program was first.

use ring::digest;

/// The hash: the id itself is nobody's business (machine-id(5) asks for that).
pub(crate) fn id() -> Option<[u8; 32]> {
    let id = of_system()?;
    let named = [b"docket machine 1 ", id.trim().as_bytes()].concat();
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, &named).as_ref());
    Some(hash)
}

#[cfg(target_os = "linux")]
fn of_system() -> Option<String> {
    std::fs::read_to_string("/etc/machine-id").ok().filter(|id| !id.trim().is_empty())
}

#[cfg(windows)]
fn of_system() -> Option<String> {
    use windows_sys::Win32::Foundation::ERROR_SUCCESS;
    use windows_sys::Win32::System::Registry::{HKEY_LOCAL_MACHINE, RRF_RT_REG_SZ, RegGetValueW};
    use windows_sys::w;

    /// A GUID has 36 characters, and an end.
    const CHARS_MAX: usize = 64;
    let mut text = [0_u16; CHARS_MAX];
    let mut bytes = u32::try_from(size_of_val(&text)).ok()?;
    // SAFETY: both names end with a zero, and `bytes` says how much may be written to `text`.
    let status = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            w!("SOFTWARE\\Microsoft\\Cryptography"),
            w!("MachineGuid"),
            RRF_RT_REG_SZ,
            std::ptr::null_mut(),
            text.as_mut_ptr().cast(),
            &raw mut bytes,
        )
    };
    let text = text.split(|&unit| unit == 0).next()?;
    (status == ERROR_SUCCESS && !text.is_empty()).then(|| String::from_utf16_lossy(text))
}

#[cfg(not(any(target_os = "linux", windows)))]
fn of_system() -> Option<String> {
    None
}
