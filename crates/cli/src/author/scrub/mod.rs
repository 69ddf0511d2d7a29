//! Takes secrets out of requests and answers that are kept as files.
//!
//! A secret is what stands under a name that means one ([`names`]), and every value that is known to be one
//! ([`values`]): those of the account data of the golden cases, and those that were found under such a name before.
//! A walker for each form of text finds the names: JSON here, everything else in [`text`].
//!
//! In: headers, addresses, bodies. Out: the same with [`REMOVED`] in the place of secrets. Always: what is no secret
//! stays as it is; what was scrubbed is not changed when it is scrubbed again; no input is walked without end.

mod names;
mod text;
mod values;

use destination::case::Case;
use parking_lot::Mutex;
use serde_json::Value as Json;
use values::Values;

/// Stands for a secret.
pub(crate) const REMOVED: &str = "<removed>";
/// Shorter values of an account are no secrets, and would be found everywhere.
const VALUE_BYTES_MIN: usize = 4;
/// Texts within texts within texts: beyond, only values are looked for.
const DEPTH: usize = 6;

/// What is secret.
#[derive(Debug, Default)]
pub(crate) struct Scrub {
    values: Mutex<Values>,
}

impl Scrub {
    /// The account data of the cases.
    pub(crate) fn of<'c>(cases: impl Iterator<Item = &'c Case>) -> Scrub {
        let mut found = Vec::new();
        cases.for_each(|case| texts(&case.account, &mut found));
        let mut values = Values::default();
        found.iter().filter(|value| value.len() >= VALUE_BYTES_MIN).for_each(|value| values.add(value));
        Scrub { values: Mutex::new(values) }
    }

    /// Text of any form, or of none.
    pub(crate) fn text(&self, text: &str) -> String {
        self.walk(text, DEPTH)
    }

    /// Headers; those that hold secrets keep their names.
    pub(crate) fn headers(&self, headers: &[(String, String)]) -> Vec<(String, String)> {
        let header = |(name, value): &(String, String)| {
            let value = match names::is_secret_header(name) {
                true => self.removed(value),
                false => self.schemes(&self.text(value), true),
            };
            (name.clone(), value)
        };
        headers.iter().map(header).collect()
    }

    /// Path and query.
    pub(crate) fn address(&self, address: &str) -> String {
        match address.split_once('?') {
            Some((path, query)) => format!("{}?{}", self.text(path), self.pairs(query, DEPTH)),
            None => self.text(address),
        }
    }

    /// A body, as JSON if it is.
    pub(crate) fn body(&self, content_type: &str, body: &str) -> Json {
        if let Ok(json) = serde_json::from_str::<Json>(body) {
            return self.json(&json, DEPTH);
        }
        let is_form = content_type.trim_start().to_ascii_lowercase().starts_with("application/x-www-form-urlencoded");
        let text = self.text(body);
        // What says it is a form, and is not quite one, is another text too.
        Json::from(if is_form { self.pairs(&text, DEPTH) } else { text })
    }

    fn json(&self, json: &Json, depth: usize) -> Json {
        match json {
            Json::String(text) => Json::from(self.walk(text, depth)),
            Json::Array(items) => Json::Array(items.iter().map(|item| self.json(item, depth)).collect()),
            Json::Object(fields) => {
                // {"name": "token", "value": "…"}
                let named = ["name", "key", "field", "header", "parameter"];
                let named = named.iter().filter_map(|name| fields.get(*name)?.as_str()).any(names::is_secret);
                let field = |(name, value): (&String, &Json)| {
                    // `"tokens": 3` counts some.
                    let counts = value.is_number() && name.ends_with('s');
                    let is_secret = (names::is_secret(name) && !counts)
                        || (value.is_string() && names::is_secret_text(name))
                        || (named && ["value", "values", "content"].contains(&name.as_str()));
                    let value = if is_secret { self.removed_json(value) } else { self.json(value, depth) };
                    (self.walk(name, depth), value)
                };
                Json::Object(fields.iter().map(field).collect())
            }
            Json::Number(number) if self.values.lock().contains(&number.to_string()) => REMOVED.into(),
            _ => json.clone(),
        }
    }

    /// A secret of JSON; what says nothing stays.
    fn removed_json(&self, json: &Json) -> Json {
        self.remember_json(json);
        if json.is_null() || json.is_boolean() || json == "" { json.clone() } else { REMOVED.into() }
    }

    /// Of a group only what its own names say to be secret: the rest can be anything.
    fn remember_json(&self, json: &Json) {
        match json {
            Json::String(text) => self.remember(text),
            Json::Number(number) => self.remember(&number.to_string()),
            Json::Array(items) => {
                items.iter().filter(|item| !item.is_object()).for_each(|item| self.remember_json(item))
            }
            Json::Object(fields) => {
                fields
                    .iter()
                    .filter(|(name, _)| names::is_secret(name))
                    .for_each(|(_, value)| self.remember_json(value));
            }
            Json::Null | Json::Bool(_) => {}
        }
    }

    /// What stands in the place of a secret, which is known from now on.
    fn removed(&self, secret: &str) -> String {
        const PART_BYTES_MIN: usize = 12;
        self.remember(secret);
        parts(secret).into_iter().filter(|part| part.len() >= PART_BYTES_MIN).for_each(|part| self.remember(part));
        if secret.is_empty() { String::new() } else { REMOVED.to_owned() }
    }

    /// A value that looks like a word or a number is none that could be told from others.
    fn remember(&self, value: &str) {
        let all = |is: fn(&u8) -> bool| value.as_bytes().iter().all(is);
        let is_word = value.len() < 16 && (all(u8::is_ascii_lowercase) || all(u8::is_ascii_digit));
        if value.len() >= 6 && !is_word && !value.contains(REMOVED) {
            self.values.lock().add(value);
        }
    }
}

/// What is secret by itself of a header's value: what stands behind the word of a scheme, values of cookies without
/// their attributes, and those parameters of a scheme whose names say so.
fn parts(secret: &str) -> Vec<&str> {
    const ATTRIBUTES: [&str; 5] = ["domain", "path", "expires", "max-age", "samesite"];
    let is_scheme = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let (scheme, tail) = match secret.split_once(' ') {
        Some((word, tail)) if is_scheme(word) => (true, tail),
        _ => (false, secret),
    };
    let single = !tail.contains([';', ',']);
    let mut found = Vec::new();
    for pair in tail.split([';', ',']).map(str::trim) {
        match pair.split_once('=').filter(|(_, value)| !value.trim_matches('=').is_empty()) {
            Some((name, value)) => {
                let says_so = if scheme {
                    names::is_secret_header(name)
                } else {
                    !ATTRIBUTES.iter().any(|attribute| attribute.eq_ignore_ascii_case(name))
                };
                found.extend(says_so.then(|| value.trim_matches('"')));
            }
            None => found.extend(single.then_some(pair)),
        }
    }
    found
}

fn texts(json: &Json, found: &mut Vec<String>) {
    match json {
        Json::String(text) => found.push(text.clone()),
        Json::Number(number) => found.push(number.to_string()),
        Json::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Json::Object(fields) => fields.values().for_each(|value| texts(value, found)),
        Json::Null | Json::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests;
