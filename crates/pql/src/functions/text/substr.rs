//! `substr`: the characters from `start`, counted from 0, up to `end`, which is left out.

use crate::eval::Run;
use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text"), Takes::Number.named("start"), Takes::Number.named("end").optional()],
    summary: "The characters from `start`, counted from 0, up to `end`, which is left out. Bounds outside of the text mean its ends.",
    examples: &[
        (r#"substr("hello", 1, 3)"#, r#""el""#),
        (r#"substr("hello", 3)"#, r#""lo""#),
        (r#"substr("hello", -1, 99)"#, r#""hello""#),
        (r#"substr("hello", 3, 1)"#, r#""""#),
        ("nope.substr(1)", "null"),
    ],
    ..Function::plain("substr", Gives::Text, substr)
};

fn substr<'a>(run: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    if !super::slow(run, args) {
        return V::Null;
    }
    let bound = |v: &V<'a>| v.as_f64().map(|n| n.max(0.0) as usize);
    let (Some(text), Some(start)) = (args[0].as_str(), bound(&args[1])) else { return V::Null };
    let end = match args.get(2) {
        None => usize::MAX,
        Some(end) => match bound(end) {
            Some(end) => end,
            None => return V::Null,
        },
    };
    super::made(text.chars().skip(start).take(end.saturating_sub(start)).collect::<String>())
}
