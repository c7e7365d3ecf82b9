//! What ends a ticket: fences and what they prove, and without them status and time.

use super::{ANSWER_MS_MAX, SENT_WAIT_MS, SETTLE_MS_MAX, SILENT_MS_MAX, ms};
use super::{
    AT_ONCE_TICKETS, CUT_MS_MIN, CUT_WAIT_MS_MAX, Event, Job, Machine, NO_FENCE_WAIT_MS, Phase, Probe,
};
use crate::printing::fence::{Passed, Place};
use crate::printing::profile::{FenceKind, Source, Transmit};
use crate::printing::status::Query;
use crate::spool::Ending;
use docket_protocol::outcome::Evidence;
use std::time::Instant;

impl Machine {
    pub(super) fn passed(&mut self, passed: Passed) {
        if passed.kind == FenceKind::Process {
            let is_news = self.profile.process.observe(true);
            self.learn_if(is_news);
        }
        match (passed.place, self.probe) {
            (Place::Init, Probe::Init { .. }) => return self.end_init_probe(true),
            (Place::Probe, probe) => {
                self.awaits_word &= !self.is_taken_for_mute(self.now);
                if passed.kind == FenceKind::Process && matches!(probe, Probe::Asked { .. }) {
                    self.end_probe(true);
                }
                return;
            }
            _ => {}
        }
        match self.phase {
            Phase::Asking { serial, .. } if serial == passed.serial => {
                self.events.push_back(Event::OnPaper(Evidence::Fence));
                self.end(Ending::Printed(Evidence::Fence));
            }
            Phase::Printing(job) if job.serial == passed.serial => self.arrived(job, passed),
            Phase::Printing(_) | Phase::Asking { .. } | Phase::Idle | Phase::Preflight | Phase::Closed => {}
        }
    }

    /// The ticket in flight is on paper; with its second fence it is over.
    pub(super) fn proven(&mut self, place: Place) {
        let Phase::Printing(job) = &mut self.phase else { return };
        let has_init = job.has_init;
        if job.on_paper_at.is_none() {
            job.on_paper_at = Some(self.now);
            self.events.push_back(Event::OnPaper(Evidence::Fence));
            // A round is open for long, or more than one is.
            let is_old = self.now >= self.last_poll_at + ms(ANSWER_MS_MAX);
            let open_max = if is_old { 0 } else { Query::ALL.len() };
            if self.reader.open() > open_max && !self.profile.late.value {
                let is_news = self.profile.status_busy.observe(false);
                self.learn_if(is_news);
            }
        }
        if place == Place::Cut {
            if has_init {
                // This fence stood behind it.
                self.awaits_word = false;
                self.over(Ending::Printed(Evidence::Fence));
            } else {
                self.end(Ending::Printed(Evidence::Fence));
            }
        }
    }

    /// A fence of the ticket in flight was answered.
    pub(super) fn arrived(&mut self, mut job: Job, passed: Passed) {
        if passed.kind == FenceKind::Transmit {
            if passed.place == Place::Content {
                job.content_at = Some(self.now);
                self.phase = Phase::Printing(job);
                return;
            }
            if job.unproven || !self.came_in_turn(&job) {
                job.unproven = true;
                self.phase = Phase::Printing(job);
                return;
            }
        }
        self.weigh(job, passed.place);
    }

    /// The unit answers what stands behind the ticket: is that to be believed?
    fn weigh(&mut self, mut job: Job, place: Place) {
        if job.is_watched && job.on_paper_at.is_none() && self.reader.open() > 0 {
            // It may have been off in between: what stands before the fence is answered by now, or never.
            job.to_settle = Some((place, self.now));
            self.phase = Phase::Printing(job);
        } else if self.told().stop_printing() && job.on_paper_at.is_none() {
            // A person may have mended it since it was asked last; or it answers what it has not printed.
            job.to_confirm = Some((place, self.asker.rounds()));
            self.phase = Phase::Printing(job);
            self.ask();
        } else {
            self.phase = Phase::Printing(job);
            self.proven(place);
        }
    }

    /// The fence came, and not all of the answers that it should have come behind.
    fn settle(&mut self, job: Job, place: Place, at: Instant) {
        let is_answered = self.reader.open() == 0;
        if !is_answered && self.now < at + ms(ANSWER_MS_MAX) {
            return;
        }
        if is_answered {
            self.weigh(Job { is_watched: false, to_settle: None, ..job }, place);
            return;
        }
        // Should it be deaf while it prints, this was the last time that it is asked then.
        let is_news = self.profile.status_busy.observe(false);
        self.learn_if(is_news);
        self.end_silent();
    }

    /// Whether the second GS r of a ticket was answered after the cut, and not as soon as it came.
    pub(super) fn came_in_turn(&mut self, job: &Job) -> bool {
        let cut_took = job.content_at.map(|at| self.now.saturating_duration_since(at));
        let is_pinned = self.profile.transmit.source == Source::Pinned;
        let in_turn = cut_took.is_some_and(|took| is_pinned || took >= ms(CUT_MS_MIN));
        let was_before = self.profile.transmit.value == Transmit::InOrder;
        self.too_soon = if in_turn { 0 } else { self.too_soon.saturating_add(1) };
        let now_is = match in_turn {
            true => Transmit::InOrder,
            false if self.too_soon >= AT_ONCE_TICKETS => Transmit::AtOnce,
            false => Transmit::Answers,
        };
        let is_news = self.profile.transmit.observe(now_is);
        self.learn_if(is_news);
        in_turn && was_before
    }

    pub(super) fn decide_printing(&mut self, mut job: Job) {
        let now = self.now;
        if let Some(at) = job.on_paper_at {
            if now >= at + ms(CUT_WAIT_MS_MAX) {
                if job.has_init && !self.told().stop_printing() {
                    let is_news = self.profile.init_keeps.observe(false);
                    self.learn_if(is_news);
                }
                self.end(Ending::Printed(Evidence::Fence));
            }
            return;
        }
        if let Some((place, at)) = job.to_settle {
            self.settle(job, place, at);
            return;
        }
        if job.fence == Some(FenceKind::Transmit) && !job.unproven && self.fence().is_none() {
            job.unproven = true;
            self.phase = Phase::Printing(job);
        }
        if let Some((place, rounds)) = job.to_confirm {
            if !self.told().stop_printing() {
                self.proven(place);
                return;
            }
            if self.asker.rounds() > rounds {
                job.to_confirm = None;
                job.unproven = true;
                self.phase = Phase::Printing(job);
            }
        }
        if let (Some(taken_at), Some(clear_since)) = (job.taken_at, self.clear_since) {
            let since = taken_at.max(clear_since);
            let owed_ms = if self.fences.is_owed() { SETTLE_MS_MAX } else { 0 };
            // It talks, without a fault, after it had the time to print.
            let heard_after = |wait| self.heard_at.is_some_and(|at| at >= since + ms(wait));
            if !job.unproven {
                if heard_after(SILENT_MS_MAX) {
                    self.doubt_fence(job);
                    self.end_silent();
                    return;
                }
            } else if self.profile.answers_status() {
                let wait = job.print_ms.max(NO_FENCE_WAIT_MS).max(owed_ms);
                if heard_after(wait) && self.asker.is_settled(&self.reader) && !job.lost_words {
                    self.end_without_fence(Evidence::Status);
                    return;
                }
                // What it was asked before it does not answer any more: it was off in between.
                if heard_after(wait.max(SILENT_MS_MAX)) {
                    let is_news = self.profile.status_busy.observe(false);
                    self.learn_if(is_news);
                    self.end_silent();
                    return;
                }
            } else {
                if now >= since + ms(job.print_ms.max(SENT_WAIT_MS).max(owed_ms)) {
                    self.end_without_fence(Evidence::Sent);
                }
                return;
            }
        }
        // What stops the unit other than silence: it has said so, and goes on by itself once it is mended.
        let stopped = self.told().stop_printing();
        if stopped && self.silence() >= ms(SILENT_MS_MAX) {
            // It may have been switched off and on: then it has forgotten what it was asked.
            self.asker.give_up(&mut self.reader);
            let lost_words = !self.profile.is_deaf_when_busy();
            self.phase = Phase::Printing(Job { lost_words, ..job });
            self.unheard_since = None;
            self.ask();
            return;
        }
        let moved_at = self.heard_at.map_or(job.moved_at, |at| at.max(job.moved_at));
        if !stopped && now >= moved_at + ms(SILENT_MS_MAX) {
            self.end_silent();
        }
    }

    /// A fence that the unit was believed to have did not come: the next connection probes it again.
    pub(super) fn doubt_fence(&mut self, job: Job) {
        let was_probed = match job.fence {
            Some(FenceKind::Process) => self.profile.process.doubt(),
            Some(FenceKind::Transmit) => self.profile.transmit.doubt(),
            None => false,
        };
        self.learn_if(was_probed);
    }

    pub(super) fn end_without_fence(&mut self, evidence: Evidence) {
        // It has had the time to answer what was owed, too.
        self.fences.give_up(false);
        self.end(Ending::Printed(evidence));
    }
}
