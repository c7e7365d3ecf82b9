//! `docket-virtual-printer`: a receipt printer on a TCP port, a serial line or USB, for the demo and for trying things
//! by hand.
//!
//! Receipts go to standard output and, with `--out`, into files. Fault commands are taken on standard input
//! and on the control port; `help` lists them. The end of standard input does not end it: it may run as a
//! service.

use anyhow::Context;
use clap::Parser;
use docket_tests::virtual_printer::quirks::{PROFILES, Profile};
use docket_tests::virtual_printer::{
    Font, FontError, PaperWidth, Plug, PrinterOptions, Receipt, VirtualPrinter, control,
};
use serde_json::json;
use std::io::{BufRead, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Commands from standard input that wait to be obeyed.
const COMMANDS_WAITING_MAX: usize = 16;
/// Longest command on standard input.
const COMMAND_BYTES_MAX: u64 = 1_024;
/// How long one wait for a receipt is; then it is begun anew.
const WAIT: Duration = Duration::from_secs(3_600);

/// A virtual receipt printer (ESC/POS, GB18030) on a TCP port, a serial line or USB.
#[derive(Debug, Parser)]
#[command(name = "docket-virtual-printer", version, after_help = "Commands on standard input: try `help`.")]
struct Arguments {
    /// Where it listens; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:9100")]
    listen: SocketAddr,
    /// On a serial line instead: a link of this name leads to it while it is plugged in (Linux).
    #[arg(long, conflicts_with = "listen")]
    serial: Option<PathBuf>,
    /// The serial line's speed; without it bytes take no time and every speed is understood.
    #[arg(long, requires = "serial")]
    baud: Option<u32>,
    /// The printer stops the sender by XOFF, and loses what comes all the same.
    #[arg(long, requires = "serial")]
    xon_xoff: bool,
    /// On USB instead, with this serial number (Linux, root, a kernel with dummy_hcd and usb_f_printer).
    #[arg(long, conflicts_with_all = ["listen", "serial"])]
    usb: Option<String>,
    /// Where fault commands are taken, one a line.
    #[arg(long)]
    control: Option<SocketAddr>,
    /// The roll: 80 (576 dots) or 58 (384 dots).
    #[arg(long, default_value_t = 80, value_parser = width)]
    width_mm: u32,
    /// Paper feed in mm/s; 0 prints in no time. Real printers do 90 to 300.
    #[arg(long, default_value_t = 0)]
    speed_mm_s: u32,
    /// What it can do: from "everything", by way of cheap clones, to "answers-nothing".
    #[arg(long, default_value = "everything", value_parser = profile)]
    profile: &'static Profile,
    /// The receive buffer; without it, the profile's.
    #[arg(long)]
    buffer_bytes: Option<usize>,
    /// Write each receipt as NNNN.txt and NNNN.png into this folder.
    #[arg(long)]
    out: Option<PathBuf>,
    /// One JSON object a line on standard output instead of text.
    #[arg(long)]
    json: bool,
}

fn width(text: &str) -> Result<u32, String> {
    let mm = text.parse().ok().filter(|&mm| PaperWidth::from_mm(mm).is_some());
    mm.ok_or_else(|| "rolls are 58 or 80 mm wide".to_owned())
}

fn profile(name: &str) -> Result<&'static Profile, String> {
    let names = || PROFILES.iter().map(|profile| profile.name).collect::<Vec<_>>().join(", ");
    Profile::by_name(name).ok_or_else(|| format!("take one of: {}", names()))
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let output = Output::new(arguments.out.as_deref(), arguments.json)?;
    let options = PrinterOptions {
        listen: arguments.listen,
        paper: PaperWidth::from_mm(arguments.width_mm).unwrap_or_default(),
        speed_mm_per_s: arguments.speed_mm_s,
        buffer_bytes: arguments.buffer_bytes.unwrap_or(arguments.profile.buffer_bytes),
        ..arguments.profile.options()
    };
    let printer = Arc::new(plug_in(&arguments, options)?);
    let control = match arguments.control {
        Some(address) => Some(TcpListener::bind(address).await.with_context(|| {
            format!(
                "control-failed: cannot listen on {address}; stop what uses it or choose another --control"
            )
        })?),
        None => None,
    };
    output.started(printer.plug(), control.as_ref().map(TcpListener::local_addr).transpose()?)?;
    if let Some(listener) = control {
        tokio::spawn(control::serve(Arc::clone(&printer), listener));
    }
    let mut commands = standard_input();
    let mut next = 1;
    let end = shutdown();
    tokio::pin!(end);
    loop {
        tokio::select! {
            result = &mut end => {
                result?;
                break;
            }
            Some(command) = commands.recv() => output.answer(&control::obey(&printer, &command))?,
            _ = printer.wait_until(WAIT, |status| status.receipts >= next) => {
                next = output.receipts(&printer, next).await?;
            }
        }
    }
    output.receipts(&printer, next).await?;
    Ok(())
}

#[cfg(target_os = "linux")]
fn plug_in(arguments: &Arguments, options: PrinterOptions) -> anyhow::Result<VirtualPrinter> {
    use docket_tests::virtual_printer::{Handshake, SerialOptions, UsbOptions};
    if let Some(link) = &arguments.serial {
        let handshake = if arguments.xon_xoff { Handshake::XonXoff } else { Handshake::Hardware };
        let line = SerialOptions { baud: arguments.baud, handshake, ..SerialOptions::at(link) };
        return VirtualPrinter::start_serial(&options, line).with_context(|| {
            format!("serial-failed: cannot make a line at {}; choose another --serial", link.display())
        });
    }
    if let Some(serial) = &arguments.usb {
        return VirtualPrinter::start_usb(&options, UsbOptions::new(serial)).context(
            "usb-failed: this kernel makes no USB printer; run it in the lab: tests/lab/run.sh, see \
             docs/virtual-printer.md",
        );
    }
    listen(options)
}

#[cfg(not(target_os = "linux"))]
fn plug_in(arguments: &Arguments, options: PrinterOptions) -> anyhow::Result<VirtualPrinter> {
    anyhow::ensure!(
        arguments.serial.is_none() && arguments.usb.is_none(),
        "not-here: serial lines and USB are made on Linux only; use --listen"
    );
    listen(options)
}

fn listen(options: PrinterOptions) -> anyhow::Result<VirtualPrinter> {
    let address = options.listen;
    VirtualPrinter::start(options).with_context(|| {
        format!("listen-failed: cannot listen on {address}; stop what uses it or choose another --listen")
    })
}

/// Where receipts go.
struct Output {
    folder: Option<(PathBuf, Font)>,
    json: bool,
}

impl Output {
    fn new(folder: Option<&Path>, json: bool) -> anyhow::Result<Output> {
        let folder = match folder {
            Some(folder) => {
                std::fs::create_dir_all(folder).with_context(|| cannot_write(folder))?;
                let font = Font::find().map_err(|error: FontError| anyhow::anyhow!("{error}"))?;
                Some((folder.to_owned(), font))
            }
            None => None,
        };
        Ok(Output { folder, json })
    }

    fn started(&self, printer: &Plug, control: Option<SocketAddr>) -> anyhow::Result<()> {
        if self.json {
            return say(&json!({ "listening": printer.to_string(), "control": control }).to_string());
        }
        match control {
            Some(control) => say(&format!("printer listens on {printer}, control on {control}")),
            None => say(&format!("printer listens on {printer}")),
        }
    }

    fn answer(&self, answer: &str) -> anyhow::Result<()> {
        if self.json { say(&json!({ "answer": answer }).to_string()) } else { say(answer) }
    }

    /// Writes the receipts from number `next` on and says which is the next.
    async fn receipts(&self, printer: &VirtualPrinter, next: u64) -> anyhow::Result<u64> {
        let receipts = printer.receipts_from(next);
        let first = receipts.first().map_or(next, Receipt::number);
        if first > next {
            tracing::warn!(missed = first - next, "receipts came faster than they could be written");
        }
        for receipt in &receipts {
            self.receipt(receipt).await?;
        }
        Ok(receipts.last().map_or(next, |receipt| receipt.number() + 1))
    }

    async fn receipt(&self, receipt: &Receipt) -> anyhow::Result<()> {
        if self.json {
            say(&receipt.to_json().to_string())?;
        } else {
            let end = if receipt.was_cut() { "cut" } else { "not cut" };
            let mut text = format!("--- receipt {} ---\n{}", receipt.number(), receipt.text());
            for flag in receipt.flags() {
                text.push_str(&format!("! {:?} at byte {}: {:02x?}\n", flag.kind, flag.offset, flag.bytes));
            }
            say(&format!("{text}--- {end} ---"))?;
        }
        let Some((folder, font)) = &self.folder else { return Ok(()) };
        let name = folder.join(format!("{:04}.txt", receipt.number()));
        std::fs::write(&name, receipt.text()).with_context(|| cannot_write(&name))?;
        // Drawing takes milliseconds; the printer goes on meanwhile.
        let (receipt, font) = (receipt.clone(), font.clone());
        let image = tokio::task::spawn_blocking(move || receipt.png(&font)).await?;
        let name = name.with_extension("png");
        std::fs::write(&name, image).with_context(|| cannot_write(&name))
    }
}

fn cannot_write(path: &Path) -> String {
    format!("write-failed: cannot write {}; make room or choose another --out", path.display())
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).context("write-failed: standard output is closed")
}

/// Lines of standard input. A thread of its own, because reading it cannot be interrupted; it ends with the
/// process.
fn standard_input() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(COMMANDS_WAITING_MAX);
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut line = Vec::new();
        loop {
            line.clear();
            match input.by_ref().take(COMMAND_BYTES_MAX).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let command = String::from_utf8_lossy(&line).trim().to_owned();
            if !command.is_empty() && sender.blocking_send(command).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(unix)]
async fn shutdown() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result.context("cannot wait for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn shutdown() -> anyhow::Result<()> {
    tokio::signal::ctrl_c().await.context("cannot wait for Ctrl-C")
}
