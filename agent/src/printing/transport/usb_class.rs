//! A USB printer at the kernel's own driver: `/dev/usb/lpN`.
//!
//! The driver takes up to 8 KiB at once, hands them to the USB controller and says at once that it has; it can be written
//! to again only when the printer has acknowledged those, so only then they count as taken: closing the file ends the
//! transfer under way. What it would not deliver counts as taken then. When the printer is unplugged every call fails
//! with `ENODEV`, and the file is another one when it is back.
//!
//! The port status of the USB printer class (`LPGETSTATUS`) is not asked: it is a request on the bus that may take
//! five seconds and holds up whoever makes it, for less than the printer's own answers tell.

use super::unit::{UsbIdentity, UsbPlugged};
use super::{Happened, READ_BYTES};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep_until};

/// Where the driver's files are.
const FOLDER: &str = "/dev/usb";
/// Pause after an empty answer: some printers have one in every packet they are asked for.
const EMPTY_PAUSE_MS: u64 = 20;

/// The open file.
#[derive(Debug)]
pub struct UsbClass {
    file: AsyncFd<File>,
    unit: Option<String>,
    /// Bytes that the driver took and that the printer has not acknowledged.
    handed: usize,
    is_writable: bool,
    read_again_at: Option<Instant>,
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
            handed: 0,
            is_writable: true,
            read_again_at: None,
            buffer: [0; READ_BYTES],
        })
    }

    pub(super) fn unit(&self) -> Option<&str> {
        self.unit.as_deref()
    }

    pub(super) async fn next(&mut self, to_send: &[u8]) -> Happened<'_> {
        loop {
            if self.is_writable && !to_send.is_empty() {
                match self.file.get_ref().write(to_send) {
                    Ok(bytes) => self.handed = bytes,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Happened::Lost(Some(error)),
                }
                self.is_writable = false;
            }
            let mut interest = if self.is_writable { None } else { Some(Interest::WRITABLE) };
            if self.read_again_at.is_none() {
                interest = Some(interest.map_or(Interest::READABLE, |other| other | Interest::READABLE));
            }
            let ready = tokio::select! {
                ready = readiness(&self.file, interest) => ready,
                () = sleep_until(self.read_again_at.unwrap_or_else(Instant::now)), if self.read_again_at.is_some() => {
                    self.read_again_at = None;
                    continue;
                }
            };
            let ready = match ready {
                Ok(ready) => ready,
                Err(error) => return Happened::Lost(Some(error)),
            };
            if ready.is_writable && !self.is_writable {
                self.is_writable = true;
                if self.handed > 0 {
                    return Happened::Took(std::mem::take(&mut self.handed));
                }
            }
            if self.read_again_at.is_some() || !ready.is_readable {
                continue;
            }
            match self.file.try_io(Interest::READABLE, |mut file| file.read(&mut self.buffer)) {
                Ok(0) if ready.is_closed => return Happened::Lost(None),
                // An empty packet of the printer's: no end, as it would be elsewhere.
                Ok(0) => self.read_again_at = Some(Instant::now() + Duration::from_millis(EMPTY_PAUSE_MS)),
                Ok(bytes) => return Happened::Received(&self.buffer[..bytes]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Happened::Lost(Some(error)),
            }
        }
    }

    /// Closing ends the transfer under way, of which the printer may have any part.
    pub(super) fn settle(&mut self) -> Option<Happened<'_>> {
        (self.handed > 0).then(|| Happened::Took(std::mem::take(&mut self.handed)))
    }
}

struct Ready {
    is_writable: bool,
    is_readable: bool,
    is_closed: bool,
}

/// Waits for what is of interest. That the file could be written to before the last write says nothing, so the
/// system is asked once more whether it can.
async fn readiness(file: &AsyncFd<File>, interest: Option<Interest>) -> io::Result<Ready> {
    let Some(interest) = interest else { return std::future::pending().await };
    let mut guard = file.ready(interest).await?;
    let ready = guard.ready();
    let is_writable = ready.is_writable() && takes_more(file.get_ref())?;
    if ready.is_writable() && !is_writable {
        guard.clear_ready_matching(tokio::io::Ready::WRITABLE);
    }
    let is_closed = ready.is_read_closed();
    Ok(Ready { is_writable, is_readable: ready.is_readable() || is_closed, is_closed })
}

fn takes_more(file: &File) -> io::Result<bool> {
    let mut asked = [PollFd::new(file, PollFlags::OUT)];
    poll(&mut asked, Some(&Timespec::default()))?;
    Ok(!asked[0].revents().is_empty())
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
