//! Which slips an order becomes: kinds, stations, ids and what is said of them in a queue. How they look is the
//! templates' business.

use super::rules::{Lot, Rule, Rules};
use crate::templates::{Rendered, Templates};
use docket_paper::template::{Part, Slip, TemplateError, TemplateKind};
use docket_protocol::document::Document;
use docket_protocol::ids::{Station, TicketId, UnixMs};
use docket_protocol::order::{Dish, Order};
use docket_protocol::ticket::Ticket;

/// Labels of one order and station at most. More pieces (a typing error, a wedding) get one label a line.
pub const LABELS_MAX: u32 = 200;
const MINUTE_MS: i64 = 60_000;

/// An order in a few words, without personal data: `美团外卖 #17`.
pub fn title(order: &Order) -> String {
    format!("{} #{}", order.key.platform.title(), order.pickup_number)
}

/// A dish for people: `红烧牛肉面 [F1001]`.
pub(super) fn label(dish: &Dish) -> String {
    if dish.code.is_empty() { dish.name.clone() } else { format!("{} [{}]", dish.name, dish.code) }
}

/// Makes the tickets of one event of an order.
pub(super) struct Maker<'a> {
    pub(super) rules: &'a Rules,
    pub(super) templates: &'a Templates,
    pub(super) order: &'a Order,
    pub(super) store: &'a str,
    pub(super) made_at: UnixMs,
    pub(super) revision: u32,
    pub(super) tickets: Vec<Ticket>,
    pub(super) failures: Vec<TemplateError>,
}

impl<'a> Maker<'a> {
    /// Whether one of the slips so far is for this station.
    pub(super) fn reaches(&self, station: &Station) -> bool {
        self.tickets.iter().any(|ticket| ticket.station == *station)
    }

    /// One slip with all dishes of the order.
    pub(super) fn whole(&mut self, kind: TemplateKind, station: &Station, rule: &Rule, reason: &str) {
        let parts = [Part { station: "", dishes: self.order.dishes.iter().collect() }];
        self.push(kind, station, rule, &parts, reason, None);
    }

    /// What a station is told of a new order.
    pub(super) fn station(&mut self, lot: &Lot<'a>) {
        match lot.rule {
            rule if rule.labels => self.labels(lot),
            rule if rule.by_dish => {
                let pieces = u32::try_from(lot.dishes.len()).unwrap_or(u32::MAX);
                for (piece, &(place, dish)) in (1..).zip(&lot.dishes) {
                    let parts = [Part { station: "", dishes: vec![dish] }];
                    let part = Some((place, piece, pieces));
                    self.push(TemplateKind::Dish, &rule.station, rule, &parts, "", part);
                }
            }
            rule => self.push(TemplateKind::Kitchen, &rule.station, rule, &self.parts(lot), "", None),
        }
    }

    /// What a station is told that has been told of the order before.
    pub(super) fn follow_up(&mut self, kind: TemplateKind, lot: &Lot<'a>, reason: &str) {
        self.push(
            kind,
            &lot.rule.station,
            &Rule::follow_up(&lot.rule.station),
            &self.parts(lot),
            reason,
            None,
        );
    }

    /// A label for each piece, numbered through all of the station's.
    fn labels(&mut self, lot: &Lot<'a>) {
        let count = lot.dishes.iter().fold(0_u32, |sum, (_, dish)| sum.saturating_add(dish.quantity.max(1)));
        let each = count <= LABELS_MAX;
        let lines = u32::try_from(lot.dishes.len()).unwrap_or(u32::MAX);
        let pieces = if each { count } else { lines };
        let mut piece = 0;
        for &(_, dish) in &lot.dishes {
            let one = Dish { quantity: 1, ..dish.clone() };
            let (repeats, shown) = if each { (dish.quantity.max(1), &one) } else { (1, dish) };
            for _ in 0..repeats {
                piece += 1;
                let parts = [Part { station: "", dishes: vec![shown] }];
                let part = Some((piece, piece, pieces));
                self.push(TemplateKind::Label, &lot.rule.station, lot.rule, &parts, "", part);
            }
        }
    }

    /// The dishes of a slip by station: one part, but where several stations share it.
    fn parts(&self, lot: &Lot<'a>) -> Vec<Part<'a>> {
        let parts = self.rules.by_station(lot).into_iter();
        parts.map(|(station, dishes)| Part { station, dishes }).collect()
    }

    /// One ticket. `part` is (which of the tickets of this kind and station, which piece, of how many).
    fn push(
        &mut self,
        kind: TemplateKind,
        station: &Station,
        rule: &Rule,
        parts: &[Part<'_>],
        reason: &str,
        part: Option<(u32, u32, u32)>,
    ) {
        let order = self.order;
        let slip = Slip {
            kind,
            order,
            store: self.store,
            station: station.as_str(),
            parts,
            made_at: self.made_at,
            reason,
            table: order.fulfilment.table(),
            piece: part.map_or((1, 1), |(_, piece, pieces)| (piece, pieces)),
        };
        let Rendered { document, failure } = self.templates.render(&slip);
        if let Some(failure) = failure
            && !self.failures.contains(&failure)
        {
            self.failures.push(failure);
        }
        let mut title = format!("{}{}", kind.prefix(), title(order));
        if let (Some((_, piece, pieces)), Some(dish)) =
            (part, parts.first().and_then(|part| part.dishes.first()))
        {
            title.push_str(&format!(" {} {piece}/{pieces}", dish.name));
        }
        let id = match part {
            Some((part, ..)) => {
                TicketId::derive_part(&order.key, kind.ticket(), station, part, self.revision)
            }
            None => TicketId::derive(&order.key, kind.ticket(), station, self.revision),
        };
        self.tickets.push(self.ticket(id, &slip, station, rule, title, document));
    }

    fn ticket(
        &self,
        id: TicketId,
        slip: &Slip<'_>,
        station: &Station,
        rule: &Rule,
        title: String,
        document: Document,
    ) -> Ticket {
        // What was ordered for later is of use until then.
        let from = self.order.wanted_at.map_or(self.made_at, |wanted| wanted.max(self.made_at));
        let expiry = |minutes: u32| UnixMs(from.0.saturating_add(i64::from(minutes) * MINUTE_MS));
        Ticket {
            id,
            order: self.order.key.clone(),
            kind: slip.kind.ticket(),
            station: station.clone(),
            title,
            made_at: self.made_at,
            maybe_printed: false,
            urgent: rule.urgent,
            copies: rule.copies,
            expires_at: rule.expires_after_min.map(expiry),
            document,
        }
    }
}
