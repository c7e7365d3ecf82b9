//! Fault commands as lines of text: on standard input and on a TCP port.

use super::fault::{Fault, HELP};
use super::server::VirtualPrinter;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Longest command; a longer line ends the conversation.
const LINE_BYTES_MAX: u64 = 1_024;
/// Clients at the same time; more wait.
const CLIENTS_MAX: usize = 8;

/// Obeys one command and says what to answer: `ok`, `error CODE: CAUSE; REMEDY`, the status as JSON, or the
/// help.
pub fn obey(printer: &VirtualPrinter, command: &str) -> String {
    match command.trim() {
        "help" => HELP.to_owned(),
        "status" => printer.status().to_json().to_string(),
        command => match command.parse::<Fault>() {
            Ok(fault) => {
                printer.set(fault);
                "ok".to_owned()
            }
            Err(error) => format!("error {error}"),
        },
    }
}

/// Reads commands, one a line, and answers each, until the input ends.
///
/// # Errors
/// When reading or writing fails, or a line is longer than a command can be.
pub async fn converse(
    printer: &VirtualPrinter,
    mut commands: impl AsyncBufRead + Unpin,
    mut answers: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = (&mut commands).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await?;
        if length == 0 {
            return Ok(());
        }
        if length as u64 == LINE_BYTES_MAX && line.last() != Some(&b'\n') {
            answers
                .write_all(b"error line-too-long: the line is no command; send `help` for the commands\n")
                .await?;
            return Err(io::ErrorKind::InvalidData.into());
        }
        let command = String::from_utf8_lossy(&line);
        if command.trim().is_empty() {
            continue;
        }
        let mut answer = obey(printer, &command);
        answer.push('\n');
        answers.write_all(answer.as_bytes()).await?;
        answers.flush().await?;
    }
}

/// Serves the control port until it is dropped.
///
/// # Errors
/// When no connection can be accepted any more.
pub async fn serve(printer: Arc<VirtualPrinter>, listener: TcpListener) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(CLIENTS_MAX));
    loop {
        let place = Arc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, peer) = listener.accept().await?;
        let printer = Arc::clone(&printer);
        tokio::spawn(async move {
            let (commands, answers) = stream.into_split();
            if let Err(error) = converse(&printer, BufReader::new(commands), answers).await {
                tracing::debug!(%error, %peer, "control connection ended");
            }
            drop(place);
        });
    }
}
