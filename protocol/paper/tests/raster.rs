//! No image can say anything to a unit.

use docket_paper::Paper;
use docket_paper::escpos::{Dialect, encode};
use docket_paper::glyphs::NoGlyphs;
use docket_paper::layout::{Marks, lay_out};
use docket_paper::line::Line;
use docket_paper::raster::{BAND_ROWS, has_real_time, push_bands, trim_right};
use docket_protocol::document::{Align, Block, Document, Image};
use proptest::prelude::*;

/// Images full of what units look for.
fn image() -> impl Strategy<Value = Image> {
    const SOUGHT: [u8; 8] = [0x10, 0x10, 0x10, 0x10, 0x04, 0x05, 0x14, 0x00];
    let rows_max = BAND_ROWS + BAND_ROWS / 4;
    (1_u16..=640).prop_flat_map(move |width_dots| {
        let row_bytes = usize::from(width_dots).div_ceil(8);
        prop::collection::vec(any::<u8>(), 0..row_bytes * rows_max).prop_map(move |mut rows| {
            for byte in rows.iter_mut().filter(|byte| **byte < 200) {
                *byte = SOUGHT[usize::from(*byte) % SOUGHT.len()];
            }
            Image { width_dots, rows }
        })
    })
}

fn bands(image: &Image) -> Vec<u8> {
    let mut out = Vec::new();
    push_bands(image, &mut out);
    out
}

/// The rows of GS v 0 commands, one below the other, and how many rows each has.
fn read_bands(mut bytes: &[u8]) -> (usize, Vec<u8>, Vec<usize>) {
    let (mut row_bytes, mut rows, mut heights) = (0, Vec::new(), Vec::new());
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_at(8);
        assert_eq!(&head[..4], b"\x1dv0\0");
        row_bytes = usize::from(u16::from_le_bytes([head[4], head[5]]));
        let height = usize::from(u16::from_le_bytes([head[6], head[7]]));
        let (band, rest) = rest.split_at(row_bytes * height);
        rows.extend_from_slice(band);
        heights.push(height);
        bytes = rest;
    }
    (row_bytes, rows, heights)
}

proptest! {
    #[test]
    fn no_image_holds_a_real_time_command(image in image()) {
        let bytes = bands(&image);
        prop_assert!(!has_real_time(&bytes));
        prop_assert!(!has_real_time(&bands(&trim_right(&image))));
        let (row_bytes, rows, heights) = read_bands(&bytes);
        let whole = image.height_dots() * image.row_bytes();
        prop_assert!(heights.iter().all(|&height| (1..=BAND_ROWS).contains(&height)));
        if whole > 0 {
            prop_assert_eq!(row_bytes, image.row_bytes());
        }
        // Dots are only added, one for each sequence at most, and none is taken away.
        prop_assert_eq!(rows.len(), whole);
        let sequences = image.rows[..whole].windows(2).filter(|pair| has_real_time(pair)).count();
        let changed = rows.iter().zip(&image.rows).filter(|(after, before)| after != before).count();
        prop_assert_eq!(changed, sequences);
        prop_assert!(rows.iter().zip(&image.rows).all(|(after, before)| after & before == *before));
    }

    #[test]
    fn every_image_fits_the_paper_and_is_sent_as_it_is_shown(image in image()) {
        let block = Block::Image { image: image.clone(), align: Align::Center };
        let document = Document { blocks: vec![block] };
        for paper in [Paper::Mm80, Paper::Mm58] {
            let lines = lay_out(&document, paper, &Marks::default());
            if image.height_dots() == 0 {
                prop_assert_eq!(lines, []);
                continue;
            }
            let [Line::Image { image: shown, .. }] = &lines[..] else { panic!("{lines:?}") };
            prop_assert!(shown.width_dots <= paper.dots());
            prop_assert!(image.width_dots > paper.dots() || shown.width_dots == image.width_dots);
            let bytes = encode(&lines, paper, &Dialect::default(), &mut NoGlyphs).bytes;
            prop_assert!(!has_real_time(&bytes));
            let raster = bytes.windows(4).position(|window| window == b"\x1dv0\0").unwrap();
            let end = bytes.len() - 3;
            let (_, rows, _) = read_bands(&bytes[raster..end]);
            prop_assert_eq!(&rows, &shown.rows);
        }
    }
}

#[test]
fn what_stands_beside_a_picture_is_not_printed() {
    let image = Image { width_dots: 4, rows: vec![0xFF, 0xFF] };
    let document = Document { blocks: vec![Block::Image { image, align: Align::Left }] };
    let lines = lay_out(&document, Paper::Mm58, &Marks::default());
    let shown = Image { width_dots: 4, rows: vec![0xF0, 0xF0] };
    assert_eq!(lines, [Line::Image { image: shown, align: Align::Left }]);
}

#[test]
fn a_picture_that_is_too_wide_is_made_smaller_not_cut() {
    // Left half black, right half white, twice as wide as the paper.
    let row: Vec<u8> = [[0xFF; 48], [0x00; 48]].concat();
    let image = Image { width_dots: 768, rows: row.repeat(100) };
    let document = Document { blocks: vec![Block::Image { image, align: Align::Left }] };
    let lines = lay_out(&document, Paper::Mm58, &Marks::default());
    let row: Vec<u8> = [[0xFF; 24], [0x00; 24]].concat();
    let shown = Image { width_dots: 384, rows: row.repeat(50) };
    assert_eq!(lines, [Line::Image { image: shown, align: Align::Left }]);
}
