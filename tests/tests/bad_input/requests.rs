//! HTTP that is too large, half, empty, or at the wrong place.

use super::rows;
use anyhow::Context;
use docket_tests::chain::shop::PAID_PATH;
use docket_tests::chain::{Hub, HubOptions, PATIENCE, Shop};
use docket_tests::platform::meituan::OK_REPLY;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The largest body that is read at all.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Sends bytes, and the end of the stream where they are not all that was announced; gives back what comes.
async fn exchange(hub: SocketAddr, request: &[u8], whole: bool) -> anyhow::Result<String> {
    let (mut read, mut write) = TcpStream::connect(hub).await?.into_split();
    let send = async {
        // The server may answer and close before it has read all.
        let _ = write.write_all(request).await;
        if !whole {
            let _ = write.shutdown().await;
        }
    };
    let mut answer = Vec::new();
    let (_, read) = tokio::join!(send, timeout(PATIENCE, read.read_to_end(&mut answer)));
    // A reset after the answer is as good as an end.
    let _ = read.with_context(|| String::from_utf8_lossy(&answer).into_owned())?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn post(path: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n{headers}\r\n{body}").into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_none_leaves_no_trace() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut hub = Hub::start(folder.path(), HubOptions::default()).await?;
    hub.add_store(Shop::STORE, "测试面馆")?;
    let (http, before) = (hub.addresses().http, rows(&hub)?);
    let large = format!("order_id=1&sig={}", "a".repeat(BODY_BYTES_MAX));
    let with_length = |length: usize| format!("Content-Length: {length}\r\n");
    let requests: [(&str, Vec<u8>, &[&str]); 10] = [
        ("a body of more than 1 MiB", post(PAID_PATH, &with_length(large.len()), &large), &["HTTP/1.1 413"]),
        (
            "a length that is none",
            post(PAID_PATH, "Content-Length: many\r\n", "order_id=1"),
            &["HTTP/1.1 400"],
        ),
        ("half a body", post(PAID_PATH, &with_length(1_000), "order_id=1&sig="), &["", "HTTP/1.1 400"]),
        ("half a header", b"POST /cb/meituan/order/paid HTTP/1.1\r\nHost: h".to_vec(), &["", "HTTP/1.1 400"]),
        ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), &["", "HTTP/1.1 400"]),
        (
            "a wrong method",
            b"PUT /cb/meituan/order/paid HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".to_vec(),
            &["HTTP/1.1 405"],
        ),
        (
            "an unknown path",
            post("/cb/meituan/order/unknown", &with_length(10), "order_id=1"),
            &["HTTP/1.1 404"],
        ),
        ("a path above", post("/cb/../../etc/passwd", &with_length(10), "order_id=1"), &["HTTP/1.1 404"]),
        (
            "the console's path",
            b"GET /api/overview HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".to_vec(),
            &["HTTP/1.1 404"],
        ),
        ("not UTF-8", post(PAID_PATH, &with_length(17), "order_id=1&sig=%f"), &["HTTP/1.1 200"]),
    ];
    for (what, request, answers) in &requests {
        let answer = exchange(http, request, !answers.contains(&"")).await.context(*what)?;
        let begins =
            |begin: &&str| if begin.is_empty() { answer.is_empty() } else { answer.starts_with(*begin) };
        assert!(answers.iter().any(begins), "{what}: {answer}");
        assert!(!answer.contains(OK_REPLY), "{what} was answered with ok");
        assert_eq!(rows(&hub)?, before, "{what} has left something");
    }
    assert_eq!(hub.process().ended()?, None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_is_answered_to_the_byte_and_stores_nothing() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let hub = Hub::start(folder.path(), HubOptions::default()).await?;
    let (http, before) = (hub.addresses().http, rows(&hub)?);
    let get = format!("GET {PAID_PATH} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n").into_bytes();
    let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\n";
    for request in [get, post(PAID_PATH, "Content-Length: 0\r\n", ""), post(PAID_PATH, form, "")] {
        let answer = exchange(http, &request, true).await?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.to_ascii_lowercase().contains("content-type: application/json"), "{head}");
        assert_eq!(body, r#"{"data":"ok"}"#);
        assert_eq!(rows(&hub)?, before);
    }
    let refused = &hub.overview().await?["refused"];
    assert_eq!((&refused["bad_signatures"], &refused["bad_pushes"]), (&0.into(), &0.into()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stops_half_way_holds_nobody_up() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let http = shop.hub.addresses().http;
    let header = b"POST /cb/meituan/order/paid HTTP/1.1\r\nHost: hub\r\n";
    let mut halves = Vec::new();
    for (begin, answer) in [
        (&header[..0], ""),
        (&header[..20], ""),
        (&[header, &b"Content-Length: 1048576\r\n\r\nor"[..]].concat(), "HTTP/1.1 408 "),
        (&[header, &b"Content-Length: 1099511627776\r\n\r\nor"[..]].concat(), "HTTP/1.1 413 "),
    ] {
        for _ in 0..50 {
            let mut stream = TcpStream::connect(http).await?;
            stream.write_all(begin).await?;
            halves.push((stream, answer));
        }
    }
    let order = shop.push(1).await?;
    shop.until_printed(&[order]).await?;
    // And is let go in the end.
    for (mut stream, expected) in halves {
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await??;
        assert!(answer.starts_with(expected) && !answer.contains("200"), "{answer}");
    }
    Ok(())
}
