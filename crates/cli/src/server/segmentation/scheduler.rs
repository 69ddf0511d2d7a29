//! Starts what schedules say, at their time.

use super::{Room, pause};
use clock::Clock;
use engine::ChangeError;
use model::{Caller, DocSet, SandboxId};
use segmentation::schedules;
use std::sync::Arc;
use tokio::sync::watch;

/// Waits for due schedules until the server stops.
pub(super) async fn run(room: Arc<Room>, mut stopped: watch::Receiver<bool>) {
    let mut changed = room.changed.clone();
    while !room.is_stopping() {
        changed.mark_unchanged();
        let docs = room.docs();
        let due = schedules::due_in(&docs, room.clock.now());
        for sandbox in &due {
            start(&room, *sandbox).await;
        }
        if !due.is_empty() {
            continue;
        }
        let next = schedules::next_due(&docs);
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return,
            told = changed.changed() => if told.is_err() { return },
            () = room.clock.sleep_until(next.unwrap_or_default()), if next.is_some() => {}
        }
    }
}

async fn start(room: &Room, sandbox: SandboxId) {
    let decide = |docs: &DocSet| Ok::<_, std::convert::Infallible>(decide(&room.clock, docs, sandbox));
    match room.engine.control().change(decide).await {
        Ok(faults) => faults.iter().for_each(|fault| tracing::error!(%fault, "a scheduled run could not be started")),
        Err(ChangeError::Refused(never)) => match never {},
        Err(ChangeError::Failed(error)) => {
            tracing::warn!(%error, "a scheduled run could not be started yet");
            pause().await;
        }
    }
}

fn decide(clock: &Clock, docs: &DocSet, sandbox: SandboxId) -> (Vec<model::DocChange>, Vec<String>) {
    let found = access::organisation(docs).zip(access::sandboxes(docs).find(|s| s.id == sandbox));
    let Some((organisation, of_run)) = found else { return (Vec::new(), Vec::new()) };
    let caller = Caller {
        org: &organisation.org_id,
        tenant: &organisation.tenant,
        sandbox,
        sandbox_name: &of_run.name,
        client: "scheduler",
        now: clock.now(),
        fresh: &access::fresh,
    };
    let (profile, event) = registry::union_types(docs, sandbox);
    schedules::start_due(docs, &caller, &pql::Schema { profile, event })
}
