//! What all viewers see at a moment, rendered once. Pure: [`super::live`] takes the snapshots and sends.
//!
//! A frame follows from the one before: a section whose text is the same keeps its version, so that each viewer
//! is sent only what it has not seen, however many frames it has missed. That is all the coalescing there is:
//! a slow viewer skips frames and holds up nobody.

use super::language::Language;
use super::page::SECTIONS;
use super::snapshot::Snapshot;
use docket_protocol::ids::UnixMs;
use std::sync::Arc;
use std::time::Duration;

/// The shortest time between two frames.
pub const FRAME_GAP_MIN: Duration = Duration::from_millis(250);
/// The longest time between two frames: orders become late, and what agents said becomes old, by time alone.
pub const FRAME_GAP_MAX: Duration = Duration::from_secs(5);

/// The number of sections.
pub const PARTS: usize = SECTIONS.len();

/// How long after a frame the next one is due.
pub fn gap(something_changed: bool) -> Duration {
    if something_changed { FRAME_GAP_MIN } else { FRAME_GAP_MAX }
}

/// A section's text.
#[derive(Debug, Clone)]
pub struct Part {
    /// Rises with each change of the text; 0 is no text.
    pub version: u64,
    /// HTML.
    pub html: Arc<str>,
}

/// All sections at a moment.
#[derive(Debug, Default)]
pub struct Frame {
    /// When the snapshot was taken, the last that could be.
    pub taken_at: Option<UnixMs>,
    /// Why there is no newer one.
    pub trouble: Option<String>,
    versions: u64,
    // By language; only of those that somebody reads.
    parts: [Option<[Part; PARTS]>; 2],
}

impl Frame {
    /// The frame after this one.
    #[must_use]
    pub fn next(&self, snapshot: &Snapshot, read: [bool; 2]) -> Self {
        let mut versions = self.versions;
        let mut render = |language: Language| {
            let former = self.parts[language.index()].as_ref();
            read[language.index()].then(|| {
                std::array::from_fn(|index| {
                    let html = SECTIONS[index].render(snapshot, language).into_string();
                    match former.map(|parts| &parts[index]) {
                        Some(part) if *part.html == *html => part.clone(),
                        _ => {
                            versions += 1;
                            Part { version: versions, html: html.into() }
                        }
                    }
                })
            })
        };
        let parts = Language::ALL.map(&mut render);
        Frame { taken_at: Some(snapshot.at), trouble: None, versions, parts }
    }

    /// The frame after this one where no snapshot could be taken: the same, and it says so.
    #[must_use]
    pub fn troubled(&self, cause: String) -> Self {
        Frame {
            taken_at: self.taken_at,
            trouble: Some(cause),
            versions: self.versions,
            parts: self.parts.clone(),
        }
    }

    /// What a viewer has not seen who has `seen` these versions: (index in [`SECTIONS`], part).
    pub fn unseen(&self, language: Language, seen: &[u64; PARTS]) -> Vec<(usize, Part)> {
        let parts = self.parts[language.index()].iter().flatten().enumerate();
        parts
            .filter(|(index, part)| part.version != seen[*index])
            .map(|(i, part)| (i, part.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::page::Section;
    use super::super::sample;
    use super::*;

    const ZH: [bool; 2] = [true, false];

    fn names(unseen: &[(usize, Part)]) -> Vec<&'static str> {
        unseen.iter().map(|(index, _)| SECTIONS[*index].name()).collect()
    }

    #[test]
    fn a_viewer_is_sent_only_what_has_changed() {
        let mut snapshot = sample::snapshot();
        let first = Frame::default().next(&snapshot, ZH);
        let mut seen = [0; PARTS];
        let all = first.unseen(Language::Zh, &seen);
        assert_eq!(all.len(), PARTS);
        for (index, part) in all {
            seen[index] = part.version;
        }
        snapshot.at.0 += 2_000;
        let second = first.next(&snapshot, ZH);
        assert!(second.unseen(Language::Zh, &seen).is_empty());
        snapshot.alarms.clear();
        let third = second.next(&snapshot, ZH);
        assert_eq!(names(&third.unseen(Language::Zh, &seen)), ["summary", "alarms"]);
        // Who has missed frames gets the newest text of each section, once.
        snapshot.stores.clear();
        let fourth = third.next(&snapshot, ZH);
        let missed = fourth.unseen(Language::Zh, &seen);
        assert!(names(&missed).contains(&Section::Stores.name()) && missed.len() <= PARTS);
    }

    #[test]
    fn lateness_comes_without_any_event() {
        let mut snapshot = sample::snapshot();
        let mut open = sample::order("20", sample::AT.0 - 9_000);
        open.tickets = vec![sample::ticket("queued", sample::AT.0 - 9_000)];
        snapshot.orders = vec![sample::line(open.clone())];
        let first = Frame::default().next(&snapshot, ZH);
        let seen = std::array::from_fn(|index| first.unseen(Language::Zh, &[0; PARTS])[index].1.version);
        snapshot.at.0 += 2_000;
        snapshot.orders[0].late = super::super::late::of_order(&open, snapshot.at);
        let changed = first.next(&snapshot, ZH).unseen(Language::Zh, &seen);
        assert_eq!(names(&changed), ["summary", "orders"]);
    }

    #[test]
    fn a_language_that_nobody_reads_is_not_rendered() {
        let snapshot = sample::snapshot();
        let frame = Frame::default().next(&snapshot, ZH);
        assert!(frame.unseen(Language::En, &[0; PARTS]).is_empty());
        let frame = frame.next(&snapshot, [true, true]);
        assert_eq!(frame.unseen(Language::En, &[0; PARTS]).len(), PARTS);
    }

    #[test]
    fn trouble_keeps_the_last_text_and_its_age() {
        let frame = Frame::default().next(&sample::snapshot(), ZH).troubled("storage-full".into());
        assert_eq!((frame.taken_at, frame.trouble.as_deref()), (Some(sample::AT), Some("storage-full")));
        assert_eq!(frame.unseen(Language::Zh, &[0; PARTS]).len(), PARTS);
        assert_eq!(frame.next(&sample::snapshot(), ZH).trouble, None);
    }
}
