//! Whether the connection in use still leads to the hub. No I/O and no clock.
//!
//! A path that has broken says nothing, and what was sent into it is repeated at ever longer distances: after 20 s
//! without a network, QUIC and TCP both look again only up to 20 s later. So the connection is looked at every
//! [`LOOK_EVERY`], and there is [`Doubt`] when what was said is not answered, when nothing is heard although a living
//! connection would have said something, when the PC has another address towards the hub, or when the program itself
//! stood still: a PC that slept.
//!
//! Whatever the doubt, the remedy is one: another connection is made beside the one in use, and takes its place once it
//! stands. Until then the one in use is used. So a doubt that was wrong costs a handshake, and one that was right has
//! cost nothing that the next session does not send again. Rejected: to give the connection up at once (a network that
//! loses three packets in ten would never keep one), and `quinn::Endpoint::rebind` (the hub goes on to wait for what it
//! had sent into the old path, and TCP has no such thing).
//!
//! A doubt after which the connection in use was heard all the same was wrong: the next one takes twice as long, up to
//! [`PATIENCE_TIMES_MAX`], and a session that was quiet about it for [`CALM`] makes it short again.

use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How often the connection is looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What an answer may take, where round trips are short.
pub const ANSWER_MIN: Duration = Duration::from_secs(2);
/// Round trips that an answer may take: the first, and repeats.
const ANSWER_ROUND_TRIPS: u32 = 4;
/// A look that comes so late was not made in time because nothing was.
pub const STOOD_STILL_MIN: Duration = Duration::from_secs(5);
/// How much longer is waited after doubts that were wrong.
pub const PATIENCE_TIMES_MAX: u32 = 8;
/// Without a doubt for so long, the next one is as soon as ever.
pub const CALM: Duration = Duration::from_secs(120);

/// What is seen of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Grows with whatever comes.
    pub heard: u64,
    /// Grows when the hub confirms what was said; `None` where the transport does not show it.
    pub answered: Option<u64>,
    /// Grows with what is said.
    pub said: u64,
    /// How long a round trip takes, as far as the transport knows.
    pub round_trip: Duration,
    /// The PC's own address towards the hub; `None` where there is no way.
    pub own: Option<IpAddr>,
    /// How long a living connection is silent at most.
    pub beat: Duration,
    /// A clock that counts while the PC sleeps; only differences mean anything.
    pub clock: Duration,
}

/// Why the connection may lead nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// What was said is not answered.
    Unanswered,
    /// Nothing is heard.
    Silent,
    /// The PC's address is another, or there is a way again.
    Moved,
    /// The program stood still.
    StoodStill,
    /// The certificate in use is a former one: the hub waits for the new one to be used.
    Renewed,
}

impl Doubt {
    /// Whether something has happened, rather than nothing.
    pub fn is_news(self) -> bool {
        match self {
            Doubt::Moved | Doubt::StoodStill | Doubt::Renewed => true,
            Doubt::Unanswered | Doubt::Silent => false,
        }
    }

    /// As logs name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Doubt::Unanswered => "unanswered",
            Doubt::Silent => "silent",
            Doubt::Moved => "moved",
            Doubt::StoodStill => "stood-still",
            Doubt::Renewed => "renewed",
        }
    }
}

/// What is known of the connection in use.
#[derive(Debug)]
pub struct Pulse {
    last: Option<Look>,
    look_at: Instant,
    heard_at: Instant,
    unanswered_since: Option<Instant>,
    doubted_at: Option<Instant>,
    patience_times: u32,
}

impl Pulse {
    /// Of a connection that begins now.
    pub fn new(now: Instant) -> Self {
        Pulse {
            last: None,
            look_at: now,
            heard_at: now,
            unanswered_since: None,
            doubted_at: None,
            patience_times: 1,
        }
    }

    /// Another connection is in use from now on. What earlier ones taught of patience stays.
    pub fn replaced(&mut self, now: Instant) {
        *self = Pulse { patience_times: self.patience_times, doubted_at: self.doubted_at, ..Pulse::new(now) };
    }

    /// When [`Pulse::looked`] wants to be called.
    pub fn look_at(&self) -> Instant {
        self.look_at
    }

    /// This is seen now. That nothing is heard is told again at each look, the others once.
    pub fn looked(&mut self, now: Instant, look: Look) -> Option<Doubt> {
        self.look_at = now + LOOK_EVERY;
        let last = self.last.replace(look).unwrap_or(look);
        if look.heard != last.heard {
            self.heard(now);
        }
        // What was said and answered between two looks may have been so in either order: the benefit of the doubt.
        if look.answered != last.answered {
            self.unanswered_since = None;
        } else if look.said != last.said && look.answered.is_some() {
            self.unanswered_since.get_or_insert(now);
        }
        let answer = ANSWER_MIN.max(look.round_trip * ANSWER_ROUND_TRIPS) * self.patience_times;
        let is_over = |since: Instant, limit: Duration| now.saturating_duration_since(since) >= limit;
        let doubt = if look.clock.saturating_sub(last.clock) >= STOOD_STILL_MIN {
            Some(Doubt::StoodStill)
        } else if look.own != last.own && look.own.is_some() {
            Some(Doubt::Moved)
        } else if self.unanswered_since.is_some_and(|since| is_over(since, answer)) {
            Some(Doubt::Unanswered)
        } else if is_over(self.heard_at, look.beat + answer) {
            Some(Doubt::Silent)
        } else {
            None
        };
        if doubt.is_some() {
            self.doubted_at = Some(now);
        }
        doubt
    }

    fn heard(&mut self, now: Instant) {
        if let Some(doubted_at) = self.doubted_at {
            let was_wrong = self.heard_at < doubted_at;
            if was_wrong {
                self.patience_times = (self.patience_times * 2).min(PATIENCE_TIMES_MAX);
            } else if now.saturating_duration_since(doubted_at) >= CALM {
                self.patience_times = 1;
                self.doubted_at = None;
            }
        }
        self.heard_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const BEAT: Duration = Duration::from_secs(4);
    const ROUND_TRIP: Duration = Duration::from_millis(40);

    /// A connection, looked at every second.
    struct Watched {
        pulse: Pulse,
        now: Instant,
        look: Look,
    }

    impl Watched {
        fn new() -> Self {
            let now = Instant::now();
            let own = Some(Ipv4Addr::new(192, 168, 1, 20).into());
            let clock = Duration::from_secs(1_000);
            let look =
                Look { heard: 1, answered: Some(1), said: 1, round_trip: ROUND_TRIP, own, beat: BEAT, clock };
            let mut watched = Watched { pulse: Pulse::new(now), now, look };
            assert_eq!(watched.second(|_| {}), None);
            assert_eq!(watched.second(beat), None);
            watched
        }

        /// What is doubted a second later, in which this happened.
        fn second(&mut self, what: impl FnOnce(&mut Look)) -> Option<Doubt> {
            self.now += LOOK_EVERY;
            self.look.clock += LOOK_EVERY;
            what(&mut self.look);
            assert!(self.now >= self.pulse.look_at());
            self.pulse.looked(self.now, self.look)
        }

        /// After how many seconds without a sign there is a doubt, and which.
        fn silence(&mut self) -> (u64, Doubt) {
            (1..100).find_map(|s| Some((s, self.second(|_| {})?))).expect("nothing is doubted")
        }
    }

    fn beat(look: &mut Look) {
        look.heard += 1;
        look.answered = look.answered.map(|answered| answered + 1);
    }

    fn say(look: &mut Look) {
        look.said += 100;
    }

    #[test]
    fn a_connection_that_beats_and_answers_is_not_doubted() {
        let mut watched = Watched::new();
        for _ in 0..100 {
            for _ in 0..3 {
                assert_eq!(watched.second(|_| {}), None);
            }
            assert_eq!(watched.second(beat), None);
            // Said and answered within a second, with whatever came first.
            let both = |look: &mut Look| {
                say(look);
                beat(look);
            };
            assert_eq!(watched.second(both), None);
        }
    }

    #[test]
    fn what_is_not_answered_is_doubted_before_what_is_silent() {
        assert_eq!(Watched::new().silence(), (6, Doubt::Silent));
        let mut watched = Watched::new();
        assert_eq!(watched.second(say), None);
        assert_eq!(watched.silence(), (2, Doubt::Unanswered));
    }

    #[test]
    fn things_that_come_are_no_answer() {
        // Only one way is broken: from here to the hub.
        let mut watched = Watched::new();
        watched.second(say);
        assert_eq!(watched.second(|look| look.heard += 1), None);
        assert_eq!(watched.second(|look| look.heard += 1), Some(Doubt::Unanswered));
    }

    #[test]
    fn long_round_trips_are_given_their_time() {
        let mut watched = Watched::new();
        watched.second(|look| look.round_trip = Duration::from_secs(1));
        watched.second(say);
        assert_eq!(watched.silence(), (4, Doubt::Unanswered));
    }

    #[test]
    fn a_transport_that_shows_no_answers_is_doubted_by_its_silence() {
        let mut watched = Watched::new();
        watched.look.answered = None;
        watched.look.beat = Duration::from_secs(15);
        watched.second(beat);
        watched.second(say);
        assert_eq!(watched.silence(), (16, Doubt::Silent));
    }

    #[test]
    fn another_address_and_a_way_again_are_doubted_at_once_and_no_way_is_not() {
        let mut watched = Watched::new();
        let other = Some(Ipv4Addr::new(10, 0, 0, 7).into());
        assert_eq!(watched.second(|look| look.own = other), Some(Doubt::Moved));
        assert_eq!(watched.second(beat), None);
        assert_eq!(watched.second(|look| look.own = None), None);
        assert_eq!(watched.second(|look| look.own = other), Some(Doubt::Moved));
    }

    #[test]
    fn a_pc_that_slept_is_doubted_at_once() {
        let mut watched = Watched::new();
        assert_eq!(watched.second(|look| look.clock += Duration::from_secs(3_600)), Some(Doubt::StoodStill));
        assert_eq!(watched.second(beat), None);
    }

    #[test]
    fn wrong_doubts_come_later_each_time_and_soon_again_after_calm() {
        let mut watched = Watched::new();
        let mut taken = Vec::new();
        for _ in 0..5 {
            taken.push(watched.silence().0);
            watched.second(beat);
        }
        // 4 s, and 2 s for an answer that double up to eight times; each counts from the last beat.
        assert_eq!(taken, [6, 8, 12, 20, 20]);
        for _ in 0..CALM.as_secs() {
            watched.second(beat);
        }
        assert_eq!(watched.silence().0, 6);
    }

    #[test]
    fn a_right_doubt_changes_nothing_for_the_next_connection() {
        let mut watched = Watched::new();
        for _ in 0..5 {
            assert_eq!(watched.silence().0, 6);
            watched.pulse.replaced(watched.now);
        }
    }
}
