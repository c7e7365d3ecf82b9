//! `docket-hub ca`: another CA without touching a store. What survives a crash: [`crate::gateway::ca`].

use crate::config::Config;
use crate::gateway::ca::{AuthorityError, bundle};
use crate::storage::agents::AgentRow;
use crate::{Data, clock, open};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum CaCommand {
    /// 生成下一个,并通过连接告诉各门店 / make the next one; stores are told over the link
    Rotate,
    /// 哪些门店已经信任它 / which stores trust it already
    Status,
    /// 换成下一个,丢弃旧的 / put it in use and drop the old one
    Finish {
        /// 还没信任它的门店要重新注册 / those that do not trust it yet have to be enrolled again
        #[arg(long)]
        leave_behind: bool,
    },
}

pub(super) async fn execute(config: &Config, command: CaCommand) -> anyhow::Result<()> {
    let Data { storage, authority, .. } = open(config)?;
    let agents: Vec<AgentRow> =
        storage.agents().await?.into_iter().filter(|agent| agent.revoked_at.is_none()).collect();
    let trusted = bundle(&authority.trusted());
    let (ready, lacking): (Vec<_>, Vec<_>) =
        agents.iter().partition(|agent| agent.trusts.as_deref() == Some(&trusted[..]));
    match command {
        CaCommand::Rotate => {
            authority.rotate()?;
            println!(
                "下一个 CA 已生成,门店连上后会收到 / the next CA is made; stores get it when they are connected"
            );
            println!("  docket-hub ca status");
        }
        CaCommand::Status => {
            let state = match authority.is_rotating() {
                true => "更换中 / changing",
                false => "没有在更换 / not changing",
            };
            println!("{state}: {}/{} 台已确认 / have confirmed", ready.len(), agents.len());
            lacking.iter().for_each(|agent| println!("{}", line(agent)));
        }
        CaCommand::Finish { leave_behind } => {
            if !authority.is_rotating() {
                return Err(AuthorityError::NotRotating.into());
            }
            if !lacking.is_empty() && !leave_behind {
                let list: String = lacking.iter().map(|agent| format!("\n{}", line(agent))).collect();
                anyhow::bail!(
                    "ca-unconfirmed: {} of {} agents do not trust the next CA yet; have their PCs connect, or give \
                     --leave-behind and enrol them again (有门店还没确认:让它们连上;或加 --leave-behind,之后重新注册){list}",
                    lacking.len(),
                    agents.len()
                );
            }
            authority.finish()?;
            println!("已换成新的 CA / the new CA is in use; left behind: {}", lacking.len());
        }
    }
    Ok(())
}

/// Who, and when it was last there.
fn line(agent: &AgentRow) -> String {
    let minutes = |at| clock::now().since(at) / 60_000;
    let seen = match (agent.connected_at, agent.disconnected_at) {
        (None, _) => "从未连接 / never connected".to_owned(),
        (Some(_), None) => "在线 / connected".to_owned(),
        (Some(_), Some(at)) => {
            let minutes = minutes(at);
            format!("{minutes} 分钟前断开 / disconnected {minutes} min ago")
        }
    };
    format!("{}\t{}\t{}\t{seen}", agent.id, agent.store, agent.host)
}
