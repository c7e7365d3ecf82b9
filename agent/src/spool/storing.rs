//! Whether the spool stores what it is given: what people are told when it does not, and before that.

use rusqlite::ErrorCode;

/// Whether the spool stores what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
    /// The database is not what was written.
    Damaged,
    /// The disk fails, or something that has no name here.
    Failing,
}

impl Storing {
    const ALL: [Storing; 7] = [
        Storing::Well,
        Storing::Filling,
        Storing::AtBound,
        Storing::DiskFull,
        Storing::Forbidden,
        Storing::Damaged,
        Storing::Failing,
    ];

    /// What an error of a write comes to.
    pub(super) fn of(error: &rusqlite::Error, at_bound: bool) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) if at_bound => Storing::AtBound,
            Some(ErrorCode::DiskFull) => Storing::DiskFull,
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Storing::Forbidden
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Storing::Damaged,
            _ => Storing::Failing,
        }
    }

    /// Whether something waits to be stored, and cannot be.
    pub fn fails(self) -> bool {
        match self {
            Storing::Well | Storing::Filling => false,
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
                "数据库已损坏,新小票存不下:请联系总部的技术人员",
                "the database is damaged, new tickets cannot be kept: call headquarters",
            ),
            Storing::Failing => (
                "磁盘出错,新小票存不下:重启电脑,仍不行请检查磁盘",
                "the disk fails, new tickets cannot be kept: restart the PC, then have the disk looked at",
            ),
        }
    }
}
