//! Ids of connections, purely random.
//!
//! A hub that was killed does not know its connections any more. It answers their packets with a stateless reset,
//! which an agent believes because [`super::ca::Authority::reset_key`] is the same after a restart. quinn's own ids bear
//! a signature with a key of the process, and what does not bear it is dropped without an answer: agents would
//! hold on to a dead session until the idle timeout, 45 s. So these bear none, and every packet is answered.

use quinn::{ConnectionId, ConnectionIdGenerator};
use ring::rand::{SecureRandom, SystemRandom};
use std::time::Duration;

/// As many as quinn's own have.
const ID_BYTES: usize = 8;

/// Makes them.
#[derive(Debug)]
pub(super) struct RandomIds(SystemRandom);

impl RandomIds {
    pub(super) fn new() -> Self {
        RandomIds(SystemRandom::new())
    }
}

impl ConnectionIdGenerator for RandomIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut id = [0; ID_BYTES];
        self.0.fill(&mut id).expect("a hub that began had random numbers, and no system takes them away");
        ConnectionId::new(&id)
    }

    fn cid_len(&self) -> usize {
        ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}
