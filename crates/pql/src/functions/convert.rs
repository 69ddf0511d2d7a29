//! Conversions (pql.md §21).

mod string_to_date;
mod string_to_integer;
mod string_to_number;
mod to_bool;
mod to_date_time;
mod to_date_time_only;
mod to_int;
mod to_string;

use super::Group;
use crate::calendar::read_instant;
use crate::eval::as_time;
use crate::functions::date_pattern::Pattern;
use crate::value::V;

pub(super) const GROUP: Group = Group {
    name: "convert",
    summary: "Null in, null out.",
    functions: &[
        to_int::FUNCTION,
        to_string::FUNCTION,
        to_bool::FUNCTION,
        string_to_number::FUNCTION,
        string_to_integer::FUNCTION,
        string_to_date::FUNCTION,
        to_date_time::FUNCTION,
        to_date_time_only::FUNCTION,
    ],
};

/// The number that a text says, white space around it left out.
fn number<'a>(text: &str) -> V<'a> {
    let text = text.trim();
    if !text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E')) {
        return V::Null;
    }
    match (text.parse(), text.parse()) {
        (Ok(whole), _) => V::Int(whole),
        (_, Ok(number)) => V::double(number),
        _ => V::Null,
    }
}

/// The instant that the first argument means, by the pattern that may be the second.
fn read(args: &[V<'_>]) -> Option<i64> {
    let text = args[0].as_str()?;
    match args.get(1) {
        Some(pattern) => Pattern::new(pattern.as_str()?).ok()?.read(text),
        None => read_instant(text).map(|at| at.0),
    }
}

fn read_or_epoch<'a>(args: &[V<'a>], read: fn(&[V<'a>]) -> Option<i64>) -> V<'a> {
    match &args[0] {
        V::Null => V::Null,
        V::Int(ms) => V::Time(crate::calendar::clamp(*ms)),
        text if text.as_str().is_some() => V::Time(read(args).unwrap_or(0)),
        other => match as_time(other) {
            V::Date(ms) => V::Time(ms),
            V::Null => V::Time(0),
            time => time,
        },
    }
}
