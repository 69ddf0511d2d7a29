//! Accounts at receivers, one per base connection, and the tokens they hold.
//!
//! Always: flows of one base connection share its tokens; a token set that was fetched is written, sealed,
//! into the base connection, so that a rotated refresh token survives a restart.

use super::{Place, Sdk};
use delivery::{Access, AccessFuture, Authorize, Refusal};
use destination::config::{CustomerAuthentication, DestinationConfig};
use engine::Engine;
use flows::SdkTarget;
use flows::connections::TOKENS;
use model::{Collection, SandboxId, SmolStr};
use parking_lot::Mutex;
use partner::{Account, Grant, Line, Sink, StaticKind, TokenSet, Tokens, UserContext};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::sync::Arc;

type KeyOfAccount = (SandboxId, SmolStr, SmolStr);

/// What an account is made from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AccountOf {
    pub(super) connection_spec_id: SmolStr,
    pub(super) version: SmolStr,
    pub(super) base_connection_id: SmolStr,
    pub(super) auth_name: SmolStr,
    /// The parameters, secrets sealed.
    pub(super) sealed: Json,
}

impl AccountOf {
    pub(super) fn of(target: &SdkTarget) -> AccountOf {
        AccountOf {
            connection_spec_id: target.connection_spec_id.clone(),
            version: target.version.clone(),
            base_connection_id: target.base_connection_id.clone(),
            auth_name: target.auth_name.clone(),
            sealed: target.account.clone(),
        }
    }
}

/// The accounts in use.
pub(in crate::server) struct Accounts {
    engine: Arc<Engine>,
    keyring: Arc<access::Keyring>,
    /// By sandbox, base connection and connection spec: what it was made from, and the account.
    known: Mutex<HashMap<KeyOfAccount, (AccountOf, Account)>>,
}

impl Accounts {
    pub(in crate::server) fn new(engine: Arc<Engine>, keyring: Arc<access::Keyring>) -> Accounts {
        Accounts { engine, keyring, known: Mutex::default() }
    }

    /// The account; the same one as before while nothing of it has changed.
    pub(super) fn get(
        &self,
        place: &Place<'_>,
        of: &AccountOf,
        config: &DestinationConfig,
        sdk: &Sdk,
    ) -> Result<Account, String> {
        let key = (place.sandbox, of.base_connection_id.clone(), of.connection_spec_id.clone());
        let mut known = self.known.lock();
        if let Some((_, account)) = known.get(&key).filter(|(from, _)| from == of) {
            return Ok(account.clone());
        }
        let account = match self.way(place, of, config, sdk)? {
            Way::Entered(account) => account,
            Way::Grant(grant) => {
                Account::OAuth2(Tokens::new(grant, self.kept(place, of, sdk), Some(self.sink(place.sandbox, of))))
            }
        };
        known.insert(key, (of.clone(), account.clone()));
        Ok(account)
    }

    /// How an account is let in, without its tokens.
    pub(super) fn way(
        &self,
        place: &Place<'_>,
        of: &AccountOf,
        config: &DestinationConfig,
        sdk: &Sdk,
    ) -> Result<Way, String> {
        let entered = sdk.unsealed(&of.sealed)?;
        let none = serde_json::Map::new();
        let entered = entered.as_object().unwrap_or(&none);
        let mut ways = config.customer_authentications.iter();
        let way = ways
            .find(|way| authoring::auth_name(way) == of.auth_name)
            .ok_or_else(|| format!("the destination does not offer the authentication `{}`", of.auth_name))?;
        let made = match way {
            CustomerAuthentication::Basic => Account::entered(StaticKind::Basic, entered).map(Way::Entered),
            CustomerAuthentication::Bearer => Account::entered(StaticKind::Bearer, entered).map(Way::Entered),
            CustomerAuthentication::OAuth2(oauth) => {
                let user = UserContext {
                    sandbox_name: place.sandbox_name.clone(),
                    sandbox_id: place.sandbox.0.to_string(),
                    ims_org_id: place.org.clone(),
                    client: CLIENT.to_owned(),
                };
                Grant::new(Arc::new((**oauth).clone()), entered, &user).map(Way::Grant)
            }
            other => return Err(format!("{} lets no requests in", other.auth_type())),
        };
        made.map_err(|failure| failure.message)
    }

    /// Tokens of before.
    fn kept(&self, place: &Place<'_>, of: &AccountOf, sdk: &Sdk) -> Option<TokenSet> {
        let doc = place.docs.get(place.sandbox, Collection::BaseConnection, &of.base_connection_id)?;
        let Ok(Json::String(text)) = sdk.unsealed(&doc.body[TOKENS]) else { return None };
        TokenSet::from_json(&serde_json::from_str(&text).ok()?)
    }

    /// Writes new tokens into the base connection.
    fn sink(&self, sandbox: SandboxId, of: &AccountOf) -> Sink {
        let (engine, keyring, of) = (self.engine.clone(), self.keyring.clone(), of.clone());
        Arc::new(move |set: TokenSet| {
            let sealed = keyring.seal(&set.to_json().to_string());
            let (engine, of) = (engine.clone(), of.clone());
            Box::pin(async move {
                keep_tokens(&engine, sandbox, &of.base_connection_id, Some(&of.sealed), sealed).await;
            })
        })
    }

    /// Tokens that a login gave: used from now on, and kept.
    pub(super) async fn take_login(&self, sandbox: SandboxId, base_connection_id: &str, set: TokenSet) {
        let sealed = self.keyring.seal(&set.to_json().to_string());
        keep_tokens(&self.engine, sandbox, base_connection_id, None, sealed).await;
        let of_it = |(key, _): &(&KeyOfAccount, &(AccountOf, Account))| key.0 == sandbox && key.1 == base_connection_id;
        let accounts: Vec<Account> =
            self.known.lock().iter().filter(of_it).map(|(_, (_, account))| account.clone()).collect();
        for account in accounts {
            if let Account::OAuth2(tokens) = account {
                tokens.replace(set.clone()).await;
            }
        }
    }
}

/// `userContext.client` of token templates.
const CLIENT: &str = "rivermouth";

/// How an account is let in.
pub(super) enum Way {
    /// With what was entered.
    Entered(Account),
    /// With tokens.
    Grant(Grant),
}

/// Writes a sealed token set into a base connection, unless its account is no longer the one of these
/// (sealed) parameters.
async fn keep_tokens(engine: &Engine, sandbox: SandboxId, id: &str, account: Option<&Json>, sealed: String) {
    let changed = engine.control().change(|docs| {
        let doc = docs.get(sandbox, Collection::BaseConnection, id);
        let same = |doc: &&Arc<model::Doc>| account.is_none_or(|params| doc.body["auth"]["params"] == *params);
        let Some(doc) = doc.filter(same) else { return Ok::<_, String>((vec![], ())) };
        let mut body = doc.body.clone();
        body[TOKENS] = Json::String(sealed.clone());
        Ok((vec![model::DocChange::put(sandbox, Collection::BaseConnection, doc.id.clone(), body, "tokens")], ()))
    });
    if changed.await.is_err() {
        tracing::error!(connection = id, "new tokens cannot be written down; a restart begins with the old ones");
    }
}

/// An account as delivery asks it.
pub(in crate::server) struct Door {
    pub(super) account: Account,
    line: Line,
    /// `authData` of the token of this number.
    shown: Mutex<Option<(Option<u64>, Arc<Json>)>>,
}

impl Door {
    pub(super) fn new(account: Account, line: Line) -> Door {
        Door { account, line, shown: Mutex::default() }
    }

    fn auth_data(&self, number: Option<u64>) -> Arc<Json> {
        let mut shown = self.shown.lock();
        match &*shown {
            Some((of, data)) if *of == number => data.clone(),
            _ => {
                let data = Arc::new(Json::Object(self.account.auth_data()));
                *shown = Some((number, data.clone()));
                data
            }
        }
    }
}

impl Authorize for Door {
    fn access(&self, refused: Option<u64>) -> AccessFuture<'_> {
        Box::pin(async move {
            let refusal = |failure: partner::Failure| Refusal {
                reason: failure.message,
                retry: failure.retry,
                retry_after_ms: failure.retry_after_ms,
            };
            let authorization = self.account.authorization(&self.line, refused).await.map_err(refusal)?;
            let auth_data = self.auth_data(authorization.number);
            Ok(Access { header: authorization.header, number: authorization.number, auth_data })
        })
    }

    fn fetched(&self) -> u64 {
        match &self.account {
            Account::OAuth2(tokens) => tokens.fetched(),
            _ => 0,
        }
    }
}
