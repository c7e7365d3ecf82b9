//! One identity on two PCs: a disk that was copied.
//!
//! Each program draws an id when it begins, and tells it before its greeting. Sessions of an agent that come from one
//! program, then from another, are a PC that was replaced or started again. From one, another, and the *first again* while
//! the other's session is there: both are running, since no program has the id of one that ended. That is the only proof
//! that is taken, so a disk that was moved to another PC just works.
//!
//! One of the two is kept: the one on the PC that the certificate was first seen on, and where that does not tell, the
//! program that was there first. The other is refused, and again with each attempt, as long as the kept one is there or was
//! within [`ABSENT_MAX`]. Then it is let in: better a copy than a store without orders.
//!
//! All of this is in memory. A hub that starts again sees the same within two attempts.

use docket_protocol::ids::AgentId;
use docket_protocol::session::REFUSED_PAUSE;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long the kept one may be away before the other is let in.
const ABSENT_MAX: Duration = Duration::from_secs(60);
/// Without an attempt of the refused one for so long, it is off: it tries at least every [`REFUSED_PAUSE`].
const OVER_AFTER: Duration = Duration::from_secs(2 * REFUSED_PAUSE.as_secs() + 60);
/// Programs that are remembered of an agent.
const SEEN_MAX: usize = 8;

/// A running program of an agent, and where it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Its id.
    pub process: [u8; 16],
    /// Its PC.
    pub machine: Option<[u8; 32]>,
    /// That PC's name.
    pub host: String,
    /// Where it comes from.
    pub address: SocketAddr,
}

/// What is known of all agents.
#[derive(Debug, Default)]
pub(super) struct Clones(HashMap<AgentId, Known>);

#[derive(Debug, Default)]
struct Known {
    /// In the order in which they were first seen.
    seen: VecDeque<Sighting>,
    /// Whose session was opened last.
    last: Option<[u8; 16]>,
    contest: Option<Contest>,
}

/// Two that are running.
#[derive(Debug, Clone)]
pub struct Contest {
    /// The one that has the link.
    pub kept: Sighting,
    /// The one that is refused.
    pub refused: Sighting,
    kept_at: Instant,
    refused_at: Instant,
}

impl Clones {
    /// Whether this program may open a session. `is_live`: another session of the agent is there. `own` is the PC that its
    /// certificate was first seen on.
    pub(super) fn admit(
        &mut self,
        agent: &AgentId,
        own: Option<&[u8]>,
        now: Sighting,
        is_live: bool,
        at: Instant,
    ) -> bool {
        let known = self.0.entry(agent.clone()).or_default();
        if let Some(contest) = &mut known.contest {
            if is_live && known.last == Some(contest.kept.process) {
                contest.kept_at = at;
            }
            if now.process == contest.kept.process || contest.is_kept_pc(&now) {
                contest.kept = now.clone();
                contest.kept_at = at;
            } else if now.process == contest.refused.process || contest.is_refused_pc(&now) {
                if at.saturating_duration_since(contest.kept_at) <= ABSENT_MAX {
                    contest.refused = now;
                    contest.refused_at = at;
                    return false;
                }
                known.contest = None;
                known.seen.clear();
            }
        }
        let is_back =
            known.last != Some(now.process) && known.seen.iter().any(|seen| seen.process == now.process);
        let other = known.seen.iter().find(|seen| Some(seen.process) == known.last).cloned();
        if let (true, true, None, Some(other)) = (is_back, is_live, &known.contest, other) {
            let is_own =
                |sighting: &Sighting| own.is_some() && sighting.machine.as_ref().map(|m| &m[..]) == own;
            let first = known.seen.iter().find(|seen| [now.process, other.process].contains(&seen.process));
            let was_first = first.is_some_and(|first| first.process == now.process);
            let keeps_now = match (is_own(&now), is_own(&other)) {
                (true, false) => true,
                (false, true) => false,
                (true, true) | (false, false) => was_first,
            };
            let (kept, refused) = if keeps_now { (now.clone(), other) } else { (other, now.clone()) };
            known.contest = Some(Contest { kept, refused, kept_at: at, refused_at: at });
            if !keeps_now {
                return false;
            }
        }
        known.opens(now);
        true
    }

    /// Whether this program is refused while another of the agent's is kept.
    pub(super) fn is_refused(&self, agent: &AgentId, process: [u8; 16]) -> bool {
        let contest = self.0.get(agent).and_then(|known| known.contest.as_ref());
        contest.is_some_and(|contest| contest.refused.process == process)
    }

    /// Agents of which two are running.
    pub(super) fn standing(&mut self, at: Instant) -> Vec<(AgentId, Contest)> {
        for known in self.0.values_mut() {
            known.contest.take_if(|contest| at.saturating_duration_since(contest.refused_at) > OVER_AFTER);
        }
        let standing = |(agent, known): (&AgentId, &Known)| Some((agent.clone(), known.contest.clone()?));
        self.0.iter().filter_map(standing).collect()
    }
}

impl Known {
    fn opens(&mut self, now: Sighting) {
        self.last = Some(now.process);
        match self.seen.iter_mut().find(|seen| seen.process == now.process) {
            Some(seen) => *seen = now,
            None => {
                if self.seen.len() >= SEEN_MAX {
                    self.seen.pop_front();
                }
                self.seen.push_back(now);
            }
        }
    }
}

impl Contest {
    /// Its program was started again.
    fn is_kept_pc(&self, now: &Sighting) -> bool {
        now.machine.is_some() && now.machine == self.kept.machine && now.machine != self.refused.machine
    }

    fn is_refused_pc(&self, now: &Sighting) -> bool {
        now.machine.is_some() && now.machine == self.refused.machine && now.machine != self.kept.machine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        clones: Clones,
        at: Instant,
        own: Option<[u8; 32]>,
    }

    fn pc(machine: u8) -> impl Fn(u8) -> Sighting {
        move |process| Sighting {
            process: [process; 16],
            machine: Some([machine; 32]),
            host: format!("pc{machine}"),
            address: ([10, 0, 0, machine], 1).into(),
        }
    }

    impl World {
        fn new(own: Option<u8>) -> Self {
            World { clones: Clones::default(), at: Instant::now(), own: own.map(|own| [own; 32]) }
        }

        fn comes(&mut self, now: Sighting, is_live: bool) -> bool {
            let own = self.own.as_ref().map(|own| &own[..]);
            self.clones.admit(&AgentId::new("a"), own, now, is_live, self.at)
        }

        fn refused(&mut self) -> Vec<String> {
            let standing = self.clones.standing(self.at);
            standing.into_iter().map(|(_, contest)| contest.refused.host).collect()
        }
    }

    #[test]
    fn restarts_and_a_moved_disk_are_no_clones() {
        let (one, two) = (pc(1), pc(2));
        let mut world = World::new(Some(1));
        for (now, is_live) in
            [(one(1), false), (one(1), true), (one(2), true), (two(3), true), (two(4), false)]
        {
            assert!(world.comes(now, is_live));
        }
        assert!(world.comes(one(2), false), "the other is off");
        assert_eq!(world.refused(), [""; 0]);
    }

    #[test]
    fn the_pc_that_was_enrolled_is_kept_whoever_was_first() {
        let (one, two) = (pc(1), pc(2));
        let mut world = World::new(Some(1));
        assert!(world.comes(two(2), false) && world.comes(one(1), true));
        assert!(!world.comes(two(2), true), "it is the copy");
        assert!(world.clones.is_refused(&AgentId::new("a"), [2; 16]));
        assert_eq!(world.refused(), ["pc2"]);
        assert!(!world.comes(two(3), true), "started again it is the same copy");
        assert!(world.comes(one(4), false), "and this is the same PC");
        assert!(!world.comes(two(3), true));
    }

    #[test]
    fn on_one_pc_the_first_program_is_kept() {
        let one = pc(1);
        let mut world = World::new(Some(1));
        assert!(world.comes(one(1), false) && world.comes(one(2), true));
        assert!(world.comes(one(1), true));
        assert!(!world.comes(one(2), true));
    }

    #[test]
    fn the_copy_is_let_in_when_the_other_is_gone_and_forgotten_when_it_is_off() {
        let (one, two) = (pc(1), pc(2));
        let mut world = World::new(None);
        assert!(world.comes(one(1), false) && world.comes(two(2), true) && world.comes(one(1), true));
        world.at += ABSENT_MAX + Duration::from_secs(1);
        assert!(!world.comes(two(2), true), "the other is there");
        world.at += ABSENT_MAX;
        assert!(!world.comes(two(2), false), "it was a moment ago");
        world.at += Duration::from_secs(1);
        assert!(world.comes(two(2), false), "a store without orders");
        assert_eq!(world.refused(), [""; 0]);

        let mut world = World::new(None);
        assert!(world.comes(one(1), false) && world.comes(two(2), true) && world.comes(one(1), true));
        assert_eq!(world.refused(), ["pc2"]);
        world.at += OVER_AFTER + Duration::from_secs(1);
        assert_eq!(world.refused(), [""; 0]);
    }
}
