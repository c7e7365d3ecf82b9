//! Which slips an order becomes, and for which stations.
//!
//! Every order gives one front slip (外卖单) with everything that packing and the rider need. Where stations
//! are configured, each that has dishes of the order gets a kitchen slip (厨打单) with its dishes only, or one
//! for each dish, or a label for each cup; several stations may share a slip. A dish that maps to no station is
//! never dropped: it goes on a kitchen slip without a station, which the agent prints on the store's default
//! printer, and is named in [`Routed::unmapped`] for an alarm.
//!
//! The same order gives the same slips with the same ids ([`TicketId::derive`](docket_protocol::ids::TicketId)),
//! so that routing twice makes nothing twice, whatever the templates say by then.
//!
//! Pure: what the hub does with a platform's order, and an agent with one of its own counter, is decided here for both.

mod config;
#[cfg(test)]
mod options_tests;
mod rules;
pub mod slips;
pub mod templates;
#[cfg(test)]
mod tests;

pub use config::{EVERYTHING_ELSE, RoutingConfig, RoutingError, STATIONS_MAX, SlipBy, StationConfig};

use docket_paper::template::{TemplateError, TemplateKind};
use docket_protocol::ids::{Station, UnixMs};
use docket_protocol::order::Order;
use docket_protocol::ticket::Ticket;
use rules::{Rule, Rules};
use slips::Maker;
use std::sync::Arc;
use templates::Templates;

/// The station of dishes that map nowhere: no station's name, so the store's default printer.
pub const UNMAPPED_STATION: &str = "";

/// The rules in force.
#[derive(Debug, Clone)]
pub struct Routing {
    front: Rule,
    /// Where orders for later are announced.
    booking: Option<Station>,
    rules: Rules,
    templates: Arc<Templates>,
}

/// What an order becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routed {
    /// The front slip first, then the stations' in the order of the configuration.
    pub tickets: Vec<Ticket>,
    /// Dishes that map to no station, as people know them; empty where no stations are configured.
    pub unmapped: Vec<String>,
    /// A chain's templates that did not do for this order. The slips are there all the same.
    pub failures: Vec<TemplateError>,
}

impl Routing {
    /// The rules of a configuration, with this program's own templates.
    pub fn new(config: RoutingConfig) -> Result<Self, RoutingError> {
        Self::with_templates(config, Arc::default())
    }

    /// The rules of a configuration.
    pub fn with_templates(config: RoutingConfig, templates: Arc<Templates>) -> Result<Self, RoutingError> {
        config.check()?;
        let front = Station::new(&config.front_station);
        Ok(Self {
            front: Rule { copies: config.front_copies, ..Rule::plain(&front) },
            booking: config.booking_station.as_ref().map(Station::new),
            rules: Rules::new(&config, UNMAPPED_STATION),
            templates,
        })
    }

    /// The slips of a paid order. `revision` is 0 but for an order that came again with more in it.
    pub fn tickets(&self, order: &Order, store_name: &str, made_at: UnixMs, revision: u32) -> Routed {
        let mut maker = self.maker(order, store_name, made_at, revision);
        let (lots, lost) = self.rules.lots(order);
        maker.whole(TemplateKind::Front, &self.front.station, &self.front, "");
        if let Some(station) = self.booking_of(order) {
            maker.whole(TemplateKind::Booking, station, &Rule::plain(station), "");
        }
        for lot in &lots {
            maker.station(lot);
        }
        let unmapped = lost.into_iter().map(slips::label).collect();
        Routed { tickets: maker.tickets, unmapped, failures: maker.failures }
    }

    /// The slips (催菜单) of a reminder. `revision` tells one reminder of an order from the next.
    pub fn urge_tickets(&self, order: &Order, store_name: &str, made_at: UnixMs, revision: u32) -> Routed {
        self.follow_up(self.maker(order, store_name, made_at, revision), TemplateKind::Urge, "")
    }

    /// The slips (退菜单) of a cancellation. `reason` is what is said of it; it may be empty.
    pub fn cancel_tickets(
        &self,
        order: &Order,
        store_name: &str,
        made_at: UnixMs,
        revision: u32,
        reason: &str,
    ) -> Routed {
        self.follow_up(self.maker(order, store_name, made_at, revision), TemplateKind::Cancel, reason)
    }

    /// Slips to everyone who got the order, before all others: the front with all dishes, each station with
    /// its own, and who was told of a booking.
    fn follow_up<'a>(&'a self, mut maker: Maker<'a>, kind: TemplateKind, reason: &str) -> Routed {
        let front = &self.front.station;
        maker.whole(kind, front, &Rule::follow_up(front), reason);
        for lot in self.rules.following(maker.order) {
            // A station that is the front as well has it all on that slip; the ids would be the same.
            if lot.rule.station != *front {
                maker.follow_up(kind, &lot, reason);
            }
        }
        if let Some(station) = self.booking_of(maker.order).filter(|station| !maker.reaches(station)) {
            maker.whole(kind, station, &Rule::follow_up(station), reason);
        }
        Routed { tickets: maker.tickets, unmapped: Vec::new(), failures: maker.failures }
    }

    /// Where this order was announced, if it is for later.
    fn booking_of(&self, order: &Order) -> Option<&Station> {
        self.booking.as_ref().filter(|_| order.wanted_at.is_some())
    }

    fn maker<'a>(&'a self, order: &'a Order, store: &'a str, made_at: UnixMs, revision: u32) -> Maker<'a> {
        Maker {
            rules: &self.rules,
            templates: &self.templates,
            order,
            store,
            made_at,
            revision,
            tickets: Vec::new(),
            failures: Vec::new(),
        }
    }
}
