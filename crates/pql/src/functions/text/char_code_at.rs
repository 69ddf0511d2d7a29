//! `charCodeAt`: the Unicode code point at a place, counted from 0; null beyond the ends.

use crate::eval::Run;
use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text"), Takes::Number.named("index")],
    summary: "The Unicode code point at a place, counted from 0; null beyond the ends.",
    examples: &[
        (r#"charCodeAt("some", 1)"#, "111"),
        (r#""😀".charCodeAt(0)"#, "128512"),
        (r#""a".charCodeAt(1)"#, "null"),
        (r#""a".charCodeAt(-1)"#, "null"),
        ("nope.charCodeAt(0)", "null"),
    ],
    ..Function::plain("charCodeAt", Gives::Integer, char_code_at)
};

fn char_code_at<'a>(_: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    let (Some(text), V::Int(at)) = (args[0].as_str(), &args[1]) else { return V::Null };
    let found = usize::try_from(*at).ok().and_then(|at| text.chars().nth(at));
    found.map_or(V::Null, |c| V::Int(i64::from(u32::from(c))))
}
