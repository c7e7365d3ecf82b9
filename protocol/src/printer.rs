//! What a printer says of itself.

use crate::ids::{PrinterName, UnixMs};
use serde::{Deserialize, Serialize};

/// One thing that can be wrong with a printer. Append only: the number goes over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Condition {
    /// No connection can be made, or it was lost.
    Unreachable,
    /// Connected, but status queries that it used to answer get no answer.
    Silent,
    /// The printer says that it is offline, for a reason that it does not tell.
    Offline,
    /// The cover is open.
    CoverOpen,
    /// The paper is out.
    PaperOut,
    /// The paper will soon be out; it still prints.
    PaperNearEnd,
    /// The cutter is jammed.
    Cutter,
    /// The print head is too hot; it goes on by itself.
    Heat,
    /// An error that only a person can clear (switch it off and on).
    Fatal,
    /// Nothing is known of it yet, or no more.
    Unknown,
    /// It comes and goes many times in a short while; the conditions beside this one are the newest.
    Flapping,
    /// A person has told it to wait.
    Paused,
    /// The agent cannot keep its print journal, so it prints nothing: a crash could not be settled.
    Journal,
    /// The operating system's queue for it is stopped, or held up by a job: only a person gets it going again, there.
    Queue,
}

impl Condition {
    /// The code that logs and interfaces show.
    pub fn code(self) -> &'static str {
        match self {
            Condition::Unreachable => "unreachable",
            Condition::Silent => "silent",
            Condition::Offline => "offline",
            Condition::CoverOpen => "cover-open",
            Condition::PaperOut => "paper-out",
            Condition::PaperNearEnd => "paper-near-end",
            Condition::Cutter => "cutter",
            Condition::Heat => "heat",
            Condition::Fatal => "fatal",
            Condition::Unknown => "unknown",
            Condition::Flapping => "flapping",
            Condition::Paused => "paused",
            Condition::Journal => "journal",
            Condition::Queue => "queue",
        }
    }

    /// Whether tickets wait until it is mended.
    pub fn stops_printing(self) -> bool {
        match self {
            Condition::PaperNearEnd | Condition::Flapping => false,
            // Some never say a word, and print all the same.
            Condition::Unknown => false,
            Condition::Unreachable
            | Condition::Silent
            | Condition::Offline
            | Condition::CoverOpen
            | Condition::PaperOut
            | Condition::Cutter
            | Condition::Heat
            | Condition::Fatal
            | Condition::Paused
            | Condition::Journal
            | Condition::Queue => true,
        }
    }

    /// What it is and what to do, for people: (zh-CN, en).
    pub fn remedy(self) -> (&'static str, &'static str) {
        match self {
            Condition::Unreachable => (
                "连不上打印机:检查电源、网线和 IP 地址",
                "printer cannot be reached: check power, cable and address",
            ),
            Condition::Silent => ("打印机不应答:关机再开机", "printer does not answer: switch it off and on"),
            Condition::Offline => {
                ("打印机脱机:检查进纸键和机盖", "printer is offline: check the feed button and the cover")
            }
            Condition::CoverOpen => ("机盖没盖好:合上机盖", "cover is open: close it"),
            Condition::PaperOut => (
                "缺纸:换上新纸卷,没打完的小票会接着打",
                "paper is out: put in a new roll, the ticket goes on by itself",
            ),
            Condition::PaperNearEnd => {
                ("纸快用完:准备新纸卷", "paper is near its end: have a new roll ready")
            }
            Condition::Cutter => (
                "切刀卡住:关机,取出卡纸,再开机",
                "cutter is jammed: switch off, take the paper out, switch on",
            ),
            Condition::Heat => ("打印头过热:等它自己恢复", "print head is too hot: it goes on by itself"),
            Condition::Fatal => (
                "打印机故障:关机再开机,仍不行请报修",
                "printer error: switch it off and on, then call for repair",
            ),
            Condition::Unknown => (
                "状态未知:打印机还没有应答过,照常打印时请看出纸",
                "state unknown: the printer has not said anything; look whether paper comes out",
            ),
            Condition::Flapping => (
                "时好时坏:检查电源线、网线或 USB 插头是否松动",
                "comes and goes: look for a loose power, network or USB plug",
            ),
            Condition::Paused => ("已暂停打印:点「继续」恢复", "paused by a person: press resume"),
            Condition::Journal => (
                "打印记录写不进去,先不打印:检查磁盘空间和数据目录的权限",
                "the print journal cannot be written, so nothing is printed: check the disk's free space and the data folder's rights",
            ),
            Condition::Queue => (
                "Windows 打印队列停住了:打开打印队列,取消「暂停打印」和「脱机使用打印机」,出错的任务点「重新启动」",
                "the Windows print queue is stopped: open it, untick \"pause printing\" and \"use printer offline\", restart the job in error",
            ),
        }
    }
}

/// A condition and since when it has been seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since {
    /// What.
    pub condition: Condition,
    /// Since when, by the agent's clock.
    pub since: UnixMs,
}

/// A printer's health at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrinterHealth {
    /// Which printer.
    pub printer: PrinterName,
    /// What is wrong; empty is healthy.
    pub conditions: Vec<Since>,
    /// When the printer last said anything; `None` is never.
    pub heard_at: Option<UnixMs>,
    /// Tickets that wait for it, the one in flight included.
    pub waiting: u32,
}

impl PrinterHealth {
    /// Whether nothing is known of it yet, or no more.
    pub fn is_unknown(&self) -> bool {
        self.conditions.iter().any(|since| since.condition == Condition::Unknown)
    }

    /// Whether it prints, or may.
    pub fn prints(&self) -> bool {
        !self.conditions.iter().any(|since| since.condition.stops_printing())
    }
}
