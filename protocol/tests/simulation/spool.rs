//! What an agent stores. [`Spool`] is what is durable; what a restart loses waits in [`super::disk::Disk`].

use super::ledger::Id;
use docket_protocol::ids::Seq;
use docket_protocol::pack::{pack, unpack};
use docket_protocol::session::{Batch, Cursors};
use std::collections::{BTreeMap, BTreeSet};

/// What a row is taken to have: as many as an order from the counter.
const ROW_BYTES: usize = 1_024;

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
    /// Rows that the hub has not stored, by their number.
    pub(super) rows: BTreeMap<u64, Id>,
    row_number: u64,
    /// Every row that was ever added.
    pub(super) added: BTreeSet<Id>,
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
    /// A row of the store's own.
    Add(Id),
    ReadRows {
        link: usize,
        bytes_max: usize,
    },
    UploadedUpTo(u64),
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
            rows: BTreeMap::new(),
            row_number: 0,
            added: BTreeSet::new(),
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

    pub(super) fn add_row(&mut self, id: Id) {
        self.row_number += 1;
        self.rows.insert(self.row_number, id);
        self.added.insert(id);
    }

    /// The oldest rows, packed.
    pub(super) fn read_rows(&self, bytes_max: usize) -> Option<Batch> {
        let rows: Vec<(u64, Vec<u8>)> = self
            .rows
            .iter()
            .take((bytes_max / ROW_BYTES).max(1))
            .map(|(&number, id)| (number, id.to_le_bytes().to_vec()))
            .collect();
        let (up_to, _) = *rows.last()?;
        let rows: Vec<Vec<u8>> = rows.into_iter().map(|(_, row)| row).collect();
        Some(Batch { up_to, packed: pack(&rows) })
    }

    pub(super) fn uploaded_up_to(&mut self, number: u64) {
        self.rows = self.rows.split_off(&(number + 1));
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

pub(super) fn rows_of(packed: &[u8]) -> Vec<Id> {
    unpack(packed).unwrap().iter().map(|row| report_of(row)).collect()
}

pub(super) fn report_payload(id: Id) -> Vec<u8> {
    id.to_le_bytes().to_vec()
}

pub(super) fn report_of(payload: &[u8]) -> Id {
    Id::from_le_bytes(payload.try_into().unwrap())
}
