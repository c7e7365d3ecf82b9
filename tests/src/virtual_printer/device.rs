//! The device: receive buffer, mechanism, sensors and faults. No I/O; it is given the time.
//!
//! Bytes wait in the buffer until the mechanism is free and nothing stops it; then the interpreter takes them
//! up to the next thing to be done. So a question that is answered in order (`GS r`, `GS ( H`) is answered
//! only when everything before it is on paper, without any bookkeeping of its own.
//!
//! What survives what: paper out, an open cover and errors keep the buffer. Switching off loses it, ends a
//! partly printed receipt, and clears the errors that only switching off clears. A new connection finds modes
//! and paper as they are, but a command that the former connection left unfinished is dropped.

use super::command::GS;
use super::fault::Fault;
use super::interpreter::{Interpreter, Op, Query};
use super::options::{BUFFER_BYTES_MAX, BUFFER_BYTES_MIN, DOTS_PER_MM, PaperWidth, PrinterOptions};
use super::quirks::{ProcessId, Quirks, SensorQuery, StatusAnswers};
use super::realtime::{Request, Scanner};
use super::receipt::Receipt;
use super::sheet::{Sheet, Stack};
use super::status::{Conditions, Paper, Status};
use crate::platform::orders::Chance;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a cut takes where printing takes time at all.
const CUT_TIME: Duration = Duration::from_millis(250);
/// Bytes received last that can be looked at again: several tickets.
const HEARD_BYTES_MAX: usize = 16 * 1024;
/// Answers that wait to be read by the client; more are lost.
const REPLIES_BYTES_MAX: usize = 64 * 1024;

/// Bytes of `DLE EOT n`.
const STATUS_REQUEST_BYTES: usize = 3;

fn interpreter(paper: PaperWidth, quirks: Quirks) -> Interpreter {
    Interpreter::new(paper.dots(), quirks.process_id == ProcessId::Printed)
}

/// Bytes that came together.
#[derive(Debug)]
struct Arrival {
    connection: u64,
    /// The count of all bytes received when the last of these was.
    end: u64,
    at: Instant,
}

/// A printer without its plugs.
#[derive(Debug)]
pub(super) struct Device {
    paper: PaperWidth,
    speed_mm_per_s: u32,
    buffer_bytes: usize,
    quirks: Quirks,

    buffer: VecDeque<u8>,
    arrivals: VecDeque<Arrival>,
    received: u64,
    /// The last of them.
    heard: VecDeque<u8>,
    taken: u64,
    scanner: Scanner,
    interpreter: Interpreter,
    /// The connection whose bytes the interpreter is in.
    reading_connection: u64,
    /// When the bytes were received that the interpreter took last.
    reading_at: Option<Instant>,
    /// A cut that waits because the cutter jammed.
    held: Option<Op>,

    conditions: Conditions,
    powered: bool,
    plugged: bool,
    refusing: bool,
    silent: bool,
    hanging: bool,
    /// Where it garbles, what comes instead of its answers: any bytes, the same ones in each run.
    garbage: Option<Chance>,
    lines_left: Option<u32>,
    jam_at_next_cut: bool,
    drop_after: Option<u64>,
    busy_until: Option<Instant>,
    /// The power goes after so many more lines, for so long.
    power_fails: Option<(u32, Duration)>,
    /// When the power is back.
    back_at: Option<Instant>,
    /// Since when nothing stops it.
    ready_since: Option<Instant>,

    connected: bool,
    connections: u64,
    automatic_status: u8,
    replies: Vec<u8>,
    /// A byte of an answer that comes only with the next one.
    held_back: Option<u8>,
    /// Real-time queries that are answered when it is idle.
    asked_status: Vec<u8>,
    /// Bytes of real-time queries in the buffer.
    status_bytes_waiting: usize,
    /// The last two bytes received, to find `GS r` in them and the next.
    received_last: [u8; 2],

    sheet: Sheet,
    stack: Stack,
    lines_printed: u64,
    flags: u64,
    drawer_kicks: u64,
    resets: u64,
    fences_answered: u64,
    status_requests: u64,
}

impl Device {
    /// A printer that was just switched on.
    pub fn new(options: &PrinterOptions) -> Device {
        Device {
            paper: options.paper,
            speed_mm_per_s: options.speed_mm_per_s,
            buffer_bytes: options.buffer_bytes.clamp(BUFFER_BYTES_MIN, BUFFER_BYTES_MAX),
            quirks: options.quirks,
            buffer: VecDeque::new(),
            arrivals: VecDeque::new(),
            received: 0,
            heard: VecDeque::new(),
            taken: 0,
            scanner: Scanner::default(),
            interpreter: interpreter(options.paper, options.quirks),
            reading_connection: 0,
            reading_at: None,
            held: None,
            conditions: Conditions::default(),
            powered: true,
            plugged: true,
            refusing: false,
            silent: false,
            hanging: false,
            garbage: None,
            lines_left: None,
            jam_at_next_cut: false,
            drop_after: None,
            busy_until: None,
            power_fails: None,
            back_at: None,
            ready_since: None,
            connected: false,
            connections: 0,
            automatic_status: 0,
            replies: Vec::new(),
            held_back: None,
            asked_status: Vec::new(),
            status_bytes_waiting: 0,
            received_last: [0; 2],
            sheet: Sheet::default(),
            stack: Stack::new(options.receipts_kept),
            lines_printed: 0,
            flags: 0,
            drawer_kicks: 0,
            resets: 0,
            fences_answered: 0,
            status_requests: 0,
        }
    }

    /// A client connected.
    pub fn connect(&mut self) {
        self.connected = true;
        self.connections += 1;
        self.scanner = Scanner::default();
        self.forget_replies();
    }

    /// The client is gone; what it sent is printed, what it asked is answered to nobody.
    pub fn disconnect(&mut self) {
        self.connected = false;
        self.forget_replies();
    }

    /// Whether there is a client.
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// Clients since the start.
    pub fn connections(&self) -> u64 {
        self.connections
    }

    /// Whether it is switched on.
    pub fn is_powered(&self) -> bool {
        self.powered
    }

    /// Whether its cable is plugged in.
    pub fn is_plugged(&self) -> bool {
        self.plugged
    }

    /// What is wrong with its mechanism.
    pub fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    /// Whether it takes new connections.
    pub fn listens(&self) -> bool {
        self.powered && self.plugged && !self.refusing
    }

    /// Whether it is able to take a connection that waits.
    pub fn accepts(&self) -> bool {
        self.listens() && !self.hanging && !self.connected
    }

    /// How many bytes may be given to [`Device::receive`] now.
    pub fn capacity(&self) -> usize {
        if !self.powered || self.hanging || !self.connected {
            return 0;
        }
        let free = self.buffer_bytes.saturating_sub(self.buffer.len());
        match self.drop_after {
            Some(left) => free.min(usize::try_from(left).unwrap_or(usize::MAX)),
            None => free,
        }
    }

    /// Whether the connection is to be closed: power or cable are gone, or a drop was asked for and is due. Says so
    /// once.
    pub fn must_drop(&mut self) -> bool {
        self.is_drop_due() || (self.connected && !(self.powered && self.plugged))
    }

    /// Whether a drop of the connection was asked for and is due. Says so once.
    pub fn is_drop_due(&mut self) -> bool {
        let due = self.connected && self.drop_after == Some(0);
        if due {
            self.drop_after = None;
        }
        due
    }

    /// How many bytes wait in the buffer, and how many there may be.
    pub fn filling(&self) -> (usize, usize) {
        (self.buffer.len(), self.buffer_bytes)
    }

    /// Bytes of the client; at most [`Device::capacity`].
    pub fn receive(&mut self, bytes: &[u8], now: Instant) {
        if let Some(left) = &mut self.drop_after {
            *left = left.saturating_sub(bytes.len() as u64);
        }
        let mut rest = bytes;
        while let Some((length, request)) = self.scanner.next(rest) {
            let (before, after) = rest.split_at(length);
            if let Request::Status(_) = request {
                self.status_bytes_waiting += STATUS_REQUEST_BYTES;
            }
            self.append(before, now);
            // With unlimited speed what came before is printed before; so the order of answers does not
            // depend on how the network cut the bytes into reads.
            self.advance(now);
            self.request(request, now);
            rest = after;
        }
        self.append(rest, now);
        self.advance(now);
    }

    /// Does everything that is due.
    pub fn advance(&mut self, now: Instant) {
        if self.back_at.is_some_and(|at| at <= now) {
            self.back_at = None;
            self.powered = true;
            self.ready_since = Some(now);
        }
        self.work(now);
        if self.is_idle(now) {
            for n in std::mem::take(&mut self.asked_status) {
                self.tell_status(n);
            }
        }
    }

    /// Whether there is nothing left to print.
    fn is_idle(&self, now: Instant) -> bool {
        self.busy_until.is_none_or(|until| until <= now)
            && self.buffer.len() <= self.status_bytes_waiting
            && !self.interpreter.has_ops()
            && self.held.is_none()
    }

    fn work(&mut self, now: Instant) {
        while self.works() && self.busy_until.is_none_or(|until| until <= now) {
            let Some(op) = self.next_op() else { return };
            // The next line begins where the last ended, however late the timer was; but not before its bytes
            // came and not while something stopped it.
            let start = [self.busy_until, self.ready_since, self.reading_at].into_iter().flatten().max();
            self.obey(op, start.unwrap_or(now));
        }
    }

    /// When [`Device::advance`] has something to do again, if nothing else happens.
    pub fn timeout(&self) -> Option<Instant> {
        let waits = self.held.is_some()
            || !self.buffer.is_empty()
            || self.interpreter.has_ops()
            || !self.asked_status.is_empty();
        let next = self.busy_until.filter(|_| waits && self.works());
        next.into_iter().chain(self.back_at).min()
    }

    /// Changes what is wrong.
    pub fn set(&mut self, fault: Fault, now: Instant) {
        self.advance(now);
        let worked = self.works();
        let before = self.conditions;
        let conditions = &mut self.conditions;
        match fault {
            Fault::PaperNearEnd => conditions.paper = Paper::NearEnd,
            Fault::PaperOut | Fault::PaperOutAfterLines(0) => {
                conditions.paper = Paper::Out;
                self.lines_left = None;
            }
            Fault::PaperOutAfterLines(lines) => self.lines_left = Some(lines),
            Fault::PaperIn => {
                conditions.paper = Paper::In;
                self.lines_left = None;
            }
            Fault::CoverOpen => conditions.cover_open = true,
            Fault::CoverClosed => conditions.cover_open = false,
            Fault::CutterError => conditions.cutter_error = true,
            Fault::CutterJamAtNextCut => self.jam_at_next_cut = true,
            Fault::CutterOk => {
                conditions.cutter_error = false;
                self.jam_at_next_cut = false;
            }
            Fault::Heat(on) => conditions.heat = on,
            Fault::Fatal(on) => conditions.fatal = on,
            Fault::Offline(on) => conditions.offline = on,
            Fault::DropAfterBytes(bytes) => self.drop_after = Some(bytes),
            Fault::Refuse(on) => self.refusing = on,
            Fault::Unplugged(on) => self.plugged = !on,
            Fault::Power(false) => self.switch_off(now),
            Fault::Power(true) => {
                self.powered = true;
                self.back_at = None;
            }
            Fault::PowerCut { after_lines: 0, off_ms } => self.cut_power(off_ms, now),
            Fault::PowerCut { after_lines, off_ms } => {
                self.power_fails = Some((after_lines, Duration::from_millis(u64::from(off_ms))));
            }
            Fault::Silent(on) => self.silent = on,
            Fault::Hang(on) => self.hanging = on,
            Fault::Garbage(on) => self.garbage = on.then(|| Chance::new(self.received)),
        }
        self.tell_changes(before);
        if self.works() && !worked {
            self.ready_since = Some(now);
        }
        self.advance(now);
    }

    /// Moves the answers that wait to `to`.
    pub fn take_replies(&mut self, to: &mut Vec<u8>) {
        if to.len() < REPLIES_BYTES_MAX {
            to.append(&mut self.replies);
        }
        self.replies.clear();
    }

    /// Finished receipts that are kept, the oldest first, from number `first` on.
    pub fn receipts_from(&self, first: u64) -> Vec<Receipt> {
        self.stack.from(first)
    }

    /// How many receipts ended.
    pub fn receipt_count(&self) -> u64 {
        self.stack.count()
    }

    /// How many bytes were received.
    pub fn bytes_received(&self) -> u64 {
        self.received
    }

    /// What was received after the first `before` bytes; `None` where that is longer ago than is remembered.
    pub fn heard_after(&self, before: u64) -> Option<Vec<u8>> {
        let count = usize::try_from(self.received.saturating_sub(before)).ok()?;
        let forgotten = self.heard.len().checked_sub(count)?;
        Some(self.heard.range(forgotten..).copied().collect())
    }

    /// What is on the paper that has not been cut.
    pub fn paper_so_far(&self) -> String {
        self.sheet.text()
    }

    /// Everything else.
    pub fn status(&self) -> Status {
        Status {
            conditions: self.conditions,
            powered: self.powered,
            plugged: self.plugged,
            refusing: self.refusing,
            silent: self.silent,
            hanging: self.hanging,
            garbling: self.garbage.is_some(),
            connected: self.connected,
            connections: self.connections,
            bytes_received: self.received,
            bytes_waiting: self.buffer.len(),
            lines_printed: self.lines_printed,
            receipts: self.stack.count(),
            flags: self.flags,
            drawer_kicks: self.drawer_kicks,
            resets: self.resets,
            fences_answered: self.fences_answered,
            status_requests: self.status_requests,
            automatic_status: self.automatic_status,
            paper_lines_left: self.lines_left,
            paper_so_far: self.sheet.text(),
        }
    }

    fn works(&self) -> bool {
        self.powered && !self.hanging && self.conditions.online()
    }

    fn append(&mut self, bytes: &[u8], now: Instant) {
        if bytes.is_empty() {
            return;
        }
        if self.quirks.sensor_query == SensorQuery::AtOnce {
            for &byte in bytes {
                if matches!((self.received_last, byte), ([GS, b'r'], 1 | 49)) {
                    self.reply(&[self.conditions.paper_sensor()]);
                    self.fences_answered += u64::from(!self.silent);
                }
                self.received_last = [self.received_last[1], byte];
            }
        }
        self.received += bytes.len() as u64;
        self.heard.extend(bytes);
        self.heard.drain(..self.heard.len().saturating_sub(HEARD_BYTES_MAX));
        self.buffer.extend(bytes);
        self.arrivals.push_back(Arrival { connection: self.connections, end: self.received, at: now });
    }

    fn request(&mut self, request: Request, now: Instant) {
        match request {
            Request::Status(n) => {
                self.status_requests += 1;
                match self.quirks.status {
                    StatusAnswers::Always => self.tell_status(n),
                    StatusAnswers::WhenIdle => self.asked_status.push(n),
                    StatusAnswers::NotWhenBusy if self.is_idle(now) => self.tell_status(n),
                    StatusAnswers::NotWhenBusy => {}
                    StatusAnswers::Never => {}
                }
            }
            // Ignored where there is no error that a person could have mended.
            Request::Resume if self.conditions.cutter_error => self.set(Fault::CutterOk, now),
            Request::ClearAndResume if self.conditions.cutter_error => {
                self.empty_buffer();
                self.interpreter.clear();
                self.set(Fault::CutterOk, now);
            }
            Request::Resume | Request::ClearAndResume => {}
            Request::Kick(kick) => {
                self.drawer_kicks += 1;
                self.sheet.kick(kick);
            }
        }
    }

    fn tell_status(&mut self, n: u8) {
        if let Some(byte) = self.conditions.real_time(n) {
            self.reply(&[byte]);
        }
    }

    fn next_op(&mut self) -> Option<Op> {
        if let Some(op) = self.held.take() {
            return Some(op);
        }
        loop {
            let Some(arrival) = self.arrivals.front() else { return self.interpreter.step(&[]).1 };
            if arrival.connection != self.reading_connection {
                self.reading_connection = arrival.connection;
                self.interpreter.abandon_command();
            }
            let available = usize::try_from(arrival.end - self.taken).unwrap_or(usize::MAX);
            let (first, _) = self.buffer.as_slices();
            let chunk = &first[..available.min(first.len())];
            let (taken, op) = self.interpreter.step(chunk);
            if taken > 0 {
                self.reading_at = Some(arrival.at);
                self.sheet.raw(&chunk[..taken], arrival.at);
                self.buffer.drain(..taken);
                self.taken += taken as u64;
                if self.taken == arrival.end {
                    self.arrivals.pop_front();
                }
            }
            if op.is_some() {
                return op;
            }
        }
    }

    fn obey(&mut self, op: Op, start: Instant) {
        match op {
            Op::Print(item) => {
                self.lines_printed += u64::from(item.lines);
                self.works_until(start, self.time_for(item.advance));
                let lines = item.lines;
                self.sheet.print(item);
                if self.sheet.is_full() {
                    self.flags += 1;
                    self.end_sheet(false, start);
                }
                self.use_paper(lines);
                self.use_power(lines, self.busy_until.unwrap_or(start));
            }
            Op::Cut if self.jam_at_next_cut => {
                self.jam_at_next_cut = false;
                self.held = Some(Op::Cut);
                let before = self.conditions;
                self.conditions.cutter_error = true;
                self.tell_changes(before);
            }
            Op::Cut => {
                self.works_until(start, if self.speed_mm_per_s == 0 { Duration::ZERO } else { CUT_TIME });
                self.end_sheet(true, self.busy_until.unwrap_or(start));
            }
            Op::Kick(kick) => {
                self.drawer_kicks += 1;
                self.sheet.kick(kick);
            }
            Op::Buzz(times) => self.sheet.buzz(times),
            Op::Ask(query) => self.answer(query),
            Op::AutomaticStatus(_) if !self.quirks.automatic_status => {}
            Op::AutomaticStatus(mask) => {
                self.automatic_status = mask;
                if mask != 0 {
                    self.reply_in_order(&self.conditions.automatic());
                }
            }
            // Epson's devices keep GS a; the clones that Docket has to do with drop it, see `spec/escpos.md`.
            Op::Reset => {
                self.automatic_status = 0;
                self.resets += 1;
                if self.quirks.init_clears_buffer {
                    self.empty_buffer();
                }
            }
            Op::RealTime(length) => {
                self.status_bytes_waiting = self.status_bytes_waiting.saturating_sub(length);
                self.sheet.forget_raw(length);
            }
            Op::Flag(flag) => {
                self.flags += 1;
                self.sheet.flag(flag);
            }
        }
    }

    fn answer(&mut self, query: Query) {
        let is_known = match query {
            Query::Paper | Query::Drawer => self.quirks.sensor_query == SensorQuery::InOrder,
            Query::ProcessId(_) => self.quirks.process_id == ProcessId::Answered,
            Query::Identity(_) => self.quirks.status != StatusAnswers::Never,
        };
        if !is_known {
            return;
        }
        match query {
            Query::Paper => self.reply_in_order(&[self.conditions.paper_sensor()]),
            // The drawer is closed.
            Query::Drawer => self.reply_in_order(&[0]),
            Query::ProcessId([a, b, c, d]) => self.reply_in_order(&[0x37, 0x22, a, b, c, d, 0]),
            Query::Identity(n) => match n {
                // Model, type (a cutter and no display), firmware: one byte each.
                1 | 49 => self.reply_in_order(&[0x20]),
                2 | 50 => self.reply_in_order(&[0x03]),
                3 | 51 => self.reply_in_order(&[0x01]),
                65 => self.reply_in_order(b"_1.0\0"),
                66 => self.reply_in_order(b"_DOCKET\0"),
                67 => self.reply_in_order(b"_VIRTUAL\0"),
                68 => self.reply_in_order(b"_V0000001\0"),
                69 => self.reply_in_order(b"_GB18030\0"),
                _ => return,
            },
        }
        if !matches!(query, Query::Identity(_)) && !self.silent {
            self.fences_answered += 1;
        }
    }

    /// Answers a question from the buffer: only to the connection that asked it.
    fn reply_in_order(&mut self, bytes: &[u8]) {
        if self.reading_connection == self.connections {
            self.reply(bytes);
        }
    }

    fn reply(&mut self, bytes: &[u8]) {
        let deaf = self.silent || self.hanging || !self.powered || !self.connected;
        if !deaf && self.replies.len() + bytes.len() <= REPLIES_BYTES_MAX {
            let from = self.replies.len();
            self.replies.extend(self.held_back.take());
            self.replies.extend_from_slice(bytes);
            if let Some(chance) = &mut self.garbage {
                self.replies[from..].fill_with(|| chance.bits().to_le_bytes()[0]);
            }
            if self.quirks.late_answers {
                self.held_back = self.replies.pop();
            }
        }
    }

    fn forget_replies(&mut self) {
        self.replies.clear();
        self.held_back = None;
        self.asked_status.clear();
    }

    fn tell_changes(&mut self, before: Conditions) {
        if self.conditions.differs_for(&before, self.automatic_status) {
            self.reply(&self.conditions.automatic());
        }
    }

    fn use_paper(&mut self, lines: u32) {
        let Some(left) = &mut self.lines_left else { return };
        *left = left.saturating_sub(lines);
        if *left == 0 {
            self.lines_left = None;
            let before = self.conditions;
            self.conditions.paper = Paper::Out;
            self.tell_changes(before);
        }
    }

    fn use_power(&mut self, lines: u32, at: Instant) {
        let Some((left, off)) = &mut self.power_fails else { return };
        *left = left.saturating_sub(lines);
        if *left == 0 {
            let off_ms = u32::try_from(off.as_millis()).unwrap_or(u32::MAX);
            self.power_fails = None;
            self.cut_power(off_ms, at);
        }
    }

    fn cut_power(&mut self, off_ms: u32, at: Instant) {
        self.switch_off(at);
        self.back_at = Some(at + Duration::from_millis(u64::from(off_ms)));
    }

    fn time_for(&self, dots: u32) -> Duration {
        if self.speed_mm_per_s == 0 {
            return Duration::ZERO;
        }
        Duration::from_secs_f64(f64::from(dots) / f64::from(DOTS_PER_MM) / f64::from(self.speed_mm_per_s))
    }

    fn works_until(&mut self, start: Instant, duration: Duration) {
        self.busy_until = (!duration.is_zero()).then(|| start + duration);
    }

    fn end_sheet(&mut self, cut: bool, at: Instant) {
        let sheet = std::mem::take(&mut self.sheet);
        let received_at = self.reading_at.unwrap_or(at);
        // A cut without paper before it ends nothing; what was noted goes to the receipt that follows.
        if let Some(sheet) = self.stack.put(sheet, self.paper, cut, received_at, at) {
            self.sheet = sheet;
        }
    }

    fn switch_off(&mut self, now: Instant) {
        if !self.powered {
            return;
        }
        self.interpreter.abandon_command();
        while let (_, Some(op)) = self.interpreter.step(&[]) {
            if let Op::Flag(flag) = op {
                self.flags += 1;
                self.sheet.flag(flag);
            }
        }
        self.end_sheet(false, now);
        self.powered = false;
        self.empty_buffer();
        self.interpreter = interpreter(self.paper, self.quirks);
        self.scanner = Scanner::default();
        self.busy_until = None;
        self.automatic_status = 0;
        self.forget_replies();
        self.conditions.cutter_error = false;
        self.conditions.fatal = false;
        self.conditions.heat = false;
        self.jam_at_next_cut = false;
    }

    fn empty_buffer(&mut self) {
        self.buffer.clear();
        self.arrivals.clear();
        self.taken = self.received;
        self.status_bytes_waiting = 0;
        self.held = None;
    }
}
