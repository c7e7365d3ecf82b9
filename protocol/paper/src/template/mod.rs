//! Tickets from templates that a chain can change.
//!
//! A template is text in two layers. The inner one is `minijinja`'s language: `{{ pickup }}` inserts,
//! `{% for dish in dishes %}` repeats. The outer one is a few words in brackets at the beginning of a line,
//! and bars between columns:
//!
//! ```text
//! [big center] {{ prefix }}{{ platform }} #{{ pickup }}
//! [rule]
//! {% for dish in dishes %}
//! [tall bold] {{ dish.name }} |5> ×{{ dish.quantity }}
//! {% endfor %}
//! ```
//!
//! What holds, whatever a template and an order say:
//!
//! * What is inserted is text: it begins no line, no column and no directive (`source.rs` says how).
//! * A template is refused when it is read, with file, line and reason: its layout is read before it is
//!   filled in, and then it is filled in with a few sample orders ([`Template::check`]), so that names that
//!   nothing has are found, too.
//! * What filling in makes is bounded in bytes and blocks. What it does meanwhile is bounded in most of its steps (the
//!   language's fuel), and not in all: a list that is put behind itself again and again is gone through as one step
//!   that may last for ever, and lists within lists take as much of the stack as there are when they are dropped. So
//!   what a person wrote is tried ([`Template::check`]) in a process that may hang and die, and the orders that it is
//!   tried with are as large as any in every way that an order can be. What does it only with certain contents (`if
//!   store == …`) is not found. Who fills in needs an answer to that; the hub's is its `templates::guard`.
//! * Only the front slip is given the recipient (`view.rs`).
//!
//! Rejected: HTML-like tags (nobody writes them without looking them up), a format in JSON (no place for
//! `if`), and escaping what is inserted (a filter that cuts a text in two would cut an escape in two).
//! Templates include nothing: a slip is one file that can be read from top to bottom, and one bad file is one
//! bad slip.
//!
//! Pure: who reads the files, and what happens to a bad one, is the hub's `templates`.

mod blocks;
mod error;
mod kind;
mod plain;
pub mod sample;
mod source;
mod tags;
mod view;
mod words;

pub use blocks::BLOCKS_MAX;
pub use error::{Bound, Fault, TemplateError};
pub use kind::{FILE_ENDING, TemplateKind};
pub use plain::plain;
pub use source::{CELLS_MAX, SOURCE_BYTES_MAX, SOURCE_LINES_MAX};
pub use view::{Part, Slip, View};
pub use words::Images;

use crate::Paper;
use crate::layout::{Marks, is_cut_short, lay_out};
use crate::text::paragraphs;
use docket_protocol::document::Document;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, UndefinedBehavior, Value};
use source::{Source, is_mark};
use std::io;
use std::panic;

/// Steps of the template language for one slip. The largest order that is taken (300 dishes) needs a tenth.
pub const FUEL_MAX: u64 = 200_000;
/// Bytes of text and pictures of one slip: with its blocks' framing it then fits a frame of the link.
pub const OUTPUT_BYTES_MAX: usize = 160 * 1024;
/// What is said of a panic inside the template language.
const PANICKED: Fault = Fault::Failed { kind: "panic", detail: String::new() };
/// Calls inside of calls; macros that call themselves end here.
const RECURSION_MAX: usize = 64;

/// A template that was read without a fault.
#[derive(Debug)]
pub struct Template {
    kind: TemplateKind,
    file: String,
    source: Source,
    environment: Environment<'static>,
}

impl Template {
    /// Reads a template. `file` is what people are told it is called.
    ///
    /// # Errors
    /// Where its layout or its language is wrong. Whether all of its names exist, [`check`](Self::check) knows.
    pub fn read(
        kind: TemplateKind,
        file: impl Into<String>,
        text: &str,
        images: &Images,
    ) -> Result<Self, TemplateError> {
        let file = file.into();
        let mut source = match Source::read(text, images) {
            Ok(source) => source,
            Err((line, fault)) => return Err(TemplateError { file, line, fault }),
        };
        let mut environment = environment();
        let marked = std::mem::take(&mut source.text);
        let added = unwinding(|| environment.add_template_owned(kind.as_str(), marked));
        match added {
            Some(Ok(())) => Ok(Self { kind, file, source, environment }),
            Some(Err(error)) => Err(of_language(&error, file, text)),
            None => Err(TemplateError { file, line: 0, fault: PANICKED }),
        }
    }

    /// The template that this program brings.
    pub fn default_of(kind: TemplateKind) -> Self {
        Self::read(kind, kind.file(), kind.default_text(), &Images::new())
            .expect("the templates of this program are read in its tests")
    }

    /// Reads a template and fills it in with every sample order: what fails with one of them is refused. With the
    /// largest order it may be too much for a slip, which then looks as the program's own does; but it has to end.
    ///
    /// What ends in nothing but a dead process (see above) ends so here: try what a person wrote in one of its own.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(
        kind: TemplateKind,
        file: impl Into<String>,
        text: &str,
        images: &Images,
    ) -> Result<Self, TemplateError> {
        let template = Self::read(kind, file, text, images)?;
        for view in sample::views(kind) {
            let document = template.render(&view)?;
            if is_cut_short(&lay_out(&document, Paper::Mm58, &Marks::default())) {
                return Err(template.fault(0, Fault::Bound { bound: Bound::Paper }));
            }
        }
        match sample::largest(kind).map(|view| template.render(&view)) {
            None | Some(Ok(_) | Err(TemplateError { fault: Fault::Bound { .. }, .. })) => Ok(template),
            Some(Err(error)) => Err(error),
        }
    }

    /// Which slip it is for.
    pub fn kind(&self) -> TemplateKind {
        self.kind
    }

    /// What people are told it is called.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The slip.
    ///
    /// # Errors
    /// Where the order is more than the template can do, or less than it relies on.
    pub fn render(&self, view: &View) -> Result<Document, TemplateError> {
        let template = self
            .environment
            .get_template(self.kind.as_str())
            .map_err(|error| of_language(&error, self.file.clone(), ""))?;
        let mut written = Bounded { bytes: Vec::new(), is_full: false };
        let filled = unwinding(|| template.render_captured_to(view.0.clone(), &mut written).map(|_| ()));
        if written.is_full {
            return Err(self.fault(0, Fault::Bound { bound: Bound::Bytes }));
        }
        match filled {
            Some(filled) => {
                filled.map_err(|error| of_language(&error, self.file.clone(), template.source()))?;
            }
            None => return Err(self.fault(0, PANICKED)),
        }
        // It is put together from whole strings, none of which was cut.
        let written = String::from_utf8_lossy(&written.bytes);
        blocks::document(&written, &self.source).map_err(|(line, fault)| self.fault(line, fault))
    }

    fn fault(&self, line: usize, fault: Fault) -> TemplateError {
        TemplateError { file: self.file.clone(), line, fault }
    }
}

/// What a template may use beyond the language itself.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL_MAX));
    environment.set_recursion_limit(RECURSION_MAX);
    // What a macro has written is layout and stays so; everything else that is inserted goes through `insert`.
    environment.set_auto_escape_callback(|_| AutoEscape::Custom("slip".into()));
    environment.set_formatter(|out, _, value| insert(out, value));
    for filter in ["safe", "escape", "e"] {
        environment.remove_filter(filter);
    }
    environment.add_filter("multiline", multiline);
    environment
}

/// Runs the template language, which is not ours: a panic in it must not take the thread with it that stores
/// orders. `None` is one. Where programs are built to abort, nothing is caught.
fn unwinding<T>(run: impl FnOnce() -> T) -> Option<T> {
    // What is left half done is thrown away by who asked.
    panic::catch_unwind(panic::AssertUnwindSafe(run)).ok()
}

/// Inserts a value as text on its line.
fn insert(out: &mut Output<'_>, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Ok(()),
        ValueKind::Bool | ValueKind::Number => write!(out, "{value}").map_err(Error::from),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            if value.is_safe() {
                return out.write_str(text).map_err(Error::from);
            }
            let kept = |c: char| match c {
                '\n' | '\u{B}' | '\u{C}' | '\r' | '\t' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(' '),
                c if c.is_control() || is_mark(c) => None,
                c => Some(c),
            };
            out.write_str(&text.chars().filter_map(kept).collect::<String>()).map_err(Error::from)
        }
        kind => Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("a {kind} cannot be printed as it is; repeat over it with {{% for %}}"),
        )),
    }
}

/// `{{ note|multiline }}`: a text that keeps its own lines, all of them in the style of the template's line.
fn multiline(text: String) -> Value {
    let kept = |c: char| match c {
        '\n' => Some('\n'),
        '\t' => Some(' '),
        c if c.is_control() || is_mark(c) => None,
        c => Some(c),
    };
    let lines: Vec<&str> = paragraphs(&text).collect();
    Value::from_safe_string(lines.join("\n").chars().filter_map(kept).collect())
}

/// Takes no more than [`OUTPUT_BYTES_MAX`].
struct Bounded {
    bytes: Vec<u8>,
    is_full: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > OUTPUT_BYTES_MAX {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An error of the template language in our words.
fn of_language(error: &Error, file: String, source: &str) -> TemplateError {
    let line = error.line().unwrap_or(0);
    // The language quotes the template, in which marks may stand.
    let unmarked = |text: &str| text.chars().filter(|&c| !is_mark(c)).collect::<String>();
    let detail = unmarked(error.detail().unwrap_or_default());
    let quoted = || unmarked(source.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim());
    let fault = match error.kind() {
        ErrorKind::OutOfFuel => Fault::Bound { bound: Bound::Steps },
        ErrorKind::SyntaxError | ErrorKind::BadEscape => Fault::Syntax { detail },
        // The language does not say which name it is; the line does.
        ErrorKind::UndefinedError => Fault::Undefined { detail: quoted() },
        ErrorKind::UnknownFilter => Fault::Failed { kind: "unknown filter", detail },
        ErrorKind::UnknownTest => Fault::Failed { kind: "unknown test", detail },
        ErrorKind::UnknownFunction => Fault::Failed { kind: "unknown function", detail },
        ErrorKind::UnknownMethod => Fault::Failed { kind: "unknown method", detail },
        ErrorKind::InvalidOperation => Fault::Failed { kind: "invalid operation", detail },
        ErrorKind::MissingArgument | ErrorKind::TooManyArguments => {
            Fault::Failed { kind: "wrong number of arguments", detail }
        }
        _ => Fault::Failed { kind: "failure", detail },
    };
    TemplateError { file, line, fault }
}

#[cfg(test)]
mod tests;
