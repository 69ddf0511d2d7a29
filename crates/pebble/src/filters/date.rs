//! `date`: Java's `SimpleDateFormat` for English.
//!
//! In: milliseconds since 1970, or text and its pattern. Out: text in a zone. Always: lenient fields roll over,
//! trailing text is ignored; two-digit years lie in 1946 to 2045, since this crate knows no present.

use super::Given;
use super::calendar::{self, DAY_MS};
use crate::error::{Raised, fault};
use crate::java;
use crate::render::Renderer;
use crate::scope::Held;
use crate::value::Value;

const DEFAULT: &str = "yyyy-MM-dd'T'HH:mm:ssZ";
/// Steps of the calendar and the zone.
const DATE_STEPS: u64 = 8;
const CENTURY_START: i64 = 1946;
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

pub(super) fn date<'a>(renderer: &mut Renderer<'a>, input: Held<'a>, args: Given<'a>) -> Raised<Held<'a>> {
    if matches!(*input, Value::Null) {
        return Ok(input);
    }
    let mut args = args.into_iter();
    let mut next = |name: &str| -> Raised<Option<String>> {
        match args.next().flatten().as_deref() {
            None | Some(Value::Null) => Ok(None),
            Some(given) => match given.text() {
                Some(text) => Ok(Some(text.to_owned())),
                None => Err(fault(format!("`{name}` of `date` is a string, not {}", given.kind()))),
            },
        }
    };
    let (format, existing, zone) = (next("format")?, next("existingFormat")?, next("timeZone")?);
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let read = length(&format) + length(&existing) + length(&zone) + input.text().map_or(0, str::len);
    // A pattern is taken apart before it is used.
    renderer.charge(read.saturating_mul(size_of::<Part>()))?;
    renderer.step(DATE_STEPS)?;
    let millis = match &*input {
        Value::Long(v) => *v,
        Value::Int(v) | Value::Lazy(v) => (*v).into(),
        Value::Double(v) => *v as i64,
        Value::Big(big) => big.low,
        given @ (Value::Str(_) | Value::Safe(_)) => {
            let text = given.text().unwrap_or_default();
            let pattern = existing.as_deref().unwrap_or(DEFAULT);
            let parts = parts(pattern)?;
            Parsed::read(&parts, text).ok_or_else(|| {
                fault(format!("the text does not fit the pattern `{}`", crate::error::shorten(pattern))).given(text)
            })?
        }
        other => return Err(fault(format!("`date` takes numbers and strings, not {}", other.kind()))),
    };
    let parts = parts(format.as_deref().unwrap_or(DEFAULT))?;
    let text = print(&parts, millis, &Zone::named(zone.as_deref().unwrap_or("UTC")))?;
    Ok(Held::Own(Value::Safe(text.into())))
}

/// A piece of a pattern.
#[derive(Debug, PartialEq)]
enum Part {
    Text(char),
    Field(char, usize),
}

fn parts(pattern: &str) -> Raised<Vec<Part>> {
    const COUNT_MAX: usize = 255;
    let mut parts = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' if chars.next_if_eq(&'\'').is_some() => parts.push(Part::Text('\'')),
            '\'' => loop {
                match chars.next() {
                    Some('\'') if chars.next_if_eq(&'\'').is_some() => parts.push(Part::Text('\'')),
                    Some('\'') => break,
                    Some(c) => parts.push(Part::Text(c)),
                    None => return Err(fault("a quote of the date pattern is not closed").given(pattern)),
                }
            },
            c if c.is_ascii_alphabetic() => {
                if !"GyYMLwWDdFEuaHkKhmsSzZX".contains(c) {
                    return Err(fault(format!("`{c}` is no letter of date patterns")).given(pattern));
                }
                let mut count = 1;
                while chars.next_if_eq(&c).is_some() {
                    count += 1;
                }
                if (c == 'X' && count > 3) || count > COUNT_MAX {
                    return Err(fault(format!("too many `{c}` in the date pattern")).given(pattern));
                }
                parts.push(Part::Field(c, count));
            }
            c => parts.push(Part::Text(c)),
        }
    }
    Ok(parts)
}

/// A time zone.
enum Zone {
    /// Offset in seconds and the name that is printed.
    Fixed(i64, String),
    Rules(Box<jiff::tz::TimeZone>),
}

impl Zone {
    /// `TimeZone.getTimeZone`: what is unknown is GMT.
    fn named(id: &str) -> Zone {
        let gmt = || Zone::Fixed(0, "GMT".into());
        match id {
            "UTC" | "Etc/UTC" | "UCT" | "Zulu" | "Etc/UCT" | "Etc/Zulu" | "Universal" => {
                return Zone::Fixed(0, "UTC".into());
            }
            "EST" => return Zone::Fixed(-5 * 3600, "EST".into()),
            "MST" => return Zone::Fixed(-7 * 3600, "MST".into()),
            "HST" => return Zone::Fixed(-10 * 3600, "HST".into()),
            _ => {}
        }
        if let Some(offset) = id.strip_prefix("GMT").filter(|o| !o.is_empty()).and_then(custom) {
            let size = offset.abs() / 60;
            let sign = if offset < 0 { '-' } else { '+' };
            let name = if offset == 0 { "GMT".into() } else { format!("GMT{sign}{:02}:{:02}", size / 60, size % 60) };
            return Zone::Fixed(offset, name);
        }
        let known = OLD_IDS.iter().find(|(old, _)| *old == id).map_or(id, |(_, new)| new);
        match jiff::tz::TimeZone::get(known) {
            Ok(zone) if zone.iana_name() == Some(known) => Zone::Rules(Box::new(zone)),
            _ => gmt(),
        }
    }

    /// Offset in seconds and short name at an instant.
    fn at(&self, millis: i64) -> (i64, String) {
        match self {
            Zone::Fixed(offset, name) => (*offset, name.clone()),
            Zone::Rules(zone) => {
                let at = jiff::Timestamp::from_millisecond(millis).unwrap_or(if millis < 0 {
                    jiff::Timestamp::MIN
                } else {
                    jiff::Timestamp::MAX
                });
                let info = zone.to_offset_info(at);
                let name = info.abbreviation();
                let shown = if name.starts_with(['+', '-']) {
                    offset_name(info.offset().seconds().into())
                } else {
                    name.to_owned()
                };
                (info.offset().seconds().into(), shown)
            }
        }
    }
}

fn offset_name(offset: i64) -> String {
    let minutes = offset.abs() / 60;
    format!("GMT{}{:02}:{:02}", if offset < 0 { '-' } else { '+' }, minutes / 60, minutes % 60)
}

const OLD_IDS: [(&str, &str); 22] = [
    ("PST", "America/Los_Angeles"),
    ("CST", "America/Chicago"),
    ("AST", "America/Anchorage"),
    ("IST", "Asia/Kolkata"),
    ("JST", "Asia/Tokyo"),
    ("CTT", "Asia/Shanghai"),
    ("ACT", "Australia/Darwin"),
    ("AET", "Australia/Sydney"),
    ("AGT", "America/Argentina/Buenos_Aires"),
    ("ART", "Africa/Cairo"),
    ("BET", "America/Sao_Paulo"),
    ("BST", "Asia/Dhaka"),
    ("CAT", "Africa/Harare"),
    ("CNT", "America/St_Johns"),
    ("EAT", "Africa/Addis_Ababa"),
    ("ECT", "Europe/Paris"),
    ("IET", "America/Indiana/Indianapolis"),
    ("MIT", "Pacific/Apia"),
    ("NET", "Asia/Yerevan"),
    ("NST", "Pacific/Auckland"),
    ("PLT", "Asia/Karachi"),
    ("VST", "Asia/Ho_Chi_Minh"),
];

/// `+h`, `+hh`, `+hhmm`, `+h:mm`, `+hh:mm` in seconds.
fn custom(text: &str) -> Option<i64> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let body = &text[1..];
    if !body.is_ascii() {
        return None;
    }
    let (hours, minutes) = match body.split_once(':') {
        Some((h, m)) if m.len() == 2 => (h, m),
        Some(_) => return None,
        None if body.len() > 2 => body.split_at(body.len() - 2),
        None => (body, "0"),
    };
    let digits = |t: &str| !t.is_empty() && t.len() <= 2 && t.bytes().all(|b| b.is_ascii_digit());
    if !digits(hours) || !digits(minutes) {
        return None;
    }
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
}

fn print(parts: &[Part], millis: i64, zone: &Zone) -> Raised<String> {
    let (offset, zone_name) = zone.at(millis);
    let local = millis.saturating_add(offset * 1000);
    let day = calendar::day(local.div_euclid(DAY_MS));
    let time = local.rem_euclid(DAY_MS);
    let (hour, minute, second) = (time / 3_600_000, time / 60_000 % 60, time / 1000 % 60);
    let mut out = String::new();
    let short = |name: &str| name[..3].to_owned();
    for part in parts {
        let (letter, count) = match part {
            Part::Text(c) => {
                out.push(*c);
                continue;
            }
            Part::Field(letter, count) => (*letter, *count),
        };
        let number = |value: i64| format!("{value:0count$}");
        let text = match letter {
            'G' => {
                if day.year > 0 {
                    "AD".into()
                } else {
                    "BC".to_owned()
                }
            }
            'y' | 'Y' => {
                let year = if letter == 'y' { day.year } else { calendar::week_of_year(&day).1 };
                let shown = if year > 0 { year } else { 1 - year };
                if count == 2 { format!("{:02}", shown % 100) } else { number(shown) }
            }
            'M' | 'L' => match count {
                1 | 2 => number(day.month),
                3 => short(MONTHS[day.month as usize - 1]),
                _ => MONTHS[day.month as usize - 1].to_owned(),
            },
            'w' => number(calendar::week_of_year(&day).0),
            'W' => number(calendar::week(day.day, day.of_week)),
            'D' => number(day.of_year),
            'd' => number(day.day),
            'F' => number((day.day - 1) / 7 + 1),
            'E' if count >= 4 => DAYS[day.of_week as usize - 1].to_owned(),
            'E' => short(DAYS[day.of_week as usize - 1]),
            'u' => number(if day.of_week == 1 { 7 } else { day.of_week - 1 }),
            'a' => {
                if hour < 12 {
                    "AM".into()
                } else {
                    "PM".to_owned()
                }
            }
            'H' => number(hour),
            'k' => number(if hour == 0 { 24 } else { hour }),
            'K' => number(hour % 12),
            'h' => number(if hour % 12 == 0 { 12 } else { hour % 12 }),
            'm' => number(minute),
            's' => number(second),
            'S' => number(time % 1000),
            letter => zone_text(letter, count, offset, &zone_name),
        };
        out.push_str(&text);
    }
    Ok(out)
}

/// The letters `z`, `Z` and `X`.
fn zone_text(letter: char, count: usize, offset: i64, name: &str) -> String {
    match letter {
        'z' if count >= 4 => long_name(name).to_owned(),
        'z' => name.to_owned(),
        'Z' => offset_digits(offset, ""),
        _ if offset == 0 => "Z".to_owned(),
        _ => match count {
            1 => offset_digits(offset, "")[..3].to_owned(),
            2 => offset_digits(offset, ""),
            _ => offset_digits(offset, ":"),
        },
    }
}

fn offset_digits(offset: i64, between: &str) -> String {
    let minutes = offset.abs() / 60;
    format!("{}{:02}{between}{:02}", if offset < 0 { '-' } else { '+' }, minutes / 60, minutes % 60)
}

const ZONE_NAMES: [(&str, &str, i64); 21] = [
    ("UTC", "Coordinated Universal Time", 0),
    ("GMT", "Greenwich Mean Time", 0),
    ("UT", "Coordinated Universal Time", 0),
    ("EST", "Eastern Standard Time", -300),
    ("EDT", "Eastern Daylight Time", -240),
    ("CST", "Central Standard Time", -360),
    ("CDT", "Central Daylight Time", -300),
    ("MST", "Mountain Standard Time", -420),
    ("MDT", "Mountain Daylight Time", -360),
    ("PST", "Pacific Standard Time", -480),
    ("PDT", "Pacific Daylight Time", -420),
    ("CET", "Central European Standard Time", 60),
    ("CEST", "Central European Summer Time", 120),
    ("EET", "Eastern European Standard Time", 120),
    ("EEST", "Eastern European Summer Time", 180),
    ("WET", "Western European Standard Time", 0),
    ("WEST", "Western European Summer Time", 60),
    ("BST", "British Summer Time", 60),
    ("JST", "Japan Standard Time", 540),
    ("IST", "India Standard Time", 330),
    ("MSK", "Moscow Standard Time", 180),
];

fn long_name(short: &str) -> &str {
    ZONE_NAMES.iter().find(|(name, ..)| *name == short).map_or(short, |(_, long, _)| long)
}

/// Fields as they were read; each with the turn at which it was set.
#[derive(Default)]
struct Parsed {
    turn: u32,
    fields: std::collections::HashMap<char, (i64, u32)>,
    offset_minutes: Option<i64>,
    bc: bool,
}

impl Parsed {
    /// Milliseconds since 1970, if the text fits.
    fn read(parts: &[Part], text: &str) -> Option<i64> {
        let mut parsed = Parsed::default();
        let mut rest = text;
        for (i, part) in parts.iter().enumerate() {
            match part {
                Part::Text(c) => rest = rest.strip_prefix(*c)?,
                Part::Field(letter, count) => {
                    rest = rest.trim_start_matches([' ', '\t']);
                    let numeric = |part: Option<&Part>| match part {
                        Some(Part::Field('M' | 'L', count)) => *count <= 2,
                        Some(Part::Field(letter, _)) => "yYdHkKhmsSDFwWu".contains(*letter),
                        _ => false,
                    };
                    let bound = numeric(parts.get(i + 1)).then_some(*count);
                    rest = parsed.field(*letter, *count, bound, rest)?;
                }
            }
        }
        Some(parsed.millis())
    }

    fn set(&mut self, field: char, value: i64) {
        self.turn += 1;
        self.fields.insert(field, (value, self.turn));
    }

    fn field<'t>(&mut self, letter: char, count: usize, bound: Option<usize>, text: &'t str) -> Option<&'t str> {
        match letter {
            'G' => {
                let (found, rest) = name(text, &["BC", "AD", "Before Christ", "Anno Domini"])?;
                self.bc = found % 2 == 0;
                return Some(rest);
            }
            'M' | 'L' if count > 2 => {
                let (month, rest) = named(text, &MONTHS)?;
                self.set('M', month as i64 + 1);
                return Some(rest);
            }
            'E' => {
                let (day, rest) = named(text, &DAYS)?;
                self.set('E', day as i64 + 1);
                return Some(rest);
            }
            'a' => {
                let (half, rest) = name(text, &["AM", "PM"])?;
                self.set('a', half as i64);
                return Some(rest);
            }
            'z' | 'Z' => return self.zone(text),
            'X' => return self.iso_zone(text, count),
            _ => {}
        }
        let (value, digits, rest) = number(text, bound)?;
        match letter {
            'y' | 'Y' => {
                let two = count <= 2 && digits == 2 && value >= 0;
                let century = CENTURY_START / 100 * 100;
                let later = if value < CENTURY_START % 100 { 100 } else { 0 };
                self.set(letter, if two { value + century + later } else { value });
            }
            'M' | 'L' => self.set('M', value),
            'k' => self.set('H', if value == 24 { 0 } else { value }),
            'h' => self.set('K', if value == 12 { 0 } else { value }),
            'u' => self.set('E', if value == 7 { 1 } else { value + 1 }),
            letter => self.set(letter, value),
        }
        Some(rest)
    }

    fn zone<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let sign = |text: &str| match text.as_bytes().first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => 0,
        };
        if sign(text) != 0 {
            return self.numeric_zone(&text[1..], sign(text), 0, false);
        }
        if text.get(..3).is_some_and(|t| t.eq_ignore_ascii_case("GMT")) {
            let rest = &text[3..];
            if sign(rest) == 0 {
                self.offset_minutes = Some(0);
                return Some(rest);
            }
            return self.numeric_zone(&rest[1..], sign(rest), 0, true);
        }
        let fits = |name: &str| text.get(..name.len()).is_some_and(|t| t.eq_ignore_ascii_case(name));
        let longest = ZONE_NAMES
            .iter()
            .flat_map(|(short, long, minutes)| [(*short, *minutes), (*long, *minutes)])
            .filter(|(name, _)| fits(name))
            .max_by_key(|(name, _)| name.len());
        let (name, minutes) = longest?;
        self.offset_minutes = Some(minutes);
        Some(&text[name.len()..])
    }

    fn iso_zone<'t>(&mut self, text: &'t str, count: usize) -> Option<&'t str> {
        let rest = text.get(1..)?;
        match text.as_bytes().first()? {
            b'Z' => {
                self.offset_minutes = Some(0);
                Some(rest)
            }
            b'+' => self.numeric_zone(rest, 1, count, count == 3),
            b'-' => self.numeric_zone(rest, -1, count, count == 3),
            _ => None,
        }
    }

    fn numeric_zone<'t>(&mut self, text: &'t str, sign: i64, count: usize, colon: bool) -> Option<&'t str> {
        let bytes = text.as_bytes();
        let digit = |at: usize| bytes.get(at).filter(|b| b.is_ascii_digit()).map(|b| i64::from(b - b'0'));
        let mut at = 1;
        let mut hours = digit(0)?;
        match digit(1) {
            Some(second) => {
                hours = hours * 10 + second;
                at = 2;
            }
            None if count > 0 || !colon || bytes.len() < 2 => return None,
            None => {}
        }
        let mut minutes = 0;
        if count != 1 {
            if colon {
                bytes.get(at).filter(|b| **b == b':')?;
                at += 1;
            }
            minutes = digit(at)? * 10 + digit(at + 1)?;
            at += 2;
        }
        if hours > 23 || minutes > 59 {
            return None;
        }
        self.offset_minutes = Some(sign * (hours * 60 + minutes));
        text.get(at..)
    }

    fn value(&self, field: char, default: i64) -> i64 {
        // Larger values would only overflow the calendar.
        self.fields.get(&field).map_or(default, |f| f.0.clamp(-100_000_000_000, 100_000_000_000))
    }

    fn turn_of(&self, field: char) -> u32 {
        self.fields.get(&field).map_or(0, |f| f.1)
    }

    fn millis(&self) -> i64 {
        let both = |a: u32, b: u32| if a == 0 || b == 0 { 0 } else { a.max(b) };
        let by_half = both(self.turn_of('K'), self.turn_of('a'));
        let by_half =
            if by_half == 0 && self.turn_of('H') == 0 { self.turn_of('K').max(self.turn_of('a')) } else { by_half };
        let hour =
            if by_half > self.turn_of('H') { self.value('K', 0) + 12 * self.value('a', 0) } else { self.value('H', 0) };
        let time = ((hour * 60 + self.value('m', 0)) * 60 + self.value('s', 0)) * 1000 + self.value('S', 0);
        let offset = self.offset_minutes.unwrap_or(0) * 60_000;
        self.days().saturating_mul(DAY_MS).saturating_add(time - offset)
    }

    /// The day, by the fields that were set last.
    fn days(&self) -> i64 {
        let year = if self.turn_of('Y') > self.turn_of('y') { self.value('Y', 1970) } else { self.value('y', 1970) };
        let year = if self.bc { 1 - year } else { year };
        let month = self.value('M', 1);
        let weekday = self.turn_of('E');
        let with_day =
            |field: char| if weekday == 0 { 0 } else { self.turn_of(field).max(weekday) * self.turn_of(field).min(1) };
        let mut best = [
            (self.turn_of('d'), 'd'),
            (with_day('W'), 'W'),
            (with_day('F'), 'F'),
            (self.turn_of('D'), 'D'),
            (with_day('w'), 'w'),
        ];
        if best.iter().all(|(turn, _)| *turn == 0) {
            let nth = self.turn_of('F').max(weekday);
            best = [(0, 'd'), (self.turn_of('W'), 'W'), (nth, 'F'), (0, 'D'), (self.turn_of('w'), 'w')];
        }
        let chosen =
            best.iter().rev().max_by_key(|(turn, _)| *turn).filter(|(turn, _)| *turn > 0).map_or('d', |(_, f)| *f);
        // Days from the last Sunday before or on a day.
        let since_sunday = |day: i64| (day + 4).rem_euclid(7);
        let in_week = self.value('E', 1) - 1;
        match chosen {
            'D' => calendar::days(year, 1, 1) + self.value('D', 1) - 1,
            'W' => {
                let first = calendar::days(year, month, 1);
                first - since_sunday(first) + in_week + 7 * (self.value('W', 1) - 1)
            }
            'w' => {
                let first = calendar::days(year, 1, 1);
                first - since_sunday(first) + in_week + 7 * (self.value('w', 1) - 1)
            }
            'F' => {
                let first = calendar::days(year, month, 1);
                let ahead = (in_week - since_sunday(first)).rem_euclid(7);
                first + ahead + 7 * (self.value('F', 1) - 1)
            }
            _ => calendar::days(year, month, self.value('d', 1)),
        }
    }
}

/// An integer at the start of a text; with a bound, of at most so many characters.
fn number(text: &str, bound: Option<usize>) -> Option<(i64, usize, &str)> {
    let limit = match bound {
        Some(count) => text.char_indices().map(|(i, _)| i).chain([text.len()]).nth(count)?,
        None => text.len(),
    };
    let window = &text[..limit];
    let digits = window.strip_prefix('-').unwrap_or(window);
    let sign = window.len() - digits.len();
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    if count == 0 {
        return None;
    }
    let value = java::parse_long(&text[..sign + count]).unwrap_or(i64::MAX) as i32;
    Some((value.into(), sign + count, &text[sign + count..]))
}

/// The longest name that the text starts with, whatever its case.
fn name<'t>(text: &'t str, names: &[&str]) -> Option<(usize, &'t str)> {
    let fits = |name: &str| text.get(..name.len()).is_some_and(|t| t.eq_ignore_ascii_case(name));
    let found = names.iter().enumerate().filter(|(_, name)| fits(name)).max_by_key(|(_, name)| name.len());
    found.map(|(i, name)| (i, &text[name.len()..]))
}

/// As `name`, for names that may be cut to three letters.
fn named<'t>(text: &'t str, names: &[&str]) -> Option<(usize, &'t str)> {
    let short: Vec<&str> = names.iter().map(|n| &n[..3]).collect();
    name(text, names).or_else(|| name(text, &short))
}
