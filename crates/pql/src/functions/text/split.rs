//! `split`: the parts of the text between separators; an empty separator splits between characters.

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
    ..Function::plain("split", Gives::Texts, |_, args| super::two(args, split))
};

fn split<'a>(text: &str, separator: &str) -> V<'a> {
    if separator.is_empty() {
        return V::list(text.chars().map(|c| super::made(c.encode_utf8(&mut [0; 4]))).collect());
    }
    V::list(text.split(separator).map(super::made).collect())
}
