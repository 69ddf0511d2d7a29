//! `/health`, `/ready`, `/metrics`: for whoever watches the process.

use super::operator::flow_id;
use crate::app::App;
use crate::error::{ApiError, respond};
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use std::fmt::Write as _;
use std::sync::atomic::Ordering;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/health", get(health)).route("/ready", get(ready)).route("/metrics", get(metrics))
}

async fn health() -> Response {
    respond(200, &json!({ "status": "up" }), &[], "application/json")
}

async fn ready(State(app): State<App>) -> Response {
    let ready = app.engine.is_ready() && !app.engine.is_lagging();
    let body = json!({ "ready": ready, "backlog": app.engine.backlog_entries() });
    respond(if ready { 200 } else { 503 }, &body, &[], "application/json")
}

async fn metrics(State(app): State<App>) -> Result<Response, ApiError> {
    let mut page = Page(String::new());
    ingest_figures(&app, &mut page);
    stock_figures(&app, &mut page).map_err(|e| ApiError::unavailable(&e))?;
    ledger_figures(&app, &mut page).map_err(|e| ApiError::unavailable(&e))?;
    delivery_figures(&app, &mut page);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], page.0).into_response())
}

/// The Prometheus text format.
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let labels: Vec<String> = labels.iter().map(|(n, v)| format!("{n}=\"{}\"", escape(v))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn ingest_figures(app: &App, page: &mut Page) {
    let counters = app.ingest.counters();
    page.family("rivermouth_ingest_messages_total", "counter", "Messages by what became of them, since start.");
    for (result, counter) in
        [("accepted", &counters.accepted), ("quarantined", &counters.quarantined), ("refused", &counters.refused)]
    {
        page.sample("rivermouth_ingest_messages_total", &[("result", result)], counter.load(Ordering::Relaxed));
    }
    let backlog = app.engine.backlog_entries();
    page.single("rivermouth_backlog_entries", "gauge", "Accepted log entries that are not applied yet.", backlog);
    let applied = app.engine.applied_entries();
    page.single("rivermouth_applied_entries_total", "counter", "Log entries applied since start.", applied);
    let evaluations = "Evaluations of queries that were cut off because they took too much work, since start.";
    page.single("rivermouth_evaluations_exhausted_total", "counter", evaluations, pql::exhausted());
    let matches = "Matches of regular expressions that were given up because they took too many steps, since start.";
    page.single("rivermouth_regex_stopped_total", "counter", matches, pql::matches_stopped());
}

fn stock_figures(app: &App, page: &mut Page) -> Result<(), engine::Error> {
    let census = app.engine.census()?;
    let current = app.current();
    page.family("rivermouth_profiles", "gauge", "Stored profiles.");
    for (sandbox, stock) in &census.stock {
        page.sample("rivermouth_profiles", &[("sandbox", &sandbox.to_string())], stock.profiles);
    }
    page.family("rivermouth_events", "gauge", "Stored events.");
    for (sandbox, stock) in &census.stock {
        page.sample("rivermouth_events", &[("sandbox", &sandbox.to_string())], stock.events);
    }
    page.family("rivermouth_audience_members", "gauge", "Realized members per audience.");
    for plan in current.plan.sandboxes.values() {
        for audience in plan.audiences.iter() {
            let members = census.members.of(audience.no);
            page.sample("rivermouth_audience_members", &[("audience", &audience.id)], members);
        }
    }
    let metrics = app.engine.store().metrics();
    page.single("rivermouth_store_disk_bytes", "gauge", "Bytes of the store on disk.", metrics.disk_bytes);
    page.single("rivermouth_store_journals", "gauge", "Journal files of the store.", metrics.journals_count);
    page.single("rivermouth_log_bytes", "gauge", "Bytes of the log on disk.", app.engine.log().bytes());
    Ok(())
}

fn ledger_figures(app: &App, page: &mut Page) -> Result<(), engine::Error> {
    let name = "rivermouth_flow_exports";
    page.family(name, "gauge", "Outbox entries of a flow: received = exported + filtered + waiting + dead.");
    let current = app.current();
    for flow in current.plan.sandboxes.values().flat_map(|p| &p.flows) {
        let ledger = app.engine.ledger(flow.no)?;
        let states = [
            ("received", ledger.received),
            ("exported", ledger.exported),
            ("waiting", ledger.waiting),
            ("dead", ledger.dead),
        ];
        for (state, n) in states {
            page.sample(name, &[("flow", &flow.id), ("state", state), ("reason", "")], n);
        }
        for (reason, n) in activation::Filtered::ALL.iter().zip(ledger.filtered) {
            page.sample(name, &[("flow", &flow.id), ("state", "filtered"), ("reason", reason.as_str())], n);
        }
    }
    Ok(())
}

fn delivery_figures(app: &App, page: &mut Page) {
    let flows = app.delivery.metrics();
    page.family("rivermouth_delivery_attempts_total", "counter", "Requests made to a destination since start.");
    for flow in &flows {
        page.sample("rivermouth_delivery_attempts_total", &[("flow", &flow_id(app, flow.flow))], flow.attempts);
    }
    page.family("rivermouth_delivery_in_flight", "gauge", "Requests under way.");
    for flow in &flows {
        page.sample("rivermouth_delivery_in_flight", &[("flow", &flow_id(app, flow.flow))], flow.in_flight);
    }
    page.family("rivermouth_delivery_latency_ms", "summary", "From acceptance to delivery, milliseconds.");
    for flow in &flows {
        let id = flow_id(app, flow.flow);
        for (text, q) in [("0.5", 0.5), ("0.99", 0.99)] {
            if let Some(value) = flow.latency_ms.quantile(q) {
                page.sample("rivermouth_delivery_latency_ms", &[("flow", &id), ("quantile", text)], value);
            }
        }
        page.sample("rivermouth_delivery_latency_ms_count", &[("flow", &id)], flow.latency_ms.count());
    }
}
