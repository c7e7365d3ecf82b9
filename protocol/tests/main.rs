//! The tests of the protocol, all through its public interface.

mod frames;
mod golden;
mod session;
mod simulation;
mod tree;
