//! Finding the printers of a store, for a person who is to add one.
//!
//! Nothing is printed by it. In the network every address of the PC's own subnets is tried on the port of raw
//! printing, and what listens is sent a status query and nothing else. USB printers, serial ports and
//! queues of Windows are only listed: what hangs at a serial port may be scales or a card reader, which a query could
//! confuse.
//!
//! A printer that the agent prints on already is left alone ([`Known`]): many take one connection only. It is not
//! offered as a new one either, wherever it is plugged in by now.

mod attached;
mod networks;
mod sweep;

pub use networks::{HOST_BITS_MAX, Network, hosts};
pub use sweep::{ANSWER_MS_MAX, AT_ONCE_MAX, CONNECT_MS_MAX};

use crate::printers::Printer;
use crate::printing::transport::{Address, LAN_PORT};
use docket_protocol::ids::PrinterName;
use docket_protocol::printer::Condition;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long the name of a known printer may take to be looked up.
const NAME_MS_MAX: u64 = 1_000;

/// Where is searched.
#[derive(Debug, Clone)]
pub struct Options {
    /// In the network.
    pub lan: Lan,
    /// What is plugged into the PC: USB, serial ports, queues of Windows.
    pub attached: bool,
    /// Printers that are left alone.
    pub known: Vec<Known>,
}

/// A printer that the agent prints on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: PrinterName,
    /// Where it is written to be.
    pub address: Address,
    /// The unit that it had last, where that can be told from others.
    pub unit: Option<String>,
}

impl Known {
    /// The printers of a configuration. `units`: which unit each had last ([`crate::spool::Spool::units`]).
    pub fn all(printers: Vec<Printer>, units: &[(PrinterName, String)]) -> Vec<Self> {
        let known = |printer: Printer| {
            let name = PrinterName::new(&printer.entry.name);
            let unit = units.iter().find(|(owner, _)| *owner == name).map(|(_, unit)| unit.clone());
            Known { name, address: printer.entry.address, unit }
        };
        printers.into_iter().map(known).collect()
    }
}

/// Where in the network is searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lan {
    /// In the PC's own private IPv4 subnets, of a large one in the part around the PC ([`HOST_BITS_MAX`]).
    OwnNetworks,
    /// At these addresses.
    Only(Vec<SocketAddr>),
    /// Nowhere.
    Nowhere,
}

impl Default for Options {
    fn default() -> Self {
        Self { lan: Lan::OwnNetworks, attached: true, known: Vec::new() }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What to write into the configuration.
    pub address: Address,
    /// What people know it by: `EPSON TM-T82II`.
    pub label: String,
    /// Whether it answered as a receipt printer does. Only what is in the network is asked.
    pub answered: bool,
    /// What it said is wrong with it.
    pub conditions: Vec<Condition>,
    /// What tells it from others of its kind: a serial number, a socket.
    pub detail: String,
}

/// Searches, telling each printer as it is found, until all is searched or nobody listens any more.
pub async fn search(options: Options, found: mpsc::Sender<Found>) {
    let Options { lan, attached, known } = options;
    let mut addresses: Vec<Address> = known.iter().map(|known| known.address.clone()).collect();
    addresses.extend(behind_names(&addresses).await);
    let is_known = |place: SocketAddr| addresses.contains(&place.into());
    let places = match lan {
        Lan::OwnNetworks => {
            hosts(&networks::own()).map(|host| SocketAddr::new(host.into(), LAN_PORT)).collect()
        }
        Lan::Only(places) => places,
        Lan::Nowhere => Vec::new(),
    };
    let places = places.into_iter().filter(|&place| !is_known(place)).collect();
    let in_network = sweep::sweep(places, found.clone());
    let at_this_pc = async {
        if attached {
            let listing = tokio::task::spawn_blocking(move || attached::list(&known));
            for printer in listing.await.unwrap_or_default() {
                if found.send(printer).await.is_err() {
                    return;
                }
            }
        }
    };
    tokio::join!(in_network, at_this_pc);
}

/// A printer that is known by name is met by its number.
async fn behind_names(known: &[Address]) -> Vec<Address> {
    let mut behind = Vec::new();
    for address in known {
        if let Address::Lan { host, port } = address {
            let resolving = tokio::net::lookup_host((host.as_str(), *port));
            // A name that nobody knows now is the address of nobody.
            if let Ok(Ok(found)) = tokio::time::timeout(Duration::from_millis(NAME_MS_MAX), resolving).await {
                behind.extend(found.map(Address::from));
            }
        }
    }
    behind
}
