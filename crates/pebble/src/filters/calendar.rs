//! Java's `GregorianCalendar`: Julian days before 15 October 1582, lenient fields.
//!
//! In: days or fields. Out: fields or days. Always: any field value is accepted and rolls over.

/// The first Gregorian day, 15 October 1582, in days since 1970.
const CUTOVER: i64 = -141_427;
pub(super) const DAY_MS: i64 = 86_400_000;

/// A day on the calendar; `year` is 0 and below before Christ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Day {
    pub(super) year: i64,
    /// From 1.
    pub(super) month: i64,
    pub(super) day: i64,
    /// From 1.
    pub(super) of_year: i64,
    /// From 1 for Sunday.
    pub(super) of_week: i64,
}

fn gregorian(year: i64, month: i64, day: i64) -> i64 {
    let (y, m) = if month <= 2 { (year - 1, month + 12) } else { (year, month) };
    365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + (153 * (m - 3) + 2) / 5 + day - 719_469
}

fn julian(year: i64, month: i64, day: i64) -> i64 {
    let (y, m) = if month <= 2 { (year - 1, month + 12) } else { (year, month) };
    365 * y + y.div_euclid(4) + (153 * (m - 3) + 2) / 5 + day - 719_471
}

/// Days since 1970 of a date whose month and day may lie outside their ranges.
pub(super) fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = (year + (month - 1).div_euclid(12), (month - 1).rem_euclid(12) + 1);
    let new = gregorian(year, month, 1).saturating_add(day - 1);
    if new >= CUTOVER { new } else { julian(year, month, 1).saturating_add(day - 1).min(CUTOVER - 1) }
}

pub(super) fn day(days: i64) -> Day {
    let count: fn(i64, i64, i64) -> i64 = if days >= CUTOVER { gregorian } else { julian };
    let mut year = 1970 + (days as f64 / 365.2425).floor() as i64;
    while count(year + 1, 1, 1) <= days {
        year += 1;
    }
    while count(year, 1, 1) > days {
        year -= 1;
    }
    let mut month = 12;
    while month > 1 && count(year, month, 1) > days {
        month -= 1;
    }
    let first = self::days(year, 1, 1);
    Day {
        year,
        month,
        day: days - count(year, month, 1) + 1,
        of_year: days - first + 1,
        of_week: (days + 4).rem_euclid(7) + 1,
    }
}

/// Week of a period whose day `at` (from 1) falls on a weekday; the week with the first day is week 1.
pub(super) fn week(at: i64, of_week: i64) -> i64 {
    // Weekday of the first day of the period, from 0 for Sunday.
    let first = (of_week - 1 - (at - 1)).rem_euclid(7);
    (at - 1 + first) / 7 + 1
}

/// Week of the year and the year it belongs to: weeks start on Sunday, the first holds 1 January.
pub(super) fn week_of_year(day: &Day) -> (i64, i64) {
    let length = days(day.year + 1, 1, 1) - days(day.year, 1, 1);
    let saturday = day.of_year + (7 - day.of_week);
    if saturday > length { (1, day.year + 1) } else { (week(day.of_year, day.of_week), day.year) }
}
