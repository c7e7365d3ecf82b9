//! What an agent stores. [`Spool`] is what is durable; what a restart loses waits in [`super::disk::Disk`].

use super::ledger::Id;
use docket_protocol::ids::Seq;
use docket_protocol::session::Cursors;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone)]
pub(super) struct Spool {
    pub(super) id: [u8; 16],
    /// Everything from the hub up to here is stored.
    pub(super) cursor: Seq,
    pub(super) assigned: Seq,
    pub(super) outbox: BTreeMap<Seq, Id>,
    pub(super) items: BTreeMap<Id, Stored>,
    /// Every report that was ever written: the hub has to get them all.
    pub(super) written: BTreeSet<Id>,
}

#[derive(Clone, Copy)]
pub(super) struct Stored {
    pub(super) marked: bool,
    pub(super) executed: bool,
}

/// What the agent's one thread for the spool does, in order.
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
    /// The item comes out, and its report goes into the outbox.
    Execute(Id),
    /// A report of the agent's own.
    Write(Id),
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
            items: BTreeMap::new(),
            written: BTreeSet::new(),
        }
    }

    pub(super) fn cursors(&self) -> Cursors {
        Cursors { spool: self.id, received_up_to: self.cursor, assigned_up_to: self.assigned }
    }

    /// Stores items; gives back those that are new, to be executed.
    pub(super) fn store(&mut self, items: &[(Seq, Vec<u8>)]) -> Vec<Id> {
        let mut new = Vec::new();
        for (seq, payload) in items {
            if *seq <= self.cursor {
                continue;
            }
            assert_eq!(*seq, self.cursor.next(), "a gap in what an agent stores");
            self.cursor = *seq;
            let (id, marked) = item_of(payload);
            self.items.entry(id).or_insert_with(|| {
                new.push(id);
                Stored { marked, executed: false }
            });
        }
        new
    }

    /// Gives back whether it bears a mark, the first time.
    pub(super) fn execute(&mut self, id: Id) -> Option<bool> {
        let stored = self.items.get_mut(&id).expect("only what is stored is executed");
        if stored.executed {
            return None;
        }
        stored.executed = true;
        let marked = stored.marked;
        self.write(id);
        Some(marked)
    }

    pub(super) fn write(&mut self, report: Id) {
        self.assigned = self.assigned.next();
        self.outbox.insert(self.assigned, report);
        self.written.insert(report);
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
        self.outbox.range(after.next()..).take(limit).map(|(&seq, &id)| (seq, report_payload(id))).collect()
    }

    pub(super) fn unexecuted(&self) -> Vec<Id> {
        self.items.iter().filter(|(_, stored)| !stored.executed).map(|(&id, _)| id).collect()
    }
}

pub(super) fn item_payload(id: Id, marked: bool) -> Vec<u8> {
    let mut payload = id.to_le_bytes().to_vec();
    payload.push(u8::from(marked));
    payload
}

pub(super) fn item_of(payload: &[u8]) -> (Id, bool) {
    let (id, mark) = payload.split_first_chunk::<8>().unwrap();
    (Id::from_le_bytes(*id), mark == [1])
}

pub(super) fn report_payload(id: Id) -> Vec<u8> {
    id.to_le_bytes().to_vec()
}

pub(super) fn report_of(payload: &[u8]) -> Id {
    Id::from_le_bytes(payload.try_into().unwrap())
}
