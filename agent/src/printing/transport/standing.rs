//! Where a printer's unit is, when the printer is written as a file of the kernel's driver.
//!
//! The kernel gives `/dev/usb/lp0` to whichever printer it meets first, so after a reboot the kitchen's file may be the
//! one in front, and the kitchen's tickets would come out there with good fences. A printer is therefore the unit that
//! it had last, as the spool remembers it, and its file is where to look first. A unit that nobody knows is taken: a
//! broken printer is replaced by plugging another one in.
//!
//! Units without a serial number, or with that of another one, cannot be told apart: for them the file decides.
//!
//! # What was rejected
//! Writing the serial number into the configuration: a replaced printer would wait for a person. To refuse every unit
//! but the remembered one: the same.

use super::UsbPlugged;
use docket_protocol::ids::PrinterName;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where a printer's unit is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Where it is written, as far as can be told.
    Here,
    /// Nowhere, and one that no printer has stands in its place.
    Replaced {
        /// Which, as in [`super::UsbIdentity::unit`].
        by: String,
    },
    /// At another file.
    Moved {
        /// Which.
        to: PathBuf,
    },
    /// Nowhere, and in its place stands the unit of another printer.
    Others {
        /// Whose.
        owner: PrinterName,
        /// Which, as in [`super::UsbIdentity::unit`].
        unit: String,
    },
}

/// Looks for the unit of `printer`, which is written as `path`. `files`: the driver's
/// ([`super::usb_class::files`]). `plugged`: every printer, those past the driver too ([`super::usb::plugged_in`]).
/// `units`: which unit each printer had last.
pub fn find(
    path: &Path,
    files: &[(PathBuf, Option<UsbPlugged>)],
    plugged: &[UsbPlugged],
    printer: &PrinterName,
    units: &[(PrinterName, String)],
) -> Standing {
    let with_file = || files.iter().filter_map(|(file, plugged)| Some((file, plugged.as_ref()?)));
    let unit = with_file().find(|(file, _)| *file == path).and_then(|(_, there)| there.identity.unit());
    let own = units.iter().find(|(owner, _)| owner == printer).map(|(_, own)| own);
    if own.is_some() && own == unit.as_ref() {
        return Standing::Here;
    }
    let is = |printer: &UsbPlugged, unit: &String| printer.identity.unit().as_ref() == Some(unit);
    // A socket, not a file, is one printer: a file may have a second name that a person gave it.
    let is_single = |unit: &String| {
        let all = with_file().map(|(_, printer)| printer).chain(plugged);
        let ports: BTreeSet<&str> =
            all.filter(|printer| is(printer, unit)).map(|printer| printer.port.as_str()).collect();
        ports.len() == 1
    };
    if let Some(own) = own.filter(|own| is_single(own))
        && let Some((to, _)) = with_file().find(|(_, printer)| is(printer, own))
    {
        return Standing::Moved { to: to.clone() };
    }
    let Some(unit) = unit.filter(is_single) else { return Standing::Here };
    match units.iter().find(|(_, others)| *others == unit) {
        Some((owner, _)) => Standing::Others { owner: owner.clone(), unit },
        None if own.is_some() => Standing::Replaced { by: unit },
        None => Standing::Here,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printing::transport::UsbIdentity;

    /// A printer by its serial number and its socket.
    type Attached<'a> = (&'a str, &'a str);

    fn unit(serial: &str) -> UsbIdentity {
        let serial = Some(serial.to_owned());
        UsbIdentity { vendor: 0x04B8, product: 0x0E15, serial, ..UsbIdentity::default() }
    }

    /// The kitchen is written as `/dev/usb/lp0`. `files`: what stands at which; `units`: who had which last.
    fn check(files: &[(&str, Attached<'_>)], units: &[(&str, &str)], expected: Standing) {
        check_beside(&[], files, units, expected);
    }

    /// Beside printers without a file.
    fn check_beside(
        beside: &[Attached<'_>],
        files: &[(&str, Attached<'_>)],
        units: &[(&str, &str)],
        expected: Standing,
    ) {
        let plugged =
            |&(serial, port): &Attached<'_>| UsbPlugged { identity: unit(serial), port: port.to_owned() };
        let file = |&(name, (serial, port)): &(&str, Attached<'_>)| {
            (PathBuf::from("/dev/usb").join(name), Some(plugged(&(serial, port))))
        };
        let files: Vec<_> = files.iter().map(file).collect();
        let beside: Vec<_> = beside.iter().map(plugged).collect();
        let remembered = |&(printer, serial): &(&str, &str)| {
            let place = || format!("{printer}@usb:/dev/usb/lp0");
            (PrinterName::new(printer), unit(serial).unit().unwrap_or_else(place))
        };
        let units: Vec<_> = units.iter().map(remembered).collect();
        let found = find(Path::new("/dev/usb/lp0"), &files, &beside, &PrinterName::new("kitchen"), &units);
        assert_eq!(found, expected, "{files:?} {units:?}");
    }

    fn moved(to: &str) -> Standing {
        Standing::Moved { to: PathBuf::from("/dev/usb").join(to) }
    }

    fn of_front(serial: &str) -> Standing {
        Standing::Others { owner: PrinterName::new("front"), unit: unit(serial).unit().unwrap() }
    }

    const A: Attached<'static> = ("A", "1-1");
    const B: Attached<'static> = ("B", "1-2");

    #[test]
    fn a_printer_stays_with_its_unit_when_files_are_given_anew() {
        let known = [("kitchen", "A"), ("front", "B")];
        check(&[("lp0", A), ("lp1", B)], &known, Standing::Here);
        check(&[("lp0", B), ("lp1", A)], &known, moved("lp1"));
        // The other one is past the driver, and has no file.
        check_beside(&[B], &[("lp1", A)], &known, moved("lp1"));
        // Also where nobody knows the other one yet.
        check(&[("lp0", B), ("lp1", A)], &[("kitchen", "A")], moved("lp1"));
    }

    #[test]
    fn what_is_another_printers_is_not_taken() {
        check(&[("lp0", B)], &[("kitchen", "A"), ("front", "B")], of_front("B"));
        check(&[("lp0", B)], &[("front", "B")], of_front("B"));
        check(&[("lp0", B)], &[("kitchen", ""), ("front", "B")], of_front("B"));
    }

    #[test]
    fn a_replaced_printer_works_by_itself() {
        let by = unit("B").unit().unwrap();
        check(&[("lp0", B)], &[("kitchen", "A"), ("front", "C")], Standing::Replaced { by });
        check(&[("lp0", B)], &[], Standing::Here);
        check(&[("lp0", ("", "1-2"))], &[("kitchen", "A")], Standing::Here);
        check(&[], &[("kitchen", "A")], Standing::Here);
    }

    #[test]
    fn units_that_cannot_be_told_apart_are_found_by_their_files() {
        let (one, other) = (("0", "1-1"), ("0", "1-2"));
        let same = [("kitchen", "0"), ("front", "0")];
        check(&[("lp0", one), ("lp1", other)], &same, Standing::Here);
        check(&[("lp0", other)], &same, Standing::Here);
        check(&[("lp0", one), ("lp1", other)], &[("front", "0")], Standing::Here);
        check_beside(&[other], &[("lp0", one)], &[("front", "0")], Standing::Here);
        check(&[("lp1", one), ("lp2", other)], &same, Standing::Here);
        let none = [("lp0", ("", "1-1")), ("lp1", ("", "1-2"))];
        check(&none, &[("kitchen", ""), ("front", "")], Standing::Here);
    }

    #[test]
    fn a_unit_with_two_names_is_one() {
        check(&[("lp-own", A), ("lp0", B), ("lp1", A)], &[("kitchen", "A")], moved("lp-own"));
        check(&[("lp-own", B), ("lp0", B)], &[("front", "B")], of_front("B"));
    }
}
