//! Black and white dots: drawn on, and sent as raster.
//!
//! # Why some dots are added
//! Units look for real-time commands in every byte that they receive, an image's too: `10 04 01` in the middle of a
//! logo is answered like the question of a driver, `10 14` opens the drawer, `10 05 02` throws the ticket away. So
//! no image goes out that holds the beginning of one: where 10 is followed by 04, 05 or 14, the single dot of the 10
//! becomes two. Splitting the image there was rejected: a unit forgets nothing between two commands that
//! follow each other in one row.
//!
//! # Bands
//! An image goes out in bands of [`BAND_ROWS`], each a command of its own that leaves no gap. Clones have buffers of
//! 4 KiB and less, and some print an image only when they have all of it.

use docket_protocol::document::Image;

/// Rows of one band: at most 1,728 bytes on 80 mm.
pub const BAND_ROWS: usize = 24;
/// GS v 0 at normal size.
const RASTER: [u8; 4] = [0x1D, 0x76, 0x30, 0x00];
const DLE: u8 = 0x10;
/// What makes a command of DLE: EOT, ENQ, DC4.
const AFTER_DLE: [u8; 3] = [0x04, 0x05, 0x14];
/// DLE's dot and its neighbour.
const DLE_WITH_DOT: u8 = 0x18;

/// Whether a unit would find the beginning of a real-time command.
pub fn has_real_time(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair[0] == DLE && AFTER_DLE.contains(&pair[1]))
}

/// Adds a dot wherever a unit would find the beginning of a real-time command.
pub fn make_harmless(rows: &mut [u8]) {
    for at in 1..rows.len() {
        if rows[at - 1] == DLE && AFTER_DLE.contains(&rows[at]) {
            rows[at - 1] = DLE_WITH_DOT;
        }
    }
}

/// Drops what does not fill a row, and whatever stands right of the picture.
pub fn make_whole(image: &mut Image) {
    let row_bytes = image.row_bytes();
    image.rows.truncate(image.height_dots() * row_bytes);
    let spare = row_bytes * 8 - usize::from(image.width_dots);
    if spare > 0 {
        for row in image.rows.chunks_exact_mut(row_bytes) {
            row[row_bytes - 1] &= 0xFF << spare;
        }
    }
}

/// Appends the commands that print the whole rows of an image.
pub fn push_bands(image: &Image, out: &mut Vec<u8>) {
    let row_bytes = image.row_bytes();
    if row_bytes == 0 {
        return;
    }
    let mut rows = image.rows[..image.height_dots() * row_bytes].to_vec();
    make_harmless(&mut rows);
    out.reserve(rows.len() + rows.len() / (BAND_ROWS * row_bytes) * RASTER.len() * 2);
    for band in rows.chunks(BAND_ROWS * row_bytes) {
        out.extend_from_slice(&RASTER);
        // A row has at most 8 KiB, and a band few rows.
        for number in [row_bytes, band.len() / row_bytes] {
            out.extend_from_slice(&u16::try_from(number).unwrap_or(u16::MAX).to_le_bytes());
        }
        out.extend_from_slice(band);
    }
}

/// Paper to draw on. What lies outside is not drawn.
#[derive(Debug)]
pub struct Canvas {
    width: usize,
    height: usize,
    row_bytes: usize,
    rows: Vec<u8>,
}

/// Dots side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// From the left.
    pub x: usize,
    /// From the top.
    pub y: usize,
    /// To the right.
    pub width: usize,
    /// Downwards.
    pub height: usize,
}

/// What becomes of dots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Burnt.
    Black,
    /// Left as paper.
    White,
}

impl Canvas {
    /// White paper.
    pub fn new(width_dots: u16, height_dots: usize) -> Self {
        let row_bytes = usize::from(width_dots).div_ceil(8);
        Canvas {
            width: usize::from(width_dots),
            height: height_dots,
            row_bytes,
            rows: vec![0; row_bytes * height_dots],
        }
    }

    /// Colours all dots of an area.
    pub fn fill(&mut self, area: Area, ink: Ink) {
        let right = (area.x + area.width).min(self.width);
        for y in area.y..(area.y + area.height).min(self.height) {
            for x in area.x..right {
                self.dot(x, y, ink);
            }
        }
    }

    /// Colours the dots that are black in an image.
    pub fn stamp(&mut self, image: &Image, x: usize, y: usize, ink: Ink) {
        let row_bytes = image.row_bytes().max(1);
        for (down, row) in image.rows.chunks_exact(row_bytes).enumerate() {
            for across in black_dots(row).take_while(|&across| across < usize::from(image.width_dots)) {
                self.dot(x + across, y + down, ink);
            }
        }
    }

    /// What was drawn.
    pub fn into_image(self) -> Image {
        Image { width_dots: u16::try_from(self.width).unwrap_or(u16::MAX), rows: self.rows }
    }

    fn dot(&mut self, x: usize, y: usize, ink: Ink) {
        if x < self.width && y < self.height {
            let byte = &mut self.rows[y * self.row_bytes + x / 8];
            let bit = 0x80 >> (x % 8);
            match ink {
                Ink::Black => *byte |= bit,
                Ink::White => *byte &= !bit,
            }
        }
    }
}

/// Where a row is black, from the left.
pub fn black_dots(row: &[u8]) -> impl Iterator<Item = usize> {
    row.iter().enumerate().filter(|(_, byte)| **byte != 0).flat_map(|(at, byte)| {
        (0..8).filter(move |bit| byte & (0x80 >> bit) != 0).map(move |bit| at * 8 + bit)
    })
}

/// A picture without the white at its right edge.
pub fn trim_right(image: &Image) -> Image {
    let row_bytes = image.row_bytes().max(1);
    let kept = image
        .rows
        .chunks_exact(row_bytes)
        .map(|row| row.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1))
        .max()
        .unwrap_or(0)
        .max(1);
    let rows = image.rows.chunks_exact(row_bytes).flat_map(|row| &row[..kept]).copied().collect();
    Image { width_dots: u16::try_from(kept * 8).unwrap_or(u16::MAX), rows }
}
