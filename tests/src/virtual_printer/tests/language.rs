//! What bytes mean.

use super::super::device::Device;
use super::super::{FlagKind, Font, Kick, Line, PaperWidth, PrinterOptions, Receipt};
use super::{CUT, START, bytes, device, gb, give, replies, texts, ticket};
use docket_protocol::document::Align;
use proptest::prelude::*;
use std::sync::OnceLock;
use std::time::Instant;

/// Everything that came of some bytes, to be compared.
#[derive(Debug, PartialEq)]
struct Outcome {
    replies: Vec<u8>,
    receipts: Vec<Printed>,
    paper_so_far: String,
}

#[derive(Debug, PartialEq)]
struct Printed {
    text: String,
    lines: Vec<Line>,
    flags: Vec<FlagKind>,
    cut: bool,
    raw: Vec<u8>,
}

fn outcome(chunks: &[&[u8]]) -> Outcome {
    let mut device = device(&PrinterOptions::default());
    for chunk in chunks {
        assert!(give(&mut device, chunk, Instant::now()).is_empty(), "everything is taken");
    }
    let of = |receipt: &Receipt| Printed {
        text: receipt.text(),
        lines: receipt.lines(),
        flags: receipt.flags().iter().map(|flag| flag.kind).collect(),
        cut: receipt.was_cut(),
        raw: receipt.raw().to_vec(),
    };
    Outcome {
        replies: replies(&mut device),
        receipts: device.receipts_from(1).iter().map(of).collect(),
        paper_so_far: device.paper_so_far(),
    }
}

fn font() -> &'static Font {
    static FONT: OnceLock<Font> = OnceLock::new();
    FONT.get_or_init(|| Font::find().expect("fonts-droid-fallback is installed where tests run"))
}

fn run(options: &PrinterOptions, input: &[u8]) -> (Device, Vec<Receipt>) {
    let mut device = device(options);
    assert!(give(&mut device, input, Instant::now()).is_empty(), "everything is taken");
    let receipts = device.receipts_from(1);
    (device, receipts)
}

/// The one receipt that the input and a cut make.
fn receipt(input: &[u8]) -> Receipt {
    let (_, mut receipts) = run(&PrinterOptions::default(), &bytes(&[START, input, CUT]));
    assert_eq!(receipts.len(), 1, "one receipt");
    receipts.remove(0)
}

#[track_caller]
fn check(input: &[u8], expected: &[&str]) {
    let receipt = receipt(input);
    assert_eq!(texts(&receipt), expected, "{input:02x?}");
    assert_eq!(receipt.flags(), [], "{input:02x?}");
}

#[track_caller]
fn check_flags(input: &[u8], lines: &[&str], flags: &[(FlagKind, usize, &[u8])]) {
    let receipt = receipt(input);
    assert_eq!(texts(&receipt), lines, "{input:02x?}");
    let found: Vec<_> =
        receipt.flags().iter().map(|flag| (flag.kind, flag.offset - START.len(), &flag.bytes[..])).collect();
    assert_eq!(found, flags, "{input:02x?}");
}

#[test]
fn text_and_line_ends() {
    check(b"abc\n", &["abc"]);
    check(b"abc\r\ndef\r\n", &["abc", "def"]);
    check(b"abc\x1bd\x03def\n", &["abc", "def"]);
    check(b"abc\x1bJ\x40def\n", &["abc", "def"]);
    check(&gb("宫保鸡丁 x2\n"), &["宫保鸡丁 x2"]);
    check(b"a\tb\n", &["a       b"]);
    check(b"\x1bD\x04\x0a\x00a\tb\tc\td\n", &["a   b     cd"]);
}

#[test]
fn fed_paper_is_blank_lines() {
    assert_eq!(receipt(b"a\nb\n").text(), "a\nb\n");
    assert_eq!(receipt(b"a\n\n\nb\n\n\n").text(), "a\n\n\nb\n");
    assert_eq!(receipt(b"a\x1bd\x03b\n").text(), "a\n\n\nb\n");
}

#[test]
fn positions() {
    check(b"\x1b$\x78\x00abc\n", &["          abc"]);
    check(b"ab\x1b\\\x0c\x00cd\n", &["ab cd"]);
    check(b"\x1b$\x24\x00D\x1b$\x00\x00ABC\n", &["   DABC"]);
    let right = gb("\x1ba\x02合计\n");
    assert_eq!(receipt(&right).text(), format!("{}合计\n", " ".repeat(44)));
    let margin = receipt(b"\x1dL\x18\x00\x1dW\x24\x00abcd\n");
    assert_eq!(margin.text(), "  abc\n  d\n");
}

#[test]
fn lines_are_wrapped_at_the_edge_as_a_device_does() {
    let row = "0123456789".repeat(5);
    let (first, rest) = row.split_at(48);
    check(format!("{row}\n").as_bytes(), &[first, rest]);
    // Exactly full: no blank line follows.
    check(format!("{first}\nx\n").as_bytes(), &[first, "x"]);
    assert_eq!(receipt(format!("{first}\nx\n").as_bytes()).text(), format!("{first}\nx\n"));
    // A Chinese character of which only half would fit goes to the next line.
    let odd = gb(&format!("{}中文\n", "x".repeat(47)));
    check(&odd, &["x".repeat(47).as_str(), "中文"]);
    let chinese = gb(&format!("{}\n", "汉".repeat(25)));
    check(&chinese, &["汉".repeat(24).as_str(), "汉"]);
    // Twice as wide, half as many.
    let wide = bytes(&[b"\x1d!\x10", &gb(&"字".repeat(13)), b"\n"]);
    check(&wide, &["字".repeat(12).as_str(), "字"]);
    let narrow = PrinterOptions { paper: PaperWidth::Mm58, ..PrinterOptions::default() };
    let (_, receipts) = run(&narrow, &ticket(&["x".repeat(33).as_str()]));
    assert_eq!(texts(&receipts[0]), ["x".repeat(32).as_str(), "x"]);
}

#[test]
fn columns_are_the_length_in_gb18030() {
    for (text, columns) in [("abc", 3), ("中文", 4), ("\u{ffe5}", 2), ("a中b", 4), ("\u{ff08}催\u{ff09}", 6)]
    {
        assert_eq!(receipt(&[gb(text), vec![b'\n']].concat()).lines()[0].columns, columns, "{text}");
    }
}

#[test]
fn sizes_weight_and_alignment() {
    let input = bytes(&[
        &gb("\x1ba\x01\x1d!\x11\x1bE\x01美团 #9\n"),
        &gb("\x1ba\x00\x1bE\x00\x1d!\x01辣子鸡\n\x1d!\x00"),
        &gb("\x1c!\x0c大abc\n\x1c!\x00"),
        b"\x1b!\x30wide\n\x1b!\x00",
        b"\x1d!\x77X\n",
    ]);
    let line = |text: &str, width, height, align, bold, columns| Line {
        text: text.to_owned(),
        width,
        height,
        align,
        bold,
        columns,
    };
    assert_eq!(
        receipt(&input).lines(),
        [
            line("美团 #9", 2, 2, Align::Center, true, 14),
            line("辣子鸡", 1, 2, Align::Left, false, 6),
            line("大abc", 2, 2, Align::Left, false, 7),
            line("wide", 2, 2, Align::Left, false, 8),
            line("X", 8, 8, Align::Left, false, 8),
        ]
    );
}

#[test]
fn single_byte_characters_without_chinese_mode() {
    check(b"\x1c.\x80\xc4\n", &["Ç─"]);
    check(b"\x1c.\x1bt\x10\x80\n", &["€"]);
    check(b"\x1bR\x0f$5\n", &["¥5"]);
}

#[test]
fn four_byte_characters_are_boxes_and_flagged() {
    let emoji = gb("\u{1F336}");
    assert_eq!(emoji.len(), 4);
    let input = bytes(&[b"A", &emoji, &gb("辣\n")]);
    check_flags(&input, &["A□辣"], &[(FlagKind::FourByte, 1, &emoji)]);
    // U+00A5 has four bytes too: a driver has to map it.
    check_flags(&gb("\u{a5}1\n"), &["□1"], &[(FlagKind::FourByte, 0, &gb("\u{a5}"))]);
}

#[test]
fn what_is_unknown_is_flagged_with_its_place() {
    check_flags(b"a\x1bzb\n", &["ab"], &[(FlagKind::Unknown, 1, b"\x1bz")]);
    check_flags(b"a\x07b\n", &["ab"], &[(FlagKind::Unknown, 1, b"\x07")]);
    check_flags(b"a\x00\x00b\n", &["ab"], &[]);
    check_flags(b"a\x1b\x1bE\x01b\n", &["ab"], &[(FlagKind::Unknown, 1, b"\x1b")]);
    check_flags(
        b"\x1d(K\x02\x00\x30\x01a\n",
        &["a"],
        &[(FlagKind::NotModelled, 0, b"\x1d(K\x02\x00\x30\x01")],
    );
    check_flags(b"\x1d!\x08a\n", &["a"], &[(FlagKind::Ignored, 0, b"\x1d!\x08")]);
    check_flags(b"a\x1ba\x01b\n", &["ab"], &[(FlagKind::Ignored, 1, b"\x1ba\x01")]);
    check_flags(b"a\xff\n", &["a□"], &[(FlagKind::Undecodable, 1, b"\xff")]);
    // A lead byte whose trail never came does not swallow the line end.
    check_flags(b"\xc0\nb\n", &["□", "b"], &[(FlagKind::Undecodable, 0, b"\xc0")]);
    check_flags(b"abc\x1b@def\n", &["def"], &[(FlagKind::TextLost, 3, b"\x1b@")]);
    check_flags(b"abc", &["abc"], &[(FlagKind::CutInLine, 3, CUT)]);
}

#[test]
fn a_command_too_long_for_memory_is_skipped() {
    let mut input = b"\x1dv0\x00\xff\xff\xff\x7f".to_vec();
    let length = 0xFFFF * 0x7FFF;
    let mut device = device(&PrinterOptions::default());
    input.resize(1 << 20, 0x41);
    let mut left = length + 8;
    while left > 0 {
        let chunk = &input[..left.min(input.len())];
        assert!(give(&mut device, chunk, Instant::now()).is_empty());
        left -= chunk.len();
        input[..8].fill(0x41);
        if left > (8 << 20) {
            // Two gigabytes would take a while; the count is what is tested.
            break;
        }
    }
    assert_eq!(device.status().flags, 1);
    assert_eq!(device.status().lines_printed, 0);
}

#[test]
fn qr_codes() {
    let url = "https://docket.example/t/9";
    let input = qr(url.as_bytes(), 6);
    let receipt = receipt(&input);
    assert_eq!(texts(&receipt), [format!("[QR: {url}]")]);
    assert_eq!(receipt.qr(), [url.as_bytes()]);
    assert_eq!(receipt.flags(), []);
    // Too wide for the paper: not printed, as on a device.
    let (_, receipts) =
        run(&PrinterOptions::default(), &bytes(&[START, b"a\n", &qr(&[b'x'; 1000], 16), CUT]));
    assert_eq!(texts(&receipts[0]), ["a"]);
    assert_eq!(receipts[0].flags()[0].kind, FlagKind::Ignored);
}

/// A QR code with error correction M, as a driver sends it.
pub(super) fn qr(data: &[u8], module_dots: u8) -> Vec<u8> {
    let length = u16::try_from(data.len() + 3).unwrap().to_le_bytes();
    bytes(&[
        b"\x1d(k\x04\x001A2\x00",
        b"\x1d(k\x03\x001C",
        &[module_dots],
        b"\x1d(k\x03\x001E1",
        b"\x1d(k",
        &length,
        b"1P0",
        data,
        b"\x1d(k\x03\x001Q0",
    ])
}

#[test]
fn bar_codes_images_drawer_and_buzzer() {
    let barcode = receipt(b"\x1dk\x49\x06{BNo.9");
    assert_eq!(texts(&barcode), ["[CODE128: No.9]"]);
    assert_eq!(barcode.barcodes(), [("CODE128", b"No.9".to_vec())]);
    check(b"\x1dv0\x00\x02\x00\x03\x00abcdef", &["[IMAGE 16x3]"]);
    check(b"\x1dv0\x03\x02\x00\x03\x00abcdef", &["[IMAGE 32x6]"]);
    let glyph = bytes(&[b"a\x1b*\x21\x18\x00", &[0x55; 72], b"b\n"]);
    check(&glyph, &["a□b"]);
    let others = receipt(b"\x1bp\x00\x19\xfa\x1bB\x03\x02a\n");
    assert_eq!(others.drawer_kicks(), [Kick { pin: 0, on_ms: 50, off_ms: 500 }]);
    assert_eq!(others.buzzes(), 3);
    assert_eq!(others.flags(), []);
}

#[test]
fn every_form_of_cut() {
    for cut in [
        &b"\x1dV\x00"[..],
        b"\x1dV\x01",
        b"\x1dV0",
        b"\x1dV1",
        b"\x1dVA\x10",
        b"\x1dVB\x00",
        b"\x1dVa\x10",
        b"\x1dVb\x00",
        b"\x1bi",
        b"\x1bm",
    ] {
        let (device, receipts) = run(&PrinterOptions::default(), &bytes(&[b"a\n", cut, b"b\n"]));
        assert_eq!(receipts.len(), 1, "{cut:02x?}");
        assert!(receipts[0].was_cut() && receipts[0].flags().is_empty(), "{cut:02x?}");
        assert_eq!(device.paper_so_far(), "b\n");
    }
    let (_, receipts) = run(&PrinterOptions::default(), b"a\n\x1dVB\x10\x1dVB\x10");
    assert_eq!(receipts.len(), 2, "fed paper that is cut off is a receipt, blank");
    let (_, receipts) = run(&PrinterOptions::default(), b"a\n\x1dV\x00\x1dV\x00");
    assert_eq!(receipts.len(), 1, "without paper there is nothing to cut");
}

#[test]
fn questions_are_answered() {
    for (input, expected) in [
        (&b"\x1dr\x01"[..], &b"\x00"[..]),
        (b"\x1dr1\x1dr2", b"\x00\x00"),
        (b"\x1d(H\x06\x0000abcd", b"7\x22abcd\x00"),
        (b"\x1d(H\x06\x0000ab\x01d", b""),
        (b"\x1d(H\x03\x00\x31\x30\x30", b""),
        (b"\x10\x04\x01\x10\x04\x02\x10\x04\x03\x10\x04\x04", b"\x12\x12\x12\x12"),
        (b"\x1da\xff", b"\x10\x00\x00\x0f"),
        (b"\x1da\x00", b""),
        (b"\x1dIB", b"_DOCKET\x00"),
    ] {
        assert_eq!(outcome(&[input]).replies, expected, "{input:02x?}");
    }
}

#[test]
fn real_time_commands_are_no_part_of_a_receipt() {
    let plain = outcome(&[&ticket(&["一", "二"])]);
    let mut asked = START.to_vec();
    asked.extend(b"\x10\x04\x01");
    asked.extend(gb("一\n"));
    asked.extend(b"\x10\x04\x04");
    asked.extend(gb("二\n"));
    asked.extend(CUT);
    let asked = outcome(&[&asked]);
    assert_eq!(asked.replies, b"\x12\x12");
    assert_eq!(asked.receipts, plain.receipts);
}

/// A ticket with something of everything.
fn everything() -> Vec<u8> {
    bytes(&[
        b"\x10\x04\x01\x1b@\x1da\xff\x1c&\x1ba\x01\x1d!\x11",
        &gb("美团外卖 #9\n"),
        b"\x1d!\x00\x1ba\x00\x1bE\x01",
        &gb("(加)宫保鸡丁"),
        b"\x1b$\xf8\x01",
        &gb("x12\n"),
        b"\x1bE\x00\x1b-\x01",
        &gb("少辣\u{1F336}\n"),
        b"\x1b-\x00\x00\x1bz",
        &qr(b"https://docket.example", 4),
        b"\x1dv0\x00\x02\x00\x02\x00\x10\x04\x01\xff",
        b"\x1dk\x026901234567892\x00",
        b"\x1b*\x21\x02\x00abcdef\n",
        b"\x1d(H\x06\x0000t001\x1dr\x01\x1bp\x00\x19\xfa",
        CUT,
        b"\x1d(H\x06\x0000t002\x10\x04\x03",
        &gb("下一单"),
        b"\n",
    ])
}

#[test]
fn bytes_may_be_split_anywhere() {
    let input = everything();
    let whole = outcome(&[&input]);
    assert_eq!(whole.receipts.len(), 1);
    assert!(whole.paper_so_far.contains("下一单"));
    for at in 1..input.len() {
        let (first, rest) = input.split_at(at);
        assert_eq!(outcome(&[first, rest]), whole, "split at {at}");
    }
    let single: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(outcome(&single), whole, "byte by byte");
}

#[test]
fn raw_bytes_are_those_that_came() {
    let first = ticket(&["一"]);
    let second = ticket(&["二"]);
    let outcome = outcome(&[&first, &second]);
    assert_eq!(outcome.receipts[0].raw, first);
    assert_eq!(outcome.receipts[1].raw, second);
}

/// Images higher than this would take the drawing test too long.
const DRAWN_DOTS_MAX: u32 = 3_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn random_bytes_never_panic(input in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        outcome(&[&input]);
    }

    /// Random bytes seldom make a whole command; these do.
    #[test]
    fn random_commands_never_panic(
        parts in proptest::collection::vec(
            (
                prop::sample::select(vec![0x10u8, 0x1B, 0x1C, 0x1D, b'\n', b'\t', 0xB0]),
                prop::sample::select(b" !$%&()*-.2389=?@BDEGHIJKLMPRSTVWacdefghikmprtuvwz{\\".to_vec()),
                proptest::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..12),
            ),
            0..200,
        ),
        split in 0usize..1_000,
    ) {
        let input: Vec<u8> = parts
            .into_iter()
            .flat_map(|(head, code, rest)| [head, code].into_iter().chain(rest))
            .collect();
        let whole = outcome(&[&input]);
        let (first, rest) = input.split_at(split.min(input.len()));
        prop_assert_eq!(outcome(&[first, rest]), whole);
        let (_, receipts) = run(&PrinterOptions::default(), &bytes(&[b"a\n", &input, b"\n", CUT]));
        for receipt in receipts.iter().filter(|receipt| receipt.height_dots() < DRAWN_DOTS_MAX) {
            receipt.png(font());
        }
    }
}
