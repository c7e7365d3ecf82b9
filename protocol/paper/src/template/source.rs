//! A template's text before it is filled in: what of it is layout, and what is text.
//!
//! Foreign text must never become layout, whatever filters, macros and slices it goes through. So nothing is
//! escaped where it is inserted; it is the template's own layout that is marked, once, when the template is
//! read: a character of private use before each line, and one for each bar. What is inserted can hold no such
//! character ([`is_mark`]; they are taken out of it), so there is nothing that it could say.
//!
//! It follows that all layout is known before an order is: each mistake in it has its line, and is found in
//! branches that no order has taken yet.

use super::error::Fault;
use super::tags::{check_tags, is_raw, tag_bytes};
use super::words::{self, Head, Images};
use docket_protocol::document::Align;

/// The largest template.
pub const SOURCE_BYTES_MAX: usize = 64 * 1024;
/// Lines, and bars, of a template at most.
pub const SOURCE_LINES_MAX: usize = 4_000;
/// Cells of a row at most: the columns of 58 mm paper, four each.
pub const CELLS_MAX: usize = 8;
/// The widest column: all of 80 mm paper.
const COLUMNS_MAX: u8 = 48;

/// Marks of lines: the supplementary private use area A, and which line.
const LINE_MARKS: u32 = 0xF_0000;
/// Marks of bars: the supplementary private use area B, and which bar.
const BAR_MARKS: u32 = 0x10_0000;
/// Characters of each of the two areas.
const AREA: u32 = 0xFFFE;
const _: () = assert!(SOURCE_LINES_MAX < AREA as usize);

/// Whether a character marks layout: what is inserted may hold none.
pub(super) fn is_mark(character: char) -> bool {
    u32::from(character) >= LINE_MARKS
}

/// A template with its layout marked.
#[derive(Debug)]
pub(super) struct Source {
    /// For the template language; its lines are those of the file.
    pub(super) text: String,
    lines: Vec<Line>,
    bars: Vec<Bar>,
}

/// A line of the template that prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// From 1.
    pub(super) number: usize,
    /// What it becomes.
    pub(super) head: Head,
}

/// A bar: what is right of it is a cell of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bar {
    /// Columns of the cell; `None` shares what the others leave.
    pub(super) columns: Option<u8>,
    /// Where its text stands.
    pub(super) align: Align,
    /// The first on its line, with nothing to its left: there is no cell left of it.
    pub(super) leads: bool,
}

impl Source {
    /// Reads a template. A fault comes with its line.
    pub(super) fn read(template: &str, images: &Images) -> Result<Self, (usize, Fault)> {
        if template.len() > SOURCE_BYTES_MAX {
            return Err((0, Fault::TooLarge { bytes_max: SOURCE_BYTES_MAX }));
        }
        check_tags(template)?;
        let mut reader = Reader {
            rest: template,
            number: 1,
            joined: false,
            images,
            source: Source {
                text: String::with_capacity(template.len() + template.len() / 4),
                lines: Vec::new(),
                bars: Vec::new(),
            },
        };
        while !reader.rest.is_empty() {
            reader.line().map_err(|fault| (reader.number, fault))?;
        }
        Ok(reader.source)
    }

    /// The line that this character marks.
    pub(super) fn line(&self, mark: char) -> Option<&Line> {
        let place = u32::from(mark).checked_sub(LINE_MARKS)?;
        self.lines.get(usize::try_from(place).ok()?)
    }

    /// The bar that this character marks.
    pub(super) fn bar(&self, mark: char) -> Option<Bar> {
        let place = u32::from(mark).checked_sub(BAR_MARKS)?;
        self.bars.get(usize::try_from(place).ok()?).copied()
    }
}

struct Reader<'a> {
    rest: &'a str,
    number: usize,
    /// The last tag ends with `-}`, and nothing but space has come since: the next line goes on with this one.
    joined: bool,
    images: &'a Images,
    source: Source,
}

impl Reader<'_> {
    /// Reads to the end of a line, and over it.
    fn line(&mut self) -> Result<(), Fault> {
        self.space();
        let joined =
            std::mem::take(&mut self.joined) || self.rest.starts_with("{%-") || self.rest.starts_with("{{-");
        let tags = self.leading_tags();
        let (head_at, after_tags) = match self.rest[tags..].starts_with('[') {
            true => (tags, true),
            false => (0, false),
        };
        self.copy(head_at)?;
        let mut head = Head::PLAIN;
        if after_tags {
            head = self.head()?;
            self.mark(head.clone())?;
        } else if !joined && !self.blank_ahead() {
            self.mark(Head::PLAIN)?;
        }
        if !head.takes_text() {
            self.nothing_follows()?;
        }
        self.text(matches!(head, Head::Text { .. }))
    }

    /// Copies spaces, which mean nothing at the beginning of a line.
    fn space(&mut self) {
        let space = self.rest.len() - self.rest.trim_start_matches([' ', '\t', '\u{3000}', '\u{FEFF}']).len();
        self.source.text.extend(self.rest[..space].chars().filter(|&c| c != '\u{FEFF}'));
        self.rest = &self.rest[space..];
    }

    /// Bytes of `{% %}` and `{# #}`, and of the space around them, with which the line begins.
    fn leading_tags(&self) -> usize {
        let mut bytes = 0;
        loop {
            let rest = &self.rest[bytes..];
            let spaces = rest.len() - rest.trim_start_matches([' ', '\t']).len();
            let tag = match rest[spaces..].starts_with("{%") || rest[spaces..].starts_with("{#") {
                true => tag_bytes(&rest[spaces..]),
                false => return bytes + if rest[spaces..].starts_with('[') { spaces } else { 0 },
            };
            if rest[spaces..spaces + tag].contains('\n') || is_raw(&rest[spaces..spaces + tag]) {
                return bytes;
            }
            bytes += spaces + tag;
        }
    }

    fn blank_ahead(&self) -> bool {
        self.rest.is_empty() || self.rest.starts_with(['\n', '\r'])
    }

    /// Reads `[words]` and one space behind it.
    fn head(&mut self) -> Result<Head, Fault> {
        let line = self.rest.lines().next().unwrap_or_default();
        let end = line.find(']').ok_or(Fault::OpenBrackets)?;
        let content = &line[1..end];
        if content.contains('{') {
            return Err(Fault::TagInBrackets);
        }
        let head = words::parse(content, self.images)?;
        self.rest = &self.rest[end + 1..];
        self.rest = self.rest.strip_prefix(' ').unwrap_or(self.rest);
        Ok(head)
    }

    /// Whether the bracket here is one of layout, not of text.
    fn is_head(&self) -> bool {
        let line = self.rest.lines().next().unwrap_or_default();
        line[1..].find(']').is_some_and(|end| words::is_head(&line[1..=end], self.images))
    }

    /// Only tags may follow, and brackets behind one.
    fn nothing_follows(&self) -> Result<(), Fault> {
        let mut line = self.rest.lines().next().unwrap_or_default().trim();
        while line.starts_with("{%") || line.starts_with("{#") {
            line = line[tag_bytes(line).min(line.len())..].trim_start();
        }
        if line.is_empty() || line.starts_with('[') { Ok(()) } else { Err(Fault::TextAfter) }
    }

    fn mark(&mut self, head: Head) -> Result<(), Fault> {
        let mark = mark(LINE_MARKS, self.source.lines.len())?;
        self.source.text.push(mark);
        self.source.lines.push(Line { number: self.number, head });
        Ok(())
    }

    /// Copies the text of a line, with marks for its bars where it may have cells. Brackets right behind a tag
    /// begin a line of their own: `{% if paid_online %}[bold] 已付{% else %}[big] 应收{% endif %}`.
    fn text(&mut self, mut cells: bool) -> Result<(), Fault> {
        let (mut bars, mut blank) = (0, true);
        while let Some(character) = self.rest.chars().next() {
            let bytes = character.len_utf8();
            match character {
                '{' if self.rest.starts_with("{{")
                    || self.rest.starts_with("{%")
                    || self.rest.starts_with("{#") =>
                {
                    self.tag()?;
                    blank = false;
                    continue;
                }
                '\n' => {
                    self.copy(bytes)?;
                    return Ok(());
                }
                '\\' if self.rest[1..].starts_with(['[', ']', '|', '\\']) => {
                    self.source.text.push_str(&self.rest[1..2]);
                    self.rest = &self.rest[2..];
                    (self.joined, blank) = (false, false);
                    continue;
                }
                '[' if self.is_head() => {
                    if !self.source.text.ends_with("%}") {
                        return Err(Fault::MidLine);
                    }
                    let head = self.head()?;
                    self.mark(head.clone())?;
                    if !head.takes_text() {
                        self.nothing_follows()?;
                    }
                    (cells, bars, blank) = (matches!(head, Head::Text { .. }), 0, true);
                    continue;
                }
                '|' if cells => {
                    bars += 1;
                    if bars >= CELLS_MAX {
                        return Err(Fault::TooManyCells { cells_max: CELLS_MAX });
                    }
                    self.bar(blank && bars == 1)?;
                    self.joined = false;
                    continue;
                }
                _ => {}
            }
            if !character.is_whitespace() {
                (self.joined, blank) = (false, false);
            }
            self.copy(bytes)?;
        }
        Ok(())
    }

    /// Copies a tag; `{% raw %}` with all up to its end.
    fn tag(&mut self) -> Result<(), Fault> {
        let mut bytes = tag_bytes(self.rest);
        let tag = &self.rest[..bytes];
        if is_raw(tag) {
            let end = self.rest[bytes..].find("endraw").map_or(self.rest.len(), |at| bytes + at);
            bytes = self.rest[end..].find("%}").map_or(self.rest.len(), |at| end + at + 2);
        }
        self.joined = ["-%}", "-}}", "-#}"].iter().any(|end| self.rest[..bytes].ends_with(end));
        self.copy(bytes)
    }

    /// `|`, `|>`, `|9>`, `|9^`, `|9<`.
    fn bar(&mut self, leads: bool) -> Result<(), Fault> {
        let rest = &self.rest[1..];
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let align = match rest[digits..].chars().next() {
            Some('<') => Some(Align::Left),
            Some('^') => Some(Align::Center),
            Some('>') => Some(Align::Right),
            _ => None,
        };
        let (bar, bytes) = match align {
            None => (Bar { columns: None, align: Align::Left, leads }, 0),
            Some(align) if digits == 0 => (Bar { columns: None, align, leads }, 1),
            Some(align) => {
                let columns =
                    rest[..digits].parse().ok().filter(|columns| (1..=COLUMNS_MAX).contains(columns));
                let fault = || Fault::Columns { columns: rest[..digits].to_owned() };
                (Bar { columns: Some(columns.ok_or_else(fault)?), align, leads }, digits + 1)
            }
        };
        let mark = mark(BAR_MARKS, self.source.bars.len())?;
        self.source.text.push(mark);
        self.source.bars.push(bar);
        self.rest = &rest[bytes..];
        Ok(())
    }

    /// Takes over so many bytes as they are.
    fn copy(&mut self, bytes: usize) -> Result<(), Fault> {
        let (taken, rest) = self.rest.split_at(bytes);
        for character in taken.chars() {
            match character {
                '\n' => self.number += 1,
                '\r' => continue,
                '\t' => {}
                c if c.is_control() || is_mark(c) => return Err(Fault::Character { code: u32::from(c) }),
                _ => {}
            }
            self.source.text.push(character);
        }
        self.rest = rest;
        Ok(())
    }
}

fn mark(area: u32, place: usize) -> Result<char, Fault> {
    let fault = Fault::TooManyLines { lines_max: SOURCE_LINES_MAX };
    if place >= SOURCE_LINES_MAX {
        return Err(fault);
    }
    u32::try_from(place).ok().and_then(|place| char::from_u32(area + place)).ok_or(fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use docket_protocol::document::Style;

    fn read(template: &str) -> Source {
        Source::read(template, &Images::new()).unwrap_or_else(|fault| panic!("{template:?}: {fault:?}"))
    }

    /// The marked text, with `‹line›` and `¦` for the marks.
    fn shown(template: &str) -> String {
        let source = read(template);
        let mut out = String::new();
        for character in source.text.chars() {
            match (source.line(character), source.bar(character)) {
                (Some(line), _) => out.push_str(&format!("‹{}›", line.number)),
                (None, Some(_)) => out.push('¦'),
                (None, None) => out.push(character),
            }
        }
        out
    }

    fn fault(template: &str) -> (usize, Fault) {
        Source::read(template, &Images::new()).unwrap_err()
    }

    #[test]
    fn lines_are_marked_where_they_begin() {
        assert_eq!(shown("a\n\n  b\n"), "‹1›a\n\n  ‹3›b\n");
        assert_eq!(shown("[big] a\n[rule]"), "‹1›a\n‹2›");
        assert_eq!(shown("[tall]   a"), "‹1›  a", "only one space belongs to the brackets");
        assert_eq!(
            shown("{% for a in b %}[big] {{ a }}{% endfor %}"),
            "{% for a in b %}‹1›{{ a }}{% endfor %}"
        );
        assert_eq!(shown("{% for a in b %}{{ a }} {% endfor %}"), "‹1›{% for a in b %}{{ a }} {% endfor %}");
        assert_eq!(
            shown("{% if a %}[big] b{% else %}[tall] c |9> d{% endif %}"),
            "{% if a %}‹1›b{% else %}‹1›c ¦ d{% endif %}"
        );
        assert_eq!(
            shown("{% if a %}[cut]{% else %}[feed]{% endif %}"),
            "{% if a %}‹1›{% else %}‹1›{% endif %}"
        );
        assert_eq!(shown("a {% if b %}[12]{% endif %}"), "‹1›a {% if b %}[12]{% endif %}");
        assert_eq!(shown("{# a\nb #}c"), "‹1›{# a\nb #}c");
        assert_eq!(shown("{{ '[big] | }}' }}"), "‹1›{{ '[big] | }}' }}");
        assert_eq!(shown("\u{FEFF}[big] a\r\nb\r\n"), "‹1›a\n‹2›b\n");
        assert_eq!(shown("{% raw %}[big] |\n{{{% endraw %}|"), "‹1›{% raw %}[big] |\n{{{% endraw %}¦");
    }

    #[test]
    fn a_dash_joins_lines_as_the_template_language_does() {
        assert_eq!(shown("a {%- if b %}\nc"), "‹1›a {%- if b %}\n‹2›c");
        assert_eq!(shown("a {% if b -%}\n  c"), "‹1›a {% if b -%}\n  c");
        assert_eq!(shown("a\n  {%- if b %} c"), "‹1›a\n  {%- if b %} c");
    }

    #[test]
    fn bars_are_cells() {
        assert_eq!(shown("[bold] a |5> b |c| d"), "‹1›a ¦ b ¦c¦ d");
        assert_eq!(shown("a \\| b \\[x\\] \\\\ \\n"), "‹1›a | b [x] \\ \\n");
        assert_eq!(shown("[qr] a|b"), "‹1›a|b", "a code has no cells");
        let source = read("|4< a |> b |6^ c |9份");
        let bars: Vec<(Option<u8>, Align, bool)> =
            source.bars.iter().map(|bar| (bar.columns, bar.align, bar.leads)).collect();
        assert_eq!(
            bars,
            [
                (Some(4), Align::Left, true),
                (None, Align::Right, false),
                (Some(6), Align::Center, false),
                (None, Align::Left, false)
            ]
        );
    }

    #[test]
    fn heads_are_read_once() {
        let source = read("[big center] a\nb");
        let heads: Vec<&Head> = source.lines.iter().map(|line| &line.head).collect();
        assert_eq!(heads, [&Head::Text { style: Style::BIG, align: Align::Center }, &Head::PLAIN]);
    }

    #[test]
    fn mistakes_have_their_line() {
        assert_eq!(fault("a\n\n[bigg] b"), (3, Fault::Word { word: "bigg".into() }));
        assert_eq!(fault("{% if x %}\n{% if y %}[big b{% endif %}").0, 2);
        assert_eq!(fault("[big"), (1, Fault::OpenBrackets));
        assert_eq!(fault("[]"), (1, Fault::EmptyBrackets));
        assert_eq!(fault("[{{ x }}] a"), (1, Fault::TagInBrackets));
        assert_eq!(fault("a\nb [big] c"), (2, Fault::MidLine));
        assert_eq!(fault("[cut] now"), (1, Fault::TextAfter));
        assert_eq!(fault("[feed] {{ x }}"), (1, Fault::TextAfter));
        assert_eq!(shown("{% if x %}[cut]{% endif %}"), "{% if x %}‹1›{% endif %}");
        assert_eq!(fault("{% if x %}[cut]{% endif %} a"), (1, Fault::TextAfter));
        assert_eq!(fault("a |0> b"), (1, Fault::Columns { columns: "0".into() }));
        assert_eq!(fault("a |49> b"), (1, Fault::Columns { columns: "49".into() }));
        assert_eq!(fault("\n|||||||||"), (2, Fault::TooManyCells { cells_max: 8 }));
        assert_eq!(fault("a\nb\u{1b}@"), (2, Fault::Character { code: 0x1B }));
        assert_eq!(fault("a\u{F0001}"), (1, Fault::Character { code: 0xF_0001 }));
        assert_eq!(fault("{# \u{100000} #}"), (1, Fault::Character { code: 0x10_0000 }));
        assert_eq!(fault(&"x".repeat(65 * 1024)).1, Fault::TooLarge { bytes_max: SOURCE_BYTES_MAX });
        assert_eq!(fault(&"x\n".repeat(4_001)).0, 4_001);
    }

    #[test]
    fn text_that_looks_like_nothing_is_text() {
        assert_eq!(shown("订单[12] a[b]"), "‹1›订单[12] a[b]");
        assert_eq!(shown("{{ never closed"), "‹1›{{ never closed");
    }
}
