//! Why a push that is genuine cannot be read.

use super::amount::AmountError;
use thiserror::Error;

/// Why a push is not what its kind says. It names the field and never repeats what was in it: values are
/// personal data, and the raw payload is kept by whoever stores it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// A field without which there is no order.
    #[error("field `{field}` is missing or blank")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// An order id that cannot be one: letters, digits, `-` and `_`, at most 64.
    #[error("field `order_id` is not an order id")]
    OrderId,
    /// A field that should be JSON and is not, or is of another shape.
    #[error("field `{field}` is not the JSON expected, at column {column}")]
    Json {
        /// The field.
        field: &'static str,
        /// Where, in bytes from 1.
        column: usize,
    },
    /// An amount or a quantity.
    #[error("field `{field}`: {cause}")]
    Number {
        /// The field, e.g. `detail[3].price`.
        field: String,
        /// What is wrong with it.
        cause: AmountError,
    },
    /// A time that is none.
    #[error("field `{field}` is not a time in seconds")]
    Time {
        /// The field.
        field: &'static str,
    },
    /// More entries than are taken.
    #[error("field `{field}` has more than {limit} entries")]
    TooMany {
        /// The field.
        field: &'static str,
        /// How many are taken.
        limit: usize,
    },
}

impl DecodeError {
    /// The code that logs and interfaces show.
    pub fn code(&self) -> &'static str {
        match self {
            DecodeError::Missing { .. } => "meituan-field-missing",
            DecodeError::OrderId => "meituan-order-id",
            DecodeError::Json { .. } => "meituan-field-json",
            DecodeError::Number { .. } => "meituan-field-number",
            DecodeError::Time { .. } => "meituan-field-time",
            DecodeError::TooMany { .. } => "meituan-field-too-many",
        }
    }

    /// What it is and what to do, for people: (zh-CN, en).
    pub fn remedy(&self) -> (&'static str, &'static str) {
        (
            "美团推送的内容无法识别:请先在商家端处理该订单,并把日志交给技术支持",
            "a genuine push cannot be read: handle the order on Meituan's own terminal, and send the log to support",
        )
    }
}
