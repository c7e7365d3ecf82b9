//! The last resort: a template that was tried meets an order that no sample is like.
//!
//! It may do with it what would have ended its trial: take the process along, or come to no end. The order is neither
//! stored nor answered then, its platform pushes it again, and the same would happen again and again. So a note in the
//! data folder says which of the chain's templates is being filled in. A hub that finds one at its start has ended over
//! that template: its text is out of force for good, [`folder`](super::folder) refuses it until it is changed, and the
//! order is printed as this program's own template has it. What comes to no end is ended here, with the hub, for
//! systemd to start it again. So a text takes the hub along once, and no order is lost over it.
//!
//! The note is not synced: what it has to survive is a process, not a power cut. A hub that is killed just while it
//! fills in blames a template that is good. That costs the look of one slip, and an alarm says so.
//!
//! Rejected: to fill in every slip in another process. That is a change of processes for each slip, in the transaction
//! that a platform waits for, against something that no chain should ever see.

use docket_paper::template::TemplateKind;
use docket_routing::templates::Witness;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{process, thread};
use tracing::{error, warn};

/// The note, in the folder of the last good ones.
const NOTE_FILE: &str = "filling";
/// What is behind the name of a copy over which a hub has ended.
pub(super) const ENDED_ENDING: &str = ".ended";
/// So often it is looked whether filling in goes on.
const TICK: Duration = Duration::from_secs(1);
/// Ticks that one slip may last: what it was tried with took half a second. Ticks, so that a process that was held still
/// is not taken for one that hangs.
const TICKS_MAX: u32 = 10;
/// No kind.
const NOTHING: u8 = u8::MAX;

/// Knows what is being filled in, and notes it.
#[derive(Debug)]
pub struct Guard {
    note: File,
    /// Begun and ended: odd in between.
    turns: AtomicU64,
}

impl Guard {
    /// Reads the note of the hub before, and begins a new one. Only for the one hub that serves.
    ///
    /// # Errors
    /// Where the folder of the last good ones cannot be used.
    pub fn open(kept: &Path) -> io::Result<Arc<Self>> {
        fs::create_dir_all(kept)?;
        let mut note =
            File::options().read(true).write(true).create(true).truncate(false).open(kept.join(NOTE_FILE))?;
        let mut left = [NOTHING];
        // It is empty the first time.
        let _ = note.read(&mut left)?;
        if let Some(kind) = TemplateKind::ALL.get(usize::from(left[0])) {
            let file = kind.file();
            error!(code = "template-fatal", %file, "the hub has ended while it filled this template in");
            match fs::rename(kept.join(&file), kept.join(format!("{file}{ENDED_ENDING}"))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        let guard = Guard { note, turns: AtomicU64::new(0) };
        guard.write(NOTHING)?;
        Ok(Arc::new(guard))
    }

    /// Ends the process where one slip comes to no end.
    ///
    /// # Errors
    /// Where there is no thread to be had.
    pub fn watch(self: &Arc<Self>) -> io::Result<()> {
        let guard = Arc::clone(self);
        let watch = move || {
            let (mut seen, mut ticks) = (0, 0);
            while ticks < TICKS_MAX {
                thread::sleep(TICK);
                let turn = guard.turns.load(Ordering::Relaxed);
                ticks = if turn == seen && turn % 2 == 1 { ticks + 1 } else { 0 };
                seen = turn;
            }
            error!(
                code = "template-fatal",
                "a template comes to no end with an order; the hub has to start again"
            );
            process::abort();
        };
        thread::Builder::new().name("guard".into()).spawn(watch)?;
        Ok(())
    }

    /// A slip is not kept from being printed by a note that cannot be written.
    fn note_down(&self, what: u8) {
        if let Err(error) = self.write(what) {
            warn!(code = "template-guard", %error, "the note of what is being filled in was not written");
        }
    }

    fn write(&self, what: u8) -> io::Result<()> {
        let mut note = &self.note;
        note.rewind()?;
        note.write_all(&[what])
    }
}

/// By the one thread that makes slips.
impl Witness for Guard {
    fn begins(&self, kind: TemplateKind) {
        let place = TemplateKind::ALL.iter().position(|&one| one == kind);
        self.note_down(place.and_then(|place| u8::try_from(place).ok()).unwrap_or(NOTHING));
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    fn is_over(&self) {
        self.turns.fetch_add(1, Ordering::Relaxed);
        self.note_down(NOTHING);
    }
}
