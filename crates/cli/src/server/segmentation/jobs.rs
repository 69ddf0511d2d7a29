//! Carries out segment jobs: evaluates every stored profile and counts.

use super::evaluate::Evaluator;
use super::survey::{self, End};
use super::{Room, work_off};
use model::{Collection, Doc, SandboxId, SmolStr, Status, Timestamp};
use segmentation::jobs::{self, Counted, Counts, Stand};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use tokio::sync::watch;

/// One job after another, until the server stops.
pub(super) async fn run(room: Arc<Room>, stopped: watch::Receiver<bool>) {
    work_off(room, stopped, jobs::next, process).await;
}

async fn process(room: Arc<Room>, sandbox: SandboxId, job: Arc<Doc>) {
    if jobs::is_cancelling(&job) {
        return write(&room, sandbox, &job.id, &Stand::Cancelled).await;
    }
    write(&room, sandbox, &job.id, &Stand::Processing).await;
    let (inner, id) = (room.clone(), job.id.clone());
    let counted = tokio::task::spawn_blocking(move || count(&inner, sandbox, &job)).await;
    let stand = match counted {
        Ok(Ok(Some(counted))) => Stand::Succeeded(counted),
        // Called off; when the server stops, the next one begins it again.
        Ok(Ok(None)) if room.is_stopping() => return,
        Ok(Ok(None)) => Stand::Cancelled,
        Ok(Err(why)) => Stand::Failed(why),
        Err(broken) => Stand::Failed(format!("the evaluation broke off: {broken}")),
    };
    write(&room, sandbox, &id, &stand).await;
}

async fn write(room: &Room, sandbox: SandboxId, id: &str, stand: &Stand) {
    let now = room.clock.now();
    room.write(|docs| {
        let cancelled = docs.get(sandbox, Collection::SegmentJob, id).is_some_and(|doc| jobs::is_cancelling(doc));
        let stand = if cancelled && *stand != Stand::Processing { &Stand::Cancelled } else { stand };
        jobs::write_stand(docs, sandbox, id, now, stand)
    })
    .await;
}

/// `None` when it was called off.
fn count(room: &Room, sandbox: SandboxId, job: &Doc) -> Result<Option<Counted>, String> {
    room.wait_for_the_stream();
    let current = room.engine.control().current();
    let (docs, now) = (&current.docs, room.clock.now());
    let plan = current.plan.sandboxes.get(&sandbox).cloned().ok_or("the sandbox is gone")?;
    let evaluator = Evaluator::new(plan.clone(), jobs::work(docs, sandbox, job))?;
    let before = jobs::counted_before(docs, sandbox, job);
    let mut counts: Vec<Counts> = vec![Counts::default(); evaluator.rules.len()];
    let mut profiles = 0;
    let is_called_off = || room.is_called_off(sandbox, Collection::SegmentJob, &job.id);
    let end = survey::each(&room.engine, sandbox, &is_called_off, &mut |stored| {
        profiles += 1;
        let mut codes: Vec<SmolStr> =
            stored.profile.identities.iter().map(|known| plan.namespaces.code(known.identity.namespace)).collect();
        codes.sort();
        codes.dedup();
        let members = evaluator.evaluate(&room.engine, sandbox, stored, now)?;
        for ((rule, counts), is_member) in evaluator.rules.iter().zip(&mut counts).zip(members) {
            if rule.asked {
                let since = stored.profile.membership(rule.audience.no).map(|m| (m.status, m.since));
                tally(counts, is_member, since, before.get(&rule.audience.id).copied(), &codes);
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let asked = evaluator.rules.iter().zip(counts).filter(|(rule, _)| rule.asked);
    let audiences: BTreeMap<SmolStr, Counts> = asked.map(|(rule, counts)| (rule.audience.id.clone(), counts)).collect();
    Ok((end == End::Done).then_some(Counted { profiles, audiences }))
}

/// A member that came in before the last job is confirmed by this one (profile.md §10.4).
fn tally(
    counts: &mut Counts,
    is_member: bool,
    stored: Option<(Status, Timestamp)>,
    before: Option<Timestamp>,
    codes: &[SmolStr],
) {
    match (is_member, stored) {
        (true, stored) => {
            let since = stored.filter(|(status, _)| *status == Status::Realized).map(|(_, since)| since);
            match since.zip(before) {
                Some((since, before)) if since <= before => counts.existing += 1,
                _ => counts.realized += 1,
            }
            for code in codes {
                *counts.by_namespace.entry(code.clone()).or_default() += 1;
            }
        }
        (false, Some(_)) => counts.exited += 1,
        (false, None) => {}
    }
}
