//! Logins of people at receivers: from a base connection to its tokens.

use super::accounts::Way;
use super::{AccountOf, Place, Sdk};
use api::{Answer, CALLBACK_PATH, LoginRefusal, Logins};
use authoring::Catalogs;
use engine::Engine;
use model::{Collection, SandboxId, SmolStr};
use serde_json::Value as Json;
use std::sync::Arc;

/// Logins under way.
pub(in crate::server) struct ConnectionLogins {
    engine: Arc<Engine>,
    sdk: Sdk,
    catalogs: Arc<Catalogs>,
    logged_in: Arc<LoggedIn>,
    redirect_uri: String,
    /// Each with its base connection and the (sealed) parameters of the account that it began with.
    open: Arc<partner::Logins<(SandboxId, SmolStr, Json)>>,
}

/// Is told of the base connection of each login: what was held for want of one can go on.
pub(in crate::server) type LoggedIn = dyn Fn(&str) + Send + Sync;

impl ConnectionLogins {
    pub(in crate::server) fn new(
        engine: Arc<Engine>,
        sdk: Sdk,
        catalogs: Arc<Catalogs>,
        logged_in: Arc<LoggedIn>,
        public_url: &str,
    ) -> ConnectionLogins {
        let redirect_uri = format!("{}{CALLBACK_PATH}", public_url.trim_end_matches('/'));
        ConnectionLogins { engine, sdk, catalogs, logged_in, redirect_uri, open: Arc::default() }
    }
}

fn refusal(status: u16) -> impl Fn(String) -> LoginRefusal {
    move |detail| LoginRefusal { status, detail }
}

impl Logins for ConnectionLogins {
    fn start(&self, sandbox: SandboxId, base_connection: &str) -> Result<String, LoginRefusal> {
        let current = self.engine.control().current();
        let docs = &current.docs;
        let base = docs
            .get(sandbox, Collection::BaseConnection, base_connection)
            .ok_or_else(|| refusal(404)(format!("there is no base connection {base_connection}")))?;
        let catalog = self.catalogs.get(docs, sandbox);
        let entry = catalog
            .entry(base.body["connectionSpec"]["id"].as_str().unwrap_or_default())
            .ok_or_else(|| refusal(400)("this connection is not to an authored destination".to_owned()))?;
        let place = Place::of(docs, sandbox);
        let prepared = self.sdk.prepared(entry).map_err(refusal(400))?;
        let of = AccountOf {
            connection_spec_id: entry.connection_spec_id.clone(),
            version: entry.version.clone(),
            base_connection_id: base.id.clone(),
            auth_name: SmolStr::new(base.body["auth"]["specName"].as_str().unwrap_or_default()),
            sealed: base.body["auth"]["params"].clone(),
        };
        let way = self.sdk.accounts().way(&place, &of, &prepared.config, &self.sdk).map_err(refusal(400))?;
        let Way::Grant(grant) = way else {
            return Err(refusal(400)("this connection authenticates without a login".to_owned()));
        };
        let now = self.sdk.line().wire.clock().now();
        let page = self.open.start(now, (sandbox, base.id.clone(), of.sealed), grant, &self.redirect_uri);
        page.map(String::from).map_err(|failure| refusal(400)(failure.message))
    }

    fn finish(&self, state: String, code: String) -> Answer<Result<String, LoginRefusal>> {
        let (open, sdk, engine) = (self.open.clone(), self.sdk.clone(), self.engine.clone());
        let logged_in = self.logged_in.clone();
        Box::pin(async move {
            let done = open.finish(sdk.line(), &state, &code).await;
            let ((sandbox, id, params), set) = done.map_err(|failure| {
                let status = if failure.status.is_some() || failure.retry { 502 } else { 400 };
                refusal(status)(failure.message)
            })?;
            sdk.accounts().take_login(sandbox, &id, &params, set).await?;
            logged_in(&id);
            let docs = &engine.control().current().docs;
            let name = docs.get(sandbox, Collection::BaseConnection, &id).and_then(|doc| doc.body["name"].as_str());
            Ok(name.unwrap_or("The connection").to_owned())
        })
    }

    fn break_off(&self, state: &str) {
        // Nothing is left to do for whom it was.
        let _ = self.open.break_off(self.sdk.line().wire.clock().now(), state);
    }
}
