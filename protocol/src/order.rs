//! The canonical order: what every platform's order becomes before anything is decided about it.

use crate::ids::{Fen, OrderKey, UnixMs};
use serde::{Deserialize, Serialize};

/// A paid order.
///
/// It holds a customer's name, phone and address: never log it above DEBUG.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Which order this is.
    pub key: OrderKey,
    /// The store as the platform names it; routing maps it to one of the chain's.
    pub shop: String,
    /// The number that staff and riders call out, unique for a store and a day, e.g. `17`.
    pub pickup_number: String,
    /// How it leaves the store.
    pub fulfilment: Fulfilment,
    /// When it was placed.
    pub placed_at: UnixMs,
    /// When the customer wants it; `None` is as soon as possible.
    pub wanted_at: Option<UnixMs>,
    /// What is to be made.
    pub dishes: Vec<Dish>,
    /// Reductions and extra charges by name.
    pub adjustments: Vec<Adjustment>,
    /// Charge for delivery.
    pub delivery_fee: Fen,
    /// What the goods cost before reductions.
    pub original_total: Fen,
    /// What the customer pays.
    pub total: Fen,
    /// Whether it is paid already.
    pub paid_online: bool,
    /// The customer's note to the store; empty where there is none.
    pub note: String,
    /// Sets of cutlery; `None` where the customer did not say.
    pub cutlery: Option<Cutlery>,
    /// Who gets it.
    pub recipient: Recipient,
    /// The name on the invoice asked for; empty where none is.
    pub invoice_title: String,
}

/// How an order leaves the store, if it does. Append only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fulfilment {
    /// A rider takes it.
    Delivery,
    /// The customer comes for it.
    SelfPickup,
    /// It is eaten in the store.
    DineIn {
        /// The guests' table; empty where they have none.
        table: String,
    },
}

impl Fulfilment {
    /// The guests' table; empty for orders that leave the store.
    pub fn table(&self) -> &str {
        match self {
            Fulfilment::DineIn { table } => table,
            Fulfilment::Delivery | Fulfilment::SelfPickup => "",
        }
    }
}

/// How many sets of cutlery go with an order. Append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cutlery {
    /// None is wanted.
    None,
    /// This many.
    Sets(u16),
    /// More than this many.
    MoreThan(u16),
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dish {
    /// The chain's own code of the dish; empty where the platform has none.
    pub code: String,
    /// The dish as the platform shows it.
    pub name: String,
    /// Size or kind, e.g. `大份`; empty where there is none.
    pub spec: String,
    /// What the customer chose for this dish, e.g. `中辣`, `不要香菜`.
    pub choices: Vec<String>,
    /// How many.
    pub quantity: u32,
    /// Price of one.
    pub price: Fen,
    /// Charge for the boxes of this line.
    pub box_fee: Fen,
    /// Which bag or diner of the order the line belongs to, from 0.
    pub bag: u32,
}

/// A reduction (negative) or an extra charge (positive).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adjustment {
    /// As the platform words it, e.g. `满50减5元`.
    pub name: String,
    /// The amount.
    pub amount: Fen,
}

/// Who gets the order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Recipient {
    /// Name as given.
    pub name: String,
    /// Phone, with the extension of a privacy number behind `_`.
    pub phone: String,
    /// Address as given.
    pub address: String,
}
