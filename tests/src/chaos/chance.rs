//! Where the simulation's accidents come from: a seed, and nothing else.

/// Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (2014).
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    /// All that it draws follows from `seed`.
    pub fn new(seed: u64) -> Self {
        // Neighbouring seeds must not make neighbouring runs.
        let mut chance = Chance(seed.wrapping_mul(0xd134_2543_de82_ef95));
        chance.roll();
        chance
    }

    /// Any number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// All that is to come follows from this.
    pub(super) fn state(&self) -> u64 {
        self.0
    }

    /// From 0 to `end - 1`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    pub(super) fn permille(&mut self, chances: u64) -> bool {
        self.below(1000) < chances
    }

    pub(super) fn pick(&mut self, from: &[u64]) -> u64 {
        from[self.below(from.len() as u64) as usize]
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
        }
    }
}
