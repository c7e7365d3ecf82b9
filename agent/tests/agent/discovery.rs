//! The search for printers.

use crate::samples::{front, within};
use docket_agent::discovery::{Found, Known, Lan, Options, search};
use docket_agent::printing::Address;
use docket_protocol::printer::Condition;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// DLE EOT 1 to 4.
const QUERY: [u8; 12] = [0x10, 4, 1, 0x10, 4, 2, 0x10, 4, 3, 0x10, 4, 4];

/// Something that listens, answers the first bytes with `answer`, and gives back all that it was sent.
async fn listener(answer: &'static [u8]) -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut seen, mut buffer, mut answered) = (Vec::new(), [0; 256], false);
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            seen.extend_from_slice(&buffer[..count]);
            if !answered && seen.len() >= QUERY.len() {
                answered = true;
                // The far end may have gone by now.
                let _ = stream.write_all(answer).await;
            }
        }
        seen
    });
    (address, seen)
}

async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

async fn find(options: Options) -> Vec<Found> {
    let (tell, mut told) = mpsc::channel(1);
    let searching = tokio::spawn(search(options, tell));
    let mut found = Vec::new();
    while let Some(printer) = within("the search", told.recv()).await {
        found.push(printer);
    }
    searching.await.unwrap();
    found
}

fn only(places: Vec<SocketAddr>) -> Options {
    Options { lan: Lan::Only(places), attached: false, known: Vec::new() }
}

#[tokio::test]
async fn a_printer_in_the_network_is_found_by_a_status_query_and_nothing_else() {
    let (healthy, seen_by_healthy) = listener(&[0x12; 4]).await;
    let (without_paper, seen_by_other) = listener(&[0x1A, 0x32, 0x12, 0x72]).await;
    let (office, seen_by_office) = listener(&[]).await;
    let (babbler, _) = listener(b"HTTP/1.1 400 Bad Request\r\n").await;
    let found = find(only(vec![nobody().await, healthy, without_paper, office, babbler])).await;
    let of = |place: SocketAddr| {
        found
            .iter()
            .find(|found| found.address == place.into())
            .unwrap_or_else(|| panic!("{place}: {found:?}"))
    };
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(of(healthy).answered && of(healthy).conditions.is_empty(), "{found:?}");
    assert_eq!(of(healthy).label, "127.0.0.1");
    assert!(of(without_paper).answered);
    assert_eq!(of(without_paper).conditions, [Condition::PaperOut]);
    assert!(!of(office).answered && !of(babbler).answered, "{found:?}");
    for seen in [seen_by_healthy, seen_by_other, seen_by_office] {
        assert_eq!(within("the end of the connection", seen).await.unwrap(), QUERY);
    }
}

#[tokio::test]
async fn a_printer_that_is_printed_on_is_left_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap();
    let by_name = Address::Lan { host: "localhost".into(), port: place.port() };
    for known in [place.into(), by_name] {
        let known = Known { name: front(), address: known, unit: None };
        let found = find(Options { known: vec![known], ..only(vec![place]) }).await;
        assert_eq!(found, []);
    }
    let none = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
    assert!(none.is_err(), "nobody connected");
}

#[tokio::test]
async fn many_addresses_are_tried_without_end_only_as_long_as_somebody_listens() {
    let nobody = nobody().await;
    let (printer, _) = listener(&[0x12; 4]).await;
    let mut places = vec![nobody; 2_000];
    places.push(printer);
    assert_eq!(find(only(places)).await.len(), 1);
    let (tell, told) = mpsc::channel(1);
    drop(told);
    within("the end", search(only(vec![nobody; 2_000]), tell)).await;
}

#[tokio::test]
async fn what_is_plugged_in_is_listed_without_being_asked() {
    let found = find(Options { lan: Lan::Nowhere, attached: true, known: Vec::new() }).await;
    for printer in found {
        assert!(!printer.answered && !printer.label.is_empty(), "{printer:?}");
        assert_eq!(printer.address.to_string().parse(), Ok(printer.address));
    }
}
