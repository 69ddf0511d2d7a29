//! Keeps audiences and dataflows known at receivers that want to be told of them (destination-sdk.md §6).
//!
//! In: the flows of the newest plan, the audience templates of their destinations. Out: calls, and one
//! document per (dataflow, audience) with the id that the receiver gave. While there is none, the flow
//! does not export the audience: nothing leaves without its alias, and the first export holds all members.
//!
//! Always: a call that worked is written down before the next one of the same audience, and is not made
//! again for want of that; one that did not is repeated, later and later, or, where waiting does not help,
//! once something of it has changed; what the last failure said is in the document. What was told is
//! forgotten without a call only when the destination has left the catalog and no flow leads to it.

use super::accounts::AccountOf;
use super::{OWN_AUDIENCES, Place, Sdk};
use authoring::Catalogs;
use clock::Clock;
use destination::config::{AudienceTemplateConfig, Event};
use engine::{Current, Engine};
use flows::{FlowSpec, SdkTarget};
use model::{Collection, DocChange, DocSet, SandboxId, SmolStr, Timestamp};
use parking_lot::Mutex;
use partner::metadata::{self, CallError, Context, DestinationFacts, Segment};
use partner::{Account, Line};
use serde_json::{Value as Json, json};
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// The first wait after a failure, and the longest.
const WAIT_MS: (i64, i64) = (5_000, 600_000);
/// After so many failures a receiver is no longer told what is gone: a day, at the longest wait.
const FAREWELLS_MAX: u32 = 150;
/// How long a call that waiting does not mend is held while nothing of it changes.
const HOLD_MS: i64 = 86_400_000;
/// And how long after the receiver refused: a quota may have room again.
const REFUSED_MS: i64 = 3_600_000;
/// The first wait before an outcome that could not be written is written again, and the longest.
const WRITE_WAIT: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// How long running calls may take when the server stops; less than the server waits for them.
const DRAIN: Duration = Duration::from_millis(4_500);
/// Calls under way at the same time.
const CALLS_MAX: usize = 8;

/// The id of the document of an audience of a dataflow; of the dataflow itself with an empty audience.
fn doc_id(flow: &str, audience: &str) -> SmolStr {
    SmolStr::new(format!("{flow}/{audience}"))
}

/// What the receiver calls an audience, once it was told.
pub(super) fn known_alias(docs: &DocSet, sandbox: SandboxId, flow: &str, audience: &str) -> Option<SmolStr> {
    let doc = docs.get(sandbox, Collection::AudienceAlias, &doc_id(flow, audience))?;
    doc.body["alias"].as_str().map(SmolStr::new)
}

/// Since which control position an audience may be exported by a flow; none while the receiver has to be
/// told of it first.
pub(in crate::server) fn known_since(
    docs: &DocSet,
    sandbox: SandboxId,
    template: Option<&AudienceTemplateConfig>,
    flow: &str,
    audience: &str,
) -> Option<u64> {
    if template.is_none_or(|template| !template.events.contains_key(&Event::Create)) {
        return Some(0);
    }
    let doc = docs.get(sandbox, Collection::AudienceAlias, &doc_id(flow, audience))?;
    doc.body["sinceN"].as_u64()
}

/// A document: what was told of one audience, or of one dataflow.
type Key = (SandboxId, SmolStr);

/// One thing to tell a receiver.
struct Job {
    sandbox: SandboxId,
    id: SmolStr,
    event: Event,
    /// Or why the call cannot be made now.
    call: Result<Call, String>,
    /// The document once it is told; none: it goes.
    next: Option<Json>,
    /// Whether the template's `validate` call goes first.
    validate: bool,
    /// Names the state of all that the call is made from.
    fingerprint: u64,
}

impl Job {
    fn key(&self) -> Key {
        (self.sandbox, self.id.clone())
    }
}

/// What a call is made with.
#[derive(Clone)]
struct Call {
    template: Arc<AudienceTemplateConfig>,
    context: Context,
    account: Account,
}

/// A call that failed and is to be made again.
struct Wait {
    event: Event,
    /// Failures of this event in a row.
    failures: u32,
    at: Timestamp,
    /// Of a call that waiting does not mend: the state that it failed in.
    held: Option<u64>,
}

/// Watches plans and makes the calls.
pub(in crate::server) struct AudienceKeeper {
    engine: Arc<Engine>,
    sdk: Sdk,
    catalogs: Arc<Catalogs>,
    clock: Clock,
    notify: Notify,
    /// Per document: what failed, and when to try again.
    waits: Mutex<HashMap<Key, Wait>>,
}

impl AudienceKeeper {
    pub(in crate::server) fn new(
        engine: Arc<Engine>,
        sdk: Sdk,
        catalogs: Arc<Catalogs>,
        clock: Clock,
    ) -> AudienceKeeper {
        AudienceKeeper { engine, sdk, catalogs, clock, notify: Notify::new(), waits: Mutex::default() }
    }

    /// Something may have changed.
    pub(in crate::server) fn wake(&self) {
        self.notify.notify_one();
    }

    /// Makes calls until the server stops; those under way then are carried to their end, if that is soon.
    pub(in crate::server) async fn run(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        let mut calls: JoinSet<()> = JoinSet::new();
        let mut running: HashMap<tokio::task::Id, Key> = HashMap::new();
        while !*stopped.borrow() {
            let current = self.engine.control().current();
            for job in self.due(&current, self.clock.now()) {
                let key = job.key();
                if running.len() >= CALLS_MAX || running.values().any(|under_way| *under_way == key) {
                    continue;
                }
                let keeper = self.clone();
                let call = calls.spawn(async move {
                    let result = tell(&job, keeper.sdk.line()).await;
                    keeper.note(job, result).await;
                });
                running.insert(call.id(), key);
            }
            let now = self.clock.now();
            let next = self.waits.lock().values().map(|wait| wait.at).filter(|at| *at > now).min();
            tokio::select! {
                () = stop(&mut stopped) => break,
                Some(ended) = calls.join_next_with_id() => match ended {
                    Ok((id, ())) => {
                        running.remove(&id);
                    }
                    // Its outcome is unknown: it stays where it is, and is not made again before the next start.
                    Err(broken) => tracing::error!(%broken, "a call to a receiver broke off"),
                },
                () = self.notify.notified() => {}
                () = self.clock.sleep_until(next.unwrap_or_default()), if next.is_some() => {}
            }
        }
        let drained = tokio::time::timeout(DRAIN, async { while calls.join_next().await.is_some() {} });
        if drained.await.is_err() {
            tracing::warn!(calls = calls.len(), "some receivers did not answer in time; they are told again");
        }
    }

    /// What is to be told now.
    fn due(&self, current: &Current, now: Timestamp) -> Vec<Job> {
        let docs = &current.docs;
        let mut jobs = Vec::new();
        for sandbox in access::sandboxes(docs) {
            let place = Place::of(docs, sandbox.id);
            let catalog = self.catalogs.get(docs, sandbox.id);
            for flow in flows::compile(docs, sandbox.id, &catalog.flows) {
                let flows::Target::Sdk(target) = &flow.target else { continue };
                let Some(entry) = catalog.entry(&target.connection_spec_id) else { continue };
                if flow.enabled && entry.audience_template.is_some() {
                    jobs.extend(self.flow_jobs(&place, entry, &flow, target));
                }
            }
            jobs.extend(self.farewells(&place, &catalog));
        }
        let mut waits = self.waits.lock();
        // What is no longer to be told, or has become another event, begins anew.
        let events: HashMap<Key, Event> = jobs.iter().map(|job| (job.key(), job.event)).collect();
        waits.retain(|key, wait| events.get(key) == Some(&wait.event));
        jobs.retain(|job| {
            let due = |wait: &Wait| wait.at <= now || wait.held.is_some_and(|of| of != job.fingerprint);
            waits.get(&job.key()).is_none_or(due)
        });
        jobs
    }

    /// What a flow has to tell: of itself first, then of its audiences.
    fn flow_jobs(
        &self,
        place: &Place<'_>,
        entry: &authoring::CatalogEntry,
        flow: &FlowSpec,
        target: &SdkTarget,
    ) -> Vec<Job> {
        let keepsake = json!({
            "connectionSpecId": target.connection_spec_id.as_str(),
            "baseConnectionId": target.base_connection_id.as_str(),
            "authName": target.auth_name.as_str(),
            "account": target.account,
            "customerData": target.customer_data,
        });
        let account = AccountOf::of(target);
        let call = self.call(place, entry, &account, &target.customer_data);
        let known = |id: &SmolStr| place.docs.get(place.sandbox, Collection::AudienceAlias, id);
        let told = |body: &Json| body["told"] == true;
        let own = doc_id(&flow.id, "");
        let job = |id: SmolStr, event: Event, call: Result<Call, String>, next: Json| Job {
            sandbox: place.sandbox,
            id,
            event,
            fingerprint: fingerprint(entry, &account, &call, &next),
            call,
            next: Some(next),
            validate: false,
        };
        let next = json!({ "told": true, "updated": target.updated_ms, "target": keepsake });
        match known(&own) {
            Some(doc) if told(&doc.body) => {
                if doc.body["updated"] != next["updated"] || doc.body["target"] != next["target"] {
                    return vec![job(own, Event::UpdateDestination, call, next)];
                }
            }
            _ => {
                return vec![Job { validate: true, ..job(own, Event::CreateDestination, call, next) }];
            }
        }
        let mut jobs = Vec::new();
        for mapped in &flow.audiences {
            let Some(audience) = place.docs.get(place.sandbox, Collection::Audience, &mapped.audience_id) else {
                continue;
            };
            let id = doc_id(&flow.id, &mapped.audience_id);
            let (name, description) = (audience.body["name"].clone(), audience.body["description"].clone());
            let before = known(&id).filter(|doc| told(&doc.body));
            let alias = before.map_or(Json::Null, |doc| doc.body["alias"].clone());
            let next = json!({
                "told": true, "flowId": flow.id.as_str(), "audienceId": mapped.audience_id.as_str(),
                "alias": alias, "name": name, "description": description, "target": keepsake,
                "sinceN": before.map_or(Json::Null, |doc| doc.body["sinceN"].clone()),
            });
            let call = call.clone().map(|call| call.of(segment(&mapped.audience_id, &next)));
            match before {
                None => jobs.push(job(id, Event::Create, call, next)),
                Some(doc) if doc.body["name"] != name || doc.body["description"] != description => {
                    jobs.push(job(id, Event::Update, call, next));
                }
                Some(_) => {}
            }
        }
        jobs
    }

    /// What is no longer mapped, or whose flow is gone.
    fn farewells(&self, place: &Place<'_>, catalog: &authoring::Catalog) -> Vec<Job> {
        let docs = place.docs.iter(place.sandbox, Collection::AudienceAlias);
        let named = Named::of(place);
        let gone: Vec<_> = docs.filter(|doc| !named.told.contains(&doc.id)).collect();
        let names = |id: &SmolStr| id.split_once('/').map(|(flow, audience)| (flow.to_owned(), audience.to_owned()));
        let with_audiences: HashSet<String> = gone
            .iter()
            .filter_map(|doc| names(&doc.id).filter(|(_, audience)| !audience.is_empty()))
            .map(|(flow, _)| flow)
            .collect();
        let due = gone.into_iter().filter_map(|doc| {
            let (flow, audience) = names(&doc.id)?;
            // The dataflow goes after its audiences.
            let waits = audience.is_empty() && with_audiences.contains(&flow);
            (!waits).then_some((doc, flow, audience))
        });
        due.filter_map(|(doc, flow, audience)| {
            let event = if audience.is_empty() { Event::DeleteDestination } else { Event::Delete };
            // What is written down with the dataflow is newer than what the audience began with.
            let own = place.docs.get(place.sandbox, Collection::AudienceAlias, &doc_id(&flow, ""));
            let own = own.map(|own| &own.body["target"]).filter(|target| target.is_object());
            let kept = own.unwrap_or(&doc.body["target"]);
            let (sandbox, id) = (place.sandbox, doc.id.clone());
            if doc.body["told"] != true {
                // The receiver never heard of it.
                self.forget(sandbox, id, false);
                return None;
            }
            let spec = kept["connectionSpecId"].as_str().unwrap_or_default();
            let Some(entry) = catalog.entry(spec) else {
                if !named.specs.contains(spec) && !named.told.contains(&doc_id(&flow, "")) {
                    // Nobody is left to be told.
                    self.forget(sandbox, id, true);
                }
                return None;
            };
            let account = kept_account(place, kept, entry);
            let mut call = self.call(place, entry, &account, &kept["customerData"]);
            if !audience.is_empty() {
                call = call.map(|call| call.of(segment(&audience, &doc.body)));
            }
            let fingerprint = fingerprint(entry, &account, &call, kept);
            Some(Job { sandbox, id, event, call, next: None, validate: false, fingerprint })
        })
        .collect()
    }

    /// What the calls of a flow are made with, or why they cannot be made.
    fn call(
        &self,
        place: &Place<'_>,
        entry: &authoring::CatalogEntry,
        account: &AccountOf,
        customer_data: &Json,
    ) -> Result<Call, String> {
        let prepared = self.sdk.prepared(entry)?;
        let template = prepared.audience_template.clone().ok_or("the destination has no audience template now")?;
        let account = self.sdk.account(place, account, &prepared)?.account.clone();
        let context = self.context(place, entry, &prepared.config.name, customer_data)?;
        Ok(Call { template, context, account })
    }

    fn context(
        &self,
        place: &Place<'_>,
        entry: &authoring::CatalogEntry,
        name: &str,
        customer_data: &Json,
    ) -> Result<Context, String> {
        Ok(Context {
            segment: None,
            customer_data: self.sdk.unsealed(customer_data)?.as_object().cloned().unwrap_or_default(),
            destination: DestinationFacts {
                name: name.to_owned(),
                id: entry.destination_id.to_string(),
                ims_org_id: place.org.clone(),
                sandbox_name: place.sandbox_name.clone(),
                enrichment_attributes: Json::Null,
            },
            segment_enrichment_attributes: Json::Null,
        })
    }

    fn forget(&self, sandbox: SandboxId, id: SmolStr, untold: bool) {
        let engine = self.engine.clone();
        tokio::spawn(async move {
            let change = DocChange::delete(sandbox, Collection::AudienceAlias, id.clone(), "audience-keeper");
            // A failure leaves the document; it is met again with the next plan.
            let forgotten = engine.control().change(|_| Ok::<_, String>((vec![change], ()))).await.is_ok();
            if untold && forgotten {
                tracing::warn!(id = %id, "forgotten without telling the receiver: its destination is gone");
            }
        });
    }

    /// Writes down how a call ended; what cannot be written is written again until it is.
    #[expect(clippy::disallowed_methods, reason = "a real disk is tried again after real time")]
    async fn note(&self, job: Job, result: Result<Option<metadata::Answer>, CallError>) {
        let wait = match &result {
            // What the receiver no longer has needs no farewell.
            Err(CallError { status: Some(404 | 410), .. }) if job.next.is_none() => None,
            Ok(_) => None,
            Err(error) => self.wait_after(&job, error),
        };
        let outcome = Outcome {
            error: result.as_ref().err().filter(|_| wait.is_some()).map(|error| error.message.clone()),
            alias: result.ok().flatten().and_then(|answer| answer.external_audience_id().map(str::to_owned)),
        };
        let mut again = WRITE_WAIT.0;
        loop {
            let changed = self.engine.control().change(|docs| {
                let change = outcome.written(docs, &job);
                Ok::<_, String>((change.into_iter().collect(), ()))
            });
            if changed.await.is_ok() {
                break;
            }
            tracing::error!(id = %job.id, "what a receiver answered cannot be written down; it is tried again");
            tokio::time::sleep(again).await;
            again = (again * 2).min(WRITE_WAIT.1);
        }
        let mut waits = self.waits.lock();
        match wait {
            Some(wait) => waits.insert(job.key(), wait),
            None => waits.remove(&job.key()),
        };
    }

    /// When a call that failed is made again; none if it never is.
    fn wait_after(&self, job: &Job, error: &CallError) -> Option<Wait> {
        tracing::warn!(id = %job.id, error = error.message, "the receiver was told in vain");
        let (before, held_before) = {
            let waits = self.waits.lock();
            let wait = waits.get(&job.key()).filter(|wait| wait.event == job.event);
            (wait.map_or(0, |wait| wait.failures), wait.and_then(|wait| wait.held) == Some(job.fingerprint))
        };
        // Who could not even be called is not given up.
        let failures = if job.call.is_ok() { before + 1 } else { (before + 1).min(10) };
        if job.next.is_none() && (failures >= FAREWELLS_MAX || (!error.retry && held_before)) {
            tracing::error!(id = %job.id, "the receiver is no longer told that this is gone");
            return None;
        }
        let wait = match error.status {
            _ if error.retry => (WAIT_MS.0 << before.min(10)).min(WAIT_MS.1),
            // It did what it was told and gave no id: telling it again makes one more.
            Some(200..300) => HOLD_MS,
            _ => REFUSED_MS,
        };
        let wait = wait.max(error.retry_after_ms.unwrap_or(0));
        let at = Timestamp(self.clock.now().0.saturating_add(wait));
        Some(Wait { event: job.event, failures, at, held: (!error.retry).then_some(job.fingerprint) })
    }
}

/// How a call ended, as it is written down.
struct Outcome {
    /// Why it is to be made again.
    error: Option<String>,
    /// The id that the receiver gave.
    alias: Option<String>,
}

impl Outcome {
    /// The change that writes it; none if it is written already.
    fn written(&self, docs: &DocSet, job: &Job) -> Option<DocChange> {
        let (sandbox, kind, id) = (job.sandbox, Collection::AudienceAlias, job.id.clone());
        let put = |body: Json| Some(DocChange::put(sandbox, kind, id.clone(), body, "audience-keeper"));
        if let Some(error) = &self.error {
            let known = docs.get(sandbox, kind, &id);
            let mut body = known.map_or(json!({ "told": false }), |doc| doc.body.clone());
            if body["error"] == error.as_str() {
                return None;
            }
            body["error"] = error.as_str().into();
            return put(body);
        }
        let Some(mut body) = job.next.clone() else {
            return Some(DocChange::delete(sandbox, kind, id, "audience-keeper"));
        };
        if let Some(alias) = &self.alias {
            body["alias"] = alias.as_str().into();
        }
        if body["sinceN"].is_null() && body.get("audienceId").is_some() {
            body["sinceN"] = (docs.n + 1).into();
        }
        put(body)
    }
}

/// What the flows of a sandbox name, whether they can be compiled now or not.
struct Named {
    /// Ids of the documents of flows, and of their audiences.
    told: HashSet<SmolStr>,
    /// Connection specs that flows lead to.
    specs: HashSet<SmolStr>,
}

impl Named {
    fn of(place: &Place<'_>) -> Named {
        let mut named = Named { told: HashSet::new(), specs: HashSet::new() };
        for flow in place.docs.iter(place.sandbox, Collection::Flow) {
            named.told.insert(doc_id(&flow.id, ""));
            let selectors = &flow.body["transformations"][0]["params"]["segmentSelectors"]["selectors"];
            let mapped = selectors.as_array().into_iter().flatten().filter_map(|s| s["value"]["id"].as_str());
            named.told.extend(mapped.map(|audience| doc_id(&flow.id, audience)));
            let target = flow.body["targetConnectionIds"][0].as_str();
            let target = target.and_then(|id| place.docs.get(place.sandbox, Collection::TargetConnection, id));
            named.specs.extend(target.and_then(|t| t.body["connectionSpec"]["id"].as_str()).map(SmolStr::new));
        }
        named
    }
}

impl Call {
    fn of(self, segment: Segment) -> Call {
        Call { context: Context { segment: Some(segment), ..self.context }, ..self }
    }
}

/// Names the state of what a call is made from: the destination, the account and its logins, what is told.
fn fingerprint(entry: &authoring::CatalogEntry, account: &AccountOf, call: &Result<Call, String>, told: &Json) -> u64 {
    let mut hasher = DefaultHasher::new();
    entry.version.hash(&mut hasher);
    account.sealed.to_string().hash(&mut hasher);
    told.to_string().hash(&mut hasher);
    match call {
        Ok(Call { account: Account::OAuth2(tokens), .. }) => tokens.replaced().hash(&mut hasher),
        Ok(_) => {}
        Err(reason) => reason.hash(&mut hasher),
    }
    hasher.finish()
}

async fn stop(stopped: &mut watch::Receiver<bool>) {
    // An error means that the server is gone: stop as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Validates if asked to, then makes the call.
async fn tell(job: &Job, line: &Line) -> Result<Option<metadata::Answer>, CallError> {
    let unready =
        |reason: &String| CallError { message: reason.clone(), retry: true, status: None, retry_after_ms: None };
    let Call { template, context, account } = job.call.as_ref().map_err(unready)?;
    if job.validate {
        metadata::call(template, Event::Validate, context, account, line).await?;
    }
    metadata::call(template, job.event, context, account, line).await
}

fn segment(id: &str, body: &Json) -> Segment {
    Segment {
        id: id.to_owned(),
        name: body["name"].as_str().unwrap_or_default().to_owned(),
        alias: body["alias"].as_str().map(str::to_owned),
        description: body["description"].as_str().map(str::to_owned),
        metadata: serde_json::Map::from_iter([("namespace".to_owned(), OWN_AUDIENCES.as_str().into())]),
    }
}

/// The account of a flow that is gone: as its base connection has it now, else as it was kept.
fn kept_account(place: &Place<'_>, kept: &Json, entry: &authoring::CatalogEntry) -> AccountOf {
    let text = |name: &str| SmolStr::new(kept[name].as_str().unwrap_or_default());
    let base = place.docs.get(place.sandbox, Collection::BaseConnection, &text("baseConnectionId"));
    AccountOf {
        connection_spec_id: entry.connection_spec_id.clone(),
        version: entry.version.clone(),
        base_connection_id: text("baseConnectionId"),
        auth_name: text("authName"),
        sealed: base.map_or(&kept["account"], |base| &base.body["auth"]["params"]).clone(),
    }
}
