//! A printer's claims on the spool: what it holds, what is in flight, and what becomes of both.

use crate::clock;
use crate::printing::job::{Lost, Machine};
use crate::printing::journal::{Journal, JournalError, Record};
use crate::printing::profile::Profile;
use crate::printing::{Paper, slip};
use crate::spool::{CLAIMS_MAX, Claim, ClaimPort, Ending, Finish, SpoolError};
use docket_paper::escpos::{self, Dialect};
use docket_paper::font::Fonts;
use docket_paper::glyphs::Remembered;
use docket_paper::layout::is_cut_short;
use docket_protocol::boxes::Boxes;
use docket_protocol::ids::{PrinterName, TicketId};
use docket_protocol::outcome::Evidence;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A printer claims what it gets through in this time at its measured pace: a real one claims one ticket.
pub const CLAIM_AHEAD_MS: u64 = 20;
/// How often a journal that could not be written is tried again.
const JOURNAL_RETRY_MS: u64 = 1_000;
/// Weight of the newest ticket in the measured pace: one in eight.
const PACE_WEIGHT: u32 = 8;

/// A claimed ticket as bytes.
#[derive(Debug)]
struct Prepared {
    claim: Claim,
    content: Vec<u8>,
    /// Where in it something else may stand.
    seams: Vec<usize>,
    boxes: Boxes,
    cut_short: bool,
}

/// The ticket in flight, or one of an earlier life that the printer is asked about.
#[derive(Debug)]
struct Current {
    ticket: TicketId,
    attempt: u16,
    repeat: u16,
    record: Record,
    /// `None` for one of an earlier life: the fonts may have been others.
    boxes: Option<Boxes>,
    cut_short: bool,
    began: Instant,
    on_paper: bool,
}

/// What one printer holds of the spool.
#[derive(Debug)]
pub(super) struct Claims {
    printer: PrinterName,
    paper: Paper,
    /// What the unit is taken to understand.
    dialect: Dialect,
    /// Shapes of characters that the unit lacks.
    shapes: Remembered,
    port: ClaimPort,
    journal: Journal,
    queue: VecDeque<Prepared>,
    current: Option<Current>,
    /// What the spool was last told.
    want: u32,
    /// How long a ticket takes, smoothed.
    pace: Option<Duration>,
    /// The journal cannot be written, and is tried again then.
    retry_at: Option<Instant>,
}

impl Claims {
    pub(super) fn new(printer: PrinterName, paper: Paper, port: ClaimPort, journal: Journal) -> Self {
        Self {
            printer,
            paper,
            dialect: Dialect::default(),
            shapes: Remembered::default(),
            port,
            journal,
            queue: VecDeque::new(),
            current: None,
            want: 0,
            pace: None,
            retry_at: None,
        }
    }

    /// Another spool has what this printer held and had not begun.
    pub(super) fn go_on(&mut self, port: ClaimPort) {
        self.port = port;
        self.want = 0;
    }

    /// What a unit has shown, in words. What cannot be read is shown again.
    pub(super) async fn facts(&self, unit: &str) -> Result<String, SpoolError> {
        match self.port.profile(unit).await {
            Err(SpoolError::Database { .. }) => Ok(String::new()),
            facts => facts,
        }
    }

    /// Which unit each printer had last. What cannot be read is not known.
    #[cfg(target_os = "linux")]
    pub(super) async fn units(&self) -> Result<Vec<(PrinterName, String)>, SpoolError> {
        match self.port.spool().units().await {
            Err(SpoolError::Database { .. }) => Ok(Vec::new()),
            units => units,
        }
    }

    /// Remembers what a unit has shown.
    pub(super) async fn learn(&mut self, unit: &str, profile: Profile) -> Result<(), SpoolError> {
        self.dialect = profile.dialect();
        self.port.learn(unit, profile.to_words()).await
    }

    /// A person has said that this unit is this printer's: no other printer goes where it is.
    pub(super) async fn own(&self, unit: &str) -> Result<(), SpoolError> {
        self.port.own(unit).await
    }

    /// The ticket in whose middle an earlier life ended: it is in flight until its printer was asked about it.
    pub(super) async fn find_left_open(&mut self) -> Result<(), SpoolError> {
        let Some(record) = self.journal.left_open() else { return Ok(()) };
        let Record { ticket, attempt, .. } = record;
        if let Some(repeat) = self.port.in_question(ticket, attempt).await? {
            let began = Instant::now();
            let (boxes, cut_short, on_paper) = (None, false, false);
            self.current =
                Some(Current { ticket, attempt, repeat, record, boxes, cut_short, began, on_paper });
        }
        Ok(())
    }

    /// The serial of the ticket that the printer is to be asked about, on a fresh connection.
    pub(super) fn in_question(&self) -> Option<u64> {
        self.current.as_ref().map(|current| current.record.serial)
    }

    /// Whether no ticket is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.current.is_none()
    }

    /// Whether the spool was asked for tickets.
    pub(super) fn wants_any(&self) -> bool {
        self.want > 0
    }

    /// When a journal that could not be written is tried again; `None` where it can be written.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// The next claim.
    pub(super) async fn next(&mut self) -> Result<Claim, SpoolError> {
        self.port.next().await.ok_or(SpoolError::Closed)
    }

    /// A claim comes: its bytes are made while another ticket is in flight.
    pub(super) fn take(&mut self, claim: Claim) {
        let lines = slip::lines(&claim, self.paper);
        let cut_short = is_cut_short(&lines);
        if cut_short {
            tracing::warn!(
                code = "ticket-cut-short", printer = %self.printer, ticket = %claim.ticket.id,
                "longer than a ticket may be: its last line says that the rest is missing"
            );
        }
        // No font is opened before a character needs one, and none is kept.
        let mut fonts = Fonts::installed();
        let encoded = escpos::encode(&lines, self.paper, &self.dialect, &mut self.shapes.before(&mut fonts));
        if !encoded.missing.is_empty() {
            // How many, not which: a log goes further than a report.
            tracing::warn!(
                code = "glyphs-missing", printer = %self.printer, ticket = %claim.ticket.id,
                characters = encoded.missing.len(), "printed as boxes: neither printer nor fonts have them"
            );
        }
        let boxes = Boxes::of(&encoded.missing);
        let (content, seams) = (encoded.bytes, encoded.seams);
        self.queue.push_back(Prepared { claim, content, seams, boxes, cut_short });
    }

    /// A claim comes that cannot be printed now.
    pub(super) async fn refuse(&self, claim: Claim) -> Result<(), SpoolError> {
        self.port.hand_back(vec![claim.ticket.id]).await
    }

    /// Tells the spool how much this printer holds, and gives back what it cannot print now.
    pub(super) async fn look_after(
        &mut self,
        machine: &mut Machine,
        goes_on: bool,
        is_paused: bool,
    ) -> Result<(), SpoolError> {
        self.try_journal();
        let can_print = goes_on && machine.accepts() && self.retry_at.is_none();
        self.ask_for(if can_print { claims_ahead(self.pace) } else { 0 })?;
        while let Some(claim) = self.port.try_next() {
            self.take(claim);
        }
        // The spool gives a paused printer no more tickets; this is about those that it has given.
        if (self.want == 0 || is_paused) && !self.queue.is_empty() {
            machine.stand_down();
            self.give_back_queue().await?;
        }
        Ok(())
    }

    /// Begins the next ticket once the printer is ready and the journal has it. Where the journal cannot be written, the
    /// printer is as good as out: what it holds goes back, so that its backup gets it.
    pub(super) async fn begin_next(&mut self, machine: &mut Machine) -> Result<(), SpoolError> {
        if self.current.is_some() || self.queue.is_empty() {
            return Ok(());
        }
        let now = Instant::now();
        machine.get_ready(now);
        if !machine.is_ready(now) {
            return Ok(());
        }
        let Some(next) = self.queue.pop_front() else { return Ok(()) };
        match self.journal.began(next.claim.ticket.id, next.claim.attempt, clock::now()) {
            Ok(record) => {
                machine.begin(&next.content, &next.seams, record.serial, now);
                let Prepared { claim: Claim { ticket, attempt, repeat, .. }, boxes, cut_short, .. } = next;
                let boxes = Some(boxes);
                let (ticket, began, on_paper) = (ticket.id, now, false);
                self.current =
                    Some(Current { ticket, attempt, repeat, record, boxes, cut_short, began, on_paper });
            }
            Err(error) => {
                self.log_journal(&error, "nothing is printed until it can be written");
                self.retry_at = Some(now + Duration::from_millis(JOURNAL_RETRY_MS));
                self.queue.push_front(next);
                self.ask_for(0)?;
                machine.stand_down();
                self.give_back_queue().await?;
            }
        }
        Ok(())
    }

    fn ask_for(&mut self, want: u32) -> Result<(), SpoolError> {
        if want != self.want {
            self.port.want(want)?;
            self.want = want;
        }
        Ok(())
    }

    fn try_journal(&mut self) {
        let now = Instant::now();
        if self.retry_at.is_some_and(|at| now >= at) {
            let failed = self.journal.check().is_err();
            self.retry_at = failed.then(|| now + Duration::from_millis(JOURNAL_RETRY_MS));
        }
    }

    /// The ticket in flight is on paper: that goes into the journal, once.
    pub(super) fn note_on_paper(&mut self, evidence: Evidence) {
        if let Some(current) = &mut self.current
            && !current.on_paper
        {
            current.on_paper = true;
            if let Err(error) = self.journal.fenced(&current.record, evidence, clock::now()) {
                self.log_journal(&error, "a crash now would make this ticket unknown");
            }
        }
    }

    /// The ticket in flight is over: journal, then spool.
    pub(super) async fn end(&mut self, ending: Ending) -> Result<(), SpoolError> {
        if let Ending::Printed(evidence) = ending {
            self.note_on_paper(evidence);
        }
        let Some(current) = self.current.take() else { return Ok(()) };
        let Current { ticket, attempt, repeat, record, boxes, cut_short, began, .. } = current;
        self.port
            .finish(Finish {
                ticket,
                attempt,
                repeat,
                ending,
                boxes,
                cut_short,
                began_at: record.began_at,
                ended_at: clock::now(),
            })
            .await?;
        match ending {
            Ending::Printed(_) => {
                let took = began.elapsed();
                self.pace =
                    Some(self.pace.map_or(took, |pace| pace - pace / PACE_WEIGHT + took / PACE_WEIGHT));
            }
            Ending::Unknown(doubt) => {
                tracing::warn!(
                    code = "ticket-unknown", printer = %self.printer, %ticket, attempt,
                    doubt = doubt.as_str(), "a ticket may have come out"
                );
                // It is printed again before what comes after it.
                self.give_back_queue().await?;
            }
        }
        Ok(())
    }

    /// The connection is gone: settles the ticket in flight and gives back the rest.
    pub(super) async fn leave(&mut self, lost: Lost, is_stopping: bool) -> Result<(), SpoolError> {
        self.ask_for(0)?;
        match lost {
            Lost::Idle => {}
            // On the way out, the journal says what is known; the next life settles it.
            Lost::Ended(Ending::Unknown(_)) if is_stopping => {}
            Lost::Ended(ending) => self.end(ending).await?,
            Lost::NotBegun => {
                if let Some(Current { ticket, record, .. }) = self.current.take() {
                    if let Err(error) = self.journal.withdrawn(&record) {
                        self.log_journal(&error, "a crash now would make a ticket unknown");
                    }
                    self.port.hand_back(vec![ticket]).await?;
                }
            }
        }
        while let Some(claim) = self.port.try_next() {
            self.refuse(claim).await?;
        }
        self.give_back_queue().await
    }

    async fn give_back_queue(&mut self) -> Result<(), SpoolError> {
        if self.queue.is_empty() {
            return Ok(());
        }
        let tickets = self.queue.drain(..).map(|prepared| prepared.claim.ticket.id).collect();
        self.port.hand_back(tickets).await
    }

    fn log_journal(&self, error: &JournalError, meaning: &str) {
        tracing::error!(
            code = "journal-failed", printer = %self.printer, %error, cause = %error.source, "{meaning}"
        );
    }
}

/// Tickets that a printer gets through in [`CLAIM_AHEAD_MS`].
fn claims_ahead(pace: Option<Duration>) -> u32 {
    let Some(pace) = pace else { return 1 };
    let tickets = Duration::from_millis(CLAIM_AHEAD_MS).as_micros() / pace.as_micros().max(1);
    // In powers of two, so that the spool is told seldom.
    let tickets = u32::try_from(tickets).unwrap_or(CLAIMS_MAX).clamp(1, CLAIMS_MAX);
    1 << tickets.ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_fast_printer_claims_ahead() {
        let ahead = |us| claims_ahead(Some(Duration::from_micros(us)));
        assert_eq!(claims_ahead(None), 1);
        assert_eq!([900_000, 15_000, 9_000, 1_000, 100, 0].map(ahead), [1, 1, 2, 16, 32, 32]);
    }
}
