//! Authored destinations in a running server: their accounts, their flows, their audiences at the receiver.
//!
//! In: compiled flows and the catalog. Out: what delivery needs to send ([`delivery::Batching`]).
//!
//! Always: one set of tokens per account, whatever flows use it; secrets are unsealed here and go no
//! further than into requests.

mod accounts;
mod audiences;
mod logins;
mod lookups;
mod trial;

pub(super) use accounts::Accounts;
pub(super) use audiences::{AudienceKeeper, known_since};
pub(super) use logins::{ConnectionLogins, LoggedIn};
pub(super) use lookups::live_list;
pub(super) use trial::try_instance;

use accounts::AccountOf;

use access::Keyring;
use activation::FlowPlan;
use authoring::{Catalog, CatalogEntry};
use delivery::Batching;
use destination::config::{AudienceTemplateConfig, AuthenticationRule, CredentialConfig, DestinationConfig, MappingId};
use destination::message::{Aliases, Design, Instance, MappedAudience, Setup};
use flows::{FlowSpec, SdkTarget};
use model::{Doc, DocSet, SandboxId, SmolStr};
use partner::{Account, Line};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// A destination of the catalog with its secrets in the open, ready to be used.
pub(super) struct Prepared {
    pub(super) design: Arc<Design>,
    pub(super) config: Arc<DestinationConfig>,
    pub(super) audience_template: Option<Arc<AudienceTemplateConfig>>,
    credentials: BTreeMap<SmolStr, Arc<CredentialConfig>>,
}

/// Makes authored destinations usable. Clones share everything.
#[derive(Clone)]
pub(super) struct Sdk(Arc<Parts>);

struct Parts {
    keyring: Arc<Keyring>,
    accounts: Accounts,
    line: Line,
    /// By connection spec: the version that was prepared last.
    prepared: Mutex<HashMap<SmolStr, (SmolStr, Arc<Prepared>)>>,
}

/// Where a flow belongs.
pub(super) struct Place<'a> {
    pub(super) docs: &'a DocSet,
    pub(super) sandbox: SandboxId,
    pub(super) sandbox_name: String,
    pub(super) org: String,
}

impl<'a> Place<'a> {
    pub(super) fn of(docs: &'a DocSet, sandbox: SandboxId) -> Place<'a> {
        let name = access::sandboxes(docs).find(|s| s.id == sandbox).map(|s| s.name.to_string());
        let org = access::organisation(docs).map(|o| o.org_id.to_string());
        Place { docs, sandbox, sandbox_name: name.unwrap_or_default(), org: org.unwrap_or_default() }
    }
}

impl Sdk {
    pub(super) fn new(keyring: Arc<Keyring>, accounts: Accounts, line: Line) -> Sdk {
        Sdk(Arc::new(Parts { keyring, accounts, line, prepared: Mutex::default() }))
    }

    fn accounts(&self) -> &Accounts {
        &self.0.accounts
    }

    pub(super) fn line(&self) -> &Line {
        &self.0.line
    }

    /// The destination of an entry with its secrets in the open.
    pub(super) fn prepared(&self, entry: &CatalogEntry) -> Result<Arc<Prepared>, String> {
        let mut prepared = self.0.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, found)) = prepared.get(&entry.connection_spec_id).filter(|(v, _)| *v == entry.version) {
            return Ok(found.clone());
        }
        let made = Arc::new(self.prepare(entry)?);
        prepared.insert(entry.connection_spec_id.clone(), (entry.version.clone(), made.clone()));
        Ok(made)
    }

    fn prepare(&self, entry: &CatalogEntry) -> Result<Prepared, String> {
        let config = match entry.secrets_sealed {
            true => Arc::new(reread(&self.unsealed(&entry.config.json)?, DestinationConfig::parse)?),
            false => entry.config.clone(),
        };
        let mut credentials = BTreeMap::new();
        for (id, credential) in &entry.credentials {
            let open = match entry.secrets_sealed {
                true => Arc::new(reread(&self.unsealed(&credential.json)?, CredentialConfig::parse)?),
                false => credential.clone(),
            };
            credentials.insert(id.clone(), open);
        }
        let design = Design::new(&config, &entry.server).map_err(|faults| sentence(&faults))?;
        Ok(Prepared {
            design: Arc::new(design),
            config,
            audience_template: entry.audience_template.clone(),
            credentials,
        })
    }

    /// The same with every sealed text in the open.
    pub(super) fn unsealed(&self, json: &Json) -> Result<Json, String> {
        Ok(match json {
            Json::String(text) if Keyring::is_sealed(text) => {
                let plain = self.0.keyring.unseal(text).map_err(|e| format!("a stored secret: {e}"))?;
                Json::String(plain.reveal().to_owned())
            }
            Json::Array(items) => Json::Array(items.iter().map(|i| self.unsealed(i)).collect::<Result<_, _>>()?),
            Json::Object(fields) => {
                let open = |(name, value): (&String, &Json)| Ok::<_, String>((name.clone(), self.unsealed(value)?));
                Json::Object(fields.iter().map(open).collect::<Result<_, _>>()?)
            }
            other => other.clone(),
        })
    }

    /// What delivery needs for a flow.
    pub(super) fn batching(
        &self,
        place: &Place<'_>,
        catalog: &Catalog,
        flow: &FlowSpec,
        target: &SdkTarget,
        plan: &FlowPlan,
    ) -> Result<Batching, String> {
        let entry = catalog.entry(&target.connection_spec_id).ok_or("the destination has left the catalog")?;
        let prepared = self.prepared(entry)?;
        if prepared.config.schema.identity_required
            && target.mapping.identities.is_empty()
            && !plan.audiences.is_empty()
        {
            return Err("the destination takes none of the identities that the flow maps; map one that it takes".into());
        }
        let account = self.account(place, &AccountOf::of(target), &prepared)?;
        let customer_data = self.unsealed(&target.customer_data)?;
        let facts = json!({
            "name": prepared.config.name,
            "id": entry.destination_id.as_str(),
            "imsOrgId": place.org.as_str(),
            "sandboxName": place.sandbox_name.as_str(),
        });
        let aliases = Aliases::new(plan.audiences.iter().map(|m| MappedAudience {
            namespace: OWN_AUDIENCES,
            id: m.id.clone(),
            name: m.name.clone(),
            alias: alias(place, flow, target, &prepared, m),
            partner_name: None,
            created_at: m.created,
            updated_at: m.updated,
            mapping_created_at: m.mapping_created,
            mapping_updated_at: m.mapping_updated,
        }));
        let setup = Setup {
            id: flow.id.clone(),
            customer_data: &customer_data,
            auth_data: &Json::Null,
            mapping: target.mapping.clone(),
            aliases,
            facts: &facts,
        };
        let mut batching = Batching::new(Instance::new(prepared.design.clone(), setup), account);
        batching.retry_aep = target.retry == flows::Retry::Aep;
        batching.concurrency_max = usize::from(target.max_concurrency);
        Ok(batching)
    }

    /// The account that a flow's requests are let in with.
    fn account(
        &self,
        place: &Place<'_>,
        account: &AccountOf,
        prepared: &Prepared,
    ) -> Result<Arc<accounts::Door>, String> {
        let delivery = prepared.config.deliveries.first().ok_or("the destination delivers nowhere")?;
        let account = match delivery.authentication_rule {
            AuthenticationRule::None => Account::None,
            AuthenticationRule::Platform => prepared.platform_account(delivery.authentication_id.as_deref())?,
            AuthenticationRule::Customer => self.0.accounts.get(place, account, &prepared.config, self)?,
        };
        Ok(Arc::new(accounts::Door::new(account, self.0.line.clone())))
    }

    /// The platform's account, for calls that are no exports.
    fn platform_account(&self, entry: &CatalogEntry) -> Result<Account, String> {
        let prepared = self.prepared(entry)?;
        let mut ids = prepared.config.deliveries.iter().filter_map(|delivery| delivery.authentication_id.as_deref());
        prepared.platform_account(ids.next())
    }

    /// The customer's account of a base connection, for calls that are no exports. Only of a connection to this
    /// destination: what is kept for one receiver is never sent to another.
    fn account_of(&self, place: &Place<'_>, base: &Doc, entry: &CatalogEntry) -> Result<Account, String> {
        check_base(base, &entry.connection_spec_id)?;
        let prepared = self.prepared(entry)?;
        let auth = &base.body["auth"];
        let of = AccountOf {
            connection_spec_id: entry.connection_spec_id.clone(),
            version: entry.version.clone(),
            base_connection_id: base.id.clone(),
            auth_name: SmolStr::new(auth["specName"].as_str().unwrap_or_default()),
            sealed: auth["params"].clone(),
        };
        self.0.accounts.get(place, &of, &prepared.config, self)
    }
}

impl Prepared {
    /// The account of a credential of the platform.
    fn platform_account(&self, id: Option<&str>) -> Result<Account, String> {
        let credential = id.and_then(|id| self.credentials.get(id)).ok_or("the platform's credential is gone")?;
        Account::platform(credential).map_err(|failure| failure.message)
    }
}

/// Refuses a base connection to another destination.
fn check_base(base: &Doc, connection_spec_id: &str) -> Result<(), String> {
    match base.body["connectionSpec"]["id"].as_str() {
        Some(of) if of == connection_spec_id => Ok(()),
        _ => Err(format!("base connection {} is of another destination than {connection_spec_id}", base.id)),
    }
}

/// Namespace of the audiences that are evaluated here.
const OWN_AUDIENCES: SmolStr = SmolStr::new_static("ups");

/// What the receiver calls an audience (destination-sdk.md §3.9).
fn alias(
    place: &Place<'_>,
    flow: &FlowSpec,
    target: &SdkTarget,
    prepared: &Prepared,
    audience: &activation::MappedAudience,
) -> Option<SmolStr> {
    if prepared.audience_template.is_some()
        && let Some(known) = audiences::known_alias(place.docs, place.sandbox, &flow.id, &audience.id)
    {
        return Some(known);
    }
    match prepared.config.segment_mapping.by {
        Some(MappingId::SegmentName) => Some(audience.name.clone()),
        Some(MappingId::UserInput) => {
            target.mapping_ids.iter().find(|(id, _)| *id == audience.id).map(|(_, alias)| alias.clone())
        }
        Some(MappingId::SegmentId) | None => None,
    }
}

fn reread<T>(json: &Json, parse: fn(&Json) -> Result<T, Vec<destination::config::Fault>>) -> Result<T, String> {
    parse(json).map_err(|faults| sentence(&faults))
}

fn sentence(faults: &[destination::config::Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Collection, DocChange, Timestamp};

    #[test]
    fn an_account_is_for_its_own_destination_only() {
        let base = |body: Json| {
            let mut docs = DocSet::default();
            let put = DocChange::put(SandboxId(1), Collection::BaseConnection, "b", body, "me");
            docs.apply(1, Timestamp(0), &put);
            docs.get(SandboxId(1), Collection::BaseConnection, "b").expect("it was put").clone()
        };
        assert!(check_base(&base(json!({ "connectionSpec": { "id": "one" } })), "one").is_ok());
        for other in [json!({ "connectionSpec": { "id": "two" } }), json!({})] {
            assert!(check_base(&base(other), "one").is_err_and(|error| error.contains("another destination")));
        }
    }
}
