//! The chain at a moment: what the page and the JSON interface both show.
//!
//! Stale is never green: whatever an agent said carries its age, and a store without a session, or whose
//! agent has been quiet for [`STATUS_AGE_MAX_MS`], counts as unknown however well it was before.

use crate::clock;
use crate::fleet::{AgentLive, Fleet};
use crate::storage::agents::{AgentRow, StoreRow};
use crate::storage::views::{AlarmView, OrderView, Overview};
use crate::storage::{Storage, StorageError};
use docket_protocol::ids::UnixMs;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::atomic::Ordering;

/// Orders that are shown.
pub const ORDERS_MAX: usize = 50;
/// Alarms that are shown.
pub const ALARMS_MAX: usize = 50;
/// An agent says something every 15 s; after three times that its word is stale.
pub const STATUS_AGE_MAX_MS: u64 = 45_000;
/// An order that is not in a store's spool by then is late.
pub const SPOOL_LATE_MS: u64 = 10_000;
/// An order that is not printed by then is late.
pub const PRINT_LATE_MS: u64 = 60_000;

/// How a store is, worst first.
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
    pub orders: Vec<OrderView>,
    /// The newest alarms first.
    pub alarms: Vec<AlarmView>,
    /// Refused pushes since the hub started.
    pub refused: RefusedView,
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

/// A store.
#[derive(Debug, Clone, Serialize)]
pub struct StoreView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How it is.
    pub light: Light,
    /// Its shops on the platforms.
    pub shops: Vec<String>,
    /// Its link.
    pub link: LinkView,
    /// Its printers.
    pub printers: Vec<PrinterView>,
    /// When the agent last said how they are.
    pub status_at: Option<UnixMs>,
    /// Tickets that have not come out.
    pub open_tickets: i64,
    /// When the oldest of them was made.
    pub oldest_open_at: Option<UnixMs>,
    /// Tickets that wait for a person.
    pub held: u32,
    /// The PC's disk is full.
    pub spool_full: bool,
}

/// The link to a store.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum LinkView {
    /// No agent is enrolled.
    NoAgent,
    /// An agent is enrolled and has not connected since the hub started.
    NeverSeen {
        /// Which agent.
        agent: String,
    },
    /// It is not connected.
    Down {
        /// Which agent.
        agent: String,
        /// Since when.
        since: UnixMs,
    },
    /// It is connected.
    Up {
        /// Which agent.
        agent: String,
        /// Since when.
        since: UnixMs,
        /// Version of its program.
        version: String,
    },
}

/// A printer.
#[derive(Debug, Clone, Serialize)]
pub struct PrinterView {
    /// Its name.
    pub name: String,
    /// How it is.
    pub light: Light,
    /// What is wrong.
    pub conditions: Vec<ConditionView>,
    /// Tickets that wait for it.
    pub waiting: u32,
    /// When it last said anything, by the PC's clock.
    pub heard_at: Option<UnixMs>,
}

/// Something that is wrong with a printer.
#[derive(Debug, Clone, Serialize)]
pub struct ConditionView {
    /// `paper-out`.
    pub code: &'static str,
    /// What it is and what to do, in Chinese.
    pub zh: &'static str,
    /// The same in English.
    pub en: &'static str,
    /// Since when, by the PC's clock.
    pub since: UnixMs,
}

/// Takes a snapshot.
///
/// # Errors
/// Where storage cannot be read.
pub async fn take(storage: &Storage, fleet: &Fleet) -> Result<Snapshot, StorageError> {
    let overview = storage.overview(ORDERS_MAX, ALARMS_MAX).await?;
    let (stores, agents, live) = (storage.stores().await?, storage.agents().await?, fleet.agents());
    let at = clock::now();
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
    Ok(Snapshot { at, stores: views, orders: overview.orders, alarms: overview.alarms, refused })
}

fn view_store(
    store: &StoreRow,
    agent: Option<&AgentRow>,
    live: Option<&AgentLive>,
    overview: &Overview,
    at: UnixMs,
) -> StoreView {
    let link = view_link(agent, live);
    let status_at = live.and_then(|live| live.status_at);
    let fresh = matches!(link, LinkView::Up { .. })
        && status_at.is_some_and(|status_at| at.since(status_at) <= STATUS_AGE_MAX_MS);
    let printers: Vec<PrinterView> = live.map_or_else(Vec::new, |live| view_printers(live, fresh));
    let open = overview.open.iter().find(|open| open.store == store.id.as_str());
    let late = open.is_some_and(|open| at.since(open.oldest_at) > PRINT_LATE_MS);
    let (held, spool_full) = live.map_or((0, false), |live| (live.status.held, live.status.spool_full));
    let worst = printers.iter().map(|printer| printer.light).min();
    let light = match &link {
        LinkView::NoAgent | LinkView::Down { .. } => Light::Red,
        LinkView::NeverSeen { .. } => Light::Unknown,
        LinkView::Up { .. } if spool_full || late => Light::Red,
        LinkView::Up { .. } if !fresh => Light::Unknown,
        LinkView::Up { .. } if held > 0 => worst.unwrap_or(Light::Yellow).min(Light::Yellow),
        LinkView::Up { .. } => worst.unwrap_or(Light::Unknown),
    };
    StoreView {
        id: store.id.to_string(),
        name: store.name.clone(),
        light,
        shops: store.shops.clone(),
        link,
        printers,
        status_at,
        open_tickets: open.map_or(0, |open| open.tickets),
        oldest_open_at: open.map(|open| open.oldest_at),
        held,
        spool_full,
    }
}

fn view_link(agent: Option<&AgentRow>, live: Option<&AgentLive>) -> LinkView {
    let Some(row) = agent else { return LinkView::NoAgent };
    let agent = row.id.to_string();
    match live {
        None => LinkView::NeverSeen { agent },
        Some(live) if live.connected => {
            LinkView::Up { agent, since: live.since, version: row.version.clone() }
        }
        Some(live) => LinkView::Down { agent, since: live.since },
    }
}

fn view_printers(live: &AgentLive, fresh: bool) -> Vec<PrinterView> {
    let view = |printer: &docket_protocol::printer::PrinterHealth| PrinterView {
        name: printer.printer.to_string(),
        light: match (fresh, printer.prints(), printer.conditions.is_empty()) {
            (false, _, _) => Light::Unknown,
            (true, false, _) => Light::Red,
            (true, true, false) => Light::Yellow,
            // A printer that never said a word is not known to be well.
            (true, true, true) if printer.heard_at.is_none() => Light::Unknown,
            (true, true, true) => Light::Green,
        },
        conditions: printer
            .conditions
            .iter()
            .map(|since| ConditionView {
                code: since.condition.code(),
                zh: since.condition.remedy().0,
                en: since.condition.remedy().1,
                since: since.since,
            })
            .collect(),
        waiting: printer.waiting,
        heard_at: printer.heard_at,
    };
    live.status.printers.iter().map(view).collect()
}
