//! The file with the settings in force, and what was decided about those before. The decisions are pure: whoever makes
//! one writes the file afterwards.

use crate::kept_file::{self, Readers};
use docket_protocol::frame::{payload, read_payload};
use docket_protocol::message::SettingsOutcome;
use docket_settings::bundle::Settings;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// Name of the file in the data folder.
pub const SETTINGS_FILE: &str = "settings.kept";
/// A file that could not be read.
const ASIDE: &str = "settings.kept.bad";
/// Starts of the program that a revision on trial may have seen without having come up.
pub const STARTS_MAX: u8 = 5;

/// As it lies in the file. Append only.
#[derive(Debug, Serialize, Deserialize)]
enum File {
    V1(Kept),
}

/// A revision with its bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) revision: u64,
    pub(super) bundle: Vec<u8>,
}

/// What came of a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) revision: u64,
    pub(super) outcome: SettingsOutcome,
}

/// What is known of the settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The last good one.
    good: Option<Held>,
    /// The one that is in force to see whether it works, and the starts that it has seen.
    trial: Option<(Held, u8)>,
    /// The newest that was decided about.
    newest: u64,
    /// The last one that was not put in force, or not for long.
    failed: Option<Told>,
    /// What the spool does not have yet.
    untold: Option<Told>,
}

/// What is to be done with a revision that has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// It is to be checked and tried.
    New,
    /// It was decided about; what came of it is to be told.
    Known,
}

impl Kept {
    /// One that is not there is empty. One that cannot be read is moved aside: the disk has changed it, and a store
    /// prints with what `agent.toml` and its staff say until headquarters sets it again.
    pub(super) fn open(data: &Path) -> Self {
        let path = data.join(SETTINGS_FILE);
        match Self::try_open(data) {
            Ok(kept) => kept,
            Err(cause) => {
                // Where it cannot be moved the next revision is written over it.
                let _ = std::fs::rename(&path, data.join(ASIDE));
                tracing::error!(code = "settings-file", %cause, "settings cannot be read: they are not in force");
                Kept::default()
            }
        }
    }

    fn try_open(data: &Path) -> io::Result<Self> {
        let bytes = match std::fs::read(data.join(SETTINGS_FILE)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::default()),
            Err(error) => return Err(error),
        };
        match read_payload(&bytes) {
            Some(File::V1(kept)) => Ok(kept),
            None => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Writes the file; it is durable afterwards.
    pub(super) fn write(&self, data: &Path) -> io::Result<()> {
        let bytes = payload(&File::V1(self.clone()));
        kept_file::replace(&data.join(SETTINGS_FILE), Readers::All, &bytes)
    }

    /// The one in force.
    pub(super) fn in_force(&self) -> Option<&Held> {
        self.trial.as_ref().map(|(held, _)| held).or(self.good.as_ref())
    }

    /// Whether the one in force has not come up yet.
    pub(super) fn is_on_trial(&self) -> bool {
        self.trial.is_some()
    }

    pub(super) fn untold(&self) -> Option<&Told> {
        self.untold.as_ref()
    }

    /// The spool has what was to be told.
    pub(super) fn told(&mut self) {
        self.untold = None;
    }

    /// The program starts; whether anything has changed by that.
    pub(super) fn start(&mut self) -> bool {
        let Some((_, starts)) = &mut self.trial else { return false };
        *starts += 1;
        if *starts > STARTS_MAX {
            self.roll_back(format!(
                "settings-ended: 启用后程序 {STARTS_MAX} 次没能正常启动,请检查设定和门店日志 / the program did not come up with it in \
                 {STARTS_MAX} starts: look at the settings and at the store's log"
            ));
        }
        true
    }

    /// What is to be done with a revision that has come. `otherwise` is what this PC has otherwise than the one in force
    /// says.
    pub(super) fn came(&mut self, revision: u64, bundle: &[u8], otherwise: String) -> Came {
        if revision > self.newest {
            return Came::New;
        }
        let good = self.good.as_ref().filter(|good| good.revision == revision && good.bundle == bundle);
        let failed = self.failed.as_ref().filter(|failed| failed.revision == revision);
        let outcome = match (good, failed) {
            (Some(_), _) => SettingsOutcome::Applied { otherwise },
            (None, Some(failed)) => failed.outcome.clone(),
            (None, None) => SettingsOutcome::Outdated { newest: self.newest },
        };
        self.untold = Some(Told { revision, outcome });
        Came::Known
    }

    /// It is in force from now on, and on trial.
    pub(super) fn try_out(&mut self, revision: u64, bundle: Vec<u8>) {
        self.newest = revision;
        self.trial = Some((Held { revision, bundle }, 0));
    }

    /// Staff have changed what this PC has otherwise than the settings in force say; whether there is anything to tell.
    pub(super) fn otherwise(&mut self, otherwise: String) -> bool {
        let (Some(good), None, None) = (&self.good, &self.trial, &self.untold) else { return false };
        let outcome = SettingsOutcome::Applied { otherwise };
        self.untold = Some(Told { revision: good.revision, outcome });
        true
    }

    /// It is not put in force.
    pub(super) fn refuse(&mut self, revision: u64, cause: String) {
        self.newest = self.newest.max(revision);
        self.fail(revision, SettingsOutcome::Refused { cause });
    }

    /// What is on trial has come up.
    pub(super) fn prove(&mut self, otherwise: String) {
        let Some((held, _)) = self.trial.take() else { return };
        self.untold = Some(Told { revision: held.revision, outcome: SettingsOutcome::Applied { otherwise } });
        self.good = Some(held);
    }

    /// What is on trial does not work, and the last good one is in force again.
    pub(super) fn roll_back(&mut self, cause: String) {
        let Some((held, _)) = self.trial.take() else { return };
        self.fail(held.revision, SettingsOutcome::RolledBack { cause });
    }

    fn fail(&mut self, revision: u64, outcome: SettingsOutcome) {
        let failed = Told { revision, outcome };
        self.failed = Some(failed.clone());
        self.untold = Some(failed);
    }

    /// What is in force, read. It was in order when it was written; another version of this program may know fewer words.
    pub(super) fn settings(&self) -> Settings {
        let read = self.in_force().map(|held| Settings::read(&held.bundle));
        read.unwrap_or_else(|| Ok(Settings::default())).unwrap_or_else(|error| {
            tracing::error!(code = "settings-file", %error, "settings are not in force");
            Settings::default()
        })
    }
}

/// The settings in force in a data folder, whether or not the agent runs: their revision, 0 for none.
pub fn read(data: &Path) -> (u64, Settings) {
    let kept = Kept::try_open(data).unwrap_or_default();
    (kept.in_force().map_or(0, |held| held.revision), kept.settings())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(kept: &Kept) -> Option<(u64, &SettingsOutcome)> {
        kept.untold().map(|told| (told.revision, &told.outcome))
    }

    fn applied() -> SettingsOutcome {
        SettingsOutcome::Applied { otherwise: String::new() }
    }

    #[test]
    fn an_older_one_is_never_put_over_a_newer_one() {
        let mut kept = Kept::default();
        assert_eq!(kept.came(7, b"seven", String::new()), Came::New);
        kept.try_out(7, b"seven".to_vec());
        kept.prove(String::new());
        kept.told();
        assert_eq!(kept.came(6, b"six", String::new()), Came::Known);
        assert_eq!(outcome(&kept), Some((6, &SettingsOutcome::Outdated { newest: 7 })));
        assert_eq!(kept.came(7, b"seven", String::new()), Came::Known);
        assert_eq!(outcome(&kept), Some((7, &applied())));
        // The hub came back as an older copy, and counts anew.
        assert_eq!(kept.came(7, b"other", String::new()), Came::Known);
        assert_eq!(outcome(&kept), Some((7, &SettingsOutcome::Outdated { newest: 7 })));
        assert_eq!(kept.in_force().unwrap().revision, 7);
    }

    #[test]
    fn what_fails_leaves_the_last_good_one() {
        let mut kept = Kept::default();
        kept.try_out(1, b"one".to_vec());
        kept.prove(String::new());
        kept.try_out(2, b"two".to_vec());
        assert_eq!(kept.in_force().unwrap().revision, 2);
        kept.roll_back("cause".into());
        assert_eq!(kept.in_force().unwrap().revision, 1);
        let rolled_back = SettingsOutcome::RolledBack { cause: "cause".into() };
        assert_eq!(outcome(&kept), Some((2, &rolled_back)));
        kept.refuse(3, "never".into());
        assert_eq!(kept.in_force().unwrap().revision, 1);
        assert_eq!(kept.came(3, b"three", String::new()), Came::Known, "it is not tried again");
    }

    #[test]
    fn a_program_that_does_not_come_up_gives_a_revision_up() {
        let mut kept = Kept::default();
        assert!(!kept.start());
        kept.try_out(1, b"one".to_vec());
        for _ in 0..STARTS_MAX {
            assert!(kept.start() && kept.is_on_trial());
        }
        assert!(kept.start() && !kept.is_on_trial());
        assert!(kept.in_force().is_none());
        assert!(matches!(outcome(&kept), Some((1, SettingsOutcome::RolledBack { .. }))));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Kept::open(folder.path()), Kept::default());
        let mut kept = Kept::default();
        kept.try_out(1, b"one".to_vec());
        kept.prove("printer".into());
        kept.try_out(2, b"two".to_vec());
        kept.write(folder.path()).unwrap();
        assert_eq!(Kept::open(folder.path()), kept);
        std::fs::write(folder.path().join(SETTINGS_FILE), b"\xff").unwrap();
        assert_eq!(Kept::open(folder.path()), Kept::default());
        assert!(folder.path().join(ASIDE).exists());
    }
}
