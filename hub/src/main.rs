//! `docket-hub`

use clap::Parser;
use docket_hub::cli::{Cli, execute};
use std::process::ExitCode;
use tracing_subscriber::filter::LevelFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let level =
        std::env::var("DOCKET_LOG").ok().and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).init();
    match execute(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("docket-hub: {error:#}");
            ExitCode::FAILURE
        }
    }
}
