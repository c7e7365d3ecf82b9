//! What agent and hub say to each other.
//!
//! Types, codec and state machines only: nothing here opens a socket, reads a clock or draws a random
//! number. Whatever needs the time is given it, whatever needs chance is given a seed, so that both ends of
//! the link can be run for a simulated year inside a test.
//!
//! * [`order`], [`ticket`], [`document`]: what is to be printed.
//! * [`printer`], [`outcome`], [`boxes`]: what a store's printers say and what came of each ticket.
//! * [`message`], [`frame`], [`pack`]: the bytes on the control stream.
//! * [`enrol`]: how an agent gets its certificate.
//! * [`help`]: what headquarters may ask of an agent.
//! * [`session`]: who sends what when, and what is stored before what is said.

pub mod boxes;
pub mod document;
pub mod enrol;
pub mod frame;
pub mod help;
pub mod ids;
pub mod message;
pub mod order;
pub mod outcome;
pub mod pack;
pub mod printer;
pub mod session;
pub mod ticket;
pub mod upload;
