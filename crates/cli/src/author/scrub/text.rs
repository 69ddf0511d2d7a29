//! The walkers of texts: forms, lines of JSON, parts of a multipart body, XML, addresses, and assignments in anything
//! else (`name=value`, `"name": "value"`).
//!
//! Always: a text is taken apart only as far as it has to be; what is put together again without a secret found is the
//! text that was given.

use super::names::{is_secret, is_secret_in_query};
use super::{REMOVED, Scrub};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value as Json;
use std::ops::Range;

/// What RFC 3986 leaves unreserved stays as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Words before a secret, in headers and in texts.
const SCHEMES: &[&str] = &["bearer", "basic", "token", "apikey", "digest"];

impl Scrub {
    /// Any text. Texts inside are walked as long as there is depth.
    pub(super) fn walk(&self, text: &str, depth: usize) -> String {
        let clean = depth.checked_sub(1).map(|depth| self.without_named(text, depth));
        // Last, so that no walker meets a part of a value.
        self.values.lock().remove_from(clean.as_deref().unwrap_or(text))
    }

    /// A text without what names say to be a secret.
    fn without_named(&self, text: &str, depth: usize) -> String {
        let embedded = text.trim_start().starts_with(['{', '[']);
        if let Some(json) = embedded.then(|| serde_json::from_str::<Json>(text).ok()).flatten() {
            let clean = self.json(&json, depth);
            let end = &text[text.trim_end().len()..];
            return if clean == json { text.to_owned() } else { format!("{clean}{end}") };
        }
        if embedded && text.contains('\n') && text.lines().any(|line| serde_json::from_str::<Json>(line).is_ok()) {
            return text.split_inclusive('\n').map(|line| self.walk(line, depth)).collect();
        }
        if is_form(text) {
            return self.pairs(text, depth);
        }
        if text.starts_with("--") && text.to_ascii_lowercase().contains("content-disposition:") {
            return self.parts(text, depth);
        }
        let text = self.users_of_addresses(text);
        let text = self.elements(&text);
        let text = self.assignments(&text, depth);
        self.schemes(&text, false)
    }

    /// `a=1&token=2`.
    pub(super) fn pairs(&self, text: &str, depth: usize) -> String {
        let pair = |pair: &str| match pair.split_once('=') {
            Some((name, value)) if is_secret_in_query(&decoded(name)) => {
                format!("{name}={}", self.removed_coded(value))
            }
            Some((name, value)) => format!("{}={}", self.coded(name, depth), self.coded(value, depth)),
            None => self.coded(pair, depth),
        };
        text.split('&').map(pair).collect::<Vec<_>>().join("&")
    }

    /// A text in the coding of addresses and forms.
    fn coded(&self, text: &str, depth: usize) -> String {
        let plain = decoded(text);
        if plain == text {
            return self.walk(text, depth);
        }
        let clean = self.walk(&plain, depth);
        if clean == plain {
            return text.to_owned();
        }
        let parts = clean.split(REMOVED).map(|part| utf8_percent_encode(part, ENCODED).to_string());
        parts.collect::<Vec<_>>().join(REMOVED)
    }

    fn removed_coded(&self, text: &str) -> String {
        // A plus may be one, or a blank.
        self.remember(text);
        self.remember(&percent_decode_str(text).decode_utf8_lossy());
        self.removed(&decoded(text))
    }

    /// A text with the escapes of JSON or XML.
    fn removed_escaped(&self, text: &str) -> String {
        if let Ok(plain) = serde_json::from_str::<String>(&format!("\"{text}\"")) {
            self.remember(&plain);
        }
        let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
        self.remember(&entities.iter().fold(text.to_owned(), |text, (entity, c)| text.replace(entity, c)));
        self.removed(text)
    }

    /// A multipart body.
    fn parts(&self, text: &str, depth: usize) -> String {
        let boundary = text.lines().next().unwrap_or_default().trim_end();
        let part = |part: &str| {
            let blank = ["\r\n\r\n", "\n\n"].iter().find_map(|blank| Some((part.find(blank)?, blank.len())));
            let Some((at, length)) = blank else { return self.walk(part, depth) };
            let (head, body) = part.split_at(at + length);
            let content = body.trim_end_matches(['\r', '\n']);
            let is_secret = attribute(head, "name").is_some_and(|name| is_secret_in_query(&head[name]));
            let clean = if is_secret { self.removed(content) } else { self.walk(content, depth) };
            format!("{head}{clean}{}", &body[content.len()..])
        };
        // What is not longer than its hyphens bounds nothing.
        match boundary.len() > 2 {
            true => text.split(boundary).map(part).collect::<Vec<_>>().join(boundary),
            false => self.assignments(text, depth),
        }
    }

    /// `https://user:password@host`.
    fn users_of_addresses(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("://") {
            let (before, after) = rest.split_at(at + 3);
            out.push_str(before);
            let end = after.find(|c: char| c.is_whitespace() || "/?#\"'\\<>".contains(c)).unwrap_or(after.len());
            rest = after;
            // The mark has angle brackets, which end an address.
            let Some(user) = after[..end].rfind('@').map(|at| &after[..at]) else { continue };
            match user.split_once(':') {
                Some((name, password)) => out.push_str(&format!("{name}:{}", self.removed_coded(password))),
                None => out.push_str(&self.removed_coded(user)),
            }
            rest = &after[user.len()..];
        }
        out + rest
    }

    /// `<password>…</password>`, `<field name="password">…</field>`, `<field name="password" value="…"/>`.
    fn elements(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('<') {
            let (before, tag) = rest.split_at(at);
            out.push_str(before);
            let is_start = tag[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            if !is_start || tag.starts_with(REMOVED) {
                out.push('<');
                rest = &tag[1..];
                continue;
            }
            // No tag ends from here on.
            let Some(end) = end_of(tag) else { return out + tag };
            let (tag, after) = tag.split_at(end);
            let name = tag[1..end - 1].split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default();
            let named = |given: &str| attribute(tag, given).is_some_and(|at| is_secret(&tag[at]));
            let by_attribute = named("name") || named("key");
            let value = attribute(tag, "value").or_else(|| attribute(tag, "content"));
            match value.filter(|_| by_attribute) {
                Some(at) => {
                    let removed = self.removed_escaped(&tag[at.clone()]);
                    out.push_str(&format!("{}{removed}{}", &tag[..at.start], &tag[at.end..]));
                }
                None => out.push_str(tag),
            }
            rest = after;
            if !tag.ends_with("/>") && (by_attribute || is_secret(name.rsplit(':').next().unwrap_or(name))) {
                let close = after.find(&format!("</{name}")).or_else(|| after.find(['<', '\n'])).unwrap_or(after.len());
                let content = &after[..close];
                let inner = content.strip_prefix("<![CDATA[").and_then(|text| text.strip_suffix("]]>"));
                out.push_str(&self.removed_escaped(inner.unwrap_or(content)));
                rest = &after[close..];
            }
        }
        out + rest
    }

    /// Names that mean secrets, with what is assigned to them; other values of addresses are walked.
    fn assignments(&self, text: &str, depth: usize) -> String {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.%$".contains(&byte);
        let bytes = text.as_bytes();
        let (mut out, mut copied, mut at) = (String::with_capacity(text.len()), 0, 0);
        while at < bytes.len() {
            if !is_part(bytes[at]) {
                at += 1;
                continue;
            }
            let start = at;
            at += bytes[at..].iter().take_while(|byte| is_part(**byte)).count();
            let name = decoded(&text[start..at]);
            let (is_secret, may_be_in_query) = (is_secret(&name), start == 0 || b"?&#;".contains(&bytes[start - 1]));
            // Before the end of the value is looked for, which can be far.
            let wanted = |sign: u8| is_secret || (may_be_in_query && sign == b'=');
            let Some(Assigned { value, sign }) = assigned(text, start, at, wanted) else { continue };
            let in_query = sign == b'=' && may_be_in_query;
            let clean = if is_secret || (in_query && is_secret_in_query(&name)) {
                self.remember(&decoded(&text[value.clone()]));
                self.removed_escaped(&text[value.clone()])
            } else if in_query {
                self.coded(&text[value.clone()], depth)
            } else {
                continue;
            };
            out.push_str(&text[copied..value.start]);
            out.push_str(&clean);
            (copied, at) = (value.end, value.end);
        }
        out + &text[copied..]
    }

    /// What stands behind `Bearer` or `Basic`; in a text that is no header, only where it looks like more than a word.
    pub(super) fn schemes(&self, text: &str, in_header: bool) -> String {
        let lower = text.to_ascii_lowercase();
        let is_part = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
        let (mut out, mut copied) = (String::with_capacity(text.len()), 0);
        let mut at = 0;
        while at < lower.len() {
            let starts = |scheme: &&&str| lower[at..].strip_prefix(**scheme).is_some_and(|rest| rest.starts_with(' '));
            let bounded = !lower[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
            let Some(scheme) = SCHEMES.iter().find(starts).filter(|_| bounded) else {
                at += lower[at..].chars().next().map_or(1, char::len_utf8);
                continue;
            };
            let start = at + scheme.len() + 1;
            let end = text[start..].find(|c| !is_part(c)).map_or(text.len(), |length| start + length);
            let word = &text[start..end];
            // A parameter of the scheme, as of `WWW-Authenticate: Bearer realm="…"`.
            let is_parameter = word.ends_with('=') && text[end..].starts_with('"');
            let odd = word.len() >= 8 && word.bytes().any(|byte| !byte.is_ascii_lowercase());
            if !word.is_empty() && !is_parameter && (in_header || text[at..].starts_with("Bearer") || odd) {
                out.push_str(&text[copied..start]);
                out.push_str(&self.removed(word));
                copied = end;
            }
            at = end.max(start);
        }
        out + &text[copied..]
    }
}

/// What a name is given, and by which sign.
struct Assigned {
    value: Range<usize>,
    sign: u8,
}

/// What is assigned to the name at a place by a sign that is wanted.
fn assigned(text: &str, start: usize, end: usize, wanted: impl Fn(u8) -> bool) -> Option<Assigned> {
    let bytes = text.as_bytes();
    let quote = |at: usize| bytes.get(at).copied().filter(|byte| b"\"'".contains(byte));
    let blanks = |at: usize| at + bytes[at..].iter().take_while(|byte| b" \t".contains(byte)).count();
    let escape = |at: usize| at + usize::from(bytes.get(at) == Some(&b'\\') && quote(at + 1).is_some());
    let named = start.checked_sub(1).and_then(quote);
    let mut at = escape(end);
    // Of a form: user[password]=…
    at += usize::from(bytes.get(at) == Some(&b']'));
    at += usize::from(named.is_some() && quote(at) == named);
    at = blanks(at);
    let sign = bytes.get(at).copied().filter(|byte| b"=:".contains(byte) && wanted(*byte))?;
    if sign == b':' && text[at..].starts_with("://") {
        return None;
    }
    let start = escape(blanks(at + 1));
    if let Some(quote) = quote(start) {
        let from = start + 1;
        let closing = [b'\\', quote];
        let escaped = bytes[start - 1] == b'\\';
        let mut end = from;
        while end < bytes.len() && bytes[end] != quote {
            if escaped && bytes[end..].starts_with(&closing) {
                break;
            }
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        return Some(Assigned { value: from..floor(text, end), sign });
    }
    let ends = |c: char| match (sign, named) {
        (b'=', _) => c.is_whitespace() || "&\"'<>".contains(c),
        (_, Some(_)) => c.is_whitespace() || ",}]".contains(c),
        (_, None) => "\r\n".contains(c),
    };
    let length = text[start..].find(ends).unwrap_or(text.len() - start);
    let length = text[start..start + length].find("</").unwrap_or(length);
    let value = start..start + length;
    // The mark itself; a group, whose fields are met on their own; and what is no value.
    let nothing = ["", "null", "true", "false"].contains(&text[value.clone()].trim_end_matches(','));
    (!nothing && !text[start..].starts_with(['{', '['])).then_some(Assigned { value, sign })
}

/// The nearest boundary of characters before a place.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The value of an attribute: `name="…"`.
fn attribute(tag: &str, name: &str) -> Option<Range<usize>> {
    let mut from = 0;
    while let Some(found) = tag[from..].find(name) {
        let at = from + found;
        from = at + name.len();
        let bounded = tag[..at].ends_with([' ', ';', '\t', '\n']);
        let Some(value) = tag[from..].strip_prefix('=').filter(|_| bounded) else { continue };
        let start = from + 1;
        return Some(match value.chars().next()? {
            quote @ ('"' | '\'') => start + 1..start + 1 + value[1..].find(quote)?,
            _ => start..start + value.find(|c: char| c.is_whitespace() || ";>/".contains(c)).unwrap_or(value.len()),
        });
    }
    None
}

/// Behind a tag, which may have the mark inside.
fn end_of(tag: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = &tag[at..];
        match rest.find('>')? {
            end if rest[..=end].ends_with(REMOVED) => at += end + 1,
            end => return Some(at + end + 1),
        }
    }
}

/// Whether all of a text is pairs of a form.
fn is_form(text: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.%+[]$".contains(&byte))
    };
    let is_pair = |pair: &str| pair.split_once('=').is_some_and(|(name, _)| is_name(name));
    !text.contains(['\n', ' ']) && text.split('&').all(is_pair)
}

/// A text out of the coding of addresses and forms.
fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}
