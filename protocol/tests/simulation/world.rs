//! The clock, the queue of events, and what breaks when.

use super::agent::{Agent, AgentEvent};
use super::chance::{Chance, Weather};
use super::hub::{Hub, HubEvent};
use super::ledger::{Ledger, OWN_IDS, ROW_IDS, Tally, Trace};
use super::record::HubWork;
use super::spool::SpoolWork;
use super::wire::{Link, WireEvent};
use docket_protocol::session::LinkState;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// More events than any seed needs: a session that never rests is a failure, not a hang.
const EVENTS_MAX: u64 = 3_000_000;
/// No agent is sent more orders than this: more than twice the window.
const ORDERS_MAX: usize = 1_200;
/// Frames that were held up, and half-open sessions, are gone after this.
const AFTERMATH_MS: u64 = 120_000;
/// Then everything is where it belongs within this.
const SETTLED_WITHIN_MS: u64 = 180_000;
/// Connections that an agent may need after faults have stopped.
const CONNECTIONS_TO_SETTLE_MAX: u64 = 8;
/// What is in an outbox is read and sent within this, if the window is open.
pub(super) const READ_WITHIN_MS: u64 = 5_000;
/// What is asked of a settled link is done within this; execution takes as much as 20 s of it.
const NEW_WORK_DONE_WITHIN_MS: u64 = 25_000;
/// And this long it is watched.
const WATCHED_MS: u64 = 200_000;

pub(super) enum Event {
    /// To an agent, in the given life of its process.
    Agent(usize, u64, AgentEvent),
    /// To the hub, in the given life of its process.
    Hub(u64, HubEvent),
    Wire(usize, WireEvent),
    Fault(Fault),
    Orders(usize),
    OwnReport(usize),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    Cut,
    /// An agent makes a second connection and goes over to it.
    Switch,
    Partition,
    AgentRestart,
    HubRestart,
    /// Somebody copies a spool: harmless until it is put back.
    Copy,
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
    pub(super) chance: Chance,
    pub(super) weather: Weather,
    calm_at: u64,
    pub(super) hub: Hub,
    pub(super) agents: Vec<Agent>,
    pub(super) links: Vec<Link>,
    pub(super) ledger: Ledger,
    trace: &'t mut Trace,
}

impl<'t> World<'t> {
    pub(super) fn new(seed: u64, weather: Option<Weather>, agents: usize, trace: &'t mut Trace) -> Self {
        let mut chance = Chance::new(seed);
        let weather = weather.unwrap_or_else(|| Weather::draw(&mut chance));
        let calm_at = chance.between(120_000, 480_000);
        let mut world = World {
            base: Instant::now(),
            now: 0,
            queue: BinaryHeap::new(),
            scheduled: 0,
            events: 0,
            weather,
            calm_at,
            hub: Hub::new(agents),
            agents: (0..agents).map(|_| Agent::new(&mut chance)).collect(),
            chance,
            links: Vec::new(),
            ledger: Ledger::new(agents),
            trace,
        };
        for agent in 0..agents {
            let after = world.chance.below(3_000);
            world.agent_after(agent, after, AgentEvent::Start);
        }
        world.hub_after(0, HubEvent::Start);
        world
    }

    /// Faults, then calm; panics where something does not hold.
    pub(super) fn run(mut self) -> Tally {
        let weather = self.weather.clone();
        self.note(|| format!("{weather:?}"));
        for fault in
            [Fault::Cut, Fault::Switch, Fault::Partition, Fault::AgentRestart, Fault::HubRestart, Fault::Copy]
        {
            self.schedule_fault(fault);
        }
        for agent in 0..self.agents.len() {
            self.after(1, Event::Orders(agent));
            self.after(1, Event::OwnReport(agent));
        }
        self.run_until(self.calm_at);

        self.weather = Weather::calm();
        self.note(|| "-- faults stop".to_owned());
        let before = self.connections();
        self.run_until(self.calm_at + AFTERMATH_MS);
        let deadline = self.now + SETTLED_WITHIN_MS;
        while let Some(unsettled) = self.unsettled() {
            assert!(self.now < deadline, "not settled: {unsettled}");
            self.run_until(self.now + 1_000);
        }
        for (before, after) in before.iter().zip(self.connections()) {
            assert!(after - before <= CONNECTIONS_TO_SETTLE_MAX, "{} connections in calm", after - before);
        }

        let before = self.connections();
        for agent in 0..self.agents.len() {
            self.order(agent);
            self.own_report(agent);
        }
        self.run_until(self.now + NEW_WORK_DONE_WITHIN_MS);
        if let Some(unsettled) = self.unsettled() {
            panic!("a settled link does not carry new work: {unsettled}");
        }
        self.run_until(self.now + WATCHED_MS);
        assert_eq!(before, self.connections(), "a settled session ended");
        if weather.keeps_spools() && self.ledger.tally.get("stale hello") == 0 {
            assert_eq!(self.ledger.tally.get("executed marked"), 0, "a mark without a reason");
        }
        self.ledger.tally
    }

    /// Nothing to do and nothing wrong, for so long.
    pub(super) fn run_idle(mut self, idle_ms: u64) -> Vec<u64> {
        self.weather = Weather::calm();
        self.run_until(idle_ms);
        assert_eq!(self.unsettled(), None);
        self.connections()
    }

    fn run_until(&mut self, end: u64) {
        while self.queue.peek().is_some_and(|next| next.at <= end) {
            let Some(next) = self.queue.pop() else { break };
            self.now = next.at;
            self.events += 1;
            assert!(self.events < EVENTS_MAX, "no rest after {EVENTS_MAX} events");
            match next.event {
                Event::Agent(agent, life, event) if self.agents[agent].life == life => {
                    self.at_agent(agent, event)
                }
                Event::Hub(life, event) if self.hub.life == life => self.at_hub(event),
                Event::Agent(..) | Event::Hub(..) => {}
                Event::Wire(link, event) => self.on_wire(link, event),
                Event::Fault(fault) => self.fault(fault),
                Event::Orders(agent) => self.orders(agent),
                Event::OwnReport(agent) => self.own_reports(agent),
            }
        }
        self.now = end;
    }

    /// What is not where it belongs.
    fn unsettled(&self) -> Option<String> {
        for (number, agent) in self.agents.iter().enumerate() {
            let (record, spool) = (&self.hub.records[number], &agent.spool);
            let wrong = |what: String| Some(format!("agent {number}: {what}"));
            if !matches!(agent.session.as_ref().map(|session| session.link()), Some(LinkState::Live { .. })) {
                return wrong("not live".to_owned());
            }
            if let Some(id) = self.ledger.accepted[number].difference(&record.reported).next() {
                return wrong(format!("nothing is known of item {id}"));
            }
            if let Some(id) = spool.written.difference(&record.reported).next() {
                return wrong(format!("report {id:#x} never came"));
            }
            if let Some(id) = spool.added.difference(&record.uploaded).next() {
                return wrong(format!("row {id:#x} never came"));
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
        }
        None
    }

    fn connections(&self) -> Vec<u64> {
        self.agents.iter().map(|agent| agent.connections).collect()
    }

    fn schedule_fault(&mut self, fault: Fault) {
        let every = match fault {
            Fault::Cut | Fault::Switch => self.weather.cut_every,
            Fault::Partition => self.weather.partition_every,
            Fault::AgentRestart | Fault::Copy => self.weather.agent_restart_every,
            Fault::HubRestart => self.weather.hub_restart_every,
        };
        if every > 0 {
            let after = self.chance.between(1, 2 * every);
            self.after(after, Event::Fault(fault));
        }
    }

    fn fault(&mut self, fault: Fault) {
        if self.now >= self.calm_at {
            return;
        }
        let agent = usize::try_from(self.chance.below(self.agents.len() as u64)).unwrap();
        self.note(|| format!("-- {fault:?} of agent {agent}"));
        match fault {
            Fault::Cut => self.cut(agent),
            Fault::Switch => self.try_better_way(agent),
            Fault::Partition => self.partition(agent, self.calm_at),
            Fault::AgentRestart => self.restart_agent(agent),
            Fault::HubRestart => self.restart_hub(),
            Fault::Copy => self.agents[agent].copy = Some(self.agents[agent].spool.clone()),
        }
        self.schedule_fault(fault);
    }

    fn orders(&mut self, agent: usize) {
        if self.now < self.calm_at && self.ledger.accepted[agent].len() < ORDERS_MAX {
            let burst =
                if self.chance.permille(100) { self.chance.between(1, self.weather.burst_max) } else { 1 };
            for _ in 0..burst {
                self.order(agent);
            }
            let after = self.chance.between(1, 2 * self.weather.order_every);
            self.after(after, Event::Orders(agent));
        }
    }

    /// An order comes; while the hub is down, the platform gets no answer and nothing is promised.
    fn order(&mut self, agent: usize) {
        if self.hub.up {
            let id = self.ledger.new_id();
            self.hub_write(HubWork::Accept { agent, id });
        }
    }

    fn own_reports(&mut self, agent: usize) {
        if self.now < self.calm_at {
            self.own_report(agent);
            let after = self.chance.between(1, 3 * self.weather.order_every);
            self.after(after, Event::OwnReport(agent));
        }
    }

    fn own_report(&mut self, agent: usize) {
        if self.agents[agent].session.is_some() {
            let id = self.ledger.new_id();
            self.spool_work(agent, SpoolWork::Write(OWN_IDS + id));
            for _ in 0..self.chance.pick(&[1, 1, 1, 30]) {
                let id = self.ledger.new_id();
                self.spool_work(agent, SpoolWork::Add(ROW_IDS + id));
            }
        }
    }

    pub(super) fn instant(&self) -> Instant {
        self.base + Duration::from_millis(self.now)
    }

    pub(super) fn ms_of(&self, instant: Instant) -> u64 {
        u64::try_from((instant - self.base).as_millis()).unwrap()
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
