//! Requests for help from headquarters: kept beside the tickets, so that each is done once at most.
//!
//! A request is stored with the cursor that acknowledges it. That it is begun is durable before anything is done, and what
//! came of it is stored together with the report. So a crash leaves one that waits, which is begun by the next life, or
//! one that was begun: a restart has happened by then, and of anything else nobody can know, so it is reported as
//! interrupted and not begun again. Its id stays as long as tickets do: a hub that sends it again is told again what
//! came of it.

use super::handle::Spool;
use super::work::Work;
use super::{SpoolError, command::Write};
use docket_protocol::frame::{payload, read_payload};
use docket_protocol::help::{Help, HelpId, HelpOutcome, HelpRequest};
use docket_protocol::message::Report;
use rusqlite::{OptionalExtension as _, params};
use tokio::sync::watch;

/// Where a request is on its way.
#[derive(Clone, Copy)]
enum State {
    Waiting = 0,
    Begun = 1,
    Done = 2,
}

impl Spool {
    /// Rises with each request that comes.
    pub fn helps(&self) -> watch::Receiver<u64> {
        self.shared.helps()
    }

    /// Reports what an earlier life has begun and not ended.
    ///
    /// # Errors
    /// [`SpoolError::Closed`].
    pub async fn settle_helps(&self) -> Result<(), SpoolError> {
        self.ask(|answer| Write::SettleHelps { answer }).await
    }

    /// The oldest request that waits. That it is begun is durable when this returns. Those whose time is over, by the
    /// hub's clock, are reported as expired and passed over.
    ///
    /// # Errors
    /// [`SpoolError::Closed`].
    pub async fn begin_help(&self) -> Result<Option<HelpRequest>, SpoolError> {
        self.ask(|answer| Write::BeginHelp { answer }).await
    }

    /// Reports what came of one that was begun.
    ///
    /// # Errors
    /// [`SpoolError::Closed`].
    pub async fn end_help(&self, id: HelpId, outcome: HelpOutcome) -> Result<(), SpoolError> {
        self.ask(|answer| Write::EndHelp { id, outcome, answer }).await
    }
}

impl Work<'_> {
    /// Stores a request. Where it is known already, whoever sent it may not know what came of it.
    pub(super) fn store_help(&mut self, request: &HelpRequest) -> rusqlite::Result<()> {
        let stored = self
            .prepare("INSERT INTO helps (id, request, received_at, state) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING")?
            .execute(params![request.id.as_bytes(), payload(request), self.now.0, State::Waiting as i64])?;
        if stored == 1 {
            self.known.helps += 1;
            return Ok(());
        }
        let outcome: Option<String> = self
            .prepare("SELECT outcome FROM helps WHERE id = ?1")?
            .query_row([request.id.as_bytes()], |row| row.get(0))
            .optional()?
            .flatten();
        match outcome.as_deref().and_then(HelpOutcome::from_code) {
            Some(outcome) => self.report(&Report::Help { id: request.id, outcome }).map(drop),
            None => Ok(()),
        }
    }

    pub(super) fn settle_helps(&mut self) -> rusqlite::Result<()> {
        for request in self.helps_in(State::Begun)? {
            let outcome = match request.what {
                Help::Restart => HelpOutcome::Done,
                Help::Bundle | Help::TestPage { .. } | Help::Reprint { .. } | Help::LogLevel { .. } => {
                    HelpOutcome::Interrupted
                }
            };
            self.end_help(request.id, outcome)?;
        }
        Ok(())
    }

    pub(super) fn begin_help(&mut self) -> rusqlite::Result<Option<HelpRequest>> {
        for request in self.helps_in(State::Waiting)? {
            if self.hub_now > request.until {
                self.end_help(request.id, HelpOutcome::Expired)?;
                continue;
            }
            self.prepare("UPDATE helps SET state = ?2 WHERE id = ?1")?
                .execute(params![request.id.as_bytes(), State::Begun as i64])?;
            return Ok(Some(request));
        }
        Ok(None)
    }

    /// Once: what has an outcome keeps it.
    pub(super) fn end_help(&mut self, id: HelpId, outcome: HelpOutcome) -> rusqlite::Result<()> {
        let ended = self
            .prepare("UPDATE helps SET state = ?2, outcome = ?3 WHERE id = ?1 AND state <> ?2")?
            .execute(params![id.as_bytes(), State::Done as i64, outcome.code()])?;
        if ended == 1 {
            self.report(&Report::Help { id, outcome })?;
        }
        Ok(())
    }

    /// Those of a newer hub that cannot be read were never stored as requests.
    fn helps_in(&self, state: State) -> rusqlite::Result<Vec<HelpRequest>> {
        let requests: Vec<Vec<u8>> = self
            .prepare("SELECT request FROM helps WHERE state = ?1 ORDER BY received_at, rowid")?
            .query_map([state as i64], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        Ok(requests.iter().filter_map(|bytes| read_payload(bytes)).collect())
    }
}
