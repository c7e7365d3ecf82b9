//! Pictures as PNG files, one bit a dot.

use docket_protocol::document::Image;

/// A picture as a PNG file. PNG knows no empty pictures: one is a single white dot.
pub fn encode(image: &Image) -> Vec<u8> {
    let (width, height) =
        (u32::from(image.width_dots), u32::try_from(image.height_dots()).unwrap_or(u32::MAX));
    if width == 0 || height == 0 {
        return encode(&Image { width_dots: 1, rows: vec![0] });
    }
    let whole = image.height_dots() * image.row_bytes();
    // In greys of one bit 1 is white.
    let rows: Vec<u8> = image.rows[..whole].iter().map(|byte| !byte).collect();
    let mut out = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut out, width, height);
    encoder.set_color(::png::ColorType::Grayscale);
    encoder.set_depth(::png::BitDepth::One);
    encoder
        .write_header()
        .and_then(|mut writer| {
            writer.write_image_data(&rows)?;
            writer.finish()
        })
        .expect("memory takes all bytes, and there are as many as the header says");
    out
}
