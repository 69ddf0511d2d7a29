//! Functions of dates and instants (pql.md §10); UTC.

use super::{Code, Function, function};
use crate::ast::Unit;
use crate::calendar::Grid;
use crate::eval::{Run, as_time};
use crate::value::V;
use model::time::{DAY_MS, civil_from_days, days_from_civil, days_in_month};

pub(super) const FUNCTIONS: &[Function] = &[
    function!("currentMonth"() 0 => Integer, Code::Plain(|run, _| part(run, &V::Now, Unit::Month)),
        "The month of now, from 1.", "currentMonth() in [1,2,3,4,5,6,7,8,9,10,11,12]" => "true"),
    function!("currentYear"() 0 => Integer, Code::Plain(|run, _| part(run, &V::Now, Unit::Year)),
        "The year of now.", "currentYear() > 1970" => "true"),
    function!("currentDayOfMonth"() 0 => Integer, Code::Plain(|run, _| part(run, &V::Now, Unit::Day)),
        "The day of the month of now, from 1.", "currentDayOfMonth() <= 31" => "true"),
    function!("getMonth"(time: Time) 1 => Integer, Code::Plain(|run, a| part(run, &a[0], Unit::Month)),
        "The month of an instant, from 1.", "date(2026, 3, 18).getMonth()" => "3"),
    function!("getYear"(time: Time) 1 => Integer, Code::Plain(|run, a| part(run, &a[0], Unit::Year)),
        "The year of an instant.", "date(2026, 3, 18).getYear()" => "2026"),
    function!("getDayOfMonth"(time: Time) 1 => Integer, Code::Plain(|run, a| part(run, &a[0], Unit::Day)),
        "The day of the month of an instant, from 1.", "date(2026, 3, 18).getDayOfMonth()" => "18"),
    function!("date"(year: Number, month: Number, day: Number) 3 => Date, Code::Plain(|_, a| date(a)),
        "A day; null if the calendar has no such day.", "date(2026, 2, 28)" => r#""2026-02-28""#),
];

/// A part of a date. That of `now` changes when the next such part begins.
fn part<'a>(run: &mut Run<'a>, time: &V<'a>, unit: Unit) -> V<'a> {
    let ms = match as_time(time) {
        V::Time(ms) | V::Date(ms) => ms,
        V::Now => {
            let grid = Grid::of(unit);
            run.flips(grid.start(grid.index(run.now) + 1));
            run.now
        }
        _ => return V::Null,
    };
    let (year, month, day) = civil_from_days(ms.div_euclid(DAY_MS));
    V::Int(match unit {
        Unit::Year => year,
        Unit::Month => month,
        _ => day,
    })
}

fn date<'a>(args: &[V<'a>]) -> V<'a> {
    let (V::Int(year), V::Int(month), V::Int(day)) = (&args[0], &args[1], &args[2]) else { return V::Null };
    let valid =
        (1..=9999).contains(year) && (1..=12).contains(month) && (1..=days_in_month(*year, *month)).contains(day);
    if valid { V::Date(days_from_civil(*year, *month, *day) * DAY_MS) } else { V::Null }
}
