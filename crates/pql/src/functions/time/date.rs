//! `date`: a day.

use crate::eval::Run;
use crate::functions::{Function, Gives, Takes};
use crate::value::V;
use model::time::{DAY_MS, days_from_civil, days_in_month};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Number.named("year"), Takes::Number.named("month"), Takes::Number.named("day")],
    summary: "A day. A constant day that the calendar lacks is refused; one made of data is null.",
    examples: &[
        ("date(2026, 2, 28)", r#""2026-02-28""#),
        ("date(2024, 2, 29)", r#""2024-02-29""#),
        ("date(2026, 2, 29)", "error"),
        ("date(person.birthYear, 13, 1)", "null"),
        ("date(nope, 1, 1)", "null"),
    ],
    ..Function::plain("date", Gives::Date, date)
};

fn date<'a>(_: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    let (V::Int(year), V::Int(month), V::Int(day)) = (&args[0], &args[1], &args[2]) else { return V::Null };
    let valid =
        (1..=9999).contains(year) && (1..=12).contains(month) && (1..=days_in_month(*year, *month)).contains(day);
    if valid { V::Date(days_from_civil(*year, *month, *day) * DAY_MS) } else { V::Null }
}
