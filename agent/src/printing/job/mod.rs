//! The machine that decides when a ticket may begin and when it is done. It has no I/O and no clock.
//!
//! [`Machine`] itself is what a shell sees of it. `limits`: how long it waits; `ticket`: what one is sent as; `words`: what is said besides tickets; `probe`: how it is found out
//! what a unit answers; `proof`: what ends a ticket.
//!
//! One machine lives as long as one connection. Its shell writes what [`Machine::to_send`] holds, tells what
//! the operating system took, what came back, and the time; and asks for [`Event`]s.
//!
//! # A connection, and one ticket
//! ```text
//! ESC @, GS a FF          as switched on; automatic status on
//! DLE EOT 1..4            how it is, and which of them it answers
//! GS r 1, GS ( H id       which fences it answers
//! ESC @, GS a FF, GS ( H  does it keep what follows ESC @; where no GS ( H is answered, ESC @ as above again
//! ---- a ticket waits
//! DLE EOT 1..4            preflight, unless the last answers are fresh; with a fault the ticket waits, not begun
//! (journal: began)
//! content, line feeds
//! fence                   the best that the unit has: answered once all before it is printed
//! GS V B 0                feed and cut; where there is no cutter, feed
//! ESC @, GS a FF          for the ticket that follows
//! fence                   cut
//! DLE EOT 1..4            for the ticket that follows
//! ```
//! A ticket is one write. The first fence means "on paper", the second ends the ticket; if it does not come
//! (a jammed cutter), the ticket ends [`CUT_WAIT_MS_MAX`] later all the same, since it is on paper.
//!
//! Some clones empty their buffer at ESC @, and would lose what came in the same write. So no content ever stands behind
//! one that the unit has not answered a question behind: the ticket's last fence is that question. It costs a ticket no
//! round of its own, and a unit that loses it loses no ticket: that ends by its first fence, and from then on, as for
//! all units that were not seen to keep what follows, ESC @ and GS a FF go out between the tickets.
//!
//! # The probe
//! A unit that does not know GS ( H may print its parameters. So it is asked outside of any ticket, when it
//! is known to be without fault, and ESC @ follows and clears them from its line buffer: nothing comes out. It is asked
//! on each connection, since another unit may stand there by now.
//!
//! # What GS r proves
//! Some clones answer GS r when they receive it. Both fences of a ticket arrive together, but between them lies a
//! cut, which no machine does in [`CUT_MS_MIN`]: two answers that come closer than that prove nothing, and a unit
//! that does so [`AT_ONCE_TICKETS`] times in a row is taken to answer at once. A network may delay the second of two
//! bytes that were sent together, so it counts only from a unit whose ticket before came in turn, too. So with GS r
//! a ticket is on paper only with the second answer.
//!
//! An answer of either kind that comes while the unit says that it is stopped has to be confirmed: it is asked how it
//! is once more, and if it is still stopped, it has answered what it has not printed.
//!
//! # When it is not known
//! A fault in mid-ticket keeps the fence open for as long as it takes: the unit goes on by itself. Only a lost
//! line, silence without a known fault, or a unit that answers fences and is without fault but does not
//! answer this one, ends a begun ticket in doubt. After "on paper" nothing is in doubt any more.
//!
//! # When it was off, and nobody saw it
//! A serial line stands when the unit loses power. What the unit had then is gone, and what is sent when it is on again
//! it prints, the fence included. So on such a line questions stand in the content, some hundred bytes apart: what was
//! sent while the unit started was not answered, and the fence is not believed. That takes a unit that answers while it
//! prints, and nothing but printing shows whether one does: so the first tickets of a unit ask as well, and one that lacks
//! answers ends in doubt, be it that the unit was off or that it is deaf while it prints. It counts as deaf from then on,
//! so that a unit that is gets one ticket twice, marked, in its life, most often its test page. What such a line does not
//! show is a pause of flow control for as long as the unit was off.
//!
//! # Units that know less
//! Fences, but no real-time status: one more fence, outside of any ticket, is the preflight. No fence, but real-time
//! status: without fault for as long as a slow unit needs to print the ticket, with every question answered, is
//! evidence of grade *status*. No answer ever, to anything: grade *sent*.
//!
//! A way that nothing comes back on, a spooler's queue, has a machine that neither asks nor fences
//! ([`Machine::write_only`]): grade *spooled*, once the bytes are taken. What the queue says of itself
//! ([`Machine::way_is`]) is its preflight: nothing begins before the first word, nor while it says that it is stopped. A queue
//! that says nothing wrong is no evidence of anything.
//!
//! # After a lost line, and after a crash
//! A unit may still print what an earlier connection sent, and answer its fences: see [`super::fence`]. It may
//! also wait for the rest of a command in whose middle the line was lost, and would take the next ticket for its
//! data. So a connection begins with as many zeros as the longest command has bytes that was on its way: they end
//! the command, and by themselves they mean nothing.
//!
//! Where the agent itself died in mid-ticket, the unit is asked before anything is decided about that ticket
//! ([`Machine::ask_about`]): a line that outlived the process may bring the very answer, and else the unit is waited
//! for until it has done what it had, so that a repeat does not get into the middle of the first.

mod limits;
mod probe;
mod proof;
mod ticket;
mod words;

use super::asking::{ANSWER_MS_MAX, Asker};
use super::fence::Fences;
use super::health::{Conditions, Signs};
use super::profile::{FenceKind, FencePin, Pins, Profile, Queries, Source, StatusPin, Transmit};
use super::status::Reader;
use crate::spool::Ending;
use docket_protocol::document::QR_BYTES_MAX;
use docket_protocol::outcome::{Doubt, Evidence};
use docket_protocol::printer::Condition;
pub use limits::*;
use probe::Probe;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use ticket::Job;
use words::queries_in;

/// GS a FF: tell every change by yourself.
const AUTOMATIC_STATUS_ON: [u8; 3] = [0x1D, 0x61, 0xFF];
/// Zeros that end any command: one with the data of the largest QR code is the longest.
const ENDING_ZEROS: usize = QR_BYTES_MAX + 16;
/// Zeros that end any command that is sent without a ticket: the probe's GS ( H is the longest.
const ENDING_ZEROS_IDLE: usize = 16;

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
    /// The unit may have been off without a sign of it.
    restarts_unseen: bool,
    reader: Reader,
    asker: Asker,
    signs: Signs,
    /// What is wrong with the way to it; `None` until that is told, and for ways that tell nothing.
    way: Option<Conditions>,
    /// A bit for each of the last answers to DLE EOT: [`is_alarming`].
    lately_alarming: u8,
    profile: Profile,
    fences: Fences,
    probe: Probe,
    phase: Phase,
    /// Tickets in a row whose GS r came too soon.
    too_soon: u8,
    out: Vec<u8>,
    events: VecDeque<Event>,
    opened_at: Instant,
    last_poll_at: Instant,
    /// The oldest question that nothing has been heard since.
    unheard_since: Option<Instant>,
    heard_at: Option<Instant>,
    heard_lately: bool,
    /// Since when nothing stops it.
    clear_since: Option<Instant>,
    /// When it was last told to be as switched on.
    initialized_at: Instant,
    /// It has not answered since.
    awaits_word: bool,
    /// It was not even asked since, because too much was open.
    is_to_be_asked: bool,
    /// The oldest fence outside of tickets that nothing has been heard since.
    fence_asked_at: Option<Instant>,
    /// When it last told a change, or was told once more to do so.
    automatic_at: Option<Instant>,
    /// A byte of this connection has left.
    any_sent: bool,
    /// A ticket ended in doubt: the unit may still have bytes of it.
    left_in_flight: bool,
    now: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing to print.
    Idle,
    /// A ticket of an earlier life may have come out: the unit is asked.
    Asking { serial: u64, doubt: Doubt },
    /// A ticket waits until nothing stops it.
    Preflight,
    /// Bytes of a ticket may have left.
    Printing(Job),
    /// The shell was told to close.
    Closed,
}

impl Machine {
    /// A fresh connection to a unit of which `profile` is known. `owed`: an earlier connection, or an earlier life,
    /// may have left fences without an answer ([`Machine::is_owed`]).
    pub fn new(profile: Profile, owed: bool, now: Instant) -> Self {
        let asked = match profile.status.source {
            Source::Pinned => profile.status.value,
            _ => Queries::ALL,
        };
        let wants_probe = profile.wants_fence_probe() || profile.wants_init_probe() || owed;
        let probe = if wants_probe { Probe::Due } else { Probe::Over { mute: false } };
        let mut machine = Self {
            write_only: false,
            restarts_unseen: false,
            reader: Reader::default(),
            asker: Asker::new(asked, profile.late.value),
            signs: Signs::default(),
            way: None,
            lately_alarming: 0,
            profile,
            fences: Fences::new(owed),
            probe,
            phase: Phase::Idle,
            // It was so before: one ticket tells whether it still is.
            too_soon: if profile.transmit.value == Transmit::AtOnce { AT_ONCE_TICKETS - 1 } else { 0 },
            out: vec![0; if owed { ENDING_ZEROS } else { ENDING_ZEROS_IDLE }],
            events: VecDeque::new(),
            opened_at: now,
            last_poll_at: now,
            unheard_since: None,
            heard_at: None,
            heard_lately: false,
            clear_since: Some(now),
            initialized_at: now,
            awaits_word: true,
            is_to_be_asked: true,
            fence_asked_at: None,
            automatic_at: None,
            any_sent: false,
            left_in_flight: false,
            now,
        };
        machine.initialize();
        machine
    }

    /// A fresh connection on which nothing comes back.
    pub fn write_only(now: Instant) -> Self {
        let nothing = Pins { fence: Some(FencePin::None), status: Some(StatusPin::None), ..Pins::default() };
        let mut machine = Self::new(nothing.profile(None, ""), false, now);
        machine.write_only = true;
        machine.out.clear();
        machine
    }

    /// The line stands when the unit loses power, and nothing tells of it.
    pub fn expect_unseen_restarts(&mut self) {
        self.restarts_unseen = true;
    }

    /// Before anything else: an earlier life has begun the ticket with this serial and did not see its end. It ends as
    /// any ticket does: printed, if the unit says so, else in `doubt`.
    pub fn ask_about(&mut self, serial: u64, doubt: Doubt) {
        if self.write_only {
            self.events.push_back(Event::Ended(Ending::Unknown(doubt)));
            return;
        }
        self.fences.expect_earlier(serial);
        self.phase = Phase::Asking { serial, doubt };
        self.probe = Probe::Due;
    }

    /// Bytes to be written, oldest first.
    pub fn to_send(&self) -> &[u8] {
        &self.out
    }

    /// The operating system took that many of them.
    pub fn sent(&mut self, bytes: usize, now: Instant) {
        self.now = now;
        self.any_sent |= bytes > 0;
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
            self.reader.set_unsent(queries_in(&self.out));
            if let Some(answer) = self.reader.take(byte) {
                self.take(answer);
            }
        }
        self.decide();
    }

    /// The way to the unit says how it is: all of this is wrong with it, and no more.
    pub fn way_is(&mut self, conditions: Conditions, now: Instant) {
        self.now = now;
        self.way = Some(conditions);
        self.decide();
    }

    /// A ticket waits. Idempotent.
    pub fn get_ready(&mut self, now: Instant) {
        self.now = now;
        if let Phase::Idle = self.phase {
            self.phase = Phase::Preflight;
            if !self.is_fresh(now) && self.asker.is_settled(&self.reader) {
                self.ask();
            }
            if self.is_taken_for_mute(now) && self.fence().is_some() {
                self.awaits_word = true;
                self.ask_by_fence();
            }
        }
    }

    /// No ticket waits any more.
    pub fn stand_down(&mut self) {
        if let Phase::Preflight = self.phase {
            self.phase = Phase::Idle;
        }
    }

    /// Whether the waiting ticket may begin now.
    pub fn is_ready(&self, now: Instant) -> bool {
        let Phase::Preflight = self.phase else { return false };
        let Probe::Over { .. } = self.probe else { return false };
        if self.stops() || self.asker.is_probing() {
            return false;
        }
        if self.write_only {
            return !self.awaits_way();
        }
        if self.is_taken_for_mute(now) {
            return match self.fence() {
                Some(_) => !self.awaits_word,
                None => self.out.is_empty() && now >= self.initialized_at + ms(ANSWER_MS_MAX),
            };
        }
        self.is_fresh(now)
    }

    /// Whether this printer should be given tickets.
    pub fn accepts(&self) -> bool {
        let is_known = self.asker.complete_at().is_some() || !self.profile.answers_status();
        is_known && !self.awaits_way() && !self.stops() && !matches!(self.phase, Phase::Asking { .. })
    }

    /// When [`Machine::handle_timeout`] is due.
    pub fn timeout(&self) -> Instant {
        let probing = match self.probe {
            Probe::Asked { .. } | Probe::Init { .. } => Some(self.probe_ends_at()),
            Probe::Due | Probe::Over { .. } => None,
        };
        let asking = match self.phase {
            Phase::Printing(_) => None,
            Phase::Idle | Phase::Asking { .. } | Phase::Preflight | Phase::Closed => {
                self.asker.timeout(&self.reader)
            }
        };
        [asking, probing].into_iter().flatten().fold(self.poll_at(), Instant::min)
    }

    /// The time has come, or may have.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        let in_flight = matches!(self.phase, Phase::Printing(_));
        if !in_flight {
            self.asker.handle_timeout(&mut self.reader, &mut self.out, now);
            self.learn_from_rounds();
        }
        let is_settling = matches!(self.phase, Phase::Printing(Job { to_settle: Some(_), .. }));
        if now >= self.poll_at() && !is_settling {
            if !in_flight {
                self.asker.begin_anew(self.heard_at, &mut self.reader);
            } else if self.profile.is_deaf_when_busy() && !self.asker.is_settled(&self.reader) {
                self.asker.give_up(&mut self.reader);
            }
            self.ask();
            self.ask_by_fence();
            self.ask_by_automatic();
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
            Phase::Idle | Phase::Preflight | Phase::Closed => Lost::Idle,
            Phase::Asking { doubt, .. } => Lost::Ended(Ending::Unknown(doubt)),
            Phase::Printing(job) if job.on_paper_at.is_some() => {
                Lost::Ended(Ending::Printed(Evidence::Fence))
            }
            Phase::Printing(job) if job.any_taken => Lost::Ended(Ending::Unknown(Doubt::ConnectionLost)),
            Phase::Printing(_) => Lost::NotBegun,
        }
    }

    /// Whether the next connection may get answers to fences of this one.
    pub fn is_owed(&self) -> bool {
        let in_flight = match self.phase {
            Phase::Printing(job) => job.any_taken && job.on_paper_at.is_none(),
            Phase::Asking { .. } => true,
            Phase::Idle | Phase::Preflight | Phase::Closed => self.left_in_flight,
        };
        in_flight || self.fences.owes()
    }

    /// What is wrong with the unit, for people. Whether it gets tickets is another question ([`Machine::accepts`]): one
    /// that never says anything stays unknown, and prints.
    pub fn conditions(&self) -> Conditions {
        // Where nothing can come back, nothing is waited for but the way's own word.
        let is_unknown = match self.write_only {
            true => self.awaits_way(),
            false => self.heard_at.is_none() && !self.is_silent(),
        };
        self.told().with_if(self.is_silent(), Condition::Silent).with_if(is_unknown, Condition::Unknown)
    }

    /// What is known of the unit so far.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Whether nothing is known of it on this connection, and something will be: it usually answers, or the way to it does.
    pub fn awaits_first_word(&self) -> bool {
        self.awaits_way() || self.heard_at.is_none() && self.profile.answers_status()
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

    fn awaits_way(&self) -> bool {
        self.write_only && self.way.is_none()
    }

    /// The best fence that it has. In garbage any byte can look like an answer to GS r.
    fn fence(&self) -> Option<FenceKind> {
        let is_clean = self.reader.garbage() == 0;
        self.profile.fence().filter(|&kind| kind == FenceKind::Process || is_clean)
    }

    fn poll_at(&self) -> Instant {
        if let Phase::Printing(Job { to_settle: Some((_, at)), .. }) = self.phase {
            return at + ms(ANSWER_MS_MAX);
        }
        let attentive = self.unheard_since.is_some() && self.profile.answers_status() || self.stops();
        let open_ms = if self.asker.is_late() { POLL_LATE_MS } else { POLL_MS };
        self.last_poll_at
            + ms(match self.phase {
                Phase::Idle if !attentive && self.probe == (Probe::Over { mute: false }) => IDLE_POLL_MS,
                Phase::Idle | Phase::Preflight | Phase::Closed => POLL_MS,
                Phase::Printing(_) | Phase::Asking { .. } => open_ms,
            })
    }

    fn learn_if(&mut self, is_news: bool) {
        if is_news {
            self.events.push_back(Event::Learned(self.profile));
        }
    }

    fn reassess(&mut self) {
        if self.stops() {
            self.clear_since = None;
        } else {
            self.clear_since.get_or_insert(self.now);
        }
    }

    fn decide(&mut self) {
        self.reassess();
        self.decide_probe();
        if self.is_to_be_asked && self.asker.is_settled(&self.reader) && self.phase != Phase::Closed {
            self.ask();
        }
        match self.phase {
            Phase::Idle | Phase::Preflight => {
                let by_fence = self.fence_asked_at.map(|at| at + ms(SILENT_MS_MAX));
                let is_dead = self.profile.answers_status() && self.silence() >= ms(SILENT_IDLE_MS_MAX);
                if is_dead || by_fence.is_some_and(|at| self.now >= at) {
                    self.close();
                }
            }
            Phase::Asking { doubt, .. } => {
                if let Probe::Over { .. } = self.probe {
                    self.events.push_back(Event::Ended(Ending::Unknown(doubt)));
                    self.phase = Phase::Idle;
                } else if self.profile.answers_status() && self.silence() >= ms(SILENT_MS_MAX) {
                    self.close();
                }
            }
            Phase::Printing(job) => self.decide_printing(job),
            Phase::Closed => {}
        }
    }

    /// The ticket in flight ends, and the unit is made as it was switched on.
    fn end(&mut self, ending: Ending) {
        self.over(ending);
        self.initialize();
    }

    fn over(&mut self, ending: Ending) {
        self.events.push_back(Event::Ended(ending));
        self.phase = Phase::Idle;
        if self.profile.is_deaf_when_busy() {
            self.asker.begin_anew(self.heard_at, &mut self.reader);
        }
    }

    /// The ticket in flight ends in doubt, and the connection with it.
    fn end_silent(&mut self) {
        self.events.push_back(Event::Ended(Ending::Unknown(Doubt::PrinterSilent)));
        self.left_in_flight = true;
        self.close();
    }

    fn close(&mut self) {
        self.events.push_back(Event::Close);
        self.phase = Phase::Closed;
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
