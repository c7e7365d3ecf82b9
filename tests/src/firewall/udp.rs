//! A relay of UDP that can be shut: what comes in is dropped without a word, as many firewalls do.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

const DATAGRAM_BYTES_MAX: usize = 65_536;

/// The relay; it ends when it is dropped.
#[derive(Debug)]
pub struct UdpGate {
    address: SocketAddr,
    state: Arc<State>,
    relaying: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    open: AtomicBool,
    dropped: AtomicU64,
}

impl UdpGate {
    /// Relays to `to` while it is open. To be called within the runtime.
    ///
    /// # Errors
    /// Where there is no socket.
    pub fn start(to: SocketAddr, open: bool) -> std::io::Result<Self> {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let socket = Arc::new(UdpSocket::from_std(socket)?);
        let state = Arc::new(State { open: AtomicBool::new(open), dropped: AtomicU64::new(0) });
        let relaying = tokio::spawn(relay(socket, to, Arc::clone(&state)));
        Ok(UdpGate { address, state, relaying })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Opens or shuts it.
    pub fn set_open(&self, open: bool) {
        self.state.open.store(open, Ordering::SeqCst);
    }

    /// Datagrams that were dropped because it was shut.
    pub fn dropped(&self) -> u64 {
        self.state.dropped.load(Ordering::SeqCst)
    }
}

impl Drop for UdpGate {
    fn drop(&mut self) {
        self.relaying.abort();
    }
}

/// A way back, which ends with the relay.
struct WayBack(Arc<UdpSocket>, JoinHandle<()>);

impl Drop for WayBack {
    fn drop(&mut self) {
        self.1.abort();
    }
}

async fn relay(near: Arc<UdpSocket>, to: SocketAddr, state: Arc<State>) {
    let mut ways: HashMap<SocketAddr, WayBack> = HashMap::new();
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        // What comes back from a peer that is gone is no concern of a relay.
        let Ok((bytes, from)) = near.recv_from(&mut datagram).await else { continue };
        if !state.open.load(Ordering::SeqCst) {
            state.dropped.fetch_add(1, Ordering::SeqCst);
            continue;
        }
        let far = match ways.entry(from) {
            Entry::Occupied(way) => Arc::clone(&way.get().0),
            Entry::Vacant(place) => {
                let Ok(far) = way_to(to).await else { continue };
                let (near, state) = (Arc::clone(&near), Arc::clone(&state));
                let back = tokio::spawn(relay_back(Arc::clone(&far), near, from, state));
                place.insert(WayBack(Arc::clone(&far), back));
                far
            }
        };
        let _ = far.send(&datagram[..bytes]).await;
    }
}

async fn way_to(to: SocketAddr) -> std::io::Result<Arc<UdpSocket>> {
    let far = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    far.connect(to).await?;
    Ok(Arc::new(far))
}

async fn relay_back(far: Arc<UdpSocket>, near: Arc<UdpSocket>, to: SocketAddr, state: Arc<State>) {
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let Ok(bytes) = far.recv(&mut datagram).await else { continue };
        if state.open.load(Ordering::SeqCst) {
            let _ = near.send_to(&datagram[..bytes], to).await;
        }
    }
}
