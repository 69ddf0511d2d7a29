//! Takes records in: decode → validate → find identities → place → durable.
//!
//! In: bodies of `/collection` requests. Out: entries in the log, and one answer per message. An
//! answer of acceptance means that the log has the record (design, §4.1).
//!
//! Faults of the envelope are refused and change nothing; faults against the schema go to the
//! quarantine with their violations, or, when the caller asked for synchronous validation, are
//! refused (design, §11.9).

mod envelope;
mod identities;

pub use envelope::{Envelope, ORG_MISSING, UNKNOWN_FORMAT};
pub use identities::IDENTITIES_PER_RECORD_MAX;

use clock::Clock;
use engine::{DatasetPlan, Engine, InletPlan, Plan, SandboxPlan};
use model::{SandboxId, SmolStr, Timestamp, Value};
use profile::{Record, RecordKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use xdm::{Behavior, Violation};

/// Largest body of one request (profile.md §7.3).
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Largest event and record (profile.md §12).
const EVENT_BYTES_MAX: usize = 10 * 1024;
const RECORD_BYTES_MAX: usize = 100 * 1024;

/// Why a message or a request is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// HTTP status: 400, 404, 413, 503.
    pub status: u16,
    /// What is wrong, with the field, the rule and what was given.
    pub message: String,
    /// Violations of the schema, for a refused synchronous validation.
    pub violations: Vec<Violation>,
}

impl Fault {
    pub(crate) fn bad(message: impl Into<String>) -> Fault {
        Fault { status: 400, message: message.into(), violations: Vec::new() }
    }
}

/// An accepted message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Unique per message.
    pub xaction_id: SmolStr,
    /// When it was received.
    pub received: Timestamp,
}

/// Counts since start, for metrics.
#[derive(Debug, Default)]
pub struct Counters {
    /// Messages that became durable and fit their schema.
    pub accepted: AtomicU64,
    /// Messages that became durable in the quarantine.
    pub quarantined: AtomicU64,
    /// Messages that were refused.
    pub refused: AtomicU64,
}

/// What can be chosen.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How far an event may lie in the future (profile.md §7.2).
    pub future_ms_max: i64,
    /// Names the organisation of the server.
    pub xaction_seed: fn() -> [u8; 16],
}

/// The ingest room.
pub struct Ingest {
    engine: Arc<Engine>,
    clock: Clock,
    settings: Settings,
    counters: Counters,
}

/// An inlet and the sandbox that it belongs to.
pub struct Inlet<'a> {
    /// The sandbox.
    pub sandbox: SandboxId,
    /// Its plan.
    pub plan: &'a SandboxPlan,
    /// The inlet.
    pub inlet: &'a InletPlan,
}

/// Finds an inlet by its id.
pub fn inlet<'a>(plan: &'a Plan, id: &str) -> Option<Inlet<'a>> {
    plan.sandboxes
        .iter()
        .find_map(|(sandbox, plan)| plan.inlets.get(id).map(|inlet| Inlet { sandbox: *sandbox, plan, inlet }))
}

/// A message on its way into the log.
struct Entry {
    placed: engine::Placed,
    /// False for the quarantine.
    fits: bool,
}

enum Judged {
    Fits(Record),
    Quarantined { dataset: model::DatasetNo, violations: Vec<Violation> },
}

impl Ingest {
    /// An ingest room in front of an engine.
    pub fn new(engine: Arc<Engine>, clock: Clock, settings: Settings) -> Ingest {
        Ingest { engine, clock, settings, counters: Counters::default() }
    }

    /// Counts since start.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// One message. With `sync`, a message that does not fit its schema is refused.
    pub async fn one(&self, inlet: &Inlet<'_>, org: &str, message: &[u8], sync: bool) -> Result<Accepted, Fault> {
        self.check_room()?;
        let now = self.clock.now();
        let placed = self.judge(inlet, org, message, now).and_then(|judged| match judged {
            Judged::Quarantined { violations, .. } if sync => {
                Err(Fault { status: 400, message: "the record does not fit its schema".into(), violations })
            }
            judged => self.place(inlet.sandbox, message, judged),
        });
        let placed = placed.inspect_err(|_| count(&self.counters.refused, 1))?;
        self.append(vec![placed]).await?;
        Ok(Accepted { xaction_id: self.xaction(), received: now })
    }

    /// Many messages: one answer each, in order. All accepted ones become durable together.
    pub async fn many(
        &self,
        inlet: &Inlet<'_>,
        org: &str,
        messages: &[&[u8]],
    ) -> Result<Vec<Result<Accepted, Fault>>, Fault> {
        self.check_room()?;
        let now = self.clock.now();
        let seed = self.xaction();
        let mut entries = Vec::with_capacity(messages.len());
        let mut answers = Vec::with_capacity(messages.len());
        for (i, message) in messages.iter().enumerate() {
            let placed = self.judge(inlet, org, message, now).and_then(|j| self.place(inlet.sandbox, message, j));
            answers.push(placed.map(|placed| {
                entries.push(placed);
                Accepted { xaction_id: SmolStr::new(format!("{seed}:{i}")), received: now }
            }));
        }
        count(&self.counters.refused, (answers.len() - entries.len()) as u64);
        if !entries.is_empty() {
            self.append(entries).await?;
        }
        Ok(answers)
    }

    /// Makes entries durable, then counts them.
    async fn append(&self, entries: Vec<Entry>) -> Result<(), Fault> {
        let fitting = entries.iter().filter(|e| e.fits).count() as u64;
        let others = entries.len() as u64 - fitting;
        let placed = entries.into_iter().map(|e| e.placed).collect();
        self.engine.append(placed).await.map_err(|e| self.failed(&e))?;
        count(&self.counters.accepted, fitting);
        count(&self.counters.quarantined, others);
        Ok(())
    }

    fn check_room(&self) -> Result<(), Fault> {
        if self.engine.is_lagging() {
            let message = "the server is behind with what it has accepted; try again shortly";
            return Err(Fault { status: 503, message: message.into(), violations: Vec::new() });
        }
        Ok(())
    }

    fn failed(&self, error: &engine::Error) -> Fault {
        Fault { status: 503, message: format!("the record could not be made durable: {error}"), violations: Vec::new() }
    }

    fn xaction(&self) -> SmolStr {
        SmolStr::new(model::Xid((self.settings.xaction_seed)()).to_string())
    }

    fn judge(&self, inlet: &Inlet<'_>, org: &str, message: &[u8], now: Timestamp) -> Result<Judged, Fault> {
        let envelope = Envelope::decode(message)?;
        let dataset = envelope.dataset(org, inlet.plan)?;
        let limit = if dataset.schema.behavior == Behavior::TimeSeries { EVENT_BYTES_MAX } else { RECORD_BYTES_MAX };
        if message.len() > limit {
            return Err(Fault::bad(format!("the message has {} bytes; at most {limit} are taken", message.len())));
        }
        let entity = envelope.entity;
        let mut violations = xdm::validate(&dataset.schema, &entity);
        let record =
            if violations.is_empty() { self.record(dataset, inlet.plan, entity, now, &mut violations) } else { None };
        Ok(match record {
            Some(record) if violations.is_empty() => Judged::Fits(record),
            _ => Judged::Quarantined { dataset: dataset.no, violations },
        })
    }

    fn record(
        &self,
        dataset: &DatasetPlan,
        plan: &SandboxPlan,
        mut entity: Value,
        now: Timestamp,
        violations: &mut Vec<Violation>,
    ) -> Option<Record> {
        let identities = identities::find(&mut entity, dataset, plan, violations);
        let (kind, id, timestamp) = match dataset.schema.behavior {
            Behavior::TimeSeries => {
                let id = event_id(&mut entity, violations)?;
                (RecordKind::Event, id, self.event_time(&mut entity, now, violations)?)
            }
            _ => (RecordKind::Attributes, SmolStr::default(), now),
        };
        Some(Record { kind, dataset: dataset.no, id, timestamp, identities: identities?, body: entity })
    }

    fn event_time(&self, entity: &mut Value, now: Timestamp, violations: &mut Vec<Violation>) -> Option<Timestamp> {
        let text = entity.take("timestamp");
        let Some(at) = text.as_str().and_then(Timestamp::parse) else {
            violations.push(violation("/timestamp", "required", "an event needs a timestamp: RFC 3339 with an offset"));
            return None;
        };
        if at.0 > now.0 + self.settings.future_ms_max {
            let message = format!("the timestamp {at} lies in the future: now is {now}");
            violations.push(violation("/timestamp", "maximum", &message));
            return None;
        }
        Some(at)
    }

    fn place(&self, sandbox: SandboxId, message: &[u8], judged: Judged) -> Result<Entry, Fault> {
        match judged {
            Judged::Fits(record) => {
                let placed = self.engine.place(sandbox, record).map_err(|e| self.failed(&e))?;
                Ok(Entry { placed, fits: true })
            }
            Judged::Quarantined { dataset, violations } => {
                let violations = violations_json(&violations);
                let placed = self.engine.place_in_quarantine(sandbox, dataset, message, violations.as_bytes());
                Ok(Entry { placed, fits: false })
            }
        }
    }
}

fn event_id(entity: &mut Value, violations: &mut Vec<Violation>) -> Option<SmolStr> {
    match entity.take("_id") {
        Value::Str(id) if !id.is_empty() => Some(id),
        _ => {
            violations.push(violation("/_id", "required", "an event needs a non-empty string _id"));
            None
        }
    }
}

pub(crate) fn violation(pointer: &str, keyword: &'static str, message: &str) -> Violation {
    Violation { pointer: pointer.into(), schema_pointer: String::new(), keyword, message: message.into() }
}

/// Violations as the quarantine keeps and lists them.
pub fn violations_json(violations: &[Violation]) -> String {
    let items: Vec<_> = violations
        .iter()
        .map(|v| serde_json::json!({ "pointer": v.pointer, "keyword": v.keyword, "message": v.message }))
        .collect();
    serde_json::Value::Array(items).to_string()
}

fn count(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}
