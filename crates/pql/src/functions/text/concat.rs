//! `concat`: the texts one after the other; null if one of them is absent.

use crate::eval::Run;
use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text"), Takes::Text.named("more")],
    summary: "The texts one after the other; null if one of them is absent.",
    examples: &[
        (r#"concat(homeAddress.city, ", ", homeAddress.countryISO)"#, r#""Dresden, DE""#),
        (r#""a".concat("")"#, r#""a""#),
        (r#"concat("a", nope)"#, "null"),
    ],
    variadic: true,
    ..Function::plain("concat", Gives::Text, concat)
};

fn concat<'a>(_: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    let parts: Option<Vec<&str>> = args.iter().map(V::as_str).collect();
    match parts {
        Some(parts) if super::fits(parts.iter().map(|part| part.len()).sum()) => super::made(parts.concat()),
        _ => V::Null,
    }
}
