//! `distinct`: the items without nulls and repetitions, the first of each kept; compares as a set.

use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Array.named("array")],
    summary: "The items without nulls and repetitions, the first of each kept; compares as a set.",
    examples: &[
        ("favoriteColors.distinct()", r#"["red","green"]"#),
        ("[1, 1.0, null].distinct()", "[1]"),
        ("[].distinct()", "[]"),
        ("nope.distinct()", "[]"),
    ],
    ..Function::plain("distinct", Gives::First, |run, args| super::distinct_of(run, args[0].items()))
};
