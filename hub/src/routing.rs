//! Which slips an order becomes, see [`docket_routing`]: the agent decides it too, for orders of its own counter.

pub use docket_routing::*;
