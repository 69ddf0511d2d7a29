//! Which fields of an authored object are secrets. They are stored sealed and shown as a placeholder;
//! the placeholder sent back keeps what is stored.
//!
//! Always: a kept secret stays with what it was given for. A way to authenticate is known again by its type, grant,
//! client and token address, not by its position in the list, and a data field by its name.

use crate::error::{Error, Result};
use crate::kind::Kind;
use serde_json::{Value as Json, json};

/// Stands for a secret in answers.
pub const REDACTED: &str = "<redacted>";

const WAYS: &str = "customerAuthenticationConfigurations";
const DATA_FIELDS: &str = "authenticationDataFields";
/// What a way to authenticate is known by.
const WAY_KEY: [&str; 4] = ["authType", "grant", "clientId", "accessTokenUrl"];

const CREDENTIAL_SECRETS: [&str; 5] = [
    "/basicAuthentication/password",
    "/s3Authentication/secretKey",
    "/sshAuthentication/sshKey",
    "/azureAuthentication/servicePrincipalKey",
    "/azureConnectionStringAuthentication/connectionString",
];

/// Where a document holds secret texts, as JSON pointers.
pub(crate) fn pointers(kind: Kind, body: &Json) -> Vec<String> {
    let all = match kind {
        Kind::Credential => CREDENTIAL_SECRETS.iter().map(|pointer| (*pointer).to_owned()).collect(),
        Kind::Destination => destination_pointers(body),
        Kind::Server | Kind::AudienceTemplate => Vec::new(),
    };
    all.into_iter().filter(|pointer: &String| body.pointer(pointer).is_some_and(Json::is_string)).collect()
}

fn destination_pointers(body: &Json) -> Vec<String> {
    let mut found = Vec::new();
    for (i, authentication) in body[WAYS].as_array().into_iter().flatten().enumerate() {
        found.push(format!("/{WAYS}/{i}/clientSecret"));
        let fields = authentication[DATA_FIELDS].as_array().into_iter().flatten();
        for (j, _) in fields.enumerate().filter(|(_, field)| field["format"] == "password") {
            found.push(format!("/{WAYS}/{i}/{DATA_FIELDS}/{j}/value"));
        }
    }
    found
}

/// Seals the secrets of `body`; `old` is the stored document that it replaces.
pub(crate) fn seal(kind: Kind, body: &mut Json, old: Option<&Json>, seal: &dyn Fn(&str) -> String) -> Result<()> {
    let mut sealed = Vec::new();
    for pointer in pointers(kind, body) {
        let given = body.pointer(&pointer).and_then(Json::as_str).unwrap_or_default();
        let kept = match (given == REDACTED, old) {
            (false, _) => json!(seal(given)),
            (true, Some(old)) => kept(kind, body, old, &pointer)?.clone(),
            (true, None) => {
                return Err(Error::field(&path(&pointer), "is the shown placeholder; give the secret itself"));
            }
        };
        sealed.push((pointer, kept));
    }
    for (pointer, value) in sealed {
        if let Some(place) = body.pointer_mut(&pointer) {
            *place = value;
        }
    }
    match placeholder(body, String::new()) {
        Some(pointer) => {
            let rule = format!("must not be {REDACTED:?}: this is no secret, and nothing is kept in its place");
            Err(Error::field(&path(&pointer), rule))
        }
        None => Ok(()),
    }
}

/// The stored secret that the placeholder at `pointer` stands for.
fn kept<'o>(kind: Kind, body: &Json, old: &'o Json, pointer: &str) -> Result<&'o Json> {
    let refused = |rule: &str| Error::field(&path(pointer), format!("{rule}; give the secret itself"));
    let place = match kind {
        Kind::Destination => {
            let steps: Vec<&str> = pointer[1..].split('/').collect();
            let way = &body[WAYS][index(steps[1])];
            let same = |other: &&Json| WAY_KEY.iter().all(|name| other[*name] == way[*name]);
            let ways = old[WAYS].as_array().map_or(&[][..], Vec::as_slice);
            let i = ways.iter().position(|other| same(&other)).ok_or_else(|| {
                refused("is the shown placeholder, but no stored entry has the same authType, grant, clientId and accessTokenUrl")
            })?;
            match steps.as_slice() {
                [_, _, _, field, _] => {
                    let name = &way[DATA_FIELDS][index(field)]["name"];
                    let fields = ways[i][DATA_FIELDS].as_array().map_or(&[][..], Vec::as_slice);
                    let j = fields.iter().position(|other| other["name"] == *name).ok_or_else(|| {
                        refused(&format!("is the shown placeholder, but the stored entry has no field {name}"))
                    })?;
                    format!("/{WAYS}/{i}/{DATA_FIELDS}/{j}/value")
                }
                _ => format!("/{WAYS}/{i}/clientSecret"),
            }
        }
        _ => pointer.to_owned(),
    };
    let secret = pointers(kind, old).contains(&place);
    let stored = old.pointer(&place).filter(|_| secret);
    stored.ok_or_else(|| refused("is the shown placeholder, but no secret is stored there"))
}

fn index(step: &str) -> usize {
    step.parse().unwrap_or(usize::MAX)
}

/// Where a text is the placeholder.
fn placeholder(body: &Json, at: String) -> Option<String> {
    match body {
        Json::String(text) => (text == REDACTED).then_some(at),
        Json::Array(items) => items.iter().enumerate().find_map(|(i, item)| placeholder(item, format!("{at}/{i}"))),
        Json::Object(fields) => fields.iter().find_map(|(name, value)| placeholder(value, format!("{at}/{name}"))),
        _ => None,
    }
}

/// `a[0].b` for the pointer `/a/0/b`.
fn path(pointer: &str) -> String {
    let mut path = String::new();
    for step in pointer.split('/').skip(1) {
        match step.bytes().all(|byte| byte.is_ascii_digit()) {
            true => path.push_str(&format!("[{step}]")),
            false if path.is_empty() => path.push_str(step),
            false => path.push_str(&format!(".{step}")),
        }
    }
    path
}

/// Puts the placeholder in the place of every secret.
pub(crate) fn redact(kind: Kind, body: &mut Json) {
    for pointer in pointers(kind, body) {
        if let Some(value) = body.pointer_mut(&pointer) {
            *value = json!(REDACTED);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(client: &str, url: &str, secret: &str, fields: Json) -> Json {
        json!({ "authType": "OAUTH2", "grant": "OAUTH2_CLIENT_CREDENTIALS", "clientId": client, "accessTokenUrl": url,
            "clientSecret": secret, "authenticationDataFields": fields })
    }

    fn field(name: &str, format: &str, value: &str) -> Json {
        json!({ "name": name, "format": format, "value": value })
    }

    fn sealed(ways: Json, old: &Json) -> std::result::Result<Json, String> {
        let mut body = json!({ "name": "n", "customerAuthenticationConfigurations": ways });
        let done = seal(Kind::Destination, &mut body, Some(old), &|text| format!("sealed:{text}"));
        done.map(|()| body[WAYS].clone()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_kept_secret_stays_with_what_it_was_given_for() {
        let fields = json!([field("plain", "string", "p"), field("key", "password", "sealed:k")]);
        let a = way("a", "https://a.test/t", "sealed:1", fields.clone());
        let b = way("b", "https://b.test/t", "sealed:2", json!([]));
        let old = json!({ "customerAuthenticationConfigurations": [a, b] });
        // In another order, a field before it.
        let shown = json!([field("key", "password", REDACTED), field("new", "password", "n")]);
        let given =
            json!([way("b", "https://b.test/t", REDACTED, json!([])), way("a", "https://a.test/t", REDACTED, shown),]);
        let ways = sealed(given, &old).expect("kept");
        assert_eq!((&ways[0]["clientSecret"], &ways[1]["clientSecret"]), (&json!("sealed:2"), &json!("sealed:1")));
        let kept = &ways[1]["authenticationDataFields"];
        assert_eq!((&kept[0]["value"], &kept[1]["value"]), (&json!("sealed:k"), &json!("sealed:n")));
        let at = "https://a.test/t";
        for (given, wrong) in [
            (
                way("a", "https://evil.test/t", REDACTED, json!([])),
                "[0].clientSecret: is the shown placeholder, but no stored entry has",
            ),
            (way("c", at, REDACTED, json!([])), "[0].clientSecret: is the shown placeholder, but no stored entry has"),
            (
                way("a", at, "x", json!([field("other", "password", REDACTED)])),
                "[0].value: is the shown placeholder, but the stored entry has no field \"other\"",
            ),
            (
                way("a", at, "x", json!([field("plain", "password", REDACTED)])),
                "[0].value: is the shown placeholder, but no secret is stored there",
            ),
            (way("a", at, "x", json!([field("key", "string", REDACTED)])), "[0].value: must not be \"<redacted>\""),
        ] {
            let error = sealed(json!([given]), &old).expect_err(wrong);
            assert!(error.contains(wrong), "{error}");
        }
    }
}
