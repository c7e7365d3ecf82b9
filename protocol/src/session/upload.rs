//! The second lane: what a store makes of its own accord goes up beside the sequence.
//!
//! After days without a network a store has tens of thousands of orders from its counter. In the sequence they would
//! stand before the report that a live order waits for; here they give way to it. A batch of rows, the oldest first, is
//! sent, stored by the hub in one transaction, and only then deleted; then the next one. There are no cursors: rows have
//! keys, so the hub takes a repeat for what it is, and what was not acknowledged is sent again in the next session.
//!
//! A batch waits until the sequence is acknowledged, for as long as [`GIVE_WAY_MAX`]; batches keep to
//! [`UPLOAD_BYTES_PER_S_MAX`]; and how large they are is found out: one that takes longer than the line's own time
//! by [`UPLOAD_TAKES_MAX`] is followed by a smaller one, so that on a slow line no report waits long behind a batch.
//!
//! A hub that answers nothing (it is an older one, or cannot store) is asked again, more and more seldom; the session
//! goes on.
//!
//! Rejected: a third sequence with cursors of its own. It would need renumbering after a lost spool, as the first two
//! do, and buy nothing, since an order's key is for ever.

use super::{CloseReason, Effect};
use crate::message::Message;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Bytes of rows in one batch, before they are packed. Even rows that cannot be packed fit a frame.
pub const UPLOAD_BYTES_MAX: usize = 192 * 1024;
/// A batch is never asked to be smaller; a row that is larger goes alone.
pub const UPLOAD_BYTES_MIN: usize = 4 * 1024;
/// The first batch of a session.
pub const UPLOAD_BYTES_FIRST: usize = 16 * 1024;
/// Packed bytes a second: 4 Mbit/s, less than half of what the slowest line with video has.
pub const UPLOAD_BYTES_PER_S_MAX: u64 = 512 * 1024;
/// How much longer than the quickest batch of the session one may take before the next one is smaller.
pub const UPLOAD_TAKES_MAX: Duration = Duration::from_millis(250);
/// How long a batch waits for reports that are not acknowledged.
pub const GIVE_WAY_MAX: Duration = Duration::from_secs(1);

/// How long an answer is waited for; doubled each time that none comes.
pub const UPLOAD_ANSWER_MAX: Duration = Duration::from_secs(60);
/// The longest wait.
pub const UPLOAD_SILENCE_MAX: Duration = Duration::from_secs(1_800);

/// Rows that were read and packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The last row in it, by the number that the spool gave it.
    pub up_to: u64,
    /// What travels.
    pub packed: Vec<u8>,
}

/// The agent's end, for one session.
#[derive(Debug)]
pub(super) struct Uploads {
    step: Step,
    /// There may be rows to send.
    waiting: bool,
    /// Of the last batch; the hub says which it has stored.
    number: u64,
    bytes_max: usize,
    quickest: Duration,
    answer_max: Duration,
    /// Not sooner than this.
    next_at: Instant,
}

#[derive(Debug)]
enum Step {
    Idle,
    Reading,
    Sent { up_to: u64, at: Instant },
}

impl Uploads {
    pub(super) fn new(now: Instant) -> Self {
        Uploads {
            step: Step::Idle,
            waiting: false,
            number: 0,
            bytes_max: UPLOAD_BYTES_FIRST,
            quickest: Duration::MAX,
            answer_max: UPLOAD_ANSWER_MAX,
            next_at: now,
        }
    }

    /// Rows were added.
    pub(super) fn rows_wait(&mut self) {
        self.waiting = true;
    }

    /// When [`Uploads::proceed`] wants to be called. `is_quiet`: all of the sequence is acknowledged.
    pub(super) fn deadline(&self, is_quiet: bool) -> Option<Instant> {
        match self.step {
            Step::Idle if !self.waiting => None,
            Step::Idle if is_quiet => Some(self.next_at),
            Step::Idle => Some(self.next_at + GIVE_WAY_MAX),
            Step::Reading => None,
            Step::Sent { at, .. } => Some(at + self.answer_max),
        }
    }

    /// Begins the next batch, if it is its turn, or the same one again.
    pub(super) fn proceed(&mut self, now: Instant, is_quiet: bool, effects: &mut VecDeque<Effect>) {
        if self.deadline(is_quiet).is_none_or(|due| now < due) {
            return;
        }
        if let Step::Sent { .. } = self.step {
            self.answer_max = (self.answer_max * 2).min(UPLOAD_SILENCE_MAX);
            self.bytes_max = UPLOAD_BYTES_MIN;
        }
        self.step = Step::Reading;
        // What is added from now on is asked for once more.
        self.waiting = false;
        effects.push_back(Effect::ReadUploads { bytes_max: self.bytes_max });
    }

    /// The answer to [`Effect::ReadUploads`]; `None` where nothing waits.
    pub(super) fn read(&mut self, now: Instant, batch: Option<Batch>, effects: &mut VecDeque<Effect>) {
        if !matches!(self.step, Step::Reading) {
            return;
        }
        self.step = Step::Idle;
        if let Some(Batch { up_to, packed }) = batch {
            self.number += 1;
            self.waiting = true;
            self.next_at = now + Duration::from_millis(packed.len() as u64 * 1_000 / UPLOAD_BYTES_PER_S_MAX);
            self.step = Step::Sent { up_to, at: now };
            effects.push_back(Effect::Send(Message::Upload { number: self.number, packed }));
        }
    }

    /// The hub says what it has stored.
    pub(super) fn stored(
        &mut self,
        now: Instant,
        number: u64,
        effects: &mut VecDeque<Effect>,
    ) -> Result<(), CloseReason> {
        if number > self.number {
            return Err(CloseReason::AckBeyondSent);
        }
        let Step::Sent { up_to, at } = self.step else { return Ok(()) };
        // One that was given up: it is stored twice, which does nothing.
        if number < self.number {
            return Ok(());
        }
        self.step = Step::Idle;
        self.answer_max = UPLOAD_ANSWER_MAX;
        self.next_at = self.next_at.max(now);
        let took = now.saturating_duration_since(at);
        self.quickest = self.quickest.min(took);
        let longer = took - self.quickest;
        if longer > UPLOAD_TAKES_MAX {
            self.bytes_max = (self.bytes_max / 2).max(UPLOAD_BYTES_MIN);
        } else if longer < UPLOAD_TAKES_MAX / 2 {
            self.bytes_max = (self.bytes_max * 2).min(UPLOAD_BYTES_MAX);
        }
        effects.push_back(Effect::UploadedUpTo(up_to));
        Ok(())
    }
}

/// The hub's end, for one connection: one batch at a time, so that no agent fills the hub's memory.
#[derive(Debug, Default)]
pub(super) struct Taking {
    /// The last one that was taken, and the last one that is stored.
    taken: u64,
    stored: u64,
}

impl Taking {
    /// One that comes while another is being stored is dropped: its agent has given the other one up, and sends again.
    pub(super) fn came(&mut self, number: u64, packed: Vec<u8>, effects: &mut VecDeque<Effect>) {
        if self.taken == self.stored && number > self.taken {
            self.taken = number;
            effects.push_back(Effect::StoreUpload { number, packed });
        }
    }

    /// The shell has stored it.
    pub(super) fn stored(&mut self, number: u64, effects: &mut VecDeque<Effect>) {
        if number == self.taken && number > self.stored {
            self.stored = number;
            effects.push_back(Effect::Send(Message::Uploaded { number }));
        }
    }
}
