//! `toInt`: a number without its fraction; also the number that a text says; 1 and 0 for true and false.

use crate::eval::Run;
use crate::functions::number::whole;
use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Any.named("value")],
    summary: "A number without its fraction; also the number that a text says; 1 and 0 for true and false. Null for all else.",
    examples: &[
        ("toInt(42.6)", "42"),
        ("toInt(-1.7)", "-1"),
        (r#"toInt(" 7.9 ")"#, "7"),
        ("toInt(true)", "1"),
        (r#"toInt("seven")"#, "null"),
        ("nope.toInt()", "null"),
    ],
    ..Function::plain("toInt", Gives::Integer, to_int)
};

fn to_int<'a>(_: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    match (&args[0], args[0].as_str()) {
        (V::Bool(flag), _) => V::Int(i64::from(*flag)),
        (_, Some(text)) => whole(&super::number(text), f64::trunc),
        (number, _) => whole(number, f64::trunc),
    }
}
