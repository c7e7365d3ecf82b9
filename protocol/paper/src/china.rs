//! Times as people in China read them: UTC+8 all year.

use docket_protocol::ids::UnixMs;

/// China's time is this far ahead of UTC.
const CHINA_MS: i64 = 8 * 3_600_000;
const DAY_MS: i64 = 86_400_000;
/// Years that are taken for a clock's; others are shown as unknown.
const YEARS: std::ops::RangeInclusive<i64> = 1970..=9999;

/// `01-02 12:30`.
#[cfg(feature = "templates")]
pub(crate) fn time(time: UnixMs) -> String {
    match parts(time) {
        Some((_, month, day, hour, minute)) => format!("{month:02}-{day:02} {hour:02}:{minute:02}"),
        None => "时间不明".into(),
    }
}

/// `2026-01-02 12:30`.
pub fn date_and_time(time: UnixMs) -> String {
    match parts(time) {
        Some((year, month, day, hour, minute)) => {
            format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}")
        }
        None => "时间不明".into(),
    }
}

/// Year, month, day, hour and minute in China.
fn parts(time: UnixMs) -> Option<(i64, i64, i64, i64, i64)> {
    let local = time.0.checked_add(CHINA_MS)?;
    let (mut days, minutes) = (local.div_euclid(DAY_MS), local.rem_euclid(DAY_MS) / 60_000);
    // Of 400 years each from a 1 March on: leap days then are the last of their years, centuries and so on.
    const DAYS_TO_1970: i64 = 719_468;
    const DAYS_OF_400_YEARS: i64 = 146_097;
    days += DAYS_TO_1970;
    let (era, day_of_era) = (days.div_euclid(DAYS_OF_400_YEARS), days.rem_euclid(DAYS_OF_400_YEARS));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // From March on months have 31, 30, 31, 30, 31 days, and again: 153 days in five.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    YEARS.contains(&year).then_some((year, month, day, minutes / 60, minutes % 60))
}

#[cfg(all(test, feature = "templates"))]
mod tests {
    use super::*;

    #[test]
    fn times_are_chinas() {
        assert_eq!(time(UnixMs(1_767_225_600_000)), "01-01 08:00");
        assert_eq!(date_and_time(UnixMs(1_767_225_600_000)), "2026-01-01 08:00");
        assert_eq!(date_and_time(UnixMs(1_709_135_999_000)), "2024-02-28 23:59");
        assert_eq!(date_and_time(UnixMs(1_709_136_000_000)), "2024-02-29 00:00");
        assert_eq!(date_and_time(UnixMs(1_709_222_400_000)), "2024-03-01 00:00");
        assert_eq!(date_and_time(UnixMs(4_107_513_600_000)), "2100-03-01 00:00");
        assert_eq!(date_and_time(UnixMs(0)), "1970-01-01 08:00");
        assert_eq!(time(UnixMs(i64::MAX)), "时间不明");
        assert_eq!(time(UnixMs(i64::MIN)), "时间不明");
    }
}
