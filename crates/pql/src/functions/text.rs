//! Functions of text (pql.md §9, §21).

mod camel_case;
mod char_code_at;
mod concat;
mod contains;
mod does_not_contain;
mod does_not_end_with;
mod does_not_start_with;
mod encode64;
mod ends_with;
mod equals;
mod equals_ignore_case;
mod extract_email_domain;
mod get_url_host;
mod get_url_path;
mod get_url_protocol;
mod index_of;
mod is_empty;
mod is_not_empty;
mod last_index_of;
mod left_trim;
mod length;
mod like;
mod lower_case;
mod mask;
mod matches;
mod md5;
mod not_equal_to;
mod not_equal_with_ignore_case;
mod regex_group;
mod replace;
mod replace_all;
mod right_trim;
mod sha256;
mod split;
mod starts_with;
mod substr;
mod title_case;
mod trim;
mod upper_case;
mod url_decode;
mod url_encode;

use super::Group;
use crate::ast::Comparison;
use crate::eval::Run;
use crate::value::V;
use model::SmolStr;
use std::fmt::Write;

pub(super) const GROUP: Group = Group {
    name: "text",
    summary: "Characters are Unicode code points, case is folded without regard to a language. Predicates are false if an argument is absent, the negative ones too; other functions give null then. A result of more than 16 MiB is null.",
    functions: &[
        starts_with::FUNCTION,
        does_not_start_with::FUNCTION,
        ends_with::FUNCTION,
        does_not_end_with::FUNCTION,
        contains::FUNCTION,
        does_not_contain::FUNCTION,
        equals::FUNCTION,
        not_equal_to::FUNCTION,
        equals_ignore_case::FUNCTION,
        not_equal_with_ignore_case::FUNCTION,
        like::FUNCTION,
        matches::FUNCTION,
        regex_group::FUNCTION,
        is_empty::FUNCTION,
        is_not_empty::FUNCTION,
        length::FUNCTION,
        lower_case::FUNCTION,
        upper_case::FUNCTION,
        title_case::FUNCTION,
        camel_case::FUNCTION,
        trim::FUNCTION,
        left_trim::FUNCTION,
        right_trim::FUNCTION,
        concat::FUNCTION,
        index_of::FUNCTION,
        last_index_of::FUNCTION,
        char_code_at::FUNCTION,
        replace::FUNCTION,
        replace_all::FUNCTION,
        split::FUNCTION,
        substr::FUNCTION,
        mask::FUNCTION,
        encode64::FUNCTION,
        md5::FUNCTION,
        sha256::FUNCTION,
        url_encode::FUNCTION,
        url_decode::FUNCTION,
        get_url_protocol::FUNCTION,
        get_url_host::FUNCTION,
        get_url_path::FUNCTION,
        extract_email_domain::FUNCTION,
    ],
};

/// Longest text that a function makes.
const TEXT_BYTES_MAX: usize = 16 << 20;

fn fits(bytes: usize) -> bool {
    bytes <= TEXT_BYTES_MAX
}

fn made<'a>(text: impl AsRef<str>) -> V<'a> {
    V::Own(SmolStr::new(text))
}

fn one<'a>(args: &[V<'a>], f: impl Fn(&str) -> V<'a>) -> V<'a> {
    args[0].as_str().map_or(V::Null, f)
}

fn two<'a>(args: &[V<'a>], f: impl Fn(&str, &str) -> V<'a>) -> V<'a> {
    match (args[0].as_str(), args[1].as_str()) {
        (Some(first), Some(second)) => f(first, second),
        _ => V::Null,
    }
}

fn both<'a>(args: &[V<'a>], f: impl Fn(&str, &str) -> bool) -> V<'a> {
    V::Bool(two(args, |first, second| V::Bool(f(first, second))).truth())
}

/// The text in lower case, character by character (pql.md §9): an end of a word is as good as its middle.
fn folded(text: &str) -> String {
    // The one character that has two in lower case has its simple form before the other.
    text.chars()
        .filter_map(|c| if c.is_ascii() { Some(c.to_ascii_lowercase()) } else { c.to_lowercase().next() })
        .collect()
}

/// Pays for work that takes a while for each byte of the arguments; false when nothing is left.
fn slow(run: &mut Run<'_>, args: &[V<'_>]) -> bool {
    run.pay_slow(args.iter().filter_map(V::as_str).map(str::len).sum())
}

/// What a text becomes by such work.
fn slowly<'a>(run: &mut Run<'a>, args: &[V<'a>], f: impl Fn(&str) -> V<'a>) -> V<'a> {
    if slow(run, args) { one(args, f) } else { V::Null }
}

/// A predicate of two texts without regard to case.
fn fold_both<'a>(run: &mut Run<'a>, args: &[V<'a>], f: impl Fn(&str, &str) -> bool) -> V<'a> {
    slow(run, args);
    V::Bool(!run.is_exhausted() && both(args, |first, second| f(&folded(first), &folded(second))).truth())
}

/// A predicate of two texts with an optional flag for case.
fn test<'a>(run: &mut Run<'a>, args: &[V<'a>], f: impl Fn(&str, &str) -> bool) -> V<'a> {
    match args.get(2) {
        None | Some(V::Bool(true)) => both(args, f),
        Some(V::Bool(false)) => fold_both(run, args, f),
        Some(_) => V::Bool(false),
    }
}

/// Alternatives and perhaps a last Boolean, which is the flag for case unless it is the only one.
fn equals<'a>(run: &mut Run<'a>, args: &[V<'a>], wanted: bool) -> V<'a> {
    let (fold_case, others) = match args {
        [_, others @ .., V::Bool(sensitive)] if !others.is_empty() => (!sensitive, others),
        [_, others @ ..] => (false, others),
        [] => (false, args),
    };
    if args[0].is_null() || others.iter().any(V::is_null) {
        return V::Bool(false);
    }
    let first = match (fold_case, args[0].as_str()) {
        (true, Some(first)) if slow(run, args) => Some(folded(first)),
        _ => None,
    };
    let mut is_wanted = |other: &V<'a>| match (&first, other.as_str()) {
        (Some(first), Some(second)) => (*first == folded(second)) == wanted,
        // Values of different types are neither equal nor different (pql.md §3).
        _ if args[0].array_len().is_none() && other.array_len().is_none() => {
            run.compare_values(if wanted { Comparison::Equal } else { Comparison::NotEqual }, &args[0], other)
        }
        _ => run.same(&args[0], other) == wanted,
    };
    V::Bool(if wanted { others.iter().any(&mut is_wanted) } else { others.iter().all(is_wanted) })
}

/// The place of a byte, in characters.
fn place<'a>(whole: &str, byte: Option<usize>) -> V<'a> {
    V::Int(byte.map_or(-1, |byte| whole[..byte].chars().count() as i64))
}

/// The first letter of every word in upper case.
fn capitalized(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut within = false;
    for c in text.chars() {
        if within {
            out.push(c);
        } else {
            out.extend(c.to_uppercase());
        }
        within = !c.is_whitespace();
    }
    out
}

fn hexadecimal<'a>(bytes: &[u8]) -> V<'a> {
    let mut out = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    made(out)
}

/// Protocol, host and path of a URL.
fn url_parts(url: &str) -> Option<[&str; 3]> {
    let (protocol, rest) = url.split_once("://")?;
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if protocol.is_empty() || !protocol.chars().all(word) {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.chars().all(|c| c.is_ascii_digit()) => host,
        _ => host,
    };
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    Some([protocol, host, path])
}
