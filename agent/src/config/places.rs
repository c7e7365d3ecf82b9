//! Where printers are looked for, as a person writes it: `192.168.2.0/24`, `192.168.3.50`, `192.168.3.50:9101`.

use crate::printing::transport::LAN_PORT;
use serde::{Deserialize, Deserializer, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The smallest prefix: 1,024 addresses, which take a few seconds to try.
const PREFIX_MIN: u32 = 22;
/// Addresses that are tried in one search at most.
const ADDRESSES_MAX: usize = 4_096;

/// Addresses, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SearchPlaces(Vec<String>);

impl SearchPlaces {
    /// All of them.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().filter_map(|place| addresses(place)).flatten().collect()
    }
}

impl<'de> Deserialize<'de> for SearchPlaces {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let places = Vec::<String>::deserialize(deserializer)?;
        let mut count = 0;
        for place in &places {
            let found = addresses(place).ok_or_else(|| {
                serde::de::Error::custom(format!(
                    "`{place}` is no address or network of up to 1,024 addresses: write 192.168.2.50, \
                     192.168.2.50:9101 or 192.168.2.0/24 (请写 IP 地址或网段)"
                ))
            })?;
            count += found.len();
        }
        if count > ADDRESSES_MAX {
            return Err(serde::de::Error::custom(format!(
                "these are {count} addresses, {ADDRESSES_MAX} are the most (地址太多)"
            )));
        }
        Ok(SearchPlaces(places))
    }
}

fn addresses(place: &str) -> Option<Vec<SocketAddr>> {
    if let Ok(address) = place.parse::<SocketAddr>() {
        return Some(vec![address]);
    }
    if let Ok(ip) = place.parse::<IpAddr>() {
        return Some(vec![SocketAddr::new(ip, LAN_PORT)]);
    }
    let (network, prefix) = place.split_once('/')?;
    let (network, prefix) = (network.parse::<Ipv4Addr>().ok()?, prefix.parse::<u32>().ok()?);
    if !(PREFIX_MIN..=32).contains(&prefix) {
        return None;
    }
    let span = (1_u32 << (32 - prefix)) - 1;
    let first = network.to_bits() & !span;
    let all = (first..=first + span).map(|bits| SocketAddr::from((Ipv4Addr::from_bits(bits), LAN_PORT)));
    Some(all.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, String> {
        let places: SearchPlaces = serde_json::from_str(text).map_err(|error| error.to_string())?;
        Ok(places.addresses().iter().map(SocketAddr::to_string).collect())
    }

    #[test]
    fn addresses_and_networks_are_read() {
        let read = |text| read(text).unwrap();
        assert_eq!(read(r#"["10.0.0.5", "10.0.0.6:9101"]"#), ["10.0.0.5:9100", "10.0.0.6:9101"]);
        assert_eq!(read(r#"["127.0.3.6/31"]"#), ["127.0.3.6:9100", "127.0.3.7:9100"]);
        let network = read(r#"["192.168.2.77/24"]"#);
        assert_eq!((network.len(), network[0].as_str()), (256, "192.168.2.0:9100"));
        assert_eq!(read(r#"["255.255.255.255/32"]"#).len(), 1);
    }

    #[test]
    fn what_is_none_or_too_many_is_refused() {
        for place in ["", "kitchen", "10.0.0.0/21", "10.0.0.0/33", "10.0.0.0/", "fe80::/64", "10.0.0.1:0x1"] {
            assert!(read(&format!("[{place:?}]")).is_err(), "{place}");
        }
        assert!(read(r#"["10.0.0.0/22", "10.1.0.0/22", "10.2.0.0/22", "10.3.0.0/22", "10.4.0.1"]"#).is_err());
    }
}
