//! The templates in force: a chain's own where it has some, this program's everywhere else.
//!
//! What holds: **no order stays unprinted because of a template.** A template that fails with one order gives way to
//! this program's for that slip, and that to a plain list; [`Rendered::failure`] says so.
//!
//! Whoever makes slips holds [`Templates`]; whoever gets them from the chain changes what is in force. A slip is made
//! with one template from beginning to end: what is in force is swapped whole.

use docket_paper::template::{Slip, Template, TemplateError, TemplateKind, View, plain};
use docket_protocol::document::Document;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// A chain's own templates by kind.
pub type Own = BTreeMap<TemplateKind, Arc<Template>>;

/// The templates in force.
#[derive(Default)]
pub struct Templates {
    own: RwLock<Arc<Own>>,
    witness: OnceLock<Arc<dyn Witness>>,
}

/// Hears which of a chain's own templates is being filled in: what one does with an order that no sample is like, nobody
/// knows before.
pub trait Witness: Send + Sync {
    /// It begins.
    fn begins(&self, kind: TemplateKind);
    /// It is over, however it ended.
    fn is_over(&self);
}

/// A slip, and what kept it from looking as it should.
#[derive(Debug)]
pub struct Rendered {
    /// What is printed.
    pub document: Document,
    /// Why it is not the chain's template that made it. It holds nothing of the order.
    pub failure: Option<TemplateError>,
}

impl Templates {
    /// Makes a slip.
    pub fn render(&self, slip: &Slip<'_>) -> Rendered {
        let view = View::slip(slip);
        let mut failure = None;
        if let Some(own) = self.own().get(&slip.kind) {
            let witness = self.witness.get();
            if let Some(witness) = witness {
                witness.begins(slip.kind);
            }
            let filled = own.render(&view);
            if let Some(witness) = witness {
                witness.is_over();
            }
            match filled {
                Ok(document) => return Rendered { document, failure: None },
                Err(error) => failure = Some(error.without_contents()),
            }
        }
        match default_of(slip.kind).render(&view) {
            Ok(document) => Rendered { document, failure },
            Err(error) => Rendered {
                document: plain(slip),
                failure: failure.or_else(|| Some(error.without_contents())),
            },
        }
    }

    /// From now on somebody hears what is being filled in.
    pub fn be_heard_by(&self, witness: Arc<dyn Witness>) {
        // Whoever is there first stays: a program serves once.
        let _ = self.witness.set(witness);
    }

    /// The chain's own.
    pub fn own(&self) -> Arc<Own> {
        Arc::clone(&self.own.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a chain's own templates in force; kinds that it has none of are this program's.
    pub fn put_in_force(&self, own: Own) {
        *self.own.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(own);
    }
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = self.own();
        f.debug_list().entries(own.values().map(|template| template.file())).finish()
    }
}

/// This program's own template, read once.
fn default_of(kind: TemplateKind) -> &'static Template {
    static DEFAULTS: OnceLock<BTreeMap<TemplateKind, Template>> = OnceLock::new();
    let read = || TemplateKind::ALL.into_iter().map(|kind| (kind, Template::default_of(kind))).collect();
    DEFAULTS.get_or_init(read).get(&kind).expect("all kinds are in it")
}
