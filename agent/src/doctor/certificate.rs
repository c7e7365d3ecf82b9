//! From when until when a certificate is valid: the one thing that is read out of its DER here (RFC 5280, 4.1).

use docket_protocol::ids::UnixMs;
use std::ops::RangeInclusive;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// `None` where it is no certificate.
pub fn validity(der: &[u8]) -> Option<RangeInclusive<UnixMs>> {
    let (certificate, _) = of_tag(der, SEQUENCE)?;
    let (mut fields, _) = of_tag(certificate, SEQUENCE)?;
    if let Some((_, rest)) = of_tag(fields, VERSION) {
        fields = rest;
    }
    // Serial number, algorithm, issuer.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        (_, fields) = of_tag(fields, tag)?;
    }
    let (validity, _) = of_tag(fields, SEQUENCE)?;
    let (from, rest) = time(validity)?;
    let (until, _) = time(rest)?;
    Some(from..=until)
}

/// The content of the first element, if it has this tag, and what follows it.
fn of_tag(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = element(der)?;
    (found == tag).then_some((content, rest))
}

fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, length], mut rest) = der.split_first_chunk::<2>()?;
    let mut bytes = usize::from(length);
    if length & 0x80 != 0 {
        let (digits, after) = rest.split_at_checked(usize::from(length & 0x7f))?;
        if digits.len() > 4 {
            return None;
        }
        bytes = digits.iter().fold(0, |bytes, &digit| (bytes << 8) | usize::from(digit));
        rest = after;
    }
    let (content, rest) = rest.split_at_checked(bytes)?;
    Some((tag, content, rest))
}

fn time(der: &[u8]) -> Option<(UnixMs, &[u8])> {
    let (tag, text, rest) = element(der)?;
    let digits = text.strip_suffix(b"Z")?;
    let (year, digits) = match tag {
        // RFC 5280, 4.1.2.5.1: 50 is 1950.
        UTC_TIME => (
            match number(digits.get(..2)?)? {
                year @ 50.. => 1_900 + year,
                year => 2_000 + year,
            },
            &digits[2..],
        ),
        GENERALIZED_TIME => (number(digits.get(..4)?)?, &digits[4..]),
        _ => return None,
    };
    if digits.len() != 10 {
        return None;
    }
    let part = |at: usize| number(&digits[at..at + 2]);
    let (month, day, hour, minute, second) = (part(0)?, part(2)?, part(4)?, part(6)?, part(8)?);
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    Some((UnixMs(seconds * 1_000), rest))
}

fn number(digits: &[u8]) -> Option<i64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Days since 1970-01-01 of the Gregorian calendar. A year is counted from March, so that a leap day is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_years = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    of_years + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_says_how_long_it_is_valid() {
        let mut params = rcgen::CertificateParams::new(vec!["agent".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2024, 2, 29);
        params.not_after = rcgen::date_time_ymd(2101, 3, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let valid = validity(certificate.der()).unwrap();
        assert_eq!(valid, UnixMs(1_709_164_800_000)..=UnixMs(4_139_078_400_000));
    }

    #[test]
    fn what_is_no_certificate_says_nothing() {
        let own = rcgen::generate_simple_self_signed(vec!["agent".to_owned()]).unwrap();
        let der = own.cert.der();
        for end in 0..der.len().min(150) {
            assert_eq!(validity(&der[..end]), None, "{end}");
        }
        assert_eq!(validity(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
