//! The operator's own paths, `/rivermouth/…`: what the command line asks a running server.
//!
//! Authorised by the admin token in the data directory, never by an API client.

use crate::app::App;
use crate::error::{ApiError, respond};
use crate::gateway::{JsonBody, bad_request, text};
use authoring::publishing::Verdict;
use axum::Router;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::{get, post};
use engine::{ChangeError, Ledger};
use model::{Collection, Doc, DocSet, FlowNo, Identity, PartitionNo, SandboxId, SmolStr};
use serde_json::{Value as Json, json};

/// Rows listed at once.
const LIST_MAX: usize = 10_000;

pub(super) fn routes(manual_clock: bool) -> Router<App> {
    let router = Router::new()
        .route("/rivermouth/status", get(status))
        .route("/rivermouth/backlog", get(backlog))
        .route("/rivermouth/clients", get(list_clients).post(create_client))
        .route("/rivermouth/clients/{id}", axum::routing::delete(revoke_client))
        .route("/rivermouth/clients/{id}/rotate", post(rotate_client))
        .route("/rivermouth/flows", get(flows_status))
        .route("/rivermouth/dead-letters", get(dead_letters))
        .route("/rivermouth/dead-letters/replay", post(replay_dead_letters))
        .route("/rivermouth/quarantine", get(quarantine))
        .route("/rivermouth/quarantine/replay", post(replay_quarantine))
        .route("/rivermouth/profiles", get(show_profile))
        .route("/rivermouth/authoring/reviews", get(list_reviews))
        .route("/rivermouth/authoring/reviews/{id}/approve", post(approve_review))
        .route("/rivermouth/authoring/reviews/{id}/deny", post(deny_review))
        .route("/rivermouth/backup", post(backup));
    if manual_clock { router.route("/rivermouth/clock", post(advance_clock)) } else { router }
}

/// Proof of the admin token.
pub(super) struct Operator;

impl FromRequestParts<App> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Operator, ApiError> {
        let token = text(&parts.headers, "authorization").and_then(|v| v.strip_prefix("Bearer "));
        match token {
            Some(token) if app.keyring.is_admin(token.trim()) => Ok(Operator),
            _ => Err(ApiError::problem(
                401,
                "about:blank",
                "Unauthorized",
                "the admin token of the data directory is needed",
            )),
        }
    }
}

pub(super) fn ok(body: &Json) -> Response {
    respond(200, body, &[], "application/json")
}

fn failed(error: engine::Error) -> ApiError {
    ApiError::unavailable(&error)
}

async fn list_reviews(State(app): State<App>, _: Operator) -> Response {
    ok(&super::authoring::reviews(&app.current().docs))
}

async fn approve_review(State(app): State<App>, _: Operator, Path(id): Path<String>) -> Result<Response, ApiError> {
    super::authoring::review(&app, &id, Verdict::Approve).await
}

async fn deny_review(State(app): State<App>, _: Operator, Path(id): Path<String>) -> Result<Response, ApiError> {
    super::authoring::review(&app, &id, Verdict::Deny).await
}

async fn status(State(app): State<App>, _: Operator) -> Result<Response, ApiError> {
    let census = app.engine.census().map_err(failed)?;
    let current = app.current();
    let stock = census.stock.values().fold((0, 0), |sum, s| (sum.0 + s.profiles, sum.1 + s.events));
    let mut audiences = serde_json::Map::new();
    for plan in current.plan.sandboxes.values() {
        for audience in plan.audiences.iter() {
            let members = census.members.of(audience.no);
            audiences.insert(audience.id.to_string(), json!({ "name": audience.name.as_str(), "members": members }));
        }
    }
    let plan_in_force = app.engine.plan_in_force().map_err(failed)?;
    Ok(ok(&json!({
        "now": app.clock.now().to_string(),
        "ready": app.engine.is_ready(),
        "backlog": app.engine.backlog_entries(),
        "profiles": stock.0,
        "events": stock.1,
        "audiences": audiences,
        "planInForce": plan_in_force,
        "planNewest": current.plan.n,
        "storeBytes": app.engine.store().metrics().disk_bytes,
        "logBytes": app.engine.log().bytes(),
    })))
}

/// What of the status can be asked often: it costs nothing, however much there is.
async fn backlog(State(app): State<App>, _: Operator) -> Response {
    ok(&json!({ "ready": app.engine.is_ready(), "backlog": app.engine.backlog_entries() }))
}

async fn list_clients(State(app): State<App>, _: Operator) -> Response {
    let current = app.current();
    let clients: Vec<Json> = access::clients(&current.docs)
        .map(|c| json!({ "client_id": c.id.as_str(), "name": c.name.as_str(), "scopes": c.scopes.iter().map(SmolStr::as_str).collect::<Vec<_>>() }))
        .collect();
    ok(&json!({ "clients": clients }))
}

async fn create_client(State(app): State<App>, _: Operator, JsonBody(body): JsonBody) -> Result<Response, ApiError> {
    let name = body.get("name").and_then(Json::as_str).unwrap_or("API client").to_owned();
    change_clients(&app, |docs| {
        let org = access::organisation(docs).map(|o| o.org_id).unwrap_or_default();
        let (change, credentials) = access::create(&app.keyring, &access::fresh, &org, &name, None, "operator")?;
        Ok((vec![change], credentials.to_json()))
    })
    .await
}

async fn rotate_client(State(app): State<App>, _: Operator, Path(id): Path<String>) -> Result<Response, ApiError> {
    change_clients(&app, |docs| {
        let (change, credentials) = access::rotate(&app.keyring, docs, &access::fresh, &id, "operator")?;
        Ok((vec![change], credentials.to_json()))
    })
    .await
}

async fn revoke_client(State(app): State<App>, _: Operator, Path(id): Path<String>) -> Result<Response, ApiError> {
    change_clients(&app, |docs| Ok((vec![access::revoke(docs, &id, "operator")?], json!({ "client_id": id })))).await
}

async fn change_clients(
    app: &App,
    decide: impl FnOnce(&model::DocSet) -> Result<(Vec<model::DocChange>, Json), access::ClientError>,
) -> Result<Response, ApiError> {
    app.engine.control().change(decide).await.map(|body| ok(&body)).map_err(|e| match e {
        ChangeError::Refused(e) => bad_request(&e.to_string()),
        ChangeError::Failed(e) => failed(e),
    })
}

/// All flows, or the one that the query names.
fn chosen_flows(
    app: &App,
    query: &[(String, String)],
) -> Result<Vec<(SandboxId, std::sync::Arc<activation::FlowPlan>)>, ApiError> {
    let wanted = query.iter().find(|(name, _)| name == "flow").map(|(_, id)| id.as_str());
    let current = app.current();
    let all = current.plan.sandboxes.iter().flat_map(|(s, plan)| plan.flows.iter().map(|f| (*s, f.clone())));
    let flows: Vec<_> = all.filter(|(_, f)| wanted.is_none_or(|id| f.id == id)).collect();
    match wanted {
        Some(id) if flows.is_empty() => {
            Err(ApiError::problem(404, "about:blank", "NotFoundError", &format!("there is no flow {id:?}")))
        }
        _ => Ok(flows),
    }
}

/// A ledger as operators read it.
pub(crate) fn ledger_json(ledger: &Ledger) -> Json {
    let filtered: serde_json::Map<String, Json> = activation::Filtered::ALL
        .iter()
        .zip(ledger.filtered)
        .filter(|(_, n)| *n > 0)
        .map(|(reason, n)| (reason.as_str().to_owned(), json!(n)))
        .collect();
    json!({
        "received": ledger.received, "exported": ledger.exported, "filtered": filtered,
        "waiting": ledger.waiting, "dead": ledger.dead, "balanced": ledger.is_balanced(),
    })
}

async fn flows_status(
    State(app): State<App>,
    _: Operator,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    let metrics = app.delivery.metrics();
    let mut flows = Vec::new();
    let docs = &app.current().docs;
    for (sandbox, flow) in chosen_flows(&app, &query)? {
        let ledger = app.engine.ledger(flow.no).map_err(failed)?;
        let live = metrics.iter().find(|m| m.flow == flow.no);
        let quantile = |q| live.and_then(|m| m.latency_ms.quantile(q));
        flows.push(json!({
            "id": flow.id.as_str(), "name": flow.name.as_str(), "enabled": flow.enabled,
            "audiences": flow.audiences.len(), "ledger": ledger_json(&ledger),
            "latencyMs": { "p50": quantile(0.5), "p99": quantile(0.99) },
            "circuitOpen": live.is_some_and(|m| m.circuit_open),
            "inFlight": live.map_or(0, |m| m.in_flight),
            "lastFailure": live.and_then(|m| m.last_failure.as_ref()).map(|(at, reason)| {
                json!({ "at": at.to_string(), "reason": reason })
            }),
            "notTold": not_told(docs, sandbox, &flow.id),
        }));
    }
    Ok(ok(&json!({ "flows": flows })))
}

/// What the destination of a flow could not be told of: audiences that it is not exported to for that, or the flow
/// itself (without an audience), each with what the last call came to (destination-sdk.md §7.4).
fn not_told(docs: &DocSet, sandbox: SandboxId, flow: &str) -> Vec<Json> {
    let of_flow = |doc: &Doc| doc.id.split_once('/').filter(|(id, _)| *id == flow).map(|(_, a)| a.to_owned());
    let failed = docs.iter(sandbox, Collection::AudienceAlias).filter_map(|doc| {
        let audience = of_flow(doc)?;
        let error = doc.body["error"].as_str()?;
        let name = docs.get(sandbox, Collection::Audience, &audience).map(|doc| doc.body["name"].clone());
        Some(match audience.is_empty() {
            true => json!({ "error": error }),
            false => json!({ "audience": audience, "name": name, "error": error }),
        })
    });
    failed.collect()
}

async fn dead_letters(
    State(app): State<App>,
    _: Operator,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    let mut letters = Vec::new();
    let current = app.current();
    for (sandbox, flow) in chosen_flows(&app, &query)? {
        let namespaces = current.plan.sandboxes.get(&sandbox).map(|p| p.namespaces.clone()).unwrap_or_default();
        for (partition, seq, letter) in app.engine.dead_letters(flow.no, LIST_MAX).map_err(failed)? {
            let identities: Vec<Json> = letter
                .export
                .identities
                .iter()
                .map(|i| json!({ "namespace": namespaces.code(i.namespace).as_str(), "id": i.value.as_str() }))
                .collect();
            letters.push(json!({
                "id": format!("{partition}-{seq}"), "flow": flow.id.as_str(), "died": letter.died.to_string(),
                "attempts": letter.attempts, "reason": letter.reason.as_str(),
                "profile": letter.export.profile.to_string(), "identities": identities,
            }));
        }
    }
    Ok(ok(&json!({ "deadLetters": letters })))
}

async fn replay_dead_letters(
    State(app): State<App>,
    _: Operator,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let flow = body.get("flow").and_then(Json::as_str).map(|f| ("flow".to_owned(), f.to_owned()));
    let wanted = names(&body)?;
    let mut replayed = 0;
    for (_, flow) in chosen_flows(&app, flow.as_slice())? {
        let letters = app.engine.dead_letters(flow.no, LIST_MAX).map_err(failed)?;
        let chosen: Vec<(PartitionNo, u64)> = letters
            .into_iter()
            .map(|(partition, seq, _)| (partition, seq))
            .filter(|name| wanted.as_ref().is_none_or(|w| w.contains(name)))
            .collect();
        if !chosen.is_empty() && !flow.enabled {
            return Err(bad_request(&format!(
                "flow {} is disabled: enable it before its dead letters are replayed",
                flow.id
            )));
        }
        replayed += chosen.len();
        if !chosen.is_empty() {
            app.engine.replay_dead(flow.no, &chosen).await.map_err(failed)?;
        }
    }
    Ok(ok(&json!({ "replayed": replayed })))
}

/// The member `ids` (`["PARTITION-NUMBER"]`); absent means all.
fn names(body: &Json) -> Result<Option<Vec<(PartitionNo, u64)>>, ApiError> {
    let Some(ids) = body.get("ids") else { return Ok(None) };
    let parse = |id: &Json| {
        let (partition, number) = id.as_str()?.split_once('-')?;
        Some((PartitionNo(partition.parse().ok()?), number.parse().ok()?))
    };
    let ids = ids.as_array().ok_or_else(|| bad_request("ids must be an array"))?;
    ids.iter()
        .map(|id| parse(id).ok_or_else(|| bad_request(&format!("ids: {id} is not of the form PARTITION-NUMBER"))))
        .collect::<Result<Vec<_>, _>>()
        .map(Some)
}

async fn quarantine(State(app): State<App>, _: Operator) -> Result<Response, ApiError> {
    let mut records = Vec::new();
    let current = app.current();
    for (sandbox, plan) in &current.plan.sandboxes {
        for record in app.engine.quarantined(*sandbox, LIST_MAX).map_err(failed)? {
            let violations: Json = serde_json::from_slice(&record.violations).unwrap_or(Json::Null);
            records.push(json!({
                "id": format!("{}-{}", record.partition, record.number),
                "received": record.received.to_string(),
                "dataset": plan.dataset(record.dataset).map(|d| d.id.as_str()),
                "violations": violations,
            }));
        }
    }
    Ok(ok(&json!({ "quarantine": records })))
}

/// Ingests quarantined messages again; those that fit now leave the quarantine.
async fn replay_quarantine(
    State(app): State<App>,
    _: Operator,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let wanted = names(&body)?;
    let current = app.current();
    let org = access::organisation(&current.docs).map(|o| o.org_id).unwrap_or_default();
    let (mut replayed, mut refused) = (0, Vec::new());
    for (sandbox, plan) in &current.plan.sandboxes {
        let mut released = Vec::new();
        for record in app.engine.quarantined(*sandbox, LIST_MAX).map_err(failed)? {
            let name = (record.partition, record.number);
            if wanted.as_ref().is_some_and(|w| !w.contains(&name)) {
                continue;
            }
            let inlet = engine::InletPlan { connection: SmolStr::default(), authenticated: false };
            let inlet = ingest::Inlet { sandbox: *sandbox, plan, inlet: &inlet };
            match app.ingest.one(&inlet, &org, &record.message, true).await {
                Ok(_) => released.push(name),
                Err(fault) => refused.push(json!({
                    "id": format!("{}-{}", record.partition, record.number),
                    "message": fault.message,
                    "violations": serde_json::from_str::<Json>(&ingest::violations_json(&fault.violations)).unwrap_or(Json::Null),
                })),
            }
        }
        replayed += released.len();
        if !released.is_empty() {
            app.engine.release_quarantine(*sandbox, &released).await.map_err(failed)?;
        }
    }
    Ok(ok(&json!({ "replayed": replayed, "refused": refused })))
}

async fn show_profile(
    State(app): State<App>,
    _: Operator,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    let member = |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let sandbox_name = member("sandbox").unwrap_or("prod");
    let (Some(code), Some(id)) = (member("namespace"), member("id")) else {
        return Err(bad_request("namespace and id are needed"));
    };
    let current = app.current();
    let sandbox = access::sandbox(&current.docs, sandbox_name)
        .ok_or_else(|| bad_request(&format!("there is no sandbox {sandbox_name:?}")))?;
    let Some(plan) = current.plan.sandboxes.get(&sandbox.id) else {
        return Err(bad_request(&format!("sandbox {sandbox_name:?} has no plan")));
    };
    let namespace =
        plan.namespaces.id(code).ok_or_else(|| bad_request(&format!("there is no identity namespace {code:?}")))?;
    let identity = Identity { namespace, value: id.into() };
    let found = app.engine.profile_of(sandbox.id, &identity).map_err(failed)?;
    let found = found.ok_or_else(|| {
        ApiError::problem(404, "about:blank", "NotFoundError", &format!("no profile has {code} {id:?}"))
    })?;
    profile_json(&app, sandbox.id, plan, &found).map(|body| ok(&body))
}

fn profile_json(
    app: &App,
    sandbox: SandboxId,
    plan: &engine::SandboxPlan,
    found: &engine::StoredProfile,
) -> Result<Json, ApiError> {
    let profile = &found.profile;
    let events = app.engine.events(sandbox, found.id).map_err(failed)?;
    let attributes = plan.merge_policies.first().map(|policy| profile::attributes(profile, policy, None));
    let identities =
        profile::identity_map(profile.identities.iter().map(|k| &k.identity), &|n| plan.namespaces.code(n));
    let audiences: Vec<Json> = profile
        .memberships
        .iter()
        .filter_map(|(no, m)| {
            let audience = plan.audiences.by_no(no)?;
            Some(json!({ "id": audience.id.as_str(), "name": audience.name.as_str(), "status": m.status.as_str(), "since": m.since.to_string() }))
        })
        .collect();
    let events: Vec<Json> = events
        .iter()
        .map(|e| json!({ "_id": e.view.id.as_str(), "timestamp": e.view.timestamp.to_string(), "body": e.view.body.to_json() }))
        .collect();
    Ok(json!({
        "id": found.id.to_string(),
        "created": profile.created.to_string(),
        "modified": profile.modified.to_string(),
        "identityMap": identities.to_json(),
        "attributes": attributes.map(|a| a.to_json()),
        "audiences": audiences,
        "nextTimer": profile.timer.map(|t| t.to_string()),
        "events": events,
    }))
}

async fn backup(State(app): State<App>, _: Operator, JsonBody(body): JsonBody) -> Result<Response, ApiError> {
    let Some(to) = body.get("to").and_then(Json::as_str) else {
        return Err(bad_request("\"to\" must name a directory that does not exist yet"));
    };
    let to = std::path::PathBuf::from(to);
    let job = app.backup.clone();
    let result = tokio::task::spawn_blocking(move || job(&to)).await;
    match result {
        Ok(Ok(summary)) => Ok(ok(&summary)),
        Ok(Err(message)) => Err(bad_request(&message)),
        Err(e) => Err(ApiError::unavailable(&e)),
    }
}

/// `{"advance":"90 days"}` or `{"to":"2026-03-18T10:30:00Z"}`; only on a manual clock.
async fn advance_clock(State(app): State<App>, _: Operator, JsonBody(body): JsonBody) -> Result<Response, ApiError> {
    let moved = if let Some(text) = body.get("advance").and_then(Json::as_str) {
        let ms = parse_duration(text).ok_or_else(|| {
            bad_request(&format!("advance: {text:?} is not a number and a unit (ms, s, m, h, d), such as \"90d\""))
        })?;
        app.clock.advance(ms)
    } else if let Some(text) = body.get("to").and_then(Json::as_str) {
        let to = model::Timestamp::parse(text)
            .ok_or_else(|| bad_request(&format!("to: {text:?} is not an RFC 3339 date-time")))?;
        app.clock.advance_to(to)
    } else {
        return Err(bad_request("\"advance\" or \"to\" is needed"));
    };
    moved.map(|now| ok(&json!({ "now": now.to_string() }))).map_err(|e| bad_request(&e.to_string()))
}

fn parse_duration(text: &str) -> Option<i64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let unit_ms = match unit.trim().trim_end_matches('s') {
        "m" if unit.trim() == "ms" => 1,
        "millisecond" => 1,
        "" if unit.trim() == "s" => 1000,
        "sec" | "second" => 1000,
        "m" | "min" | "minute" => 60_000,
        "h" | "hour" => 3_600_000,
        "d" | "day" => 86_400_000,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit_ms)
}

/// The flow of a number, for metrics.
pub(crate) fn flow_id(app: &App, no: FlowNo) -> SmolStr {
    let current = app.current();
    let found =
        current.plan.sandboxes.keys().find_map(|sandbox| {
            current.docs.iter(*sandbox, Collection::Flow).find(|d| d.no == no.0).map(|d| d.id.clone())
        });
    found.unwrap_or_else(|| SmolStr::new(no.to_string()))
}

#[cfg(test)]
mod tests {
    use super::parse_duration;

    #[test]
    fn durations_have_a_unit() {
        for (text, ms) in
            [("90d", 7_776_000_000), ("1 day", 86_400_000), ("5 minutes", 300_000), ("20s", 20_000), ("7 ms", 7)]
        {
            assert_eq!(parse_duration(text), Some(ms), "{text}");
        }
        for text in ["", "5", "d", "-1d", "5 weeks", "9999999999999999d"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
