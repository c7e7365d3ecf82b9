//! Who is let in, and what is refused before anything is done.

use super::*;
use crate::page::own_address;
use docket_agent::counter::BODY_BYTES_MAX;

#[tokio::test]
async fn nobody_comes_in_without_the_token() {
    let till = Till::open().await;
    let address = till.desk.address;
    let json = "Content-Type: application/json\r\nIdempotency-Key: k1\r\n";
    let with = |headers: &str| request("POST", address, "/api/v1/orders", headers, &order().to_string());
    let bearer = till.bearer();
    let cases = [
        (with(json), 401, "token-missing"),
        (with(&format!("{json}Authorization: Bearer x\r\n")), 401, "token-wrong"),
        (with(&format!("{json}Authorization: Bearer \r\n")), 401, "token-missing"),
        (with(&format!("{json}Authorization: Basic {}\r\n", till.token)), 401, "token-missing"),
        // What a browser sends for another site's page, had it the token or not.
        (with(&format!("{json}{bearer}Origin: https://evil.example\r\n")), 403, "cross-site"),
        (with(&format!("{json}Origin: null\r\n")), 403, "cross-site"),
        (with(&format!("{json}Sec-Fetch-Site: cross-site\r\n")), 403, "cross-site"),
        (with("Content-Type: text/plain\r\nIdempotency-Key: k1\r\n"), 415, "not-json"),
        (
            with(&format!("{json}{bearer}")).replace(&format!("Host: {address}"), "Host: evil.example"),
            421,
            "misdirected-host",
        ),
        (request("GET", address, "/api/v1/orders", "", ""), 401, "token-missing"),
        (request("GET", address, "/api/v1/events", "", ""), 401, "token-missing"),
        (request("OPTIONS", address, "/api/v1/orders", "", ""), 405, "method"),
        (request("GET", address, "/api/v1/nothing", &bearer, ""), 404, "not-found"),
        (request("POST", address, "/api/v1/events", &format!("{json}{bearer}"), "{}"), 405, "method"),
    ];
    for (request, status, code) in cases {
        let answer = exchange(address, &request).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{request}\n{answer:?}");
        assert!(answer.head.contains("application/problem+json"), "{answer:?}");
        assert_eq!(status == 401, answer.head.contains("www-authenticate: Bearer"), "{answer:?}");
        assert!(!answer.head.contains("access-control"), "{answer:?}");
    }
    assert_eq!(till.desk.spool().counts().borrow().waiting, 0);
}

#[tokio::test]
async fn a_new_token_counts_at_once_and_the_old_one_no_more() {
    let till = Till::open().await;
    assert_eq!(till.get("/api/v1/orders").await.status, 200);
    let renewed = counter::renew(&till.desk.config.data).unwrap();
    assert_eq!(till.get("/api/v1/orders").await.code(), "token-wrong");
    let till = Till { token: renewed, ..till };
    assert_eq!(till.get("/api/v1/orders").await.status, 200);
    let path = till.desk.config.data.join(counter::TOKEN_FILE);
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "for its user only");
    }
    std::fs::write(&path, "").unwrap();
    assert_eq!(till.get("/api/v1/orders").await.code(), "token-wrong");
}

#[tokio::test]
async fn other_devices_are_kept_out_even_where_the_page_lets_them_in() {
    // A machine without any network has no other devices.
    let Some(lan) = own_address() else { return };
    let desk = Desk::open("listen = \"0.0.0.0:0\"\nlan = true", STORE).await;
    let token = counter::token(&desk.config.data).unwrap();
    let address = SocketAddr::new(lan, desk.address.port());
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let answer = exchange(address, &request("GET", address, "/api/v1/orders", &bearer, "")).await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "loopback-only"));
}

#[tokio::test]
async fn keys_have_a_form() {
    let till = Till::open().await;
    let long = "k".repeat(65);
    for key in ["", "a b", "a/b", "钥匙", "..", "\"", long.as_str()] {
        let answer = till.post("/api/v1/orders", key, &order()).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "key-form"), "{key:?}");
    }
    let headers = format!("{}Content-Type: application/json\r\n", till.bearer());
    let none = request("POST", till.desk.address, "/api/v1/orders", &headers, "{}");
    assert_eq!(exchange(till.desk.address, &none).await.code(), "key-missing");
}

/// The order with one thing in another way.
fn with(path: &str, value: Value) -> Value {
    let mut order = order();
    let (parent, name) = path.rsplit_once('/').unwrap();
    let parent = if parent.is_empty() { Some(&mut order) } else { order.pointer_mut(parent) };
    parent.unwrap()[name] = value;
    order
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let till = Till::open().await;
    let long = json!("长".repeat(201));
    let by_name = [
        (with("/numbr", json!("17")), "unknown field `numbr`"),
        (with("/dishes/0/prize_fen", json!(1)), "unknown field `prize_fen`"),
        (with("/total_fen", json!(33.0)), "floating point `33.0`"),
        (with("/total_fen", json!("33.00")), "string \"33.00\""),
        (with("/service", json!("eat-in")), "unknown variant `eat-in`"),
        (with("/dishes/0/quantity", json!(-1)), "`-1`"),
        (json!({ "number": "17" }), "missing field `service`"),
        (json!([]), "expected a string"),
    ];
    for (body, said) in &by_name {
        let answer = till.post("/api/v1/orders", "k1", body).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "body-form"), "{body}\n{answer:?}");
        let problem: Value = serde_json::from_str(&answer.body).unwrap();
        let cause = problem["cause"]["en"].as_str().unwrap();
        assert!(
            (cause.contains(said) || *said == "expected a string") && cause.contains("line 1 column"),
            "{said}: {cause}"
        );
    }
    let by_field = [
        (with("/number", json!(" ")), "number"),
        (with("/number", json!("1\t7")), "number"),
        (with("/service", json!("take-away")), "table"),
        (with("/placed_at_ms", json!(1_772_366_400)), "placed_at_ms"),
        (with("/dishes", json!([])), "dishes"),
        (with("/dishes/1/name", long), "dishes[1].name"),
        (with("/dishes/1/quantity", json!(0)), "dishes[1].quantity"),
        (with("/dishes/0/choices", json!(["a", "b\n"])), "dishes[0].choices[1]"),
        (with("/total_fen", json!(-1)), "total_fen"),
        (with("/adjustments", json!([{ "name": "", "amount_fen": 1 }])), "adjustments[0].name"),
        (with("/note", json!("\u{1b}@")), "note"),
    ];
    for (body, field) in &by_field {
        let answer = till.post("/api/v1/orders", "k1", body).await;
        let problem: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((answer.status, &problem["field"]), (422, &json!(field)), "{body}\n{answer:?}");
    }
    let block =
        |block: Value| json!({ "tickets": [{ "station": "front", "title": "x", "blocks": [block] }] });
    let tickets = [
        (block(json!({ "type": "qr", "data": "" })), "tickets[0].blocks[0].data"),
        (
            block(json!({ "type": "barcode", "data": "12", "symbology": "ean13" })),
            "tickets[0].blocks[0].data",
        ),
        (
            block(json!({ "type": "image", "width_dots": 9, "rows_base64": "AAAA" })),
            "tickets[0].blocks[0].rows_base64",
        ),
        (block(json!({ "type": "drawer", "connector": 3 })), "tickets[0].blocks[0].connector"),
        (
            block(json!({ "type": "text", "text": "x", "style": { "width": 9 } })),
            "tickets[0].blocks[0].style.width",
        ),
        (json!({ "tickets": [{ "title": "x", "blocks": [] }] }), "tickets[0]"),
        (
            json!({ "tickets": [{ "station": "a", "printer": "b", "title": "x", "blocks": [] }] }),
            "tickets[0]",
        ),
        (
            json!({ "tickets": [{ "printer": "none", "title": "x", "blocks": [{ "type": "cut" }] }] }),
            "tickets[0].printer",
        ),
        (json!({ "tickets": [] }), "tickets"),
    ];
    for (body, field) in &tickets {
        let answer = till.post("/api/v1/tickets", "k1", body).await;
        let problem: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((answer.status, &problem["field"]), (422, &json!(field)), "{body}\n{answer:?}");
    }
    let unknown = till.post("/api/v1/tickets", "k1", &block(json!({ "type": "cut", "deep": true }))).await;
    assert!(unknown.status == 400 && unknown.body.contains("unknown field `deep`"), "{unknown:?}");
    let long = block(json!({ "type": "text", "text": "字\n".repeat(20_000) }));
    assert_eq!(till.post("/api/v1/tickets", "k1", &long).await.code(), "body-field");
    let large = " ".repeat(BODY_BYTES_MAX + 1);
    assert_eq!(till.post_text("/api/v1/orders", "k1", &large).await.code(), "body-large");
    assert_eq!(till.get("/api/v1/orders?limit=x").await.code(), "query-form");
    assert_eq!(till.desk.spool().counts().borrow().waiting, 0);
}
