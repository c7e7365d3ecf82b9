//! The client against a server that is as small.

use super::{HttpClient, post};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Answers every request with `reply`; after `requests` of them on a connection it closes without a word.
async fn server(reply: &'static str, requests: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            stream.set_nodelay(true).unwrap();
            tokio::spawn(async move {
                let mut buffer = vec![0; 65_536];
                for _ in 0..requests {
                    // Each request is written at once and is small.
                    match stream.read(&mut buffer).await {
                        Ok(0) | Err(_) => return,
                        Ok(_) => {}
                    }
                    let (early, late) = reply.as_bytes().split_at(reply.len() / 2);
                    stream.write_all(early).await.unwrap();
                    tokio::task::yield_now().await;
                    stream.write_all(late).await.unwrap();
                }
            });
        }
    });
    (address, connections)
}

const OK: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{\"data\":\"ok\"}";

#[tokio::test]
async fn connections_are_kept() {
    let (address, connections) = server(OK, usize::MAX).await;
    let client = HttpClient::new(address);
    for _ in 0..100 {
        let reply = client.post("/paid", "order_id=1").await.unwrap();
        assert_eq!((reply.status, reply.body.as_str()), (200, "{\"data\":\"ok\"}"));
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
    assert_eq!(post(address, "/paid", "").await.unwrap(), (200, "{\"data\":\"ok\"}".to_owned()));
    assert_eq!(client.get("/paid?order_id=1").await.unwrap().status, 200);
}

#[tokio::test]
async fn many_requests_at_once_have_connections_of_their_own() {
    let (address, connections) = server(OK, usize::MAX).await;
    let client = Arc::new(HttpClient::new(address));
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                for _ in 0..100 {
                    assert_eq!(client.post("/", "x").await.unwrap().status, 200);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(connections.load(Ordering::Relaxed) <= 50);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_replaced() {
    let (address, connections) = server(OK, 1).await;
    let client = HttpClient::new(address);
    for _ in 0..3 {
        assert_eq!(client.post("/", "x").await.unwrap().status, 200);
    }
    assert_eq!(connections.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn what_is_no_answer_is_an_error() {
    for reply in ["SSH-2.0-x\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"] {
        let (address, _) = server(reply, 1).await;
        assert!(HttpClient::new(address).get("/").await.is_err(), "{reply:?}");
    }
    let (address, _) = server(OK, 0).await;
    assert!(HttpClient::new(address).get("/").await.is_err());
    let (address, _) = server("HTTP/1.1 503 Unavailable\r\nConnection: close\r\n\r\nfull", 1).await;
    let reply = HttpClient::new(address).get("/").await.unwrap();
    assert_eq!((reply.status, reply.body.as_str()), (503, "full"));
}
