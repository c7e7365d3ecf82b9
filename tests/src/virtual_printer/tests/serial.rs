//! The serial line, opened as a driver opens it.

use super::super::options::BUFFER_BYTES_DEFAULT;
use super::super::{Fault, Handshake, PrinterOptions, SerialOptions, VirtualPrinter};
use super::{bytes, texts, ticket};
use rustix::termios::{InputModes, OptionalActions, tcgetattr, tcsetattr};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Far more than any of this takes.
const WITHIN: Duration = Duration::from_secs(20);
const FENCE: &[u8] = b"\x1d(H\x06\x0000f001";
const FENCE_REPLY: &[u8] = b"7\x22f001\x00";

struct Stage {
    printer: VirtualPrinter,
    link: PathBuf,
    _folder: TempDir,
}

fn stage(options: &PrinterOptions, line: impl FnOnce(SerialOptions) -> SerialOptions) -> Stage {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("ttyPrinter");
    let printer = VirtualPrinter::start_serial(options, line(SerialOptions::at(&link))).unwrap();
    Stage { printer, link, _folder: folder }
}

impl Stage {
    /// The line with this speed and handshake, which cannot be waited for too long.
    fn open(&self, baud: u32, xon: bool) -> File {
        let line = OpenOptions::new().read(true).write(true).open(&self.link).unwrap();
        let mut settings = tcgetattr(&line).unwrap();
        settings.make_raw();
        settings.set_speed(baud).unwrap();
        settings.input_modes.set(InputModes::IXON, xon);
        tcsetattr(&line, OptionalActions::Now, &settings).unwrap();
        rustix::io::ioctl_fionbio(&line, true).unwrap();
        line
    }

    /// Waits until the link leads nowhere, or somewhere.
    async fn until_link(&self, there: bool) {
        let deadline = Instant::now() + WITHIN;
        while self.link.exists() != there {
            assert!(Instant::now() < deadline, "the link is there: {}", !there);
            tokio::task::yield_now().await;
        }
    }
}

/// Writes everything, and so long as the line does not take it lets the printer run.
async fn write(line: &mut File, mut bytes: &[u8]) {
    let deadline = Instant::now() + WITHIN;
    while !bytes.is_empty() {
        assert!(Instant::now() < deadline, "{} bytes are not taken", bytes.len());
        match line.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Reads so many bytes.
async fn answer(line: &mut File, length: usize) -> Vec<u8> {
    let deadline = Instant::now() + WITHIN;
    let mut answer = Vec::new();
    while answer.len() < length {
        let mut buffer = vec![0; length - answer.len()];
        match line.read(&mut buffer) {
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                assert!(Instant::now() < deadline, "only {answer:x?} was answered");
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    answer
}

#[tokio::test]
async fn a_ticket_over_a_serial_line() {
    let stage = stage(&PrinterOptions::default(), |line| line);
    let mut line = stage.open(115_200, false);
    write(&mut line, &bytes(&[&ticket(&["宫保鸡丁"]), FENCE])).await;
    assert_eq!(answer(&mut line, 7).await, FENCE_REPLY);
    assert_eq!(texts(&stage.printer.receipts()[0]), ["宫保鸡丁"]);
    assert_eq!(stage.printer.status().flags, 0);
}

#[tokio::test]
async fn a_line_knows_of_no_clients() {
    let stage = stage(&PrinterOptions::default(), |line| line);
    stage.printer.set(Fault::PaperOut);
    let mut first = stage.open(9_600, false);
    write(&mut first, &bytes(&["一".repeat(3).as_bytes(), b"\n", FENCE])).await;
    stage.printer.wait_until(WITHIN, |status| status.bytes_waiting > FENCE.len()).await.unwrap();
    drop(first);
    let mut second = stage.open(9_600, false);
    stage.printer.set(Fault::PaperIn);
    assert_eq!(answer(&mut second, 7).await, FENCE_REPLY, "the fence of another, as it is on a real line");
    assert_eq!(stage.printer.status().connections, 1);
}

#[tokio::test]
async fn unplugged_the_line_is_gone_and_plugged_in_again_the_link_leads_to_a_new_one() {
    let stage = stage(&PrinterOptions::default(), |line| line);
    let mut line = stage.open(9_600, false);
    let before = std::fs::read_link(&stage.link).unwrap();
    write(&mut line, b"half a li").await;
    stage.printer.wait_until(WITHIN, |status| status.bytes_received == 9).await.unwrap();
    stage.printer.set(Fault::Unplugged(true));
    stage.until_link(false).await;
    assert!(line.write(b"ne\n").is_err(), "what is gone takes nothing");
    assert!(!stage.printer.status().connected);
    stage.printer.set(Fault::Unplugged(false));
    stage.until_link(true).await;
    // The old number is free again only now.
    assert_ne!(std::fs::read_link(&stage.link).unwrap(), before);
    drop(line);
    let mut line = stage.open(9_600, false);
    write(&mut line, &bytes(&[b"ne\n", FENCE])).await;
    assert_eq!(answer(&mut line, 7).await, FENCE_REPLY);
    assert_eq!(stage.printer.paper_so_far(), "half a line\n");
}

#[tokio::test]
async fn a_drop_after_some_bytes_is_a_plug_that_does_not_hold() {
    let stage = stage(&PrinterOptions::default(), |line| line);
    let mut line = stage.open(9_600, false);
    stage.printer.set(Fault::DropAfterBytes(4));
    write(&mut line, b"a\nb\nc\n").await;
    stage.printer.wait_until(WITHIN, |status| status.connections == 2).await.unwrap();
    assert!(line.write(b"d\n").is_err());
    assert_eq!(stage.printer.paper_so_far(), "a\nb\n");
    let mut again = stage.open(9_600, false);
    write(&mut again, FENCE).await;
    assert_eq!(answer(&mut again, 7).await, FENCE_REPLY);
}

#[tokio::test]
async fn switched_off_the_line_stays_and_bytes_go_nowhere() {
    let stage = stage(&PrinterOptions::default(), |line| line);
    let mut line = stage.open(9_600, false);
    stage.printer.set(Fault::Power(false));
    stage.printer.wait_until(WITHIN, |status| !status.connected).await.unwrap();
    write(&mut line, &b"nobody hears this\n".repeat(10_000)).await;
    stage.printer.set(Fault::Power(true));
    stage.printer.wait_until(WITHIN, |status| status.connected).await.unwrap();
    // What is in the kernel's own buffers may still come after that; what is printed ends with this.
    write(&mut line, FENCE).await;
    assert_eq!(answer(&mut line, 7).await, FENCE_REPLY);
    assert!(stage.printer.status().lines_printed < 10_000);
}

#[tokio::test]
async fn a_full_buffer_holds_the_sender() {
    for (handshake, xon) in [(Handshake::Hardware, false), (Handshake::XonXoff, true)] {
        // Behind XOFF comes what a pseudo-terminal has under way, which is more than a wire can hold.
        let buffer_bytes = if xon { 1 << 16 } else { BUFFER_BYTES_DEFAULT };
        let options = PrinterOptions { buffer_bytes, ..PrinterOptions::default() };
        let stage = stage(&options, |line| SerialOptions { handshake, ..line });
        let mut line = stage.open(115_200, xon);
        stage.printer.set(Fault::PaperOut);
        let text = bytes(&[&b"x".repeat(47), b"\n"]).repeat(10_000);
        let held = async {
            stage
                .printer
                .wait_until(WITHIN, |status| status.bytes_waiting * 4 >= buffer_bytes * 3)
                .await
                .unwrap();
            stage.printer.set(Fault::PaperIn);
        };
        tokio::join!(write(&mut line, &text), held);
        write(&mut line, FENCE).await;
        assert_eq!(answer(&mut line, 7).await, FENCE_REPLY, "{handshake:?}");
        assert_eq!(stage.printer.status().lines_printed, 10_000, "{handshake:?}");
    }
}

#[tokio::test]
async fn without_its_handshake_a_full_printer_loses_bytes() {
    let stage =
        stage(&PrinterOptions::default(), |line| SerialOptions { handshake: Handshake::XonXoff, ..line });
    let mut line = stage.open(115_200, false);
    stage.printer.set(Fault::PaperOut);
    write(&mut line, &bytes(&[&b"x".repeat(47), b"\n"]).repeat(10_000)).await;
    assert_eq!(answer(&mut line, 1).await, [0x13], "it said so");
    stage.printer.set(Fault::PaperIn);
    stage.printer.wait_until(WITHIN, |status| status.bytes_waiting == 0).await.unwrap();
    assert!(stage.printer.status().lines_printed < 10_000);
}

#[tokio::test]
async fn bytes_take_their_time_and_another_speed_is_not_understood() {
    let stage = stage(&PrinterOptions::default(), |line| SerialOptions { baud: Some(38_400), ..line });
    let mut line = stage.open(38_400, false);
    let text = bytes(&[&b"x".repeat(47), b"\n"]).repeat(8);
    let before = Instant::now();
    write(&mut line, &bytes(&[&text, FENCE])).await;
    assert_eq!(answer(&mut line, 7).await, FENCE_REPLY);
    // 3,840 bytes a second; what a port's own buffer holds comes at once.
    let whole = Duration::from_secs(1) * (8 * 48 + 12 - 16) / 3_840;
    let at_least = whole / 2;
    assert!(before.elapsed() >= at_least, "{:?} for {at_least:?}", before.elapsed());
    assert_eq!(stage.printer.status().flags, 0);

    let mut wrong = stage.open(9_600, false);
    let received = stage.printer.bytes_received();
    write(&mut wrong, &bytes(&[b"wrong\n", FENCE])).await;
    let all = received + 6 + FENCE.len() as u64;
    stage.printer.wait_until(WITHIN, |status| status.bytes_received == all).await.unwrap();
    assert_eq!(stage.printer.status().fences_answered, 1);
    assert!(!stage.printer.paper_so_far().contains("wrong"));
}
