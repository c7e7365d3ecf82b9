//! Meituan's signature, version 1.
//!
//! `sig = lower(md5(URL + "?" + "k=v" joined by "&" in key order + secret))`. Every parameter but `sig` and
//! `img_data` takes part, blank ones (`caution=`) and ones that no document names too. Values are raw UTF-8,
//! never percent-encoded. Checked against `testdata/meituan_v1_*.json`.
//!
//! For a push the URL is the *registered* callback URL, its scheme included. It is configuration: behind a
//! proxy neither the Host header nor TLS says what was registered, and an attacker chooses the header.
//!
//! Decisions: a push without `sig` is refused, as is one whose `sig` is not 32 hex digits (either case is
//! taken); an empty secret verifies nothing, since then anybody can sign. Digests are compared in constant
//! time. A weakness of the scheme itself cannot be mended here: neither names nor values are delimited, so
//! somebody who has seen a signed push could move a parameter into its neighbour's value. TLS keeps pushes
//! from being seen.

use super::form::Params;
use md5::{Digest, Md5};
use std::hint::black_box;
use thiserror::Error;

/// Parameters that take no part.
const UNSIGNED: [&str; 2] = ["sig", "img_data"];
const DIGEST_BYTES: usize = 16;

/// Why a push is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// The hub has no secret to verify with.
    #[error("no secret is configured to verify with")]
    NoSecret,
    /// The push has no `sig`.
    #[error("the push has no sig")]
    Missing,
    /// `sig` is not 32 hex digits.
    #[error("sig is not 32 hex digits")]
    Malformed,
    /// `sig` is another push's, another URL's or another secret's.
    #[error("sig does not match the registered URL, the secret and the parameters")]
    Mismatch,
}

impl SignatureError {
    /// The code that logs and interfaces show.
    pub fn code(self) -> &'static str {
        match self {
            SignatureError::NoSecret => "meituan-secret-missing",
            SignatureError::Missing => "meituan-sig-missing",
            SignatureError::Malformed => "meituan-sig-malformed",
            SignatureError::Mismatch => "meituan-sig-mismatch",
        }
    }

    /// What it is and what to do, for people: (zh-CN, en).
    pub fn remedy(self) -> (&'static str, &'static str) {
        match self {
            SignatureError::NoSecret => {
                ("未配置美团 secret:请在配置文件中填写", "no Meituan secret: write it into the configuration")
            }
            SignatureError::Missing | SignatureError::Malformed => (
                "推送没有有效签名:可能不是美团发来的",
                "the push has no usable signature: it may not come from Meituan",
            ),
            SignatureError::Mismatch => (
                "签名不符:核对 secret,以及回调地址(含 http/https)与美团后台登记的完全一致",
                "signature mismatch: compare the secret and the callback URL, scheme included, with Meituan's console",
            ),
        }
    }
}

/// Whether `params` were signed for this URL with this secret.
pub fn verify(registered_url: &str, secret: &str, params: &Params) -> Result<(), SignatureError> {
    if secret.is_empty() {
        return Err(SignatureError::NoSecret);
    }
    let sig = params.filled("sig").ok_or(SignatureError::Missing)?;
    let received = from_hex(sig).ok_or(SignatureError::Malformed)?;
    let expected = digest(registered_url, secret, params.iter());
    if same(&received, &expected) { Ok(()) } else { Err(SignatureError::Mismatch) }
}

/// The `sig` of a call to `url` with `params`, in any order, for calls to the platform.
pub fn sign<'a>(url: &str, secret: &str, params: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut sorted: Vec<_> = params.into_iter().collect();
    sorted.sort_unstable();
    digest(url, secret, sorted.into_iter()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest over parameters that are in the order of their names.
fn digest<'a>(
    url: &str,
    secret: &str,
    sorted: impl Iterator<Item = (&'a str, &'a str)>,
) -> [u8; DIGEST_BYTES] {
    let mut md5 = Md5::new();
    md5.update(url);
    md5.update("?");
    for (place, (name, value)) in sorted.filter(|(name, _)| !UNSIGNED.contains(name)).enumerate() {
        if place > 0 {
            md5.update("&");
        }
        md5.update(name);
        md5.update("=");
        md5.update(value);
    }
    md5.update(secret);
    md5.finalize().into()
}

/// Compares every byte, whatever the ones before it said.
fn same(a: &[u8; DIGEST_BYTES], b: &[u8; DIGEST_BYTES]) -> bool {
    let differences = a.iter().zip(b).fold(0u8, |seen, (a, b)| black_box(seen | (a ^ b)));
    differences == 0
}

fn from_hex(text: &str) -> Option<[u8; DIGEST_BYTES]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * DIGEST_BYTES {
        return None;
    }
    let mut bytes = [0; DIGEST_BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (char::from(pair[0]).to_digit(16)?, char::from(pair[1]).to_digit(16)?);
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platforms::meituan::form::Reading;
    use serde_json::Value;

    const INBOUND: &str = include_str!("testdata/meituan_v1_inbound_paid_order.json");
    const NEGATIVE: &str = include_str!("testdata/meituan_v1_inbound_negative.json");
    const OUTBOUND: &str = include_str!("testdata/meituan_v1_outbound_confirm.json");

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    fn text<'a>(value: &'a Value, name: &str) -> &'a str {
        value[name].as_str().unwrap()
    }

    fn with(params: &Params, name: &str, value: &str) -> Params {
        let others = params.iter().filter(|(known, _)| *known != name);
        let pairs = others.chain([(name, value)]).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        Params::from_pairs(pairs).ok().unwrap()
    }

    #[test]
    fn the_platforms_vector_verifies() {
        let vector = json(INBOUND);
        let params = Params::parse(text(&vector, "wire_body").as_bytes(), Reading::Twice).ok().unwrap();
        for (name, value) in vector["decoded"].as_object().unwrap() {
            assert_eq!(params.get(name), value.as_str(), "{name}");
        }
        let (url, secret) = (text(&vector, "callback_url"), text(&vector, "secret"));
        assert_eq!(verify(url, secret, &params), Ok(()));
        let upper = text(&vector, "sig").to_uppercase();
        assert_eq!(verify(url, secret, &with(&params, "sig", &upper)), Ok(()));
        assert_eq!(verify(url, secret, &with(&params, "img_data", "x")), Ok(()), "img_data takes no part");

        let mismatch = Err(SignatureError::Mismatch);
        assert_eq!(verify(url, secret, &with(&params, "unknown", "")), mismatch, "unknown ones take part");
        assert_eq!(verify(&url.replace("https", "http"), secret, &params), mismatch);
        assert_eq!(verify(url, "another", &params), mismatch);
        assert_eq!(verify(url, "", &params), Err(SignatureError::NoSecret));
        assert_eq!(verify(url, secret, &with(&params, "sig", "")), Err(SignatureError::Missing));
        assert_eq!(verify(url, secret, &with(&params, "sig", "12")), Err(SignatureError::Malformed));
        let wide = "é".repeat(16);
        assert_eq!(verify(url, secret, &with(&params, "sig", &wide)), Err(SignatureError::Malformed));
    }

    #[test]
    fn the_negative_vectors_are_refused() {
        let (vector, negative) = (json(INBOUND), json(NEGATIVE));
        let params = Params::parse(text(&vector, "wire_body").as_bytes(), Reading::Twice).ok().unwrap();
        let (url, secret) = (text(&vector, "callback_url"), text(&vector, "secret"));
        for name in ["tampered_sig", "http_scheme_sig"] {
            let forged = with(&params, "sig", text(&negative, name));
            assert_eq!(verify(url, secret, &forged), Err(SignatureError::Mismatch), "{name}");
        }
        let http = with(&params, "sig", text(&negative, "http_scheme_sig"));
        assert_eq!(
            verify(&url.replace("https", "http"), secret, &http),
            Ok(()),
            "http is what is registered"
        );
        let tampered = with(&params, "total", "1.0");
        assert_eq!(verify(url, secret, &tampered), Err(SignatureError::Mismatch));
        assert_eq!(text(&negative, "received_sig"), text(&vector, "sig"));
    }

    #[test]
    fn an_outgoing_call_is_signed_as_the_vector() {
        let vector = json(OUTBOUND);
        let params = vector["params"].as_object().unwrap();
        let pairs = params.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
        let sig = sign(text(&vector, "url"), text(&vector, "secret"), pairs);
        assert_eq!(sig, text(&vector, "sig"));
    }
}
