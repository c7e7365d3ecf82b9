//! From a line of the configuration to an address; what it looks like is in [`Address`]'s own module.

use crate::address::{
    ADDRESS_BYTES_MAX, Address, AddressError, BAUD_DEFAULT, BAUD_RANGE, Flow, LAN_PORT, UsbUnit,
};
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// What the paths of the kernel's driver begin with.
const USB_CLASS_PREFIX: &str = "/dev/usb/lp";

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
    if host.starts_with(USB_CLASS_PREFIX) {
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
    let refused = || AddressError::Usb(rest.to_owned());
    if rest.starts_with('/') {
        let is_printer = is_class_file(rest);
        return is_printer.then(|| Address::UsbClass { path: rest.to_owned() }).ok_or_else(refused);
    }
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

/// A file of the kernel's driver, or a name that a rule of udev's gives it: `lp-kitchen`.
fn is_class_file(path: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    path.strip_prefix(USB_CLASS_PREFIX).is_some_and(|name| !name.is_empty() && name.chars().all(is_part))
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
    use std::net::SocketAddr;

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
        let named = Address::UsbClass { path: "/dev/usb/lp-kitchen_2".into() };
        check("usb:/dev/usb/lp-kitchen_2", named, "usb:/dev/usb/lp-kitchen_2");
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
        refused("serial:COM3?baud=2400", "4800 to 921600");
        refused("serial:COM3?flow=cts", "rts, xon, dsr, none");
        refused("serial:COM3?parity=even", "parity");
        for path in ["/dev/sda", "/dev/usb/lp", "/dev/usb/lp0/../../sda", "/dev/usb/hiddev0", "/dev/usb/lp0?"]
        {
            refused(&format!("usb:{path}"), "usb:/dev/usb/lp0");
        }
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
            "/dev/usb/lp[a-z0-9_-]{1,20}".prop_map(|path| Address::UsbClass { path }),
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
