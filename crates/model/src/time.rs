//! Instants: milliseconds since 1970-01-01T00:00:00Z, and their RFC 3339 text.

use std::fmt;

/// An instant in milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

/// One day in milliseconds.
pub const DAY_MS: i64 = 86_400_000;

impl Timestamp {
    /// Parses an RFC 3339 date-time with an offset (`2026-03-18T10:30:00Z`, `+0100` also read).
    /// Finer parts than a millisecond are cut off. A full date alone is not an instant: `None`.
    pub fn parse(text: &str) -> Option<Timestamp> {
        let bytes = text.as_bytes();
        if bytes.len() < 20 || !matches!(bytes[10], b'T' | b't' | b' ') {
            return None;
        }
        let days = parse_date(&bytes[..10])?;
        if bytes[13] != b':' || bytes[16] != b':' {
            return None;
        }
        let (hour, minute, second) = (two(bytes, 11)?, two(bytes, 14)?, two(bytes, 17)?);
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let mut at = 19;
        let mut millis = 0;
        if bytes[at] == b'.' {
            at += 1;
            let start = at;
            while at < bytes.len() && bytes[at].is_ascii_digit() {
                if at - start < 3 {
                    millis = millis * 10 + i64::from(bytes[at] - b'0');
                }
                at += 1;
            }
            match at - start {
                0 => return None,
                1 => millis *= 100,
                2 => millis *= 10,
                _ => {}
            }
        }
        let offset_minutes = parse_offset(&bytes[at..])?;
        let seconds = hour * 3600 + minute * 60 + second.min(59) - offset_minutes * 60;
        Some(Timestamp(days * DAY_MS + seconds * 1000 + millis))
    }

    /// Parses a full date (`2026-03-18`) as its first instant, or else a date-time.
    pub fn parse_date_or_time(text: &str) -> Option<Timestamp> {
        if text.len() == 10 {
            return parse_date(text.as_bytes()).map(|days| Timestamp(days * DAY_MS));
        }
        Timestamp::parse(text)
    }

    /// `2026-03-18T10:30:00Z`: whole seconds, as exports print them (activation.md §3.6).
    pub fn to_seconds_text(self) -> String {
        let (year, month, day, rest) = self.civil();
        let (h, m, s) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
        format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}Z")
    }

    /// Year, month, day and the milliseconds within the day.
    pub fn civil(self) -> (i64, i64, i64, i64) {
        let days = self.0.div_euclid(DAY_MS);
        let (y, m, d) = civil_from_days(days);
        (y, m, d, self.0.rem_euclid(DAY_MS))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 with milliseconds only where there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.rem_euclid(1000);
        let text = self.to_seconds_text();
        if millis == 0 { f.write_str(&text) } else { write!(f, "{}.{millis:03}Z", &text[..text.len() - 1]) }
    }
}

fn two(bytes: &[u8], at: usize) -> Option<i64> {
    let (high, low) = (*bytes.get(at)?, *bytes.get(at + 1)?);
    (high.is_ascii_digit() && low.is_ascii_digit()).then(|| i64::from(high - b'0') * 10 + i64::from(low - b'0'))
}

fn parse_date(bytes: &[u8]) -> Option<i64> {
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = two(bytes, 0)? * 100 + two(bytes, 2)?;
    let (month, day) = (two(bytes, 5)?, two(bytes, 8)?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    Some(days_from_civil(year, month, day))
}

fn parse_offset(bytes: &[u8]) -> Option<i64> {
    match bytes {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), rest @ ..] => {
            let (hours, minutes) = match rest.len() {
                5 if rest[2] == b':' => (two(rest, 0)?, two(rest, 3)?),
                4 => (two(rest, 0)?, two(rest, 2)?),
                _ => return None,
            };
            if hours > 23 || minutes > 59 {
                return None;
            }
            let total = hours * 60 + minutes;
            Some(if *sign == b'-' { -total } else { total })
        }
        _ => None,
    }
}

/// Days in a month of the proleptic Gregorian calendar.
pub fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a civil date.
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let doy = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

/// The civil date (year, month, day) of a count of days since 1970-01-01.
pub fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z - era * 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_offsets_and_fractions() {
        let noon = Timestamp::parse("2026-03-18T12:00:00Z").expect("valid");
        assert_eq!(Timestamp::parse("2026-03-18T13:00:00+01:00"), Some(noon));
        assert_eq!(Timestamp::parse("2026-03-18T13:00:00+0100"), Some(noon));
        assert_eq!(Timestamp::parse("2026-03-18T12:00:00.1234567Z"), Some(Timestamp(noon.0 + 123)));
        assert_eq!(Timestamp::parse("2026-03-18T12:00:00.5Z"), Some(Timestamp(noon.0 + 500)));
    }

    #[test]
    fn refuses_what_is_no_instant() {
        for text in [
            "",
            "2026-03-18",
            "2026-03-18T12:00:00",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00+2460",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_jiff(ms in -62_000_000_000_000i64..250_000_000_000_000) {
            let ours = Timestamp(ms);
            let theirs = jiff::Timestamp::from_millisecond(ms).expect("in range");
            prop_assert_eq!(Timestamp::parse(&theirs.to_string()), Some(ours));
            prop_assert_eq!(Timestamp::parse(&ours.to_string()), Some(ours));
        }
    }
}
