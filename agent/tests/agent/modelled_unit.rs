//! A printer for the simulation of the job machine: bytes in, bytes out, simulated time, and faults.
//!
//! It knows nothing of the code under test: it executes ESC/POS bytes as `spec/escpos.md` has them.

use std::collections::VecDeque;

/// What a model of printer can do.
#[derive(Debug, Clone, Copy)]
pub struct Abilities {
    /// DLE EOT.
    pub real_time: bool,
    /// It answers DLE EOT in its place among the commands, not at once.
    pub in_order: bool,
    /// ASB.
    pub automatic: bool,
    /// GS ( H.
    pub process: bool,
    /// GS r.
    pub transmit: bool,
}

/// What is wrong with it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    pub paper_out: bool,
    pub cover: bool,
    pub heat: bool,
    pub cutter: bool,
    /// It neither reads, prints nor answers.
    pub hung: bool,
}

/// A ticket of the simulation: `T<ticket>.<repeat>` … `$`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slip {
    pub ticket: u8,
    pub repeat: u8,
}

#[derive(Debug)]
pub struct Unit {
    pub abilities: Abilities,
    pub faults: Faults,
    /// Slips of which something is on paper.
    pub begun: Vec<Slip>,
    /// Slips that are on paper as a whole.
    pub whole: Vec<Slip>,
    pub answers: Vec<u8>,
    input: VecDeque<u8>,
    automatic_on: bool,
    told: [u8; 4],
    current: Option<Slip>,
    /// What the next byte costs, so that long slips take a while.
    debt_us: u64,
    us_per_byte: u64,
}

impl Unit {
    pub fn new(abilities: Abilities, us_per_byte: u64) -> Self {
        Self {
            abilities,
            faults: Faults::default(),
            begun: Vec::new(),
            whole: Vec::new(),
            answers: Vec::new(),
            input: VecDeque::new(),
            automatic_on: false,
            told: [0; 4],
            current: None,
            debt_us: 0,
            us_per_byte,
        }
    }

    /// What it has received is lost, and so is what it had to say.
    pub fn power_cycle(&mut self) {
        self.input.clear();
        self.answers.clear();
        self.current = None;
        self.automatic_on = false;
        self.faults = Faults::default();
    }

    /// Bytes arrive.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.input.extend(bytes);
    }

    /// Time passes.
    pub fn run(&mut self, us: u64) {
        if self.faults.hung {
            return;
        }
        if self.abilities.real_time && !self.abilities.in_order {
            self.answer_real_time();
        }
        self.tell_changes();
        let mut left = us + self.debt_us;
        while left >= self.us_per_byte && !self.is_stopped() {
            match self.execute() {
                Some(Executed::Printed) => left -= self.us_per_byte,
                Some(Executed::Command) => {}
                None => break,
            }
        }
        self.debt_us = if self.input.is_empty() { 0 } else { left.min(self.us_per_byte) };
        self.tell_changes();
    }

    fn is_stopped(&self) -> bool {
        let Faults { paper_out, cover, heat, cutter, .. } = self.faults;
        // A jammed cutter stops it when it is to cut.
        let at_cut = self.input.iter().take(2).eq([&0x1D, &0x56]);
        paper_out || cover || heat || (cutter && at_cut)
    }

    fn answer_real_time(&mut self) {
        let mut at = 0;
        while at + 2 < self.input.len() {
            if self.input[at] == 0x10 && self.input[at + 1] == 0x04 {
                let query = self.input[at + 2];
                self.input.drain(at..at + 3);
                self.answer(query);
            } else {
                at += 1;
            }
        }
    }

    fn answer(&mut self, query: u8) {
        let Faults { paper_out, cover, heat, cutter, .. } = self.faults;
        let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        let bits = match query {
            1 => bit(paper_out || cover || heat || cutter, 0x08),
            2 => bit(cover, 0x04) | bit(paper_out, 0x20) | bit(heat || cutter, 0x40),
            3 => bit(cutter, 0x08) | bit(heat, 0x40),
            _ => bit(paper_out, 0x60),
        };
        self.answers.push(0x12 | bits);
    }

    fn tell_changes(&mut self) {
        let Faults { paper_out, cover, heat, cutter, .. } = self.faults;
        let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        let now = [
            0x10 | bit(paper_out || cover || heat || cutter, 0x08) | bit(cover, 0x20),
            bit(cutter, 0x08) | bit(heat, 0x40),
            bit(paper_out, 0x0C),
            0,
        ];
        if self.abilities.automatic && self.automatic_on && now != self.told {
            self.told = now;
            self.answers.extend(now);
        }
    }

    /// Executes one command or prints one byte; `None` where there is none, or not as a whole.
    fn execute(&mut self) -> Option<Executed> {
        let head: Vec<u8> = self.input.iter().take(5).copied().collect();
        let length = match head[..] {
            [] => return None,
            [0x1B, ..] => 2,
            [0x10, ..] | [0x1D, 0x61 | 0x72, ..] | [b'T', ..] => 3,
            [0x1D, 0x56, ..] => 4,
            [0x1D, 0x28, _, low, high] => 5 + usize::from(low) + 256 * usize::from(high),
            [0x1D] | [0x1D, 0x28, ..] => return None,
            [0x1D, ..] => 2,
            _ => 1,
        };
        if self.input.len() < length {
            return None;
        }
        let command: Vec<u8> = self.input.drain(..length).collect();
        let executed = if command[0] >= b' ' { Executed::Printed } else { Executed::Command };
        match command[..] {
            [0x1B, _] => self.automatic_on = false,
            [0x10, 0x04, query] if self.abilities.real_time => self.answer(query),
            [0x1D, 0x61, _] => {
                self.automatic_on = true;
                self.told = [0; 4];
            }
            [0x1D, 0x72, _] if self.abilities.transmit => {
                self.answers.push(if self.faults.paper_out { 0x0C } else { 0x00 });
            }
            [0x1D, 0x28, 0x48, 6, 0, 0x30, 0x30, a, b, c, d] if self.abilities.process => {
                self.answers.extend([0x37, 0x22, a, b, c, d, 0]);
            }
            [b'T', ticket, repeat] => {
                let slip = Slip { ticket, repeat };
                self.begun.push(slip);
                self.current = Some(slip);
            }
            [b'$'] => self.whole.extend(self.current.take()),
            _ => {}
        }
        Some(executed)
    }
}

enum Executed {
    /// It took the time of a character.
    Printed,
    /// It took none.
    Command,
}
