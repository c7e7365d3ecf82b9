//! A chain's logo: from a PNG file to dots that a printer can print.

use crate::Paper;
use crate::dither::Grey;
use docket_protocol::document::Image;
use std::io::Cursor;

/// The largest file.
pub const LOGO_BYTES_MAX: usize = 1 << 20;
/// The longest side.
pub const LOGO_SIDE_DOTS_MAX: u32 = 4_096;
/// Dots in all: what is decoded of them takes four times as many bytes.
pub const LOGO_DOTS_MAX: u64 = 4 << 20;
/// The highest logo on paper: 10 cm.
pub const LOGO_HEIGHT_DOTS_MAX: usize = 800;
const WHITE: u32 = 255;

/// Why a file is no logo.
#[derive(Debug, thiserror::Error)]
pub enum LogoError {
    /// More bytes than [`LOGO_BYTES_MAX`].
    #[error("the logo's file has {bytes} bytes, {LOGO_BYTES_MAX} at most are taken")]
    FileTooLarge {
        /// Its bytes.
        bytes: usize,
    },
    /// Not a PNG file, or a damaged one.
    #[error("the logo is not a PNG file that can be read")]
    Unreadable(#[source] png::DecodingError),
    /// More dots than can be taken.
    #[error(
        "the logo has {width_dots} by {height_dots} dots, {LOGO_SIDE_DOTS_MAX} on a side and {LOGO_DOTS_MAX} in all \
         at most are taken"
    )]
    TooManyDots {
        /// Dots across.
        width_dots: u32,
        /// Dots down.
        height_dots: u32,
    },
    /// It would take more paper than [`LOGO_HEIGHT_DOTS_MAX`].
    #[error(
        "the logo would be {height_dots} dots high, {LOGO_HEIGHT_DOTS_MAX} at most are printed: make it wider or cut it"
    )]
    TooHigh {
        /// Dots down on paper.
        height_dots: usize,
    },
}

impl LogoError {
    /// The code that logs and interfaces show.
    pub fn code(&self) -> &'static str {
        match self {
            LogoError::FileTooLarge { .. } => "logo-file-too-large",
            LogoError::Unreadable(_) => "logo-unreadable",
            LogoError::TooManyDots { .. } => "logo-too-many-dots",
            LogoError::TooHigh { .. } => "logo-too-high",
        }
    }

    /// What it is and what to do, for people: (zh-CN, en).
    pub fn remedy(&self) -> (&'static str, &'static str) {
        match self {
            LogoError::FileTooLarge { .. } | LogoError::TooManyDots { .. } => (
                "标志图片过大:请缩小到 576 点宽后再保存",
                "the logo is too large: make it 576 dots wide and save it again",
            ),
            LogoError::Unreadable(_) => {
                ("标志图片无法读取:请另存为 PNG", "the logo cannot be read: save it as PNG")
            }
            LogoError::TooHigh { .. } => {
                ("标志图片过高:请裁剪到 10 厘米以内", "the logo is too high: cut it to 10 cm at most")
            }
        }
    }
}

/// A PNG file as dots: as wide as it is, or as the paper where it is wider. What is transparent stays paper.
///
/// # Errors
/// [`LogoError`] where it is no PNG file or beyond a limit.
pub fn from_png(file: &[u8], paper: Paper) -> Result<Image, LogoError> {
    if file.len() > LOGO_BYTES_MAX {
        return Err(LogoError::FileTooLarge { bytes: file.len() });
    }
    let mut decoder = png::Decoder::new(Cursor::new(file));
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(LogoError::Unreadable)?;
    let (width_dots, height_dots) = reader.info().size();
    let is_too_large = width_dots.max(height_dots) > LOGO_SIDE_DOTS_MAX
        || u64::from(width_dots) * u64::from(height_dots) > LOGO_DOTS_MAX;
    let (false, Some(bytes), Ok(width)) =
        (is_too_large, reader.output_buffer_size(), u16::try_from(width_dots))
    else {
        return Err(LogoError::TooManyDots { width_dots, height_dots });
    };
    let mut samples = vec![0; bytes];
    let frame = reader.next_frame(&mut samples).map_err(LogoError::Unreadable)?;
    samples.truncate(frame.buffer_size());
    let dots = samples.chunks_exact(frame.color_type.samples()).map(grey_of).collect();
    let Some(grey) = Grey::new(width, dots) else {
        return Err(LogoError::TooManyDots { width_dots, height_dots });
    };
    let grey = grey.reduced_to(paper.dots());
    if grey.height_dots() > LOGO_HEIGHT_DOTS_MAX {
        return Err(LogoError::TooHigh { height_dots: grey.height_dots() });
    }
    Ok(grey.dithered())
}

/// Brightness of one dot on white paper, weighted as television did (ITU-R BT.601).
fn grey_of(samples: &[u8]) -> u8 {
    let (brightness, opacity) = match *samples {
        [grey] => (u32::from(grey), WHITE),
        [grey, opacity] => (u32::from(grey), u32::from(opacity)),
        [red, green, blue, ref opacity @ ..] => (
            (u32::from(red) * 299 + u32::from(green) * 587 + u32::from(blue) * 114) / 1_000,
            opacity.first().map_or(WHITE, |&opacity| u32::from(opacity)),
        ),
        [] => (WHITE, WHITE),
    };
    let shown = (brightness * opacity + WHITE * (WHITE - opacity)) / WHITE;
    u8::try_from(shown).unwrap_or(u8::MAX)
}
