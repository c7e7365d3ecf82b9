//! Orders and tickets that are taken back, and tickets that come out again.

use super::*;
use docket_agent::spool::counter::{Answered, DIGEST_BYTES, Request, Wish};
use docket_protocol::ids::{AgentId, OrderKey};
use docket_protocol::outcome::Doubt;

const CANCEL: &str = "/api/v1/orders/k1/cancel";

fn ids(list: &Value) -> usize {
    list.as_array().unwrap().len()
}

#[tokio::test]
async fn what_was_not_begun_is_taken_out() {
    let till = Till::open().await;
    till.order("k1").await;
    let answer = till.post(CANCEL, "c1", &json!({ "reason": "顾客改变主意" })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let cancelled: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((ids(&cancelled["withdrawn_tickets"]), ids(&cancelled["slips"])), (3, 0));
    assert_eq!(till.desk.spool().counts().borrow().waiting, 0);
    let state = till.state("/api/v1/orders/k1").await;
    assert_eq!((&state["state"], &state["tickets"][0]["state"]), (&json!("cancelled"), &json!("cancelled")));
    // The same again is answered again; another wish finds it cancelled.
    assert_eq!(till.post(CANCEL, "c1", &json!({ "reason": "顾客改变主意" })).await.body, answer.body);
    assert_eq!(till.post(CANCEL, "c2", &json!({})).await.code(), "already-cancelled");
    let ticket = format!("/api/v1/tickets/{}", state["tickets"][0]["id"].as_str().unwrap());
    assert_eq!(till.post(&format!("{ticket}/reprint"), "r1", &json!({})).await.code(), "already-cancelled");
    assert_eq!(till.post(&format!("{ticket}/cancel"), "r1", &json!({})).await.code(), "already-cancelled");
    // Printers that ask get nothing of it.
    let mut back = till.port("back");
    back.want(2).unwrap();
    till.desk.spool().receive(vec![(Seq(1), item(&crate::samples::ticket(7, "kitchen")))]).await.unwrap();
    assert_eq!(claim(&mut back).await.ticket.title, "美团外卖 #7");
    let uploads = till.uploads().await;
    let settled =
        |upload: &&Upload| matches!(upload, Upload::Outcome(report) if report.outcome == Outcome::Settled);
    assert_eq!(uploads.iter().filter(settled).count(), 3);
    assert!(matches!(uploads.last(), Some(Upload::Cancelled(one)) if one.slips.is_empty()), "{uploads:?}");
}

#[tokio::test]
async fn who_has_begun_gets_a_slip_and_who_has_not_gets_nothing() {
    let till = Till::open().await;
    till.order("k1").await;
    let mut back = till.port("back");
    print(&mut back).await;
    till.desk.spool().flush().await.unwrap();
    let answer = till.post(CANCEL, "c1", &json!({ "reason": "没有了" })).await;
    let cancelled: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((ids(&cancelled["withdrawn_tickets"]), ids(&cancelled["slips"])), (2, 1), "{cancelled}");
    let expected = [
        ("front front", "cancelled", 0),
        ("kitchen kitchen", "printed", 0),
        ("kitchen ", "cancelled", 0),
        ("cancel kitchen", "waiting", 0),
    ];
    assert_eq!(seen(&till.tickets("k1").await), expected);
    back.want(1).unwrap();
    let slip = claim(&mut back).await.ticket;
    assert!(slip.urgent && slip.title == "(退)柜台 #17", "{slip:?}");
    assert!(format!("{:?}", slip.document).contains("没有了"), "{slip:?}");
}

#[tokio::test]
async fn where_the_rules_have_changed_since_all_are_told() {
    let till = Till::open().await;
    till.order("k1").await;
    print(&mut till.port("back")).await;
    // Today's rules have a bar in the place of the kitchen that has begun.
    let slips = ["front", "bar"].map(|station| ticket(1, station)).to_vec();
    let order = OrderKey::of_counter(&AgentId::new("s0042-1a2b3c4d"), "k1");
    let wish = Wish::Cancel { id: "k1".into(), order, reason: String::new(), slips };
    let request = Request { key: "c1".into(), digest: [0; DIGEST_BYTES], wish };
    let answered = till.desk.spool().counter(request).await.unwrap();
    let Answered::Done(answer) = answered else { panic!("{answered:?}") };
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(ids(&answer["slips"]), 2, "{answer}");
}

#[tokio::test]
async fn a_ticket_in_a_printers_hands_does_not_come_back_into_its_queue() {
    for is_in_doubt in [false, true] {
        let till = Till::open().await;
        till.order("k1").await;
        let mut back = till.port("back");
        back.want(1).unwrap();
        let held = claim(&mut back).await;
        let answer = till.post(CANCEL, "c1", &json!({})).await;
        let cancelled: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((ids(&cancelled["withdrawn_tickets"]), ids(&cancelled["slips"])), (2, 1), "{cancelled}");
        back.want(0).unwrap();
        if is_in_doubt {
            back.finish(finish(&held, Ending::Unknown(Doubt::PrinterSilent))).await.unwrap();
        } else {
            back.hand_back(vec![held.ticket.id]).await.unwrap();
        }
        till.desk.spool().flush().await.unwrap();
        let tickets = till.tickets("k1").await;
        assert_eq!(seen(&tickets)[1], ("kitchen kitchen", "cancelled", 0), "in doubt: {is_in_doubt}");
        let waiting = till.desk.spool().counts().borrow().waiting;
        assert_eq!(waiting, 1, "the slip alone");
        let settled = |upload: &&Upload| {
            matches!(upload, Upload::Outcome(report)
                if report.ticket == held.ticket.id && report.outcome == Outcome::Settled)
        };
        assert_eq!(till.uploads().await.iter().filter(settled).count(), 1);
    }
}

#[tokio::test]
async fn a_claim_that_a_crash_has_left_is_taken_out_too() {
    let mut till = Till::open().await;
    till.order("k1").await;
    let mut back = till.port("back");
    // A journal without a record of it: no byte has left.
    drop(till.desk.spool().journal(&PrinterName::new("back")).unwrap().in_boot(Some("boot")).unwrap());
    back.want(1).unwrap();
    claim(&mut back).await;
    till.post(CANCEL, "c1", &json!({})).await;
    till.desk.reopen().await;
    assert_eq!(seen(&till.tickets("k1").await)[1], ("kitchen kitchen", "cancelled", 0));
}

#[tokio::test]
async fn at_the_bound_nothing_new_is_taken_and_what_is_there_can_be_cancelled() {
    let mut till = Till::open().await;
    till.order("k1").await;
    till.desk.reopen_within(512 * 1_024).await;
    let mut taken = 1;
    let refused = loop {
        let answer = till.post("/api/v1/orders", &format!("more-{taken}"), &order()).await;
        match answer.status {
            201 => taken += 1,
            _ => break answer,
        }
        assert!(taken < 1_000, "the bound is never reached");
    };
    // It is with the spool, which does it once there is room: only the same key may be used again.
    assert_eq!((refused.status, refused.code().as_str()), (503, "spool-delayed"));
    let refused = till.post("/api/v1/orders", "another", &order()).await;
    assert_eq!((refused.status, refused.code().as_str()), (507, "spool-at-bound"));
    assert!(refused.head.contains("retry-after"), "{refused:?}");
    assert_eq!(till.desk.spool().counts().borrow().waiting, taken * 3);
    assert_eq!(till.post(CANCEL, "c1", &json!({})).await.status, 200);
    assert_eq!(till.desk.spool().counts().borrow().waiting, taken * 3 - 3);
}

#[tokio::test]
async fn single_tickets_are_taken_out_and_printed_again() {
    let till = Till::open().await;
    let accepted = till.order("k1").await;
    let path = |place: usize, what: &str| {
        format!("/api/v1/tickets/{}/{what}", accepted["tickets"][place]["id"].as_str().unwrap())
    };
    assert_eq!(till.post(&path(1, "reprint"), "r1", &json!({})).await.code(), "not-printed-yet");
    assert_eq!(till.post(&path(0, "cancel"), "w1", &json!({})).await.status, 200);
    let mut back = till.port("back");
    print(&mut back).await;
    till.desk.spool().flush().await.unwrap();
    let begun = till.post(&path(1, "cancel"), "w2", &json!({})).await;
    assert_eq!((begun.status, begun.code().as_str()), (409, "ticket-begun"));
    let again = till.post(&path(1, "reprint"), "r1", &json!({})).await;
    assert_eq!(again.status, 200, "{again:?}");
    // The lost answer's repeat prints no third one.
    assert_eq!(till.post(&path(1, "reprint"), "r1", &json!({})).await.body, again.body);
    back.want(2).unwrap();
    assert_eq!(claim(&mut back).await.repeat, 1);
    assert!(back.try_next().is_none());
    let elsewhere = till.post(&path(2, "reprint"), "r2", &json!({ "printer": "none" })).await;
    assert_eq!((elsewhere.status, elsewhere.code().as_str()), (422, "body-field"));
    for path in ["/api/v1/orders/k9/cancel", "/api/v1/tickets/x/cancel"] {
        assert_eq!(till.post(path, "w3", &json!({})).await.status, 404, "{path}");
    }
    // A hub's ticket is none of the counter's.
    let hubs = ticket(7, "front");
    till.desk.spool().receive(vec![(Seq(1), item(&hubs))]).await.unwrap();
    let path = format!("/api/v1/tickets/{}", hubs.id);
    assert_eq!(till.get(&path).await.code(), "unknown-ticket");
    assert_eq!(till.post(&format!("{path}/cancel"), "w4", &json!({})).await.code(), "unknown-ticket");
}
