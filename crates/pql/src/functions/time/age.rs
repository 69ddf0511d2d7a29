//! `age`: the whole years from an instant to now; negative for the future.

use crate::eval::Run;
use crate::functions::{Function, Gives, Takes};
use crate::value::V;
use model::Timestamp;
use model::time::DAY_MS;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Time.named("time")],
    summary: "The whole years from an instant to now; negative for the future. Who was born on 29 February is a year older on 1 March where there is no such day.",
    examples: &[
        ("age(person.birthDate)", "36"),
        ("age(date(1990, 3, 19))", "35"),
        ("age(date(2028, 3, 19))", "-2"),
        ("age(loyalty.joined)", "2"),
        ("nope.age()", "null"),
    ],
    clock: true,
    ..Function::plain("age", Gives::Integer, age)
};

/// A year is never longer.
const YEAR_MS_MAX: i64 = 366 * DAY_MS;

fn age<'a>(run: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    let since = match super::as_time(&args[0]) {
        V::Time(ms) | V::Date(ms) => ms,
        V::Now => return V::Int(0),
        _ => return V::Null,
    };
    V::Int(super::moving(run, YEAR_MS_MAX, |now| if since <= now { years(since, now) } else { -years(now, since) }))
}

/// The whole years between two instants, the earlier one first.
fn years(from: i64, to: i64) -> i64 {
    let ((year, month, day, ms), (to_year, to_month, to_day, to_ms)) = (Timestamp(from).civil(), Timestamp(to).civil());
    to_year - year - i64::from((to_month, to_day, to_ms) < (month, day, ms))
}
