//! A receiver, an outbox in memory, a manual clock, and delivery between them.

#![expect(clippy::disallowed_methods, reason = "real requests on loopback take real time")]

use clock::Clock;
use delivery::{
    BatchRecord, Delivery, Destination, Egress, Export, ExportKey, FlowMetrics, Outbox, Outcome, ProfileExport,
    Settings,
};
use model::{FlowNo, PartitionNo, Timestamp, Xid};
use parking_lot::Mutex;
use receiver::{Options, Record, Running, Script};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) const FLOW: FlowNo = FlowNo(7);
pub(crate) const START: Timestamp = Timestamp(1_790_000_000_000);
pub(crate) const PARTITIONS: u16 = 4;
/// Nothing here may take longer.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(crate) struct Memory {
    waiting: Mutex<BTreeMap<ExportKey, Export>>,
    profiles: Mutex<BTreeMap<ExportKey, ProfileExport>>,
    batches: Mutex<BTreeMap<(FlowNo, u64), BatchRecord>>,
    reported: Mutex<Vec<(ExportKey, Outcome)>>,
}

impl Outbox for Memory {
    fn fetch(&self, flow: FlowNo, partition: PartitionNo, after_seq: u64, limit: usize) -> Vec<Export> {
        let from = ExportKey { flow, partition, seq: after_seq + 1 };
        let to = ExportKey { flow, partition, seq: u64::MAX };
        self.waiting.lock().range(from..=to).take(limit).map(|(_, export)| export.clone()).collect()
    }

    fn fetch_profiles(&self, flow: FlowNo, partition: PartitionNo, after_seq: u64, limit: usize) -> Vec<ProfileExport> {
        let from = ExportKey { flow, partition, seq: after_seq + 1 };
        let to = ExportKey { flow, partition, seq: u64::MAX };
        self.profiles.lock().range(from..=to).take(limit).map(|(_, export)| export.clone()).collect()
    }

    fn record_batch(&self, flow: FlowNo, batch: &BatchRecord) {
        self.batches.lock().insert((flow, batch.id), batch.clone());
    }

    fn batches(&self, flow: FlowNo) -> Vec<BatchRecord> {
        self.batches.lock().range((flow, 0)..=(flow, u64::MAX)).map(|(_, batch)| batch.clone()).collect()
    }

    fn drop_batches(&self, batches: &[(FlowNo, u64)]) {
        let mut kept = self.batches.lock();
        batches.iter().for_each(|batch| drop(kept.remove(batch)));
    }

    fn report(&self, outcomes: Vec<(ExportKey, Outcome)>) {
        let (mut waiting, mut profiles) = (self.waiting.lock(), self.profiles.lock());
        for (key, _) in &outcomes {
            let known = waiting.remove(key).is_some() || profiles.remove(key).is_some();
            assert!(known, "{key:?} was reported twice");
        }
        self.reported.lock().extend(outcomes);
    }

    fn partitions(&self) -> u16 {
        PARTITIONS
    }
}

impl Memory {
    /// Commits an export of a batching flow.
    pub(crate) fn commit(&self, export: ProfileExport) {
        self.profiles.lock().insert(export.key, export);
    }

    pub(crate) fn outcomes(&self) -> Vec<(ExportKey, Outcome)> {
        self.reported.lock().clone()
    }

    /// What the engine does when a flow is disabled.
    pub(crate) fn withdraw(&self, seq: u64) {
        self.waiting.lock().retain(|key, _| key.seq != seq);
    }
}

pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) outbox: Arc<Memory>,
    pub(crate) delivery: Delivery,
    pub(crate) receiver: Running,
}

pub(crate) fn profile(name: u8) -> Xid {
    Xid([name; 16])
}

/// Profiles lie in partitions by their names.
fn partition(name: u8) -> PartitionNo {
    PartitionNo(u16::from(name) % PARTITIONS)
}

pub(crate) fn key(name: u8, seq: u64) -> ExportKey {
    ExportKey { flow: FLOW, partition: partition(name), seq }
}

pub(crate) fn script(text: &str) -> Script {
    text.parse().expect("a valid script")
}

impl World {
    pub(crate) async fn new(options: Options) -> World {
        World::with(options, Egress::open(), Settings::default()).await
    }

    pub(crate) async fn scripted(text: &str) -> World {
        World::new(Options { script: script(text), ..Options::default() }).await
    }

    pub(crate) async fn with(options: Options, egress: Egress, settings: Settings) -> World {
        let clock = Clock::manual(START);
        let receiver = receiver::serve(Options { clock: clock.clone(), ..options }).await.expect("a free port");
        let outbox = Arc::new(Memory::default());
        let runtime = tokio::runtime::Handle::current();
        let delivery = Delivery::start(outbox.clone(), clock.clone(), egress, settings, runtime).expect("started");
        World { clock, outbox, delivery, receiver }
    }

    pub(crate) fn destination(&self) -> Destination {
        Destination::new(self.receiver.url("/in").parse().expect("a URL"))
    }

    pub(crate) fn connect(&self, destination: Destination) {
        self.delivery.set_destination(FLOW, Some(Arc::new(destination)));
    }

    /// Commits an export without waking delivery.
    pub(crate) fn put(&self, name: u8, seq: u64, lineage: &[u8]) {
        let key = key(name, seq);
        let export = Export {
            key,
            profile: profile(name),
            lineage: lineage.iter().copied().map(profile).collect(),
            created: self.clock.now(),
            idempotency_key: [seq as u8; 16],
            body: format!(r#"{{"profile":{name},"seq":{seq}}}"#).into_bytes(),
            identities: 1,
        };
        self.outbox.waiting.lock().insert(key, export);
    }

    pub(crate) fn wake(&self, name: u8) {
        self.delivery.wake(FLOW, partition(name));
    }

    pub(crate) fn export(&self, name: u8, seq: u64) {
        self.put(name, seq, &[]);
        self.wake(name);
    }

    pub(crate) fn metrics(&self) -> FlowMetrics {
        self.delivery.metrics().into_iter().find(|m| m.flow == FLOW).unwrap_or_default()
    }

    pub(crate) fn reported(&self) -> Vec<(ExportKey, Outcome)> {
        self.outbox.reported.lock().clone()
    }

    pub(crate) fn outcome(&self, name: u8, seq: u64) -> Outcome {
        let found = self.reported().into_iter().find(|(k, _)| *k == key(name, seq));
        found.expect("an outcome").1
    }

    /// Waits in real time until `what` holds.
    pub(crate) async fn until(&self, what: impl Fn(&World) -> bool) {
        let start = Instant::now();
        while !what(self) {
            assert!(start.elapsed() < PATIENCE, "waited in vain: {:?}", self.metrics());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Advances the clock to what is waited for, whenever nothing runs, until `count` exports ended.
    pub(crate) async fn drive(&self, count: usize) {
        let start = Instant::now();
        while self.reported().len() < count {
            assert!(start.elapsed() < PATIENCE, "{} of {count}: {:?}", self.reported().len(), self.metrics());
            match self.clock.next_awaited() {
                Some(at) if self.metrics().in_flight == 0 => {
                    // Already past: the sleeper is about to wake.
                    let _ = self.clock.advance_to(at.max(self.clock.now()));
                }
                _ => {}
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until `count` exports ended, the clock standing still.
    pub(crate) async fn settle(&self, count: usize) {
        self.until(|world| world.reported().len() >= count).await;
    }

    /// Milliseconds since the start at which requests came.
    pub(crate) fn times(&self) -> Vec<i64> {
        let at = |r: &Record| Timestamp::parse(&r.time).expect("a time").0 - START.0;
        self.receiver.records().iter().map(at).collect()
    }

    /// (profile, seq, status) of what came, in order.
    pub(crate) fn came(&self) -> Vec<(u8, u64, u16)> {
        let number = |r: &Record, field: &str| r.body[field].as_u64().expect("a number");
        let came = |r: &Record| (number(r, "profile") as u8, number(r, "seq"), r.status);
        self.receiver.records().iter().map(came).collect()
    }
}

pub(crate) fn attempts(outcome: &Outcome) -> u32 {
    match outcome {
        Outcome::Delivered { attempts, .. } | Outcome::Dead { attempts, .. } => *attempts,
        Outcome::Filtered(_) => 0,
    }
}

pub(crate) fn reason(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Delivered { .. } => "delivered",
        Outcome::Dead { reason, .. } => reason,
        Outcome::Filtered(_) => "filtered",
    }
}
