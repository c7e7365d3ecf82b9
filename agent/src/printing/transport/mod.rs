//! Every way to a printer, behind one interface.
//!
//! Whoever prints holds a [`Port`] and asks it again and again what [`Happened`], showing each time all that is still
//! to be sent. The port takes as much as it can, reads meanwhile, and says how many bytes it is rid of; so there is no
//! queue between a ticket and the line that somebody would have to look into after a fault.
//!
//! | | how | reads back | what "took" means |
//! |---|---|---|---|
//! | [`lan`] | readiness of a socket | yes | in the system's buffer |
//! | [`usb_class`] | readiness of `/dev/usb/lpN` | yes | the printer has acknowledged them |
//! | [`usb`] | transfers past the kernel's driver | yes | the printer has acknowledged them |
//! | [`serial`] | a thread | yes | out of the driver's buffer |
//! | `usb_print` (Windows) | a thread, overlapped calls | yes | the printer has acknowledged them |
//! | `spooler` (Windows) | a thread | no, but its queue is asked how it is | a whole print job is with the spooler |
//!
//! # What may have left
//! A ticket may go to another printer, or begin anew without a mark, only where it is certain that no byte of it
//! left. Bytes that a thread or a USB controller holds are not certain to be still here. So before a port is given up
//! it is asked to [`Port::settle`]: it stops, and what it held it accounts for; what does not answer within
//! [`SETTLE_MS_MAX`] counts as gone.
//!
//! # What was rejected
//! One trait object with boxed futures: an allocation for each turn, for a set of ways that is known. Copying what
//! is to be sent into each port's own queue: see above.

mod device;
pub mod lan;
#[cfg(any(windows, test))]
mod queue_status;
pub mod serial;
#[cfg(windows)]
pub mod spooler;
#[cfg(target_os = "linux")]
pub mod standing;
mod threaded;
mod unit;
#[cfg(target_os = "linux")]
pub mod usb;
#[cfg(target_os = "linux")]
pub mod usb_class;
#[cfg(windows)]
pub mod usb_print;

pub use device::{NotADevice, check};
pub use docket_settings::address::{
    ADDRESS_BYTES_MAX, Address, AddressError, BAUD_DEFAULT, BAUD_RANGE, Flow, LAN_PORT, UsbUnit,
};
pub use unit::{UsbIdentity, UsbPlugged};

use crate::printing::health::Conditions;
use lan::Lan;
use std::io;
use threaded::Threaded;
#[cfg(target_os = "linux")]
use usb::Usb;
#[cfg(target_os = "linux")]
use usb_class::UsbClass;

/// How long a port may take to stop and to say what it is rid of.
pub const SETTLE_MS_MAX: u64 = 2_000;
/// Bytes that are read at once: answers are a few bytes each.
const READ_BYTES: usize = 512;

/// What happened next on a port.
#[derive(Debug)]
pub enum Happened<'a> {
    /// It is rid of so many of the bytes that were to be sent.
    Took(usize),
    /// The printer said this.
    Received(&'a [u8]),
    /// What stands between it and the printer says that all of this is wrong, and no more than this. A way that nothing
    /// comes back on tells it once before anything is to be sent, and then each change.
    Told(Conditions),
    /// It is of no more use; without an error where the other end closed it.
    Lost(Option<io::Error>),
}

/// An open way to a printer.
#[derive(Debug)]
pub struct Port {
    line: Line,
    reads_back: bool,
    outlives_unit: bool,
}

#[derive(Debug)]
enum Line {
    Lan(Box<Lan>),
    Threaded(Threaded),
    #[cfg(target_os = "linux")]
    UsbClass(Box<UsbClass>),
    #[cfg(target_os = "linux")]
    Usb(Box<Usb>),
}

impl Port {
    /// Opens the way to a printer. Nothing is sent.
    ///
    /// # Errors
    /// The system's own; `Unsupported` for an address of another operating system; [`NotADevice`].
    pub async fn open(address: &Address) -> io::Result<Self> {
        check(address)?;
        let line = match address {
            Address::Lan { host, port } => Line::Lan(Box::new(Lan::connect(host, *port).await?)),
            Address::Serial { path, baud, flow } => {
                Line::Threaded(serial::open(path.clone(), *baud, *flow).await?)
            }
            #[cfg(target_os = "linux")]
            Address::UsbClass { path } => Line::UsbClass(Box::new(UsbClass::open(path)?)),
            #[cfg(target_os = "linux")]
            Address::Usb(unit) => Line::Usb(Box::new(Usb::open(unit.clone()).await?)),
            #[cfg(not(target_os = "linux"))]
            Address::UsbClass { .. } | Address::Usb(_) => return Err(io::ErrorKind::Unsupported.into()),
            #[cfg(windows)]
            Address::UsbPrint { vendor, product, instance } => {
                Line::Threaded(usb_print::open(*vendor, *product, instance.clone()).await?)
            }
            #[cfg(windows)]
            Address::Spooler { queue } => Line::Threaded(spooler::open(queue.clone()).await?),
            #[cfg(not(windows))]
            Address::UsbPrint { .. } | Address::Spooler { .. } => {
                return Err(io::ErrorKind::Unsupported.into());
            }
        };
        Ok(Self {
            line,
            reads_back: !matches!(address, Address::Spooler { .. }),
            outlives_unit: matches!(address, Address::Serial { .. }),
        })
    }

    /// Waits for what happens next. `to_send` begins where what was taken ended: bytes are only ever added to it at
    /// its end. It may be cancelled at any time; nothing is lost by that.
    pub async fn next(&mut self, to_send: &[u8]) -> Happened<'_> {
        match &mut self.line {
            Line::Lan(lan) => lan.next(to_send).await,
            Line::Threaded(threaded) => threaded.next(to_send).await,
            #[cfg(target_os = "linux")]
            Line::UsbClass(usb) => usb.next(to_send).await,
            #[cfg(target_os = "linux")]
            Line::Usb(usb) => usb.next(to_send).await,
        }
    }

    /// Stops, and accounts for what was under way; asked until it is `None`. After that, what was not taken has
    /// certainly not left.
    pub async fn settle(&mut self) -> Option<Happened<'_>> {
        match &mut self.line {
            Line::Lan(_) => None,
            Line::Threaded(threaded) => threaded.settle().await,
            #[cfg(target_os = "linux")]
            Line::UsbClass(usb) => usb.settle(),
            #[cfg(target_os = "linux")]
            Line::Usb(usb) => usb.settle().await,
        }
    }

    /// Which unit this is, wherever it is plugged in: `usb 04b8:0e15 J9XC123456`. Only where the unit tells.
    pub fn unit(&self) -> Option<&str> {
        match &self.line {
            Line::Lan(_) | Line::Threaded(_) => None,
            #[cfg(target_os = "linux")]
            Line::UsbClass(usb) => usb.unit(),
            #[cfg(target_os = "linux")]
            Line::Usb(usb) => usb.unit(),
        }
    }

    /// Whether the printer's answers come back this way.
    pub fn reads_back(&self) -> bool {
        self.reads_back
    }

    /// Whether it stays open when the printer is switched off, and nothing tells of that.
    pub fn outlives_unit(&self) -> bool {
        self.outlives_unit
    }
}

/// What a person can do where a printer cannot be opened.
pub fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        _ if NotADevice::of(error).is_some() => {
            "give the address of a serial port or a printer (请填写串口或打印机的地址)"
        }
        io::ErrorKind::PermissionDenied => {
            "another program has it, or the agent's user lacks the group lp or dialout \
             (被别的程序占用,或运行用户不在 lp、dialout 组)"
        }
        io::ErrorKind::ResourceBusy => {
            "another program has it open, often CUPS (被别的程序占用,常见的是 CUPS)"
        }
        io::ErrorKind::NotFound => "plug it in and switch it on, or mend its address (插好并开机,或检查地址)",
        _ => "check power, cable and address (检查电源、线缆和地址)",
    }
}
