//! What the spool was asked and has not answered. The questions are in the spool's order already; here is only
//! waited, without a task for each.

use crate::spool::{Pending, SpoolError};
use docket_protocol::ids::Seq;
use docket_protocol::session::Batch;
use std::collections::VecDeque;

/// Reports, and their places.
type Reports = Vec<(Seq, Vec<u8>)>;

/// What the spool has answered.
#[derive(Debug)]
pub(super) enum Answer {
    /// Stored up to here.
    Stored(Seq),
    /// What is in the outbox.
    Read(Reports),
    /// The last place of the outbox, after new ones were given.
    Renumbered(Seq),
    /// What the counter has done.
    Uploads(Option<Batch>),
}

/// A session reads once at a time, and gives new places once. The spool takes deliveries in their order, so the first
/// one is answered first.
#[derive(Debug, Default)]
pub(super) struct Asked {
    storing: VecDeque<Pending<Seq>>,
    reading: Option<Pending<Reports>>,
    renumbering: Option<Pending<Seq>>,
    reading_uploads: Option<Pending<Option<Batch>>>,
}

impl Asked {
    pub(super) fn stores(&mut self, stored: Pending<Seq>) {
        self.storing.push_back(stored);
    }

    pub(super) fn reads(&mut self, read: Pending<Reports>) {
        self.reading = Some(read);
    }

    pub(super) fn renumbers(&mut self, renumbered: Pending<Seq>) {
        self.renumbering = Some(renumbered);
    }

    pub(super) fn reads_uploads(&mut self, read: Pending<Option<Batch>>) {
        self.reading_uploads = Some(read);
    }

    /// The session has ended: what it wanted to read would tell the next one of places that may be others by then, and
    /// what it delivered the next one delivers again, where it is not stored by then.
    pub(super) fn session_ended(&mut self) {
        self.reading = None;
        self.reading_uploads = None;
        self.storing.clear();
    }

    /// The next answer; it may be dropped half-way, and never comes where nothing was asked.
    ///
    /// # Errors
    /// Those of the spool, once for each question.
    pub(super) async fn next(&mut self) -> Result<Answer, SpoolError> {
        let Asked { storing, reading, renumbering, reading_uploads } = self;
        tokio::select! {
            stored = answer(storing.front_mut()) => {
                storing.pop_front();
                stored.map(Answer::Stored)
            }
            read = answer(reading.as_mut()) => {
                *reading = None;
                read.map(Answer::Read)
            }
            renumbered = answer(renumbering.as_mut()) => {
                *renumbering = None;
                renumbered.map(Answer::Renumbered)
            }
            read = answer(reading_uploads.as_mut()) => {
                *reading_uploads = None;
                read.map(Answer::Uploads)
            }
        }
    }
}

async fn answer<T>(pending: Option<&mut Pending<T>>) -> Result<T, SpoolError> {
    match pending {
        Some(pending) => pending.await,
        None => std::future::pending().await,
    }
}
