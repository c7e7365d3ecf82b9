//! Slips by dish, labels, shared slips, copies, urgency and expiry.

use super::tests::{NOW, dish, order, routing};
use super::{Routed, Routing, slips};
use docket_protocol::document::Block;
use docket_protocol::ids::{TicketId, UnixMs};
use docket_protocol::order::{Dish, Order};
use docket_protocol::ticket::{Ticket, TicketKind};
use std::collections::BTreeSet;

fn tickets(routing: &Routing, order: &Order) -> Vec<Ticket> {
    let Routed { tickets, unmapped, failures } = routing.tickets(order, "店", NOW, 0);
    assert_eq!((unmapped.as_slice(), failures.as_slice()), ([].as_slice(), [].as_slice()));
    tickets
}

/// Kind, station, title without the order's.
fn seen(tickets: &[Ticket]) -> Vec<(TicketKind, &str, &str)> {
    tickets
        .iter()
        .map(|t| (t.kind, t.station.as_str(), t.title.split_once("#17").map_or("", |(_, rest)| rest.trim())))
        .collect()
}

fn says(ticket: &Ticket, text: &str) -> bool {
    ticket.document.blocks.iter().any(|block| format!("{block:?}").contains(text))
}

fn all_differ(tickets: &[Ticket]) {
    let ids: BTreeSet<TicketId> = tickets.iter().map(|ticket| ticket.id).collect();
    assert_eq!(ids.len(), tickets.len());
}

#[test]
fn one_slip_a_dish() {
    let routing = routing("stations = [{ name = 'hot', dishes = ['*'], slip = 'dish' }]");
    let made = tickets(&routing, &order());
    use TicketKind::{Front, Kitchen};
    assert_eq!(
        seen(&made),
        [(Front, "front", ""), (Kitchen, "hot", "红烧牛肉面 1/2"), (Kitchen, "hot", "可乐 100%冰 2/2")]
    );
    assert!(says(&made[1], "红烧牛肉面") && says(&made[1], "中辣") && !says(&made[1], "可乐"));
    assert!(says(&made[1], "×2") && says(&made[1], "hot 1/2"));
    all_differ(&made);
    assert_eq!(made, tickets(&routing, &order()), "twice makes nothing twice");
    // What follows an order goes to the station, not to each dish.
    let urge = routing.urge_tickets(&order(), "店", NOW, 1).tickets;
    assert_eq!(seen(&urge), [(TicketKind::Urge, "front", ""), (TicketKind::Urge, "hot", "")]);
    assert!(says(&urge[1], "红烧牛肉面") && says(&urge[1], "可乐"));
}

#[test]
fn the_same_dish_twice_is_two_slips() {
    let routing = routing("stations = [{ name = 'hot', dishes = ['*'], slip = 'dish' }]");
    let mut order = order();
    order.dishes = vec![order.dishes[0].clone(), order.dishes[0].clone()];
    let made = tickets(&routing, &order);
    assert_eq!(made.len(), 3);
    all_differ(&made);
}

#[test]
fn a_part_never_has_the_id_of_a_whole() {
    let whole = routing("stations = [{ name = 'hot', dishes = ['*'] }]");
    let parts = routing("stations = [{ name = 'hot', dishes = ['*'], slip = 'dish' }]");
    let mut all = Vec::new();
    for revision in 0..3 {
        all.extend(whole.tickets(&order(), "店", NOW, revision).tickets.split_off(1));
        all.extend(parts.tickets(&order(), "店", NOW, revision).tickets);
    }
    assert_eq!(all.len(), 3 + 9);
    all_differ(&all);
}

#[test]
fn a_label_a_piece() {
    let routing = routing(
        "stations = [{ name = 'hot', dishes = ['F1001'] }, { name = 'cups', dishes = ['*'], labels = true }]",
    );
    let made = tickets(&routing, &order());
    use TicketKind::{Front, Kitchen, Label};
    assert_eq!(
        seen(&made),
        [
            (Front, "front", ""),
            (Kitchen, "hot", ""),
            (Label, "cups", "红烧牛肉面 1/3"),
            (Label, "cups", "红烧牛肉面 2/3"),
            (Label, "cups", "可乐 100%冰 3/3"),
        ]
    );
    assert!(says(&made[3], "2/3") && says(&made[3], "中辣") && !says(&made[3], "×2"));
    all_differ(&made);
    // The cook is told of the noodles; whoever makes the drink knows it from its label only.
    let cancel = routing.cancel_tickets(&order(), "店", NOW, 0, "").tickets;
    assert_eq!(seen(&cancel).iter().map(|seen| seen.1).collect::<Vec<_>>(), ["front", "hot", "cups"]);
    assert!(!says(&cancel[2], "红烧牛肉面") && says(&cancel[2], "可乐"));
}

#[test]
fn more_labels_than_anybody_sticks_are_one_a_line() {
    let routing = routing("stations = [{ name = 'cups', dishes = ['*'], labels = true }]");
    let of = |quantity| Order {
        dishes: vec![dish("", "奶茶", quantity, 1), dish("", "可乐", 1, 1)],
        ..order()
    };
    let made = tickets(&routing, &of(slips::LABELS_MAX - 1));
    assert_eq!(made.len(), 1 + slips::LABELS_MAX as usize);
    all_differ(&made);
    let made = tickets(&routing, &of(slips::LABELS_MAX));
    assert_eq!(made.len(), 3);
    assert!(says(&made[1], "×200") && says(&made[1], "1/2"));
    let made = tickets(&routing, &of(u32::MAX));
    assert_eq!(made.len(), 3, "whatever a platform says");
    let made = tickets(&routing, &of(0));
    assert_eq!(made.len(), 3, "nothing is dropped");
}

#[test]
fn stations_share_a_slip() {
    let routing = routing(
        "stations = [
            { name = 'bar', dishes = ['F2001'] },
            { name = 'hot', dishes = ['F1001'], merge = true, copies = 2 },
            { name = 'cold', dishes = ['F3001'], merge = true },
        ]",
    );
    let salad = dish("F3001", "拍黄瓜", 1, 800);
    let with = |dishes: Vec<Dish>| Order { dishes, ..order() };
    let both = with(vec![salad.clone(), order().dishes[0].clone(), order().dishes[1].clone()]);
    let made = tickets(&routing, &both);
    let stations: Vec<&str> = made.iter().map(|ticket| ticket.station.as_str()).collect();
    assert_eq!(stations, ["front", "bar", "hot"]);
    assert_eq!(made[2].copies, 2, "the first one's copies");
    let rules: Vec<String> = made[2]
        .document
        .blocks
        .iter()
        .filter_map(|block| match block {
            Block::Rule { title } if !title.is_empty() => Some(title.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(rules, ["hot", "cold"], "each station's dishes under its name");
    assert!(says(&made[2], "拍黄瓜") && says(&made[2], "红烧牛肉面") && !says(&made[2], "可乐"));
    // Where only the second has a dish, it is on the same printer.
    let made = tickets(&routing, &with(vec![salad]));
    assert_eq!(made[1].station.as_str(), "hot");
    let urge = routing.urge_tickets(&both, "店", NOW, 1).tickets;
    assert_eq!(seen(&urge).iter().map(|seen| seen.1).collect::<Vec<_>>(), ["front", "bar", "hot"]);
}

#[test]
fn copies_urgency_and_expiry() {
    let routing = routing(
        "front_copies = 3
         stations = [{ name = 'hot', dishes = ['*'], copies = 2, urgent = true, expires_after_min = 90 }]",
    );
    let made = tickets(&routing, &order());
    let of = |ticket: &Ticket| (ticket.copies, ticket.urgent, ticket.expires_at);
    assert_eq!(of(&made[0]), (3, false, None));
    assert_eq!(of(&made[1]), (2, true, Some(UnixMs(NOW.0 + 90 * 60_000))));
    // What is wanted tomorrow is of use until then.
    let tomorrow = UnixMs(NOW.0 + 86_400_000);
    let made = tickets(&routing, &Order { wanted_at: Some(tomorrow), ..order() });
    assert_eq!(made[1].expires_at, Some(UnixMs(tomorrow.0 + 90 * 60_000)));
    let made = tickets(&routing, &Order { wanted_at: Some(UnixMs(0)), ..order() });
    assert_eq!(made[1].expires_at, Some(UnixMs(NOW.0 + 90 * 60_000)));
    for follow_up in [
        routing.urge_tickets(&order(), "店", NOW, 1).tickets,
        routing.cancel_tickets(&order(), "店", NOW, 0, "").tickets,
    ] {
        assert_eq!(follow_up.iter().map(of).collect::<Vec<_>>(), [(1, true, None), (1, true, None)]);
    }
}

#[test]
fn a_booking_is_announced_where_that_is_wanted() {
    let routing = routing("booking_station = 'desk'");
    assert_eq!(tickets(&routing, &order()).len(), 1, "it is wanted at once");
    let made = tickets(&routing, &Order { wanted_at: Some(UnixMs(1_767_240_000_000)), ..order() });
    assert_eq!(seen(&made), [(TicketKind::Front, "front", ""), (TicketKind::Booking, "desk", "")]);
    assert!(says(&made[1], "01-01 12:00") && !says(&made[1], "13812345678"));
}

#[test]
fn who_was_told_of_a_booking_is_told_what_follows() {
    let later = Order { wanted_at: Some(UnixMs(1_767_240_000_000)), ..order() };
    let stations = |routing: &Routing, order: &Order| {
        let cancel = routing.cancel_tickets(order, "店", NOW, 0, "").tickets;
        let urge = routing.urge_tickets(order, "店", NOW, 1).tickets;
        let named = |tickets: &[Ticket]| tickets.iter().map(|t| t.station.to_string()).collect::<Vec<_>>();
        assert_eq!(named(&cancel), named(&urge));
        all_differ(&cancel);
        assert!(cancel.iter().all(|ticket| ticket.urgent && ticket.kind == TicketKind::Cancel));
        named(&cancel)
    };
    let desk = routing("booking_station = 'desk'");
    assert_eq!(stations(&desk, &later), ["front", "desk"]);
    assert_eq!(stations(&desk, &order()), ["front"], "it was never announced");
    assert_eq!(stations(&routing("booking_station = 'front'"), &later), ["front"], "one slip says it");
    let hot = routing("booking_station = 'hot'\nstations = [{ name = 'hot', dishes = ['*'] }]");
    assert_eq!(stations(&hot, &later), ["front", "hot"], "one slip says it");
}
