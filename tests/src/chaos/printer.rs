//! One printer of a store: a modelled unit, the real job machine, and between them what
//! [`docket_agent::printing::queue`] does, which is tied to sockets and to the spool's thread.
//!
//! The unit goes on by itself, whatever becomes of the agent. It stands on a network: a line that is lost takes its answers
//! along. It answers all four questions of status, and that is known from a test print: of a unit that was never heard
//! nothing can be said that would have to hold. (Lines that outlive their unit, units that lack a question and those that
//! are mute are in the agent's own simulation of the job machine.)

use super::Sabotage;
use super::chance::Chance;
use super::journal::Journal;
use super::ledger::{Id, Ledger};
use super::spool::Claim;
use crate::modelled_unit::{Abilities, Faults, Slip, Transmit, Unit};
use docket_agent::printing::job::{Event, Lost, Machine};
use docket_agent::printing::journal::Record;
use docket_agent::printing::profile::Pins;
use docket_agent::printing::queue::{ASK_OPEN_MS_MAX, RECONNECT_MS_MAX, RECONNECT_MS_MIN};
use docket_agent::spool::Ending;
use docket_protocol::outcome::Doubt;
use std::time::{Duration, Instant};

/// What a slip's number on paper can tell apart; far more than a unit can have in it at once.
const SLIPS: usize = 90;
/// Lines of a ticket.
const LINES_MAX: u64 = 6;
/// How late a shell may be with what is due.
const LATE_MS_MAX: u64 = 15;

/// What a test print has shown.
const SHOWN_AT_INSTALLATION: &str = "status=1234";

pub(super) struct Printer {
    unit: Unit,
    /// When the unit was last brought up to date.
    ran_at: u64,
    off_until: Option<u64>,
    /// What each number on paper stands for.
    slips: Vec<(Id, u16)>,
    next_slip: usize,
    line: Line,
    pause_ms: u64,
    ask_until: u64,
    /// What is known of the unit.
    facts: String,
    owed: bool,
    pub(super) journal: Journal,
    claim: Option<Claim>,
    current: Option<Current>,
    /// Something is on its way to the unit.
    has_sent: bool,
    /// The spool was asked for a ticket.
    pub(super) wants: bool,
    pub(super) step_at: Option<u64>,
}

struct Current {
    claim: Claim,
    /// `None` for one of an earlier life.
    began: Option<Record>,
    serial: u64,
}

enum Line {
    /// Nothing to print: the agent would ask it how it is, and nothing else.
    Idle,
    Down {
        until: u64,
    },
    Up(Box<Machine>),
}

/// What the spool is told.
#[derive(Debug)]
pub(super) enum Act {
    Want,
    HandBack(Id),
    Ended(Claim, Ending),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum PrinterFault {
    PaperOut,
    Cover,
    Heat,
    Cutter,
    Hung,
    Off,
    Exchanged,
    LineLost,
}

/// What a step sees of the world.
pub(super) struct Moment<'w> {
    pub(super) at: u64,
    pub(super) now: Instant,
    pub(super) chance: &'w mut Chance,
    pub(super) ledger: &'w mut Ledger,
    pub(super) sabotage: Sabotage,
}

impl Printer {
    pub(super) fn new(chance: &mut Chance) -> Self {
        let any = Abilities::draw(true, &mut |limit| chance.below(limit));
        let abilities = Abilities { queries: [true; 4], ..any };
        let us_per_byte = chance.pick(&[1, 50, 1_000]);
        Printer {
            unit: Unit::new(abilities, us_per_byte),
            ran_at: 0,
            off_until: None,
            slips: Vec::new(),
            next_slip: 0,
            line: Line::Idle,
            pause_ms: RECONNECT_MS_MIN,
            ask_until: 0,
            facts: SHOWN_AT_INSTALLATION.to_owned(),
            owed: false,
            journal: Journal::new(chance),
            claim: None,
            current: None,
            has_sent: false,
            wants: false,
            step_at: None,
        }
    }

    /// The unit does what it has had the time for.
    pub(super) fn run_unit(&mut self, at: u64, ledger: &mut Ledger) {
        if self.off_until.is_some_and(|until| at >= until) {
            self.off_until = None;
        } else if self.off_until.is_none() {
            self.unit.run((at - self.ran_at) * 1_000);
        }
        self.ran_at = at;
        for slip in self.unit.begun.drain(..) {
            let (id, repeat) = self.slips[usize::from(slip.ticket)];
            ledger.came_out(id, repeat);
        }
        for slip in self.unit.whole.drain(..) {
            ledger.is_on_paper(self.slips[usize::from(slip.ticket)].0);
        }
        assert_eq!(self.unit.junk, 0, "parameters came out as text: {:?}", self.unit);
    }

    pub(super) fn fault(&mut self, fault: PrinterFault, moment: &mut Moment<'_>, acts: &mut Vec<Act>) {
        self.run_unit(moment.at, moment.ledger);
        let faults = &mut self.unit.faults;
        match fault {
            PrinterFault::PaperOut => faults.paper_out = true,
            PrinterFault::Cover => faults.cover = true,
            PrinterFault::Heat => faults.heat = true,
            PrinterFault::Cutter => faults.cutter = true,
            PrinterFault::Hung => faults.hung = true,
            PrinterFault::Off => {
                self.power_off(moment);
                self.lose_line(moment, acts);
            }
            PrinterFault::Exchanged => {
                self.power_off(moment);
                let late = self.unit.abilities.late;
                let another = Abilities::draw(true, &mut |limit| moment.chance.below(limit));
                self.unit.abilities = Abilities { late, queries: [true; 4], ..another };
                self.lose_line(moment, acts);
            }
            PrinterFault::LineLost => self.lose_line(moment, acts),
        }
    }

    /// No unit starts within a second.
    pub(super) fn power_off(&mut self, moment: &mut Moment<'_>) {
        self.run_unit(moment.at, moment.ledger);
        self.unit.power_cycle();
        let longer_ms = moment.chance.pick(&[500, 8_000, 60_000]);
        self.off_until = Some(moment.at + 1_000 + moment.chance.below(longer_ms));
    }

    /// Somebody has seen to it.
    pub(super) fn mend(&mut self, moment: &mut Moment<'_>, acts: &mut Vec<Act>) {
        self.run_unit(moment.at, moment.ledger);
        if self.unit.faults.hung {
            // By its switch, and no line of a network outlives that.
            self.power_off(moment);
            self.lose_line(moment, acts);
        }
        self.unit.faults = Faults::default();
    }

    /// The process is gone without a word.
    pub(super) fn agent_ended(&mut self, at: u64, ledger: &mut Ledger) {
        self.run_unit(at, ledger);
        self.unit.forget_answers();
        self.line = Line::Idle;
        self.claim = None;
        self.current = None;
        self.wants = false;
    }

    /// The next one begins, once its spool knows what the last one left.
    pub(super) fn agent_started(&mut self, at: u64, in_question: Option<Claim>) {
        self.owed = self.journal.is_owed();
        self.ask_until = at + ASK_OPEN_MS_MAX;
        self.pause_ms = RECONNECT_MS_MIN;
        let open = self.journal.left_open();
        self.current = in_question.zip(open).map(|(claim, record)| Current {
            claim,
            began: None,
            serial: record.serial,
        });
    }

    /// The folder with all that was known of the unit is gone.
    pub(super) fn forget(&mut self, journal: Journal) {
        self.journal = journal;
        SHOWN_AT_INSTALLATION.clone_into(&mut self.facts);
    }

    pub(super) fn take(&mut self, claim: Claim) {
        self.wants = false;
        self.claim = Some(claim);
    }

    pub(super) fn step(&mut self, moment: &mut Moment<'_>, has_work: bool, acts: &mut Vec<Act>) {
        let at = moment.at;
        if let Line::Idle = self.line {
            if !has_work && self.current.is_none() && self.claim.is_none() {
                return;
            }
            self.line = Line::Down { until: at };
        }
        if let Line::Down { until } = self.line {
            self.give_back(acts);
            if at < until {
                return;
            }
            let hangs = self.unit.faults.hung && moment.chance.permille(500);
            if self.off_until.is_some() || hangs {
                self.cannot_open(at, acts);
                return;
            }
            self.open(moment.now);
        }
        if self.talk(moment, acts) {
            self.look_after(moment, has_work, acts);
        }
    }

    fn cannot_open(&mut self, at: u64, acts: &mut Vec<Act>) {
        if at >= self.ask_until
            && let Some(current) = self.current.take()
        {
            acts.push(Act::Ended(current.claim, Ending::Unknown(Doubt::AgentEnded)));
        }
        self.line = Line::Down { until: at + self.pause_ms };
        self.pause_ms = (2 * self.pause_ms).min(RECONNECT_MS_MAX);
    }

    fn open(&mut self, now: Instant) {
        let mut machine = Machine::new(Pins::default().profile(None, &self.facts), self.owed, now);
        if let Some(current) = &self.current {
            machine.ask_about(current.serial, Doubt::AgentEnded);
        }
        self.line = Line::Up(Box::new(machine));
    }

    /// Whether the line still stands.
    fn talk(&mut self, moment: &mut Moment<'_>, acts: &mut Vec<Act>) -> bool {
        let Line::Up(machine) = &mut self.line else { return false };
        // Cut anywhere, and sometimes late.
        while !self.unit.answers.is_empty() && moment.chance.below(8) > 0 {
            let some = 1 + moment.chance.below(self.unit.answers.len() as u64) as usize;
            let bytes: Vec<u8> = self.unit.answers.drain(..some).collect();
            machine.received(&bytes, moment.now);
        }
        machine.handle_timeout(moment.now);
        while let Line::Up(machine) = &mut self.line
            && let Some(event) = machine.poll_event()
        {
            match event {
                Event::OnPaper(evidence) => {
                    if let Some(Current { began: Some(began), claim, .. }) = &self.current {
                        moment.ledger.said_done(claim.id, "the machine");
                        self.journal.fenced(moment.at, began, evidence);
                    }
                }
                Event::Learned(profile) => self.facts = profile.to_words(),
                Event::Ended(ending) => self.end(ending, moment, acts),
                Event::Close => self.lose_line(moment, acts),
            }
        }
        matches!(self.line, Line::Up(_))
    }

    fn look_after(&mut self, moment: &mut Moment<'_>, has_work: bool, acts: &mut Vec<Act>) {
        let Line::Up(machine) = &mut self.line else { return };
        let now = moment.now;
        if machine.has_been_heard() {
            self.pause_ms = RECONNECT_MS_MIN;
        }
        if !machine.accepts() && self.claim.is_some() {
            machine.stand_down();
            if let Some(claim) = self.claim.take() {
                acts.push(Act::HandBack(claim.id));
            }
        }
        if machine.accepts() && has_work && self.claim.is_none() && self.current.is_none() && !self.wants {
            self.wants = true;
            acts.push(Act::Want);
        }
        if self.current.is_none()
            && let Some(claim) = self.claim
        {
            machine.get_ready(now);
            if machine.is_ready(now) {
                self.claim = None;
                let number = self.next_slip;
                self.next_slip = (self.next_slip + 1) % SLIPS;
                self.slips.resize(self.slips.len().max(number + 1), (claim.id, 0));
                self.slips[number] = (claim.id, claim.repeat);
                let began = self.journal.began(moment.at, claim.id, claim.attempt);
                let slip = Slip { ticket: u8::try_from(number).unwrap_or(0), repeat: 0 };
                let (content, seams) =
                    slip.content(moment.chance.below(LINES_MAX), moment.chance.permille(160));
                machine.begin(&content, &seams, began.serial, now);
                self.current = Some(Current { claim, began: Some(began), serial: began.serial });
            }
        }
        let waiting = machine.to_send().len();
        let taken = if moment.chance.permille(250) {
            moment.chance.below(waiting as u64 + 1) as usize
        } else {
            waiting
        };
        self.has_sent = taken > 0;
        if taken > 0 {
            let bytes = machine.to_send()[..taken].to_vec();
            machine.sent(taken, now);
            self.unit.receive(&bytes);
        }
    }

    fn lose_line(&mut self, moment: &mut Moment<'_>, acts: &mut Vec<Act>) {
        let Line::Up(machine) = &self.line else { return };
        let lost = machine.lost();
        self.owed = machine.is_owed();
        self.line = Line::Down { until: moment.at + self.pause_ms };
        self.unit.forget_answers();
        match lost {
            Lost::Idle => {}
            Lost::NotBegun => {
                if let Some(Current { claim, began, .. }) = self.current.take() {
                    if let Some(began) = began {
                        self.journal.withdrawn(moment.at, &began);
                    }
                    acts.push(Act::HandBack(claim.id));
                }
            }
            Lost::Ended(ending) => self.end(ending, moment, acts),
        }
        self.give_back(acts);
    }

    fn end(&mut self, ending: Ending, moment: &mut Moment<'_>, acts: &mut Vec<Act>) {
        let Some(Current { claim, began, .. }) = self.current.take() else { return };
        let ending = match ending {
            Ending::Unknown(_) if moment.sabotage == Sabotage::TakesDoubtForPaper => {
                Ending::Printed(docket_protocol::outcome::Evidence::Fence)
            }
            ending => ending,
        };
        if let Ending::Printed(evidence) = ending {
            moment.ledger.said_done(claim.id, "the machine");
            if let Some(began) = began {
                self.journal.fenced(moment.at, &began, evidence);
            }
        }
        acts.push(Act::Ended(claim, ending));
    }

    fn give_back(&mut self, acts: &mut Vec<Act>) {
        self.wants = false;
        if let Some(claim) = self.claim.take() {
            acts.push(Act::HandBack(claim.id));
        }
    }

    /// For whoever looks for the cause of a failure.
    pub(super) fn describe(&self) -> String {
        let line = match &self.line {
            Line::Idle => "idle".to_owned(),
            Line::Down { until } => format!("down until {until}"),
            Line::Up(machine) => format!("accepts: {}, {machine:?}", machine.accepts()),
        };
        let (wants, claim, current) = (self.wants, self.claim, self.current.as_ref().map(|c| c.claim));
        let (facts, unit, step_at) = (&self.facts, &self.unit, self.step_at);
        format!("{line}, wants: {wants}, {claim:?}, {current:?}, step {step_at:?}, {facts}, {unit:?}")
    }

    /// When it has to be looked at again; `since`: what `now` is counted from.
    pub(super) fn next_step(&self, moment: &mut Moment<'_>, since: Instant) -> Option<u64> {
        let at = moment.at;
        match &self.line {
            Line::Idle => None,
            Line::Down { until } => Some((*until).max(at + 1)),
            Line::Up(machine) => {
                let due = machine.timeout().saturating_duration_since(since + Duration::from_millis(at));
                let due = u64::try_from(due.as_millis()).unwrap_or(u64::MAX);
                let works = self.unit.is_busy() && self.unit.faults == Faults::default();
                let soon = if works && self.unit.abilities.transmit == Transmit::AtOnce {
                    // What it answers together must not be told apart by the steps of this clock.
                    1 + moment.chance.below(15)
                } else if self.has_sent || !machine.to_send().is_empty() || !self.unit.answers.is_empty() {
                    1 + moment.chance.below(40)
                } else if works {
                    1 + moment.chance.below(400)
                } else {
                    due + moment.chance.below(LATE_MS_MAX)
                };
                Some(at + soon.max(1))
            }
        }
    }
}
