//! Text in columns: where lines are broken, and how cells share a row.

use crate::LINE_DOTS;
use crate::layout::PAPER_DOTS_MAX;
use crate::text::{clean, columns, columns_of, paragraphs};
use docket_protocol::document::{Align, Cell};

/// A flexible cell below this (two Chinese characters) is too narrow to be read.
const FLEXIBLE_COLUMNS_MIN: usize = 4;
/// More lines than a ticket can have; a paragraph with so many is known to be too long.
const LINES_MAX: usize = (PAPER_DOTS_MAX / LINE_DOTS as u32) as usize;
/// What stands with the character after it.
const OPENING: &str = "([（【《「『“‘￥×";
/// What stands with the character before it.
const CLOSING: &str = ")]）】》」』”’,.!?;:%，。！？；：、…％℃";
/// What stands in numbers besides digits, as in ×12, 3/5 and -￥5.00.
const OF_NUMBERS: &str = "+-.,:/%×￥";
/// A longer number is none that somebody reads at a glance.
const NUMBER_COLUMNS_MAX: usize = 16;
/// The narrowest cell that holds a Chinese character.
const CELL_COLUMNS_MIN: usize = 2;

/// The width of each cell in characters of the row's style; `None` where they do not fit side by side. A cell is wider
/// than it was told to be where its number would be broken, or would touch another number: half a price is another
/// price, and so are two of them.
pub(crate) fn cell_widths(cells: &[Cell], scale: usize, width: usize) -> Option<Vec<usize>> {
    let mut after_number = false;
    let fixed: Vec<Option<usize>> = cells
        .iter()
        .map(|cell| {
            let number = number_columns(&cell.text);
            let gap = usize::from(std::mem::replace(&mut after_number, number > 0) && number > 0);
            cell.columns.map(|told| (usize::from(told) / scale).max(number + gap).max(CELL_COLUMNS_MIN))
        })
        .collect();
    let taken: usize = fixed.iter().flatten().sum();
    let flexible = fixed.iter().filter(|fixed| fixed.is_none()).count();
    let rest = width.checked_sub(taken)?;
    if rest < flexible * FLEXIBLE_COLUMNS_MIN {
        return None;
    }
    let mut wider = if flexible == 0 { 0 } else { rest % flexible };
    let share = |fixed: Option<usize>| {
        fixed.unwrap_or_else(|| {
            let one_more = usize::from(wider > 0);
            wider -= one_more;
            rest / flexible + one_more
        })
    };
    let widths: Vec<usize> = fixed.into_iter().map(share).collect();
    cells.iter().zip(&widths).all(|(cell, &width)| number_columns(&cell.text) <= width).then_some(widths)
}

/// Columns of each cell that its text may take: one less than its width where the next one's text begins at once.
pub(crate) fn text_widths(cells: &[Cell], widths: &[usize]) -> Vec<usize> {
    let touches = |place: usize| {
        let (Some(cell), Some(&width)) = (cells.get(place), widths.get(place)) else { return false };
        let taken = columns(&clean(&cell.text));
        taken > 0 && (cell.align == Align::Left || taken >= width)
    };
    let needs = |cell: &Cell| number_columns(&cell.text).max(CELL_COLUMNS_MIN);
    cells
        .iter()
        .zip(widths)
        .enumerate()
        .map(|(place, (cell, &width))| {
            width - usize::from(touches(place + 1) && width > needs(cell) && !cell.text.is_empty())
        })
        .collect()
}

/// Columns of the longest number in a text that can be kept whole.
fn number_columns(text: &str) -> usize {
    if !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    clean(text)
        .split(|character: char| !character.is_ascii_digit() && !OF_NUMBERS.contains(character))
        .filter(|number| number.contains(|character: char| character.is_ascii_digit()))
        .map(columns)
        .filter(|&columns| columns <= NUMBER_COLUMNS_MAX)
        .max()
        .unwrap_or(0)
}

/// All paragraphs of a cell. No more than [`LINES_MAX`] and one line are made: nobody prints them.
pub(crate) fn wrap_cell(cell: &Cell, width: usize) -> Vec<String> {
    let paragraphs = paragraphs(&cell.text).flat_map(|paragraph| wrap(&clean(paragraph), width));
    paragraphs.take(LINES_MAX + 1).collect()
}

/// Breaks clean text into lines of at most `width` characters' columns, where it may be broken if there is such a place,
/// elsewhere if it must. Empty text is one empty line. What lies far beyond [`LINES_MAX`] is not looked at.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    // The last place where the line may be broken: bytes before it.
    let mut break_at = None;
    for character in text.chars() {
        if lines.len() > LINES_MAX {
            break;
        }
        let wide = columns_of(character);
        let may_break = line.chars().next_back().is_some_and(|last| may_part(last, character));
        if used + wide > width && !line.is_empty() {
            if character == ' ' {
                lines.push(std::mem::take(&mut line));
                (used, break_at) = (0, None);
                continue;
            }
            let rest = match break_at {
                Some(at) if !may_break && columns(&line[at..]) + wide <= width => line.split_off(at),
                _ => String::new(),
            };
            lines.push(std::mem::replace(&mut line, rest));
            used = columns(&line);
            break_at = None;
        } else if may_break && !line.trim_start().is_empty() {
            // An indent alone is no line.
            break_at = Some(line.len());
        }
        if character == ' ' && line.is_empty() && !lines.is_empty() {
            continue;
        }
        line.push(character);
        used += wide;
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    lines
}

/// Whether one of two characters may end a line and the other begin the next: not inside a word, not after what opens or
/// before what closes, and no sign goes without its number.
fn may_part(last: char, next: char) -> bool {
    let is_inside = last.is_ascii_graphic() && next.is_ascii_graphic();
    let belongs = OPENING.contains(last) || CLOSING.contains(next) || (last == '-' && next == '￥');
    last == ' ' || next == ' ' || !(is_inside || belongs)
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
        check_wrap("  abcdefgh", 6, &["  abcd", "efgh"]);
    }

    #[test]
    fn signs_stay_with_what_they_belong_to() {
        check_wrap("不要香菜,谢谢", 8, &["不要香", "菜,谢谢"]);
        check_wrap("不要香菜。", 8, &["不要香", "菜。"]);
        check_wrap("牛肉面（大份）", 8, &["牛肉面", "（大份）"]);
        check_wrap("合计￥128.00", 8, &["合计", "￥128.00"]);
        check_wrap("可乐×12", 6, &["可乐", "×12"]);
        check_wrap("满减-￥5.00", 8, &["满减", "-￥5.00"]);
        // Unless that leaves no room, or nothing else.
        check_wrap("。。。。", 4, &["。。", "。。"]);
        check_wrap("a“宫，", 5, &["a“宫", "，"]);
        check_wrap("￥128.00", 5, &["￥128", ".00"]);
    }
}
