//! `toPercentage`: the number times 100, with a percent sign.

use crate::eval::Run;
use crate::functions::{Function, Gives, Takes};
use crate::value::V;
use model::SmolStr;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Number.named("number")],
    summary: "The number times 100, with a percent sign.",
    examples: &[
        ("toPercentage(0.42)", r#""42%""#),
        ("toPercentage(0.07)", r#""7%""#),
        ("toPercentage(1.2345)", r#""123.45%""#),
        ("toPercentage(-1)", r#""-100%""#),
        ("nope.toPercentage()", "null"),
    ],
    ..Function::plain("toPercentage", Gives::Text, to_percentage)
};

fn to_percentage<'a>(_: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    let Some(number) = args[0].as_f64() else { return V::Null };
    // The point moves in the decimal digits, so 0.07 is 7 and not 7.000000000000001.
    let moved = shifted(number, 2);
    if moved.is_finite() { V::Own(SmolStr::new(format!("{moved}%"))) } else { V::Null }
}

fn shifted(number: f64, places: i32) -> f64 {
    let text = format!("{number:e}");
    let Some((digits, exponent)) = text.split_once('e') else { return number };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{digits}e{}", exponent + places).parse().unwrap_or(number)
}
