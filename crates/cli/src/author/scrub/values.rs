//! The values that are known to be secrets, found however they are written.
//!
//! Always: a value is found as it is, and in the codings of addresses and forms, of JSON strings and of XML.

use super::REMOVED;

/// Known secrets.
#[derive(Debug, Default)]
pub(super) struct Values {
    /// Longest first, so that none leaves a rest of another.
    all: Vec<String>,
}

impl Values {
    /// One more.
    pub(super) fn add(&mut self, value: &str) {
        let place = self.all.partition_point(|other| other.len() > value.len());
        let same = self.all[place..].iter().take_while(|other| other.len() == value.len()).any(|other| other == value);
        if !same {
            self.all.insert(place, value.to_owned());
        }
    }

    /// Whether this is one.
    pub(super) fn contains(&self, value: &str) -> bool {
        self.all.iter().any(|other| other == value)
    }

    /// The text without them.
    pub(super) fn remove_from(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            match self.written_at_start(rest) {
                Some(length) => {
                    out.push_str(REMOVED);
                    rest = &rest[length..];
                }
                None => {
                    out.push(c);
                    rest = &rest[c.len_utf8()..];
                }
            }
        }
        out
    }

    fn written_at_start(&self, text: &str) -> Option<usize> {
        let first = text.as_bytes()[0];
        let may_begin = |value: &&str| value.as_bytes().first() == Some(&first) || b"%+\\&".contains(&first);
        // A recording that is read again has the mark in codings too.
        let all = self.all.iter().map(String::as_str).chain([REMOVED]);
        all.filter(may_begin).find_map(|value| {
            CODINGS.iter().find_map(|coding| {
                let mut at = 0;
                for c in value.chars() {
                    at += coding(text.get(at..)?, c).or_else(|| plain(&text[at..], c))?;
                }
                (at > 0).then_some(at)
            })
        })
    }
}

/// How many bytes at the start of a text are this character in a coding.
type Coding = fn(&str, char) -> Option<usize>;
const CODINGS: [Coding; 4] = [plain, in_address, in_json, in_xml];

fn plain(text: &str, c: char) -> Option<usize> {
    text.starts_with(c).then(|| c.len_utf8())
}

fn in_address(text: &str, c: char) -> Option<usize> {
    if c == ' ' && text.starts_with('+') {
        return Some(1);
    }
    let mut buffer = [0; 4];
    let bytes = c.encode_utf8(&mut buffer).as_bytes();
    let hex = |at: usize| {
        let digits = text.get(at * 3..at * 3 + 3)?.strip_prefix('%')?;
        u8::from_str_radix(digits, 16).ok()
    };
    bytes.iter().enumerate().all(|(at, byte)| hex(at) == Some(*byte)).then_some(bytes.len() * 3)
}

fn in_json(text: &str, c: char) -> Option<usize> {
    let escaped = text.strip_prefix('\\')?;
    if let 'b' | 'f' | 'n' | 'r' | 't' | '"' | '\\' | '/' = escaped.chars().next()? {
        let means = match escaped.as_bytes()[0] {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            other => char::from(other),
        };
        return (means == c).then_some(2);
    }
    let mut units = [0; 2];
    let units = c.encode_utf16(&mut units);
    let unit = |at: usize| {
        let digits = text.get(at * 6..at * 6 + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    units.iter().enumerate().all(|(at, given)| unit(at) == Some(*given)).then_some(units.len() * 6)
}

fn in_xml(text: &str, c: char) -> Option<usize> {
    let end = text.bytes().take(12).position(|byte| byte == b';')?;
    let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    let means = match text.get(1..end).filter(|_| text.starts_with('&'))? {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        entity => match entity.strip_prefix("#x").or(entity.strip_prefix("#X")) {
            Some(digits) => number(digits, 16)?,
            None => number(entity.strip_prefix('#')?, 10)?,
        },
    };
    (means == c).then_some(end + 1)
}
