//! `replace`: the text with every occurrence of the part replaced; the part is plain text.

use crate::eval::Run;
use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text"), Takes::Text.named("part"), Takes::Text.named("by")],
    summary: "The text with every occurrence of the part replaced; the part is plain text.",
    examples: &[
        (r#"replace("Hello John", "John", "Mark")"#, r#""Hello Mark""#),
        (r#"replace("a.b.c", ".", "")"#, r#""abc""#),
        (r#"replace("ab", "", "-")"#, r#""-a-b-""#),
        (r#"nope.replace("a", "b")"#, "null"),
        (r#""a".replace("a", nope)"#, "null"),
    ],
    ..Function::plain("replace", Gives::Text, replace)
};

fn replace<'a>(run: &mut Run<'a>, args: &[V<'a>]) -> V<'a> {
    if !super::slow(run, args) {
        return V::Null;
    }
    let Some(by) = args[2].as_str() else { return V::Null };
    let (Some(text), Some(part)) = (args[0].as_str(), args[1].as_str()) else { return V::Null };
    let found = text.matches(part).count();
    let bytes = found.saturating_mul(by.len()).saturating_add(text.len());
    if run.pay_each(2 * found) && super::fits(bytes) { super::made(text.replace(part, by)) } else { V::Null }
}
