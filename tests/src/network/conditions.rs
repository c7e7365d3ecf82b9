//! What is wrong with a network.

use std::time::Duration;

/// Both ways of a network.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Conditions {
    /// From the store to headquarters.
    pub up: Way,
    /// From headquarters to the store.
    pub down: Way,
}

impl Conditions {
    /// The same both ways.
    pub fn both(way: Way) -> Self {
        Conditions { up: way, down: way }
    }
}

/// One way. Shares are of packets, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Way {
    /// Lost, each by its own chance.
    pub loss: f64,
    /// All lost for a while.
    pub bursts: Option<Bursts>,
    /// How long each is on its way.
    pub delay: Duration,
    /// Up to so much longer, each by its own chance. The order stays.
    pub jitter: Duration,
    /// Held back by as much as [`Way::late_by`], so that those behind overtake.
    pub late: f64,
    /// How much later the late ones come.
    pub late_by: Duration,
    /// Come twice.
    pub duplicate: f64,
    /// What goes through at most.
    pub rate: Option<Rate>,
    /// Larger packets vanish, and nobody is told: a black hole, as behind tunnels whose routers filter ICMP.
    pub mtu_bytes: Option<usize>,
    /// Nothing of this goes through.
    pub cut: Cut,
}

/// Times in which all is lost. They are of time, not of so many packets: those that are sent again would have to use up
/// the rest of a run, one after seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bursts {
    /// The chance of a packet to be the first that is lost.
    pub begin: f64,
    /// How long the packets after it are lost.
    pub lasts: Duration,
}

/// A narrow line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Bytes in a second, headers included.
    pub bytes_per_s: u64,
    /// Bytes that may wait for it; what finds no room is lost.
    pub queue_bytes: u64,
}

/// What does not go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cut {
    /// All does.
    #[default]
    Nothing,
    /// UDP, as on networks with a strict firewall.
    Udp,
    /// TCP.
    Tcp,
    /// Anything.
    All,
}
