//! What a person asks of the running agent from the command line, and its answer: files in a folder of the data
//! folder. Whoever may write there may ask.
//!
//! Whoever asks writes `ID.ask` whole (by way of another name) and waits for `ID.answer`. The agent takes a request by
//! giving it another name, does it, and answers; so a request is done once at most. Whoever gets no answer in time
//! takes the request back, by the same means: either the agent has it, or it will never be done. A request that
//! was taken and not answered (the agent was killed just then) is not done again; whoever asked is told to look. One
//! that is older than `LEFT_S_MAX` when the agent finds it is not done either: whoever asked went away instead of waiting,
//! and does not count with it any more.
//!
//! It works the same on Windows and Linux, needs no port and no second account's password, and costs an idle agent
//! one look at an empty folder every [`LOOK_MS`]. Rejected: a socket or a named pipe (two implementations, and
//! rights that the folder has already); opening the spool beside the agent (two writers of one queue).

use crate::spool::{Reprint, Spool, SpoolError};
use docket_protocol::ids::{PrinterName, TicketId};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::watch;
use tracing::{info, warn};

/// How often the agent looks for requests.
pub const LOOK_MS: u64 = 500;
/// How long an answer is waited for before the request is taken back.
pub const ANSWER_MS_MAX: u64 = 5_000;
/// How long an answer is waited for once the agent has taken the request.
const TAKEN_MS_MAX: u64 = 10_000;
/// How long the spool may take; on a full disk it takes until there is room.
const STORE_MS_MAX: u64 = 3_000;
/// How often whoever asked looks for the answer.
const ANSWER_LOOK_MS: u64 = 20;
/// Requests that are done in one look; more wait for the next one.
const REQUESTS_MAX: usize = 32;
/// Files that are looked at in one look.
const FILES_MAX: usize = 1_000;
/// A request is far smaller.
const REQUEST_BYTES_MAX: u64 = 4_096;
/// What nobody has fetched by then, nobody will.
const LEFT_S_MAX: u64 = 60;
const FOLDER: &str = "requests";
const ASKED: &str = "ask";
const TAKEN: &str = "taken";
const ANSWERED: &str = "answer";

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Let a held ticket go, or all of them.
    Release {
        /// Its id.
        ticket: Option<String>,
    },
    /// Print a ticket again.
    Reprint {
        /// Its id.
        ticket: String,
        /// Where, if not on its own printer.
        printer: Option<String>,
    },
    /// Tell a printer to wait.
    Pause {
        /// Its name.
        printer: String,
    },
    /// Tell a printer to go on.
    Resume {
        /// Its name.
        printer: String,
    },
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// So many held tickets are in their queues again.
    Released {
        /// How many.
        tickets: u32,
    },
    /// That ticket does not wait for a person.
    NotHeld,
    /// The ticket is in its queue again, and will be marked.
    Queued,
    /// The ticket had expired and is in its queue again; nothing of it was ever printed.
    Unmarked,
    /// The ticket had not been begun, and waits for the other printer now.
    Moved,
    /// The ticket has not come out yet: it waits already, or is printing.
    Waiting,
    /// There is no such ticket (any more).
    UnknownTicket,
    /// The printer waits.
    Paused,
    /// The printer goes on.
    Resumed,
    /// There is no such printer.
    UnknownPrinter {
        /// Those that there are.
        printers: Vec<String>,
    },
    /// The agent cannot read the request: it is of another version.
    Unreadable,
    /// It cannot be stored now, and is done as soon as it can.
    Delayed,
    /// The agent is stopping.
    Stopping,
}

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The folder cannot be used.
    #[error("request-folder: {path}: {cause}; check who may write there (检查数据目录权限,或换用管理员)")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Nobody has taken it, and nobody will.
    #[error(
        "not-running: 程序没有在运行,什么都没有改变 / the agent does not run, nothing was changed: docket-agent run"
    )]
    NotRunning,
    /// It was taken, and no answer came.
    #[error(
        "no-answer: 程序收到了请求但没有回答,请用 docket-agent tickets 查看 / \
         the agent took it and did not answer: look with docket-agent tickets"
    )]
    NoAnswer,
}

/// Asks the running agent, and waits for its answer.
///
/// # Errors
/// See [`AskError`].
pub async fn ask(data: &Path, request: &Request) -> Result<Answer, AskError> {
    let folder = data.join(FOLDER);
    if !folder.is_dir() {
        return Err(AskError::NotRunning);
    }
    let unusable = |cause| AskError::Folder { path: folder.clone(), cause };
    let name = fresh_name().map_err(unusable)?;
    let file = |kind| folder.join(format!("{name}.{kind}"));
    let bytes = serde_json::to_vec(request).map_err(|error| unusable(error.into()))?;
    write_whole(&file(ASKED), &bytes).map_err(unusable)?;
    if let Some(answer) = until_answered(&file(ANSWERED), ANSWER_MS_MAX).await {
        return Ok(answer);
    }
    match std::fs::remove_file(file(ASKED)) {
        Ok(()) => Err(AskError::NotRunning),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            until_answered(&file(ANSWERED), TAKEN_MS_MAX).await.ok_or(AskError::NoAnswer)
        }
        Err(error) => Err(unusable(error)),
    }
}

async fn until_answered(path: &Path, ms_max: u64) -> Option<Answer> {
    let deadline = Instant::now() + Duration::from_millis(ms_max);
    loop {
        // It appears whole.
        if let Ok(bytes) = std::fs::read(path) {
            let _ = std::fs::remove_file(path);
            return Some(serde_json::from_slice(&bytes).unwrap_or(Answer::Unreadable));
        }
        if Instant::now() >= deadline {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(ANSWER_LOOK_MS)).await;
    }
}

/// Does what is asked, until `stop` becomes true.
pub async fn serve(data: PathBuf, spool: Spool, mut stop: watch::Receiver<bool>) {
    let folder = data.join(FOLDER);
    if let Err(error) = std::fs::create_dir_all(&folder) {
        warn!(code = "request-folder", %error, path = %folder.display(), "nothing can be asked of this agent");
    }
    let looking = async {
        loop {
            look(&folder, &spool).await;
            tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
        }
    };
    tokio::select! {
        () = looking => {}
        _ = stop.wait_for(|stopping| *stopping) => {}
    }
}

async fn look(folder: &Path, spool: &Spool) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let (left, rest): (Vec<PathBuf>, Vec<PathBuf>) =
        entries.take(FILES_MAX).map(|entry| entry.path()).partition(|path| is_left(path));
    for path in left {
        let _ = std::fs::remove_file(path);
    }
    let asked = rest.into_iter().filter(|path| path.extension().is_some_and(|kind| kind == ASKED));
    for path in asked.take(REQUESTS_MAX) {
        let taken = path.with_extension(TAKEN);
        // Whoever asked may take it back at this moment.
        if std::fs::rename(&path, &taken).is_err() {
            continue;
        }
        let answer = match read(&taken) {
            // The spool has it by then, and stores it as soon as it can.
            Some(request) => {
                tokio::time::timeout(Duration::from_millis(STORE_MS_MAX), answer(spool, request))
                    .await
                    .unwrap_or(Answer::Delayed)
            }
            None => Answer::Unreadable,
        };
        let written = serde_json::to_vec(&answer)
            .map_err(io::Error::from)
            .and_then(|bytes| write_whole(&path.with_extension(ANSWERED), &bytes));
        if let Err(error) = written {
            warn!(code = "request-file", %error, path = %path.display(), "a request was not answered");
        }
        let _ = std::fs::remove_file(&taken);
    }
}

fn read(path: &Path) -> Option<Request> {
    if std::fs::metadata(path).ok()?.len() > REQUEST_BYTES_MAX {
        return None;
    }
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

async fn answer(spool: &Spool, request: Request) -> Answer {
    info!(?request, "a person asks");
    let done = match request {
        Request::Release { ticket } => release(spool, ticket.as_deref()).await,
        Request::Reprint { ticket, printer } => reprint(spool, &ticket, printer).await,
        Request::Pause { printer } => {
            spool.set_paused(PrinterName::new(printer), true).await.map(|()| Answer::Paused)
        }
        Request::Resume { printer } => {
            spool.set_paused(PrinterName::new(printer), false).await.map(|()| Answer::Resumed)
        }
    };
    match done {
        Ok(answer) => answer,
        Err(SpoolError::UnknownPrinter { .. }) => {
            Answer::UnknownPrinter { printers: spool.printers().iter().map(ToString::to_string).collect() }
        }
        Err(_) => Answer::Stopping,
    }
}

async fn release(spool: &Spool, ticket: Option<&str>) -> Result<Answer, SpoolError> {
    let Some(ticket) = ticket else {
        return Ok(Answer::Released { tickets: spool.release_all().await? });
    };
    match TicketId::parse(ticket) {
        Some(ticket) if spool.release(ticket).await? => Ok(Answer::Released { tickets: 1 }),
        Some(ticket) if spool.ticket(ticket).await?.is_some() => Ok(Answer::NotHeld),
        Some(_) | None => Ok(Answer::UnknownTicket),
    }
}

async fn reprint(spool: &Spool, ticket: &str, printer: Option<String>) -> Result<Answer, SpoolError> {
    let Some(ticket) = TicketId::parse(ticket) else { return Ok(Answer::UnknownTicket) };
    Ok(match spool.reprint(ticket, printer.map(PrinterName::new)).await? {
        Reprint::Queued => Answer::Queued,
        Reprint::Unmarked => Answer::Unmarked,
        Reprint::Moved => Answer::Moved,
        Reprint::Waiting => Answer::Waiting,
        Reprint::Unknown => Answer::UnknownTicket,
    })
}

impl Answer {
    /// Whether what was asked is so now.
    pub fn is_done(&self) -> bool {
        match self {
            Answer::Released { .. }
            | Answer::Queued
            | Answer::Unmarked
            | Answer::Moved
            | Answer::Paused
            | Answer::Resumed => true,
            Answer::NotHeld
            | Answer::Waiting
            | Answer::UnknownTicket
            | Answer::UnknownPrinter { .. }
            | Answer::Unreadable
            | Answer::Delayed
            | Answer::Stopping => false,
        }
    }

    /// For people, zh-CN and en.
    pub fn text(&self) -> String {
        match self {
            Answer::Released { tickets: 0 } => "没有等待人工的小票 / no ticket waits for a person".into(),
            Answer::Released { tickets } => {
                format!("{tickets} 张小票已放回队列 / {tickets} tickets are in their queues again")
            }
            Answer::NotHeld => "not-held: 这张小票不在等待人工 / this ticket does not wait for a person".into(),
            Answer::Queued => "已排队重打(带补打标记)/ queued to be printed again, marked".into(),
            Answer::Unmarked => {
                "已排队,还没打过,不带补打标记 / queued; it was never printed, so it is not marked".into()
            }
            Answer::Moved => {
                "尚未开打,已改到这台打印机 / it had not been begun: it waits for that printer now".into()
            }
            Answer::Waiting => {
                "ticket-waiting: 还没打出来,正在排队或打印 / it has not come out yet: it waits or is printing".into()
            }
            Answer::UnknownTicket => {
                "ticket-unknown: 没有这张小票,用 docket-agent tickets 查票号 / no such ticket: see docket-agent tickets"
                    .into()
            }
            Answer::Paused => {
                "已暂停,正在打的那张会打完 / paused; a ticket in flight comes out".into()
            }
            Answer::Resumed => "已继续打印 / it prints again".into(),
            Answer::UnknownPrinter { printers } => {
                let printers = printers.join(", ");
                format!("printer-unknown: 没有这台打印机,现有 / no such printer, there are: {printers}")
            }
            Answer::Unreadable => {
                "request-unreadable: 运行中的程序版本不同,请重启它 / another version runs: restart the agent".into()
            }
            Answer::Delayed => {
                "not-stored: 现在存不下,能存时自动生效,原因见 docket-agent status / \
                 it cannot be stored now and is done once it can: docket-agent status says why"
                    .into()
            }
            Answer::Stopping => "agent-stopping: 程序正在退出 / the agent is stopping".into(),
        }
    }
}

/// Readers see it whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    std::fs::write(&part, bytes)?;
    std::fs::rename(&part, path).inspect_err(|_| drop(std::fs::remove_file(&part)))
}

fn fresh_name() -> io::Result<String> {
    let mut bytes = [0; 8];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes)
        .map_err(|_| io::Error::other("no random bytes"))?;
    Ok(format!("{:016x}", u64::from_ne_bytes(bytes)))
}

fn is_left(path: &Path) -> bool {
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    let age = modified.map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
    age.is_ok_and(|age| age > Duration::from_secs(LEFT_S_MAX))
}
