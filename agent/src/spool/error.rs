//! What can go wrong with the spool.

use super::damage::is_damage;
use super::storing::storing_of;
use docket_protocol::ids::PrinterName;
use std::path::PathBuf;
use thiserror::Error;

/// Why there is no spool, or no answer from it.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// The folder or a file in it cannot be made.
    #[error("cannot use {path}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process has it open.
    #[error("{path} is in use by another agent")]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// SQLite before 3.51.3 can corrupt a WAL when it is reset.
    #[error("SQLite {found} is too old, 3.51.3 is needed")]
    SqliteTooOld {
        /// The version that is linked.
        found: &'static str,
    },
    /// The database was written by a newer program.
    #[error("the spool has schema {found}, this program knows {known}")]
    SchemaTooNew {
        /// What it has.
        found: i64,
        /// What this program knows.
        known: i64,
    },
    /// The printers make no sense.
    #[error("printers: {reason}")]
    Printers {
        /// What is wrong.
        reason: String,
    },
    /// No printer of that name is in the options.
    #[error("there is no printer {printer}")]
    UnknownPrinter {
        /// The name.
        printer: PrinterName,
    },
    /// There is no spool yet.
    #[error("{path} is not there")]
    NoSpool {
        /// Where it would be.
        path: PathBuf,
    },
    /// A database operation failed.
    #[error("cannot {operation}")]
    Database {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        source: rusqlite::Error,
    },
    /// The system gave no random bytes.
    #[error("no random bytes for the spool's id")]
    Random,
    /// The storage thread has ended.
    #[error("the spool is closed")]
    Closed,
}

impl SpoolError {
    /// The code that logs and interfaces show.
    pub fn code(&self) -> &'static str {
        match self {
            SpoolError::Folder { .. } => "spool-folder",
            SpoolError::InUse { .. } => "spool-in-use",
            SpoolError::SqliteTooOld { .. } => "spool-sqlite",
            SpoolError::SchemaTooNew { .. } => "spool-schema",
            SpoolError::Printers { .. } => "spool-printers",
            SpoolError::UnknownPrinter { .. } => "printer-unknown",
            SpoolError::NoSpool { .. } => "spool-none",
            SpoolError::Database { source, .. } => storing_of(source, false).code(),
            SpoolError::Random => "spool-random",
            SpoolError::Closed => "spool-closed",
        }
    }

    /// Whether the database is not what was written.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, SpoolError::Database { source, .. } if is_damage(source))
    }

    /// What it is and what to do, for people: (zh-CN, en).
    pub fn remedy(&self) -> (&'static str, &'static str) {
        match self {
            SpoolError::Folder { .. } => {
                ("数据目录不能用:检查路径和权限", "the data folder cannot be used: check path and rights")
            }
            SpoolError::InUse { .. } => (
                "另一个程序实例正在使用数据目录:先关掉它",
                "another agent uses the data folder: stop it first",
            ),
            SpoolError::SqliteTooOld { .. } => {
                ("程序构建有误:请重新安装", "this program was built wrongly: install it again")
            }
            SpoolError::SchemaTooNew { .. } => {
                ("数据由更新的版本写入:请更新程序", "a newer version wrote the data: update the agent")
            }
            SpoolError::Printers { .. } => {
                ("打印机配置有误:改正配置文件", "the printers are misconfigured: mend the configuration")
            }
            SpoolError::UnknownPrinter { .. } => {
                ("没有这台打印机:核对名称", "no such printer: check its name")
            }
            SpoolError::NoSpool { .. } => {
                ("程序还没有在这台电脑上运行过", "the agent has not run here yet: docket-agent run")
            }
            SpoolError::Database { source, .. } => storing_of(source, false).remedy(),
            SpoolError::Random => ("系统随机数不可用:重启电脑", "no random numbers: restart the PC"),
            SpoolError::Closed => ("程序正在退出", "the agent is stopping"),
        }
    }
}
