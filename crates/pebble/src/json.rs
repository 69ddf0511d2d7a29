//! JSON to values and back.
//!
//! In: text. Out: values whose whole numbers keep all digits; compact JSON text. Always: depth is bounded.

use crate::java;
use crate::print::Changed;
use crate::value::{Big, List, Map, Thing, Value, without_repeats};
use smol_str::SmolStr;
use std::sync::Arc;

const NESTING_MAX: usize = 128;

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.blank();
    if reader.at == text.len() { Ok(value) } else { Err(reader.wrong("nothing more")) }
}

impl Reader<'_> {
    fn wrong(&self, expected: &str) -> String {
        format!("not JSON at byte {}: {expected} expected", self.at)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let fits = self.peek() == Some(byte);
        self.at += usize::from(fits);
        fits
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        self.blank();
        if depth > NESTING_MAX {
            return Err(self.wrong("at most 128 levels"));
        }
        match self.peek() {
            Some(b'{') => self.map(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.string().map(Value::Str),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                let words = [("null", Value::Null), ("true", Value::Bool(true)), ("false", Value::Bool(false))];
                for (word, value) in words {
                    if self.text[self.at..].starts_with(word) {
                        self.at += word.len();
                        return Ok(value);
                    }
                }
                Err(self.wrong("a value"))
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, String> {
        self.at += 1;
        let mut entries = Vec::new();
        self.blank();
        if !self.take(b'}') {
            loop {
                self.blank();
                if self.peek() != Some(b'"') {
                    return Err(self.wrong("a key"));
                }
                let key = self.string()?;
                self.blank();
                if !self.take(b':') {
                    return Err(self.wrong("`:`"));
                }
                entries.push((Value::Str(key), self.value(depth + 1)?));
                self.blank();
                if self.take(b'}') {
                    break;
                }
                if !self.take(b',') {
                    return Err(self.wrong("`,` or `}`"));
                }
            }
        }
        Ok(Value::Map(Arc::new(Map::of(without_repeats(entries), false))))
    }

    fn list(&mut self, depth: usize) -> Result<Value, String> {
        self.at += 1;
        let mut items = Vec::new();
        self.blank();
        if !self.take(b']') {
            loop {
                items.push(self.value(depth + 1)?);
                self.blank();
                if self.take(b']') {
                    break;
                }
                if !self.take(b',') {
                    return Err(self.wrong("`,` or `]`"));
                }
            }
        }
        Ok(Value::List(Arc::new(List::of(items, false))))
    }

    fn number(&mut self) -> Result<Value, String> {
        let start = self.at;
        let digits = |reader: &mut Self| {
            let from = reader.at;
            while reader.peek().is_some_and(|b| b.is_ascii_digit()) {
                reader.at += 1;
            }
            reader.at > from
        };
        self.take(b'-');
        let mut sound = digits(self);
        let mut whole = true;
        if self.take(b'.') {
            whole = false;
            sound &= digits(self);
        }
        if self.take(b'e') || self.take(b'E') {
            whole = false;
            if !self.take(b'+') {
                self.take(b'-');
            }
            sound &= digits(self);
        }
        let text = &self.text[start..self.at];
        if !sound {
            return Err(self.wrong("a digit"));
        }
        if whole {
            return match text.parse() {
                Ok(value) => Ok(Value::Long(value)),
                Err(_) => Big::parse(text).map(|b| Value::Big(Arc::new(b))).ok_or_else(|| self.wrong("a number")),
            };
        }
        text.parse().map(Value::Double).map_err(|_| self.wrong("a number"))
    }

    fn string(&mut self) -> Result<SmolStr, String> {
        self.at += 1;
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        let stop = rest.iter().position(|b| matches!(b, b'"' | b'\\')).ok_or_else(|| self.wrong("a closed string"))?;
        if rest[stop] == b'"' {
            self.at = start + stop + 1;
            return Ok(SmolStr::new(&self.text[start..start + stop]));
        }
        let mut units: Vec<u16> = self.text[start..start + stop].encode_utf16().collect();
        self.at = start + stop;
        loop {
            let c = self.text[self.at..].chars().next().ok_or_else(|| self.wrong("a closed string"))?;
            self.at += c.len_utf8();
            match c {
                '"' => return Ok(java::from_units(units).into()),
                '\\' => units.push(self.escape()?),
                c => units.extend(c.encode_utf16(&mut [0; 2]).iter()),
            }
        }
    }

    fn escape(&mut self) -> Result<u16, String> {
        let c = self.peek().ok_or_else(|| self.wrong("an escape"))?;
        self.at += 1;
        Ok(match c {
            b'"' | b'\\' | b'/' => c.into(),
            b'b' => 8,
            b'f' => 12,
            b'n' => 10,
            b'r' => 13,
            b't' => 9,
            b'u' => {
                let digits = self.text.get(self.at..self.at + 4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
                let unit = digits.and_then(|d| u16::from_str_radix(d, 16).ok());
                self.at += 4;
                unit.ok_or_else(|| self.wrong("four hexadecimal digits"))?
            }
            _ => return Err(self.wrong("an escape")),
        })
    }
}

/// Appends compact JSON.
pub(crate) fn write(value: &Value, changed: &Changed, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int(i) | Value::Lazy(i) => java::push_long(out, (*i).into()),
        Value::Long(v) => java::push_long(out, *v),
        Value::Double(d) if d.is_finite() => java::push_double(out, *d),
        Value::Double(d) => {
            out.push('"');
            java::push_double(out, *d);
            out.push('"');
        }
        Value::Big(big) => out.push_str(&big.digits),
        Value::Str(s) => quote(s, out),
        Value::Safe(s) => quote(s, out),
        Value::Char(c) => quote(java::unit_char(*c).encode_utf8(&mut [0; 4]), out),
        Value::List(list) | Value::Array(list) => {
            out.push('[');
            for (i, item) in changed.items(list).iter().enumerate() {
                if out.len() > changed.text_max {
                    break;
                }
                if i > 0 {
                    out.push(',');
                }
                write(item, changed, out);
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            for (i, entry) in map.entries.iter().enumerate() {
                if out.len() > changed.text_max {
                    break;
                }
                if i > 0 {
                    out.push(',');
                }
                field(entry, changed, out);
            }
            out.push('}');
        }
        Value::Entry(entry) => {
            out.push('{');
            field(entry, changed, out);
            out.push('}');
        }
        Value::Opaque(thing) => {
            let Thing::Loop(at) = &thing.0 else {
                let mut text = String::new();
                changed.print(value, &mut text);
                return quote(&text, out);
            };
            out.push('{');
            for (i, name) in ["last", "length", "index", "revindex", "first"].into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                field(&(name.into(), at.field(name).unwrap_or(Value::Null)), changed, out);
            }
            out.push('}');
        }
    }
}

fn field((key, value): &(Value, Value), changed: &Changed, out: &mut String) {
    match key {
        Value::Str(name) => quote(name, out),
        other => {
            let mut name = String::new();
            changed.print(other, &mut name);
            quote(&name, out);
        }
    }
    out.push(':');
    write(value, changed, out);
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            8 => "\\b",
            12 => "\\f",
            0..=31 => "",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        if escape.is_empty() {
            out.push_str(&format!("\\u{byte:04X}"));
        } else {
            out.push_str(escape);
        }
        from = at + 1;
    }
    out.push_str(&text[from..]);
    out.push('"');
}
