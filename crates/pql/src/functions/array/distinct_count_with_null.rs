//! `distinctCountWithNull`: how many distinct items there are; null counts as one.

use crate::eval::Run;
use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Array.named("array")],
    summary: "How many distinct items there are; null counts as one.",
    examples: &[
        ("distinctCountWithNull([10, 2, 10, null])", "3"),
        ("[null, null].distinctCountWithNull()", "1"),
        ("[].distinctCountWithNull()", "0"),
        ("nope.distinctCountWithNull()", "0"),
    ],
    ..Function::plain("distinctCountWithNull", Gives::Integer, distinct_count_with_null)
};

fn distinct_count_with_null<'a>(run: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    let has_null = args[0].items().any(|item| item.is_null());
    run.pay_each(args[0].array_len().unwrap_or(0));
    let others = super::distinct_of(run, args[0].items()).array_len().unwrap_or(0);
    V::Int(others as i64 + i64::from(has_null))
}
