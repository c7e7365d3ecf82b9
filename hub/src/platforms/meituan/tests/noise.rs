//! The adapter against what nobody would send, the same each time.

use super::super::form::FORM_BYTES_MAX;
use super::super::text::clean_text;
use super::super::{Event, Method, Push, PushError, PushKind, receive};
use super::{SECRET, URL, encode, paid_with, post, signed};

/// SplitMix64: enough chance for tests, and the same every time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn text(&mut self) -> String {
        const PARTS: &[&str] = &[
            "%",
            "+",
            "&",
            "=",
            " ",
            "%41",
            "%2B",
            "%25",
            "%E5%86%B0",
            "冰",
            "👨‍🍳",
            "\u{1b}",
            "\n",
            "\"",
            "\\",
            "sig",
            "?",
            "a",
            "{}",
            "@#",
            "\u{202e}",
            "é",
            ";",
            "#",
        ];
        let parts = self.below(12);
        (0..parts).map(|_| PARTS[usize::try_from(self.below(24)).unwrap()]).collect()
    }
}

#[test]
fn whatever_is_signed_and_encoded_twice_verifies() {
    let mut chance = Chance(17);
    for round in 0..2_000 {
        let values: Vec<String> = (0..6).map(|_| chance.text()).collect();
        let names = ["reason", "caution", "a", "Z", "app_poi_code", "_"];
        let mut fields = vec![("order_id", "27057681346841638")];
        fields.extend(names.into_iter().zip(values.iter().map(String::as_str)));
        let push = post(PushKind::Cancelled, &signed(&fields, 2));
        let Ok(Push::Event { event: Event::Cancelled(cancel), .. }) = push else {
            panic!("round {round}: {push:?} of {values:?}")
        };
        assert_eq!(cancel.reason, clean_text(&values[0]), "round {round}");
        let changed = format!("{}x", values[0]);
        let body =
            signed(&fields, 2).replacen(&encode(&encode(&values[0], true), true), &encode(&changed, true), 1);
        let refused = post(PushKind::Cancelled, &body);
        assert!(values[0].is_empty() || refused.is_err(), "round {round}: {refused:?}");
    }
}

#[test]
fn noise_never_panics_and_is_never_an_event() {
    let mut chance = Chance(99);
    let genuine = paid_with(&[]).into_bytes();
    for _ in 0..3_000 {
        let length = usize::try_from(chance.below(400)).unwrap();
        let noise: Vec<u8> = (0..length).map(|_| chance.next().to_le_bytes()[0]).collect();
        let query = String::from_utf8_lossy(&noise).into_owned();
        for kind in [PushKind::Paid, PushKind::Cancelled, PushKind::Reminded] {
            let push = receive(kind, URL, SECRET, Method::Post, Some(&query), &noise);
            assert!(!matches!(push, Ok(Push::Event { .. })));
            let push = receive(kind, URL, SECRET, Method::Get, Some(&query), &noise);
            assert!(!matches!(push, Ok(Push::Event { .. })));
        }
        let mut damaged = genuine.clone();
        let at = usize::try_from(chance.below(damaged.len() as u64)).unwrap();
        damaged[at] ^= 1 << chance.below(8);
        let _ = receive(PushKind::Paid, URL, SECRET, Method::Post, None, &damaged);
    }
    let huge = vec![b'%'; FORM_BYTES_MAX + 1];
    assert!(receive(PushKind::Paid, URL, SECRET, Method::Post, None, &huge).is_err());
}

#[test]
fn genuine_nonsense_never_panics() {
    let mut chance = Chance(5);
    let names =
        ["order_id", "app_poi_code", "ctime", "total", "detail", "extras", "shipping_fee", "delivery_time"];
    let values = [
        "1",
        "-1",
        "1e15",
        "-1E-15",
        "999999999999999999",
        "[]",
        "{}",
        "[{}]",
        "[null]",
        "null",
        "",
        "[[[[",
        r#"[{"food_name":"a","quantity":10000,"price":10000000,"box_num":10000,"box_price":1000}]"#,
        r#"[{"reduce_fee":-10000000}]"#,
        r#"[{"food_name":1e400,"quantity":1e15,"price":true}]"#,
        "9223372036854775807",
    ];
    for _ in 0..20_000 {
        let fields: Vec<_> =
            names.iter().map(|&name| (name, values[usize::try_from(chance.below(16)).unwrap()])).collect();
        let push = post(PushKind::Paid, &signed(&fields, 2));
        assert!(!matches!(push, Err(PushError::Signature(_) | PushError::Form(_)) | Ok(Push::Probe)));
    }
}
