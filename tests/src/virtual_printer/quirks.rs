//! What cheap clones do otherwise, and a few clones by name.
//!
//! Taken from what drivers of such printers have to work around: commands that are not known, answers that prove
//! nothing or come when it is too late. Each can be set alone; [`PROFILES`] are whole printers, from one that has
//! everything to one that never says a word.

use super::options::{BUFFER_BYTES_DEFAULT, PrinterOptions};

/// When real-time status (`DLE EOT`) is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StatusAnswers {
    /// At once, whatever it is doing.
    #[default]
    Always,
    /// Once there is nothing left to print; without paper in mid-ticket, not at all.
    WhenIdle,
    /// At once, and not at all when it has something to print.
    NotWhenBusy,
    /// Never.
    Never,
}

/// What becomes of `GS ( H`, the process id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProcessId {
    /// It is answered in its turn.
    #[default]
    Answered,
    /// It is skipped.
    Ignored,
    /// It is not known: what follows `GS` comes out as text.
    Printed,
}

/// How `GS r` is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SensorQuery {
    /// In its turn: when what came before is printed.
    #[default]
    InOrder,
    /// When it is received, whatever is still to be printed.
    AtOnce,
    /// Never.
    Never,
}

/// In what a printer differs from its maker's reference. The default is: in nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quirks {
    /// `DLE EOT`.
    pub status: StatusAnswers,
    /// The last byte of all that it says comes only with the next one.
    pub late_answers: bool,
    /// Automatic status (`GS a`) is known.
    pub automatic_status: bool,
    /// `GS ( H`.
    pub process_id: ProcessId,
    /// `GS r`.
    pub sensor_query: SensorQuery,
    /// `ESC @` empties the receive buffer.
    pub init_clears_buffer: bool,
}

impl Default for Quirks {
    fn default() -> Quirks {
        EVERYTHING
    }
}

const EVERYTHING: Quirks = Quirks {
    status: StatusAnswers::Always,
    late_answers: false,
    automatic_status: true,
    process_id: ProcessId::Answered,
    sensor_query: SensorQuery::InOrder,
    init_clears_buffer: false,
};

/// A whole printer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// As `--profile` takes it.
    pub name: &'static str,
    /// In what it differs.
    pub quirks: Quirks,
    /// Its receive buffer.
    pub buffer_bytes: usize,
}

/// From everything to nothing.
pub const PROFILES: &[Profile] = &[
    Profile { name: "everything", quirks: EVERYTHING, buffer_bytes: BUFFER_BYTES_DEFAULT },
    Profile {
        name: "no-gs-h",
        quirks: Quirks { process_id: ProcessId::Ignored, ..EVERYTHING },
        buffer_bytes: BUFFER_BYTES_DEFAULT,
    },
    Profile {
        name: "prints-gs-h",
        quirks: Quirks { process_id: ProcessId::Printed, ..EVERYTHING },
        buffer_bytes: BUFFER_BYTES_DEFAULT,
    },
    Profile {
        name: "gs-r-at-once",
        quirks: Quirks { process_id: ProcessId::Ignored, sensor_query: SensorQuery::AtOnce, ..EVERYTHING },
        buffer_bytes: BUFFER_BYTES_DEFAULT,
    },
    Profile { name: "no-fence", quirks: NO_FENCE, buffer_bytes: BUFFER_BYTES_DEFAULT },
    Profile {
        name: "no-asb",
        quirks: Quirks { automatic_status: false, ..EVERYTHING },
        buffer_bytes: BUFFER_BYTES_DEFAULT,
    },
    Profile {
        name: "late-answers",
        quirks: Quirks { late_answers: true, ..EVERYTHING },
        buffer_bytes: BUFFER_BYTES_DEFAULT,
    },
    Profile {
        name: "status-when-idle",
        quirks: Quirks { status: StatusAnswers::WhenIdle, ..EVERYTHING },
        buffer_bytes: BUFFER_BYTES_DEFAULT,
    },
    Profile {
        name: "deaf-when-busy",
        quirks: Quirks { status: StatusAnswers::NotWhenBusy, ..EVERYTHING },
        buffer_bytes: BUFFER_BYTES_DEFAULT,
    },
    Profile { name: "tiny-buffer", quirks: EVERYTHING, buffer_bytes: 64 },
    Profile {
        name: "init-clears-buffer",
        quirks: Quirks { init_clears_buffer: true, ..EVERYTHING },
        buffer_bytes: BUFFER_BYTES_DEFAULT,
    },
    Profile {
        name: "cheap",
        quirks: Quirks {
            status: StatusAnswers::WhenIdle,
            automatic_status: false,
            process_id: ProcessId::Printed,
            sensor_query: SensorQuery::AtOnce,
            init_clears_buffer: true,
            ..EVERYTHING
        },
        buffer_bytes: 256,
    },
    Profile {
        name: "answers-nothing",
        quirks: Quirks { status: StatusAnswers::Never, automatic_status: false, ..NO_FENCE },
        buffer_bytes: BUFFER_BYTES_DEFAULT,
    },
];

const NO_FENCE: Quirks =
    Quirks { process_id: ProcessId::Ignored, sensor_query: SensorQuery::Never, ..EVERYTHING };

impl Profile {
    /// By its name.
    pub fn by_name(name: &str) -> Option<&'static Profile> {
        PROFILES.iter().find(|profile| profile.name == name)
    }

    /// The options of such a printer.
    pub fn options(&self) -> PrinterOptions {
        PrinterOptions { quirks: self.quirks, buffer_bytes: self.buffer_bytes, ..PrinterOptions::default() }
    }
}
