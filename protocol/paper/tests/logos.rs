//! Logos: any PNG becomes dots, and what cannot says why.

use docket_paper::Paper;
use docket_paper::logo::{LOGO_BYTES_MAX, LogoError, from_png};
use docket_protocol::document::Image;
use proptest::prelude::*;

fn png(width: u32, height: u32, color: png::ColorType, samples: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(color);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(samples).unwrap();
    writer.finish().unwrap();
    file
}

fn grey(width: u32, height: u32, samples: &[u8]) -> Vec<u8> {
    png(width, height, png::ColorType::Grayscale, samples)
}

fn black(image: &Image) -> u32 {
    image.rows.iter().map(|byte| byte.count_ones()).sum()
}

#[test]
fn black_is_black_and_what_is_transparent_is_paper() {
    let dots = [
        // Black, white, black but transparent, pure blue: dark.
        [0, 0, 0, 255],
        [255, 255, 255, 255],
        [0, 0, 0, 0],
        [0, 0, 255, 255],
    ];
    let logo = from_png(&png(4, 1, png::ColorType::Rgba, &dots.concat()), Paper::Mm58).unwrap();
    assert_eq!(logo, Image { width_dots: 4, rows: vec![0b1001_0000] });
}

#[test]
fn greys_are_as_many_dots() {
    for (level, percent) in [(0, 100), (64, 75), (128, 50), (192, 25), (255, 0)] {
        let logo = from_png(&grey(200, 200, &vec![level; 40_000]), Paper::Mm58).unwrap();
        let found = black(&logo) * 100 / 40_000;
        assert!(found.abs_diff(percent) <= 1, "{level}: {found} % black");
    }
}

#[test]
fn a_wide_logo_is_as_wide_as_the_paper() {
    let logo = from_png(&grey(1_000, 500, &[0; 500_000]), Paper::Mm80).unwrap();
    assert_eq!((logo.width_dots, logo.height_dots()), (576, 288));
    assert_eq!(black(&logo), 576 * 288);
    let small = from_png(&grey(100, 50, &[0; 5_000]), Paper::Mm80).unwrap();
    assert_eq!((small.width_dots, small.height_dots()), (100, 50), "small ones stay as they are");
}

#[test]
fn what_is_no_logo_says_why() {
    let code = |file: &[u8]| from_png(file, Paper::Mm58).unwrap_err().code();
    assert_eq!(code(b""), "logo-unreadable");
    assert_eq!(code(b"GIF89a"), "logo-unreadable");
    let whole = grey(10, 10, &[0; 100]);
    assert_eq!(code(&whole[..whole.len() / 2]), "logo-unreadable");
    assert_eq!(code(&vec![0; LOGO_BYTES_MAX + 1]), "logo-file-too-large");
    assert_eq!(code(&grey(10, 2_000, &[0; 20_000])), "logo-too-high");
    // A small file that says that it is large: refused before anything is made of it.
    let wide = grey(5_000, 1, &[0; 5_000]);
    assert!(matches!(
        from_png(&wide, Paper::Mm58),
        Err(LogoError::TooManyDots { width_dots: 5_000, height_dots: 1 })
    ));
    assert_eq!(code(&grey(4_000, 2_000, &vec![0; 8_000_000])), "logo-too-many-dots");
}

proptest! {
    #[test]
    fn damaged_files_are_refused_or_read(at in 0_usize..200, byte: u8, cut in 0_usize..400) {
        let mut file = grey(40, 40, &(0..1_600).map(|dot| dot as u8).collect::<Vec<_>>());
        let length = file.len();
        file[at % length] = byte;
        file.truncate(length - cut % length);
        if let Ok(logo) = from_png(&file, Paper::Mm58) {
            prop_assert!(logo.width_dots <= 384 && logo.height_dots() > 0);
        }
    }
}
