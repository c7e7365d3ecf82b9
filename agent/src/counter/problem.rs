//! What is wrong with a request: `application/problem+json` (RFC 9457), with a code for programs, and cause and remedy
//! for people in both languages.

use crate::page::reply::{Reply, whole};
use crate::page::words::Words;
use crate::spool::counter::Why;
use crate::spool::{SpoolError, Storing};
use hyper::StatusCode;
use hyper::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;

/// Why a request was not done. In a box, since every reader of a field returns one or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem(Box<Facts>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Facts {
    status: StatusCode,
    code: &'static str,
    cause: Words,
    remedy: Words,
    /// Which field of the body is wrong, e.g. `dishes[2].quantity`.
    field: Option<String>,
    retry_s: Option<u64>,
}

#[derive(Serialize)]
struct ProblemView<'a> {
    r#type: String,
    status: u16,
    title: &'a str,
    detail: String,
    code: &'a str,
    cause: &'a Words,
    remedy: &'a Words,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

impl Problem {
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        cause: impl Into<Words>,
        remedy: impl Into<Words>,
    ) -> Self {
        let (cause, remedy) = (cause.into(), remedy.into());
        Problem(Box::new(Facts { status, code, cause, remedy, field: None, retry_s: None }))
    }

    /// A field of the body that cannot be so.
    pub(super) fn field(field: impl Into<String>, zh: impl Into<String>, en: impl Into<String>) -> Self {
        let field = field.into();
        let cause = (format!("{field}:{}", zh.into()), format!("{field}: {}", en.into()));
        let remedy = (
            "改正这个字段,换一个 Idempotency-Key 或用原来的都可以",
            "mend this field; the same Idempotency-Key may be used, nothing was done under it",
        );
        let mut problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "body-field", cause, remedy);
        problem.0.field = Some(field);
        problem
    }

    /// It may go better so much later.
    pub(super) fn after_s(mut self, retry_s: u64) -> Self {
        self.0.retry_s = Some(retry_s);
        self
    }

    pub(super) fn not_found() -> Self {
        Problem::new(
            StatusCode::NOT_FOUND,
            "not-found",
            ("没有这个地址", "there is nothing here"),
            ("见 /api/v1/openapi.json", "see /api/v1/openapi.json"),
        )
    }

    pub(super) fn unknown_ticket() -> Self {
        Problem::new(
            StatusCode::NOT_FOUND,
            "unknown-ticket",
            (
                "没有这张柜台小票,可能已经过了保存期",
                "the counter has given no such ticket, or it is not kept any more",
            ),
            ("用提交时返回的小票编号", "use the id that the submission was answered with"),
        )
    }

    pub(super) fn unknown_order() -> Self {
        Problem::new(
            StatusCode::NOT_FOUND,
            "unknown-order",
            (
                "没有这个柜台订单,可能已经过了保存期",
                "the counter has given no such order, or it is not kept any more",
            ),
            ("编号是提交时的 Idempotency-Key", "its id is the Idempotency-Key that it was submitted under"),
        )
    }

    /// The spool is being opened, or closed for good.
    pub(super) fn busy() -> Self {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            ("正在应用新的打印机设置", "the printers are being set up"),
            (
                "一秒后用同一个 Idempotency-Key 再发",
                "send it again in a second, under the same Idempotency-Key",
            ),
        )
        .after_s(1)
    }

    /// The spool has it, and has not stored it yet.
    pub(super) fn delayed() -> Self {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "spool-delayed",
            ("磁盘太慢或已满,还没存下", "the disk is slow or full, and it is not stored yet"),
            (
                "用同一个 Idempotency-Key 再发,不会重复;检查磁盘空间",
                "send it again under the same Idempotency-Key: it is done once; check the disk and its free space",
            ),
        )
        .after_s(1)
    }

    /// The spool stores nothing now.
    pub(super) fn unstored(why: Storing) -> Self {
        let remedy = why.remedy();
        Problem::new(
            StatusCode::INSUFFICIENT_STORAGE,
            why.code(),
            ("没有执行:现在存不下新的小票", "nothing was done: nothing new can be stored now"),
            remedy,
        )
        .after_s(10)
    }

    pub(super) fn other_request() -> Self {
        Problem::new(
            StatusCode::CONFLICT,
            "key-reused",
            ("这个 Idempotency-Key 已经用于另一个请求", "this Idempotency-Key was used for another request"),
            (
                "每个新请求用一个新的;重发要和原来一字不差",
                "use a new one for each new request; a repeat must be the same to the byte",
            ),
        )
    }

    /// As an answer.
    pub(super) fn reply(self) -> Reply {
        let Facts { status, code, cause, remedy, field, retry_s } = *self.0;
        let view = ProblemView {
            r#type: format!("urn:docket:problem:{}", code),
            status: status.as_u16(),
            title: &cause.zh,
            detail: format!("{} / {}", remedy.zh, remedy.en),
            code,
            cause: &cause,
            remedy: &remedy,
            field: field.as_deref(),
        };
        // Our own view: strings as keys, numbers that are finite.
        let mut reply = whole("application/problem+json", serde_json::to_vec(&view).unwrap_or_default());
        *reply.status_mut() = status;
        let headers = reply.headers_mut();
        if let Some(retry_s) = retry_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(retry_s));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        reply
    }
}

impl From<Why> for Problem {
    fn from(why: Why) -> Self {
        let conflict = |code, cause, remedy| Problem::new(StatusCode::CONFLICT, code, cause, remedy);
        match why {
            Why::UnknownOrder => Problem::unknown_order(),
            Why::UnknownTicket => Problem::unknown_ticket(),
            Why::Cancelled => conflict(
                "already-cancelled",
                ("已经取消了", "it is cancelled already"),
                ("不用再做什么", "there is nothing left to do"),
            ),
            Why::Begun => conflict(
                "ticket-begun",
                ("这张已经开始打印,收不回来", "it may have come out already, and cannot be taken back"),
                ("需要的话另打一张作废单", "print another ticket that says so, if need be"),
            ),
            Why::NotPrintedYet => conflict(
                "not-printed-yet",
                ("这张还没打完,会打的", "it has not come out yet; it will"),
                ("看它的状态;打印机有问题请先处理", "look at its state, and at the printer's"),
            ),
        }
    }
}

impl From<SpoolError> for Problem {
    fn from(error: SpoolError) -> Self {
        match error {
            SpoolError::UnknownPrinter { printer } => Problem::field(
                "printer",
                format!("没有名为「{printer}」的打印机"),
                format!("there is no printer named {printer}"),
            ),
            SpoolError::Closed => Problem::busy(),
            error => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                error.code(),
                ("小票库读不了".to_owned(), format!("the spool does not answer: {error}")),
                error.remedy(),
            ),
        }
    }
}
