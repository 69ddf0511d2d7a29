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
                    let is_secret = names::is_secret(name)
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
        let mut found = Vec::new();
        texts(json, &mut found);
        found.iter().for_each(|text| self.remember(text));
        if json.is_null() || json.is_boolean() || json == "" { json.clone() } else { REMOVED.into() }
    }

    /// What stands in the place of a secret, which is known from now on.
    fn removed(&self, secret: &str) -> String {
        self.remember(secret);
        // Behind the word of a scheme, and the value of a cookie.
        secret.split([' ', ';', ',', '=']).filter(|part| part.len() >= 12).for_each(|part| self.remember(part));
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
