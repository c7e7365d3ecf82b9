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
//! system reads all of them, so that a configuration can be checked anywhere; whether this one can use an
//! address is another question ([`Address::is_usable_here`]).

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use thiserror::Error;

/// The port of raw printing.
pub const LAN_PORT: u16 = 9_100;
/// Bits a second of a serial line where nothing is said: what receipt printers leave the factory with.
pub const BAUD_DEFAULT: u32 = 9_600;
/// What serial printers are built for.
pub const BAUD_RANGE: std::ops::RangeInclusive<u32> = 1_200..=921_600;
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
        /// `/dev/usb/lp0`.
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
    #[error("baud `{0}` is not in {min} to {max} (波特率应为 {min} 到 {max})", min = BAUD_RANGE.start(), max = BAUD_RANGE.end())]
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

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.len() > ADDRESS_BYTES_MAX || text.chars().any(char::is_control) {
            return Err(AddressError::Form);
        }
        let (kind, rest) = text.split_once(':').unwrap_or(("", text));
        match kind {
            "serial" => serial(rest),
            "usb" => usb(rest),
            "usbprint" => usb_print(rest),
            "spooler" if rest.trim().is_empty() => {
                Err(AddressError::Missing { kind: "spooler:", what: "EPSON TM-T82" })
            }
            "spooler" => Ok(Address::Spooler { queue: rest.trim().to_owned() }),
            _ => lan(text),
        }
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

fn lan(text: &str) -> Result<Address, AddressError> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(Address::Lan { host: ip.to_string(), port: LAN_PORT });
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, lan_port(port)?),
        _ => (text, LAN_PORT),
    };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if let Some(ip) = bracketed.and_then(|host| host.parse::<Ipv6Addr>().ok()) {
        return Ok(Address::Lan { host: ip.to_string(), port });
    }
    if is_serial_name(host) {
        return Err(AddressError::Kind(format!("serial:{host}")));
    }
    if host.starts_with("/dev/usb/lp") {
        return Err(AddressError::Kind(format!("usb:{host}")));
    }
    let all_digits = host.chars().all(|c| c.is_ascii_digit() || c == '.');
    let is_name = host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if host.is_empty() || !is_name || all_digits && host.parse::<IpAddr>().is_err() {
        return Err(AddressError::Host(host.to_owned()));
    }
    Ok(Address::Lan { host: host.to_owned(), port })
}

fn lan_port(port: &str) -> Result<u16, AddressError> {
    match port.parse() {
        Ok(0) | Err(_) => Err(AddressError::Port(port.to_owned())),
        Ok(port) => Ok(port),
    }
}

fn is_serial_name(host: &str) -> bool {
    let number = host.get(..3).filter(|com| com.eq_ignore_ascii_case("com")).map(|_| &host[3..]);
    host.starts_with("/dev/tty")
        || number.is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()))
}

fn serial(rest: &str) -> Result<Address, AddressError> {
    let (path, settings) = rest.split_once('?').unwrap_or((rest, ""));
    if path.trim().is_empty() {
        return Err(AddressError::Missing { kind: "serial:", what: "COM3" });
    }
    let (mut baud, mut flow) = (BAUD_DEFAULT, Flow::Rts);
    for setting in settings.split('&').filter(|setting| !setting.is_empty()) {
        match setting.split_once('=') {
            Some(("baud", value)) => {
                baud = value
                    .parse()
                    .ok()
                    .filter(|baud| BAUD_RANGE.contains(baud))
                    .ok_or_else(|| AddressError::Baud(value.to_owned()))?;
            }
            Some(("flow", value)) => {
                flow = Flow::ALL
                    .into_iter()
                    .find(|flow| flow.as_str() == value)
                    .ok_or_else(|| AddressError::Flow(value.to_owned()))?;
            }
            _ => return Err(AddressError::Setting(setting.to_owned())),
        }
    }
    Ok(Address::Serial { path: path.trim().to_owned(), baud, flow })
}

fn usb(rest: &str) -> Result<Address, AddressError> {
    let rest = rest.trim();
    if rest.starts_with('/') {
        return Ok(Address::UsbClass { path: rest.to_owned() });
    }
    let refused = || AddressError::Usb(rest.to_owned());
    let unit = match rest.split_once('=') {
        Some(("serial", serial)) if !serial.trim().is_empty() => UsbUnit::Serial(serial.trim().to_owned()),
        Some(("port", port)) if is_port_path(port) => UsbUnit::Port(port.to_owned()),
        Some(_) => return Err(refused()),
        None => {
            let (vendor, product) = model(rest).ok_or_else(refused)?;
            UsbUnit::Model { vendor, product }
        }
    };
    Ok(Address::Usb(unit))
}

/// `1-4.2`: the kernel's own name for a socket.
fn is_port_path(text: &str) -> bool {
    let number = |part: &str| part.parse::<u8>().is_ok_and(|number| number > 0 && part == number.to_string());
    text.split_once('-').is_some_and(|(bus, ports)| number(bus) && ports.split('.').all(number))
}

fn usb_print(rest: &str) -> Result<Address, AddressError> {
    let (ids, instance) = match rest.split_once('#') {
        Some((ids, instance)) => (ids, Some(instance.trim())),
        None => (rest, None),
    };
    match model(ids.trim()) {
        Some((vendor, product)) if instance != Some("") => {
            Ok(Address::UsbPrint { vendor, product, instance: instance.map(str::to_owned) })
        }
        _ => Err(AddressError::UsbPrint(rest.to_owned())),
    }
}

/// `04b8:0e15`, as `lsusb` writes it.
fn model(text: &str) -> Option<(u16, u16)> {
    let (vendor, product) = text.split_once(':')?;
    let id = |digits: &str| {
        let is_id = digits.len() == 4 && digits.chars().all(|c| c.is_ascii_hexdigit());
        is_id.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
    };
    Some((id(vendor)?, id(product)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(written: &str, expected: Address, shown: &str) {
        assert_eq!(written.parse(), Ok(expected.clone()), "{written}");
        assert_eq!(expected.to_string(), shown);
        assert_eq!(shown.parse(), Ok(expected));
    }

    fn lan(host: &str, port: u16) -> Address {
        Address::Lan { host: host.into(), port }
    }

    #[test]
    fn a_port_in_the_network_may_be_left_out() {
        check("192.168.1.50", lan("192.168.1.50", 9_100), "192.168.1.50");
        check(" 192.168.1.50:9100 ", lan("192.168.1.50", 9_100), "192.168.1.50");
        check("192.168.1.50:9101", lan("192.168.1.50", 9_101), "192.168.1.50:9101");
        check("fe80::1", lan("fe80::1", 9_100), "fe80::1");
        check("[fe80::1]", lan("fe80::1", 9_100), "fe80::1");
        check("[fe80::1]:9200", lan("fe80::1", 9_200), "[fe80::1]:9200");
        check("kitchen.lan", lan("kitchen.lan", 9_100), "kitchen.lan");
        check("后厨-1:9101", lan("后厨-1", 9_101), "后厨-1:9101");
    }

    #[test]
    fn a_serial_line_has_a_speed_and_a_flow() {
        let serial = |path: &str, baud, flow| Address::Serial { path: path.into(), baud, flow };
        check("serial:COM3", serial("COM3", 9_600, Flow::Rts), "serial:COM3?baud=9600&flow=rts");
        check(
            "serial:/dev/ttyUSB0?flow=dsr&baud=115200",
            serial("/dev/ttyUSB0", 115_200, Flow::Dsr),
            "serial:/dev/ttyUSB0?baud=115200&flow=dsr",
        );
    }

    #[test]
    fn usb_printers_are_named_in_several_ways() {
        check("usb:/dev/usb/lp0", Address::UsbClass { path: "/dev/usb/lp0".into() }, "usb:/dev/usb/lp0");
        let model = UsbUnit::Model { vendor: 0x04B8, product: 0x0E15 };
        check("usb:04B8:0e15", Address::Usb(model), "usb:04b8:0e15");
        check("usb:serial=A:1=2", Address::Usb(UsbUnit::Serial("A:1=2".into())), "usb:serial=A:1=2");
        check("usb:port=1-4.2", Address::Usb(UsbUnit::Port("1-4.2".into())), "usb:port=1-4.2");
        let print = |instance: Option<&str>| Address::UsbPrint {
            vendor: 1,
            product: 2,
            instance: instance.map(Into::into),
        };
        check("usbprint:0001:0002", print(None), "usbprint:0001:0002");
        check("usbprint:0001:0002#6&2ab&0&1", print(Some("6&2ab&0&1")), "usbprint:0001:0002#6&2ab&0&1");
        check(
            "spooler:EPSON TM-T82",
            Address::Spooler { queue: "EPSON TM-T82".into() },
            "spooler:EPSON TM-T82",
        );
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_to_write() {
        let refused = |written: &str, word: &str| {
            let said = written.parse::<Address>().expect_err(written).to_string();
            assert!(said.contains(word), "{written}: {said}");
        };
        refused(" ", "192.168.1.50");
        refused("a\u{7}b", "one short line");
        refused("192.168.1.500", "192.168.1.500");
        refused("192.168.1.50:0", "port");
        refused("192.168.1.50:ipp", "port");
        refused("socket://192.168.1.50", "port");
        refused("socket://192.168.1.50:9100", "socket://192.168.1.50");
        refused("two words", "two words");
        refused("COM3", "serial:COM3");
        refused("/dev/ttyS0", "serial:/dev/ttyS0");
        refused("/dev/usb/lp1", "usb:/dev/usb/lp1");
        refused("serial:", "COM3");
        refused("serial:COM3?baud=fast", "fast");
        refused("serial:COM3?baud=50", "1200 to 921600");
        refused("serial:COM3?flow=cts", "rts, xon, dsr, none");
        refused("serial:COM3?parity=even", "parity");
        refused("usb:04b8", "usb:04b8:0e15");
        refused("usb:4b8:e15", "usb:04b8:0e15");
        refused("usb:port=0-1", "usb:port=1-4.2");
        refused("usb:serial= ", "usb:serial=ABC123");
        refused("usbprint:04b8:0e15#", "usbprint:04b8:0e15#ABC123");
        refused("spooler: ", "EPSON TM-T82");
    }

    #[test]
    fn a_place_is_the_same_however_it_is_set_up() {
        let same =
            |one: &str, other: &str| one.parse::<Address>().unwrap().is_same_place(&other.parse().unwrap());
        assert!(same("192.168.1.50", "192.168.1.50:9100") && !same("192.168.1.50", "192.168.1.50:9101"));
        assert!(
            same("serial:COM3", "serial:COM3?baud=19200&flow=none") && !same("serial:COM3", "serial:COM4")
        );
        assert!(
            same("usbprint:04b8:0e15", "usbprint:04b8:0e15#A")
                && !same("usbprint:04b8:0e15#B", "usbprint:04b8:0e15#A")
        );
    }

    fn addresses() -> impl Strategy<Value = Address> {
        let port = 1..=u16::MAX;
        let flow = proptest::sample::select(Flow::ALL.to_vec());
        let name = "[^\\s\\p{C}?#]([^\\p{C}?#]{0,20}[^\\s\\p{C}?#])?";
        prop_oneof![
            (any::<IpAddr>(), port.clone()).prop_map(|(ip, port)| SocketAddr::new(ip, port).into()),
            ("[a-z]{4}[a-z0-9.-]{0,20}", port).prop_map(|(host, port)| Address::Lan { host, port }),
            (name, BAUD_RANGE, flow).prop_map(|(path, baud, flow)| Address::Serial { path, baud, flow }),
            "/[a-z0-9/]{1,20}".prop_map(|path| Address::UsbClass { path }),
            any::<(u16, u16)>()
                .prop_map(|(vendor, product)| Address::Usb(UsbUnit::Model { vendor, product })),
            name.prop_map(|serial| Address::Usb(UsbUnit::Serial(serial))),
            "[1-9]-[1-9](\\.[1-9]){0,5}".prop_map(|port| Address::Usb(UsbUnit::Port(port))),
            (any::<(u16, u16)>(), proptest::option::of(name)).prop_map(|((vendor, product), instance)| {
                Address::UsbPrint { vendor, product, instance }
            }),
            name.prop_map(|queue| Address::Spooler { queue }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(address in addresses()) {
            prop_assert_eq!(address.to_string().parse(), Ok(address));
        }

        #[test]
        fn what_is_read_keeps_its_meaning(text in "((serial|usb|usbprint|spooler):)?[ -~]{0,30}") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string().parse(), Ok(address));
            }
        }
    }
}
