//! The printers: those that a search finds (`docket-agent printers`), and those in force (`check-config`).

use crate::config::Config;
use crate::discovery::{self, Known};
use crate::settings;
use crate::spool::units_in;
use std::process::ExitCode;
use tokio::sync::mpsc;

/// Printers found that were not shown yet.
const FOUND_MAX: usize = 16;

/// Exit code 0: something was found. The configuration is often written only after this.
pub(super) async fn search(config: Option<Config>) -> ExitCode {
    // Before the agent has run nothing is remembered.
    let units = config.as_ref().and_then(|config| units_in(&config.data).ok()).unwrap_or_default();
    let known = Known::all(config.map(|config| config.in_force().list).unwrap_or_default(), &units);
    for Known { address, .. } in &known {
        println!("{address}  已在配置里,不去打扰 / configured already, left alone");
    }
    let (tell, mut found) = mpsc::channel(FOUND_MAX);
    let options = discovery::Options { known, ..Default::default() };
    let searching = tokio::spawn(discovery::search(options, tell));
    let mut any = false;
    while let Some(printer) = found.recv().await {
        any = true;
        let answered = if printer.answered { "已应答 answered" } else { "" };
        let line = [printer.address.to_string(), printer.label, printer.detail, answered.to_owned()];
        println!("{}", line.join("  ").trim_end());
        for condition in printer.conditions {
            let (zh, en) = condition.remedy();
            println!("    !! {zh} / {en}");
        }
    }
    // It has ended: its sender is gone.
    let _ = searching.await;
    if any {
        return ExitCode::SUCCESS;
    }
    println!(
        "没有找到打印机:检查电源、网线,是否与电脑在同一网段 / none found: check power, cable and network"
    );
    ExitCode::FAILURE
}

/// Those of both files, as they count.
pub(super) fn print_in_force(config: &Config) {
    let printers = config.in_force();
    println!("生效的打印机 / printers in force: {}", printers.list.len());
    for printer in &printers.list {
        let entry = &printer.entry;
        let default = if entry.default { "  默认 default" } else { "" };
        let file = printer.from.place();
        println!(
            "  {}  {}  {} mm  {}{default}  ({file})",
            entry.name,
            entry.address,
            entry.paper_mm,
            entry.stations.join(",")
        );
    }
    let (revision, settings) = settings::read(&config.data);
    if revision > 0 {
        println!("总部设定 / settings of headquarters: {revision}");
        for hours in settings.document.hours.iter().flatten() {
            println!(
                "  营业 / open: {} {}–{}",
                hours.days.iter().map(|day| day.as_str()).collect::<Vec<_>>().join(" "),
                hours.from,
                hours.to
            );
        }
    }
    for (zh, en) in &printers.notes {
        println!("  !! {zh} / {en}");
    }
}
