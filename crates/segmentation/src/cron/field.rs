//! The fields of an expression: sets of numbers, and the two that name days.

use model::time::{civil_from_days, days_from_civil, days_in_month};
use std::collections::BTreeSet;

const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// Numbers; `None` is every one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Set(Option<BTreeSet<u32>>);

impl Set {
    /// Reads `*`, `a`, `a-b`, `*/n`, `a/n`, `a-b/n` and lists of them; `names` stand for the numbers from the least on.
    pub(super) fn parse(field: &str, given: &str, range: (u32, u32), names: &[&str]) -> Result<Set, String> {
        if given == "*" {
            return Ok(Set(None));
        }
        let mut numbers = BTreeSet::new();
        for part in given.split(',') {
            let wrong = |rule: String| format!("the field {field} {rule}, is `{given}`");
            let (span, step) = match part.split_once('/') {
                Some((span, step)) => (span, Some(step)),
                None => (part, None),
            };
            let number = |text: &str| number(text, range, names).map_err(&wrong);
            let (from, to) = match span.split_once('-') {
                _ if span == "*" => range,
                Some((from, to)) => (number(from)?, number(to)?),
                None => (number(span)?, if step.is_some() { range.1 } else { number(span)? }),
            };
            let step = match step.map(str::parse::<u32>) {
                None => 1,
                Some(Ok(step)) if step > 0 => step,
                Some(_) => return Err(wrong("must have a step from 1 on behind `/`".to_owned())),
            };
            if from <= to {
                numbers.extend((from..=to).step_by(step as usize));
            } else {
                // A range may go round: FRI-MON.
                numbers.extend((from..=range.1).chain(range.0..=to).step_by(step as usize));
            }
        }
        Ok(Set(Some(numbers)))
    }

    pub(super) fn has(&self, number: i64) -> bool {
        self.0.as_ref().is_none_or(|numbers| u32::try_from(number).is_ok_and(|number| numbers.contains(&number)))
    }

    /// The one number of the set.
    pub(super) fn only(&self) -> Option<u32> {
        self.0.as_ref().filter(|numbers| numbers.len() == 1).and_then(|numbers| numbers.first().copied())
    }
}

fn number(text: &str, range: (u32, u32), names: &[&str]) -> Result<u32, String> {
    if let Some(place) = names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
        return Ok(range.0 + place as u32);
    }
    match text.parse::<u32>() {
        Ok(number) if text.bytes().all(|b| b.is_ascii_digit()) && (range.0..=range.1).contains(&number) => Ok(number),
        _ => Err(format!("must hold numbers from {} to {}", range.0, range.1)),
    }
}

/// The fourth field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DayOfMonth {
    /// `?`
    Any,
    Numbers(Set),
    /// `L` and `L-n`: so many days before the last one.
    Last(u32),
    /// `LW`
    LastWorkday,
    /// `nW`: the workday nearest to the n-th.
    Workday(u32),
}

impl DayOfMonth {
    pub(super) fn parse(given: &str) -> Result<DayOfMonth, String> {
        const FIELD: &str = "day of month";
        let wrong = |rule: &str| format!("the field {FIELD} {rule}, is `{given}`");
        let upper = given.to_ascii_uppercase();
        if upper == "?" {
            return Ok(DayOfMonth::Any);
        }
        if upper == "L" {
            return Ok(DayOfMonth::Last(0));
        }
        if upper == "LW" {
            return Ok(DayOfMonth::LastWorkday);
        }
        if let Some(before) = upper.strip_prefix("L-") {
            let before = before.parse::<u32>().ok().filter(|n| *n <= 30);
            return before.map(DayOfMonth::Last).ok_or_else(|| wrong("must have 0 to 30 days behind `L-`"));
        }
        if let Some(day) = upper.strip_suffix('W') {
            let day = day.parse::<u32>().ok().filter(|n| (1..=31).contains(n));
            return day.map(DayOfMonth::Workday).ok_or_else(|| wrong("must have a day from 1 to 31 before `W`"));
        }
        Set::parse(FIELD, given, (1, 31), &[]).map(DayOfMonth::Numbers)
    }

    /// Whether the day, counted from 1970, is one of them.
    pub(super) fn has(&self, day: i64) -> bool {
        let (year, month, of_month) = civil_from_days(day);
        let first = day - of_month + 1;
        let length = days_in_month(year, month);
        match self {
            DayOfMonth::Any => true,
            DayOfMonth::Numbers(set) => set.has(of_month),
            DayOfMonth::Last(before) => of_month == length - i64::from(*before),
            DayOfMonth::LastWorkday => day == nearest_workday(first, length, length),
            DayOfMonth::Workday(n) => i64::from(*n) <= length && day == nearest_workday(first, length, i64::from(*n)),
        }
    }
}

/// The workday nearest to the n-th of a month, within the month.
fn nearest_workday(first: i64, length: i64, n: i64) -> i64 {
    let day = first + n - 1;
    match weekday(day) {
        6 if n > 1 => day - 1,
        6 => day + 2,
        0 if n < length => day + 1,
        0 => day - 2,
        _ => day,
    }
}

/// 0 is Sunday; 1970 began on a Thursday.
fn weekday(day: i64) -> i64 {
    (day + 4).rem_euclid(7)
}

/// The sixth field; 1 is Sunday.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DayOfWeek {
    /// `?`
    Any,
    Numbers(Set),
    /// `nL`: the last one of the month.
    Last(u32),
    /// `n#k`: the k-th one of the month.
    Nth(u32, u32),
}

impl DayOfWeek {
    pub(super) fn parse(given: &str) -> Result<DayOfWeek, String> {
        const FIELD: &str = "day of week";
        const RANGE: (u32, u32) = (1, 7);
        let wrong = |rule: &str| format!("the field {FIELD} {rule}, is `{given}`");
        let upper = given.to_ascii_uppercase();
        let day = |text: &str| number(text, RANGE, &WEEKDAYS).map_err(|rule| wrong(&rule));
        if upper == "?" {
            return Ok(DayOfWeek::Any);
        }
        if upper == "L" {
            return Set::parse(FIELD, "7", RANGE, &WEEKDAYS).map(DayOfWeek::Numbers);
        }
        if let Some((name, k)) = upper.split_once('#') {
            let k = k.parse::<u32>().ok().filter(|k| (1..=5).contains(k));
            return Ok(DayOfWeek::Nth(day(name)?, k.ok_or_else(|| wrong("must have 1 to 5 behind `#`"))?));
        }
        if let Some(name) = upper.strip_suffix('L').filter(|name| !name.contains(['-', ',', '/'])) {
            return Ok(DayOfWeek::Last(day(name)?));
        }
        Set::parse(FIELD, given, RANGE, &WEEKDAYS).map(DayOfWeek::Numbers)
    }

    /// Whether the day, counted from 1970, is one of them.
    pub(super) fn has(&self, day: i64) -> bool {
        let (year, month, of_month) = civil_from_days(day);
        let number = weekday(day) + 1;
        let next_month = days_from_civil(year, month, 1) + days_in_month(year, month);
        match self {
            DayOfWeek::Any => true,
            DayOfWeek::Numbers(set) => set.has(number),
            DayOfWeek::Last(n) => number == i64::from(*n) && day + 7 >= next_month,
            DayOfWeek::Nth(n, k) => number == i64::from(*n) && (of_month - 1) / 7 + 1 == i64::from(*k),
        }
    }
}
