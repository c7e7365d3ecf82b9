//! A wire: one connection to the hub with its one stream of frames, be it QUIC or TLS over TCP. The session sees no
//! difference, but for the end: QUIC tells the other side why, TLS only that.

use super::connect::Connected;
use docket_protocol::enrol::EXPORTER_LABEL;
use docket_protocol::frame::{self, Decoder, FrameError};
use docket_protocol::message::{Message, Transport};
use docket_protocol::session::CloseReason;
use quinn::{ConnectionError, RecvStream, SendStream};
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// Bytes that are read at once.
const READ_BYTES: usize = 4 * 1024;
/// What a buffer of sent frames keeps when it is empty.
const UNWRITTEN_BYTES_KEPT: usize = 4 * 1024;
/// How long an end is waited for that the other side has to see.
const FAREWELL_MAX: Duration = Duration::from_secs(2);

/// A stream to the hub.
#[derive(Debug)]
pub enum Stream {
    /// The only stream of a QUIC connection.
    Quic {
        /// The connection and its endpoint.
        connected: Connected,
        /// To the hub.
        send: SendStream,
        /// From the hub.
        receive: RecvStream,
    },
    /// TLS over TCP.
    Tls {
        /// The TLS session.
        stream: Box<TlsStream<TcpStream>>,
        /// What making the connection took, there and back.
        rtt: Duration,
        /// Whether it goes through a proxy.
        proxied: bool,
    },
}

/// Why a wire carries nothing more.
#[derive(Debug)]
pub struct Lost {
    /// For the log.
    pub cause: String,
    /// It fell silent, rather than being closed.
    pub silent: bool,
}

/// A stream with its frames.
#[derive(Debug)]
pub struct Wire {
    stream: Stream,
    decoder: Decoder,
    unwritten: Vec<u8>,
    unflushed: bool,
    read_bytes: u64,
}

impl Stream {
    /// What carries it.
    pub fn transport(&self) -> Transport {
        match self {
            Stream::Quic { .. } => Transport::Quic,
            Stream::Tls { .. } => Transport::Tls,
        }
    }

    /// Whether it goes through a proxy.
    pub fn is_proxied(&self) -> bool {
        matches!(self, Stream::Tls { proxied: true, .. })
    }

    /// Round trip, and packets lost where that is known.
    pub fn quality(&self) -> (Duration, Option<u64>) {
        match self {
            Stream::Quic { connected, .. } => {
                let path = connected.connection.stats().path;
                (path.rtt, Some(path.lost_packets))
            }
            Stream::Tls { rtt, .. } => (*rtt, None),
        }
    }

    /// Keying material of this TLS session, the same at both ends (RFC 8446, 7.5).
    pub fn keying_material(&self) -> Option<[u8; 32]> {
        let mut exported = [0; 32];
        match self {
            Stream::Quic { connected, .. } => {
                connected.connection.export_keying_material(&mut exported, EXPORTER_LABEL, b"").ok()?;
            }
            Stream::Tls { stream, .. } => {
                // An empty context is not the same as none; QUIC has an empty one.
                let (_, tls) = stream.get_ref();
                exported = tls.export_keying_material(exported, EXPORTER_LABEL, Some(b"")).ok()?;
            }
        }
        Some(exported)
    }

    /// Says that nothing more is sent. The TCP connection stays open: proxies take its end for that of both directions.
    ///
    /// # Errors
    /// Where it is lost.
    pub async fn finish(&mut self) -> io::Result<()> {
        match self {
            Stream::Quic { send, .. } => send.finish().map_err(Into::into),
            Stream::Tls { stream, .. } => {
                stream.get_mut().1.send_close_notify();
                stream.flush().await
            }
        }
    }

    /// Ends it, and lets the other side see why where it can.
    pub fn close(self, code: u32, why: &'static str) {
        match self {
            Stream::Quic { connected, .. } => connected.connection.close(code.into(), why.as_bytes()),
            Stream::Tls { mut stream, .. } => {
                tokio::spawn(async move {
                    let _ = tokio::time::timeout(FAREWELL_MAX, stream.shutdown()).await;
                });
            }
        }
    }

    /// Ends it when the other side has everything.
    pub async fn end(mut self, why: &'static str) {
        let ended = async {
            self.finish().await.ok()?;
            match &mut self {
                Stream::Quic { send, .. } => send.stopped().await.ok().map(drop),
                // The hub closes in turn; a socket that is closed before that could take back what is on its way.
                Stream::Tls { stream, .. } => {
                    let mut ignored = [0; 256];
                    while stream.read(&mut ignored).await.ok()? > 0 {}
                    Some(())
                }
            }
        };
        let _ = tokio::time::timeout(FAREWELL_MAX, ended).await;
        if let Stream::Quic { connected, .. } = self {
            connected.connection.close(0_u32.into(), why.as_bytes());
            let _ = tokio::time::timeout(FAREWELL_MAX, connected.endpoint.wait_idle()).await;
        }
    }
}

impl Wire {
    /// Frames over `stream`.
    pub fn new(stream: Stream) -> Self {
        Wire { stream, decoder: Decoder::default(), unwritten: Vec::new(), unflushed: false, read_bytes: 0 }
    }

    /// The stream below.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Bytes that were read.
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Will be sent by [`Wire::transfer`].
    ///
    /// # Errors
    /// Where it is too large.
    pub fn send(&mut self, message: &Message) -> Result<(), FrameError> {
        frame::encode(message, &mut self.unwritten)
    }

    /// Whether nothing waits to be written.
    pub fn is_written(&self) -> bool {
        self.unwritten.is_empty()
    }

    /// The next message of those that were read.
    ///
    /// # Errors
    /// The wire is of no more use after one.
    pub fn next_message(&mut self) -> Result<Option<Message>, FrameError> {
        self.decoder.next_message()
    }

    /// Writes what is to be sent until something was read. It reads only once `room` has come. Safe to be dropped.
    ///
    /// # Errors
    /// Where the wire is lost.
    pub async fn transfer(&mut self, room: impl Future<Output = ()>) -> Result<(), Lost> {
        let mut room = std::pin::pin!(room);
        let mut has_room = false;
        std::future::poll_fn(|cx| {
            self.poll_write(cx)?;
            has_room = has_room || room.as_mut().poll(cx).is_ready();
            if has_room { self.poll_read(cx) } else { Poll::Pending }
        })
        .await
        .map_err(|error: io::Error| self.lost(&error))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while !self.unwritten.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.unwritten)? {
                Poll::Ready(bytes) => drop(self.unwritten.drain(..bytes)),
                Poll::Pending => return Ok(()),
            }
            self.unflushed = true;
        }
        self.unwritten.shrink_to(UNWRITTEN_BYTES_KEPT);
        if self.unflushed && Pin::new(&mut self.stream).poll_flush(cx)?.is_ready() {
            self.unflushed = false;
        }
        Ok(())
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut bytes = [MaybeUninit::uninit(); READ_BYTES];
        let mut bytes = ReadBuf::uninit(&mut bytes);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut bytes))?;
        if bytes.filled().is_empty() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed by the hub")));
        }
        self.read_bytes += bytes.filled().len() as u64;
        self.decoder.push(bytes.filled());
        Poll::Ready(Ok(()))
    }

    fn lost(&self, error: &io::Error) -> Lost {
        let silent = match &self.stream {
            Stream::Quic { connected, .. } => {
                matches!(connected.connection.close_reason(), Some(ConnectionError::TimedOut))
            }
            Stream::Tls { .. } => error.kind() == io::ErrorKind::TimedOut,
        };
        Lost { cause: error.to_string(), silent }
    }

    /// Ends it; what was not sent is dropped.
    pub fn close(self, reason: CloseReason) {
        let (code, number) = reason.code();
        self.stream.close(number, code);
    }

    /// Ends it because a better one stands.
    pub fn replaced(self) {
        self.stream.close(0, "replaced");
    }

    /// Sends what is still to be sent, for a moment, and ends it.
    pub async fn stop(mut self) {
        let flushed = async {
            self.stream.write_all(&self.unwritten).await.ok()?;
            self.stream.flush().await.ok()
        };
        let _ = tokio::time::timeout(FAREWELL_MAX, flushed).await;
        self.stream.end("agent-stopping").await;
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Quic { receive, .. } => AsyncRead::poll_read(Pin::new(receive), cx, into),
            Stream::Tls { stream, .. } => Pin::new(stream).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Quic { send, .. } => AsyncWrite::poll_write(Pin::new(send), cx, bytes),
            Stream::Tls { stream, .. } => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Quic { send, .. } => AsyncWrite::poll_flush(Pin::new(send), cx),
            Stream::Tls { stream, .. } => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Quic { send, .. } => AsyncWrite::poll_shutdown(Pin::new(send), cx),
            Stream::Tls { stream, .. } => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
