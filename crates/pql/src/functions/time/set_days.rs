//! `setDays`: the instant on another day of its month; null if the month has no such day.

use crate::eval::Run;
use crate::functions::{Function, Gives, Takes};
use crate::value::V;
use model::Timestamp;
use model::time::{DAY_MS, days_from_civil, days_in_month};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Time.named("time"), Takes::Number.named("day")],
    summary: "The instant on another day of its month; null if the month has no such day.",
    examples: &[
        (r#"setDays("2010-12-12T01:11:00Z", 25)"#, r#""2010-12-25T01:11:00Z""#),
        ("setDays(date(2026, 2, 1), 29)", "null"),
        ("setDays(now, 1)", r#""2026-03-01T10:30:00Z""#),
        ("setDays(nope, 1)", "null"),
    ],
    ..Function::plain("setDays", Gives::Time, set_days)
};

fn set_days<'a>(run: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    let (Some(ms), V::Int(day)) = (super::settled(run, &args[0]), &args[1]) else { return V::Null };
    let (year, month, _, rest) = Timestamp(ms).civil();
    if !(1..=days_in_month(year, month)).contains(day) {
        return V::Null;
    }
    V::Time(days_from_civil(year, month, *day) * DAY_MS + rest)
}
