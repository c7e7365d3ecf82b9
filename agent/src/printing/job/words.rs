//! What is said to a unit besides tickets, what it says, and what that comes to.

use super::{
    ANSWER_MS_MAX, AUTOMATIC_STATUS_ON, Machine, PREFLIGHT_FRESH_MS, PREFLIGHT_MS_MAX, Phase, Probe,
};
use super::{Job, SILENT_MS_MAX, SILENT_SHOWN_MS, ms};
use crate::printing::fence::Place;
use crate::printing::health::Conditions;
use crate::printing::profile::{FenceKind, Queries, Source};
use crate::printing::status::{Answer, Query};
use docket_paper::escpos;
use docket_protocol::printer::Condition;
use std::time::{Duration, Instant};

/// The answers of one round, in [`Machine::lately_alarming`].
const ROUND_BITS: u8 = 0x0F;

impl Machine {
    /// As switched on. Nothing of a ticket may be in the unit.
    pub(super) fn initialize(&mut self) {
        if self.write_only {
            return;
        }
        self.push_init();
        self.ask();
    }

    /// As switched on, and it has not spoken since.
    pub(super) fn push_init(&mut self) {
        self.out.extend_from_slice(escpos::init());
        self.out.extend_from_slice(&AUTOMATIC_STATUS_ON);
        self.initialized_at = self.now;
        self.awaits_word = true;
        self.is_to_be_asked = true;
    }

    pub(super) fn ask(&mut self) {
        self.last_poll_at = self.now;
        if let Probe::Asked { at, .. } | Probe::Init { at } = self.probe
            && self.now < at + ms(ANSWER_MS_MAX)
        {
            return;
        }
        // It is to be seen first whether the rest comes.
        if !matches!(self.phase, Phase::Printing(_)) && self.asker.timeout(&self.reader).is_some() {
            return;
        }
        let asked = self.asker.ask(&mut self.reader, &mut self.out, self.now);
        if asked {
            self.is_to_be_asked = false;
        }
        if asked || self.reader.open() > 1 {
            self.unheard_since.get_or_insert(self.now);
        }
    }

    /// A unit that answers fences and no queries is asked by a fence whether it gets on.
    pub(super) fn ask_by_fence(&mut self) {
        if let Phase::Idle | Phase::Preflight = self.phase
            && let Some(kind) = self.fence()
            && self.awaits_word
            && self.is_taken_for_mute(self.now)
        {
            self.fences.ask(kind, 0, Place::Probe, &mut self.out);
            self.fence_asked_at.get_or_insert(self.now);
        }
    }

    /// A unit that only tells changes, and was switched off since, tells them no more: it is told to again, which it
    /// answers with how it is.
    pub(super) fn ask_by_automatic(&mut self) {
        let last = self.automatic_at;
        let is_due = last.is_some_and(|at| self.now >= at + ms(SILENT_MS_MAX));
        if is_due && !self.profile.answers_status() && self.told().stop_printing() {
            self.automatic_at = Some(self.now);
            self.out.extend_from_slice(&AUTOMATIC_STATUS_ON);
        }
    }

    pub(super) fn take(&mut self, answer: Answer) {
        if !self.any_sent {
            // On a line that stood, what an earlier life asked is answered still. Only a number says to what.
            if let Answer::Process(id) = answer
                && let Some(passed) = self.fences.process(id)
            {
                self.passed(passed);
            }
            return;
        }
        // While it said nothing it may have done nothing.
        if self.silence() >= ms(ANSWER_MS_MAX) {
            self.clear_since = self.clear_since.map(|_| self.now);
        }
        self.heard_at = Some(self.now);
        self.heard_lately = true;
        self.unheard_since = None;
        self.fence_asked_at = None;
        self.signs.take(answer);
        if let Answer::RealTime(_, byte) = answer {
            self.lately_alarming = self.lately_alarming << 1 | u8::from(is_alarming(byte));
        }
        if matches!(answer, Answer::RealTime(Query::Printer, _)) && self.profile.status.value != Queries::ALL
        {
            self.signs.trust_online();
        }
        let passed = match answer {
            Answer::RealTime(..) => {
                if let Phase::Printing(Job {
                    fence: Some(FenceKind::Process),
                    on_paper_at: None,
                    to_settle: None,
                    ..
                }) = self.phase
                    && self.reader.open() == 0
                {
                    // All that was asked since it began, and it has not printed it yet.
                    let is_news = self.profile.status_busy.observe(true);
                    self.learn_if(is_news);
                }
                self.asker.heard(&mut self.reader, &mut self.out, self.now);
                self.learn_from_rounds();
                None
            }
            Answer::Automatic(_) => {
                self.automatic_at = Some(self.now);
                if !self.signs.conditions().stop_printing() {
                    // That is whole, and newer than any answer.
                    self.lately_alarming = 0;
                }
                let is_news = self.profile.automatic.observe(true);
                self.learn_if(is_news);
                // A person has done something: look at once, if a ticket waits.
                if let Phase::Preflight = self.phase
                    && self.asker.is_settled(&self.reader)
                {
                    self.ask();
                }
                None
            }
            Answer::Process(id) => self.fences.process(id),
            // In garbage, any byte can look like this one.
            Answer::Transmitted(_) if self.reader.garbage() > 0 => None,
            Answer::Transmitted(_) => {
                if let Probe::Asked { transmits, .. } = &mut self.probe {
                    *transmits = transmits.saturating_add(1);
                }
                self.fences.transmitted()
            }
        };
        self.reassess();
        if let Some(passed) = passed {
            self.passed(passed);
        }
    }

    pub(super) fn learn_from_rounds(&mut self) {
        if let Some(shown) = self.asker.take_shown() {
            self.awaits_word = self.is_to_be_asked;
            if shown.queries != Queries::ALL {
                self.signs.keep_only(shown.queries);
            }
            let queries = self.profile.status.observe(shown.queries);
            let late = shown.late != self.profile.late.value && self.profile.late.observe(shown.late);
            self.learn_if(queries || late);
        }
    }

    /// What the unit has said, and that it may have said it in answer to another question than it seems; and what the way
    /// to it says.
    pub(super) fn told(&self) -> Conditions {
        let told = self.signs.conditions().with_all(self.way.unwrap_or_default());
        told.with_if(self.lately_alarming & ROUND_BITS != 0 && !told.stop_printing(), Condition::Offline)
    }

    pub(super) fn stops(&self) -> bool {
        self.told().stop_printing() || self.is_silent()
    }

    pub(super) fn is_silent(&self) -> bool {
        let limit = match self.phase {
            Phase::Printing(_) => SILENT_SHOWN_MS,
            Phase::Idle | Phase::Asking { .. } | Phase::Preflight | Phase::Closed => PREFLIGHT_MS_MAX,
        };
        let asked_at = if self.profile.answers_status() { self.unheard_since } else { self.fence_asked_at };
        asked_at.is_some_and(|at| self.now.saturating_duration_since(at) >= ms(limit))
    }

    /// How long a question has been open without a word of any kind.
    pub(super) fn silence(&self) -> Duration {
        self.unheard_since.map_or(Duration::ZERO, |since| self.now.saturating_duration_since(since))
    }

    /// Whether it has just answered, and has done since it was told to be as switched on.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        let complete_at = self.asker.complete_at().filter(|_| !self.awaits_word);
        complete_at.is_some_and(|at| now.saturating_duration_since(at) <= ms(PREFLIGHT_FRESH_MS))
    }

    /// It does not answer queries, as far as it can be known.
    pub(super) fn is_taken_for_mute(&self, now: Instant) -> bool {
        let is_pinned = self.profile.status.source == Source::Pinned;
        let was_asked = is_pinned || now >= self.opened_at + ms(PREFLIGHT_MS_MAX);
        !self.profile.answers_status() && !self.asker.has_heard() && was_asked
    }
}

/// Whether an answer to DLE EOT is bad news, to whichever question: 08 without 04 (both are "near end", 04 alone is the
/// drawer or the cover), 20 or 40.
fn is_alarming(byte: u8) -> bool {
    byte & 0x0C == 0x08 || byte & 0x60 != 0
}

/// In the data of an image there may be what looks like one: then there seem to be more, which does no harm.
pub(super) fn queries_in(bytes: &[u8]) -> usize {
    bytes.windows(3).filter(|bytes| matches!(bytes, [0x10, 0x04, 1..=4])).count()
}
