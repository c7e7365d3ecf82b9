//! The bytes of every variant that goes over the wire, as they were when it was added. A line of
//! `golden_frames.txt` never changes: agents in stores are older than the hub, and spools are older than both.
//!
//! Each table below is a `match` without a wildcard, so that a variant without a line does not compile.
//! `DOCKET_GOLDEN=write cargo nextest run -p docket-protocol golden` writes the file anew; a diff that does
//! more than add lines breaks the link.

mod samples;

use docket_protocol::document::{Align, Block, Image, Symbology};
use docket_protocol::enrol::{Answer, EnrolRefusal};
use docket_protocol::frame::{Decoder, encode, payload, read_payload};
use docket_protocol::help::{Help, HelpOutcome, LogLevel};
use docket_protocol::ids::{Platform, PrinterName};
use docket_protocol::message::{Item, Message, Refusal, Report, SettingsOutcome, SettingsPart, Transport};
use docket_protocol::order::{Cutlery, Fulfilment};
use docket_protocol::outcome::{Doubt, Evidence, Outcome};
use docket_protocol::printer::Condition;
use docket_protocol::ticket::TicketKind;
use docket_protocol::upload::Upload;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::{Debug, Write};
use std::path::Path;

type Check = Box<dyn Fn(&[u8]) -> Result<(), String>>;

/// One value and its bytes.
struct Line {
    name: String,
    bytes: Vec<u8>,
    /// Says what is wrong where bytes do not mean the value.
    check: Check,
}

/// A table of all variants of an enum, each with a value of it. The `match` is never run for its result: it is
/// there to be incomplete when a variant is added.
macro_rules! variants {
    ($lines:ident, $enum:ident, $line:path, $($variant:ident: $value:expr),+ $(,)?) => {
        let name_of = |value: &$enum| match value {
            $($enum::$variant { .. } => concat!(stringify!($enum), "::", stringify!($variant)),)+
        };
        $({
            let value: $enum = $value;
            let expected = concat!(stringify!($enum), "::", stringify!($variant));
            assert_eq!(name_of(&value), expected, "another variant's value");
            $lines.push($line(expected, value));
        })+
    };
}

fn value<T>(name: &str, value: T) -> Line
where
    T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
{
    let bytes = payload(&value);
    let check = move |bytes: &[u8]| match read_payload::<T>(bytes) {
        Some(read) if read == value => Ok(()),
        other => Err(format!("reads as {other:?}, not {value:?}")),
    };
    Line { name: name.to_owned(), bytes, check: Box::new(check) }
}

/// A whole frame, as it lies on the stream.
fn framed(name: &str, message: Message) -> Line {
    let mut bytes = Vec::new();
    encode(&message, &mut bytes).unwrap();
    let check = move |bytes: &[u8]| {
        let mut decoder = Decoder::default();
        decoder.push(bytes);
        match (decoder.next_message(), decoder.next_message()) {
            (Ok(Some(read)), Ok(None)) if read == message => Ok(()),
            other => Err(format!("reads as {other:?}, not {message:?}")),
        }
    };
    Line { name: name.to_owned(), bytes, check: Box::new(check) }
}

#[rustfmt::skip]
fn lines() -> Vec<Line> {
    let mut lines = Vec::new();
    variants!(lines, Message, framed,
        Hello: Message::Hello(samples::hello()),
        Welcome: Message::Welcome(samples::welcome()),
        Refused: Message::Refused(Refusal::Protocol { min: 2, max: 300 }),
        Deliver: Message::Deliver { seq: samples::SEQ, payload: payload(&Item::Ticket(samples::ticket())) },
        Ack: Message::Ack { up_to: samples::SEQ },
        Heartbeat: Message::Heartbeat { sent_up_to: samples::SEQ, stored_up_to: samples::SEQ.next() },
        Status: Message::Status(samples::status()),
        Link: Message::Link(samples::link_report()),
        Upload: Message::Upload { number: 300, packed: vec![0x78, 0x5e, 0, 0xff] },
        Uploaded: Message::Uploaded { number: 70_000 },
        BundlePart: Message::BundlePart(samples::bundle_part()),
        BundleTaken: Message::BundleTaken(samples::bundle_taken()),
        Instance: Message::Instance(samples::instance()),
        RenewalDue: Message::RenewalDue,
        Renew: Message::Renew(samples::renewal()),
        Renewed: Message::Renewed { certificate: vec![0x30, 0x82, 1] },
        Trust: Message::Trust { cas: vec![vec![0x30, 0x82, 2], vec![0x30, 0x82, 3]] },
        Trusting: Message::Trusting { bundle: [0x3c; 32] },
    );
    variants!(lines, Refusal, value,
        Protocol: Refusal::Protocol { min: 2, max: 300 },
        UnknownAgent: Refusal::UnknownAgent,
        Revoked: Refusal::Revoked,
        Superseded: Refusal::Superseded,
        Unavailable: Refusal::Unavailable,
        Cloned: Refusal::Cloned,
        CertificateEnded: Refusal::CertificateEnded,
    );
    variants!(lines, Transport, value,
        Quic: Transport::Quic,
        Tls: Transport::Tls,
    );
    variants!(lines, Item, value,
        Ticket: Item::Ticket(samples::ticket()),
        Help: Item::Help(samples::help_request()),
        Settings: Item::Settings(SettingsPart { revision: 300, part: 0, parts: 1, bytes: vec![1, 2, 3] }),
    );
    variants!(lines, Report, value,
        Ticket: Report::Ticket(samples::ticket_report()),
        Unreadable: Report::Unreadable { seq: samples::SEQ },
        CutShort: Report::CutShort { ticket: samples::ticket_report().ticket },
        Help: Report::Help { id: samples::help_request().id, outcome: HelpOutcome::TicketWaiting },
        Settings: Report::Settings { revision: 300, outcome: SettingsOutcome::Outdated { newest: 301 } },
    );
    variants!(lines, Help, value,
        Bundle: Help::Bundle,
        TestPage: Help::TestPage { printer: PrinterName::new("bar") },
        Reprint: samples::help_request().what,
        Restart: Help::Restart,
        LogLevel: Help::LogLevel { level: LogLevel::Debug, minutes: 60 },
    );
    variants!(lines, LogLevel, value,
        Info: LogLevel::Info,
        Debug: LogLevel::Debug,
        Trace: LogLevel::Trace,
    );
    variants!(lines, HelpOutcome, value,
        Done: HelpOutcome::Done,
        Expired: HelpOutcome::Expired,
        UnknownPrinter: HelpOutcome::UnknownPrinter,
        UnknownTicket: HelpOutcome::UnknownTicket,
        TicketWaiting: HelpOutcome::TicketWaiting,
        Interrupted: HelpOutcome::Interrupted,
        Failed: HelpOutcome::Failed,
    );
    variants!(lines, SettingsOutcome, value,
        Applied: SettingsOutcome::Applied { otherwise: "printer".into() },
        Refused: SettingsOutcome::Refused { cause: "settings-value: printer".into() },
        RolledBack: SettingsOutcome::RolledBack { cause: "settings-ended".into() },
        Outdated: SettingsOutcome::Outdated { newest: 301 },
    );
    variants!(lines, Outcome, value,
        Printed: Outcome::Printed(Evidence::Fence),
        Unknown: Outcome::Unknown(Doubt::PowerLost),
        Held: Outcome::Held(Doubt::ConnectionLost),
        Settled: Outcome::Settled,
    );
    variants!(lines, Evidence, value,
        Spooled: Evidence::Spooled,
        Sent: Evidence::Sent,
        Status: Evidence::Status,
        Fence: Evidence::Fence,
    );
    variants!(lines, Doubt, value,
        ConnectionLost: Doubt::ConnectionLost,
        AgentEnded: Doubt::AgentEnded,
        PowerLost: Doubt::PowerLost,
        PrinterSilent: Doubt::PrinterSilent,
        Expired: Doubt::Expired,
    );
    variants!(lines, Condition, value,
        Unreachable: Condition::Unreachable,
        Silent: Condition::Silent,
        Offline: Condition::Offline,
        CoverOpen: Condition::CoverOpen,
        PaperOut: Condition::PaperOut,
        PaperNearEnd: Condition::PaperNearEnd,
        Cutter: Condition::Cutter,
        Heat: Condition::Heat,
        Fatal: Condition::Fatal,
        Unknown: Condition::Unknown,
        Flapping: Condition::Flapping,
        Paused: Condition::Paused,
        Journal: Condition::Journal,
        Queue: Condition::Queue,
    );
    variants!(lines, TicketKind, value,
        Front: TicketKind::Front,
        Kitchen: TicketKind::Kitchen,
        Urge: TicketKind::Urge,
        Cancel: TicketKind::Cancel,
        Added: TicketKind::Added,
        Bill: TicketKind::Bill,
        Label: TicketKind::Label,
        Booking: TicketKind::Booking,
        Test: TicketKind::Test,
    );
    variants!(lines, Platform, value,
        Meituan: Platform::Meituan,
        Counter: Platform::Counter,
    );
    variants!(lines, Fulfilment, value,
        Delivery: Fulfilment::Delivery,
        SelfPickup: Fulfilment::SelfPickup,
        DineIn: Fulfilment::DineIn { table: "A12".into() },
    );
    variants!(lines, Cutlery, value,
        None: Cutlery::None,
        Sets: Cutlery::Sets(2),
        MoreThan: Cutlery::MoreThan(300),
    );
    variants!(lines, Upload, value,
        Order: Upload::Order(Box::new(samples::counter_order())),
        Tickets: Upload::Tickets(samples::counter_tickets()),
        Cancelled: Upload::Cancelled(samples::counter_cancelled()),
        Outcome: Upload::Outcome(samples::ticket_report()),
        CutShort: Upload::CutShort { ticket: samples::ticket_report().ticket },
    );
    variants!(lines, Block, value,
        Text: samples::text(),
        Row: samples::row(),
        Rule: Block::Rule { title: "1号口袋".into() },
        Feed: Block::Feed { lines: 3 },
        Qr: Block::Qr { data: "https://example.com/17".into(), module_dots: 6 },
        Image: Block::Image { image: Image { width_dots: 12, rows: vec![0xAB, 0xC0, 0x12, 0x30] }, align: Align::Right },
        Barcode: Block::Barcode {
            data: "690123456789".into(), symbology: Symbology::Ean13, height_dots: 80, module_dots: 3, caption: true,
        },
        Cut: Block::Cut,
        Drawer: Block::Drawer { connector: 2 },
        Buzzer: Block::Buzzer { times: 3 },
    );
    variants!(lines, Symbology, value,
        Code128: Symbology::Code128,
        Ean13: Symbology::Ean13,
    );
    variants!(lines, Align, value,
        Left: Align::Left,
        Center: Align::Center,
        Right: Align::Right,
    );
    lines.push(value("Request", samples::request()));
    variants!(lines, Answer, value,
        Granted: Answer::Granted(samples::grant()),
        Refused: Answer::Refused(EnrolRefusal::ExpiredCode),
    );
    variants!(lines, EnrolRefusal, value,
        UnknownCode: EnrolRefusal::UnknownCode,
        UsedCode: EnrolRefusal::UsedCode,
        ExpiredCode: EnrolRefusal::ExpiredCode,
        TooMany: EnrolRefusal::TooMany,
        Malformed: EnrolRefusal::Malformed,
        Unavailable: EnrolRefusal::Unavailable,
    );
    lines
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "half a byte in {text}");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn every_variant_has_the_bytes_that_it_always_had() {
    let lines = lines();
    let written: String = lines.iter().map(|line| format!("{} {}\n", line.name, hex(&line.bytes))).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden_frames.txt");
    if std::env::var_os("DOCKET_GOLDEN").is_some_and(|wish| wish == "write") {
        std::fs::write(&path, &written).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    let mut wrong = Vec::new();
    for line in &lines {
        let name = &line.name;
        match kept.lines().find_map(|kept| kept.strip_prefix(&format!("{name} "))) {
            None => wrong.push(format!("{name} has no line")),
            Some(golden) => {
                if hex(&line.bytes) != golden {
                    wrong.push(format!("{name} is written as {}\n    and was {golden}", hex(&line.bytes)));
                }
                if let Err(meaning) = (line.check)(&unhex(golden)) {
                    wrong.push(format!("{name} {meaning}"));
                }
            }
        }
    }
    for kept in kept.lines() {
        let name = kept.split(' ').next().unwrap_or(kept);
        if !lines.iter().any(|line| line.name == name) {
            wrong.push(format!("{name} is gone: variants are only ever appended"));
        }
    }
    assert!(wrong.is_empty(), "the wire has changed:\n{}", wrong.join("\n"));
}
