//! Joins engine and delivery: waiting exports become messages, outcomes become log entries, flows
//! become destinations with their secrets unsealed.

use access::Keyring;
use activation::{FlowPlan, Names};
use delivery::{Auth, CredentialStyle, Delivery, Destination, Export, ExportKey, Outbox, Outcome, RetryPolicy, Secret};
use engine::{Current, Engine, SandboxPlan, Waiting};
use model::{AudienceNo, FlowNo, NamespaceId, PartitionNo, SmolStr};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The engine's outbox as delivery sees it.
pub(super) struct EngineOutbox {
    engine: Arc<Engine>,
}

impl EngineOutbox {
    pub(super) fn new(engine: Arc<Engine>) -> EngineOutbox {
        EngineOutbox { engine }
    }

    fn flow(&self, no: FlowNo) -> Option<(Arc<SandboxPlan>, Arc<FlowPlan>)> {
        let current = self.engine.control().current();
        current
            .plan
            .sandboxes
            .values()
            .find_map(|plan| plan.flows.iter().find(|f| f.no == no).map(|flow| (plan.clone(), flow.clone())))
    }
}

struct PlanNames<'a>(&'a SandboxPlan);

impl Names for PlanNames<'_> {
    fn audience(&self, no: AudienceNo) -> Option<SmolStr> {
        self.0.audiences.by_no(no).map(|a| a.id.clone())
    }
    fn namespace(&self, id: NamespaceId) -> SmolStr {
        self.0.namespaces.code(id)
    }
}

impl EngineOutbox {
    /// Reads until the store answers: to delivery, an empty answer would mean "withdrawn".
    fn read(&self, flow: FlowNo, partition: PartitionNo, after_seq: u64, limit: usize) -> Vec<Waiting> {
        loop {
            match self.engine.waiting(flow, partition, after_seq, limit) {
                Ok(waiting) => return waiting,
                Err(_) if self.engine.is_stopping() => return Vec::new(),
                Err(error) => tracing::error!(%error, "the outbox cannot be read yet"),
            }
            std::thread::park_timeout(Duration::from_secs(1));
        }
    }
}

impl Outbox for EngineOutbox {
    fn fetch(&self, flow: FlowNo, partition: PartitionNo, after_seq: u64, limit: usize) -> Vec<Export> {
        let Some((plan, flow_plan)) = self.flow(flow) else { return Vec::new() };
        self.read(flow, partition, after_seq, limit)
            .into_iter()
            .map(|w| Export {
                key: ExportKey { flow, partition, seq: w.seq },
                profile: w.export.profile,
                created: w.export.at,
                idempotency_key: idempotency_key(flow, partition, w.seq),
                body: activation::payload(&w.export, &flow_plan, &PlanNames(&plan)),
                identities: u32::try_from(w.export.identities.len()).unwrap_or(u32::MAX),
                lineage: w.export.lineage,
            })
            .collect()
    }

    fn report(&self, outcomes: Vec<(ExportKey, Outcome)>) {
        let outcomes: Vec<_> = outcomes
            .into_iter()
            .map(|(key, outcome)| {
                let outcome = match outcome {
                    Outcome::Delivered { .. } => engine::Outcome::Delivered,
                    Outcome::Dead { reason, attempts } => engine::Outcome::Dead { reason: reason.into(), attempts },
                };
                (key.flow, key.partition, key.seq, outcome)
            })
            .collect();
        // An outcome that never gets into the log would leave its export waiting until the next start,
        // and be delivered again then: worth waiting for as long as the disk is full.
        for attempt in 0u64.. {
            match self.engine.report(outcomes.clone()) {
                Ok(()) => return,
                Err(_) if self.engine.is_stopping() => return,
                Err(error) if attempt % 50 == 0 => tracing::error!(%error, "outcomes cannot be logged yet"),
                Err(_) => {}
            }
            std::thread::park_timeout(Duration::from_millis(100));
        }
    }

    fn partitions(&self) -> u16 {
        self.engine.partitions()
    }
}

/// Derived from the place in the log and the flow, so that a replay makes the same one.
fn idempotency_key(flow: FlowNo, partition: PartitionNo, seq: u64) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(flow.0.to_be_bytes());
    hash.update(partition.0.to_be_bytes());
    hash.update(seq.to_be_bytes());
    let mut key = [0; 16];
    key.copy_from_slice(&hash.finalize()[..16]);
    key
}

/// Keeps delivery's destinations equal to the enabled flows.
pub(super) struct Destinations {
    keyring: Arc<Keyring>,
    delivery: Arc<Delivery>,
    retry_aep: bool,
    known: Mutex<HashMap<FlowNo, flows::HttpDestination>>,
}

impl Destinations {
    pub(super) fn new(keyring: Arc<Keyring>, delivery: Arc<Delivery>, retry_aep: bool) -> Destinations {
        Destinations { keyring, delivery, retry_aep, known: Mutex::default() }
    }

    /// Takes over what changed.
    pub(super) fn apply(&self, current: &Current) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wanted = HashMap::new();
        for sandbox in current.plan.sandboxes.keys() {
            let specs = flows::compile(&current.docs, *sandbox);
            wanted.extend(specs.into_iter().filter(|f| f.enabled).map(|f| (f.no, f.destination)));
        }
        for flow in known.keys().filter(|f| !wanted.contains_key(f)) {
            self.delivery.set_destination(*flow, None);
        }
        for (flow, spec) in &wanted {
            if known.get(flow) == Some(spec) {
                continue;
            }
            match self.destination(spec) {
                Ok(destination) => self.delivery.set_destination(*flow, Some(Arc::new(destination))),
                Err(reason) => {
                    tracing::error!(flow = flow.0, reason, "a flow cannot deliver");
                    self.delivery.set_destination(*flow, None);
                }
            }
        }
        *known = wanted;
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
