//! A store's firewall: UDP that may be shut off and let through again, and an HTTP proxy as the only way out.

mod proxy;
mod udp;

pub use proxy::ConnectProxy;
pub use udp::UdpGate;
