//! What an observer who sees everything has seen, and what must always hold.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// An order's ticket, or a report that an agent made of its own accord (an order from the counter).
pub(super) type Id = u64;

/// Ids from here are an agent's own.
pub(super) const OWN_IDS: Id = 1 << 62;

/// Ids from here are rows of a store's own, which go up beside the sequence.
pub(super) const ROW_IDS: Id = 1 << 63;

#[derive(Default)]
pub(super) struct Ledger {
    next_id: Id,
    /// Accepted by the hub: durable there, and promised to a platform.
    pub(super) accepted: Vec<BTreeSet<Id>>,
    executed: BTreeMap<Id, u32>,
    /// Executed in a life of the spool that a restored copy knows nothing of, and that the hub could not know
    /// of either: nobody is left who could mark a repeat.
    forgiven: BTreeSet<Id>,
    pub(super) tally: Tally,
}

/// How often what happened, to see that the simulation is as bad as it says.
#[derive(Debug, Default, Clone)]
pub(super) struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    pub(super) fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    pub(super) fn get(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, other: &Tally) {
        for (what, times) in &other.0 {
            *self.0.entry(what).or_default() += times;
        }
    }
}

impl Ledger {
    pub(super) fn new(agents: usize) -> Self {
        Ledger { accepted: vec![BTreeSet::new(); agents], ..Ledger::default() }
    }

    pub(super) fn new_id(&mut self) -> Id {
        self.next_id += 1;
        self.next_id
    }

    /// An item was executed: at most once without a mark.
    pub(super) fn executed(&mut self, id: Id, marked: bool) {
        let before = self.executed.entry(id).or_default();
        if !marked && *before > 0 {
            assert!(self.forgiven.remove(&id), "item {id} was executed again without a mark");
        }
        *before += 1;
        self.tally.count(if marked { "executed marked" } else { "executed" });
        if *before > 1 {
            self.tally.count("executed again");
        }
    }

    /// Nobody is left who knows of an execution of this item: one repeat may be unmarked.
    pub(super) fn forgive(&mut self, id: Id) {
        if self.executed.contains_key(&id) {
            self.forgiven.insert(id);
        }
    }
}

/// The last events before a failure. Nothing is written until a seed has failed: it is run again then.
pub(super) struct Trace {
    lines: VecDeque<String>,
    lines_max: usize,
}

impl Trace {
    pub(super) fn new(lines_max: usize) -> Self {
        Trace { lines: VecDeque::new(), lines_max }
    }

    pub(super) fn note(&mut self, now: u64, line: impl FnOnce() -> String) {
        if self.lines_max > 0 {
            if self.lines.len() == self.lines_max {
                self.lines.pop_front();
            }
            self.lines.push_back(format!("{:>9}.{:03} {}", now / 1000, now % 1000, line()));
        }
    }

    pub(super) fn show(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}
