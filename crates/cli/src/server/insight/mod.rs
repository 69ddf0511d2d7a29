//! Answers two questions about stored profiles: why one is a member, and what a changed audience would do.
//!
//! Both read committed rows and evaluate what the engine evaluates, from nothing. Always: nothing is changed.

mod plan;
mod sight;
mod why;

use api::{ApiError, Insight, PlanRequest};
use authoring::Catalogs;
use clock::Clock;
use engine::{Current, Engine, SandboxPlan};
use model::SandboxId;
use serde_json::Value as Json;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};

/// Plans that are made at the same time.
const PLANS_MAX: usize = 2;

/// Answers over the engine's state.
pub(super) struct InsightRoom {
    engine: Arc<Engine>,
    clock: Clock,
    catalogs: Arc<Catalogs>,
    permits: Arc<Semaphore>,
}

/// One sandbox, as its documents are now.
struct Scope {
    current: Arc<Current>,
    sandbox: SandboxId,
    plan: Arc<SandboxPlan>,
}

impl InsightRoom {
    pub(super) fn new(engine: Arc<Engine>, clock: Clock, catalogs: Arc<Catalogs>) -> InsightRoom {
        InsightRoom { engine, clock, catalogs, permits: Arc::new(Semaphore::new(PLANS_MAX)) }
    }

    fn scope(&self, name: &str) -> Result<Scope, ApiError> {
        let current = self.engine.control().current();
        let sandbox = access::sandbox(&current.docs, name).map(|sandbox| sandbox.id);
        let sandbox = sandbox.ok_or_else(|| refused(404, format!("there is no sandbox {name:?}")))?;
        let plan = current.plan.sandboxes.get(&sandbox).cloned();
        let plan = plan.ok_or_else(|| refused(404, format!("the sandbox {name:?} has no plan")))?;
        Ok(Scope { current, sandbox, plan })
    }
}

impl Insight for InsightRoom {
    fn why(&self, sandbox: &str, profile: &str, audience: &str) -> Result<Json, ApiError> {
        let scope = self.scope(sandbox)?;
        let subject = sight::subject(&self.engine, &scope, profile)?;
        let audience = scope.audience(audience)?;
        why::explain(&self.engine, &scope, audience, &subject, self.clock.now())
    }

    fn plan(&self, request: PlanRequest) -> Result<mpsc::Receiver<Json>, ApiError> {
        let permit = self.permits.clone().try_acquire_owned().map_err(|_| {
            refused(429, format!("{PLANS_MAX} plans are being made already: try again when one has ended"))
                .with_header("retry-after", "5")
        })?;
        let scope = self.scope(&request.sandbox)?;
        let change = plan::Change::new(&scope, &self.catalogs, &request, self.clock.now())?;
        let (told, lines) = mpsc::channel(16);
        let (engine, now) = (self.engine.clone(), self.clock.now());
        tokio::runtime::Handle::current().spawn_blocking(move || {
            plan::survey(&engine, &change, request.samples, now, &told);
            drop(permit);
        });
        Ok(lines)
    }
}

/// An error with its one sentence.
fn refused(status: u16, detail: impl AsRef<str>) -> ApiError {
    let title = match status {
        404 => "NotFoundError",
        409 => "Conflict",
        429 => "Too Many Requests",
        _ => "Bad Request",
    };
    ApiError::problem(status, "about:blank", title, detail.as_ref())
}
