//! Characters that came out as boxes: neither the printer nor the PC's fonts have them.
//!
//! It is said which, since that tells what is to be put on the PC, and without what stood around them: alone and in
//! the order of their codes, a customer's note or name cannot be read from them. A few are enough to tell.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Characters that are named; of further ones it is said how many.
pub const BOXES_SHOWN_MAX: usize = 16;
/// The longest text: those, `…+`, and how many characters there are in the world.
const TEXT_CHARACTERS_MAX: usize = BOXES_SHOWN_MAX + 2 + 7;

/// Which characters of a ticket came out as boxes, as a text: `😀🥟`, and `…+3` where there are more.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "String")]
pub struct Boxes(String);

impl Boxes {
    /// Of these characters.
    pub fn of(characters: &BTreeSet<char>) -> Self {
        let mut text: String = characters.iter().take(BOXES_SHOWN_MAX).collect();
        if characters.len() > BOXES_SHOWN_MAX {
            text.push_str(&format!("…+{}", characters.len() - BOXES_SHOWN_MAX));
        }
        Boxes(text)
    }

    /// As storage and interfaces have it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether everything came out as it was meant.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A peer's or a store's word: no longer than our own would be, and nothing that is not shown.
impl From<String> for Boxes {
    fn from(text: String) -> Self {
        Boxes(text.chars().filter(|character| !character.is_control()).take(TEXT_CHARACTERS_MAX).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{payload, read_payload};

    #[test]
    fn few_are_named_and_the_rest_is_counted() {
        let boxes = |characters: &str| Boxes::of(&characters.chars().collect());
        assert!(boxes("").is_empty());
        assert_eq!(boxes("🥟😀🥟").as_str(), "😀🥟");
        let many: String = ('\u{20000}'..).take(BOXES_SHOWN_MAX + 3).collect();
        assert_eq!(boxes(&many).as_str(), many.chars().take(BOXES_SHOWN_MAX).collect::<String>() + "…+3");
        let all: BTreeSet<char> = ('\0'..=char::MAX).collect();
        let longest = Boxes::of(&all);
        assert!(longest.as_str().chars().count() <= TEXT_CHARACTERS_MAX, "{longest:?}");
    }

    #[test]
    fn a_peers_word_is_bounded_and_bare() {
        let read = |text: &str| read_payload::<Boxes>(&payload(&text.to_owned())).unwrap();
        assert_eq!(read("😀…+3").as_str(), "😀…+3");
        assert_eq!(read("\u{1b}[2J😀\n").as_str(), "[2J😀");
        assert_eq!(read(&"😀".repeat(100_000)).as_str().chars().count(), TEXT_CHARACTERS_MAX);
    }
}
