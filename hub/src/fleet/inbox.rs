//! What the rest of the hub tells a session. Thousands of sessions are told nothing most of the time, so an empty inbox
//! holds no memory, which a channel would: it keeps a block of places even when it is empty.
//!
//! It has a bound and loses nothing by it: what was not told of new items is read from storage, up to the last place.

use docket_protocol::ids::Seq;
use docket_protocol::message::Refusal;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// New outbox items that may wait for a session; past that it reads them from storage.
const OFFERS_MAX: usize = 1_024;

/// What the rest of the hub tells a session.
#[derive(Debug)]
pub enum ToSession {
    /// A new item in the agent's outbox.
    Offer(Seq, Vec<u8>),
    /// The last place in the agent's outbox.
    Assigned(Seq),
    /// The agent's certificate is to be renewed.
    RenewalDue,
    /// The agent is to be told which CAs it trusts.
    Trust,
    /// End, and say why.
    Refuse(Refusal),
    /// End: the hub stops.
    End,
}

/// Where a session is told.
#[derive(Debug)]
pub struct Inbox {
    waiting: Mutex<Waiting>,
    told: Notify,
}

#[derive(Debug)]
struct Waiting {
    offers: VecDeque<(Seq, Vec<u8>)>,
    /// The last place that was told, or waits to be.
    assigned: Seq,
    /// It waits to be.
    is_news: bool,
    renewal_due: bool,
    trust: bool,
    end: Option<ToSession>,
}

impl Inbox {
    /// Of a session that knows of everything up to `assigned`.
    pub(super) fn new(assigned: Seq) -> Self {
        let waiting = Waiting {
            offers: VecDeque::new(),
            assigned,
            is_news: false,
            renewal_due: false,
            trust: false,
            end: None,
        };
        Inbox { waiting: Mutex::new(waiting), told: Notify::new() }
    }

    /// A new item, after its commit.
    pub(super) fn offer(&self, seq: Seq, payload: &[u8]) {
        let mut waiting = self.lock();
        if waiting.offers.len() < OFFERS_MAX {
            waiting.offers.push_back((seq, payload.to_vec()));
        } else {
            waiting.is_news = true;
        }
        waiting.assigned = waiting.assigned.max(seq);
        self.told.notify_one();
    }

    /// Items up to here are in the outbox.
    pub(super) fn outbox_has(&self, assigned: Seq) {
        let mut waiting = self.lock();
        if assigned > waiting.assigned {
            waiting.assigned = assigned;
            waiting.is_news = true;
            self.told.notify_one();
        }
    }

    /// The agent's certificate is to be renewed.
    pub(super) fn renewal_due(&self) {
        self.lock().renewal_due = true;
        self.told.notify_one();
    }

    /// The agent is to be told which CAs it trusts.
    pub(super) fn trust(&self) {
        self.lock().trust = true;
        self.told.notify_one();
    }

    /// The session is to end.
    pub(super) fn end(&self, how: ToSession) {
        self.lock().end = Some(how);
        self.told.notify_one();
    }

    /// What comes next. Safe to be dropped.
    pub async fn next(&self) -> ToSession {
        loop {
            if let Some(told) = self.take() {
                return told;
            }
            self.told.notified().await;
        }
    }

    fn take(&self) -> Option<ToSession> {
        let mut waiting = self.lock();
        if let Some(end) = waiting.end.take() {
            return Some(end);
        }
        if let Some((seq, payload)) = waiting.offers.pop_front() {
            if waiting.offers.is_empty() {
                waiting.offers = VecDeque::new();
            }
            return Some(ToSession::Offer(seq, payload));
        }
        if std::mem::take(&mut waiting.renewal_due) {
            return Some(ToSession::RenewalDue);
        }
        if std::mem::take(&mut waiting.trust) {
            return Some(ToSession::Trust);
        }
        std::mem::take(&mut waiting.is_news).then_some(ToSession::Assigned(waiting.assigned))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // A panic while it was held has left it whole: each change is one assignment.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(inbox: &Inbox) -> Vec<String> {
        std::iter::from_fn(|| inbox.take()).map(|told| format!("{told:?}")).collect()
    }

    #[test]
    fn new_items_come_in_their_order_and_nothing_is_told_twice() {
        let inbox = Inbox::new(Seq(4));
        inbox.outbox_has(Seq(4));
        assert_eq!(all(&inbox), [""; 0], "that was known");
        inbox.offer(Seq(5), &[1]);
        inbox.offer(Seq(6), &[2]);
        inbox.outbox_has(Seq(6));
        assert_eq!(all(&inbox), ["Offer(Seq(5), [1])", "Offer(Seq(6), [2])"]);
        inbox.outbox_has(Seq(9));
        inbox.outbox_has(Seq(8));
        assert_eq!(all(&inbox), ["Assigned(Seq(9))"]);
        assert_eq!(all(&inbox), [""; 0]);
    }

    #[test]
    fn what_finds_no_place_is_known_by_the_last_place() {
        let inbox = Inbox::new(Seq(0));
        let last = OFFERS_MAX as u64 + 3;
        for seq in 1..=last {
            inbox.offer(Seq(seq), &[]);
        }
        let told = all(&inbox);
        assert_eq!(told.len(), OFFERS_MAX + 1);
        assert_eq!(told.last(), Some(&format!("Assigned(Seq({last}))")));
    }

    #[test]
    fn an_end_overtakes_everything() {
        let inbox = Inbox::new(Seq(0));
        inbox.offer(Seq(1), &[]);
        inbox.end(ToSession::Refuse(Refusal::Superseded));
        assert_eq!(all(&inbox), ["Refuse(Superseded)", "Offer(Seq(1), [])"]);
    }

    #[tokio::test]
    async fn whoever_waits_is_woken() {
        let inbox = std::sync::Arc::new(Inbox::new(Seq(0)));
        let waiting = tokio::spawn({
            let inbox = std::sync::Arc::clone(&inbox);
            async move { format!("{:?}", inbox.next().await) }
        });
        tokio::task::yield_now().await;
        inbox.outbox_has(Seq(1));
        assert_eq!(waiting.await.unwrap(), "Assigned(Seq(1))");
    }
}
