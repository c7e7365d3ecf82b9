//! What is wrong, the worst first, each with what to do. Pure.
//!
//! The order is that of what a store loses: tickets that cannot be kept, tickets that cannot be printed, tickets that
//! wait for somebody, orders that do not come in, and then what will soon be one of these. Of equals the oldest is
//! first.

use super::words::Words;
use crate::printers::Printers;
use crate::status::StatusFile;
use docket_protocol::ids::UnixMs;
use docket_protocol::message::Refusal;
use docket_protocol::printer::Condition;
use serde::Serialize;

/// How bad it is, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something does not come out, or will not.
    Stop,
    /// It will soon be so, or somebody has chosen it.
    Warn,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// How bad.
    pub level: Level,
    /// For programs.
    pub code: &'static str,
    /// The printer that it is about.
    pub printer: Option<String>,
    /// Since when, where that is known.
    pub since: Option<UnixMs>,
    /// What it is and what to do.
    #[serde(flatten)]
    pub words: Words,
    #[serde(skip)]
    rank: u8,
}

/// A link that is lost is made again within seconds; after so long somebody should look.
const LINK_MS_MAX: u64 = 30_000;

/// Everything that is wrong. `status` is `None` until the agent has said anything.
pub fn troubles(status: Option<&StatusFile>, printers: &Printers, now: UnixMs) -> Vec<Trouble> {
    let mut found = Vec::new();
    if printers.list.is_empty() {
        found.push(Trouble::new(
            Level::Stop,
            1,
            "no-printers",
            (
                "还没有打印机:点「添加打印机」,小票会先存着",
                "there is no printer yet: press “Add a printer”; tickets are kept until then",
            ),
        ));
    }
    for (zh, en) in &printers.notes {
        let words = Words { zh: zh.clone(), en: en.clone() };
        found.push(Trouble { words, ..Trouble::new(Level::Warn, 0, "printers-file", ("", "")) });
    }
    if let Some(status) = status {
        of_status(status, now, &mut found);
    }
    found.sort_by_key(|trouble| (trouble.level, trouble.rank, trouble.since));
    found
}

fn of_status(status: &StatusFile, now: UnixMs, found: &mut Vec<Trouble>) {
    if let Some(storing) = status.storing() {
        let level = if storing.fails() { Level::Stop } else { Level::Warn };
        found.push(Trouble::new(level, 0, storing.code(), storing.remedy()));
    }
    for printer in &status.status.printers {
        for since in &printer.conditions {
            let level = match since.condition {
                Condition::Paused | Condition::Unknown => Level::Warn,
                condition if condition.stops_printing() => Level::Stop,
                _ => Level::Warn,
            };
            // What says most of the cause comes first of what a printer has.
            let rank = match since.condition {
                Condition::Offline | Condition::Silent => 3,
                _ => 2,
            };
            found.push(Trouble {
                printer: Some(printer.printer.to_string()),
                since: Some(since.since),
                ..Trouble::new(level, rank, since.condition.code(), since.condition.remedy())
            });
        }
    }
    if let Some(oldest) = status.held.first() {
        let held = status.status.held;
        found.push(Trouble {
            since: Some(oldest.since),
            words: Words {
                zh: format!("{held} 张小票等人处理:在下面点一下"),
                en: format!("{held} tickets wait for you: choose below"),
            },
            ..Trouble::new(Level::Stop, 4, "held", ("", ""))
        });
    }
    if let Some(trouble) = of_link(status, now) {
        found.push(trouble);
    }
}

fn of_link(status: &StatusFile, now: UnixMs) -> Option<Trouble> {
    let (code, level, words) = match (Refusal::from_code(&status.link), status.link.as_str()) {
        (_, "live") => return None,
        (Some(refusal), _) => (refusal.code(), Level::Stop, refusal.remedy()),
        (None, _) => (
            "no-link",
            if now.since(status.link_since) < LINK_MS_MAX { Level::Warn } else { Level::Stop },
            (
                "连不上总部,新的外卖单进不来:检查网络;已收到的小票照常打印",
                "headquarters cannot be reached, no new orders come in: check the network; what is here is printed",
            ),
        ),
    };
    Some(Trouble { since: Some(status.link_since), ..Trouble::new(level, 5, code, words) })
}

impl Trouble {
    fn new(level: Level, rank: u8, code: &'static str, words: (&str, &str)) -> Self {
        Trouble { level, code, printer: None, since: None, words: words.into(), rank }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PrinterEntry;
    use crate::printers::{Printer, SetBy};
    use crate::status::HeldView;
    use docket_protocol::ids::PrinterName;
    use docket_protocol::message::AgentStatus;
    use docket_protocol::printer::{PrinterHealth, Since};

    fn printers(names: &[&str]) -> Printers {
        let printer = |&name: &&str| Printer {
            entry: PrinterEntry {
                name: name.into(),
                address: "192.0.2.1".parse().unwrap(),
                paper_mm: 80,
                stations: Vec::new(),
                default: false,
                backup: None,
                profile: Default::default(),
            },
            from: SetBy::Staff,
        };
        Printers { list: names.iter().map(printer).collect(), ..Printers::default() }
    }

    fn status(link: &str, printers: &[(&str, &[(Condition, i64)])]) -> StatusFile {
        let health = |&(name, conditions): &(&str, &[(Condition, i64)])| PrinterHealth {
            printer: PrinterName::new(name),
            conditions: conditions
                .iter()
                .map(|&(condition, since)| Since { condition, since: UnixMs(since) })
                .collect(),
            heard_at: None,
            waiting: 0,
        };
        StatusFile {
            at: UnixMs(1_000),
            version: "0".into(),
            agent: "a".into(),
            store: "S".into(),
            store_name: "店".into(),
            link: link.into(),
            link_since: UnixMs(50),
            way: None,
            link_trouble: None,
            page: None,
            profiles: Default::default(),
            memory_kib: None,
            status: AgentStatus { printers: printers.iter().map(health).collect(), ..AgentStatus::default() },
            spool: None,
            held: Vec::new(),
        }
    }

    fn codes(status: Option<&StatusFile>, printers: &Printers) -> Vec<&'static str> {
        troubles(status, printers, UnixMs(100_000)).iter().map(|trouble| trouble.code).collect()
    }

    #[test]
    fn nothing_is_wrong_where_all_is_well() {
        assert_eq!(codes(Some(&status("live", &[("a", &[])])), &printers(&["a"])), [""; 0]);
    }

    #[test]
    fn the_worst_is_first_and_of_equals_the_oldest() {
        let mut status = status(
            "waiting",
            &[
                ("a", &[(Condition::PaperNearEnd, 1)]),
                ("b", &[(Condition::Offline, 10), (Condition::PaperOut, 20)]),
                ("c", &[(Condition::CoverOpen, 15)]),
                ("d", &[(Condition::Paused, 2)]),
            ],
        );
        status.spool = Some("spool-full".into());
        status.status.held = 2;
        status.held.push(HeldView {
            ticket: "t".into(),
            title: "美团外卖 #17".into(),
            printer: "b".into(),
            attempts: 3,
            since: UnixMs(5),
            doubt: None,
        });
        assert_eq!(
            codes(Some(&status), &printers(&["a", "b", "c", "d"])),
            [
                "spool-full",
                "cover-open",
                "paper-out",
                "offline",
                "held",
                "no-link",
                "paper-near-end",
                "paused"
            ]
        );
    }

    #[test]
    fn a_store_without_a_printer_is_told_to_add_one() {
        let found = troubles(None, &Printers::default(), UnixMs(0));
        assert_eq!(found.len(), 1);
        assert!(found[0].level == Level::Stop && found[0].words.zh.contains("添加打印机"), "{found:?}");
    }

    #[test]
    fn a_refusal_says_what_to_do_about_it() {
        let found = troubles(Some(&status("revoked", &[("a", &[])])), &printers(&["a"]), UnixMs(60));
        assert_eq!(found[0].words, Refusal::from_code("revoked").unwrap().remedy().into());
    }
}
