//! What delivery needs from the engine: waiting exports, and a place for their outcomes.
//!
//! Always: sequence numbers of a partition start at 1 and increase with the order in which
//! exports were committed; `created` never decreases within a partition. An export stays
//! waiting until its outcome is reported or the engine withdraws it.

use destination::message::{SourceProfile, Withheld};
use model::{FlowNo, PartitionNo, ProfileId, Timestamp};
use std::sync::Arc;

/// Names one export for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExportKey {
    /// The dataflow.
    pub flow: FlowNo,
    /// The partition whose outbox holds the export.
    pub partition: PartitionNo,
    /// Increases per partition, from 1.
    pub seq: u64,
}

/// One waiting export: a message about one profile for one flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Its name.
    pub key: ExportKey,
    /// The profile. All exports of a profile lie in one partition.
    pub profile: ProfileId,
    /// Earlier profiles that were merged into this one, directly or through others. What still
    /// waits for them on this flow goes first.
    pub lineage: Vec<ProfileId>,
    /// When the change happened that is exported.
    pub created: Timestamp,
    /// Equal for every attempt, also after a restart.
    pub idempotency_key: [u8; 16],
    /// The JSON body.
    pub body: Vec<u8>,
    /// How many identities the body names.
    pub identities: u32,
}

/// One waiting export of a batching flow, not rendered yet.
#[derive(Debug, Clone)]
pub struct ProfileExport {
    /// Its name.
    pub key: ExportKey,
    /// The profile. All exports of a profile lie in one partition.
    pub profile: ProfileId,
    /// See [`Export::lineage`].
    pub lineage: Vec<ProfileId>,
    /// When the change happened that is exported.
    pub created: Timestamp,
    /// The profile as it was then.
    pub source: Arc<SourceProfile>,
}

/// What a request of a batching flow holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchRecord {
    /// Increases per flow.
    pub id: u64,
    /// Attempts made before it was written.
    pub attempts: u32,
    /// The parts of exports that it holds, in order: which export, which part of it.
    pub pieces: Vec<(ExportKey, u32)>,
}

/// How an export ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The destination took it (any 2xx).
    Delivered {
        /// Attempts made, the successful one included.
        attempts: u32,
        /// When the destination answered.
        at: Timestamp,
    },
    /// Given up.
    Dead {
        /// Why; never holds a secret.
        reason: String,
        /// Attempts made.
        attempts: u32,
    },
    /// It holds nothing that the destination takes.
    Filtered(Withheld),
}

/// The engine's outbox. Both calls may touch a disk: delivery makes them on blocking threads.
pub trait Outbox: Send + Sync + 'static {
    /// Up to `limit` waiting exports of a flow in one partition with `seq > after_seq`, in order.
    /// Fewer than `limit` means that there are no more at present.
    fn fetch(&self, flow: FlowNo, partition: PartitionNo, after_seq: u64, limit: usize) -> Vec<Export>;

    /// The same for a flow that batches.
    fn fetch_profiles(&self, flow: FlowNo, partition: PartitionNo, after_seq: u64, limit: usize) -> Vec<ProfileExport>;

    /// Writes down what a request holds, before it is sent for the first time. It survives the end of the
    /// process; what the machine forgets when it loses power may be batched anew.
    fn record_batch(&self, flow: FlowNo, batch: &BatchRecord);

    /// What was written down and not dropped, in the order of ids.
    fn batches(&self, flow: FlowNo) -> Vec<BatchRecord>;

    /// Forgets batches that have ended; called after their outcomes were reported.
    fn drop_batches(&self, batches: &[(FlowNo, u64)]);

    /// Takes outcomes for good: they become one log entry. May block shortly.
    fn report(&self, outcomes: Vec<(ExportKey, Outcome)>);

    /// How many partitions there are.
    fn partitions(&self) -> u16;
}
