//! From the answer of a token endpoint to tokens.
//!
//! In: a 2xx answer, and where the destination says that things are. Out: a [`TokenSet`], or why it is none.
//! Always: validations pass before anything is taken; nothing of the answer appears in a failure.

use super::set::TokenSet;
use crate::context::{context, json_of, render, response};
use crate::select::{field, kind, text};
use crate::{Failure, regex};
use delivery::{Reply, Secret};
use destination::config::{AccessTokenRequest, OAuth2, TokenValidation};
use model::Timestamp;
use serde_json::{Map, Value as Json};

/// Reads an answer. `data` is `authData` as it was before; `old` keeps its refresh token if the answer has none.
pub(crate) fn read(
    oauth: &OAuth2,
    reply: &Reply,
    names: Map<String, Json>,
    old_refresh: Option<&Secret>,
    now: Timestamp,
) -> Result<TokenSet, Failure> {
    let fault = |message: String| Failure::answer(reply, format!("token endpoint: {message}"));
    let body = json_of(reply).map_err(fault)?;
    let mut names = names;
    names.insert("response".to_owned(), response(reply, body.clone()));
    let context = context(&names);
    let request = oauth.access_token_request.as_ref();
    for validation in &oauth.validations {
        validate(validation, &context)?;
    }
    let mut found = Found::of(oauth, &body);
    if let Some(request) = request {
        found.take_rendered(request, &context)?;
    }
    found.into_set(reply, old_refresh, now, fixed_lifetime(oauth))
}

fn validate(validation: &TokenValidation, context: &pebble::Value) -> Result<(), Failure> {
    let name = &validation.name;
    let part = |what: &str, setting| {
        render(&format!("validation `{name}`, {what}"), setting, context).map_err(Failure::settings)
    };
    let actual = part("actualValue", &validation.actual)?;
    let expected = part("expectedValue", &validation.expected)?;
    let matched = regex::matches(&expected, &actual);
    if actual == expected || matched == Ok(true) {
        return Ok(());
    }
    let why = matched.err().map(|error| format!(" (as a pattern: {error})")).unwrap_or_default();
    // Text of the answer could be a token; short flags and numbers are none.
    let harmless = matches!(actual.as_str(), "" | "true" | "false")
        || (actual.len() <= 6 && actual.bytes().all(|b| b.is_ascii_digit()));
    let given = if harmless { format!("it is `{actual}`") } else { "it is something else".to_owned() };
    Err(Failure::settings(format!(
        "token endpoint: the answer fails validation `{name}`: expected `{expected}`{why}, {given}"
    )))
}

/// What was found in an answer, by the names of `authData`.
struct Found {
    values: Map<String, Json>,
    access_token_at: String,
}

impl Found {
    fn of(oauth: &OAuth2, body: &Json) -> Found {
        let access_token_at = oauth.access_token_response_path.clone();
        let mut values = Map::new();
        let mut take = |name: &str, path: &str| {
            if let Some(value) = field(body, path).filter(|value| !value.is_null()) {
                values.insert(name.to_owned(), value.clone());
            }
        };
        take("accessToken", &access_token_at);
        take("refreshToken", &oauth.refresh_token_response_path);
        take("expiresIn", &oauth.expires_in_response_path);
        take("tokenType", "token_type");
        take("scope", "scope");
        for declared in &oauth.data_fields {
            if let Some(path) = &declared.response_path {
                take(&declared.name, path);
            }
        }
        Found { values, access_token_at }
    }

    /// Response fields of a templated request go before paths; what renders to nothing does not count.
    fn take_rendered(&mut self, request: &AccessTokenRequest, context: &pebble::Value) -> Result<(), Failure> {
        for field in &request.response_fields {
            let what = format!("responseFields `{}`", field.name);
            let rendered = render(&what, &field.value, context).map_err(Failure::settings)?;
            let rendered = rendered.trim();
            if !rendered.is_empty() {
                self.values.insert(field.name.to_string(), rendered.into());
            }
        }
        Ok(())
    }

    fn into_set(
        mut self,
        reply: &Reply,
        old_refresh: Option<&Secret>,
        now: Timestamp,
        fixed_lifetime: Option<i64>,
    ) -> Result<TokenSet, Failure> {
        let fault = |message: String| Failure::answer(reply, format!("token endpoint: {message}"));
        let mut take = |name: &str| -> Result<Option<String>, Failure> {
            match self.values.shift_remove(name) {
                None => Ok(None),
                Some(value) => match text(&value) {
                    Some(text) => Ok(Some(text).filter(|t| !t.is_empty())),
                    None => Err(fault(format!("{name} must be text, not {}", kind(&value)))),
                },
            }
        };
        let (access, refresh) = (take("accessToken")?, take("refreshToken")?);
        let (lifetime, token_type) = (take("expiresIn")?, take("tokenType")?);
        let access =
            access.ok_or_else(|| fault(format!("the answer has no access token at `{}`", self.access_token_at)))?;
        if reqwest::header::HeaderValue::from_str(&access).is_err() {
            return Err(fault("the access token has characters that no header can carry".to_owned()));
        }
        let expires_in_s = match (fixed_lifetime, lifetime) {
            (Some(fixed), _) => Some(fixed),
            (None, None) => None,
            (None, Some(text)) => {
                Some(seconds(&text).ok_or_else(|| fault("expiresIn is no number of seconds".to_owned()))?)
            }
        };
        Ok(TokenSet {
            access_token: access.into(),
            refresh_token: refresh.map(Secret::from).or_else(|| old_refresh.cloned()),
            token_type,
            expires_in_s,
            issued: now,
            values: self.values,
        })
    }
}

/// `expiresIn` with a fixed value overrides what the answer says.
fn fixed_lifetime(oauth: &OAuth2) -> Option<i64> {
    let fixed = oauth.data_fields.iter().find(|f| f.name == "expiresIn")?.value.as_ref()?;
    seconds(&text(fixed)?)
}

/// Some token endpoints write the lifetime as text, or with a fraction.
fn seconds(text: &str) -> Option<i64> {
    let text = text.trim();
    let whole = text.parse::<i64>().ok();
    whole.or_else(|| text.parse::<f64>().ok().filter(|n| n.is_finite()).map(|n| n as i64)).map(|n| n.max(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use destination::config::Grant;
    use proptest::prelude::*;
    use reqwest::header::HeaderMap;
    use serde_json::json;

    fn oauth(path: &str) -> OAuth2 {
        OAuth2 {
            grant: Grant::ClientCredentials,
            access_token_url: None,
            authorization_url: None,
            refresh_token_url: None,
            client_id: None,
            client_secret: None,
            scopes: Vec::new(),
            use_basic_auth: false,
            data_fields: Vec::new(),
            access_token_request: None,
            access_token_response_path: path.to_owned(),
            refresh_token_response_path: "refresh_token".to_owned(),
            expires_in_response_path: "expires_in".to_owned(),
            validations: Vec::new(),
        }
    }

    fn answered(body: Vec<u8>) -> Result<TokenSet, Failure> {
        let reply = Reply { status: 200, headers: HeaderMap::new(), body, retry_after_ms: None };
        read(&oauth("access_token"), &reply, Map::new(), None, Timestamp(0))
    }

    fn value() -> impl Strategy<Value = Json> {
        let number = prop_oneof![any::<i64>().prop_map(Json::from), any::<f64>().prop_map(Json::from)];
        let text = prop_oneof!["hush[ -~]{0,8}", "\\PC{0,8}", "-?[0-9]{1,30}(\\.[0-9]+)?([eE][0-9]{1,4})?"];
        prop_oneof![Just(json!(null)), Just(json!({"hush": []})), number, text.prop_map(Json::from)]
    }

    proptest! {
        #[test]
        fn any_answer_is_a_token_or_a_failure_without_its_text(
            token in value(), lifetime in value(), refresh in value(), kind in value()
        ) {
            let body = json!({
                "access_token": token, "expires_in": lifetime, "refresh_token": refresh, "token_type": kind
            });
            match answered(body.to_string().into_bytes()) {
                Ok(set) => {
                    prop_assert!(!set.access_token.expose().is_empty());
                    prop_assert!(set.expires_in_s.is_none_or(|s| s >= 0));
                    let kept = TokenSet::from_json(&set.to_json());
                    prop_assert_eq!(kept, Some(set), "what is kept is read again");
                }
                Err(failure) => prop_assert!(!failure.message.contains("hush"), "{failure}"),
            }
        }

        #[test]
        fn any_bytes_are_read(body in prop::collection::vec(any::<u8>(), 0..64)) {
            // No bytes of this length make a token, and none a panic.
            prop_assert!(answered(body).is_err());
        }
    }
}
