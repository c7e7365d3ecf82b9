//! The job machine, question by question, in simulated time.

use docket_agent::printing::asking::ANSWER_MS_MAX;
use docket_agent::printing::health::Conditions;
use docket_agent::printing::job::{
    AT_ONCE_TICKETS, CUT_MS_MIN, CUT_WAIT_MS_MAX, Event, IDLE_POLL_MS, LINE_MS_MAX, Lost, Machine,
    NO_FENCE_WAIT_MS, POLL_MS, PREFLIGHT_FRESH_MS, PREFLIGHT_MS_MAX, SENT_WAIT_MS, SETTLE_MS_MAX,
    SILENT_IDLE_MS_MAX, SILENT_MS_MAX,
};
use docket_agent::printing::profile::{FenceKind, Pins, Profile, Transmit};
use docket_agent::spool::Ending;
use docket_protocol::outcome::{Doubt, Evidence};
use docket_protocol::printer::Condition;
use std::time::{Duration, Instant};

const CLEAN: [u8; 4] = [0x12; 4];
const COVER_OPEN: [u8; 4] = [0x1A, 0x16, 0x12, 0x12];
const CUTTER: [u8; 4] = [0x1A, 0x52, 0x1A, 0x12];
const ESC_AT: [u8; 2] = [0x1B, 0x40];
const QUERIES: [u8; 12] = [0x10, 4, 1, 0x10, 4, 2, 0x10, 4, 3, 0x10, 4, 4];
const INIT: [u8; 5] = [0x1B, 0x40, 0x1D, 0x61, 0xFF];
const PROCESS: [u8; 7] = [0x1D, 0x28, 0x48, 6, 0, 0x30, 0x30];
const TRANSMIT: [u8; 3] = [0x1D, 0x72, 0x01];
/// What a unit with everything has shown.
const KNOWN: &str = "status=1234 gs-h=yes gs-r=in-order init-keeps=yes";
/// The same, but for one that empties its buffer at ESC @.
const INIT_CLEARS: &str = "status=1234 gs-h=yes gs-r=in-order init-keeps=no";
const WITH_GS_R: &str = "status=1234 gs-h=no gs-r=answers";
const NEW: &str = "";
const FENCED: Event = Event::Ended(Ending::Printed(Evidence::Fence));
const BY_STATUS: Event = Event::Ended(Ending::Printed(Evidence::Status));
const SENT: Event = Event::Ended(Ending::Printed(Evidence::Sent));
const SILENT: [Event; 2] = [Event::Ended(Ending::Unknown(Doubt::PrinterSilent)), Event::Close];

fn known(words: &str) -> Profile {
    Pins::default().profile(None, words)
}

struct Play {
    machine: Machine,
    start: Instant,
    now: Instant,
    events: Vec<Event>,
    profile: Profile,
    serial: u64,
    /// Answers to each round of queries, as long as it says anything.
    status: Option<[u8; 4]>,
    /// Whether it answers GS ( H, GS r in a probe.
    fences: (bool, bool),
    /// Whether it answers what follows ESC @.
    keeps: bool,
}

impl Play {
    fn new(words: &str, status: Option<[u8; 4]>) -> Self {
        let has_process = words == KNOWN || words == INIT_CLEARS;
        let mut play = Self::with(known(words), status, (has_process, words == WITH_GS_R), false);
        // Where it is known to keep nothing, it is asked anew.
        play.pass(ANSWER_MS_MAX + 1);
        play
    }

    fn with(profile: Profile, status: Option<[u8; 4]>, fences: (bool, bool), owed: bool) -> Self {
        let now = Instant::now();
        let machine = Machine::new(profile, owed, now);
        let keeps = profile.init_keeps.value || !profile.init_keeps.is_settled();
        let mut play =
            Self { machine, start: now, now, events: Vec::new(), profile, serial: 0, status, fences, keeps };
        play.flush();
        play
    }

    /// The operating system takes what there is, and the unit answers the queries and probes in it.
    fn flush(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while !self.machine.to_send().is_empty() {
            let bytes = self.machine.to_send().to_vec();
            self.machine.sent(bytes.len(), self.now);
            let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
            if has(b"[__]") {
                if self.fences.1 && has(&TRANSMIT) {
                    self.say(&[0]);
                }
                if self.fences.0 {
                    self.say(b"\x37\x22[__]\0");
                }
                if self.fences.1 {
                    self.say(&[0]);
                }
            }
            if self.keeps && has(b"]__[") {
                self.say(b"\x37\x22]__[\0");
            }
            for query in bytes.windows(3).filter(|window| window[..2] == [0x10, 0x04]) {
                if let Some(status) = self.status {
                    self.say(&[status[usize::from(query[2]) - 1]]);
                }
            }
            all.extend(bytes);
        }
        all
    }

    fn say(&mut self, bytes: &[u8]) {
        self.machine.received(bytes, self.now);
        self.gather();
    }

    fn gather(&mut self) {
        while let Some(event) = self.machine.poll_event() {
            match event {
                Event::Learned(profile) => self.profile = profile,
                event => self.events.push(event),
            }
        }
    }

    fn pass(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while self.machine.timeout() < end {
            self.now = self.now.max(self.machine.timeout());
            self.machine.handle_timeout(self.now);
            self.gather();
            self.flush();
        }
        self.now = end;
        self.machine.handle_timeout(self.now);
        self.gather();
        self.flush();
    }

    /// Begins a ticket and hands its bytes over.
    fn begin(&mut self) -> Vec<u8> {
        self.machine.get_ready(self.now);
        self.flush();
        assert!(self.machine.is_ready(self.now), "{:?}", self.machine);
        self.serial += 1;
        self.machine.begin(b"content\n", &[], self.serial, self.now);
        self.flush()
    }

    /// The same; the answers to its two fences.
    fn begin_fenced(&mut self) -> [Vec<u8>; 2] {
        answers_in(&self.begin())
    }

    fn shows(&self, condition: Condition) -> bool {
        self.machine.conditions().contains(condition)
    }

    fn ended(&self) -> Vec<Event> {
        self.events.iter().copied().filter(|event| !matches!(event, Event::OnPaper(_))).collect()
    }
}

#[test]
fn one_write_holds_all_of_a_ticket_and_nothing_that_could_lose_it() {
    let [content, first, cut, second]: [&[u8]; 4] =
        [b"content\n\n\n", b"\x1D(H\x06\x00001111", b"\x1DVB\x00", b"\x1D(H\x06\x00001113"];
    for (words, expected) in [
        (KNOWN, [content, first, cut, &INIT, second, &QUERIES].concat()),
        (INIT_CLEARS, [&INIT[2..], content, first, cut, second].concat()),
    ] {
        let mut play = Play::new(words, Some(CLEAN));
        play.machine.get_ready(play.now);
        play.flush();
        assert!(play.machine.is_ready(play.now));
        play.machine.begin(b"content\n", &[], 0, play.now);
        assert_eq!(play.machine.to_send(), expected, "{words}");
    }
}

#[test]
fn what_follows_esc_at_is_seen_before_it_stands_in_a_ticket() {
    let mut play = Play::with(known("status=1234 gs-h=yes"), Some(CLEAN), (true, false), false);
    assert_eq!(play.profile.to_words(), "status=1234 gs-h=yes init-keeps=yes");
    play.machine.get_ready(play.now);
    assert!(play.machine.is_ready(play.now), "and the answers are fresh");
    // One that is known to lose it may be another one by now.
    let mut play = Play::new(INIT_CLEARS, Some(CLEAN));
    assert!(!play.begin().windows(2).any(|window| window == ESC_AT));
    play.keeps = true;
    let again = Play::with(play.profile, Some(CLEAN), (true, false), false);
    assert!(!again.machine.profile().init_keeps.value, "it has not answered yet");
}

#[test]
fn a_unit_that_loses_what_follows_esc_at_loses_no_ticket_and_is_found_out() {
    let mut play = Play::new(KNOWN, Some(CLEAN));
    let [first, _] = play.begin_fenced();
    play.say(&first);
    play.pass(CUT_WAIT_MS_MAX - 1);
    assert_eq!(play.events, [Event::OnPaper(Evidence::Fence)]);
    play.pass(1 + POLL_MS);
    assert_eq!((play.ended(), play.profile.init_keeps.value), (vec![FENCED], false));
    let [first, second] = play.begin_fenced();
    play.say(&[first, second].concat());
    assert_eq!(play.ended(), [FENCED; 2]);
}

#[test]
fn a_new_unit_is_asked_what_it_knows_before_its_first_ticket() {
    let now = Instant::now();
    let mut machine = Machine::new(known(NEW), false, now);
    assert_eq!(machine.to_send(), [&[0; 16][..], &INIT, &QUERIES].concat());
    machine.sent(machine.to_send().len(), now);
    machine.received(&CLEAN, now);
    assert_eq!(
        machine.to_send(),
        b"\x1Dr\x01\x1D(H\x06\x0000[__]\x1Dr\x01",
        "only once it is known to be well"
    );
    machine.sent(machine.to_send().len(), now);
    machine.get_ready(now);
    assert!(!machine.is_ready(now));
    machine.received(b"\x00\x37\x22[__]\x00", now);
    let behind_init: [&[u8]; 2] = [&INIT, b"\x1D(H\x06\x0000]__["];
    assert_eq!(machine.to_send(), behind_init.concat(), "what it may have printed is cleared");
    machine.sent(machine.to_send().len(), now);
    machine.received(b"\x37\x22]__[\x00", now);
    assert_eq!(machine.to_send(), QUERIES);
    assert!(machine.is_ready(now), "it has just said how it is, and has spoken since ESC @");
    assert_eq!(machine.profile().to_words(), "status=1234 gs-h=yes gs-r=answers init-keeps=yes");
}

#[test]
fn what_a_unit_does_not_answer_is_not_sent_with_its_tickets() {
    for (fences, kind, facts) in [
        ((true, false), Some(FenceKind::Process), "status=1234 gs-h=yes init-keeps=yes"),
        ((false, true), Some(FenceKind::Transmit), "status=1234 gs-h=no gs-r=answers"),
        ((false, false), None, "status=1234 gs-h=no gs-r=no"),
    ] {
        let mut play = Play::with(known(NEW), Some(CLEAN), fences, false);
        play.pass(ANSWER_MS_MAX + 1);
        assert_eq!((play.profile.fence(), play.profile.to_words().as_str()), (kind, facts));
        let bytes = play.begin();
        let count = |part: &[u8]| bytes.windows(part.len()).filter(|window| *window == part).count();
        let expected = match kind {
            Some(FenceKind::Process) => (2, 0),
            Some(FenceKind::Transmit) => (0, 2),
            None => (0, 0),
        };
        assert_eq!((count(&PROCESS), count(&TRANSMIT)), expected);
    }
}

#[test]
fn a_fence_proves_it_and_the_second_ends_it() {
    let mut play = Play::new(KNOWN, Some(CLEAN));
    let [first, second] = play.begin_fenced();
    play.say(&first);
    assert_eq!(play.events, [Event::OnPaper(Evidence::Fence)]);
    assert_eq!(play.machine.lost(), Lost::Ended(Ending::Printed(Evidence::Fence)));
    play.say(&second);
    assert_eq!(play.ended(), [FENCED]);
    play.machine.get_ready(play.now);
    assert!(play.machine.is_ready(play.now), "it has said in the same breath how it is");
    // Where ESC @ stands in no ticket, the next follows when it has answered once more.
    let mut play = Play::new(INIT_CLEARS, Some(CLEAN));
    let fences = play.begin_fenced();
    play.say(&fences.concat());
    assert_eq!(play.ended(), [FENCED]);
    play.machine.get_ready(play.now);
    assert!(!play.machine.is_ready(play.now));
    let bytes = play.flush();
    assert!(bytes.starts_with(&INIT) && play.machine.is_ready(play.now));
}

#[test]
fn a_fence_of_an_older_ticket_ends_no_newer_one() {
    let mut play = Play::new(KNOWN, Some(CLEAN));
    let [_, old] = play.begin_fenced();
    play.say(&old);
    let [_, new] = play.begin_fenced();
    play.say(&old);
    assert_eq!(play.ended(), [FENCED]);
    play.say(&new);
    assert_eq!(play.ended(), [FENCED, FENCED]);
}

#[test]
fn gs_r_counts_when_the_cut_lies_between_its_answers() {
    let mut play = Play::new(WITH_GS_R, Some(CLEAN));
    play.pass(ANSWER_MS_MAX + 1);
    play.begin();
    play.pass(CUT_MS_MIN);
    play.say(&[0]);
    play.pass(CUT_MS_MIN);
    play.say(&[0]);
    assert_eq!(
        (play.profile.transmit.value, play.events.len()),
        (Transmit::InOrder, 0),
        "that may be chance"
    );
    play.pass(NO_FENCE_WAIT_MS + POLL_MS);
    assert_eq!(play.ended(), [BY_STATUS]);
    play.begin();
    play.say(&[0]);
    play.pass(CUT_MS_MIN);
    play.say(&[0]);
    assert_eq!(play.ended(), [BY_STATUS, FENCED]);
}

#[test]
fn a_unit_that_answers_gs_r_at_once_is_found_out_and_never_believed() {
    let mut play = Play::new(WITH_GS_R, Some(CLEAN));
    play.pass(ANSWER_MS_MAX + 1);
    for ticket in 1..=AT_ONCE_TICKETS {
        play.begin();
        play.pass(CUT_MS_MIN);
        play.say(&[0, 0]);
        assert!(play.events.len() < usize::from(ticket));
        play.pass(NO_FENCE_WAIT_MS + POLL_MS);
        assert_eq!(play.ended(), vec![BY_STATUS; usize::from(ticket)]);
    }
    assert_eq!((play.profile.transmit.value, play.profile.fence()), (Transmit::AtOnce, None));
    assert!(!play.begin().windows(3).any(|window| window == TRANSMIT));
}

#[test]
fn a_fence_that_comes_while_the_unit_says_that_it_is_stopped_is_confirmed_first() {
    // It was mended since it was asked last.
    let mut play = Play::new(KNOWN, Some(CLEAN));
    let [_, second] = play.begin_fenced();
    play.say(&[0x18, 0, 0x0C, 0]);
    play.say(&second);
    assert!(play.events.is_empty());
    play.flush();
    play.pass(1);
    assert_eq!(play.ended(), [FENCED]);
    // It was not: this unit answers what it has not printed.
    let mut play = Play::new(KNOWN, Some(CLEAN));
    let [_, second] = play.begin_fenced();
    play.status = Some(COVER_OPEN);
    play.pass(POLL_MS + 1);
    play.say(&second);
    play.pass(3_600_000);
    assert!(play.events.is_empty(), "{:?}", play.events);
    play.status = Some(CLEAN);
    play.pass(NO_FENCE_WAIT_MS + 2 * POLL_MS);
    assert_eq!(play.ended(), [BY_STATUS]);
}

#[test]
fn old_answers_are_asked_for_anew() {
    let mut play = Play::new(KNOWN, Some(CLEAN));
    play.pass(PREFLIGHT_FRESH_MS + 1);
    play.machine.get_ready(play.now);
    assert!(!play.machine.is_ready(play.now));
    assert_eq!(play.machine.to_send().len(), 12);
    play.flush();
    assert!(play.machine.is_ready(play.now));
}

#[test]
fn with_a_fault_nothing_begins_and_it_is_asked_each_second() {
    let mut play = Play::new(KNOWN, Some(COVER_OPEN));
    assert!(play.shows(Condition::CoverOpen) && !play.machine.accepts());
    play.machine.get_ready(play.now);
    play.pass(600_000);
    assert!(!play.machine.is_ready(play.now) && play.events.is_empty());
    play.status = Some(CLEAN);
    play.pass(POLL_MS + 1);
    play.begin();
}

#[test]
fn a_fault_in_mid_ticket_keeps_the_fence_open() {
    let mut play = Play::new(KNOWN, Some(CLEAN));
    let [_, second] = play.begin_fenced();
    play.status = Some(COVER_OPEN);
    play.pass(3_600_000);
    assert!(play.events.is_empty() && play.shows(Condition::CoverOpen));
    play.status = Some(CLEAN);
    play.pass(2_000);
    play.say(&second);
    assert_eq!(play.ended(), [FENCED]);
}

#[test]
fn a_jammed_cutter_does_not_undo_what_is_on_paper() {
    let mut play = Play::new(KNOWN, Some(CLEAN));
    let [first, _] = play.begin_fenced();
    play.say(&first);
    play.status = Some(CUTTER);
    play.pass(CUT_WAIT_MS_MAX + POLL_MS);
    assert_eq!(play.ended(), [FENCED]);
    assert!(play.shows(Condition::Cutter) && !play.machine.accepts());
}

#[test]
fn silence_leaves_it_unknown() {
    let mut play = Play::new(KNOWN, Some(CLEAN));
    play.begin();
    play.status = None;
    play.pass(SILENT_MS_MAX - 1_000);
    assert!(play.events.is_empty() && play.shows(Condition::Silent));
    play.pass(1_000 + POLL_MS);
    assert_eq!(play.events, SILENT);
    assert!(play.machine.is_owed(), "the unit may still have bytes of it");
}

#[test]
fn a_unit_that_knows_fences_is_not_believed_without_one_and_is_probed_again() {
    let mut play = Play::new(KNOWN, Some(CLEAN));
    play.begin();
    play.pass(SILENT_MS_MAX - POLL_MS);
    assert!(play.events.is_empty());
    play.pass(3 * POLL_MS);
    assert_eq!(play.events, SILENT);
    assert_eq!(
        play.profile.to_words(),
        "status=1234 status-busy=yes gs-r=in-order init-keeps=yes",
        "GS ( H is in doubt"
    );
    let mut again = Play::with(play.profile, Some(CLEAN), (false, true), true);
    again.pass(SETTLE_MS_MAX + POLL_MS);
    assert_eq!(again.profile.fence(), Some(FenceKind::Transmit), "another firmware, another fence");
}

#[test]
fn without_fences_status_is_the_evidence() {
    let mut play = Play::new(NEW, Some(CLEAN));
    play.pass(ANSWER_MS_MAX + 1);
    play.begin();
    play.pass(NO_FENCE_WAIT_MS - 1);
    assert!(play.events.is_empty());
    play.pass(1 + POLL_MS);
    assert_eq!(play.ended(), [BY_STATUS]);
}

#[test]
fn a_long_ticket_is_watched_longer_where_no_fence_ends_it() {
    let mut play = Play::new(NEW, Some(CLEAN));
    play.pass(ANSWER_MS_MAX + 1);
    play.machine.get_ready(play.now);
    play.flush();
    play.machine.begin(&[b'\n'; 100], &[], 1, play.now);
    play.flush();
    play.pass(100 * LINE_MS_MAX - 1);
    assert!(play.events.is_empty());
    play.pass(1 + POLL_MS);
    assert_eq!(play.ended(), [BY_STATUS]);
}

#[test]
fn a_unit_that_forgot_what_it_was_asked_was_off_and_is_not_believed() {
    let mut play = Play::new(NEW, Some(CLEAN));
    play.pass(ANSWER_MS_MAX + 1);
    play.begin();
    play.status = None;
    play.pass(3 * POLL_MS);
    // On again, the line stood (serial, USB): it is well, and has nothing of the ticket any more.
    play.status = Some(CLEAN);
    play.pass(SILENT_MS_MAX - 4 * POLL_MS);
    assert!(play.events.is_empty());
    play.pass(10 * POLL_MS);
    assert_eq!(play.events, SILENT);
}

#[test]
fn a_unit_that_never_said_anything_gets_it_and_the_grade_is_low() {
    let mut play = Play::new(NEW, None);
    assert!(play.shows(Condition::Unknown), "no news is not good news");
    play.machine.get_ready(play.now);
    play.pass(PREFLIGHT_MS_MAX - 1);
    assert!(!play.machine.is_ready(play.now) && play.machine.accepts());
    play.pass(1 + 2 * ANSWER_MS_MAX);
    play.begin();
    play.pass(SENT_WAIT_MS + POLL_MS);
    assert_eq!(play.events, [SENT]);
    assert!(play.shows(Condition::Unknown) && !play.shows(Condition::Silent) && play.machine.accepts());
    // The next one does not wait so long again.
    play.pass(ANSWER_MS_MAX);
    play.begin();
}

#[test]
fn where_a_person_says_that_nothing_is_answered_nothing_is_asked() {
    let pins: Pins = toml::from_str("fence = \"none\"\nstatus = \"none\"\ncutter = false").unwrap();
    let mut play = Play::with(pins.profile(None, KNOWN), None, (false, false), false);
    play.pass(ANSWER_MS_MAX + 1);
    let bytes = play.begin();
    assert_eq!(bytes, b"\x1D\x61\xFFcontent\n\n\n\x1Bd\x04", "torn off by hand, too");
    play.pass(SENT_WAIT_MS + POLL_MS);
    assert_eq!(play.events, [SENT]);
}

#[test]
fn a_unit_that_used_to_answer_gets_nothing_in_silence() {
    let mut play = Play::new(KNOWN, None);
    play.machine.get_ready(play.now);
    play.pass(PREFLIGHT_MS_MAX + POLL_MS);
    assert!(play.shows(Condition::Silent) && !play.machine.is_ready(play.now) && !play.machine.accepts());
    play.pass(SILENT_IDLE_MS_MAX);
    assert_eq!(play.events, [Event::Close]);
}

#[test]
fn before_the_first_byte_nothing_has_begun() {
    let mut play = Play::new(KNOWN, Some(CLEAN));
    play.machine.get_ready(play.now);
    play.flush();
    play.machine.begin(b"content\n", &[], 1, play.now);
    assert_eq!(play.machine.lost(), Lost::NotBegun);
    play.machine.sent(1, play.now);
    assert_eq!(play.machine.lost(), Lost::Ended(Ending::Unknown(Doubt::ConnectionLost)));
}

#[test]
fn after_a_crash_the_unit_is_asked_before_anything_else() {
    let ask = |fences| {
        let mut play = Play::with(known(KNOWN), Some(CLEAN), fences, true);
        play.machine.ask_about(7, Doubt::AgentEnded);
        play.machine.get_ready(play.now);
        play
    };
    // It prints what it had, and answers the question behind it: whether all had come cannot be known.
    let mut play = ask((true, false));
    play.pass(1);
    assert_eq!(play.events, [Event::Ended(Ending::Unknown(Doubt::AgentEnded))]);
    assert!(play.machine.accepts());
    // The answer to the ticket's own fence was still in the line: 7 * 2 in the alphabet of ids.
    let mut play = ask((false, false));
    play.pass(1_000);
    play.say(b"\x37\x22111w\x00");
    assert_eq!(play.events, [Event::OnPaper(Evidence::Fence), FENCED]);
    // It has no paper: nothing is decided as long as it holds the rest.
    let mut play = ask((true, false));
    play.say(&[0x18, 0, 0x0C, 0]);
    play.status = Some([0x1A, 0x32, 0x12, 0x72]);
    play.pass(3_600_000);
    assert!(play.events.is_empty() && !play.machine.accepts());
    assert_eq!(play.machine.lost(), Lost::Ended(Ending::Unknown(Doubt::AgentEnded)));
    // It answers nothing in time.
    let mut play = ask((false, false));
    play.pass(SETTLE_MS_MAX + POLL_MS);
    assert_eq!(play.events, [Event::Ended(Ending::Unknown(Doubt::AgentEnded))]);
}

#[test]
fn idle_costs_little() {
    let mut play = Play::new(KNOWN, Some(CLEAN));
    let mut wakes = 0;
    while play.now < play.start + Duration::from_secs(3_600) {
        play.now = play.machine.timeout();
        play.machine.handle_timeout(play.now);
        play.flush();
        wakes += 1;
    }
    assert!(wakes <= 3_600_000 / IDLE_POLL_MS + 2, "{wakes} wakes in an hour");
    assert_eq!(play.machine.garbage(), 0);
}

#[test]
fn where_nothing_comes_back_nothing_is_asked() {
    let now = Instant::now();
    let mut machine = Machine::write_only(now);
    assert_eq!(machine.conditions().iter().collect::<Vec<_>>(), [Condition::Unknown]);
    machine.get_ready(now);
    assert!(!machine.accepts() && !machine.is_ready(now), "before the first word of its queue");
    let stopped = Conditions::NONE.with(Condition::Queue).with(Condition::PaperNearEnd);
    machine.way_is(stopped, now);
    assert_eq!(machine.conditions(), stopped);
    assert!(!machine.accepts() && !machine.is_ready(now));
    machine.way_is(Conditions::NONE.with(Condition::PaperNearEnd), now);
    assert!(machine.accepts() && machine.is_ready(now));
    machine.way_is(Conditions::NONE, now);
    assert_eq!(machine.conditions(), Conditions::NONE);
    assert!(machine.to_send().is_empty() && machine.accepts() && machine.is_ready(now));
    assert!(!machine.take_heard(), "the printer itself has said nothing");
    machine.begin(b"content\n", &[], 1, now);
    let expected: [&[u8]; 3] = [&[0x1B, 0x40], b"content\n\n\n", b"\x1DVB\x00"];
    assert_eq!(machine.to_send(), expected.concat());
    assert_eq!(machine.lost(), Lost::NotBegun);
    machine.sent(3, now);
    assert_eq!(machine.lost(), Lost::Ended(Ending::Unknown(Doubt::ConnectionLost)));
    machine.sent(machine.to_send().len(), now);
    assert_eq!(machine.poll_event(), Some(Event::Ended(Ending::Printed(Evidence::Spooled))));
    assert_eq!(machine.lost(), Lost::Idle);
    machine.handle_timeout(now + Duration::from_secs(3_600));
    assert!(machine.to_send().is_empty() && machine.poll_event().is_none() && !machine.is_owed());
}

/// What answers the two fences of a ticket.
fn answers_in(bytes: &[u8]) -> [Vec<u8>; 2] {
    let mut fences = (0..bytes.len())
        .filter(|&at| bytes[at..].starts_with(&PROCESS))
        .map(|at| [&[0x37, 0x22], &bytes[at + 7..at + 11], &[0]].concat());
    [fences.next().unwrap(), fences.next().unwrap()]
}

/// Ten lines of a hundred bytes, over a line that stands when the unit is switched off; what was sent. From then on it
/// answers queries with `status`.
fn begin_over_standing_line(play: &mut Play, status: Option<[u8; 4]>) -> Vec<u8> {
    play.machine.expect_unseen_restarts();
    play.machine.get_ready(play.now);
    play.flush();
    play.status = status;
    let line = [&[b'x'; 99][..], b"\n"].concat();
    let seams: Vec<usize> = (1..=10).map(|line| line * 100).collect();
    play.serial += 1;
    play.machine.begin(&line.repeat(10), &seams, play.serial, play.now);
    play.flush()
}

#[test]
fn on_a_line_that_outlives_the_unit_a_ticket_asks_on_its_way() {
    let mut play = Play::new(&format!("{KNOWN} status-busy=yes"), Some(CLEAN));
    play.fences = (true, false);
    let bytes = begin_over_standing_line(&mut play, Some(CLEAN));
    let asked: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(&[0x10, 4])).collect();
    assert_eq!(asked[..3], [300, 603, 906], "between lines, and then behind the cut");
    assert!(asked[3] > 1_009 && asked.len() == 7);
}

#[test]
fn a_unit_that_was_off_on_the_way_is_not_believed_though_it_answers_the_fence() {
    let mut play = Play::new(&format!("{KNOWN} status-busy=yes"), Some(CLEAN));
    play.fences = (true, false);
    let [first, _] = answers_in(&begin_over_standing_line(&mut play, None));
    play.say(&CLEAN);
    play.say(&first);
    assert!(play.events.is_empty(), "three answers are missing: {:?}", play.events);
    play.pass(ANSWER_MS_MAX);
    assert_eq!(play.events, SILENT);
    assert!(
        play.profile.is_deaf_when_busy(),
        "or it does not answer while it prints: then it is asked no more"
    );
}

#[test]
fn a_new_unit_is_not_believed_either_where_answers_are_missing_and_its_next_ticket_asks_nothing() {
    let mut play = Play::new(KNOWN, Some(CLEAN));
    play.fences = (true, false);
    let [first, _] = answers_in(&begin_over_standing_line(&mut play, None));
    play.say(&CLEAN);
    play.say(&first);
    assert!(play.events.is_empty(), "it was off, or it is deaf while it prints: {:?}", play.events);
    play.pass(ANSWER_MS_MAX);
    assert_eq!(play.events, SILENT);

    let mut again = Play::new(&play.profile.to_words(), Some(CLEAN));
    again.fences = (true, false);
    let bytes = begin_over_standing_line(&mut again, None);
    let content = &bytes[..1_000];
    assert!(!content.windows(2).any(|pair| pair == [0x10, 4]), "a deaf unit would never get through");
    again.say(&answers_in(&bytes).concat());
    assert_eq!(again.ended(), [FENCED]);
}

#[test]
fn a_unit_that_does_not_answer_while_it_prints_is_found_out_and_printed_on() {
    let mut play = Play::new(KNOWN, Some(CLEAN));
    play.machine.get_ready(play.now);
    play.flush();
    play.status = None;
    play.serial += 1;
    play.machine.begin(b"content\n", &[], play.serial, play.now);
    let [first, second] = answers_in(&play.flush());
    play.pass(4 * POLL_MS);
    play.say(&[first, second].concat());
    assert_eq!(play.ended(), [FENCED]);
    assert!(play.profile.is_deaf_when_busy());
    play.status = Some(CLEAN);
    play.pass(POLL_MS + 1);
    play.begin();
}
