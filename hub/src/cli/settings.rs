//! `docket-hub settings`: what stores are set to. The hub that serves sends it within about a second.

use super::check_name;
use crate::config::Config;
use crate::settings::base;
use crate::storage::Storage;
use crate::storage::settings::{Edit, Scope, SettingsView};
use crate::{clock, open};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use docket_protocol::ids::{StoreId, UnixMs};
use docket_settings::document::{DOCUMENT_BYTES_MAX, Document};
use std::io::Read as _;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(super) enum SettingsCommand {
    /// 显示设定,以及门店是否已启用 / show what is set, and whether stores have it
    Show(Which),
    /// 用文件整体替换设定;先全部检查,有错就不改 / replace what is set by a file; nothing changes where it is wrong
    Set {
        #[command(flatten)]
        which: Which,
        /// TOML 文件 / the file
        file: PathBuf,
        /// 为什么改 / why
        #[arg(long, default_value = "")]
        why: String,
        /// 谁改的;不写则为当前系统用户 / who; without it the user of this system
        #[arg(long)]
        who: Option<String>,
    },
    /// 谁在什么时候为什么改过 / who has changed what, when and why
    History(Which),
    /// 回到某一次的设定 / go back to what was set after a change
    Rollback {
        #[command(flatten)]
        which: Which,
        /// history 里的编号 / its number in the history
        #[arg(long)]
        to: u64,
        /// 为什么 / why
        #[arg(long, default_value = "")]
        why: String,
        /// 谁;不写则为当前系统用户 / who; without it the user of this system
        #[arg(long)]
        who: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// 门店编号;不写则为全部门店共用的设定 / the store's id; without it, what all stores have in common
    #[arg(long)]
    store: Option<String>,
}

impl Which {
    fn scope(self) -> Scope {
        self.store.map_or(Scope::Chain, |store| Scope::Store(StoreId::new(store)))
    }
}

pub(super) async fn execute(config: &Config, command: SettingsCommand) -> anyhow::Result<()> {
    match command {
        SettingsCommand::Show(which) => show(&open(config)?.storage, which.scope()).await,
        SettingsCommand::History(which) => history(&open(config)?.storage, which.scope()).await,
        SettingsCommand::Set { which, file, why, who } => {
            let text = read(&file)?;
            // Before anything is opened: who only wants to know whether it is right needs no rights.
            Document::read(&text).with_context(|| file.display().to_string())?;
            change(config, which.scope(), text, why, who).await
        }
        SettingsCommand::Rollback { which, to, why, who } => {
            let scope = which.scope();
            let text = open(config)?.storage.settings_text(scope.clone(), Some(to)).await?;
            let text = text.with_context(|| {
                format!("settings-no-revision: {to}: 没有这一次,见 / there is no such change, see `docket-hub settings history`")
            })?;
            let why = if why.is_empty() { format!("rollback --to {to}") } else { why };
            change(config, scope, text, why, who).await
        }
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    let failed = || format!("settings-file: {}: 检查路径和权限 / check path and permissions", file.display());
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).with_context(failed)?;
    // One more tells that it is larger.
    opened.take(DOCUMENT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).with_context(failed)?;
    String::from_utf8(bytes).with_context(failed)
}

async fn change(
    config: &Config,
    scope: Scope,
    text: String,
    why: String,
    who: Option<String>,
) -> anyhow::Result<()> {
    let who = who.or_else(user).unwrap_or_else(|| "?".to_owned());
    check_name("--who", &who)?;
    if !why.is_empty() {
        check_name("--why", &why)?;
    }
    let edit = Edit { scope, text, who, why };
    let published = open(config)?.storage.publish_settings(Some(edit), base(config)).await?;
    let revision = published.revision.unwrap_or_default();
    println!("已保存,编号 {revision} / saved as revision {revision}");
    if published.stores.is_empty() {
        println!("没有门店因此改变 / no store changes by it");
    }
    for store in published.stores {
        println!("→ {store}");
    }
    Ok(())
}

fn user() -> Option<String> {
    ["SUDO_USER", "USER", "USERNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
}

async fn show(storage: &Storage, scope: Scope) -> anyhow::Result<()> {
    let text = storage.settings_text(scope.clone(), None).await?;
    match &text {
        Some(text) => println!("{}", text.trim_end()),
        None => println!("# 没有设定 / nothing is set"),
    }
    for view in storage.settings().await? {
        if matches!(&scope, Scope::Chain)
            || matches!(&scope, Scope::Store(store) if view.store == store.as_str())
        {
            print(&view);
        }
    }
    Ok(())
}

fn print(view: &SettingsView) {
    let ago = |at: UnixMs| clock::now().since(at) / 1_000;
    let applied = view.applied.map_or_else(|| "-".to_owned(), |applied| applied.to_string());
    let mark = if view.is_in_force() { "✓" } else { "…" };
    println!(
        "# {mark} {}: 应为/wanted {} ({} s), 生效/applied {applied}",
        view.store,
        view.wanted,
        ago(view.wanted_since)
    );
    if let Some(failed) = &view.failed {
        println!("#   ✗ {} {}: {}", failed.revision, failed.how, failed.cause);
    }
    if !view.otherwise.is_empty() {
        println!("#   本机另有 / otherwise on its PC: {}", view.otherwise);
    }
}

async fn history(storage: &Storage, scope: Scope) -> anyhow::Result<()> {
    for edit in storage.settings_history(scope).await? {
        let scope = if edit.scope.is_empty() { "全部/chain" } else { &edit.scope };
        println!(
            "{}\t{}\t{scope}\t{}\t{}",
            edit.revision,
            crate::console::when::china_full(edit.at),
            edit.who,
            edit.why
        );
    }
    Ok(())
}
