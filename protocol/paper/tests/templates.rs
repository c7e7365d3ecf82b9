//! What the templates of this program make of the sample order, at both widths: the bytes for a printer and the picture
//! for people. They are looked at before they are taken over: a diff here is a slip that looks different in every store.
//!
//! `DOCKET_GOLDEN=write cargo nextest run -p docket-paper templates` writes the files in `tests/templates` anew.
//!
//! Bytes are written as people can read them: text as it is, everything else as `\xHH`, a byte that is repeated as
//! `\x00{40}`, a line after each line feed.

use docket_paper::escpos::{Dialect, encode};
use docket_paper::font::Fonts;
use docket_paper::layout::{Marks, lay_out};
use docket_paper::line::Line;
use docket_paper::template::{Template, TemplateKind, View, sample};
use docket_paper::test_page::TestPage;
use docket_paper::{Paper, picture, png, text};
use docket_protocol::document::Image;
use docket_protocol::ids::UnixMs;
use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// The fonts that the pictures are drawn with, so that they are the same everywhere; with a character of each, and the
/// Debian package that has it.
const FONTS: [(&str, char, &str); 2] = [
    ("/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf", 'A', "fonts-dejavu-core"),
    ("/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf", '单', "fonts-droid-fallback"),
];
const LINE_FEED: u8 = 0x0A;
/// As many equal bytes are written shorter.
const RUN_MIN: usize = 4;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates").join(name)
}

fn is_written_anew() -> bool {
    env::var_os("DOCKET_GOLDEN").is_some_and(|wish| wish == "write")
}

/// Its width and its own font's glyphs.
fn papers() -> [(u16, Paper); 2] {
    [(58, Paper::Mm58), (80, Paper::Mm80)]
}

fn fonts() -> Fonts {
    for (path, character, package) in FONTS {
        let is_there = Fonts::from_files([PathBuf::from(path)]).has(character);
        assert!(is_there, "the font {path} is missing; install the package {package}");
    }
    Fonts::from_files(FONTS.map(|(path, ..)| PathBuf::from(path)))
}

fn lines(kind: TemplateKind, paper: Paper) -> Vec<Line> {
    let document = Template::default_of(kind).render(&sample::preview(kind, paper)).unwrap();
    lay_out(&document, paper, &Marks::default())
}

/// Bytes as text: see the module's words.
fn readable(bytes: &[u8]) -> String {
    let mut out = String::new();
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        let run = bytes[at..].iter().take_while(|&&next| next == byte).count();
        if let Some(character) = chinese(&bytes[at..]) {
            out.push(character);
            at += 2;
        } else if run >= RUN_MIN && !(b'!'..=b'~').contains(&byte) && byte != b' ' {
            write!(out, "\\x{byte:02X}{{{run}}}").unwrap();
            at += run;
        } else {
            match byte {
                LINE_FEED => out.push_str("\\n\n"),
                b' '..=b'~' if byte != b'\\' => out.push(char::from(byte)),
                _ => write!(out, "\\x{byte:02X}").unwrap(),
            }
            at += 1;
        }
    }
    out.push('\n');
    out
}

/// The Chinese character with which the bytes begin, if it is one that goes back to the same bytes.
fn chinese(bytes: &[u8]) -> Option<char> {
    let pair = bytes.get(..2)?;
    let (decoded, has_errors) = encoding_rs::GB18030.decode_without_bom_handling(pair);
    let character = decoded.chars().next().filter(|_| !has_errors && decoded.chars().count() == 1)?;
    let mut back = Vec::new();
    text::push_gb18030(character.encode_utf8(&mut [0; 4]), &mut back);
    (back == pair).then_some(character)
}

fn decoded(file: &Path) -> Option<Image> {
    let file = fs::File::open(file).ok()?;
    let mut reader = ::png::Decoder::new(std::io::BufReader::new(file)).read_info().ok()?;
    let mut rows = vec![0; reader.output_buffer_size()?];
    let frame = reader.next_frame(&mut rows).ok()?;
    rows.truncate(frame.buffer_size());
    // One bit a dot, and 1 is white.
    rows.iter_mut().for_each(|byte| *byte = !*byte);
    Some(Image { width_dots: u16::try_from(frame.width).ok()?, rows })
}

#[test]
fn bytes_are_as_they_were() {
    let mut fonts = fonts();
    for kind in TemplateKind::ALL {
        for (width, paper) in papers() {
            let name = format!("{}-{width}.txt", kind.as_str());
            let encoded = encode(&lines(kind, paper), paper, &Dialect::default(), &mut fonts);
            let shown = readable(&encoded.bytes);
            if is_written_anew() {
                fs::write(golden(&name), &shown).unwrap();
            }
            let expected = fs::read_to_string(golden(&name)).unwrap_or_default();
            let differs = shown.lines().zip(expected.lines()).position(|(shown, expected)| shown != expected);
            assert!(shown == expected, "{name} from line {:?} on:\n{shown}", differs.map(|line| line + 1));
        }
    }
}

#[test]
fn pictures_are_as_they_were() {
    let mut fonts = fonts();
    for kind in TemplateKind::ALL {
        for (width, paper) in papers() {
            let name = format!("{}-{width}.png", kind.as_str());
            let image = picture::draw(&lines(kind, paper), paper, &mut fonts);
            if is_written_anew() {
                fs::write(golden(&name), png::encode(&image)).unwrap();
            }
            let Some(expected) = decoded(&golden(&name)) else { panic!("{name} is missing or no PNG") };
            if image == expected {
                continue;
            }
            // Next to the expected one, for whoever has to look.
            let seen = env::temp_dir().join(&name);
            fs::write(&seen, png::encode(&image)).unwrap();
            panic!("{name} is drawn differently; what is drawn now is in {}", seen.display());
        }
    }
}

#[test]
fn nothing_is_wider_than_the_paper() {
    for kind in TemplateKind::ALL {
        for view in sample::views(kind) {
            let document = Template::default_of(kind).render(&view).unwrap();
            for (width, paper) in papers() {
                for line in lay_out(&document, paper, &Marks::default()) {
                    if let Line::Text { text, style, .. } = &line {
                        let columns = text::columns(text) * usize::from(style.width);
                        assert!(columns <= usize::from(paper.columns()), "{kind:?} {width}: {text:?}");
                    }
                }
            }
        }
    }
}

/// What an agent prints is what the hub shows.
#[test]
fn a_test_page_is_the_same_without_a_template() {
    let full = TestPage {
        store: "人民路店".into(),
        printer: "前台".into(),
        address: "192.168.1.50:9100".into(),
        model: "TM-T82III".into(),
        made_at: UnixMs(1_795_000_000_000),
        ..TestPage::default()
    };
    let bare = TestPage { store: String::new(), model: String::new(), ..full.clone() };
    let odd = "[cut] |9> {{ total }} \\[ ￥".to_owned();
    let odd = TestPage {
        store: odd.clone(),
        printer: odd.clone(),
        address: odd.clone(),
        model: odd,
        ..full.clone()
    };
    let late = TestPage { made_at: UnixMs(i64::MAX), ..full.clone() };
    for page in [full, bare, odd, late] {
        for (paper_mm, paper) in papers() {
            let page = TestPage { paper_mm, columns: paper.columns(), ..page.clone() };
            let by_template =
                Template::default_of(TemplateKind::Test).render(&View::test_page(&page)).unwrap();
            assert_eq!(page.document(), by_template);
        }
    }
}
