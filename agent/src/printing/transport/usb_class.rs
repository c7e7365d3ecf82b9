//! A USB printer at the kernel's own driver: `/dev/usb/lpN`.
//!
//! The driver takes up to 8 KiB at once, hands them to the USB controller and says at once that it has; it takes the
//! next only when the printer has acknowledged those. Bytes it took and could not deliver are therefore counted as
//! taken, and the error comes with the next call. When the printer is unplugged every call fails with `ENODEV`, and the
//! file is another one when it is back.
//!
//! The port status of the USB printer class (`LPGETSTATUS`) is not asked: it is a request on the bus that may take
//! five seconds and holds up whoever makes it, for less than the printer's own answers tell.

use super::unit::{UsbIdentity, UsbPlugged};
use super::{Happened, READ_BYTES};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Where the driver's files are.
const FOLDER: &str = "/dev/usb";

/// The open file.
#[derive(Debug)]
pub struct UsbClass {
    file: AsyncFd<File>,
    unit: Option<String>,
    is_writable: bool,
    buffer: [u8; READ_BYTES],
}

impl UsbClass {
    /// Opens it.
    ///
    /// # Errors
    /// The system's own. `ResourceBusy`: another program, often CUPS, has it open.
    pub fn open(path: &str) -> io::Result<Self> {
        let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)?;
        // SAFETY: a `File` is one open descriptor that stays the same until it is dropped, and the `AsyncFd` owns it.
        let file = unsafe { AsyncFd::register(file) }?;
        Ok(Self {
            file,
            unit: plugged(Path::new(path)).and_then(|plugged| plugged.identity.unit()),
            is_writable: true,
            buffer: [0; READ_BYTES],
        })
    }

    pub(super) fn unit(&self) -> Option<&str> {
        self.unit.as_deref()
    }

    pub(super) async fn next(&mut self, to_send: &[u8]) -> Happened<'_> {
        loop {
            if self.is_writable && !to_send.is_empty() {
                match self.file.try_io(Interest::WRITABLE, |mut file| file.write(to_send)) {
                    Ok(bytes) => return Happened::Took(bytes),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_writable = false,
                    Err(error) => return Happened::Lost(Some(error)),
                }
            }
            let interest =
                if self.is_writable { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
            let ready = match self.file.ready(interest).await {
                Ok(guard) => guard.ready(),
                Err(error) => return Happened::Lost(Some(error)),
            };
            self.is_writable |= ready.is_writable();
            if !ready.is_readable() && !ready.is_read_closed() {
                continue;
            }
            match self.file.try_io(Interest::READABLE, |mut file| file.read(&mut self.buffer)) {
                Ok(0) if ready.is_read_closed() => return Happened::Lost(None),
                // An empty packet of the printer's: no end, as it would be elsewhere.
                Ok(0) => {}
                Ok(bytes) => return Happened::Received(&self.buffer[..bytes]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Happened::Lost(Some(error)),
            }
        }
    }
}

/// The driver's files that there are now, with the printer behind each.
pub fn files() -> Vec<(PathBuf, Option<UsbPlugged>)> {
    let entries = std::fs::read_dir(FOLDER).into_iter().flatten().flatten();
    let is_printer = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("lp"))
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_printer).collect();
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let plugged = plugged(&path);
            (path, plugged)
        })
        .collect()
}

/// The printer behind a file of the driver, as the kernel has read it when it was plugged in.
fn plugged(path: &Path) -> Option<UsbPlugged> {
    let file = path.canonicalize().ok()?;
    let interface =
        Path::new("/sys/class/usbmisc").join(file.file_name()?).join("device").canonicalize().ok()?;
    let device = interface.parent()?;
    let text = |name: &str| {
        let text = std::fs::read_to_string(device.join(name)).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let id = |name: &str| u16::from_str_radix(&text(name)?, 16).ok();
    Some(UsbPlugged {
        identity: UsbIdentity {
            vendor: id("idVendor")?,
            product: id("idProduct")?,
            serial: text("serial"),
            maker: text("manufacturer"),
            model: text("product"),
        },
        port: device.file_name()?.to_string_lossy().into_owned(),
    })
}
