//! Accounts at receivers, one per base connection, and the tokens they hold.
//!
//! Always: flows of one base connection share its tokens; a token set that was fetched is written, sealed,
//! into the base connection, so that a rotated refresh token survives a restart.

use super::{Place, Sdk};
use api::LoginRefusal;
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
                if let Kept::Failed(_) = keep_tokens(&engine, sandbox, &of.base_connection_id, &of.sealed, sealed).await
                {
                    let connection = of.base_connection_id.as_str();
                    tracing::error!(
                        connection,
                        "new tokens cannot be written down; a restart begins with the old ones"
                    );
                }
            })
        })
    }

    /// Tokens that a login with these (sealed) parameters gave: kept, and used from now on.
    ///
    /// # Errors
    /// The base connection is gone, its parameters are others by now, or the tokens cannot be written down.
    pub(super) async fn take_login(
        &self,
        sandbox: SandboxId,
        base_connection_id: &str,
        params: &Json,
        set: TokenSet,
    ) -> Result<(), LoginRefusal> {
        let refused = |status: u16, detail: &str| Err(LoginRefusal { status, detail: detail.to_owned() });
        let sealed = self.keyring.seal(&set.to_json().to_string());
        match keep_tokens(&self.engine, sandbox, base_connection_id, params, sealed).await {
            Kept::Yes => {}
            Kept::Gone => return refused(404, "the connection was deleted while you logged in"),
            Kept::Changed => {
                return refused(409, "the connection's account was changed while you logged in; log in again");
            }
            Kept::Failed(error) => {
                tracing::error!(connection = base_connection_id, error, "the tokens of a login cannot be written down");
                return refused(503, "the login could not be written down; log in again");
            }
        }
        let of_it = |(key, (from, _)): &(&KeyOfAccount, &(AccountOf, Account))| {
            key.0 == sandbox && key.1 == base_connection_id && from.sealed == *params
        };
        let accounts: Vec<Account> =
            self.known.lock().iter().filter(of_it).map(|(_, (_, account))| account.clone()).collect();
        for account in accounts {
            if let Account::OAuth2(tokens) = account {
                tokens.replace(set.clone()).await;
            }
        }
        Ok(())
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

/// What became of tokens that had to be kept.
enum Kept {
    /// They are written.
    Yes,
    /// The base connection is gone.
    Gone,
    /// The parameters of the account are others by now.
    Changed,
    /// They could not be made durable.
    Failed(String),
}

/// Writes a sealed token set into a base connection, unless its account is no longer the one of these
/// (sealed) parameters.
async fn keep_tokens(engine: &Engine, sandbox: SandboxId, id: &str, params: &Json, sealed: String) -> Kept {
    let changed = engine.control().change(|docs| {
        let kept = |changes, kept| Ok::<_, String>((changes, kept));
        let Some(doc) = docs.get(sandbox, Collection::BaseConnection, id) else { return kept(vec![], Kept::Gone) };
        if doc.body["auth"]["params"] != *params {
            return kept(vec![], Kept::Changed);
        }
        let mut body = doc.body.clone();
        body[TOKENS] = Json::String(sealed.clone());
        let put = model::DocChange::put(sandbox, Collection::BaseConnection, doc.id.clone(), body, "tokens");
        kept(vec![put], Kept::Yes)
    });
    match changed.await {
        Ok(kept) => kept,
        Err(engine::ChangeError::Refused(error)) => Kept::Failed(error),
        Err(engine::ChangeError::Failed(error)) => Kept::Failed(error.to_string()),
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
