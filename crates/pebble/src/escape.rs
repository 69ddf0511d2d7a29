//! Escaping strategies.
//!
//! In: text. Out: text that is safe in one place. Always: appends to a buffer, never makes a string in between.

use crate::error::{Raised, fault};
use crate::java;
use smol_str::SmolStr;
use std::fmt::Write as _;

/// How text is escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Strategy {
    Html,
    Js,
    Json,
    Css,
    UrlParam,
    /// A name that is no strategy; an error once something is escaped.
    Unknown(SmolStr),
}

impl Strategy {
    pub(crate) fn named(name: &str) -> Strategy {
        match name {
            "html" => Strategy::Html,
            "js" => Strategy::Js,
            "json" => Strategy::Json,
            "css" => Strategy::Css,
            "url_param" => Strategy::UrlParam,
            other => Strategy::Unknown(other.into()),
        }
    }

    /// Does it leave letters, digits, `-` and `.` as they are?
    #[inline]
    pub(crate) fn keeps_words(&self) -> bool {
        matches!(self, Strategy::Html | Strategy::Js | Strategy::Json | Strategy::UrlParam)
    }

    pub(crate) fn escape(&self, text: &str, out: &mut String) -> Raised<()> {
        match self {
            Strategy::Html => html(text, out),
            Strategy::Js => script(text, out, true),
            Strategy::Json => script(text, out, false),
            Strategy::Css => css(text, out),
            Strategy::UrlParam => percent(text, out, &URL),
            Strategy::Unknown(name) => {
                let mut fault = fault(format!("there is no escaping strategy `{name}`"));
                fault.suggestion = crate::error::nearest(name, ["html", "js", "json", "css", "url_param"]);
                return Err(fault);
            }
        }
        Ok(())
    }
}

/// Is there nothing that HTML escapes? Looks at pieces of fixed size; the last one may overlap the one before.
fn is_plain_html(text: &[u8]) -> bool {
    fn special(bytes: &[u8]) -> u8 {
        let special = |byte: u8| {
            u8::from(byte == b'&')
                | u8::from(byte == b'<')
                | u8::from(byte == b'>')
                | u8::from(byte == b'"')
                | u8::from(byte == b'\'')
        };
        bytes.iter().fold(0, |any, byte| any | special(*byte))
    }
    let found = match (text.last_chunk::<16>(), text.first_chunk::<8>(), text.last_chunk::<8>()) {
        (Some(last), ..) => text.as_chunks::<16>().0.iter().fold(special(last), |any, chunk| any | special(chunk)),
        (None, Some(first), Some(last)) => special(first) | special(last),
        _ => special(text),
    };
    found == 0
}

fn html(text: &str, out: &mut String) {
    if is_plain_html(text.as_bytes()) {
        return out.push_str(text);
    }
    html_runs(text, out);
}

/// As `html`, byte by byte.
fn html_runs(text: &str, out: &mut String) {
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let entity = match byte {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            b'\'' => "&#39;",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        out.push_str(entity);
        from = at + 1;
    }
    out.push_str(&text[from..]);
}

fn script(text: &str, out: &mut String, js: bool) {
    let mut before = '\0';
    for c in text.chars() {
        match c {
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\0' if js => out.push_str("\\0"),
            '\'' if js => out.push_str("\\'"),
            '/' if before == '<' => out.push_str("\\/"),
            '&' => out.push_str(if js { "\\x26" } else { "\\u0026" }),
            ' '..='~' => out.push(c),
            _ => java::units(c.encode_utf8(&mut [0; 4])).for_each(|unit| {
                // Writing to a string cannot fail.
                let _ = if js && unit < 0x100 { write!(out, "\\x{unit:02X}") } else { write!(out, "\\u{unit:04X}") };
            }),
        }
        before = c;
    }
}

fn css(text: &str, out: &mut String) {
    let chars: Vec<char> = text.chars().collect();
    for (i, &c) in chars.iter().enumerate() {
        let next = chars.get(i + 1);
        let plain = match c {
            'a'..='z' | 'A'..='Z' => true,
            '0'..='9' => i > 0,
            '-' => i > 0 || !next.is_some_and(|n| *n == '-' || n.is_ascii_digit()),
            '_' => i > 0,
            _ => false,
        };
        let by_code = c.is_ascii_digit() || c == ':' || !(' '..'\u{7f}').contains(&c);
        if plain {
            out.push(c);
        } else if by_code {
            let code = java::half(c).map_or(c as u32, u32::from);
            // Writing to a string cannot fail.
            let _ = write!(out, "\\{code:X}");
            if next.is_some_and(char::is_ascii_hexdigit) {
                out.push(' ');
            }
        } else {
            out.push('\\');
            out.push(c);
        }
    }
}

/// What percent-encoding leaves as it is, by byte; nothing from 0x80.
pub(crate) struct Kept {
    stays: [bool; 256],
    /// A blank becomes `+`.
    plus: bool,
}

impl Kept {
    const fn new(signs: &[u8], plus: bool) -> Kept {
        let (mut stays, mut at) = ([false; 256], 0);
        while at < 128 {
            stays[at] = (at as u8).is_ascii_alphanumeric();
            at += 1;
        }
        at = 0;
        while at < signs.len() {
            stays[signs[at] as usize] = true;
            at += 1;
        }
        Kept { stays, plus }
    }
}

/// `application/x-www-form-urlencoded`
pub(crate) static FORM: Kept = Kept::new(b".-*_", true);
static URL: Kept = Kept::new(b"!$'()*,-./:;?@_~", false);

/// UTF-8 percent-encoding; letters, digits and what is kept stay.
pub(crate) fn percent(text: &str, out: &mut String, kept: &Kept) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let text = java::encode(text);
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if kept.stays[usize::from(byte)] {
            continue;
        }
        // Bytes from 0x80 never stay, so a run of kept bytes is ASCII.
        if from < at {
            out.push_str(text.get(from..at).unwrap_or_default());
        }
        from = at + 1;
        if kept.plus && byte == b' ' {
            out.push('+');
        } else {
            let digits = [b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
            out.push_str(std::str::from_utf8(&digits).unwrap_or_default());
        }
    }
    out.push_str(text.get(from..).unwrap_or_default());
}
