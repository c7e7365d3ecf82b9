//! A push's body, before it is known whose it is: read in bounded time and in memory that is bounded as a whole.
//!
//! The signature covers all of a body, so all of it is held before it can be told from noise. The first
//! [`BODY_OWN_BYTES`] belong to the connection, of which there are so many: an ordinary order fits into them, so it
//! waits for nobody and no lock is on its way. What goes beyond is taken from one store for all, in the steps in which
//! it comes in and not as it is announced: to use it up takes as many bytes as it has. A body that finds it used up
//! waits a moment, is then read to its end without being kept, so that the answer is heard, and the platform is told
//! to push again.
//!
//! Rejected: collecting the pieces as they come (a body in pieces of one byte costs thirty times its length), and one
//! store for everything (a few large bodies of nobody's would hold up every order).

use axum::body::{Body, HttpBody};
use futures_util::StreamExt;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// The largest push that is read. The largest real one seen has about 20 KiB.
pub const PUSH_BYTES_MAX: usize = 1024 * 1024;
/// What every body may have without asking.
pub const BODY_OWN_BYTES: usize = 24 * 1024;
/// What all bodies together may have beyond that: some hundred of the largest orders, or 32 of the largest bodies.
pub const BODIES_SHARED_BYTES: usize = 32 * 1024 * 1024;
/// The steps in which it is taken.
const STEP_BYTES: usize = 16 * 1024;
/// How long a body waits for a step: a platform wants its answer within 3 s, and would push again after that.
const STEP_WAIT_MAX: Duration = Duration::from_secs(1);
/// How long a body may take to come in, however steadily it drips.
const BODY_MAX: Duration = Duration::from_secs(10);

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BodyError {
    /// Longer than [`PUSH_BYTES_MAX`].
    #[error("a body of more than {PUSH_BYTES_MAX} bytes")]
    TooLarge,
    /// It took longer than it may.
    #[error("a body that did not come in within {} s", BODY_MAX.as_secs())]
    Late,
    /// It broke off, or is not in HTTP's form.
    #[error("half a body")]
    Broken,
    /// There was no room for it.
    #[error("{BODIES_SHARED_BYTES} bytes of large bodies are waited for already")]
    Busy,
}

impl BodyError {
    /// The code that logs show.
    pub fn code(self) -> &'static str {
        match self {
            BodyError::TooLarge => "push-too-large",
            BodyError::Late => "push-late",
            BodyError::Broken => "push-broken",
            BodyError::Busy => "push-no-room",
        }
    }
}

/// A body, and what it has of the common store until it is dropped.
#[derive(Debug, Default)]
pub struct Held {
    /// The body.
    pub bytes: Vec<u8>,
    steps: Option<OwnedSemaphorePermit>,
}

/// The common store.
#[derive(Debug, Clone)]
pub struct Bodies(Arc<Semaphore>);

impl Default for Bodies {
    fn default() -> Self {
        Bodies(Arc::new(Semaphore::new(BODIES_SHARED_BYTES / STEP_BYTES)))
    }
}

impl Bodies {
    /// Reads a body.
    ///
    /// # Errors
    /// Where it is too large, too slow, not whole, or one too many.
    pub async fn read(&self, body: Body) -> Result<Held, BodyError> {
        if body.size_hint().lower() > PUSH_BYTES_MAX as u64 {
            return Err(BodyError::TooLarge);
        }
        let announced = body.size_hint().upper().and_then(|bytes| usize::try_from(bytes).ok());
        let own = Vec::with_capacity(announced.unwrap_or(BODY_OWN_BYTES).min(BODY_OWN_BYTES));
        timeout(BODY_MAX, self.collect(body, own)).await.unwrap_or(Err(BodyError::Late))
    }

    async fn collect(&self, body: Body, own: Vec<u8>) -> Result<Held, BodyError> {
        let mut held = Some(Held { bytes: own, steps: None });
        let mut length = 0;
        let mut pieces = body.into_data_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| BodyError::Broken)?;
            length += piece.len();
            if length > PUSH_BYTES_MAX {
                return Err(BodyError::TooLarge);
            }
            if let Some(kept) = &mut held {
                if self.make_room(kept, length).await {
                    kept.bytes.extend_from_slice(&piece);
                } else {
                    held = None;
                }
            }
        }
        held.ok_or(BodyError::Busy)
    }

    /// Room for `length` bytes; `false` where there is none.
    async fn make_room(&self, held: &mut Held, length: usize) -> bool {
        let taken = held.steps.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let wanted = length.saturating_sub(BODY_OWN_BYTES).div_ceil(STEP_BYTES).saturating_sub(taken);
        if let Ok(steps @ 1..) = u32::try_from(wanted) {
            let more = timeout(STEP_WAIT_MAX, Arc::clone(&self.0).acquire_many_owned(steps));
            let Ok(Ok(more)) = more.await else { return false };
            match &mut held.steps {
                Some(steps) => steps.merge(more),
                none => *none = Some(more),
            }
            // Doubling would take twice what is counted.
            let room = BODY_OWN_BYTES + (taken + wanted) * STEP_BYTES;
            held.bytes.reserve_exact(room - held.bytes.len());
        }
        true
    }
}
