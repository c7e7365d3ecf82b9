//! Amounts and quantities, exactly: decimal text to whole numbers without ever going through a float.
//!
//! The platform writes yuan as text (`61.0`, `0.02`) or as JSON numbers, and Java's way of writing a double
//! may put an exponent (`1.0E7`). `0.1 + 0.2` is a known way to lose a fen, so a [`Decimal`] keeps digits and
//! scale, multiplies exactly, and rounds once, half away from zero, where there are more than two decimals.

use docket_protocol::ids::Fen;
use thiserror::Error;

/// The largest amount taken: ten million yuan. A larger one is a mistake, not an order.
pub const AMOUNT_FEN_MAX: i64 = 1_000_000_000;
/// The most of one dish.
pub const QUANTITY_MAX: u32 = 10_000;
/// The most digits of a number, before and after the point together.
const DIGITS_MAX: usize = 18;
/// The largest exponent, up or down.
const EXPONENT_MAX: i32 = 15;

/// Why text is not an amount or a quantity. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AmountError {
    /// Not a decimal number.
    #[error("not a decimal number")]
    NotANumber,
    /// Beyond what an order can hold.
    #[error("out of range")]
    OutOfRange,
    /// A part of something that is counted.
    #[error("not a whole number")]
    NotWhole,
}

/// A decimal number: `digits / 10^scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    digits: i128,
    scale: i32,
}

impl Decimal {
    /// Zero.
    pub const ZERO: Decimal = Decimal { digits: 0, scale: 0 };

    /// Reads `-12.30`, `+5`, `.5`, `1.0E7`.
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        let text = text.trim();
        let (number, exponent) = match text.split_once(['e', 'E']) {
            Some((number, exponent)) => {
                let exponent = exponent.parse::<i32>().map_err(|_| AmountError::NotANumber)?;
                (number, exponent)
            }
            None => (text, 0),
        };
        let (negative, number) = match number.strip_prefix(['-', '+']) {
            Some(rest) => (number.starts_with('-'), rest),
            None => (false, number),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let count = whole.len() + fraction.len();
        if count == 0 || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
            return Err(AmountError::NotANumber);
        }
        if count > DIGITS_MAX || exponent.abs() > EXPONENT_MAX {
            return Err(AmountError::OutOfRange);
        }
        let digits =
            whole.bytes().chain(fraction.bytes()).fold(0, |sum, byte| sum * 10 + i128::from(byte - b'0'));
        // At most DIGITS_MAX, as checked above.
        let decimals = i32::try_from(fraction.len()).map_err(|_| AmountError::OutOfRange)?;
        Ok(Self { digits: if negative { -digits } else { digits }, scale: decimals - exponent })
    }

    /// The exact product.
    pub fn times(self, other: Decimal) -> Self {
        // 18 digits each: below 10^36, i128 holds 10^38.
        Self { digits: self.digits * other.digits, scale: self.scale + other.scale }
    }

    /// As yuan: rounded to fen, half away from zero.
    pub fn to_fen(self) -> Result<Fen, AmountError> {
        let fen = self.rounded(2)?;
        i64::try_from(fen)
            .ok()
            .filter(|fen| fen.abs() <= AMOUNT_FEN_MAX)
            .map(Fen)
            .ok_or(AmountError::OutOfRange)
    }

    /// As something that is counted: `2` and `2.0`, not `2.5`.
    pub fn to_count(self) -> Result<u32, AmountError> {
        let count = self.rounded(0)?;
        let whole = Decimal { digits: count, scale: 0 };
        if whole.rounded(6)? != self.rounded(6)? {
            return Err(AmountError::NotWhole);
        }
        u32::try_from(count).ok().filter(|&count| count <= QUANTITY_MAX).ok_or(AmountError::OutOfRange)
    }

    /// The number times 10^decimals, rounded half away from zero.
    fn rounded(self, decimals: i32) -> Result<i128, AmountError> {
        if self.digits == 0 {
            return Ok(0);
        }
        let shift = decimals - self.scale;
        let power = 10i128.checked_pow(shift.unsigned_abs());
        if shift >= 0 {
            return power.and_then(|power| self.digits.checked_mul(power)).ok_or(AmountError::OutOfRange);
        }
        // A power beyond i128 divides anything down to nothing.
        let Some(power) = power else { return Ok(0) };
        let (quotient, rest) = (self.digits / power, self.digits % power);
        let away = if rest.abs() * 2 >= power { self.digits.signum() } else { 0 };
        Ok(quotient + away)
    }
}

/// An amount in yuan.
pub fn parse_yuan(text: &str) -> Result<Fen, AmountError> {
    Decimal::parse(text)?.to_fen()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yuan_become_fen_exactly() {
        for (yuan, fen) in [
            ("61.0", 6100),
            ("0.02", 2),
            ("28", 2800),
            ("-5.5", -550),
            ("+.5", 50),
            ("7.", 700),
            ("0.29", 29),
            ("1.15", 115),
            ("4.35", 435),
            ("1.005", 101),
            ("-1.005", -101),
            ("1.0049999", 100),
            ("1.0E2", 10_000),
            ("1.5e-1", 15),
            ("0E15", 0),
            (" 3.0 ", 300),
            ("10000000", 1_000_000_000),
        ] {
            assert_eq!(parse_yuan(yuan), Ok(Fen(fen)), "{yuan}");
        }
        for fen in 0..20_000 {
            assert_eq!(parse_yuan(&Fen(fen).to_string()), Ok(Fen(fen)));
        }
    }

    #[test]
    fn what_is_no_amount() {
        for text in ["", " ", ".", "-", "1,5", "1.2.3", "0x10", "１", "NaN", "1e", "e5", "--1", "1 2"] {
            assert_eq!(parse_yuan(text), Err(AmountError::NotANumber), "{text}");
        }
        for text in ["10000000.01", "1E9", "1e99", "9999999999999999999"] {
            assert_eq!(parse_yuan(text), Err(AmountError::OutOfRange), "{text}");
        }
    }

    #[test]
    fn counts_are_whole() {
        let count = |text| Decimal::parse(text).and_then(Decimal::to_count);
        assert_eq!((count("2"), count("1.0"), count("1.0E1")), (Ok(2), Ok(1), Ok(10)));
        assert_eq!(count("1.5"), Err(AmountError::NotWhole));
        assert_eq!(
            (count("-1"), count("10001")),
            (Err(AmountError::OutOfRange), Err(AmountError::OutOfRange))
        );
    }

    #[test]
    fn products_are_rounded_once() {
        let product = |a, b| Decimal::parse(a).unwrap().times(Decimal::parse(b).unwrap()).to_fen();
        assert_eq!(product("3", "0.335"), Ok(Fen(101)), "3 × 0.34 would be 1.02");
        assert_eq!(product("1.0", "1"), Ok(Fen(100)));
        assert_eq!(product("999999999999999999", "999999999999999999"), Err(AmountError::OutOfRange));
        assert_eq!(product("1e-15", "0.00000000000000001"), Ok(Fen(0)));
    }
}
