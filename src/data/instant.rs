//! Instants as text and as parts of a calendar: microseconds since 1970 UTC (or of a wall clock without zone) from
//! and to ISO 8601. Knows no zone rules: an offset is applied, a bare time is taken as it is.

/// Microseconds of a second.
pub const SECOND: i64 = 1_000_000;
/// Microseconds of a day.
pub const DAY: i64 = 86_400 * SECOND;

/// A date and a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Year.
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
    /// 0 to 23.
    pub hour: i64,
    /// 0 to 59.
    pub minute: i64,
    /// 0 to 59.
    pub second: i64,
    /// 0 to 999,999.
    pub micros: i64,
}

/// Days since 1970-01-01 of a proleptic Gregorian date (Hinnant, "chrono-compatible low-level date algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The calendar parts of an instant.
pub fn civil(us: i64) -> Civil {
    let days = us.div_euclid(DAY);
    let rest = us.rem_euclid(DAY);
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let seconds = rest / SECOND;
    Civil {
        year: yoe + era * 400 + i64::from(month <= 2),
        month,
        day: doy - (153 * mp + 2) / 5 + 1,
        hour: seconds / 3_600,
        minute: seconds / 60 % 60,
        second: seconds % 60,
        micros: rest % SECOND,
    }
}

/// The day of the week, Monday 0 to Sunday 6.
pub fn weekday(us: i64) -> i64 {
    (us.div_euclid(DAY) + 3).rem_euclid(7)
}

/// `2013-01-31T12:05:00`, with a fraction when there is one, and `Z` when `utc`.
pub fn format(us: i64, utc: bool) -> String {
    let c = civil(us);
    let mut text = String::with_capacity(27);
    if (0..10_000).contains(&c.year) {
        decimals(&mut text, c.year, 4);
    } else {
        text = format!("{:04}", c.year);
    }
    let rest = [
        ('-', c.month),
        ('-', c.day),
        ('T', c.hour),
        (':', c.minute),
        (':', c.second),
    ];
    for (before, value) in rest {
        text.push(before);
        decimals(&mut text, value, 2);
    }
    if c.micros != 0 {
        text.push('.');
        decimals(&mut text, c.micros, 6);
        text.truncate(text.trim_end_matches('0').len());
    }
    if utc {
        text.push('Z');
    }
    text
}

/// The last `count` decimal digits of what is not negative.
fn decimals(text: &mut String, value: i64, count: u32) {
    for place in (0..count).rev() {
        let digit = value / 10_i64.pow(place) % 10;
        text.push(char::from(b'0' + digit as u8));
    }
}

/// Reads `2013-01-31`, `2013-01-31T12:05`, `2013-01-31 12:05:00.25`, each time with or without `Z`, ` UTC` or an
/// offset (`+01:00`, `+0100`, `+01`). Answers microseconds and whether an offset was there.
pub fn parse(text: &str) -> Option<(i64, bool)> {
    let bytes = text.trim_ascii().as_bytes();
    if bytes.len() < 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = digits(bytes, 0, 4)?;
    let month = digits(bytes, 5, 2)?;
    let day = digits(bytes, 8, 2)?;
    if !(1..=12).contains(&month) || day < 1 || day > days_of_month(year, month) {
        return None;
    }
    let midnight = days_from_civil(year, month, day) * DAY;
    if bytes.len() == 10 {
        return Some((midnight, false));
    }
    if !matches!(bytes[10], b'T' | b't' | b' ') || bytes.get(13) != Some(&b':') {
        return None;
    }
    let hour = digits(bytes, 11, 2)?;
    let minute = digits(bytes, 14, 2)?;
    let mut at = 16;
    let (mut second, mut micros) = (0, 0);
    if bytes.get(at) == Some(&b':') {
        second = digits(bytes, at + 1, 2)?;
        at += 3;
        if matches!(bytes.get(at), Some(b'.' | b',')) {
            at += 1;
            let start = at;
            let mut unit = 100_000;
            while let Some(digit) = bytes.get(at).filter(|byte| byte.is_ascii_digit()) {
                micros += i64::from(digit - b'0') * unit;
                unit /= 10;
                at += 1;
            }
            if at == start {
                return None;
            }
        }
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let bare = midnight + (hour * 3_600 + minute * 60 + second) * SECOND + micros;
    let zone = bytes[at..].trim_ascii();
    let sign = match zone {
        [] => return Some((bare, false)),
        b"Z" | b"z" | b"UTC" => return Some((bare, true)),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    let (hours, minutes) = match zone.len() {
        3 => (digits(zone, 1, 2)?, 0),
        5 => (digits(zone, 1, 2)?, digits(zone, 3, 2)?),
        6 if zone[3] == b':' => (digits(zone, 1, 2)?, digits(zone, 4, 2)?),
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    Some((bare - sign * (hours * 60 + minutes) * 60 * SECOND, true))
}

fn digits(bytes: &[u8], from: usize, count: usize) -> Option<i64> {
    let mut value = 0;
    for byte in bytes.get(from..from + count)? {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(byte - b'0');
    }
    Some(value)
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn text_becomes_an_instant_and_back() {
        for (text, expected, zoned) in [
            ("1970-01-01", "1970-01-01T00:00:00", false),
            ("2013-03-10 07:00", "2013-03-10T07:00:00", false),
            ("2000-02-29T23:59:59.25Z", "2000-02-29T23:59:59.25", true),
            ("2013-01-01T01:30:00+01:00", "2013-01-01T00:30:00", true),
            ("2013-01-01 00:00:00-0530", "2013-01-01T05:30:00", true),
            (
                "1969-12-31T23:59:59.999999",
                "1969-12-31T23:59:59.999999",
                false,
            ),
        ] {
            let (us, zone) = parse(text).unwrap();
            assert_eq!(format(us, false), expected, "{text}");
            assert_eq!(zone, zoned, "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "2013-13-01",
            "2013-02-29",
            "20130101",
            "2013-01-01T",
            "2013-01-01T25:00",
            "2013-01-01T10:00:00 o'clock",
            "2013-1-1",
            "n/a",
            "",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn parts_agree_with_chrono() {
        use chrono::{Datelike, Timelike};
        for us in [
            -62_135_596_800_000_000,
            -1,
            0,
            1_356_998_400_000_000,
            1_709_164_799_999_999,
        ] {
            let reference = chrono::DateTime::from_timestamp_micros(us).unwrap();
            let c = civil(us);
            assert_eq!(c.year, i64::from(reference.year()));
            assert_eq!(c.month, i64::from(reference.month()));
            assert_eq!(c.day, i64::from(reference.day()));
            assert_eq!(c.hour, i64::from(reference.hour()));
            assert_eq!(
                weekday(us),
                i64::from(reference.weekday().num_days_from_monday())
            );
        }
    }
}
