//! What is documented of common models.
//!
//! A few, and only what their makers' documents or measurements on them say; what is not said stays unverified. The
//! probe finds out the rest, and is believed more than this table.

use super::{Fact, Profile, Queries, Source, Transmit};

/// A model of which something is documented.
#[derive(Debug, PartialEq, Eq)]
pub struct Model {
    /// As the configuration names it.
    pub name: &'static str,
    /// USB vendor and product ids. Makers of clones use those of their chips, so several models may share one; then
    /// the entry says only what all of them have.
    usb: &'static [(u16, u16)],
    status: Option<Queries>,
    automatic: Option<bool>,
    process: Option<bool>,
    transmit: Option<Transmit>,
    cutter: Option<bool>,
    qr: Option<bool>,
    dots: Option<u16>,
}

const UNSAID: Model = Model {
    name: "",
    usb: &[],
    status: None,
    automatic: None,
    process: None,
    transmit: None,
    cutter: None,
    qr: None,
    dots: None,
};

/// Epson's command reference lists all of these for its receipt printers.
const EPSON: Model = Model {
    status: Some(Queries::ALL),
    automatic: Some(true),
    transmit: Some(Transmit::InOrder),
    cutter: Some(true),
    qr: Some(true),
    ..UNSAID
};

/// The models that the configuration may name.
pub const MODELS: &[Model] = &[
    Model { name: "epson-tm-t88v", process: Some(true), dots: Some(512), ..EPSON },
    Model { name: "epson-tm-t88vi", process: Some(true), dots: Some(512), ..EPSON },
    Model { name: "epson-tm-t20ii", usb: &[(0x04B8, 0x0E15)], dots: Some(576), ..EPSON },
    Model { name: "epson-tm-t20iii", usb: &[(0x04B8, 0x0E28)], dots: Some(576), ..EPSON },
    Model { name: "epson-tm-t82iii", dots: Some(576), ..EPSON },
    // Epson's interface card, in whatever of its printers.
    Model { name: "epson-tm", usb: &[(0x04B8, 0x0202)], cutter: None, qr: None, ..EPSON },
    // Measured over LAN (`GS I` names another maker).
    Model {
        name: "xprinter-xp-s260m",
        status: Some(Queries::ALL),
        process: Some(true),
        transmit: Some(Transmit::Answers),
        cutter: Some(true),
        dots: Some(576),
        ..UNSAID
    },
    Model { name: "generic-80", cutter: Some(true), dots: Some(576), ..UNSAID },
    Model { name: "generic-58", usb: &[(0x0416, 0x5011)], cutter: Some(false), dots: Some(384), ..UNSAID },
];

impl Model {
    /// By its name in the configuration.
    pub fn by_name(name: &str) -> Option<&'static Model> {
        MODELS.iter().find(|model| model.name == name)
    }

    /// Takes what is documented into a profile.
    pub(super) fn document(&'static self, profile: &mut Profile) {
        profile.model = Some(self);
        document(&mut profile.status, self.status);
        document(&mut profile.automatic, self.automatic);
        document(&mut profile.process, self.process);
        document(&mut profile.transmit, self.transmit);
        document(&mut profile.cutter, self.cutter);
        document(&mut profile.qr, self.qr);
        document(&mut profile.dots, self.dots);
    }
}

fn document<T: Copy + PartialEq>(fact: &mut Fact<T>, value: Option<T>) {
    if let Some(value) = value {
        fact.take(value, Source::Documented);
    }
}

/// The model with these USB ids.
pub fn by_usb_ids(vendor: u16, product: u16) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.usb.contains(&(vendor, product)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_usb_ids_name_one_model() {
        for (place, model) in MODELS.iter().enumerate() {
            assert_eq!(Model::by_name(model.name), Some(model));
            for &(vendor, product) in model.usb {
                assert_eq!(by_usb_ids(vendor, product), Some(&MODELS[place]));
            }
        }
        assert_eq!((Model::by_name(""), by_usb_ids(0, 0)), (None, None));
    }

    #[test]
    fn what_is_documented_is_less_than_what_was_probed() {
        let mut profile = Profile::default();
        profile.process.observe(false);
        let model = Model::by_name("epson-tm-t88v").unwrap();
        model.document(&mut profile);
        assert!(!profile.process.value && profile.process.source == Source::Probed);
        assert_eq!(profile.transmit, Fact { value: Transmit::InOrder, source: Source::Documented });
        assert_eq!(profile.fence(), None, "a document is no proof of what this unit does");
    }
}
