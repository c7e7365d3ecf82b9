//! Pushes, orders, events, and the tickets that come of them.

use super::alarms::raise;
use super::lane::{Fault, Urgency};
use super::outbox::{self, Assigned};
use super::ticket_state::TicketState;
use super::{Storage, StorageError};
use crate::clock;
use crate::platforms::meituan::{Event, PushKind};
use crate::routing::{Routed, Routing};
use docket_protocol::frame;
use docket_protocol::ids::{OrderKey, Platform, StoreId, UnixMs};
use docket_protocol::message::Item;
use docket_protocol::order::Order;
use ring::digest;
use rusqlite::{Connection, OptionalExtension, params};
use std::sync::Arc;

/// A verified push with everything that is stored of it.
#[derive(Debug)]
pub struct Arrival {
    /// What it says.
    pub event: Event,
    /// Tells one event of a kind from the next.
    pub version: String,
    /// As it came: the query of a GET, the body of a POST.
    pub raw: Vec<u8>,
    /// When it came.
    pub received_at: UnixMs,
}

/// What was stored of a push.
#[derive(Debug, Default)]
pub struct Accepted {
    /// Whether it was stored before.
    pub repeated: bool,
    /// New items in agents' outboxes, in order.
    pub assigned: Vec<Assigned>,
}

impl Storage {
    /// Stores a push with all that comes of it in one transaction. `publish` is called with the new outbox
    /// items after the commit, in commit order.
    ///
    /// # Errors
    /// Where nothing was stored; the platform must not be told that it was.
    pub async fn accept(
        &self,
        arrival: Arrival,
        publish: impl FnOnce(&[Assigned]) + Send + 'static,
    ) -> Result<Accepted, StorageError> {
        let routing = Arc::clone(&self.routing);
        self.writer
            .submit(
                Urgency::Urgent,
                move |connection| accept(connection, &routing, &arrival),
                move |accepted| publish(&accepted.assigned),
            )
            .await
            .answer()
            .await
    }

    /// Keeps a push that is the platform's but cannot be read, and alarms people: an order may hang on it.
    ///
    /// # Errors
    /// Where nothing was stored.
    pub async fn keep_undecoded(
        &self,
        kind: PushKind,
        cause: String,
        raw: Vec<u8>,
    ) -> Result<(), StorageError> {
        self.writer
            .call(move |connection| {
                let now = clock::now();
                let digest = digest::digest(&digest::SHA256, &raw);
                let version: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
                let event = format!("{}-undecoded", kind.as_str());
                if keep_raw(connection, Platform::Meituan, "", &event, &version, &raw, now)? {
                    raise(connection, "push-undecoded", kind.as_str(), &cause, now)?;
                }
                Ok(())
            })
            .await
    }
}

fn accept(connection: &Connection, routing: &Routing, arrival: &Arrival) -> Result<Accepted, Fault> {
    let (key, now) = (arrival.event.order(), arrival.received_at);
    let event = arrival.event.kind().as_str();
    if !keep_raw(connection, key.platform, &key.id, event, &arrival.version, &arrival.raw, now)? {
        return Ok(Accepted { repeated: true, assigned: Vec::new() });
    }
    let assigned = match &arrival.event {
        Event::Paid(paid) => {
            if paid.incomplete {
                raise(connection, "order-incomplete", &key.to_string(), "", now)?;
            }
            place(connection, routing, &paid.order, now)?
        }
        Event::Cancelled(push) => {
            let reason = if push.reason.is_empty() { push.by.title() } else { push.reason.as_str() };
            cancel(connection, routing, key, reason, now)?
        }
        Event::Reminded(_) => urge(connection, routing, key, now)?,
    };
    Ok(Accepted { repeated: false, assigned })
}

/// Keeps a push as it came; `false` where it is there already.
fn keep_raw(
    connection: &Connection,
    platform: Platform,
    order_id: &str,
    event: &str,
    version: &str,
    raw: &[u8],
    now: UnixMs,
) -> rusqlite::Result<bool> {
    let inserted = connection
        .prepare_cached(
            "INSERT INTO pushes (received_at, platform, order_id, event, version, raw)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        )?
        .execute(params![now.0, platform.as_str(), order_id, event, version, raw])?;
    Ok(inserted == 1)
}

fn place(
    connection: &Connection,
    routing: &Routing,
    order: &Order,
    now: UnixMs,
) -> Result<Vec<Assigned>, Fault> {
    let platform = order.key.platform.as_str();
    let store = store_of(connection, platform, &order.shop)?;
    // A cancellation can overtake its order: then it is stored as cancelled, and nothing is printed.
    let cancelled: bool = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM pushes WHERE platform = ?1 AND order_id = ?2 AND event = 'cancelled')")?
        .query_row(params![platform, order.key.id], |row| row.get(0))?;
    let inserted = connection
        .prepare_cached(
            "INSERT INTO orders (platform, id, store, shop, pickup, total, placed_at, received_at, cancelled, canonical)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            platform,
            order.key.id,
            store.as_ref().map(|store| store.id.as_str()),
            order.shop,
            order.pickup_number,
            order.total.0,
            order.placed_at.0,
            now.0,
            cancelled,
            frame::payload(order)
        ])?;
    if inserted == 0 {
        return complete(connection, routing, order, now);
    }
    if cancelled {
        return Ok(Vec::new());
    }
    let number = connection.last_insert_rowid();
    let Some(store) = store else {
        raise(
            connection,
            "shop-unmapped",
            &format!("{platform}/{}", order.shop),
            &order.key.to_string(),
            now,
        )?;
        return Ok(Vec::new());
    };
    route(connection, routing, order, number, &store, now, 0)
}

/// An order that came without its dishes comes again with them: its slips are printed anew.
fn complete(
    connection: &Connection,
    routing: &Routing,
    order: &Order,
    now: UnixMs,
) -> Result<Vec<Assigned>, Fault> {
    let Some(stored) = stored_order(connection, &order.key)? else { return Ok(Vec::new()) };
    if !stored.order.dishes.is_empty() || order.dishes.is_empty() {
        return Ok(Vec::new());
    }
    connection
        .prepare_cached("UPDATE orders SET canonical = ?1, total = ?2 WHERE number = ?3")?
        .execute(params![frame::payload(order), order.total.0, stored.number])?;
    connection
        .prepare_cached("DELETE FROM alarms WHERE code = 'order-incomplete' AND subject = ?1")?
        .execute([order.key.to_string()])?;
    match stored.store {
        Some(store) if !stored.cancelled => route(connection, routing, order, stored.number, &store, now, 1),
        _ => Ok(Vec::new()),
    }
}

/// Makes an order's tickets and hands them to the store's agent.
fn route(
    connection: &Connection,
    routing: &Routing,
    order: &Order,
    number: i64,
    store: &Store,
    now: UnixMs,
    revision: u32,
) -> Result<Vec<Assigned>, Fault> {
    let routed = routing.tickets(order, &store.name, now, revision);
    for dish in &routed.unmapped {
        raise(connection, "dish-unmapped", dish, &format!("{} {}", store.id, order.key), now)?;
    }
    print(connection, routed, &order.key, number, store, now)
}

fn print(
    connection: &Connection,
    routed: Routed,
    key: &OrderKey,
    order_number: i64,
    store: &Store,
    now: UnixMs,
) -> Result<Vec<Assigned>, Fault> {
    for failure in &routed.failures {
        raise(connection, "template-failed", &failure.file, &format!("{key}: {failure}"), now)?;
    }
    let agent = outbox::agent_of(connection, &store.id)?;
    if agent.is_none() {
        raise(connection, "store-without-agent", store.id.as_str(), "", now)?;
    }
    let state = if agent.is_some() { TicketState::Queued } else { TicketState::NoAgent };
    let mut all = Vec::with_capacity(routed.tickets.len());
    for ticket in routed.tickets {
        let id = *ticket.id.as_bytes();
        let mut insert = connection.prepare_cached(
            "INSERT INTO tickets (id, order_number, store, kind, station, title, state, made_at, item)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (id) DO UPDATE SET
                 order_number = excluded.order_number, store = excluded.store, kind = excluded.kind,
                 station = excluded.station, title = excluded.title, state = excluded.state,
                 made_at = excluded.made_at, spooled_at = NULL, item = excluded.item
             WHERE item = x'' RETURNING number",
        )?;
        let (kind, station, title) = (ticket.kind.as_str(), ticket.station.clone(), ticket.title.clone());
        let item = frame::payload(&Item::Ticket(ticket));
        // Only what is new is sent. A counter's upload that claims a platform's ticket does not keep it from that.
        let values = params![
            id,
            order_number,
            store.id.as_str(),
            kind,
            station.as_str(),
            title,
            state as i64,
            now.0,
            item
        ];
        let number: Option<i64> = insert.query_row(values, |row| row.get(0)).optional()?;
        if let (Some(number), Some(agent)) = (number, &agent) {
            all.push(outbox::assign(connection, agent, number, item)?);
        }
    }
    Ok(all)
}

fn cancel(
    connection: &Connection,
    routing: &Routing,
    key: &OrderKey,
    reason: &str,
    now: UnixMs,
) -> Result<Vec<Assigned>, Fault> {
    let Some(stored) = stored_order(connection, key)? else { return Ok(Vec::new()) };
    let changed = connection
        .prepare_cached("UPDATE orders SET cancelled = 1 WHERE number = ?1 AND cancelled = 0")?
        .execute([stored.number])?;
    match stored.store {
        Some(store) if changed == 1 => {
            let routed = routing.cancel_tickets(&stored.order, &store.name, now, 0, reason);
            print(connection, routed, key, stored.number, &store, now)
        }
        _ => Ok(Vec::new()),
    }
}

fn urge(
    connection: &Connection,
    routing: &Routing,
    key: &OrderKey,
    now: UnixMs,
) -> Result<Vec<Assigned>, Fault> {
    let Some(stored) = stored_order(connection, key)? else { return Ok(Vec::new()) };
    let Some(store) = stored.store else { return Ok(Vec::new()) };
    if stored.cancelled {
        return Ok(Vec::new());
    }
    let urges: u32 = connection
        .prepare_cached(
            "SELECT count(*) FROM pushes WHERE platform = ?1 AND order_id = ?2 AND event = 'reminded'",
        )?
        .query_row(params![key.platform.as_str(), key.id], |row| row.get(0))?;
    let routed = routing.urge_tickets(&stored.order, &store.name, now, urges);
    print(connection, routed, key, stored.number, &store, now)
}

pub(super) struct Store {
    pub(super) id: StoreId,
    pub(super) name: String,
}

struct StoredOrder {
    number: i64,
    order: Order,
    store: Option<Store>,
    cancelled: bool,
}

fn store_of(connection: &Connection, platform: &str, shop: &str) -> rusqlite::Result<Option<Store>> {
    connection
        .prepare_cached(
            "SELECT stores.id, stores.name FROM shops JOIN stores ON stores.id = shops.store
             WHERE shops.platform = ?1 AND shops.shop = ?2",
        )?
        .query_row([platform, shop], |row| {
            Ok(Store { id: StoreId::new(row.get::<_, String>(0)?), name: row.get(1)? })
        })
        .optional()
}

fn stored_order(connection: &Connection, key: &OrderKey) -> Result<Option<StoredOrder>, Fault> {
    let found = connection
        .prepare_cached(
            "SELECT number, canonical, cancelled, stores.id, stores.name
             FROM orders LEFT JOIN stores ON stores.id = orders.store
             WHERE platform = ?1 AND orders.id = ?2",
        )?
        .query_row([key.platform.as_str(), &key.id], |row| {
            let store = match (row.get::<_, Option<String>>(3)?, row.get(4)?) {
                (Some(id), Some(name)) => Some(Store { id: StoreId::new(id), name }),
                _ => None,
            };
            Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?, row.get(2)?, store))
        })
        .optional()?;
    let Some((number, canonical, cancelled, store)) = found else { return Ok(None) };
    Ok(Some(StoredOrder { number, order: read_order(&canonical)?, store, cancelled }))
}

fn read_order(canonical: &[u8]) -> Result<Order, StorageError> {
    frame::read_payload(canonical).ok_or_else(|| {
        StorageError::Refused("order-unreadable: written by another version of the hub".into())
    })
}

/// Routes the orders of a shop that was mapped only now.
pub(super) fn route_waiting(
    connection: &Connection,
    routing: &Routing,
    platform: Platform,
    shop: &str,
    now: UnixMs,
) -> Result<usize, Fault> {
    let Some(store) = store_of(connection, platform.as_str(), shop)? else { return Ok(0) };
    let waiting: Vec<(i64, Vec<u8>, bool)> = connection
        .prepare_cached(
            "SELECT number, canonical, cancelled FROM orders
             WHERE platform = ?1 AND shop = ?2 AND store IS NULL ORDER BY number",
        )?
        .query_map([platform.as_str(), shop], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let orders = waiting.len();
    for (number, canonical, cancelled) in waiting {
        connection
            .prepare_cached("UPDATE orders SET store = ?1 WHERE number = ?2")?
            .execute(params![store.id.as_str(), number])?;
        if !cancelled {
            route(connection, routing, &read_order(&canonical)?, number, &store, now, 0)?;
        }
    }
    connection
        .prepare_cached("DELETE FROM alarms WHERE code = 'shop-unmapped' AND subject = ?1")?
        .execute([format!("{}/{shop}", platform.as_str())])?;
    Ok(orders)
}
