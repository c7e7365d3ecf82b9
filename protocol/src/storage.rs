//! How an agent keeps what it is given: what people are told before it cannot, and when it cannot.

use crate::ids::UnixMs;
use serde::{Deserialize, Serialize};

/// Whether an agent stores what it is given. Append only: the number goes over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Storing {
    /// It does.
    #[default]
    Well,
    /// It does, and will soon be at its bound: what it has cannot go before it is printed and reported.
    Filling,
    /// It is at its bound: nothing new is taken.
    AtBound,
    /// The disk is full.
    DiskFull,
    /// The system does not let it write.
    Forbidden,
    /// The database is not what was written: another one takes its place.
    Damaged,
    /// The disk fails, or something that has no name here.
    Failing,
    /// It does, and the disk will soon be full.
    DiskFilling,
}

impl Storing {
    /// Each of them.
    pub const ALL: [Storing; 8] = [
        Storing::Well,
        Storing::Filling,
        Storing::AtBound,
        Storing::DiskFull,
        Storing::Forbidden,
        Storing::Damaged,
        Storing::Failing,
        Storing::DiskFilling,
    ];

    /// Whether something waits to be stored, and cannot be.
    pub fn fails(self) -> bool {
        match self {
            Storing::Well | Storing::Filling | Storing::DiskFilling => false,
            Storing::AtBound
            | Storing::DiskFull
            | Storing::Forbidden
            | Storing::Damaged
            | Storing::Failing => true,
        }
    }

    /// The code that logs and interfaces show.
    pub fn code(self) -> &'static str {
        match self {
            Storing::Well => "spool-well",
            Storing::Filling => "spool-filling",
            Storing::AtBound => "spool-at-bound",
            Storing::DiskFull => "spool-full",
            Storing::Forbidden => "spool-forbidden",
            Storing::Damaged => "spool-damaged",
            Storing::Failing => "spool-failed",
            Storing::DiskFilling => "disk-filling",
        }
    }

    /// What has that code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|storing| storing.code() == code)
    }

    /// What it is and what to do, for people: (zh-CN, en).
    pub fn remedy(self) -> (&'static str, &'static str) {
        match self {
            Storing::Well => ("存储正常", "everything is stored"),
            Storing::Filling => (
                "积压的小票快存不下了:让打印机恢复打印,检查网络",
                "what waits to be printed or reported will soon not fit: get printers and network going",
            ),
            Storing::AtBound => (
                "积压的小票太多,新小票存不下:让打印机恢复打印,检查网络",
                "too much waits to be printed or reported, new tickets cannot be kept: get printers and network going",
            ),
            Storing::DiskFull => (
                "磁盘已满,新小票存不下:删掉一些不用的文件",
                "the disk is full, new tickets cannot be kept: delete files that nobody needs",
            ),
            Storing::Forbidden => (
                "数据目录不能写,新小票存不下:检查目录权限,磁盘是否只读",
                "the data folder cannot be written, new tickets cannot be kept: check its rights, and whether the disk is read-only",
            ),
            Storing::Damaged => (
                "数据库已损坏,程序正在自动换一个新的:一分钟后仍这样,请联系总部的技术人员",
                "the database is damaged and is being replaced: if it still says so in a minute, call headquarters",
            ),
            Storing::Failing => (
                "磁盘出错,新小票存不下:重启电脑,仍不行请检查磁盘",
                "the disk fails, new tickets cannot be kept: restart the PC, then have the disk looked at",
            ),
            Storing::DiskFilling => (
                "电脑磁盘快满了:删掉一些不用的文件,满了新小票就存不下",
                "the PC's disk is nearly full: delete files that nobody needs, without room new tickets cannot be kept",
            ),
        }
    }
}

/// How an agent's disk is now. Not sequenced: only the newest counts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StorageReport {
    /// Whether it stores.
    pub storing: Storing,
    /// What the spool takes of its bound.
    pub used_bytes: u64,
    /// That bound.
    pub bound_bytes: u64,
    /// What is free on the disk that it is on; `None` where the system does not say.
    pub free_bytes: Option<u64>,
    /// How large that disk is.
    pub disk_bytes: Option<u64>,
    /// Reports, and orders of the store's counter, that the hub does not have yet.
    pub unsent: u64,
    /// When the oldest of them was made, by the agent's clock, where that is known.
    pub oldest_unsent: Option<UnixMs>,
}

/// A damaged spool was set aside, and another one goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoolReplaced {
    /// The file that the damaged one is now, in the agent's data folder.
    pub kept_as: String,
    /// Whether all of it could be read.
    pub is_whole: bool,
    /// Tickets that had not come out, and were carried over.
    pub tickets: u32,
    /// What the hub did not have yet, and was carried over.
    pub reports: u32,
    /// Tickets that had not come out, and could not be read.
    pub lost: u32,
    /// When, by the agent's clock.
    pub at: UnixMs,
}
