//! Which slips an order becomes, and for which stations.
//!
//! Every order gives one front slip (外卖单) with everything that packing and the rider need. Where stations
//! are configured, each that has dishes of the order gets a kitchen slip (厨打单) with its dishes only. A
//! dish that maps to no station is never dropped: it goes on a kitchen slip without a station, which the
//! agent prints on the store's default printer, and is named in [`Routed::unmapped`] for an alarm.
//!
//! Pure: the same order gives the same slips with the same ids ([`TicketId::derive`]), so that routing twice
//! makes nothing twice. A kitchen slip never holds a customer's name, phone or address.

mod config;
pub mod slips;
#[cfg(test)]
mod tests;

pub use config::{EVERYTHING_ELSE, RoutingConfig, RoutingError, STATIONS_MAX, StationConfig};

use docket_protocol::document::Document;
use docket_protocol::ids::{Station, TicketId, UnixMs};
use docket_protocol::order::{Dish, Order};
use docket_protocol::ticket::{Ticket, TicketKind};
use std::collections::HashMap;

/// The station of dishes that map nowhere: no station's name, so the store's default printer.
pub const UNMAPPED_STATION: &str = "";

/// The rules in force.
#[derive(Debug, Clone)]
pub struct Routing {
    front: Station,
    /// In the order of the configuration, which is the order of the slips.
    stations: Vec<Station>,
    /// From a dish's code or name to its place in `stations`.
    by_dish: HashMap<String, usize>,
    /// The place of the station that takes everything else.
    rest: Option<usize>,
}

/// What an order becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routed {
    /// The front slip first, then the stations' in the order of the configuration.
    pub tickets: Vec<Ticket>,
    /// Dishes that map to no station, as people know them; empty where no stations are configured.
    pub unmapped: Vec<String>,
}

/// A station and its part of an order.
struct Share<'a> {
    station: Station,
    dishes: Vec<&'a Dish>,
}

impl Routing {
    /// The rules of a configuration.
    pub fn new(config: RoutingConfig) -> Result<Self, RoutingError> {
        config.check()?;
        let mut by_dish = HashMap::new();
        let mut rest = None;
        for (place, station) in config.stations.iter().enumerate() {
            for dish in &station.dishes {
                if dish == EVERYTHING_ELSE {
                    rest = Some(place);
                } else {
                    by_dish.insert(dish.clone(), place);
                }
            }
        }
        let stations = config.stations.into_iter().map(|station| Station::new(station.name)).collect();
        Ok(Self { front: Station::new(config.front_station), stations, by_dish, rest })
    }

    /// The slips of a paid order. `revision` is 0 but for an order that came again with more in it.
    pub fn tickets(&self, order: &Order, store_name: &str, made_at: UnixMs, revision: u32) -> Routed {
        let (shares, unmapped) = self.shares(order);
        let title = slips::title(order);
        let front = slips::front(order, store_name);
        let mut tickets =
            vec![ticket(order, TicketKind::Front, &self.front, revision, &title, made_at, front)];
        for share in shares {
            let slip = slips::kitchen(order, &share.station, &share.dishes);
            tickets.push(ticket(order, TicketKind::Kitchen, &share.station, revision, &title, made_at, slip));
        }
        Routed { tickets, unmapped }
    }

    /// The slips (催菜单) of a reminder. `revision` tells one reminder of an order from the next.
    pub fn urge_tickets(
        &self,
        order: &Order,
        store_name: &str,
        made_at: UnixMs,
        revision: u32,
    ) -> Vec<Ticket> {
        self.follow_up(order, TicketKind::Urge, made_at, revision, |station, dishes| {
            slips::urge(order, store_name, station, dishes)
        })
    }

    /// The slips (退菜单) of a cancellation. `reason` is what is said of it; it may be empty.
    pub fn cancel_tickets(
        &self,
        order: &Order,
        store_name: &str,
        made_at: UnixMs,
        revision: u32,
        reason: &str,
    ) -> Vec<Ticket> {
        self.follow_up(order, TicketKind::Cancel, made_at, revision, |station, dishes| {
            slips::cancel(order, store_name, station, dishes, reason)
        })
    }

    /// Slips to everyone who got the order: the front with all dishes, each station with its own.
    fn follow_up(
        &self,
        order: &Order,
        kind: TicketKind,
        made_at: UnixMs,
        revision: u32,
        slip: impl Fn(&Station, &[&Dish]) -> Document,
    ) -> Vec<Ticket> {
        let title = format!("{}{}", slips::prefix(kind), slips::title(order));
        let all = Share { station: self.front.clone(), dishes: order.dishes.iter().collect() };
        let mut shares = vec![all];
        for share in self.shares(order).0 {
            // A station that is the front as well has it all on that slip; the ids would be the same.
            if share.station != self.front {
                shares.push(share);
            }
        }
        let make = |share: Share<'_>| {
            let document = slip(&share.station, &share.dishes);
            ticket(order, kind, &share.station, revision, &title, made_at, document)
        };
        shares.into_iter().map(make).collect()
    }

    /// The stations that have dishes of this order, and the labels of the dishes that map nowhere.
    fn shares<'a>(&self, order: &'a Order) -> (Vec<Share<'a>>, Vec<String>) {
        if self.stations.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let mut lots: Vec<Vec<&Dish>> = vec![Vec::new(); self.stations.len()];
        let mut lost = Vec::new();
        for dish in &order.dishes {
            match self.place(dish) {
                Some(place) => lots[place].push(dish),
                None => lost.push(dish),
            }
        }
        let unmapped = lost.iter().map(|dish| label(dish)).collect();
        let stations = self.stations.iter().cloned().chain([Station::new(UNMAPPED_STATION)]);
        let shares = stations
            .zip(lots.into_iter().chain([lost]))
            .filter(|(_, dishes)| !dishes.is_empty())
            .map(|(station, dishes)| Share { station, dishes })
            .collect();
        (shares, unmapped)
    }

    /// A dish's station: by its code, else by its name, else the one that takes everything else.
    fn place(&self, dish: &Dish) -> Option<usize> {
        self.by_dish.get(&dish.code).or_else(|| self.by_dish.get(&dish.name)).copied().or(self.rest)
    }
}

/// A dish for people: `红烧牛肉面 [F1001]`.
fn label(dish: &Dish) -> String {
    if dish.code.is_empty() { dish.name.clone() } else { format!("{} [{}]", dish.name, dish.code) }
}

fn ticket(
    order: &Order,
    kind: TicketKind,
    station: &Station,
    revision: u32,
    title: &str,
    made_at: UnixMs,
    document: Document,
) -> Ticket {
    Ticket {
        id: TicketId::derive(&order.key, kind, station, revision),
        order: order.key.clone(),
        kind,
        station: station.clone(),
        title: title.to_owned(),
        made_at,
        maybe_printed: false,
        // What is being made now cannot wait behind what will be.
        urgent: matches!(kind, TicketKind::Urge | TicketKind::Cancel),
        copies: 1,
        expires_at: None,
        document,
    }
}
