//! Units of time in UTC: shifting an instant, and the calendar period an instant lies in.
//!
//! Up to the week units have a fixed length (a day is 24 h, weeks begin on Sunday); from the month on
//! they are counts of months, shifted with end-of-month clamp. Decades, centuries and millennia begin
//! at years divisible by 10, 100, 1000 (pql.md §13).
//! Always: no overflow. Instants are clamped to `LIMIT` either way, shifts to twice that.

use crate::ast::Unit;
use model::Timestamp;
use model::time::{DAY_MS, civil_from_days, days_from_civil, days_in_month};

/// No instant lies farther from 1970 than this (about 275,000 years).
pub(crate) const LIMIT: i64 = 8_640_000_000_000_000;

const MONTHS_MAX: i64 = 12 * 600_000;

/// An instant within the limit.
pub(crate) fn clamp(ms: i64) -> i64 {
    ms.clamp(-LIMIT, LIMIT)
}

/// A distance in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shift {
    /// An exact duration.
    Millis(i64),
    /// Calendar months.
    Months(i64),
}

impl Shift {
    pub(crate) const NONE: Shift = Shift::Millis(0);

    /// `count` units, backwards where `count` is negative.
    pub(crate) fn of(count: i64, unit: Unit) -> Shift {
        match Grid::of(unit) {
            Grid::Fixed { width, .. } => Shift::Millis(count.saturating_mul(width).clamp(-2 * LIMIT, 2 * LIMIT)),
            Grid::Months(months) => Shift::Months(count.saturating_mul(months).clamp(-MONTHS_MAX, MONTHS_MAX)),
        }
    }

    /// The instant so far from `ms`.
    pub(crate) fn apply(self, ms: i64) -> i64 {
        match self {
            Shift::Millis(distance) => ms + distance,
            Shift::Months(0) => ms,
            Shift::Months(months) => add_months(ms.div_euclid(DAY_MS), months) * DAY_MS + ms.rem_euclid(DAY_MS),
        }
    }
}

/// The day `months` later; the last day of the month where that has no such day.
pub(crate) fn add_months(day: i64, months: i64) -> i64 {
    let (year, month, day) = civil_from_days(day);
    let index = year * 12 + month - 1 + months;
    let (year, month) = (index.div_euclid(12), index.rem_euclid(12) + 1);
    days_from_civil(year, month, day.min(days_in_month(year, month)))
}

/// How a unit divides time into periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grid {
    /// Periods of `width` ms, one of them beginning at `origin`.
    Fixed { width: i64, origin: i64 },
    /// Periods of so many months.
    Months(i64),
}

impl Grid {
    pub(crate) const DAY: Grid = Grid::Fixed { width: DAY_MS, origin: 0 };

    pub(crate) fn of(unit: Unit) -> Grid {
        let fixed = |width| Grid::Fixed { width, origin: 0 };
        match unit {
            Unit::Millisecond => fixed(1),
            Unit::Second => fixed(1000),
            Unit::Minute => fixed(60_000),
            Unit::Hour => fixed(3_600_000),
            Unit::Day => Grid::DAY,
            // 1970-01-04 was a Sunday.
            Unit::Week => Grid::Fixed { width: 7 * DAY_MS, origin: 3 * DAY_MS },
            Unit::Month => Grid::Months(1),
            Unit::Year => Grid::Months(12),
            Unit::Decade => Grid::Months(120),
            Unit::Century => Grid::Months(1200),
            Unit::Millennium => Grid::Months(12_000),
        }
    }

    /// The number of the period that `ms` lies in.
    pub(crate) fn index(self, ms: i64) -> i64 {
        match self {
            Grid::Fixed { width, origin } => (ms - origin).div_euclid(width),
            Grid::Months(months) => {
                let (year, month, _) = civil_from_days(ms.div_euclid(DAY_MS));
                (year * 12 + month - 1).div_euclid(months)
            }
        }
    }

    /// The first instant of a period.
    pub(crate) fn start(self, index: i64) -> i64 {
        match self {
            Grid::Fixed { width, origin } => index * width + origin,
            Grid::Months(months) => {
                let month = index * months;
                days_from_civil(month.div_euclid(12), month.rem_euclid(12) + 1, 1) * DAY_MS
            }
        }
    }
}

/// The instant that a text in ISO 8601 form means, a whole day by its first one. Seconds may be left out, and so may
/// the zone, which is UTC then.
pub(crate) fn read_instant(text: &str) -> Option<Timestamp> {
    Timestamp::parse_date_or_time(text).or_else(|| read_shortened(text))
}

fn read_shortened(text: &str) -> Option<Timestamp> {
    /// A fraction of a second has no more digits than fit.
    const LENGTH_MAX: usize = 64;
    let bytes = text.as_bytes();
    if !(16..=LENGTH_MAX).contains(&bytes.len()) || bytes[4] != b'-' || bytes[13] != b':' {
        return None;
    }
    let rest = text.get(11..)?;
    let (clock, zone) = rest.split_at(rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len()));
    let seconds = if clock.len() == 5 { ":00" } else { "" };
    let (zone, minutes) = match zone.len() {
        0 => ("Z", ""),
        3 => (zone, ":00"),
        _ => (zone, ""),
    };
    Timestamp::parse(&format!("{}{clock}{seconds}{zone}{minutes}", &text[..11]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Timestamp;

    fn at(text: &str) -> i64 {
        Timestamp::parse_date_or_time(text).expect("a time").0
    }

    #[test]
    fn months_clamp_to_the_end() {
        assert_eq!(Shift::of(-1, Unit::Month).apply(at("2026-03-31")), at("2026-02-28"));
        assert_eq!(Shift::of(-1, Unit::Month).apply(at("2024-03-31T10:00:00Z")), at("2024-02-29T10:00:00Z"));
        assert_eq!(Shift::of(1, Unit::Year).apply(at("2024-02-29")), at("2025-02-28"));
        assert_eq!(Shift::of(1, Unit::Millennium).apply(at("2024-02-29")), at("3024-02-29"));
    }

    #[test]
    fn periods_begin_where_the_calendar_says() {
        let start = |unit, text| Grid::of(unit).start(Grid::of(unit).index(at(text)));
        assert_eq!(start(Unit::Week, "2026-03-18T10:30:00Z"), at("2026-03-15"));
        assert_eq!(start(Unit::Week, "1969-12-31T10:30:00Z"), at("1969-12-28"));
        assert_eq!(start(Unit::Month, "2026-03-18T10:30:00Z"), at("2026-03-01"));
        assert_eq!(start(Unit::Decade, "2026-03-18T10:30:00Z"), at("2020-01-01"));
        assert_eq!(start(Unit::Century, "2026-03-18T10:30:00Z"), at("2000-01-01"));
    }

    #[test]
    fn extremes_do_not_overflow() {
        for word in Unit::WORDS {
            let unit = Unit::from_word(word).expect("a unit");
            for ms in [-LIMIT, 0, LIMIT] {
                let grid = Grid::of(unit);
                assert!(grid.start(grid.index(ms)) <= ms && ms < grid.start(grid.index(ms) + 1));
                Shift::of(i64::MAX, unit).apply(ms);
                Shift::of(-i64::MAX, unit).apply(ms);
            }
        }
    }
}
