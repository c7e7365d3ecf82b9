//! Where the simulation's accidents come from: a seed, and nothing else.

/// Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (2014).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        // Neighbouring seeds must not make neighbouring runs.
        let mut chance = Chance(seed.wrapping_mul(0xd134_2543_de82_ef95));
        chance.next();
        chance
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `end - 1`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    pub(super) fn permille(&mut self, chances: u64) -> bool {
        self.below(1000) < chances
    }

    pub(super) fn pick(&mut self, from: &[u64]) -> u64 {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}

/// How bad things are while faults last. Times are milliseconds, chances permille of frames.
#[derive(Debug, Clone)]
pub(super) struct Weather {
    pub(super) latency_max: u64,
    pub(super) loss: u64,
    pub(super) duplicates: u64,
    /// A frame that may be overtaken by those behind it.
    pub(super) overtaken: u64,
    /// A frame that is held up for as much as a minute.
    pub(super) stalled: u64,
    /// A close that the other side does not hear of.
    pub(super) close_lost: u64,
    pub(super) fsync_max: u64,
    /// An opening that is refused as "unavailable".
    pub(super) busy: u64,
    /// The mean time between orders for one agent.
    pub(super) order_every: u64,
    pub(super) burst_max: u64,
    /// The mean time between two faults of a kind; 0 is never.
    pub(super) cut_every: u64,
    pub(super) partition_every: u64,
    pub(super) agent_restart_every: u64,
    pub(super) hub_restart_every: u64,
    /// Permille of agent restarts that lose the spool.
    pub(super) spool_lost: u64,
    /// Permille of agent restarts that come back with an older copy of the spool.
    pub(super) spool_restored: u64,
}

impl Weather {
    pub(super) fn draw(chance: &mut Chance) -> Self {
        Weather {
            latency_max: chance.pick(&[5, 50, 400]),
            loss: chance.pick(&[0, 0, 2, 20, 100]),
            duplicates: chance.pick(&[0, 0, 5, 30]),
            overtaken: chance.pick(&[0, 0, 5, 50]),
            stalled: chance.pick(&[0, 0, 2, 20]),
            close_lost: chance.pick(&[0, 200, 700]),
            fsync_max: chance.pick(&[2, 30, 1_500]),
            busy: chance.pick(&[0, 0, 100, 400]),
            order_every: chance.pick(&[2_000, 10_000, 60_000]),
            burst_max: chance.pick(&[1, 1, 3, 3, 20, 20, 700]),
            cut_every: chance.pick(&[0, 15_000, 90_000]),
            partition_every: chance.pick(&[0, 60_000, 240_000]),
            agent_restart_every: chance.pick(&[0, 60_000, 240_000]),
            hub_restart_every: chance.pick(&[0, 90_000, 300_000]),
            spool_lost: chance.pick(&[0, 0, 100, 300]),
            spool_restored: chance.pick(&[0, 0, 100, 300]),
        }
    }

    /// A good line, and nothing breaks.
    pub(super) fn calm() -> Self {
        Weather {
            latency_max: 20,
            loss: 0,
            duplicates: 0,
            overtaken: 0,
            stalled: 0,
            close_lost: 0,
            fsync_max: 20,
            busy: 0,
            order_every: 0,
            burst_max: 1,
            cut_every: 0,
            partition_every: 0,
            agent_restart_every: 0,
            hub_restart_every: 0,
            spool_lost: 0,
            spool_restored: 0,
        }
    }

    /// Whether a spool is ever another than the one that the hub spoke with last.
    pub(super) fn keeps_spools(&self) -> bool {
        self.agent_restart_every == 0 || (self.spool_lost == 0 && self.spool_restored == 0)
    }
}
