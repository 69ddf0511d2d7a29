//! Quartz expressions of schedules: seconds, minutes, hours, day of month, month, day of week, year.
//!
//! Pure: an expression gives the next instant after another, in UTC. Always: an accepted expression fires at
//! most once a day, so seconds, minutes and hours are one value each.

mod field;
#[cfg(test)]
mod tests;

use field::{DayOfMonth, DayOfWeek, Set};
use model::Timestamp;
use model::time::{DAY_MS, civil_from_days, days_from_civil};

const YEARS: (u32, u32) = (1970, 2099);
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

/// A parsed expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cron {
    /// Milliseconds since midnight.
    time_ms: i64,
    day_of_month: DayOfMonth,
    months: Set,
    day_of_week: DayOfWeek,
    years: Set,
}

impl Cron {
    /// Reads an expression; the error is a sentence that names the field and what was given.
    pub(crate) fn parse(text: &str) -> Result<Cron, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [seconds, minutes, hours, days, months, weekdays, rest @ ..] = &fields[..] else {
            return Err(format!("must have 6 or 7 fields, has {}: `{text}`", fields.len()));
        };
        let years = match rest {
            [] => "*",
            [years] => years,
            _ => return Err(format!("must have 6 or 7 fields, has {}: `{text}`", fields.len())),
        };
        let once = |name: &str, given: &str, max: u32| {
            let set = Set::parse(name, given, (0, max), &[])?;
            set.only().ok_or_else(|| {
                format!("the field {name} must be one value, is `{given}`: a schedule runs at most once in 24 hours")
            })
        };
        let (second, minute, hour) =
            (once("seconds", seconds, 59)?, once("minutes", minutes, 59)?, once("hours", hours, 23)?);
        let cron = Cron {
            time_ms: i64::from((hour * 60 + minute) * 60 + second) * 1000,
            day_of_month: DayOfMonth::parse(days)?,
            months: Set::parse("month", months, (1, 12), &MONTHS)?,
            day_of_week: DayOfWeek::parse(weekdays)?,
            years: Set::parse("year", years, YEARS, &[])?,
        };
        match (&cron.day_of_month, &cron.day_of_week) {
            (DayOfMonth::Any, DayOfWeek::Any) => {
                Err("the fields day of month and day of week cannot both be `?`".to_owned())
            }
            (DayOfMonth::Any, _) | (_, DayOfWeek::Any) => Ok(cron),
            _ => Err(format!(
                "one of the fields day of month and day of week must be `?`; `{days}` and `{weekdays}` were given"
            )),
        }
    }

    /// The first instant after `after` at which it fires; `None` if it never does again.
    pub(crate) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let last = days_from_civil(i64::from(YEARS.1), 12, 31);
        let mut day = after.0.div_euclid(DAY_MS).max(days_from_civil(i64::from(YEARS.0), 1, 1));
        while day <= last {
            let (year, month, _) = civil_from_days(day);
            if !self.months.has(month) || !self.years.has(year) {
                day = if month == 12 { days_from_civil(year + 1, 1, 1) } else { days_from_civil(year, month + 1, 1) };
                continue;
            }
            let at = day * DAY_MS + self.time_ms;
            if at > after.0 && self.day_of_month.has(day) && self.day_of_week.has(day) {
                return Some(Timestamp(at));
            }
            day += 1;
        }
        None
    }

    /// The last instant in `(after, now]` at which it fires.
    pub(crate) fn last_in(&self, after: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let mut last = None;
        let mut at = after;
        while let Some(next) = self.next(at).filter(|next| *next <= now) {
            (last, at) = (Some(next), next);
        }
        last
    }
}
