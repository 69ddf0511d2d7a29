//! The whole of delivery: one task per flow, one reporter, one HTTP client.

use crate::attempt::Target;
use crate::batch::{self, Batching, Trial};
use crate::destination::Destination;
use crate::egress::Egress;
use crate::flow::{self, Handle, Room};
use crate::http::{self, Lookup, SystemLookup};
use crate::metrics::FlowMetrics;
use crate::port::Outbox;
use crate::report::{self, Reporter};
use crate::wire::Wire;
use clock::Clock;
use model::{FlowNo, PartitionNo};
use parking_lot::{Mutex, RwLock};
use reqwest::Client;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle as Runtime;
use tokio::task::JoinHandle;

/// The smallest window that lets several partitions be read at once.
const WINDOW_MIN: usize = 64;

/// How much delivery keeps in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Export bodies per flow; at least 64.
    pub window: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { window: 4_096 }
    }
}

/// Why delivery cannot start.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be made: {0}")]
pub struct StartError(#[from] reqwest::Error);

/// Delivers exports. After a drop nobody hears of running attempts (their exports stay waiting);
/// [`Delivery::drain`] lets them finish.
pub struct Delivery {
    outbox: Arc<dyn Outbox>,
    clock: Clock,
    egress: Egress,
    settings: Settings,
    runtime: Runtime,
    client: Client,
    flows: RwLock<HashMap<FlowNo, Arc<Handle>>>,
    /// Tasks of flows, ended ones included until the next is started.
    tasks: Mutex<Vec<JoinHandle<()>>>,
    /// None once drained: nothing starts any more.
    reporter: Mutex<Option<Reporter>>,
    reporting: Mutex<Option<JoinHandle<()>>>,
}

impl Delivery {
    /// Starts without flows; [`Delivery::set_destination`] adds them.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn start(
        outbox: Arc<dyn Outbox>,
        clock: Clock,
        egress: Egress,
        settings: Settings,
        runtime: Runtime,
    ) -> Result<Delivery, StartError> {
        Delivery::start_with(outbox, clock, egress, settings, runtime, Arc::new(SystemLookup))
    }

    pub(crate) fn start_with(
        outbox: Arc<dyn Outbox>,
        clock: Clock,
        egress: Egress,
        settings: Settings,
        runtime: Runtime,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Delivery, StartError> {
        let client = http::client(&egress, lookup)?;
        let (reporter, words) = Reporter::new();
        let reporting = runtime.spawn(report::run(words, outbox.clone()));
        let settings = Settings { window: settings.window.max(WINDOW_MIN) };
        Ok(Delivery {
            outbox,
            clock,
            egress,
            settings,
            runtime,
            client,
            flows: RwLock::default(),
            tasks: Mutex::default(),
            reporter: Mutex::new(Some(reporter)),
            reporting: Mutex::new(Some(reporting)),
        })
    }

    /// Sets where a flow delivers to. `None` (disabled): running attempts finish, what waits is
    /// forgotten and read again from the outbox when a destination is set later. The same
    /// destination again changes nothing; another one is tried at once by what waits for a retry.
    pub fn set_destination(&self, flow: FlowNo, destination: Option<Arc<Destination>>) {
        let known = self.flows.read().get(&flow).cloned();
        let handle = match (known, &destination) {
            (Some(handle), _) => handle,
            (None, None) => return,
            (None, Some(_)) => match self.add(flow) {
                Some(handle) => handle,
                None => return,
            },
        };
        let mut control = handle.control.lock();
        let same = match (&control.target, &destination) {
            (Some(old), Some(new)) => old.destination == **new,
            (old, new) => old.is_none() && new.is_none(),
        };
        if !same {
            control.disabled += u64::from(destination.is_none());
            control.target = destination.map(|destination| Arc::new(self.target(&destination)));
        }
        drop(control);
        handle.notify.notify_one();
    }

    /// The same for a flow that batches. Another design of the destination reads again what waits.
    pub fn set_batching(&self, flow: FlowNo, batching: Option<Batching>) {
        let known = self.flows.read().get(&flow).cloned();
        let target = batching.map(|batching| Arc::new(self.batching_target(batching)));
        let handle = match (known, &target) {
            (Some(handle), _) => handle,
            (None, None) => return,
            (None, Some(target)) => match self.add_batching(flow, target.clone()) {
                Some(handle) => handle,
                None => return,
            },
        };
        let mut control = handle.control.lock();
        control.disabled += u64::from(target.is_none() && control.batching.is_some());
        control.batching = target;
        drop(control);
        handle.notify.notify_one();
    }

    /// The account of a batching flow lets in again, as after a login: what waits is tried at once.
    pub fn hurry(&self, flow: FlowNo) {
        if let Some(handle) = self.flows.read().get(&flow) {
            handle.control.lock().hurried += 1;
            handle.notify.notify_one();
        }
    }

    /// Sends profiles of the target schema at once, past the outbox, and shows what came of it.
    pub async fn try_batching(
        &self,
        batching: Batching,
        profiles: &[Arc<destination::message::TargetProfile>],
        id: impl Fn() -> [u8; 16],
    ) -> Vec<Trial> {
        batch::try_out(&self.batching_target(batching), profiles, id).await
    }

    fn batching_target(&self, batching: Batching) -> batch::Target {
        let (client, egress, clock) = (self.client.clone(), self.egress.clone(), self.clock.clone());
        batch::Target::new(batching, client, egress, clock)
    }

    /// The guarded way out, for calls that are no exports.
    pub fn wire(&self) -> Wire {
        Wire::over(self.client.clone(), self.egress.clone(), self.clock.clone())
    }

    fn target(&self, destination: &Destination) -> Target {
        Target::new(destination.clone(), self.client.clone(), self.egress.clone(), self.clock.clone())
    }

    /// The task of a flow; none once drained.
    fn add(&self, flow: FlowNo) -> Option<Arc<Handle>> {
        self.add_with(flow, None)
    }

    fn add_batching(&self, flow: FlowNo, target: Arc<batch::Target>) -> Option<Arc<Handle>> {
        self.add_with(flow, Some(target))
    }

    fn add_with(&self, flow: FlowNo, batching: Option<Arc<batch::Target>>) -> Option<Arc<Handle>> {
        let mut flows = self.flows.write();
        if let Some(handle) = flows.get(&flow) {
            return Some(handle.clone());
        }
        let reporter = self.reporter.lock().clone()?;
        let handle = Arc::new(Handle::new(flow, self.outbox.partitions()));
        let room =
            Room { outbox: self.outbox.clone(), clock: self.clock.clone(), window: self.settings.window, reporter };
        let batches = batching.is_some();
        handle.control.lock().batching = batching;
        let task = match batches {
            true => self.runtime.spawn(batch::run(handle.clone(), room)),
            false => self.runtime.spawn(flow::run(handle.clone(), room)),
        };
        let mut tasks = self.tasks.lock();
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
        flows.insert(flow, handle.clone());
        Some(handle)
    }

    /// A commit wrote exports of this flow into this partition. Cheap; never blocks on I/O.
    pub fn wake(&self, flow: FlowNo, partition: PartitionNo) {
        if let Some(handle) = self.flows.read().get(&flow) {
            handle.mark(partition);
        }
    }

    /// The flow is deleted: running attempts finish and are reported, all else is forgotten.
    pub fn discard(&self, flow: FlowNo) {
        if let Some(handle) = self.flows.write().remove(&flow) {
            handle.control.lock().batching = None;
            handle.end();
        }
    }

    /// State and counters of all flows, by flow.
    pub fn metrics(&self) -> Vec<FlowMetrics> {
        let mut metrics: Vec<FlowMetrics> =
            self.flows.read().values().map(|handle| handle.metrics.lock().clone()).collect();
        metrics.sort_by_key(|m| m.flow);
        metrics
    }

    /// Starts nothing more, and lets running attempts finish for at most `patience` of real time.
    /// True if all finished and were reported. What did not stays waiting in the outbox.
    pub async fn drain(&self, patience: Duration) -> bool {
        self.reporter.lock().take();
        self.flows.read().values().for_each(|handle| handle.end());
        let tasks: Vec<JoinHandle<()>> = self.tasks.lock().drain(..).collect();
        let reporting = self.reporting.lock().take();
        let aborts: Vec<_> = tasks.iter().chain(&reporting).map(JoinHandle::abort_handle).collect();
        let all = async move {
            for task in tasks.into_iter().chain(reporting) {
                // A task that panicked has ended, too.
                let _ = task.await;
            }
        };
        let finished = tokio::time::timeout(patience, all).await.is_ok();
        aborts.iter().for_each(tokio::task::AbortHandle::abort);
        finished
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.tasks.lock().iter().for_each(JoinHandle::abort);
        if let Some(reporting) = self.reporting.lock().as_ref() {
            reporting.abort();
        }
    }
}
