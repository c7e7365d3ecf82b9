//! `docket-hub`

use clap::Parser;
use docket_hub::cli::{Cli, execute};
use docket_hub::templates::trial;
use std::process::ExitCode;
use tracing_subscriber::filter::LevelFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.is_trial() {
        // With nothing around it: its memory is bounded.
        true => trial::answer(),
        false => run(cli),
    }
}

#[tokio::main]
async fn run(cli: Cli) -> ExitCode {
    let level =
        std::env::var("DOCKET_LOG").ok().and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).init();
    match execute(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("docket-hub: {error:#}");
            ExitCode::FAILURE
        }
    }
}
