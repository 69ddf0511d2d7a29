//! The grant of one account: what is known before any token, and the requests that ask for tokens.
//!
//! In: how the destination declares OAuth 2, and what the customer entered. Out: `authData`, the login page's address,
//! token requests in the order in which they are worth trying.
//!
//! Always: fields of the destination override its standard settings; what the customer entered counts only where the
//! destination asks for it; the refresh token that came last goes first, a fixed one of the destination after it.

use super::answer;
use super::set::TokenSet;
use crate::context::context;
use crate::draft::{Draft, basic_header};
use crate::failure::{Again, worth_retrying};
use crate::select::{kind, text};
use crate::{Failure, Line};
use delivery::{Reply, Secret};
use destination::config::{AuthenticationDataField, DataKind, Grant as GrantKind, OAuth2, ValueSource};
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;
use url::{Url, form_urlencoded};

/// Who asks, for token templates (`userContext`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserContext {
    /// Name of the sandbox.
    pub sandbox_name: String,
    /// Id of the sandbox.
    pub sandbox_id: String,
    /// The organisation.
    pub ims_org_id: String,
    /// The API client.
    pub client: String,
}

/// One account at a destination that lets in by OAuth 2.
#[derive(Clone, Debug)]
pub struct Grant {
    oauth: Arc<OAuth2>,
    /// `authData` before there are tokens.
    fields: Fields,
    user: Json,
}

/// `authData`; much of it is secret.
#[derive(Clone)]
struct Fields(Map<String, Json>);

impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// One way to ask for tokens.
enum Way {
    /// `accessTokenRequest`.
    Template,
    /// With a refresh token, at this address.
    Refresh(Secret, &'static str),
    /// The grant itself.
    Grant,
}

impl Grant {
    /// The grant of an account with what the customer entered (`auth.params` of the base connection).
    ///
    /// # Errors
    /// A field that the destination requires is missing.
    pub fn new(oauth: Arc<OAuth2>, entered: &Map<String, Json>, user: &UserContext) -> Result<Grant, Failure> {
        let fields = Fields(fields(&oauth, entered)?);
        let user = json!({
            "sandboxName": user.sandbox_name,
            "sandboxId": user.sandbox_id,
            "imsOrgId": user.ims_org_id,
            "client": user.client,
        });
        Ok(Grant { oauth, fields, user })
    }

    /// Whether tokens begin with a person who logs in.
    pub fn needs_login(&self) -> bool {
        self.oauth.grant == GrantKind::AuthorizationCode
    }

    /// `authData`, with the tokens if there are some.
    pub(crate) fn data(&self, set: Option<&TokenSet>) -> Map<String, Json> {
        let mut data = self.fields.0.clone();
        if let Some(set) = set {
            set.show(&mut data);
        }
        data
    }

    /// Where a person logs in; the answer comes to `redirect_uri` with the same `state`.
    ///
    /// # Errors
    /// The destination's authorization URL is missing or is no URL.
    pub fn authorization_url(&self, state: &str, redirect_uri: &str) -> Result<Url, Failure> {
        let mut url = self.url("authorizationUrl")?;
        let (client_id, scope) = (self.need("clientId")?, self.get("scope"));
        let mut query = url.query_pairs_mut();
        query.append_pair("response_type", "code").append_pair("client_id", &client_id);
        query.append_pair("redirect_uri", redirect_uri).append_pair("state", state);
        if let Some(scope) = scope {
            query.append_pair("scope", &scope);
        }
        drop(query);
        Ok(url)
    }

    /// Tokens for the code that a login gave.
    ///
    /// # Errors
    /// The token endpoint cannot be asked, refuses, or answers something else.
    pub async fn exchange(&self, line: &Line, code: &str, redirect_uri: &str) -> Result<TokenSet, Failure> {
        let reply = ask(line, self.exchange_draft(code, redirect_uri)?).await?;
        if !(200..300).contains(&reply.status) {
            return Err(Failure::refusal(&reply, false));
        }
        self.read(line, &reply, None)
    }

    fn exchange_draft(&self, code: &str, redirect_uri: &str) -> Result<Draft, Failure> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code").append_pair("code", code);
        form.append_pair("redirect_uri", redirect_uri);
        self.standard(self.url("accessTokenUrl")?, form)
    }

    /// New tokens, by the first way that works.
    pub(crate) async fn fetch(&self, line: &Line, old: Option<&TokenSet>) -> Result<TokenSet, Failure> {
        let old_refresh = old.and_then(|set| set.refresh_token.as_ref());
        let mut ways = self.ways(old_refresh).into_iter().peekable();
        if ways.peek().is_none() {
            return Err(self.login_again(old));
        }
        let mut last = None;
        for way in ways {
            let (draft, refresh) = match way {
                Way::Template => (self.templated(old)?, old_refresh.cloned()),
                Way::Refresh(token, at) => (self.refreshing(&token, at)?, Some(token)),
                Way::Grant => (self.granting()?, None),
            };
            let reply = ask(line, draft).await?;
            if (200..300).contains(&reply.status) {
                return self.read(line, &reply, refresh.as_ref());
            }
            let failure = Failure::refusal(&reply, self.needs_login());
            if worth_retrying(reply.status) {
                return Err(failure);
            }
            last = Some(failure);
        }
        Err(last.unwrap_or_else(|| self.login_again(old)))
    }

    fn ways(&self, refresh: Option<&Secret>) -> Vec<Way> {
        if self.oauth.access_token_request.is_some() {
            return vec![Way::Template];
        }
        let fixed = self.get("refreshToken").map(Secret::from);
        let at = match self.oauth.grant {
            _ if self.get("refreshTokenUrl").is_some() => Some("refreshTokenUrl"),
            GrantKind::Password => Some("accessTokenUrl"),
            GrantKind::AuthorizationCode | GrantKind::ClientCredentials => None,
        };
        let mut tokens: Vec<Secret> = refresh.cloned().into_iter().chain(fixed).collect();
        tokens.dedup();
        let refreshing = at.into_iter().flat_map(|at| tokens.iter().map(move |token| Way::Refresh(token.clone(), at)));
        let mut ways: Vec<Way> = refreshing.collect();
        if !self.needs_login() {
            ways.push(Way::Grant);
        }
        ways
    }

    fn login_again(&self, old: Option<&TokenSet>) -> Failure {
        let why = match old {
            None => "nobody has logged in yet",
            Some(set) if set.refresh_token.is_none() => {
                "the access token is no longer good and there is no refresh token"
            }
            Some(_) => "the access token is no longer good and the destination has no refreshTokenUrl",
        };
        Failure { again: Again::AfterLogin, ..Failure::settings(format!("{why}: log in at the destination")) }
    }

    fn templated(&self, old: Option<&TokenSet>) -> Result<Draft, Failure> {
        let request = self.oauth.access_token_request.as_ref();
        let request = request.ok_or_else(|| Failure::settings("accessTokenRequest: is missing"))?;
        let context = context(&self.names(old));
        Draft::render(&request.url, &request.http, &context)
            .map_err(|m| Failure::settings(format!("accessTokenRequest: {m}")))
    }

    fn refreshing(&self, token: &Secret, at: &'static str) -> Result<Draft, Failure> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", token.expose());
        self.standard(self.url(at)?, form)
    }

    fn granting(&self) -> Result<Draft, Failure> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        match self.oauth.grant {
            GrantKind::Password => {
                form.append_pair("grant_type", "password");
                form.append_pair("username", &self.need("username")?).append_pair("password", &self.need("password")?);
            }
            GrantKind::ClientCredentials | GrantKind::AuthorizationCode => {
                form.append_pair("grant_type", "client_credentials");
            }
        }
        if let Some(scope) = self.get("scope") {
            form.append_pair("scope", &scope);
        }
        self.standard(self.url("accessTokenUrl")?, form)
    }

    /// A form with the client's credentials, in its body or as a header.
    fn standard(&self, url: Url, mut form: form_urlencoded::Serializer<'_, String>) -> Result<Draft, Failure> {
        let (id, secret) = (self.need("clientId")?, self.need("clientSecret")?);
        let mut draft = Draft::post(url, "application/x-www-form-urlencoded");
        if self.oauth.use_basic_auth {
            draft.authorize(basic_header(&id, &secret).map_err(Failure::settings)?);
        } else {
            form.append_pair("client_id", &id).append_pair("client_secret", &secret);
        }
        draft.body = Some(form.finish());
        Ok(draft)
    }

    fn read(&self, line: &Line, reply: &Reply, refresh: Option<&Secret>) -> Result<TokenSet, Failure> {
        answer::read(&self.oauth, reply, self.names(None), refresh, line.wire.clock().now())
    }

    /// The top-level names of token templates.
    fn names(&self, old: Option<&TokenSet>) -> Map<String, Json> {
        let mut names = Map::new();
        names.insert("authData".to_owned(), self.data(old).into());
        names.insert("userContext".to_owned(), self.user.clone());
        names
    }

    fn get(&self, name: &str) -> Option<String> {
        self.fields.0.get(name).and_then(text).filter(|t| !t.is_empty())
    }

    fn need(&self, name: &str) -> Result<String, Failure> {
        self.get(name).ok_or_else(|| Failure::settings(format!("token endpoint: the account has no {name}")))
    }

    fn url(&self, name: &str) -> Result<Url, Failure> {
        Url::parse(&self.need(name)?).map_err(|error| Failure::settings(format!("{name}: {error}")))
    }
}

async fn ask(line: &Line, mut draft: Draft) -> Result<Reply, Failure> {
    draft.accept_json();
    line.send(draft.into_request()).await.map_err(|error| Failure::wire("token endpoint", error))
}

/// Standard settings, then what the customer entered, then what the destination fixes.
fn fields(oauth: &OAuth2, entered: &Map<String, Json>) -> Result<Map<String, Json>, Failure> {
    let mut fields = Map::new();
    let mut set = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value.into());
        }
    };
    set("accessTokenUrl", oauth.access_token_url.as_deref());
    set("refreshTokenUrl", oauth.refresh_token_url.as_deref());
    set("authorizationUrl", oauth.authorization_url.as_deref());
    set("clientId", oauth.client_id.as_deref());
    set("clientSecret", oauth.client_secret.as_ref().map(|s| s.0.as_str()));
    let scope = oauth.scopes.join(" ");
    set("scope", Some(scope.as_str()).filter(|scope| !scope.is_empty()));
    let asked: &[&str] = if oauth.grant == GrantKind::Password { &["username", "password"] } else { &[] };
    for name in asked {
        if let Some(value) = entered.get(*name) {
            fields.insert((*name).to_owned(), value.clone());
        }
    }
    for field in &oauth.data_fields {
        let given = match field.source {
            ValueSource::Customer => {
                entered.get(field.name.as_str()).or(field.value.as_ref()).or(field.default.as_ref())
            }
            ValueSource::Partner => field.value.as_ref(),
        };
        match given.filter(|value| !value.is_null()) {
            Some(value) => {
                check(field, value)?;
                fields.insert(field.name.to_string(), value.clone());
            }
            None if field.is_required && field.source == ValueSource::Customer => {
                let message = format!("the account has no {}, which the destination requires", field.name);
                return Err(Failure::settings(message));
            }
            None => {}
        }
    }
    Ok(fields)
}

/// What the customer entered has to be what the destination asks for. Values are not repeated: they may be secret.
fn check(field: &AuthenticationDataField, value: &Json) -> Result<(), Failure> {
    let wrong = |rule: String| Err(Failure::settings(format!("the account's {} {rule}", field.name)));
    if !field.kind.admits(value) {
        let due = match field.kind {
            DataKind::String => "text",
            DataKind::Boolean => "true or false",
            DataKind::Integer => "a whole number",
        };
        return wrong(format!("must be {due}, not {}", kind(value)));
    }
    if !field.choices.is_empty() && !field.choices.contains(value) {
        return wrong("must be one of the values that the destination offers".to_owned());
    }
    match &field.pattern {
        Some(pattern) if !pattern.matches(&text(value).unwrap_or_default()).unwrap_or(false) => {
            wrong(format!("must match `{}`", pattern.source))
        }
        _ => Ok(()),
    }
}
