//! What a store is set to: its printers and their stations, how orders become slips, when it is open. One document,
//! in the words that `agent.toml` and `hub.toml` have, checked as a whole, the same at headquarters and on the PC.
//!
//! Pure: no file is opened and no port. Whether a machine has what a document names (a way to a printer, a device) only
//! that machine can say.
//!
//! * [`document`] is the text that people write, chain-wide or for one store, and its check.
//! * [`bundle`] is what travels: the document with the chain's templates, in parts that fit a frame.
//! * [`printer`] is a printer as it is written down, [`address`] the line that says how it is reached, [`profile`] what
//!   its unit can do.

pub mod address;
pub mod bundle;
pub mod document;
mod parse;
pub mod printer;
pub mod profile;
