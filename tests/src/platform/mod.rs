//! The platforms' side of the wire: orders as customers place them, pushes as platforms sign and send them.
//!
//! Written from the platforms' documents and checked against their vectors, without a line of the hub's: a
//! misunderstanding there would otherwise be repeated here, and no test would see it.
//!
//! * [`orders`]: orders from a seed, with amounts that add up.
//! * [`meituan`]: Meituan Waimai v1, signed and encoded twice.
//! * [`http`]: a small HTTP/1.1 client that keeps its connections.

pub mod http;
pub mod meituan;
pub mod orders;
