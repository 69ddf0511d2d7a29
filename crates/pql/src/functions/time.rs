//! Functions of dates and instants (pql.md §10, §21); UTC.

mod age;
mod current_day_of_month;
mod current_month;
mod current_time_in_millis;
mod current_year;
mod date;
mod date_diff;
mod day_of_week;
mod day_of_year;
mod format_date;
mod get_day_of_month;
mod get_month;
mod get_year;
mod set_days;
mod set_hours;
mod to_utc;
mod week_of_year;

use super::Group;
use crate::ast::Unit;
use crate::calendar::Grid;
use crate::eval::{Run, as_time};
use crate::value::V;
use model::time::{DAY_MS, civil_from_days, days_from_civil};

pub(super) const GROUP: Group = Group {
    name: "time",
    summary: "Everything is in UTC. Text in ISO 8601 form counts as the date or instant that it means. `now`, `today`, `yesterday`, `tomorrow` are words of the language; `now()` is the same as `now`.",
    functions: &[
        current_month::FUNCTION,
        current_year::FUNCTION,
        current_day_of_month::FUNCTION,
        current_time_in_millis::FUNCTION,
        get_month::FUNCTION,
        get_year::FUNCTION,
        get_day_of_month::FUNCTION,
        date::FUNCTION,
        age::FUNCTION,
        date_diff::FUNCTION,
        day_of_week::FUNCTION,
        day_of_year::FUNCTION,
        week_of_year::FUNCTION,
        format_date::FUNCTION,
        set_days::FUNCTION,
        set_hours::FUNCTION,
        to_utc::FUNCTION,
    ],
};

/// The instant that a value stands for, as far as its `unit` matters: `now` is another one when the next unit begins.
fn within<'a>(run: &mut Run<'a>, time: &V<'a>, unit: Unit) -> Option<i64> {
    match as_time(time) {
        V::Time(ms) | V::Date(ms) => Some(ms),
        V::Now => {
            let grid = Grid::of(unit);
            run.flips(grid.start(grid.index(run.now) + 1));
            Some(run.now)
        }
        _ => None,
    }
}

/// A part of a date.
fn part<'a>(run: &mut Run<'a>, time: &V<'a>, unit: Unit) -> V<'a> {
    let Some(ms) = within(run, time, unit) else { return V::Null };
    let (year, month, day) = civil_from_days(ms.div_euclid(DAY_MS));
    V::Int(match unit {
        Unit::Year => year,
        Unit::Month => month,
        _ => day,
    })
}

/// What follows from the day (counted from 1970) that an instant lies in.
fn of_day<'a>(run: &mut Run<'a>, time: &V<'a>, f: impl Fn(i64) -> i64) -> V<'a> {
    within(run, time, Unit::Day).map_or(V::Null, |ms| V::Int(f(ms.div_euclid(DAY_MS))))
}

/// The instant that a value stands for; `now` is frozen, so what is made of it changes at once.
fn settled<'a>(run: &mut Run<'a>, time: &V<'a>) -> Option<i64> {
    let time = as_time(time);
    match run.settle(time) {
        V::Time(ms) | V::Date(ms) => Some(ms),
        _ => None,
    }
}

/// The value now of what grows or falls with time, and at most once within `horizon`. Its change is found by
/// halving.
fn moving(run: &mut Run<'_>, horizon: i64, f: impl Fn(i64) -> i64) -> i64 {
    let value = f(run.now);
    let (mut same, mut other) = (run.now, run.now + horizon);
    if f(other) == value {
        // A value that stays longer is looked at again then.
        run.flips(other);
        return value;
    }
    while other - same > 1 {
        let middle = same + (other - same) / 2;
        if f(middle) == value {
            same = middle;
        } else {
            other = middle;
        }
    }
    run.flips(other);
    value
}

fn day_of_year(day: i64) -> i64 {
    let (year, _, _) = civil_from_days(day);
    day - days_from_civil(year, 1, 1) + 1
}

/// Year and week by ISO 8601.
pub(super) fn iso_week(day: i64) -> (i64, i64) {
    let thursday = day - (day + 3).rem_euclid(7) + 3;
    let (year, _, _) = civil_from_days(thursday);
    (year, (thursday - days_from_civil(year, 1, 1)) / 7 + 1)
}
