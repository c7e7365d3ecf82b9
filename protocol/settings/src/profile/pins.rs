//! What a person has decided about a unit: `[printer.profile]` in the configuration.

use super::models::{MODELS, Model};
use super::{Profile, Queries, Source, Transmit};
use serde::{Deserialize, Serialize};

/// `[printer.profile]`: what is written here beats what the unit shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Pins {
    /// Its model, by its name in [`MODELS`]: what is documented of that is assumed until the unit shows otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The fence to be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<FencePin>,
    /// Whether it answers real-time queries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusPin>,
    /// Whether it keeps what follows ESC @ in the same write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_keeps: Option<bool>,
    /// Whether it has a cutter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cutter: Option<bool>,
    /// Whether it makes QR codes by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qr: Option<bool>,
    /// Whether it makes bar codes by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barcode: Option<bool>,
    /// Whether it has a buzzer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buzzer: Option<bool>,
    /// Whether it has a Chinese font, and FS & turns it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chinese: Option<bool>,
    /// Whether FS ! sets the size of Chinese characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kanji_size: Option<bool>,
}

/// The fence to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FencePin {
    /// GS ( H.
    GsH,
    /// GS r 1, and that it is answered in order is not doubted.
    GsR,
    /// None: nothing is asked that must be answered in order.
    None,
}

/// Which real-time queries it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatusPin {
    /// DLE EOT 1 to 4.
    All,
    /// None: it gets tickets without a word of its own.
    None,
}

impl Pins {
    /// What is known of a unit before anything is asked. `usb`: its vendor and product ids, where it has some;
    /// `probed`: what the spool has kept of it.
    pub fn profile(&self, usb: Option<(u16, u16)>, probed: &str) -> Profile {
        let mut profile = Profile::default();
        let named = self.model.as_deref().and_then(Model::by_name);
        let model = named.or_else(|| usb.and_then(|(vendor, product)| super::by_usb_ids(vendor, product)));
        if let Some(model) = model {
            model.document(&mut profile);
        }
        profile.take_words(probed);
        self.pin(&mut profile);
        profile
    }

    /// What is wrong with it, for people: (zh-CN, en). `None` where it is in order.
    pub fn refusal(&self) -> Option<(String, String)> {
        let name = self.model.as_deref().filter(|name| Model::by_name(name).is_none())?;
        let known: Vec<&str> = MODELS.iter().map(|model| model.name).collect();
        let known = known.join(", ");
        Some((
            format!("不认识型号 {name:?}:不写,或写其中一个:{known}"),
            format!("model {name:?} is not known; leave it out or take one of: {known}"),
        ))
    }

    fn pin(&self, profile: &mut Profile) {
        if let Some(fence) = self.fence {
            let (process, transmit) = match fence {
                FencePin::GsH => (true, Transmit::No),
                FencePin::GsR => (false, Transmit::InOrder),
                FencePin::None => (false, Transmit::No),
            };
            profile.process.take(process, Source::Pinned);
            profile.transmit.take(transmit, Source::Pinned);
        }
        if let Some(status) = self.status {
            let queries = match status {
                StatusPin::All => Queries::ALL,
                StatusPin::None => Queries::NONE,
            };
            profile.status.take(queries, Source::Pinned);
        }
        let flags = [
            (&mut profile.init_keeps, self.init_keeps),
            (&mut profile.cutter, self.cutter),
            (&mut profile.qr, self.qr),
            (&mut profile.barcode, self.barcode),
            (&mut profile.buzzer, self.buzzer),
            (&mut profile.chinese, self.chinese),
            (&mut profile.kanji_size, self.kanji_size),
        ];
        for (fact, pin) in flags {
            if let Some(value) = pin {
                fact.take(value, Source::Pinned);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::FenceKind;
    use super::*;

    fn pins(text: &str) -> Result<Pins, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn what_is_pinned_beats_what_was_probed() {
        let pins = pins("fence = \"gs-r\"\nstatus = \"none\"\ncutter = false").unwrap();
        let profile = pins.profile(None, "status=1234 gs-h=yes");
        assert_eq!(profile.fence(), Some(FenceKind::Transmit));
        assert!(!profile.answers_status() && !profile.cutter.value && !profile.wants_fence_probe());
        let none = Pins { fence: Some(FencePin::None), ..Pins::default() };
        assert_eq!(none.profile(None, "gs-h=yes gs-r=in-order").fence(), None);
    }

    #[test]
    fn the_model_comes_from_a_person_or_from_usb_ids() {
        let usb = Some((0x0416, 0x5011));
        assert_eq!(Pins::default().profile(usb, "").model, Model::by_name("generic-58"));
        let named = pins("model = \"generic-80\"").unwrap();
        assert_eq!(named.profile(usb, "").model, Model::by_name("generic-80"));
        assert_eq!(Pins::default().profile(None, ""), Profile::default());
    }

    #[test]
    fn what_is_not_known_is_refused() {
        assert!(pins("fence = \"gs-x\"").is_err());
        assert!(pins("fences = \"gs-h\"").is_err());
        let refusal = pins("model = \"tm-1000\"").unwrap().refusal().unwrap().1;
        assert!(refusal.contains("tm-1000") && refusal.contains("epson-tm-t88v"), "{refusal}");
        assert_eq!(pins("model = \"epson-tm\"").unwrap().refusal(), None);
    }
}
