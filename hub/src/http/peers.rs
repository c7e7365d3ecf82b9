//! How many connections each address has, so that none can have them all.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The half of an IPv6 address that names a network: whoever has one address of it has all of them.
const IPV6_NETWORK: u128 = !0 << 64;

/// The connections of all addresses. It is asked once when a connection comes and once when it goes.
#[derive(Debug)]
pub struct Peers {
    each_max: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's place; given back when it is dropped.
#[derive(Debug)]
pub struct PeerPlace {
    peers: Arc<Peers>,
    peer: IpAddr,
}

impl Peers {
    /// Nobody is connected yet; each address may have so many connections.
    pub fn new(each_max: usize) -> Arc<Self> {
        Arc::new(Peers { each_max, open: Mutex::default() })
    }

    /// A place for a connection from this address, where it may have one more.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Option<PeerPlace> {
        let peer = match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & IPV6_NETWORK).into(),
            address => address,
        };
        let mut open = self.lock();
        let count = open.entry(peer).or_default();
        // There is an entry only of who has a connection: an address that is refused has some.
        let admitted = *count < self.each_max;
        *count += usize::from(admitted);
        admitted.then(|| PeerPlace { peers: Arc::clone(self), peer })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // A panic while it was held has left it whole: each change is one assignment.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PeerPlace {
    fn drop(&mut self) {
        let mut open = self.peers.lock();
        if let Some(count) = open.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(peers: &Arc<Peers>, address: &str) -> Option<PeerPlace> {
        peers.admit(address.parse().unwrap())
    }

    #[test]
    fn each_address_has_its_places_and_gets_them_back() {
        let peers = Peers::new(2);
        let (first, second) = (admit(&peers, "192.0.2.1"), admit(&peers, "::ffff:192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(admit(&peers, "192.0.2.1").is_none());
        let other = admit(&peers, "192.0.2.2");
        assert!(other.is_some(), "another address");
        drop(first);
        let third = admit(&peers, "192.0.2.1");
        assert!(third.is_some() && admit(&peers, "192.0.2.1").is_none());
        drop((second, third, other));
        assert!(peers.lock().is_empty(), "who has left is forgotten");
    }

    #[test]
    fn a_network_of_ipv6_is_one_peer() {
        let peers = Peers::new(1);
        let place = admit(&peers, "2001:db8:0:1::1");
        assert!(place.is_some() && admit(&peers, "2001:db8:0:1:ffff::2").is_none());
        assert!(admit(&peers, "2001:db8:0:2::1").is_some());
    }
}
