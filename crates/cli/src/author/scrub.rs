//! Takes secrets out of requests and answers that are kept as files.
//!
//! In: headers, addresses, bodies; the values of the account data of the golden cases. Out: the same with
//! [`REMOVED`] in the place of secrets. Always: what names itself like a secret is one; a value of the account is
//! removed wherever it stands; the result of equal input is equal, so that a replay can compare.

use destination::case::Case;
use serde_json::Value as Json;

/// Stands for a secret.
pub(crate) const REMOVED: &str = "<removed>";
/// Shorter values of an account are no secrets, and would be found everywhere.
const VALUE_BYTES_MIN: usize = 4;
/// Parts of names, in lower case without separators.
const NAMES: &[&str] = &[
    "token",
    "secret",
    "password",
    "passwd",
    "apikey",
    "accesskey",
    "privatekey",
    "authorization",
    "authentication",
    "credential",
    "signature",
    "session",
    "cookie",
];

/// What is secret.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scrub {
    /// Longest first, so that none leaves a rest of another.
    values: Vec<String>,
}

impl Scrub {
    /// The account data of the cases.
    pub(crate) fn of<'c>(cases: impl Iterator<Item = &'c Case>) -> Scrub {
        let mut values = Vec::new();
        cases.for_each(|case| texts(&case.account, &mut values));
        values.retain(|value| value.len() >= VALUE_BYTES_MIN);
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.dedup();
        Scrub { values }
    }

    /// Text without values of the account, and without what stands behind `Bearer` or `Basic`.
    pub(crate) fn text(&self, text: &str) -> String {
        let mut text = self.values.iter().fold(text.to_owned(), |text, value| {
            let coded = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string();
            text.replace(value, REMOVED).replace(&coded, REMOVED)
        });
        for scheme in ["Bearer ", "Basic "] {
            let mut from = 0;
            while let Some(found) = text[from..].find(scheme) {
                let start = from + found + scheme.len();
                let is_part = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
                let end = text[start..].find(|c| !is_part(c)).map_or(text.len(), |length| start + length);
                from = start;
                if end > start {
                    text.replace_range(start..end, REMOVED);
                    from += REMOVED.len();
                }
            }
        }
        text
    }

    /// Headers; those that hold secrets keep their names.
    pub(crate) fn headers(&self, headers: &[(String, String)]) -> Vec<(String, String)> {
        let header = |(name, value): &(String, String)| {
            let value = if is_secret(name) { REMOVED.to_owned() } else { self.text(value) };
            (name.clone(), value)
        };
        headers.iter().map(header).collect()
    }

    /// `a=1&token=2`.
    pub(crate) fn form(&self, text: &str) -> String {
        let pair = |pair: &str| match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => format!("{name}={REMOVED}"),
            _ => self.text(pair),
        };
        text.split('&').map(pair).collect::<Vec<_>>().join("&")
    }

    /// Path and query.
    pub(crate) fn address(&self, address: &str) -> String {
        match address.split_once('?') {
            Some((path, query)) => format!("{}?{}", self.text(path), self.form(query)),
            None => self.text(address),
        }
    }

    /// A body: JSON and forms by their fields, other text by the values.
    pub(crate) fn body(&self, content_type: &str, body: &str) -> Json {
        if let Ok(json) = serde_json::from_str::<Json>(body) {
            return self.json(&json);
        }
        let is_form = content_type.starts_with("application/x-www-form-urlencoded");
        Json::from(if is_form { self.form(body) } else { self.text(body) })
    }

    fn json(&self, json: &Json) -> Json {
        match json {
            Json::String(text) => Json::from(self.text(text)),
            Json::Array(items) => Json::Array(items.iter().map(|item| self.json(item)).collect()),
            Json::Object(fields) => {
                let field = |(name, value): (&String, &Json)| {
                    let value = if is_secret(name) && !value.is_null() { REMOVED.into() } else { self.json(value) };
                    (self.text(name), value)
                };
                Json::Object(fields.iter().map(field).collect())
            }
            Json::Number(number) if self.values.contains(&number.to_string()) => REMOVED.into(),
            _ => json.clone(),
        }
    }
}

fn is_secret(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    NAMES.iter().any(|part| plain.contains(part))
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
mod tests {
    use super::*;
    use serde_json::json;

    fn scrub() -> Scrub {
        let case = Case::parse("a", "account: {accessToken: tok-1234, user: {name: 'ann b', pin: 77}}\nprofiles: []");
        Scrub::of([case.expect("a case")].iter())
    }

    #[test]
    fn secrets_are_removed() {
        let scrub = scrub();
        assert_eq!(scrub.text("x tok-1234 y Bearer abc.d-e/f= z 77"), "x <removed> y Bearer <removed> z 77");
        assert_eq!(scrub.text("Bearer "), "Bearer ");
        assert_eq!(scrub.text("Bearer ü Bearer a"), "Bearer ü Bearer <removed>");
        assert_eq!(
            scrub.address("/a/tok-1234?access_token=x&b=ann%20b&c=1"),
            "/a/<removed>?access_token=<removed>&b=<removed>&c=1"
        );
        let headers = [("Authorization", "Basic x"), ("Set-Cookie", "a=b"), ("X-Trace", "1")];
        let headers = scrub.headers(&headers.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!(headers.iter().map(|(_, v)| v.as_str()).collect::<Vec<_>>(), [REMOVED, REMOVED, "1"]);
        let body =
            json!({"client_secret": {"a": 1}, "data": [{"apiKey": 1, "email": "a@example.com", "note": "ann b"}]});
        let expected =
            json!({"client_secret": REMOVED, "data": [{"apiKey": REMOVED, "email": "a@example.com", "note": REMOVED}]});
        assert_eq!(scrub.body("application/json", &body.to_string()), expected);
        assert_eq!(scrub.body("application/x-www-form-urlencoded", "password=a&b=c"), json!("password=<removed>&b=c"));
    }
}
