//! The PC: who it is, its clock, its disk and the spool on it.

use super::{Finding, LOOK_MAX, Verdict, certificate};
use crate::identity::{Identity, IdentityError};
use crate::spool::{Examined, SpoolError, examine_in};
use crate::status::StatusFile;
use docket_protocol::ids::UnixMs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const DAY_MS: i64 = 86_400_000;
/// A certificate that ends within so many days is told.
const DAYS_LEFT_MIN: i64 = 30;
/// Less is told.
const FREE_BYTES_MIN: u64 = 500 << 20;
/// With less, the spool will soon not grow.
const FREE_BYTES_BAD: u64 = 50 << 20;
/// Further off, people see wrong times, and tickets expire by it as long as the hub is not heard.
const CLOCK_MS_MAX: u64 = 120_000;
/// How long the spool is checked: less than all of it may take.
const CHECK_MAX: Duration = Duration::from_secs(8);

pub(super) fn identity(identity: &Result<Identity, IdentityError>, now: UnixMs) -> Finding {
    const AREA: &str = "identity";
    let enrol = ("向总部要注册码,重新注册", "ask headquarters for a code and enrol again");
    let identity = match identity {
        Ok(identity) => identity,
        Err(error) => return Finding::ok(AREA, "identity.json", error.to_string()).but(Verdict::Bad, enrol),
    };
    let subject = format!("{} {} ({})", identity.store, identity.store_name, identity.agent);
    let (chain, _) = identity.credentials();
    let valid = chain.first().and_then(|own| certificate::validity(own));
    let Some(valid) = valid else {
        return Finding::ok(AREA, subject, "证书读不懂 / the certificate cannot be read")
            .but(Verdict::Bad, enrol);
    };
    let days = (valid.end().0 - now.0) / DAY_MS;
    let said = format!(
        "证书还有 {days} 天,总部 CA 已固定 / certificate valid for {days} days, the hub's CA is pinned"
    );
    let finding = Finding::ok(AREA, subject, said);
    match () {
        () if !valid.contains(&now) => finding.but(
            Verdict::Bad,
            ("先校对电脑时钟;时钟没错就重新注册", "set the PC's clock; where that is right, enrol again"),
        ),
        () if days < DAYS_LEFT_MIN => finding.but(Verdict::Warn, enrol),
        () => finding,
    }
}

/// Disk and clock: what the hub's clock said is in the spool.
pub(super) async fn disk(data: PathBuf, running: Option<&StatusFile>) -> Vec<Finding> {
    let is_live = running.is_some_and(|status| status.link == "live");
    let storing = running.and_then(StatusFile::storing);
    let looking = tokio::task::spawn_blocking(move || (free(&data), examine_in(&data, CHECK_MAX), data));
    let Ok(Ok((free, examined, data))) = tokio::time::timeout(LOOK_MAX, looking).await else {
        return vec![
            Finding::ok("disk", "spool.db", "磁盘没有响应 / the disk does not answer")
                .but(Verdict::Bad, ("检查硬盘是否损坏", "see whether the disk is broken")),
        ];
    };
    let mut findings = vec![room(&data, free)];
    match examined {
        Ok(examined) => {
            findings.push(spool(&examined));
            findings.push(clock(&examined, is_live));
        }
        Err(SpoolError::NoSpool { .. }) => {
            findings.push(Finding::ok("disk", "spool.db", "还没有 / none yet"));
        }
        Err(error) => {
            let (zh, en) = error.remedy();
            findings.push(Finding::ok("disk", "spool.db", error.to_string()).but(Verdict::Bad, (zh, en)));
        }
    }
    if let Some(storing) = storing {
        let verdict = if storing.fails() { Verdict::Bad } else { Verdict::Warn };
        findings.push(Finding::ok("disk", "spool.db", storing.code()).but(verdict, storing.remedy()));
    }
    findings
}

fn room(data: &Path, free: Option<u64>) -> Finding {
    let subject = data.display().to_string();
    let Some(free) = free else {
        return Finding::ok("disk", subject, "可用空间未知 / free space unknown");
    };
    let finding = Finding::ok("disk", subject, format!("可用 free {} MiB", free >> 20));
    let remedy = ("清理磁盘空间", "free some space");
    match free {
        0..FREE_BYTES_BAD => finding.but(Verdict::Bad, remedy),
        FREE_BYTES_BAD..FREE_BYTES_MIN => finding.but(Verdict::Warn, remedy),
        _ => finding,
    }
}

fn spool(examined: &Examined) -> Finding {
    let mib = examined.bytes.div_ceil(1 << 20);
    let said = |check: &str| format!("{mib} MiB, {check}");
    match examined.check.as_deref() {
        Some("ok") => Finding::ok("disk", "spool.db", said("完好 / sound")),
        Some(wrong) => Finding::ok("disk", "spool.db", said(wrong)).but(
            Verdict::Bad,
            (
                "停下程序,换掉 spool.db(保留原文件),再启动:总部会重发",
                "stop the agent, move spool.db away and start it: the hub sends again",
            ),
        ),
        None => Finding::ok("disk", "spool.db", said("太大,没有检查完 / too large to be checked in time")),
    }
}

fn clock(examined: &Examined, is_live: bool) -> Finding {
    let seconds = examined.hub_ahead_ms / 1_000;
    let when = if is_live { "" } else { "(离线,按上次联系 / offline, as of the last contact)" };
    let said = format!("总部时钟比本机快 {seconds} 秒 / the hub's clock is {seconds} s ahead{when}");
    let finding = Finding::ok("clock", "PC", said);
    if examined.hub_ahead_ms.unsigned_abs() > CLOCK_MS_MAX {
        finding.but(Verdict::Warn, ("校对电脑时钟和时区", "set the PC's clock and time zone"))
    } else {
        finding
    }
}

#[cfg(unix)]
fn free(data: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(data).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(windows)]
fn free(data: &Path) -> Option<u64> {
    use std::os::windows::ffi::OsStrExt as _;
    use windows_sys::Win32::Storage::FileSystem::GetDiskFreeSpaceExW;
    let path: Vec<u16> = data.as_os_str().encode_wide().chain([0]).collect();
    let mut bytes = 0_u64;
    // SAFETY: the path ends with a zero, `bytes` outlives the call, and the other two may be null.
    let found = unsafe {
        GetDiskFreeSpaceExW(path.as_ptr(), &raw mut bytes, std::ptr::null_mut(), std::ptr::null_mut())
    };
    (found != 0).then_some(bytes)
}

#[cfg(not(any(unix, windows)))]
fn free(_: &Path) -> Option<u64> {
    None
}
