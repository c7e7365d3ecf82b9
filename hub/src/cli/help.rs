//! `docket-hub agent help …`, `docket-hub agent bundle` and `docket-hub audit`: help for a store's agent from
//! headquarters.

use super::open;
use crate::clock;
use crate::config::Config;
use crate::gateway::bundles::Bundles;
use crate::storage::help::{Ask, Audited};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use docket_protocol::help::{Help, HelpId, HelpOutcome, LOG_MINUTES_MAX, LogLevel};
use docket_protocol::ids::{PrinterName, StoreId, TicketId, UnixMs};
use ring::rand::SecureRandom as _;

/// What to ask for.
#[derive(Debug, Subcommand)]
pub(super) enum HelpCommand {
    /// 诊断包 / a bundle of diagnostics; `docket-hub agent bundle` says where it is
    Bundle(To),
    /// 打测试页 / a test page
    TestPage {
        #[command(flatten)]
        to: To,
        /// 打印机名 / the printer's name
        #[arg(long)]
        printer: String,
    },
    /// 重打一张小票(带补打标记)/ a ticket again, marked
    Reprint {
        #[command(flatten)]
        to: To,
        /// 票号 / the ticket's id
        #[arg(long)]
        ticket: String,
        /// 换一台打印机 / on another printer
        #[arg(long)]
        printer: Option<String>,
    },
    /// 重启门店程序 / start the store's program anew
    Restart(To),
    /// 临时提高日志级别,到时自动恢复 / more in the log for a while
    LogLevel {
        #[command(flatten)]
        to: To,
        /// info、debug、trace
        #[arg(long)]
        level: String,
        /// 分钟 / for so many minutes
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=i64::from(LOG_MINUTES_MAX)))]
        minutes: u16,
    },
}

/// Whom to ask, and until when it is of use.
#[derive(Debug, Args)]
pub(super) struct To {
    /// 门店编号 / the store's id
    #[arg(long)]
    store: String,
    /// 多少秒内有效,门店离线超过就不再执行 / not to be begun after so many seconds
    #[arg(long, default_value_t = 900, value_parser = clap::value_parser!(u32).range(1..=604_800))]
    within_s: u32,
}

/// Puts it into the audit and on its way.
pub(super) async fn ask(config: &Config, command: HelpCommand) -> anyhow::Result<()> {
    let (to, what) = match command {
        HelpCommand::Bundle(to) => (to, Help::Bundle),
        HelpCommand::TestPage { to, printer } => {
            super::check_name("--printer", &printer)?;
            (to, Help::TestPage { printer: PrinterName::new(printer) })
        }
        HelpCommand::Reprint { to, ticket, printer } => {
            let ticket = TicketId::parse(&ticket)
                .context("option-form: --ticket: give a ticket's id as the agent's lists show it")?;
            if let Some(printer) = &printer {
                super::check_name("--printer", printer)?;
            }
            (to, Help::Reprint { ticket, printer: printer.map(PrinterName::new) })
        }
        HelpCommand::Restart(to) => (to, Help::Restart),
        HelpCommand::LogLevel { to, level, minutes } => {
            let level =
                LogLevel::from_name(&level).context("option-form: --level: give info, debug or trace")?;
            (to, Help::LogLevel { level, minutes })
        }
    };
    let mut id = [0; 16];
    ring::rand::SystemRandom::new()
        .fill(&mut id)
        .map_err(|_| anyhow::anyhow!("no-random: the operating system gave no random numbers"))?;
    let id = HelpId::from_bytes(id);
    let until = UnixMs(clock::now().0 + i64::from(to.within_s) * 1_000);
    let asked = Ask { store: StoreId::new(&to.store), what, id, until, who: user() };
    let agent = open(config)?.storage.ask_help(asked).await?;
    println!("{id}");
    eprintln!("已请求 {agent},结果见 docket-hub audit / asked; docket-hub audit shows what comes of it");
    Ok(())
}

/// Where a store's bundles are, the newest first.
pub(super) fn list_bundles(config: &Config, store: &str) -> anyhow::Result<()> {
    let bundles = Bundles::of(&config.data).of_store_listed(&StoreId::new(store));
    for bundle in bundles.with_context(|| format!("bundle-folder: {}", config.data.display()))? {
        println!("{}\t{}", bundle.path.display(), bundle.bytes);
    }
    Ok(())
}

/// Who asked what of which store, and what came of it; the newest first.
pub(super) async fn audit(config: &Config, store: Option<String>, last: u32) -> anyhow::Result<()> {
    let now = clock::now();
    for row in open(config)?.storage.audit(store.map(StoreId::new), last).await? {
        let at = jiff::Timestamp::from_millisecond(row.at.0)
            .map_or_else(|_| row.at.0.to_string(), |at| at.to_string());
        let Audited { who, store, agent, what, id, .. } = &row;
        println!("{at}\t{who}\t{store}\t{agent}\t{what}\t{id}\t{}", outcome(&row, now));
    }
    Ok(())
}

fn outcome(row: &Audited, now: UnixMs) -> String {
    match &row.outcome {
        Some((code, _)) => {
            let (zh, en) = HelpOutcome::from_code(code).map_or(
                (
                    "门店电脑换过或丢了数据,没有送到",
                    "the store's PC or its data were replaced: it was not delivered",
                ),
                HelpOutcome::words,
            );
            format!("{code}: {zh} / {en}")
        }
        None if now > row.until => {
            "help-unanswered: 已过时限,没有消息,门店可能离线 / no word in time: the store may be offline"
                .to_owned()
        }
        None => "还没有结果 / no word yet".to_owned(),
    }
}

/// Who runs this command, as the system knows it; and whoever has become that one by sudo, as that says.
fn user() -> String {
    let sudo = std::env::var("SUDO_USER").ok().filter(|name| !name.is_empty());
    let user = system_user();
    match sudo {
        Some(sudo) => format!("{user} ({sudo})"),
        None => user,
    }
}

#[cfg(unix)]
fn system_user() -> String {
    let uid = rustix::process::getuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("uid {uid}"))
}

#[cfg(not(unix))]
fn system_user() -> String {
    std::env::var("USERNAME").unwrap_or_else(|_| "?".to_owned())
}
