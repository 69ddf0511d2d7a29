//! `intersection`: the distinct common items, in the order of the first array; compares as a set.

use crate::eval::{Lookup, Run};
use crate::functions::{Compares, Function, Gives, Takes};
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
    compares: Compares::Items,
    ..Function::plain("intersection", Gives::First, intersection)
};

fn intersection<'a>(run: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    let len = args[0].array_len().unwrap_or(0);
    let other = Lookup::new(run, &args[1], len);
    if !(run.pay_each(len) && run.makes_items(len)) {
        return V::Null;
    }
    let shared: Vec<V<'a>> = args[0].items().filter(|item| !item.is_null() && other.holds(run, item)).collect();
    super::distinct_of(run, shared.into_iter())
}
