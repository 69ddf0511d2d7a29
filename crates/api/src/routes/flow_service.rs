//! Flow Service: `/data/foundation/flowservice` (activation.md §2).
//!
//! Bodies are read here, not by the gateway, so that an empty or broken one is refused in this
//! service's own error shape. Runs come from the hourly ledger of the engine.

use super::union_schema;
use crate::app::{App, LiveList};
use crate::error::{ApiError, respond};
use crate::gateway::{Requester, text};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequest, Path, Query as Pairs, Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use engine::Ledger;
use flows::{Decision, Lookups, Outside, Query, RunFigures};
use flows::{connections, dataflows, source_connections, target_connections};
use model::{Caller, Collection, DocSet, FlowNo, SandboxId, Type};
use segmentation::namespaces;
use serde_json::Value as Json;
use std::collections::HashMap;
use std::sync::Arc;

const HOUR_MS: i64 = 3_600_000;
/// Runs are shown for this long.
const RUNS_KEPT_MS: i64 = 90 * model::time::DAY_MS;

pub(super) fn routes() -> Router<App> {
    let at = |path: &str| format!("{}{path}", flows::BASE_PATH);
    Router::new()
        .route(&at("/connectionSpecs"), get(list_connection_specs).post(refuse_spec_write))
        .route(&at("/connectionSpecs/{id}"), get(get_connection_spec).put(refuse_spec_write))
        .route(&at("/flowSpecs"), get(list_flow_specs).post(refuse_spec_write))
        .route(&at("/flowSpecs/search"), post(search_flow_specs))
        .route(&at("/flowSpecs/{id}"), get(get_flow_spec).put(refuse_spec_write))
        .route(&at("/connections"), get(list_connections).post(create_connection))
        .route(&at("/connections/search"), post(search_connections))
        .route(&at("/connections/{id}"), get(get_connection).patch(patch_connection).delete(delete_connection))
        .route(&at("/sourceConnections"), get(list_sources).post(create_source))
        .route(&at("/sourceConnections/{id}"), get(get_source).patch(patch_source).delete(delete_source))
        .route(&at("/targetConnections"), get(list_targets).post(create_target))
        .route(&at("/targetConnections/{id}"), get(get_target).patch(patch_target).delete(delete_target))
        .route(&at("/flows"), get(list_flows).post(create_flow))
        .route(&at("/flows/search"), post(search_flows))
        .route(&at("/flows/{id}"), get(get_flow).patch(patch_flow).delete(delete_flow))
        .route(&at("/flows/{id}/action"), post(act_on_flow))
        .route(&at("/runs"), get(list_runs).post(refuse_run_create))
        .route(&at("/runs/{id}"), get(get_run).put(refuse_run_write))
        .route(&at("/runs/{id}/action"), post(refuse_run_action))
}

type Answer = Result<Response, ApiError>;
type Parameters = Pairs<Vec<(String, String)>>;

impl From<flows::Error> for ApiError {
    fn from(error: flows::Error) -> ApiError {
        ApiError::new(error.status(), error.body())
    }
}

/// A JSON body; an empty one is null.
struct Body(Json);

impl FromRequest<App> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Body, ApiError> {
        let bytes = Bytes::from_request(request, app).await;
        let bytes = bytes.map_err(|error| crate::gateway::bad_request(&error.body_text()))?;
        Ok(Body(flows::parse_body(&bytes)?))
    }
}

fn ok(body: &Json) -> Answer {
    Ok(respond(200, body, &[], "application/json"))
}

fn read(
    app: &App,
    requester: &Requester,
    f: impl FnOnce(&DocSet, &Caller<'_>, &Outside<'_>) -> flows::Result<Json>,
) -> Answer {
    let none = Live::default();
    ok(&app
        .read(requester, |docs, caller| with_outside(app, docs, caller, &none, |outside| f(docs, caller, outside)))?)
}

async fn decide(
    app: &App,
    requester: &Requester,
    f: impl FnOnce(&DocSet, &Caller<'_>, &Outside<'_>) -> flows::Result<Decision>,
) -> Answer {
    decide_with(app, requester, &Live::default(), f).await
}

async fn decide_with(
    app: &App,
    requester: &Requester,
    live: &Live,
    f: impl FnOnce(&DocSet, &Caller<'_>, &Outside<'_>) -> flows::Result<Decision>,
) -> Answer {
    let decide = |docs: &DocSet, caller: &Caller<'_>| {
        let decision = with_outside(app, docs, caller, live, |outside| f(docs, caller, outside))?;
        Ok::<_, flows::Error>((decision.changes, (decision.status, decision.body, decision.headers)))
    };
    let (status, body, headers) = app.change(requester, decide).await?;
    Ok(respond(status, &body, &headers, "application/json"))
}

fn with_outside<T>(app: &App, docs: &DocSet, caller: &Caller<'_>, live: &Live, f: impl FnOnce(&Outside<'_>) -> T) -> T {
    let hint = "the operator can allow it with --allow-targets or --allow-private-targets";
    f(&Outside {
        seal: &|secret| app.keyring.seal(secret),
        inlet_base: app.public_url.trim_end_matches('/'),
        reachable: &|url| app.egress.check_url(url).map_err(|reason| format!("{reason}; {hint}")),
        catalog: &app.catalogs.get(docs, caller.sandbox).flows,
        offered_values: &|field| live.values.get(field).cloned(),
    })
}

/// Lists of the receiving system, asked before a change is decided.
#[derive(Default)]
struct Live {
    /// By the path of the customer data field.
    values: HashMap<String, Vec<String>>,
    attributes: Option<Vec<String>>,
}

/// Asks for the values of every field with a dynamic list.
async fn live_values(app: &App, sandbox: SandboxId, spec: &str, base: &str, customer_data: &Json) -> Live {
    let catalog = app.catalogs.get(&app.current().docs, sandbox);
    let mut live = Live::default();
    let fields = catalog.flows.destination(spec).map(|destination| destination.dynamic_fields());
    for field in fields.unwrap_or_default() {
        let asked = LiveList::Values {
            sandbox,
            connection_spec_id: spec.to_owned(),
            base_connection_id: base.to_owned(),
            field: field.clone(),
            customer_data: customer_data.clone(),
        };
        if let Some(values) = (app.live_lists)(asked).await {
            live.values.insert(field, values);
        }
    }
    live
}

/// Asks for the target attributes, where the destination has them asked.
async fn live_attributes(app: &App, sandbox: SandboxId, target_connection_id: &str) -> Live {
    let docs = &app.current().docs;
    let target = docs.get(sandbox, Collection::TargetConnection, target_connection_id);
    let spec = target.and_then(|doc| doc.body["connectionSpec"]["id"].as_str()).unwrap_or_default();
    let catalog = app.catalogs.get(docs, sandbox);
    let dynamic = catalog.flows.destination(spec).is_some_and(|d| d.config.schema.dynamic_schema.is_some());
    let asked = LiveList::Attributes { sandbox, target_connection_id: target_connection_id.to_owned() };
    let attributes = if dynamic { (app.live_lists)(asked).await } else { None };
    Live { attributes, ..Live::default() }
}

fn if_match(headers: &HeaderMap) -> Option<&str> {
    text(headers, "if-match")
}

// Specs.

fn catalog(app: &App, requester: &Requester) -> Arc<authoring::Catalog> {
    app.catalogs.get(&app.current().docs, requester.sandbox)
}

async fn list_connection_specs(State(app): State<App>, requester: Requester, Pairs(pairs): Parameters) -> Answer {
    ok(&flows::list_connection_specs(&catalog(&app, &requester).flows, &Query::from_pairs(&pairs)?)?)
}

async fn get_connection_spec(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Answer {
    ok(&flows::get_connection_spec(&catalog(&app, &requester).flows, &id)?)
}

async fn list_flow_specs(State(app): State<App>, requester: Requester, Pairs(pairs): Parameters) -> Answer {
    ok(&flows::list_flow_specs(&catalog(&app, &requester).flows, &Query::from_pairs(&pairs)?)?)
}

async fn search_flow_specs(State(app): State<App>, requester: Requester, Body(body): Body) -> Answer {
    ok(&flows::list_flow_specs(&catalog(&app, &requester).flows, &Query::from_search(&body)?)?)
}

async fn get_flow_spec(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Answer {
    ok(&flows::get_flow_spec(&catalog(&app, &requester).flows, &id)?)
}

/// Bodies of what is refused are read to their end, too: a connection with an unread one is closed.
async fn refuse_spec_write(_: Requester, _: Bytes) -> Answer {
    Err(flows::refuse_spec_write().into())
}

// Base connections.

async fn list_connections(State(app): State<App>, requester: Requester, Pairs(pairs): Parameters) -> Answer {
    let query = Query::from_pairs(&pairs)?;
    read(&app, &requester, |docs, caller, outside| connections::list(docs, caller, &query, outside))
}

async fn search_connections(State(app): State<App>, requester: Requester, Body(body): Body) -> Answer {
    let query = Query::from_search(&body)?;
    read(&app, &requester, |docs, caller, outside| connections::list(docs, caller, &query, outside))
}

async fn create_connection(State(app): State<App>, requester: Requester, Body(body): Body) -> Answer {
    decide(&app, &requester, |_, caller, outside| connections::create(caller, &body, outside)).await
}

async fn get_connection(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Answer {
    read(&app, &requester, |docs, caller, outside| connections::get(docs, caller, &id, outside))
}

async fn patch_connection(
    State(app): State<App>,
    requester: Requester,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Answer {
    let tag = if_match(&headers);
    decide(&app, &requester, |docs, caller, outside| connections::patch(docs, caller, &id, tag, &body, outside)).await
}

async fn delete_connection(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Answer {
    decide(&app, &requester, |docs, caller, _| connections::delete(docs, caller, &id)).await
}

// Source connections.

async fn list_sources(State(app): State<App>, requester: Requester, Pairs(pairs): Parameters) -> Answer {
    let query = Query::from_pairs(&pairs)?;
    read(&app, &requester, |docs, caller, _| source_connections::list(docs, caller, &query))
}

async fn create_source(State(app): State<App>, requester: Requester, Body(body): Body) -> Answer {
    decide(&app, &requester, |docs, caller, outside| source_connections::create(docs, caller, &body, outside)).await
}

async fn get_source(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Answer {
    read(&app, &requester, |docs, caller, _| source_connections::get(docs, caller, &id))
}

async fn patch_source(
    State(app): State<App>,
    requester: Requester,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Answer {
    let tag = if_match(&headers);
    decide(&app, &requester, |docs, caller, _| source_connections::patch(docs, caller, &id, tag, &body)).await
}

async fn delete_source(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Answer {
    decide(&app, &requester, |docs, caller, _| source_connections::delete(docs, caller, &id)).await
}

// Target connections.

async fn list_targets(State(app): State<App>, requester: Requester, Pairs(pairs): Parameters) -> Answer {
    let query = Query::from_pairs(&pairs)?;
    read(&app, &requester, |docs, caller, outside| target_connections::list(docs, caller, &query, outside))
}

async fn create_target(State(app): State<App>, requester: Requester, Body(body): Body) -> Answer {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let (spec, base) = (text(&body["connectionSpec"]["id"]), text(&body["baseConnectionId"]));
    let live = live_values(&app, requester.sandbox, &spec, &base, &body["params"]).await;
    let create = |docs: &DocSet, caller: &Caller<'_>, outside: &Outside<'_>| {
        target_connections::create(docs, caller, &body, outside)
    };
    decide_with(&app, &requester, &live, create).await
}

async fn get_target(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Answer {
    read(&app, &requester, |docs, caller, outside| target_connections::get(docs, caller, &id, outside))
}

async fn patch_target(
    State(app): State<App>,
    requester: Requester,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Answer {
    let tag = if_match(&headers);
    let patched =
        app.read(&requester, |docs, caller| Ok::<_, ApiError>(target_connections::patched(docs, caller, &id, &body)))?;
    let live = match patched {
        Some((spec, base, params)) => live_values(&app, requester.sandbox, &spec, &base, &params).await,
        None => Live::default(),
    };
    let patch = |docs: &DocSet, caller: &Caller<'_>, outside: &Outside<'_>| {
        target_connections::patch(docs, caller, &id, tag, &body, outside)
    };
    decide_with(&app, &requester, &live, patch).await
}

async fn delete_target(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Answer {
    decide(&app, &requester, |docs, caller, _| target_connections::delete(docs, caller, &id)).await
}

// Dataflows.

async fn list_flows(State(app): State<App>, requester: Requester, Pairs(pairs): Parameters) -> Answer {
    flow_page(&app, &requester, &Query::from_pairs(&pairs)?)
}

async fn search_flows(State(app): State<App>, requester: Requester, Body(body): Body) -> Answer {
    flow_page(&app, &requester, &Query::from_search(&body)?)
}

fn flow_page(app: &App, requester: &Requester, query: &Query) -> Answer {
    let runs = last_runs(app, requester.sandbox, query.wanted("id").as_deref())?;
    read(app, requester, |docs, caller, _| dataflows::list(docs, caller, query, &|no| runs.get(&no).cloned()))
}

async fn create_flow(State(app): State<App>, requester: Requester, Body(body): Body) -> Answer {
    let target = body["targetConnectionIds"][0].as_str().unwrap_or_default();
    let live = live_attributes(&app, requester.sandbox, target).await;
    decide(&app, &requester, |docs, caller, outside| {
        with_lookups(docs, caller, outside, &live, |lookups| dataflows::create(docs, caller, &body, lookups))
    })
    .await
}

async fn get_flow(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Answer {
    let runs = last_runs(&app, requester.sandbox, Some(&[&id]))?;
    read(&app, &requester, |docs, caller, _| dataflows::get(docs, caller, &id, &|no| runs.get(&no).cloned()))
}

async fn patch_flow(
    State(app): State<App>,
    requester: Requester,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Answer {
    let tag = if_match(&headers);
    let docs = app.current();
    let flow = docs.docs.get(requester.sandbox, Collection::Flow, &id);
    let target = flow.and_then(|doc| doc.body["targetConnectionIds"][0].as_str()).unwrap_or_default();
    let live = live_attributes(&app, requester.sandbox, target).await;
    decide(&app, &requester, |docs, caller, outside| {
        with_lookups(docs, caller, outside, &live, |lookups| dataflows::patch(docs, caller, &id, tag, &body, lookups))
    })
    .await
}

async fn delete_flow(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Answer {
    decide(&app, &requester, |docs, caller, _| dataflows::delete(docs, caller, &id)).await
}

async fn act_on_flow(
    State(app): State<App>,
    requester: Requester,
    Path(id): Path<String>,
    Pairs(pairs): Parameters,
    headers: HeaderMap,
    Body(body): Body,
) -> Answer {
    let value = |name: &str| pairs.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
    let (tag, op, sub_op) = (if_match(&headers), value("op"), value("subOp"));
    decide(&app, &requester, |docs, caller, _| dataflows::act(docs, caller, &id, tag, op, sub_op, &body)).await
}

/// What a flow's selectors are checked against: the audiences, the namespaces and the union schema of profiles.
fn with_lookups<T>(
    docs: &DocSet,
    caller: &Caller<'_>,
    outside: &Outside<'_>,
    live: &Live,
    f: impl FnOnce(&Lookups<'_>) -> T,
) -> T {
    let union = union_schema(docs, caller).profile;
    f(&Lookups {
        audience_namespace: &|id| {
            docs.get(caller.sandbox, Collection::Audience, id).map(|_| flows::SEGMENTATION_SERVICE.into())
        },
        attribute_type: &|path| attribute_type(&union, path),
        namespace_is_custom: &|code| namespaces::by_code(docs, caller.sandbox, code).map(|namespace| namespace.custom),
        target_attributes: &|| live.attributes.clone(),
        catalog: outside.catalog,
    })
}

/// Walks a dotted path. An array can be mapped whole; there is no way into it.
fn attribute_type(union: &Type, path: &str) -> Result<Type, String> {
    let mut at = union;
    for name in path.split('.') {
        if matches!(at, Type::Array(_)) {
            return Err(format!("{name} lies inside an array; map the array itself"));
        }
        at = at.field(name).ok_or_else(|| format!("the union schema has no field {name:?} there"))?;
    }
    Ok(at.clone())
}

// Runs.

async fn list_runs(State(app): State<App>, requester: Requester, Pairs(pairs): Parameters) -> Answer {
    let query = Query::from_pairs(&pairs)?;
    let figures = figures(&app, requester.sandbox, query.wanted("flowId").as_deref())?;
    read(&app, &requester, |docs, caller, _| flows::list_runs(docs, caller, &figures, &query))
}

async fn get_run(State(app): State<App>, requester: Requester, Path(id): Path<String>) -> Answer {
    let figures = figures(&app, requester.sandbox, None)?;
    read(&app, &requester, |docs, caller, _| flows::get_run(docs, caller, &figures, &id))
}

async fn refuse_run_create(_: Requester, _: Bytes) -> Answer {
    Err(flows::refuse_run_create().into())
}

async fn refuse_run_write(_: Requester, _: Bytes) -> Answer {
    Err(flows::refuse_run_write().into())
}

async fn refuse_run_action(_: Requester, _: Bytes) -> Answer {
    Err(flows::refuse_run_action().into())
}

/// The hours of the given flows (of all, when none are named) that are still shown, ascending per flow.
fn figures(app: &App, sandbox: SandboxId, flows: Option<&[&str]>) -> Result<Vec<RunFigures>, ApiError> {
    let current = app.current();
    let since = app.clock.now().0 - RUNS_KEPT_MS;
    let mut figures = Vec::new();
    for flow in current.docs.iter(sandbox, Collection::Flow) {
        if flows.is_some_and(|wanted| !wanted.contains(&flow.id.as_str())) {
            continue;
        }
        let no = FlowNo(flow.no);
        let hours = app.engine.ledger_by_hour(no).map_err(|error| ApiError::unavailable(&error))?;
        let hours = hours.into_iter().map(|(hour, ledger)| run_figures(no, hour, &ledger));
        figures.extend(hours.filter(|hour| hour.hour_start_ms >= since));
    }
    Ok(figures)
}

fn last_runs(app: &App, sandbox: SandboxId, flows: Option<&[&str]>) -> Result<HashMap<FlowNo, RunFigures>, ApiError> {
    // Ascending per flow: the last one stays.
    Ok(figures(app, sandbox, flows)?.into_iter().map(|figures| (figures.flow, figures)).collect())
}

fn run_figures(flow: FlowNo, hour: u32, ledger: &Ledger) -> RunFigures {
    let filtered = activation::Filtered::ALL.iter().zip(ledger.filtered);
    RunFigures {
        flow,
        hour_start_ms: i64::from(hour) * HOUR_MS,
        received: ledger.received,
        exported: ledger.exported,
        filtered: filtered.map(|(reason, count)| (reason.as_str().into(), count)).collect(),
        waiting: ledger.waiting,
        dead: vec![("given_up".into(), ledger.dead)],
        audiences: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_in_the_union() {
        let names = Type::object(vec![("firstName".into(), Type::String)]);
        let fields = vec![
            ("person".into(), Type::object(vec![("name".into(), names.clone())])),
            ("orders".into(), Type::Array(std::sync::Arc::new(names))),
        ];
        let union = Type::object(fields);
        let cases = [
            ("person.name.firstName", Ok(())),
            ("person", Ok(())),
            ("orders", Ok(())),
            ("person.shoe", Err("the union schema has no field \"shoe\" there")),
            ("orders.firstName", Err("firstName lies inside an array; map the array itself")),
        ];
        for (path, expected) in cases {
            assert_eq!(attribute_type(&union, path).map(|_| ()), expected.map_err(str::to_owned), "{path}");
        }
        assert_eq!(attribute_type(&Type::Any, "a.b"), Ok(Type::Any));
    }

    #[test]
    fn a_ledger_becomes_figures_that_balance() {
        let mut ledger = Ledger { received: 10, exported: 6, waiting: 1, dead: 1, ..Ledger::default() };
        ledger.filtered[activation::Filtered::FlowDisabled as usize] = 2;
        let figures = run_figures(FlowNo(7), 491_667, &ledger);
        assert_eq!(figures.hour_start_ms, 1_770_001_200_000);
        let filtered: u64 = figures.filtered.iter().map(|(_, count)| count).sum();
        let dead: u64 = figures.dead.iter().map(|(_, count)| count).sum();
        assert_eq!(figures.received, figures.exported + filtered + figures.waiting + dead);
        assert!(figures.filtered.contains(&("flow_disabled".into(), 2)));
    }
}
