//! What one peer, or all of them, may cost the platforms' port before they have said anything useful.

use super::rows;
use anyhow::Context;
use docket_tests::chain::shop::{PAID_PATH, now_s, order};
use docket_tests::chain::{Hub, HubOptions, PATIENCE, Shop};
use docket_tests::platform::meituan::OK_REPLY;
use docket_tests::platform::orders::PlacedOrder;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Requests that a connection takes.
const CONNECTION_REQUESTS_MAX: usize = 1_000;
/// The largest body that is read at all.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// What each body has to itself, and what there is beyond that for all: so many bodies of that size take all of it.
const BODY_OWN_BYTES: usize = 24 * 1024;
const HOGS: usize = 64;
const HOG_BYTES: usize = BODY_OWN_BYTES + 32 * 1024 * 1024 / HOGS;
/// Between the bytes of a body that drips.
const DRIP: Duration = Duration::from_millis(200);

fn probe() -> Vec<u8> {
    format!("GET {PAID_PATH} HTTP/1.1\r\nHost: hub\r\n\r\n").into_bytes()
}

/// One answer with its headers, or "" where the connection is closed instead.
async fn answer(stream: &mut TcpStream) -> anyhow::Result<String> {
    let mut heard = Vec::new();
    while !heard.ends_with(b"}") {
        // A reset is an end, too.
        if timeout(PATIENCE, stream.read_buf(&mut heard)).await?.unwrap_or(0) == 0 {
            break;
        }
    }
    Ok(String::from_utf8(heard)?)
}

async fn connect_from(own: [u8; 4], hub: SocketAddr) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((own, 0).into())?;
    Ok(socket.connect(hub).await?)
}

/// An order whose push is too long to be read without asking for room.
fn long_order(number: u64) -> PlacedOrder {
    let mut long = order(Shop::STORE, number);
    long.note = "少辣".repeat(2_000);
    long
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_renewed_after_its_share_of_requests() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let hub = Hub::start(folder.path(), HubOptions::default()).await?;
    let mut stream = TcpStream::connect(hub.addresses().http).await?;
    for number in 1..=CONNECTION_REQUESTS_MAX {
        stream.write_all(&probe()).await?;
        let answer = answer(&mut stream).await?;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(OK_REPLY), "{number}: {answer}");
        let last = answer.contains("connection: close");
        assert_eq!(last, number == CONNECTION_REQUESTS_MAX, "{number}: {answer}");
    }
    assert_eq!(answer(&mut stream).await?, "", "closed after the last");
    // A client that hears it goes on without a failure.
    let client = hub.client();
    for _ in 0..=CONNECTION_REQUESTS_MAX {
        assert_eq!(client.get(PAID_PATH).await?.body, OK_REPLY);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_address_has_all_the_connections() -> anyhow::Result<()> {
    const EACH_MAX: usize = 8;
    let folder = tempfile::tempdir()?;
    let http = format!("connections_of_address_max = {EACH_MAX}");
    let mut hub = Hub::start(folder.path(), HubOptions { http, ..HubOptions::default() }).await?;
    let http = hub.addresses().http;
    let answered = async |stream: &mut TcpStream| {
        let _ = stream.write_all(&probe()).await;
        anyhow::Ok(answer(stream).await?.ends_with(OK_REPLY))
    };
    let mut open = Vec::new();
    for _ in 0..EACH_MAX {
        let mut stream = connect_from([127, 0, 0, 2], http).await?;
        assert!(answered(&mut stream).await?, "one of its own");
        open.push(stream);
    }
    for _ in 0..EACH_MAX {
        assert!(!answered(&mut connect_from([127, 0, 0, 2], http).await?).await?, "one too many");
    }
    assert!(answered(&mut connect_from([127, 0, 0, 3], http).await?).await?, "another address");
    for stream in &mut open {
        assert!(answered(stream).await?, "those that it has stay");
    }
    let log = hub.process().log_text();
    assert_eq!(log.matches("http-address-full").count(), 1, "told once: {log}");

    // Whoever goes makes room.
    drop(open);
    let deadline = Instant::now() + PATIENCE;
    while !answered(&mut connect_from([127, 0, 0, 2], http).await?).await? {
        anyhow::ensure!(Instant::now() < deadline, "no room after all connections were closed");
    }
    Ok(())
}

/// Sends all but the last byte of a body, over and over.
async fn hog(hub: SocketAddr) -> anyhow::Result<()> {
    let body = vec![b'a'; HOG_BYTES - 1];
    let head = format!("POST {PAID_PATH} HTTP/1.1\r\nHost: hub\r\nContent-Length: {HOG_BYTES}\r\n\r\n");
    loop {
        let mut stream = TcpStream::connect(hub).await?;
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&body).await?;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_nobody_take_a_bounded_room_and_none_of_an_ordinary_order() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let hub = Hub::start(folder.path(), HubOptions::default()).await?;
    hub.add_store(Shop::STORE, "测试面馆")?;
    let (http, client) = (hub.addresses().http, hub.client());
    let mut hogs = JoinSet::new();
    for _ in 0..HOGS {
        hogs.spawn(hog(http));
    }

    // A long push is told to come again, as soon as all room is taken.
    let mut number = 0;
    let deadline = Instant::now() + PATIENCE;
    let refused = loop {
        number += 1;
        let body = hub.meituan().paid(&long_order(number), now_s());
        let mut stream = TcpStream::connect(http).await?;
        let head = format!(
            "POST {PAID_PATH} HTTP/1.1\r\nHost: hub\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await?;
        let answer = answer(&mut stream).await?;
        if !answer.ends_with(OK_REPLY) {
            break answer;
        }
        anyhow::ensure!(Instant::now() < deadline, "{HOGS} bodies of {HOG_BYTES} bytes leave room");
    };
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: "), "{refused}");
    assert!(refused.contains(r#"{"data":"ng""#), "{refused}");
    assert_ne!(hub.overview().await?["refused"]["unstored"], 0);

    // An ordinary one does not notice.
    let before = hub.ledger()?.number("SELECT count(*) FROM orders")?;
    let ordinary = hub.meituan().paid(&order(Shop::STORE, 0), now_s());
    assert_eq!(client.post(PAID_PATH, &ordinary).await?.body, OK_REPLY);
    assert_eq!(hub.ledger()?.number("SELECT count(*) FROM orders")?, before + 1);

    // And the long one is taken when it comes again.
    hogs.shutdown().await;
    let again = hub.meituan().paid(&long_order(number), now_s());
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reply = client.post(PAID_PATH, &again).await?;
        if reply.body == OK_REPLY {
            break;
        }
        anyhow::ensure!(reply.status == 503 && Instant::now() < deadline, "{reply:?}");
    }
    assert_eq!(hub.ledger()?.number("SELECT count(*) FROM orders")?, before + 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_in_pieces_of_a_byte_is_a_push() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let hub = Hub::start(folder.path(), HubOptions::default()).await?;
    hub.add_store(Shop::STORE, "测试面馆")?;
    let body = hub.meituan().paid(&long_order(1), now_s());
    let mut request =
        format!("POST {PAID_PATH} HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
    for byte in body.bytes() {
        request.extend_from_slice(&[b"1\r\n", &[byte][..], b"\r\n"].concat());
    }
    request.extend_from_slice(b"0\r\n\r\n");
    let mut stream = TcpStream::connect(hub.addresses().http).await?;
    stream.write_all(&request).await?;
    let answer = answer(&mut stream).await?;
    assert!(answer.ends_with(OK_REPLY), "{answer}");
    let kept = hub.ledger()?.number("SELECT length(raw) FROM pushes")?;
    assert_eq!(usize::try_from(kept)?, body.len(), "as it came");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_drips_is_given_up_however_steadily_it_drips() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let hub = Hub::start(folder.path(), HubOptions::default()).await?;
    let before = rows(&hub)?;
    let (mut read, mut write) = TcpStream::connect(hub.addresses().http).await?.into_split();
    let head = format!("POST {PAID_PATH} HTTP/1.1\r\nHost: hub\r\nContent-Length: {BODY_BYTES_MAX}\r\n\r\n");
    write.write_all(head.as_bytes()).await?;
    let mut heard = [0; 256];
    let mut drips = tokio::time::interval(DRIP);
    let answer = timeout(PATIENCE, async {
        loop {
            tokio::select! {
                bytes = read.read(&mut heard) => break anyhow::Ok(String::from_utf8_lossy(&heard[..bytes?]).into_owned()),
                _ = drips.tick() => write.write_all(b"a").await?,
            }
        }
    });
    let answer = answer.await.context("it drips on")??;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(rows(&hub)?, before);
    assert_eq!(hub.overview().await?["refused"]["bad_pushes"], 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_may_come_in_a_query_of_any_length_that_a_query_can_have() -> anyhow::Result<()> {
    const QUERY_BYTES: usize = 60 * 1024;
    const HEADER_BYTES: usize = 256 * 1024;
    let folder = tempfile::tempdir()?;
    let hub = Hub::start(folder.path(), HubOptions::default()).await?;
    let asked = async |head: String| {
        let mut stream = TcpStream::connect(hub.addresses().http).await?;
        let _ = stream.write_all(head.as_bytes()).await;
        answer(&mut stream).await
    };
    let query = format!("order_id=1&sig={}", "a".repeat(QUERY_BYTES));
    let long = asked(format!("GET {PAID_PATH}?{query} HTTP/1.1\r\nHost: hub\r\n\r\n")).await?;
    assert!(
        long.starts_with("HTTP/1.1 200 ") && long.contains(r#""code":703"#),
        "it is read and verified: {long}"
    );
    let cookie = "a".repeat(HEADER_BYTES);
    let larger = asked(format!("GET {PAID_PATH} HTTP/1.1\r\nHost: hub\r\nCookie: {cookie}\r\n\r\n")).await?;
    assert!(larger.starts_with("HTTP/1.1 431 "), "{larger}");
    Ok(())
}
