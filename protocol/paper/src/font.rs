//! Shapes from the fonts that the machine has.
//!
//! No font is shipped: Windows and Linux have Chinese ones, and a whole one is larger than the agent. A font file is
//! mapped when a character is looked for in it, not read: of 20 MB a ticket touches some pages, which the system
//! shares and takes back, and a slow disk is asked for no more than these. With the [`Fonts`] everything goes again.
//!
//! Only outlines are drawn. Fonts with coloured emoji as pictures have none, and are passed over for those that have.

use crate::glyphs::Glyphs;
use crate::raster::{Area, Canvas, Ink};
use crate::text::columns_of;
use crate::{CHARACTER_DOTS, COLUMN_DOTS};
use ab_glyph::{Font, FontRef, Glyph, OutlinedGlyph, PxScale, point};
use docket_protocol::document::Image;
use memmap2::Mmap;
use std::fs::File;
use std::path::PathBuf;

/// Where characters stand, from the top of their cell, in parts of its height.
const BASELINE: f32 = 0.83;
/// Height of a character's em in parts of its cell's height: a Chinese one fills its cell, a Latin one has to be
/// smaller to be no wider than half of it.
const CHINESE_EM: f32 = 0.96;
const LATIN_EM: f32 = 0.83;
/// How much of a dot has to be covered for it to be black.
const COVERAGE_MIN: f32 = 0.45;
/// A font that has this has the others.
const CHINESE_SAMPLE: char = '单';

/// Fonts of fixed pitch for Latin characters, then Chinese ones, then those with rare characters and emoji; each with
/// its number in the file.
#[cfg(not(windows))]
const INSTALLED: &[(&str, u32)] = ON_LINUX;
#[cfg(windows)]
const INSTALLED: &[(&str, u32)] = ON_WINDOWS;
#[cfg(any(not(windows), test))]
const ON_LINUX: &[(&str, u32)] = &[
    ("/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf", 0),
    ("/usr/share/fonts/dejavu-sans-mono-fonts/DejaVuSansMono.ttf", 0),
    ("/usr/share/fonts/TTF/DejaVuSansMono.ttf", 0),
    ("/usr/share/fonts/truetype/liberation/LiberationMono-Regular.ttf", 0),
    ("/usr/share/fonts/truetype/noto/NotoSansMono-Regular.ttf", 0),
    // The third font in Noto's collections is the simplified Chinese one.
    ("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/google-noto-sans-cjk-fonts/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf", 0),
    ("/usr/share/fonts/google-droid-sans-fonts/DroidSansFallbackFull.ttf", 0),
    ("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc", 0),
    ("/usr/share/fonts/wqy-microhei/wqy-microhei.ttc", 0),
    ("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc", 0),
    ("/usr/share/fonts/wqy-zenhei/wqy-zenhei.ttc", 0),
    ("/usr/share/fonts/truetype/arphic/uming.ttc", 0),
    ("/usr/share/fonts/truetype/hanazono/HanaMinA.ttf", 0),
    ("/usr/share/fonts/truetype/hanazono/HanaMinB.ttf", 0),
    ("/usr/share/fonts/truetype/ancient-scripts/Symbola_hint.ttf", 0),
    ("/usr/share/fonts/truetype/noto/NotoEmoji-Regular.ttf", 0),
    ("/usr/share/fonts/truetype/noto/NotoSansSymbols2-Regular.ttf", 0),
    ("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", 0),
    ("/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf", 0),
    ("/usr/share/fonts/TTF/DejaVuSans.ttf", 0),
    // Coarse, but they have nearly everything.
    ("/usr/share/fonts/opentype/unifont/unifont.otf", 0),
    ("/usr/share/fonts/opentype/unifont/unifont_upper.otf", 0),
];
/// The same in the system's folder of fonts.
#[cfg(any(windows, test))]
const ON_WINDOWS: &[(&str, u32)] = &[
    ("consola.ttf", 0),
    ("cour.ttf", 0),
    ("msyh.ttc", 0),
    ("msyh.ttf", 0),
    ("simsun.ttc", 0),
    ("simhei.ttf", 0),
    ("Deng.ttf", 0),
    ("simsunb.ttf", 0),
    ("mingliub.ttc", 0),
    ("seguisym.ttf", 0),
    ("seguiemj.ttf", 0),
    ("arial.ttf", 0),
    ("tahoma.ttf", 0),
    ("malgun.ttf", 0),
];

/// Fonts, looked through in their order, for wide characters the Chinese ones first. Nothing is opened before it is
/// needed.
#[derive(Debug, Default)]
pub struct Fonts {
    faces: Vec<Face>,
}

#[derive(Debug)]
struct Face {
    place: Place,
    /// In the file.
    number: u32,
    file: Opened,
}

#[derive(Debug)]
enum Place {
    /// In the system's folder of fonts.
    Installed(&'static str),
    File(PathBuf),
}

#[derive(Debug)]
enum Opened {
    NotYet,
    /// It is not there, or is no font.
    No,
    Yes {
        map: Mmap,
        is_chinese: bool,
    },
}

impl Fonts {
    /// Those that systems usually have.
    pub fn installed() -> Self {
        let face = |&(name, number): &(&'static str, u32)| Face {
            place: Place::Installed(name),
            number,
            file: Opened::NotYet,
        };
        Fonts { faces: INSTALLED.iter().map(face).collect() }
    }

    /// The given files, the first font of each.
    pub fn from_files(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let face = |path| Face { place: Place::File(path), number: 0, file: Opened::NotYet };
        Fonts { faces: paths.into_iter().map(face).collect() }
    }

    /// Whether there is a shape for a character.
    pub fn has(&mut self, character: char) -> bool {
        self.glyph(character, CHARACTER_DOTS, CHARACTER_DOTS).is_some()
    }
}

impl Glyphs for Fonts {
    fn glyph(&mut self, character: char, width_dots: u16, height_dots: u16) -> Option<Image> {
        let cell = Cell { character, width: f32::from(width_dots), height: f32::from(height_dots) };
        let outline = if columns_of(character) == 1 {
            self.faces.iter_mut().find_map(|face| cell.outline(&face.open()?))
        } else {
            // Signs like × and — are in all fonts, but only Chinese ones draw them as wide as printers do.
            let mut of_kind = |is_chinese| {
                self.faces.iter_mut().find_map(|face| {
                    if face.is_chinese() == is_chinese { cell.outline(&face.open()?) } else { None }
                })
            };
            of_kind(true).or_else(|| of_kind(false))
        }?;
        let mut canvas = Canvas::new(width_dots, usize::from(height_dots));
        let bounds = outline.px_bounds();
        // What is higher than its cell, as many emoji are, is moved into it as far as possible.
        let top = bounds.min.y.min(cell.height - bounds.height()).max(0.0);
        outline.draw(|x, y, coverage| {
            let (x, y) = (f64::from(bounds.min.x) + f64::from(x), f64::from(top) + f64::from(y));
            if coverage >= COVERAGE_MIN && x >= 0.0 {
                // Both are whole numbers and not negative.
                canvas.fill(Area { x: x as usize, y: y as usize, width: 1, height: 1 }, Ink::Black);
            }
        });
        Some(canvas.into_image())
    }
}

impl Face {
    fn open(&mut self) -> Option<FontRef<'_>> {
        if matches!(self.file, Opened::NotYet) {
            let path = match &self.place {
                Place::Installed(name) => fonts_folder().join(name),
                Place::File(path) => path.clone(),
            };
            self.file = match File::open(path).and_then(|file| map(&file)) {
                Ok(map) => match FontRef::try_from_slice_and_index(&map, self.number) {
                    Ok(font) => Opened::Yes { is_chinese: font.glyph_id(CHINESE_SAMPLE).0 != 0, map },
                    Err(_) => Opened::No,
                },
                Err(_) => Opened::No,
            };
        }
        match &self.file {
            Opened::Yes { map, .. } => FontRef::try_from_slice_and_index(map, self.number).ok(),
            Opened::No | Opened::NotYet => None,
        }
    }

    fn is_chinese(&mut self) -> bool {
        self.open().is_some() && matches!(self.file, Opened::Yes { is_chinese: true, .. })
    }
}

fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: a mapping must not change while it is used. These are the system's own fonts: who may write to them may
    // do anything here, and packages replace such files, they do not write into them.
    unsafe { Mmap::map(file) }
}

struct Cell {
    character: char,
    width: f32,
    height: f32,
}

impl Cell {
    /// The shape in its place; `None` where this font has none.
    fn outline(&self, font: &FontRef<'_>) -> Option<OutlinedGlyph> {
        let id = font.glyph_id(self.character);
        if id.0 == 0 {
            return None;
        }
        let em = font.units_per_em()?;
        let columns = columns_of(self.character);
        let em_dots = self.height * if columns == 1 { LATIN_EM } else { CHINESE_EM };
        let advance = font.h_advance_unscaled(id) / em * em_dots;
        // Wider or higher than normal, as the style wants it; no wider than its cell.
        let normal = f32::from(COLUMN_DOTS) * columns as f32 / f32::from(CHARACTER_DOTS);
        let mut across = self.width / self.height / normal;
        if advance * across > self.width || (fills_cell(self.character) && advance > 0.0) {
            across = self.width / advance;
        }
        let down = em_dots * font.height_unscaled() / em;
        font.outline_glyph(Glyph {
            id,
            scale: PxScale { x: down * across, y: down },
            position: point((self.width - advance * across) / 2.0, self.height * BASELINE),
        })
    }
}

/// Dashes and what frames are drawn with: two side by side touch each other.
fn fills_cell(character: char) -> bool {
    matches!(character, '—' | '―' | '\u{2500}'..='\u{257F}')
}

#[cfg(windows)]
fn fonts_folder() -> PathBuf {
    let windows = std::env::var_os("WINDIR").unwrap_or_else(|| "C:\\Windows".into());
    PathBuf::from(windows).join("Fonts")
}

#[cfg(not(windows))]
fn fonts_folder() -> PathBuf {
    PathBuf::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wanted::Wanted;

    /// What Debian's packages bring of what is looked for.
    const PACKAGES: [(&str, &str); 4] = [
        ("fonts-noto-cjk", "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"),
        ("fonts-hanazono", "/usr/share/fonts/truetype/hanazono/HanaMinB.ttf"),
        ("fonts-symbola", "/usr/share/fonts/truetype/ancient-scripts/Symbola_hint.ttf"),
        ("fonts-unifont", "/usr/share/fonts/opentype/unifont/unifont_upper.otf"),
    ];

    #[test]
    fn what_people_are_told_to_install_is_looked_for() {
        let listed = |fonts: &[(&str, u32)], file: &str| fonts.iter().any(|(name, _)| *name == file);
        let mut named = 0;
        for wanted in Wanted::by("盐𠮷😀한") {
            for remedy in [wanted.remedy().0, wanted.remedy().1] {
                let words = remedy.split(|character: char| {
                    !character.is_ascii_alphanumeric() && !matches!(character, '-' | '.')
                });
                for word in words {
                    if word.ends_with(".ttf") || word.ends_with(".ttc") {
                        assert!(listed(ON_WINDOWS, word), "{word}");
                        named += 1;
                    } else if word.starts_with("fonts-") {
                        let file = PACKAGES.iter().find(|(package, _)| *package == word);
                        assert!(file.is_some_and(|(_, file)| listed(ON_LINUX, file)), "{word}");
                        named += 1;
                    }
                }
            }
        }
        assert_eq!(named, 2 * (2 + 2 + 4 + 4));
    }
}
