//! The PC's own networks.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

/// Of a larger subnet, only the part around the PC is searched: 2^10 addresses, a /22.
pub const HOST_BITS_MAX: u32 = 10;

/// A subnet that the PC is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    /// The PC's own address, or any other in it.
    pub address: Ipv4Addr,
    /// How many bits of an address tell its hosts apart.
    pub host_bits: u32,
}

/// The addresses that hosts may have in private ones of these networks, each once.
pub fn hosts(networks: &[Network]) -> impl Iterator<Item = Ipv4Addr> {
    let mut ranges: Vec<(u32, u32)> = networks
        .iter()
        .filter(|network| network.address.is_private() && network.host_bits >= 2)
        .map(|network| {
            let span = (1 << network.host_bits.min(HOST_BITS_MAX)) - 1;
            let first = network.address.to_bits() & !span;
            // Without the network's own address and that of all its hosts, where the ends are the network's.
            (first + 1, first + span - 1)
        })
        .collect();
    ranges.sort_unstable();
    let mut from = 0;
    let mut hosts = Vec::new();
    for (first, last) in ranges {
        hosts.extend((first.max(from)..=last).map(Ipv4Addr::from_bits));
        from = from.max(last + 1);
    }
    hosts.into_iter()
}

/// The IPv4 subnets that the PC is in.
pub(super) fn own() -> Vec<Network> {
    let mut networks: Vec<Network> = system::subnets().into_iter().map(around_this_pc).collect();
    networks.sort_unstable();
    networks.dedup();
    networks
}

/// In a large network it matters where in it the PC is. Connecting a UDP socket sends nothing; it only chooses the
/// address that would be used.
fn around_this_pc(network: Network) -> Network {
    let first = Ipv4Addr::from_bits(network.address.to_bits() | 1);
    let chosen = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect((first, 9)).ok()?;
        match socket.local_addr().ok()? {
            SocketAddr::V4(own) => Some(*own.ip()),
            SocketAddr::V6(_) => None,
        }
    };
    let is_in = |own: &Ipv4Addr| (own.to_bits() ^ network.address.to_bits()) >> network.host_bits == 0;
    Network { address: chosen().filter(is_in).unwrap_or(network.address), ..network }
}

#[cfg(target_os = "linux")]
mod system {
    use super::Network;
    use std::net::Ipv4Addr;

    /// From the routing table: what is reached without a gateway.
    pub(super) fn subnets() -> Vec<Network> {
        let table = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
        table.lines().skip(1).filter_map(subnet).collect()
    }

    /// Interface, destination, gateway, flags, three numbers, mask; addresses in the byte order of the network, as
    /// this PC's number in hex.
    fn subnet(line: &str) -> Option<Network> {
        let mut fields = line.split_whitespace();
        let mut address = |skipped| {
            let digits = fields.nth(skipped)?;
            Some(u32::from_be_bytes(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes()))
        };
        let (destination, gateway, mask) = (address(1)?, address(0)?, address(4)?);
        let is_subnet = gateway == 0 && mask != 0;
        is_subnet
            .then(|| Network { address: Ipv4Addr::from_bits(destination), host_bits: (!mask).count_ones() })
    }

    #[cfg(all(test, target_endian = "little"))]
    mod tests {
        use super::*;

        #[test]
        fn a_route_without_gateway_is_a_subnet() {
            let subnet = |line: &str| subnet(line).map(|found| (found.address.to_string(), found.host_bits));
            assert_eq!(subnet("eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0"), None);
            let own = subnet("eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0");
            assert_eq!(own, Some(("192.168.1.0".into(), 8)));
            assert_eq!(subnet("eth0"), None);
        }
    }
}

#[cfg(windows)]
mod system {
    use super::Network;
    use std::net::Ipv4Addr;
    use windows_sys::Win32::Foundation::NO_ERROR;
    use windows_sys::Win32::NetworkManagement::IpHelper::{GetIpAddrTable, MIB_IPADDRROW_XP};

    /// A PC has a handful.
    const ROWS_MAX: usize = 64;

    /// The table as Windows lays it out: how many, then the rows.
    #[repr(C)]
    struct Table {
        count: u32,
        rows: [MIB_IPADDRROW_XP; ROWS_MAX],
    }

    /// From the table of the PC's own addresses.
    pub(super) fn subnets() -> Vec<Network> {
        let mut table = Table { count: 0, rows: [MIB_IPADDRROW_XP::default(); ROWS_MAX] };
        let mut bytes = u32::try_from(size_of::<Table>()).unwrap_or(0);
        // SAFETY: `table` has the layout of `MIB_IPADDRTABLE` and room for `bytes`, of which no more are written.
        let result = unsafe { GetIpAddrTable((&raw mut table).cast(), &raw mut bytes, 0) };
        if result != NO_ERROR {
            return Vec::new();
        }
        let count = usize::try_from(table.count).unwrap_or(0).min(ROWS_MAX);
        table.rows[..count]
            .iter()
            // An adapter without a cable has a row of zeros.
            .filter(|row| row.dwMask != 0)
            // Both are in the byte order of the network.
            .map(|row| Network {
                address: Ipv4Addr::from(row.dwAddr.to_ne_bytes()),
                host_bits: (!row.dwMask).count_ones(),
            })
            .collect()
    }
}

#[cfg(not(any(target_os = "linux", windows)))]
mod system {
    pub(super) fn subnets() -> Vec<super::Network> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(networks: &[(&str, u32)], expected: &[(&str, &str)], count: usize) {
        let networks: Vec<Network> = networks
            .iter()
            .map(|(address, host_bits)| Network { address: address.parse().unwrap(), host_bits: *host_bits })
            .collect();
        let found: Vec<Ipv4Addr> = hosts(&networks).collect();
        assert_eq!(found.len(), count);
        for (first, last) in expected {
            assert!(found.contains(&first.parse().unwrap()) && found.contains(&last.parse().unwrap()));
        }
    }

    #[test]
    fn a_subnet_is_searched_whole() {
        check(&[("192.168.1.0", 8)], &[("192.168.1.1", "192.168.1.254")], 254);
        check(&[("192.168.1.77", 8), ("192.168.1.0", 8)], &[("192.168.1.1", "192.168.1.254")], 254);
        check(&[("10.0.4.9", 2)], &[("10.0.4.9", "10.0.4.10")], 2);
    }

    #[test]
    fn of_a_large_one_only_the_part_around_the_pc() {
        check(&[("10.1.6.3", 24)], &[("10.1.4.1", "10.1.7.254")], 1_022);
    }

    #[test]
    fn only_private_networks_are_searched() {
        check(&[("8.8.8.0", 8), ("127.0.0.0", 24), ("169.254.0.0", 16), ("10.0.0.1", 0)], &[], 0);
    }
}
