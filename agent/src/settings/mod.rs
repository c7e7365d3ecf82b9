//! What headquarters has set this store to: taken as a whole, tried, and given up by itself where it does not work.
//!
//! A revision goes through this:
//!
//! 1. It is in the spool before it is acknowledged (`crate::spool`).
//! 2. All of it is checked, also against this PC. What cannot be is *refused*, and nothing was touched.
//! 3. It is written to [`SETTINGS_FILE`] as *on trial*, beside the last good one, in one rename.
//! 4. Everything inside is opened anew with it, the way of any change of the printers ([`crate::run`]).
//! 5. Once that has come up, it is the last good one, in one more rename. Where it does not come up, the last good one
//!    is in force again: *rolled back*.
//! 6. The hub is told what came of it.
//!
//! # What survives a crash
//! The file says at each moment which revision is in force, so `kill -9` leaves the old or the new one, whole. A
//! revision on trial is tried again by the next start, a few times: a program that was killed says nothing about its
//! settings, and one that ends over them again and again is stopped by it ([`STARTS_MAX`]). What is to be told is in the
//! file as well until the spool has it; the hub takes it twice without harm. Without network the file is all that a start
//! needs.
//!
//! # Which one counts
//! The highest number, whenever it comes. `agent.toml` counts before what headquarters says, what staff have changed
//! counts until headquarters changes that printer again ([`crate::printers`]), and both are told to headquarters.
//!
//! Rejected: to keep this in the spool, which cannot be opened before the printers are known; to apply the
//! difference between two revisions, which would be a second way with states of its own.

mod desk;
mod kept;

pub(crate) use desk::Desk;
pub use kept::{SETTINGS_FILE, STARTS_MAX, read};
