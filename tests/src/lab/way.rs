//! The ways to a printer, each with a virtual one at its end.

use crate::virtual_printer::{PrinterOptions, SerialOptions, UsbOptions, VirtualPrinter};
use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;

/// A common speed of serial printers that leaves a ticket a tenth of a second.
const BAUD: u32 = 115_200;
/// What `usblp` calls the only printer.
const NODE: &str = "/dev/usb/lp0";

/// How an agent reaches its printer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Raw TCP.
    Tcp,
    /// A pty.
    Serial,
    /// `/dev/usb/lp0`, which the kernel's printer driver makes.
    UsbClass,
    /// USB past that driver.
    Usb,
}

impl Way {
    /// All of them.
    pub const ALL: [Way; 4] = [Way::Tcp, Way::Serial, Way::UsbClass, Way::Usb];

    /// As the command line has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Way::Tcp => "tcp",
            Way::Serial => "serial",
            Way::UsbClass => "usb-class",
            Way::Usb => "usb",
        }
    }

    /// A printer at the end of this way, and its address in the words of an agent's configuration. `folder` is for the
    /// link to a serial line. Printers of different names are different units for the agent.
    ///
    /// # Errors
    /// Where this machine has no such way: USB takes the lab's machine.
    pub fn printer(
        self,
        name: &str,
        options: PrinterOptions,
        folder: &Path,
    ) -> io::Result<(VirtualPrinter, String)> {
        Ok(match self {
            Way::Tcp => {
                let printer = VirtualPrinter::start(options)?;
                let address = printer.address().to_string();
                (printer, address)
            }
            Way::Serial => {
                let link = folder.join(name);
                let address = format!("serial:{}?baud={BAUD}", link.display());
                let line = SerialOptions { baud: Some(BAUD), ..SerialOptions::at(link) };
                (VirtualPrinter::start_serial(&options, line)?, address)
            }
            Way::UsbClass => {
                let usb = UsbOptions::new(name);
                (VirtualPrinter::start_usb(&options, usb)?, format!("usb:{NODE}"))
            }
            Way::Usb => {
                let usb = UsbOptions::new(name);
                let address = format!("usb:serial={}", usb.serial);
                (VirtualPrinter::start_usb(&options, usb)?, address)
            }
        })
    }

    /// Whether the printer is gone from the computer when it is switched off. A serial line stays.
    pub fn goes_with_the_power(self) -> bool {
        match self {
            Way::Tcp | Way::UsbClass | Way::Usb => true,
            Way::Serial => false,
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Way {
    type Err = String;

    fn from_str(word: &str) -> Result<Way, String> {
        let known = Way::ALL.iter().find(|way| way.as_str() == word);
        known.copied().ok_or_else(|| format!("`{word}` is no way to a printer: tcp, serial, usb-class, usb"))
    }
}
