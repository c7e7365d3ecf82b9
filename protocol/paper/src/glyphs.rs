//! Where the shapes of characters come from. A printer has its own; whoever draws needs others.

use docket_protocol::document::Image;

/// A source of shapes.
pub trait Glyphs {
    /// The shape of a character, as large as the cell that it stands in; `None` where there is none. It is never asked
    /// for a space.
    fn glyph(&mut self, character: char, width_dots: u16, height_dots: u16) -> Option<Image>;
}

/// No shapes at all: what the unit lacks becomes a placeholder, pictures show boxes.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoGlyphs;

impl Glyphs for NoGlyphs {
    fn glyph(&mut self, _: char, _: u16, _: u16) -> Option<Image> {
        None
    }
}
