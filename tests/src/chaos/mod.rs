//! A whole chain under a simulated clock, network, disk and paper: a month of faults from one seed, then calm, in which
//! everything must come to its place.
//!
//! An order is accepted at the hub and goes through its outbox, a session, the store's spool and a printer's queue onto
//! paper; what came of it goes back the same way. Orders of the counter begin in the store and go up beside the sequence.
//!
//! # What is real, and what is a model
//! Both ends of the session and the codec are the product's, as are the machine that prints a ticket with its fences, the
//! rule by which a crash is judged from journal and boot, the bound of attempts, and the hub's clock as an agent knows it.
//! What is tied to SQLite, files and sockets is modelled in the words of its documentation: both storages (`record`,
//! `spool`, with a durable and a volatile part: `disk`), the print journal, the printers' task, the network (harsher than
//! the transports: it loses, repeats, delays and reorders frames within a connection), the printers
//! ([`crate::modelled_unit`]) and the people.
//!
//! # What is checked at every step
//! * whatever is acknowledged, greeted with or sent is durable where it is said;
//! * what a receiver stores has no gap and is in order;
//! * nothing comes out a second time without a mark;
//! * nobody says that a ticket is done unless it is on paper from its first to its last byte;
//! * a pause before connecting again keeps its named bounds, and nothing expires before its time once the hub has told it.
//!
//! And after the calm: what was accepted is on paper, or a person who saw why it waited has settled it; the hub knows
//! that; all outboxes are empty; few connections were needed; the sessions stay.
//!
//! # What is excused
//! An old copy of a spool that is put back cannot know what was printed since, and a spool that is lost takes along the
//! orders that only it had.
//!
//! A failing seed is printed with its last events. All of a run follows from its seed: the same seed gives the same
//! events, bit by bit ([`Run::digest`]).

mod agent;
mod chance;
mod disk;
mod faults;
mod hub;
mod journal;
mod ledger;
mod printer;
mod record;
mod spool;
mod wire;
mod world;

pub use chance::Chance;
pub use ledger::Tally;

use ledger::Trace;
use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use world::World;

/// Stores of a chain.
pub const STORES: usize = 50;
/// Days of faults.
pub const DAYS: u64 = 30;
const TRACE_LINES_MAX: usize = 120;

/// What is simulated.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How many stores the chain has.
    pub stores: usize,
    /// How long there are faults.
    pub days: u64,
    /// What a model does wrong on purpose.
    pub sabotage: Sabotage,
}

impl Default for Plan {
    fn default() -> Self {
        Plan { stores: STORES, days: DAYS, sabotage: Sabotage::None }
    }
}

/// A rule that a model breaks, to see that it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// All rules are kept.
    None,
    /// The agent acknowledges what it has not stored yet.
    AcknowledgesEarly,
    /// What may have come out is printed again without a mark.
    ForgetsMarks,
    /// What may have come out counts as done.
    TakesDoubtForPaper,
}

/// What should never happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// Accepted, and nowhere.
    Lost,
    /// Printed again without a mark.
    Repeat,
    /// Said to be done, and not on paper.
    FalseDone,
    /// An assertion, of a model or of the product.
    Broken,
}

/// Why a seed failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind of thing happened.
    pub violation: Violation,
    /// What, in words.
    pub text: String,
}

/// A seed that held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// How often what happened.
    pub tally: Tally,
    /// Of all events in their order.
    pub digest: u64,
}

/// Runs one seed.
///
/// # Errors
/// What did not hold.
pub fn run(seed: u64, plan: &Plan) -> Result<Run, Failure> {
    run_traced(seed, plan, &mut Trace::new(0))
}

/// The last events of a seed, and how it ended.
pub fn replay(seed: u64, plan: &Plan) -> (String, Result<Run, Failure>) {
    let mut trace = Trace::new(TRACE_LINES_MAX);
    let result = run_traced(seed, plan, &mut trace);
    (trace.show(), result)
}

fn run_traced(seed: u64, plan: &Plan, trace: &mut Trace) -> Result<Run, Failure> {
    let world = AssertUnwindSafe(|| World::new(seed, plan, trace).run());
    match catch_unwind(world) {
        Ok(result) => result.map(|(tally, digest)| Run { tally, digest }),
        Err(panic) => Err(Failure { violation: Violation::Broken, text: text_of(panic.as_ref()) }),
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without text").to_owned()
}

/// What came of many seeds.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How often what happened in those that held.
    pub tally: Tally,
    /// Those that did not, in their order.
    pub failures: Vec<(u64, Failure)>,
    /// How many were run.
    pub seeds: u64,
}

impl Outcome {
    /// How many seeds ended in that.
    pub fn count(&self, violation: Violation) -> u64 {
        self.failures.iter().filter(|(_, failure)| failure.violation == violation).count() as u64
    }
}

/// Runs seeds on `threads` threads until all are done, or `failures_max` have failed.
pub fn run_all(seeds: Range<u64>, plan: &Plan, threads: usize, failures_max: usize) -> Outcome {
    let (next, stop) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let outcome = Mutex::new(Outcome::default());
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let result = run(seed, plan);
            // Nothing panics while it is held.
            let Ok(mut outcome) = outcome.lock() else { return };
            outcome.seeds += 1;
            match result {
                Ok(run) => outcome.tally.add(&run.tally),
                Err(failure) => outcome.failures.push((seed, failure)),
            }
            stop.store(outcome.failures.len() >= failures_max, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(work);
        }
    });
    let mut outcome = outcome.into_inner().unwrap_or_default();
    outcome.failures.sort_by_key(|(seed, _)| *seed);
    outcome
}
