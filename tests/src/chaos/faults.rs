//! What breaks, and how often. A store is open for some minutes at a time; between them its PC is off or asleep, so that
//! every gap is an outage of hours or days, costs nothing to simulate, and ends with a start, a recovery or a waking.

use super::agent::AgentEvent;
use super::printer::{Act, Moment, Printer, PrinterFault};
use super::spool::{Item, SpoolWork};
use super::world::{Event, World};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
pub(super) const DAY_MS: u64 = 24 * HOUR_MS;
/// Stores open at noon, within this of each other.
const OPENINGS_MS: u64 = 20 * MINUTE_MS;
const OPEN_MS_MIN: u64 = 45_000;
const OPEN_MS_MAX: u64 = 180_000;
/// A clock that is set, or read in the wrong zone.
const CLOCK_JUMP_MS_MAX: u64 = 12 * HOUR_MS;
const FULL_MS_MAX: u64 = 60_000;
const PARTITION_MS_MAX: u64 = 90_000;
const MENDED_WITHIN_MS: u64 = 90_000;
/// What a platform waits until it pushes again.
const PUSH_AGAIN_MS_MAX: u64 = 60_000;
/// Orders of one person for a whole office.
const BURST: u64 = 40;

#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    Cut,
    /// A better way to the hub may stand.
    Switch,
    Partition,
    /// The store has no network for as long as it is open.
    Offline,
    AgentRestart,
    PowerCut,
    HubRestart,
    AgentFull,
    HubFull,
    ClockJump,
    /// Somebody copies a spool: harmless until it is put back.
    Copy,
    Printer(PrinterFault),
}

/// Permille of openings in which each happens.
const RATES: [(Fault, u64); 19] = [
    (Fault::Cut, 150),
    (Fault::Switch, 100),
    (Fault::Partition, 150),
    (Fault::Offline, 80),
    (Fault::AgentRestart, 120),
    (Fault::PowerCut, 80),
    (Fault::HubRestart, 10),
    (Fault::AgentFull, 40),
    (Fault::HubFull, 5),
    (Fault::ClockJump, 60),
    (Fault::Copy, 60),
    (Fault::Printer(PrinterFault::PaperOut), 80),
    (Fault::Printer(PrinterFault::Cover), 40),
    (Fault::Printer(PrinterFault::Heat), 20),
    (Fault::Printer(PrinterFault::Cutter), 30),
    (Fault::Printer(PrinterFault::Hung), 40),
    (Fault::Printer(PrinterFault::Off), 60),
    (Fault::Printer(PrinterFault::Exchanged), 20),
    (Fault::Printer(PrinterFault::LineLost), 60),
];

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Fault::Cut => "cut",
            Fault::Switch => "better way",
            Fault::Partition => "partition",
            Fault::Offline => "offline",
            Fault::AgentRestart => "killed",
            Fault::PowerCut => "PC lost power",
            Fault::HubRestart => "hub killed",
            Fault::AgentFull => "agent full",
            Fault::HubFull => "hub full",
            Fault::ClockJump => "clock jump",
            Fault::Copy => "copy",
            Fault::Printer(PrinterFault::PaperOut) => "paper out",
            Fault::Printer(PrinterFault::Cover) => "cover open",
            Fault::Printer(PrinterFault::Heat) => "too hot",
            Fault::Printer(PrinterFault::Cutter) => "cutter jammed",
            Fault::Printer(PrinterFault::Hung) => "hung",
            Fault::Printer(PrinterFault::Off) => "printer off",
            Fault::Printer(PrinterFault::Exchanged) => "exchanged",
            Fault::Printer(PrinterFault::LineLost) => "line lost",
        }
    }
}

impl World<'_> {
    pub(super) fn opens(&mut self, agent: usize) {
        self.note(|| format!("-- store {agent} opens"));
        self.agents[agent].is_open = true;
        // What it has had to say waited for it to wake.
        self.agents[agent].outbox_grew_at = self.now;
        if self.agents[agent].session.is_none() {
            let after = self.chance.below(2_000);
            self.agent_after(agent, after, AgentEvent::Start);
        }
        if self.now >= self.calm_at {
            return;
        }
        self.look_at_printers(agent);
        let length = self.chance.between(OPEN_MS_MIN, OPEN_MS_MAX);
        for (fault, permille) in RATES {
            if self.chance.permille(permille) {
                let after = self.chance.below(length);
                self.after(after, Event::Fault(agent, fault));
            }
        }
        let burst = if self.chance.permille(2) { BURST } else { 0 };
        for _ in 0..burst + self.chance.pick(&[0, 1, 2, 3]) {
            let after = self.chance.below(length);
            self.after(after, Event::Order(agent));
        }
        for _ in 0..self.chance.pick(&[0, 0, 1, 2]) {
            let after = self.chance.below(length);
            self.after(after, Event::Sale(agent));
        }
        let after = self.chance.below(length);
        self.after(after, Event::Person(agent));
        self.after(length, Event::Shuts(agent));
    }

    /// The PC is switched off, loses power or falls asleep. Orders come all the same.
    pub(super) fn shuts(&mut self, agent: usize) {
        if self.now >= self.calm_at {
            return;
        }
        self.agents[agent].is_open = false;
        let days = 1 + if self.chance.permille(100) { self.chance.between(1, 4) } else { 0 };
        let opens_at = (self.now / DAY_MS + days) * DAY_MS + DAY_MS / 2 + self.chance.below(OPENINGS_MS);
        let opens_at = opens_at.min(self.calm_at);
        let gap = self.chance.below(1000);
        self.note(|| format!("-- store {agent} shuts, {gap}"));
        match gap {
            0..300 => self.end_agent(agent, false),
            300..600 => self.end_agent(agent, true),
            _ => {
                self.count("asleep");
                let state = &mut self.agents[agent];
                state.asleep_until = opens_at;
                state.deaf_until = opens_at;
                state.mute_until = opens_at;
            }
        }
        for _ in 0..self.chance.pick(&[0, 1, 2]) {
            let after = self.chance.below(opens_at - self.now);
            self.after(after, Event::Order(agent));
        }
        self.at(opens_at, Event::Opens(agent));
    }

    pub(super) fn fault(&mut self, agent: usize, fault: Fault) {
        if self.now >= self.calm_at || !self.agents[agent].is_open {
            return;
        }
        self.note(|| format!("-- {fault:?} of store {agent}"));
        self.count(fault.name());
        match fault {
            Fault::Cut => self.cut(agent),
            Fault::Switch if !self.is_awake(agent) => {}
            Fault::Switch => self.try_better_way(agent),
            Fault::Partition => self.partition(agent, PARTITION_MS_MAX),
            Fault::Offline => self.partition(agent, OPEN_MS_MAX),
            Fault::AgentRestart => self.restart_agent(agent, false),
            Fault::PowerCut => self.restart_agent(agent, true),
            Fault::HubRestart => self.restart_hub(),
            Fault::AgentFull => {
                self.agents[agent].disk.full_until = self.now + self.chance.below(FULL_MS_MAX);
            }
            Fault::HubFull => self.hub.disk.full_until = self.now + self.chance.below(FULL_MS_MAX),
            Fault::ClockJump => {
                let jump = self.chance.below(2 * CLOCK_JUMP_MS_MAX);
                let jump = i64::try_from(jump).unwrap_or(0) - CLOCK_JUMP_MS_MAX as i64;
                self.agents[agent].clock_off_ms += jump;
            }
            Fault::Copy => self.copy_spool(agent),
            Fault::Printer(fault) => {
                let printer = self.chance.below(self.agents[agent].printers.len() as u64) as usize;
                self.with_printer(agent, printer, |printer, moment, acts| printer.fault(fault, moment, acts));
                let after = self.chance.below(MENDED_WITHIN_MS);
                self.after(after, Event::Mend(agent, printer));
            }
        }
    }

    /// An order comes; while the hub is down or cannot store, the platform gets no answer, nothing is promised, and it
    /// pushes again.
    pub(super) fn order(&mut self, agent: usize) {
        let expires_at = self.chance.permille(250).then(|| self.now + self.chance.below(DAY_MS));
        let printer = self.chance.below(self.agents[agent].printers.len() as u64) as usize;
        let id = self.ledger.new_id();
        self.push(agent, Item { id, printer, marked: false, expires_at });
    }

    pub(super) fn push_again(&mut self, agent: usize, item: Item) {
        self.count("pushed again");
        let after = 1 + self.chance.below(PUSH_AGAIN_MS_MAX);
        self.after(after, Event::Push(agent, item));
    }

    /// An order at the till: printed whatever the network does.
    pub(super) fn sale(&mut self, agent: usize) {
        if self.agents[agent].session.is_some() && self.is_awake(agent) {
            let id = self.ledger.new_id();
            let printer = self.chance.below(self.agents[agent].printers.len() as u64) as usize;
            self.spool_work(agent, SpoolWork::Sell { id, printer });
        }
    }

    pub(super) fn is_awake(&self, agent: usize) -> bool {
        self.now >= self.agents[agent].asleep_until
    }

    /// Lets a printer do something, and does what it asks for.
    pub(super) fn with_printer(
        &mut self,
        agent: usize,
        printer: usize,
        act: impl FnOnce(&mut Printer, &mut Moment<'_>, &mut Vec<Act>),
    ) {
        let mut acts = Vec::new();
        let (now, since) = (self.instant(), self.since());
        let unit = &mut self.agents[agent].printers[printer];
        let mut moment = Moment {
            at: self.now,
            now,
            chance: &mut self.chance,
            ledger: &mut self.ledger,
            sabotage: self.sabotage,
        };
        act(unit, &mut moment, &mut acts);
        let next = unit.next_step(&mut moment, since);
        if let Some(at) = next
            && unit.step_at.is_none_or(|step_at| step_at > at || step_at <= self.now)
        {
            unit.step_at = Some(at);
            self.at(at, Event::Printer(agent, printer));
        }
        for act in acts {
            self.note(|| format!("agent {agent}, printer {printer}: {act:?}"));
            match act {
                Act::Want => self.spool_work(agent, SpoolWork::Claim),
                Act::HandBack(id) => self.spool_work(agent, SpoolWork::HandBack(id)),
                Act::Ended(claim, ending) => self.spool_work(agent, SpoolWork::Finish { claim, ending }),
            }
        }
    }

    pub(super) fn step_printer(&mut self, agent: usize, printer: usize) {
        let due = self.agents[agent].printers[printer].step_at.take_if(|at| *at <= self.now);
        if due.is_none() || self.agents[agent].session.is_none() || !self.is_awake(agent) {
            return;
        }
        let has_work = self.agents[agent].spool.has_work(printer);
        self.with_printer(agent, printer, |printer, moment, acts| {
            printer.run_unit(moment.at, moment.ledger);
            printer.step(moment, has_work, acts);
        });
    }

    /// There may be something to print, or to be done by a printer.
    pub(super) fn look_at_printers(&mut self, agent: usize) {
        for printer in 0..self.agents[agent].printers.len() {
            let unit = &mut self.agents[agent].printers[printer];
            unit.step_at = Some(self.now);
            self.after(0, Event::Printer(agent, printer));
        }
    }

    pub(super) fn mend(&mut self, agent: usize, printer: usize) {
        self.with_printer(agent, printer, Printer::mend);
    }
}
