//! Java patterns of dates: printing an instant in UTC by a pattern, and reading one.
//!
//! In: a pattern such as `yyyy-MM-dd HH:mm`. Out: text, or an instant. Always: a letter without a meaning here
//! refuses the pattern; it is never printed as it stands.

use super::locale::{ENGLISH, Names};
use super::time::iso_week;
use model::Timestamp;
use model::time::{DAY_MS, days_from_civil, days_in_month};
use std::fmt::Write;

#[derive(Debug)]
enum Piece {
    Text(String),
    /// A letter and how often it stands.
    Field(char, usize),
}

/// A pattern that was read.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Piece>);

/// Letters and how often they may stand.
const LETTERS: &[(char, usize)] = &[
    ('y', 9),
    ('u', 9),
    ('Y', 9),
    ('w', 2),
    ('M', 5),
    ('L', 5),
    ('d', 2),
    ('D', 3),
    ('E', 5),
    ('a', 1),
    ('H', 2),
    ('h', 2),
    ('K', 2),
    ('k', 2),
    ('m', 2),
    ('s', 2),
    ('S', 9),
    ('X', 3),
    ('x', 3),
    ('Z', 3),
    ('z', 3),
];

impl Pattern {
    /// Reads a pattern; the error says what in it has no meaning.
    pub(super) fn new(pattern: &str) -> Result<Pattern, String> {
        let mut pieces = Vec::new();
        let mut rest = pattern;
        while let Some(c) = rest.chars().next() {
            if c == '\'' {
                let (text, after) = quoted(&rest[1..]).ok_or("a single quote is not closed")?;
                pieces.push(Piece::Text(text));
                rest = after;
            } else if c.is_ascii_alphabetic() {
                let after = rest.trim_start_matches(c);
                let count = rest.len() - after.len();
                match LETTERS.iter().find(|(letter, _)| *letter == c) {
                    None => return Err(format!("the letter `{c}` has no meaning in a pattern")),
                    Some((_, most)) if count > *most => return Err(format!("`{c}` stands {count} times")),
                    Some(_) => pieces.push(Piece::Field(c, count)),
                }
                rest = after;
            } else {
                let end = rest.find(|c: char| c == '\'' || c.is_ascii_alphabetic()).unwrap_or(rest.len());
                pieces.push(Piece::Text(rest[..end].to_owned()));
                rest = &rest[end..];
            }
        }
        Ok(Pattern(pieces))
    }

    /// The instant as text.
    pub(super) fn print(&self, ms: i64, names: &Names) -> String {
        let mut out = String::new();
        for piece in &self.0 {
            // Writing to a string cannot fail.
            let _ = match piece {
                Piece::Text(text) => out.write_str(text),
                Piece::Field(letter, count) => field(&mut out, *letter, *count, ms, names),
            };
        }
        out
    }

    /// The instant that a text of this form means; what the pattern leaves out is the beginning of the year.
    pub(super) fn read(&self, text: &str) -> Option<i64> {
        let mut found = Found { month: 1, day: 1, ..Found::default() };
        let mut rest = text;
        for (at, piece) in self.0.iter().enumerate() {
            rest = match piece {
                Piece::Text(text) => rest.strip_prefix(text.as_str())?,
                Piece::Field(letter, count) => {
                    let packed = matches!(self.0.get(at + 1), Some(Piece::Field(..)));
                    found.read(rest, *letter, *count, packed)?
                }
            };
        }
        if rest.is_empty() { found.instant() } else { None }
    }
}

/// Text up to a single quote, two of which stand for one; and what follows.
fn quoted(rest: &str) -> Option<(String, &str)> {
    if let Some(after) = rest.strip_prefix('\'') {
        return Some(("'".into(), after));
    }
    let mut text = String::new();
    let mut rest = rest;
    loop {
        let (part, after) = rest.split_once('\'')?;
        text.push_str(part);
        match after.strip_prefix('\'') {
            Some(more) => {
                text.push('\'');
                rest = more;
            }
            None => return Some((text, after)),
        }
    }
}

fn field(out: &mut String, letter: char, count: usize, ms: i64, names: &Names) -> std::fmt::Result {
    let (year, month, day, in_day) = Timestamp(ms).civil();
    let days = ms.div_euclid(DAY_MS);
    let hour = in_day / 3_600_000;
    let number = match letter {
        'y' | 'u' if count == 2 => year.rem_euclid(100),
        'y' | 'u' => year,
        'Y' if count == 2 => iso_week(days).0.rem_euclid(100),
        'Y' => iso_week(days).0,
        'w' => iso_week(days).1,
        'M' | 'L' if count > 2 => {
            let at = (month - 1) as usize;
            return match count {
                3 => out.write_str(names.months_short[at]),
                4 => out.write_str(names.months[at]),
                _ => out.write_str(&names.months[at].chars().take(1).collect::<String>().to_uppercase()),
            };
        }
        'E' => {
            let at = (days + 3).rem_euclid(7) as usize;
            return match count {
                ..=3 => out.write_str(names.days_short[at]),
                4 => out.write_str(names.days[at]),
                _ => out.write_str(&names.days[at].chars().take(1).collect::<String>().to_uppercase()),
            };
        }
        'M' | 'L' => month,
        'd' => day,
        'D' => days - days_from_civil(year, 1, 1) + 1,
        'a' => return out.write_str(if hour < 12 { "AM" } else { "PM" }),
        'H' => hour,
        'h' => (hour + 11) % 12 + 1,
        'K' => hour % 12,
        'k' => (hour + 23) % 24 + 1,
        'm' => in_day / 60_000 % 60,
        's' => in_day / 1000 % 60,
        'S' => {
            let digits = format!("{:03}000000", in_day % 1000);
            return out.write_str(&digits[..count]);
        }
        'X' => return out.write_str("Z"),
        'x' => return out.write_str(["+00", "+0000", "+00:00"][(count - 1).min(2)]),
        'Z' => return out.write_str("+0000"),
        _ => return out.write_str("UTC"),
    };
    write!(out, "{number:0count$}")
}

/// What was read of an instant.
#[derive(Default)]
struct Found {
    year: Option<i64>,
    month: i64,
    day: i64,
    day_of_year: Option<i64>,
    hour: i64,
    afternoon: Option<bool>,
    minute: i64,
    second: i64,
    ms: i64,
    offset_minutes: i64,
}

impl Found {
    /// Reads one field; gives what follows it.
    fn read<'t>(&mut self, text: &'t str, letter: char, count: usize, packed: bool) -> Option<&'t str> {
        match letter {
            'M' | 'L' if count > 2 => {
                let list = if count == 3 { &ENGLISH.months_short } else { &ENGLISH.months };
                let (at, after) = one_of(text, list)?;
                self.month = at as i64 + 1;
                return Some(after);
            }
            'E' => {
                return one_of(text, if count > 3 { &ENGLISH.days } else { &ENGLISH.days_short })
                    .map(|(_, after)| after);
            }
            'a' => {
                let (at, after) = one_of(text, &["AM", "PM"])?;
                self.afternoon = Some(at == 1);
                return Some(after);
            }
            'X' | 'x' | 'Z' => return self.offset(text),
            'z' => {
                return text
                    .strip_prefix("UTC")
                    .or_else(|| text.strip_prefix("GMT"))
                    .or_else(|| text.strip_prefix('Z'));
            }
            _ => {}
        }
        let exact = count > 1 || packed;
        let width = match letter {
            'y' | 'u' if count != 2 => {
                if exact {
                    4.max(count)
                } else {
                    9
                }
            }
            'D' => 3,
            'S' => count,
            _ => 2,
        };
        let digits = text.bytes().take(width).take_while(u8::is_ascii_digit).count();
        let least = if exact && letter != 'D' { width } else { 1 };
        if digits < least {
            return None;
        }
        let value: i64 = text[..digits].parse().ok()?;
        match letter {
            'y' | 'u' if count == 2 => self.year = Some(2000 + value),
            'y' | 'u' => self.year = Some(value),
            'M' | 'L' => self.month = value,
            'd' => self.day = value,
            'D' => self.day_of_year = Some(value),
            'H' => self.hour = value,
            'h' | 'K' if value <= 12 => self.hour = value % 12,
            'k' if value <= 24 => self.hour = value % 24,
            'm' => self.minute = value,
            's' => self.second = value,
            'S' => self.ms = format!("{:0<3}", &text[..digits])[..3].parse().ok()?,
            _ => return None,
        }
        Some(&text[digits..])
    }

    fn offset<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        if let Some(after) = text.strip_prefix(['Z', 'z']) {
            return Some(after);
        }
        let sign = if text.starts_with('-') { -1 } else { 1 };
        let rest = text.strip_prefix(['+', '-'])?;
        let two = |text: &str| text.get(..2).filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?.parse::<i64>().ok();
        let hours = two(rest)?;
        let rest = &rest[2..];
        let minutes = rest.strip_prefix(':').unwrap_or(rest);
        let (minutes, rest) = match two(minutes) {
            Some(found) => (found, &minutes[2..]),
            None => (0, rest),
        };
        self.offset_minutes = sign * (hours * 60 + minutes);
        (hours < 24 && minutes < 60).then_some(rest)
    }

    fn instant(&self) -> Option<i64> {
        let year = self.year.filter(|year| (0..=9999).contains(year))?;
        let first = days_from_civil(year, 1, 1);
        let days = match self.day_of_year {
            Some(day) if day >= 1 && first + day <= days_from_civil(year + 1, 1, 1) => first + day - 1,
            Some(_) => return None,
            None if !(1..=12).contains(&self.month) => return None,
            None if !(1..=days_in_month(year, self.month)).contains(&self.day) => return None,
            None => days_from_civil(year, self.month, self.day),
        };
        let hour = match self.afternoon {
            Some(afternoon) if self.hour < 12 => self.hour + if afternoon { 12 } else { 0 },
            Some(_) => return None,
            None => self.hour,
        };
        if hour > 23 || self.minute > 59 || self.second > 59 {
            return None;
        }
        let seconds = hour * 3600 + (self.minute - self.offset_minutes) * 60 + self.second;
        Some(days * DAY_MS + seconds * 1000 + self.ms)
    }
}

/// Which of some names a text begins with, and what follows it; the longest, letters in any case.
fn one_of<'t>(text: &'t str, names: &[&str]) -> Option<(usize, &'t str)> {
    let found = names.iter().enumerate().filter_map(|(at, name)| {
        let begun = text.get(..name.len())?;
        begun.eq_ignore_ascii_case(name).then(|| (at, &text[name.len()..]))
    });
    found.min_by_key(|(_, after)| after.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSTANT: i64 = 1_773_871_384_567; // 2026-03-18T22:03:04.567Z

    #[test]
    fn prints_and_reads_what_it_printed() {
        for (pattern, text) in [
            ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2026-03-18T22:03:04.567Z"),
            ("d MMM yy, hh:mm:ss.SSS a", "18 Mar 26, 10:03:04.567 PM"),
            ("EEEE, MMMM d, yyyy 'o''clock' H:m:s.SSS", "Wednesday, March 18, 2026 o'clock 22:3:4.567"),
            ("yyyyMMddHHmmssSSS", "20260318220304567"),
            ("yyyy DDD HH:mm:ss.SSS xxx", "2026 077 22:03:04.567 +00:00"),
        ] {
            let read = Pattern::new(pattern).expect("a pattern");
            assert_eq!(read.print(INSTANT, ENGLISH), text);
            assert_eq!(read.read(text), Some(INSTANT), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_date() {
        let read = |pattern: &str, text: &str| Pattern::new(pattern).expect("a pattern").read(text);
        assert_eq!(read("yyyy-MM-dd", "2026-02-30"), None);
        assert_eq!(read("yyyy-MM-dd", "2026-2-3"), None);
        assert_eq!(read("yyyy-M-d", "2026-2-3"), Some(1_770_076_800_000));
        assert_eq!(read("yyyy-MM-dd", "2026-02-03x"), None);
        assert_eq!(read("yyyy DDD", "2025 366"), None);
        assert_eq!(read("MM/dd", "03/18"), None);
        assert_eq!(read("yyyy hh a", "2026 13 PM"), None);
        assert_eq!(read("yyyy-MM-dd HH:mmXXX", "2026-03-18 10:00+01:30"), Some(1_773_822_600_000));
        for bad in ["yyyy-bb", "'open", "MMMMMM", "dd é QQ"] {
            assert!(Pattern::new(bad).is_err(), "{bad}");
        }
    }
}
