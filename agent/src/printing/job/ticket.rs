//! A ticket on its way: what it is sent as, and what is known of it.

use super::{AUTOMATIC_STATUS_ON, Machine, Phase, SETTLE_MS_MAX};
use crate::printing::fence::Place;
use crate::printing::job::LINE_MS_MAX;
use crate::printing::profile::FenceKind;
use docket_paper::escpos;
use std::time::Instant;

/// GS V B 0: feed to the cutter and cut, leaving a corner.
const FEED_AND_CUT: [u8; 4] = [0x1D, 0x56, 0x42, 0x00];
/// ESC d 4: to the edge where a person tears it off.
const FEED_TO_EDGE: [u8; 3] = [0x1B, 0x64, 0x04];
/// Bytes of a ticket between two questions, on a line that stands when the unit loses power: a quarter of a second at
/// 9,600 baud, and no unit starts in less than one.
const ASK_EACH_BYTES: usize = 256;
/// Room below the last line.
const FEED: [u8; 2] = [0x0A, 0x0A];
const LINE_FEED: u8 = 0x0A;

/// What is known of the ticket in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) serial: u64,
    /// What it was sent with.
    pub(super) fence: Option<FenceKind>,
    /// ESC @ stands before its second fence.
    pub(super) has_init: bool,
    /// Questions stand in its content.
    pub(super) is_watched: bool,
    /// What came was no proof, or none can come: time and status decide.
    pub(super) unproven: bool,
    /// How long a slow unit takes for it.
    pub(super) print_ms: u64,
    /// Bytes before it in `out`.
    pub(super) before: usize,
    /// Its bytes that were not taken yet.
    pub(super) left: usize,
    pub(super) any_taken: bool,
    /// When it last got on: the unit reads, even if it says nothing.
    pub(super) moved_at: Instant,
    /// When its last byte was taken.
    pub(super) taken_at: Option<Instant>,
    /// When the first GS r was answered.
    pub(super) content_at: Option<Instant>,
    /// Questions were given up, so that it cannot be seen whether the unit was off.
    pub(super) lost_words: bool,
    /// A fence came while the unit was said to be stopped; how many rounds had been answered by then.
    pub(super) to_confirm: Option<(Place, u64)>,
    /// A fence came while questions that stand before it were open: when.
    pub(super) to_settle: Option<(Place, Instant)>,
    pub(super) on_paper_at: Option<Instant>,
}

impl Machine {
    /// Begins the ticket; only after [`Machine::is_ready`], and once the journal has it. `seams`: where in the content
    /// something else may stand. `serial` differs from that of every other ticket lately.
    pub fn begin(&mut self, content: &[u8], seams: &[usize], serial: u64, now: Instant) {
        self.now = now;
        let before = self.out.len();
        let fence = self.fence();
        self.out.reserve(content.len() + 64);
        let has_init = self.profile.may_init_in_ticket();
        let head: &[u8] = match (self.write_only, has_init) {
            // A spooler keeps jobs whole, and nobody answers.
            (true, _) => escpos::init(),
            // The ticket before, or the probe, has told it to.
            (_, true) => &[],
            // It may have been lost behind ESC @.
            (_, false) => &AUTOMATIC_STATUS_ON,
        };
        self.out.extend_from_slice(head);
        let is_watched = self.push_content(content, seams);
        self.out.extend_from_slice(&FEED);
        if let Some(kind) = fence {
            self.fences.ask(kind, serial, Place::Content, &mut self.out);
        }
        self.out.extend_from_slice(if self.profile.cutter.value { &FEED_AND_CUT } else { &FEED_TO_EDGE });
        if has_init {
            self.push_init();
        }
        if let Some(kind) = fence {
            self.fences.ask(kind, serial, Place::Cut, &mut self.out);
        }
        let lines = content.iter().filter(|&&byte| byte == LINE_FEED).count() as u64;
        let unproven = match fence {
            Some(FenceKind::Process) => false,
            Some(FenceKind::Transmit) => self.fences.is_owed(),
            None => true,
        };
        self.phase = Phase::Printing(Job {
            serial,
            fence,
            has_init,
            is_watched,
            unproven,
            print_ms: (lines * LINE_MS_MAX).min(SETTLE_MS_MAX),
            before,
            left: self.out.len() - before,
            any_taken: false,
            moved_at: now,
            taken_at: None,
            content_at: None,
            lost_words: false,
            to_confirm: None,
            to_settle: None,
            on_paper_at: None,
        });
        if has_init {
            self.ask();
        }
    }

    /// A ticket's content, with questions in it where the unit may lose power unseen and answers while it prints; whether
    /// there are any.
    fn push_content(&mut self, content: &[u8], seams: &[usize]) -> bool {
        let profile = &self.profile;
        let is_watched = self.restarts_unseen
            && profile.answers_status()
            && !profile.late.value
            && !profile.is_deaf_when_busy();
        let mut from = 0;
        if is_watched {
            for &seam in seams {
                if seam - from >= ASK_EACH_BYTES {
                    self.out.extend_from_slice(&content[from..seam]);
                    self.asker.ask_in_ticket(&mut self.reader, &mut self.out);
                    from = seam;
                }
            }
        }
        self.out.extend_from_slice(&content[from..]);
        from > 0
    }
}
