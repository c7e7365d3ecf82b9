//! The counter's API over real sockets, with the real spool: what is done once, what is refused, what is heard.

mod cancelling;
mod door;
mod events;
mod openapi;

use crate::page::{Answer, Desk, LOOPBACK, exchange};
use crate::samples::{claim, finish, item, reports, ticket, within};
use docket_agent::counter;
use docket_agent::spool::{ClaimPort, Ending};
use docket_protocol::frame::read_payload;
use docket_protocol::ids::{PrinterName, Seq};
use docket_protocol::message::Report;
use docket_protocol::outcome::{Evidence, Outcome};
use docket_protocol::pack::unpack;
use docket_protocol::session::UPLOAD_BYTES_MAX;
use docket_protocol::upload::Upload;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// `front` prints the front slip and what maps nowhere, `back` is the kitchen's.
const STORE: &str = "[[printer]]\nname = \"front\"\naddress = \"192.0.2.9\"\nstations = [\"front\"]\ndefault = true\n\
                     [[printer]]\nname = \"back\"\naddress = \"192.0.2.10\"\nstations = [\"kitchen\"]\n\
                     [routing]\nstations = [{ name = \"kitchen\", dishes = [\"F1001\"] }]\n";

/// The software of a till.
struct Till {
    desk: Desk,
    token: String,
}

impl Till {
    async fn open() -> Self {
        let desk = Desk::open(LOOPBACK, STORE).await;
        let token = counter::token(&desk.config.data).unwrap();
        Till { desk, token }
    }

    async fn get(&self, path: &str) -> Answer {
        self.desk.send(&request("GET", self.desk.address, path, &self.bearer(), "")).await
    }

    async fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.post_text(path, key, &body.to_string()).await
    }

    async fn post_text(&self, path: &str, key: &str, body: &str) -> Answer {
        let headers =
            format!("{}Idempotency-Key: {key}\r\nContent-Type: application/json\r\n", self.bearer());
        self.desk.send(&request("POST", self.desk.address, path, &headers, body)).await
    }

    fn bearer(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.token)
    }

    /// An order with a dish of the kitchen.
    async fn order(&self, key: &str) -> Value {
        let answer = self.post("/api/v1/orders", key, &order()).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    }

    async fn state(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    }

    /// What each ticket of an order has come to, in its order: (station, state, 补打).
    async fn tickets(&self, key: &str) -> Vec<(String, String, u64)> {
        let order = self.state(&format!("/api/v1/orders/{key}")).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let tickets = order["tickets"].as_array().unwrap().iter();
        tickets
            .map(|one| {
                (
                    format!("{} {}", text(&one["kind"]), text(&one["station"])),
                    text(&one["state"]),
                    one["repeat"].as_u64().unwrap(),
                )
            })
            .collect()
    }

    fn port(&self, printer: &str) -> ClaimPort {
        self.desk.spool().port(&PrinterName::new(printer)).unwrap()
    }

    /// What the hub is to hear of the counter.
    async fn uploads(&self) -> Vec<Upload> {
        let Some(batch) = self.desk.spool().uploads(UPLOAD_BYTES_MAX).await.unwrap() else {
            return Vec::new();
        };
        unpack(&batch.packed).unwrap().iter().map(|row| read_payload(row).unwrap()).collect()
    }
}

fn request(method: &str, address: SocketAddr, path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
}

fn order() -> Value {
    json!({
        "number": "17", "service": "dine-in", "table": "A12", "total_fen": 3300, "paid": true,
        "dishes": [
            { "code": "F1001", "name": "红烧牛肉面", "quantity": 1, "price_fen": 2800 },
            { "name": "可乐", "quantity": 1, "price_fen": 500 },
        ],
    })
}

fn seen(tickets: &[(String, String, u64)]) -> Vec<(&str, &str, u64)> {
    tickets.iter().map(|(what, state, repeat)| (what.as_str(), state.as_str(), *repeat)).collect()
}

/// Prints one ticket on a printer.
async fn print(port: &mut ClaimPort) -> String {
    port.want(1).unwrap();
    let claim = claim(port).await;
    port.want(0).unwrap();
    port.finish(finish(&claim, Ending::Printed(Evidence::Fence))).await.unwrap();
    claim.ticket.title
}

#[tokio::test]
async fn an_order_is_routed_printed_and_shown() {
    let till = Till::open().await;
    let accepted = till.order("till-1.17").await;
    assert_eq!(accepted["order"], "s0042-1a2b3c4d/till-1.17");
    assert_eq!(accepted["unmapped_dishes"], json!(["可乐"]));
    let waiting =
        [("front front", "waiting", 0), ("kitchen kitchen", "waiting", 0), ("kitchen ", "waiting", 0)];
    assert_eq!(seen(&till.tickets("till-1.17").await), waiting);
    let (mut front, mut back) = (till.port("front"), till.port("back"));
    assert_eq!(print(&mut back).await, "柜台 #17");
    print(&mut front).await;
    till.desk.spool().flush().await.unwrap();
    let order = till.state("/api/v1/orders/till-1.17").await;
    assert_eq!((&order["state"], &order["table"]), (&json!("waiting"), &json!("A12")));
    assert_eq!(order["tickets"][0]["evidence"], "fence");
    print(&mut front).await;
    till.desk.spool().flush().await.unwrap();
    assert_eq!(till.state("/api/v1/orders/till-1.17").await["state"], "printed");
    let one = format!("/api/v1/tickets/{}", accepted["tickets"][1]["id"].as_str().unwrap());
    assert_eq!(till.state(&one).await["printer"], "back");
}

#[tokio::test]
async fn a_request_is_done_once_whatever_comes_between() {
    let mut till = Till::open().await;
    let first = till.post("/api/v1/orders", "k1", &order()).await;
    let again = till.post("/api/v1/orders", "\"k1\"", &order()).await;
    assert_eq!((first.status, again.status), (201, 201));
    assert!(
        !first.head.contains("idempotency-replayed") && again.head.contains("idempotency-replayed: true")
    );
    assert_eq!(first.body, again.body);
    let other = json!({ "reason": "x" });
    for (path, body) in [("/api/v1/orders", &other), ("/api/v1/tickets", &order())] {
        let answer = till.post(path, "k1", body).await;
        assert_eq!((answer.status, answer.code().as_str()), (409, "key-reused"), "{path}");
    }
    till.desk.reopen().await;
    assert_eq!(till.post("/api/v1/orders", "k1", &order()).await.body, first.body);
    assert_eq!(till.desk.spool().counts().borrow().waiting, 3);

    // Both at the same time, too.
    let body = order();
    let (one, two) =
        tokio::join!(till.post("/api/v1/orders", "k2", &body), till.post("/api/v1/orders", "k2", &body));
    assert_eq!((one.status, one.body), (two.status, two.body));
    assert_eq!(till.desk.spool().counts().borrow().waiting, 6);
    // What was refused has used up nothing.
    assert_eq!(till.post("/api/v1/orders", "k3", &other).await.status, 400);
    assert_eq!(till.post("/api/v1/orders", "k3", &order()).await.status, 201);

    let listed = till.state("/api/v1/orders?limit=2").await;
    let ids = |page: &Value| {
        let orders = page["orders"].as_array().unwrap().iter();
        orders.map(|order| order["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&listed), ["k3", "k2"]);
    let rest = till.state(&format!("/api/v1/orders?limit=2&before={}", listed["next_before"])).await;
    assert_eq!((ids(&rest), &rest["next_before"]), (vec!["k1".to_owned()], &Value::Null));
}

#[tokio::test]
async fn the_hub_is_told_apart_from_its_own_tickets() {
    let till = Till::open().await;
    till.order("k1").await;
    till.desk.spool().receive(vec![(Seq(1), item(&ticket(7, "kitchen")))]).await.unwrap();
    let mut back = till.port("back");
    assert_eq!([print(&mut back).await, print(&mut back).await], ["柜台 #17", "美团外卖 #7"]);
    till.desk.spool().flush().await.unwrap();
    let reports = reports(&till.desk.spool()).await;
    assert!(
        matches!(&reports[..], [Report::Ticket(report)] if report.ticket == ticket(7, "kitchen").id),
        "{reports:?}"
    );
    let uploads = till.uploads().await;
    let [Upload::Order(order), Upload::Outcome(outcome)] = &uploads[..] else { panic!("{uploads:?}") };
    assert_eq!((order.order.key.id.as_str(), order.order.original_total.0), ("s0042-1a2b3c4d/k1", 3_300));
    assert_eq!((order.tickets.len(), order.unmapped.len()), (3, 1));
    assert_eq!((outcome.ticket, outcome.outcome), (order.tickets[1].id, Outcome::Printed(Evidence::Fence)));
}

#[tokio::test]
async fn ready_tickets_go_to_a_station_or_a_printer() {
    let till = Till::open().await;
    let blocks = json!([{ "type": "text", "text": "桌号 A12" }]);
    let body = json!({ "tickets": [
        { "station": "kitchen", "title": "加急", "blocks": blocks, "urgent": true, "kind": "added" },
        { "printer": "back", "title": "结账单", "blocks": blocks, "copies": 2 },
    ]});
    let answer = till.post("/api/v1/tickets", "t1", &body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    till.desk.spool().receive(vec![(Seq(1), item(&ticket(7, "kitchen")))]).await.unwrap();
    let mut back = till.port("back");
    back.want(3).unwrap();
    let mut claims = Vec::new();
    for _ in 0..3 {
        claims.push(claim(&mut back).await.ticket);
    }
    let seen: Vec<_> = claims.iter().map(|ticket| (ticket.title.as_str(), ticket.copies)).collect();
    assert_eq!(seen, [("加急", 1), ("结账单", 2), ("美团外卖 #7", 1)]);
    let uploads = till.uploads().await;
    assert!(matches!(&uploads[..], [Upload::Tickets(tickets)] if tickets.tickets.len() == 2), "{uploads:?}");
}
