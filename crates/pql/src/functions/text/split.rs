//! `split`: the parts of the text between separators; an empty separator splits between characters.

use crate::eval::Run;
use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text"), Takes::Text.named("separator")],
    summary: "The parts of the text between separators; an empty separator splits between characters.",
    examples: &[
        (r#"split("Hello_beautiful_world", "_")"#, r#"["Hello","beautiful","world"]"#),
        (r#"split("a,,b", ",")"#, r#"["a","","b"]"#),
        (r#"split("ab", "")"#, r#"["a","b"]"#),
        (r#"split("", ",")"#, r#"[""]"#),
        (r#"nope.split(",")"#, "null"),
    ],
    ..Function::plain("split", Gives::Texts, split)
};

fn split<'a>(run: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    let (Some(text), Some(separator)) = (args[0].as_str(), args[1].as_str()) else { return V::Null };
    // The parts are paid for before they are made: there can be as many as bytes.
    let count = match separator {
        "" => text.chars().count(),
        _ => text.matches(separator).count() + 1,
    };
    if !(run.pay_slow(text.len()) && run.pay_each(4 * count) && run.makes_items(count) && run.makes_text(text.len())) {
        return V::Null;
    }
    if separator.is_empty() {
        return V::list(text.chars().map(|c| super::made(c.encode_utf8(&mut [0; 4]))).collect());
    }
    V::list(text.split(separator).map(super::made).collect())
}
