//! A bad network between a store and headquarters, for real processes: UDP and TCP are the kernel's own.
//!
//! ```text
//! namespace of the store            this process                    namespace of headquarters
//! agent, virtual printer ── wan ──▶ router ──▶ shaper up   ──▶ wan ── hub, platform client, test
//!                            ◀───── router ◀── shaper down ◀──
//! ```
//!
//! Each namespace has one device, `wan`, whose packets a thread of this process reads and writes (`pump`). In between
//! stand the store's router, which rewrites addresses and ports as a home router does ([`router`]), and a shaper for each
//! way, which decides what goes through and when ([`shaper`]). Loss, delay, order, rate and cuts are [`Conditions`], and
//! can be changed at any moment.
//!
//! Rejected: `tc netem` (its module is missing where this is tested, and it says nothing of NAT), a proxy for UDP (which
//! speaks for the agent, so the agent's own socket never sees a changed address) and `iptables` (the same, and modules).
//!
//! Whatever of the test opens a socket towards the hub does so in headquarters ([`Network::headquarters`]).

mod branch;
pub mod catalogue;
pub mod conditions;
pub mod namespace;
pub mod packet;
mod pump;
pub mod router;
pub mod shaper;

pub use branch::{Branch, Road, Setting, at_headquarters};
pub use conditions::{Bursts, Conditions, Cut, Rate, Way};
pub use shaper::Count;

use namespace::{DEVICE, Namespace};
use pump::Pump;
use std::net::Ipv4Addr;

/// Where headquarters is.
pub const HEADQUARTERS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// Where the store's PC is at first, behind the store's router.
const PC: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 20);

/// Two namespaces and the line between them.
#[derive(Debug)]
pub struct Network {
    // Dropped first: it writes to the devices.
    pump: Pump,
    store: Namespace,
    headquarters: Namespace,
    pc: Ipv4Addr,
}

impl Network {
    /// One on which nothing is wrong. The seed is that of all chance.
    ///
    /// # Errors
    /// Where this program is not root, see [`namespace::as_root`].
    pub fn open(seed: u64) -> anyhow::Result<Self> {
        let (store, headquarters) = (Namespace::make()?, Namespace::make()?);
        let (stores, headquarters_) = (store.device()?, headquarters.device()?);
        let mut network =
            Network { pump: Pump::start(stores, headquarters_, seed)?, store, headquarters, pc: PC };
        network.headquarters.ip(&["addr", "add", &HEADQUARTERS.to_string(), "dev", DEVICE])?;
        network.headquarters.ip(&["link", "set", DEVICE, "up"])?;
        network.headquarters.ip(&["route", "add", "default", "dev", DEVICE])?;
        network.store.ip(&["addr", "add", &PC.to_string(), "dev", DEVICE])?;
        network.plug_in(true)?;
        Ok(network)
    }

    /// Where the store's processes are.
    pub fn store(&self) -> &Namespace {
        &self.store
    }

    /// Where the hub is.
    pub fn headquarters(&self) -> &Namespace {
        &self.headquarters
    }

    /// From now on this is wrong.
    pub fn set(&self, conditions: Conditions) {
        self.pump.line().conditions = conditions;
    }

    /// From now on nothing is wrong.
    pub fn mend(&self) {
        self.set(Conditions::default());
    }

    /// The store's router forgets which ports it has given to whom.
    pub fn forget_ports(&self) {
        self.pump.line().router.forget();
    }

    /// The store's router gets another address from its provider.
    pub fn renumber_router(&self) {
        self.pump.line().router.renumber();
    }

    /// The store's router lets no UDP through any more.
    pub fn block_udp(&self) {
        self.pump.line().router.block_udp();
    }

    /// The PC gets another address from the store's router; what was sent from the old one finds nobody.
    ///
    /// # Errors
    /// Where `ip` fails.
    pub fn renumber_pc(&mut self) -> anyhow::Result<()> {
        let old = self.pc;
        self.pc = Ipv4Addr::from_bits(old.to_bits() + 1);
        self.store.ip(&["addr", "add", &self.pc.to_string(), "dev", DEVICE])?;
        self.store.ip(&["addr", "del", &format!("{old}/32"), "dev", DEVICE])
    }

    /// The PC's cable is plugged in, or pulled out, so that the system itself knows of no way out.
    ///
    /// # Errors
    /// Where `ip` fails.
    pub fn plug_in(&mut self, is_in: bool) -> anyhow::Result<()> {
        self.store.ip(&["link", "set", DEVICE, if is_in { "up" } else { "down" }])?;
        if is_in { self.store.ip(&["route", "add", "default", "dev", DEVICE]) } else { Ok(()) }
    }

    /// What has become of the packets so far, up and down.
    pub fn counts(&self) -> (Count, Count) {
        self.pump.counts()
    }
}
