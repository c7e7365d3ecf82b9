//! What can be made to go wrong, and the words for it on a command line.

use std::fmt;
use std::str::FromStr;

/// A change to what is wrong with a printer. Settable at any moment, also in mid-ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The roll is nearly used up; printing goes on.
    PaperNearEnd,
    /// The roll is used up: printing stops, the buffer waits.
    PaperOut,
    /// The roll is used up after so many more lines (a text line, a fed line, an image or a symbol is one).
    PaperOutAfterLines(u32),
    /// A new roll: near end and out are over, printing goes on where it stopped.
    PaperIn,
    /// The cover is opened.
    CoverOpen,
    /// The cover is closed again.
    CoverClosed,
    /// The cutter is jammed from now on. `DLE ENQ 1` or `2` clears it, as does switching off.
    CutterError,
    /// The next cut jams the cutter; until then nothing is to be seen.
    CutterJamAtNextCut,
    /// The cutter is free again.
    CutterOk,
    /// The print head is too hot; printing stops until it is not.
    Heat(bool),
    /// An error that only switching off clears.
    Fatal(bool),
    /// Offline for a reason that the printer does not tell.
    Offline(bool),
    /// The connection is dropped, once, when so many more bytes have been received; 0 is at once.
    DropAfterBytes(u64),
    /// New connections are refused; the one that stands goes on.
    Refuse(bool),
    /// The cable is out. The printer goes on with what it has; its serial line or USB device is gone from the
    /// computer, and its port refuses.
    Unplugged(bool),
    /// `false` switches it off: the buffer is lost, a receipt that is partly printed ends uncut.
    Power(bool),
    /// The power goes when so many more lines are printed (0 is at once), and is back after a while: the buffer is lost, the
    /// receipt ends uncut, the connection is dropped.
    PowerCut {
        /// Until then.
        after_lines: u32,
        /// For so long.
        off_ms: u32,
    },
    /// Takes bytes and prints, but answers nothing.
    Silent(bool),
    /// Takes nothing, prints nothing, answers nothing.
    Hang(bool),
    /// Takes bytes and prints, but what it answers arrives as other bytes: a bad cable, a cheap converter.
    Garbage(bool),
}

/// The commands as `help` shows them.
pub const HELP: &str = "\
paper out | out after LINES | near-end | in
cover open | closed
cutter error | jam | ok      (jam: at the next cut)
heat on | off
fatal on | off
offline | online
drop after BYTES | drop      (drop: at once)
refuse on | off
unplug | plug
power off | on | off for MS | off after LINES for MS
silent on | off
hang on | off
garbage on | off
status                       (as JSON)
help";

/// A command that was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandError {
    code: &'static str,
    cause: String,
}

impl CommandError {
    /// `unknown-command` or `bad-argument`.
    pub fn code(&self) -> &'static str {
        self.code
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; send `help` for the commands", self.code, self.cause)
    }
}

impl std::error::Error for CommandError {}

impl FromStr for Fault {
    type Err = CommandError;

    fn from_str(command: &str) -> Result<Fault, CommandError> {
        let words: Vec<&str> = command.split_whitespace().collect();
        Ok(match words.as_slice() {
            ["paper", "out"] => Fault::PaperOut,
            ["paper", "out", "after", lines] => Fault::PaperOutAfterLines(number(lines)?),
            ["paper", "near-end"] => Fault::PaperNearEnd,
            ["paper", "in"] => Fault::PaperIn,
            ["cover", "open"] => Fault::CoverOpen,
            ["cover", "closed"] => Fault::CoverClosed,
            ["cutter", "error"] => Fault::CutterError,
            ["cutter", "jam"] => Fault::CutterJamAtNextCut,
            ["cutter", "ok"] => Fault::CutterOk,
            ["heat", state] => Fault::Heat(switch(state)?),
            ["fatal", state] => Fault::Fatal(switch(state)?),
            ["offline"] => Fault::Offline(true),
            ["online"] => Fault::Offline(false),
            ["drop"] => Fault::DropAfterBytes(0),
            ["drop", "after", bytes] => Fault::DropAfterBytes(number(bytes)?),
            ["refuse", state] => Fault::Refuse(switch(state)?),
            ["unplug"] => Fault::Unplugged(true),
            ["plug"] => Fault::Unplugged(false),
            ["power", "off", "for", ms] => Fault::PowerCut { after_lines: 0, off_ms: number(ms)? },
            ["power", "off", "after", lines, "for", ms] => {
                Fault::PowerCut { after_lines: number(lines)?, off_ms: number(ms)? }
            }
            ["power", state] => Fault::Power(switch(state)?),
            ["silent", state] => Fault::Silent(switch(state)?),
            ["hang", state] => Fault::Hang(switch(state)?),
            ["garbage", state] => Fault::Garbage(switch(state)?),
            _ => {
                let cause = format!("`{}` is not a command", command.trim());
                return Err(CommandError { code: "unknown-command", cause });
            }
        })
    }
}

fn number<T: FromStr>(word: &str) -> Result<T, CommandError> {
    word.parse().map_err(|_| CommandError {
        code: "bad-argument",
        cause: format!("`{word}` is not a whole number that fits"),
    })
}

fn switch(word: &str) -> Result<bool, CommandError> {
    match word {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(CommandError { code: "bad-argument", cause: format!("`{word}` is neither on nor off") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_of_the_help_is_understood() {
        for (command, expected) in [
            ("paper out", Fault::PaperOut),
            (" paper  out after 5\n", Fault::PaperOutAfterLines(5)),
            ("paper near-end", Fault::PaperNearEnd),
            ("paper in", Fault::PaperIn),
            ("cover open", Fault::CoverOpen),
            ("cover closed", Fault::CoverClosed),
            ("cutter error", Fault::CutterError),
            ("cutter jam", Fault::CutterJamAtNextCut),
            ("cutter ok", Fault::CutterOk),
            ("heat on", Fault::Heat(true)),
            ("fatal off", Fault::Fatal(false)),
            ("garbage on", Fault::Garbage(true)),
            ("unplug", Fault::Unplugged(true)),
            ("plug", Fault::Unplugged(false)),
            ("offline", Fault::Offline(true)),
            ("online", Fault::Offline(false)),
            ("drop", Fault::DropAfterBytes(0)),
            ("drop after 100", Fault::DropAfterBytes(100)),
            ("refuse on", Fault::Refuse(true)),
            ("power off", Fault::Power(false)),
            ("power off for 500", Fault::PowerCut { after_lines: 0, off_ms: 500 }),
            ("power off after 3 for 500", Fault::PowerCut { after_lines: 3, off_ms: 500 }),
            ("silent on", Fault::Silent(true)),
            ("hang off", Fault::Hang(false)),
        ] {
            assert_eq!(command.parse(), Ok(expected), "{command}");
        }
    }

    #[test]
    fn a_command_that_is_not_understood_says_why_and_what_to_do() {
        for (command, code) in [
            ("paper outt", "unknown-command"),
            ("", "unknown-command"),
            ("heat warm", "bad-argument"),
            ("paper out after -1", "bad-argument"),
        ] {
            let error = command.parse::<Fault>().unwrap_err();
            assert_eq!(error.code(), code, "{command}");
            assert!(error.to_string().contains("; send `help`"), "{error}");
        }
    }
}
