//! What one unit can do, and how that is known.
//!
//! Clones lie about who they are: an XP-S260M answers `GS I` with another maker's model. So nothing is concluded from
//! what a unit calls itself. Every ability is a [`Fact`] with its [`Source`], and a better source beats a worse one:
//!
//! 1. *pinned*: a person wrote it into the configuration;
//! 2. *probed*: this unit has shown it, in the probe at first contact (the agent's `printing::job`) or in its work;
//! 3. *documented*: the model, by its USB ids or as a person picked it, is known to ([`MODELS`]);
//! 4. *unverified*: assumed.
//!
//! # What is kept
//! Only what was probed, in the spool, by unit: the rest comes from the configuration and from this program with each
//! start. It is kept as words (`gs-h=yes gs-r=in-order`), so that a person can read it and a newer program may know
//! more words than an older one, which skips them.
//!
//! # How it heals
//! Another unit may stand at the same address tomorrow, or the same one with another firmware. So what was probed is
//! not believed for ever: a fence that does not come makes its fact unverified, and what a unit did *not* answer is
//! asked anew on each connection. One thing does not heal by itself: a unit that used to answer and now says nothing
//! at all gets no tickets, since a hung one looks just the same, and the tickets would be lost. There a person pins
//! `status = "none"`.

mod models;
mod pins;

pub use models::{MODELS, Model, by_usb_ids};
pub use pins::{FencePin, Pins, StatusPin};

use docket_paper::escpos::Dialect;
use std::fmt;

/// How a fact is known, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Assumed.
    Unverified,
    /// The model's documentation says so.
    Documented,
    /// This unit has shown it.
    Probed,
    /// A person says so.
    Pinned,
}

impl Source {
    /// In words: (zh-CN, en).
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Source::Unverified => ("未验证", "unverified"),
            Source::Documented => ("型号资料", "documented"),
            Source::Probed => ("实测", "probed"),
            Source::Pinned => ("人工指定", "pinned"),
        }
    }
}

/// Something that is held to be true, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fact<T> {
    /// What.
    pub value: T,
    /// Why.
    pub source: Source,
}

impl<T: Copy + PartialEq> Fact<T> {
    const fn assumed(value: T) -> Self {
        Self { value, source: Source::Unverified }
    }

    /// Takes a value, unless a better source has spoken; whether that changed anything.
    fn take(&mut self, value: T, source: Source) -> bool {
        let next = Self { value, source };
        let changes = source >= self.source && *self != next;
        if changes {
            *self = next;
        }
        changes
    }

    /// The unit has shown it; whether that is news.
    pub fn observe(&mut self, value: T) -> bool {
        self.take(value, Source::Probed)
    }

    /// What was probed is in doubt: whether it was.
    pub fn doubt(&mut self) -> bool {
        let was_probed = self.source == Source::Probed;
        if was_probed {
            self.source = Source::Unverified;
        }
        was_probed
    }

    /// Whether it is known from this unit, or by a person's word.
    pub fn is_settled(&self) -> bool {
        self.source >= Source::Probed
    }
}

/// Which of DLE EOT 1 to 4 a unit answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queries(pub [bool; 4]);

impl Queries {
    /// Each of them.
    pub const ALL: Self = Self([true; 4]);
    /// None of them.
    pub const NONE: Self = Self([false; 4]);

    /// Whether there is one.
    pub fn any(self) -> bool {
        self != Self::NONE
    }

    fn from_digits(digits: &str) -> Option<Self> {
        let mut queries = Self::NONE;
        for digit in digits.chars() {
            let number = digit.to_digit(10).filter(|number| (1..=4).contains(number))?;
            queries.0[number as usize - 1] = true;
        }
        Some(queries)
    }
}

impl fmt::Display for Queries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.any() {
            return f.write_str("none");
        }
        (1..).zip(self.0).filter(|(_, answers)| *answers).try_for_each(|(number, _)| write!(f, "{number}"))
    }
}

/// How a unit answers GS r 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transmit {
    /// Not at all.
    No,
    /// It does; whether only after what came before is printed has not been seen.
    Answers,
    /// When it has printed what came before, so that an answer is a proof.
    InOrder,
    /// As soon as it receives it, so that an answer proves nothing.
    AtOnce,
}

impl Transmit {
    fn word(self) -> &'static str {
        match self {
            Transmit::No => "no",
            Transmit::Answers => "answers",
            Transmit::InOrder => "in-order",
            Transmit::AtOnce => "at-once",
        }
    }
}

/// The fence that a ticket is sent with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FenceKind {
    /// GS ( H: a number comes back.
    Process,
    /// GS r 1: one byte comes back.
    Transmit,
}

/// What is known of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// Its model, where a person or its USB ids say so.
    pub model: Option<&'static Model>,
    /// Which real-time queries it answers.
    pub status: Fact<Queries>,
    /// Each of its answers comes only with the next one.
    pub late: Fact<bool>,
    /// It answers real-time queries while it prints, too.
    pub status_busy: Fact<bool>,
    /// It tells changes by itself (ASB).
    pub automatic: Fact<bool>,
    /// It answers GS ( H.
    pub process: Fact<bool>,
    /// How it answers GS r 1.
    pub transmit: Fact<Transmit>,
    /// It keeps what follows ESC @ in the same write: some clones empty their buffer at it.
    pub init_keeps: Fact<bool>,
    /// It has a cutter.
    pub cutter: Fact<bool>,
    /// It makes QR codes by itself (GS ( k).
    pub qr: Fact<bool>,
    /// It makes bar codes by itself (GS k).
    pub barcode: Fact<bool>,
    /// It has a buzzer (ESC B).
    pub buzzer: Fact<bool>,
    /// It has a Chinese font, and FS & turns it on.
    pub chinese: Fact<bool>,
    /// FS ! sets the size of Chinese characters.
    pub kanji_size: Fact<bool>,
    /// Dots across its paper; 0 is not known.
    pub dots: Fact<u16>,
}

impl Default for Profile {
    /// A unit of which nothing is known: it is asked everything, and trusted with what nearly all can do.
    fn default() -> Self {
        Self {
            model: None,
            status: Fact::assumed(Queries::NONE),
            late: Fact::assumed(false),
            status_busy: Fact::assumed(false),
            automatic: Fact::assumed(false),
            process: Fact::assumed(false),
            transmit: Fact::assumed(Transmit::No),
            init_keeps: Fact::assumed(false),
            cutter: Fact::assumed(true),
            qr: Fact::assumed(true),
            barcode: Fact::assumed(true),
            buzzer: Fact::assumed(true),
            chinese: Fact::assumed(true),
            kanji_size: Fact::assumed(true),
            dots: Fact::assumed(0),
        }
    }
}

impl Profile {
    /// Whether it is known to answer real-time queries: one that does and is silent gets no tickets.
    pub fn answers_status(&self) -> bool {
        self.status.is_settled() && self.status.value.any()
    }

    /// The best fence that it is known to have.
    pub fn fence(&self) -> Option<FenceKind> {
        if self.process.is_settled() && self.process.value {
            return Some(FenceKind::Process);
        }
        match self.transmit.value {
            // One byte says nothing about when it was said.
            _ if self.late.value => None,
            Transmit::Answers | Transmit::InOrder if self.transmit.is_settled() => Some(FenceKind::Transmit),
            Transmit::No | Transmit::Answers | Transmit::InOrder | Transmit::AtOnce => None,
        }
    }

    /// Whether its fences are to be probed on a new connection, since another unit may stand there by now: unless a
    /// person has decided.
    pub fn wants_fence_probe(&self) -> bool {
        self.process.source < Source::Pinned || self.transmit.source < Source::Pinned
    }

    /// Whether it is known to leave real-time queries without an answer while it prints.
    pub fn is_deaf_when_busy(&self) -> bool {
        self.status_busy.is_settled() && !self.status_busy.value
    }

    /// Whether it is to be seen if it keeps what follows ESC @. Only a numbered fence can tell.
    pub fn wants_init_probe(&self) -> bool {
        let is_decided = self.init_keeps.source == Source::Pinned || self.may_init_in_ticket();
        self.fence() == Some(FenceKind::Process) && !self.late.value && !is_decided
    }

    /// Whether ESC @ may stand in a ticket, between its cut and the fence that ends it.
    pub fn may_init_in_ticket(&self) -> bool {
        let is_fenced = self.fence() == Some(FenceKind::Process) && !self.late.value;
        is_fenced && self.init_keeps.is_settled() && self.init_keeps.value
    }

    /// What a ticket's bytes may count on.
    pub fn dialect(&self) -> Dialect {
        Dialect {
            chinese: self.chinese.value,
            kanji_size: self.kanji_size.value,
            qr: self.qr.value,
            barcode: self.barcode.value,
            buzzer: self.buzzer.value,
        }
    }

    /// What was probed, as the spool keeps it.
    pub fn to_words(&self) -> String {
        let probed = |source: Source| source == Source::Probed;
        let words = self.facts().into_iter().filter(|fact| probed(fact.source));
        words.map(|fact| format!("{}={}", fact.name, fact.value)).collect::<Vec<_>>().join(" ")
    }

    /// Takes what the spool has kept. Words of another program are skipped.
    pub fn take_words(&mut self, words: &str) {
        for (name, value) in words.split_whitespace().filter_map(|word| word.split_once('=')) {
            let flag = || match value {
                "yes" => Some(true),
                "no" => Some(false),
                _ => None,
            };
            match name {
                "status" => {
                    let queries =
                        if value == "none" { Some(Queries::NONE) } else { Queries::from_digits(value) };
                    queries.map(|queries| self.status.observe(queries));
                }
                "late" => drop(flag().map(|is_so| self.late.observe(is_so))),
                "status-busy" => drop(flag().map(|is_so| self.status_busy.observe(is_so))),
                "asb" => drop(flag().map(|is_so| self.automatic.observe(is_so))),
                "gs-h" => drop(flag().map(|is_so| self.process.observe(is_so))),
                "init-keeps" => drop(flag().map(|is_so| self.init_keeps.observe(is_so))),
                "gs-r" => {
                    let all = [Transmit::No, Transmit::Answers, Transmit::InOrder, Transmit::AtOnce];
                    let found = all.into_iter().find(|transmit| transmit.word() == value);
                    found.map(|transmit| self.transmit.observe(transmit));
                }
                _ => {}
            }
        }
    }

    /// Everything, for people.
    pub fn facts(&self) -> Vec<NamedFact> {
        let flag = |name, fact: Fact<bool>| NamedFact {
            name,
            value: if fact.value { "yes".into() } else { "no".into() },
            source: fact.source,
        };
        let mut facts = vec![
            NamedFact { name: "status", value: self.status.value.to_string(), source: self.status.source },
            flag("late", self.late),
            flag("status-busy", self.status_busy),
            flag("asb", self.automatic),
            flag("gs-h", self.process),
            NamedFact {
                name: "gs-r",
                value: self.transmit.value.word().into(),
                source: self.transmit.source,
            },
            flag("init-keeps", self.init_keeps),
            flag("cutter", self.cutter),
            flag("qr", self.qr),
            flag("barcode", self.barcode),
            flag("buzzer", self.buzzer),
            flag("chinese", self.chinese),
            flag("kanji-size", self.kanji_size),
        ];
        if self.dots.value > 0 {
            facts.push(NamedFact {
                name: "dots",
                value: self.dots.value.to_string(),
                source: self.dots.source,
            });
        }
        facts
    }
}

/// A fact as it is shown and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFact {
    /// `gs-h`
    pub name: &'static str,
    /// `yes`
    pub value: String,
    /// How it is known.
    pub source: Source,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_better_source_beats_a_worse_one() {
        let mut fact = Fact::assumed(false);
        assert!(fact.take(true, Source::Documented) && !fact.is_settled());
        assert!(fact.observe(false) && fact.is_settled());
        assert!(!fact.take(true, Source::Documented), "probed beats documented");
        assert!(fact.take(true, Source::Pinned) && !fact.observe(false), "pinned beats all");
        assert!(!fact.doubt(), "and is not doubted");
        assert_eq!(fact, Fact { value: true, source: Source::Pinned });
    }

    #[test]
    fn only_what_was_probed_is_kept_and_read_back() {
        let mut profile = Profile::default();
        assert_eq!(profile.to_words(), "");
        profile.status.observe(Queries([true, false, false, true]));
        profile.process.observe(false);
        profile.transmit.observe(Transmit::AtOnce);
        profile.late.take(true, Source::Pinned);
        let words = profile.to_words();
        assert_eq!(words, "status=14 gs-h=no gs-r=at-once");
        let mut read = Profile::default();
        read.take_words(&words);
        assert_eq!(read, Profile { late: Fact::assumed(false), ..profile });
        // Words of a newer program, and nonsense.
        let before = read;
        read.take_words("gs-x=yes gs-h=perhaps status=19 late gs-r=");
        assert_eq!(read, before);
    }

    #[test]
    fn the_best_fence_that_was_seen_is_used() {
        let mut profile = Profile::default();
        assert_eq!(profile.fence(), None);
        profile.transmit.observe(Transmit::Answers);
        assert_eq!((profile.fence(), profile.wants_init_probe()), (Some(FenceKind::Transmit), false));
        profile.process.observe(true);
        assert_eq!((profile.fence(), profile.wants_init_probe()), (Some(FenceKind::Process), true));
        profile.process.doubt();
        profile.transmit.observe(Transmit::AtOnce);
        assert_eq!((profile.fence(), profile.wants_init_probe()), (None, false));
    }

    #[test]
    fn only_what_a_fence_has_shown_lets_esc_at_into_a_ticket() {
        let mut profile = Profile::default();
        profile.process.observe(true);
        profile.init_keeps.observe(false);
        assert_eq!((profile.wants_init_probe(), profile.may_init_in_ticket()), (true, false));
        profile.init_keeps.observe(true);
        assert_eq!((profile.wants_init_probe(), profile.may_init_in_ticket()), (false, true));
        profile.process.observe(false);
        assert_eq!((profile.wants_init_probe(), profile.may_init_in_ticket()), (false, false));
        profile.process.observe(true);
        profile.init_keeps.take(false, Source::Pinned);
        assert_eq!((profile.wants_init_probe(), profile.may_init_in_ticket()), (false, false));
    }
}
