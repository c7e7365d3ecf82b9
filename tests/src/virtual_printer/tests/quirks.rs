//! The quirks of cheap clones, one by one.

use super::super::quirks::{PROFILES, Profile};
use super::super::{Fault, PrinterOptions};
use super::{CUT, START, bytes, device, give, replies, texts, ticket};
use std::time::{Duration, Instant};

const PROCESS: &[u8] = b"\x1d(H\x06\x0000f001";
const PROCESS_REPLY: &[u8] = b"7\x22f001\x00";
const SENSOR: &[u8] = b"\x1dr\x01";
const STATUS: &[u8] = b"\x10\x04\x01\x10\x04\x04";

/// A clone that takes 37.5 ms for a line.
fn slow(name: &str) -> PrinterOptions {
    let profile = Profile::by_name(name).expect("it is among the profiles");
    PrinterOptions { speed_mm_per_s: 100, ..profile.options() }
}

#[test]
fn profiles_have_names_of_their_own() {
    for (place, profile) in PROFILES.iter().enumerate() {
        assert_eq!(Profile::by_name(profile.name), Some(&PROFILES[place]));
    }
    assert_eq!(Profile::by_name("nonsense"), None);
}

#[test]
fn fences_are_answered_in_turn_at_once_or_not_at_all() {
    let before: &[(&str, &[u8])] = &[
        ("everything", b""),
        ("no-gs-h", b""),
        ("gs-r-at-once", b"\x00"),
        ("no-fence", b""),
        ("answers-nothing", b""),
    ];
    let after: [&[u8]; 5] = [b"7\x22f001\x00\x00", b"\x00", b"", b"", b""];
    for ((name, at_once), in_turn) in before.iter().zip(after) {
        let (mut device, start) = (device(&slow(name)), Instant::now());
        give(&mut device, &bytes(&[b"x\nx\n", PROCESS, SENSOR]), start);
        assert_eq!(replies(&mut device), *at_once, "{name}: nothing is printed yet");
        device.advance(start + Duration::from_secs(1));
        assert_eq!(replies(&mut device), in_turn, "{name}");
    }
}

#[test]
fn a_process_id_that_is_not_known_comes_out_as_text_unless_init_clears_it() {
    let (mut device, now) = (device(&Profile::by_name("prints-gs-h").unwrap().options()), Instant::now());
    give(&mut device, &bytes(&[PROCESS, b"\x1b@"]), now);
    give(&mut device, &bytes(&[START, b"a", PROCESS, b"\n", CUT]), now);
    assert_eq!(replies(&mut device), b"");
    assert_eq!(texts(&device.receipts_from(1)[0]), ["a(H00f001"]);
}

#[test]
fn status_when_idle_waits_until_all_is_printed() {
    let (mut device, start) = (device(&slow("status-when-idle")), Instant::now());
    give(&mut device, STATUS, start);
    assert_eq!(replies(&mut device), [0x12, 0x12]);
    give(&mut device, &bytes(&[b"x\nx\n", STATUS]), start);
    device.set(Fault::PaperOut, start);
    device.advance(start + Duration::from_secs(1));
    assert_eq!(replies(&mut device), b"", "it has something to print");
    device.set(Fault::PaperIn, start + Duration::from_secs(2));
    device.advance(start + Duration::from_secs(3));
    assert_eq!(replies(&mut device), [0x12, 0x12]);
    device.set(Fault::PaperOut, start + Duration::from_secs(4));
    give(&mut device, STATUS, start + Duration::from_secs(4));
    assert_eq!(replies(&mut device), [0x1A, 0x7E], "idle, it says so");
}

#[test]
fn one_that_is_deaf_when_busy_never_answers_what_it_was_asked_then() {
    let (mut device, start) = (device(&slow("deaf-when-busy")), Instant::now());
    give(&mut device, &bytes(&[STATUS, b"x\nx\n", STATUS]), start);
    assert_eq!(replies(&mut device), [0x12, 0x12], "before it had something to print");
    device.advance(start + Duration::from_secs(3));
    assert_eq!(replies(&mut device), b"");
    give(&mut device, STATUS, start + Duration::from_secs(4));
    assert_eq!(replies(&mut device), [0x12, 0x12]);
}

#[test]
fn a_late_answer_is_one_byte_behind_and_forgotten_with_the_connection() {
    let (mut device, now) = (device(&Profile::by_name("late-answers").unwrap().options()), Instant::now());
    give(&mut device, STATUS, now);
    assert_eq!(replies(&mut device), [0x12]);
    give(&mut device, PROCESS, now);
    assert_eq!(replies(&mut device), bytes(&[b"\x12", &PROCESS_REPLY[..6]]));
    device.disconnect();
    device.connect();
    give(&mut device, STATUS, now);
    assert_eq!(replies(&mut device), [0x12]);
}

#[test]
fn without_asb_no_change_is_told() {
    let (mut device, now) = (device(&Profile::by_name("no-asb").unwrap().options()), Instant::now());
    give(&mut device, b"\x1da\xff", now);
    device.set(Fault::CoverOpen, now);
    assert_eq!((replies(&mut device), device.status().automatic_status), (Vec::new(), 0));
}

#[test]
fn where_init_clears_the_buffer_what_came_with_it_is_lost() {
    let (mut device, now) =
        (device(&Profile::by_name("init-clears-buffer").unwrap().options()), Instant::now());
    give(&mut device, &ticket(&["lost"]), now);
    assert_eq!(device.receipt_count(), 0);
    give(&mut device, b"\x1b@", now);
    give(&mut device, &ticket(&["there"])[START.len()..], now);
    assert_eq!(texts(&device.receipts_from(1)[0]), ["there"]);
}

#[test]
fn power_goes_in_mid_ticket_and_is_back_after_a_while() {
    let (mut device, start) = (device(&slow("everything")), Instant::now());
    device.set(Fault::PowerCut { after_lines: 2, off_ms: 500 }, start);
    give(&mut device, &ticket(&["1", "2", "3", "4"]), start);
    device.advance(start + Duration::from_millis(200));
    assert!(device.must_drop() && !device.listens());
    let receipt = &device.receipts_from(1)[0];
    assert_eq!((texts(receipt), receipt.was_cut()), (vec!["1".into(), "2".into()], false));
    let back_at = device.timeout().expect("it comes back by itself");
    assert!(back_at > start + Duration::from_millis(500));
    device.disconnect();
    device.advance(back_at);
    device.connect();
    give(&mut device, PROCESS, back_at);
    assert_eq!(replies(&mut device), PROCESS_REPLY, "what it had is lost, and it is well");
}
