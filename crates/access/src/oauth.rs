//! The token endpoint, `POST /ims/token/v3`: OAuth2 client credentials (RFC 6749 §4.4).
//!
//! In: the decoded parameters of query and form together, as clients send them in either. Out: status
//! and JSON body; errors in the OAuth2 shape. The answer must not be cached (`Cache-Control: no-store`).

use crate::client::{Client, client};
use crate::keyring::Keyring;
use crate::token::{EXPIRES_MS, issue};
use model::{DocSet, SmolStr, Timestamp};
use serde_json::{Value as Json, json};

/// What the token endpoint answers.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenAnswer {
    /// HTTP status: 200, 400 or 401.
    pub status: u16,
    /// The body.
    pub body: Json,
}

/// Answers one request for a token. `parameters` are decoded names and values in any order.
pub fn answer_token_request(
    keys: &Keyring,
    docs: &DocSet,
    now: Timestamp,
    parameters: &[(String, String)],
) -> TokenAnswer {
    match token_for(keys, docs, now, parameters) {
        Ok(body) => TokenAnswer { status: 200, body },
        Err(Refusal { status, error, description }) => {
            TokenAnswer { status, body: json!({ "error": error, "error_description": description }) }
        }
    }
}

struct Refusal {
    status: u16,
    error: &'static str,
    description: String,
}

fn refuse(status: u16, error: &'static str, description: impl Into<String>) -> Refusal {
    Refusal { status, error, description: description.into() }
}

fn token_for(keys: &Keyring, docs: &DocSet, now: Timestamp, parameters: &[(String, String)]) -> Result<Json, Refusal> {
    match one(parameters, "grant_type")? {
        "client_credentials" => {}
        other => {
            let description = format!("grant_type must be client_credentials, is `{other}`");
            return Err(refuse(400, "unsupported_grant_type", description));
        }
    }
    let (id, secret) = (one(parameters, "client_id")?, one(parameters, "client_secret")?);
    let client = client(docs, id)
        .filter(|client| client.secret_is_right(keys, secret))
        .ok_or_else(|| refuse(401, "invalid_client", "client_id or client_secret is wrong"))?;
    let scopes = wanted_scopes(&client, parameters)?;
    Ok(json!({
        "access_token": issue(keys, &client, &scopes, now),
        "token_type": "bearer",
        "expires_in": EXPIRES_MS / 1000,
    }))
}

/// The one value of a required parameter; given twice, both values must agree.
fn one<'a>(parameters: &'a [(String, String)], name: &str) -> Result<&'a str, Refusal> {
    let mut values = parameters.iter().filter(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str());
    let value = values.next().ok_or_else(|| refuse(400, "invalid_request", format!("{name} is missing")))?;
    if values.any(|other| other != value) {
        return Err(refuse(400, "invalid_request", format!("{name} is given more than once")));
    }
    Ok(value)
}

/// Scopes are separated by commas or blanks, and may come in several parameters; none means all.
fn wanted_scopes(client: &Client, parameters: &[(String, String)]) -> Result<Vec<SmolStr>, Refusal> {
    let texts = parameters.iter().filter(|(n, _)| n == "scope").map(|(_, v)| v.as_str());
    let mut scopes: Vec<SmolStr> = Vec::new();
    for scope in texts.flat_map(|text| text.split([',', ' '])).filter(|scope| !scope.is_empty()) {
        if !client.scopes.iter().any(|s| s == scope) {
            return Err(refuse(400, "invalid_scope", format!("the client does not have the scope `{scope}`")));
        }
        if !scopes.iter().any(|s| s == scope) {
            scopes.push(scope.into());
        }
    }
    Ok(if scopes.is_empty() { client.scopes.clone() } else { scopes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Secret, create, fresh, verify};

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    /// Parameters, then status, error and description.
    type Refused<'a> = (&'a [(&'a str, &'a str)], u16, &'a str, &'a str);

    #[test]
    fn the_endpoint_answers_as_oauth2_says() {
        let keys = Keyring::from_master(&[1; 32], Secret::new("x"));
        let mut docs = DocSet::default();
        let (change, credentials) = create(&keys, &fresh, "A@AdobeOrg", "shop", None, "me").expect("made");
        docs.apply(1, NOW, &change);
        let (id, secret) = (credentials.client_id.as_str(), credentials.client_secret.reveal());
        let ask = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            answer_token_request(&keys, &docs, NOW, &pairs)
        };
        let grant = ("grant_type", "client_credentials");

        for scope in ["", "openid,AdobeID", "openid AdobeID session"] {
            let answer = ask(&[grant, ("client_id", id), ("client_secret", secret), ("scope", scope)]);
            assert_eq!((answer.status, &answer.body["token_type"]), (200, &json!("bearer")), "{scope}");
            assert_eq!(answer.body["expires_in"], json!(86_400));
            let token = answer.body["access_token"].as_str().expect("a text");
            assert_eq!(verify(&keys, &docs, token, NOW).expect("good").id, id);
        }
        let refused: &[Refused] = &[
            (&[("client_id", id), ("client_secret", secret)], 400, "invalid_request", "grant_type is missing"),
            (
                &[("grant_type", "password")],
                400,
                "unsupported_grant_type",
                "grant_type must be client_credentials, is `password`",
            ),
            (&[grant, ("client_secret", secret)], 400, "invalid_request", "client_id is missing"),
            (&[grant, ("client_id", id)], 400, "invalid_request", "client_secret is missing"),
            (
                &[grant, ("client_id", id), ("client_id", "b"), ("client_secret", secret)],
                400,
                "invalid_request",
                "client_id is given more than once",
            ),
            (
                &[grant, ("client_id", "nobody"), ("client_secret", secret)],
                401,
                "invalid_client",
                "client_id or client_secret is wrong",
            ),
            (
                &[grant, ("client_id", id), ("client_secret", "guess")],
                401,
                "invalid_client",
                "client_id or client_secret is wrong",
            ),
            (
                &[grant, ("client_id", id), ("client_secret", secret), ("scope", "openid,root")],
                400,
                "invalid_scope",
                "the client does not have the scope `root`",
            ),
        ];
        for (pairs, status, error, description) in refused {
            let answer = ask(pairs);
            let expected = json!({ "error": error, "error_description": description });
            assert_eq!((answer.status, answer.body), (*status, expected));
        }
    }
}
