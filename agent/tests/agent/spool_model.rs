//! The spool against a simple model of it: operations in random order from seeds, and lives that end at any step.
//!
//! Three printers stand in for each other in a circle, at once. The test plays their tasks, with real journals, and
//! the people. What must never break: nothing is lost; nothing that may be on paper is printed again unmarked; urgent
//! tickets come first; a paused printer gets nothing; a backup gets only what it may; and what the hub was told last is
//! what is so.

use crate::samples::{copy, finish, item, reports, ticket, within};
use docket_agent::printing::journal::{Journal, Record};
use docket_agent::spool::{
    ATTEMPTS_MAX, Claim, ClaimPort, Ending, PrinterRoute, Reprint, Spool, SpoolOptions,
};
use docket_protocol::ids::{PrinterName, Seq, TicketId, UnixMs};
use docket_protocol::message::Report;
use docket_protocol::outcome::{Doubt, Evidence, Outcome};
use docket_protocol::ticket::Ticket;
use std::collections::HashMap;
use tempfile::{TempDir, tempdir};

const RUNS: u64 = 16;
const STEPS: u32 = 200;
const PRINTERS: [&str; 3] = ["front", "back", "bar"];
const STATIONS: [&str; 3] = ["front", "kitchen", "bar"];

/// xorshift64*: the same numbers on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let roll = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16;
        (roll % limit as u64) as usize
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    InHand(usize),
    Printed,
    /// `true`: it expired.
    Held(bool),
}

#[derive(Debug, Clone)]
struct Modelled {
    ticket: Ticket,
    home: usize,
    pinned: bool,
    state: State,
    attempt: u16,
    repeat: u16,
    /// A byte of some attempt may be on paper.
    is_dirty: bool,
    /// What the hub should have heard last.
    told: Option<Outcome>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Taken,
    Began(Record),
    Fenced(Record),
}

struct Printer {
    port: ClaimPort,
    journal: Journal,
    want: u32,
    hand: Vec<(Claim, Phase)>,
}

struct World {
    dice: Dice,
    folder: TempDir,
    spool: Spool,
    boot: u32,
    printers: Vec<Printer>,
    paused: [bool; PRINTERS.len()],
    tickets: Vec<Modelled>,
    heard: HashMap<TicketId, Outcome>,
    next_seq: u64,
}

fn name(printer: usize) -> PrinterName {
    PrinterName::new(PRINTERS[printer])
}

fn open(folder: &TempDir, boot: u32) -> (Spool, Vec<Printer>) {
    let routes = (0..PRINTERS.len()).map(|printer| PrinterRoute {
        name: name(printer),
        stations: vec![STATIONS[printer].into()],
        default: printer == 0,
        backup: Some(name((printer + 1) % PRINTERS.len())),
    });
    let mut options = SpoolOptions::new(routes.collect(), Some(format!("boot-{boot}")));
    options.backup_after_ms = 0;
    let spool = Spool::open(folder.path(), options).unwrap();
    let printers = (0..PRINTERS.len()).map(|printer| Printer {
        port: spool.port(&name(printer)).unwrap(),
        journal: spool.journal(&name(printer)).unwrap().in_boot(Some(&format!("boot-{boot}"))).unwrap(),
        want: 0,
        hand: Vec::new(),
    });
    let printers = printers.collect();
    (spool, printers)
}

impl World {
    fn new(seed: u64) -> Self {
        let folder = tempdir().unwrap();
        let (spool, printers) = open(&folder, 0);
        Self {
            dice: Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            folder,
            spool,
            boot: 0,
            printers,
            paused: [false; PRINTERS.len()],
            tickets: Vec::new(),
            heard: HashMap::new(),
            next_seq: 1,
        }
    }

    async fn step(&mut self) {
        let printer = self.dice.below(PRINTERS.len());
        match self.dice.below(60) {
            0..10 => self.receive().await,
            10..18 => {
                let want = self.dice.below(4) as u32;
                self.printers[printer].port.want(want).unwrap();
                self.printers[printer].want = want;
            }
            18..36 => self.go_on(printer).await,
            36..39 => self.doubt(printer).await,
            39..42 => self.hand_back(printer).await,
            42..46 => {
                let paused = self.dice.one_in(3);
                self.spool.set_paused(name(printer), paused).await.unwrap();
                self.paused[printer] = paused;
            }
            46..50 => self.reprint(printer).await,
            50..53 => self.release().await,
            53..55 => self.listen().await,
            55..57 => self.receive_again().await,
            _ => self.crash().await,
        }
        self.settle().await;
    }

    async fn receive(&mut self) {
        let number = self.tickets.len() as u32;
        let home = self.dice.below(PRINTERS.len());
        let expires_at = match self.dice.below(8) {
            0 => Some(UnixMs(1)),
            1 => Some(UnixMs(i64::MAX)),
            _ => None,
        };
        let ticket = Ticket {
            urgent: self.dice.one_in(3),
            expires_at,
            maybe_printed: self.dice.one_in(8),
            ..ticket(number, STATIONS[home])
        };
        self.deliver(&ticket).await;
        let expired = expires_at == Some(UnixMs(1));
        self.tickets.push(Modelled {
            home,
            pinned: false,
            state: if expired { State::Held(true) } else { State::Waiting },
            attempt: 0,
            repeat: u16::from(ticket.maybe_printed),
            is_dirty: ticket.maybe_printed,
            told: expired.then_some(Outcome::Held(Doubt::Expired)),
            ticket,
        });
    }

    /// From a hub that came back as an older copy.
    async fn receive_again(&mut self) {
        if let Some(known) = self.any() {
            let ticket = self.tickets[known].ticket.clone();
            self.heard.remove(&ticket.id);
            self.deliver(&ticket).await;
        }
    }

    async fn deliver(&mut self, ticket: &Ticket) {
        let seq = Seq(self.next_seq);
        self.next_seq += 1;
        assert_eq!(self.spool.receive(vec![(seq, item(ticket))]).await.unwrap(), seq);
    }

    /// The next step of the printer's first ticket.
    async fn go_on(&mut self, printer: usize) {
        let is_paused = self.paused[printer];
        let Printer { port, journal, hand, .. } = &mut self.printers[printer];
        let Some((claim, phase)) = hand.first_mut() else { return };
        let modelled = self.tickets.iter_mut().find(|known| known.ticket.id == claim.ticket.id).unwrap();
        match *phase {
            Phase::Taken if is_paused => {}
            Phase::Taken => {
                let record = journal.began(claim.ticket.id, claim.attempt, UnixMs(10)).unwrap();
                if self.dice.one_in(6) {
                    // No byte was taken.
                    journal.withdrawn(&record).unwrap();
                    port.hand_back(vec![claim.ticket.id]).await.unwrap();
                    modelled.state = State::Waiting;
                    hand.remove(0);
                } else {
                    assert!(claim.repeat > 0 || !modelled.is_dirty, "a second unmarked copy: {modelled:?}");
                    modelled.is_dirty = true;
                    *phase = Phase::Began(record);
                }
            }
            Phase::Began(record) => {
                journal.fenced(&record, Evidence::Fence, docket_agent::clock::now()).unwrap();
                *phase = Phase::Fenced(record);
            }
            Phase::Fenced(_) => {
                let ending = Ending::Printed(Evidence::Fence);
                port.finish(finish(claim, ending)).await.unwrap();
                modelled.printed();
                hand.remove(0);
            }
        }
    }

    async fn doubt(&mut self, printer: usize) {
        let Printer { port, hand, .. } = &mut self.printers[printer];
        let Some((claim, Phase::Began(_))) = hand.first() else { return };
        let modelled = self.tickets.iter_mut().find(|known| known.ticket.id == claim.ticket.id).unwrap();
        port.finish(finish(claim, Ending::Unknown(Doubt::PrinterSilent))).await.unwrap();
        modelled.in_doubt(Doubt::PrinterSilent);
        hand.remove(0);
    }

    /// All that was not begun.
    async fn hand_back(&mut self, printer: usize) {
        let Printer { port, hand, .. } = &mut self.printers[printer];
        let unbegun = hand.extract_if(.., |(_, phase)| *phase == Phase::Taken);
        let tickets: Vec<TicketId> = unbegun.map(|(claim, _)| claim.ticket.id).collect();
        for known in self.tickets.iter_mut().filter(|known| tickets.contains(&known.ticket.id)) {
            known.state = State::Waiting;
        }
        port.hand_back(tickets).await.unwrap();
    }

    async fn reprint(&mut self, printer: usize) {
        let Some(index) = self.any() else { return };
        let chosen = self.dice.one_in(2).then_some(printer);
        let known = &mut self.tickets[index];
        let before = known.home;
        let expected = match known.state {
            State::Printed | State::Held(_) => {
                known.queue_again();
                if let Some(chosen) = chosen {
                    (known.home, known.pinned) = (chosen, true);
                }
                if known.repeat == 0 { Reprint::Unmarked } else { Reprint::Queued }
            }
            State::Waiting if chosen.is_some_and(|chosen| chosen != before) => {
                (known.home, known.pinned) = (printer, true);
                Reprint::Moved
            }
            State::Waiting | State::InHand(_) => Reprint::Waiting,
        };
        assert_eq!(self.spool.reprint(known.ticket.id, chosen.map(name)).await.unwrap(), expected);
    }

    async fn release(&mut self) {
        let Some(index) = self.any() else { return };
        let known = &mut self.tickets[index];
        let is_held = matches!(known.state, State::Held(_));
        if is_held {
            known.queue_again();
        }
        assert_eq!(self.spool.release(known.ticket.id).await.unwrap(), is_held);
    }

    /// The hub hears all reports, and says so.
    async fn listen(&mut self) {
        for report in reports(&self.spool).await {
            match report {
                Report::Ticket(report) => self.heard.insert(report.ticket, report.outcome),
                other => panic!("{other:?}"),
            };
        }
        self.spool.acknowledged(self.spool.cursors().assigned_up_to).unwrap();
    }

    /// The process is killed, or the power is cut: the next life has what is in the folder. What was printing when
    /// the process ended stays in its printer's hands until that has been asked.
    async fn crash(&mut self) {
        let power_cut = self.dice.one_in(3);
        self.boot += u32::from(power_cut);
        let folder = copy(self.folder.path());
        let (spool, mut printers) = open(&folder, self.boot);
        for (before, after) in self.printers.iter_mut().zip(&mut printers) {
            for (claim, phase) in before.hand.drain(..) {
                let known = self.tickets.iter_mut().find(|known| known.ticket.id == claim.ticket.id).unwrap();
                match phase {
                    Phase::Fenced(_) => known.printed(),
                    Phase::Began(_) if !power_cut => {
                        let repeat = after.port.in_question(claim.ticket.id, claim.attempt).await.unwrap();
                        assert_eq!(repeat, Some(claim.repeat), "{known:?}");
                        after.hand.push((claim, phase));
                    }
                    Phase::Taken if !power_cut => known.state = State::Waiting,
                    Phase::Taken | Phase::Began(_) => known.in_doubt(Doubt::PowerLost),
                }
            }
        }
        (self.spool, self.printers, self.folder) = (spool, printers, folder);
    }

    /// Takes what the printers were given, and judges it.
    async fn settle(&mut self) {
        within("a commit", self.spool.flush()).await.unwrap();
        let mut given: Vec<Vec<Claim>> = Vec::new();
        for printer in &mut self.printers {
            given.push(std::iter::from_fn(|| printer.port.try_next()).collect());
        }
        for (printer, claims) in given.iter().enumerate() {
            claims.iter().for_each(|claim| self.check_claim(printer, claim));
        }
        for (printer, claims) in given.into_iter().enumerate() {
            self.check_order(printer, &claims);
            self.printers[printer].hand.extend(claims.into_iter().map(|claim| (claim, Phase::Taken)));
            self.check_want(printer);
        }
        let counts = self.spool.counts().borrow().clone();
        let count =
            |is: fn(State) -> bool| self.tickets.iter().filter(|known| is(known.state)).count() as u32;
        assert_eq!(counts.held, count(|state| matches!(state, State::Held(_))));
        assert_eq!(counts.waiting, count(|state| matches!(state, State::Waiting | State::InHand(_))));
    }

    fn check_claim(&mut self, printer: usize, claim: &Claim) {
        let index = self.tickets.iter().position(|known| known.ticket.id == claim.ticket.id).unwrap();
        let known = &self.tickets[index];
        assert_eq!(known.state, State::Waiting, "{known:?}");
        assert_eq!((claim.attempt, claim.repeat), (known.attempt + 1, known.repeat), "{known:?}");
        assert!(claim.repeat > 0 || !known.is_dirty, "{known:?}");
        assert!(self.may_take(printer, known), "{} took {known:?}", PRINTERS[printer]);
        assert_eq!(claim.backup_for, (known.home != printer).then(|| name(known.home)));
        self.tickets[index].state = State::InHand(printer);
    }

    /// What a printer was given comes before what was left.
    fn check_order(&self, printer: usize, given: &[Claim]) {
        let order = |index: usize| (!self.tickets[index].ticket.urgent, index);
        let place = |claim: &Claim| self.tickets.iter().position(|known| known.ticket.id == claim.ticket.id);
        let places: Vec<_> = given.iter().filter_map(place).map(order).collect();
        assert!(places.is_sorted(), "{places:?}");
        let left = (0..self.tickets.len()).filter(|&index| {
            self.tickets[index].state == State::Waiting && self.may_take(printer, &self.tickets[index])
        });
        if let (Some(last), Some(left)) = (places.last(), left.map(order).min()) {
            assert!(*last < left, "{} took {last:?} before {left:?}", PRINTERS[printer]);
        }
    }

    fn check_want(&self, printer: usize) {
        let Printer { want, hand, .. } = &self.printers[printer];
        let mut left = self.tickets.iter().filter(|known| known.state == State::Waiting);
        if hand.len() < *want as usize
            && let Some(left) = left.find(|known| self.may_take(printer, known))
        {
            panic!("{} wants {want}, has {}, and {left:?} waits", PRINTERS[printer], hand.len());
        }
    }

    fn may_take(&self, printer: usize, known: &Modelled) -> bool {
        if self.paused[printer] {
            return false;
        }
        known.home == printer || (!known.pinned && self.stand_in(known.home) == Some(printer))
    }

    /// Each printer's backup is the next one.
    fn stand_in(&self, home: usize) -> Option<usize> {
        if self.printers[home].want > 0 || self.paused[home] {
            return None;
        }
        let others = (1..PRINTERS.len()).map(|step| (home + step) % PRINTERS.len());
        let mut able = others.filter(|&other| self.printers[other].want > 0 && !self.paused[other]);
        able.next()
    }

    fn any(&mut self) -> Option<usize> {
        let tickets = self.tickets.len();
        (tickets > 0).then(|| self.dice.below(tickets))
    }

    /// People and printers do what they can; then everything is out, and the hub knows it.
    async fn end(mut self) {
        for printer in 0..PRINTERS.len() {
            self.spool.set_paused(name(printer), false).await.unwrap();
            self.paused[printer] = false;
            self.settle().await;
            self.printers[printer].port.want(1).unwrap();
            self.printers[printer].want = 1;
            self.settle().await;
        }
        // Each ticket is released, taken, begun, fenced and finished once.
        for _ in 0..self.tickets.len() * 5 + 5 {
            for held in self.spool.held(1).await.unwrap() {
                let known = self.tickets.iter_mut().find(|known| known.ticket.id == held.ticket).unwrap();
                known.queue_again();
                assert!(self.spool.release(held.ticket).await.unwrap());
                self.settle().await;
            }
            for printer in 0..PRINTERS.len() {
                self.go_on(printer).await;
                self.settle().await;
            }
            if self.tickets.iter().all(|known| known.state == State::Printed) {
                break;
            }
        }
        self.listen().await;
        for known in &self.tickets {
            assert_eq!(known.state, State::Printed, "{known:?}");
            assert_eq!(self.heard.get(&known.ticket.id), known.told.as_ref(), "{known:?}");
        }
    }
}

impl Modelled {
    fn printed(&mut self) {
        self.state = State::Printed;
        self.told = Some(Outcome::Printed(Evidence::Fence));
    }

    fn in_doubt(&mut self, doubt: Doubt) {
        self.attempt += 1;
        if self.attempt >= ATTEMPTS_MAX {
            self.state = State::Held(false);
            self.told = Some(Outcome::Held(doubt));
        } else {
            self.state = State::Waiting;
            self.repeat += 1;
            self.told = Some(Outcome::Unknown(doubt));
        }
    }

    fn queue_again(&mut self) {
        match self.state {
            State::Printed => (self.attempt, self.repeat) = (self.attempt + 1, self.repeat + 1),
            State::Held(false) => self.repeat += 1,
            State::Held(true) => {}
            State::Waiting | State::InHand(_) => panic!("{self:?}"),
        }
        self.state = State::Waiting;
        // As the stations are mapped, unless a person chose.
        if !self.pinned {
            self.home = STATIONS.iter().position(|station| *station == self.ticket.station.as_str()).unwrap();
        }
    }
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_in_any_order() {
    for seed in 1..=RUNS {
        let mut world = World::new(seed);
        for step in 1..=STEPS {
            println!("seed {seed}, step {step}");
            world.step().await;
        }
        println!("seed {seed}, end");
        world.end().await;
    }
}
