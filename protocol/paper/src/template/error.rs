//! What is wrong with a template, for the person who wrote it: file, line, reason and what to do.

use super::words::all_words;
use std::fmt;
use thiserror::Error;

/// A template that cannot be used, or could not be used for one order.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct TemplateError {
    /// The file, as the person named it.
    pub file: String,
    /// The line in it, from 1; 0 where it is not about a line.
    pub line: usize,
    /// What is wrong.
    pub fault: Fault,
}

/// What can be wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The file is larger than templates may be.
    TooLarge {
        /// Bytes at most.
        bytes_max: usize,
    },
    /// More lines or bars than templates may have.
    TooManyLines {
        /// Lines at most.
        lines_max: usize,
    },
    /// A tag that is longer, or an `{% if %}` with more branches, than the template language can follow.
    TagTooLong {
        /// Bytes of a tag at most.
        bytes_max: usize,
        /// `{% elif %}`s at most.
        elifs_max: usize,
    },
    /// A character that may stand in no template: of control, or of private use.
    Character {
        /// Its number in Unicode.
        code: u32,
    },
    /// `[` without `]` on its line.
    OpenBrackets,
    /// Nothing between the brackets.
    EmptyBrackets,
    /// `{{ }}` or `{% %}` between brackets.
    TagInBrackets,
    /// A word between brackets that means nothing there.
    Word {
        /// The word.
        word: String,
    },
    /// A number that is none, or too large.
    Number {
        /// As written.
        number: String,
        /// The largest.
        max: u8,
    },
    /// `[image]` without a name.
    ImageName,
    /// A picture that is not there.
    ImageUnknown {
        /// As written.
        name: String,
        /// Those that are there.
        known: String,
    },
    /// Text behind brackets that take none.
    TextAfter,
    /// Brackets that are not at the beginning of their line.
    MidLine,
    /// A column of no width, or wider than the widest paper.
    Columns {
        /// As written.
        columns: String,
    },
    /// More bars on a line than a row has cells.
    TooManyCells {
        /// Cells at most.
        cells_max: usize,
    },
    /// The template language does not understand it.
    Syntax {
        /// Its words.
        detail: String,
    },
    /// A name that nothing has.
    Undefined {
        /// The line of the template.
        detail: String,
    },
    /// It was understood, and failed while it was filled in.
    Failed {
        /// Of which kind the failure is.
        kind: &'static str,
        /// The template language's words; they may hold what was filled in, so logs and alarms leave them out.
        detail: String,
    },
    /// It does too much, or makes too much of an order.
    Bound {
        /// Which bound.
        bound: Bound,
    },
    /// It makes nothing of an order.
    Blank,
}

/// A bound on what a template may do with one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Steps of the template language.
    Steps,
    /// Bytes of text.
    Bytes,
    /// Blocks of the document.
    Blocks,
    /// Paper of the narrower kind.
    Paper,
    /// Time, where steps do not tell: the process that tried it had to be ended.
    Time,
    /// One order that no sample is like: the hub has ended over it.
    Order,
    /// Memory, or the depth of lists within lists: the process that tried it came to its end.
    Memory,
}

impl TemplateError {
    /// The code that logs and interfaces show.
    pub fn code(&self) -> &'static str {
        match self.fault {
            Fault::TooLarge { .. } | Fault::TooManyLines { .. } | Fault::TagTooLong { .. } => "template-size",
            Fault::Character { .. } => "template-character",
            Fault::OpenBrackets
            | Fault::EmptyBrackets
            | Fault::TagInBrackets
            | Fault::Word { .. }
            | Fault::Number { .. }
            | Fault::ImageName
            | Fault::TextAfter
            | Fault::MidLine => "template-brackets",
            Fault::ImageUnknown { .. } => "template-image",
            Fault::Columns { .. } | Fault::TooManyCells { .. } => "template-columns",
            Fault::Syntax { .. } => "template-syntax",
            Fault::Undefined { .. } => "template-name",
            Fault::Failed { .. } => "template-failed",
            Fault::Bound { .. } => "template-bound",
            Fault::Blank => "template-blank",
        }
    }

    /// What is wrong and what to do, in Chinese.
    pub fn zh(&self) -> String {
        match &self.fault {
            Fault::TooLarge { bytes_max } => format!("文件超过 {} KiB:请精简", bytes_max / 1_024),
            Fault::TooManyLines { lines_max } => format!("行或列太多(最多 {lines_max}):请精简"),
            Fault::TagTooLong { bytes_max, elifs_max } => format!(
                "一个 {{{{ }}}} 或 {{% %}} 超过 {bytes_max} 字节,或 elif 超过 {elifs_max} 个:请用 {{% set %}} 拆开"
            ),
            Fault::Character { code } => format!("有不可用的字符 U+{code:04X}:请删掉它,重新输入这一行"),
            Fault::OpenBrackets => "有 [ 没有 ]:请补上;若要打印方括号,写成 \\[".into(),
            Fault::EmptyBrackets => "方括号里是空的:请写上样式,或写成 \\[".into(),
            Fault::TagInBrackets => "方括号里不能有 {{ }} 或 {% %}:请用 {% if %} 写成两行".into(),
            Fault::Word { word } => {
                format!("方括号里的“{word}”不认识:可用 {};若要打印方括号,写成 \\[", all_words())
            }
            Fault::Number { number, max } => format!("“{number}”应为 1 到 {max} 的整数"),
            Fault::ImageName => "[图片] 后面要写图片名,例如 [图片 logo]".into(),
            Fault::ImageUnknown { name, known } if known.is_empty() => {
                format!("没有图片“{name}”:请把 {name}.png 放进模板文件夹")
            }
            Fault::ImageUnknown { name, known } => {
                format!("没有图片“{name}”:请把 {name}.png 放进模板文件夹;现有 {known}")
            }
            Fault::TextAfter => "这个指令后面不能有文字:请另起一行".into(),
            Fault::MidLine => "样式只能写在行首:请另起一行;若要打印方括号,写成 \\[".into(),
            Fault::Columns { columns } => format!("列宽“{columns}”应为 1 到 48"),
            Fault::TooManyCells { cells_max } => format!("一行最多 {cells_max} 列;若要打印竖线,写成 \\|"),
            Fault::Syntax { detail } => format!("模板语法不对:{detail}"),
            Fault::Undefined { detail } => format!("没有这个变量,请检查拼写:{detail}"),
            Fault::Failed { kind, detail } => format!("填写时出错({kind}):{detail}"),
            Fault::Bound { bound } => match bound {
                Bound::Steps => "计算量太大:请减少循环".into(),
                Bound::Bytes => "内容太长:请减少循环或文字".into(),
                Bound::Blocks => "行数太多:请减少循环".into(),
                Bound::Paper => "小票太长:请减少循环、走纸或字号".into(),
                Bound::Time => "试填超时,没有算完:请去掉反复加长的列表(x + x)".into(),
                Bound::Order => {
                    "填写一张真实订单时总部因它中断,已停用:请去掉反复加长、层层嵌套的列表,改好后自动启用"
                        .into()
                }
                Bound::Memory => "试填时内存用尽或嵌套太深:请去掉反复加长、层层嵌套的列表".into(),
            },
            Fault::Blank => "打出来是空白:请至少写一行会打印的内容".into(),
        }
    }

    /// What is wrong and what to do, in English.
    pub fn en(&self) -> String {
        match &self.fault {
            Fault::TooLarge { bytes_max } => {
                format!("the file is larger than {} KiB; shorten it", bytes_max / 1_024)
            }
            Fault::TooManyLines { lines_max } => {
                format!("more than {lines_max} lines or columns; shorten it")
            }
            Fault::TagTooLong { bytes_max, elifs_max } => format!(
                "a tag of more than {bytes_max} bytes, or more than {elifs_max} elif; take it apart with {{% set %}}"
            ),
            Fault::Character { code } => {
                format!("the character U+{code:04X} cannot be used; delete it and type the line again")
            }
            Fault::OpenBrackets => "[ without ]; add it, or write \\[ to print a bracket".into(),
            Fault::EmptyBrackets => "nothing between the brackets; write a style, or \\[".into(),
            Fault::TagInBrackets => {
                "no {{ }} or {% %} between brackets; write two lines with {% if %} around them".into()
            }
            Fault::Word { word } => format!(
                "`{word}` means nothing between brackets; use one of {}; write \\[ to print a bracket",
                all_words()
            ),
            Fault::Number { number, max } => format!("`{number}` must be a number from 1 to {max}"),
            Fault::ImageName => "name a picture: [image logo]".into(),
            Fault::ImageUnknown { name, known } if known.is_empty() => {
                format!("there is no picture `{name}`; put {name}.png into the folder of templates")
            }
            Fault::ImageUnknown { name, known } => format!(
                "there is no picture `{name}`; put {name}.png into the folder of templates; there are: {known}"
            ),
            Fault::TextAfter => "no text can follow here; put it on a line of its own".into(),
            Fault::MidLine => {
                "a style stands at the beginning of a line; begin a new one, or write \\[ to print a bracket"
                    .into()
            }
            Fault::Columns { columns } => format!("`{columns}` columns: it must be 1 to 48"),
            Fault::TooManyCells { cells_max } => {
                format!("a row has at most {cells_max} cells; write \\| to print a bar")
            }
            Fault::Syntax { detail } => format!("syntax: {detail}"),
            Fault::Undefined { detail } => format!("there is no such variable, check the spelling: {detail}"),
            Fault::Failed { kind, detail } => format!("{kind}: {detail}"),
            Fault::Bound { bound } => match bound {
                Bound::Steps => "it computes too much; use fewer loops".into(),
                Bound::Bytes => "it writes too much; use fewer loops or less text".into(),
                Bound::Blocks => "it has too many lines; use fewer loops".into(),
                Bound::Paper => "the slip is too long; use fewer loops, feeds or large letters".into(),
                Bound::Time => "it came to no end when it was tried; do not make a list longer again and again (x + x)".into(),
                Bound::Order => {
                    "the hub had to start again while it filled in a real order, and does not use it any more; do not put a \
                     list behind or into itself again and again; it is used again once it is changed"
                        .into()
                }
                Bound::Memory => {
                    "it took too much memory or nested too deeply when it was tried; do not put a list behind or into \
                     itself again and again"
                        .into()
                }
            },
            Fault::Blank => "nothing would be printed; write at least one line that prints".into(),
        }
    }

    /// The same without anything that was filled in: an order's texts do not belong in logs.
    #[must_use]
    pub fn without_contents(mut self) -> Self {
        if let Fault::Failed { detail, .. } = &mut self.fault {
            "(…)".clone_into(detail);
        }
        self
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {} / {}", self.zh(), self.en())
    }
}
