//! Who a USB printer is.

use super::UsbUnit;

/// What a USB device says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UsbIdentity {
    /// Who made it.
    pub vendor: u16,
    /// Which model.
    pub product: u16,
    /// Its serial number. Cheap ones have none, or all the same.
    pub serial: Option<String>,
    /// Its maker in words.
    pub maker: Option<String>,
    /// Its model in words.
    pub model: Option<String>,
}

/// A USB printer and where it is plugged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsbPlugged {
    /// Who it is.
    pub identity: UsbIdentity,
    /// Its socket, as in [`UsbUnit::Port`].
    pub port: String,
}

impl UsbIdentity {
    /// What one unit is remembered by, wherever it is plugged in; `None` without a serial number.
    pub fn unit(&self) -> Option<String> {
        let serial = self.serial.as_deref().map(str::trim).filter(|serial| !serial.is_empty())?;
        Some(format!("usb {:04x}:{:04x} {serial}", self.vendor, self.product))
    }

    /// Vendor and product from what [`UsbIdentity::unit`] gives.
    pub fn ids_of_unit(unit: &str) -> Option<(u16, u16)> {
        let (vendor, product) = unit.strip_prefix("usb ")?.split(' ').next()?.split_once(':')?;
        Some((u16::from_str_radix(vendor, 16).ok()?, u16::from_str_radix(product, 16).ok()?))
    }

    /// From the path of a device interface of Windows, `\\\\?\\usb#vid_04b8&pid_0e15#J9XC123456#{28d78fad-…}`. What stands
    /// for the serial number is one only where the printer has any; else Windows has made it up from the socket.
    #[cfg(any(windows, test))]
    pub(super) fn of_interface(path: &str) -> Option<Self> {
        let mut parts = path.split('#').skip(1);
        let (ids, instance) = (parts.next()?.to_ascii_lowercase(), parts.next()?);
        let id = |name: &str| {
            let digits = ids.split('&').find_map(|part| part.strip_prefix(name))?;
            u16::from_str_radix(digits, 16).ok()
        };
        Some(Self {
            vendor: id("vid_")?,
            product: id("pid_")?,
            serial: Some(instance.to_owned()),
            ..Self::default()
        })
    }

    /// In words, or in numbers where it has none.
    pub fn label(&self) -> String {
        let words: Vec<&str> = [self.maker.as_deref(), self.model.as_deref()]
            .into_iter()
            .flatten()
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .collect();
        match words.as_slice() {
            [] => format!("USB {:04x}:{:04x}", self.vendor, self.product),
            // Many models begin with their maker.
            [maker, model] if model.to_lowercase().starts_with(&maker.to_lowercase()) => (*model).to_owned(),
            words => words.join(" "),
        }
    }

    /// The most exact way to say which one is meant.
    pub fn address(&self) -> UsbUnit {
        match self.serial.as_deref().map(str::trim) {
            Some(serial) if !serial.is_empty() && !serial.chars().any(char::is_control) => {
                UsbUnit::Serial(serial.to_owned())
            }
            _ => UsbUnit::Model { vendor: self.vendor, product: self.product },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printer_is_named_in_its_own_words() {
        let named = |maker: &str, model: &str| {
            let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            UsbIdentity {
                vendor: 0x04B8,
                product: 0x0E15,
                maker: some(maker),
                model: some(model),
                serial: None,
            }
            .label()
        };
        assert_eq!(named("EPSON", "TM-T82II"), "EPSON TM-T82II");
        assert_eq!(named("Epson", "EPSON TM-T82II"), "EPSON TM-T82II");
        assert_eq!(named("", " POS58 "), "POS58");
        assert_eq!(named("", ""), "USB 04b8:0e15");
    }

    #[test]
    fn a_device_interface_of_windows_tells_which_printer_it_is() {
        let of = |path: &str| UsbIdentity::of_interface(path);
        let guid = "{28d78fad-5a12-11d1-ae5b-0000f803a8c2}";
        let found = of(&format!("\\\\?\\usb#VID_04B8&PID_0E15#J9XC123456#{guid}")).unwrap();
        assert_eq!(
            (found.vendor, found.product, found.serial.as_deref()),
            (0x04B8, 0x0E15, Some("J9XC123456"))
        );
        let found = of(&format!("\\\\?\\usb#vid_0416&pid_5011&mi_00#6&2ab3c&0&0000#{guid}")).unwrap();
        assert_eq!(
            (found.vendor, found.product, found.serial.as_deref()),
            (0x0416, 0x5011, Some("6&2ab3c&0&0000"))
        );
        assert_eq!(of("\\\\?\\LPT1"), None);
        assert_eq!(of("\\\\?\\usb#vid_zz&pid_0e15#1#2"), None);
    }

    #[test]
    fn a_unit_is_remembered_by_its_serial_number_only() {
        let with = |serial: &str| UsbIdentity {
            vendor: 1,
            product: 2,
            serial: Some(serial.into()),
            ..Default::default()
        };
        assert_eq!(with("A1").unit().as_deref(), Some("usb 0001:0002 A1"));
        assert_eq!(with(" ").unit(), None);
        assert_eq!(with(" ").address(), UsbUnit::Model { vendor: 1, product: 2 });
    }
}
