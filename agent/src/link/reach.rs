//! Reaching the hub: both ways against each other as [`super::way`] plans it, for the link and for enrolment.

use super::connect::{ConnectError, connect};
use super::tcp::{TcpWay, connect_tcp};
use super::tls::TlsConfigs;
use super::way::{HEAD_START, Plan};
use super::wire::Stream;
use crate::config::{LinkConfig, SocketChoice};
use docket_protocol::message::Transport;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::Instant;

/// How long all of it may take: both ways, names and addresses. A session gives up after 10 s
/// ([`docket_protocol::session::GREETING_MAX`]).
pub const REACH_MS_MAX: u64 = 9_000;

/// Both ways to a hub.
#[derive(Debug, Clone)]
pub struct Roads {
    /// `host:port` of the hub's QUIC.
    pub hub: String,
    /// Which UDP socket is used.
    pub socket: SocketChoice,
    /// TLS within QUIC.
    pub quic: quinn::ClientConfig,
    /// The other way, if there is one.
    pub tcp: Option<TcpWay>,
}

/// An attempt under way. To drop it is to give it up.
pub type Attempt = Pin<Box<dyn Future<Output = Result<Stream, ConnectError>> + Send>>;

/// Why neither way leads to the hub.
#[derive(Debug)]
pub struct NoRoad {
    first: ConnectError,
    second: Option<ConnectError>,
}

/// What came of both ways.
pub struct Reached {
    /// The one that stood first.
    pub stream: Stream,
    /// QUIC, where it has lost the race and has not failed.
    pub still_trying: Option<Attempt>,
}

impl Roads {
    /// Those of the configuration, to `hub`.
    pub fn to(hub: &str, link: &LinkConfig, tls: TlsConfigs) -> Self {
        let tcp = link.fallback_of(hub).map(|hub| TcpWay { hub, proxy: link.proxy.clone(), tls: tls.tcp });
        Roads { hub: hub.to_owned(), socket: link.socket, quic: tls.quic, tcp }
    }

    /// The same ways with other keys and certificates.
    pub fn use_tls(&mut self, tls: TlsConfigs) {
        self.quic = tls.quic;
        if let Some(tcp) = &mut self.tcp {
            tcp.tls = tls.tcp;
        }
    }

    /// Begins to connect over one of the two ways; where there is no second one, over QUIC.
    pub fn attempt(&self, transport: Transport) -> Attempt {
        self.attempt_until(transport, Instant::now() + Duration::from_millis(REACH_MS_MAX))
    }

    fn attempt_until(&self, transport: Transport, end: Instant) -> Attempt {
        let roads = self.clone();
        Box::pin(async move {
            match (transport, &roads.tcp) {
                (Transport::Tls, Some(way)) => connect_tcp(way, end).await,
                (Transport::Quic, _) | (Transport::Tls, None) => {
                    let connected = connect(&roads.hub, roads.quic, roads.socket, end).await?;
                    match connected.connection.open_bi().await {
                        Ok((send, receive)) => Ok(Stream::Quic { connected, send, receive }),
                        Err(error) => Err(ConnectError::Handshake {
                            address: connected.connection.remote_address(),
                            cause: error.to_string(),
                            answered: true,
                        }),
                    }
                }
            }
        })
    }

    /// Connects as planned.
    ///
    /// # Errors
    /// Where no way leads there.
    pub async fn reach(self, plan: Plan) -> Result<Reached, NoRoad> {
        let end = Instant::now() + Duration::from_millis(REACH_MS_MAX);
        let mut first = self.attempt_until(plan.first, end);
        let Some(other) = plan.second else {
            let stream = first.await.map_err(|first| NoRoad { first, second: None })?;
            return Ok(Reached { stream, still_trying: None });
        };
        let failed = match tokio::time::timeout(HEAD_START, &mut first).await {
            Ok(Ok(stream)) => return Ok(Reached { stream, still_trying: None }),
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        let mut second = self.attempt_until(other, end);
        let first_failed = match failed {
            Some(error) => error,
            None => tokio::select! {
                reached = &mut first => match reached {
                    Ok(stream) => return Ok(Reached { stream, still_trying: quic(other, second) }),
                    Err(error) => error,
                },
                reached = &mut second => match reached {
                    Ok(stream) => return Ok(Reached { stream, still_trying: quic(plan.first, first) }),
                    Err(second) => {
                        let stream = first.await.map_err(|first| NoRoad { first, second: Some(second) })?;
                        return Ok(Reached { stream, still_trying: None });
                    }
                },
            },
        };
        match second.await {
            Ok(stream) => Ok(Reached { stream, still_trying: None }),
            Err(second) => Err(NoRoad { first: first_failed, second: Some(second) }),
        }
    }
}

/// The attempt that lost, where it is one over QUIC. One over TCP is of no use beside QUIC.
fn quic(transport: Transport, attempt: Attempt) -> Option<Attempt> {
    (transport == Transport::Quic).then_some(attempt)
}

impl NoRoad {
    /// Whether neither way has come to the hub, see [`ConnectError::is_unanswered`].
    pub fn is_unanswered(&self) -> bool {
        self.first.is_unanswered() && self.second.as_ref().is_none_or(ConnectError::is_unanswered)
    }
}

impl fmt::Display for NoRoad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        self.second.as_ref().map_or(Ok(()), |second| write!(f, "\n{second}"))
    }
}

impl std::error::Error for NoRoad {}
