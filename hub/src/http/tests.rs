//! How connections end that would last too long. The other bounds are tested on a whole hub (`tests/tests/bad_input`).

use super::{Bounds, serve};
use axum::Router;
use axum::routing::get;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

/// Whatever comes back of these bytes until the server closes.
async fn until_closed(bounds: Bounds, requests: &[u8]) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopping) = watch::channel(false);
    let never = get(std::future::pending::<()>);
    let router = Router::new().route("/", get(async || "here")).route("/never", never);
    let serving = tokio::spawn(serve(listener, None, router, bounds, stopping));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(requests).await.unwrap();
    let mut heard = Vec::new();
    // A reset is an end, too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut heard)).await.expect("it is closed");
    stop.send(true).unwrap();
    serving.await.unwrap();
    String::from_utf8(heard).unwrap()
}

#[tokio::test]
async fn the_next_answer_on_an_old_connection_is_its_last() {
    let bounds = Bounds { age_max: Duration::ZERO, ..Bounds::platforms(1) };
    let heard = until_closed(bounds, &b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n".repeat(2)).await;
    assert_eq!(heard.matches("HTTP/1.1 200 OK").count(), 1, "{heard}");
    assert!(heard.contains("connection: close\r\n") && heard.ends_with("here"), "{heard}");
}

#[tokio::test]
async fn a_connection_that_takes_no_end_is_cut_off() {
    let bounds = Bounds { life_max: Some(Duration::from_millis(50)), ..Bounds::platforms(1) };
    let heard = until_closed(bounds, b"GET /never HTTP/1.1\r\nHost: hub\r\n\r\n").await;
    assert_eq!(heard, "");
}
