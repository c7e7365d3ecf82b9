//! The command line.

mod ca;
mod help;
mod settings;
mod template;

use crate::config::Config;
use crate::gateway::codes;
use crate::storage::agents::NewCode;
use crate::templates::folder::{Folder, KEPT_FOLDER};
use crate::templates::trial::{Apart, Checker};
use crate::{Addresses, clock, open, run};
use anyhow::Context;
use ca::CaCommand;
use clap::{Args, Parser, Subcommand};
use docket_protocol::ids::{AgentId, Platform, StoreId, UnixMs};
use help::HelpCommand;
use settings::SettingsCommand;
use std::path::PathBuf;
use std::sync::Arc;
use template::TemplateCommand;
use tokio::sync::watch;

/// Docket 总部程序 / the Docket hub: takes the platforms' orders and gets them to the stores' printers.
#[derive(Debug, Parser)]
#[command(name = "docket-hub", version)]
pub struct Cli {
    /// 配置文件 / the configuration
    #[arg(long, global = true, default_value = "/etc/docket/hub.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// 运行 / serve platforms, agents and console
    Serve {
        /// 就绪后把监听地址写到这个文件(JSON)/ write the addresses to this file (JSON) once everything listens
        #[arg(long)]
        ready_file: Option<PathBuf>,
    },
    /// 检查并显示生效的配置 / check the configuration and show what is in force, without secrets
    CheckConfig,
    /// 门店 / stores
    #[command(subcommand)]
    Store(StoreCommand),
    /// 生成一次性注册码 / make an enrolment code that works once
    EnrolCode {
        /// 门店编号 / the store's id
        #[arg(long)]
        store: String,
        /// 有效小时数 / hours until it expires
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=720))]
        hours: u32,
    },
    /// 门店电脑 / agents
    #[command(subcommand)]
    Agent(AgentCommand),
    /// 谁对哪家店请求了什么、结果如何 / who asked what of which store, and what came of it
    Audit {
        /// 只看这家店 / of this store only
        #[arg(long)]
        store: Option<String>,
        /// 多少条 / how many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        last: u32,
    },
    /// 总部的证书机构:更换时不用去门店 / the hub's CA: change it without touching a store
    #[command(subcommand)]
    Ca(CaCommand),
    /// 门店设定:打印机、档口、营业时间 / what stores are set to: printers, stations, hours
    #[command(subcommand)]
    Settings(SettingsCommand),
    /// 小票模板:检查、预览、导出 / templates of slips: check, preview, export
    #[command(subcommand)]
    Template(TemplateCommand),
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    /// 添加门店,或给门店添加平台店铺 / add a store, or shops to one
    Add(StoreAdd),
    /// 列出 / list
    List,
}

#[derive(Debug, Args)]
struct StoreAdd {
    /// 编号,例如 S0042 / its id
    #[arg(long)]
    id: String,
    /// 名称 / its name
    #[arg(long)]
    name: String,
    /// 美团 app_poi_code,可多次 / its app_poi_code at Meituan, may be repeated
    #[arg(long)]
    meituan_shop: Vec<String>,
}

// `help` is a command of its own; `--help` explains.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
enum AgentCommand {
    /// 列出 / list
    List,
    /// 停用 / revoke: it is cut off within about a second
    Revoke {
        /// 编号 / its id
        agent: String,
    },
    /// 远程协助 / help for a store's agent; each request is in the audit
    #[command(subcommand)]
    Help(HelpCommand),
    /// 门店发来的诊断包在哪里 / where the bundles that a store's agent has sent are
    Bundle {
        /// 门店编号 / the store's id
        #[arg(long)]
        store: String,
    },
}

impl Cli {
    /// Whether this process is one in which a template is tried.
    pub fn is_trial(&self) -> bool {
        matches!(self.command, Command::Template(TemplateCommand::Try))
    }
}

/// The longest id or name that is taken.
const NAME_CHARS_MAX: usize = 64;

/// Does what the command line says.
///
/// # Errors
/// With code, cause and remedy for people.
pub async fn execute(cli: Cli) -> anyhow::Result<()> {
    let config = || Config::read(&cli.config);
    match cli.command {
        Command::Serve { ready_file } => serve(config()?, ready_file).await,
        Command::CheckConfig => check_config(&config()?),
        Command::Store(StoreCommand::Add(add)) => add_store(&config()?, add).await,
        Command::Store(StoreCommand::List) => list_stores(&config()?).await,
        Command::EnrolCode { store, hours } => enrol_code(&config()?, store, hours).await,
        Command::Agent(AgentCommand::List) => list_agents(&config()?).await,
        Command::Agent(AgentCommand::Revoke { agent }) => revoke(&config()?, agent).await,
        Command::Agent(AgentCommand::Help(command)) => help::ask(&config()?, command).await,
        Command::Agent(AgentCommand::Bundle { store }) => help::list_bundles(&config()?, &store),
        Command::Audit { store, last } => help::audit(&config()?, store, last).await,
        Command::Ca(command) => ca::execute(&config()?, command).await,
        Command::Settings(command) => settings::execute(&config()?, command).await,
        // A template can be tried on any machine, without a hub.
        Command::Template(command) => template::execute(&cli.config, command),
    }
}

async fn serve(config: Config, ready_file: Option<PathBuf>) -> anyhow::Result<()> {
    let (stopping, stop) = watch::channel(false);
    tokio::spawn(async move {
        wait_for_signal().await;
        let _ = stopping.send(true);
    });
    let ready = move |addresses: Addresses| {
        if let Some(file) = ready_file
            && let Err(error) = write_ready(&file, addresses)
        {
            tracing::error!(code = "ready-file", %error, "the addresses were not written");
        }
    };
    run(config, checker()?, ready, stop).await.map_err(Into::into)
}

/// Who tries templates, for the server and the command line alike.
fn checker() -> anyhow::Result<Arc<dyn Checker>> {
    Ok(Arc::new(
        Apart::of_this_program()
            .context("template-untried: the system does not say which program this is")?,
    ))
}

fn write_ready(file: &std::path::Path, addresses: Addresses) -> std::io::Result<()> {
    let json = serde_json::json!({
        "link": addresses.link, "link_tcp": addresses.link_tcp, "http": addresses.http, "console": addresses.console,
    });
    // Whoever waits for the file reads it whole.
    let part = file.with_extension("part");
    std::fs::write(&part, json.to_string())?;
    std::fs::rename(part, file)
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

fn check_config(config: &Config) -> anyhow::Result<()> {
    config.http.tls.as_ref().map(crate::http::acceptor).transpose()?;
    let shown = serde_json::to_value(config).context("config-show")?;
    println!("配置有效 / configuration in order:");
    println!("{}", serde_json::to_string_pretty(&shown).context("config-show")?);
    println!("routing: {:?}", config.routing(Arc::default())?);
    if let Some(folder) = &config.templates.folder {
        let kept = config.data.join(KEPT_FOLDER);
        let changed = Folder::new(folder.clone(), kept, checker()?).read_only().restored().open();
        let own: Vec<&str> = changed.own.values().map(|template| template.file()).collect();
        println!("templates: {own:?}");
        for refusal in changed.refused {
            println!("  ✗ {}: {}", refusal.subject, refusal.detail);
        }
    }
    Ok(())
}

async fn add_store(config: &Config, add: StoreAdd) -> anyhow::Result<()> {
    check_name("--id", &add.id)?;
    check_name("--name", &add.name)?;
    let shops: Vec<(Platform, String)> =
        add.meituan_shop.into_iter().map(|shop| (Platform::Meituan, shop)).collect();
    for (_, shop) in &shops {
        check_name("--meituan-shop", shop)?;
    }
    let routed = open(config)?.storage.add_store(StoreId::new(&add.id), add.name, shops).await?;
    println!("门店 {} 已保存 / store saved", add.id);
    if routed > 0 {
        println!("{routed} 个等待中的订单已转给该店 / waiting orders were routed to it");
    }
    Ok(())
}

fn check_name(option: &str, value: &str) -> anyhow::Result<()> {
    let good = !value.trim().is_empty()
        && value.chars().count() <= NAME_CHARS_MAX
        && !value.chars().any(char::is_control);
    anyhow::ensure!(
        good,
        "option-form: {option}: give 1 to {NAME_CHARS_MAX} characters without control characters"
    );
    Ok(())
}

async fn list_stores(config: &Config) -> anyhow::Result<()> {
    for store in open(config)?.storage.stores().await? {
        println!("{}\t{}\t{}", store.id, store.name, store.shops.join(" "));
    }
    Ok(())
}

async fn enrol_code(config: &Config, store: String, hours: u32) -> anyhow::Result<()> {
    let code = codes::draw()
        .map_err(|_| anyhow::anyhow!("no-random: the operating system gave no random numbers"))?;
    let stretched = codes::stretch(&code);
    let expires_at = UnixMs(clock::now().0 + i64::from(hours) * 3_600_000);
    let stored =
        NewCode { lookup: stretched.lookup, key: stretched.key, store: StoreId::new(&store), expires_at };
    open(config)?.storage.add_code(stored).await?;
    println!("{}-{}", &code[..4], &code[4..]);
    eprintln!("门店 {store} 的注册码,{hours} 小时内有效,只能用一次 / works once, within {hours} h:");
    eprintln!(
        "  docket-agent enrol --hub HUB:{} --code {}-{}",
        config.link.listen.port(),
        &code[..4],
        &code[4..]
    );
    Ok(())
}

async fn list_agents(config: &Config) -> anyhow::Result<()> {
    for agent in open(config)?.storage.agents().await? {
        let state = if agent.revoked_at.is_some() { "已停用/revoked" } else { "有效/active" };
        let left = agent.life.filter(|_| agent.revoked_at.is_none()).map(|life| life.days_left(clock::now()));
        let left = left.map_or_else(|| "-".to_owned(), |days| format!("证书 {days} 天/certificate {days} d"));
        println!("{}\t{}\t{}\t{}\t{}\t{left}", agent.id, agent.store, state, agent.host, agent.version);
    }
    Ok(())
}

async fn revoke(config: &Config, agent: String) -> anyhow::Result<()> {
    open(config)?.storage.revoke(AgentId::new(&agent)).await?;
    println!("{agent} 已停用 / revoked");
    Ok(())
}
