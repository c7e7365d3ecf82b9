//! What an observer who sees everything has seen, and what must always hold.

use super::{Failure, Violation};
use std::collections::{BTreeMap, VecDeque};

/// One ticket, of a platform's order or of one from the counter: its place in [`Ledger::fates`].
pub(super) type Id = u64;

/// What has become of a ticket.
#[derive(Debug, Default, Clone)]
struct Fate {
    /// It is stored where it was promised to be kept.
    accepted: bool,
    /// How often some of it came onto paper.
    begun: u32,
    /// It is on paper, from its first to its last byte.
    whole: bool,
    /// A person has said that it is settled.
    settled: bool,
    /// An old copy of the spool was put back, and nobody is left who knows whether it came out.
    forgiven: bool,
    /// From the counter, and its only copy went with the spool.
    gone: bool,
}

#[derive(Default)]
pub(super) struct Ledger {
    fates: Vec<Fate>,
    /// Accepted by the hub for a store: durable there, and promised to a platform.
    pub(super) accepted: Vec<Vec<Id>>,
    /// Accepted by a store's own agent, and promised to the till.
    pub(super) sold: Vec<Vec<Id>>,
    pub(super) tally: Tally,
    /// The first thing that should not have happened.
    pub(super) failure: Option<Failure>,
}

/// How often what happened, to see that the simulation is as bad as it says.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    pub(super) fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    /// How often that happened.
    pub fn get(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }

    /// Everything that happened, by name.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(&what, &times)| (what, times))
    }

    /// Counts what happened in another run as well.
    pub fn add(&mut self, other: &Tally) {
        for (what, times) in other.all() {
            *self.0.entry(what).or_default() += times;
        }
    }
}

impl Ledger {
    pub(super) fn new(stores: usize) -> Self {
        Ledger { accepted: vec![Vec::new(); stores], sold: vec![Vec::new(); stores], ..Ledger::default() }
    }

    pub(super) fn new_id(&mut self) -> Id {
        self.fates.push(Fate::default());
        self.fates.len() as Id - 1
    }

    /// The hub has an order for a store.
    pub(super) fn accept(&mut self, store: usize, id: Id) {
        if !std::mem::replace(&mut self.fate(id).accepted, true) {
            self.accepted[store].push(id);
            self.tally.count("accepted");
        }
    }

    /// A store's agent has an order of its counter.
    pub(super) fn sell(&mut self, store: usize, id: Id) {
        if !std::mem::replace(&mut self.fate(id).accepted, true) {
            self.sold[store].push(id);
            self.tally.count("sold");
        }
    }

    pub(super) fn is_accepted(&self, id: Id) -> bool {
        self.fates.get(id as usize).is_some_and(|fate| fate.accepted)
    }

    /// The first bytes of a slip are on paper.
    pub(super) fn came_out(&mut self, id: Id, repeat: u16) {
        let fate = self.fate(id);
        fate.begun += 1;
        let is_doubled = fate.begun > 1 && repeat == 0 && !fate.forgiven;
        self.tally.count(if repeat > 0 { "marked slip" } else { "slip" });
        if is_doubled {
            self.fail(Violation::Repeat, || format!("ticket {id} came out again without a mark"));
        }
    }

    /// And its last.
    pub(super) fn is_on_paper(&mut self, id: Id) {
        self.fate(id).whole = true;
    }

    pub(super) fn has_come_out(&self, id: Id) -> bool {
        self.fates.get(id as usize).is_some_and(|fate| fate.whole)
    }

    /// Somebody says that it is done.
    pub(super) fn said_done(&mut self, id: Id, by: &str) {
        if !self.has_come_out(id) {
            self.fail(Violation::FalseDone, || format!("{by}: ticket {id} is done, and is not on paper"));
        }
    }

    pub(super) fn settled(&mut self, id: Id) {
        self.fate(id).settled = true;
        self.tally.count("settled by a person");
    }

    pub(super) fn forgive(&mut self, id: Id) {
        self.fate(id).forgiven = true;
    }

    /// The spool that alone had it is gone.
    pub(super) fn lose_with_spool(&mut self, id: Id) {
        if !self.has_come_out(id) {
            self.tally.count("gone with its spool");
        }
        self.fate(id).gone = true;
    }

    pub(super) fn is_gone(&self, id: Id) -> bool {
        self.fates.get(id as usize).is_some_and(|fate| fate.gone)
    }

    /// At the end: it is on paper, or a person has said that it need not be.
    pub(super) fn check_kept(&mut self, id: Id) {
        let fate = self.fate(id);
        if !fate.whole && !fate.settled && !fate.gone {
            let fate = fate.clone();
            self.fail(Violation::Lost, || format!("ticket {id} was accepted and is nowhere: {fate:?}"));
        }
    }

    /// At the end: a person has settled it, as the hub says.
    pub(super) fn check_settled(&mut self, id: Id) {
        if !self.fate(id).settled {
            self.fail(Violation::FalseDone, || format!("the hub has ticket {id} as settled by nobody"));
        }
    }

    pub(super) fn fail(&mut self, violation: Violation, text: impl FnOnce() -> String) {
        if self.failure.is_none() {
            self.failure = Some(Failure { violation, text: text() });
        }
    }

    fn fate(&mut self, id: Id) -> &mut Fate {
        &mut self.fates[id as usize]
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
