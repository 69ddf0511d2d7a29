//! What the demo tells at the end: for people, and as one JSON object.

use super::setup::AUDIENCES;
use crate::output::{line, text};
use serde_json::{Map, Value as Json, json};

pub(super) struct Summary {
    pub(super) events: usize,
    pub(super) items: usize,
    pub(super) ingest_seconds: f64,
    pub(super) status: Json,
    pub(super) flows: Json,
    pub(super) wave: Json,
    pub(super) why: Json,
}

impl Summary {
    fn flow(&self) -> &Json {
        &self.flows["flows"][0]
    }

    pub(super) fn is_exact(&self) -> bool {
        self.wave["exactly_those_that_changed"] == json!(true)
    }

    pub(super) fn is_balanced(&self) -> bool {
        self.flow()["ledger"]["balanced"] == json!(true)
    }

    fn members(&self) -> Map<String, Json> {
        let all = self.status["audiences"].as_object().into_iter().flatten();
        all.filter_map(|(_, a)| Some((a["name"].as_str()?.to_owned(), a["members"].clone()))).collect()
    }

    fn per_second(&self) -> u64 {
        (self.events as f64 / self.ingest_seconds) as u64
    }

    fn to_json(&self) -> Json {
        let ledger = &self.flow()["ledger"];
        json!({
            "events": self.events,
            "records": self.items - self.events,
            "events_per_second": self.per_second(),
            "profiles": self.status["profiles"],
            "audiences": self.members(),
            "exports": { "delivered": ledger["exported"], "dead": ledger["dead"], "waiting": ledger["waiting"] },
            "latency_ms": self.flow()["latencyMs"],
            "ledger_balanced": self.is_balanced(),
            "ledger": ledger,
            "wave": self.wave,
            "why": self.why,
            "resident_mb": resident_mb(),
        })
    }

    pub(super) fn print(&self, machine: bool) {
        if machine {
            return line(&self.to_json().to_string());
        }
        let ledger = &self.flow()["ledger"];
        line(&format!(
            "{} events and {} profile records in {:.1} s: {} events a second, validated, stitched, evaluated, durable",
            self.events,
            self.items - self.events,
            self.ingest_seconds,
            self.per_second()
        ));
        line(&format!("{} profiles", self.status["profiles"]));
        line("");
        line("audience          members  rule");
        let members = self.members();
        for (name, pql) in AUDIENCES {
            let count = members.get(*name).map(Json::to_string).unwrap_or_default();
            line(&format!("{name:<16} {count:>8}  {pql}"));
        }
        line("");
        line(&format!(
            "exports   received {} = delivered {} + filtered {} + waiting {} + dead {}  ({})",
            ledger["received"],
            ledger["exported"],
            ledger["filtered"],
            ledger["waiting"],
            ledger["dead"],
            if self.is_balanced() { "balanced" } else { "NOT BALANCED" },
        ));
        let latency = &self.flow()["latencyMs"];
        line(&format!(
            "latency   p50 {} ms, p99 {} ms from acceptance to delivery, at full load",
            latency["p50"], latency["p99"]
        ));
        if let Some(mb) = resident_mb() {
            line(&format!("memory    {mb} MB resident, receiver and client included"));
        }
        line("");
        line(&format!(
            "second wave: {} lapsed customers buy again, {} exports leave: {}",
            self.wave["profiles"],
            self.wave["exports"],
            if self.wave["exactly_those_that_changed"] == json!(true) {
                "exactly those that changed"
            } else {
                "NOT exactly those that changed"
            },
        ));
        line("");
        text(&crate::why::shown(&self.why, false));
        line("");
    }
}

/// Resident memory of this process, where the system tells.
fn resident_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let row = status.lines().find(|l| l.starts_with("VmRSS:"))?;
    row.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kb| kb / 1024)
}
