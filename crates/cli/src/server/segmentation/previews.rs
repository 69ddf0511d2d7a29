//! Tries predicates out over stored profiles: counts, and the first that fit.
//!
//! Kept in memory, the newest ones; after a restart a preview is unknown. Always: a few run at a time; each is
//! bounded in what it reads (profile.md §9.4) and what it keeps, and ends within a page after it was cancelled; it
//! finds who would be in the audience that is made of the predicate, so nobody who opted out (§10.4).

use super::evaluate::{Views, holds};
use super::survey;
use api::{Preview, PreviewIds, PreviewState, Previews};
use clock::Clock;
use engine::Engine;
use model::{NamespaceId, SandboxId, SmolStr};
use parking_lot::Mutex;
use segmentation::preview::{self, Request};
use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::Semaphore;

/// Previews that read at the same time.
const RUNNING_MAX: usize = 2;
/// Previews that are remembered.
const KEPT: usize = 200;
/// Profiles that are remembered of each.
const PROFILES_KEPT: usize = 10_000;
/// Profiles between two looks of others at what was found.
const PUBLISH_EVERY: u64 = 512;

/// All previews.
pub(in crate::server) struct PreviewRoom {
    engine: Arc<Engine>,
    clock: Clock,
    permits: Arc<Semaphore>,
    executions: AtomicU64,
    all: Mutex<VecDeque<Arc<Entry>>>,
}

struct Entry {
    sandbox: SandboxId,
    cancelled: AtomicBool,
    preview: Mutex<Preview>,
}

impl PreviewRoom {
    pub(in crate::server) fn new(engine: Arc<Engine>, clock: Clock) -> PreviewRoom {
        let permits = Arc::new(Semaphore::new(RUNNING_MAX));
        PreviewRoom { engine, clock, permits, executions: AtomicU64::new(0), all: Mutex::default() }
    }

    fn entry(&self, sandbox: SandboxId, id: &str) -> Option<Arc<Entry>> {
        let all = self.all.lock();
        all.iter().find(|e| e.sandbox == sandbox && e.preview.lock().ids.preview_id == id).cloned()
    }
}

impl Previews for PreviewRoom {
    fn start(&self, sandbox: SandboxId, request: Request) -> PreviewIds {
        let execution_id = self.executions.fetch_add(1, Ordering::Relaxed) + 1;
        let query_id = uuid();
        let preview_id = SmolStr::new(preview::id(&query_id, execution_id));
        let ids = PreviewIds { preview_id, query_id, execution_id };
        let preview = Preview {
            ids: ids.clone(),
            state: PreviewState::New,
            fault: None,
            total: 0,
            to_read: 0,
            read: 0,
            matched: 0,
            profiles: Vec::new(),
            by_namespace: Vec::new(),
        };
        let entry = Arc::new(Entry { sandbox, cancelled: AtomicBool::new(false), preview: Mutex::new(preview) });
        let mut all = self.all.lock();
        all.push_back(entry.clone());
        if all.len() > KEPT
            && let Some(oldest) = all.pop_front()
        {
            oldest.cancelled.store(true, Ordering::Release);
        }
        drop(all);
        let (engine, clock, permits) = (self.engine.clone(), self.clock.clone(), self.permits.clone());
        tokio::spawn(async move {
            // The semaphore is never closed.
            let Ok(_permit) = permits.acquire().await else { return };
            let inner = entry.clone();
            let work = tokio::task::spawn_blocking(move || read(&engine, &clock, &inner, &request));
            let result = work.await.unwrap_or_else(|broken| Err(format!("the reading broke off: {broken}")));
            let mut preview = entry.preview.lock();
            match result {
                Ok(()) => preview.state = PreviewState::ResultReady,
                Err(fault) => (preview.state, preview.fault) = (PreviewState::Failed, Some(fault)),
            }
        });
        ids
    }

    fn find(&self, sandbox: SandboxId, id: &str) -> Option<Preview> {
        self.entry(sandbox, id).map(|entry| entry.preview.lock().clone())
    }

    fn cancel(&self, sandbox: SandboxId, id: &str) -> bool {
        let Some(entry) = self.entry(sandbox, id) else { return false };
        entry.cancelled.store(true, Ordering::Release);
        self.all.lock().retain(|other| !Arc::ptr_eq(other, &entry));
        true
    }
}

fn uuid() -> SmolStr {
    let fresh = &access::fresh;
    let caller = model::Caller {
        org: "",
        tenant: "",
        sandbox: SandboxId(0),
        sandbox_name: "",
        client: "",
        now: model::Timestamp(0),
        fresh,
    };
    caller.uuid()
}

fn read(engine: &Engine, clock: &Clock, entry: &Entry, request: &Request) -> Result<(), String> {
    let current = engine.control().current();
    let plan = current.plan.sandboxes.get(&entry.sandbox).cloned().ok_or("the sandbox is gone")?;
    let views = Views::new(plan);
    let policy = views.policy(&request.merge_policy).cloned().ok_or("the merge policy was deleted")?;
    let census = engine.census().map_err(|e| e.to_string())?;
    let total = census.stock.get(&entry.sandbox).map_or(0, |stock| stock.profiles);
    let to_read = preview::sample_of(total);
    {
        let mut preview = entry.preview.lock();
        (preview.state, preview.total, preview.to_read) = (PreviewState::Running, total, to_read);
    }
    let now = clock.now();
    let mut found = Found::default();
    let is_called_off = || entry.cancelled.load(Ordering::Acquire) || engine.is_stopping();
    survey::each(engine, entry.sandbox, &is_called_off, &mut |stored| {
        found.read += 1;
        if holds(engine, entry.sandbox, &request.query, (&views, &policy), stored, now)? {
            found.matched += 1;
            if found.profiles.len() < PROFILES_KEPT {
                found.profiles.push(stored.id);
            }
            let mut namespaces: Vec<NamespaceId> =
                stored.profile.identities.iter().map(|known| known.identity.namespace).collect();
            namespaces.sort();
            namespaces.dedup();
            namespaces.into_iter().for_each(|namespace| *found.by_namespace.entry(namespace).or_default() += 1);
        }
        if found.read.is_multiple_of(PUBLISH_EVERY) {
            found.publish(entry);
        }
        let enough = to_read < total && found.read >= to_read;
        Ok(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    found.publish(entry);
    if to_read == total {
        // All were read, whatever came and went meanwhile.
        let mut preview = entry.preview.lock();
        (preview.total, preview.to_read) = (found.read, found.read);
    }
    Ok(())
}

/// What was found so far.
#[derive(Default)]
struct Found {
    read: u64,
    matched: u64,
    profiles: Vec<model::ProfileId>,
    by_namespace: BTreeMap<NamespaceId, u64>,
}

impl Found {
    fn publish(&self, entry: &Entry) {
        let mut preview = entry.preview.lock();
        (preview.read, preview.matched) = (self.read, self.matched);
        let known = preview.profiles.len();
        preview.profiles.extend_from_slice(&self.profiles[known..]);
        preview.by_namespace = self.by_namespace.iter().map(|(namespace, n)| (*namespace, *n)).collect();
    }
}
