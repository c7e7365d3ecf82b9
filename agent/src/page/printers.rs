//! What a person does with printers: add, change, remove, pause, test.
//!
//! Adding, changing and removing is: check, write `printers.toml`, then tell the agent, which opens everything anew. Who
//! is answered may rely on it. Nothing in between waits, and one thread runs it all, so no two changes can mix.
//!
//! A printer that headquarters has set keeps its name, since headquarters knows it by that; a change of it is added
//! beside what headquarters said, and removing it takes the change back.
//!
//! What refers to a printer by its name goes with it to another name: who has it as a backup, and that it is to wait. A
//! printer that was a backup and is removed is missed aloud until somebody has chosen another one
//! ([`crate::printers`]); a pause is forgotten with its printer.

use super::reply::Refused;
use super::tickets::unknown_printer;
use super::{App, stored, with_room};
use crate::clock;
use crate::config::PrinterEntry;
use crate::printers::{Added, Printers, entry_fault};
use crate::printing::profile::Pins;
use crate::printing::transport::{self, Address, AddressError, NotADevice};
use crate::spool::Spool;
use docket_protocol::ids::PrinterName;
use hyper::StatusCode;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::timeout;
use tracing::info;

/// How long a test page waits for the printer to be set up.
const SET_UP_MAX: Duration = Duration::from_secs(10);

/// A printer, and which one it takes the place of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Its name until now.
    printer: String,
    /// Whether it is the one of that name that is off.
    #[serde(default)]
    off: bool,
    to: Wanted,
}

/// A printer as a person wants it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    name: String,
    address: String,
    paper_mm: u8,
    #[serde(default)]
    stations: Vec<String>,
    #[serde(default)]
    default: bool,
    /// The printer that takes its tickets while it cannot print.
    #[serde(default)]
    backup: Option<String>,
}

/// Which printer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    printer: String,
}

/// Which printer is not wanted any more.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unwanted {
    printer: String,
    /// Whether it is the one of that name that is off.
    #[serde(default)]
    off: bool,
}

/// Whether a printer waits.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    printer: String,
    paused: bool,
}

/// Adds a printer.
pub fn add(app: &App, wanted: Wanted) -> Result<(), Refused> {
    let entry = wanted.entry()?;
    let mut added = app.added.borrow().clone();
    check(&entry, &app.printers(), None)?;
    added.printers.push(entry.clone());
    put_default(&mut added, &entry);
    store(app, added)
}

/// Changes a printer that staff have added.
pub async fn change(app: &App, change: Change) -> Result<(), Refused> {
    let mut added = changed(app, &change)?;
    let to = PrinterName::new(change.to.name.trim());
    if !change.off && change.printer != to.as_str() {
        let spool = app.spool()?;
        let is_paused = spool.counts().borrow().paused_since(&PrinterName::new(&change.printer)).is_some();
        if is_paused {
            stored(with_room(spool)?.pause_ahead(to)).await?;
            // Others may have been changed meanwhile.
            added = changed(app, &change)?;
        }
    }
    store(app, added)
}

/// What staff have added, with that change.
fn changed(app: &App, change: &Change) -> Result<Added, Refused> {
    let mut entry = change.to.clone().entry()?;
    let mut added = app.added.borrow().clone();
    let was = change.printer.as_str();
    let set = app.set.borrow().iter().find(|set| !change.off && set.name == was).cloned();
    if let Some(set) = &set
        && entry.name != set.name
    {
        return Err(of_headquarters(was));
    }
    let place = match (place(app, &added, was, change.off)?, set) {
        (Some(place), _) => place,
        (None, None) => return Err(unknown_printer(was)),
        (None, Some(set)) => {
            // An earlier change of it that does not count any more makes room.
            added.printers.retain(|other| other.name != set.name);
            added.instead_of.retain(|other| other.name != set.name);
            added.printers.push(set.clone());
            added.instead_of.push(set);
            added.printers.len() - 1
        }
    };
    // What a technician or headquarters has pinned is not the page's to change.
    entry.profile = added.printers[place].profile.clone();
    check(&entry, &app.printers(), (!change.off).then_some(was))?;
    if !change.off {
        for other in added.printers.iter_mut().filter(|other| other.backup.as_deref() == Some(was)) {
            other.backup = Some(entry.name.clone());
        }
    }
    added.printers[place] = entry.clone();
    put_default(&mut added, &entry);
    Ok(added)
}

/// Removes a printer that staff have added. Its tickets go where their stations are mapped then.
pub fn remove(app: &App, unwanted: &Unwanted) -> Result<(), Refused> {
    let mut added = app.added.borrow().clone();
    let name = &unwanted.printer;
    let place = place(app, &added, name, unwanted.off)?.ok_or_else(|| of_headquarters(name))?;
    added.printers.remove(place);
    added.instead_of.retain(|set| set.name != *name);
    store(app, added)
}

/// Tells a printer to wait, or to go on.
pub async fn pause(app: &App, pause: Pause) -> Result<(), Refused> {
    stored(app.spool_with_room()?.set_paused(PrinterName::new(pause.printer), pause.paused)).await
}

/// Prints a test page, also on a printer that has only just been added.
pub async fn test(app: &App, which: Which) -> Result<(), Refused> {
    let printers = app.printers();
    let printer = printers.get(&which.printer).ok_or_else(|| unknown_printer(&which.printer))?;
    let name = PrinterName::new(&which.printer);
    let spool = timeout(SET_UP_MAX, spool_with(app, &name)).await.map_err(|_| Refused::busy())??;
    let storing = spool.counts().borrow().storing;
    if storing.fails() {
        // Not even at its bound has a spool room for this.
        return Err(Refused::unstored(storing));
    }
    let ticket = super::slip::test_page(printer, app.status.borrow().as_deref(), clock::now());
    stored(spool.print_here(ticket, name)).await
}

/// Waits for the spool that has this printer.
async fn spool_with(app: &App, name: &PrinterName) -> Result<Spool, Refused> {
    let mut spools = app.spool.clone();
    let known = |spool: &Option<Spool>| spool.as_ref().is_some_and(|spool| spool.printers().contains(name));
    let found = spools.wait_for(known).await.map_err(|_| Refused::busy())?;
    found.clone().ok_or_else(Refused::busy)
}

impl Wanted {
    fn entry(self) -> Result<PrinterEntry, Refused> {
        let mut stations: Vec<String> = Vec::new();
        for station in self.stations {
            let station = station.trim().to_owned();
            if !station.is_empty() && !stations.contains(&station) {
                stations.push(station);
            }
        }
        let entry = PrinterEntry {
            name: self.name.trim().to_owned(),
            address: address(&self.address)?,
            paper_mm: self.paper_mm,
            stations,
            default: self.default,
            backup: self.backup.filter(|backup| !backup.is_empty()),
            profile: Pins::default(),
        };
        if let Some((zh, en)) = entry_fault(&entry) {
            return Err(Refused::new(StatusCode::BAD_REQUEST, "printer-form", zh, en));
        }
        transport::check(&entry.address).map_err(|error| {
            let (zh, en) = error.remedy();
            let said = |remedy| format!("{error}: {remedy}");
            Refused::new(StatusCode::BAD_REQUEST, NotADevice::CODE, said(zh), said(en))
        })?;
        Ok(entry)
    }
}

/// The address that a person has written.
pub fn address(text: &str) -> Result<Address, Refused> {
    // What it says is in both languages.
    text.parse().map_err(|error: AddressError| {
        Refused::new(StatusCode::BAD_REQUEST, "address-form", error.to_string(), error.to_string())
    })
}

/// What is headquarters' to say.
fn of_headquarters(name: &str) -> Refused {
    Refused::new(
        StatusCode::CONFLICT,
        "printer-of-headquarters",
        format!("「{name}」由总部设定,不能在这里改名或删除:请总部修改,地址等可以在这里改"),
        format!(
            "{name} is set by headquarters, which alone can rename or remove it; its address can be changed here"
        ),
    )
}

/// Where a printer is among those that staff have added: the one in force, or the one that is off. `None` where
/// headquarters has set it, and staff have not changed that.
fn place(app: &App, added: &Added, name: &str, off: bool) -> Result<Option<usize>, Refused> {
    if !off && app.fixed.iter().any(|entry| entry.name == name) {
        return Err(Refused::new(
            StatusCode::CONFLICT,
            "printer-fixed",
            format!("「{name}」由 agent.toml 设定,请技术人员在那里改"),
            format!("{name} is set in agent.toml and can be changed there only"),
        ));
    }
    let set = app.set.borrow();
    let all_off = Printers::merge(&app.fixed, &set, added).off;
    let is_off = |place: usize| all_off.iter().any(|printer| printer.place == place);
    let mut named = added.printers.iter().enumerate().filter(|(_, entry)| entry.name == name);
    let found = named.find(|&(place, _)| is_off(place) == off);
    let is_set = !off && set.iter().any(|entry| entry.name == name);
    match found {
        None if !is_set => Err(unknown_printer(name)),
        found => Ok(found.map(|(place, _)| place)),
    }
}

/// What would be in the way of another printer. `but` is the one whose place it takes.
fn check(entry: &PrinterEntry, printers: &Printers, but: Option<&str>) -> Result<(), Refused> {
    let conflict = |code, zh, en| Err(Refused::new(StatusCode::CONFLICT, code, zh, en));
    let others = printers.list.iter().map(|printer| &printer.entry);
    let others: Vec<&PrinterEntry> = others.filter(|other| Some(other.name.as_str()) != but).collect();
    if others.len() >= crate::config::PRINTERS_MAX {
        let most = crate::config::PRINTERS_MAX;
        return conflict(
            "printers-full",
            format!("最多 {most} 台打印机"),
            format!("{most} printers are the most"),
        );
    }
    if let Some(backup) = &entry.backup {
        if *backup == entry.name || Some(backup.as_str()) == but {
            return conflict(
                "backup-own",
                "一台打印机不能做自己的备用,请选另一台".to_owned(),
                "a printer cannot be its own backup: choose another one".to_owned(),
            );
        }
        if !others.iter().any(|other| other.name == *backup) {
            return conflict(
                "backup-unknown",
                format!("没有名为「{backup}」的备用打印机,请选另一台"),
                format!("there is no printer {backup} to be the backup: choose another one"),
            );
        }
    }
    for other in others {
        let name = &other.name;
        if *name == entry.name {
            return conflict(
                "name-taken",
                format!("已经有一台叫「{name}」,换个名称"),
                format!("there is a printer named {name}; choose another name"),
            );
        }
        if other.address.is_same_place(&entry.address) {
            return conflict(
                "address-taken",
                format!("这台打印机已经添加过,叫「{name}」"),
                format!("this printer was added already, as {name}"),
            );
        }
        if let Some(station) = entry.stations.iter().find(|station| other.stations.contains(station)) {
            return conflict(
                "station-taken",
                format!("档口「{station}」已由「{name}」出票"),
                format!("station {station} is printed by {name} already"),
            );
        }
    }
    Ok(())
}

/// There is one default printer only.
fn put_default(added: &mut Added, entry: &PrinterEntry) {
    if entry.default {
        for other in &mut added.printers {
            other.default = other.name == entry.name;
        }
    }
}

fn store(app: &App, mut added: Added) -> Result<(), Refused> {
    added.write(&app.data).map_err(|error| {
        Refused::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "printers-file",
            format!("没有存下来,打印机没有改动:{error};检查磁盘空间和数据目录权限"),
            format!("it was not kept, nothing has changed: {error}; check the disk and who may write the data folder"),
        )
    })?;
    added.fault = None;
    info!(printers = added.printers.len(), "the printers were changed on the local page");
    app.added.send_replace(added);
    Ok(())
}
