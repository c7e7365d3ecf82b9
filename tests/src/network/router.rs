//! The store's router: what leaves has its address and a port of its own, and what comes back finds the way by them.
//!
//! It forgets as real ones do, after a restart or a new address from the provider: an answer to a forgotten port goes
//! nowhere, and the next packet of the store gets another one. An end outside knows the store by its port alone, whoever
//! is asked ("endpoint-independent mapping", RFC 4787).

use super::packet::{Carrier, Packet};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4};

const FIRST_PORT: u16 = 20_000;
/// For documentation (RFC 5737): public, and nobody's.
const FIRST_ADDRESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

/// The router.
#[derive(Debug)]
pub struct Router {
    address: Ipv4Addr,
    /// Never given twice: what is forgotten must not come to life by chance.
    next_port: u16,
    ports: HashMap<(Carrier, SocketAddrV4), u16>,
    ends: HashMap<(Carrier, u16), SocketAddrV4>,
    blocks_udp: bool,
}

impl Default for Router {
    fn default() -> Self {
        Router {
            address: FIRST_ADDRESS,
            next_port: FIRST_PORT,
            ports: HashMap::new(),
            ends: HashMap::new(),
            blocks_udp: false,
        }
    }
}

impl Router {
    /// Forgets all ports.
    pub fn forget(&mut self) {
        self.ports.clear();
        self.ends.clear();
    }

    /// Forgets all ports, and has another address.
    pub fn renumber(&mut self) {
        self.forget();
        self.address = Ipv4Addr::from_bits(self.address.to_bits() + 1);
    }

    /// Lets no UDP through any more, as a strict firewall does.
    pub fn block_udp(&mut self) {
        self.blocks_udp = true;
    }

    /// A packet wants to leave the store; false where it may not.
    pub fn leaves(&mut self, packet: &mut Packet) -> bool {
        let (carrier, end) = (packet.carrier(), packet.source());
        if self.blocks_udp && carrier == Carrier::Udp {
            return false;
        }
        let port = *self.ports.entry((carrier, end)).or_insert_with(|| {
            let port = self.next_port;
            self.next_port = self.next_port.checked_add(1).unwrap_or(FIRST_PORT);
            self.ends.insert((carrier, port), end);
            port
        });
        packet.set_source(SocketAddrV4::new(self.address, port));
        true
    }

    /// A packet comes for the store; false where nobody there is known to want it.
    pub fn enters(&self, packet: &mut Packet) -> bool {
        let to = packet.destination();
        let end = self.ends.get(&(packet.carrier(), to.port()));
        if self.blocks_udp && packet.carrier() == Carrier::Udp {
            return false;
        }
        if let Some(&end) = end
            && *to.ip() == self.address
        {
            packet.set_destination(end);
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::super::packet::tests::udp;
    use super::*;

    const HUB: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 1), 4433);
    const PC: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 168, 1, 20), 50_000);

    fn packet(source: SocketAddrV4, destination: SocketAddrV4) -> Packet {
        Packet::parse(&udp(b"abc", source, destination)).expect("a packet")
    }

    /// As whom the hub sees the PC.
    fn seen(router: &mut Router, pc: SocketAddrV4) -> SocketAddrV4 {
        let mut packet = packet(pc, HUB);
        assert!(router.leaves(&mut packet));
        packet.source()
    }

    /// Who gets an answer to `seen`.
    fn answered(router: &Router, seen: SocketAddrV4) -> Option<SocketAddrV4> {
        let mut packet = packet(HUB, seen);
        router.enters(&mut packet).then(|| packet.destination())
    }

    #[test]
    fn an_answer_finds_who_has_asked() {
        let mut router = Router::default();
        let other = SocketAddrV4::new(*PC.ip(), 50_001);
        let (one, two) = (seen(&mut router, PC), seen(&mut router, other));
        assert_eq!(seen(&mut router, PC), one, "the port stays");
        assert_eq!((answered(&router, one), answered(&router, two)), (Some(PC), Some(other)));
        assert_eq!(answered(&router, SocketAddrV4::new(*one.ip(), 9)), None);
    }

    #[test]
    fn a_firewall_lets_nothing_through_either_way() {
        let mut router = Router::default();
        let before = seen(&mut router, PC);
        router.block_udp();
        assert!(!router.leaves(&mut packet(PC, HUB)));
        assert_eq!(answered(&router, before), None);
    }

    #[test]
    fn what_is_forgotten_is_not_given_again() {
        let mut router = Router::default();
        let before = seen(&mut router, PC);
        router.forget();
        assert_eq!(answered(&router, before), None);
        let after = seen(&mut router, PC);
        assert_eq!((before.ip(), answered(&router, after)), (after.ip(), Some(PC)));
        router.renumber();
        let renumbered = seen(&mut router, PC);
        assert_ne!(renumbered.ip(), after.ip());
        assert_eq!((answered(&router, after), answered(&router, renumbered)), (None, Some(PC)));
        assert_eq!(answered(&router, before), None);
    }
}
