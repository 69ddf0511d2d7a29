//! `dateDiff`: the whole days of 24 hours from the second instant to the first; negative if the first is earlier.

use crate::eval::Run;
use crate::functions::{Function, Gives, Takes};
use crate::value::V;
use model::time::DAY_MS;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Time.named("first"), Takes::Time.named("second")],
    summary: "The whole days of 24 hours from the second instant to the first; negative if the first is earlier.",
    examples: &[
        ("dateDiff(date(2023, 12, 15), date(2023, 12, 12))", "3"),
        ("dateDiff(date(2023, 12, 12), date(2023, 12, 15))", "-3"),
        (r#"dateDiff("2026-03-02T11:00:00Z", "2026-03-01T12:00:00Z")"#, "0"),
        ("dateDiff(now, person.birthDate)", "13149"),
        ("dateDiff(nope, now)", "null"),
    ],
    ..Function::plain("dateDiff", Gives::Integer, date_diff)
};

fn date_diff<'a>(run: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    let instant = |v: &V<'a>, now: i64| match super::as_time(v) {
        V::Time(ms) | V::Date(ms) => Some(ms),
        V::Now => Some(now),
        _ => None,
    };
    let between = |now: i64| Some(instant(&args[0], now)?.saturating_sub(instant(&args[1], now)?) / DAY_MS);
    match (super::as_time(&args[0]), super::as_time(&args[1]), between(run.now)) {
        (_, _, None) => V::Null,
        (V::Now, V::Now, _) => V::Int(0),
        (V::Now, ..) | (_, V::Now, _) => V::Int(super::moving(run, 3 * DAY_MS, |now| between(now).unwrap_or(0))),
        (_, _, Some(days)) => V::Int(days),
    }
}
