//! What both sides do once they have greeted each other: two directions of a sequence.

use super::{CloseReason, Effect, HEARTBEAT_AFTER, READ_ITEMS_MAX, SILENCE_MAX, WINDOW_ITEMS};
use crate::ids::Seq;
use crate::message::Message;
use std::collections::VecDeque;
use std::time::Instant;

/// Both directions of an open session.
#[derive(Debug)]
pub(super) struct Live {
    out: Outgoing,
    incoming: Incoming,
    spoke_at: Instant,
    heard_at: Instant,
}

#[derive(Debug)]
struct Outgoing {
    /// The highest place known to be in the outbox.
    assigned: Seq,
    sent: Seq,
    acked: Seq,
    /// A read of the outbox is under way; what was `assigned` when it was asked for.
    reading: Option<Seq>,
}

#[derive(Debug)]
struct Incoming {
    /// Taken in order and given to the shell to store.
    taken: Seq,
    stored: Seq,
}

impl Live {
    /// `peer_has` is the other side's cursor, `assigned` our last place, `has` our cursor.
    pub(super) fn new(now: Instant, peer_has: Seq, assigned: Seq, has: Seq) -> Self {
        Live {
            out: Outgoing { assigned, sent: peer_has, acked: peer_has, reading: None },
            incoming: Incoming { taken: has, stored: has },
            spoke_at: now,
            heard_at: now,
        }
    }

    /// A new item is in the outbox: it is sent at once if it is the next one, else it is read later.
    pub(super) fn offer(&mut self, seq: Seq, payload: Vec<u8>, effects: &mut VecDeque<Effect>) {
        let out = &mut self.out;
        if seq == out.sent.next() && out.reading.is_none() && out.window() > 0 {
            out.assigned = out.assigned.max(seq);
            out.sent = seq;
            effects.push_back(Effect::Send(Message::Deliver { seq, payload }));
        } else {
            self.outbox_has(seq, effects);
        }
    }

    /// The outbox holds items up to `assigned`.
    pub(super) fn outbox_has(&mut self, assigned: Seq, effects: &mut VecDeque<Effect>) {
        self.out.assigned = self.out.assigned.max(assigned);
        self.read_on(effects);
    }

    /// The answer to [`Effect::ReadOutbox`].
    pub(super) fn outbox_read(&mut self, items: Vec<(Seq, Vec<u8>)>, effects: &mut VecDeque<Effect>) {
        let asked_at = self.out.reading.take();
        let empty = items.is_empty();
        for (seq, payload) in items {
            // Whatever is not the next is left to the receiver to refuse: a gap in an outbox must be seen.
            if seq > self.out.sent {
                self.out.sent = seq;
                effects.push_back(Effect::Send(Message::Deliver { seq, payload }));
            }
        }
        // What was assigned since may have been written after the outbox was read: that is read again.
        if empty && asked_at == Some(self.out.assigned) {
            self.out.assigned = self.out.sent;
        }
        self.read_on(effects);
    }

    fn read_on(&mut self, effects: &mut VecDeque<Effect>) {
        let out = &mut self.out;
        let limit = READ_ITEMS_MAX.min(usize::try_from(out.window()).unwrap_or(READ_ITEMS_MAX));
        if out.reading.is_none() && out.assigned > out.sent && limit > 0 {
            out.reading = Some(out.assigned);
            effects.push_back(Effect::ReadOutbox { after: out.sent, limit });
        }
    }

    /// The shell has stored what it was given up to here.
    pub(super) fn stored(&mut self, up_to: Seq, effects: &mut VecDeque<Effect>) {
        if up_to > self.incoming.stored {
            self.incoming.stored = up_to.min(self.incoming.taken);
            effects.push_back(Effect::Send(Message::Ack { up_to: self.incoming.stored }));
        }
    }

    /// A message of the sequence came.
    pub(super) fn received(
        &mut self,
        now: Instant,
        message: Message,
        effects: &mut VecDeque<Effect>,
    ) -> Result<(), CloseReason> {
        self.heard_at = now;
        match message {
            Message::Deliver { seq, payload } => {
                if seq != self.incoming.taken.next() {
                    return Err(CloseReason::Gap);
                }
                self.incoming.taken = seq;
                // Items that came together are stored together.
                if let Some(Effect::Store(items)) = effects.back_mut() {
                    items.push((seq, payload));
                } else {
                    effects.push_back(Effect::Store(vec![(seq, payload)]));
                }
                Ok(())
            }
            Message::Ack { up_to } => self.acknowledged(up_to, effects),
            Message::Heartbeat { sent_up_to, stored_up_to } => {
                self.acknowledged(stored_up_to, effects)?;
                if sent_up_to == self.incoming.taken { Ok(()) } else { Err(CloseReason::Gap) }
            }
            Message::Hello(_)
            | Message::Welcome(_)
            | Message::Refused(_)
            | Message::Status(_)
            | Message::Link(_)
            | Message::Upload { .. }
            | Message::Uploaded { .. }
            | Message::BundlePart(_)
            | Message::BundleTaken(_)
            | Message::Instance(_)
            | Message::RenewalDue
            | Message::Renew(_)
            | Message::Renewed { .. }
            | Message::Trust { .. }
            | Message::Trusting { .. } => Err(CloseReason::Unexpected),
        }
    }

    fn acknowledged(&mut self, up_to: Seq, effects: &mut VecDeque<Effect>) -> Result<(), CloseReason> {
        if up_to > self.out.sent {
            return Err(CloseReason::AckBeyondSent);
        }
        if up_to > self.out.acked {
            self.out.acked = up_to;
            effects.push_back(Effect::Acknowledged(up_to));
            self.read_on(effects);
        }
        Ok(())
    }

    /// Whether all that is known to be in the outbox is acknowledged.
    pub(super) fn is_quiet(&self) -> bool {
        self.out.reading.is_none() && self.out.acked >= self.out.assigned
    }

    /// Something else than an item was heard.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
    }

    /// Something was sent.
    pub(super) fn spoke(&mut self, now: Instant) {
        self.spoke_at = now;
    }

    /// When [`Live::timed_out`] wants to be called.
    pub(super) fn deadline(&self) -> Instant {
        (self.spoke_at + HEARTBEAT_AFTER).min(self.heard_at + SILENCE_MAX)
    }

    /// Sends a heartbeat, or ends a silent session.
    pub(super) fn timed_out(
        &mut self,
        now: Instant,
        effects: &mut VecDeque<Effect>,
    ) -> Result<(), CloseReason> {
        if now >= self.heard_at + SILENCE_MAX {
            return Err(CloseReason::Silence);
        }
        if now >= self.spoke_at + HEARTBEAT_AFTER {
            self.spoke_at = now;
            effects.push_back(Effect::Send(Message::Heartbeat {
                sent_up_to: self.out.sent,
                stored_up_to: self.incoming.stored,
            }));
        }
        Ok(())
    }
}

impl Outgoing {
    fn window(&self) -> u64 {
        WINDOW_ITEMS.saturating_sub(self.sent.0 - self.acked.0)
    }
}
