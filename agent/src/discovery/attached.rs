//! What is plugged into this PC, as the operating system lists it.

use super::Found;
use crate::printing::transport::{Address, BAUD_DEFAULT, Flow};
use serialport::{SerialPortInfo, SerialPortType};

/// Everything; it blocks for a moment.
pub(super) fn list() -> Vec<Found> {
    let mut found = system::printers();
    found.extend(serial_ports().into_iter().map(serial));
    found
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
    use super::{Found, listed};
    use crate::printing::transport::usb::plugged_in;
    use crate::printing::transport::{Address, UsbPlugged, UsbUnit, usb_class};
    use std::path::PathBuf;

    /// Those that the kernel's driver has, by its file; the others by what they are.
    pub(super) fn printers() -> Vec<Found> {
        let files = usb_class::files();
        let plugged = plugged_in().unwrap_or_else(|error| {
            tracing::warn!(%error, "USB printers cannot be listed");
            Vec::new()
        });
        let is_listed = |printer: &&UsbPlugged| {
            files.iter().any(|(_, file)| file.as_ref().is_some_and(|file| file.port == printer.port))
        };
        let past_driver = plugged.iter().filter(|printer| !is_listed(printer));
        let past_driver = past_driver.map(|printer| {
            listed(Address::Usb(unit(printer, &plugged)), printer.identity.label(), detail(printer))
        });
        files.iter().map(of_driver).chain(past_driver).collect()
    }

    fn of_driver((path, plugged): &(PathBuf, Option<UsbPlugged>)) -> Found {
        let path = path.display().to_string();
        let (label, detail) = match plugged {
            Some(plugged) => (plugged.identity.label(), detail(plugged)),
            None => (path.clone(), String::new()),
        };
        listed(Address::UsbClass { path }, label, detail)
    }

    fn detail(printer: &UsbPlugged) -> String {
        let serial = printer.identity.serial.as_deref().unwrap_or_default();
        format!("USB {} {serial}", printer.port).trim_end().to_owned()
    }

    /// By its serial number where no other has the same, else by its socket.
    fn unit(printer: &UsbPlugged, all: &[UsbPlugged]) -> UsbUnit {
        let unit = printer.identity.address();
        let is_only = all.iter().filter(|other| other.identity.address() == unit).count() == 1;
        if is_only { unit } else { UsbUnit::Port(printer.port.clone()) }
    }
}

#[cfg(windows)]
mod system {
    use super::{Found, listed};
    use crate::printing::transport::{Address, UsbIdentity, spooler, usb_print};

    pub(super) fn printers() -> Vec<Found> {
        let plugged = usb_print::plugged_in().unwrap_or_else(|error| {
            tracing::warn!(%error, "USB printers cannot be listed");
            Vec::new()
        });
        let queue =
            |queue: String| listed(Address::Spooler { queue: queue.clone() }, queue, "Windows".into());
        let plugged = plugged.into_iter().map(|(_, identity)| usb(identity));
        plugged.chain(spooler::queues().into_iter().map(queue)).collect()
    }

    fn usb(identity: UsbIdentity) -> Found {
        let (label, detail) = (identity.label(), identity.serial.clone().unwrap_or_default());
        let UsbIdentity { vendor, product, serial, .. } = identity;
        listed(Address::UsbPrint { vendor, product, instance: serial }, label, detail)
    }
}

#[cfg(not(any(target_os = "linux", windows)))]
mod system {
    pub(super) fn printers() -> Vec<super::Found> {
        Vec::new()
    }
}
