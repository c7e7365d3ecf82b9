//! What is done with a request: it is read, one question is put to the spool, and answered.

use super::Api;
use super::order::{NOTE_CHARS_MAX, OrderForm, text};
use super::problem::Problem;
use super::routes::Posted;
use super::ticket::TicketsForm;
use super::view::{OrderView, OrdersView, TicketView};
use crate::clock;
use crate::page::reply::{Reply, json, whole};
use crate::spool::counter::{Answered, Request, Submission, Wish};
use crate::spool::{Spool, Storing};
use docket_protocol::ids::{OrderKey, PrinterName, TicketId};
use docket_routing::Routed;
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::time::timeout;
use tracing::warn;

/// Tickets of this PC that may wait to come out before the counter is told to wait: more than a store prints in days.
pub const WAITING_MAX: u32 = 10_000;
/// How long a till waits for the disk before it is told to ask again.
const STORE_MAX: Duration = Duration::from_secs(3);
/// Orders in one answer.
const ORDERS_MAX: usize = 100;
const ORDERS_USUAL: usize = 50;
/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The body of a cancellation.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CancelForm {
    #[serde(default)]
    reason: String,
}

/// The body of what has nothing to say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct EmptyForm {}

/// The body of a wish to print again.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReprintForm {
    #[serde(default)]
    printer: Option<String>,
}

impl Api {
    pub(super) fn spool(&self) -> Result<Spool, Problem> {
        self.spool.borrow().clone().ok_or_else(Problem::busy)
    }

    fn key(&self, key: &str) -> OrderKey {
        OrderKey::of_counter(&self.counter.agent, key)
    }

    /// Does something once. `make` says what, where it was not done before.
    async fn once(
        &self,
        posted: Posted,
        status: StatusCode,
        make: impl AsyncFnOnce(&Spool, &Posted) -> Result<Wish, Problem>,
    ) -> Result<Reply, Problem> {
        let spool = self.spool()?;
        let before = spool.answered(posted.key.clone(), posted.digest).await?;
        let answered = match before {
            Some(answered) => answered,
            None => {
                // A spool at its bound has room for what comes of its tickets.
                let storing = spool.counts().borrow().storing;
                if storing.fails() && storing != Storing::AtBound {
                    return Err(Problem::unstored(storing));
                }
                let wish = make(&spool, &posted).await?;
                let request = Request { key: posted.key, digest: posted.digest, wish };
                timeout(STORE_MAX, spool.counter(request)).await.map_err(|_| Problem::delayed())??
            }
        };
        let (answer, was_before) = match answered {
            Answered::Done(answer) => (answer, false),
            Answered::Before(answer) => (answer, true),
            Answered::OtherRequest => return Err(Problem::other_request()),
            Answered::Refused(why) => return Err(why.into()),
        };
        let mut reply = whole("application/json", answer);
        *reply.status_mut() = status;
        if was_before {
            reply.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        Ok(reply)
    }
}

/// An order of the counter: routed, stored, printed.
pub(super) async fn submit_order(api: &Api, posted: Posted) -> Result<Reply, Problem> {
    api.once(posted, StatusCode::CREATED, async |spool, posted| {
        let form: OrderForm = form(&posted.body)?;
        room(spool)?;
        let (key, now) = (api.key(&posted.key), clock::now());
        let order = form.order(key.clone(), api.counter.store.as_str(), now)?;
        let rules = api.counter.rules.borrow().clone();
        let routed = rules.tickets(&order, &api.counter.store_name, now, 0);
        warn_of(&routed, &key);
        Ok(Wish::Submit(Box::new(Submission {
            key,
            tickets: routed.tickets.into_iter().map(|ticket| (ticket, None)).collect(),
            order: Some(order),
            unmapped: routed.unmapped,
        })))
    })
    .await
}

/// Ready tickets: stored, printed.
pub(super) async fn submit_tickets(api: &Api, posted: Posted) -> Result<Reply, Problem> {
    api.once(posted, StatusCode::CREATED, async |spool, posted| {
        let form: TicketsForm = form(&posted.body)?;
        room(spool)?;
        let key = api.key(&posted.key);
        let tickets = form.tickets(&key, clock::now())?;
        for (place, (_, printer)) in tickets.iter().enumerate() {
            if let Some(printer) = printer.as_ref().filter(|printer| !spool.printers().contains(printer)) {
                return Err(Problem::field(
                    format!("tickets[{place}].printer"),
                    format!("没有名为「{printer}」的打印机"),
                    format!("there is no printer named {printer}"),
                ));
            }
        }
        Ok(Wish::Submit(Box::new(Submission { key, order: None, tickets, unmapped: Vec::new() })))
    })
    .await
}

/// An order is cancelled.
pub(super) async fn cancel_order(api: &Api, id: &str, posted: Posted) -> Result<Reply, Problem> {
    api.once(posted, StatusCode::OK, async |spool, posted| {
        let CancelForm { reason } = form_or_nothing(&posted.body)?;
        text("reason", &reason, NOTE_CHARS_MAX)?;
        let submitted = spool.submitted(id.to_owned()).await?;
        let order = submitted.and_then(|submitted| submitted.order).ok_or_else(Problem::unknown_order)?;
        let rules = api.counter.rules.borrow().clone();
        let routed = rules.cancel_tickets(&order, &api.counter.store_name, clock::now(), 0, &reason);
        warn_of(&routed, &order.key);
        Ok(Wish::Cancel { id: id.to_owned(), order: order.key, reason, slips: routed.tickets })
    })
    .await
}

/// A ticket is not to come out.
pub(super) async fn cancel_ticket(api: &Api, id: &str, posted: Posted) -> Result<Reply, Problem> {
    api.once(posted, StatusCode::OK, async |_, posted| {
        let EmptyForm {} = form_or_nothing(&posted.body)?;
        Ok(Wish::Withdraw { ticket: ticket_id(id)? })
    })
    .await
}

/// A ticket is to come out again, marked.
pub(super) async fn reprint(api: &Api, id: &str, posted: Posted) -> Result<Reply, Problem> {
    api.once(posted, StatusCode::OK, async |_, posted| {
        let ReprintForm { printer } = form_or_nothing(&posted.body)?;
        Ok(Wish::Reprint { ticket: ticket_id(id)?, printer: printer.map(PrinterName::new) })
    })
    .await
}

/// An order and what became of it.
pub(super) async fn order(api: &Api, id: &str) -> Result<Reply, Problem> {
    let submitted = api.spool()?.submitted(id.to_owned()).await?;
    let view = submitted.and_then(OrderView::new).ok_or_else(Problem::unknown_order)?;
    Ok(json(&view))
}

/// The newest orders.
pub(super) async fn orders(api: &Api, query: &str) -> Result<Reply, Problem> {
    let limit = number(query, "limit", ORDERS_USUAL as u64)?.clamp(1, ORDERS_MAX as u64);
    let before = i64::try_from(number(query, "before", u64::MAX)?).unwrap_or(i64::MAX);
    let limit = usize::try_from(limit).unwrap_or(ORDERS_MAX);
    let submitted = api.spool()?.orders_before(before, limit).await?;
    let next_before = submitted.last().filter(|_| submitted.len() == limit).map(|last| last.place);
    let orders = submitted.into_iter().filter_map(OrderView::new).collect();
    Ok(json(&OrdersView { orders, next_before }))
}

/// A ticket and what became of it.
pub(super) async fn ticket(api: &Api, id: &str) -> Result<Reply, Problem> {
    let ticket = api.spool()?.counter_ticket(ticket_id(id)?).await?;
    Ok(json(&TicketView::new(ticket.ok_or_else(Problem::unknown_ticket)?)))
}

/// A number in a query.
pub(super) fn number(query: &str, name: &'static str, usual: u64) -> Result<u64, Problem> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let Some((_, value)) = pairs.find(|(key, _)| *key == name) else { return Ok(usual) };
    value.parse().map_err(|_| {
        let cause = (format!("{name} 应为数字"), format!("{name} is a number"));
        let remedy = ("见 /api/v1/openapi.json", "see /api/v1/openapi.json");
        Problem::new(StatusCode::BAD_REQUEST, "query-form", cause, remedy)
    })
}

/// Whether anything new is taken.
fn room(spool: &Spool) -> Result<(), Problem> {
    let counts = spool.counts().borrow().clone();
    if counts.storing.fails() {
        return Err(Problem::unstored(counts.storing));
    }
    if counts.waiting < WAITING_MAX {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "too-many-waiting",
        (
            format!("已有 {WAITING_MAX} 张小票在等打印"),
            format!("{WAITING_MAX} tickets wait to be printed already"),
        ),
        (
            "让打印机恢复打印,再用同一个 Idempotency-Key 发",
            "get the printers going, then send it again under the same Idempotency-Key",
        ),
    )
    .after_s(60))
}

fn ticket_id(id: &str) -> Result<TicketId, Problem> {
    TicketId::parse(id).ok_or_else(Problem::unknown_ticket)
}

fn form<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        let cause = (format!("正文不对:{error}"), format!("the body is not in order: {error}"));
        let remedy = (
            "按 /api/v1/openapi.json 改正;字段名和类型要一致",
            "mend it after /api/v1/openapi.json: names and types of fields must be these",
        );
        Problem::new(StatusCode::BAD_REQUEST, "body-form", cause, remedy)
    })
}

fn form_or_nothing<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, Problem> {
    if body.is_empty() { Ok(T::default()) } else { form(body) }
}

fn warn_of(routed: &Routed, key: &OrderKey) {
    for failure in &routed.failures {
        warn!(code = "template-failed", order = %key, %failure, "a template did not do for an order of the counter");
    }
    if !routed.unmapped.is_empty() {
        warn!(code = "dish-unmapped", order = %key, dishes = ?routed.unmapped, "dishes of no station: printed by the default printer");
    }
}
