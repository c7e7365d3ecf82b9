//! `docket-agent`

use clap::Parser;
use docket_agent::cli::{Cli, execute};
use docket_agent::logging;
use std::process::ExitCode;
use tracing_subscriber::filter::LevelFilter;

// One thread: the agent shares a cashier PC with the cashier.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let level =
        std::env::var("DOCKET_LOG").ok().and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    logging::start(level);
    match execute(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("docket-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}
