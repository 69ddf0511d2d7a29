//! `toHexString`: the whole number in hexadecimal digits; a negative one in two's complement of 64 bits.

use crate::eval::Run;
use crate::functions::{Function, Gives, Takes};
use crate::value::V;
use model::SmolStr;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Number.named("number")],
    summary: "The whole number in hexadecimal digits; a negative one in two's complement of 64 bits. Null if it has a fraction.",
    examples: &[
        ("toHexString(158)", r#""9e""#),
        ("toHexString(0)", r#""0""#),
        ("toHexString(-1)", r#""ffffffffffffffff""#),
        ("toHexString(1.5)", "null"),
        ("nope.toHexString()", "null"),
    ],
    ..Function::plain("toHexString", Gives::Text, to_hex_string)
};

fn to_hex_string<'a>(_: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    let whole = match args[0] {
        V::Double(n) if n.fract() == 0.0 => super::whole(&args[0], f64::trunc),
        ref other => other.clone(),
    };
    match whole {
        V::Int(n) => V::Own(SmolStr::new(format!("{n:x}"))),
        _ => V::Null,
    }
}
