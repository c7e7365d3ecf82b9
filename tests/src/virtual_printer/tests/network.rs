//! The TCP shell, over real sockets.

use super::super::control;
use super::super::{Fault, PrinterOptions, VirtualPrinter};
use super::{START, bytes, gb, texts, ticket};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Far more than any of this takes.
const WITHIN: Duration = Duration::from_secs(20);
const FENCE: &[u8] = b"\x1d(H\x06\x0000f001";
const FENCE_REPLY: &[u8] = b"7\x22f001\x00";

async fn start() -> (VirtualPrinter, TcpStream) {
    let printer = VirtualPrinter::start(PrinterOptions::default()).unwrap();
    let client = connect(&printer).await;
    (printer, client)
}

async fn connect(printer: &VirtualPrinter) -> TcpStream {
    let client = TcpStream::connect(printer.address()).await.unwrap();
    client.set_nodelay(true).unwrap();
    client
}

/// Reads so many bytes.
async fn answer(client: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut answer = vec![0; length];
    tokio::time::timeout(WITHIN, client.read_exact(&mut answer)).await.expect("an answer comes").unwrap();
    answer
}

#[tokio::test]
async fn a_ticket_over_tcp() {
    let (printer, mut client) = start().await;
    client.write_all(&bytes(&[&ticket(&["宫保鸡丁"]), FENCE])).await.unwrap();
    assert_eq!(answer(&mut client, 7).await, FENCE_REPLY);
    assert_eq!(printer.receipt_count(), 1);
    assert_eq!(texts(&printer.receipts()[0]), ["宫保鸡丁"]);
    assert_eq!(printer.status().flags, 0);
    printer.stop().await;
}

#[tokio::test]
async fn paper_out_in_mid_ticket_and_in_again() {
    let (printer, mut client) = start().await;
    printer.set(Fault::PaperOutAfterLines(1));
    client.write_all(&bytes(&[&ticket(&["一", "二"]), FENCE, b"\x10\x04\x04"])).await.unwrap();
    assert_eq!(answer(&mut client, 1).await, [0x7E], "the real-time answer overtakes the fence");
    assert_eq!(printer.paper_so_far(), "一\n");
    printer.set(Fault::PaperIn);
    assert_eq!(answer(&mut client, 7).await, FENCE_REPLY);
}

#[tokio::test]
async fn a_full_buffer_stops_reading_and_answers_wait() {
    let (printer, mut client) = start().await;
    printer.set(Fault::PaperOut);
    let line = bytes(&[&b"x".repeat(47), b"\n"]);
    // A thousand times the buffer.
    let all = bytes(&[&line.repeat(100_000), FENCE]);
    let total = all.len() as u64;
    let (mut from, mut to) = client.split();
    let write = async { to.write_all(&all).await.unwrap() };
    let watch = async {
        printer.wait_until(WITHIN, |status| status.bytes_waiting == 4_096).await.unwrap();
        assert_eq!(printer.bytes_received(), 4_096, "not a byte more is read");
        printer.set(Fault::PaperIn);
        let mut reply = vec![0; FENCE_REPLY.len()];
        tokio::time::timeout(WITHIN, from.read_exact(&mut reply)).await.unwrap().unwrap();
        assert_eq!(reply, FENCE_REPLY);
        assert_eq!(printer.bytes_received(), total);
    };
    tokio::join!(write, watch);
}

#[tokio::test]
async fn one_connection_at_a_time() {
    let (printer, mut first) = start().await;
    first.write_all(&bytes(&[b"a\n", FENCE])).await.unwrap();
    answer(&mut first, 7).await;
    let mut second = connect(&printer).await;
    second.write_all(&bytes(&[b"b\n", FENCE])).await.unwrap();
    first.write_all(b"c\n\x1dr\x01").await.unwrap();
    assert_eq!(answer(&mut first, 1).await, [0]);
    assert_eq!(printer.paper_so_far(), "a\nc\n");
    drop(first);
    assert_eq!(answer(&mut second, 7).await, FENCE_REPLY);
    assert_eq!(printer.paper_so_far(), "a\nc\nb\n");
    assert_eq!(printer.status().connections, 2);
}

#[tokio::test]
async fn a_drop_after_some_bytes_is_seen_by_the_client() {
    let (printer, mut client) = start().await;
    printer.set(Fault::DropAfterBytes(4));
    client.write_all(b"a\nb\nc\n").await.unwrap();
    let mut rest = Vec::new();
    // The end comes as a close or as a reset, since bytes were not read.
    let end = tokio::time::timeout(WITHIN, client.read_to_end(&mut rest)).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)));
    assert_eq!(printer.paper_so_far(), "a\nb\n");
    let mut again = connect(&printer).await;
    again.write_all(FENCE).await.unwrap();
    assert_eq!(answer(&mut again, 7).await, FENCE_REPLY);
}

#[tokio::test]
async fn switched_off_it_refuses_and_switched_on_it_has_the_same_address() {
    let (printer, mut client) = start().await;
    printer.set(Fault::Power(false));
    let mut rest = Vec::new();
    let end = tokio::time::timeout(WITHIN, client.read_to_end(&mut rest)).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)));
    printer.wait_until(WITHIN, |status| !status.connected).await.unwrap();
    assert!(TcpStream::connect(printer.address()).await.is_err());
    printer.set(Fault::Power(true));
    let mut client = loop {
        match TcpStream::connect(printer.address()).await {
            Ok(client) => break client,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    client.write_all(&bytes(&[START, &gb("又来了\n"), FENCE])).await.unwrap();
    assert_eq!(answer(&mut client, 7).await, FENCE_REPLY);
    assert_eq!(printer.paper_so_far(), "又来了\n");
}

#[tokio::test]
async fn a_printer_does_not_share_its_port_with_another() {
    let (printer, _client) = start().await;
    let options = PrinterOptions { listen: printer.address(), ..PrinterOptions::default() };
    assert!(VirtualPrinter::start(options).is_err());
}

#[tokio::test]
async fn a_stopped_printer_frees_its_port() {
    let (printer, client) = start().await;
    drop(client);
    let options = PrinterOptions { listen: printer.address(), ..PrinterOptions::default() };
    printer.stop().await;
    VirtualPrinter::start(options).unwrap();
}

#[tokio::test]
async fn a_wait_in_vain_tells_the_last_state() {
    let (printer, mut client) = start().await;
    client.write_all(b"half a ticket\n\x1dr\x01").await.unwrap();
    answer(&mut client, 1).await;
    let error = printer.wait_until(Duration::ZERO, |status| status.receipts > 0).await.unwrap_err();
    assert!(error.contains("half a ticket"), "{error}");
}

#[tokio::test]
async fn a_slow_printer_is_waited_for() {
    let options = PrinterOptions { speed_mm_per_s: 2_000, ..PrinterOptions::default() };
    let printer = VirtualPrinter::start(options).unwrap();
    let mut client = connect(&printer).await;
    client.write_all(&bytes(&[&ticket(&["一", "二", "三"]), FENCE])).await.unwrap();
    printer.wait_until(WITHIN, |status| status.receipts == 1).await.unwrap();
    // After the last motion nothing is left to be timed; that it ended is noticed all the same.
    printer.wait_until(WITHIN, |status| status.fences_answered == 1).await.unwrap();
    assert_eq!(answer(&mut client, 7).await, FENCE_REPLY);
}

#[tokio::test]
async fn faults_by_command_over_tcp() {
    let (printer, _client) = start().await;
    let printer = Arc::new(printer);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(control::serve(Arc::clone(&printer), listener));
    let (answers, mut commands) = TcpStream::connect(address).await.unwrap().into_split();
    let mut answers = BufReader::new(answers).lines();
    for (command, expected) in [
        ("paper out\n", "ok"),
        ("nonsense\r\n", "error unknown-command: `nonsense` is not a command; send `help` for the commands"),
        ("heat maybe\n", "error bad-argument: `maybe` is neither on nor off; send `help` for the commands"),
    ] {
        commands.write_all(command.as_bytes()).await.unwrap();
        let answer = tokio::time::timeout(WITHIN, answers.next_line()).await.unwrap().unwrap();
        assert_eq!(answer.as_deref(), Some(expected));
    }
    commands.write_all(b"status\n").await.unwrap();
    let status = answers.next_line().await.unwrap().unwrap();
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["paper"], "out");
    assert_eq!(status["online"], false);
    server.abort();
}
