//! The test of a destination instance (destination-sdk.md §2.12): profiles go through the flow's mapping,
//! grouping and templates to the receiver at once, and what was said and answered is shown.
//!
//! Always: the outbox and the ledger are not touched; the authorization is not shown (B.33).

use super::{Place, Sdk};
use api::ApiError;
use authoring::Catalogs;
use delivery::{Call, Delivery, Trial};
use destination::message::{GroupKey, Request, SourceProfile};
use engine::Engine;
use model::{Caller, SandboxId};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// Runs profiles in the source schema through a flow; sample profiles when none are given.
pub(in crate::server) async fn try_instance(
    engine: Arc<Engine>,
    sdk: Sdk,
    catalogs: Arc<Catalogs>,
    delivery: Arc<Delivery>,
    (sandbox, flow_id, profiles): (SandboxId, String, Option<Vec<Json>>),
) -> Result<Json, ApiError> {
    let current = engine.control().current();
    let docs = &current.docs;
    let catalog = catalogs.get(docs, sandbox);
    let refused = |detail: String| ApiError::problem(400, "about:blank", "BadRequestError", &detail);
    let unknown = || {
        let detail = format!("there is no destination instance {flow_id}");
        ApiError::problem(404, "about:blank", "NotFoundError", &detail)
    };
    let specs = flows::compile(docs, sandbox, &catalog.flows);
    let flow = specs.iter().find(|flow| flow.id == flow_id).ok_or_else(unknown)?;
    let flows::Target::Sdk(target) = &flow.target else {
        return Err(refused(format!("{flow_id} does not lead to an authored destination")));
    };
    let plan = current.plan.sandboxes.get(&sandbox).and_then(|p| p.flows.iter().find(|f| f.no == flow.no));
    let plan = plan.ok_or_else(unknown)?;
    let place = Place::of(docs, sandbox);
    let batching = sdk.batching(&place, &catalog, flow, target, plan).map_err(refused)?;
    let profiles = match profiles {
        Some(profiles) => profiles,
        None => samples(&current.docs, &place, &catalog, &flow_id, &sdk)?,
    };
    let mut sources = Vec::with_capacity(profiles.len());
    for (at, profile) in profiles.iter().enumerate() {
        let source = SourceProfile::from_json(profile).map_err(|fault| refused(format!("profiles[{at}]: {fault}")))?;
        sources.push(batching.instance.target(&source));
    }
    let trials = delivery.try_batching(batching, &sources, access::fresh).await;
    let results: Vec<Json> = trials.iter().map(|trial| shown(trial, &flow_id)).collect();
    Ok(json!({ "results": results, "inputProfiles": profiles }))
}

fn samples(
    docs: &model::DocSet,
    place: &Place<'_>,
    catalog: &authoring::Catalog,
    flow_id: &str,
    sdk: &Sdk,
) -> Result<Vec<Json>, ApiError> {
    let caller = Caller {
        org: &place.org,
        tenant: "",
        sandbox: place.sandbox,
        sandbox_name: &place.sandbox_name,
        client: "instance-test",
        now: sdk.line().wire.clock().now(),
        fresh: &access::fresh,
    };
    let asked = [("destinationInstanceId".to_owned(), flow_id.to_owned())];
    let samples = authoring::trial::sample_profiles(docs, &caller, catalog, &asked).map_err(|error| {
        ApiError::problem(400, "about:blank", "BadRequestError", &error.to_string())
    })?;
    Ok(samples.as_array().cloned().unwrap_or_default())
}

fn shown(trial: &Trial, flow_id: &str) -> Json {
    json!({
        "aggregationKey": key(&trial.group, flow_id),
        "httpCalls": trial.calls.iter().map(call).collect::<Vec<_>>(),
    })
}

/// With the namespaces in a list of lists, as this endpoint shows them (B.25).
fn key(group: &GroupKey, flow_id: &str) -> Json {
    let mut key = json!({ "destinationInstanceId": flow_id });
    if let Some((namespace, id)) = &group.segment {
        key["segmentId"] = id.as_str().into();
        key["segmentNamespace"] = namespace.as_str().into();
    }
    if let Some(status) = group.status {
        key["segmentStatus"] = status.as_str().into();
    }
    if let Some(namespaces) = &group.identity_namespaces {
        key["identityNamespaces"] = json!([namespaces.iter().map(model::SmolStr::as_str).collect::<Vec<_>>()]);
    }
    key
}

fn call(call: &Call) -> Json {
    let response = match &call.answer {
        Ok(answer) => json!({
            "body": String::from_utf8_lossy(&answer.body),
            "code": answer.status.as_str(),
            "headers": answer
                .headers
                .iter()
                .map(|(name, value)| json!({ name.as_str(): String::from_utf8_lossy(value.as_bytes()) }))
                .collect::<Vec<_>>(),
        }),
        Err(reason) => json!({ "error": reason }),
    };
    let trace_id = uuid(access::fresh());
    json!({ "traceId": trace_id, "request": call.request.as_ref().map(request), "response": response })
}

fn request(request: &Request) -> Json {
    let shown = |name: &str| !name.eq_ignore_ascii_case("authorization");
    let headers = request.headers.iter().filter(|(name, _)| shown(name));
    json!({
        "body": request.body.as_deref().unwrap_or_default(),
        "headers": headers.map(|(name, value)| json!({ name.as_str(): value })).collect::<Vec<_>>(),
        "method": request.method,
        "uri": request.url,
    })
}

fn uuid(bytes: [u8; 16]) -> String {
    let fresh = move || bytes;
    let caller = Caller {
        org: "",
        tenant: "",
        sandbox: SandboxId(0),
        sandbox_name: "",
        client: "",
        now: model::Timestamp(0),
        fresh: &fresh,
    };
    caller.uuid().to_string()
}
