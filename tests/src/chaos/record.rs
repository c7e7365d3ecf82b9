//! What the hub stores for one agent, and what its storage does when a session opens.

use super::journal::unix;
use super::ledger::Id;
use super::spool::{Item, Row, Told};
use docket_protocol::frame::payload;
use docket_protocol::ids::Seq;
use docket_protocol::message::Hello;
use docket_protocol::outcome::Outcome;
use docket_protocol::session::Opened;
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Record {
    pub(super) epoch: u64,
    spool: Option<[u8; 16]>,
    /// Everything from the agent up to here is stored.
    pub(super) cursor: Seq,
    pub(super) acked: Seq,
    pub(super) assigned: Seq,
    /// What has not come to its end, and what is not acknowledged.
    outbox: BTreeMap<Seq, Item>,
    /// How tickets ended, be they the hub's or the counter's.
    pub(super) ended: BTreeMap<Id, Outcome>,
    /// Orders of the store's own.
    uploaded: BTreeSet<Id>,
    /// Not durable: what may have been sent. After a restart it is not known, and all may have been.
    sent_up_to: Seq,
}

/// What the hub's writer does, in order.
pub(super) enum HubWork {
    /// A platform's order: accepted when it is durable.
    Accept {
        agent: usize,
        item: Item,
    },
    Open {
        link: usize,
        hello: Hello,
    },
    Store {
        link: usize,
        epoch: u64,
        items: Vec<(Seq, Vec<u8>)>,
    },
    Acknowledged {
        link: usize,
        epoch: u64,
        up_to: Seq,
    },
    Upload {
        link: usize,
        epoch: u64,
        number: u64,
        packed: Vec<u8>,
    },
}

impl Record {
    pub(super) fn new() -> Self {
        Record {
            epoch: 0,
            spool: None,
            cursor: Seq(0),
            acked: Seq(0),
            assigned: Seq(0),
            outbox: BTreeMap::new(),
            ended: BTreeMap::new(),
            uploaded: BTreeSet::new(),
            sent_up_to: Seq(0),
        }
    }

    pub(super) fn accept(&mut self, item: Item) -> (Seq, Vec<u8>) {
        (self.append(item), payload(&item))
    }

    fn append(&mut self, item: Item) -> Seq {
        self.assigned = self.assigned.next();
        self.outbox.insert(self.assigned, item);
        self.assigned
    }

    /// A new lease. Whatever a lost spool took with it is put into the outbox again, marked.
    pub(super) fn open(&mut self, hello: &Hello, now: u64) -> Opened {
        let another = self.spool.is_some_and(|spool| spool != hello.spool);
        let lost_after = if another {
            Some(Seq(0))
        } else {
            (hello.received_up_to < self.acked).then_some(hello.received_up_to)
        };
        let sends_after = self.acked.max(hello.received_up_to);
        assert!(sends_after <= self.assigned, "an agent has what this hub, which loses nothing, never sent");
        if let Some(lost_after) = lost_after {
            for (seq, entry) in self.outbox.range_mut(sends_after.next()..) {
                entry.marked |= *seq <= self.sent_up_to;
            }
            let taken = self.outbox.range(..=sends_after).map(|(&seq, _)| seq);
            let lost: Vec<Seq> = taken.filter(|seq| *seq > lost_after).collect();
            for seq in lost {
                let entry = self.outbox.remove(&seq);
                if let Some(item) = entry.filter(|item| !self.ended.contains_key(&item.id)) {
                    self.append(Item { marked: true, ..item });
                }
            }
        }
        self.epoch += 1;
        self.spool = Some(hello.spool);
        self.acknowledged(sends_after);
        Opened {
            epoch: self.epoch,
            received_up_to: self.cursor,
            sends_after,
            assigned_up_to: self.assigned,
            now: unix(now),
        }
    }

    pub(super) fn store(&mut self, seq: Seq, told: Told) {
        assert_eq!(seq, self.cursor.next(), "a gap in what the hub stores");
        self.cursor = seq;
        self.hear(told);
    }

    /// Takes what comes beside the sequence; whether the hub had it.
    pub(super) fn upload(&mut self, row: Row) -> bool {
        match row {
            Row::Order(id) => !self.uploaded.insert(id),
            Row::Outcome(told) => {
                assert!(self.uploaded.contains(&told.id), "an outcome of an order that never came: {told:?}");
                self.hear(told)
            }
        }
    }

    /// What has ended stays so, whatever an older copy of a spool says.
    fn hear(&mut self, told: Told) -> bool {
        match told.outcome {
            Outcome::Printed(_) | Outcome::Settled => {
                let had = self.ended.contains_key(&told.id);
                self.ended.entry(told.id).or_insert(told.outcome);
                had
            }
            Outcome::Unknown(_) | Outcome::Held(_) => false,
        }
    }

    pub(super) fn acknowledged(&mut self, up_to: Seq) {
        assert!(up_to <= self.assigned, "an acknowledgement of what is not there");
        self.acked = self.acked.max(up_to);
        let acked = self.outbox.range(..=self.acked);
        let done: Vec<Seq> =
            acked.filter(|(_, e)| self.ended.contains_key(&e.id)).map(|(&seq, _)| seq).collect();
        for seq in done {
            self.outbox.remove(&seq);
        }
    }

    pub(super) fn read_outbox(&self, after: Seq, limit: usize) -> Vec<(Seq, Vec<u8>)> {
        // What has ended and comes again goes to a spool that has forgotten it.
        let marked = |item: &Item| item.marked || self.ended.contains_key(&item.id);
        let entries = self.outbox.range(after.next()..).take(limit);
        entries.map(|(&seq, item)| (seq, payload(&Item { marked: marked(item), ..*item }))).collect()
    }

    pub(super) fn sent(&mut self, seq: Seq) {
        self.sent_up_to = self.sent_up_to.max(seq);
    }

    pub(super) fn restarted(&mut self) {
        self.sent_up_to = self.assigned;
    }

    /// Whether the hub knows, durably, that an agent took this item.
    pub(super) fn knows_taken(&self, id: Id) -> bool {
        self.ended.contains_key(&id)
            || self.outbox.iter().any(|(seq, entry)| entry.id == id && *seq <= self.acked)
    }
}
