//! `stringToDate`: the instant that a text in ISO 8601 form means, or a text in the form of a Java pattern (see `formatDate`).

use crate::functions::{Function, Gives, Takes};
use crate::value::V;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Text.named("text"), Takes::DatePattern.named("pattern").optional()],
    summary: "The instant that a text in ISO 8601 form means, or a text in the form of a Java pattern (see `formatDate`). Without a zone it is UTC. Null if the text has another form.",
    examples: &[
        (r#"stringToDate("2024-11-01T17:19:51Z")"#, r#""2024-11-01T17:19:51Z""#),
        (r#"stringToDate("2023-01-10 23:13:26", "yyyy-MM-dd HH:mm:ss")"#, r#""2023-01-10T23:13:26Z""#),
        (r#"stringToDate("10 Jan 2023", "d MMM yyyy")"#, r#""2023-01-10T00:00:00Z""#),
        (r#"stringToDate("2024-02-30")"#, "null"),
        (r#"stringToDate("soon")"#, "null"),
        ("nope.stringToDate()", "null"),
        (r#"stringToDate("1", "b")"#, "error"),
    ],
    ..Function::plain("stringToDate", Gives::Time, |_, args| super::read(args).map_or(V::Null, V::Time))
};
