//! A model of what an agent stores, in the words of [`docket_agent::spool`], which itself is tied to SQLite. [`Spool`] is
//! what is durable; what a restart loses waits in [`super::disk::Disk`].
//!
//! What follows from doubt is the product's own: [`judge`], [`ATTEMPTS_MAX`].

use super::Sabotage;
use super::journal::Journal;
use super::ledger::Id;
use docket_agent::printing::journal::Phase;
use docket_agent::spool::{ATTEMPTS_MAX, Ending, Verdict, judge};
use docket_protocol::frame::{payload, read_payload};
use docket_protocol::ids::Seq;
use docket_protocol::outcome::{Doubt, Outcome};
use docket_protocol::pack::{pack, unpack};
use docket_protocol::session::{Batch, Cursors};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a row is taken to have: as many as an order from the counter.
const ROW_BYTES: usize = 1_024;

/// What the hub sends: a ticket.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Item {
    pub(super) id: Id,
    pub(super) printer: usize,
    /// An earlier spool may have printed it.
    pub(super) marked: bool,
    /// By the hub's clock.
    pub(super) expires_at: Option<u64>,
}

/// What is told of a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) id: Id,
    pub(super) outcome: Outcome,
}

/// What goes up beside the sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Row {
    Order(Id),
    Outcome(Told),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Queued,
    Claimed,
    Printed,
    Held(Doubt),
    Settled,
}

#[derive(Debug, Clone, Copy)]
struct Ticket {
    place: u64,
    printer: usize,
    state: State,
    attempt: u16,
    repeat: u16,
    expires_at: Option<u64>,
    /// It came from the counter.
    sold: bool,
}

/// A ticket in a printer's hands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    pub(super) id: Id,
    pub(super) attempt: u16,
    pub(super) repeat: u16,
}

#[derive(Clone)]
pub(super) struct Spool {
    pub(super) id: [u8; 16],
    /// Everything from the hub up to here is stored.
    pub(super) cursor: Seq,
    pub(super) assigned: Seq,
    pub(super) outbox: BTreeMap<Seq, Told>,
    tickets: BTreeMap<Id, Ticket>,
    /// By printer and order of arrival.
    queued: BTreeSet<(usize, u64, Id)>,
    claimed: BTreeSet<Id>,
    pub(super) held: BTreeSet<Id>,
    places: u64,
    /// Rows that the hub has not stored, by their number.
    pub(super) rows: BTreeMap<u64, Row>,
    row_number: u64,
    /// The boot that wrote last.
    boot: u64,
    /// How far the hub's clock was ahead of the PC's.
    pub(super) ahead_ms: i64,
}

/// What the agent's one thread for the spool does, in order.
#[derive(Debug)]
pub(super) enum SpoolWork {
    /// Answer [`docket_protocol::session::AgentSession::connected`] for this connection.
    ReadCursors {
        link: usize,
    },
    ReadOutbox {
        link: usize,
        after: Seq,
        limit: usize,
    },
    Store(Vec<(Seq, Vec<u8>)>),
    Acknowledged(Seq),
    SkipTo(Seq),
    RenumberAfter(Seq),
    /// An order from the counter, which is answered when this is durable.
    Sell {
        id: Id,
        printer: usize,
    },
    /// A printer wants a ticket.
    Claim,
    HandBack(Id),
    Finish {
        claim: Claim,
        ending: Ending,
    },
    /// A person has looked at a held ticket.
    Decide {
        id: Id,
        settle: bool,
    },
    HubClock {
        ahead_ms: i64,
    },
    ReadRows {
        link: usize,
        bytes_max: usize,
    },
    UploadedUpTo(u64),
}

impl SpoolWork {
    /// Whether it needs room that a full disk does not have.
    pub(super) fn grows(&self) -> bool {
        matches!(self, SpoolWork::Store(_) | SpoolWork::Sell { .. })
    }
}

impl Spool {
    pub(super) fn new(id: u64) -> Self {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&id.to_le_bytes());
        Spool {
            id: bytes,
            cursor: Seq(0),
            assigned: Seq(0),
            outbox: BTreeMap::new(),
            tickets: BTreeMap::new(),
            queued: BTreeSet::new(),
            claimed: BTreeSet::new(),
            held: BTreeSet::new(),
            places: 0,
            rows: BTreeMap::new(),
            row_number: 0,
            boot: 0,
            ahead_ms: 0,
        }
    }

    pub(super) fn cursors(&self) -> Cursors {
        Cursors { spool: self.id, received_up_to: self.cursor, assigned_up_to: self.assigned }
    }

    pub(super) fn store(&mut self, items: &[(Seq, Vec<u8>)]) {
        for (seq, bytes) in items {
            if *seq <= self.cursor {
                continue;
            }
            assert_eq!(*seq, self.cursor.next(), "a gap in what an agent stores");
            self.cursor = *seq;
            let item = item_of(bytes);
            self.add(item, false);
        }
    }

    pub(super) fn sell(&mut self, id: Id, printer: usize) {
        self.add(Item { id, printer, marked: false, expires_at: None }, true);
        self.add_row(Row::Order(id));
    }

    /// A ticket that is there already is known by its key.
    fn add(&mut self, item: Item, sold: bool) {
        let Item { id, printer, marked, expires_at } = item;
        if !self.tickets.contains_key(&id) {
            self.places += 1;
            let (place, repeat) = (self.places, u16::from(marked));
            let state = State::Queued;
            self.tickets.insert(id, Ticket { place, printer, state, attempt: 0, repeat, expires_at, sold });
            self.queued.insert((printer, place, id));
        }
    }

    pub(super) fn has_work(&self, printer: usize) -> bool {
        self.queued.range((printer, 0, 0)..).next().is_some_and(|(of, ..)| *of == printer)
    }

    /// The oldest ticket of a printer's queue.
    pub(super) fn claim(&mut self, printer: usize) -> Option<Claim> {
        let &(of, _, id) = self.queued.range((printer, 0, 0)..).next()?;
        if of != printer {
            return None;
        }
        let ticket = self.change(id, State::Claimed);
        Some(Claim { id, attempt: ticket.attempt + 1, repeat: ticket.repeat })
    }

    pub(super) fn hand_back(&mut self, id: Id) {
        if self.claimed.contains(&id) {
            self.change(id, State::Queued);
        }
    }

    /// What came of a claimed ticket.
    pub(super) fn finish(&mut self, claim: Claim, ending: Ending, sabotage: Sabotage) {
        if !self.claimed.contains(&claim.id) {
            return;
        }
        let (state, repeat, outcome) = match ending {
            Ending::Printed(evidence) => (State::Printed, claim.repeat, Outcome::Printed(evidence)),
            Ending::Unknown(doubt) if claim.attempt >= ATTEMPTS_MAX => {
                (State::Held(doubt), claim.repeat, Outcome::Held(doubt))
            }
            Ending::Unknown(doubt) => {
                let repeat = claim.repeat + u16::from(sabotage != Sabotage::ForgetsMarks);
                (State::Queued, repeat, Outcome::Unknown(doubt))
            }
        };
        let ticket = self.change(claim.id, state);
        ticket.attempt = claim.attempt;
        ticket.repeat = repeat;
        self.tell(Told { id: claim.id, outcome });
    }

    /// What is of no more use by this time of the hub's waits for a person.
    pub(super) fn expire(&mut self, hub_now: u64) -> Vec<(Id, u64)> {
        let is_over = |&&(_, _, id): &&(usize, u64, Id)| {
            self.tickets[&id].expires_at.is_some_and(|expires_at| expires_at <= hub_now)
        };
        let expired: Vec<Id> = self.queued.iter().filter(is_over).map(|&(_, _, id)| id).collect();
        let expired = expired.into_iter().map(|id| {
            let expires_at = self.change(id, State::Held(Doubt::Expired)).expires_at;
            self.tell(Told { id, outcome: Outcome::Held(Doubt::Expired) });
            (id, expires_at.unwrap_or(0))
        });
        expired.collect()
    }

    /// A person settles a held ticket or has it printed. Whether it was held.
    pub(super) fn decide(&mut self, id: Id, settle: bool) -> bool {
        let Some(&Ticket { state: State::Held(doubt), .. }) = self.tickets.get(&id) else { return false };
        if settle {
            self.change(id, State::Settled);
            self.tell(Told { id, outcome: Outcome::Settled });
        } else {
            let ticket = self.change(id, State::Queued);
            ticket.expires_at = None;
            ticket.repeat += u16::from(doubt != Doubt::Expired);
        }
        true
    }

    pub(super) fn is_of_boot(&self, boot: u64) -> bool {
        self.boot == boot
    }

    /// Settles what an earlier life left, in one transaction. Gives back what was printed by the journal's word.
    pub(super) fn recover(&mut self, journals: &[&Journal], boot: u64, sabotage: Sabotage) -> Vec<Id> {
        let same_boot = self.boot == boot;
        self.boot = boot;
        let mut printed = Vec::new();
        for id in self.claimed.clone() {
            let Ticket { printer, attempt, repeat, .. } = self.tickets[&id];
            let claim = Claim { id, attempt: attempt + 1, repeat };
            let record = journals[printer].of(id, claim.attempt);
            match judge(record, same_boot) {
                Verdict::NotBegun => self.hand_back(id),
                Verdict::Printed { evidence, .. } => {
                    printed.push(id);
                    self.finish(claim, Ending::Printed(evidence), sabotage);
                }
                // Its printer is asked first.
                Verdict::Unknown { doubt: Doubt::AgentEnded, .. } if record == journals[printer].last() => {}
                Verdict::Unknown { doubt, .. } => self.finish(claim, Ending::Unknown(doubt), sabotage),
            }
        }
        printed
    }

    /// The claim of a ticket in whose middle an earlier life ended.
    pub(super) fn in_question(&self, journal: &Journal) -> Option<Claim> {
        let open = journal.left_open()?;
        self.claimed.iter().find_map(|&id| {
            let Ticket { attempt, repeat, .. } = self.tickets[&id];
            let is_it = journal
                .of(id, attempt + 1)
                .is_some_and(|record| record.serial == open.serial && record.phase == Phase::Began);
            is_it.then_some(Claim { id, attempt: attempt + 1, repeat })
        })
    }

    /// Nothing waits, be it for a printer or for a person.
    pub(super) fn is_done(&self) -> bool {
        self.queued.is_empty() && self.claimed.is_empty() && self.held.is_empty()
    }

    pub(super) fn waiting(&self) -> String {
        format!("{:?} queued, {:?} claimed, {:?} held", self.queued, self.claimed, self.held)
    }

    /// What it would print without knowing whether that has come out since it was copied.
    pub(super) fn open(&self) -> impl Iterator<Item = Id> + '_ {
        self.queued
            .iter()
            .map(|&(_, _, id)| id)
            .chain(self.claimed.iter().copied())
            .chain(self.held.iter().copied())
    }

    pub(super) fn has(&self, id: Id) -> bool {
        self.tickets.contains_key(&id)
    }

    fn change(&mut self, id: Id, state: State) -> &mut Ticket {
        let ticket = self.tickets.get_mut(&id).expect("only what is stored changes");
        let queued = (ticket.printer, ticket.place, id);
        match ticket.state {
            State::Queued => self.queued.remove(&queued),
            State::Claimed => self.claimed.remove(&id),
            State::Held(_) => self.held.remove(&id),
            State::Printed | State::Settled => false,
        };
        match state {
            State::Queued => self.queued.insert(queued),
            State::Claimed => self.claimed.insert(id),
            State::Held(_) => self.held.insert(id),
            State::Printed | State::Settled => false,
        };
        ticket.state = state;
        ticket
    }

    fn tell(&mut self, told: Told) {
        if self.tickets[&told.id].sold {
            self.add_row(Row::Outcome(told));
        } else {
            self.assigned = self.assigned.next();
            self.outbox.insert(self.assigned, told);
        }
    }

    pub(super) fn acknowledged(&mut self, up_to: Seq) {
        self.outbox = self.outbox.split_off(&up_to.next());
    }

    pub(super) fn renumber_after(&mut self, after: Seq) {
        self.assigned = after;
        for report in std::mem::take(&mut self.outbox).into_values() {
            self.assigned = self.assigned.next();
            self.outbox.insert(self.assigned, report);
        }
    }

    pub(super) fn read_outbox(&self, after: Seq, limit: usize) -> Vec<(Seq, Vec<u8>)> {
        self.outbox.range(after.next()..).take(limit).map(|(&seq, told)| (seq, payload(told))).collect()
    }

    fn add_row(&mut self, row: Row) {
        self.row_number += 1;
        self.rows.insert(self.row_number, row);
    }

    /// The oldest rows, packed.
    pub(super) fn read_rows(&self, bytes_max: usize) -> Option<Batch> {
        let mut some = self.rows.iter().take((bytes_max / ROW_BYTES).max(1));
        let rows: Vec<Vec<u8>> = some.clone().map(|(_, row)| payload(row)).collect();
        let (&up_to, _) = some.next_back()?;
        Some(Batch { up_to, packed: pack(&rows) })
    }

    pub(super) fn uploaded_up_to(&mut self, number: u64) {
        self.rows = self.rows.split_off(&(number + 1));
    }
}

pub(super) fn item_of(bytes: &[u8]) -> Item {
    read_payload(bytes).expect("a model's item came as it was sent")
}

pub(super) fn report_of(bytes: &[u8]) -> Told {
    read_payload(bytes).expect("a model's report came as it was sent")
}

pub(super) fn rows_of(packed: &[u8]) -> Vec<Row> {
    let rows = unpack(packed).expect("rows came as they were packed");
    rows.iter().map(|row| read_payload(row).expect("a row came as it was sent")).collect()
}
