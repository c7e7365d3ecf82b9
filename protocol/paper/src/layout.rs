//! Layout: a document becomes lines for the width of the paper.
//!
//! Columns are counted in normal characters; a style that is twice as wide has half as many. What does not
//! fit is wrapped, never cut off: a kitchen must see the whole note. What cannot be shown as it was meant (a bar code
//! with letters in its number) is shown as text. Nothing here knows bytes, so a preview can be drawn from the same
//! lines.
//!
//! A document may cut its paper in several slips. Each of them bears the marks: on the counter they go different
//! ways, and one that was printed before must be known for it.

use crate::barcode::Barcode;
use crate::line::Line;
use crate::text::{clean, columns, paragraphs};
use crate::wrap::{cell_widths, push_padded, text_widths, wrap, wrap_cell};
use crate::{LINE_DOTS, Paper, dither, raster};
use docket_protocol::document::{Align, Block, Cell, Document, Image, QR_BYTES_MAX, Style, Symbology};

/// Paper that a ticket takes at most: 45 m, 12,000 lines. The largest order that fits the bounds of the templates needs
/// it: 300 dishes, each in a bag of its own and with a name of many lines, take 39 m of 58 mm. More is a mistake, and
/// says so on the paper: see [`is_cut_short`].
pub const PAPER_DOTS_MAX: u32 = 360_000;
/// The last line of what was longer.
pub(crate) const CUT_SHORT: &str = "……内容过长,未打完……";
const SCALE_MAX: u8 = 8;
const MODULE_DOTS_MAX: u8 = 16;
/// The narrowest bar of a bar code that units make.
const BAR_DOTS_MIN: u8 = 2;
/// The widest.
const BAR_DOTS_MAX: u8 = 6;
const CONNECTORS: u8 = 2;
const BUZZES_MAX: u8 = 9;
/// Light modules around a QR code, on both sides together (ISO/IEC 18004: 4 on each).
const QUIET_MODULES: u16 = 8;

/// What a slip says of itself, before everything else.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Marks {
    /// Above 0: it may have come out before, and says 补打 and this number. The drawer stays shut then.
    pub repeat: u16,
    /// The printer that it was meant for, where it comes out of another: 【备用】 and the name.
    pub backup_for: Option<String>,
    /// Above 0: it comes out so many minutes after it was made, and says 迟到 and how many.
    pub late_min: u32,
}

/// Lays a document out.
pub fn lay_out(document: &Document, paper: Paper, marks: &Marks) -> Vec<Line> {
    let columns = usize::from(paper.columns());
    let mut page =
        Page { paper, columns, marks, lines: Vec::new(), dots: 0, has_paper: false, is_cut_due: false };
    page.marks();
    for block in &document.blocks {
        match block {
            Block::Text { text, style, align } => page.text(text, *style, *align),
            Block::Row { cells, style } => page.row(cells, *style),
            Block::Rule { title } => page.rule(title),
            Block::Feed { lines: 0 } => {}
            Block::Feed { lines } => page.push(Line::Feed(*lines)),
            Block::Qr { data, module_dots } => page.qr(data, *module_dots),
            Block::Image { image, align } => page.image(image, *align),
            Block::Barcode { data, symbology, height_dots, module_dots, caption } => {
                page.barcode(data, *symbology, *height_dots, *module_dots, *caption);
            }
            Block::Cut => page.is_cut_due = page.has_paper,
            Block::Drawer { .. } if marks.repeat > 0 => {}
            Block::Drawer { connector } => {
                page.push(Line::Drawer { connector: (*connector).clamp(1, CONNECTORS) });
            }
            Block::Buzzer { times } => page.push(Line::Buzzer { times: (*times).clamp(1, BUZZES_MAX) }),
        }
        if page.dots > PAPER_DOTS_MAX {
            page.dots = 0;
            page.text(CUT_SHORT, Style::BOLD, Align::Center);
            break;
        }
    }
    page.lines
}

/// Whether these lines are not all of their document. What people read in the last line is what programs go by, so that
/// the two never differ.
pub fn is_cut_short(lines: &[Line]) -> bool {
    let last = lines.last();
    matches!(last, Some(Line::Text { text, style: Style::BOLD, align: Align::Center }) if text == CUT_SHORT)
}

/// `45分钟`, `3小时`, `2天`: as people say it, and so short that it stands in one line of the narrowest paper.
pub fn waited(minutes: u32) -> String {
    const HOUR: u32 = 60;
    const DAY: u32 = 24 * HOUR;
    match minutes {
        ..120 => format!("{minutes}分钟"),
        120..2_880 => format!("{}小时", minutes / HOUR),
        2_880.. => format!("{}天", minutes / DAY),
    }
}

struct Page<'a> {
    paper: Paper,
    columns: usize,
    marks: &'a Marks,
    lines: Vec<Line>,
    /// Paper that the lines take; what takes none counts as a line, so that everything ends.
    dots: u32,
    /// Whether there is anything to cut off.
    has_paper: bool,
    /// Done before the next thing that takes paper: the cut at the end is not the document's, and two are one.
    is_cut_due: bool,
}

impl Page<'_> {
    fn push(&mut self, line: Line) {
        let takes_paper = takes_paper(&line);
        if takes_paper && self.is_cut_due {
            self.is_cut_due = false;
            self.push(Line::Cut);
            self.marks();
        }
        self.has_paper = takes_paper || (self.has_paper && line != Line::Cut);
        self.dots += if takes_paper { line.height_dots() } else { u32::from(LINE_DOTS) };
        // What lies beyond is not even kept.
        if self.dots <= PAPER_DOTS_MAX {
            self.lines.push(line);
        }
    }

    fn marks(&mut self) {
        let marks = self.marks;
        if marks.repeat > 0 {
            self.text(&format!("【补打 {}】", marks.repeat), Style::BIG, Align::Center);
        }
        if let Some(printer) = &marks.backup_for {
            self.text(&format!("【备用】{printer}"), Style::BIG, Align::Center);
        }
        if marks.late_min > 0 {
            self.text(&format!("【迟到】{}", waited(marks.late_min)), Style::BIG, Align::Center);
        }
    }

    fn text(&mut self, text: &str, style: Style, align: Align) {
        let style = clamp(style);
        let width = self.columns / usize::from(style.width);
        for line in paragraphs(text).flat_map(|paragraph| wrap(&clean(paragraph), width)) {
            self.push(Line::Text { text: line, style, align });
            if self.dots > PAPER_DOTS_MAX {
                break;
            }
        }
    }

    fn row(&mut self, cells: &[Cell], style: Style) {
        let style = clamp(style);
        let width = self.columns / usize::from(style.width);
        let Some(widths) = cell_widths(cells, usize::from(style.width), width) else {
            // Side by side nobody could read them: one below the other.
            for cell in cells.iter().filter(|cell| !cell.text.is_empty()) {
                self.text(&cell.text, style, cell.align);
            }
            return;
        };
        let rooms = text_widths(cells, &widths);
        let wrapped: Vec<Vec<String>> =
            cells.iter().zip(&rooms).map(|(cell, &room)| wrap_cell(cell, room)).collect();
        let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
        for line in 0..height {
            let mut text = String::with_capacity(width * 2);
            for (((cell, &width), &room), lines) in cells.iter().zip(&widths).zip(&rooms).zip(&wrapped) {
                push_padded(&mut text, lines.get(line).map_or("", String::as_str), room, cell.align);
                text.extend(std::iter::repeat_n(' ', width - room));
            }
            // A bar goes over the whole row.
            if !style.reverse && !style.underline {
                text.truncate(text.trim_end().len());
            }
            self.push(Line::Text { text, style, align: Align::Left });
        }
    }

    fn rule(&mut self, title: &str) {
        let title = clean(title);
        let title = title.trim();
        let taken = if title.is_empty() { 0 } else { columns(title) + 2 };
        let text = match self.columns.checked_sub(taken) {
            Some(rest) if taken == 0 => "-".repeat(rest),
            Some(rest) if rest >= 2 => {
                format!("{} {title} {}", "-".repeat(rest / 2), "-".repeat(rest - rest / 2))
            }
            _ => return self.text(title, Style::NORMAL, Align::Center),
        };
        self.push(Line::Text { text, style: Style::NORMAL, align: Align::Left });
    }

    fn qr(&mut self, data: &str, module_dots: u8) {
        // Units look for real-time commands in all that they receive, in the data of a code too.
        let data: String = data.chars().filter(|character| !character.is_control()).collect();
        if data.is_empty() {
            return;
        }
        match qr_modules(data.len()) {
            Some(modules) => {
                let fits = self.paper.dots() / (modules + QUIET_MODULES);
                let fits = u8::try_from(fits).unwrap_or(MODULE_DOTS_MAX).clamp(1, MODULE_DOTS_MAX);
                self.push(Line::Qr { data, module_dots: module_dots.clamp(1, fits) });
            }
            None => self.text(&data, Style::NORMAL, Align::Left),
        }
    }

    fn image(&mut self, image: &Image, align: Align) {
        let mut image = if image.width_dots > self.paper.dots() {
            dither::reduce(image, self.paper.dots())
        } else {
            image.clone()
        };
        raster::make_whole(&mut image);
        raster::make_harmless(&mut image.rows);
        if !image.rows.is_empty() {
            self.push(Line::Image { image, align });
        }
    }

    fn barcode(&mut self, data: &str, symbology: Symbology, height: u8, module_dots: u8, caption: bool) {
        let fitting = Barcode::new(data, symbology).and_then(|code| {
            // The paper's own edges are the quiet zones: 4 mm on each side.
            let fits = u8::try_from(self.paper.dots() / code.modules()).unwrap_or(BAR_DOTS_MAX);
            (fits >= BAR_DOTS_MIN).then(|| (code, module_dots.clamp(BAR_DOTS_MIN, fits.min(BAR_DOTS_MAX))))
        });
        let Some((code, module_dots)) = fitting else {
            return self.text(data, Style::NORMAL, Align::Center);
        };
        let said = caption.then(|| code.caption().to_owned());
        self.push(Line::Barcode { code, height_dots: height.max(1), module_dots });
        if let Some(said) = said {
            self.text(&said, Style::NORMAL, Align::Center);
        }
    }
}

fn takes_paper(line: &Line) -> bool {
    !matches!(line, Line::Cut | Line::Drawer { .. } | Line::Buzzer { .. })
}

fn clamp(style: Style) -> Style {
    Style { width: style.width.clamp(1, SCALE_MAX), height: style.height.clamp(1, SCALE_MAX), ..style }
}

/// Modules on a side of the smallest code that holds so many bytes; `None` where none does.
pub(crate) fn qr_modules(bytes: usize) -> Option<u16> {
    /// Bytes that versions 1 to 40 hold at error correction M (ISO/IEC 18004, table 7).
    const CAPACITY: [u16; 40] = [
        14, 26, 42, 62, 84, 106, 122, 152, 180, 213, 251, 287, 331, 362, 412, 450, 504, 560, 624, 666, 711,
        779, 857, 911, 997, 1059, 1125, 1190, 1264, 1370, 1452, 1538, 1628, 1722, 1809, 1911, 1989, 2099,
        2213, 2331,
    ];
    const _: () = assert!(CAPACITY[39] as usize == QR_BYTES_MAX);
    let version = CAPACITY.iter().position(|&capacity| bytes <= usize::from(capacity))?;
    Some(21 + 4 * u16::try_from(version).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(width: u8) -> Style {
        Style { width, ..Style::NORMAL }
    }

    fn cell(text: &str, columns: Option<u8>, align: Align) -> Cell {
        Cell { text: text.into(), columns, align }
    }

    fn texts(block: Block, paper: Paper) -> Vec<String> {
        let lines = lay_out(&Document { blocks: vec![block] }, paper, &Marks::default());
        lines
            .into_iter()
            .map(|line| match line {
                Line::Text { text, style, .. } => {
                    assert!(
                        columns(&text) * usize::from(style.width) <= usize::from(paper.columns()),
                        "{text:?}"
                    );
                    text
                }
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn cells_stand_side_by_side() {
        let row = |cells: Vec<Cell>, width| Block::Row { cells, style: style(width) };
        let dish = |name: &str| {
            vec![
                cell(name, None, Align::Left),
                cell("x2", Some(6), Align::Right),
                cell("￥56.00", Some(10), Align::Right),
            ]
        };
        assert_eq!(texts(row(dish("宫保鸡丁"), 1), Paper::Mm58), ["宫保鸡丁            x2   ￥56.00"]);
        assert_eq!(
            texts(row(dish("招牌宫保鸡丁盖浇饭大份"), 1), Paper::Mm58),
            ["招牌宫保鸡丁盖浇    x2   ￥56.00", "饭大份"]
        );
        // Twice as wide: half the columns.
        let big = vec![cell("鱼香肉丝", None, Align::Left), cell("x1", Some(8), Align::Right)];
        assert_eq!(texts(row(big, 2), Paper::Mm58), ["鱼香肉丝      x1"]);
    }

    #[test]
    fn no_number_is_broken_and_none_touches_its_neighbour() {
        let row = |name: &str, count: &str, sum: &str| {
            let cells = vec![
                cell(name, None, Align::Left),
                cell(count, Some(5), Align::Right),
                cell(sum, Some(9), Align::Right),
            ];
            texts(Block::Row { cells, style: Style::NORMAL }, Paper::Mm58)
        };
        assert_eq!(row("宫保鸡丁", "×2", "56.00"), ["宫保鸡丁            ×2    56.00"]);
        let name = "招牌宫保鸡丁盖浇饭";
        assert_eq!(row(name, "×100", "5600.00"), ["招牌宫保鸡丁盖浇  ×100  5600.00", "饭"]);
        assert_eq!(row(name, "×1", "123456.00"), ["招牌宫保鸡丁盖浇   ×1 123456.00", "饭"]);
        assert_eq!(row(name, "×1", "-12345.00"), ["招牌宫保鸡丁盖浇   ×1 -12345.00", "饭"]);
        assert_eq!(row("饭", "×4294967295", "123456789.00"), ["饭     ×4294967295 123456789.00"]);
        // Not even so: one below the other.
        assert_eq!(row("饭", "×4294967295", "￥92233720368547"), ["饭", "×4294967295", "￥92233720368547"]);
        // What has no width of its own keeps its number, too.
        let label = |pickup: &str, piece: &str| {
            let cells = vec![cell(pickup, None, Align::Left), cell(piece, Some(10), Align::Right)];
            texts(Block::Row { cells, style: Style::BIG }, Paper::Mm58)
        };
        assert_eq!(label("#1234567", "12/120"), ["#1234567  12/120"]);
        assert_eq!(label("#1234567890", "1/2"), ["#1234567890  1/2"]);
        assert_eq!(label("#1234567890", "12/120"), ["#1234567890", "12/120"], "right below it");
        // Where all have their places, the text makes room.
        let fixed = |name: &str, count: &str, sum: &str| {
            let columns = [(name, 20, Align::Left), (count, 4, Align::Right), (sum, 8, Align::Right)];
            let cells = columns.map(|(text, columns, align)| cell(text, Some(columns), align)).to_vec();
            texts(Block::Row { cells, style: Style::NORMAL }, Paper::Mm58)
        };
        assert_eq!(
            fixed("招牌宫保鸡丁盖浇饭大", "×12", "1234.00"),
            ["招牌宫保鸡丁盖浇饭  ×12 1234.00", "大"]
        );
        // What is no number is broken as before.
        assert_eq!(
            row("饭", "加大加量", "5.00"),
            ["饭                 加大     5.00", "                   加量"]
        );
    }

    #[test]
    fn text_does_not_touch_the_text_in_the_next_cell() {
        let row = |align, next: &str| {
            let cells = vec![cell("招牌宫保鸡丁盖浇饭大份", None, Align::Left), cell(next, Some(10), align)];
            texts(Block::Row { cells, style: Style::NORMAL }, Paper::Mm58)
        };
        assert_eq!(row(Align::Left, "吧台"), ["招牌宫保鸡丁盖浇饭大  吧台", "份"]);
        assert_eq!(row(Align::Right, "吧台"), ["招牌宫保鸡丁盖浇饭大份      吧台"]);
        assert_eq!(row(Align::Center, "吧台和前厅"), ["招牌宫保鸡丁盖浇饭大  吧台和前厅", "份"]);
        assert_eq!(row(Align::Left, ""), ["招牌宫保鸡丁盖浇饭大份"]);
    }

    #[test]
    fn cells_that_do_not_fit_stand_below_each_other() {
        let cells = vec![
            cell("甲", Some(20), Align::Left),
            cell("", None, Align::Left),
            cell("乙", Some(20), Align::Right),
        ];
        assert_eq!(texts(Block::Row { cells, style: Style::NORMAL }, Paper::Mm58), ["甲", "乙"]);
    }

    #[test]
    fn rules_fill_the_width() {
        let rule = |title: &str| Block::Rule { title: title.into() };
        assert_eq!(texts(rule(""), Paper::Mm58), ["-".repeat(32)]);
        assert_eq!(texts(rule("1号口袋"), Paper::Mm58), ["----------- 1号口袋 ------------"]);
        let long = "很长的标题".repeat(4);
        assert_eq!(texts(rule(&long), Paper::Mm58), ["很长的标题很长的标题很长的标题很", "长的标题"]);
    }

    #[test]
    fn a_qr_code_fits_or_is_text() {
        let qr = |data: String, module_dots| texts(Block::Qr { data, module_dots }, Paper::Mm58);
        assert_eq!(qr("https://x.cn/1".into(), 6), ["Qr { data: \"https://x.cn/1\", module_dots: 6 }"]);
        assert!(qr("a".repeat(2_331), 16)[0].ends_with("module_dots: 2 }"));
        assert_eq!(qr("a".repeat(2_332), 4).len(), 73);
        assert!(qr(String::new(), 4).is_empty());
    }

    #[test]
    fn a_repeat_is_marked_first_and_big() {
        let lines = lay_out(&Document::default(), Paper::Mm80, &Marks { repeat: 2, ..Marks::default() });
        let mark = Line::Text { text: "【补打 2】".into(), style: Style::BIG, align: Align::Center };
        assert_eq!(lines, [mark]);
        assert!(lay_out(&Document::default(), Paper::Mm80, &Marks::default()).is_empty());
    }

    #[test]
    fn endless_documents_end() {
        let block = Block::Text { text: "\n".repeat(50_000), style: Style::NORMAL, align: Align::Left };
        let lines = lay_out(&Document { blocks: vec![block] }, Paper::Mm80, &Marks::default());
        assert_eq!(lines.len(), 12_001);
        assert!(is_cut_short(&lines) && !is_cut_short(&lines[..12_000]) && !is_cut_short(&[]));
    }
}
