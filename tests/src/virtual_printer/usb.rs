//! A printer on USB: a real one for the kernel, which sees it on a bus of its own.
//!
//! Linux can be a USB device (`usb_f_printer`) and its own host (`dummy_hcd`) at once. Then `usblp` gives the printer a
//! node as `/dev/usb/lp0`, and it has the vendor's numbers, a serial number, the identity string that tells a driver
//! "I speak ESC/POS", and the three wires of a parallel port (paper, selected, no error). `/dev/g_printer0` is
//! the printer's side of it, and this module holds that. It takes root and a kernel with these modules, so it runs
//! in the virtual machine of `docket_tests::lab`.
//!
//! Unplugging is taking the gadget from its controller, and switching off is the same. What the host had sent and the
//! printer had not read is lost, as in a device's own buffer.
//!
//! A transfer is always read whole: one of which a part was left when the gadget was taken away is freed twice by
//! `f_printer`, and that takes the kernel down some time later. So what does not fit the printer's buffer waits here.

use super::device::Device;
use super::status::{Conditions, Paper};
use super::wire::{Interests, Occurrence, Wire, watch};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::ioctl::{IntegerSetter, ioctl};
use std::collections::VecDeque;
use std::fs;
use std::future::pending;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

const GADGETS: &str = "/sys/kernel/config/usb_gadget";
const CONTROLLERS: &str = "/sys/class/udc";
/// The printer's sides of the gadget printers: this and a number.
const NODES: &str = "/dev/g_printer";
/// How often it is looked whether the host has taken notice of the printer.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Transfers of 8 KiB that the kernel takes before the printer reads: as few as there can be, so that a full printer
/// is felt by the host.
const TRANSFERS_MAX: u32 = 1;
/// The largest of them.
const TRANSFER_BYTES_MAX: usize = 8_192;
/// `GADGET_SET_PRINTER_STATUS` of `linux/usb/g_printer.h`. The status is the argument itself, not a pointer to it.
const SET_PORT_STATUS: u32 = 0xC001_6722;
/// The port status of the USB printer class, after the wires of a parallel port.
const NOT_ERROR: u8 = 0x08;
const SELECTED: u8 = 0x10;
const PAPER_EMPTY: u8 = 0x20;

/// What the printer tells of itself.
#[derive(Debug, Clone)]
pub struct UsbOptions {
    /// Vendor and product; the defaults are those of Linux' own gadget printer.
    pub vendor: u16,
    /// See `vendor`.
    pub product: u16,
    /// Serial number, by which one printer is told from another of its kind. No two at a time have the same.
    pub serial: String,
    /// The identity string of IEEE 1284.
    pub identity: String,
    /// Its place among the printers that there are: the kernel gives each the lowest number that is free when it is made.
    pub number: u32,
}

impl UsbOptions {
    /// The only printer, with this serial number.
    pub fn new(serial: &str) -> Self {
        UsbOptions {
            vendor: 0x0525,
            product: 0xA4A8,
            serial: serial.to_owned(),
            identity: "MFG:DOCKET;CMD:ESC/POS;MDL:VIRTUAL;CLS:PRINTER;".to_owned(),
            number: 0,
        }
    }
}

/// The printer's end of the cable.
#[derive(Debug)]
pub(super) struct UsbWire {
    gadget: PathBuf,
    /// Where the printer's side is, once it is plugged in.
    path: String,
    plugged: bool,
    node: Option<AsyncFd<OwnedFd>>,
    /// Of the last transfer, what the printer had no room for.
    rest: VecDeque<u8>,
    /// What the port status was last set to.
    shown: Option<u8>,
    /// What it should be.
    port: u8,
}

impl UsbWire {
    /// Makes the gadget and plugs it in.
    pub fn make(options: UsbOptions) -> io::Result<Self> {
        let gadget = Path::new(GADGETS).join(format!("docket-{}", options.serial));
        let wire = UsbWire {
            gadget,
            path: format!("{NODES}{}", options.number),
            plugged: false,
            node: None,
            rest: VecDeque::new(),
            shown: None,
            port: NOT_ERROR | SELECTED,
        };
        wire.describe(&options)?;
        Ok(wire)
    }

    fn describe(&self, options: &UsbOptions) -> io::Result<()> {
        let write = |file: &str, text: String| {
            let path = self.gadget.join(file);
            fs::write(&path, text)
                .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
        };
        for folder in ["strings/0x409", "configs/c.1/strings/0x409", "functions/printer.0"] {
            let path = self.gadget.join(folder);
            fs::create_dir_all(&path)
                .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        }
        write("idVendor", format!("{:#06x}", options.vendor))?;
        write("idProduct", format!("{:#06x}", options.product))?;
        write("strings/0x409/serialnumber", options.serial.clone())?;
        write("strings/0x409/manufacturer", "Docket".into())?;
        write("strings/0x409/product", "Virtual printer".into())?;
        // `f_printer` forgets to count the two bytes of the length that it puts before it.
        write("functions/printer.0/pnp_string", format!("{}  ", options.identity))?;
        write("functions/printer.0/q_len", TRANSFERS_MAX.to_string())?;
        std::os::unix::fs::symlink(
            self.gadget.join("functions/printer.0"),
            self.gadget.join("configs/c.1/printer.0"),
        )
    }

    /// Into the first controller of this machine that has nothing plugged in.
    fn plug_in(&mut self) -> io::Result<()> {
        let mut result = Err(io::ErrorKind::NotFound.into());
        for controller in fs::read_dir(CONTROLLERS)? {
            let name = controller?.file_name();
            result = fs::write(self.gadget.join("UDC"), name.as_encoded_bytes());
            match &result {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
                _ => break,
            }
        }
        result?;
        self.plugged = true;
        Ok(())
    }

    fn unplug(&mut self) {
        // Closed first: the kernel takes the node away together with the device.
        self.let_go();
        self.plugged = false;
        if let Err(error) = fs::write(self.gadget.join("UDC"), "\n") {
            tracing::error!(%error, "virtual printer cannot be unplugged");
        }
    }

    fn let_go(&mut self) {
        self.node = None;
        self.rest.clear();
        self.shown = None;
    }

    /// Opens the printer's side; `None` until the host has set the device up.
    fn reach(&self) -> io::Result<Option<AsyncFd<OwnedFd>>> {
        let node = match open(&*self.path, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) {
            Ok(node) => node,
            // Its node comes a moment after the device.
            Err(Errno::NOENT | Errno::NXIO | Errno::NODEV) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match set_port_status(&node, self.port) {
            Ok(()) => watch(node).map(Some),
            Err(Errno::NODEV) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for UsbWire {
    fn drop(&mut self) {
        if self.plugged {
            self.unplug();
        }
        // In the reverse order of making; what is left is only seen in the virtual machine, and goes with it.
        let _ = fs::remove_file(self.gadget.join("configs/c.1/printer.0"));
        for folder in ["configs/c.1/strings/0x409", "configs/c.1", "functions/printer.0", "strings/0x409", ""]
        {
            let _ = fs::remove_dir(self.gadget.join(folder));
        }
    }
}

impl Wire for UsbWire {
    fn follow(&mut self, device: &mut Device, _outbound: &mut Vec<u8>) {
        self.port = port_status(device.conditions());
        let wanted = device.listens();
        let dropped = device.is_drop_due();
        if self.plugged && (dropped || !wanted) {
            self.unplug();
        }
        if device.is_connected() && self.node.is_none() {
            device.disconnect();
        }
        if wanted
            && !self.plugged
            && let Err(error) = self.plug_in()
        {
            tracing::error!(%error, "virtual printer cannot be plugged in");
        }
        if let Some(node) = &self.node
            && self.shown != Some(self.port)
            && set_port_status(node.get_ref(), self.port).is_ok()
        {
            self.shown = Some(self.port);
        }
    }

    async fn occurs(&mut self, interests: Interests) -> Occurrence {
        if !self.plugged {
            pending::<()>().await;
        }
        let Some(node) = &self.node else {
            loop {
                match self.reach() {
                    Ok(Some(node)) => {
                        self.node = Some(node);
                        self.shown = Some(self.port);
                        return Occurrence::Opened;
                    }
                    Ok(None) => {}
                    Err(error) => tracing::error!(%error, "virtual printer cannot open {}", self.path),
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        if interests.reading && !self.rest.is_empty() {
            return Occurrence::Readable;
        }
        tokio::select! {
            ready = node.readable(), if interests.reading => match ready {
                Ok(_) => Occurrence::Readable,
                Err(_) => Occurrence::Lost,
            },
            ready = node.writable(), if interests.writing => match ready {
                Ok(_) => Occurrence::Writable,
                Err(_) => Occurrence::Lost,
            },
            () = pending() => Occurrence::Nothing,
        }
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let node = self.node.as_ref().ok_or(io::ErrorKind::WouldBlock)?;
        if self.rest.is_empty() {
            let mut transfer = [0; TRANSFER_BYTES_MAX];
            let length =
                node.try_io(Interest::READABLE, |node| Ok(rustix::io::read(node, &mut transfer[..])?))?;
            self.rest.extend(&transfer[..length]);
        }
        self.rest.read(buffer)
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let node = self.node.as_ref().ok_or(io::ErrorKind::WouldBlock)?;
        node.try_io(Interest::WRITABLE, |node| Ok(rustix::io::write(node, bytes)?))
    }

    /// The host has let go of the device: it is looked for again.
    fn lose(&mut self, device: &mut Device) {
        self.let_go();
        device.disconnect();
    }
}

/// The three wires. A printer without paper is off line and says why; only an error is an error.
fn port_status(conditions: &Conditions) -> u8 {
    let mut status = NOT_ERROR;
    if conditions.online() {
        status |= SELECTED;
    }
    if conditions.paper == Paper::Out {
        status |= PAPER_EMPTY;
    }
    if conditions.cutter_error || conditions.heat || conditions.fatal {
        status &= !NOT_ERROR;
    }
    status
}

fn set_port_status(node: &OwnedFd, status: u8) -> Result<(), Errno> {
    // SAFETY: `f_printer` takes the argument of this request as a number and writes to no memory of ours.
    unsafe { ioctl(node, IntegerSetter::<SET_PORT_STATUS>::new_usize(usize::from(status))) }
}
