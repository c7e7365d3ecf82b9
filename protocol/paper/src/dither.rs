//! Greys as dots: a picture is made smaller by area and becomes black and white by spreading each dot's error to its
//! neighbours (Floyd and Steinberg 1976), in alternating directions, so that grey areas show no stripes.
//!
//! Pictures that are black and white already and too wide go the same way: a threshold would turn a dithered
//! photograph into blots, and loses every thin line.

use crate::raster::{Area, Canvas, Ink, black_dots};
use docket_protocol::document::Image;

const WHITE: u8 = 255;

/// A picture in greys, 0 is black.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grey {
    width: usize,
    /// Row after row.
    dots: Vec<u8>,
}

impl Grey {
    /// A picture of whole rows; `None` where there is none, or where the last row is not whole.
    pub fn new(width_dots: u16, dots: Vec<u8>) -> Option<Self> {
        let width = usize::from(width_dots);
        (width > 0 && !dots.is_empty() && dots.len().is_multiple_of(width)).then_some(Grey { width, dots })
    }

    /// Rows.
    pub fn height_dots(&self) -> usize {
        self.dots.len() / self.width
    }

    /// As wide as given, at most as wide as it is; the height follows.
    #[must_use]
    pub fn reduced_to(self, width_dots: u16) -> Self {
        let width = usize::from(width_dots).clamp(1, self.width);
        if width == self.width {
            return self;
        }
        let (from_width, from_height) = (self.width, self.height_dots());
        let height = ((from_height * width + from_width / 2) / from_width).max(1);
        let narrow: Vec<u8> = self.dots.chunks_exact(from_width).flat_map(|row| shrink(row, width)).collect();
        let mut dots = vec![0; width * height];
        let mut column = Vec::with_capacity(from_height);
        for x in 0..width {
            column.clear();
            column.extend(narrow.iter().skip(x).step_by(width));
            for (y, dot) in shrink(&column, height).into_iter().enumerate() {
                dots[y * width + x] = dot;
            }
        }
        Grey { width, dots }
    }

    /// As dots.
    pub fn dithered(&self) -> Image {
        let width = self.width;
        let mut canvas = Canvas::new(u16::try_from(width).unwrap_or(u16::MAX), self.height_dots());
        // Errors in sixteenths, with a place on each side for what falls off the edge.
        let mut here = vec![0_i32; width + 2];
        let mut below = vec![0_i32; width + 2];
        for (y, row) in self.dots.chunks_exact(width).enumerate() {
            below.fill(0);
            for step in 0..width {
                let backwards = y % 2 == 1;
                let x = if backwards { width - 1 - step } else { step };
                let wanted = i32::from(row[x]) * 16 + here[x + 1];
                let is_black = wanted < 16 * 128;
                if is_black {
                    canvas.fill(Area { x, y, width: 1, height: 1 }, Ink::Black);
                }
                let error = (wanted - if is_black { 0 } else { 16 * i32::from(WHITE) }) / 16;
                let (ahead, behind) = if backwards { (x, x + 2) } else { (x + 2, x) };
                here[ahead] += error * 7;
                below[behind] += error * 3;
                below[x + 1] += error * 5;
                below[ahead] += error;
            }
            std::mem::swap(&mut here, &mut below);
        }
        canvas.into_image()
    }
}

/// A black and white picture made as narrow as given.
pub fn reduce(image: &Image, width_dots: u16) -> Image {
    let width = usize::from(image.width_dots);
    let mut dots = vec![WHITE; width * image.height_dots()];
    for (y, row) in image.rows.chunks_exact(image.row_bytes().max(1)).enumerate() {
        for x in black_dots(row).take_while(|&x| x < width) {
            dots[y * width + x] = 0;
        }
    }
    match Grey::new(image.width_dots, dots) {
        Some(grey) => grey.reduced_to(width_dots).dithered(),
        None => Image::default(),
    }
}

/// Fewer dots, each the mean of those that it covers, by the share that it covers.
fn shrink(dots: &[u8], count: usize) -> Vec<u8> {
    // In units of 1/count of an old dot a new one is dots.len() long and an old one count.
    let length = dots.len();
    (0..count)
        .map(|new| {
            let (start, end) = (new * length, (new + 1) * length);
            let sum: usize = (start / count..end.div_ceil(count))
                .map(|old| {
                    let covered = ((old + 1) * count).min(end) - (old * count).max(start);
                    covered * usize::from(dots[old])
                })
                .sum();
            u8::try_from((sum + length / 2) / length).unwrap_or(WHITE)
        })
        .collect()
}
