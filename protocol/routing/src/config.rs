//! Routing as a chain writes it.
//!
//! ```toml
//! [routing]
//! front_station = "front"
//!
//! [[routing.stations]]
//! name = "bar"
//! dishes = ["F2001", "可乐"]      # by code or by name, exactly
//!
//! [[routing.stations]]
//! name = "kitchen"
//! dishes = ["*"]                  # everything that is mapped nowhere else
//! slip = "dish"                   # one slip a dish (一菜一单); "station" is the default
//! copies = 2
//! urgent = true                   # before other slips of the printer
//! expires_after_min = 120         # not printed by then, it waits for a person
//!
//! [[routing.stations]]
//! name = "cups"
//! dishes = ["*"]
//! labels = true                   # a label a piece; a dish may have a label and a slip
//! ```
//!
//! Stations with `merge = true` share one slip, at the first of them.

use docket_protocol::ticket::COPIES_MAX;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use thiserror::Error;

/// In a station's dishes: everything that is mapped nowhere else.
pub const EVERYTHING_ELSE: &str = "*";
/// The most stations; more in one store is a mistake.
pub const STATIONS_MAX: usize = 32;
/// The longest name of a station, in characters.
const STATION_NAME_CHARS_MAX: usize = 64;
/// The longest time after which a slip is of no more use: a week.
const EXPIRY_MIN_MAX: u32 = 7 * 24 * 60;

/// How orders become slips.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoutingConfig {
    /// The stations with slips of their own; without any, an order is its front slip only.
    pub stations: Vec<StationConfig>,
    /// The station of the front slip.
    pub front_station: String,
    /// How often the front slip is printed.
    pub front_copies: u8,
    /// Where an order for later is announced with a slip of its own (预订单).
    pub booking_station: Option<String>,
}

impl Default for RoutingConfig {
    fn default() -> Self {
        Self { stations: Vec::new(), front_station: "front".into(), front_copies: 1, booking_station: None }
    }
}

/// A station.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StationConfig {
    /// Its name, which each store's agent maps to a printer.
    pub name: String,
    /// What it makes: codes or names of dishes, or [`EVERYTHING_ELSE`].
    pub dishes: Vec<String>,
    /// How its dishes are split on slips.
    #[serde(default)]
    pub slip: SlipBy,
    /// It gets a label a piece, and no slip.
    #[serde(default)]
    pub labels: bool,
    /// It shares one slip with the other stations that have this, at the first of them.
    #[serde(default)]
    pub merge: bool,
    /// How often each slip is printed.
    #[serde(default = "one")]
    pub copies: u8,
    /// Its slips go before others. Reminders and cancellations do anyway.
    #[serde(default)]
    pub urgent: bool,
    /// After so many minutes a slip that has not begun waits for a person; for an order for later, so many
    /// after its time.
    #[serde(default)]
    pub expires_after_min: Option<u32>,
}

/// How a station's dishes are split on slips.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SlipBy {
    /// All on one.
    #[default]
    Station,
    /// One for each dish: 一菜一单.
    Dish,
}

fn one() -> u8 {
    1
}

/// Why a configuration cannot be worked with.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RoutingError {
    /// A name that is blank, too long or holds control characters.
    #[error("`{name}` cannot be the name of a station")]
    StationName {
        /// The name, control characters escaped.
        name: String,
    },
    /// Two stations of the same name.
    #[error("station `{name}` is configured twice")]
    StationTwice {
        /// The name.
        name: String,
    },
    /// A dish that two stations would make.
    #[error("dish `{dish}` is mapped twice, again to station `{station}`")]
    DishTwice {
        /// The dish's code or name.
        dish: String,
        /// The second station.
        station: String,
    },
    /// A dish without code and name.
    #[error("station `{station}` has a blank dish")]
    BlankDish {
        /// The station.
        station: String,
    },
    /// Too many stations.
    #[error("{count} stations, at most {STATIONS_MAX} are taken")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// Copies that nobody needs, or none.
    #[error("station `{station}`: {copies} copies, 1 to {COPIES_MAX} are taken")]
    Copies {
        /// The station.
        station: String,
        /// How many.
        copies: u8,
    },
    /// Slips that would expire at once, or never.
    #[error("station `{station}`: expires after {minutes} minutes, 1 to {EXPIRY_MIN_MAX} are taken")]
    Expiry {
        /// The station.
        station: String,
        /// After how many minutes.
        minutes: u32,
    },
    /// Options that exclude each other.
    #[error("station `{station}`: `labels`, `merge` and `slip = \"dish\"` exclude each other")]
    Contradiction {
        /// The station.
        station: String,
    },
}

impl RoutingError {
    /// The code that logs and interfaces show.
    pub fn code(&self) -> &'static str {
        match self {
            RoutingError::StationName { .. } => "routing-station-name",
            RoutingError::StationTwice { .. } => "routing-station-twice",
            RoutingError::DishTwice { .. } => "routing-dish-twice",
            RoutingError::BlankDish { .. } => "routing-dish-blank",
            RoutingError::TooMany { .. } => "routing-stations-too-many",
            RoutingError::Copies { .. } => "routing-copies",
            RoutingError::Expiry { .. } => "routing-expiry",
            RoutingError::Contradiction { .. } => "routing-contradiction",
        }
    }

    /// What it is and what to do, for people: (zh-CN, en).
    pub fn remedy(&self) -> (&'static str, &'static str) {
        match self {
            RoutingError::StationName { .. } | RoutingError::StationTwice { .. } => (
                "档口名称为空、过长或重复:请修改配置文件 [routing]",
                "a station's name is blank, too long or used twice: mend [routing] in the configuration",
            ),
            RoutingError::DishTwice { .. } | RoutingError::BlankDish { .. } => (
                "同一菜品分给了两个档口,或菜品为空:请修改配置文件 [routing]",
                "a dish is mapped twice or blank: mend [routing] in the configuration",
            ),
            RoutingError::TooMany { .. } => (
                "档口过多:请减少配置文件 [routing] 中的档口",
                "too many stations: remove some from [routing]",
            ),
            RoutingError::Copies { .. } | RoutingError::Expiry { .. } => (
                "份数或过期时间不在范围内:请修改配置文件 [routing]",
                "copies or expiry out of range: mend [routing] in the configuration",
            ),
            RoutingError::Contradiction { .. } => (
                "labels、merge、slip = \"dish\" 只能选一个:请修改配置文件 [routing]",
                "choose one of labels, merge and slip = \"dish\" in [routing]",
            ),
        }
    }
}

impl RoutingConfig {
    /// Whether it can be worked with.
    pub fn check(&self) -> Result<(), RoutingError> {
        let count = self.stations.len();
        if count > STATIONS_MAX {
            return Err(RoutingError::TooMany { count });
        }
        check_name(&self.front_station)?;
        self.booking_station.as_deref().map_or(Ok(()), check_name)?;
        check_copies(&self.front_station, self.front_copies)?;
        // A dish may have a station that makes it and one that labels it.
        let (mut names, mut made, mut labelled) = (HashSet::new(), HashSet::new(), HashSet::new());
        for station in &self.stations {
            check_name(&station.name)?;
            let name = || station.name.clone();
            if !names.insert(&station.name) {
                return Err(RoutingError::StationTwice { name: name() });
            }
            station.check_options()?;
            let dishes = if station.labels { &mut labelled } else { &mut made };
            for dish in &station.dishes {
                if dish.trim().is_empty() {
                    return Err(RoutingError::BlankDish { station: name() });
                }
                if !dishes.insert(dish) {
                    return Err(RoutingError::DishTwice { dish: dish.clone(), station: name() });
                }
            }
        }
        Ok(())
    }
}

impl StationConfig {
    fn check_options(&self) -> Result<(), RoutingError> {
        check_copies(&self.name, self.copies)?;
        if let Some(minutes) =
            self.expires_after_min.filter(|minutes| !(1..=EXPIRY_MIN_MAX).contains(minutes))
        {
            return Err(RoutingError::Expiry { station: self.name.clone(), minutes });
        }
        let chosen = [self.labels, self.merge, self.slip == SlipBy::Dish];
        match chosen.into_iter().filter(|&chosen| chosen).count() {
            0 | 1 => Ok(()),
            _ => Err(RoutingError::Contradiction { station: self.name.clone() }),
        }
    }
}

fn check_copies(station: &str, copies: u8) -> Result<(), RoutingError> {
    match copies {
        1..=COPIES_MAX => Ok(()),
        _ => Err(RoutingError::Copies { station: station.to_owned(), copies }),
    }
}

/// A ticket's id is derived from a line with tabs that holds this name: it may hold none itself.
fn check_name(name: &str) -> Result<(), RoutingError> {
    let fits = !name.trim().is_empty()
        && name.chars().count() <= STATION_NAME_CHARS_MAX
        && !name.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(RoutingError::StationName { name: name.escape_debug().to_string() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(toml: &str) -> Result<(), RoutingError> {
        toml::from_str::<RoutingConfig>(toml).unwrap().check()
    }

    #[test]
    fn defaults_and_unknown_fields() {
        let config: RoutingConfig = toml::from_str("").unwrap();
        assert_eq!((config.front_station.as_str(), config.stations.len()), ("front", 0));
        assert!(toml::from_str::<RoutingConfig>("fornt_station = \"x\"").is_err());
        assert!(toml::from_str::<RoutingConfig>("stations = [{ name = \"a\", dish = [] }]").is_err());
    }

    #[test]
    fn mistakes_are_named() {
        let code = |toml: &str| check(toml).err().map(|error| error.code());
        assert_eq!(code("stations = [{ name = 'a', dishes = ['*', 'F1'] }]"), None);
        assert_eq!(code("stations = [{ name = ' ', dishes = [] }]"), Some("routing-station-name"));
        assert_eq!(code("front_station = \"a\\tb\""), Some("routing-station-name"));
        let twice = "stations = [{ name = 'a', dishes = [] }, { name = 'a', dishes = [] }]";
        assert_eq!(code(twice), Some("routing-station-twice"));
        let twice = "stations = [{ name = 'a', dishes = ['*'] }, { name = 'b', dishes = ['*'] }]";
        assert_eq!(code(twice), Some("routing-dish-twice"));
        assert_eq!(code("stations = [{ name = 'a', dishes = [''] }]"), Some("routing-dish-blank"));
        let station =
            |options: &str| code(&format!("stations = [{{ name = 'a', dishes = ['x'], {options} }}]"));
        assert_eq!(station("copies = 9, urgent = true, expires_after_min = 1, slip = 'dish'"), None);
        assert_eq!(station("copies = 0"), Some("routing-copies"));
        assert_eq!(station("copies = 10"), Some("routing-copies"));
        assert_eq!(code("front_copies = 0"), Some("routing-copies"));
        assert_eq!(station("expires_after_min = 0"), Some("routing-expiry"));
        assert_eq!(station("expires_after_min = 10081"), Some("routing-expiry"));
        assert_eq!(station("labels = true, merge = true"), Some("routing-contradiction"));
        assert_eq!(station("slip = 'dish', merge = true"), Some("routing-contradiction"));
        assert_eq!(code("booking_station = ''"), Some("routing-station-name"));
        let both =
            "stations = [{ name = 'a', dishes = ['*'] }, { name = 'b', dishes = ['*'], labels = true }]";
        assert_eq!(code(both), None, "a dish may have a slip and a label");
    }
}
