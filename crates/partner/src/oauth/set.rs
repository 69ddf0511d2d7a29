//! What a token endpoint gave, in the form that is kept between starts (sealed).

use delivery::{Secret, usable_until};
use model::Timestamp;
use serde_json::{Map, Value as Json, json};
use std::fmt;

/// What a token endpoint gave.
#[derive(Clone, PartialEq)]
pub struct TokenSet {
    /// The token that requests carry.
    pub access_token: Secret,
    /// What the next one is asked for with.
    pub refresh_token: Option<Secret>,
    /// `Bearer`, mostly.
    pub token_type: Option<String>,
    /// How long the access token is good, from `issued` on; none if that was not said.
    pub expires_in_s: Option<i64>,
    /// When it came.
    pub issued: Timestamp,
    /// What else was taken from the answer, by its name in `authData`.
    pub values: Map<String, Json>,
}

impl TokenSet {
    /// Whether the access token is not about to expire.
    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.expires_in_s.is_none_or(|seconds| now < usable_until(self.issued, seconds))
    }

    /// The form that is kept. All of it is secret.
    pub fn to_json(&self) -> Json {
        json!({
            "accessToken": self.access_token.expose(),
            "refreshToken": self.refresh_token.as_ref().map(Secret::expose),
            "tokenType": self.token_type,
            "expiresIn": self.expires_in_s,
            "issued": self.issued.0,
            "values": self.values,
        })
    }

    /// Reads the form that is kept; none if it is something else.
    pub fn from_json(kept: &Json) -> Option<TokenSet> {
        let text = |name: &str| kept.get(name).and_then(Json::as_str);
        Some(TokenSet {
            access_token: text("accessToken")?.into(),
            refresh_token: text("refreshToken").map(Secret::from),
            token_type: text("tokenType").map(str::to_owned),
            expires_in_s: kept.get("expiresIn").and_then(Json::as_i64),
            issued: Timestamp(kept.get("issued").and_then(Json::as_i64)?),
            values: kept.get("values").and_then(Json::as_object).cloned().unwrap_or_default(),
        })
    }

    /// Adds what templates see of this as `authData`.
    pub(crate) fn show(&self, data: &mut Map<String, Json>) {
        data.extend(self.values.iter().map(|(name, value)| (name.clone(), value.clone())));
        data.insert("accessToken".to_owned(), self.access_token.expose().into());
        if let Some(refresh) = &self.refresh_token {
            data.insert("refreshToken".to_owned(), refresh.expose().into());
        }
        if let Some(kind) = &self.token_type {
            data.insert("tokenType".to_owned(), kind.clone().into());
        }
        if let Some(seconds) = self.expires_in_s {
            data.insert("expiresIn".to_owned(), seconds.into());
        }
    }
}

impl fmt::Debug for TokenSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSet")
            .field("refresh_token", &self.refresh_token.is_some())
            .field("token_type", &self.token_type)
            .field("expires_in_s", &self.expires_in_s)
            .field("issued", &self.issued)
            .finish_non_exhaustive()
    }
}
