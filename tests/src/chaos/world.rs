//! The clock, the queue of events, and the end, at which everything must have come to its place.

use super::agent::{Agent, AgentEvent};
use super::chance::{Chance, Weather};
use super::faults::{DAY_MS, Fault};
use super::hub::{Hub, HubEvent};
use super::ledger::{Id, Ledger, Tally, Trace};
use super::printer::Printer;
use super::record::HubWork;
use super::spool::Item;
use super::wire::{Link, WireEvent};
use super::{Failure, Plan, Sabotage};
use docket_protocol::outcome::Outcome;
use docket_protocol::session::LinkState;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// More events than any seed needs: a session that never rests is a failure, not a hang.
const EVENTS_MAX: u64 = 20_000_000;
/// Printers of a store.
const PRINTERS_MAX: u64 = 2;
/// Frames that were held up, and half-open sessions, are gone after this.
const AFTERMATH_MS: u64 = 120_000;
/// Then everything is where it belongs within this: the longest queue is printed in it.
const SETTLED_WITHIN_MS: u64 = 1_200_000;
/// How often people look, in the calm, at what waits for them.
const PERSON_MS: u64 = 10_000;
/// Connections that an agent may need after faults have stopped.
const CONNECTIONS_TO_SETTLE_MAX: u64 = 8;
/// What is in an outbox is read and sent within this, if the window is open.
pub(super) const READ_WITHIN_MS: u64 = 5_000;
/// What is asked of a settled chain is done within this.
const NEW_WORK_DONE_WITHIN_MS: u64 = 60_000;
/// And this long it is watched.
const WATCHED_MS: u64 = 100_000;

pub(super) enum Event {
    /// To an agent, in the given life of its process.
    Agent(usize, u64, AgentEvent),
    /// To the hub, in the given life of its process.
    Hub(u64, HubEvent),
    Wire(usize, WireEvent),
    Opens(usize),
    Shuts(usize),
    Fault(usize, Fault),
    Mend(usize, usize),
    Printer(usize, usize),
    Person(usize),
    Order(usize),
    /// A platform pushes what it got no answer to.
    Push(usize, Item),
    Sale(usize),
}

struct Scheduled {
    at: u64,
    /// Keeps events of the same time in the order in which they were made.
    number: u64,
    event: Event,
}

pub(super) struct World<'t> {
    base: Instant,
    pub(super) now: u64,
    queue: BinaryHeap<Scheduled>,
    scheduled: u64,
    events: u64,
    /// Of all events so far, in their order, with the state of chance at each.
    digest: u64,
    pub(super) chance: Chance,
    pub(super) weather: Weather,
    pub(super) sabotage: Sabotage,
    pub(super) calm_at: u64,
    pub(super) hub: Hub,
    pub(super) agents: Vec<Agent>,
    pub(super) links: Vec<Link>,
    pub(super) ledger: Ledger,
    trace: &'t mut Trace,
}

impl<'t> World<'t> {
    pub(super) fn new(seed: u64, plan: &Plan, trace: &'t mut Trace) -> Self {
        let mut chance = Chance::new(seed);
        let weather = Weather::draw(&mut chance);
        let agents = (0..plan.stores).map(|_| {
            let printers = chance.between(1, PRINTERS_MAX) as usize;
            Agent::new(&mut chance, printers)
        });
        let agents: Vec<Agent> = agents.collect();
        let mut world = World {
            base: Instant::now(),
            now: 0,
            queue: BinaryHeap::new(),
            scheduled: 0,
            events: 0,
            digest: 0,
            weather,
            sabotage: plan.sabotage,
            calm_at: plan.days * DAY_MS,
            hub: Hub::new(plan.stores),
            agents,
            chance,
            links: Vec::new(),
            ledger: Ledger::new(plan.stores),
            trace,
        };
        for agent in 0..plan.stores {
            let after = world.chance.below(600_000);
            world.after(after, Event::Opens(agent));
        }
        world.hub_after(0, HubEvent::Start);
        world
    }

    /// Faults, then calm. An assertion of a model or of the product panics.
    pub(super) fn run(mut self) -> Result<(Tally, u64), Failure> {
        let weather = self.weather.clone();
        self.note(|| format!("{weather:?}"));
        self.run_until(self.calm_at)?;
        self.calm();
        let before = self.connections();
        self.run_until(self.calm_at + AFTERMATH_MS)?;
        self.settle(SETTLED_WITHIN_MS)?;
        for (before, after) in before.iter().zip(self.connections()) {
            assert!(after - before <= CONNECTIONS_TO_SETTLE_MAX, "{} connections in calm", after - before);
        }
        let before = self.connections();
        for agent in 0..self.agents.len() {
            self.order(agent);
            self.sale(agent);
        }
        // By then it is accepted.
        self.run_until(self.now + 1_000)?;
        self.settle(NEW_WORK_DONE_WITHIN_MS)?;
        self.run_until(self.now + WATCHED_MS)?;
        assert_eq!(before, self.connections(), "a settled session ended");
        self.check_all();
        match self.ledger.failure.take() {
            Some(failure) => Err(failure),
            None => Ok((self.ledger.tally, self.digest)),
        }
    }

    fn calm(&mut self) {
        self.note(|| "-- faults stop".to_owned());
        self.weather = Weather::calm();
        self.hub.disk.full_until = 0;
        for agent in 0..self.agents.len() {
            self.agents[agent].disk.full_until = 0;
            self.agents[agent].asleep_until = 0;
            for printer in 0..self.agents[agent].printers.len() {
                self.mend(agent, printer);
            }
            self.look_at_printers(agent);
        }
    }

    fn settle(&mut self, within_ms: u64) -> Result<(), Failure> {
        let deadline = self.now + within_ms;
        while let Some(unsettled) = self.unsettled() {
            assert!(self.now < deadline, "not settled: {unsettled}");
            for agent in 0..self.agents.len() {
                self.after(0, Event::Person(agent));
            }
            self.run_until(self.now + PERSON_MS)?;
        }
        Ok(())
    }

    /// What the hub says is what is on paper, and nothing that was accepted is missing.
    fn check_all(&mut self) {
        for agent in 0..self.agents.len() {
            let ended = std::mem::take(&mut self.hub.records[agent].ended);
            for (&id, outcome) in &ended {
                match outcome {
                    Outcome::Printed(_) => self.ledger.said_done(id, "the hub, at the end"),
                    _ => self.ledger.check_settled(id),
                }
            }
            let accepted = std::mem::take(&mut self.ledger.accepted[agent]);
            let sold = std::mem::take(&mut self.ledger.sold[agent]);
            accepted.into_iter().chain(sold).for_each(|id| self.ledger.check_kept(id));
        }
    }

    pub(super) fn run_until(&mut self, end: u64) -> Result<(), Failure> {
        while self.queue.peek().is_some_and(|next| next.at <= end) {
            let Some(Scheduled { at, number, event }) = self.queue.pop() else { break };
            self.now = at;
            self.events += 1;
            assert!(self.events < EVENTS_MAX, "no rest after {EVENTS_MAX} events");
            for word in [at, number, self.chance.state()] {
                self.digest = (self.digest ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
            }
            match event {
                Event::Agent(agent, life, event) if self.agents[agent].life == life => {
                    let asleep_until = self.agents[agent].asleep_until;
                    if self.now < asleep_until {
                        self.at(asleep_until, Event::Agent(agent, life, event));
                    } else {
                        self.at_agent(agent, event);
                    }
                }
                Event::Hub(life, event) if self.hub.life == life => self.at_hub(event),
                Event::Agent(..) | Event::Hub(..) => {}
                Event::Wire(link, event) => self.on_wire(link, event),
                Event::Opens(agent) => self.opens(agent),
                Event::Shuts(agent) => self.shuts(agent),
                Event::Fault(agent, fault) => self.fault(agent, fault),
                Event::Mend(agent, printer) => self.mend(agent, printer),
                Event::Printer(agent, printer) => self.step_printer(agent, printer),
                Event::Person(agent) => {
                    if self.agents[agent].session.is_some() && self.is_awake(agent) {
                        self.person(agent);
                    }
                }
                Event::Order(agent) => self.order(agent),
                Event::Push(agent, item) => self.push(agent, item),
                Event::Sale(agent) => self.sale(agent),
            }
            if let Some(failure) = self.ledger.failure.take() {
                return Err(failure);
            }
        }
        self.now = end;
        Ok(())
    }

    /// What is not where it belongs.
    fn unsettled(&self) -> Option<String> {
        for (number, agent) in self.agents.iter().enumerate() {
            let (record, spool) = (&self.hub.records[number], &agent.spool);
            let wrong = |what: String| Some(format!("agent {number}: {what}"));
            if !matches!(agent.session.as_ref().map(|session| session.link()), Some(LinkState::Live { .. })) {
                return wrong("not live".to_owned());
            }
            if !spool.is_done() {
                let printers: Vec<String> = agent.printers.iter().map(Printer::describe).collect();
                return wrong(format!("{}, {printers:?}", spool.waiting()));
            }
            if !spool.rows.is_empty() {
                return wrong(format!("{} rows unacknowledged", spool.rows.len()));
            }
            if record.acked != record.assigned || record.acked != spool.cursor {
                return wrong(format!(
                    "{} assigned, {} acked, {} stored",
                    record.assigned, record.acked, spool.cursor
                ));
            }
            if !spool.outbox.is_empty() || record.cursor != spool.assigned {
                return wrong(format!("{} reports unacknowledged", spool.outbox.len()));
            }
            let unheard = |id: &&Id| !record.ended.contains_key(id) && !self.ledger.is_gone(**id);
            let accepted = self.ledger.accepted[number].iter().chain(&self.ledger.sold[number]);
            if let Some(id) = accepted.rev().find(unheard) {
                return wrong(format!("nothing is known of ticket {id}"));
            }
        }
        None
    }

    fn connections(&self) -> Vec<u64> {
        self.agents.iter().map(|agent| agent.connections).collect()
    }

    pub(super) fn push(&mut self, agent: usize, item: Item) {
        if self.hub.up {
            self.hub_write(HubWork::Accept { agent, item });
            // Else the hub hardly ever ends just while an order is being committed.
            if self.now < self.calm_at && self.chance.permille(1) {
                self.restart_hub();
            }
        } else {
            self.push_again(agent, item);
        }
    }

    pub(super) fn since(&self) -> Instant {
        self.base
    }

    pub(super) fn instant(&self) -> Instant {
        self.base + Duration::from_millis(self.now)
    }

    pub(super) fn ms_of(&self, instant: Instant) -> u64 {
        u64::try_from((instant - self.base).as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn after(&mut self, ms: u64, event: Event) {
        self.at(self.now + ms, event);
    }

    pub(super) fn at(&mut self, at: u64, event: Event) {
        self.scheduled += 1;
        self.queue.push(Scheduled { at, number: self.scheduled, event });
    }

    pub(super) fn agent_after(&mut self, agent: usize, ms: u64, event: AgentEvent) {
        self.after(ms, Event::Agent(agent, self.agents[agent].life, event));
    }

    pub(super) fn hub_after(&mut self, ms: u64, event: HubEvent) {
        self.after(ms, Event::Hub(self.hub.life, event));
    }

    pub(super) fn count(&mut self, what: &'static str) {
        self.ledger.tally.count(what);
    }

    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        self.trace.note(self.now, line);
    }
}

impl Ord for Scheduled {
    /// The earliest is the greatest: a heap gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scheduled {}
