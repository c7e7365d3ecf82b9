//! Times and durations as people read them. Clock times are China's, UTC+8 all year.

use super::language::Language;
use docket_protocol::ids::UnixMs;
use jiff::Timestamp;
use jiff::civil::DateTime;
use maud::{Markup, html};

/// Hours that China's time is ahead of UTC.
const CHINA_UTC_HOURS: i8 = 8;

/// What an age says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// How long it has lasted: 已 3 分, for 3 min.
    Lasting,
    /// How long ago it was: 3 分前, 3 min ago.
    Ago,
}

/// A moment whose age the page's script keeps in step with the hub's clock. Without the script it is the clock
/// time, which does not become wrong by standing still.
pub fn age(moment: UnixMs, at: UnixMs, form: Form) -> Markup {
    let full = china_full(moment);
    let form = match form {
        Form::Lasting => "lasting",
        Form::Ago => "ago",
    };
    html! { time.age data-at=(moment.0) data-form=(form) title=(full) { (china_short(moment, at)) } }
}

/// `14:03:22`; with the date where that is not the day of `at`.
pub fn china_short(moment: UnixMs, at: UnixMs) -> String {
    match (china(moment), china(at)) {
        (Some(moment), Some(at)) if moment.date() == at.date() => clock(moment),
        (Some(moment), _) => format!("{:02}-{:02} {}", moment.month(), moment.day(), clock(moment)),
        (None, _) => "?".into(),
    }
}

/// `2026-11-23 14:03:22 UTC+8`.
pub fn china_full(moment: UnixMs) -> String {
    china(moment).map_or_else(|| "?".into(), |moment| format!("{} {} UTC+8", moment.date(), clock(moment)))
}

fn clock(moment: DateTime) -> String {
    format!("{:02}:{:02}:{:02}", moment.hour(), moment.minute(), moment.second())
}

fn china(moment: UnixMs) -> Option<DateTime> {
    let timestamp = Timestamp::from_millisecond(moment.0).ok()?;
    Some(jiff::tz::offset(CHINA_UTC_HOURS).to_datetime(timestamp))
}

/// A measured duration: `632 ms`, `2.4 s`, `3 min 05 s`.
pub fn duration(ms: u64, language: Language) -> String {
    let (minute, hour) = language.pick(("分", "小时"), ("min", "h"));
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 => format!("{} {minute} {:02} s", ms / 60_000, ms / 1_000 % 60),
        _ => format!("{} {hour} {:02} {minute}", ms / 3_600_000, ms / 60_000 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_times_are_chinas() {
        let new_year = UnixMs(1_767_225_600_000);
        assert_eq!(china_short(new_year, new_year), "08:00:00");
        assert_eq!(china_short(new_year, UnixMs(new_year.0 + 86_400_000)), "01-01 08:00:00");
        assert_eq!(china_full(new_year), "2026-01-01 08:00:00 UTC+8");
        assert_eq!(china_short(UnixMs(i64::MAX), new_year), "?");
    }

    #[test]
    fn durations_keep_the_digits_that_matter() {
        let shown = [0, 999, 1_000, 2_449, 59_999, 60_000, 185_000, 3_600_000, 90_000_000]
            .map(|ms| duration(ms, Language::En));
        let wanted = [
            "0 ms",
            "999 ms",
            "1.0 s",
            "2.4 s",
            "59.9 s",
            "1 min 00 s",
            "3 min 05 s",
            "1 h 00 min",
            "25 h 00 min",
        ];
        assert_eq!(shown, wanted);
        assert_eq!(duration(185_000, Language::Zh), "3 分 05 s");
    }
}
