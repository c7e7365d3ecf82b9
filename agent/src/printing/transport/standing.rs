//! Where a printer's unit is, when the printer is written as a file of the kernel's driver.
//!
//! The kernel gives `/dev/usb/lp0` to whichever printer it meets first, so after a reboot the kitchen's file may be the
//! one in front, and the kitchen's tickets would come out there with good fences. A printer is therefore the unit that
//! it had last, as the spool remembers it, and its file is where to look first. A unit that nobody knows is taken: a
//! broken printer is replaced by plugging another one in. One that another printer is written as, by its serial number or
//! its socket, is that one's from the beginning, whoever had it last.
//!
//! Units without a serial number, or with that of another one, cannot be told apart: for them the file decides.
//!
//! # What was rejected
//! Writing the serial number into the configuration: a replaced printer would wait for a person. To refuse every unit
//! but the remembered one: the same.

use super::{UsbPlugged, UsbUnit};
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
        /// Which, as in [`super::UsbIdentity::unit`], or its model where it has no number.
        unit: String,
    },
}

/// Looks for the unit of `printer`, which is written as `path`. `files`: the driver's
/// ([`super::usb_class::files`]). `plugged`: every printer, those past the driver too ([`super::usb::plugged_in`]).
/// `units`: which unit each printer had last. `written`: as which units other printers are written.
pub fn find(
    path: &Path,
    files: &[(PathBuf, Option<UsbPlugged>)],
    plugged: &[UsbPlugged],
    printer: &PrinterName,
    units: &[(PrinterName, String)],
    written: &[(PrinterName, UsbUnit)],
) -> Standing {
    let with_file = || files.iter().filter_map(|(file, plugged)| Some((file, plugged.as_ref()?)));
    // A socket, not a file, is one printer: a file may have a second name that a person gave it.
    let is_single = |is: &dyn Fn(&UsbPlugged) -> bool| {
        let all = with_file().map(|(_, printer)| printer).chain(plugged);
        let ports: BTreeSet<&str> =
            all.filter(|printer| is(printer)).map(|printer| printer.port.as_str()).collect();
        ports.len() == 1
    };
    let is = |printer: &UsbPlugged, unit: &String| printer.identity.unit().as_ref() == Some(unit);
    let is_single_unit = |unit: &String| is_single(&|printer| is(printer, unit));
    let written_as = |there: &UsbPlugged| {
        let mut meant = written.iter().filter(|(_, unit)| there.is(unit));
        meant.find(|(_, unit)| is_single(&|printer| printer.is(unit))).map(|(owner, _)| owner)
    };
    let there = with_file().find(|(file, _)| *file == path).map(|(_, there)| there);
    let unit = there.and_then(|there| there.identity.unit());
    let written_there = there.and_then(written_as);
    let own = units.iter().find(|(owner, _)| owner == printer).map(|(_, own)| own);
    if written_there.is_none() && own.is_some() && own == unit.as_ref() {
        return Standing::Here;
    }
    if let Some(own) = own.filter(|own| is_single_unit(own))
        && let Some((to, _)) =
            with_file().find(|(_, printer)| is(printer, own) && written_as(printer).is_none())
    {
        return Standing::Moved { to: to.clone() };
    }
    if let (Some(there), Some(owner)) = (there, written_there) {
        let unit = unit.unwrap_or_else(|| there.identity.label());
        return Standing::Others { owner: owner.clone(), unit };
    }
    let Some(unit) = unit.filter(is_single_unit) else { return Standing::Here };
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
        check_written(&[], beside, files, units, expected);
    }

    /// With others that are written as units of theirs.
    fn check_written(
        written: &[(&str, UsbUnit)],
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
        let written: Vec<_> =
            written.iter().map(|(name, unit)| (PrinterName::new(*name), unit.clone())).collect();
        let kitchen = PrinterName::new("kitchen");
        let found = find(Path::new("/dev/usb/lp0"), &files, &beside, &kitchen, &units, &written);
        assert_eq!(found, expected, "{files:?} {units:?} {written:?}");
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
    fn what_another_printer_is_written_as_is_that_ones_before_it_was_ever_met() {
        let serial = [("front", UsbUnit::Serial("B".into()))];
        check_written(&serial, &[], &[("lp0", B)], &[], of_front("B"));
        check_written(&serial, &[], &[("lp0", B)], &[("kitchen", "A")], of_front("B"));
        check_written(&serial, &[], &[("lp0", B), ("lp1", A)], &[("kitchen", "A")], moved("lp1"));
        check_written(&serial, &[], &[("lp0", A), ("lp1", B)], &[], Standing::Here);
        // Also where it was this one's until somebody wrote it so.
        check_written(&serial, &[], &[("lp0", B)], &[("kitchen", "B")], of_front("B"));
        check_written(
            &serial,
            &[],
            &[("lp0", A), ("lp1", B)],
            &[("kitchen", "B")],
            Standing::Replaced { by: unit("A").unit().unwrap() },
        );
        let port = [("front", UsbUnit::Port("1-2".into()))];
        check_written(&port, &[], &[("lp0", B)], &[], of_front("B"));
        let model = Standing::Others { owner: PrinterName::new("front"), unit: "USB 04b8:0e15".into() };
        check_written(&port, &[], &[("lp0", ("", "1-2"))], &[], model);
        // Of two with that number nobody knows which is meant.
        check_written(&serial, &[("B", "1-3")], &[("lp0", B)], &[], Standing::Here);
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
