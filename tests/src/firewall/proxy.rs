//! An HTTP proxy that knows `CONNECT` and nothing else (RFC 9110, 9.3.6), with a password or without, which may refuse.

use anyhow::Context;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

const HEAD_BYTES_MAX: usize = 8 * 1024;

/// The proxy; it ends with its tunnels when it is dropped.
#[derive(Debug)]
pub struct ConnectProxy {
    address: SocketAddr,
    state: Arc<State>,
    serving: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    /// The value of `Proxy-Authorization` that is asked for.
    wanted: Option<String>,
    tunnels: AtomicU64,
    refused: AtomicU64,
    /// The head of the last request.
    last: Mutex<String>,
}

impl ConnectProxy {
    /// `wanted` is the value of the `Proxy-Authorization` header without which it answers 407.
    ///
    /// # Errors
    /// Where there is no port.
    pub async fn start(wanted: Option<&str>) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            wanted: wanted.map(str::to_owned),
            tunnels: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            last: Mutex::default(),
        });
        let serving = tokio::spawn(serve(listener, Arc::clone(&state)));
        Ok(ConnectProxy { address, state, serving })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tunnels that it has opened.
    pub fn tunnels(&self) -> u64 {
        self.state.tunnels.load(Ordering::SeqCst)
    }

    /// Requests that it has refused.
    pub fn refused(&self) -> u64 {
        self.state.refused.load(Ordering::SeqCst)
    }

    /// The head of the last request.
    pub fn last_request(&self) -> String {
        self.state.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for ConnectProxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut tunnels = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        tunnels.spawn(tunnel(client, Arc::clone(&state)));
        while tunnels.try_join_next().is_some() {}
    }
}

async fn tunnel(mut client: TcpStream, state: Arc<State>) -> anyhow::Result<()> {
    let head = read_head(&mut client).await?;
    *state.last.lock().unwrap_or_else(PoisonError::into_inner) = head.clone();
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    let target = target.context("no CONNECT")?.to_owned();
    let sent = head.lines().find_map(|line| line.strip_prefix("Proxy-Authorization: "));
    if state.wanted.is_some() && sent != state.wanted.as_deref() {
        state.refused.fetch_add(1, Ordering::SeqCst);
        let answer = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"shop\"\r\n\
                      Content-Length: 0\r\n\r\n";
        return Ok(client.write_all(answer.as_bytes()).await?);
    }
    let Ok(mut hub) = TcpStream::connect(&target).await else {
        state.refused.fetch_add(1, Ordering::SeqCst);
        return Ok(client.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await?);
    };
    client.write_all(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 shop\r\n\r\n").await?;
    state.tunnels.fetch_add(1, Ordering::SeqCst);
    copy_bidirectional(&mut client, &mut hub).await?;
    Ok(())
}

async fn read_head(client: &mut TcpStream) -> anyhow::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        anyhow::ensure!(head.len() < HEAD_BYTES_MAX, "a head without an end");
        head.push(client.read_u8().await?);
    }
    Ok(String::from_utf8(head)?)
}
