//! Keeps audiences and dataflows known at receivers that want to be told of them (destination-sdk.md §6).
//!
//! In: the flows of the newest plan, the audience templates of their destinations. Out: calls, and one
//! document per (dataflow, audience) with the id that the receiver gave. While there is none, the flow
//! does not export the audience: nothing leaves without its alias, and the first export holds all members.
//!
//! Always: a call that worked is written down before the next one of the same audience; one that did not
//! is repeated, later and later; what the last failure said is in the document.

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
use std::sync::Arc;
use tokio::sync::{Notify, mpsc, watch};

/// The first wait after a failure, and the longest.
const WAIT_MS: (i64, i64) = (5_000, 600_000);
/// After so many failures a receiver is no longer told what is gone: a day, at the longest wait.
const FAREWELLS_MAX: u32 = 150;
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

/// One thing to tell a receiver.
struct Job {
    sandbox: SandboxId,
    id: SmolStr,
    event: Event,
    template: Arc<AudienceTemplateConfig>,
    context: Context,
    account: Account,
    /// The document once it is told; none: it goes.
    next: Option<Json>,
    /// Whether the template's `validate` call goes first.
    validate: bool,
}

/// Watches plans and makes the calls.
pub(in crate::server) struct AudienceKeeper {
    engine: Arc<Engine>,
    sdk: Sdk,
    catalogs: Arc<Catalogs>,
    clock: Clock,
    notify: Notify,
    /// Per document: failures in a row, and when to try again.
    waits: Mutex<HashMap<(SandboxId, SmolStr), (u32, Timestamp)>>,
}

type Done = (SandboxId, SmolStr, Option<Json>, Result<Option<metadata::Answer>, CallError>);

impl AudienceKeeper {
    pub(in crate::server) fn new(engine: Arc<Engine>, sdk: Sdk, catalogs: Arc<Catalogs>, clock: Clock) -> AudienceKeeper {
        AudienceKeeper { engine, sdk, catalogs, clock, notify: Notify::new(), waits: Mutex::default() }
    }

    /// Something may have changed.
    pub(in crate::server) fn wake(&self) {
        self.notify.notify_one();
    }

    /// Makes calls until the server stops.
    pub(in crate::server) async fn run(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        let (done, mut ended) = mpsc::unbounded_channel::<Done>();
        let mut running: HashSet<(SandboxId, SmolStr)> = HashSet::new();
        loop {
            let current = self.engine.control().current();
            let now = self.clock.now();
            for job in self.due(&current, now) {
                let key = (job.sandbox, job.id.clone());
                if running.len() >= CALLS_MAX || !running.insert(key) {
                    continue;
                }
                let (line, done) = (self.sdk.line().clone(), done.clone());
                tokio::spawn(async move {
                    let result = tell(&job, &line).await;
                    // No listener: the server stops.
                    let _ = done.send((job.sandbox, job.id, job.next, result));
                });
            }
            let next = self.waits.lock().values().map(|(_, at)| *at).filter(|at| *at > now).min();
            tokio::select! {
                () = stop(&mut stopped) => return,
                Some((sandbox, id, next, result)) = ended.recv() => {
                    running.remove(&(sandbox, id.clone()));
                    self.note(sandbox, id, next, result).await;
                }
                () = self.notify.notified() => {}
                () = self.clock.sleep_until(next.unwrap_or_default()), if next.is_some() => {}
            }
        }
    }

    /// What is to be told now.
    fn due(&self, current: &Current, now: Timestamp) -> Vec<Job> {
        let docs = &current.docs;
        let mut jobs = Vec::new();
        for sandbox in access::sandboxes(docs) {
            let place = Place::of(docs, sandbox.id);
            let mut wanted: HashSet<SmolStr> = HashSet::new();
            let catalog = self.catalogs.get(docs, sandbox.id);
            for flow in flows::compile(docs, sandbox.id, &catalog.flows) {
                let flows::Target::Sdk(target) = &flow.target else { continue };
                let Some(entry) = catalog.entry(&target.connection_spec_id) else { continue };
                if entry.audience_template.is_none() {
                    continue;
                }
                wanted.insert(doc_id(&flow.id, ""));
                wanted.extend(flow.audiences.iter().map(|m| doc_id(&flow.id, &m.audience_id)));
                if flow.enabled {
                    match self.flow_jobs(&place, entry, &flow, target) {
                        Ok(more) => jobs.extend(more),
                        Err(reason) => tracing::warn!(flow = %flow.id, reason, "the receiver cannot be told"),
                    }
                }
            }
            jobs.extend(self.farewells(&place, &catalog, &wanted));
        }
        let waits = self.waits.lock();
        jobs.retain(|job| waits.get(&(job.sandbox, job.id.clone())).is_none_or(|(_, at)| *at <= now));
        jobs
    }

    /// What a flow has to tell: of itself first, then of its audiences.
    fn flow_jobs(
        &self,
        place: &Place<'_>,
        entry: &authoring::CatalogEntry,
        flow: &FlowSpec,
        target: &SdkTarget,
    ) -> Result<Vec<Job>, String> {
        let prepared = self.sdk.prepared(entry)?;
        let Some(template) = prepared.audience_template.clone() else { return Ok(Vec::new()) };
        let account = self.sdk.account(place, &AccountOf::of(target), &prepared)?.account.clone();
        let keepsake = json!({
            "connectionSpecId": target.connection_spec_id.as_str(),
            "baseConnectionId": target.base_connection_id.as_str(),
            "authName": target.auth_name.as_str(),
            "account": target.account,
            "customerData": target.customer_data,
        });
        let context = self.context(place, entry, &prepared.config.name, &target.customer_data)?;
        let known = |id: &SmolStr| place.docs.get(place.sandbox, Collection::AudienceAlias, id);
        let told = |body: &Json| body["told"] == true;
        let own = doc_id(&flow.id, "");
        let job = |id: SmolStr, event: Event, context: Context, next: Json| Job {
            sandbox: place.sandbox,
            id,
            event,
            template: template.clone(),
            context,
            account: account.clone(),
            next: Some(next),
            validate: false,
        };
        let next = json!({ "told": true, "updated": target.updated_ms, "target": keepsake });
        match known(&own) {
            Some(doc) if told(&doc.body) => {
                if doc.body["updated"] != next["updated"] || doc.body["target"] != next["target"] {
                    return Ok(vec![job(own, Event::UpdateDestination, context, next)]);
                }
            }
            _ => {
                let first = Job { validate: true, ..job(own, Event::CreateDestination, context, next) };
                return Ok(vec![first]);
            }
        }
        let mut jobs = Vec::new();
        for mapped in &flow.audiences {
            let Some(audience) = place.docs.get(place.sandbox, Collection::Audience, &mapped.audience_id) else { continue };
            let id = doc_id(&flow.id, &mapped.audience_id);
            let (name, description) = (audience.body["name"].clone(), audience.body["description"].clone());
            let before = known(&id).filter(|doc| told(&doc.body));
            let alias = before.map_or(Json::Null, |doc| doc.body["alias"].clone());
            let next = json!({
                "told": true, "flowId": flow.id.as_str(), "audienceId": mapped.audience_id.as_str(),
                "alias": alias, "name": name, "description": description, "target": keepsake,
                "sinceN": before.map_or(Json::Null, |doc| doc.body["sinceN"].clone()),
            });
            let context = Context { segment: Some(segment(&mapped.audience_id, &next)), ..context.clone() };
            match before {
                None => jobs.push(job(id, Event::Create, context, next)),
                Some(doc) if doc.body["name"] != name || doc.body["description"] != description => {
                    jobs.push(job(id, Event::Update, context, next));
                }
                Some(_) => {}
            }
        }
        Ok(jobs)
    }

    /// What is no longer mapped, or whose flow is gone.
    fn farewells(&self, place: &Place<'_>, catalog: &authoring::Catalog, wanted: &HashSet<SmolStr>) -> Vec<Job> {
        let docs = place.docs.iter(place.sandbox, Collection::AudienceAlias);
        let gone: Vec<_> = docs.filter(|doc| !wanted.contains(&doc.id)).collect();
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
            let entry = catalog.entry(kept["connectionSpecId"].as_str().unwrap_or_default());
            let ready = entry.and_then(|entry| {
                let prepared = self.sdk.prepared(entry).ok()?;
                let template = prepared.audience_template.clone()?;
                let account = self.sdk.account(place, &kept_account(kept, entry), &prepared).ok()?.account.clone();
                let context = self.context(place, entry, &prepared.config.name, &kept["customerData"]).ok()?;
                Some((template, account, context))
            });
            let Some((template, account, mut context)) = ready.filter(|_| doc.body["told"] == true) else {
                // Nobody is left to be told.
                self.forget(place.sandbox, doc.id.clone());
                return None;
            };
            if !audience.is_empty() {
                context.segment = Some(segment(&audience, &doc.body));
            }
            let (sandbox, id) = (place.sandbox, doc.id.clone());
            Some(Job { sandbox, id, event, template, context, account, next: None, validate: false })
        })
        .collect()
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

    fn forget(&self, sandbox: SandboxId, id: SmolStr) {
        let engine = self.engine.clone();
        tokio::spawn(async move {
            let change = DocChange::delete(sandbox, Collection::AudienceAlias, id, "audience-keeper");
            // A failure leaves the document; it is met again with the next plan.
            let _ = engine.control().change(|_| Ok::<_, String>((vec![change], ()))).await;
        });
    }

    /// Writes down how a call ended.
    async fn note(
        &self,
        sandbox: SandboxId,
        id: SmolStr,
        next: Option<Json>,
        result: Result<Option<metadata::Answer>, CallError>,
    ) {
        let key = (sandbox, id.clone());
        let error = match &result {
            Ok(_) => {
                self.waits.lock().remove(&key);
                None
            }
            Err(error) => {
                let mut waits = self.waits.lock();
                let failures = waits.get(&key).map_or(0, |(n, _)| *n);
                let wait = (WAIT_MS.0 << failures.min(10)).min(WAIT_MS.1).max(error.retry_after_ms.unwrap_or(0));
                tracing::warn!(id = %id, error = error.message, "the receiver was told in vain");
                if next.is_none() && failures + 1 >= FAREWELLS_MAX {
                    waits.remove(&key);
                    tracing::error!(id = %id, "the receiver is no longer told that this is gone");
                    None
                } else {
                    waits.insert(key, (failures + 1, Timestamp(self.clock.now().0.saturating_add(wait))));
                    Some(error.message.clone())
                }
            }
        };
        let alias = result.ok().flatten().and_then(|answer| answer.external_audience_id().map(str::to_owned));
        let changed = self.engine.control().change(|docs| {
            let known = docs.get(sandbox, Collection::AudienceAlias, &id);
            let body = match (error, next) {
                (Some(error), _) => {
                    let mut body = known.map_or(json!({ "told": false }), |doc| doc.body.clone());
                    if body["error"] == error.as_str() {
                        return Ok::<_, String>((Vec::new(), ()));
                    }
                    body["error"] = error.into();
                    Some(body)
                }
                (None, None) => None,
                (None, Some(mut body)) => {
                    if let Some(alias) = alias {
                        body["alias"] = alias.into();
                    }
                    if body["sinceN"].is_null() && body.get("audienceId").is_some() {
                        body["sinceN"] = (docs.n + 1).into();
                    }
                    Some(body)
                }
            };
            let kind = Collection::AudienceAlias;
            let change = match body {
                Some(body) => DocChange::put(sandbox, kind, id.clone(), body, "audience-keeper"),
                None => DocChange::delete(sandbox, kind, id.clone(), "audience-keeper"),
            };
            Ok((vec![change], ()))
        });
        if changed.await.is_err() {
            tracing::error!(id = %id, "what a receiver answered cannot be written down");
        }
    }
}

async fn stop(stopped: &mut watch::Receiver<bool>) {
    // An error means that the server is gone: stop as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Validates if asked to, then makes the call.
async fn tell(job: &Job, line: &Line) -> Result<Option<metadata::Answer>, CallError> {
    if job.validate {
        metadata::call(&job.template, Event::Validate, &job.context, &job.account, line).await?;
    }
    metadata::call(&job.template, job.event, &job.context, &job.account, line).await
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

/// The account of a flow that is gone.
fn kept_account(kept: &Json, entry: &authoring::CatalogEntry) -> AccountOf {
    let text = |name: &str| SmolStr::new(kept[name].as_str().unwrap_or_default());
    AccountOf {
        connection_spec_id: entry.connection_spec_id.clone(),
        version: entry.version.clone(),
        base_connection_id: text("baseConnectionId"),
        auth_name: text("authName"),
        sealed: kept["account"].clone(),
    }
}
