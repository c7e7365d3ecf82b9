//! Bar codes: what they say as bars, and as the data of GS k.
//!
//! Code 128 after ISO/IEC 15417: printable ASCII in set B, runs of digits in set C, where two take the room of one.
//! In set C a digit pair is a byte of that value, and 16 04 would be a real-time command on the wire; where that
//! happens, everything stays in set B. EAN-13 after GS1's General Specifications, section 5.2.

use crate::raster::has_real_time;
use docket_protocol::document::Symbology;

/// Characters of a bar code at most. 80 mm hold about half of it.
pub const BARCODE_CHARACTERS_MAX: usize = 64;

/// Digits that are worth changing to set C at the start or end, and in the middle.
const PAIRED_DIGITS_MIN: usize = 4;
const PAIRED_DIGITS_INSIDE_MIN: usize = 6;
const TO_SET_C: u8 = 99;
const TO_SET_B: u8 = 100;
const START_B: u8 = 104;
const START_C: u8 = 105;
const CHECK_MODULUS: usize = 103;
/// Widths of bars and spaces of each symbol, and of the stop symbol with its closing bar.
const CODE_128: [&[u8]; 106] = [
    b"212222", b"222122", b"222221", b"121223", b"121322", b"131222", b"122213", b"122312", b"132212",
    b"221213", b"221312", b"231212", b"112232", b"122132", b"122231", b"113222", b"123122", b"123221",
    b"223211", b"221132", b"221231", b"213212", b"223112", b"312131", b"311222", b"321122", b"321221",
    b"312212", b"322112", b"322211", b"212123", b"212321", b"232121", b"111323", b"131123", b"131321",
    b"112313", b"132113", b"132311", b"211313", b"231113", b"231311", b"112133", b"112331", b"132131",
    b"113123", b"113321", b"133121", b"313121", b"211331", b"231131", b"213113", b"213311", b"213131",
    b"311123", b"311321", b"331121", b"312113", b"312311", b"332111", b"314111", b"221411", b"431111",
    b"111224", b"111422", b"121124", b"121421", b"141122", b"141221", b"112214", b"112412", b"122114",
    b"122411", b"142112", b"142211", b"241211", b"221114", b"413111", b"241112", b"134111", b"111242",
    b"121142", b"121241", b"114212", b"124112", b"124211", b"411212", b"421112", b"421211", b"212141",
    b"214121", b"412121", b"111143", b"111341", b"131141", b"114113", b"114311", b"411113", b"411311",
    b"113141", b"114131", b"311141", b"411131", b"211412", b"211214", b"211232",
];
const CODE_128_STOP: &[u8] = b"2331112";

const EAN_DIGITS: usize = 13;
/// Widths of a digit's spaces and bars in set A; set B is its mirror image.
const EAN_13: [[u8; 4]; 10] =
    [*b"3211", *b"2221", *b"2122", *b"1411", *b"1132", *b"1231", *b"1114", *b"1312", *b"1213", *b"3112"];
/// Which of the six digits on the left are in set B, by the first digit.
const EAN_SETS: [[bool; 6]; 10] = {
    const A: bool = false;
    const B: bool = true;
    [
        [A, A, A, A, A, A],
        [A, A, B, A, B, B],
        [A, A, B, B, A, B],
        [A, A, B, B, B, A],
        [A, B, A, A, B, B],
        [A, B, B, A, A, B],
        [A, B, B, B, A, A],
        [A, B, A, B, A, B],
        [A, B, A, B, B, A],
        [A, B, B, A, B, A],
    ]
};

/// A bar code that can be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Barcode {
    symbology: Symbology,
    caption: String,
    command_data: Vec<u8>,
    /// Bars and spaces in turn, in modules; a bar is first and last.
    widths: Vec<u8>,
}

impl Barcode {
    /// `None` where the data cannot be said so: other than printable ASCII, letters or a wrong check digit in an
    /// EAN-13, nothing or too much.
    pub fn new(data: &str, symbology: Symbology) -> Option<Self> {
        let printable = data.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if data.is_empty() || data.len() > BARCODE_CHARACTERS_MAX || !printable {
            return None;
        }
        match symbology {
            Symbology::Code128 => Some(Self::code_128(data)),
            Symbology::Ean13 => Self::ean_13(data),
        }
    }

    /// How it says it.
    pub fn symbology(&self) -> Symbology {
        self.symbology
    }

    /// What it says, with the check digit that people see.
    pub fn caption(&self) -> &str {
        &self.caption
    }

    /// The data of GS k, without a real-time command in it.
    pub fn command_data(&self) -> &[u8] {
        &self.command_data
    }

    /// Its width.
    pub fn modules(&self) -> u16 {
        self.widths.iter().copied().map(u16::from).sum()
    }

    /// Left edge and width of each bar, in modules.
    pub fn bars(&self) -> impl Iterator<Item = (u16, u16)> {
        let mut x = 0;
        self.widths.iter().enumerate().filter_map(move |(at, &width)| {
            let left = x;
            x += u16::from(width);
            (at % 2 == 0).then_some((left, u16::from(width)))
        })
    }

    fn code_128(data: &str) -> Self {
        let (mut symbols, mut command_data) = symbols_128(data.as_bytes(), true);
        if has_real_time(&command_data) {
            (symbols, command_data) = symbols_128(data.as_bytes(), false);
        }
        let weighted = symbols.iter().enumerate().map(|(at, &symbol)| at.max(1) * usize::from(symbol));
        let check = weighted.sum::<usize>() % CHECK_MODULUS;
        let patterns = symbols.iter().map(|&symbol| usize::from(symbol)).chain([check]);
        let widths = patterns
            .map(|symbol| CODE_128[symbol])
            .chain([CODE_128_STOP])
            .flatten()
            .map(|width| width - b'0')
            .collect();
        Barcode { symbology: Symbology::Code128, caption: data.to_owned(), command_data, widths }
    }

    fn ean_13(data: &str) -> Option<Self> {
        let mut digits: Vec<u8> = data.bytes().map(|byte| byte.wrapping_sub(b'0')).collect();
        if digits.iter().any(|&digit| digit > 9) {
            return None;
        }
        let weighted = digits.iter().take(EAN_DIGITS - 1).enumerate();
        let sum: u32 = weighted.map(|(at, &digit)| u32::from(digit) * if at % 2 == 0 { 1 } else { 3 }).sum();
        let check = u8::try_from((10 - sum % 10) % 10).ok()?;
        if digits.len() == EAN_DIGITS - 1 {
            digits.push(check);
        }
        if digits.len() != EAN_DIGITS || digits[EAN_DIGITS - 1] != check {
            return None;
        }
        let mut widths = vec![1, 1, 1];
        let sets = EAN_SETS[usize::from(digits[0])];
        for (&digit, is_mirrored) in digits[1..7].iter().zip(sets) {
            let mut pattern = EAN_13[usize::from(digit)];
            if is_mirrored {
                pattern.reverse();
            }
            widths.extend(pattern.map(|width| width - b'0'));
        }
        widths.extend([1, 1, 1, 1, 1]);
        for &digit in &digits[7..] {
            widths.extend(EAN_13[usize::from(digit)].map(|width| width - b'0'));
        }
        widths.extend([1, 1, 1]);
        let command_data: Vec<u8> = digits.iter().map(|digit| digit + b'0').collect();
        let caption = command_data.iter().copied().map(char::from).collect();
        Some(Barcode { symbology: Symbology::Ean13, caption, command_data, widths })
    }
}

/// The symbols without check and stop, and the same for GS k.
fn symbols_128(data: &[u8], may_pair: bool) -> (Vec<u8>, Vec<u8>) {
    let mut symbols = Vec::with_capacity(data.len() + 2);
    let mut command = Vec::with_capacity(data.len() + 4);
    let mut rest = data;
    let mut is_paired = None;
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let is_inside = !symbols.is_empty() && digits < rest.len();
        let enough = if is_inside { PAIRED_DIGITS_INSIDE_MIN } else { PAIRED_DIGITS_MIN };
        // An odd digit goes before the pairs where set B is on, and after them where nothing is yet.
        let starts_pairs = may_pair && digits >= enough && (digits % 2 == 0 || is_paired.is_none());
        if starts_pairs || (is_paired == Some(true) && digits >= 2) {
            if is_paired != Some(true) {
                symbols.push(if is_paired.is_none() { START_C } else { TO_SET_C });
                command.extend_from_slice(b"{C");
            }
            is_paired = Some(true);
            for pair in rest[..digits].chunks_exact(2) {
                let value = (pair[0] - b'0') * 10 + (pair[1] - b'0');
                symbols.push(value);
                command.push(value);
            }
            rest = &rest[digits - digits % 2..];
        } else {
            if is_paired != Some(false) {
                symbols.push(if is_paired.is_none() { START_B } else { TO_SET_B });
                command.extend_from_slice(b"{B");
            }
            is_paired = Some(false);
            symbols.push(rest[0] - b' ');
            command.push(rest[0]);
            if rest[0] == b'{' {
                command.push(b'{');
            }
            rest = &rest[1..];
        }
    }
    (symbols, command)
}
