//! How a printer is reached, in the one line that a person writes into the configuration.
//!
//! ```text
//! 192.168.1.50      kitchen.lan:9101      [fe80::1]:9100
//! serial:COM3?baud=19200&flow=rts         serial:/dev/ttyUSB0
//! usb:/dev/usb/lp0                        the kernel's printer driver
//! usb:04b8:0e15     usb:serial=ABC123     usb:port=1-4.2        past that driver
//! usbprint:04b8:0e15                      usbprint:04b8:0e15#ABC123
//! spooler:EPSON TM-T82
//! ```
//!
//! What is read is written back the same: an address is also the key under which a printer is remembered. Every
//! system reads all of them; whether it can use one is another question ([`Address::is_usable_here`]), so that the
//! refusal can say which.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::net::SocketAddr;
use thiserror::Error;

/// The port of raw printing.
pub const LAN_PORT: u16 = 9_100;
/// Bits a second of a serial line where nothing is said: what receipt printers leave the factory with.
pub const BAUD_DEFAULT: u32 = 9_600;
/// What serial printers are built for, but the slowest: after a lost line the zeros that end a half command
/// (the agent's `printing::job`) have to be out before the silence meanwhile counts as a dead line.
pub const BAUD_RANGE: std::ops::RangeInclusive<u32> = 4_800..=921_600;
/// A longer address is a mistake.
pub const ADDRESS_BYTES_MAX: usize = 512;

/// How a printer is reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// Raw TCP.
    Lan {
        /// An IP address, or a name.
        host: String,
        /// [`LAN_PORT`] where none is given.
        port: u16,
    },
    /// A serial port, 8 data bits, no parity, one stop bit.
    Serial {
        /// `COM3`, `/dev/ttyUSB0`.
        path: String,
        /// Bits a second.
        baud: u32,
        /// What keeps the line from being faster than the printer.
        flow: Flow,
    },
    /// A file of the kernel's USB printer driver (Linux).
    UsbClass {
        /// `/dev/usb/lp0`: the only folder from which a line of text opens a file for writing.
        path: String,
    },
    /// A USB printer without the kernel's driver (Linux).
    Usb(UsbUnit),
    /// A USB printer at the device interface of Windows' own driver, past the spooler.
    UsbPrint {
        /// Who made it.
        vendor: u16,
        /// Which model.
        product: u16,
        /// Which one of several: its serial number, or what Windows gave it instead.
        instance: Option<String>,
    },
    /// A queue of the Windows spooler, raw.
    Spooler {
        /// Its name in Windows.
        queue: String,
    },
}

/// What keeps a serial line from being faster than the printer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flow {
    /// RTS/CTS. The usual cables lead the printer's DTR to the PC's CTS as well.
    Rts,
    /// XON/XOFF.
    Xon,
    /// DTR/DSR, watched between small pieces.
    Dsr,
    /// Nothing: only for a printer that takes a whole ticket into its buffer.
    None,
}

/// Which of the USB printers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UsbUnit {
    /// Whichever is of this model.
    Model {
        /// Who made it.
        vendor: u16,
        /// Which model.
        product: u16,
    },
    /// The one with this serial number.
    Serial(String),
    /// The one in this socket: `1-4.2` is bus 1, socket 4, socket 2 of the hub there.
    Port(String),
}

/// Why a line is no address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Nothing.
    #[error(
        "give its address, e.g. 192.168.1.50 or serial:COM3 (请填写地址,例如 192.168.1.50 或 serial:COM3)"
    )]
    Empty,
    /// Longer than [`ADDRESS_BYTES_MAX`], or with control characters.
    #[error("an address is one short line (地址太长或含有控制字符)")]
    Form,
    /// Something that is neither a name nor an IP address.
    #[error("`{0}` is no IP address or name (不是 IP 地址或主机名)")]
    Host(String),
    /// A port that is none.
    #[error("`{0}` is no port, it is 1 to 65535 (端口应为 1 到 65535)")]
    Port(String),
    /// It looks like something whose kind has to be said.
    #[error("write `{0}` (请写成 `{0}`)")]
    Kind(String),
    /// What follows the kind is missing.
    #[error("after `{kind}` belongs {what} (`{kind}` 后面缺少内容: {what})")]
    Missing {
        /// Which kind.
        kind: &'static str,
        /// What to write, as an example.
        what: &'static str,
    },
    /// A setting of the serial line that there is not.
    #[error("`{0}` is no setting of a serial port, those are baud and flow (串口参数只有 baud 和 flow)")]
    Setting(String),
    /// A speed that no printer has.
    #[error(
        "baud `{0}` is not in {min} to {max} (波特率应为 {min} 到 {max})",
        min = BAUD_RANGE.start(),
        max = BAUD_RANGE.end()
    )]
    Baud(String),
    /// A flow control that there is not.
    #[error("flow `{0}` is none of rts, xon, dsr, none (flow 只能是 rts、xon、dsr、none)")]
    Flow(String),
    /// No such way to name a USB printer.
    #[error(
        "`{0}` names no USB printer: usb:/dev/usb/lp0, usb:04b8:0e15, usb:serial=ABC123, usb:port=1-4.2 \
         (USB 打印机写成以上四种之一)"
    )]
    Usb(String),
    /// No such way to name a printer of Windows' USB driver.
    #[error(
        "`{0}` names no USB printer of Windows: usbprint:04b8:0e15 or usbprint:04b8:0e15#ABC123 \
         (写成以上两种之一)"
    )]
    UsbPrint(String),
}

impl Address {
    /// Whether this operating system has that way.
    pub fn is_usable_here(&self) -> bool {
        match self {
            Address::Lan { .. } | Address::Serial { .. } => true,
            Address::UsbClass { .. } | Address::Usb(_) => cfg!(target_os = "linux"),
            Address::UsbPrint { .. } | Address::Spooler { .. } => cfg!(windows),
        }
    }

    /// Vendor and product, where the address names them.
    pub fn usb_ids(&self) -> Option<(u16, u16)> {
        match self {
            Address::Usb(UsbUnit::Model { vendor, product }) | Address::UsbPrint { vendor, product, .. } => {
                Some((*vendor, *product))
            }
            Address::Usb(UsbUnit::Serial(_) | UsbUnit::Port(_))
            | Address::Lan { .. }
            | Address::Serial { .. }
            | Address::UsbClass { .. }
            | Address::Spooler { .. } => None,
        }
    }

    /// Whether it says which unit it is, wherever that is plugged in.
    pub fn names_unit(&self) -> bool {
        matches!(self, Address::Usb(UsbUnit::Serial(_)))
    }

    /// The one USB printer that it means, if it means a certain one.
    pub fn usb_unit(&self) -> Option<&UsbUnit> {
        match self {
            Address::Usb(unit @ (UsbUnit::Serial(_) | UsbUnit::Port(_))) => Some(unit),
            Address::Usb(UsbUnit::Model { .. })
            | Address::UsbPrint { .. }
            | Address::Lan { .. }
            | Address::Serial { .. }
            | Address::UsbClass { .. }
            | Address::Spooler { .. } => None,
        }
    }

    /// Whether both lead to the same place, however it is set up there.
    pub fn is_same_place(&self, other: &Address) -> bool {
        match (self, other) {
            (Address::Serial { path: own, .. }, Address::Serial { path, .. }) => own == path,
            (
                Address::UsbPrint { vendor: own_vendor, product: own_product, instance: own },
                Address::UsbPrint { vendor, product, instance },
            ) => {
                let is_either = own.is_none() || instance.is_none() || own == instance;
                (own_vendor, own_product) == (vendor, product) && is_either
            }
            (own, other) => own == other,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Address::Lan { host: address.ip().to_string(), port: address.port() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Lan { host, port: LAN_PORT } => f.write_str(host),
            Address::Lan { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Lan { host, port } => write!(f, "{host}:{port}"),
            Address::Serial { path, baud, flow } => write!(f, "serial:{path}?baud={baud}&flow={flow}"),
            Address::UsbClass { path } => write!(f, "usb:{path}"),
            Address::Usb(UsbUnit::Model { vendor, product }) => write!(f, "usb:{vendor:04x}:{product:04x}"),
            Address::Usb(UsbUnit::Serial(serial)) => write!(f, "usb:serial={serial}"),
            Address::Usb(UsbUnit::Port(port)) => write!(f, "usb:port={port}"),
            Address::UsbPrint { vendor, product, instance } => {
                write!(f, "usbprint:{vendor:04x}:{product:04x}")?;
                instance.iter().try_for_each(|instance| write!(f, "#{instance}"))
            }
            Address::Spooler { queue } => write!(f, "spooler:{queue}"),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Flow {
    /// Every kind.
    pub const ALL: [Flow; 4] = [Flow::Rts, Flow::Xon, Flow::Dsr, Flow::None];

    /// As it is written in an address.
    pub fn as_str(self) -> &'static str {
        match self {
            Flow::Rts => "rts",
            Flow::Xon => "xon",
            Flow::Dsr => "dsr",
            Flow::None => "none",
        }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
