//! What is shown, as JSON: views, made of the agent's state and apart from it. Pure.

use super::trouble::{Trouble, troubles};
use super::words::{self, Words};
use crate::config::PrinterEntry;
use crate::printers::{Printer, Printers, SetBy};
use crate::status::{HeldView, StatusFile, WayView};
use docket_protocol::ids::UnixMs;
use docket_protocol::outcome::Doubt;
use docket_protocol::printer::{Condition, PrinterHealth};
use serde::Serialize;

/// How something is in one word, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Light {
    /// It does not print.
    Red,
    /// It prints, and somebody should look; or somebody has told it to wait.
    Yellow,
    /// Nobody can say.
    Unknown,
    /// It prints.
    Green,
}

/// The agent, its store and its printers.
#[derive(Debug, Serialize)]
pub struct State<'a> {
    /// The store's id.
    store: &'a str,
    /// And its name.
    store_name: &'a str,
    /// Who the agent is.
    agent: &'a str,
    /// Its version.
    version: &'a str,
    /// `live`, `connecting`, `waiting`, or the code of a refusal.
    link: &'a str,
    link_since: Option<UnixMs>,
    way: Option<&'a WayView>,
    /// What is wrong, the worst first.
    troubles: Vec<Trouble>,
    printers: Vec<PrinterView>,
    /// Printers that staff have added and that do not count.
    off: Vec<OffView>,
    /// Tickets that have not come out.
    waiting: u32,
    /// Tickets that wait for a person.
    held: u32,
    /// The oldest of them.
    held_tickets: Vec<HeldTicket>,
}

/// A ticket that waits for a person.
#[derive(Debug, Serialize)]
struct HeldTicket {
    ticket: String,
    title: String,
    printer: String,
    since: UnixMs,
    /// Whether no byte of it has left: it came too late, and nobody has to look for it.
    expired: bool,
    /// Why.
    doubt: Option<Words>,
}

impl From<&HeldView> for HeldTicket {
    fn from(held: &HeldView) -> Self {
        let doubt = held.doubt.as_deref().and_then(Doubt::from_name);
        HeldTicket {
            ticket: held.ticket.clone(),
            title: held.title.clone(),
            printer: held.printer.clone(),
            since: held.since,
            expired: doubt == Some(Doubt::Expired) && held.attempts == 0,
            doubt: doubt.map(|doubt| words::doubt(doubt, held.attempts).into()),
        }
    }
}

#[derive(Debug, Serialize)]
struct PrinterView {
    #[serde(flatten)]
    entry: PrinterEntry,
    /// Whether `agent.toml` fixes it, so that it cannot be changed here.
    fixed: bool,
    /// Who has set it.
    from: SetBy,
    light: Light,
    paused: bool,
    conditions: Vec<ConditionView>,
    heard_at: Option<UnixMs>,
    waiting: u32,
}

#[derive(Debug, Serialize)]
struct OffView {
    #[serde(flatten)]
    entry: PrinterEntry,
    /// Why, and what to do.
    why: Words,
}

#[derive(Debug, Serialize)]
struct ConditionView {
    code: &'static str,
    since: UnixMs,
    #[serde(flatten)]
    words: Words,
}

impl<'a> State<'a> {
    /// What is shown at this moment.
    pub fn new(status: Option<&'a StatusFile>, printers: Printers, now: UnixMs) -> Self {
        let troubles = troubles(status, &printers, now);
        // What nobody has written for so long is not known any more.
        let fresh = status.filter(|status| status.is_fresh(now));
        let healths = fresh.map_or(&[][..], |status| &status.status.printers);
        let view = |printer: Printer| {
            let health = healths.iter().find(|health| health.printer.as_str() == printer.entry.name);
            PrinterView::new(printer, health)
        };
        State {
            store: status.map_or("", |status| &status.store),
            store_name: status.map_or("", |status| &status.store_name),
            agent: status.map_or("", |status| &status.agent),
            version: env!("CARGO_PKG_VERSION"),
            link: status.map_or("connecting", |status| &status.link),
            link_since: status.map(|status| status.link_since),
            way: fresh.and_then(|status| status.way.as_ref()),
            troubles,
            printers: printers.list.into_iter().map(view).collect(),
            off: printers
                .off
                .into_iter()
                .map(|off| OffView { entry: off.entry, why: off.why.into() })
                .collect(),
            waiting: status.map_or(0, |status| status.status.waiting),
            held: status.map_or(0, |status| status.status.held),
            held_tickets: status
                .map_or_else(Vec::new, |status| status.held.iter().map(HeldTicket::from).collect()),
        }
    }
}

impl PrinterView {
    fn new(printer: Printer, health: Option<&PrinterHealth>) -> Self {
        let conditions = health.map_or(&[][..], |health| &health.conditions);
        PrinterView {
            entry: printer.entry,
            fixed: printer.from == SetBy::AgentToml,
            from: printer.from,
            light: light(health),
            paused: conditions.iter().any(|since| since.condition == Condition::Paused),
            conditions: conditions
                .iter()
                .map(|since| ConditionView {
                    code: since.condition.code(),
                    since: since.since,
                    words: since.condition.remedy().into(),
                })
                .collect(),
            heard_at: health.and_then(|health| health.heard_at),
            waiting: health.map_or(0, |health| health.waiting),
        }
    }
}

/// A printer that has never said anything is not green: nothing tells that it prints.
fn light(health: Option<&PrinterHealth>) -> Light {
    let Some(health) = health else { return Light::Unknown };
    let of = |condition: Condition| match condition {
        Condition::Unknown => Light::Unknown,
        Condition::Paused => Light::Yellow,
        condition if condition.stops_printing() => Light::Red,
        _ => Light::Yellow,
    };
    let unheard = health.heard_at.is_none().then_some(Light::Unknown);
    let conditions = health.conditions.iter().map(|since| of(since.condition));
    conditions.chain(unheard).min().unwrap_or(Light::Green)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::STATUS_AGE_MAX_MS;
    use docket_protocol::ids::PrinterName;
    use docket_protocol::printer::Since;

    fn health(conditions: &[Condition], heard_at: Option<i64>) -> PrinterHealth {
        let since = |&condition: &Condition| Since { condition, since: UnixMs(1) };
        PrinterHealth {
            printer: PrinterName::new("a"),
            conditions: conditions.iter().map(since).collect(),
            heard_at: heard_at.map(UnixMs),
            waiting: 0,
        }
    }

    #[test]
    fn only_what_is_known_to_print_is_green() {
        assert_eq!(light(None), Light::Unknown);
        assert_eq!(light(Some(&health(&[], None))), Light::Unknown);
        assert_eq!(light(Some(&health(&[Condition::Unknown], Some(5)))), Light::Unknown);
        assert_eq!(light(Some(&health(&[], Some(5)))), Light::Green);
        assert_eq!(light(Some(&health(&[Condition::PaperNearEnd], Some(5)))), Light::Yellow);
        assert_eq!(light(Some(&health(&[Condition::Paused], Some(5)))), Light::Yellow);
        assert_eq!(light(Some(&health(&[Condition::Paused, Condition::PaperOut], Some(5)))), Light::Red);
        assert_eq!(light(Some(&health(&[Condition::Unreachable], None))), Light::Red);
    }

    #[test]
    fn a_state_that_nobody_writes_any_more_is_not_green() {
        let status: StatusFile = serde_json::from_value(serde_json::json!({
            "at": 1_000, "version": "0", "agent": "a", "store": "S", "store_name": "店", "link": "live",
            "link_since": 1, "held": [],
            "status": { "printers": [health(&[], Some(5))], "waiting": 0, "held": 0, "spool_full": false },
        }))
        .unwrap();
        let entry = PrinterEntry {
            name: "a".into(),
            address: "192.0.2.1".parse().unwrap(),
            paper_mm: 80,
            stations: Vec::new(),
            default: true,
            backup: None,
            profile: Default::default(),
        };
        let printers = Printers { list: vec![Printer { entry, from: SetBy::Staff }], ..Printers::default() };
        let light = |now| State::new(Some(&status), printers.clone(), UnixMs(now)).printers[0].light;
        assert_eq!(light(2_000), Light::Green);
        assert_eq!(light(-60_000), Light::Unknown);
        assert_eq!(light(1_002 + i64::try_from(STATUS_AGE_MAX_MS).unwrap()), Light::Unknown);
    }

    #[test]
    fn what_came_too_late_may_be_on_paper_if_it_was_begun_before() {
        let held = |attempts| HeldView {
            ticket: "t".into(),
            title: "#1".into(),
            printer: "a".into(),
            attempts,
            since: UnixMs(1),
            doubt: Some(Doubt::Expired.as_str().into()),
        };
        let shown = |attempts| {
            let shown = HeldTicket::from(&held(attempts));
            (shown.expired, shown.doubt.unwrap().zh.contains("没有打"))
        };
        assert_eq!([shown(0), shown(1)], [(true, true), (false, false)]);
    }
}
