//! The probe: which fences a unit answers, whether it holds answers back, and whether it keeps what follows ESC @.

use super::{ANSWER_MS_MAX, Machine, Phase, SETTLE_MS_MAX, ms};
use crate::printing::fence::Place;
use crate::printing::profile::{FenceKind, Transmit};
use std::time::Instant;

/// Finding out which fences the unit answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Probe {
    /// As soon as it is known to be without fault, or to say nothing at all.
    Due,
    Asked {
        at: Instant,
        /// Answers to GS r, which is asked twice.
        transmits: u8,
        /// [`Reader::unasked`] before it.
        unasked: u64,
    },
    /// ESC @ was sent with a fence behind it.
    Init { at: Instant },
    /// `mute`: nothing had ever been heard of it by then.
    Over { mute: bool },
}

impl Machine {
    pub(super) fn decide_probe(&mut self) {
        if !matches!(self.phase, Phase::Idle | Phase::Preflight | Phase::Asking { .. }) {
            return;
        }
        match self.probe {
            Probe::Due => {
                let answered = self.asker.complete_at().is_some() && self.asker.is_settled(&self.reader);
                if !self.stops() && (answered || self.is_taken_for_mute(self.now)) {
                    self.begin_probe();
                }
            }
            Probe::Asked { .. } if self.now >= self.probe_ends_at() => self.end_probe(false),
            Probe::Init { .. } if self.now >= self.probe_ends_at() => self.end_init_probe(false),
            // It was too busy to say anything, or has been switched on since.
            Probe::Over { mute: true } if self.heard_at.is_some() && self.profile.wants_fence_probe() => {
                self.probe = Probe::Due;
            }
            Probe::Asked { .. } | Probe::Init { .. } | Probe::Over { .. } => {}
        }
    }

    fn begin_probe(&mut self) {
        let is_in_question = self.fences.is_owed() || matches!(self.phase, Phase::Asking { .. });
        if !self.profile.wants_fence_probe() && !is_in_question {
            self.begin_init_probe();
            return;
        }
        self.fences.probe(&mut self.out);
        self.last_poll_at = self.now;
        self.probe = Probe::Asked { at: self.now, transmits: 0, unasked: self.reader.unasked() };
    }

    /// A unit that may still have to print what an earlier connection sent, or what another PC did, answers only after
    /// that.
    pub(super) fn probe_ends_at(&self) -> Instant {
        let (at, may_be_busy) = match self.probe {
            Probe::Asked { at, .. } => {
                let is_in_question = self.fences.is_owed() || matches!(self.phase, Phase::Asking { .. });
                (at, is_in_question || self.profile.fence() == Some(FenceKind::Process))
            }
            Probe::Init { at } => (at, false),
            Probe::Due | Probe::Over { .. } => return self.now,
        };
        at.max(self.clear_since.unwrap_or(self.now))
            + ms(if may_be_busy { SETTLE_MS_MAX } else { ANSWER_MS_MAX })
    }

    /// `process`: GS ( H was answered.
    pub(super) fn end_probe(&mut self, process: bool) {
        let Probe::Asked { at, transmits, unasked } = self.probe else { return };
        let transmit = transmits > 0;
        let answered = transmit || process || self.reader.has_part();
        // No query was asked in between.
        if answered && self.last_poll_at == at && self.asker.has_heard() {
            self.see_whether_late(unasked, transmits == 1 && !process);
        }
        let is_mute = self.heard_at.is_none();
        if !is_mute {
            let known = self.profile.transmit.value;
            let transmit = match (transmit, known) {
                (true, Transmit::No) => self.profile.transmit.observe(Transmit::Answers),
                (true, known) => self.profile.transmit.observe(known),
                // In garbage it may have been there.
                (false, _) if !process => self.profile.transmit.observe(Transmit::No),
                (false, _) => false,
            };
            let process = self.profile.process.observe(process);
            self.learn_if(process || transmit);
        }
        // It has had the time to answer what was owed, too.
        self.fences.give_up(false);
        // What it may have taken for text goes with ESC @.
        if self.profile.wants_init_probe() {
            self.begin_init_probe();
        } else {
            self.probe = Probe::Over { mute: is_mute };
            self.initialize();
        }
    }

    fn begin_init_probe(&mut self) {
        self.push_init();
        self.fences.ask(FenceKind::Process, 0, Place::Init, &mut self.out);
        self.last_poll_at = self.now;
        self.probe = Probe::Init { at: self.now };
    }

    /// `kept`: what followed ESC @ was answered.
    pub(super) fn end_init_probe(&mut self, kept: bool) {
        let is_news = self.profile.init_keeps.observe(kept);
        self.learn_if(is_news);
        self.fences.give_up(false);
        self.probe = Probe::Over { mute: false };
        if kept {
            self.awaits_word = false;
            self.ask();
        } else {
            // It may have lost the beginning of the fence only, and have taken the rest for text.
            self.initialize();
        }
    }

    /// The probe was answered: was an answer to DLE EOT held back until then?
    /// `lacks_last`: so far, the answer to the last question of the probe was.
    pub(super) fn see_whether_late(&mut self, unasked: u64, lacks_last: bool) {
        let held_back = match self.asker.is_late() {
            _ if self.reader.has_part() || lacks_last => true,
            true => self.reader.open() == 0,
            false => self.reader.unasked() > unasked,
        };
        if held_back != self.asker.is_late() {
            self.asker.set_late(held_back, &mut self.reader);
            let is_news = self.profile.late.observe(held_back);
            self.learn_if(is_news);
        }
    }
}
