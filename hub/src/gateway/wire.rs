//! A wire: one agent's connection with its one stream of frames, be it QUIC or TLS over TCP. The session sees no
//! difference, but for the end: QUIC tells the agent why in a code, and over both it is told in a frame before.
//!
//! Thousands of them are idle at a time. So nothing is kept for reading between two reads (the bytes go from the stack
//! into the decoder), and what is empty holds no room.

use docket_protocol::enrol::EXPORTER_LABEL;
use docket_protocol::frame::{self, Decoder, FrameError};
use docket_protocol::message::Message;
use quinn::{Connection, RecvStream, SendStream};
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// Bytes that are read at once.
const READ_BYTES: usize = 8 * 1024;
/// What an agent has to read why it is closed.
pub(super) const FAREWELL_MAX: Duration = Duration::from_secs(2);

/// A stream to an agent.
pub(super) enum Stream {
    /// The only stream of a QUIC connection.
    Quic { connection: Connection, send: SendStream, receive: RecvStream },
    /// TLS over TCP.
    Tls { stream: Box<TlsStream<TcpStream>>, from: SocketAddr },
}

/// A stream with its frames.
pub(super) struct Wire {
    stream: Stream,
    decoder: Decoder,
    unwritten: Vec<u8>,
    unflushed: bool,
}

impl Stream {
    /// Where it comes from.
    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Stream::Quic { connection, .. } => connection.remote_address(),
            Stream::Tls { from, .. } => *from,
        }
    }

    /// Keying material of this TLS session, the same at both ends (RFC 8446, 7.5).
    pub(super) fn keying_material(&self) -> Option<[u8; 32]> {
        let mut exported = [0; 32];
        match self {
            Stream::Quic { connection, .. } => {
                connection.export_keying_material(&mut exported, EXPORTER_LABEL, b"").ok()?;
            }
            Stream::Tls { stream, .. } => {
                let (_, tls) = stream.get_ref();
                exported = tls.export_keying_material(exported, EXPORTER_LABEL, Some(b"")).ok()?;
            }
        }
        Some(exported)
    }

    /// Says that nothing more is sent, and waits until the agent has everything: where it goes, or says so.
    pub(super) async fn finish(&mut self) {
        let finished = async {
            self.shutdown().await.ok()?;
            match self {
                Stream::Quic { send, .. } => send.stopped().await.ok().map(drop),
                // A socket that is closed with bytes unread takes back what is on its way.
                Stream::Tls { .. } => {
                    let mut ignored = [0; 256];
                    while self.read(&mut ignored).await.ok()? > 0 {}
                    Some(())
                }
            }
        };
        let _ = tokio::time::timeout(FAREWELL_MAX, finished).await;
    }

    /// Ends it. Over TCP the reason was in the last frame, if at all.
    pub(super) fn close(self, code: u32, why: &str) {
        if let Stream::Quic { connection, .. } = self {
            connection.close(code.into(), why.as_bytes());
        }
    }
}

impl Wire {
    /// Frames over `stream`.
    pub(super) fn new(stream: Stream) -> Self {
        Wire { stream, decoder: Decoder::default(), unwritten: Vec::new(), unflushed: false }
    }

    /// Where it comes from.
    pub(super) fn address(&self) -> SocketAddr {
        self.stream.address()
    }

    /// Keying material of its TLS session.
    pub(super) fn keying_material(&self) -> Option<[u8; 32]> {
        self.stream.keying_material()
    }

    /// Will be sent by [`Wire::transfer`].
    ///
    /// # Errors
    /// Where it is too large.
    pub(super) fn send(&mut self, message: &Message) -> Result<(), FrameError> {
        frame::encode(message, &mut self.unwritten)
    }

    /// Bytes that wait to be sent.
    pub(super) fn unwritten_bytes(&self) -> usize {
        self.unwritten.len()
    }

    /// The next message of those that were read.
    ///
    /// # Errors
    /// The wire is of no more use after one.
    pub(super) fn next_message(&mut self) -> Result<Option<Message>, FrameError> {
        self.decoder.next_message()
    }

    /// Writes what is to be sent until something was read, or anything was written: there may be room for more then.
    /// Safe to be dropped.
    ///
    /// # Errors
    /// Where the wire is lost; [`io::ErrorKind::UnexpectedEof`] where the agent has closed it.
    pub(super) async fn transfer(&mut self) -> io::Result<()> {
        std::future::poll_fn(|cx| match self.poll_write(cx)? {
            true => Poll::Ready(Ok(())),
            false => self.poll_read(cx),
        })
        .await
    }

    /// Whether anything was written.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let before = self.unwritten.len();
        while !self.unwritten.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.unwritten)? {
                Poll::Ready(bytes) => drop(self.unwritten.drain(..bytes)),
                Poll::Pending => return Ok(self.unwritten.len() < before),
            }
            self.unflushed = true;
        }
        self.unwritten = Vec::new();
        if self.unflushed && Pin::new(&mut self.stream).poll_flush(cx)?.is_ready() {
            self.unflushed = false;
        }
        Ok(before > 0)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut bytes = [MaybeUninit::uninit(); READ_BYTES];
        let mut bytes = ReadBuf::uninit(&mut bytes);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut bytes))?;
        if bytes.filled().is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        self.decoder.push(bytes.filled());
        Poll::Ready(Ok(()))
    }

    /// Sends what is still to be sent, gives the agent the time to read it, and ends.
    pub(super) async fn farewell(mut self, code: u32, why: &str) {
        let sent = async {
            self.stream.write_all(&self.unwritten).await.ok()?;
            self.stream.flush().await.ok()
        };
        let _ = tokio::time::timeout(FAREWELL_MAX, sent).await;
        self.stream.finish().await;
        self.stream.close(code, why);
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
