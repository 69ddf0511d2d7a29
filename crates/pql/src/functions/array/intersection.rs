//! `intersection`: the distinct common items, in the order of the first array; compares as a set.

use crate::eval::Run;
use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Array.named("array"), Takes::Array.named("other")],
    summary: "The distinct common items, in the order of the first array; compares as a set.",
    examples: &[
        ("visited.intersection(wished)", r#"["Prague"]"#),
        ("[3, 1, 3].intersection([1, 2, 3])", "[3,1]"),
        ("[1].intersection([])", "[]"),
        ("[1].intersection(nope)", "[]"),
        ("nope.intersection([1])", "[]"),
    ],
    ..Function::plain("intersection", Gives::First, intersection)
};

fn intersection<'a>(run: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    let shared = args[0].items().filter(|item| run.contains(&args[1], item)).collect();
    super::distinct_of(run, shared)
}
