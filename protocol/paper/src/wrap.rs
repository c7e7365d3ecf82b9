//! Text in columns: where lines are broken, and how cells share a row.

use crate::LINE_DOTS;
use crate::layout::PAPER_DOTS_MAX;
use crate::text::{clean, columns, columns_of};
use docket_protocol::document::{Align, Cell};

/// A flexible cell below this (two Chinese characters) is too narrow to be read.
const FLEXIBLE_COLUMNS_MIN: usize = 4;
/// More lines than a ticket can have; a paragraph with so many is known to be too long.
const LINES_MAX: usize = (PAPER_DOTS_MAX / LINE_DOTS as u32) as usize;
/// The narrowest cell that holds a Chinese character.
const CELL_COLUMNS_MIN: usize = 2;

/// The width of each cell in characters of the row's style; `None` where they do not fit side by side.
pub(crate) fn cell_widths(cells: &[Cell], scale: usize, width: usize) -> Option<Vec<usize>> {
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

/// All paragraphs of a cell. No more than [`LINES_MAX`] and one line are made: nobody prints them.
pub(crate) fn wrap_cell(cell: &Cell, width: usize) -> Vec<String> {
    let paragraphs = cell.text.split('\n').flat_map(|paragraph| wrap(&clean(paragraph), width));
    paragraphs.take(LINES_MAX + 1).collect()
}

/// Breaks clean text into lines of at most `width` characters' columns, at a space or before or after a Chinese
/// character where it can, inside a word where it must. Empty text is one empty line. What lies far beyond [`LINES_MAX`] is not looked at.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    // Where the line may be broken: bytes before it, and columns.
    let mut break_at = None;
    for character in text.chars() {
        if lines.len() > LINES_MAX {
            break;
        }
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

pub(crate) fn push_padded(out: &mut String, text: &str, width: usize, align: Align) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
