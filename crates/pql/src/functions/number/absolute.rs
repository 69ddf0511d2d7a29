//! `absolute`: the number without its sign.

use crate::eval::Run;
use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Number.named("number")],
    summary: "The number without its sign.",
    examples: &[("absolute(-3)", "3"), ("absolute(-2.5)", "2.5"), ("absolute(0)", "0"), ("nope.absolute()", "null")],
    ..Function::plain("absolute", Gives::Number, absolute)
};

fn absolute<'a>(_: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    match args[0] {
        V::Int(n) => n.checked_abs().map_or(V::Double(n.unsigned_abs() as f64), V::Int),
        V::Double(n) => V::Double(n.abs()),
        _ => V::Null,
    }
}
