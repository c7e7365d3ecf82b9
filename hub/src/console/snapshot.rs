//! The chain at a moment: what the page and the JSON interface both show.

use super::late::{self, Late};
use super::store::{StoreView, view_store};
use crate::clock;
use crate::fleet::{Fleet, NoTcp};
use crate::storage::agents::AgentRow;
use crate::storage::views::{AlarmView, OrderView};
use crate::storage::{Storage, StorageError};
use docket_protocol::ids::UnixMs;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::atomic::Ordering;

/// Orders that are shown.
pub const ORDERS_MAX: usize = 50;
/// Alarms that are shown.
pub const ALARMS_MAX: usize = 50;
/// How a store or a printer is, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Light {
    /// It does not print.
    Red,
    /// Nobody knows.
    Unknown,
    /// It prints, and a person should look.
    Yellow,
    /// All is well, and it was said just now.
    Green,
}

/// The chain at a moment.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// When it was taken.
    pub at: UnixMs,
    /// All stores, the worst first.
    pub stores: Vec<StoreView>,
    /// The newest orders first.
    pub orders: Vec<OrderLine>,
    /// Tickets that have not come out, of orders that are not among `orders`.
    pub open_elsewhere: i64,
    /// The newest alarms first.
    pub alarms: Vec<AlarmView>,
    /// Refused pushes since the hub started.
    pub refused: RefusedView,
}

/// An order, and whether a person should look at it.
#[derive(Debug, Clone, Serialize)]
pub struct OrderLine {
    /// The order.
    #[serde(flatten)]
    pub order: OrderView,
    /// Why a person should look at it, at the time of the snapshot.
    pub late: Option<Late>,
}

/// Pushes that were not taken since the hub started.
#[derive(Debug, Clone, Serialize)]
pub struct RefusedView {
    /// For their signature.
    pub bad_signatures: u64,
    /// For anything else that is wrong with them.
    pub bad_pushes: u64,
    /// Because nothing could be stored.
    pub unstored: u64,
}

/// Takes a snapshot.
///
/// # Errors
/// Where storage cannot be read.
pub async fn take(storage: &Storage, fleet: &Fleet) -> Result<Snapshot, StorageError> {
    let overview = storage.overview(ORDERS_MAX, ALARMS_MAX).await?;
    let (stores, agents) = (storage.stores().await?, storage.agents().await?);
    let (live, at) = (fleet.agents(), clock::now());
    let mut current: HashMap<&str, &AgentRow> = HashMap::new();
    for agent in agents.iter().filter(|agent| agent.revoked_at.is_none()) {
        current.entry(agent.store.as_str()).or_insert(agent);
    }
    let mut views: Vec<StoreView> = stores
        .iter()
        .map(|store| {
            let agent = current.get(store.id.as_str()).copied();
            let live = agent.and_then(|agent| live.get(&agent.id));
            view_store(store, agent, live, &overview, at)
        })
        .collect();
    views.sort_by(|a, b| a.light.cmp(&b.light).then_with(|| a.id.cmp(&b.id)));
    let refused = RefusedView {
        bad_signatures: fleet.bad_signatures.load(Ordering::Relaxed),
        bad_pushes: fleet.bad_pushes.load(Ordering::Relaxed),
        unstored: fleet.unstored_pushes.load(Ordering::Relaxed),
    };
    let listed = overview.orders.iter().flat_map(|order| &order.tickets);
    let listed_open = listed.filter(|ticket| !matches!(ticket.state, "printed" | "settled")).count();
    let all_open: i64 = overview.open.iter().map(|open| open.tickets).sum();
    let open_elsewhere = all_open.saturating_sub(i64::try_from(listed_open).unwrap_or(i64::MAX)).max(0);
    let line = |order: OrderView| OrderLine { late: late::of_order(&order, at), order };
    let orders = overview.orders.into_iter().map(line).collect();
    let alarms = fleet.no_tcp().map(no_tcp).into_iter().chain(overview.alarms).collect();
    Ok(Snapshot { at, stores: views, orders, open_elsewhere, alarms, refused })
}

/// The only alarm that is not stored: it lasts as long as the hub's program.
fn no_tcp(no_tcp: &NoTcp) -> AlarmView {
    AlarmView {
        code: "link-tcp-listen".into(),
        subject: no_tcp.address.to_string(),
        detail: no_tcp.cause.clone(),
        since: no_tcp.since,
        times: 1,
    }
}
