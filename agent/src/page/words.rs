//! What the page says of evidence, doubt and the link: (zh-CN, en).

use docket_protocol::outcome::{Doubt, Evidence};
use serde::Serialize;

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Words {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl From<(&str, &str)> for Words {
    fn from((zh, en): (&str, &str)) -> Self {
        Words { zh: zh.into(), en: en.into() }
    }
}

impl From<(String, String)> for Words {
    fn from((zh, en): (String, String)) -> Self {
        Words { zh, en }
    }
}

/// How it is known that a ticket came out.
pub fn evidence(evidence: Evidence) -> (&'static str, &'static str) {
    match evidence {
        Evidence::Spooled => {
            ("已交给系统打印队列,是否出纸不知道", "given to the system's queue; not known to be on paper")
        }
        Evidence::Sent => ("已发给打印机,打印机不会回话", "sent; this printer cannot confirm"),
        Evidence::Status => ("打完后打印机状态正常", "the printer was without fault afterwards"),
        Evidence::Fence => ("打印机已确认", "confirmed by the printer"),
    }
}

/// Why nobody knows whether it did. `begun`: how often it was begun.
pub fn doubt(doubt: Doubt, begun: u16) -> (&'static str, &'static str) {
    match doubt {
        Doubt::ConnectionLost => ("打印途中断线", "the connection was lost in mid-ticket"),
        Doubt::AgentEnded => ("打印途中程序重启", "the program was restarted in mid-ticket"),
        Doubt::PowerLost => ("打印途中电脑断电", "the PC lost power in mid-ticket"),
        Doubt::PrinterSilent => ("打印途中打印机没了回应", "the printer fell silent in mid-ticket"),
        Doubt::Expired if begun > 0 => (
            "之前打过,不知道出没出纸;现在过了有效时间",
            "it was begun before and may have come out; it is of no more use now",
        ),
        Doubt::Expired => ("过了有效时间,没有打", "it was of no more use, and was not printed"),
    }
}
