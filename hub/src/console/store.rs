//! How a store is, and why.
//!
//! Stale is never green: whatever an agent said carries its age, and a store without a session, or whose
//! agent has been quiet for [`STATUS_AGE_MAX_MS`], counts as unknown however well it was before.

use super::late::{self, Late, PRINT_LATE_MS};
use super::snapshot::Light;
use crate::fleet::AgentLive;
use crate::storage::agents::{AgentRow, StoreRow};
use crate::storage::settings::SettingsView;
use crate::storage::views::Overview;
use docket_protocol::ids::UnixMs;
use docket_protocol::message::LinkReport;
use docket_protocol::printer::PrinterHealth;
use serde::Serialize;

/// An agent says something every 15 s; after three times that its word is stale.
pub const STATUS_AGE_MAX_MS: u64 = 45_000;

/// A store.
#[derive(Debug, Clone, Serialize)]
pub struct StoreView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How it is.
    pub light: Light,
    /// Why it is not green, apart from its printers' conditions.
    pub reasons: Vec<ReasonView>,
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
    /// What headquarters has set it to; `None` where it has not.
    pub settings: Option<SettingsView>,
}

/// Why a store is not green.
#[derive(Debug, Clone, Serialize)]
pub struct ReasonView {
    /// `link-down`.
    pub code: &'static str,
    /// What it is and what to do, in Chinese.
    pub zh: &'static str,
    /// The same in English.
    pub en: &'static str,
    /// Since when, by the hub's clock, where that is known.
    pub since: Option<UnixMs>,
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
        /// How it is connected; an older agent does not say.
        way: Option<WayView>,
        /// Days until its certificate ends; one of an older hub has no end.
        certificate_days: Option<i64>,
    },
}

/// How an agent is connected.
#[derive(Debug, Clone, Serialize)]
pub struct WayView {
    /// `quic`, or `tls` for TLS over TCP.
    pub transport: &'static str,
    /// Through a proxy.
    pub proxied: bool,
    /// Round trip.
    pub rtt_ms: Option<u32>,
    /// Packets lost, where that is known.
    pub lost_packets: Option<u64>,
    /// Sessions after the first one since the agent's program began.
    pub reconnects: u32,
    /// How often it went from QUIC to TCP since then.
    pub fallbacks: u32,
    /// When its program began, by the PC's clock.
    pub counted_since: UnixMs,
}

impl From<&LinkReport> for WayView {
    fn from(report: &LinkReport) -> Self {
        WayView {
            transport: report.transport.as_str(),
            proxied: report.proxied,
            rtt_ms: report.rtt_us.map(|us| us.div_ceil(1_000)),
            lost_packets: report.lost_packets,
            reconnects: report.reconnects,
            fallbacks: report.fallbacks,
            counted_since: report.counted_since,
        }
    }
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

/// A store, its agent and what is known of it at the moment.
pub(super) fn view_store(
    store: &StoreRow,
    agent: Option<&AgentRow>,
    live: Option<&AgentLive>,
    overview: &Overview,
    at: UnixMs,
) -> StoreView {
    let link = view_link(agent, live, at);
    let status_at = live.and_then(|live| live.status_at);
    let fresh = matches!(link, LinkView::Up { .. })
        && status_at.is_some_and(|status_at| at.since(status_at) <= STATUS_AGE_MAX_MS);
    let printers: Vec<PrinterView> = live.map_or_else(Vec::new, |live| view_printers(live, fresh));
    let open = overview.open.iter().find(|open| open.store == store.id.as_str());
    let late_since = open.map(|open| open.oldest_at).filter(|oldest_at| at.since(*oldest_at) > PRINT_LATE_MS);
    let (held, spool_full) = live.map_or((0, false), |live| (live.status.held, live.status.spool_full));
    let mut reasons = Vec::new();
    let mut add = |when: bool, light: Light, reason: ReasonView| {
        if when {
            reasons.push((light, reason));
        }
    };
    match &link {
        LinkView::NoAgent => add(true, Light::Red, Reason::NoAgent.view(None)),
        LinkView::NeverSeen { .. } => add(true, Light::Unknown, Reason::NeverSeen.view(None)),
        LinkView::Down { since, .. } => add(true, Light::Red, Reason::LinkDown.view(Some(*since))),
        LinkView::Up { .. } => {
            add(!fresh, Light::Unknown, Reason::StatusOld.view(status_at));
            add(fresh && printers.is_empty(), Light::Unknown, Reason::NoPrinters.view(None));
            let unspooled = unspooled_since(store, overview, at);
            add(unspooled.is_some(), Light::Yellow, Reason::NotSpooled.view(unspooled));
        }
    }
    add(spool_full, Light::Red, Reason::SpoolFull.view(None));
    add(late_since.is_some(), Light::Red, Reason::Late.view(late_since));
    add(held > 0, Light::Yellow, Reason::Held.view(None));
    let worst_reason = reasons.iter().map(|(light, _)| *light).min().unwrap_or(Light::Green);
    let worst_printer = printers.iter().map(|printer| printer.light).min().unwrap_or(Light::Unknown);
    // Of a hub that has just started, nothing is known of those that have not connected again.
    let light = match &link {
        LinkView::NeverSeen { .. } => Light::Unknown,
        _ => worst_reason.min(worst_printer),
    };
    StoreView {
        id: store.id.to_string(),
        name: store.name.clone(),
        light,
        reasons: reasons.into_iter().map(|(_, reason)| reason).collect(),
        shops: store.shops.clone(),
        link,
        printers,
        status_at,
        open_tickets: open.map_or(0, |open| open.tickets),
        oldest_open_at: open.map(|open| open.oldest_at),
        held,
        spool_full,
        settings: overview.settings.iter().find(|set| set.store == store.id.as_str()).cloned(),
    }
}

/// Since when a ticket is late on its way to the store: the first sign of a link that is dead and still counts
/// as up. It is looked for among the newest orders.
fn unspooled_since(store: &StoreRow, overview: &Overview, at: UnixMs) -> Option<UnixMs> {
    let own = overview.orders.iter().filter(|order| order.store.as_deref() == Some(store.id.as_str()));
    own.flat_map(|order| &order.tickets)
        .filter(|ticket| late::of_ticket(ticket, at) == Some(Late::NotSpooled))
        .map(|ticket| ticket.made_at)
        .min()
}

/// What can be wrong with a store besides its printers.
#[derive(Debug, Clone, Copy)]
enum Reason {
    NoAgent,
    NeverSeen,
    LinkDown,
    StatusOld,
    NotSpooled,
    NoPrinters,
    SpoolFull,
    Late,
    Held,
}

impl Reason {
    fn view(self, since: Option<UnixMs>) -> ReasonView {
        let (code, zh, en) = match self {
            Reason::NoAgent => (
                "no-agent",
                "没有注册电脑:用注册码在门店电脑上注册",
                "no PC is enrolled: enrol the store's PC with a code",
            ),
            Reason::NeverSeen => (
                "never-connected",
                "总部启动以来没有连上过:检查门店电脑是否开机、网络是否通",
                "it has not connected since the hub started: check that the PC is on and has a network",
            ),
            Reason::LinkDown => (
                "link-down",
                "连接断开:检查门店电脑和网络;新订单在总部等着",
                "the link is down: check the PC and its network; new orders wait at the hub",
            ),
            Reason::StatusOld => (
                "status-old",
                "连着,但没有新的状态:情况不明",
                "it is connected and says nothing new: nobody knows how it is",
            ),
            Reason::NotSpooled => (
                "tickets-not-spooled",
                "有小票超过 10 秒没到门店:连接可能已断,检查门店网络",
                "tickets have not reached the store within 10 s: the link may be dead, check its network",
            ),
            Reason::NoPrinters => (
                "no-printers",
                "没有配置打印机:在门店电脑的配置里加上",
                "no printers are configured: add them on the store's PC",
            ),
            Reason::SpoolFull => (
                "spool-full",
                "门店电脑磁盘已满:腾出空间,之后自动恢复",
                "the PC's disk is full: make room, it goes on by itself",
            ),
            Reason::Late => (
                "tickets-late",
                "有小票超过 60 秒没打出来:看下面的打印机和订单",
                "tickets have not come out within 60 s: see the printers and the orders below",
            ),
            Reason::Held => (
                "tickets-held",
                "有小票等人处理:在门店电脑上确认是否已打出",
                "tickets wait for a person: see on the store's PC whether they came out",
            ),
        };
        ReasonView { code, zh, en, since }
    }
}

fn view_link(agent: Option<&AgentRow>, live: Option<&AgentLive>, at: UnixMs) -> LinkView {
    let Some(row) = agent else { return LinkView::NoAgent };
    let agent = row.id.to_string();
    match live {
        None => LinkView::NeverSeen { agent },
        Some(live) if live.connected => {
            let way = live.link.as_ref().map(WayView::from);
            let certificate_days = row.life.map(|life| life.days_left(at));
            LinkView::Up { agent, since: live.since, version: row.version.clone(), way, certificate_days }
        }
        Some(live) => LinkView::Down { agent, since: live.since },
    }
}

fn view_printers(live: &AgentLive, fresh: bool) -> Vec<PrinterView> {
    let view = |printer: &PrinterHealth| PrinterView {
        name: printer.printer.to_string(),
        light: match (fresh, printer.prints(), printer.conditions.is_empty()) {
            (false, _, _) => Light::Unknown,
            (true, false, _) => Light::Red,
            (true, true, false) if printer.is_unknown() => Light::Unknown,
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

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::storage::views::OpenTickets;
    use docket_protocol::ids::{AgentId, PrinterName, Seq, StoreId};
    use docket_protocol::message::AgentStatus;
    use docket_protocol::printer::{Condition, Since};

    const AT: UnixMs = sample::AT;

    fn before(ms: i64) -> UnixMs {
        UnixMs(AT.0 - ms)
    }

    fn live(conditions: Vec<Since>) -> AgentLive {
        let printer = PrinterName::new("front");
        let health = PrinterHealth { printer, conditions, heard_at: Some(before(1_000)), waiting: 0 };
        AgentLive {
            connected: true,
            since: before(60_000),
            address: None,
            link: None,
            status: AgentStatus { printers: vec![health], waiting: 0, held: 0, spool_full: false },
            status_at: Some(before(1_000)),
        }
    }

    fn nothing() -> Overview {
        Overview { orders: Vec::new(), alarms: Vec::new(), open: Vec::new(), settings: Vec::new() }
    }

    fn view(live: Option<&AgentLive>, overview: &Overview) -> (Light, Vec<&'static str>) {
        let id = StoreId::new("S0042");
        let store = StoreRow { id: id.clone(), name: "人民路店".into(), shops: Vec::new() };
        let agent = AgentRow {
            id: AgentId::new("a1"),
            store: id,
            host: String::new(),
            enrolled_at: before(90_000),
            revoked_at: None,
            version: "0.1.0".into(),
            assigned: Seq(0),
            connected_at: None,
            disconnected_at: None,
            life: None,
            trusts: None,
        };
        let view = view_store(&store, Some(&agent), live, overview, AT);
        (view.light, view.reasons.iter().map(|reason| reason.code).collect())
    }

    #[test]
    fn green_needs_a_live_link_fresh_words_and_a_printer_that_was_heard() {
        let well = live(Vec::new());
        assert_eq!(view(Some(&well), &nothing()), (Light::Green, vec![]));
        let mut other = well.clone();
        other.status_at = Some(UnixMs(AT.0 - STATUS_AGE_MAX_MS as i64 - 1));
        assert_eq!(view(Some(&other), &nothing()), (Light::Unknown, vec!["status-old"]));
        let mut other = well.clone();
        other.status_at = None;
        assert_eq!(view(Some(&other), &nothing()), (Light::Unknown, vec!["status-old"]));
        let mut other = well.clone();
        other.connected = false;
        assert_eq!(view(Some(&other), &nothing()), (Light::Red, vec!["link-down"]));
        let mut other = well.clone();
        other.status.printers.clear();
        assert_eq!(view(Some(&other), &nothing()), (Light::Unknown, vec!["no-printers"]));
        let mut other = well;
        other.status.printers[0].heard_at = None;
        assert_eq!(view(Some(&other), &nothing()).0, Light::Unknown);
        assert_eq!(view(None, &nothing()), (Light::Unknown, vec!["never-connected"]));
    }

    #[test]
    fn what_is_wrong_makes_the_light() {
        let since = |condition| vec![Since { condition, since: before(5_000) }];
        assert_eq!(view(Some(&live(since(Condition::PaperOut))), &nothing()).0, Light::Red);
        assert_eq!(view(Some(&live(since(Condition::PaperNearEnd))), &nothing()).0, Light::Yellow);
        let mut held = live(Vec::new());
        held.status.held = 1;
        assert_eq!(view(Some(&held), &nothing()), (Light::Yellow, vec!["tickets-held"]));
        let mut full = live(Vec::new());
        full.status.spool_full = true;
        assert_eq!(view(Some(&full), &nothing()), (Light::Red, vec!["spool-full"]));
        let old = OpenTickets { store: "S0042".into(), tickets: 1, oldest_at: before(60_001) };
        let overview = Overview { open: vec![old], ..nothing() };
        assert_eq!(view(Some(&live(Vec::new())), &overview), (Light::Red, vec!["tickets-late"]));
    }

    #[test]
    fn tickets_that_do_not_reach_a_store_put_its_green_out_before_the_link_does() {
        let mut order = sample::order("17", AT.0 - 10_001);
        order.tickets = vec![sample::ticket("queued", AT.0 - 10_001)];
        let overview = Overview { orders: vec![order], ..nothing() };
        assert_eq!(view(Some(&live(Vec::new())), &overview), (Light::Yellow, vec!["tickets-not-spooled"]));
    }
}
