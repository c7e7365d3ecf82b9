//! The job machine against a modelled printer with the quirks of cheap clones, with random faults, in simulated time,
//! from seeds.
//!
//! What must never break: "printed, by fence" is said of nothing that is not on paper as a whole, nor is "by status"
//! as long as no power is cut behind the machine's back; no ticket has a second unmarked output; no parameter of a
//! command comes out as text; when the faults end, everything comes out without a person.

use docket_agent::printing::job::{Event, Lost, Machine};
use docket_agent::printing::profile::Pins;
use docket_agent::spool::Ending;
use docket_protocol::outcome::{Doubt, Evidence};
use docket_tests::modelled_unit::{Abilities, Faults, RealTime, Slip, Transmit, Unit};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Runs of each of the ten tests below.
const RUNS: u64 = 1_000;
const TICKETS: u8 = 3;
/// Until then there are faults.
const FAULTS_MS: u64 = 40_000;
/// By then all must be out: several times all the machine's patience together.
const END_MS: u64 = FAULTS_MS + 600_000;
const RECONNECT_MS: u64 = 700;

/// xorshift64*: the same numbers on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

struct World {
    dice: Dice,
    now: Instant,
    elapsed_ms: u64,
    unit: Unit,
    line: Line,
    /// The line outlives power cuts of the unit, and answers outlive the agent: serial.
    line_stands: bool,
    /// Bytes a millisecond that the line carries.
    line_speed: usize,
    /// What the spool has kept.
    facts: String,
    owed: bool,
    /// The journal does not know that the last ticket is on paper.
    left_open: bool,
    queue: VecDeque<Slip>,
    current: Option<Current>,
    done: Vec<(Slip, Evidence)>,
    serial: u64,
    off_until_ms: Option<u64>,
}

struct Current {
    slip: Slip,
    serial: u64,
    /// Its unit lost power while the line stood.
    power_was_cut: bool,
    /// It was not known then that the unit answers while it prints.
    is_unwatched: bool,
    /// The agent died: the unit is to be asked.
    in_question: bool,
}

enum Line {
    Up(Box<Machine>),
    Down { until_ms: u64 },
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        dice.roll();
        let abilities = Abilities::draw(false, &mut |limit| dice.below(limit));
        // The slowest takes 75 ms for a line of 30 characters.
        let us_per_byte = dice.pick(&[1, 50, 1_000, 2_500]);
        // A late unit's network module forgets with a connection what it has held back.
        let line_stands = !abilities.late && dice.one_in(3);
        Self {
            now: Instant::now(),
            elapsed_ms: 0,
            unit: Unit::new(abilities, us_per_byte),
            line: Line::Down { until_ms: 0 },
            line_stands,
            // 9,600 baud, or what the operating system takes at once.
            line_speed: if line_stands && dice.one_in(2) { 1 } else { usize::MAX },
            facts: String::new(),
            owed: false,
            left_open: false,
            queue: (0..TICKETS).map(|ticket| Slip { ticket, repeat: 0 }).collect(),
            current: None,
            done: Vec::new(),
            serial: dice.roll(),
            off_until_ms: None,
            dice,
        }
    }

    fn run(&mut self) {
        while self.done.len() < usize::from(TICKETS) {
            assert!(
                self.elapsed_ms < END_MS,
                "not all came out: {:?}, begun: {:?}",
                self.done,
                self.unit.begun
            );
            let step_ms = match self.unit.abilities.transmit {
                // What it answers together must not be told apart by the steps of this clock.
                Transmit::AtOnce if self.unit.is_busy() || self.line_speed == 1 => 1 + self.dice.below(15),
                // What a slow line carries while the unit is off must not be one step.
                _ if self.dice.one_in(3) || self.line_speed == 1 => 1 + self.dice.below(40),
                _ => 100 + self.dice.below(400),
            };
            self.elapsed_ms += step_ms;
            self.now += Duration::from_millis(step_ms);
            if self.elapsed_ms < FAULTS_MS {
                self.break_something();
            } else {
                self.unit.faults = Faults::default();
            }
            if self.off_until_ms.is_some_and(|until_ms| self.elapsed_ms >= until_ms) {
                self.unit.power_cycle();
                self.off_until_ms = None;
            }
            if self.off_until_ms.is_none() {
                self.unit.run(step_ms * 1_000);
            }
            self.serve(step_ms as usize);
        }
    }

    fn break_something(&mut self) {
        match self.dice.below(160) {
            0 => self.unit.faults.paper_out = true,
            1 => self.unit.faults.cover = true,
            2 => self.unit.faults.heat = true,
            3 => self.unit.faults.cutter = true,
            4 => self.unit.faults.hung = true,
            5..20 => self.unit.faults = Faults::default(),
            20 | 21 => self.lose_line(),
            22 => self.switch_off(),
            23 => self.kill_agent(),
            24 if self.dice.one_in(4) => self.exchange_unit(),
            _ => {}
        }
    }

    fn switch_off(&mut self) {
        self.unit.power_cycle();
        // No unit starts within a second.
        let longer_ms = self.dice.pick(&[500, 8_000]);
        self.off_until_ms = Some(self.elapsed_ms + 1_000 + self.dice.below(longer_ms));
        if !self.line_stands {
            self.lose_line();
        } else if let Some(current) = &mut self.current {
            current.power_was_cut = true;
        }
    }

    /// Another one stands at the same address, with the same paper in it.
    fn exchange_unit(&mut self) {
        if self.unit.abilities.real_time == RealTime::Never {
            // One that answers less is taken for a hung one, and waits for a person.
            return;
        }
        self.unit.power_cycle();
        let late = self.unit.abilities.late;
        self.unit.abilities =
            Abilities { late, ..Abilities::draw(true, &mut |limit| self.dice.below(limit)) };
        self.unit.abilities.queries = [true; 4];
        self.lose_line();
    }

    /// The process is gone without a word; the next one reads the journal.
    fn kill_agent(&mut self) {
        let Line::Up(_) = &self.line else { return };
        if !self.line_stands {
            self.unit.forget_answers();
        }
        self.line = Line::Down { until_ms: self.elapsed_ms + RECONNECT_MS };
        self.owed = self.left_open;
        if let Some(current) = &mut self.current {
            current.in_question = true;
        }
    }

    fn serve(&mut self, step_ms: usize) {
        let now = self.now;
        let machine = match &mut self.line {
            Line::Up(machine) => machine,
            Line::Down { until_ms } => {
                let is_off = self.off_until_ms.is_some() && !self.line_stands;
                if self.elapsed_ms >= *until_ms && !is_off && !(self.unit.faults.hung && self.dice.one_in(2))
                {
                    let profile = Pins::default().profile(None, &self.facts);
                    let mut machine = Machine::new(profile, self.owed, now);
                    if self.line_stands {
                        machine.expect_unseen_restarts();
                    }
                    if let Some(current) = self.current.as_ref().filter(|current| current.in_question) {
                        machine.ask_about(current.serial, Doubt::AgentEnded);
                    }
                    self.line = Line::Up(Box::new(machine));
                }
                return;
            }
        };
        // Cut anywhere, and sometimes late.
        while !self.unit.answers.is_empty() && !self.dice.one_in(8) {
            let some = 1 + self.dice.below(self.unit.answers.len() as u64) as usize;
            let bytes: Vec<u8> = self.unit.answers.drain(..some).collect();
            machine.received(&bytes, now);
        }
        machine.handle_timeout(now);
        while let Line::Up(machine) = &mut self.line
            && let Some(event) = machine.poll_event()
        {
            match event {
                Event::OnPaper(_) => {}
                Event::Learned(profile) => self.facts = profile.to_words(),
                Event::Ended(ending) => self.end(ending),
                Event::Close => self.lose_line(),
            }
        }
        let Line::Up(machine) = &mut self.line else { return };
        if self.current.is_none()
            && let Some(&slip) = self.queue.front()
        {
            machine.get_ready(now);
            if machine.is_ready(now) {
                self.queue.pop_front();
                self.left_open = true;
                self.serial += 1;
                let (serial, power_was_cut, in_question) = (self.serial, false, false);
                let is_unwatched = self.facts.contains("status-busy=no");
                self.current = Some(Current { slip, serial, power_was_cut, is_unwatched, in_question });
                // What a small buffer answers at once is close to the end of a long ticket, and a network that delays
                // bytes makes that look like a proof.
                let is_short = self.unit.abilities.transmit == Transmit::AtOnce || self.dice.one_in(2);
                let lines = self.dice.below(if is_short { 10 } else { 120 });
                let (content, seams) = slip.content(lines, self.dice.one_in(6));
                machine.begin(&content, &seams, serial, now);
            }
        }
        let waiting = machine.to_send().len();
        let taken = match self.dice.below(4) {
            _ if self.line_speed < usize::MAX => waiting.min(self.line_speed * step_ms),
            // A line that stalls for as long as its unit is off hides that.
            0 if !self.line_stands => self.dice.below(waiting as u64 + 1) as usize,
            _ => waiting,
        };
        let bytes = machine.to_send()[..taken].to_vec();
        if taken > 0 {
            machine.sent(taken, now);
            if self.off_until_ms.is_none() {
                self.unit.receive(&bytes);
            }
        }
    }

    fn lose_line(&mut self) {
        let Line::Up(machine) = &self.line else { return };
        let lost = machine.lost();
        self.owed = machine.is_owed();
        self.line = Line::Down { until_ms: self.elapsed_ms + RECONNECT_MS };
        if !self.line_stands {
            self.unit.forget_answers();
        }
        match lost {
            Lost::Idle => {}
            Lost::NotBegun => {
                if let Some(current) = self.current.take() {
                    self.queue.push_front(current.slip);
                }
            }
            Lost::Ended(ending) => self.end(ending),
        }
    }

    fn end(&mut self, ending: Ending) {
        let Current { slip, power_was_cut, is_unwatched, .. } =
            self.current.take().expect("an ending has a ticket");
        match ending {
            Ending::Printed(evidence) => {
                let is_whole = self.unit.whole.contains(&slip);
                match evidence {
                    Evidence::Fence => {
                        let was_torn_unseen = power_was_cut && is_unwatched;
                        assert!(is_whole || was_torn_unseen, "said to be printed, is not: {slip:?}");
                    }
                    Evidence::Status => {
                        assert!(is_whole || power_was_cut, "by status, and is not printed: {slip:?}");
                    }
                    Evidence::Sent | Evidence::Spooled => {
                        let known = Pins::default().profile(None, &self.facts);
                        assert!(!known.answers_status(), "a grade too low: {slip:?}, {}", self.facts);
                    }
                }
                self.left_open = false;
                self.done.push((slip, evidence));
            }
            Ending::Unknown(_) => self.queue.push_front(Slip { repeat: slip.repeat + 1, ..slip }),
        }
    }
}

/// How often something happened: the simulation is worth something only if all of it does.
#[derive(Debug, Default)]
struct Tally {
    fence: u32,
    status: u32,
    sent: u32,
    repeats: u32,
}

fn simulate(part: u64) {
    let mut tally = Tally::default();
    for seed in part * RUNS..(part + 1) * RUNS {
        let mut world = World::new(seed);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.run()));
        if let Err(cause) = outcome {
            eprintln!("seed {seed}, {:?}", world.unit);
            std::panic::resume_unwind(cause);
        }
        let mut begun = world.unit.begun.clone();
        begun.sort_by_key(|slip| (slip.ticket, slip.repeat));
        let all = begun.len();
        begun.dedup();
        assert_eq!(begun.len(), all, "two outputs with the same mark, seed {seed}: {:?}", world.unit);
        assert_eq!(world.unit.junk, 0, "parameters came out as text, seed {seed}: {:?}", world.unit);
        for (slip, evidence) in &world.done {
            tally.repeats += u32::from(slip.repeat > 0);
            match evidence {
                Evidence::Fence => tally.fence += 1,
                Evidence::Status => tally.status += 1,
                Evidence::Sent | Evidence::Spooled => tally.sent += 1,
            }
        }
    }
    let Tally { fence, status, sent, repeats } = tally;
    assert!(fence > 1_000 && status > 200 && sent > 100 && repeats > 100, "{tally:?}");
}

macro_rules! parts {
    ($($name:ident: $part:literal),*) => {$(
        #[test]
        fn $name() {
            simulate($part);
        }
    )*};
}

// Side by side, so that ten thousand runs take no longer than the slowest thousand.
parts!(
    nothing_is_lost_doubled_or_made_up_0: 0,
    nothing_is_lost_doubled_or_made_up_1: 1,
    nothing_is_lost_doubled_or_made_up_2: 2,
    nothing_is_lost_doubled_or_made_up_3: 3,
    nothing_is_lost_doubled_or_made_up_4: 4,
    nothing_is_lost_doubled_or_made_up_5: 5,
    nothing_is_lost_doubled_or_made_up_6: 6,
    nothing_is_lost_doubled_or_made_up_7: 7,
    nothing_is_lost_doubled_or_made_up_8: 8,
    nothing_is_lost_doubled_or_made_up_9: 9
);
