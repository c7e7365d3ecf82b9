//! QR codes and bar codes as commands make them.

use super::paper::Content;
use qrcode::EcLevel;

/// Longest data of a QR code: 7,089 digits (ISO/IEC 18004, version 40, level L).
const QR_DATA_BYTES_MAX: usize = 7_089;

/// The QR code that is being set up by `GS ( k`; it is stored until `ESC @`.
#[derive(Debug)]
pub(super) struct QrSetup {
    pub module_dots: u8,
    pub level: EcLevel,
    pub data: Vec<u8>,
}

impl Default for QrSetup {
    fn default() -> QrSetup {
        QrSetup { module_dots: 3, level: EcLevel::L, data: Vec::new() }
    }
}

/// What came of one `GS ( k` command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum QrStep {
    /// Something was set or stored.
    Set,
    /// To be printed.
    Print(Content),
    /// A value out of range, nothing stored, or data too long: a device does nothing.
    Ignored,
    /// Another kind of symbol, or a question about the size.
    NotModelled,
}

impl QrSetup {
    /// Obeys `cn fn [parameters]`, the part of `GS ( k` after the length.
    pub fn step(&mut self, parameters: &[u8]) -> QrStep {
        match parameters {
            // Function 65, model: 1 and 2 are drawn as 2; 51 is Micro QR.
            [0x31, 0x41, 49 | 50, _] => QrStep::Set,
            [0x31, 0x41, 51, _] => QrStep::NotModelled,
            // Function 67, dots of a module.
            [0x31, 0x43, dots @ 1..=16] => {
                self.module_dots = *dots;
                QrStep::Set
            }
            // Function 69, error correction.
            [0x31, 0x45, level @ 48..=51] => {
                self.level = [EcLevel::L, EcLevel::M, EcLevel::Q, EcLevel::H][usize::from(level - 48)];
                QrStep::Set
            }
            // Function 80, store.
            [0x31, 0x50, 48, data @ ..] if !data.is_empty() && data.len() <= QR_DATA_BYTES_MAX => {
                self.data = data.to_vec();
                QrStep::Set
            }
            // Function 81, print.
            [0x31, 0x51, 48] => self.print(),
            [0x31, 0x41 | 0x43 | 0x45 | 0x50 | 0x51, ..] => QrStep::Ignored,
            _ => QrStep::NotModelled,
        }
    }

    fn print(&self) -> QrStep {
        if self.data.is_empty() {
            return QrStep::Ignored;
        }
        // Laying out the bits tells the size and costs little; the symbol is drawn when somebody looks.
        match qrcode::bits::encode_auto(&self.data, self.level) {
            Ok(bits) => QrStep::Print(Content::Qr {
                data: self.data.clone(),
                level: self.level,
                module_dots: self.module_dots,
                modules: bits.version().width().unsigned_abs(),
            }),
            Err(_) => QrStep::Ignored,
        }
    }
}

/// How bar codes are to look (`GS h`, `GS w`).
#[derive(Debug, Clone, Copy)]
pub(super) struct BarcodeLook {
    pub height: u8,
    pub module_dots: u8,
}

impl Default for BarcodeLook {
    fn default() -> BarcodeLook {
        BarcodeLook { height: 162, module_dots: 3 }
    }
}

/// The bar code of a whole `GS k` command; `None` where a device prints nothing.
pub(super) fn barcode(command: &[u8], look: BarcodeLook) -> Option<Content> {
    let (&kind, rest) = command.get(2..)?.split_first()?;
    // The old form ends with NUL, the new one begins with a count.
    let data = if kind < 65 { rest.strip_suffix(&[0])? } else { rest.get(1..)? };
    if data.is_empty() {
        return None;
    }
    let system = match kind {
        0 | 65 => "UPC-A",
        1 | 66 => "UPC-E",
        2 | 67 => "EAN13",
        3 | 68 => "EAN8",
        4 | 69 => "CODE39",
        5 | 70 => "ITF",
        6 | 71 => "CODABAR",
        72 => "CODE93",
        73 => "CODE128",
        74 => "GS1-128",
        _ => "GS1-DATABAR",
    };
    let digits = !matches!(kind, 4 | 6 | 69 | 71..);
    if digits && !data.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let (data, symbols) = if kind == 73 { code128(data)? } else { (data.to_vec(), data.len()) };
    let modules = match system {
        "UPC-A" | "EAN13" => 95,
        "UPC-E" => 51,
        "EAN8" => 67,
        "ITF" => data.len() * 9 + 9,
        "CODE39" | "CODABAR" => (data.len() + 2) * 16,
        // Start, check and stop are three more, and the stop has two modules more than others.
        _ => (symbols + 3) * 11 + 2,
    };
    let width = u16::try_from(modules * usize::from(look.module_dots)).unwrap_or(u16::MAX);
    Some(Content::Barcode { system, data, width, height: u16::from(look.height) })
}

/// CODE128's data with the code set selections (`{A`, `{B`, `{C`) resolved: in set C a byte is two digits,
/// `{{` is a brace, `{1` to `{4` and `{S` are functions without a character. Also how many symbols it takes after the
/// start, changes between sets included.
fn code128(data: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut text = Vec::with_capacity(data.len());
    let mut symbols = 0;
    let mut pairs = false;
    let mut bytes = data.iter();
    if data.first() != Some(&b'{') {
        return None;
    }
    while let Some(&byte) = bytes.next() {
        symbols += 1;
        if byte == b'{' {
            match bytes.next()? {
                b'A' | b'B' => pairs = false,
                b'C' => pairs = true,
                b'{' => text.push(b'{'),
                b'1'..=b'4' | b'S' => {}
                _ => return None,
            }
        } else if pairs {
            text.extend_from_slice(format!("{byte:02}").as_bytes());
        } else {
            text.push(byte);
        }
    }
    // The first selection is the start itself.
    Some((text, symbols - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A command, and what is printed for it.
    type Case = (&'static [u8], Option<(&'static str, &'static str)>);

    fn data_of(command: &[u8]) -> Option<(&'static str, String)> {
        match barcode(command, BarcodeLook::default())? {
            Content::Barcode { system, data, .. } => Some((system, String::from_utf8(data).unwrap())),
            _ => None,
        }
    }

    #[test]
    fn bar_codes_of_both_forms() {
        let table: &[Case] = &[
            (b"\x1dk\x026901234567892\x00", Some(("EAN13", "6901234567892"))),
            (b"\x1dk\x43\x0d6901234567892", Some(("EAN13", "6901234567892"))),
            (b"\x1dk\x04AB-1\x00", Some(("CODE39", "AB-1"))),
            (b"\x1dk\x49\x06{BNo.9", Some(("CODE128", "No.9"))),
            (b"\x1dk\x49\x05{C\x0c\x22\x05", Some(("CODE128", "123405"))),
            (b"\x1dk\x49\x06{B{{a1", Some(("CODE128", "{a1"))),
            (b"\x1dk\x49\x03abc", None),
            (b"\x1dk\x02abc\x00", None),
            (b"\x1dk\x02\x00", None),
        ];
        for (command, expected) in table {
            let found = data_of(command);
            assert_eq!(found.as_ref().map(|(system, data)| (*system, data.as_str())), *expected);
        }
    }

    #[test]
    fn digits_in_pairs_are_narrower() {
        // Start, symbols, check and stop: 11 modules each, and two more for the stop.
        for (command, symbols) in [
            (b"\x1dk\x49\x06{BNo.9".as_slice(), 7),
            (b"\x1dk\x49\x05{C\x0c\x22\x05", 6),
            (b"\x1dk\x49\x08{BA{C\x0c\x22", 7),
            (b"\x1dk\x49\x06{B{{a1", 6),
        ] {
            match barcode(command, BarcodeLook { height: 50, module_dots: 2 }) {
                Some(Content::Barcode { width, .. }) => {
                    assert_eq!(width, (symbols * 11 + 2) * 2, "{command:02x?}")
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_qr_code_is_set_up_stored_and_printed() {
        let mut setup = QrSetup::default();
        assert_eq!(setup.step(&[0x31, 0x51, 48]), QrStep::Ignored, "nothing is stored");
        assert_eq!(setup.step(&[0x31, 0x41, 50, 0]), QrStep::Set);
        assert_eq!(setup.step(&[0x31, 0x43, 6]), QrStep::Set);
        assert_eq!(setup.step(&[0x31, 0x43, 17]), QrStep::Ignored);
        assert_eq!(setup.step(&[0x31, 0x45, 49]), QrStep::Set);
        assert_eq!(setup.step(b"\x31\x50\x30https://example.com"), QrStep::Set);
        let expected = Content::Qr {
            data: b"https://example.com".to_vec(),
            level: EcLevel::M,
            module_dots: 6,
            modules: 25,
        };
        assert_eq!(setup.step(&[0x31, 0x51, 48]), QrStep::Print(expected));
        assert_eq!(setup.step(&[0x30, 0x51, 48]), QrStep::NotModelled, "PDF417");
    }
}
