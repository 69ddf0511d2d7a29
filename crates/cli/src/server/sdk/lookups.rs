//! Lists that a receiver keeps, asked while a connection or a mapping is set up.
//!
//! Always: a list that cannot be had is no list; then what was entered is taken as it is.

use super::{Place, Sdk};
use api::LiveList;
use authoring::{CatalogEntry, Catalogs};
use destination::config::{AuthenticationRule, Choices, CustomerDataField, ServerConfig};
use engine::{Current, Engine};
use model::{Collection, SandboxId};
use partner::{Account, Lookup, LookupError, Lookups};
use serde_json::Value as Json;
use std::sync::Arc;

/// The values of a list, if they can be had.
pub(in crate::server) async fn live_list(
    engine: Arc<Engine>,
    sdk: Sdk,
    catalogs: Arc<Catalogs>,
    kept: Arc<Lookups>,
    list: LiveList,
) -> Option<Vec<String>> {
    let current = engine.control().current();
    let found = match list {
        LiveList::Values { sandbox, connection_spec_id, base_connection_id, field, customer_data } => {
            let catalog = catalogs.get(&current.docs, sandbox);
            let entry = catalog.entry(&connection_spec_id)?;
            let Choices::Dynamic(of) = &field_at(&entry.config.customer_data_fields, &field)?.choices else {
                return None;
            };
            let asked = Asked { sdk: &sdk, current: &current, sandbox, entry, base_connection_id: &base_connection_id };
            let account = asked.account(of.authentication_rule).ok()?;
            let server = entry.servers.get(of.destination_server_id.as_str())?;
            let data = asked.customer_data(&customer_data)?;
            let key = format!("{}@{}", of.destination_server_id, entry.version);
            let lookup = asked.lookup(&key, server, &data, &account);
            kept.options(sdk.line(), of, &lookup).await.map(|o| o.into_iter().map(|choice| choice.value).collect())
        }
        LiveList::Attributes { sandbox, target_connection_id } => {
            let target = current.docs.get(sandbox, Collection::TargetConnection, &target_connection_id)?;
            let catalog = catalogs.get(&current.docs, sandbox);
            let entry = catalog.entry(target.body["connectionSpec"]["id"].as_str()?)?;
            let of = entry.config.schema.dynamic_schema.clone()?;
            let base_connection_id = target.body["baseConnectionId"].as_str()?;
            let asked = Asked { sdk: &sdk, current: &current, sandbox, entry, base_connection_id };
            let account = asked.account(of.authentication_rule).ok()?;
            let server = entry.servers.get(of.destination_server_id.as_str())?;
            let data = asked.customer_data(&target.body["params"])?;
            let key = format!("{}@{}", of.destination_server_id, entry.version);
            let lookup = asked.lookup(&key, server, &data, &account);
            kept.schema(sdk.line(), &of, &lookup).await.map(|s| s.fields.into_iter().map(|field| field.name).collect())
        }
    };
    found.map_err(|error: LookupError| tracing::warn!(error = error.message, "a live list cannot be had")).ok()
}

struct Asked<'a> {
    sdk: &'a Sdk,
    current: &'a Current,
    sandbox: SandboxId,
    entry: &'a CatalogEntry,
    base_connection_id: &'a str,
}

impl Asked<'_> {
    fn account(&self, rule: AuthenticationRule) -> Result<Account, String> {
        match rule {
            AuthenticationRule::None => return Ok(Account::None),
            AuthenticationRule::Platform => return self.sdk.platform_account(self.entry),
            AuthenticationRule::Customer => {}
        }
        let docs = &self.current.docs;
        let base = docs.get(self.sandbox, Collection::BaseConnection, self.base_connection_id);
        let base = base.ok_or("there is no such base connection")?;
        let place = Place::of(docs, self.sandbox);
        self.sdk.account_of(&place, base, self.entry)
    }

    fn customer_data(&self, given: &Json) -> Option<serde_json::Map<String, Json>> {
        self.sdk.unsealed(given).ok()?.as_object().cloned().or_else(|| Some(serde_json::Map::new()))
    }

    fn lookup<'l>(
        &self,
        key: &'l str,
        server: &'l ServerConfig,
        customer_data: &'l serde_json::Map<String, Json>,
        account: &'l Account,
    ) -> Lookup<'l> {
        Lookup { server_key: key, server, customer_data, account }
    }
}

/// The field at a dotted path.
fn field_at<'f>(fields: &'f [CustomerDataField], path: &str) -> Option<&'f CustomerDataField> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let field = fields.iter().find(|field| field.name == name)?;
    match rest {
        Some(rest) => field_at(field.properties(), rest),
        None => Some(field),
    }
}
