//! One account at the receiving system: what lets its requests in.
//!
//! In: the way in that the destination declares, and what the customer or the partner entered. Out: the value of
//! `Authorization`, and what templates see as `authData`. Always: secrets are not printed.

use crate::draft::{basic_header, bearer_header};
use crate::oauth::Tokens;
use crate::{Failure, Line};
use delivery::Secret;
use destination::config::{CredentialAuth, CredentialConfig};
use reqwest::header::HeaderValue;
use serde_json::{Map, Value as Json};

/// One account at the receiving system.
#[derive(Clone, Debug)]
pub enum Account {
    /// Requests are let in as they are.
    None,
    /// `BASIC`, or the platform's own credential.
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: Secret,
    },
    /// `BEARER`: a fixed token.
    Bearer(Secret),
    /// `OAUTH2`.
    OAuth2(Tokens),
}

/// What lets a request in now.
#[derive(Clone, Debug)]
pub struct Authorization {
    /// The value of `Authorization`, for requests whose template sets none.
    pub header: Option<HeaderValue>,
    /// Which token it is; a static account has none. To be given back when the receiver refuses it.
    pub number: Option<u64>,
}

impl Account {
    /// `BASIC` or `BEARER` with what the customer entered (`auth.params` of the base connection).
    ///
    /// # Errors
    /// A field is missing or is no text.
    pub fn entered(kind: StaticKind, entered: &Map<String, Json>) -> Result<Account, Failure> {
        let need = |name: &str| match entered.get(name) {
            Some(Json::String(text)) if !text.is_empty() => Ok(text.clone()),
            Some(_) => Err(Failure::settings(format!("the account's {name} must be text that is not empty"))),
            None => Err(Failure::settings(format!("the account has no {name}"))),
        };
        match kind {
            StaticKind::Basic => Ok(Account::Basic { username: need("username")?, password: need("password")?.into() }),
            StaticKind::Bearer => Ok(Account::Bearer(need("token").or_else(|_| need("bearerToken"))?.into())),
        }
    }

    /// The platform's own credential (`PLATFORM_AUTHENTICATION`).
    ///
    /// # Errors
    /// It is one for storages.
    pub fn platform(credential: &CredentialConfig) -> Result<Account, Failure> {
        match &credential.auth {
            CredentialAuth::Basic { username, password, .. } => {
                Ok(Account::Basic { username: username.clone(), password: password.0.as_str().into() })
            }
            CredentialAuth::S3 { .. }
            | CredentialAuth::Ssh { .. }
            | CredentialAuth::Azure { .. }
            | CredentialAuth::AzureConnectionString { .. } => Err(Failure::settings(
                "the platform's credential must hold basicAuthentication to let HTTP requests in",
            )),
        }
    }

    /// What lets a request in now. `refused` is the number of a token that the receiver answered with 401.
    ///
    /// # Errors
    /// No token can be had, or a credential has characters that no header can carry.
    pub async fn authorization(&self, line: &Line, refused: Option<u64>) -> Result<Authorization, Failure> {
        let header = |header: Result<HeaderValue, String>| header.map(Some).map_err(Failure::settings);
        Ok(match self {
            Account::None => Authorization { header: None, number: None },
            Account::Basic { username, password } => {
                Authorization { header: header(basic_header(username, password.expose()))?, number: None }
            }
            Account::Bearer(token) => Authorization { header: header(bearer_header(token.expose()))?, number: None },
            Account::OAuth2(tokens) => {
                let access = tokens.access(line, refused).await?;
                Authorization { header: header(bearer_header(access.token.expose()))?, number: Some(access.number) }
            }
        })
    }

    /// What templates see as `authData`. Of an account with tokens: those that were had last.
    pub fn auth_data(&self) -> Map<String, Json> {
        match self {
            Account::None => Map::new(),
            Account::Basic { username, password } => [("username", username.as_str()), ("password", password.expose())]
                .into_iter()
                .map(|(name, text)| (name.to_owned(), text.into()))
                .collect(),
            Account::Bearer(token) => {
                ["token", "accessToken"].map(|name| (name.to_owned(), token.expose().into())).into_iter().collect()
            }
            Account::OAuth2(tokens) => tokens.auth_data(),
        }
    }
}

/// Ways in that need no token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaticKind {
    /// User and password.
    Basic,
    /// A fixed token.
    Bearer,
}
