//! `mask`: the text with `X` in place of every character but the first and last few.

use crate::eval::Run;
use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text"), Takes::Number.named("keepStart"), Takes::Number.named("keepEnd")],
    summary: "The text with `X` in place of every character but the first and last few.",
    examples: &[
        (r#"mask("123456789", 1, 2)"#, r#""1XXXXXX89""#),
        (r#"mask("abc", 0, 0)"#, r#""XXX""#),
        (r#"mask("abc", 2, 5)"#, r#""abc""#),
        (r#"mask("abc", -1, 1)"#, r#""XXc""#),
        ("nope.mask(1, 2)", "null"),
    ],
    ..Function::plain("mask", Gives::Text, mask)
};

fn mask<'a>(run: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    if !super::slow(run, args) {
        return V::Null;
    }
    let (Some(text), V::Int(start), V::Int(end)) = (args[0].as_str(), &args[1], &args[2]) else { return V::Null };
    let length = text.chars().count() as i64;
    let hidden = (*start).max(0)..length.saturating_sub((*end).max(0));
    super::made(text.chars().zip(0..).map(|(c, at)| if hidden.contains(&at) { 'X' } else { c }).collect::<String>())
}
