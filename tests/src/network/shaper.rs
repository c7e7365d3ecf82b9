//! One way of a network: which packets go through, when, and how often. No I/O and no clock.
//!
//! Chance comes from a seed, one draw of it for each question that a packet is asked, so that the same packets at the
//! same times meet the same fate. Real processes do not send the same packets at the same times, so a run can be
//! repeated only as far as they do.
//!
//! A packet first waits for the narrow line, then is on its way, then is lost: what is lost further on has taken its
//! time of the line like any other.

use super::conditions::{Cut, Way};
use super::packet::{Carrier, Packet};
use crate::platform::orders::Chance;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Packets that may be on their way.
const UNDER_WAY_MAX: usize = 16_384;

/// A packet on its way; the earliest first, those of one time in their order.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct UnderWay {
    due: Instant,
    number: u64,
    bytes: Vec<u8>,
}

/// What has become of the packets so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Came.
    pub taken: u64,
    /// Did not go through, for whatever reason.
    pub lost: u64,
    /// Went through a second time.
    pub doubled: u64,
}

/// One way.
#[derive(Debug)]
pub struct Shaper {
    chance: Chance,
    burst_until: Option<Instant>,
    /// When the narrow line is free.
    line_free: Option<Instant>,
    /// The last one that was not late: the next one comes no earlier.
    last_due: Option<Instant>,
    number: u64,
    under_way: BinaryHeap<Reverse<UnderWay>>,
    count: Count,
}

impl Shaper {
    /// With this chance.
    pub fn new(seed: u64) -> Self {
        Shaper {
            chance: Chance::new(seed),
            burst_until: None,
            line_free: None,
            last_due: None,
            number: 0,
            under_way: BinaryHeap::new(),
            count: Count::default(),
        }
    }

    /// What has become of the packets so far.
    pub fn count(&self) -> Count {
        self.count
    }

    /// A packet sets out.
    pub fn take(&mut self, now: Instant, way: &Way, packet: &Packet) {
        self.count.taken += 1;
        // All are drawn, whatever comes of it: the next packet's chance is not to hang on this one's.
        let [loss, burst, late, duplicate, jitter] = [(); 5].map(|()| share(&mut self.chance));
        let bytes = packet.bytes();
        let in_burst = self.burst(now, way, burst);
        let is_cut = match way.cut {
            Cut::Nothing => false,
            Cut::Udp => packet.carrier() == Carrier::Udp,
            Cut::Tcp => packet.carrier() == Carrier::Tcp,
            Cut::All => true,
        };
        if is_cut || way.mtu_bytes.is_some_and(|most| bytes.len() > most) {
            self.count.lost += 1;
            return;
        }
        let Some(through) = self.through_line(now, way, bytes.len()) else {
            self.count.lost += 1;
            return;
        };
        if in_burst || loss < way.loss {
            self.count.lost += 1;
            return;
        }
        let mut due = through + way.delay + way.jitter.mul_f64(jitter);
        if late < way.late {
            due += way.late_by;
        } else {
            due = self.last_due.map_or(due, |last| due.max(last));
            self.last_due = Some(due);
        }
        self.set_out(due, bytes);
        if duplicate < way.duplicate {
            self.count.doubled += 1;
            self.set_out(due, bytes);
        }
    }

    /// When the next packet arrives.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.under_way.peek().map(|Reverse(next)| next.due)
    }

    /// A packet that has arrived.
    pub fn poll_arrived(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.under_way.peek().filter(|Reverse(next)| next.due <= now)?;
        self.under_way.pop().map(|Reverse(next)| next.bytes)
    }

    fn burst(&mut self, now: Instant, way: &Way, chance: f64) -> bool {
        let Some(bursts) = way.bursts else { return false };
        if self.burst_until.is_some_and(|until| now < until) {
            return true;
        }
        let begins = chance < bursts.begin;
        self.burst_until = begins.then(|| now + bursts.lasts);
        begins
    }

    /// When it is through the narrow line; `None` where there is no room to wait for it.
    fn through_line(&mut self, now: Instant, way: &Way, bytes: usize) -> Option<Instant> {
        let Some(rate) = way.rate else { return Some(now) };
        let takes = |bytes: u64| Duration::from_secs_f64(bytes as f64 / rate.bytes_per_s as f64);
        let free = self.line_free.unwrap_or(now).max(now);
        if free - now > takes(rate.queue_bytes) {
            return None;
        }
        let through = free + takes(bytes as u64);
        self.line_free = Some(through);
        Some(through)
    }

    fn set_out(&mut self, due: Instant, bytes: &[u8]) {
        if self.under_way.len() >= UNDER_WAY_MAX {
            self.count.lost += 1;
            return;
        }
        self.number += 1;
        self.under_way.push(Reverse(UnderWay { due, number: self.number, bytes: bytes.to_vec() }));
    }
}

/// From 0, below 1.
fn share(chance: &mut Chance) -> f64 {
    (chance.bits() >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests;
