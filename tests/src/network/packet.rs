//! IPv4 packets as far as a router looks at them: who speaks to whom, and another sender or receiver put in.
//!
//! Checksums are changed by what the change adds to them (RFC 1624, equation 3), so that one that was wrong stays wrong,
//! as it would through a real router.

use std::net::{Ipv4Addr, SocketAddrV4};

const HEADER_BYTES_MIN: usize = 20;
const CHECKSUM_AT: usize = 10;
const SOURCE_AT: usize = 12;
const DESTINATION_AT: usize = 16;
/// More pieces follow, or this is not the first one (RFC 791).
const FRAGMENT: u16 = 0x3fff;

/// What carries the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Carrier {
    /// Where its header has the checksum, and how long it is at least.
    fn checksum_at(self) -> usize {
        match self {
            Carrier::Tcp => 16,
            Carrier::Udp => 6,
        }
    }
}

/// A whole packet of TCP or UDP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    bytes: Vec<u8>,
    header_bytes: usize,
    carrier: Carrier,
}

impl Packet {
    /// `None` for what no store's router forwards here: IPv6, other protocols, fragments, broken headers.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let first = *bytes.first()?;
        let header_bytes = usize::from(first & 0xf) * 4;
        if first >> 4 != 4 || header_bytes < HEADER_BYTES_MIN || word(bytes, 6)? & FRAGMENT != 0 {
            return None;
        }
        let carrier = match bytes.get(9)? {
            6 => Carrier::Tcp,
            17 => Carrier::Udp,
            _ => return None,
        };
        bytes.get(header_bytes + carrier.checksum_at()..)?.get(1)?;
        Some(Packet { bytes: bytes.to_vec(), header_bytes, carrier })
    }

    /// As it goes over the wire.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What carries it.
    pub fn carrier(&self) -> Carrier {
        self.carrier
    }

    /// Who has sent it.
    pub fn source(&self) -> SocketAddrV4 {
        self.end(SOURCE_AT, self.header_bytes)
    }

    /// Who gets it.
    pub fn destination(&self) -> SocketAddrV4 {
        self.end(DESTINATION_AT, self.header_bytes + 2)
    }

    /// Puts in another sender.
    pub fn set_source(&mut self, end: SocketAddrV4) {
        self.set_end(SOURCE_AT, self.header_bytes, end);
    }

    /// Puts in another receiver.
    pub fn set_destination(&mut self, end: SocketAddrV4) {
        self.set_end(DESTINATION_AT, self.header_bytes + 2, end);
    }

    fn end(&self, address_at: usize, port_at: usize) -> SocketAddrV4 {
        let mut address = [0; 4];
        address.copy_from_slice(&self.bytes[address_at..address_at + 4]);
        let port = u16::from_be_bytes([self.bytes[port_at], self.bytes[port_at + 1]]);
        SocketAddrV4::new(Ipv4Addr::from(address), port)
    }

    fn set_end(&mut self, address_at: usize, port_at: usize, end: SocketAddrV4) {
        let [a, b, c, d] = end.ip().octets();
        let carriers_at = self.header_bytes + self.carrier.checksum_at();
        // The address is in the header's sum, and in the carrier's by its pseudo-header; the port only in the latter.
        for (place, value) in [(address_at, [a, b]), (address_at + 2, [c, d])] {
            self.adjust(CHECKSUM_AT, place, value);
            self.adjust_carriers(carriers_at, place, value);
            self.put(place, value);
        }
        let port = end.port().to_be_bytes();
        self.adjust_carriers(carriers_at, port_at, port);
        self.put(port_at, port);
    }

    /// A UDP checksum of 0 means that there is none.
    fn adjust_carriers(&mut self, checksum_at: usize, place: usize, value: [u8; 2]) {
        if self.carrier == Carrier::Tcp || self.word(checksum_at) != 0 {
            self.adjust(checksum_at, place, value);
            if self.carrier == Carrier::Udp && self.word(checksum_at) == 0 {
                self.put(checksum_at, [0xff; 2]);
            }
        }
    }

    fn adjust(&mut self, checksum_at: usize, place: usize, value: [u8; 2]) {
        let sum = u32::from(!self.word(checksum_at))
            + u32::from(!self.word(place))
            + u32::from(u16::from_be_bytes(value));
        self.put(checksum_at, (!folded(sum)).to_be_bytes());
    }

    fn word(&self, place: usize) -> u16 {
        u16::from_be_bytes([self.bytes[place], self.bytes[place + 1]])
    }

    fn put(&mut self, place: usize, value: [u8; 2]) {
        self.bytes[place..place + 2].copy_from_slice(&value);
    }
}

fn word(bytes: &[u8], place: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(place)?, *bytes.get(place + 1)?]))
}

/// One's complement: what overflows is added again.
fn folded(mut sum: u32) -> u16 {
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A datagram with the checksums that belong to it.
    pub(in super::super) fn udp(payload: &[u8], source: SocketAddrV4, destination: SocketAddrV4) -> Vec<u8> {
        let length = u16::try_from(8 + payload.len()).expect("a short payload");
        let mut datagram = Vec::new();
        for word in [source.port(), destination.port(), length, 0] {
            datagram.extend(word.to_be_bytes());
        }
        datagram.extend(payload);
        let mut header = vec![0x45, 0];
        header.extend((20 + length).to_be_bytes());
        header.extend([0, 7, 0x40, 0, 64, 17, 0, 0]);
        header.extend(source.ip().octets());
        header.extend(destination.ip().octets());
        let sum = checksum(&header);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        let mut pseudo = header[12..20].to_vec();
        pseudo.extend([0, 17]);
        pseudo.extend(length.to_be_bytes());
        pseudo.extend(&datagram);
        let sum = checksum(&pseudo);
        datagram[6..8].copy_from_slice(&sum.to_be_bytes());
        header.extend(datagram);
        header
    }

    fn checksum(bytes: &[u8]) -> u16 {
        let words =
            bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
        !folded(words.sum())
    }

    #[test]
    fn another_sender_and_receiver_are_as_if_made_so() {
        let [a, b, c, d] = ["10.77.0.2:50123", "10.99.0.1:443", "203.0.113.7:1", "192.0.2.255:65535"]
            .map(|end| end.parse().expect("an address"));
        for payload in [&b""[..], b"odd", &[0xff; 600]] {
            let mut packet = Packet::parse(&udp(payload, a, b)).expect("a packet");
            assert_eq!((packet.source(), packet.destination(), packet.carrier()), (a, b, Carrier::Udp));
            packet.set_source(c);
            packet.set_destination(d);
            assert_eq!(packet.bytes(), udp(payload, c, d));
        }
    }

    #[test]
    fn what_has_no_ports_is_no_packet() {
        let [a, b] = ["10.77.0.2:50123", "10.99.0.1:443"].map(|end| end.parse().expect("an address"));
        let whole = udp(b"abc", a, b);
        for bytes in 0..28 {
            assert_eq!(Packet::parse(&whole[..bytes]), None, "{bytes} bytes");
        }
        for (place, value) in [(0, 0x65), (0, 0x44), (9, 1), (6, 0x20), (7, 1)] {
            let mut other = whole.clone();
            other[place] = value;
            assert_eq!(Packet::parse(&other), None, "{value:#x} at {place}");
        }
    }
}
