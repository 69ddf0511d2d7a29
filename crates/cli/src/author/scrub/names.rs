//! Which names say that their value is a secret.
//!
//! Always: a name is read as its words, so `accessToken`, `access_token` and `Access-Token` are the same.

/// Parts of names, in lower case without separators.
const PARTS: &[&str] = &[
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "apikey",
    "accesskey",
    "privatekey",
    "sharedkey",
    "signingkey",
    "encryptionkey",
    "subscriptionkey",
    "authorization",
    "authentication",
    "credential",
    "signature",
    "session",
    "cookie",
    "jwt",
    "codeverifier",
    "assertion",
];
/// Whole words: as parts they are in `compass` and in `passenger`.
const WORDS: &[&str] = &["pass", "pwd", "hmac"];
/// Words behind a secret's name that make it the name of something else.
const ABOUT: &[&str] = &[
    "type",
    "expires",
    "in",
    "at",
    "count",
    "url",
    "uri",
    "endpoint",
    "date",
    "consent",
    "method",
    "algorithm",
    "length",
    "version",
    "status",
    "name",
];
/// Last words of names in addresses, forms and headers; elsewhere they are the names of anything.
const LAST: &[&str] = &["auth", "key", "sig"];

/// Whether a field of this name holds a secret, wherever it is.
pub(super) fn is_secret(name: &str) -> bool {
    let words = words(name);
    let plain = words.concat();
    let known = PARTS.iter().any(|part| plain.contains(part)) || words.iter().any(|w| WORDS.contains(&w.as_str()));
    known && !words.last().is_some_and(|word| ABOUT.contains(&word.as_str()))
}

/// Whether it holds one in an address or a form.
pub(super) fn is_secret_in_query(name: &str) -> bool {
    is_secret_header(name) || words(name).concat() == "code"
}

/// Whether it holds one as a header.
pub(super) fn is_secret_header(name: &str) -> bool {
    is_secret(name) || words(name).last().is_some_and(|word| LAST.contains(&word.as_str()))
}

/// Whether a text is the name of a secret where a field of this name means one and its value is text.
pub(super) fn is_secret_text(name: &str) -> bool {
    is_secret(name) || name.eq_ignore_ascii_case("auth")
}

/// The words of a name, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut starts, mut was_lower) = (true, false);
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() {
            (starts, was_lower) = (true, false);
            continue;
        }
        starts |= was_lower && c.is_ascii_uppercase();
        match words.last_mut() {
            Some(word) if !starts => word.push(c.to_ascii_lowercase()),
            _ => words.push(c.to_ascii_lowercase().to_string()),
        }
        (starts, was_lower) = (false, !c.is_ascii_uppercase());
    }
    words
}
