//! `replaceAll`: the text with every match of the regular expression replaced, from left to right.

use crate::eval::Run;
use crate::functions::pattern::{Regex, Use};
use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text"), Takes::Regex.named("regex"), Takes::Text.named("by")],
    summary: "The text with every match of the regular expression replaced, from left to right. The replacement is plain text.",
    examples: &[
        (r#"replaceAll("aaa", "aa", "b")"#, r#""ba""#),
        (r#"replaceAll("1.5.2", "\\.", "$0")"#, r#""1$05$02""#),
        (r#"replaceAll("abc", "x", "y")"#, r#""abc""#),
        (r#"replaceAll("ab", "", "-")"#, r#""-a-b-""#),
        (r#"nope.replaceAll("a", "b")"#, "null"),
        (r#""a".replaceAll("(", "b")"#, "error"),
    ],
    ..Function::plain("replaceAll", Gives::Text, replace_all)
};

fn replace_all<'a>(run: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    let Some(by) = args[2].as_str() else { return V::Null };
    let (Some(text), Some(pattern)) = (args[0].as_str(), args[1].as_str()) else { return V::Null };
    let regex = Regex::of_data(pattern, Use::Find, run);
    let replaced = regex.and_then(|regex| regex.replace_all(text, by, super::TEXT_BYTES_MAX, run));
    replaced.map_or(V::Null, super::made)
}
