//! Answers: whole ones, and streams of events.

use crate::spool::Storing;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde::Serialize;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// The body of an answer.
#[derive(Debug)]
pub enum Content {
    /// All of it, until it is taken.
    Whole(Option<Bytes>),
    /// As it comes, until the sender is gone.
    Events(mpsc::Receiver<Bytes>),
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match self.get_mut() {
            Content::Whole(bytes) => Poll::Ready(bytes.take()),
            Content::Events(events) => events.poll_recv(context),
        };
        bytes.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Content::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Content::Events(_) => SizeHint::default(),
        }
    }
}

/// An answer.
pub type Reply = Response<Content>;

/// What went wrong, for people and for programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The status of HTTP.
    pub status: StatusCode,
    /// For programs.
    pub code: &'static str,
    /// What it is and what to do, in Chinese.
    pub zh: String,
    /// And in English.
    pub en: String,
    /// When it may be tried again, in seconds.
    pub retry_s: Option<u64>,
}

impl Refused {
    /// One that says what to do.
    pub fn new(status: StatusCode, code: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Refused { status, code, zh: zh.into(), en: en.into(), retry_s: None }
    }

    /// The spool is being opened, or closed for good.
    pub fn busy() -> Self {
        let (zh, en) =
            ("正在应用新的打印机设置,请几秒后再试", "the printers are being set up: try again in a moment");
        Refused { retry_s: Some(1), ..Refused::new(StatusCode::SERVICE_UNAVAILABLE, "busy", zh, en) }
    }

    /// The spool stores nothing now.
    pub fn unstored(why: Storing) -> Self {
        let (zh, en) = why.remedy();
        let (zh, en) = (format!("没有执行。{zh}"), format!("nothing was done: {en}"));
        Refused::new(StatusCode::INSUFFICIENT_STORAGE, why.code(), zh, en)
    }

    /// The spool has it, and has not stored it yet.
    pub fn delayed() -> Self {
        Refused::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "spool-delayed",
            "磁盘太慢或已满,还没存下,存下后会自动生效:不用再点,检查磁盘空间",
            "the disk is slow or full: it is done as soon as it is stored, do not press again; check the disk and its free space",
        )
    }

    /// As an answer.
    pub fn reply(self) -> Reply {
        #[derive(Serialize)]
        struct Fault<'a> {
            code: &'a str,
            zh: &'a str,
            en: &'a str,
        }
        let mut reply = json(&Fault { code: self.code, zh: &self.zh, en: &self.en });
        *reply.status_mut() = self.status;
        if let Some(retry_s) = self.retry_s {
            reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_s));
        }
        reply
    }
}

/// An answer of this media type.
pub fn whole(media_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Content::Whole(Some(body.into())));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    reply
}

/// An answer for programs.
pub fn json(value: &impl Serialize) -> Reply {
    // Our own views: strings as keys, numbers that are finite.
    whole("application/json", serde_json::to_vec(value).unwrap_or_default())
}

/// A stream of events.
pub fn events(events: mpsc::Receiver<Bytes>) -> Reply {
    let mut reply = Response::new(Content::Events(events));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    reply
}
