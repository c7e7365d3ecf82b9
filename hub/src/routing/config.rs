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
//! ```

use serde::Deserialize;
use std::collections::HashSet;
use thiserror::Error;

/// In a station's dishes: everything that is mapped nowhere else.
pub const EVERYTHING_ELSE: &str = "*";
/// The most stations; more in one store is a mistake.
pub const STATIONS_MAX: usize = 32;
/// The longest name of a station, in characters.
const STATION_NAME_CHARS_MAX: usize = 64;

/// How orders become slips.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoutingConfig {
    /// The stations with slips of their own; without any, an order is its front slip only.
    pub stations: Vec<StationConfig>,
    /// The station of the front slip.
    pub front_station: String,
}

impl Default for RoutingConfig {
    fn default() -> Self {
        Self { stations: Vec::new(), front_station: "front".into() }
    }
}

/// A station.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StationConfig {
    /// Its name, which each store's agent maps to a printer.
    pub name: String,
    /// What it makes: codes or names of dishes, or [`EVERYTHING_ELSE`].
    pub dishes: Vec<String>,
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
        let (mut names, mut dishes) = (HashSet::new(), HashSet::new());
        for station in &self.stations {
            check_name(&station.name)?;
            let name = || station.name.clone();
            if !names.insert(&station.name) {
                return Err(RoutingError::StationTwice { name: name() });
            }
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
    }
}
