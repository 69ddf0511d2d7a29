//! `toPrecision`: the number with so many decimals, from 0 to 100, filled up with zeros.

use crate::eval::Run;
use crate::functions::{Function, Gives, Takes};
use crate::value::V;
use model::SmolStr;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Number.named("number"), Takes::Number.named("decimals")],
    summary: "The number with so many decimals, from 0 to 100, filled up with zeros.",
    examples: &[
        ("toPrecision(3.14159, 2)", r#""3.14""#),
        ("toPrecision(2, 3)", r#""2.000""#),
        ("toPrecision(-0.04, 1)", r#""-0.0""#),
        ("toPrecision(1, 101)", "null"),
        ("nope.toPrecision(1)", "null"),
    ],
    ..Function::plain("toPrecision", Gives::Text, to_precision)
};

fn to_precision<'a>(_: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    match (args[0].as_f64(), &args[1]) {
        (Some(number), V::Int(decimals @ 0..=100)) => V::Own(SmolStr::new(format!("{number:.*}", *decimals as usize))),
        _ => V::Null,
    }
}
