//! A chain's own templates, see [`docket_routing::templates`]: [`folder`] reads them and keeps the last good ones,
//! [`watch`] looks again and changes what is in force.
//!
//! A file that is not in order is refused and the last good one stays, also across a restart: [`folder`] keeps a copy
//! of each in the data folder. What changes is tried in a process of its own ([`trial`]), so that no file takes the hub
//! along. That raises an alarm, as does a template that fails with one order. One that takes the hub along with an order
//! after all does so once ([`guard`]).

pub mod files;
pub mod folder;
pub mod guard;
#[cfg(test)]
mod tests;
pub mod trial;
pub mod watch;

pub use docket_routing::templates::{Own, Rendered, Templates};

use docket_paper::template::TemplateKind;

/// Whether something makes slips of this kind.
pub fn is_printed(kind: TemplateKind) -> bool {
    match kind {
        TemplateKind::Front
        | TemplateKind::Kitchen
        | TemplateKind::Dish
        | TemplateKind::Label
        | TemplateKind::Urge
        | TemplateKind::Cancel
        | TemplateKind::Booking => true,
        // Counters' tickets and the agents' test page have no template.
        TemplateKind::Bill | TemplateKind::Added | TemplateKind::Test => false,
    }
}
