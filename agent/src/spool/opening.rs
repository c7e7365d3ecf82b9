//! Opening a spool: its folder is taken, its printers are checked, its thread is started; and what the handles then
//! see of it without asking the thread.

use super::command::Command;
use super::store::Store;
use super::writer::Writer;
use super::{Counts, Cursors, PrinterRoute, SpoolError, SpoolOptions, Storing};
use docket_protocol::ids::{PrinterName, Seq};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel, sync_channel};
use tokio::sync::watch;

/// It runs SQLite and nothing deep.
const STACK_BYTES: usize = 512 * 1024;

/// Opens the store, starts the thread, and waits until what an earlier life left is settled or cannot be.
pub(super) fn start(
    folder: &Path,
    options: SpoolOptions,
) -> Result<(Sender<Command>, Arc<Shared>), SpoolError> {
    check_printers(&options.printers)?;
    let unusable = |path: &Path| {
        let path = path.to_owned();
        move |source| SpoolError::Folder { path, source }
    };
    std::fs::create_dir_all(folder).map_err(unusable(folder))?;
    let lock = lock(folder)?;
    let printers: Vec<PrinterName> = options.printers.iter().map(|printer| printer.name.clone()).collect();
    let store = Store::open(folder, options)?;
    let shared = Arc::new(Shared::new(folder, &store, printers));
    let (commands, receiver) = channel();
    let (settled, is_settled) = sync_channel(1);
    let writer = Writer::new(store, Arc::clone(&shared), receiver, lock);
    std::thread::Builder::new()
        .name("docket-spool".into())
        .stack_size(STACK_BYTES)
        .spawn(move || writer.run(&settled))
        .map_err(unusable(folder))?;
    is_settled.recv().map_err(|_| SpoolError::Closed)?;
    Ok((commands, shared))
}

/// What the handles see without asking.
#[derive(Debug)]
pub(super) struct Shared {
    folder: PathBuf,
    spool: [u8; 16],
    received_up_to: AtomicU64,
    assigned_up_to: watch::Sender<Seq>,
    counts: watch::Sender<Counts>,
    changes: watch::Sender<u64>,
    settings: watch::Sender<u64>,
    uploads: watch::Sender<u64>,
    helps: watch::Sender<u64>,
    printers: Vec<PrinterName>,
}

impl Shared {
    fn new(folder: &Path, store: &Store, printers: Vec<PrinterName>) -> Self {
        Shared {
            folder: folder.to_owned(),
            spool: store.spool(),
            received_up_to: AtomicU64::new(store.received_up_to().0),
            assigned_up_to: watch::Sender::new(store.assigned_up_to()),
            counts: watch::Sender::new(store.counts()),
            changes: watch::Sender::new(store.changes()),
            settings: watch::Sender::new(store.settings()),
            uploads: watch::Sender::new(store.uploads()),
            helps: watch::Sender::new(store.helps()),
            printers,
        }
    }

    /// Shows how the store is now.
    pub(super) fn publish(&self, store: &Store, storing: Storing) {
        self.received_up_to.store(store.received_up_to().0, Ordering::Release);
        let assigned = store.assigned_up_to();
        self.assigned_up_to.send_if_modified(|seq| std::mem::replace(seq, assigned) != assigned);
        self.counts.send_if_modified(|counts| store.update_counts(counts, storing));
        let changed = [
            (&self.changes, store.changes()),
            (&self.uploads, store.uploads()),
            (&self.settings, store.settings()),
            (&self.helps, store.helps()),
        ];
        for (shown, now) in changed {
            shown.send_if_modified(|last| std::mem::replace(last, now) != now);
        }
    }

    pub(super) fn cursors(&self) -> Cursors {
        Cursors {
            spool: self.spool,
            received_up_to: Seq(self.received_up_to.load(Ordering::Acquire)),
            assigned_up_to: *self.assigned_up_to.borrow(),
        }
    }

    pub(super) fn outbox_changed(&self) -> watch::Receiver<Seq> {
        self.assigned_up_to.subscribe()
    }

    pub(super) fn counts(&self) -> watch::Receiver<Counts> {
        self.counts.subscribe()
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn settings(&self) -> watch::Receiver<u64> {
        self.settings.subscribe()
    }

    pub(super) fn uploads_changed(&self) -> watch::Receiver<u64> {
        self.uploads.subscribe()
    }

    pub(super) fn helps(&self) -> watch::Receiver<u64> {
        self.helps.subscribe()
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn printers(&self) -> &[PrinterName] {
        &self.printers
    }

    pub(super) fn printer_index(&self, printer: &PrinterName) -> Option<usize> {
        self.printers.iter().position(|name| name == printer)
    }
}

/// Two agents on one spool would print everything twice.
fn lock(folder: &Path) -> Result<File, SpoolError> {
    let path = folder.join("spool.lock");
    let opened = File::options().create(true).truncate(false).write(true).open(&path);
    let file = opened.map_err(|source| SpoolError::Folder { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SpoolError::InUse { path }),
        Err(TryLockError::Error(source)) => Err(SpoolError::Folder { path, source }),
    }
}

fn check_printers(printers: &[PrinterRoute]) -> Result<(), SpoolError> {
    let defaults = printers.iter().filter(|printer| printer.default).count();
    if defaults != 1 {
        return Err(SpoolError::Printers {
            reason: format!("exactly one must be the default, {defaults} are"),
        });
    }
    for (index, printer) in printers.iter().enumerate() {
        let others = &printers[..index];
        if others.iter().any(|other| other.name == printer.name) {
            return Err(SpoolError::Printers { reason: format!("two are named {}", printer.name) });
        }
        if let Some(backup) = &printer.backup {
            if *backup == printer.name {
                return Err(SpoolError::Printers { reason: format!("{backup} is its own backup") });
            }
            if !printers.iter().any(|other| other.name == *backup) {
                return Err(SpoolError::Printers { reason: format!("there is no {backup} to be a backup") });
            }
        }
        let taken = printer.stations.iter().find(|s| others.iter().any(|other| other.stations.contains(s)));
        if let Some(station) = taken {
            return Err(SpoolError::Printers { reason: format!("two print for station {station}") });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(name: &str, stations: &[&str], default: bool) -> PrinterRoute {
        PrinterRoute {
            name: PrinterName::new(name),
            stations: stations.iter().map(|&station| station.into()).collect(),
            default,
            backup: None,
        }
    }

    fn with_backup(route: PrinterRoute, backup: &str) -> PrinterRoute {
        PrinterRoute { backup: Some(PrinterName::new(backup)), ..route }
    }

    #[test]
    fn printers_that_make_no_sense_are_refused() {
        let ok = [route("front", &["front"], true), route("kitchen", &["kitchen", "bar"], false)];
        assert!(check_printers(&ok).is_ok());
        let each_other = [
            with_backup(route("front", &[], true), "kitchen"),
            with_backup(route("kitchen", &[], false), "front"),
        ];
        assert!(check_printers(&each_other).is_ok());
        let wrong: [&[PrinterRoute]; 6] = [
            &[],
            &[route("a", &[], true), route("b", &[], true)],
            &[route("a", &[], true), route("a", &[], false)],
            &[route("a", &["x"], true), route("b", &["x"], false)],
            &[with_backup(route("a", &[], true), "a")],
            &[with_backup(route("a", &[], true), "b")],
        ];
        for printers in wrong {
            assert!(matches!(check_printers(printers), Err(SpoolError::Printers { .. })));
        }
    }

    #[test]
    fn a_folder_belongs_to_one_agent() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path()).unwrap();
        assert!(matches!(lock(folder.path()), Err(SpoolError::InUse { .. })));
        drop(held);
        assert!(lock(folder.path()).is_ok());
    }
}
