//! Layout: a document becomes lines for the width of the paper.
//!
//! Columns are counted in normal characters; a style that is twice as wide has half as many. What does not
//! fit is wrapped, never cut off: a kitchen must see the whole note. Nothing here knows bytes, so a preview
//! can be drawn from the same lines.

use crate::Paper;
use crate::text::{clean, columns, columns_of};
use docket_protocol::document::{Align, Block, Cell, Document, QR_BYTES_MAX, Style};

/// Lines of a ticket at most: about 2 m of paper. More is a mistake, and says so on the paper.
pub const LINES_MAX: usize = 600;
/// A flexible cell below this (two Chinese characters) is too narrow to be read.
const FLEXIBLE_COLUMNS_MIN: usize = 4;
/// The narrowest cell that holds a Chinese character.
const CELL_COLUMNS_MIN: usize = 2;
const SCALE_MAX: u8 = 8;
const MODULE_DOTS_MAX: u8 = 16;
/// Light modules around a QR code, on both sides together (ISO/IEC 18004: 4 on each).
const QUIET_MODULES: u16 = 8;

/// What is printed, from top to bottom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// One line of clean text that fits.
    Text {
        /// Without trailing spaces.
        text: String,
        /// Clamped to what printers have.
        style: Style,
        /// Where it stands.
        align: Align,
    },
    /// Empty lines.
    Feed(u8),
    /// A QR code in the middle, error correction M.
    Qr {
        /// Fits a code.
        data: String,
        /// Fits the paper.
        module_dots: u8,
    },
}

/// Lays a document out. With `repeat` above 0 it begins with the mark 补打.
pub fn lay_out(document: &Document, paper: Paper, repeat: u16) -> Vec<Line> {
    let mut page = Page { columns: usize::from(paper.columns()), lines: Vec::new() };
    if repeat > 0 {
        page.text(&format!("【补打 {repeat}】"), Style::BIG, Align::Center);
    }
    for block in &document.blocks {
        match block {
            Block::Text { text, style, align } => page.text(text, *style, *align),
            Block::Row { cells, style } => page.row(cells, *style),
            Block::Rule { title } => page.rule(title),
            Block::Feed { lines } => page.lines.extend((*lines > 0).then_some(Line::Feed(*lines))),
            Block::Qr { data, module_dots } => page.qr(data, *module_dots, paper),
            Block::Image { .. }
            | Block::Barcode { .. }
            | Block::Cut
            | Block::Drawer { .. }
            | Block::Buzzer { .. } => {}
        }
        if page.lines.len() > LINES_MAX {
            page.lines.truncate(LINES_MAX);
            page.text("……内容过长,未打完……", Style::BOLD, Align::Center);
            break;
        }
    }
    page.lines
}

struct Page {
    columns: usize,
    lines: Vec<Line>,
}

impl Page {
    fn text(&mut self, text: &str, style: Style, align: Align) {
        let style = clamp(style);
        let width = self.columns / usize::from(style.width);
        for paragraph in text.split('\n') {
            self.lines.extend(wrap(&clean(paragraph), width).into_iter().map(|line| Line::Text {
                text: line.trim_end().to_owned(),
                style,
                align,
            }));
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
        let wrapped: Vec<Vec<String>> =
            cells.iter().zip(&widths).map(|(cell, &width)| wrap_cell(cell, width)).collect();
        let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
        for line in 0..height {
            let mut text = String::with_capacity(width * 2);
            for ((cell, &width), lines) in cells.iter().zip(&widths).zip(&wrapped) {
                push_padded(&mut text, lines.get(line).map_or("", String::as_str), width, cell.align);
            }
            self.lines.push(Line::Text { text: text.trim_end().to_owned(), style, align: Align::Left });
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
        self.lines.push(Line::Text { text, style: Style::NORMAL, align: Align::Left });
    }

    fn qr(&mut self, data: &str, module_dots: u8, paper: Paper) {
        // Units look for real-time commands in all that they receive, in the data of a code too.
        let data: String = data.chars().filter(|character| !character.is_control()).collect();
        if data.is_empty() {
            return;
        }
        match qr_modules(data.len()) {
            Some(modules) => {
                let fits = paper.dots() / (modules + QUIET_MODULES);
                let fits = u8::try_from(fits).unwrap_or(MODULE_DOTS_MAX).clamp(1, MODULE_DOTS_MAX);
                let module_dots = module_dots.clamp(1, fits);
                self.lines.push(Line::Qr { data, module_dots });
            }
            None => self.text(&data, Style::NORMAL, Align::Left),
        }
    }
}

fn clamp(style: Style) -> Style {
    Style { width: style.width.clamp(1, SCALE_MAX), height: style.height.clamp(1, SCALE_MAX), ..style }
}

/// The width of each cell in characters of the row's style; `None` where they do not fit side by side.
fn cell_widths(cells: &[Cell], scale: usize, width: usize) -> Option<Vec<usize>> {
    let fixed =
        |cell: &Cell| cell.columns.map(|columns| (usize::from(columns) / scale).max(CELL_COLUMNS_MIN));
    let taken: usize = cells.iter().filter_map(fixed).sum();
    let flexible = cells.iter().filter(|cell| cell.columns.is_none()).count();
    let rest = width.checked_sub(taken)?;
    if rest < flexible * FLEXIBLE_COLUMNS_MIN {
        return None;
    }
    let mut wider = if flexible == 0 { 0 } else { rest % flexible };
    Some(
        cells
            .iter()
            .map(|cell| {
                fixed(cell).unwrap_or_else(|| {
                    let one_more = usize::from(wider > 0);
                    wider -= one_more;
                    rest / flexible + one_more
                })
            })
            .collect(),
    )
}

fn wrap_cell(cell: &Cell, width: usize) -> Vec<String> {
    cell.text.split('\n').flat_map(|paragraph| wrap(&clean(paragraph), width)).collect()
}

/// Breaks clean text into lines of at most `width` characters' columns, at a space or before or after a Chinese
/// character where it can, inside a word where it must. Empty text is one empty line.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    // Where the line may be broken: bytes before it, and columns.
    let mut break_at = None;
    for character in text.chars() {
        let wide = columns_of(character);
        if used + wide > width && !line.is_empty() {
            if character == ' ' {
                lines.push(std::mem::take(&mut line));
                (used, break_at) = (0, None);
                continue;
            }
            let is_word = character.is_ascii_graphic();
            let rest = match break_at {
                Some(at) if is_word => line.split_off(at),
                _ => String::new(),
            };
            lines.push(std::mem::replace(&mut line, rest));
            used = columns(&line);
            break_at = None;
        }
        if character == ' ' && line.is_empty() && !lines.is_empty() {
            continue;
        }
        line.push(character);
        used += wide;
        if !character.is_ascii_graphic() {
            break_at = Some(line.len());
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    lines
}

fn push_padded(out: &mut String, text: &str, width: usize, align: Align) {
    let space = width.saturating_sub(columns(text));
    let before = match align {
        Align::Left => 0,
        Align::Center => space / 2,
        Align::Right => space,
    };
    out.extend(std::iter::repeat_n(' ', before));
    out.push_str(text);
    out.extend(std::iter::repeat_n(' ', space - before));
}

/// Modules on a side of the smallest code that holds so many bytes; `None` where none does.
fn qr_modules(bytes: usize) -> Option<u16> {
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
        let lines = lay_out(&Document { blocks: vec![block] }, paper, 0);
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

    fn check_wrap(text: &str, width: usize, expected: &[&str]) {
        assert_eq!(wrap(text, width), expected, "{text:?} in {width}");
        assert!(wrap(text, width).iter().all(|line| columns(line) <= width));
    }

    #[test]
    fn text_is_wrapped_where_it_can_be() {
        check_wrap("", 4, &[""]);
        check_wrap("abcd", 4, &["abcd"]);
        check_wrap("abcde", 4, &["abcd", "e"]);
        check_wrap("ab cd ef", 5, &["ab cd", "ef"]);
        check_wrap("ab cdef", 5, &["ab", "cdef"]);
        check_wrap("宫保鸡丁", 5, &["宫保", "鸡丁"]);
        check_wrap("宫保abc丁", 6, &["宫保", "abc丁"]);
        check_wrap("a    b", 3, &["a", "b"]);
        check_wrap("  缩进", 6, &["  缩进"]);
        check_wrap("不要辣 不要香菜", 6, &["不要辣", "不要香", "菜"]);
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
        let lines = lay_out(&Document::default(), Paper::Mm80, 2);
        let mark = Line::Text { text: "【补打 2】".into(), style: Style::BIG, align: Align::Center };
        assert_eq!(lines, [mark]);
        assert!(lay_out(&Document::default(), Paper::Mm80, 0).is_empty());
    }

    #[test]
    fn endless_documents_end() {
        let block = Block::Text { text: "\n".repeat(5_000), style: Style::NORMAL, align: Align::Left };
        let lines = lay_out(&Document { blocks: vec![block] }, Paper::Mm80, 0);
        assert_eq!(lines.len(), LINES_MAX + 1);
    }
}
