//! The adapter against recorded pushes and nasty text.

mod noise;

use super::amount::AmountError;
use super::decode::CancelledBy;
use super::error::DecodeError;
use super::form::FormError;
use super::signature::{SignatureError, sign};
use super::{Event, Method, OK_REPLY, Push, PushError, PushKind, UNAVAILABLE_REPLY, receive};
use docket_protocol::ids::{Fen, UnixMs};
use docket_protocol::order::{Cutlery, Fulfilment, Order};
use serde_json::Value;

const VECTOR: &str = include_str!("testdata/meituan_v1_inbound_paid_order.json");
const FIXTURE: &str = include_str!("testdata/meituan_v1_paid_push_2020.form");
const FIXTURE_DECODED: &str = include_str!("testdata/meituan_v1_paid_push_2020.decoded.json");
const URL: &str = "https://hub.example.com/cb/meituan/order/paid";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Percent-encodes everything but letters and digits; a space is `+` or `%20`.
fn encode(text: &str, plus: bool) -> String {
    let escape = |byte: u8| match byte {
        b' ' if plus => "+".to_owned(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// A signed body, its values encoded `times`.
fn signed(fields: &[(&str, &str)], times: usize) -> String {
    let sig = sign(URL, SECRET, fields.iter().copied());
    let fields = fields.iter().copied().chain([("sig", sig.as_str())]);
    let pair = |(name, value): (&str, &str)| {
        let value = (0..times).fold(value.to_owned(), |value, _| encode(&value, true));
        format!("{name}={value}")
    };
    fields.map(pair).collect::<Vec<_>>().join("&")
}

fn post(kind: PushKind, body: &str) -> Result<Push, PushError> {
    receive(kind, URL, SECRET, Method::Post, None, body.as_bytes())
}

fn order(push: Result<Push, PushError>) -> Order {
    match push {
        Ok(Push::Event { event: Event::Paid(paid), .. }) => paid.order,
        other => panic!("not a paid order: {other:?}"),
    }
}

fn decode_error(push: Result<Push, PushError>) -> DecodeError {
    match push {
        Err(PushError::Decode(error)) => error,
        other => panic!("not refused by the decoder: {other:?}"),
    }
}

/// The fields of a small order, with some replaced.
fn paid_with(changes: &[(&'static str, &'static str)]) -> String {
    let mut fields = vec![
        ("order_id", "27057681346841638"),
        ("app_poi_code", "S0042"),
        ("ctime", "1767225600"),
        ("total", "61.0"),
        ("detail", r#"[{"app_food_code":"F1","food_name":"面","quantity":1,"price":28}]"#),
    ];
    for change in changes {
        fields.retain(|(name, _)| *name != change.0);
        fields.push(*change);
    }
    signed(&fields, 2)
}

fn paid(changes: &[(&'static str, &'static str)]) -> Order {
    order(post(PushKind::Paid, &paid_with(changes)))
}

#[test]
fn the_vector_is_read_whole() {
    let vector: Value = serde_json::from_str(VECTOR).unwrap();
    assert_eq!((vector["callback_url"].as_str(), vector["secret"].as_str()), (Some(URL), Some(SECRET)));
    let push = post(PushKind::Paid, vector["wire_body"].as_str().unwrap()).unwrap();
    let Push::Event { event, version } = push else { panic!("a probe") };
    assert_eq!((event.kind(), event.order().id.as_str()), (PushKind::Paid, "27057681346841638"));
    assert_eq!(version, "complete");
    let Event::Paid(push) = event else { panic!("not paid") };
    let order = push.order;
    assert!(!push.incomplete);
    assert_eq!((order.shop.as_str(), order.pickup_number.as_str()), ("S0042", "17"));
    assert_eq!(order.fulfilment, Fulfilment::Delivery);
    assert_eq!((order.placed_at, order.wanted_at), (UnixMs(1_767_225_600_000), None));
    assert_eq!((order.total, order.original_total, order.delivery_fee), (Fen(6100), Fen(6600), Fen(300)));
    assert!(order.paid_online);
    assert_eq!(order.note, "少放辣 【如遇缺货】：缺货时电话与我沟通");
    assert_eq!(order.cutlery, Some(Cutlery::Sets(2)));
    assert_eq!(order.recipient.name, "张(先生)");
    assert_eq!(order.recipient.phone, "13812345678_1234");
    assert_eq!(order.recipient.address, "测试小区 (3号楼 1101)", "without the geocode");
    assert_eq!(order.invoice_title, "");
    let [noodles, cola] = order.dishes.as_slice() else { panic!("two dishes") };
    assert_eq!((noodles.code.as_str(), noodles.name.as_str()), ("F1001", "红烧牛肉面"));
    assert_eq!(
        (noodles.spec.as_str(), noodles.choices.as_slice()),
        ("大份", &["中辣", "不要香菜"].map(String::from)[..])
    );
    assert_eq!((noodles.quantity, noodles.price, noodles.box_fee), (2, Fen(2800), Fen(200)));
    assert_eq!((cola.name.as_str(), cola.price, cola.box_fee), ("可乐 100%冰", Fen(500), Fen(0)));
    let [off] = order.adjustments.as_slice() else { panic!("one reduction, the empty object skipped") };
    assert_eq!((off.name.as_str(), off.amount), ("满50减5元", Fen(-500)));
    let dishes: i64 = order.dishes.iter().map(|d| d.price.0 * i64::from(d.quantity) + d.box_fee.0).sum();
    assert_eq!(dishes + order.delivery_fee.0, order.original_total.0, "the slip adds up");
    assert_eq!(order.original_total.0 + off.amount.0, order.total.0);
    assert_eq!(vector["expected_reply"]["body"].as_str(), Some(OK_REPLY));
}

#[test]
fn the_real_push_of_2020_is_read() {
    let fixture: Value = serde_json::from_str(FIXTURE_DECODED).unwrap();
    let params = super::Params::parse(FIXTURE.as_bytes(), super::Reading::Twice).ok().unwrap();
    let fields = fixture["fields"].as_object().unwrap();
    assert_eq!(params.iter().count(), fields.len());
    for (name, value) in fields {
        assert_eq!(params.get(name), value.as_str(), "{name}");
    }
    let refused = post(PushKind::Paid, FIXTURE.trim()).err();
    assert_eq!(
        refused,
        Some(PushError::Signature(SignatureError::Mismatch)),
        "its personal data was replaced"
    );

    let decoded = super::decode::decode_paid(&params).unwrap();
    let order = decoded.order;
    assert!(!decoded.incomplete);
    assert_eq!(order.shop, "5308_2705768");
    assert_eq!((order.total, order.original_total, order.delivery_fee), (Fen(2), Fen(2), Fen(1)));
    assert_eq!(order.pickup_number, "尾号1638", "day_seq is not subscribed to");
    assert_eq!(order.note, "【如遇缺货】： 缺货时电话与我沟通 顾客未对餐具数量做选择");
    assert_eq!((order.cutlery, order.adjustments.len()), (None, 0));
    assert_eq!((order.dishes[0].price, order.dishes[0].quantity), (Fen(1), 1));
    assert_eq!(order.recipient.address, "昌都大鹅茶餐厅 (1101)");
}

#[test]
fn a_probe_is_answered_and_a_forgery_is_not() {
    for body in ["", "\r\n", "&", "x=1", "timestamp=1767225600"] {
        assert_eq!(post(PushKind::Paid, body), Ok(Push::Probe), "{body:?}");
    }
    assert_eq!(receive(PushKind::Cancelled, URL, SECRET, Method::Get, None, b""), Ok(Push::Probe));
    let missing = Err(PushError::Signature(SignatureError::Missing));
    assert_eq!(post(PushKind::Paid, "order_id=1"), missing);
    let mismatch = PushError::Signature(SignatureError::Mismatch);
    let forged = post(PushKind::Paid, "sig=00000000000000000000000000000000").unwrap_err();
    assert_eq!(forged, mismatch);
    assert!(!forged.is_genuine());
    assert!(forged.reply().contains("703"));

    let body = paid_with(&[]);
    let at = |url, body: &str| receive(PushKind::Paid, url, SECRET, Method::Post, None, body.as_bytes());
    assert!(at(URL, &body).is_ok());
    assert_eq!(at("http://hub.example.com/cb/meituan/order/paid", &body), Err(mismatch.clone()));
    assert_eq!(at(URL, &body.replace("total=61", "total=1")), Err(mismatch.clone()));
    assert_eq!(at(URL, &format!("{body}&extra=")), Err(mismatch));
    let duplicate = at(URL, &format!("{body}&total=61.0")).unwrap_err();
    assert_eq!(duplicate, PushError::Form(FormError::Duplicate { name: "total".into() }));
}

#[test]
fn no_refusal_says_ok() {
    let refusals = [
        PushError::Form(FormError::TooMany),
        PushError::Signature(SignatureError::Mismatch),
        PushError::Decode(DecodeError::OrderId),
    ];
    for reply in refusals.iter().map(PushError::reply).chain([UNAVAILABLE_REPLY.to_owned()]) {
        let json: Value = serde_json::from_str(&reply).unwrap();
        assert_eq!(json["data"], "ng");
        assert!(json["error"]["code"].is_u64());
        assert_ne!(reply, OK_REPLY);
    }
}

#[test]
fn odd_but_real_orders_are_read() {
    assert_eq!(paid(&[("dinners_number", "99")]).cutlery, Some(Cutlery::None));
    assert_eq!(paid(&[("dinners_number", "-10")]).cutlery, Some(Cutlery::MoreThan(10)));
    assert_eq!(paid(&[("dinners_number", "0")]).cutlery, None);
    assert_eq!(paid(&[("dinners_number", "many")]).cutlery, None);
    assert_eq!(paid(&[("delivery_time", "1767240000")]).wanted_at, Some(UnixMs(1_767_240_000_000)));
    assert_eq!(paid(&[("pick_type", "1")]).fulfilment, Fulfilment::SelfPickup);
    assert_eq!(paid(&[("caution", "到店自取")]).fulfilment, Fulfilment::SelfPickup);
    assert_eq!(paid(&[("caution", "到店自取"), ("pick_type", "0")]).fulfilment, Fulfilment::Delivery);
    assert!(!paid(&[("pay_type", "1")]).paid_online);
    assert_eq!(
        paid(&[("invoice_title", "某某公司"), ("taxpayer_id", "91X")]).invoice_title,
        "某某公司 税号 91X"
    );
    assert_eq!(paid(&[("caution", "a\u{1b}@\nb")]).note, "a@ b");
    let backup = paid(&[("recipient_phone", ""), ("backup_recipient_phone", r#"["","139_1"]"#)]);
    assert_eq!(backup.recipient.phone, "139_1");
    assert_eq!(paid(&[("ctime", ""), ("utime", "1767225601")]).placed_at, UnixMs(1_767_225_601_000));
    let bags = paid(&[("package_bag_money", "50")]);
    assert_eq!((bags.adjustments[0].name.as_str(), bags.adjustments[0].amount), ("打包袋", Fen(50)));
}

#[test]
fn loose_json_is_read() {
    let dishes = paid(&[(
        "detail",
        r#"[{"app_food_code":1001,"food_name":"面\u001b@","quantity":"2.0","price":"28.50","box_num":1.0,
            "box_price":null,"food_property":"中辣,不要香菜，,多葱","cart_id":1,"unknown":{"a":[1.5]}},
            {"sku_id":"S2","quantity":1,"price":0.1,"box_num":3,"box_price":0.335},{},null]"#,
    )])
    .dishes;
    let [noodles, other] = dishes.as_slice() else { panic!("two dishes") };
    assert_eq!((noodles.code.as_str(), noodles.name.as_str(), noodles.quantity), ("1001", "面@", 2));
    assert_eq!((noodles.price, noodles.box_fee, noodles.bag), (Fen(2850), Fen(0), 1));
    assert_eq!(noodles.choices, ["中辣", "不要香菜", "多葱"]);
    assert_eq!(
        (other.code.as_str(), other.name.as_str()),
        ("S2", "S2"),
        "a dish with only a code is named by it"
    );
    assert_eq!((other.price, other.box_fee), (Fen(10), Fen(101)));

    let extras = r#"[{"reduce_fee":0,"remark":"赠可乐1份","type":5},{"reduce_fee":"1.5"},{}]"#;
    let adjustments = paid(&[("extras", extras)]).adjustments;
    let shown: Vec<_> = adjustments.iter().map(|a| (a.name.as_str(), a.amount.0)).collect();
    assert_eq!(shown, [("赠可乐1份", 0), ("优惠", -150)]);
    assert!(paid(&[("extras", "")]).adjustments.is_empty());
}

#[test]
fn boxes_are_the_lines_unless_the_total_says_otherwise() {
    let detail = r#"[{"food_name":"面","quantity":2,"price":10,"box_num":2,"box_price":1}]"#;
    let fee = |original| paid(&[("detail", detail), ("original_price", original)]).dishes[0].box_fee;
    assert_eq!(fee("22"), Fen(200), "two boxes for the line");
    assert_eq!(fee("24"), Fen(400), "two boxes for each");
    assert_eq!(fee("99"), Fen(200), "neither");
}

#[test]
fn an_incomplete_order_is_marked() {
    for changes in [[("incmp_code", "-1")], [("detail", "")], [("detail", "[]")]] {
        let push = post(PushKind::Paid, &paid_with(&changes)).unwrap();
        let Push::Event { event: Event::Paid(paid), version } = push else { panic!("not paid") };
        assert!(paid.incomplete, "{changes:?}");
        assert_eq!(version, "incomplete");
    }
}

#[test]
fn unreadable_orders_name_the_field_and_nothing_else() {
    let error = |changes: &[(&'static str, &'static str)]| {
        let refused = post(PushKind::Paid, &paid_with(changes));
        assert!(refused.as_ref().is_err_and(PushError::is_genuine));
        decode_error(refused)
    };
    assert_eq!(error(&[("order_id", " ")]), DecodeError::Missing { field: "order_id" });
    assert_eq!(error(&[("order_id", "1\t2")]), DecodeError::OrderId);
    assert_eq!(error(&[("app_poi_code", "\u{1}")]), DecodeError::Missing { field: "app_poi_code" });
    assert_eq!(error(&[("total", "")]), DecodeError::Missing { field: "total" });
    let number = |field: &str, cause| DecodeError::Number { field: field.into(), cause };
    assert_eq!(error(&[("total", "x")]), number("total", AmountError::NotANumber));
    assert_eq!(error(&[("total", "-1")]), number("total", AmountError::OutOfRange));
    assert_eq!(error(&[("ctime", "yesterday")]), DecodeError::Time { field: "ctime" });
    assert_eq!(error(&[("ctime", "0")]), DecodeError::Missing { field: "ctime" });
    let half = r#"[{"food_name":"面","quantity":0.5,"price":1}]"#;
    assert_eq!(error(&[("detail", half)]), number("detail[0].quantity", AmountError::NotWhole));
    let none = r#"[{"food_name":"面","price":1}]"#;
    assert_eq!(error(&[("detail", none)]), number("detail[0].quantity", AmountError::NotANumber));
    let list = r#"[{"food_name":"面","quantity":1,"price":[1]}]"#;
    assert_eq!(error(&[("detail", list)]), number("detail[0].price", AmountError::NotANumber));
    let secret = error(&[("detail", r#"[{"food_name":"面"},"张三13812345678"]"#)]);
    assert!(matches!(secret, DecodeError::Json { field: "detail", .. }));
    assert!(!format!("{secret:?} {secret}").contains("138"));
    let many: String = vec!["{}"; super::detail::DISHES_MAX + 1].join(",");
    let fields = [("order_id", "1"), ("app_poi_code", "S"), ("total", "1"), ("detail", &format!("[{many}]"))];
    let refused = decode_error(post(PushKind::Paid, &signed(&fields, 1)));
    assert!(matches!(refused, DecodeError::TooMany { field: "detail", .. }));
}

#[test]
fn cancellations_come_by_post_and_by_get() {
    let fields = [
        ("order_id", "27057681346841638"),
        ("reason_code", "1001"),
        ("reason", "系统取消,超时未确认"),
        ("deal_op_type", "5"),
    ];
    let body = signed(&fields, 2);
    for push in [
        post(PushKind::Cancelled, &body),
        receive(PushKind::Cancelled, URL, SECRET, Method::Get, Some(&body), b"ignored"),
        receive(PushKind::Cancelled, URL, SECRET, Method::Post, Some(&body), b""),
    ] {
        let Ok(Push::Event { event: Event::Cancelled(cancel), version }) = push else { panic!("{push:?}") };
        assert_eq!((cancel.order.id.as_str(), version.as_str()), ("27057681346841638", ""));
        assert_eq!((cancel.reason_code.as_str(), cancel.by), ("1001", CancelledBy::System));
        assert_eq!(cancel.reason, "系统取消,超时未确认");
    }
    let bare = post(PushKind::Cancelled, &signed(&[("order_id", "7")], 2)).unwrap();
    let Push::Event { event: Event::Cancelled(cancel), .. } = bare else { panic!("not cancelled") };
    assert_eq!((cancel.reason.as_str(), cancel.by), ("", CancelledBy::Unknown));
}

#[test]
fn reminders_are_told_apart() {
    let version = |fields: &[(&str, &str)]| match post(PushKind::Reminded, &signed(fields, 2)).unwrap() {
        Push::Event { event: Event::Reminded(remind), version } => {
            assert_eq!(remind.version, version);
            version
        }
        other => panic!("{other:?}"),
    };
    let (order, time) = (("order_id", "7"), ("timestamp", "1767225612"));
    assert_eq!(version(&[order, time, ("remind_id", "88"), ("remind_time", "1767225610")]), "88");
    assert_eq!(version(&[order, time, ("remind_time", "1767225610")]), "1767225610");
    assert_eq!(version(&[order, time]), "1767225612");
    assert_eq!(version(&[order]), "");
}

#[test]
fn values_encoded_once_verify_as_what_was_signed() {
    let note = "1+1=2 100%41 %E5";
    let fields = [("order_id", "7"), ("reason", note)];
    for times in [1, 2] {
        let push = post(PushKind::Cancelled, &signed(&fields, times)).unwrap();
        let Push::Event { event: Event::Cancelled(cancel), .. } = push else { panic!("not cancelled") };
        assert_eq!(cancel.reason, note, "encoded {times} times");
    }
}

#[test]
fn no_order_has_more_than_the_one_that_templates_are_tried_with() {
    use docket_paper::template::sample::{LARGEST, Largest};
    let taken = Largest {
        dishes: super::detail::DISHES_MAX,
        choices: super::detail::CHOICES_MAX,
        adjustments: super::detail::EXTRAS_MAX,
        label_chars: super::text::LABEL_CHARS_MAX,
        text_chars: super::text::TEXT_CHARS_MAX,
        pieces: super::amount::QUANTITY_MAX,
        slips: u32::try_from(super::detail::DISHES_MAX).unwrap().max(crate::routing::slips::LABELS_MAX),
    };
    assert_eq!(taken, LARGEST);
}
