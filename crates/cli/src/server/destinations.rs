//! Keeps delivery's destinations equal to the enabled flows.
//!
//! In: the newest documents and plan. Out: destinations with their secrets unsealed. Always: a flow whose
//! destination has not changed is not touched; one that cannot deliver is disabled there and logged.

use super::sdk::{Place, Sdk};
use access::Keyring;
use authoring::Catalogs;
use delivery::{Auth, CredentialStyle, Delivery, Destination, RetryPolicy, Secret};
use destination::message::MappedAudience;
use engine::Current;
use flows::{FlowSpec, SdkTarget, Target};
use model::{FlowNo, SandboxId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Keeps delivery's destinations equal to the enabled flows.
pub(super) struct Destinations {
    keyring: Arc<Keyring>,
    delivery: Arc<Delivery>,
    retry_aep: bool,
    catalogs: Arc<Catalogs>,
    sdk: Sdk,
    known: Mutex<HashMap<FlowNo, Known>>,
}

/// What a flow delivers to at present.
#[derive(PartialEq)]
enum Known {
    Http(flows::HttpDestination),
    Sdk(Box<(SdkTarget, Vec<MappedAudience>)>),
}

impl Destinations {
    pub(super) fn new(
        keyring: Arc<Keyring>,
        delivery: Arc<Delivery>,
        retry_aep: bool,
        catalogs: Arc<Catalogs>,
        sdk: Sdk,
    ) -> Destinations {
        Destinations { keyring, delivery, retry_aep, catalogs, sdk, known: Mutex::default() }
    }

    /// Somebody logged in for a base connection: what waits for that is tried at once.
    pub(super) fn logged_in(&self, base_connection_id: &str) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for (flow, held) in known.iter() {
            if matches!(held, Known::Sdk(held) if held.0.base_connection_id == base_connection_id) {
                self.delivery.hurry(*flow);
            }
        }
    }

    /// Takes over what changed.
    pub(super) fn apply(&self, current: &Current) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *known);
        for sandbox in current.plan.sandboxes.keys() {
            let catalog = self.catalogs.get(&current.docs, *sandbox);
            for spec in flows::compile(&current.docs, *sandbox, &catalog.flows).into_iter().filter(|f| f.enabled) {
                let held = before.remove(&spec.no);
                match self.update(current, *sandbox, &catalog, &spec, held.as_ref()) {
                    Ok(now) => drop(known.insert(spec.no, now)),
                    Err(reason) => {
                        tracing::error!(flow = %spec.id, reason, "a flow cannot deliver");
                        before.extend(held.map(|held| (spec.no, held)));
                    }
                }
            }
        }
        for (flow, held) in before {
            match held {
                Known::Http(_) => self.delivery.set_destination(flow, None),
                Known::Sdk(_) => self.delivery.set_batching(flow, None),
            }
        }
    }

    fn update(
        &self,
        current: &Current,
        sandbox: SandboxId,
        catalog: &authoring::Catalog,
        spec: &FlowSpec,
        held: Option<&Known>,
    ) -> Result<Known, String> {
        let now = match &spec.target {
            Target::Http(http) => {
                let now = Known::Http(http.clone());
                if held != Some(&now) {
                    self.delivery.set_destination(spec.no, Some(Arc::new(self.destination(http)?)));
                }
                now
            }
            Target::Sdk(target) => {
                let plan = current.plan.sandboxes.get(&sandbox).and_then(|p| p.flows.iter().find(|f| f.no == spec.no));
                let plan = plan.ok_or("the flow is not in the plan")?;
                let place = Place::of(&current.docs, sandbox);
                let mut batching = self.sdk.batching(&place, catalog, spec, target, plan)?;
                batching.retry_aep |= self.retry_aep;
                let now = Known::Sdk(Box::new(((**target).clone(), batching.instance.aliases().audiences().to_vec())));
                if held != Some(&now) {
                    self.delivery.set_batching(spec.no, Some(batching));
                }
                now
            }
        };
        Ok(now)
    }

    fn destination(&self, spec: &flows::HttpDestination) -> Result<Destination, String> {
        let url = |text: &str| delivery::Url::parse(text).map_err(|e| format!("a URL: {e}"));
        let secret = |sealed: &str| {
            let plain = self.keyring.unseal(sealed).map_err(|e| e.to_string())?;
            Ok::<_, String>(Secret::from(plain.reveal().to_owned()))
        };
        let mut destination = Destination::new(url(&spec.endpoint)?);
        destination.headers = spec.headers.iter().map(|(n, v)| (n.to_string(), Secret::from(v.to_string()))).collect();
        destination.auth = match &spec.auth {
            flows::Auth::None => Auth::None,
            flows::Auth::Bearer { token_sealed } => Auth::Bearer(secret(token_sealed)?),
            flows::Auth::ClientCredentials { token_url, client_id, client_secret_sealed, form } => {
                Auth::ClientCredentials {
                    token_url: url(token_url)?,
                    client_id: client_id.clone(),
                    client_secret: secret(client_secret_sealed)?,
                    style: match form {
                        flows::ClientCredentialsForm::Body => CredentialStyle::Body,
                        flows::ClientCredentialsForm::Basic => CredentialStyle::Basic,
                    },
                }
            }
            flows::Auth::Password { token_url, client_id, client_secret_sealed, username, password_sealed } => {
                Auth::Password {
                    token_url: url(token_url)?,
                    client_id: client_id.clone(),
                    client_secret: secret(client_secret_sealed)?,
                    username: username.clone(),
                    password: secret(password_sealed)?,
                }
            }
        };
        destination.retry = match spec.retry {
            flows::Retry::Aep => RetryPolicy::Aep,
            flows::Retry::Default if self.retry_aep => RetryPolicy::Aep,
            flows::Retry::Default => RetryPolicy::Default,
        };
        destination.concurrency_max = usize::from(spec.max_concurrency);
        Ok(destination)
    }
}
