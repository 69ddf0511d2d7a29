//! Filters that turn text into text.
//!
//! In: text. Out: text, appended. Always: agrees with `String` of Java, unit by unit.

use super::{Given, first, string};
use crate::error::{Raised, fault};
use crate::escape::{Strategy, percent};
use crate::java;
use crate::operators;
use crate::render::Renderer;
use crate::scope::Held;
use crate::value::{List, Value};
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha2::Digest as _;
use std::borrow::Cow;
use std::sync::Arc;

pub(super) fn upper(text: &str, out: &mut String) -> Raised<()> {
    if text.is_ascii() {
        let start = out.len();
        out.push_str(text);
        out[start..].make_ascii_uppercase();
    } else {
        out.push_str(&text.to_uppercase());
    }
    Ok(())
}

pub(super) fn lower(text: &str, out: &mut String) -> Raised<()> {
    if text.is_ascii() {
        let start = out.len();
        out.push_str(text);
        out[start..].make_ascii_lowercase();
    } else {
        out.push_str(&text.to_lowercase());
    }
    Ok(())
}

pub(super) fn capitalize(text: &str, out: &mut String) -> Raised<()> {
    let mut found = false;
    out.extend(text.chars().map(|c| {
        if found || java::is_whitespace(c) {
            return c;
        }
        found = true;
        java::title(c)
    }));
    Ok(())
}

pub(super) fn title(text: &str, out: &mut String) -> Raised<()> {
    let mut inside = false;
    out.extend(text.chars().map(|c| {
        let blank = java::is_whitespace(c);
        let starts = !inside && !blank;
        inside = !blank;
        if starts { java::title(c) } else { c }
    }));
    Ok(())
}

pub(super) fn trim(text: &str, out: &mut String) -> Raised<()> {
    out.push_str(trimmed(text));
    Ok(())
}

/// `String.trim`
pub(crate) fn trimmed(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

pub(super) fn urlencode(text: &str, out: &mut String) -> Raised<()> {
    percent(text, out, &crate::escape::FORM);
    Ok(())
}

const DECODER: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

pub(super) fn base64encode(text: &str, out: &mut String) -> Raised<()> {
    const STANDARD: GeneralPurpose = base64::engine::general_purpose::STANDARD;
    let text = java::encode(text);
    let mut short = [0; 64];
    match STANDARD.encode_slice(text.as_bytes(), &mut short) {
        Ok(length) => out.push_str(std::str::from_utf8(&short[..length]).unwrap_or_default()),
        Err(_) => STANDARD.encode_string(text.as_bytes(), out),
    }
    Ok(())
}

pub(super) fn base64decode(text: &str, out: &mut String) -> Raised<()> {
    let bytes = DECODER.decode(text).map_err(|e| fault(format!("not base64: {e}")).given(text))?;
    out.push_str(&String::from_utf8_lossy(&bytes));
    Ok(())
}

pub(super) fn sha256(text: &str, out: &mut String) -> Raised<()> {
    let text = java::encode(text);
    let words = short_digest(text.as_bytes()).unwrap_or_else(|| digest(text.as_bytes()));
    let mut bytes = [0; 32];
    for (four, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *four = word.to_be_bytes();
    }
    let mut hex = [0_u8; 64];
    for (digits, byte) in hex.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *digits = [hex_digit(byte >> 4), hex_digit(byte & 15)];
    }
    out.push_str(std::str::from_utf8(&hex).unwrap_or_default());
    Ok(())
}

fn digest(bytes: &[u8]) -> [u32; 8] {
    let hash = sha2::Sha256::digest(bytes);
    std::array::from_fn(|i| u32::from_be_bytes([hash[4 * i], hash[4 * i + 1], hash[4 * i + 2], hash[4 * i + 3]]))
}

/// The digest of what fits one block with its padding, as nearly all hashed identities do.
fn short_digest(bytes: &[u8]) -> Option<[u32; 8]> {
    /// FIPS 180-4, 5.3.3
    const START: [u32; 8] =
        [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
    let mut blocks = [[0_u8; 64]];
    let (body, length) = blocks[0].split_last_chunk_mut::<8>()?;
    let (text, padding) = body.split_at_mut_checked(bytes.len())?;
    *padding.first_mut()? = 0x80;
    text.copy_from_slice(bytes);
    *length = (bytes.len() as u64 * 8).to_be_bytes();
    let mut state = START;
    sha2::block_api::compress256(&mut state, &blocks);
    Some(state)
}

/// A lower-case hexadecimal digit, without a branch, so that many are found at once.
fn hex_digit(value: u8) -> u8 {
    value + b'0' + u8::from(value > 9) * 39
}

pub(super) fn nl2br(text: &str, out: &mut String) -> Raised<()> {
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                chars.next_if_eq(&'\n');
                out.push_str("<br />");
            }
            '\n' => out.push_str("<br />"),
            c => out.push(c),
        }
    }
    Ok(())
}

pub(super) fn abbreviate<'a>(renderer: &mut Renderer<'a>, input: Held<'a>, args: Given<'a>) -> Raised<Held<'a>> {
    if matches!(*input, Value::Null) {
        return Ok(input);
    }
    let text = string("abbreviate", &input)?;
    let length = match first(args).as_deref() {
        Some(Value::Long(length)) => *length as i32,
        Some(other) => return Err(fault(format!("`abbreviate` needs a whole number, not {}", other.kind()))),
        None => return Err(fault("`abbreviate` needs a length")),
    };
    if length < 0 {
        return Err(fault("the length of `abbreviate` is negative"));
    }
    renderer.read(text.len())?;
    let (length, size) = (length as usize, java::units_len(text));
    let short = if size < length || size <= 3 {
        text.into()
    } else if length <= 3 {
        java::slice_units(text, 0, length)
    } else {
        format!("{}...", java::slice_units(text, 0, length - 3)).into()
    };
    renderer.charge(short.len())?;
    Ok(Held::Own(Value::Str(short)))
}

/// Replaces every pair in turn.
pub(crate) fn replace_pairs(
    renderer: &mut Renderer<'_>,
    text: &str,
    pairs: &[(String, String)],
    out: &mut String,
) -> Raised<()> {
    let Some(((from, to), rest)) = pairs.split_first() else {
        out.push_str(text);
        return Ok(());
    };
    let Some(((last_from, last_to), middle)) = rest.split_last() else {
        return replace_one(renderer, text, from, to, out);
    };
    let mut now = String::new();
    replace_one(renderer, text, from, to, &mut now)?;
    for (from, to) in middle {
        now = replaced(renderer, &now, from, to)?;
    }
    replace_one(renderer, &now, last_from, last_to, out)
}

fn replaced(renderer: &mut Renderer<'_>, text: &str, from: &str, to: &str) -> Raised<String> {
    let mut out = String::new();
    replace_one(renderer, text, from, to, &mut out)?;
    Ok(out)
}

/// Bytes of a text after a replacement; at most so many where that is little.
pub(crate) fn replaced_size(text: &str, from: &str, to: &str) -> usize {
    let most = (text.len() / from.len().max(1) + 1).saturating_mul(to.len());
    if to.len() <= from.len() || most <= COUNTED_FROM {
        return text.len().saturating_add(if to.len() <= from.len() { 0 } else { most });
    }
    text.len().saturating_add(text.matches(from).count().saturating_mul(to.len() - from.len()))
}

/// Texts from this size on are counted before they are made.
const COUNTED_FROM: usize = 1 << 16;

fn replace_one(renderer: &mut Renderer<'_>, text: &str, from: &str, to: &str, out: &mut String) -> Raised<()> {
    renderer.read(text.len() + from.len())?;
    let size = replaced_size(text, from, to);
    if size > COUNTED_FROM {
        renderer.charge(size)?;
        out.reserve(size);
    }
    let mut rest = 0;
    if let [byte] = from.as_bytes() {
        for (at, found) in text.bytes().enumerate() {
            if found == *byte {
                out.push_str(&text[rest..at]);
                out.push_str(to);
                rest = at + 1;
            }
        }
        out.push_str(&text[rest..]);
        return Ok(());
    }
    for (at, found) in text.match_indices(from) {
        out.push_str(&text[rest..at]);
        out.push_str(to);
        rest = at + found.len();
    }
    out.push_str(&text[rest..]);
    Ok(())
}

pub(super) fn replace<'a>(renderer: &mut Renderer<'a>, input: Held<'a>, args: Given<'a>) -> Raised<Held<'a>> {
    if matches!(*input, Value::Null) {
        return Ok(input);
    }
    let Some(pairs) = first(args) else { return Err(fault("`replace` needs a map of replacements")) };
    let Value::Map(pairs) = &*pairs else {
        return Err(fault(format!("`replace` needs a map of replacements, not {}", pairs.kind())));
    };
    let mut text = renderer.shown(&input);
    renderer.read(text.len())?;
    for (from, to) in &pairs.entries {
        if matches!(to, Value::Null) || matches!(from, Value::Null) {
            return Err(fault("`replace` cannot replace by null"));
        }
        let (from, to) = (renderer.shown(from), renderer.shown(to));
        renderer.read(to.len())?;
        text = replaced(renderer, &text, &from, &to)?;
    }
    renderer.charge(text.len())?;
    Ok(Held::Own(Value::Str(text.into())))
}

/// How many times longer than the text its escaped form may be.
const ESCAPED_MOST: usize = 6;

pub(super) fn escape<'a>(renderer: &mut Renderer<'a>, input: Held<'a>, args: Given<'a>) -> Raised<Held<'a>> {
    if matches!(*input, Value::Null | Value::Safe(_)) {
        return Ok(input);
    }
    let strategy = match first(args).as_deref() {
        None | Some(Value::Null) => Strategy::Html,
        Some(Value::Str(name)) => Strategy::named(name),
        Some(other) => return Err(fault(format!("`escape` needs the name of a strategy, not {}", other.kind()))),
    };
    let text = renderer.shown(&input);
    if text.len() > COUNTED_FROM {
        renderer.charge(text.len().saturating_mul(ESCAPED_MOST))?;
    }
    let mut out = String::new();
    strategy.escape(&text, &mut out)?;
    renderer.charge(out.len())?;
    Ok(Held::Own(Value::Safe(out.into())))
}

pub(super) fn raw<'a>(renderer: &mut Renderer<'a>, input: Held<'a>, _: Given<'a>) -> Raised<Held<'a>> {
    Ok(match &*input {
        Value::Null | Value::Safe(_) => input,
        Value::Str(s) => {
            renderer.charge(s.len())?;
            Held::Own(Value::Safe(s.as_str().into()))
        }
        other => {
            let text = renderer.shown(other);
            renderer.charge(text.len())?;
            Held::Own(Value::Safe(text.into()))
        }
    })
}

/// Steps of the regular-expression engine before it gives up.
const BACKTRACK_MAX: usize = 1_000_000;

pub(super) fn split<'a>(renderer: &mut Renderer<'a>, input: Held<'a>, args: Given<'a>) -> Raised<Held<'a>> {
    if matches!(*input, Value::Null) {
        return Ok(input);
    }
    let text = string("split", &input)?;
    let mut args = args.into_iter();
    let delimiter = match args.next().flatten() {
        Some(delimiter) => delimiter,
        None => return Err(fault("`split` needs a delimiter")),
    };
    let Value::Str(delimiter) = &*delimiter else {
        return Err(fault(format!("the delimiter of `split` is a string, not {}", delimiter.kind())));
    };
    let limit = match args.next().flatten().as_deref() {
        None | Some(Value::Null) => 0,
        Some(Value::Long(limit)) => *limit as i32,
        Some(Value::Int(limit) | Value::Lazy(limit)) => *limit,
        Some(Value::Double(limit)) => *limit as i32,
        Some(Value::Big(limit)) => limit.low as i32,
        Some(other) => return Err(fault(format!("the limit of `split` is a number, not {}", other.kind()))),
    };
    split_at(renderer, text, delimiter, limit).map(Held::Own)
}

/// The array of parts of a text between the matches of a pattern.
pub(crate) fn split_at(renderer: &mut Renderer<'_>, text: &str, delimiter: &str, limit: i32) -> Raised<Value> {
    let parts = parts(renderer, text, delimiter, limit)?;
    let items = parts.into_iter().map(|p| Value::Str(p.into())).collect();
    Ok(Value::Array(Arc::new(List::of(items, false))))
}

/// `String.split`
fn parts<'t>(renderer: &mut Renderer<'_>, text: &'t str, delimiter: &str, limit: i32) -> Raised<Vec<Cow<'t, str>>> {
    let most = if limit > 0 { limit as usize } else { usize::MAX };
    renderer.read(text.len() + delimiter.len())?;
    renderer.charge(text.len())?;
    if delimiter.is_empty() {
        return single_units(renderer, text, limit, most);
    }
    let mut parts: Vec<Cow<'_, str>> = Vec::new();
    let mut from = 0;
    let mut add = |renderer: &mut Renderer<'_>, start: usize, end: usize| -> Raised<bool> {
        if parts.len() + 1 >= most {
            return Ok(false);
        }
        // A match of no width at the start makes no empty part.
        if end > 0 {
            renderer.charge(PART_BYTES)?;
            parts.push(text[from..start].into());
            from = end;
        }
        Ok(true)
    };
    if delimiter.contains(is_special) {
        each_match(renderer, text, delimiter, &mut add)?;
    } else {
        for (at, found) in text.match_indices(delimiter) {
            if !add(renderer, at, at + found.len())? {
                break;
            }
        }
    }
    if from == 0 {
        return Ok(vec![text.into()]);
    }
    parts.push(text[from..].into());
    if limit == 0 {
        parts.truncate(parts.iter().rposition(|p| !p.is_empty()).map_or(0, |i| i + 1));
    }
    Ok(parts)
}

/// What a part takes beside its text.
const PART_BYTES: usize = size_of::<Value>() + size_of::<Cow<'_, str>>();

/// Split at every place between two units.
fn single_units<'t>(renderer: &mut Renderer<'_>, text: &str, limit: i32, most: usize) -> Raised<Vec<Cow<'t, str>>> {
    if text.is_empty() {
        return Ok(vec!["".into()]);
    }
    renderer.charge(text.len().saturating_mul(PART_BYTES))?;
    let units: Vec<u16> = java::units(text).collect();
    let single = units.len().min(most.saturating_sub(1));
    let mut parts: Vec<Cow<'_, str>> = units[..single].iter().map(|u| java::unit_char(*u).to_string().into()).collect();
    if single < units.len() || limit != 0 {
        parts.push(java::from_units(units[single..].iter().copied()).into());
    }
    Ok(parts)
}

/// Does this mean something in a regular expression? Letters do only after a backslash.
fn is_special(c: char) -> bool {
    "\\[](){}.*+?^$|".contains(c)
}

/// Gives the places of all matches of a pattern in turn, as `Matcher.find` does: after a match of no width the search
/// goes on one character further, after any other right at its end.
fn each_match(
    renderer: &mut Renderer<'_>,
    text: &str,
    delimiter: &str,
    found: &mut impl FnMut(&mut Renderer<'_>, usize, usize) -> Raised<bool>,
) -> Raised<()> {
    let pattern = matcher(renderer, delimiter, false)?;
    renderer.read(text.len())?;
    let mut next = 0;
    while next <= text.len() {
        // A single search may be long.
        renderer.slow_step(1)?;
        let place = pattern.find_from_pos(text, next);
        let place = place.map_err(|e| fault(format!("the regular expression gave up: {e}")).given(delimiter))?;
        let Some(place) = place else { break };
        if !found(renderer, place.start(), place.end())? {
            break;
        }
        next = place.end();
        if place.start() == place.end() {
            next += text[next..].chars().next().map_or(1, char::len_utf8);
        }
    }
    Ok(())
}

/// Makes the matcher of a pattern, for texts of which it matches the `whole` or for parts.
fn matcher(renderer: &mut Renderer<'_>, given: &str, whole: bool) -> Raised<fancy_regex::Regex> {
    /// Steps of making a matcher, beside those of its length.
    const MATCHER_STEPS: u64 = 64;
    /// What a byte of a pattern may take in its matcher; nothing in a pattern gets longer by more in Rust's form.
    const MATCHER_BYTES: usize = 128;
    // Some patterns take the square of their length to read.
    let length = given.len() as u64;
    renderer.slow_step(MATCHER_STEPS.saturating_add(length).saturating_add(length.saturating_mul(length) >> 8))?;
    renderer.charge(given.len().saturating_mul(MATCHER_BYTES))?;
    let pattern = java_pattern(given);
    renderer.charge(pattern.len().saturating_sub(given.len()).saturating_mul(MATCHER_BYTES))?;
    let pattern = if whole { format!("\\A(?:{pattern})\\z") } else { pattern };
    (fancy_regex::RegexBuilder::new(&pattern).backtrack_limit(BACKTRACK_MAX).build())
        .map_err(|e| fault(format!("not a regular expression: {e}")).given(given))
}

/// `String.matches`
pub(crate) fn is_match(renderer: &mut Renderer<'_>, text: &str, pattern: &str) -> Raised<bool> {
    let matcher = matcher(renderer, pattern, true)?;
    renderer.read(text.len())?;
    matcher.is_match(text).map_err(|e| fault(format!("the regular expression gave up: {e}")).given(pattern))
}

/// `String.replaceAll` and `String.replaceFirst`.
pub(crate) fn replace_matches(
    renderer: &mut Renderer<'_>,
    text: &str,
    pattern: &str,
    by: &str,
    most: usize,
) -> Raised<Value> {
    let groups = matcher(renderer, pattern, false)?;
    let names_groups = by.contains(['$', '\\']);
    let (mut out, mut from, mut count) = (String::new(), 0, 0);
    each_match(renderer, text, pattern, &mut |renderer, start, end| {
        if count == most {
            return Ok(false);
        }
        count += 1;
        let before = &text[from..start];
        from = end;
        if !names_groups {
            renderer.grow(&out, before.len().saturating_add(by.len()))?;
            out.extend([before, by]);
            return Ok(true);
        }
        renderer.slow_step(1)?;
        let found = groups.captures_from_pos(text, start);
        let found = found.map_err(|e| fault(format!("the regular expression gave up: {e}")).given(pattern))?;
        // Every match reads the replacement, for its size and for the text.
        renderer.read(2 * by.len())?;
        let mut size = before.len();
        expand(by, found.as_ref(), &mut |part| size = size.saturating_add(part.len()))?;
        renderer.grow(&out, size)?;
        out.push_str(before);
        expand(by, found.as_ref(), &mut |part| out.push_str(part))?;
        Ok(true)
    })?;
    renderer.grow(&out, text.len() - from)?;
    out.push_str(&text[from..]);
    Ok(Value::Str(out.into()))
}

/// Gives the parts of a replacement in turn: `$1` is a group, a backslash takes the meaning of what follows.
fn expand(by: &str, found: Option<&fancy_regex::Captures<'_, str>>, part: &mut impl FnMut(&str)) -> Raised<()> {
    let mut room = [0; 4];
    let wrong = || fault("this replacement names no group").given(by);
    let groups = found.map_or(0, |found| found.len());
    let mut rest = by.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => part(rest.next().ok_or_else(wrong)?.encode_utf8(&mut room)),
            '$' => {
                let digit = |c: &char| c.to_digit(10).map(|d| d as usize);
                let mut group = rest.next().as_ref().and_then(digit).filter(|g| *g < groups).ok_or_else(wrong)?;
                while let Some(longer) = rest.peek().and_then(digit).map(|d| 10 * group + d).filter(|g| *g < groups) {
                    group = longer;
                    rest.next();
                }
                part(found.and_then(|f| f.get(group)).map_or("", |m| m.as_str()));
            }
            c => part(c.encode_utf8(&mut room)),
        }
    }
    Ok(())
}

/// Does a pattern set a flag for all that follows, or for a group?
fn sets_flag(pattern: &str, flag: char) -> bool {
    pattern.match_indices("(?").any(|(at, _)| {
        let flags = &pattern[at + 2..];
        let end = flags.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(flags.len());
        flags[end..].starts_with([')', ':', '-']) && flags[..end].contains(flag)
    })
}

/// What Java's patterns mean where they differ: `\d`, `\w` and `\s` are ASCII, `\h` is a blank, `\Q…\E` quotes; `.` and
/// `$` know more line ends.
fn java_pattern(pattern: &str) -> String {
    const LINE_ENDS: &str = "\\n\\r\\u{85}\\u{2028}\\u{2029}";
    let mut out = String::with_capacity(pattern.len() + 16);
    let (any, lines) = (sets_flag(pattern, 's'), sets_flag(pattern, 'm'));
    let mut rest = pattern;
    let mut class = 0;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' if rest.starts_with('Q') => {
                let body = &rest[1..];
                let end = body.find("\\E").unwrap_or(body.len());
                out.push_str(&fancy_regex::escape(&body[..end]));
                rest = body[end..].strip_prefix("\\E").unwrap_or_default();
            }
            '\\' => {
                let next = rest.chars().next();
                rest = &rest[next.map_or(0, char::len_utf8)..];
                java_escape(next, class > 0, &mut out);
            }
            '[' => {
                class += 1;
                out.push('[');
            }
            ']' if class > 0 => {
                class -= 1;
                out.push(']');
            }
            '.' if class == 0 && !any => out.extend(["[^", LINE_ENDS, "]"]),
            // At the end, or before a line end that is the last; `\r\n` is one.
            '$' if class == 0 && !lines => {
                out.extend(["(?:(?=\\r\\n\\z|[\\r\\u{85}\\u{2028}\\u{2029}]?\\z)|(?<!\\r)(?=\\n\\z))"])
            }
            c => out.push(c),
        }
    }
    out
}

/// What follows a backslash.
fn java_escape(next: Option<char>, in_class: bool, out: &mut String) {
    let plain = match next {
        Some('d') => Some("0-9"),
        Some('w') => Some("a-zA-Z_0-9"),
        Some('s') => Some(" \\t\\n\\x0B\\f\\r"),
        _ => None,
    };
    match (plain, next) {
        (Some(set), _) if in_class => out.push_str(set),
        (Some(set), _) => out.extend(["[", set, "]"]),
        (None, Some('D')) => out.push_str("[^0-9]"),
        (None, Some('W')) => out.push_str("[^a-zA-Z_0-9]"),
        (None, Some('S')) => out.push_str("[^ \\t\\n\\x0B\\f\\r]"),
        (None, Some('h')) => {
            out.push_str("[ \\t\\u{A0}\\u{1680}\\u{180e}\\u{2000}-\\u{200a}\\u{202f}\\u{205f}\\u{3000}]")
        }
        (None, Some('R')) => out.push_str("(?:\\r\\n|[\\n\\x0B\\f\\r\\u{85}\\u{2028}\\u{2029}])"),
        (None, Some('Z')) => out.push_str("(?=\\n?\\z)"),
        (None, Some(c)) if !c.is_alphanumeric() => out.push_str(&fancy_regex::escape(c.encode_utf8(&mut [0; 4]))),
        (None, Some(c)) => out.extend(['\\', c]),
        (None, None) => out.push('\\'),
    }
}

/// `compareTo` for sorting, here since it compares unit by unit.
pub(super) fn order(a: &str, b: &str) -> std::cmp::Ordering {
    operators::compare_units(a, b).cmp(&0)
}
