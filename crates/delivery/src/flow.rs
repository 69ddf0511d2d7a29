//! One flow: a task that fetches, starts attempts, hears how they ended, and reports outcomes.
//!
//! In: wakes, a destination, ends of attempts, the clock. Out: attempts on tasks of their own,
//! outcomes to the reporter, metrics. All decisions are made in this one task.
//!
//! Always: without a destination nothing starts, and what waits is forgotten; running attempts
//! finish and count. An attempt that panics counts as a broken connection.

use crate::attempt::{Target, Verdict};
use crate::http::Failure;
use crate::metrics::FlowMetrics;
use crate::pace::{Pace, Signal, Ticket};
use crate::port::{Export, Outbox, Outcome};
use crate::queue::{Job, Queue};
use crate::reader::Fetch;
use crate::report::Reporter;
use bytes::Bytes;
use clock::Clock;
use model::{FlowNo, PartitionNo, Timestamp};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::{Notify, mpsc};

/// What a flow's task and the rest of delivery share.
pub(crate) struct Handle {
    pub(crate) flow: FlowNo,
    /// One bit per partition that may hold something new.
    marks: Vec<AtomicU64>,
    pub(crate) notify: Notify,
    pub(crate) control: Mutex<Control>,
    pub(crate) metrics: Mutex<FlowMetrics>,
    /// Outcomes that were not reported yet.
    pub(crate) unreported: AtomicUsize,
}

/// What a flow is told.
#[derive(Default)]
pub(crate) struct Control {
    pub(crate) target: Option<Arc<Target>>,
    /// Where a batching flow delivers to.
    pub(crate) batching: Option<Arc<crate::batch::Target>>,
    /// How often the flow was disabled.
    pub(crate) disabled: u64,
    /// How often what waits was to be tried at once; heeded where there are logins, by batching flows.
    pub(crate) hurried: u64,
    /// Finish running attempts, then end.
    pub(crate) ending: bool,
}

impl Handle {
    pub(crate) fn new(flow: FlowNo, partitions: u16) -> Handle {
        Handle {
            flow,
            marks: (0..usize::from(partitions).div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
            notify: Notify::new(),
            control: Mutex::new(Control::default()),
            metrics: Mutex::new(FlowMetrics { flow, ..FlowMetrics::default() }),
            unreported: AtomicUsize::new(0),
        }
    }

    /// A partition may hold something new.
    pub(crate) fn mark(&self, partition: PartitionNo) {
        let bit = 1u64 << (partition.0 % 64);
        if let Some(word) = self.marks.get(usize::from(partition.0 / 64))
            && word.fetch_or(bit, Ordering::AcqRel) & bit == 0
        {
            self.notify.notify_one();
        }
    }

    /// Takes the marks off and names the partitions.
    pub(crate) fn take_marks(&self, mut each: impl FnMut(usize)) {
        for (word, marks) in self.marks.iter().enumerate() {
            let mut marks = marks.swap(0, Ordering::AcqRel);
            while marks != 0 {
                each(word * 64 + marks.trailing_zeros() as usize);
                marks &= marks - 1;
            }
        }
    }

    /// Tells the flow's task to finish running attempts and end.
    pub(crate) fn end(&self) {
        self.control.lock().ending = true;
        self.notify.notify_one();
    }
}

/// What a flow's task works with.
pub(crate) struct Room {
    pub(crate) outbox: Arc<dyn Outbox>,
    pub(crate) clock: Clock,
    pub(crate) window: usize,
    pub(crate) reporter: Reporter,
}

enum Event {
    Ended(Ended),
    Read(u64, Vec<(Fetch, Vec<Export>)>),
}

struct Ended {
    job: Job,
    ticket: Ticket,
    /// The destination that was tried.
    target: Arc<Target>,
    verdict: Verdict,
    took_us: u64,
}

/// How long exports wait for a destination that does not answer at all.
pub(crate) const UNREACHABLE_MS: i64 = 24 * 3_600_000;

struct Flow {
    handle: Arc<Handle>,
    room: Room,
    queue: Queue,
    pace: Pace,
    target: Option<Arc<Target>>,
    tokens_before: u64,
    disabled: u64,
    ending: bool,
    running: usize,
    reading: bool,
    events: mpsc::UnboundedSender<Event>,
}

/// Serves one flow until it is told to end.
pub(crate) async fn run(handle: Arc<Handle>, room: Room) {
    let (events, mut heard) = mpsc::unbounded_channel();
    let queue = Queue::new(room.outbox.partitions());
    let mut flow = Flow {
        handle,
        room,
        queue,
        pace: Pace::new(1),
        target: None,
        tokens_before: 0,
        disabled: 0,
        ending: false,
        running: 0,
        reading: false,
        events,
    };
    loop {
        flow.obey();
        let now = flow.room.clock.now();
        flow.queue.wake_due(now);
        flow.start_attempts(now);
        flow.start_read();
        flow.show();
        if flow.ending && flow.running == 0 {
            return;
        }
        let next = flow.next_instant();
        let first = wait(&mut heard, &flow.handle, &flow.room.clock, next).await;
        for event in first.into_iter().chain(std::iter::from_fn(|| heard.try_recv().ok())) {
            flow.hear(event);
        }
    }
}

/// Until an event is heard, which is given; the flow is told something; or `next` has come.
pub(crate) async fn wait<E>(
    heard: &mut mpsc::UnboundedReceiver<E>,
    handle: &Handle,
    clock: &Clock,
    next: Option<Timestamp>,
) -> Option<E> {
    tokio::select! {
        event = heard.recv() => event,
        () = handle.notify.notified() => None,
        () = clock.sleep_until(next.unwrap_or_default()), if next.is_some() => None,
    }
}

impl Flow {
    /// Follows what the flow was told since the last turn.
    fn obey(&mut self) {
        let (target, disabled, ending) = {
            let control = self.handle.control.lock();
            (control.target.clone(), control.disabled, control.ending)
        };
        self.ending = ending;
        let was_disabled = std::mem::replace(&mut self.disabled, disabled) != disabled;
        let target = if ending { None } else { target };
        if let (Some(old), Some(new)) = (&self.target, &target)
            && Arc::ptr_eq(old, new)
        {
            return;
        }
        if let Some(old) = &self.target {
            self.tokens_before += old.tokens.fetched();
        }
        match (&self.target, &target) {
            (None, None) => {}
            (Some(_), None) => self.queue.forget(),
            (None, Some(_)) => self.queue.resume(),
            (Some(_), Some(_)) if was_disabled => {
                self.queue.forget();
                self.queue.resume();
            }
            // A corrected destination is tried at once.
            (Some(_), Some(_)) => self.queue.wake_due(Timestamp(i64::MAX)),
        }
        if let Some(new) = &target {
            self.pace = Pace::new(new.destination.concurrency_max);
        }
        self.target = target;
    }

    fn start_attempts(&mut self, now: Timestamp) {
        let Some(target) = self.target.clone() else { return };
        while self.queue.has_ready() && self.handle.unreported.load(Ordering::Acquire) < self.room.window {
            let Some(ticket) = self.pace.start(self.running, now) else {
                self.give_up_late(now);
                return;
            };
            let Some(job) = self.queue.start() else { return };
            self.running += 1;
            let outbox = self.room.outbox.clone();
            let guard = Guard { events: self.events.clone(), ended: Some((job, ticket, target.clone())) };
            tokio::spawn(guard.attempt(outbox));
        }
    }

    /// While nothing answers, no attempts are made that could be counted; then age ends what waits:
    /// after the span of the retries an export is dead, tried or not (design, §11.8).
    fn give_up_late(&mut self, now: Timestamp) {
        if self.pace.opens_at().is_none() {
            return;
        }
        let is_late = |created: Timestamp| created.0.saturating_add(UNREACHABLE_MS) <= now.0;
        while self.queue.next_created().is_some_and(is_late) {
            let Some(job) = self.queue.start() else { return };
            let reason = "the destination could not be reached for 24 hours".to_owned();
            self.handle.metrics.lock().dead += 1;
            let outcome = Outcome::Dead { reason, attempts: job.attempts };
            self.room.reporter.report(&self.handle, job.key, outcome);
            self.queue.finish(job.profile);
        }
    }

    fn start_read(&mut self) {
        self.handle.take_marks(|partition| self.queue.mark(partition));
        if self.target.is_none() || self.reading {
            return;
        }
        let (round, fetches) = self.queue.plan(self.room.window);
        if fetches.is_empty() {
            return;
        }
        self.reading = true;
        let (outbox, events, flow) = (self.room.outbox.clone(), self.events.clone(), self.handle.flow);
        tokio::task::spawn_blocking(move || {
            let read = |f: Fetch| (f, outbox.fetch(flow, f.partition, f.after_seq, f.limit));
            let found = fetches.into_iter().map(read).collect();
            // No listener: the flow has ended.
            let _ = events.send(Event::Read(round, found));
        });
    }

    /// When to look again without being woken.
    fn next_instant(&self) -> Option<Timestamp> {
        self.target.as_ref()?;
        let probe = if self.queue.has_ready() { self.pace.opens_at() } else { None };
        [self.queue.next_due(), probe].into_iter().flatten().min()
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Read(round, found) => {
                self.reading = false;
                for (fetch, exports) in found {
                    self.queue.take(round, fetch, exports);
                }
                self.queue.taken();
            }
            Event::Ended(ended) => self.ended(ended),
        }
    }

    fn ended(&mut self, ended: Ended) {
        self.running -= 1;
        let now = self.room.clock.now();
        let signal = match &ended.verdict {
            Verdict::Delivered => Signal::Answered,
            Verdict::Failed(failure) => failure.signal,
            Verdict::Gone => Signal::Nothing,
        };
        if self.target.as_ref().is_some_and(|current| Arc::ptr_eq(current, &ended.target)) {
            self.pace.ended(ended.ticket, signal, now);
        }
        let job = &ended.job;
        let attempts = job.attempts + 1;
        let mut metrics = self.handle.metrics.lock();
        if !matches!(ended.verdict, Verdict::Gone) {
            metrics.attempts += 1;
            metrics.attempt_us.add(ended.took_us);
        }
        match ended.verdict {
            Verdict::Gone => self.queue.finish(job.profile),
            Verdict::Delivered => {
                metrics.delivered += 1;
                metrics.identities += u64::from(job.identities);
                metrics.latency_ms.add(now.0.saturating_sub(job.created.0).max(0) as u64);
                self.room.reporter.report(&self.handle, job.key, Outcome::Delivered { attempts, at: now });
                self.queue.finish(job.profile);
            }
            Verdict::Failed(failure) => {
                metrics.failures.add(failure.class);
                metrics.last_failure = Some((now, failure.reason.clone()));
                let retry = ended.target.destination.retry;
                let wait = retry.next_wait_ms(attempts, &job.idempotency_key, failure.retry_after_ms);
                match wait.filter(|_| failure.retry) {
                    Some(_) if self.target.is_none() => self.queue.forget_running(job.profile),
                    Some(wait) => {
                        let at = Timestamp(now.0.saturating_add(wait));
                        self.queue.back_off(job.profile, at, attempts);
                    }
                    None => {
                        metrics.dead += 1;
                        tracing::debug!(flow = self.handle.flow.0, reason = failure.reason, "export given up");
                        let outcome = Outcome::Dead { reason: failure.reason, attempts };
                        self.room.reporter.report(&self.handle, job.key, outcome);
                        self.queue.finish(job.profile);
                    }
                }
            }
        }
    }

    /// Shows the present state in the metrics.
    fn show(&self) {
        let mut metrics = self.handle.metrics.lock();
        metrics.in_flight = self.running;
        metrics.queued = self.queue.len();
        metrics.backing_off = self.queue.backing_off();
        metrics.concurrency = self.pace.limit();
        metrics.circuit_open = self.pace.is_open();
        metrics.tokens_fetched = self.tokens_before + self.target.as_ref().map_or(0, |t| t.tokens.fetched());
    }
}

/// Tells the flow how an attempt ended, even if it panicked.
struct Guard {
    events: mpsc::UnboundedSender<Event>,
    ended: Option<(Job, Ticket, Arc<Target>)>,
}

impl Guard {
    #[expect(clippy::disallowed_methods, reason = "measures how long an answer takes")]
    async fn attempt(mut self, outbox: Arc<dyn Outbox>) {
        let started = Instant::now();
        let verdict = match &self.ended {
            None => Verdict::Gone,
            Some((job, _, target)) => match load(job, outbox).await {
                Some(body) => target.deliver(job, body).await,
                None => Verdict::Gone,
            },
        };
        self.tell(verdict, started.elapsed().as_micros() as u64);
    }

    fn tell(&mut self, verdict: Verdict, took_us: u64) {
        if let Some((job, ticket, target)) = self.ended.take() {
            // No listener: the flow was dropped.
            let _ = self.events.send(Event::Ended(Ended { job, ticket, target, verdict, took_us }));
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.tell(Verdict::Failed(Failure::cut_off()), 0);
    }
}

/// The body of a job; a parked one is fetched again. None if it no longer waits in the outbox: one
/// that was tried before may have been taken back meanwhile, so that is asked.
async fn load(job: &Job, outbox: Arc<dyn Outbox>) -> Option<Bytes> {
    let kept = job.body.clone();
    if job.attempts == 0 && kept.is_some() {
        return kept;
    }
    let key = job.key;
    let fetch = move || outbox.fetch(key.flow, key.partition, key.seq.saturating_sub(1), 1);
    let found = tokio::task::spawn_blocking(fetch).await.ok()?;
    let export = found.into_iter().find(|export| export.key == key)?;
    Some(kept.unwrap_or_else(|| export.body.into()))
}
