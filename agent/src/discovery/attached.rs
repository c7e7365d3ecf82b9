//! What is plugged into this PC, as the operating system lists it.

use super::{Found, Known};
use crate::printing::transport::{Address, BAUD_DEFAULT, Flow};
use serialport::{SerialPortInfo, SerialPortType};

/// Everything but what is known; it blocks for a moment.
pub(super) fn list(known: &[Known]) -> Vec<Found> {
    let (mut found, taken) = system::printers(known);
    found.extend(serial_ports().into_iter().map(serial));
    found.retain(|printer| !taken.iter().any(|taken| taken.is_same_place(&printer.address)));
    found
}

#[cfg(not(target_os = "linux"))]
fn addresses(known: &[Known]) -> Vec<Address> {
    known.iter().map(|known| known.address.clone()).collect()
}

fn listed(address: Address, label: String, detail: String) -> Found {
    Found { address, label, answered: false, conditions: Vec::new(), detail }
}

fn serial_ports() -> Vec<SerialPortInfo> {
    // The crate takes this folder for granted.
    if cfg!(target_os = "linux") && !std::path::Path::new("/sys/class/tty").exists() {
        return Vec::new();
    }
    serialport::available_ports().unwrap_or_else(|error| {
        tracing::warn!(%error, "serial ports cannot be listed");
        Vec::new()
    })
}

fn serial(port: SerialPortInfo) -> Found {
    let (label, detail) = match port.port_type {
        SerialPortType::UsbPort(usb) => {
            let label = usb.product.unwrap_or_else(|| port.port_name.clone());
            (label, format!("USB {:04x}:{:04x} {}", usb.vid, usb.pid, usb.serial_number.unwrap_or_default()))
        }
        SerialPortType::BluetoothPort => (port.port_name.clone(), "Bluetooth".into()),
        SerialPortType::PciPort | SerialPortType::Unknown => (port.port_name.clone(), String::new()),
    };
    let address = Address::Serial { path: port.port_name, baud: BAUD_DEFAULT, flow: Flow::Rts };
    listed(address, label, detail.trim_end().to_owned())
}

#[cfg(target_os = "linux")]
mod system {
    use super::{Found, Known, listed};
    use crate::printing::transport::standing::{Standing, find};
    use crate::printing::transport::usb::plugged_in;
    use crate::printing::transport::{Address, UsbPlugged, UsbUnit, usb_class};
    use docket_protocol::ids::PrinterName;
    use std::path::PathBuf;

    /// USB printers that are not known, and where those are that are.
    pub(super) fn printers(known: &[Known]) -> (Vec<Found>, Vec<Address>) {
        let plugged = plugged_in().unwrap_or_else(|error| {
            tracing::warn!(%error, "USB printers cannot be listed");
            Vec::new()
        });
        let files = usb_class::files();
        let taken = taken(&files, &plugged, known);
        (offered(&files, &plugged, &taken), taken)
    }

    /// Where the known printers are: at their addresses, or at the files that their units have now.
    fn taken(
        files: &[(PathBuf, Option<UsbPlugged>)],
        plugged: &[UsbPlugged],
        known: &[Known],
    ) -> Vec<Address> {
        let units: Vec<(PrinterName, String)> =
            known.iter().filter_map(|known| Some((known.name.clone(), known.unit.clone()?))).collect();
        let written: Vec<(PrinterName, UsbUnit)> = known
            .iter()
            .filter_map(|known| Some((known.name.clone(), known.address.usb_unit()?.clone())))
            .collect();
        let place = |known: &Known| {
            let Address::UsbClass { path } = &known.address else { return Some(known.address.clone()) };
            match find(path.as_ref(), files, plugged, &known.name, &units, &written) {
                Standing::Here | Standing::Replaced { .. } => Some(known.address.clone()),
                Standing::Moved { to } => Some(Address::UsbClass { path: to.display().to_string() }),
                // It is nowhere.
                Standing::Others { .. } => None,
            }
        };
        known.iter().filter_map(place).collect()
    }

    /// A single printer by the file of the kernel's driver. Of several, each by what it is: which of them gets which
    /// file changes with every plugging, and a kitchen's tickets would come out in front.
    fn offered(
        files: &[(PathBuf, Option<UsbPlugged>)],
        plugged: &[UsbPlugged],
        taken: &[Address],
    ) -> Vec<Found> {
        let is_known = |printer: &UsbPlugged| {
            taken.iter().any(|taken| matches!(taken, Address::Usb(unit) if printer.is(unit)))
        };
        let is_single = files.len() == 1;
        let by_file = files.iter().filter_map(|(path, printer)| {
            let address = Address::UsbClass { path: path.display().to_string() };
            if taken.contains(&address) || printer.as_ref().is_some_and(is_known) {
                return None;
            }
            Some(match printer {
                Some(printer) if is_single => listed(address, printer.identity.label(), detail(printer)),
                Some(printer) => by_unit(printer, plugged),
                None => listed(address, path.display().to_string(), String::new()),
            })
        });
        let has_file = |printer: &UsbPlugged| {
            files.iter().any(|(_, file)| file.as_ref().is_some_and(|file| file.port == printer.port))
        };
        let without_file = plugged.iter().filter(|printer| !has_file(printer) && !is_known(printer));
        by_file.chain(without_file.map(|printer| by_unit(printer, plugged))).collect()
    }

    fn by_unit(printer: &UsbPlugged, all: &[UsbPlugged]) -> Found {
        listed(Address::Usb(unit(printer, all)), printer.identity.label(), detail(printer))
    }

    fn detail(printer: &UsbPlugged) -> String {
        let serial = printer.identity.serial.as_deref().unwrap_or_default();
        format!("USB {} {serial}", printer.port).trim_end().to_owned()
    }

    /// By its serial number where no other has the same, else by its socket.
    fn unit(printer: &UsbPlugged, all: &[UsbPlugged]) -> UsbUnit {
        let unit = printer.identity.address();
        let is_only = all.iter().filter(|other| other.is(&unit)).count() == 1;
        if is_only { unit } else { UsbUnit::Port(printer.port.clone()) }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::printing::transport::UsbIdentity;

        fn printer(serial: &str, port: &str) -> UsbPlugged {
            let identity = UsbIdentity {
                vendor: 0x04B8,
                product: 0x0E15,
                serial: Some(serial.to_owned()).filter(|serial| !serial.is_empty()),
                ..UsbIdentity::default()
            };
            UsbPlugged { identity, port: port.into() }
        }

        /// Printers with a file of the driver each, and one without; the addresses that are offered.
        fn check(with: &[UsbPlugged], without: &[UsbPlugged], known: &[&str], expected: &[&str]) {
            let known: Vec<(&str, &str)> = known.iter().map(|&address| (address, "")).collect();
            check_known(with, without, &known, expected);
        }

        /// Beside known printers, each by its address and the serial number that it had last.
        fn check_known(
            with: &[UsbPlugged],
            without: &[UsbPlugged],
            known: &[(&str, &str)],
            expected: &[&str],
        ) {
            let file = |(number, printer): (usize, &UsbPlugged)| {
                (PathBuf::from(format!("/dev/usb/lp{number}")), Some(printer.clone()))
            };
            let files: Vec<_> = with.iter().enumerate().map(file).collect();
            let known: Vec<Known> = known
                .iter()
                .map(|&(address, serial)| Known {
                    name: PrinterName::new(address),
                    address: address.parse().unwrap(),
                    unit: printer(serial, "").identity.unit(),
                })
                .collect();
            let plugged = [with, without].concat();
            let found = offered(&files, &plugged, &taken(&files, &plugged, &known));
            let addresses: Vec<String> = found.iter().map(|found| found.address.to_string()).collect();
            assert_eq!(addresses, expected);
        }

        #[test]
        fn a_single_printer_is_offered_by_its_file_and_several_by_what_they_are() {
            let (a, b) = (printer("A", "1-1"), printer("B", "1-2"));
            check(std::slice::from_ref(&a), &[], &[], &["usb:/dev/usb/lp0"]);
            check(&[a.clone(), b.clone()], &[], &[], &["usb:serial=A", "usb:serial=B"]);
            check(
                std::slice::from_ref(&a),
                std::slice::from_ref(&b),
                &[],
                &["usb:/dev/usb/lp0", "usb:serial=B"],
            );
            // Cheap ones: all of them with the same number, or with none.
            let same = [printer("0", "1-1"), printer("0", "1-2")];
            check(&same, &[], &[], &["usb:port=1-1", "usb:port=1-2"]);
            let none = [printer("", "1-1"), printer("", "1-2")];
            check(&none, &[], &[], &["usb:port=1-1", "usb:port=1-2"]);
        }

        #[test]
        fn a_known_printer_that_is_plugged_elsewhere_is_not_offered_and_what_is_in_its_place_is() {
            let (a, b) = (printer("A", "1-1"), printer("B", "1-2"));
            let both = [b.clone(), a.clone()];
            check_known(&both, &[], &[("usb:/dev/usb/lp0", "A")], &["usb:serial=B"]);
            check_known(&both, &[], &[("usb:/dev/usb/lp0", "A"), ("usb:/dev/usb/lp1", "B")], &[]);
            // It is away, and in its place is another known one.
            let known = [("usb:/dev/usb/lp0", "A"), ("usb:/dev/usb/lp1", "B")];
            check_known(std::slice::from_ref(&b), &[], &known, &[]);
            // A new one has taken its place.
            check_known(std::slice::from_ref(&b), &[], &[("usb:/dev/usb/lp0", "A")], &[]);
            check_known(&both, &[], &[("usb:/dev/usb/lp0", ""), ("usb:serial=B", "")], &["usb:serial=A"]);
        }

        #[test]
        fn a_known_printer_is_not_offered_under_another_address() {
            let (a, b) = (printer("A", "1-1"), printer("B", "1-2"));
            let both = [a.clone(), b.clone()];
            check(&both, &[], &["usb:/dev/usb/lp0"], &["usb:serial=B"]);
            check(&both, &[], &["usb:serial=A"], &["usb:serial=B"]);
            check(&both, &[], &["usb:port=1-2"], &["usb:serial=A"]);
            check(std::slice::from_ref(&b), &[a], &["usb:port=1-1"], &["usb:/dev/usb/lp0"]);
        }
    }
}

#[cfg(windows)]
mod system {
    use super::{Found, Known, addresses, listed};
    use crate::printing::transport::{Address, UsbIdentity, spooler, usb_print};

    pub(super) fn printers(known: &[Known]) -> (Vec<Found>, Vec<Address>) {
        let plugged = usb_print::plugged_in().unwrap_or_else(|error| {
            tracing::warn!(%error, "USB printers cannot be listed");
            Vec::new()
        });
        let queue =
            |queue: String| listed(Address::Spooler { queue: queue.clone() }, queue, "Windows".into());
        let plugged = plugged.into_iter().map(|(_, identity)| usb(identity));
        (plugged.chain(spooler::queues().into_iter().map(queue)).collect(), addresses(known))
    }

    fn usb(identity: UsbIdentity) -> Found {
        let (label, detail) = (identity.label(), identity.serial.clone().unwrap_or_default());
        let UsbIdentity { vendor, product, serial, .. } = identity;
        listed(Address::UsbPrint { vendor, product, instance: serial }, label, detail)
    }
}

#[cfg(not(any(target_os = "linux", windows)))]
mod system {
    use super::{Address, Found, Known, addresses};

    pub(super) fn printers(known: &[Known]) -> (Vec<Found>, Vec<Address>) {
        (Vec::new(), addresses(known))
    }
}
