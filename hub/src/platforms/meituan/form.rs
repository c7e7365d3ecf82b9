//! A push's parameters, from an urlencoded body or a query.
//!
//! Meituan encodes a push's text values **twice**, so after the form is decoded each value is decoded once
//! more; `+` is a space both times. Names are encoded once. [`Reading::Once`] leaves the second decoding
//! out: the signature covers the decoded values, so it tells which of the two readings is the right one, and
//! nothing has to be guessed (see [`super::receive`]).
//!
//! What is tolerated, because real notes hold it: a `%` that begins no escape stays a `%` (`100%冰` that was
//! encoded once), empty pairs (`a=1&&b=2`) are skipped, and a name without `=` has a blank value. What is
//! not: text that is not UTF-8, a nameless value, a name that comes twice (the signature's base string could
//! then be read in more than one way), and anything over the bounds.

use thiserror::Error;

/// The largest body or query, in bytes. A large order of 50 dishes has about 50 KiB, encoded twice. It also
/// keeps every ticket of an order within the largest frame of the link (256 KiB).
pub const FORM_BYTES_MAX: usize = 128 * 1024;
/// The most parameters. A paid order of 2020 has 36, one with every subscription about 60.
pub const FORM_PARAMETERS_MAX: usize = 200;
/// The longest name of a parameter, in bytes.
pub const FORM_NAME_BYTES_MAX: usize = 64;

/// Why bytes are not a push's parameters. It never carries a value: values are personal data.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FormError {
    /// Longer than [`FORM_BYTES_MAX`].
    #[error("form of {bytes} bytes, at most {FORM_BYTES_MAX} are taken")]
    TooLarge {
        /// How long it is.
        bytes: usize,
    },
    /// More than [`FORM_PARAMETERS_MAX`].
    #[error("form with more than {FORM_PARAMETERS_MAX} parameters")]
    TooMany,
    /// A name that is blank or too long.
    #[error("parameter {place} has a blank or overlong name")]
    Name {
        /// Which parameter, from 1.
        place: usize,
    },
    /// A name or a value that is not UTF-8 once it is decoded.
    #[error("parameter {place} is not UTF-8")]
    NotUtf8 {
        /// Which parameter, from 1.
        place: usize,
    },
    /// A name that comes twice.
    #[error("parameter `{name}` comes twice")]
    Duplicate {
        /// The name.
        name: String,
    },
}

impl FormError {
    /// The code that logs and interfaces show.
    pub fn code(&self) -> &'static str {
        match self {
            FormError::TooLarge { .. } => "meituan-form-too-large",
            FormError::TooMany => "meituan-form-too-many",
            FormError::Name { .. } => "meituan-form-name",
            FormError::NotUtf8 { .. } => "meituan-form-not-utf8",
            FormError::Duplicate { .. } => "meituan-form-duplicate",
        }
    }

    /// What it is and what to do, for people: (zh-CN, en).
    pub fn remedy(&self) -> (&'static str, &'static str) {
        (
            "美团推送的表单无法识别:核对回调地址是否被其他程序调用,并联系美团开放平台",
            "the push's form cannot be read: see whether something else calls this address, then ask Meituan",
        )
    }
}

/// How often values are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// As the platform's documents say: the form's decoding, then once more.
    Twice,
    /// The form's decoding only.
    Once,
}

/// A push's parameters, decoded, by name. It holds personal data: it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Params {
    /// Sorted by the bytes of the name, no name twice.
    pairs: Vec<(String, String)>,
}

impl Params {
    /// Reads a body or a query.
    pub fn parse(raw: &[u8], reading: Reading) -> Result<Self, FormError> {
        if raw.len() > FORM_BYTES_MAX {
            return Err(FormError::TooLarge { bytes: raw.len() });
        }
        let mut pairs = Vec::new();
        for pair in raw.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == FORM_PARAMETERS_MAX {
                return Err(FormError::TooMany);
            }
            let place = pairs.len() + 1;
            let (name, value) = match pair.iter().position(|&byte| byte == b'=') {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &pair[..0]),
            };
            let value = match reading {
                Reading::Twice => url_decode(&url_decode(value)),
                Reading::Once => url_decode(value),
            };
            let utf8 = |bytes| String::from_utf8(bytes).map_err(|_| FormError::NotUtf8 { place });
            let name = utf8(url_decode(name))?;
            if name.is_empty() || name.len() > FORM_NAME_BYTES_MAX {
                return Err(FormError::Name { place });
            }
            pairs.push((name, utf8(value)?));
        }
        Self::from_pairs(pairs)
    }

    /// Takes decoded pairs.
    pub fn from_pairs(mut pairs: Vec<(String, String)>) -> Result<Self, FormError> {
        pairs.sort_unstable();
        if let Some(twice) = pairs.windows(2).find(|two| two[0].0 == two[1].0) {
            let name = twice[0].0.chars().filter(|c| !c.is_control()).collect();
            return Err(FormError::Duplicate { name });
        }
        Ok(Self { pairs })
    }

    /// The value of that name, blank or not.
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.pairs.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        Some(&self.pairs[at].1)
    }

    /// The value of that name without the space around it; `None` where nothing is left.
    pub fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).map(str::trim).filter(|value| !value.is_empty())
    }

    /// Names and values in the order of the names' bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

/// One URL decoding: escapes and `+`; a `%` that begins no escape stays.
fn url_decode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'+' => out.push(b' '),
            b'%' => match escape(tail) {
                Some(decoded) => {
                    out.push(decoded);
                    rest = &tail[2..];
                }
                None => out.push(b'%'),
            },
            other => out.push(other),
        }
    }
    out
}

/// The byte that two hex digits at the beginning of `tail` stand for.
fn escape(tail: &[u8]) -> Option<u8> {
    let nibble = |byte: &u8| char::from(*byte).to_digit(16);
    let (high, low) = (nibble(tail.first()?)?, nibble(tail.get(1)?)?);
    u8::try_from(high * 16 + low).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(raw: &str, reading: Reading) -> String {
        Params::parse(raw.as_bytes(), reading).ok().and_then(|p| p.get("v").map(str::to_owned)).unwrap()
    }

    fn error(raw: &[u8]) -> FormError {
        Params::parse(raw, Reading::Twice).err().unwrap()
    }

    #[test]
    fn values_are_decoded_twice() {
        assert_eq!(value("v=%25E5%2586%25B0", Reading::Twice), "冰");
        assert_eq!(value("v=a%2Bb+c", Reading::Twice), "a b c", "a plus is a space both times");
        assert_eq!(value("v=a%252Bb", Reading::Twice), "a+b");
        assert_eq!(value("v=a%2Bb", Reading::Once), "a+b");
    }

    #[test]
    fn a_percent_that_is_no_escape_stays() {
        assert_eq!(value("v=100%25%E5%86%B0", Reading::Twice), "100%冰", "encoded once");
        assert_eq!(value("v=100%2525%25E5%2586%25B0", Reading::Twice), "100%冰", "encoded twice");
        assert_eq!(value("v=%", Reading::Twice), "%");
        assert_eq!(value("v=5%2", Reading::Twice), "5%2");
        assert_eq!(value("v=%zz%2525", Reading::Twice), "%zz%");
    }

    #[test]
    fn names_blanks_and_empty_pairs() {
        let params = Params::parse(b"&b&a=&&c=1=2&", Reading::Twice).ok().unwrap();
        assert_eq!(params.iter().collect::<Vec<_>>(), [("a", ""), ("b", ""), ("c", "1=2")]);
        assert_eq!((params.get("a"), params.filled("a"), params.get("d")), (Some(""), None, None));
        assert!(Params::parse(b"", Reading::Twice).ok().unwrap().is_empty());
    }

    #[test]
    fn what_is_refused() {
        assert_eq!(error(b"a=1&b=%25FF"), FormError::NotUtf8 { place: 2 });
        assert_eq!(error(b"\xff=1"), FormError::NotUtf8 { place: 1 });
        assert_eq!(error(b"a=1&=2"), FormError::Name { place: 2 });
        assert_eq!(error(&[b'n'; FORM_NAME_BYTES_MAX + 1]), FormError::Name { place: 1 });
        assert_eq!(error(b"a=1&b=2&a=1"), FormError::Duplicate { name: "a".into() });
        let bytes = FORM_BYTES_MAX + 1;
        assert_eq!(error(&vec![b'&'; bytes]), FormError::TooLarge { bytes });
        let many: String = (0..=FORM_PARAMETERS_MAX).map(|n| format!("p{n}=&")).collect();
        assert_eq!(error(many.as_bytes()), FormError::TooMany);
    }
}
