//! The machine that decides when a ticket may begin and when it is done. It has no I/O and no clock.
//!
//! One machine lives as long as one connection. Its shell writes what [`Machine::to_send`] holds, tells what
//! the operating system took, what came back, and the time; and asks for [`Event`]s.
//!
//! # One ticket
//! ```text
//! DLE EOT 1..4            preflight, unless the last answers are fresh; with a fault the ticket waits, not begun
//! (journal: began)
//! ESC @, GS a FF          as switched on; automatic status on again
//! content, line feeds
//! GS ( H id, GS r 1       first fence: answered once all before it is printed. Some units know only one of them
//! GS V B 0                feed and cut
//! GS ( H id', GS r 1      second fence: cut
//! DLE EOT 1..4            the preflight of a ticket that follows at once
//! ```
//! All of that is one write. The first fence means "on paper", the second ends the ticket; if it does not come
//! (a jammed cutter), the ticket ends [`CUT_WAIT_MS_MAX`] later all the same, since it is on paper.
//!
//! # When it is not known
//! A fault in mid-ticket keeps the fence open for as long as it takes: the unit goes on by itself. Only a lost
//! line, silence without a known fault, or a unit that answers fences and is without fault but does not
//! answer this one, ends a begun ticket in doubt. After the first fence nothing is in doubt any more.
//!
//! # Units that know less
//! No fence, but real-time status: without fault for [`FENCE_WAIT_MS_MAX`] is evidence of grade *status*, and
//! [`NO_FENCE_WAIT_MS`] for the following tickets of that connection. No answer ever, to anything: grade *sent*. What
//! a unit has shown once ([`Profile`]) is expected of it, except as follows.
//!
//! A way that nothing comes back on, a spooler's queue, has a machine that neither asks nor fences
//! ([`Machine::write_only`]): grade *spooled*, once the bytes are taken.
//!
//! # After a lost line
//! A unit may still print what an earlier connection sent, and answer its fences: see [`super::fence`]. It may
//! also wait for the rest of a command in whose middle the line was lost, and would take the next ticket for its
//! data. So the new connection begins with as many zeros as the longest command has bytes: they end the command,
//! and by themselves they mean nothing.

use super::fence::{Fences, Passed, Place};
use super::health::{Conditions, Signs};
use super::status::{Answer, OPEN_MAX, Query, Reader};
use crate::spool::{Ending, Profile};
use docket_paper::escpos;
use docket_protocol::document::QR_BYTES_MAX;
use docket_protocol::outcome::{Doubt, Evidence};
use docket_protocol::printer::Condition;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How old the answers may be with which a ticket begins.
pub const PREFLIGHT_FRESH_MS: u64 = 100;
/// How long a unit that never answered a query is asked, on each connection, before it gets a ticket; and how long
/// one that used to answer may take before it counts as silent.
pub const PREFLIGHT_MS_MAX: u64 = 3_000;
/// How often a unit is asked while something is open or wrong.
pub const POLL_MS: u64 = 1_000;
/// How often it is asked where nothing is open and nothing is wrong; automatic status comes at once anyway.
pub const IDLE_POLL_MS: u64 = 10_000;
/// How long a begun ticket waits in silence where no fault is known.
pub const SILENT_MS_MAX: u64 = 30_000;
/// Silence after which a line without a begun ticket is made anew: it may be dead.
pub const SILENT_IDLE_MS_MAX: u64 = 10_000;
/// Silence of a begun ticket after which it is shown: a unit may be too busy to answer.
pub const SILENT_SHOWN_MS: u64 = 10_000;
/// How long a unit without fault may take to print what it has taken, when it may have no fence.
pub const FENCE_WAIT_MS_MAX: u64 = 15_000;
/// The same once it is known that it has none.
pub const NO_FENCE_WAIT_MS: u64 = 2_000;
/// How long the bytes of a ticket rest with a unit that never answers.
pub const SENT_WAIT_MS: u64 = 3_000;
/// How long after "on paper" the cut may take.
pub const CUT_WAIT_MS_MAX: u64 = 5_000;
/// When a unit is asked after a ticket that none follows.
const AFTER_MS: u64 = 50;

/// GS a FF: tell every change by yourself.
const AUTOMATIC_STATUS_ON: [u8; 3] = [0x1D, 0x61, 0xFF];
/// GS V B 0: feed to the cutter and cut, leaving a corner.
const FEED_AND_CUT: [u8; 4] = [0x1D, 0x56, 0x42, 0x00];
/// Room below the last line.
const FEED: [u8; 2] = [0x0A, 0x0A];
/// Zeros that end any command: one with the data of the largest QR code is the longest.
const ENDING_ZEROS: usize = QR_BYTES_MAX + 16;

/// What the shell has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The ticket is on paper: write that into the journal.
    OnPaper(Evidence),
    /// The ticket is over.
    Ended(Ending),
    /// The unit has shown something new about itself.
    Learned(Profile),
    /// The connection is of no more use.
    Close,
}

/// What a lost connection means for the ticket in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// There was none.
    Idle,
    /// No byte of it was taken: it may begin anew as if nothing had been.
    NotBegun,
    /// It is over.
    Ended(Ending),
}

/// One connection to one printer.
#[derive(Debug)]
pub struct Machine {
    /// Nothing comes back: neither questions nor fences.
    write_only: bool,
    reader: Reader,
    signs: Signs,
    profile: Profile,
    /// Neither fence was answered on this connection where it should have been.
    fenceless: bool,
    /// It answers some real-time queries only.
    lacks_queries: bool,
    fences: Fences,
    phase: Phase,
    out: Vec<u8>,
    events: VecDeque<Event>,
    opened_at: Instant,
    last_poll_at: Instant,
    /// The oldest question that nothing has been heard since.
    unheard_since: Option<Instant>,
    heard_at: Option<Instant>,
    heard_lately: bool,
    /// When a round of queries was last answered.
    status_at: Option<Instant>,
    /// Since when nothing stops it.
    clear_since: Option<Instant>,
    now: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing to print. After a ticket it is soon asked how it is.
    Idle { poll_at: Option<Instant> },
    /// A ticket waits until nothing stops it.
    Preflight,
    /// Bytes of a ticket may have left.
    Printing(Job),
    /// The shell was told to close.
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Job {
    serial: u64,
    /// Bytes before it in `out`.
    before: usize,
    /// Its bytes that were not taken yet.
    left: usize,
    any_taken: bool,
    /// When it last got on: the unit reads, even if it says nothing.
    moved_at: Instant,
    /// When its last byte was taken.
    taken_at: Option<Instant>,
    on_paper_at: Option<Instant>,
}

impl Machine {
    /// A fresh connection to a unit of which `profile` is known. `owed`: an earlier connection, or an earlier life,
    /// may have left fences without an answer ([`Machine::is_owed`]).
    pub fn new(profile: Profile, owed: bool, now: Instant) -> Self {
        let mut machine = Self {
            write_only: false,
            reader: Reader::default(),
            signs: Signs::default(),
            profile,
            fenceless: false,
            lacks_queries: false,
            fences: Fences::new(owed),
            phase: Phase::Idle { poll_at: None },
            out: vec![0; if owed { ENDING_ZEROS } else { 0 }],
            events: VecDeque::new(),
            opened_at: now,
            last_poll_at: now,
            unheard_since: None,
            heard_at: None,
            heard_lately: false,
            status_at: None,
            clear_since: Some(now),
            now,
        };
        machine.out.extend_from_slice(&AUTOMATIC_STATUS_ON);
        machine.ask();
        machine
    }

    /// A fresh connection on which nothing comes back.
    pub fn write_only(now: Instant) -> Self {
        let mut machine = Self::new(Profile::default(), false, now);
        machine.write_only = true;
        machine.out.clear();
        machine.reader.forget();
        machine.unheard_since = None;
        machine
    }

    /// Bytes to be written, oldest first.
    pub fn to_send(&self) -> &[u8] {
        &self.out
    }

    /// The operating system took that many of them.
    pub fn sent(&mut self, bytes: usize, now: Instant) {
        self.now = now;
        self.out.drain(..bytes);
        if let Phase::Printing(job) = &mut self.phase {
            let before = bytes.min(job.before);
            job.before -= before;
            let of_job = (bytes - before).min(job.left);
            job.left -= of_job;
            if of_job > 0 {
                job.any_taken = true;
                job.moved_at = now;
            }
            if job.left == 0 && job.taken_at.is_none() {
                job.taken_at = Some(now);
                if self.write_only {
                    self.end(Ending::Printed(Evidence::Spooled));
                }
            }
        }
    }

    /// Bytes came.
    pub fn received(&mut self, bytes: &[u8], now: Instant) {
        self.now = now;
        for &byte in bytes {
            if let Some(answer) = self.reader.take(byte) {
                self.take(answer);
            }
        }
        self.decide();
    }

    /// A ticket waits. Idempotent.
    pub fn get_ready(&mut self, now: Instant) {
        self.now = now;
        if let Phase::Idle { .. } = self.phase {
            self.phase = Phase::Preflight;
            if !self.is_fresh() && self.reader.open() == 0 {
                self.ask();
            }
        }
    }

    /// No ticket waits any more.
    pub fn stand_down(&mut self) {
        if let Phase::Preflight = self.phase {
            self.phase = Phase::Idle { poll_at: None };
        }
    }

    /// Whether the waiting ticket may begin now.
    pub fn is_ready(&self, now: Instant) -> bool {
        let Phase::Preflight = self.phase else { return false };
        if self.conditions().stop_printing() {
            return false;
        }
        let never_answers =
            self.write_only || !self.profile.answered && now >= self.opened_at + ms(PREFLIGHT_MS_MAX);
        never_answers
            || self.status_at.is_some_and(|at| now.saturating_duration_since(at) <= ms(PREFLIGHT_FRESH_MS))
    }

    /// Whether this printer should be given tickets.
    pub fn accepts(&self) -> bool {
        (self.status_at.is_some() || !self.profile.answered) && !self.conditions().stop_printing()
    }

    /// Begins the ticket; only after [`Machine::is_ready`], and once the journal has it. `serial` differs from that
    /// of every other ticket lately.
    pub fn begin(&mut self, content: &[u8], serial: u64, now: Instant) {
        self.now = now;
        let before = self.out.len();
        self.out.reserve(content.len() + 96);
        self.out.extend_from_slice(escpos::init());
        if self.write_only {
            self.out.extend_from_slice(content);
            self.out.extend_from_slice(&FEED);
            self.out.extend_from_slice(&FEED_AND_CUT);
        } else {
            self.out.extend_from_slice(&AUTOMATIC_STATUS_ON);
            self.out.extend_from_slice(content);
            self.out.extend_from_slice(&FEED);
            self.fences.ask(serial, Place::Content, &mut self.out);
            self.out.extend_from_slice(&FEED_AND_CUT);
            self.fences.ask(serial, Place::Cut, &mut self.out);
        }
        let left = self.out.len() - before;
        self.ask();
        self.phase = Phase::Printing(Job {
            serial,
            before,
            left,
            any_taken: false,
            moved_at: now,
            taken_at: None,
            on_paper_at: None,
        });
    }

    /// When [`Machine::handle_timeout`] is due.
    pub fn timeout(&self) -> Instant {
        let attentive = self.reader.open() > 0 && self.profile.answered || self.conditions().stop_printing();
        match self.phase {
            Phase::Idle { poll_at: Some(at) } => at,
            Phase::Idle { poll_at: None } if !attentive => self.last_poll_at + ms(IDLE_POLL_MS),
            Phase::Idle { .. } | Phase::Preflight | Phase::Printing(_) | Phase::Closed => {
                self.last_poll_at + ms(POLL_MS)
            }
        }
    }

    /// The time has come, or may have.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if now >= self.timeout() {
            if let Phase::Idle { poll_at } = &mut self.phase {
                *poll_at = None;
            }
            // A round that was answered in part: this unit lacks some of the queries.
            if !self.reader.open().is_multiple_of(Query::ALL.len()) && self.unheard_since.is_none() {
                self.reader.forget();
                self.lacks_queries = true;
            }
            self.last_poll_at = now;
            if self.reader.open() + Query::ALL.len() <= OPEN_MAX {
                self.ask();
            }
        }
        self.decide();
    }

    /// What the shell has to do next.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The connection was lost.
    pub fn lost(&self) -> Lost {
        match self.phase {
            Phase::Idle { .. } | Phase::Preflight | Phase::Closed => Lost::Idle,
            Phase::Printing(job) if job.on_paper_at.is_some() => {
                Lost::Ended(Ending::Printed(Evidence::Fence))
            }
            Phase::Printing(job) if job.any_taken => Lost::Ended(Ending::Unknown(Doubt::ConnectionLost)),
            Phase::Printing(_) => Lost::NotBegun,
        }
    }

    /// Whether the next connection may get answers to fences of this one.
    pub fn is_owed(&self) -> bool {
        self.fences.owes()
    }

    /// What is wrong with the unit.
    pub fn conditions(&self) -> Conditions {
        self.signs.conditions().with_if(self.is_silent(), Condition::Silent)
    }

    /// What the unit has shown so far.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Whether anything has come on this connection.
    pub fn has_been_heard(&self) -> bool {
        self.heard_at.is_some()
    }

    /// Whether anything has come since this was last asked.
    pub fn take_heard(&mut self) -> bool {
        std::mem::take(&mut self.heard_lately)
    }

    /// Bytes from the unit that meant nothing.
    pub fn garbage(&self) -> u64 {
        self.reader.garbage()
    }

    fn is_silent(&self) -> bool {
        let limit = match self.phase {
            Phase::Printing(_) => SILENT_SHOWN_MS,
            Phase::Idle { .. } | Phase::Preflight | Phase::Closed => PREFLIGHT_MS_MAX,
        };
        self.profile.answered && self.silence() >= ms(limit)
    }

    /// How long a question has been open without a word of any kind.
    fn silence(&self) -> Duration {
        self.unheard_since.map_or(Duration::ZERO, |since| self.now.saturating_duration_since(since))
    }

    fn is_fresh(&self) -> bool {
        self.status_at.is_some_and(|at| self.now.saturating_duration_since(at) <= ms(PREFLIGHT_FRESH_MS))
    }

    fn ask(&mut self) {
        if self.write_only {
            self.last_poll_at = self.now;
            return;
        }
        if self.reader.open() + Query::ALL.len() > OPEN_MAX {
            self.reader.forget();
        }
        for query in Query::ALL {
            self.out.extend_from_slice(&query.bytes());
            self.reader.asked(query);
        }
        self.last_poll_at = self.now;
        self.unheard_since.get_or_insert(self.now);
    }

    fn take(&mut self, answer: Answer) {
        self.heard_at = Some(self.now);
        self.heard_lately = true;
        self.unheard_since = None;
        let fence = match answer {
            Answer::RealTime(query, _) => {
                if !self.profile.answered {
                    self.learn(Profile { answered: true, ..self.profile });
                }
                if query == Query::Paper || self.lacks_queries {
                    self.status_at = Some(self.now);
                }
                None
            }
            Answer::Automatic(_) => {
                // A person has done something: look at once, if a ticket waits.
                if let Phase::Preflight = self.phase
                    && self.reader.open() == 0
                {
                    self.ask();
                }
                None
            }
            Answer::Process(id) => self.fences.process(id),
            // In garbage, any byte can look like this one.
            Answer::Transmitted(_) if self.reader.garbage() > 0 => None,
            Answer::Transmitted(_) => self.fences.transmitted(),
        };
        self.signs.take(answer);
        self.reassess();
        if let Some(passed) = fence {
            self.passed(passed);
        }
    }

    fn reassess(&mut self) {
        if self.conditions().stop_printing() {
            self.clear_since = None;
        } else {
            self.clear_since.get_or_insert(self.now);
        }
    }

    fn passed(&mut self, fence: Passed) {
        self.fenceless = false;
        if !self.profile.fenced {
            self.learn(Profile { fenced: true, ..self.profile });
        }
        let Phase::Printing(job) = &mut self.phase else { return };
        if fence.serial != job.serial {
            return;
        }
        if job.on_paper_at.is_none() {
            job.on_paper_at = Some(self.now);
            self.events.push_back(Event::OnPaper(Evidence::Fence));
        }
        if fence.place == Place::Cut {
            self.end(Ending::Printed(Evidence::Fence));
        }
    }

    fn learn(&mut self, profile: Profile) {
        self.profile = profile;
        self.events.push_back(Event::Learned(profile));
    }

    fn decide(&mut self) {
        self.reassess();
        match self.phase {
            Phase::Idle { .. } | Phase::Preflight => {
                if self.profile.answered && self.silence() >= ms(SILENT_IDLE_MS_MAX) {
                    self.close();
                }
            }
            Phase::Printing(job) => self.decide_printing(job),
            Phase::Closed => {}
        }
    }

    fn decide_printing(&mut self, job: Job) {
        let now = self.now;
        if let Some(at) = job.on_paper_at {
            if now >= at + ms(CUT_WAIT_MS_MAX) {
                self.end(Ending::Printed(Evidence::Fence));
            }
            return;
        }
        if let (Some(taken_at), Some(clear_since)) = (job.taken_at, self.clear_since) {
            let since = taken_at.max(clear_since);
            // Asked and answered without fault after it had the time to print.
            let answered_after = |wait| self.status_at.is_some_and(|at| at >= since + ms(wait));
            if self.profile.fenced && !self.fenceless && !self.fences.is_owed() {
                if answered_after(SILENT_MS_MAX) {
                    self.end(Ending::Unknown(Doubt::PrinterSilent));
                    self.close();
                    return;
                }
            } else if self.profile.answered {
                if answered_after(if self.fenceless { NO_FENCE_WAIT_MS } else { FENCE_WAIT_MS_MAX }) {
                    self.end_without_fence(Evidence::Status);
                    return;
                }
            } else {
                let wait =
                    if self.fences.is_owed() && !self.fenceless { FENCE_WAIT_MS_MAX } else { SENT_WAIT_MS };
                if now >= since + ms(wait) {
                    self.end_without_fence(Evidence::Sent);
                }
                return;
            }
        }
        // What stops the unit other than silence: it has said so, and goes on by itself once it is mended.
        let stopped = self.signs.conditions().stop_printing();
        let moved_at = self.heard_at.map_or(job.moved_at, |at| at.max(job.moved_at));
        if !stopped && now >= moved_at + ms(SILENT_MS_MAX) {
            self.end(Ending::Unknown(Doubt::PrinterSilent));
            self.close();
        }
    }

    fn end_without_fence(&mut self, evidence: Evidence) {
        // It has had the time to answer what was owed, too; unless not even its own were waited for.
        let settled = self.fences.is_owed() && !self.fenceless;
        self.fenceless |= !settled;
        self.fences.give_up(!settled);
        self.end(Ending::Printed(evidence));
    }

    fn end(&mut self, ending: Ending) {
        self.events.push_back(Event::Ended(ending));
        self.phase = Phase::Idle { poll_at: Some(self.now + ms(AFTER_MS)) };
    }

    fn close(&mut self) {
        self.events.push_back(Event::Close);
        self.phase = Phase::Closed;
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
