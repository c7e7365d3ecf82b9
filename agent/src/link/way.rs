//! Which way to the hub: QUIC, or TLS over TCP where UDP does not get through. It does no I/O and has no clock.
//!
//! QUIC is the first choice. TCP is tried when QUIC has not answered for [`HEAD_START`] (RFC 8305 does so with
//! addresses), so a store behind a firewall that drops UDP is live within seconds. Which of the two stands first says
//! little: a hub that comes up in mid-attempt answers whoever asks first. So the QUIC attempt that lost the race goes
//! on, and only when it ends in nothing is TCP the choice from then on ([`Ways::preferred`]), also of the next start:
//! the shell keeps it in the data folder.
//!
//! While TCP is in use, QUIC is tried again every 20 min or as configured, spread by half to either side so that the
//! stores of a chain do not ask at once. Only when it stands does the session go over to it.
//!
//! A network may let a handshake through and then nothing: sessions that fall silent within [`SOON`] of their beginning
//! are counted, and [`STALLS_MAX`] of them make TCP the choice too. Then a handshake proves little, and QUIC is tried
//! again at twice the distance with each further stall, until a session over it has lasted. One store's bad
//! minutes cost it at most that much of a slower transport, never an order.
//!
//! Where TCP is switched off there is one way, and nothing is decided here.

use docket_protocol::message::Transport;
use std::time::{Duration, Instant};

/// What the first choice gets before the other one is tried beside it: a handshake with one packet lost takes 1 s, on a
/// line with half a second of delay another.
pub const HEAD_START: Duration = Duration::from_secs(2);
/// A session that falls silent so soon has stalled; a later one has lasted.
pub const SOON: Duration = Duration::from_secs(300);
/// So many stalls in a row make TCP the choice.
pub const STALLS_MAX: u32 = 2;
/// How long after a failure QUIC is tried again at most, however often it has stalled.
pub const AGAIN_MAX: Duration = Duration::from_secs(6 * 3_600);

/// What the next attempt does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Begins at once.
    pub first: Transport,
    /// Begins [`HEAD_START`] later, or when the first has failed.
    pub second: Option<Transport>,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Nothing came any more.
    Silent,
    /// Anything else: closed by either side, refused, reset.
    Other,
}

#[derive(Debug, Clone, Copy)]
struct InUse {
    transport: Transport,
    since: Instant,
}

/// The policy of one agent, over all its sessions.
#[derive(Debug)]
pub struct Ways {
    tcp: bool,
    again: Duration,
    preferred: Transport,
    stalls: u32,
    in_use: Option<InUse>,
    probe_at: Option<Instant>,
    fallbacks: u32,
}

impl Ways {
    /// `kept` is what an earlier life preferred, `tcp` whether there is a second way, `again` how often QUIC is tried
    /// while TCP is in use.
    pub fn new(kept: Option<Transport>, tcp: bool, again: Duration) -> Self {
        Ways {
            tcp,
            again,
            preferred: kept.filter(|_| tcp).unwrap_or(Transport::Quic),
            stalls: 0,
            in_use: None,
            probe_at: None,
            fallbacks: 0,
        }
    }

    /// What the next attempt does.
    pub fn plan(&self) -> Plan {
        let second = match self.preferred {
            Transport::Quic => self.tcp.then_some(Transport::Tls),
            Transport::Tls => Some(Transport::Quic),
        };
        Plan { first: self.preferred, second }
    }

    /// A connection stands and is used from now on. `still_trying`: the QUIC attempt beside it goes on, and
    /// [`Ways::probe_failed`] or another `connected` will say how it ended. `chance` is drawn anew for each call.
    pub fn connected(&mut self, now: Instant, transport: Transport, still_trying: bool, chance: u64) {
        self.in_use = Some(InUse { transport, since: now });
        self.probe_at = None;
        match transport {
            Transport::Quic => self.preferred = Transport::Quic,
            Transport::Tls if still_trying => {}
            Transport::Tls => self.fall_back(now, chance),
        }
    }

    /// QUIC was tried beside TCP, in vain.
    pub fn probe_failed(&mut self, now: Instant, chance: u64) {
        if self.in_use.is_some_and(|used| used.transport == Transport::Tls) {
            self.fall_back(now, chance);
        }
    }

    /// The session in use is over.
    pub fn ended(&mut self, now: Instant, end: End) {
        self.probe_at = None;
        let Some(InUse { transport: Transport::Quic, since }) = self.in_use.take() else { return };
        if now.saturating_duration_since(since) >= SOON {
            self.stalls = 0;
        } else if end == End::Silent {
            self.stalls = self.stalls.saturating_add(1);
            if self.tcp && self.stalls >= STALLS_MAX {
                self.prefer_tcp();
            }
        }
    }

    /// When QUIC is to be tried beside the session in use.
    pub fn probe_at(&self) -> Option<Instant> {
        self.probe_at
    }

    /// It is being tried.
    pub fn probe_began(&mut self) {
        self.probe_at = None;
    }

    /// What the next start should begin with.
    pub fn preferred(&self) -> Transport {
        self.preferred
    }

    /// How often QUIC was given up for TCP.
    pub fn fallbacks(&self) -> u32 {
        self.fallbacks
    }

    fn fall_back(&mut self, now: Instant, chance: u64) {
        self.prefer_tcp();
        let doublings = self.stalls.saturating_sub(STALLS_MAX).min(16);
        let again = self.again.saturating_mul(1 << doublings).min(AGAIN_MAX.max(self.again));
        self.probe_at = Some(now + spread(again, chance));
    }

    fn prefer_tcp(&mut self) {
        if self.preferred != Transport::Tls {
            self.preferred = Transport::Tls;
            self.fallbacks = self.fallbacks.saturating_add(1);
        }
    }
}

/// Half as much to one and a half times as much.
fn spread(about: Duration, chance: u64) -> Duration {
    let span_ms = u64::try_from(about.as_millis()).unwrap_or(u64::MAX).max(1);
    about / 2 + Duration::from_millis(chance % span_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGAIN: Duration = Duration::from_secs(1_200);
    const QUIC_FIRST: Plan = Plan { first: Transport::Quic, second: Some(Transport::Tls) };
    const TCP_FIRST: Plan = Plan { first: Transport::Tls, second: Some(Transport::Quic) };

    fn ways() -> Ways {
        Ways::new(None, true, AGAIN)
    }

    fn secs(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    /// A session over QUIC that ends so.
    fn quic_session(ways: &mut Ways, at: Instant, lasted: Duration, end: End) {
        ways.connected(at, Transport::Quic, false, 0);
        ways.ended(at + lasted, end);
    }

    #[test]
    fn quic_is_first_until_it_has_failed_beside_a_session_over_tcp() {
        let now = Instant::now();
        let mut ways = ways();
        assert_eq!(ways.plan(), QUIC_FIRST);
        ways.connected(now, Transport::Tls, true, 0);
        assert_eq!((ways.preferred(), ways.probe_at(), ways.fallbacks()), (Transport::Quic, None, 0));
        ways.probe_failed(now + secs(7), 0);
        assert_eq!((ways.plan(), ways.fallbacks()), (TCP_FIRST, 1));
        // Where it had failed before, there is nothing to wait for.
        let mut ways = Ways::new(None, true, AGAIN);
        ways.connected(now, Transport::Tls, false, 0);
        assert_eq!((ways.plan(), ways.fallbacks()), (TCP_FIRST, 1));
    }

    #[test]
    fn a_hub_that_answers_tcp_a_moment_earlier_costs_no_store_its_quic() {
        let now = Instant::now();
        let mut ways = ways();
        ways.connected(now, Transport::Tls, true, 0);
        ways.connected(now + secs(1), Transport::Quic, false, 0);
        assert_eq!((ways.plan(), ways.fallbacks(), ways.probe_at()), (QUIC_FIRST, 0, None));
        // So too when TCP is lost before QUIC has an answer.
        ways.connected(now, Transport::Tls, true, 0);
        ways.ended(now + secs(1), End::Other);
        ways.probe_failed(now + secs(5), 0);
        assert_eq!((ways.plan(), ways.fallbacks()), (QUIC_FIRST, 0));
    }

    #[test]
    fn quic_is_tried_again_between_half_and_one_and_a_half_times_the_distance() {
        let now = Instant::now();
        for (chance, after) in [(0, AGAIN / 2), (599_999, secs(1_200)), (1_199_999, secs(1_800))] {
            let mut ways = ways();
            ways.connected(now, Transport::Tls, false, chance);
            let due = ways.probe_at().expect("a distance") - now;
            assert!(due.abs_diff(after) <= Duration::from_millis(1), "{due:?}, not {after:?}");
            ways.probe_began();
            assert_eq!(ways.probe_at(), None, "one at a time");
            ways.probe_failed(now + due + secs(9), chance);
            assert_eq!(ways.probe_at(), Some(now + due + secs(9) + due), "and again");
            assert_eq!(ways.fallbacks(), 1, "it had fallen back before");
            ways.ended(now + secs(4_000), End::Other);
            assert_eq!(ways.probe_at(), None, "the next attempt tries both anyway");
        }
    }

    #[test]
    fn a_probe_that_stands_brings_quic_back() {
        let now = Instant::now();
        let mut ways = ways();
        ways.connected(now, Transport::Tls, false, 0);
        ways.connected(now + AGAIN, Transport::Quic, false, 0);
        assert_eq!((ways.plan(), ways.probe_at()), (QUIC_FIRST, None));
    }

    #[test]
    fn sessions_that_stall_soon_and_again_make_tcp_the_choice() {
        let now = Instant::now();
        let mut ways = ways();
        quic_session(&mut ways, now, secs(45), End::Silent);
        assert_eq!(ways.plan(), QUIC_FIRST, "once may be the network itself");
        quic_session(&mut ways, now + secs(60), secs(45), End::Silent);
        assert_eq!((ways.plan(), ways.fallbacks()), (TCP_FIRST, 1));
        // A handshake brings it back, and the next stall puts it off at once, for twice as long.
        ways.connected(now + secs(120), Transport::Tls, false, 0);
        assert_eq!(ways.probe_at(), Some(now + secs(120) + AGAIN / 2));
        quic_session(&mut ways, now + secs(720), secs(45), End::Silent);
        assert_eq!((ways.plan(), ways.fallbacks()), (TCP_FIRST, 2));
        ways.connected(now + secs(800), Transport::Tls, false, 0);
        assert_eq!(ways.probe_at(), Some(now + secs(800) + AGAIN));
    }

    #[test]
    fn what_lasted_or_was_closed_has_not_stalled() {
        let now = Instant::now();
        let mut ways = ways();
        for _ in 0..5 {
            quic_session(&mut ways, now, SOON, End::Silent);
            quic_session(&mut ways, now, secs(1), End::Other);
        }
        quic_session(&mut ways, now, secs(1), End::Silent);
        quic_session(&mut ways, now, SOON, End::Other);
        quic_session(&mut ways, now, secs(1), End::Silent);
        assert_eq!((ways.plan(), ways.fallbacks()), (QUIC_FIRST, 0));
    }

    #[test]
    fn however_often_it_stalls_it_is_tried_again_within_the_bound() {
        let mut now = Instant::now();
        let mut ways = ways();
        for _ in 0..100 {
            quic_session(&mut ways, now, secs(45), End::Silent);
            ways.connected(now, Transport::Tls, false, u64::MAX);
            let Some(due) = ways.probe_at() else { continue };
            assert!(due - now <= AGAIN_MAX * 3 / 2, "{:?}", due - now);
            now = due;
        }
    }

    #[test]
    fn what_was_kept_is_where_the_next_life_begins() {
        let ways = Ways::new(Some(Transport::Tls), true, AGAIN);
        assert_eq!((ways.plan(), ways.fallbacks()), (TCP_FIRST, 0));
    }

    #[test]
    fn without_tcp_there_is_one_way_whatever_was_kept() {
        let now = Instant::now();
        let mut ways = Ways::new(Some(Transport::Tls), false, AGAIN);
        for _ in 0..5 {
            assert_eq!(ways.plan(), Plan { first: Transport::Quic, second: None });
            quic_session(&mut ways, now, secs(1), End::Silent);
        }
        assert_eq!(ways.fallbacks(), 0);
    }
}
