//! The tests of the protocol, all through its public interface.

#![allow(clippy::unwrap_used, reason = "clippy takes only functions marked #[test] for tests")]

mod frames;
mod fuzz;
mod golden;
mod packed;
mod session;
mod tree;
