//! Dishes to stations.
//!
//! A dish has at most one station that makes it, and at most one that labels it. Stations that are merged are
//! one: their slip is that of the first of them.

use super::config::{EVERYTHING_ELSE, RoutingConfig, SlipBy};
use docket_protocol::ids::Station;
use docket_protocol::order::{Dish, Order};
use std::collections::HashMap;

/// How a station's slips are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) station: Station,
    pub(super) by_dish: bool,
    pub(super) labels: bool,
    pub(super) merge: bool,
    pub(super) copies: u8,
    pub(super) urgent: bool,
    pub(super) expires_after_min: Option<u32>,
}

impl Rule {
    /// One slip, of which nothing is special.
    pub(super) fn plain(station: &Station) -> Self {
        Rule {
            station: station.clone(),
            by_dish: false,
            labels: false,
            merge: false,
            copies: 1,
            urgent: false,
            expires_after_min: None,
        }
    }

    /// One slip, at once: a cook who works on what nobody wants is a cook too few.
    pub(super) fn follow_up(station: &Station) -> Self {
        Rule { urgent: true, ..Rule::plain(station) }
    }
}

/// From a dish's code or name to a station's place.
#[derive(Debug, Clone, Default)]
struct Map {
    by_dish: HashMap<String, usize>,
    rest: Option<usize>,
}

impl Map {
    /// By its code, else by its name, else the one that takes everything else.
    fn place(&self, dish: &Dish) -> Option<usize> {
        self.by_dish.get(&dish.code).or_else(|| self.by_dish.get(&dish.name)).copied().or(self.rest)
    }
}

/// All stations.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// In the order of the configuration, which is the order of the slips; the last is for what maps nowhere.
    rules: Vec<Rule>,
    makers: Map,
    labellers: Map,
}

/// A station and its part of an order: each dish with its place in the order, from 1.
pub(super) struct Lot<'a> {
    pub(super) rule: &'a Rule,
    pub(super) dishes: Vec<(u32, &'a Dish)>,
}

impl Rules {
    /// Of a configuration that is in order. `nowhere` is the station of what maps nowhere.
    pub(super) fn new(config: &RoutingConfig, nowhere: &str) -> Self {
        let (mut makers, mut labellers) = (Map::default(), Map::default());
        let mut rules = Vec::with_capacity(config.stations.len() + 1);
        for (place, station) in config.stations.iter().enumerate() {
            let map = if station.labels { &mut labellers } else { &mut makers };
            for dish in &station.dishes {
                if dish == EVERYTHING_ELSE {
                    map.rest = Some(place);
                } else {
                    map.by_dish.insert(dish.clone(), place);
                }
            }
            rules.push(Rule {
                station: Station::new(&station.name),
                by_dish: station.slip == SlipBy::Dish,
                labels: station.labels,
                merge: station.merge,
                copies: station.copies,
                urgent: station.urgent,
                expires_after_min: station.expires_after_min,
            });
        }
        rules.push(Rule::plain(&Station::new(nowhere)));
        Rules { rules, makers, labellers }
    }

    /// The stations that have dishes of this order, and the dishes that no station has.
    pub(super) fn lots<'a>(&'a self, order: &'a Order) -> (Vec<Lot<'a>>, Vec<&'a Dish>) {
        let nowhere = self.rules.len() - 1;
        if nowhere == 0 {
            return (Vec::new(), Vec::new());
        }
        let mut lots: Vec<Vec<(u32, &Dish)>> = vec![Vec::new(); self.rules.len()];
        let mut lost = Vec::new();
        for (number, dish) in (1..).zip(&order.dishes) {
            let (made, labelled) = (self.makers.place(dish), self.labellers.place(dish));
            for place in [made.map(|place| self.slip_of(place)), labelled].into_iter().flatten() {
                lots[place].push((number, dish));
            }
            if made.is_none() && labelled.is_none() {
                lots[nowhere].push((number, dish));
                lost.push(dish);
            }
        }
        let lots = self.rules.iter().zip(lots).filter(|(_, dishes)| !dishes.is_empty());
        (lots.map(|(rule, dishes)| Lot { rule, dishes }).collect(), lost)
    }

    /// The stations that follow an order: those that only label it, only for what no other station makes.
    pub(super) fn following<'a>(&'a self, order: &'a Order) -> Vec<Lot<'a>> {
        let mut lots = self.lots(order).0;
        for lot in lots.iter_mut().filter(|lot| lot.rule.labels) {
            lot.dishes.retain(|(_, dish)| self.makers.place(dish).is_none());
        }
        lots.retain(|lot| !lot.dishes.is_empty());
        lots
    }

    /// A lot's dishes by the station that makes them, in the order of the configuration.
    pub(super) fn by_station<'a>(&'a self, lot: &Lot<'a>) -> Vec<(&'a str, Vec<&'a Dish>)> {
        let all = || lot.dishes.iter().map(|&(_, dish)| dish);
        if !lot.rule.merge {
            return vec![(lot.rule.station.as_str(), all().collect())];
        }
        let dishes_of =
            |place| all().filter(|dish| self.makers.place(dish) == Some(place)).collect::<Vec<_>>();
        let parts =
            self.rules.iter().enumerate().map(|(place, rule)| (rule.station.as_str(), dishes_of(place)));
        parts.filter(|(_, dishes)| !dishes.is_empty()).collect()
    }

    /// The place of the station whose slip has the dishes of this one.
    fn slip_of(&self, place: usize) -> usize {
        match self.rules[place].merge {
            true => self.rules.iter().position(|rule| rule.merge).unwrap_or(place),
            false => place,
        }
    }
}
