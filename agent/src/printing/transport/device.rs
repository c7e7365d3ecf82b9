//! Whether a file is what an address takes it for: looked at before it is opened.
//!
//! An address is a line of text that a person writes, on the local page as well, and the agent opens and writes to what
//! it names. So a serial address leads to serial ports only and a USB address to devices, through any links. Opening
//! first and asking then would be too late: it is enough to start a watchdog or to wind a tape back. Nothing is created
//! by opening.
//!
//! Which numbers are serial ports the kernel says itself, so adapters and their drivers' names need not be known here. A
//! pseudo-terminal counts as one: some multi-port cards and network ports come as such. Where the kernel does not say, any
//! device may be opened, and what is no terminal is refused then by the first request to it.
//!
//! What is not there is no fault: it may be plugged in later.

use super::Address;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// A file is not what an address takes it for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotADevice {
    /// It is named as a serial port.
    #[error("{path} is no serial port (不是串口)")]
    Serial {
        /// Which.
        path: PathBuf,
    },
    /// It is named as a USB printer.
    #[error("{path} is no device (不是打印机设备)")]
    Usb {
        /// Which.
        path: PathBuf,
    },
}

impl NotADevice {
    /// The code that logs and interfaces show.
    pub const CODE: &'static str = "address-no-device";

    /// What to do, for people: (zh-CN, en).
    pub fn remedy(&self) -> (&'static str, &'static str) {
        match self {
            NotADevice::Serial { .. } => (
                "请填写串口的地址,例如 serial:/dev/ttyUSB0,或在查找结果里选",
                "give the address of a serial port, e.g. serial:/dev/ttyUSB0, or choose what the search finds",
            ),
            NotADevice::Usb { .. } => (
                "请填写打印机的地址,例如 usb:/dev/usb/lp0,或在查找结果里选",
                "give the address of a printer, e.g. usb:/dev/usb/lp0, or choose what the search finds",
            ),
        }
    }

    /// Whether that is why a port was not opened.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<NotADevice> for io::Error {
    fn from(error: NotADevice) -> Self {
        io::Error::new(io::ErrorKind::InvalidInput, error)
    }
}

/// Looks at the file that an address names, if it names one.
///
/// # Errors
/// It is there and something else.
#[cfg(unix)]
pub fn check(address: &Address) -> Result<(), NotADevice> {
    match address {
        Address::Serial { path, .. } if is_other(path, unix::is_serial_port) => {
            Err(NotADevice::Serial { path: path.into() })
        }
        Address::UsbClass { path } if is_other(path, |_| true) => Err(NotADevice::Usb { path: path.into() }),
        _ => Ok(()),
    }
}

/// Names of ports lead to devices only.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn check(_: &Address) -> Result<(), NotADevice> {
    Ok(())
}

/// It is there, and no device with such a number.
#[cfg(unix)]
fn is_other(path: &str, is_meant: impl FnOnce(u64) -> bool) -> bool {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let Ok(file) = std::fs::metadata(path) else { return false };
    !file.file_type().is_char_device() || !is_meant(file.rdev())
}

#[cfg(unix)]
mod unix {
    use rustix::fs::{major, minor};

    /// Where Linux lists its terminals: name, files, major number, minor numbers, kind.
    const DRIVERS: &str = "/proc/tty/drivers";

    /// Whether a device with this number is a serial port, as far as the system says.
    pub(super) fn is_serial_port(device: u64) -> bool {
        match std::fs::read_to_string(DRIVERS) {
            Ok(drivers) => is_listed(&drivers, major(device), minor(device)),
            Err(_) => true,
        }
    }

    fn is_listed(drivers: &str, major: u32, minor: u32) -> bool {
        drivers.lines().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [.., its_major, minors, kind] = words.as_slice() else { return false };
            let (first, last) = minors.split_once('-').unwrap_or((minors, minors));
            let number = |word: &str| word.parse::<u32>().ok();
            let is_serial = kind.starts_with("serial") || *kind == "pty:slave";
            let (Some(first), Some(last)) = (number(first), number(last)) else { return false };
            is_serial && number(its_major) == Some(major) && (first..=last).contains(&minor)
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn serial_ports_are_told_from_other_terminals() {
            let drivers = "\
/dev/tty             /dev/tty        5       0 system:/dev/tty
/dev/ptmx            /dev/ptmx       5       2 system
usbserial            /dev/ttyUSB   188 0-511 serial
serial               /dev/ttyS       4 64-111 serial
pty_slave            /dev/pts      136 0-1048575 pty:slave
pty_master           /dev/ptm      128 0-1048575 pty:master
unknown              /dev/tty        4 1-63 console
";
            let listed = |major, minor| is_listed(drivers, major, minor);
            assert!(listed(188, 0) && listed(188, 511) && listed(4, 64) && listed(136, 7));
            assert!(!listed(188, 512) && !listed(4, 1) && !listed(5, 0) && !listed(128, 7) && !listed(1, 3));
            assert!(!is_listed("", 4, 64));
        }
    }
}
