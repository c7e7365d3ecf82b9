//! A bundle of diagnostics: one text file in sections, gzipped. What it must not have is left out where it is made, not
//! searched for afterwards: no document and no title of a ticket, no secret of the configuration; and the log has no
//! customer in it ([`crate::logging`]).

use crate::config::Config;
use crate::doctor;
use crate::identity::Identity;
use crate::logging;
use crate::spool::{RecentTicket, recent_in};
use crate::status::StatusFile;
use docket_protocol::help::BUNDLE_BYTES_MAX;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{self, Write as _};
use std::sync::Arc;

/// The newest tickets of which the state is told.
const TICKETS_MAX: usize = 500;

/// Makes one of how things are now.
///
/// # Errors
/// Where it is larger than a bundle may be, which only its log makes it, and that is cut to fit.
pub async fn pack(
    config: Config,
    identity: Identity,
    status: Option<Arc<StatusFile>>,
) -> io::Result<Vec<u8>> {
    let doctor = doctor::examine(&config).await;
    let packed = tokio::task::spawn_blocking(move || {
        let mut facts = String::new();
        section(&mut facts, "doctor", &json(&doctor));
        section(&mut facts, "status", &json(&status.as_deref().map(without_titles)));
        section(&mut facts, "agent", &format!("{} {}", identity.agent, identity.store));
        section(&mut facts, "config", &json(&config));
        section(&mut facts, "tickets", &tickets(&config));
        let log = logging::kept(&config.data);
        fitted(&facts, &log)
    });
    packed.await.map_err(io::Error::other)?
}

fn section(text: &mut String, name: &str, body: &str) {
    text.push_str(&format!("==== {name}\n{body}\n"));
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|error| error.to_string())
}

/// A title may be what a counter's software has written.
fn without_titles(status: &StatusFile) -> StatusFile {
    let mut status = status.clone();
    status.held.iter_mut().for_each(|held| held.title.clear());
    status
}

fn tickets(config: &Config) -> String {
    match recent_in(&config.data, TICKETS_MAX) {
        Ok(tickets) => tickets.iter().map(line).collect(),
        Err(error) => error.to_string(),
    }
}

fn line(ticket: &RecentTicket) -> String {
    let time = |at: Option<docket_protocol::ids::UnixMs>| at.map_or(0, |at| at.0);
    format!(
        "{} {} {} attempt {} repeat {} received {} began {} ended {} {}{}\n",
        ticket.id,
        ticket.state.as_str(),
        ticket.printer,
        ticket.attempt,
        ticket.repeat,
        ticket.received_at.0,
        time(ticket.began_at),
        time(ticket.ended_at),
        ticket.evidence.map_or("", |evidence| evidence.as_str()),
        ticket.doubt.map_or("", |doubt| doubt.as_str()),
    )
}

/// The newest of the log that fits.
fn fitted(facts: &str, log: &[u8]) -> io::Result<Vec<u8>> {
    let mut log = log;
    loop {
        let mut packer = GzEncoder::new(Vec::new(), Compression::default());
        packer.write_all(facts.as_bytes())?;
        packer.write_all(b"==== log\n")?;
        packer.write_all(log)?;
        let packed = packer.finish()?;
        if packed.len() <= BUNDLE_BYTES_MAX {
            return Ok(packed);
        }
        if log.is_empty() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        // By a tenth more than it seems, since the rest may pack worse.
        let keep = log.len() * BUNDLE_BYTES_MAX / packed.len() * 9 / 10;
        log = &log[log.len() - keep..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn a_log_that_does_not_pack_is_cut_from_its_beginning() {
        let mut state = 1_u64;
        let mut log: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .take(3 * BUNDLE_BYTES_MAX)
        .collect();
        log.extend_from_slice(b"the newest line");
        let packed = fitted("facts", &log).unwrap();
        assert!((BUNDLE_BYTES_MAX / 2..=BUNDLE_BYTES_MAX).contains(&packed.len()), "{}", packed.len());
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut unpacked).unwrap();
        assert!(unpacked.starts_with(b"facts==== log\n") && unpacked.ends_with(b"the newest line"));
    }
}
