//! `toDateTimeOnly`: date and time of day as they are written, whatever the zone; the beginning of 1970 if the text has another form.

use crate::functions::{Function, Gives, Takes};
use crate::value::V;
use model::Timestamp;

pub(super) const FUNCTION: Function = Function {
    params: &[Takes::Any.named("value")],
    summary: "Date and time of day as they are written, whatever the zone; the beginning of 1970 if the text has another form. Numbers are milliseconds since then.",
    examples: &[
        (r#"toDateTimeOnly("2016-08-18")"#, r#""2016-08-18T00:00:00Z""#),
        (r#"toDateTimeOnly("2024-11-01T17:19:51+01:00")"#, r#""2024-11-01T17:19:51Z""#),
        (r#"toDateTimeOnly("2024-11-01T17:19:51")"#, r#""2024-11-01T17:19:51Z""#),
        (r#"toDateTimeOnly("soon")"#, r#""1970-01-01T00:00:00Z""#),
        ("toDateTimeOnly(1000)", r#""1970-01-01T00:00:01Z""#),
        ("nope.toDateTimeOnly()", "null"),
    ],
    ..Function::plain("toDateTimeOnly", Gives::Time, |_, args| super::read_or_epoch(args, read_local))
};

fn read_local(args: &[V<'_>]) -> Option<i64> {
    let text = args[0].as_str()?;
    if Timestamp::parse(text).is_none() {
        return super::read(args);
    }
    // Behind the time of day the offset begins, with its sign or `Z`.
    let end = text.get(19..)?.find(['+', '-', 'Z', 'z']).map_or(text.len(), |at| 19 + at);
    Timestamp::parse(&format!("{}Z", &text[..end])).map(|at| at.0)
}
