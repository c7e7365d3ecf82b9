//! Buffer, speed, sensors and faults, under a clock of the test's own.

use super::super::device::Device;
use super::super::{Fault, FlagKind, Font, PrinterOptions, status};
use super::language::qr;
use super::{CUT, START, bytes, device, gb, give, replies, texts, ticket};
use std::time::{Duration, Instant};

const FENCE: &[u8] = b"\x1d(H\x06\x0000f001";
const FENCE_REPLY: &[u8] = b"7\x22f001\x00";

fn plain() -> (Device, Instant) {
    (device(&PrinterOptions::default()), Instant::now())
}

#[test]
fn a_fence_is_held_back_while_the_paper_is_out() {
    let (mut device, now) = plain();
    device.set(Fault::PaperOutAfterLines(2), now);
    let input = bytes(&[START, &gb("一\n二\n三\n"), FENCE, CUT, b"\x1dr\x01"]);
    give(&mut device, &input, now);
    assert_eq!(device.paper_so_far(), "一\n二\n");
    assert_eq!(replies(&mut device), b"", "nothing is answered before it is printed");
    assert!(device.status().bytes_waiting > 0);
    // Real-time status is answered meanwhile.
    give(&mut device, b"\x10\x04\x01\x10\x04\x02\x10\x04\x04", now);
    assert_eq!(replies(&mut device), [0x1A, 0x32, 0x7E]);
    device.set(Fault::PaperIn, now);
    assert_eq!(replies(&mut device), bytes(&[FENCE_REPLY, &[0]]));
    let receipts = device.receipts_from(1);
    assert_eq!(texts(&receipts[0]), ["一", "二", "三"]);
    assert_eq!(device.status().bytes_waiting, 0);
}

#[test]
fn everything_that_stops_it_holds_the_fence_and_lets_it_go_again() {
    for (stop, go) in [
        (Fault::PaperOut, Fault::PaperIn),
        (Fault::CoverOpen, Fault::CoverClosed),
        (Fault::CutterError, Fault::CutterOk),
        (Fault::Heat(true), Fault::Heat(false)),
        (Fault::Fatal(true), Fault::Fatal(false)),
        (Fault::Offline(true), Fault::Offline(false)),
        (Fault::Hang(true), Fault::Hang(false)),
    ] {
        let (mut device, now) = plain();
        let input = bytes(&[START, b"a\n", FENCE]);
        device.set(stop, now);
        let rest = give(&mut device, &input, now).to_vec();
        assert_eq!(replies(&mut device), b"", "{stop:?}");
        device.set(go, now);
        give(&mut device, &rest, now);
        assert_eq!(replies(&mut device), FENCE_REPLY, "{go:?}");
        assert_eq!(device.paper_so_far(), "a\n");
    }
}

#[test]
fn near_end_prints_on() {
    let (mut device, now) = plain();
    device.set(Fault::PaperNearEnd, now);
    give(&mut device, b"a\n\x1dr\x01\x10\x04\x04", now);
    assert_eq!(replies(&mut device), [0x03, 0x1E]);
}

#[test]
fn automatic_status_is_pushed_until_it_is_initialized() {
    let (mut device, now) = plain();
    give(&mut device, b"\x1b@\x1da\xff", now);
    assert_eq!(replies(&mut device), [0x10, 0, 0, 0x0F]);
    device.set(Fault::CoverOpen, now);
    assert_eq!(replies(&mut device), [0x38, 0, 0, 0x0F]);
    device.set(Fault::CoverOpen, now);
    assert_eq!(replies(&mut device), b"", "no change, nothing to tell");
    device.set(Fault::CoverClosed, now);
    assert_eq!(replies(&mut device), [0x10, 0, 0, 0x0F]);
    device.set(Fault::PaperOutAfterLines(1), now);
    give(&mut device, b"a\n", now);
    let told = replies(&mut device);
    assert_eq!(told, [0x18, 0, 0x0F, 0x0F]);
    assert_eq!(told[0] & 0x93, status::ASB_FIXED);
    device.set(Fault::PaperIn, now);
    replies(&mut device);
    give(&mut device, b"\x1b@", now);
    device.set(Fault::CoverOpen, now);
    assert_eq!(replies(&mut device), b"", "ESC @ switched it off");
}

#[test]
fn automatic_status_tells_only_what_was_asked_for() {
    let (mut device, now) = plain();
    give(&mut device, b"\x1da\x08", now);
    replies(&mut device);
    device.set(Fault::CoverOpen, now);
    assert_eq!(replies(&mut device), b"");
    device.set(Fault::PaperNearEnd, now);
    assert_eq!(replies(&mut device).len(), 4);
}

#[test]
fn silent_prints_and_says_nothing() {
    let (mut device, now) = plain();
    device.set(Fault::Silent(true), now);
    give(&mut device, &bytes(&[b"\x10\x04\x01\x1da\xff", &ticket(&["a"]), FENCE]), now);
    assert_eq!(device.receipt_count(), 1);
    device.set(Fault::Silent(false), now);
    assert_eq!(replies(&mut device), b"", "what was not said is not said later");
}

#[test]
fn hanging_takes_nothing() {
    let (mut device, now) = plain();
    device.set(Fault::Hang(true), now);
    assert_eq!(device.capacity(), 0);
    assert!(!device.accepts());
}

#[test]
fn a_connection_is_dropped_after_so_many_bytes_once() {
    let (mut device, now) = plain();
    device.set(Fault::DropAfterBytes(3), now);
    assert!(!device.must_drop());
    assert_eq!(give(&mut device, b"ab\ncd\n", now), b"cd\n");
    assert!(device.must_drop());
    device.disconnect();
    device.connect();
    assert!(!device.must_drop(), "once");
    give(&mut device, b"ef\n", now);
    assert_eq!(device.paper_so_far(), "ab\nef\n");
}

#[test]
fn switching_off_loses_the_buffer_and_ends_the_receipt() {
    let (mut device, now) = plain();
    give(&mut device, b"\x1da\xff", now);
    device.set(Fault::PaperOutAfterLines(1), now);
    give(&mut device, &bytes(&[b"a\nb\n", CUT, FENCE]), now);
    device.set(Fault::Power(false), now);
    assert!(device.must_drop() && !device.listens());
    device.disconnect();
    let receipts = device.receipts_from(1);
    assert_eq!(texts(&receipts[0]), ["a"]);
    assert!(!receipts[0].was_cut());
    device.set(Fault::Power(true), now);
    device.set(Fault::PaperIn, now);
    assert!(device.accepts());
    device.connect();
    assert_eq!(device.receipt_count(), 1, "the rest is gone");
    give(&mut device, b"c\n", now);
    assert_eq!(device.paper_so_far(), "c\n");
    assert_eq!(replies(&mut device), b"");
}

#[test]
fn switching_off_clears_the_errors_that_only_that_clears() {
    let (mut device, now) = plain();
    for fault in [Fault::Fatal(true), Fault::CutterError, Fault::Heat(true), Fault::CoverOpen] {
        device.set(fault, now);
    }
    device.set(Fault::Power(false), now);
    device.set(Fault::Power(true), now);
    let conditions = device.status().conditions;
    assert!(!conditions.fatal && !conditions.cutter_error && !conditions.heat);
    assert!(conditions.cover_open, "nobody closed it");
}

#[test]
fn a_jam_at_the_cut_leaves_the_first_fence_answered_and_the_second_not() {
    let (mut device, now) = plain();
    device.set(Fault::CutterJamAtNextCut, now);
    give(&mut device, &bytes(&[b"a\n", FENCE, CUT, b"\x1d(H\x06\x0000f002"]), now);
    assert_eq!(replies(&mut device), FENCE_REPLY);
    assert_eq!(device.receipt_count(), 0);
    give(&mut device, b"\x10\x04\x03", now);
    assert_eq!(replies(&mut device), [0x1A]);
    // Resume: the cut is done again.
    give(&mut device, b"\x10\x05\x01", now);
    assert_eq!(replies(&mut device), b"7\x22f002\x00");
    assert!(device.receipts_from(1)[0].was_cut());
}

#[test]
fn clearing_the_buffers_after_an_error_forgets_what_waited() {
    let (mut device, now) = plain();
    give(&mut device, b"a\nhalf", now);
    device.set(Fault::CutterError, now);
    give(&mut device, &bytes(&[b" line\nb\n", FENCE]), now);
    give(&mut device, b"\x10\x05\x02c\n", now);
    assert_eq!(device.paper_so_far(), "a\nc\n");
    assert_eq!(replies(&mut device), b"");
    // Without an error it is ignored.
    give(&mut device, b"d\x10\x05\x02e\n", now);
    assert_eq!(device.paper_so_far(), "a\nc\nde\n");
}

#[test]
fn a_command_that_a_dead_connection_left_unfinished_is_dropped() {
    let (mut device, now) = plain();
    give(&mut device, b"a\n\x1dv0\x00\x10\x00\xff", now);
    device.disconnect();
    device.connect();
    give(&mut device, &bytes(&[b"b\n", CUT]), now);
    let receipt = &device.receipts_from(1)[0];
    assert_eq!(texts(receipt), ["a", "b"]);
    assert_eq!(receipt.flags()[0].kind, FlagKind::Incomplete);
}

#[test]
fn a_question_is_answered_only_to_who_asked() {
    let (mut device, now) = plain();
    device.set(Fault::PaperOut, now);
    give(&mut device, &bytes(&[b"a\n", FENCE]), now);
    device.disconnect();
    device.connect();
    device.set(Fault::PaperIn, now);
    assert_eq!(replies(&mut device), b"");
    assert_eq!(device.paper_so_far(), "a\n");
}

#[test]
fn the_buffer_is_finite() {
    let options = PrinterOptions { buffer_bytes: 64, ..PrinterOptions::default() };
    let (mut device, now) = (device(&options), Instant::now());
    device.set(Fault::PaperOut, now);
    let input = b"0123456789\n".repeat(10);
    let rest = give(&mut device, &input, now).to_vec();
    assert_eq!(input.len() - rest.len(), 64);
    assert_eq!(device.capacity(), 0);
    device.set(Fault::PaperIn, now);
    assert!(give(&mut device, &rest, now).is_empty());
    assert_eq!(device.status().lines_printed, 10);
}

#[test]
fn lines_come_out_at_the_set_speed() {
    // 100 mm/s is 800 dots a second; a line of 30 dots takes 37.5 ms.
    let options = PrinterOptions { speed_mm_per_s: 100, ..PrinterOptions::default() };
    let (mut device, start) = (device(&options), Instant::now());
    give(&mut device, &bytes(&[&b"x\n".repeat(10), FENCE]), start);
    let line = Duration::from_micros(37_500);
    assert_eq!(device.status().lines_printed, 1, "the first begins at once");
    assert_eq!(device.timeout(), Some(start + line));
    device.advance(start + line);
    assert_eq!(device.status().lines_printed, 2);
    // A late timer does not slow it down.
    device.advance(start + line * 9 + line / 2);
    assert_eq!(device.status().lines_printed, 10);
    assert_eq!(replies(&mut device), b"", "the last line is still moving");
    device.advance(start + line * 10);
    assert_eq!(replies(&mut device), FENCE_REPLY);
    assert_eq!(device.timeout(), None);
}

#[test]
fn time_that_it_stood_still_is_not_made_up_for() {
    let options = PrinterOptions { speed_mm_per_s: 100, ..PrinterOptions::default() };
    let (mut device, start) = (device(&options), Instant::now());
    device.set(Fault::PaperOut, start);
    give(&mut device, &b"x\n".repeat(10), start);
    assert_eq!(device.timeout(), None);
    let later = start + Duration::from_secs(60);
    device.set(Fault::PaperIn, later);
    assert_eq!(device.status().lines_printed, 1);
}

#[test]
fn receipts_know_when_their_bytes_came_and_when_they_were_printed() {
    let options = PrinterOptions { speed_mm_per_s: 100, ..PrinterOptions::default() };
    let (mut device, start) = (device(&options), Instant::now());
    let second = start + Duration::from_millis(10);
    give(&mut device, b"a\n", start);
    give(&mut device, b"\x1dV\x00", second);
    let end = start + Duration::from_secs(10);
    device.advance(end);
    let receipt = &device.receipts_from(1)[0];
    assert_eq!(receipt.first_received_at(), start);
    assert_eq!(receipt.received_at(), second);
    assert_eq!(receipt.printed_at(), start + Duration::from_micros(37_500) + Duration::from_millis(250));
}

#[test]
fn kept_receipts_are_bounded_and_counted() {
    let options = PrinterOptions { receipts_kept: 3, ..PrinterOptions::default() };
    let (mut device, now) = (device(&options), Instant::now());
    for number in 1..=10 {
        give(&mut device, &ticket(&[&number.to_string()]), now);
    }
    assert_eq!(device.receipt_count(), 10);
    let numbers = |first| device.receipts_from(first).iter().map(|r| r.number()).collect::<Vec<_>>();
    assert_eq!(numbers(1), [8, 9, 10]);
    assert_eq!(numbers(10), [10]);
    assert_eq!(numbers(11), [0; 0]);
}

#[test]
fn repeats_are_found() {
    let (mut device, now) = plain();
    give(&mut device, &ticket(&["美团 #9", "*** 补打 2 ***"]), now);
    give(&mut device, &ticket(&["美团 #10"]), now);
    let receipts = device.receipts_from(1);
    assert_eq!(receipts[0].is_repeat(), Some(2));
    assert_eq!(receipts[1].is_repeat(), None);
}

#[test]
fn the_image_is_as_large_as_the_paper_and_shows_the_qr_code() {
    let font = Font::find().expect("fonts-droid-fallback is installed where tests run");
    let (mut device, now) = plain();
    let url = b"https://docket.example/t/9";
    give(&mut device, &bytes(&[START, &gb("单号 9\n"), &qr(url, 6), CUT]), now);
    let receipt = &device.receipts_from(1)[0];
    let image = receipt.png(&font);
    let mut reader = png::Decoder::new(std::io::Cursor::new(image)).read_info().unwrap();
    let mut dots = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut dots).unwrap();
    assert_eq!(info.width, 576);
    assert_eq!(info.height, receipt.height_dots() + 64);
    let dark = |x: usize, y: usize| dots[y * 576 + x] < 128;
    assert!((32..62).any(|y| (0..100).any(|x| dark(x, y))), "the text is drawn");
    assert!((0..32).all(|y| (0..576).all(|x| !dark(x, y))), "the margin is white");
    let code = qrcode::QrCode::with_error_correction_level(url, qrcode::EcLevel::M).unwrap();
    for (at, color) in code.to_colors().into_iter().enumerate() {
        let (x, y) = (at % code.width() * 6 + 3, 32 + 30 + at / code.width() * 6 + 3);
        assert_eq!(dark(x, y), color == qrcode::Color::Dark, "module {at}");
    }
}
