//! Where the shapes of characters come from. A printer has its own; whoever draws needs others.

use docket_protocol::document::Image;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Shapes that are remembered at most: a rush has a few dozen, of some hundred bytes each.
pub const REMEMBERED_MAX: usize = 512;
/// How long they are: a font that was installed meanwhile is seen after that.
pub const REMEMBERED_MS_MAX: u64 = 60_000;

/// A source of shapes.
pub trait Glyphs {
    /// The shape of a character, as large as the cell that it stands in; `None` where there is none. It is never asked
    /// for a space.
    fn glyph(&mut self, character: char, width_dots: u16, height_dots: u16) -> Option<Image>;
}

/// Shapes that were looked up lately, and those that were not found: the same few emoji come with order after order, and
/// finding one may take opening all fonts of the machine.
#[derive(Debug, Default)]
pub struct Remembered {
    shapes: HashMap<(char, u16, u16), Option<Image>>,
    since: Option<Instant>,
}

impl Remembered {
    /// The same shapes as from `source`, which is asked only for what is not remembered.
    pub fn before<'a>(&'a mut self, source: &'a mut dyn Glyphs) -> impl Glyphs + use<'a> {
        let since = *self.since.get_or_insert_with(Instant::now);
        if self.shapes.len() >= REMEMBERED_MAX || since.elapsed() >= Duration::from_millis(REMEMBERED_MS_MAX)
        {
            *self = Self::default();
        }
        Before { remembered: self, source }
    }
}

struct Before<'a> {
    remembered: &'a mut Remembered,
    source: &'a mut dyn Glyphs,
}

impl Glyphs for Before<'_> {
    fn glyph(&mut self, character: char, width_dots: u16, height_dots: u16) -> Option<Image> {
        let shapes = &mut self.remembered.shapes;
        let found = shapes.get(&(character, width_dots, height_dots));
        if found.is_none() && shapes.len() >= REMEMBERED_MAX {
            return self.source.glyph(character, width_dots, height_dots);
        }
        let key = (character, width_dots, height_dots);
        shapes.entry(key).or_insert_with(|| self.source.glyph(character, width_dots, height_dots)).clone()
    }
}

/// No shapes at all: what the unit lacks becomes a placeholder, pictures show boxes.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoGlyphs;

impl Glyphs for NoGlyphs {
    fn glyph(&mut self, _: char, _: u16, _: u16) -> Option<Image> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Has everything but `x`, and counts how often it was asked.
    struct Counting(usize);

    impl Glyphs for Counting {
        fn glyph(&mut self, character: char, width_dots: u16, _: u16) -> Option<Image> {
            self.0 += 1;
            (character != 'x').then(|| Image { width_dots, rows: vec![0xFF] })
        }
    }

    #[test]
    fn what_was_found_or_not_is_looked_up_once() {
        let (mut source, mut remembered) = (Counting(0), Remembered::default());
        for _ in 0..3 {
            let mut glyphs = remembered.before(&mut source);
            assert_eq!(glyphs.glyph('a', 12, 24).map(|image| image.width_dots), Some(12));
            assert_eq!(glyphs.glyph('a', 24, 24).map(|image| image.width_dots), Some(24));
            assert_eq!(glyphs.glyph('x', 12, 24), None);
        }
        assert_eq!(source.0, 3);
    }

    #[test]
    fn it_is_bounded() {
        let (mut source, mut remembered) = (Counting(0), Remembered::default());
        let many = (0..).filter_map(char::from_u32).take(2 * REMEMBERED_MAX);
        for character in many {
            assert_eq!(remembered.before(&mut source).glyph(character, 12, 24).is_some(), character != 'x');
            assert!(remembered.shapes.len() <= REMEMBERED_MAX);
        }
        // Within one ticket, too.
        let mut glyphs = remembered.before(&mut source);
        for character in ('一'..).take(2 * REMEMBERED_MAX) {
            assert!(glyphs.glyph(character, 24, 24).is_some());
        }
        drop(glyphs);
        assert!(remembered.shapes.len() <= REMEMBERED_MAX);
    }
}
