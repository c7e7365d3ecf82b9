//! The command line.

mod printers;
mod status;
mod tickets;

use crate::config::{self, Config};
use crate::enrol::enrol;
use crate::identity::Identity;
use crate::requests::{Request, ask};
use crate::{Ended, counter, doctor, logging, run};
use anyhow::Context;
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::sync::watch;

/// Docket 门店程序 / the Docket agent: gets a store's orders out of its printers.
#[derive(Debug, Parser)]
#[command(name = "docket-agent", version)]
pub struct Cli {
    /// 配置文件 / the configuration
    #[arg(long, global = true, default_value_os_t = config::default_path())]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// 用总部给的注册码注册这台电脑 / enrol this PC with a code from headquarters
    Enrol {
        /// 总部地址 HOST:PORT / the hub's address
        #[arg(long)]
        hub: String,
        /// 注册码 / the code
        #[arg(long)]
        code: String,
    },
    /// 运行 / run
    Run,
    /// 体检:网络、身份、时钟、磁盘、打印机 / look at everything that printing needs; exit code 0 ok, 1 warn, 2 bad
    Doctor {
        /// JSON
        #[arg(long)]
        json: bool,
    },
    /// 现在怎么样 / what is going on
    Status {
        /// JSON
        #[arg(long)]
        json: bool,
    },
    /// 查找打印机:本机所在网段、USB、串口 / find printers: in the network, at USB and serial ports
    Printers,
    /// 检查并显示生效的配置 / check the configuration and show what is in force
    CheckConfig,
    /// 最近的小票 / the newest tickets
    Tickets {
        /// 多少张 / how many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        last: u32,
        /// JSON
        #[arg(long)]
        json: bool,
    },
    /// 重打等待人工确认的小票(可能已出纸的带补打标记)/ print held tickets, marked if they may have come out
    Release {
        /// 票号,不写则全部 / a ticket's id; all without it
        ticket: Option<String>,
    },
    /// 重打一张小票(带补打标记)/ print a ticket again, marked
    Reprint {
        /// 票号,见 tickets / a ticket's id, see tickets
        ticket: String,
        /// 换一台打印机 / on another printer
        #[arg(long)]
        printer: Option<String>,
    },
    /// 收银软件接口 / the API for the counter's software
    Api {
        #[command(subcommand)]
        command: ApiCommand,
    },
    /// 让一台打印机暂停,加急单也等 / tell a printer to wait, with urgent tickets too
    Pause {
        /// 打印机名 / the printer's name
        printer: String,
    },
    /// 让一台打印机继续 / tell a printer to go on
    Resume {
        /// 打印机名 / the printer's name
        printer: String,
    },
}

#[derive(Debug, Subcommand)]
enum ApiCommand {
    /// 显示口令 / show the token
    Token,
    /// 换一个口令,旧的立即失效 / make a new token; the old one counts no more
    Renew,
}

/// Does what the command line says.
///
/// # Errors
/// With code, cause and remedy for people.
pub async fn execute(cli: Cli) -> anyhow::Result<ExitCode> {
    let read = || Config::read(&cli.config);
    match cli.command {
        Command::Enrol { hub, code } => {
            let config = read()?;
            let identity = enrol(&config.data, &hub, &code, &config.link).await?;
            println!("注册成功 / enrolled: {} {} ({})", identity.store, identity.store_name, identity.agent);
            Ok(ExitCode::SUCCESS)
        }
        Command::Run => {
            let (stopping, stop) = watch::channel(false);
            tokio::spawn(async move {
                wait_for_signal().await;
                let _ = stopping.send(true);
            });
            let config = read()?;
            if let Err(error) = logging::keep_in(&config.data) {
                tracing::warn!(code = "log-file", %error, "the log is kept nowhere");
            }
            match run(config, stop).await? {
                Ended::Stopped => Ok(ExitCode::SUCCESS),
                Ended::Restart => {
                    begin_anew().context("restart-failed: 请手动启动程序 / start the agent by hand")
                }
            }
        }
        Command::Doctor { json } => {
            doctor::end_in_time();
            doctor::show(&read()?, json).await
        }
        Command::Status { json } => status::status(&read()?, json),
        Command::Printers => Ok(printers::search(read().ok()).await),
        Command::CheckConfig => {
            let config = read()?;
            let shown = serde_json::to_string_pretty(&config).context("config-show")?;
            println!("配置有效 / configuration in order:\n{shown}");
            printers::print_in_force(&config);
            match Identity::read(&config.data) {
                Ok(identity) => println!("已注册 / enrolled: {} → {}", identity.agent, identity.hub),
                Err(error) => println!("{error}"),
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Tickets { last, json } => tickets::tickets(&read()?, last as usize, json),
        Command::Api { command } => {
            let data = read()?.data;
            let token = match command {
                ApiCommand::Token => counter::token(&data),
                ApiCommand::Renew => counter::renew(&data),
            };
            println!("{}", token.with_context(|| api_token_fault(&data))?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Release { ticket } => ask_for(&read()?, Request::Release { ticket }).await,
        Command::Reprint { ticket, printer } => ask_for(&read()?, Request::Reprint { ticket, printer }).await,
        Command::Pause { printer } => ask_for(&read()?, Request::Pause { printer }).await,
        Command::Resume { printer } => ask_for(&read()?, Request::Resume { printer }).await,
    }
}

/// Exit code 1 where it was not done; the text says why.
async fn ask_for(config: &Config, request: Request) -> anyhow::Result<ExitCode> {
    let answer = ask(&config.data, &request).await?;
    if answer.is_done() {
        println!("{}", answer.text());
        Ok(ExitCode::SUCCESS)
    } else {
        anyhow::bail!(answer.text())
    }
}

/// This process becomes the program anew, with the same number: whoever looks after it, if anyone does, sees no end, and
/// without anyone it starts all the same. Rejected: to end and be started again, which not every store has set up.
#[cfg(unix)]
fn begin_anew() -> anyhow::Result<ExitCode> {
    use std::os::unix::process::CommandExt as _;
    let error = anew()?.exec();
    Err(error.into())
}

/// Windows has no such thing: the program is started beside this one, which has given up everything by now.
#[cfg(not(unix))]
fn begin_anew() -> anyhow::Result<ExitCode> {
    anew()?.spawn()?;
    Ok(ExitCode::SUCCESS)
}

fn anew() -> std::io::Result<std::process::Command> {
    // As it was called: an update may have put another file in the place of the one that runs.
    let mut arguments = std::env::args_os();
    let name = arguments.next().ok_or(std::io::ErrorKind::NotFound)?;
    let mut program = std::process::Command::new(name);
    program.args(arguments);
    Ok(program)
}

async fn wait_for_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = tokio::signal::ctrl_c() => return,
            }
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

fn api_token_fault(data: &Path) -> String {
    let path = data.join(counter::TOKEN_FILE);
    let path = path.display();
    format!(
        "api-token: {path}; 程序启动过一次才有,并用运行它的账户执行 / start the agent once, and run this as the user that it runs as"
    )
}

/// How long, as people say it.
fn span(ms: u64) -> String {
    match ms / 1_000 {
        s @ 0..60 => format!("{s} s"),
        s @ 60..3_600 => format!("{} min", s / 60),
        s @ 3_600..172_800 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    }
}
