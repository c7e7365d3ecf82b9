//! The session: who sends what when, and what is stored before what is said.
//!
//! An agent and a hub each keep an *outbox* of items with consecutive places ([`Seq`]) and, for the other
//! side, a *cursor*: everything up to it is stored here. A session replays the outbox from the other side's
//! cursor, sends what is new, stores what comes, and only then acknowledges.
//!
//! A session never repairs. An item out of its place, a heartbeat that shows that something is missing, or
//! silence ends it; the next session starts from the stored cursors, and they are all the truth there is. So
//! the only property asked of a transport is that it may be closed; order and completeness are checked here.
//!
//! [`AgentSession`] lives as long as the agent and goes through many connections; [`HubSession`] is one
//! connection at the hub. Both do no I/O: they are given what happened and the time, and give back
//! [`Effect`]s. What a crash leaves is what the shell had stored, and each `Effect` says what must be stored
//! before the next step.

mod agent;
mod hub;
mod live;
mod upload;

pub use agent::{AgentSession, Cursors, LinkState};
pub use hub::{HubSession, Opened};
pub use upload::{
    Batch, GIVE_WAY_MAX, UPLOAD_ANSWER_MAX, UPLOAD_BYTES_FIRST, UPLOAD_BYTES_MAX, UPLOAD_BYTES_MIN,
    UPLOAD_BYTES_PER_S_MAX, UPLOAD_SILENCE_MAX, UPLOAD_TAKES_MAX,
};

use crate::help::{BundlePart, BundleTaken};
use crate::ids::{Seq, UnixMs};
use crate::message::{AgentStatus, Hello, Instance, LinkReport, Message, Refusal, Renewal};
use std::time::Duration;

/// Items that may be sent and not yet acknowledged.
pub const WINDOW_ITEMS: u64 = 512;
/// Items that are read from an outbox at once.
pub const READ_ITEMS_MAX: usize = 64;
/// A side that has sent nothing for so long sends a heartbeat.
pub const HEARTBEAT_AFTER: Duration = Duration::from_secs(15);
/// A side that has heard nothing for so long ends the session: three heartbeats.
pub const SILENCE_MAX: Duration = Duration::from_secs(45);
/// What an agent waits for a connection, then for the welcome; and a hub for the hello.
pub const GREETING_MAX: Duration = Duration::from_secs(10);
/// The first pause before connecting again; doubled each time.
pub const RECONNECT_MIN: Duration = Duration::from_millis(250);
/// The longest pause before connecting again.
pub const RECONNECT_MAX: Duration = Duration::from_secs(10);
/// The longest pause after an attempt that nobody has answered: it has cost the hub nothing, and took its own time.
pub const UNANSWERED_PAUSE: Duration = Duration::from_secs(2);
/// The pause after a refusal that only a person can lift.
pub const REFUSED_PAUSE: Duration = Duration::from_secs(300);
/// A session that lasted so long makes the next pause short again.
pub const SETTLED_AFTER: Duration = Duration::from_secs(10);

/// The highest place that a peer may claim: far beyond any life, and far from where counting on would overflow.
pub const CURSOR_MAX: Seq = Seq(1 << 60);

/// What a session asks of its shell, to be done in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Agent only: make a connection, then call `connected` or `disconnected`.
    Connect,
    /// Send this.
    Send(Message),
    /// Store these durably, together with the cursor, then call `stored`.
    Store(Vec<(Seq, Vec<u8>)>),
    /// Read the outbox after this place, then call `outbox_read`.
    ReadOutbox {
        /// Items after this.
        after: Seq,
        /// At most so many.
        limit: usize,
    },
    /// The other side has stored everything up to here: it may be deleted.
    Acknowledged(Seq),
    /// Agent only: what is before this place was taken by an earlier spool; move the cursor, never back.
    SkipTo(Seq),
    /// Agent only: the hub's clock says this now. What is to be stored later may name times by it.
    HubTime(UnixMs),
    /// Agent only: pending items may bear numbers that the hub knows from another life of the spool, or has
    /// forgotten; so it is at the first welcome of a process. Give all of them new places after this one, and
    /// call `outbox_has`. What is asked for later, above all `ReadOutbox` and `Acknowledged`, means the new
    /// places: it must not overtake this.
    RenumberAfter(Seq),
    /// Agent only: read the oldest rows of the store's own, as many as fit into so many bytes but at least one, pack
    /// them, and call `uploads_read`.
    ReadUploads {
        /// Before they are packed.
        bytes_max: usize,
    },
    /// Agent only: the hub has stored these rows: they may be deleted.
    UploadedUpTo(u64),
    /// Hub only: store all of these rows or none, then call `upload_stored`. A row that is there already stays.
    StoreUpload {
        /// To be given back.
        number: u64,
        /// As it came.
        packed: Vec<u8>,
    },
    /// Hub only: open the session in storage, then call `opened` or `refuse`.
    Open(Hello),
    /// Hub only: the agent's state now.
    Status(AgentStatus),
    /// Hub only: how the agent is connected.
    Link(LinkReport),
    /// Hub only: write this part of a bundle to disk, then call `bundle_taken`.
    BundlePart(BundlePart),
    /// Agent only: so much of a bundle is at the hub.
    BundleTaken(BundleTaken),
    /// Hub only, before [`Effect::Open`]: which program it is.
    Instance(Instance),
    /// Hub only: certify this key, then send [`Message::Renewed`].
    Certify(Renewal),
    /// Hub only: the agent trusts these CAs.
    Trusting([u8; 32]),
    /// Agent only: make a key and send [`Message::Renew`].
    Renew,
    /// Agent only: store this certificate durably, and use it from the next connection on.
    Renewed(Vec<u8>),
    /// Agent only: trust these CAs, and store them durably, then send [`Message::Trusting`].
    Trust(Vec<Vec<u8>>),
    /// Close the connection. An agent's shell then calls `disconnected`.
    Close(CloseReason),
}

/// Why a side closes a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The hub refuses.
    Refused(Refusal),
    /// An item out of its place, or one is missing.
    Gap,
    /// The peer acknowledges what was never sent.
    AckBeyondSent,
    /// A message that has no place in this state.
    Unexpected,
    /// Nothing came for [`SILENCE_MAX`].
    Silence,
    /// No greeting came for [`GREETING_MAX`].
    NoGreeting,
    /// What is to be sent cannot be read: the next session tries again.
    OutboxUnread,
}

impl CloseReason {
    /// The code that logs show, and the error code of a QUIC connection; TLS has none.
    pub fn code(self) -> (&'static str, u32) {
        match self {
            CloseReason::Refused(refusal) => (refusal.code(), 1),
            CloseReason::Gap => ("gap", 2),
            CloseReason::AckBeyondSent => ("ack-beyond-sent", 3),
            CloseReason::Unexpected => ("unexpected-message", 4),
            CloseReason::Silence => ("silence", 5),
            CloseReason::NoGreeting => ("no-greeting", 6),
            CloseReason::OutboxUnread => ("outbox-unread", 7),
        }
    }
}
