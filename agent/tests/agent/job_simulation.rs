//! The job machine against a modelled printer, with random faults, in simulated time, from seeds.
//!
//! What must never break: "printed, by fence" is said of nothing that is not on paper as a whole; no ticket has a second
//! unmarked output; when the faults end, everything comes out.

use crate::modelled_unit::{Abilities, Faults, Slip, Unit};
use docket_agent::printing::job::{Event, Lost, Machine};
use docket_agent::spool::{Ending, Profile};
use docket_protocol::outcome::Evidence;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

const RUNS: u64 = 2_000;
const TICKETS: u8 = 4;
/// Until then there are faults.
const FAULTS_MS: u64 = 60_000;
/// By then all must be out: several times all the machine's patience together.
const END_MS: u64 = FAULTS_MS + 400_000;
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
}

struct World {
    dice: Dice,
    now: Instant,
    elapsed_ms: u64,
    unit: Unit,
    line: Line,
    profile: Profile,
    owed: bool,
    queue: VecDeque<Slip>,
    /// With what it was known to answer when it began.
    current: Option<(Slip, Profile)>,
    done: Vec<(Slip, Evidence)>,
    serial: u64,
}

enum Line {
    Up(Box<Machine>),
    Down { until_ms: u64 },
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let mut coin = |chances| dice.one_in(chances);
        let abilities = Abilities {
            real_time: !coin(5),
            in_order: coin(4),
            automatic: !coin(3),
            process: !coin(3),
            transmit: !coin(3),
        };
        let us_per_byte = [1, 50, 5_000, 20_000][dice.below(4) as usize];
        Self {
            now: Instant::now(),
            elapsed_ms: 0,
            unit: Unit::new(abilities, us_per_byte),
            line: Line::Down { until_ms: 0 },
            profile: Profile::default(),
            owed: false,
            queue: (0..TICKETS).map(|ticket| Slip { ticket, repeat: 0 }).collect(),
            current: None,
            done: Vec::new(),
            serial: dice.roll(),
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
            let step_ms =
                if self.dice.one_in(3) { 1 + self.dice.below(40) } else { 100 + self.dice.below(400) };
            self.elapsed_ms += step_ms;
            self.now += Duration::from_millis(step_ms);
            if self.elapsed_ms < FAULTS_MS {
                self.break_something();
            } else {
                self.unit.faults = Faults::default();
            }
            self.unit.run(step_ms * 1_000);
            self.serve();
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
            22 => {
                self.lose_line();
                self.unit.power_cycle();
            }
            _ => {}
        }
    }

    fn serve(&mut self) {
        let now = self.now;
        let machine = match &mut self.line {
            Line::Up(machine) => machine,
            Line::Down { until_ms } => {
                if self.elapsed_ms >= *until_ms && !(self.unit.faults.hung && self.dice.one_in(2)) {
                    self.line = Line::Up(Box::new(Machine::new(self.profile, self.owed, now)));
                }
                return;
            }
        };
        if !self.unit.answers.is_empty() {
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
                Event::Learned(profile) => self.profile = profile,
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
                self.current = Some((slip, self.profile));
                self.serial += 1;
                let filler = vec![b'x'; self.dice.below(300) as usize];
                let code = self.dice.below(600) as u16;
                let code = [&[0x1D, 0x28, 0x6B][..], &code.to_le_bytes(), &vec![b'q'; code.into()]].concat();
                let content = [&[b'T', slip.ticket, slip.repeat][..], &code, &filler, b"$"].concat();
                machine.begin(&content, self.serial, now);
            }
        }
        // The operating system takes some of it; a hung unit's window closes.
        let pending = machine.to_send().len() as u64;
        if pending > 0 && !(self.unit.faults.hung && pending > 200) {
            let taken = if self.dice.one_in(4) { self.dice.below(pending + 1) } else { pending } as usize;
            let bytes = machine.to_send()[..taken].to_vec();
            machine.sent(taken, now);
            self.unit.receive(&bytes);
        }
    }

    fn lose_line(&mut self) {
        let Line::Up(machine) = &self.line else { return };
        let lost = machine.lost();
        self.owed = machine.is_owed();
        self.line = Line::Down { until_ms: self.elapsed_ms + RECONNECT_MS };
        match lost {
            Lost::Idle => {}
            Lost::NotBegun => {
                if let Some((slip, _)) = self.current.take() {
                    self.queue.push_front(slip);
                }
            }
            Lost::Ended(ending) => self.end(ending),
        }
    }

    fn end(&mut self, ending: Ending) {
        let (slip, known) = self.current.take().expect("an ending has a ticket");
        match ending {
            Ending::Printed(evidence) => {
                if evidence == Evidence::Fence {
                    assert!(self.unit.whole.contains(&slip), "said to be printed, is not: {slip:?}");
                }
                assert!(evidence != Evidence::Sent || !known.answered, "a grade too low: {slip:?}");
                self.done.push((slip, evidence));
            }
            Ending::Unknown(_) => self.queue.push_front(Slip { repeat: slip.repeat + 1, ..slip }),
        }
    }
}

#[test]
fn nothing_is_lost_doubled_or_made_up() {
    let mut grades = [0_u32; 3];
    let mut repeats = 0;
    for seed in 0..RUNS {
        let mut world = World::new(seed);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.run()));
        if let Err(cause) = outcome {
            eprintln!("seed {seed}, {:?}", world.unit.abilities);
            std::panic::resume_unwind(cause);
        }
        let mut begun = world.unit.begun.clone();
        begun.sort_by_key(|slip| (slip.ticket, slip.repeat));
        let all = begun.len();
        begun.dedup();
        assert_eq!(begun.len(), all, "two outputs with the same mark, seed {seed}: {:?}", world.unit.begun);
        for (slip, evidence) in &world.done {
            repeats += u32::from(slip.repeat > 0);
            match evidence {
                Evidence::Fence => grades[0] += 1,
                Evidence::Status => grades[1] += 1,
                Evidence::Sent | Evidence::Spooled => grades[2] += 1,
            }
        }
    }
    // The simulation is worth something only if all of it happens.
    assert!(grades.iter().all(|&count| count > 100) && repeats > 100, "{grades:?}, {repeats} repeats");
}
