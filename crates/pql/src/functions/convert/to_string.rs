//! `toString`: a Boolean, number, date, instant or text as text.

use crate::eval::Run;
use crate::functions::{Function, Gives, Takes};
use crate::value::V;
use model::Value;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Any.named("value")],
    summary: "A Boolean, number, date, instant or text as text. Null for all else.",
    examples: &[
        ("toString(12)", r#""12""#),
        ("toString(2.5)", r#""2.5""#),
        ("toString(3.0)", r#""3""#),
        ("toString(true)", r#""true""#),
        ("toString(date(2026, 3, 18))", r#""2026-03-18""#),
        ("toString([1])", "null"),
        ("nope.toString()", "null"),
    ],
    ..Function::plain("toString", Gives::Text, to_string)
};

fn to_string<'a>(run: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    let value = run.settle(args[0].clone());
    let text = match &value {
        V::Bool(b) => b.to_string(),
        V::Int(n) => n.to_string(),
        V::Double(n) => n.to_string(),
        V::Str(_) | V::Own(_) => return value,
        V::Time(_) | V::Date(_) => match value.to_value(run.now, usize::MAX) {
            Some(Value::Str(text)) => return V::Own(text),
            _ => return V::Null,
        },
        _ => return V::Null,
    };
    V::Own(text.into())
}
