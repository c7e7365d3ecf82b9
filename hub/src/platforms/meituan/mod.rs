//! Meituan Waimai, interface version 1: from the bytes of a push to an event.
//!
//! [`receive`] reads the parameters ([`form`]), verifies the signature ([`signature`]) and decodes the event
//! ([`decode`]), in this order: nothing of a push is looked at before it is known whose it is. It neither
//! stores nor replies. The server answers [`OK_REPLY`] only after what came back is stored durably, and a
//! body that is not [`OK_REPLY`] for everything else, upon which the platform pushes again.
//!
//! A push whose signature is right but which cannot be decoded is an order all the same:
//! [`PushError::is_genuine`] tells it from noise, so that its raw bytes can be kept and people be alarmed.
//!
//! Meituan encodes values twice. Should a push come that was encoded once, its values may read differently
//! (`+`, `%41`). The signature covers the values, so the reading that it fits is the right one: twice is
//! tried first, then once. This opens no door: what is decoded is always what was signed.

pub mod amount;
pub mod decode;
pub mod detail;
pub mod error;
pub mod form;
pub mod signature;
#[cfg(test)]
mod tests;
pub mod text;

use decode::{CancelPush, PaidPush, RemindPush};
use docket_protocol::ids::OrderKey;
use error::DecodeError;
use form::{FormError, Params, Reading};
use signature::SignatureError;
use thiserror::Error;

/// The reply, byte for byte, to a push that is stored and to a probe. Content type `application/json`.
pub const OK_REPLY: &str = r#"{"data":"ok"}"#;
/// The reply to a push that is genuine but could not be stored now: the platform pushes it again. The error
/// bodies are our own choice, in the shape of the platform's; it only compares with [`OK_REPLY`].
pub const UNAVAILABLE_REPLY: &str = r#"{"data":"ng","error":{"code":700,"msg":"cannot store now"}}"#;
/// The platform's number for a wrong signature.
const ERROR_SIGNATURE: u16 = 703;
/// The platform's number for wrong parameters. [M]
const ERROR_PARAMETERS: u16 = 701;

/// Which of the registered URLs a push came to: each event has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PushKind {
    /// A paid order.
    Paid,
    /// A cancelled order.
    Cancelled,
    /// A reminder (催单).
    Reminded,
}

impl PushKind {
    /// The name in storage, logs and paths.
    pub fn as_str(self) -> &'static str {
        match self {
            PushKind::Paid => "paid",
            PushKind::Cancelled => "cancelled",
            PushKind::Reminded => "reminded",
        }
    }
}

/// How a push came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Parameters are in the query: older cancellations, probes.
    Get,
    /// Parameters are in the body; in the query only where the body is empty.
    Post,
}

/// What a push says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A paid order.
    Paid(Box<PaidPush>),
    /// A cancelled order.
    Cancelled(CancelPush),
    /// A customer asks where an order stays.
    Reminded(RemindPush),
}

impl Event {
    /// Which kind.
    pub fn kind(&self) -> PushKind {
        match self {
            Event::Paid(_) => PushKind::Paid,
            Event::Cancelled(_) => PushKind::Cancelled,
            Event::Reminded(_) => PushKind::Reminded,
        }
    }

    /// Which order.
    pub fn order(&self) -> &OrderKey {
        match self {
            Event::Paid(push) => &push.order.key,
            Event::Cancelled(push) => &push.order,
            Event::Reminded(push) => &push.order,
        }
    }

    /// With platform, order and kind what a push is deduplicated by: a repeated push has the same. An order
    /// is paid once and cancelled once, but a complete push after an incomplete one is news, and every
    /// reminder is.
    pub fn version(&self) -> &str {
        match self {
            Event::Paid(push) if push.incomplete => "incomplete",
            Event::Paid(_) => "complete",
            Event::Cancelled(_) => "",
            Event::Reminded(push) => &push.version,
        }
    }
}

/// What came to a registered URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Push {
    /// The console's probe when a URL is saved: answer [`OK_REPLY`], store nothing.
    Probe,
    /// A genuine event.
    Event {
        /// What it says.
        event: Event,
        /// See [`Event::version`].
        version: String,
    },
}

/// Why a push is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PushError {
    /// It is not a form.
    #[error("reading the push's form")]
    Form(#[from] FormError),
    /// It is not known whose it is.
    #[error("verifying the push's signature")]
    Signature(#[from] SignatureError),
    /// It is the platform's, and cannot be read.
    #[error("decoding a genuine push")]
    Decode(#[from] DecodeError),
}

impl PushError {
    /// Whether the platform sent it: an order may hang on it.
    pub fn is_genuine(&self) -> bool {
        matches!(self, PushError::Decode(_))
    }

    /// The code that logs and interfaces show.
    pub fn code(&self) -> &'static str {
        match self {
            PushError::Form(error) => error.code(),
            PushError::Signature(error) => error.code(),
            PushError::Decode(error) => error.code(),
        }
    }

    /// What it is and what to do, for people: (zh-CN, en).
    pub fn remedy(&self) -> (&'static str, &'static str) {
        match self {
            PushError::Form(error) => error.remedy(),
            PushError::Signature(error) => error.remedy(),
            PushError::Decode(error) => error.remedy(),
        }
    }

    /// What exactly is wrong, e.g. which field; without personal data.
    pub fn cause(&self) -> String {
        match self {
            PushError::Form(error) => error.to_string(),
            PushError::Signature(error) => error.to_string(),
            PushError::Decode(error) => error.to_string(),
        }
    }

    /// The body of the reply, never [`OK_REPLY`]. It says what kind of thing is wrong and no more.
    pub fn reply(&self) -> String {
        let number = match self {
            PushError::Signature(_) => ERROR_SIGNATURE,
            PushError::Form(_) | PushError::Decode(_) => ERROR_PARAMETERS,
        };
        format!(r#"{{"data":"ng","error":{{"code":{number},"msg":"{}"}}}}"#, self.code())
    }
}

/// Takes what came to the URL of `kind`. `registered_url` is that URL as the platform's console has it,
/// scheme included, without a query.
pub fn receive(
    kind: PushKind,
    registered_url: &str,
    secret: &str,
    method: Method,
    query: Option<&str>,
    body: &[u8],
) -> Result<Push, PushError> {
    let query = query.unwrap_or_default().as_bytes();
    let raw = match method {
        Method::Get => query,
        Method::Post if body.trim_ascii().is_empty() => query,
        Method::Post => body,
    };
    let twice = Params::parse(raw.trim_ascii(), Reading::Twice);
    if let Ok(params) = &twice
        && params.get("sig").is_none()
        && params.get("order_id").is_none()
    {
        return Ok(Push::Probe);
    }
    let genuine = match verified(twice, registered_url, secret) {
        Ok(params) => params,
        Err(refused) => {
            let once = Params::parse(raw.trim_ascii(), Reading::Once);
            verified(once, registered_url, secret).map_err(|_| refused)?
        }
    };
    let event = match kind {
        PushKind::Paid => Event::Paid(Box::new(decode::decode_paid(&genuine)?)),
        PushKind::Cancelled => Event::Cancelled(decode::decode_cancel(&genuine)?),
        PushKind::Reminded => Event::Reminded(decode::decode_remind(&genuine)?),
    };
    let version = event.version().to_owned();
    Ok(Push::Event { event, version })
}

fn verified(
    params: Result<Params, FormError>,
    registered_url: &str,
    secret: &str,
) -> Result<Params, PushError> {
    let params = params?;
    signature::verify(registered_url, secret, &params)?;
    Ok(params)
}
