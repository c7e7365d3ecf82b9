//! The text that people at headquarters write, for the whole chain or for one store.
//!
//! ```toml
//! [[printer]]                     # as in agent.toml
//! name = "后厨"
//! address = "192.168.1.60"
//! stations = ["kitchen"]
//!
//! [routing]                       # as in hub.toml and agent.toml
//! front_station = "front"
//!
//! [[hours]]
//! days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
//! from = "10:00"
//! to = "22:00"                    # before `from`: on the day after
//! ```
//!
//! A store's own text counts section by section: what it has of `printer`, `routing` and `hours` takes the place of the
//! chain's whole section, and what it does not mention is the chain's. Rejected: merging inside a section, with which
//! nobody could say what is in force without both texts side by side.

use crate::printer::{self, PrinterEntry};
use docket_routing::{RoutingConfig, RoutingError};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A text of more bytes is a mistake.
pub const DOCUMENT_BYTES_MAX: usize = 64 * 1024;
/// Opening times of one store.
const HOURS_MAX: usize = 32;
const MINUTES_OF_HOUR: u16 = 60;

/// What a store is set to. A section that is `None` is not said anything of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// How orders become slips.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing: Option<RoutingConfig>,
    /// The printers and their stations.
    #[serde(default, rename = "printer", skip_serializing_if = "Option::is_none")]
    pub printers: Option<Vec<PrinterEntry>>,
    /// When the store is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Vec<Hours>>,
}

/// `[[hours]]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// On these days of the week.
    pub days: Vec<Day>,
    /// From then, `HH:MM` by the store's clock.
    pub from: String,
    /// Until then; before `from`, it is on the day after.
    pub to: String,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "their names say it")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Day::Mon => "mon",
            Day::Tue => "tue",
            Day::Wed => "wed",
            Day::Thu => "thu",
            Day::Fri => "fri",
            Day::Sat => "sat",
            Day::Sun => "sun",
        }
    }
}

/// A value that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{key}: {zh} / {en}")]
pub struct Fault {
    /// Which key.
    pub key: String,
    /// Why, and what to write instead, in Chinese.
    pub zh: String,
    /// And in English.
    pub en: String,
}

impl Fault {
    pub(crate) fn new(key: impl Into<String>, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Fault { key: key.into(), zh: zh.into(), en: en.into() }
    }
}

/// Why a text is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DocumentError {
    /// It is not what is read.
    #[error("settings-syntax: {cause}按上面的行、列改正 / mend it at that line and column")]
    Syntax {
        /// Line, column and reason.
        cause: String,
    },
    /// More than [`DOCUMENT_BYTES_MAX`].
    #[error(
        "settings-too-large: {bytes} 字节,最多 / bytes, at most {DOCUMENT_BYTES_MAX}: 删掉用不着的 / remove what is not needed"
    )]
    TooLarge {
        /// How many.
        bytes: usize,
    },
    /// A value that cannot be.
    #[error("settings-value: {0}")]
    Value(Fault),
    /// Routing that cannot be worked with.
    #[error("{code}: {0}; {en} ({zh})", code = .0.code(), en = .0.remedy().1, zh = .0.remedy().0)]
    Routing(RoutingError),
}

impl Document {
    /// Reads a text and checks it as far as it goes: it may be half of what is in force.
    ///
    /// # Errors
    /// Where it is not in order; with the place.
    pub fn read(text: &str) -> Result<Self, DocumentError> {
        let bytes = text.len();
        if bytes > DOCUMENT_BYTES_MAX {
            return Err(DocumentError::TooLarge { bytes });
        }
        let document: Document =
            toml::from_str(text).map_err(|cause| DocumentError::Syntax { cause: cause.to_string() })?;
        document.check()?;
        Ok(document)
    }

    /// As it is read again.
    pub fn write(&self) -> String {
        toml::to_string(self).expect("names, numbers and lists of them can all be written as TOML")
    }

    /// This text on top of another one, section by section.
    #[must_use]
    pub fn over(self, base: Document) -> Document {
        Document {
            routing: self.routing.or(base.routing),
            printers: self.printers.or(base.printers),
            hours: self.hours.or(base.hours),
        }
    }

    fn check(&self) -> Result<(), DocumentError> {
        printer::check(self.printers.as_deref().unwrap_or_default()).map_err(DocumentError::Value)?;
        self.routing.as_ref().map_or(Ok(()), RoutingConfig::check).map_err(DocumentError::Routing)?;
        check_hours(self.hours.as_deref().unwrap_or_default()).map_err(DocumentError::Value)
    }
}

fn check_hours(hours: &[Hours]) -> Result<(), Fault> {
    if hours.len() > HOURS_MAX {
        let (zh, en) =
            (format!("[[hours]] 最多 {HOURS_MAX} 段"), format!("give up to {HOURS_MAX} [[hours]]"));
        return Err(Fault::new("hours", zh, en));
    }
    for (place, open) in hours.iter().enumerate() {
        let key = |name: &str| format!("hours {} {name}", place + 1);
        if open.days.is_empty() {
            return Err(Fault::new(key("days"), "至少写一天", "name a day at least"));
        }
        for (name, time) in [("from", &open.from), ("to", &open.to)] {
            if minutes(time).is_none() {
                let zh = format!("{time:?} 不是时间,请写成 09:30");
                return Err(Fault::new(key(name), zh, format!("{time:?} is no time, write it like 09:30")));
            }
        }
    }
    Ok(())
}

/// Minutes since midnight; 24:00 is the end of the day.
fn minutes(time: &str) -> Option<u16> {
    let two = |digits: &str| {
        let all = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        all.then(|| digits.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = time.split_once(':')?;
    let (hour, minute) = (two(hour)?, two(minute)?);
    let at = hour * MINUTES_OF_HOUR + minute;
    (minute < MINUTES_OF_HOUR && at <= 24 * MINUTES_OF_HOUR).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str, word: &str) {
        let said = Document::read(text).expect_err(text).to_string();
        assert!(said.contains(word), "{text}: {said}");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = "[[printer]]\nname = '后厨'\naddress = '192.0.2.7'\n[printer.profile]\ncutter = false\n\
                    [routing]\nstations = [{ name = 'k', dishes = ['*'], slip = 'dish' }]\n\
                    [[hours]]\ndays = ['mon', 'sun']\nfrom = '10:00'\nto = '02:00'\n";
        let document = Document::read(text).unwrap();
        assert_eq!(Document::read(&document.write()), Ok(document));
        assert_eq!(Document::read(""), Ok(Document::default()));
    }

    #[test]
    fn a_store_says_whole_sections() {
        let chain = "[routing]\nfront_station = 'a'\n[[printer]]\nname = 'p'\naddress = '192.0.2.1'\n";
        let chain = Document::read(chain).unwrap();
        let store = Document::read("[[printer]]\nname = 'q'\naddress = '192.0.2.2'\n").unwrap();
        let both = store.clone().over(chain.clone());
        assert_eq!((both.printers, both.routing), (store.printers, chain.routing));
    }

    #[test]
    fn mistakes_are_named() {
        refused("[[printers]]\n", "settings-syntax");
        refused("[[printer]]\nname = 'a'\naddress = '192.0.2.500'\n", "192.0.2.500");
        refused("[[printer]]\nname = 'a'\naddress = '192.0.2.5'\nbackup = 'b'\n", "printer a");
        refused(
            "[[printer]]\nname = 'a'\naddress = '192.0.2.5'\n[printer.profile]\nmodel = 'x'\n",
            "generic-80",
        );
        refused("[routing]\nfront_copies = 0\n", "routing-copies");
        refused("[[hours]]\ndays = ['mon']\nfrom = '9:00'\nto = '22:00'\n", "hours 1 from");
        refused("[[hours]]\ndays = []\nfrom = '09:00'\nto = '24:00'\n", "hours 1 days");
        refused(&"#".repeat(DOCUMENT_BYTES_MAX + 1), "settings-too-large");
    }
}
