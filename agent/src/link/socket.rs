//! A plain UDP socket for quinn: one datagram a call, and no socket option that needs a recent network stack.
//!
//! quinn's own socket asks for packet information, ECN and "don't fragment", and fails to start where one of them is
//! missing (Wine 8; perhaps old drivers and filters). An agent moves a few kilobytes a minute, so what those options
//! buy (batches, path MTU discovery) is nothing it would miss.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

/// What Windows answers to a receive that a datagram didn't fit into (WSAEMSGSIZE), and to one after an ICMP "time
/// exceeded" (WSAENETRESET). Elsewhere neither can happen on a UDP socket with these meanings.
const LOST_DATAGRAM: [i32; 2] = [10040, 10052];

/// A tokio UDP socket as quinn wants it, for [`quinn::Endpoint::new_with_abstract_socket`].
#[derive(Debug)]
pub struct PlainUdpSocket(pub UdpSocket);

impl AsyncUdpSocket for PlainUdpSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable { socket: self, waiting: None })
    }

    /// A datagram that the network refuses is a lost one: QUIC repeats it, and an error here would end the connection
    /// of a store whose router is only restarting.
    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        match self.0.try_send_to(transmit.contents, transmit.destination) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut buf = ReadBuf::new(&mut bufs[0]);
            match ready!(self.0.poll_recv_from(cx, &mut buf)) {
                Ok(addr) => {
                    let len = buf.filled().len();
                    meta[0] = RecvMeta { addr, len, stride: len, ecn: None, dst_ip: None };
                    return Poll::Ready(Ok(1));
                }
                Err(error)
                    if cfg!(windows) && error.raw_os_error().is_some_and(|e| LOST_DATAGRAM.contains(&e)) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// "Don't fragment" is not set, so a large probe may arrive in pieces and prove nothing: true keeps quinn's path
    /// MTU discovery off.
    fn may_fragment(&self) -> bool {
        true
    }
}

/// Waits until the socket can be written. The future is kept between polls because it holds this task's place in the
/// queue; tokio's own `poll_send_ready` would wake only the last of several connections.
struct Writable {
    socket: Arc<PlainUdpSocket>,
    waiting: Option<Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync>>>,
}

impl UdpPoller for Writable {
    fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { socket, waiting } = &mut *self;
        let future = waiting.get_or_insert_with(|| {
            let socket = Arc::clone(socket);
            Box::pin(async move { socket.0.writable().await })
        });
        let result = ready!(future.as_mut().poll(cx));
        *waiting = None;
        Poll::Ready(result)
    }
}

impl fmt::Debug for Writable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writable").finish_non_exhaustive()
    }
}
