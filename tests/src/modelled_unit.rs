//! A printer for the simulation of the job machine: bytes in, bytes out, simulated time, faults, and the quirks of cheap
//! clones.
//!
//! It knows nothing of the code under test: it executes ESC/POS bytes as `spec/escpos.md` has them, and where a clone
//! differs, as the clone does.

use std::collections::VecDeque;

/// A cut, feeding to the cutter included, takes any machine so long.
const CUT_US: u64 = 250_000;

/// When DLE EOT is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RealTime {
    /// When it is received.
    AtOnce,
    /// In its place among the commands, so only when the unit is done with what came before.
    InOrder,
    /// When it is received, and not at all if the unit has something to print then.
    Deaf,
    /// Never.
    Never,
}

/// What becomes of GS ( H.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// It is answered in its place among the commands.
    Answered,
    /// It is known and not answered.
    Ignored,
    /// Not known: its parameters are printed.
    Printed,
}

/// When GS r is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transmit {
    /// In its place among the commands.
    InOrder,
    /// When it is received.
    AtOnce,
    /// Never.
    Never,
}

/// What a model of printer can do, and its quirks.
#[derive(Debug, Clone, Copy)]
pub struct Abilities {
    /// When DLE EOT is answered.
    pub real_time: RealTime,
    /// Which of DLE EOT 1 to 4 it knows.
    pub queries: [bool; 4],
    /// The last byte that it has to say comes only with the next.
    pub late: bool,
    /// ASB.
    pub automatic: bool,
    /// What becomes of GS ( H.
    pub process: Process,
    /// When GS r is answered.
    pub transmit: Transmit,
    /// ESC @ empties the receive buffer.
    pub init_clears: bool,
    /// What it takes before the line has to wait.
    pub buffer_bytes: usize,
}

impl Abilities {
    /// A model from chance; `below` draws from 0 to less than its argument. `with_status`: it answers DLE EOT, whatever it
    /// does at the time.
    pub fn draw(with_status: bool, below: &mut dyn FnMut(u64) -> u64) -> Self {
        use Process::{Answered, Ignored, Printed};
        use RealTime::{AtOnce, Deaf, InOrder, Never};
        let mut queries = [true; 4];
        let real_time = pick(
            below,
            if with_status { &[AtOnce, InOrder] } else { &[AtOnce, AtOnce, AtOnce, InOrder, Deaf, Never] },
        );
        // What is both late and deaf while it prints cannot be told from one that hangs.
        let late = matches!(real_time, AtOnce | InOrder) && below(5) == 0;
        // Which query a late unit lacks cannot be found out.
        if !late && below(6) == 0 {
            queries[1 + below(3) as usize] = false;
        }
        Abilities {
            real_time,
            queries,
            late,
            automatic: below(3) != 0,
            process: pick(below, &[Answered, Answered, Ignored, Printed]),
            transmit: pick(below, &[Transmit::InOrder, Transmit::InOrder, Transmit::AtOnce, Transmit::Never]),
            init_clears: below(4) == 0,
            buffer_bytes: pick(below, &[64, 256, 4_096]),
        }
    }
}

fn pick<T: Copy>(below: &mut dyn FnMut(u64) -> u64, from: &[T]) -> T {
    from[below(from.len() as u64) as usize]
}

/// What is wrong with it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// No paper.
    pub paper_out: bool,
    /// The cover is open.
    pub cover: bool,
    /// The head is too hot.
    pub heat: bool,
    /// The cutter is jammed.
    pub cutter: bool,
    /// It neither reads, prints nor answers.
    pub hung: bool,
}

/// A ticket of the simulation: `T<ticket>.<repeat>` … `$`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slip {
    /// Which ticket.
    pub ticket: u8,
    /// How often it was printed before.
    pub repeat: u8,
}

impl Slip {
    /// `T<ticket>.<repeat>`, lines, perhaps an image in whose data there is what looks like a query, `$`; and where its
    /// lines end.
    pub fn content(self, lines: u64, with_image: bool) -> (Vec<u8>, Vec<usize>) {
        let mut content = vec![b'T', b'!' + self.ticket, b'!' + self.repeat];
        let mut seams = Vec::new();
        for _ in 0..lines {
            content.extend([b'x'; 29]);
            content.push(b'\n');
            seams.push(content.len());
        }
        if with_image {
            content.extend([0x1D, 0x76, 0x30, 0, 1, 0, 4, 0, 0x10, 0x04, 0x01, 0xFF]);
        }
        content.extend(b"$\n");
        (content, seams)
    }
}

/// A printer, as the wire sees it.
#[derive(Debug)]
pub struct Unit {
    /// What it can do.
    pub abilities: Abilities,
    /// What is wrong with it.
    pub faults: Faults,
    /// Slips of which something is on paper.
    pub begun: Vec<Slip>,
    /// Slips that are on paper as a whole.
    pub whole: Vec<Slip>,
    /// How often parameters of a command came out as text.
    pub junk: u32,
    /// What it has said and nobody has read.
    pub answers: Vec<u8>,
    /// What the line holds that there is no room for yet.
    line: VecDeque<u8>,
    input: VecDeque<u8>,
    held_back: Option<u8>,
    automatic_on: bool,
    told: [u8; 4],
    current: Option<Slip>,
    /// Parameters of a command in the line buffer.
    junk_in_line: bool,
    /// What the next byte costs, so that long slips take a while.
    debt_us: u64,
    us_per_byte: u64,
    cut_left_us: u64,
    /// Bytes of a command that are still to come, and mean nothing.
    skip: usize,
}

impl Unit {
    /// A unit that was just switched on, and takes so long for a byte.
    pub fn new(abilities: Abilities, us_per_byte: u64) -> Self {
        Self {
            abilities,
            faults: Faults::default(),
            begun: Vec::new(),
            whole: Vec::new(),
            junk: 0,
            answers: Vec::new(),
            line: VecDeque::new(),
            input: VecDeque::new(),
            held_back: None,
            automatic_on: false,
            told: [0; 4],
            current: None,
            junk_in_line: false,
            debt_us: 0,
            us_per_byte,
            cut_left_us: 0,
            skip: 0,
        }
    }

    /// What it has received is lost, and so is what it had to say.
    pub fn power_cycle(&mut self) {
        self.line.clear();
        self.input.clear();
        self.answers.clear();
        self.held_back = None;
        self.current = None;
        self.junk_in_line = false;
        self.automatic_on = false;
        self.cut_left_us = 0;
        self.skip = 0;
        self.faults = Faults::default();
    }

    /// The line is gone, and what was to go over it.
    pub fn forget_answers(&mut self) {
        self.answers.clear();
        self.held_back = None;
    }

    /// Whether it has something to do.
    pub fn is_busy(&self) -> bool {
        !self.input.is_empty() || self.cut_left_us > 0
    }

    /// Bytes arrive.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.line.extend(bytes);
    }

    /// Time passes.
    pub fn run(&mut self, us: u64) {
        if self.faults.hung {
            return;
        }
        self.tell_changes();
        let mut left = us + self.debt_us;
        // What it had before is done before more comes: a person or a network is slower than a processor.
        let mut takes = false;
        loop {
            if takes {
                self.take_from_line();
            }
            if self.is_stopped() {
                if takes {
                    break;
                }
                takes = true;
                continue;
            }
            if self.cut_left_us > 0 {
                let done = self.cut_left_us.min(left);
                self.cut_left_us -= done;
                left -= done;
            }
            let prints = self.skip == 0 && self.input.front().is_some_and(|&byte| byte >= b' ');
            if self.cut_left_us > 0 || (prints && left < self.us_per_byte) {
                if takes {
                    break;
                }
                takes = true;
                continue;
            }
            match self.execute() {
                Some(Executed::Printed) => left -= self.us_per_byte,
                Some(Executed::Command) => {}
                None if takes => break,
                None => takes = true,
            }
        }
        self.debt_us = if self.input.is_empty() { 0 } else { left.min(self.us_per_byte) };
        self.tell_changes();
    }

    /// As much as there is room for. What is obeyed when it is received is obeyed here.
    fn take_from_line(&mut self) {
        while self.input.len() < self.abilities.buffer_bytes
            && let Some(byte) = self.line.pop_front()
        {
            self.input.push_back(byte);
            let tail =
                |back: usize| self.input.len().checked_sub(back).and_then(|at| self.input.get(at)).copied();
            match (tail(3), tail(2)) {
                (Some(0x10), Some(0x04)) if self.hears() => self.answer(byte),
                (Some(0x1D), Some(0x72)) if self.abilities.transmit == Transmit::AtOnce => self.say(&[0]),
                _ => {}
            }
        }
    }

    /// Whether it answers a real-time query as soon as it has come.
    fn hears(&self) -> bool {
        match self.abilities.real_time {
            RealTime::AtOnce => true,
            RealTime::Deaf => self.cut_left_us == 0 && !self.input.iter().any(|byte| b"Tx$".contains(byte)),
            RealTime::InOrder | RealTime::Never => false,
        }
    }

    fn is_stopped(&self) -> bool {
        let Faults { paper_out, cover, heat, cutter, .. } = self.faults;
        // A jammed cutter stops it when it is to cut.
        let at_cut = self.input.iter().take(2).eq([&0x1D, &0x56]);
        paper_out || cover || heat || (cutter && at_cut)
    }

    fn say(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.abilities.late {
                self.answers.extend(self.held_back.replace(byte));
            } else {
                self.answers.push(byte);
            }
        }
    }

    fn answer(&mut self, query: u8) {
        if !(1..=4).contains(&query) || !self.abilities.queries[usize::from(query) - 1] {
            return;
        }
        let Faults { paper_out, cover, heat, cutter, .. } = self.faults;
        let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        let bits = match query {
            1 => bit(paper_out || cover || heat || cutter, 0x08),
            2 => bit(cover, 0x04) | bit(paper_out, 0x20) | bit(heat || cutter, 0x40),
            3 => bit(cutter, 0x08) | bit(heat, 0x40),
            _ => bit(paper_out, 0x60),
        };
        self.say(&[0x12 | bits]);
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
            self.say(&now);
        }
    }

    /// Executes one command or prints one byte; `None` where there is none, or not as a whole.
    fn execute(&mut self) -> Option<Executed> {
        if self.skip > 0 {
            let skipped = self.skip.min(self.input.len());
            self.input.drain(..skipped);
            self.skip -= skipped;
            return (skipped > 0).then_some(Executed::Command);
        }
        let mut head = [0; 8];
        let have = self.input.len().min(head.len());
        self.input.iter().zip(&mut head).for_each(|(byte, to)| *to = *byte);
        let word = |at: usize| usize::from(head[at]) + 256 * usize::from(head[at + 1]);
        let length = match head[..have] {
            [] => return None,
            [0x1B, 0x64, ..] => 3,
            [0x1B, ..] => 2,
            [0x10, ..] | [0x1D, 0x61 | 0x72, ..] | [b'T', ..] => 3,
            [0x1D, 0x56, ..] => 4,
            [0x1D, 0x28, _, _, _, ..] => 5 + word(3),
            [0x1D, 0x76, _, _, _, _, _, _] => 8 + word(4) * word(6),
            [0x1D] | [0x1D, 0x28 | 0x76, ..] => return None,
            [0x1D, ..] => 2,
            _ => 1,
        };
        if length > self.abilities.buffer_bytes {
            // Cut off where the line was lost, so that what follows it gives its length.
            self.skip = length;
            return Some(Executed::Command);
        }
        if self.input.len() < length {
            return None;
        }
        let command: Vec<u8> = self.input.drain(..length).collect();
        let executed = if command[0] >= b' ' { Executed::Printed } else { Executed::Command };
        match command[..] {
            [0x1B, 0x40] => {
                self.automatic_on = false;
                self.junk_in_line = false;
                if self.abilities.init_clears {
                    self.input.clear();
                }
            }
            [0x10, 0x04, query] if self.abilities.real_time == RealTime::InOrder => self.answer(query),
            [0x1D, 0x61, _] => {
                self.automatic_on = true;
                self.told = [0; 4];
            }
            [0x1D, 0x56, ..] | [0x1B, 0x64, _] => self.cut_left_us = CUT_US,
            [0x1D, 0x72, _] if self.abilities.transmit == Transmit::InOrder => {
                self.say(&[if self.faults.paper_out { 0x0C } else { 0x00 }]);
            }
            [0x1D, 0x28, 0x48, 6, 0, 0x30, 0x30, a, b, c, d] => match self.abilities.process {
                Process::Answered => self.say(&[0x37, 0x22, a, b, c, d, 0]),
                Process::Ignored => {}
                Process::Printed => self.junk_in_line = true,
            },
            // Cut off where the line was lost, it is followed by zeros.
            [b'T', ticket @ b'!'..=b'~', repeat @ b'!'..=b'~'] => {
                self.print_junk();
                let slip = Slip { ticket: ticket - b'!', repeat: repeat - b'!' };
                self.begun.push(slip);
                self.current = Some(slip);
            }
            [b'$'] => self.whole.extend(self.current.take()),
            [b'\n'] => self.print_junk(),
            _ => {}
        }
        Some(executed)
    }

    fn print_junk(&mut self) {
        self.junk += u32::from(std::mem::take(&mut self.junk_in_line));
    }
}

enum Executed {
    /// It took the time of a character.
    Printed,
    /// It took none.
    Command,
}
