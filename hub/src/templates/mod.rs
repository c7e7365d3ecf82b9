//! A chain's own templates, see [`docket_routing::templates`]: [`folder`] reads them and keeps the last good ones,
//! [`watch`] looks again and changes what is in force.
//!
//! A file that is not in order is refused and the last good one stays, also across a restart: [`folder`] keeps a copy
//! of each in the data folder. That raises an alarm, as does a template that fails with one order.

pub mod folder;
#[cfg(test)]
mod tests;
pub mod watch;

pub use docket_routing::templates::{Own, Rendered, Templates};
