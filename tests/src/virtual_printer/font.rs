//! The fonts that receipts are drawn with.
//!
//! A printer has its glyphs built in; here they are the machine's own. One font with Chinese glyphs is
//! needed; a font with a fixed pitch for single-byte characters makes a better picture and is taken where
//! there is one.

use ab_glyph::{Font as _, FontArc, FontVec};
use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

/// Names the font to draw Chinese with.
pub const FONT_VARIABLE: &str = "DOCKET_FONT";

/// Where Chinese fonts usually are: Debian, Fedora, macOS, Windows.
const CHINESE_FONTS: &[&str] = &[
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/usr/share/fonts/truetype/droid/DroidSansFallback.ttf",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/wqy-zenhei/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/arphic/uming.ttc",
    "/System/Library/Fonts/STHeiti Light.ttc",
    "C:\\Windows\\Fonts\\simsun.ttc",
    "C:\\Windows\\Fonts\\msyh.ttc",
];

/// Where fonts of fixed pitch usually are.
const FIXED_FONTS: &[&str] = &[
    "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf",
    "/usr/share/fonts/dejavu-sans-mono-fonts/DejaVuSansMono.ttf",
    "/usr/share/fonts/TTF/DejaVuSansMono.ttf",
    "/usr/share/fonts/truetype/liberation/LiberationMono-Regular.ttf",
    "/usr/share/fonts/truetype/noto/NotoSansMono-Regular.ttf",
    "/System/Library/Fonts/Menlo.ttc",
    "C:\\Windows\\Fonts\\consola.ttf",
];

/// A font that has this has the others.
const SAMPLE: char = '单';

/// No receipt can be drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FontError {
    /// No font with Chinese glyphs is installed.
    Missing,
    /// The font that [`FONT_VARIABLE`] names cannot be used, and why.
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl FontError {
    /// `font-missing` or `font-unusable`.
    pub fn code(&self) -> &'static str {
        match self {
            FontError::Missing => "font-missing",
            FontError::Unusable { .. } => "font-unusable",
        }
    }
}

impl fmt::Display for FontError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code();
        match self {
            FontError::Missing => write!(
                f,
                "{code}: no font with Chinese glyphs was found; install the package fonts-droid-fallback \
                 (Debian, Ubuntu) or google-noto-sans-cjk-fonts (Fedora), or set {FONT_VARIABLE} to a .ttf, \
                 .ttc or .otf file"
            ),
            FontError::Unusable { path, reason } => write!(
                f,
                "{code}: {} cannot be used: {reason}; set {FONT_VARIABLE} to another font with Chinese \
                 glyphs, or unset it",
                path.display()
            ),
        }
    }
}

impl std::error::Error for FontError {}

/// What receipts are drawn with. Loading takes time and memory: load it once.
#[derive(Debug, Clone)]
pub struct Font {
    pub(super) chinese: FontArc,
    pub(super) fixed: Option<FontArc>,
}

impl Font {
    /// The font that [`FONT_VARIABLE`] names, else the first of the usual ones.
    ///
    /// # Errors
    /// [`FontError`] when there is none.
    pub fn find() -> Result<Font, FontError> {
        let chinese = match env::var_os(FONT_VARIABLE).filter(|path| !path.is_empty()) {
            Some(path) => {
                let path = PathBuf::from(path);
                load(&path, SAMPLE).map_err(|reason| FontError::Unusable { path, reason })?
            }
            None => first(CHINESE_FONTS, SAMPLE).ok_or(FontError::Missing)?,
        };
        Ok(Font { chinese, fixed: first(FIXED_FONTS, 'A') })
    }

    /// Which font has a character: a narrow one is looked for among the fixed ones first.
    pub(super) fn with(&self, character: char, narrow: bool) -> Option<&FontArc> {
        let order = if narrow {
            [self.fixed.as_ref(), Some(&self.chinese)]
        } else {
            [Some(&self.chinese), self.fixed.as_ref()]
        };
        order.into_iter().flatten().find(|font| font.glyph_id(character).0 != 0)
    }
}

fn first(paths: &[&str], sample: char) -> Option<FontArc> {
    paths.iter().find_map(|path| load(Path::new(path), sample).ok())
}

fn load(path: &Path, sample: char) -> Result<FontArc, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let font = FontVec::try_from_vec_and_index(bytes, 0).map_err(|error| error.to_string())?;
    if font.glyph_id(sample).0 == 0 {
        return Err(format!("it has no glyph for {sample}"));
    }
    Ok(FontArc::new(font))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_to_install() {
        let missing = FontError::Missing.to_string();
        assert!(
            missing.starts_with("font-missing: ") && missing.contains("fonts-droid-fallback"),
            "{missing}"
        );
        let unusable =
            FontError::Unusable { path: "/x.ttf".into(), reason: "no such file".into() }.to_string();
        assert!(unusable.contains("/x.ttf") && unusable.contains(FONT_VARIABLE), "{unusable}");
    }

    #[test]
    fn a_file_that_is_no_font_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(load(file.path(), SAMPLE).is_err());
        assert!(load(Path::new("/nowhere.ttf"), SAMPLE).is_err());
    }
}
