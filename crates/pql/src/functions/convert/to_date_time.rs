//! `toDateTime`: as `stringToDate`, but the beginning of 1970 if the text has another form.

use crate::functions::{Function, Gives, Takes};

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Any.named("text"), Takes::DatePattern.named("pattern").optional()],
    summary: "As `stringToDate`, but the beginning of 1970 if the text has another form. Numbers are milliseconds since then.",
    examples: &[
        (r#"toDateTime("2024-11-01T17:19:51+01:00")"#, r#""2024-11-01T16:19:51Z""#),
        (r#"toDateTime("soon")"#, r#""1970-01-01T00:00:00Z""#),
        (r#"toDateTime("18.03.2026", "dd.MM.yyyy")"#, r#""2026-03-18T00:00:00Z""#),
        ("toDateTime(1000)", r#""1970-01-01T00:00:01Z""#),
        ("nope.toDateTime()", "null"),
    ],
    ..Function::plain("toDateTime", Gives::Time, |_, args| super::read_or_epoch(args, super::read))
};
