//! How many TCP connections are let in. QUIC has bounds of its own, and answers nobody before it is sure of the address;
//! over TCP each connection is a file and, once it speaks, a TLS session.
//!
//! Whoever has not shown an agent's certificate is a stranger, and strangers are counted for each address. An agent is
//! not: a whole chain may stand behind one NAT, and after a restart of the hub it comes back at once. So the bound for
//! strangers is above the largest chain that one hub is meant for, and only keeps one address from taking all the
//! places.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Connections of all kinds.
const CONNECTIONS_MAX: usize = 40_000;
/// Of these, strangers.
const STRANGERS_MAX: usize = 16_384;
/// Of these, from one address.
const STRANGERS_OF_ADDRESS_MAX: usize = 8_192;

/// Counts connections.
#[derive(Debug, Default)]
pub(super) struct Gate(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    strangers: usize,
    /// Addresses that have any.
    of_address: HashMap<IpAddr, usize>,
}

/// A connection's place; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    gate: Arc<Gate>,
    /// Whose stranger it is, if it is one.
    stranger: Option<IpAddr>,
}

impl Gate {
    /// Lets a stranger in, if there is a place.
    pub(super) fn let_in(self: &Arc<Self>, from: IpAddr) -> Option<Place> {
        let address = network(from);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = counts.of_address.get(&address).copied().unwrap_or(0);
        if counts.all >= CONNECTIONS_MAX
            || counts.strangers >= STRANGERS_MAX
            || of_address >= STRANGERS_OF_ADDRESS_MAX
        {
            return None;
        }
        counts.all += 1;
        counts.strangers += 1;
        counts.of_address.insert(address, of_address + 1);
        Some(Place { gate: Arc::clone(self), stranger: Some(address) })
    }
}

impl Place {
    /// It is an agent.
    pub(super) fn is_known(&mut self) {
        if let Some(address) = self.stranger.take() {
            let mut counts = self.gate.0.lock().unwrap_or_else(PoisonError::into_inner);
            counts.strangers -= 1;
            if let Some(count) = counts.of_address.get_mut(&address) {
                *count -= 1;
                if *count == 0 {
                    counts.of_address.remove(&address);
                }
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.is_known();
        self.gate.0.lock().unwrap_or_else(PoisonError::into_inner).all -= 1;
    }
}

/// An IPv6 host has a whole /64 to come from.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(gate: &Arc<Gate>, from: IpAddr) -> Vec<Place> {
        std::iter::from_fn(|| gate.let_in(from)).collect()
    }

    #[test]
    fn one_address_does_not_take_the_places_of_others() {
        let gate = Arc::<Gate>::default();
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let mut places = fill(&gate, one);
        assert_eq!(places.len(), STRANGERS_OF_ADDRESS_MAX);
        let place = gate.let_in(other).expect("a place for another address");
        places.pop();
        assert!(gate.let_in(one).is_some(), "a place that was given back");
        drop((places, place));
        let counts = gate.0.lock().unwrap();
        assert_eq!((counts.all, counts.strangers, counts.of_address.len()), (0, 0, 0));
    }

    #[test]
    fn a_chain_behind_one_address_is_no_crowd_of_strangers() {
        let gate = Arc::<Gate>::default();
        let nat = IpAddr::from([10, 0, 0, 1]);
        let mut agents = Vec::new();
        while let Some(mut agent) = gate.let_in(nat) {
            agent.is_known();
            agents.push(agent);
        }
        assert_eq!(agents.len(), CONNECTIONS_MAX);
        agents.pop();
        assert!(gate.let_in(nat).is_some());
    }

    #[test]
    fn an_ipv6_host_is_one_address_and_a_mapped_one_is_its_ipv4_address() {
        let gate = Arc::<Gate>::default();
        let places = fill(&gate, "2001:db8::1".parse().unwrap());
        assert!(gate.let_in("2001:db8::2".parse().unwrap()).is_none());
        assert!(gate.let_in("2001:db8:0:1::2".parse().unwrap()).is_some());
        drop(places);
        let places = fill(&gate, "::ffff:10.0.0.1".parse().unwrap());
        assert!(gate.let_in(IpAddr::from([10, 0, 0, 1])).is_none());
        drop(places);
    }
}
