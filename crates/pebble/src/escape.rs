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

    pub(crate) fn escape(&self, text: &str, out: &mut String) -> Raised<()> {
        match self {
            Strategy::Html => html(text, out),
            Strategy::Js => script(text, out, true),
            Strategy::Json => script(text, out, false),
            Strategy::Css => css(text, out),
            Strategy::UrlParam => percent(text, out, b"!$'()*,-./:;?@_~", false),
            Strategy::Unknown(name) => {
                let mut fault = fault(format!("there is no escaping strategy `{name}`"));
                fault.suggestion = crate::error::nearest(name, ["html", "js", "json", "css", "url_param"]);
                return Err(fault);
            }
        }
        Ok(())
    }
}

fn html(text: &str, out: &mut String) {
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

/// UTF-8 percent-encoding; letters, digits and `kept` stay.
pub(crate) fn percent(text: &str, out: &mut String, kept: &[u8], plus: bool) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let text = java::encode(text);
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            continue;
        }
        // Bytes from 0x80 never stay, so a run of kept bytes is ASCII.
        out.push_str(text.get(from..at).unwrap_or_default());
        from = at + 1;
        if plus && byte == b' ' {
            out.push('+');
        } else {
            out.push('%');
            out.push(HEX[usize::from(byte >> 4)].into());
            out.push(HEX[usize::from(byte & 15)].into());
        }
    }
    out.push_str(text.get(from..).unwrap_or_default());
}
