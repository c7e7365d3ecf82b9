//! The HTTP server: HTTP/1.1 by hyper, and the bounds that make it harmless.
//!
//! At most [`CONNECTIONS_MAX`] connections are open; who comes then waits in the system's queue. Other devices have at most
//! [`LAN_CONNECTIONS_MAX`] of them, so that none can keep out the people at this PC. Each connection has
//! [`HEADER_MAX`] for the head of a request, also while it is idle, and [`CONNECTION_MAX`] for its whole life: a
//! browser connects again by itself, and a peer that does not read does not stay for ever.

use super::reply::Reply;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

/// Connections at the same time.
pub const CONNECTIONS_MAX: usize = 32;
/// Of these, for other devices in the store's network; more of theirs are closed at once.
pub const LAN_CONNECTIONS_MAX: usize = 20;
/// How long the head of a request may take, and how long a connection may be idle.
pub const HEADER_MAX: Duration = Duration::from_secs(15);
/// How long a connection lives; what it is doing then may end within [`LAST_MAX`].
pub const CONNECTION_MAX: Duration = Duration::from_secs(600);
/// How long an answer may take once its connection should end.
const LAST_MAX: Duration = Duration::from_secs(2);
/// The head of a request at most.
const HEAD_BYTES_MAX: usize = 16 * 1_024;
const HEADERS_MAX: usize = 64;
/// How often a port that is taken is tried again.
const BIND_EVERY: Duration = Duration::from_secs(5);
/// A system that is short of sockets is not asked for more at once.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Who answers a request.
pub trait Answers: Send + Sync + 'static {
    /// The answer to a request of this peer.
    fn answer(
        self: Arc<Self>,
        peer: IpAddr,
        request: Request<Incoming>,
    ) -> impl Future<Output = Reply> + Send;
}

/// Serves `app` at `address` until `stop` becomes true. While the port is taken it is tried again: that must not keep
/// a store from printing.
pub async fn serve(
    address: SocketAddr,
    app: Arc<impl Answers>,
    show: watch::Sender<Option<SocketAddr>>,
    mut stop: watch::Receiver<bool>,
) {
    let listening = async {
        let mut told = false;
        loop {
            match TcpListener::bind(address).await {
                Ok(listener) => return listener,
                Err(cause) if !told => {
                    warn!(code = "page-listen", %address, %cause, "no local page: choose another `listen` in [page], or end what uses the port");
                    told = true;
                }
                Err(_) => {}
            }
            sleep(BIND_EVERY).await;
        }
    };
    let listener = tokio::select! {
        listener = listening => listener,
        () = stopped(&mut stop) => return,
    };
    match listener.local_addr() {
        Ok(address) => {
            info!("local page: http://{address}/");
            show.send_replace(Some(address));
        }
        Err(cause) => warn!(code = "page-listen", %cause, "the local page's address is not known"),
    }
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let lan_places = Arc::new(Semaphore::new(LAN_CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = async {
                // The semaphore is never closed.
                let place = Arc::clone(&places).acquire_owned().await;
                (place, listener.accept().await)
            } => accepted,
            Some(_) = connections.join_next() => continue,
            () = stopped(&mut stop) => break,
        };
        match accepted {
            (Ok(place), Ok((stream, peer))) => {
                let peer = peer.ip().to_canonical();
                let lan_place = (!peer.is_loopback()).then(|| Arc::clone(&lan_places).try_acquire_owned());
                if let Some(Err(_)) = lan_place {
                    debug!(%peer, "too many connections of other devices");
                    continue;
                }
                let serving = connection(stream, peer, Arc::clone(&app), stop.clone());
                connections.spawn(async move {
                    serving.await;
                    drop((place, lan_place));
                });
            }
            (_, accepted) => {
                let error = accepted.err();
                debug!(?error, "no connection was accepted");
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    show.send_replace(None);
    let ended = timeout(LAST_MAX, async { while connections.join_next().await.is_some() {} });
    // What has not ended by now is aborted with the set.
    let _ = ended.await;
}

async fn connection(
    stream: TcpStream,
    peer: IpAddr,
    app: Arc<impl Answers>,
    mut stop: watch::Receiver<bool>,
) {
    // Answers are small and waited for.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let answer = Arc::clone(&app).answer(peer, request);
        async move { Ok::<Reply, Infallible>(answer.await) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = async {
            tokio::select! {
                () = sleep(CONNECTION_MAX) => {}
                () = stopped(&mut stop) => {}
            }
        } => {
            connection.as_mut().graceful_shutdown();
            timeout(LAST_MAX, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        debug!(%error, %peer, "a connection to the page ended");
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error is a sender that is gone: the agent ends.
    let _ = stop.wait_for(|stopping| *stopping).await;
}
