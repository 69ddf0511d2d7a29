//! The engine's outbox as delivery sees it: waiting exports become messages, outcomes become log entries.

use activation::{ExportedMembership, Filtered, FlowPlan, Names};
use delivery::{BatchRecord, Export, ExportKey, Outbox, Outcome, ProfileExport};
use destination::message::{SourceMembership, SourceProfile, Withheld};
use engine::{Engine, SandboxPlan, Waiting};
use model::codec;
use model::{AudienceNo, FlowNo, Identity, NamespaceId, PartitionNo, SmolStr, Value};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// The engine's outbox as delivery sees it.
pub(super) struct EngineOutbox {
    engine: Arc<Engine>,
}

impl EngineOutbox {
    pub(super) fn new(engine: Arc<Engine>) -> EngineOutbox {
        EngineOutbox { engine }
    }

    fn flow(&self, no: FlowNo) -> Option<(Arc<SandboxPlan>, Arc<FlowPlan>)> {
        let current = self.engine.control().current();
        current
            .plan
            .sandboxes
            .values()
            .find_map(|plan| plan.flows.iter().find(|f| f.no == no).map(|flow| (plan.clone(), flow.clone())))
    }
}

struct PlanNames<'a>(&'a SandboxPlan);

impl Names for PlanNames<'_> {
    fn audience(&self, no: AudienceNo) -> Option<SmolStr> {
        self.0.audiences.by_no(no).map(|a| a.id.clone())
    }
    fn namespace(&self, id: NamespaceId) -> SmolStr {
        self.0.namespaces.code(id)
    }
}

impl EngineOutbox {
    /// Reads until the store answers: to delivery, an empty answer would mean "withdrawn".
    fn read(&self, flow: FlowNo, partition: PartitionNo, after_seq: u64, limit: usize) -> Vec<Waiting> {
        loop {
            match self.engine.waiting(flow, partition, after_seq, limit) {
                Ok(waiting) => return waiting,
                Err(_) if self.engine.is_stopping() => return Vec::new(),
                Err(error) => tracing::error!(%error, "the outbox cannot be read yet"),
            }
            std::thread::park_timeout(Duration::from_secs(1));
        }
    }
}

impl Outbox for EngineOutbox {
    fn fetch(&self, flow: FlowNo, partition: PartitionNo, after_seq: u64, limit: usize) -> Vec<Export> {
        let Some((plan, flow_plan)) = self.flow(flow) else { return Vec::new() };
        self.read(flow, partition, after_seq, limit)
            .into_iter()
            .map(|w| Export {
                key: ExportKey { flow, partition, seq: w.seq },
                profile: w.export.profile,
                created: w.export.at,
                idempotency_key: idempotency_key(flow, partition, w.seq),
                body: activation::payload(&w.export, &flow_plan, &PlanNames(&plan)),
                identities: u32::try_from(w.export.identities.len()).unwrap_or(u32::MAX),
                lineage: w.export.lineage,
            })
            .collect()
    }

    fn fetch_profiles(&self, flow: FlowNo, partition: PartitionNo, after_seq: u64, limit: usize) -> Vec<ProfileExport> {
        let Some((plan, _)) = self.flow(flow) else { return Vec::new() };
        let names = PlanNames(&plan);
        self.read(flow, partition, after_seq, limit)
            .into_iter()
            .map(|w| ProfileExport {
                key: ExportKey { flow, partition, seq: w.seq },
                profile: w.export.profile,
                created: w.export.at,
                lineage: w.export.lineage,
                source: Arc::new(source_profile(
                    w.export.memberships,
                    w.export.identities,
                    w.export.attributes,
                    &names,
                )),
            })
            .collect()
    }

    fn record_batch(&self, flow: FlowNo, batch: &BatchRecord) {
        // Without it nothing is lost: after the end of this process the request is batched anew.
        if let Err(error) = self.engine.record_batch(flow, batch.id, encode_batch(batch)) {
            tracing::warn!(flow = flow.0, %error, "a batch cannot be written down");
        }
    }

    fn batches(&self, flow: FlowNo) -> Vec<BatchRecord> {
        let rows = self.engine.batches(flow).unwrap_or_else(|error| {
            tracing::warn!(flow = flow.0, %error, "batches of before cannot be read");
            Vec::new()
        });
        rows.into_iter().filter_map(|(id, row)| decode_batch(flow, id, &row)).collect()
    }

    fn drop_batches(&self, batches: &[(FlowNo, u64)]) {
        if let Err(error) = self.engine.drop_batches(batches) {
            tracing::warn!(%error, "records of ended batches stay until the next start");
        }
    }

    fn report(&self, outcomes: Vec<(ExportKey, Outcome)>) {
        let outcomes: Vec<_> = outcomes
            .into_iter()
            .map(|(key, outcome)| {
                let outcome = match outcome {
                    Outcome::Delivered { .. } => engine::Outcome::Delivered,
                    Outcome::Filtered(Withheld::NotAMember) => engine::Outcome::Filtered(Filtered::NotAMember),
                    Outcome::Filtered(_) => engine::Outcome::Filtered(Filtered::NoMappedIdentity),
                    Outcome::Dead { reason, attempts } => engine::Outcome::Dead { reason: reason.into(), attempts },
                };
                (key.flow, key.partition, key.seq, outcome)
            })
            .collect();
        // An outcome that never gets into the log would leave its export waiting until the next start,
        // and be delivered again then: worth waiting for as long as the disk is full.
        for attempt in 0u64.. {
            match self.engine.report(outcomes.clone()) {
                Ok(()) => return,
                Err(_) if self.engine.is_stopping() => return,
                Err(error) if attempt % 50 == 0 => tracing::error!(%error, "outcomes cannot be logged yet"),
                Err(_) => {}
            }
            std::thread::park_timeout(Duration::from_millis(100));
        }
    }

    fn partitions(&self) -> u16 {
        self.engine.partitions()
    }
}

/// An export as the templates' source: codes and ids instead of numbers.
fn source_profile(
    memberships: Vec<ExportedMembership>,
    identities: Vec<Identity>,
    attributes: Value,
    names: &dyn Names,
) -> SourceProfile {
    let membership = |m: ExportedMembership| {
        Some(SourceMembership {
            namespace: OWN_AUDIENCES,
            id: names.audience(m.audience)?,
            status: m.status,
            since: m.since,
            changed: m.changed,
        })
    };
    SourceProfile {
        memberships: memberships.into_iter().filter_map(membership).collect(),
        identities: identities.into_iter().map(|i| (names.namespace(i.namespace), i.value)).collect(),
        attributes,
    }
}

/// Namespace of the audiences that are evaluated here.
const OWN_AUDIENCES: SmolStr = SmolStr::new_static("ups");

fn encode_batch(batch: &BatchRecord) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + batch.pieces.len() * 8);
    codec::put_u64(&mut out, u64::from(batch.attempts));
    codec::put_u64(&mut out, batch.pieces.len() as u64);
    for (key, nth) in &batch.pieces {
        codec::put_u64(&mut out, u64::from(key.partition.0));
        codec::put_u64(&mut out, key.seq);
        codec::put_u64(&mut out, u64::from(*nth));
    }
    out
}

/// None for a row that cannot be read: its exports are batched anew.
fn decode_batch(flow: FlowNo, id: u64, row: &[u8]) -> Option<BatchRecord> {
    let mut reader = codec::Reader::new(row);
    let attempts = reader.u32().ok()?;
    let mut pieces = Vec::new();
    for _ in 0..reader.len().ok()? {
        let partition = PartitionNo(u16::try_from(reader.u64().ok()?).ok()?);
        let seq = reader.u64().ok()?;
        pieces.push((ExportKey { flow, partition, seq }, reader.u32().ok()?));
    }
    Some(BatchRecord { id, attempts, pieces })
}

/// Derived from the place in the log and the flow, so that a replay makes the same one.
fn idempotency_key(flow: FlowNo, partition: PartitionNo, seq: u64) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(flow.0.to_be_bytes());
    hash.update(partition.0.to_be_bytes());
    hash.update(seq.to_be_bytes());
    let mut key = [0; 16];
    key.copy_from_slice(&hash.finalize()[..16]);
    key
}
