//! The job machine, question by question, in simulated time.

use docket_agent::printing::job::{
    CUT_WAIT_MS_MAX, Event, FENCE_WAIT_MS_MAX, IDLE_POLL_MS, Lost, Machine, NO_FENCE_WAIT_MS, POLL_MS,
    PREFLIGHT_FRESH_MS, PREFLIGHT_MS_MAX, SENT_WAIT_MS, SILENT_IDLE_MS_MAX, SILENT_MS_MAX,
};
use docket_agent::spool::{Ending, Profile};
use docket_protocol::outcome::{Doubt, Evidence};
use docket_protocol::printer::Condition;
use std::time::{Duration, Instant};

const CLEAN: [u8; 4] = [0x12; 4];
const COVER_OPEN: [u8; 4] = [0x1A, 0x16, 0x12, 0x12];
const CUTTER: [u8; 4] = [0x1A, 0x52, 0x1A, 0x12];
const KNOWN: Profile = Profile { answered: true, fenced: true };
const FENCELESS: Profile = Profile { answered: true, fenced: false };
const NEVER: Profile = Profile { answered: false, fenced: false };
const FENCED: Event = Event::Ended(Ending::Printed(Evidence::Fence));

struct Play {
    machine: Machine,
    start: Instant,
    now: Instant,
    events: Vec<Event>,
    serial: u64,
    /// Answers to each round of queries, as long as it says anything.
    status: Option<[u8; 4]>,
}

impl Play {
    fn new(profile: Profile, status: Option<[u8; 4]>) -> Self {
        let now = Instant::now();
        let machine = Machine::new(profile, false, now);
        let mut play = Self { machine, start: now, now, events: Vec::new(), serial: 0, status };
        play.flush();
        play
    }

    /// The operating system takes what there is, and the unit answers the queries in it.
    fn flush(&mut self) -> Vec<u8> {
        let bytes = self.machine.to_send().to_vec();
        self.machine.sent(bytes.len(), self.now);
        let rounds = bytes.windows(3).filter(|window| window == &[0x10, 0x04, 0x04]).count();
        for _ in 0..rounds {
            if let Some(status) = self.status {
                self.say(&status);
            }
        }
        bytes
    }

    fn say(&mut self, bytes: &[u8]) {
        self.machine.received(bytes, self.now);
        self.gather();
    }

    fn gather(&mut self) {
        while let Some(event) = self.machine.poll_event() {
            if !matches!(event, Event::Learned(_)) {
                self.events.push(event);
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
    }

    /// Begins a ticket and hands its bytes over; its two fences.
    fn begin(&mut self) -> [Vec<u8>; 2] {
        self.machine.get_ready(self.now);
        self.flush();
        assert!(self.machine.is_ready(self.now), "{:?}", self.machine);
        self.serial += 1;
        self.machine.begin(b"content\n", self.serial, self.now);
        let bytes = self.flush();
        let process = [0x1D, 0x28, 0x48, 6, 0, 0x30, 0x30];
        let mut fences = (0..bytes.len())
            .filter(|&at| bytes[at..].starts_with(&process))
            .map(|at| [&[0x37, 0x22], &bytes[at + 7..at + 11], &[0]].concat());
        [fences.next().unwrap(), fences.next().unwrap()]
    }

    fn shows(&self, condition: Condition) -> bool {
        self.machine.conditions().contains(condition)
    }

    fn ended(&self) -> Vec<Event> {
        self.events.iter().copied().filter(|event| !matches!(event, Event::OnPaper(_))).collect()
    }
}

#[test]
fn one_write_holds_all_of_a_ticket() {
    let mut play = Play::new(KNOWN, Some(CLEAN));
    play.machine.get_ready(play.now);
    assert!(play.machine.is_ready(play.now), "the answers to the first questions are fresh");
    play.machine.begin(b"content\n", 0, play.now);
    let expected: [&[u8]; 9] = [
        &[0x1B, 0x40, 0x1D, 0x61, 0xFF],
        b"content\n\n\n",
        b"\x1D(H\x06\x00001111\x1Dr\x01",
        b"\x1DVB\x00",
        b"\x1D(H\x06\x00001113\x1Dr\x01",
        &[0x10, 0x04, 1],
        &[0x10, 0x04, 2],
        &[0x10, 0x04, 3],
        &[0x10, 0x04, 4],
    ];
    assert_eq!(play.machine.to_send(), expected.concat());
}

#[test]
fn a_fence_proves_it_and_the_second_ends_it() {
    let mut play = Play::new(KNOWN, Some(CLEAN));
    let [first, second] = play.begin();
    play.say(&first);
    assert_eq!(play.events, [Event::OnPaper(Evidence::Fence)]);
    assert_eq!(play.machine.lost(), Lost::Ended(Ending::Printed(Evidence::Fence)));
    play.say(&second);
    assert_eq!(play.ended(), [FENCED]);
    // The next may follow without another question: the answers came with the ticket before.
    play.machine.get_ready(play.now);
    assert!(play.machine.to_send().is_empty() && play.machine.is_ready(play.now));
}

#[test]
fn a_fence_of_an_older_ticket_ends_no_newer_one() {
    let mut play = Play::new(KNOWN, Some(CLEAN));
    let [_, old] = play.begin();
    play.say(&old);
    let [_, new] = play.begin();
    play.say(&old);
    assert_eq!(play.ended(), [FENCED]);
    play.say(&new);
    assert_eq!(play.ended(), [FENCED, FENCED]);
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
    let [_, second] = play.begin();
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
    let [first, _] = play.begin();
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
    assert_eq!(play.events, [Event::Ended(Ending::Unknown(Doubt::PrinterSilent)), Event::Close]);
}

#[test]
fn a_unit_that_knows_fences_is_not_believed_without_one() {
    let mut play = Play::new(KNOWN, Some(CLEAN));
    play.begin();
    play.pass(SILENT_MS_MAX - POLL_MS);
    assert!(play.events.is_empty());
    play.pass(3 * POLL_MS);
    assert_eq!(play.events, [Event::Ended(Ending::Unknown(Doubt::PrinterSilent)), Event::Close]);
}

#[test]
fn without_fences_status_is_the_evidence() {
    let status = Event::Ended(Ending::Printed(Evidence::Status));
    let mut play = Play::new(FENCELESS, Some(CLEAN));
    play.begin();
    play.pass(FENCE_WAIT_MS_MAX - 1_000);
    assert!(play.events.is_empty());
    play.pass(1_000 + POLL_MS);
    assert_eq!(play.ended(), [status]);
    // It is remembered for the connection.
    play.begin();
    play.pass(NO_FENCE_WAIT_MS + POLL_MS);
    assert_eq!(play.ended(), [status, status]);
}

#[test]
fn a_unit_that_never_said_anything_gets_it_and_the_grade_is_low() {
    let mut play = Play::new(NEVER, None);
    play.machine.get_ready(play.now);
    play.pass(PREFLIGHT_MS_MAX - 1);
    assert!(!play.machine.is_ready(play.now) && play.machine.accepts());
    play.pass(1);
    play.begin();
    play.pass(SENT_WAIT_MS + POLL_MS);
    assert_eq!(play.events, [Event::Ended(Ending::Printed(Evidence::Sent))]);
    assert!(!play.shows(Condition::Silent));
    // The next one does not wait so long again.
    play.begin();
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
    play.machine.begin(b"content\n", 1, play.now);
    assert_eq!(play.machine.lost(), Lost::NotBegun);
    play.machine.sent(1, play.now);
    assert_eq!(play.machine.lost(), Lost::Ended(Ending::Unknown(Doubt::ConnectionLost)));
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
    assert!(machine.to_send().is_empty() && machine.accepts());
    machine.get_ready(now);
    assert!(machine.is_ready(now));
    machine.begin(b"content\n", 1, now);
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
