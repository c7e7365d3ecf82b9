//! A small HTTP/1.1 client for load: one request at a time on each connection, connections kept.
//!
//! It knows what a server of pushes answers: a status, headers, and a body with `Content-Length` or until
//! the server closes. Anything else is an error. A request goes out in one write, and an answer is read into
//! a buffer that the connection keeps, so that a few dozen connections make thousands of requests a second.
//!
//! A kept connection that the server has closed is replaced and the request sent again, as platforms do; a
//! new connection that fails is an error, and the request may have been taken.

use anyhow::{Context, bail, ensure};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long one request may take.
pub const REQUEST_MS_MAX: u64 = 30_000;
/// The largest answer, headers included.
pub const REPLY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Connections that are kept when they are idle.
pub const IDLE_CONNECTIONS_MAX: usize = 4_096;
const READ_BYTES: usize = 4 * 1024;

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status, e.g. 200.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// A server, and the connections to it that are kept. Share it between tasks: each request has a connection
/// of its own.
#[derive(Debug)]
pub struct HttpClient {
    address: SocketAddr,
    idle: Mutex<Vec<Connection>>,
}

impl HttpClient {
    /// Nothing is connected yet.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, idle: Mutex::new(Vec::new()) }
    }

    /// The server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// POSTs a form.
    pub async fn post(&self, path: &str, body: &str) -> anyhow::Result<Reply> {
        self.send(&request("POST", path, self.address, super::meituan::CONTENT_TYPE, "", body)).await
    }

    /// POSTs JSON.
    pub async fn post_json(&self, path: &str, body: &str) -> anyhow::Result<Reply> {
        self.post_json_with(path, "", body).await
    }

    /// GETs a path, which may hold a query.
    pub async fn get(&self, path: &str) -> anyhow::Result<Reply> {
        self.get_with(path, "").await
    }

    /// POSTs JSON with further headers, each with its line's end.
    pub async fn post_json_with(&self, path: &str, headers: &str, body: &str) -> anyhow::Result<Reply> {
        self.send(&request("POST", path, self.address, "application/json", headers, body)).await
    }

    /// GETs a path with further headers, each with its line's end.
    pub async fn get_with(&self, path: &str, headers: &str) -> anyhow::Result<Reply> {
        self.send(&request("GET", path, self.address, "", headers, "")).await
    }

    async fn send(&self, request: &[u8]) -> anyhow::Result<Reply> {
        let limit = Duration::from_millis(REQUEST_MS_MAX);
        timeout(limit, self.exchange(request)).await.context("no answer in time")?
    }

    async fn exchange(&self, request: &[u8]) -> anyhow::Result<Reply> {
        let kept = self.lock().pop();
        if let Some(mut connection) = kept
            && let Some(reply) = connection.exchange(request).await?
        {
            return Ok(self.keep(connection, reply));
        }
        let mut connection = Connection::open(self.address).await?;
        let reply = connection.exchange(request).await?.context("the server closed without an answer")?;
        Ok(self.keep(connection, reply))
    }

    fn keep(&self, connection: Connection, reply: Reply) -> Reply {
        let mut idle = self.lock();
        if connection.kept && idle.len() < IDLE_CONNECTIONS_MAX {
            idle.push(connection);
        }
        reply
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        // A panic elsewhere leaves a list of connections that is as good as before.
        self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// One POST of a form on a connection of its own: (status, body).
pub async fn post(address: SocketAddr, path: &str, body: &str) -> anyhow::Result<(u16, String)> {
    let reply = HttpClient::new(address).post(path, body).await?;
    Ok((reply.status, reply.body))
}

/// A connection with one request at a time.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Whether the server takes another request.
    kept: bool,
}

impl Connection {
    async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(READ_BYTES), kept: true })
    }

    /// `None` where the connection was closed before a byte of the answer.
    async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Option<Reply>> {
        self.buffer.clear();
        if self.stream.write_all(request).await.is_err() {
            return Ok(None);
        }
        loop {
            if let Some(head_bytes) = head_end(&self.buffer) {
                let head = Head::parse(&self.buffer[..head_bytes])?;
                return self.body(head, head_bytes).await.map(Some);
            }
            let first = self.buffer.is_empty();
            match self.read().await {
                Ok(0) | Err(_) if first => return Ok(None),
                Ok(0) => bail!("the server closed within the headers"),
                Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn body(&mut self, head: Head, head_bytes: usize) -> anyhow::Result<Reply> {
        let wanted = head.length.map(|length| head_bytes.saturating_add(length));
        while wanted.is_none_or(|wanted| self.buffer.len() < wanted) {
            if self.read().await? == 0 {
                ensure!(wanted.is_none(), "the server closed within the body");
                break;
            }
        }
        self.kept = head.keep && wanted == Some(self.buffer.len());
        let end = wanted.unwrap_or(self.buffer.len());
        let body = String::from_utf8(self.buffer[head_bytes..end].to_vec()).context("a body in UTF-8")?;
        Ok(Reply { status: head.status, body })
    }

    async fn read(&mut self) -> anyhow::Result<usize> {
        ensure!(self.buffer.len() < REPLY_BYTES_MAX, "an answer of more than {REPLY_BYTES_MAX} bytes");
        self.buffer.reserve(READ_BYTES);
        Ok(self.stream.read_buf(&mut self.buffer).await?)
    }
}

/// What the headers say.
struct Head {
    status: u16,
    length: Option<usize>,
    keep: bool,
}

impl Head {
    fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        let text = std::str::from_utf8(bytes).context("headers in UTF-8")?;
        let mut lines = text.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let (version, rest) = status_line.split_once(' ').unwrap_or_default();
        ensure!(version.starts_with("HTTP/1."), "not HTTP/1: {status_line:?}");
        let status = rest.get(..3).and_then(|digits| digits.parse().ok()).context("a status")?;
        let mut head = Head { status, length: None, keep: version == "HTTP/1.1" };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                head.length = Some(value.parse().context("a Content-Length")?);
            } else if name.eq_ignore_ascii_case("connection") {
                head.keep = !value.eq_ignore_ascii_case("close");
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                bail!("Transfer-Encoding {value} is not known here");
            }
        }
        if matches!(status, 204 | 304) {
            head.length = Some(0);
        }
        Ok(head)
    }
}

/// Where the body begins.
fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

fn request(
    method: &str,
    path: &str,
    host: SocketAddr,
    content_type: &str,
    headers: &str,
    body: &str,
) -> Vec<u8> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}");
    if method != "GET" {
        request.push_str(&format!("Content-Type: {content_type}\r\nContent-Length: {}\r\n", body.len()));
    }
    request.push_str("\r\n");
    request.push_str(body);
    request.into_bytes()
}

#[cfg(test)]
mod tests;
