//! The delivery platforms' side: one adapter for each, which turns what a platform pushes into Docket's events.
//!
//! An adapter is pure: bytes in, an event or a refusal out. It opens no socket, stores nothing and reads no
//! clock, so that the order of things (verify, store durably, reply, then work) is decided in one place, by
//! the server around it, and every adapter can be tested with recorded bytes.

pub mod meituan;
