//! One batching flow: a task that fetches, fills buckets, starts attempts, and reports outcomes.
//!
//! In: wakes, a destination, ends of attempts, the clock. Out: attempts on tasks of their own,
//! outcomes to the reporter, metrics. All decisions are made in this one task.
//!
//! Always: as in the flow of single exports (`flow.rs`); besides, what was cut into pieces by one
//! design of a destination, or by one mapping, is forgotten and read again when another takes its place.

use super::attempt::{self, Parcel, Record, Verdict};
use super::gather::{Caps, Change, ChangeEnd, Ended, Gather, Note, Piece, PieceEnd};
use super::line::Lines;
use super::target::Target;
use crate::flow::{self, Handle, Room, UNREACHABLE_MS};
use crate::http::Failure;
use crate::metrics::Class;
use crate::pace::{Pace, Signal, Ticket};
use crate::port::{Outbox, Outcome, ProfileExport};
use crate::reader::{FETCH_MIN, Fetch, Reader};
use destination::message::{GroupKey, Judgement, Slice, SliceOutcome, Withheld};
use model::{FlowNo, Timestamp};
use smallvec::SmallVec;
use std::num::NonZero;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use tokio::sync::mpsc;

type SliceChange = Change<Arc<GroupKey>, Slice>;

enum Event {
    /// A request is on its way.
    Sent,
    Ended(Attempt),
    Read(u64, Vec<(Fetch, Vec<SliceChange>)>),
}

struct Attempt {
    parcel: Parcel,
    ticket: Ticket,
    target: Arc<Target>,
    verdict: Verdict,
    /// How often the flow had been hurried when it started.
    hurried: u64,
    took_us: u64,
    /// Whether [`Event::Sent`] came before.
    sent: bool,
}

/// Exports that one read asks for at most.
const ROUND_MAX: usize = 1_024;
/// What a partition is asked for at least, room permitting.
const AT_ONCE: usize = 128;
/// Threads that share a read.
const READERS: usize = 2;
/// So many full messages wait to leave before reading pauses.
const AHEAD: usize = 4;
/// And so many users at least.
const AHEAD_MIN: usize = 512;
/// Requests that are made at the same time, for each processor: making them is work, waiting for answers is not.
const MAKING_EACH: usize = 2;

struct Flow {
    handle: Arc<Handle>,
    room: Room,
    reader: Reader,
    lines: Lines<SliceChange>,
    gather: Gather<Arc<GroupKey>, Slice>,
    pace: Pace,
    target: Option<Arc<Target>>,
    tokens_before: u64,
    disabled: u64,
    hurried: u64,
    ending: bool,
    /// What was forgotten is to be read again once nothing runs: what runs may be earlier.
    resuming: bool,
    running: usize,
    /// Those of the running whose request is not on its way yet.
    making: usize,
    making_max: usize,
    /// Parts of the read under way.
    reading: usize,
    events: mpsc::UnboundedSender<Event>,
}

/// Serves one batching flow until it is told to end.
pub(crate) async fn run(handle: Arc<Handle>, room: Room) {
    let (events, mut heard) = mpsc::unbounded_channel();
    // The caps of the destination come with it.
    let mut gather = Gather::new(Caps { users_max: 1, age_ms: 0, one_per_lane: true, open_max: 0 });
    let (outbox, no) = (room.outbox.clone(), handle.flow);
    match tokio::task::spawn_blocking(move || outbox.batches(no)).await {
        Ok(records) => gather.restore(records),
        Err(_) => tracing::error!(flow = no.0, "batches of before cannot be read; they are batched anew"),
    }
    let mut flow = Flow {
        reader: Reader::new(room.outbox.partitions()),
        lines: Lines::default(),
        gather,
        handle,
        room,
        pace: Pace::new(1),
        target: None,
        tokens_before: 0,
        disabled: 0,
        hurried: 0,
        ending: false,
        resuming: false,
        running: 0,
        making: 0,
        making_max: MAKING_EACH * std::thread::available_parallelism().map_or(1, NonZero::get),
        reading: 0,
        events,
    };
    loop {
        flow.obey();
        let now = flow.room.clock.now();
        flow.gather.wake_due(now);
        let _ = flow.settle();
        flow.resume();
        flow.start_read();
        flow.give_up_restoring();
        flow.start_attempts(now);
        if flow.settle() {
            continue;
        }
        flow.show();
        if flow.ending && flow.running == 0 {
            return;
        }
        let next = flow.next_instant();
        let first = flow::wait(&mut heard, &flow.handle, &flow.room.clock, next).await;
        for event in first.into_iter().chain(std::iter::from_fn(|| heard.try_recv().ok())) {
            flow.hear(event);
        }
    }
}

impl Flow {
    /// Follows what the flow was told since the last turn.
    fn obey(&mut self) {
        let (target, disabled, hurried, ending) = {
            let control = self.handle.control.lock();
            (control.batching.clone(), control.disabled, control.hurried, control.ending)
        };
        self.ending = ending;
        if std::mem::replace(&mut self.hurried, hurried) != hurried {
            self.gather.hurry();
        }
        let was_disabled = std::mem::replace(&mut self.disabled, disabled) != disabled;
        if let (Some(old), Some(new)) = (&self.target, &target)
            && Arc::ptr_eq(old, new)
        {
            return;
        }
        if let Some(old) = &self.target {
            self.tokens_before += old.batching.authorize.fetched();
        }
        match (&self.target, &target) {
            (None, None) => {}
            (Some(_), None) => self.forget(),
            (None, Some(_)) => self.resuming = true,
            (Some(old), Some(new)) => {
                if was_disabled || !new.batching.instance.continues(&old.batching.instance) {
                    self.forget();
                    self.resuming = true;
                } else {
                    // A corrected destination is tried at once.
                    self.gather.hurry();
                }
            }
        }
        if let Some(new) = &target {
            self.pace = Pace::new(new.batching.concurrency_max);
            self.gather.set_caps(new.caps());
        }
        self.target = target;
    }

    /// Reads again what was forgotten, once nothing runs. To be called when all outcomes are settled.
    fn resume(&mut self) {
        if self.resuming && self.running == 0 && self.target.is_some() {
            self.resuming = false;
            self.reader.resume();
        }
    }

    fn forget(&mut self) {
        self.reader.void();
        for change in self.lines.drain() {
            self.reader.forget(change.key);
        }
        self.gather.forget();
        let _ = self.settle();
    }

    fn start_read(&mut self) {
        self.handle.take_marks(|partition| self.reader.mark(partition));
        let Some(target) = self.target.clone() else { return };
        if self.reading > 0 || self.resuming || self.ending || self.has_enough(&target) {
            return;
        }
        let forced = self.lines.is_gated() && self.running == 0;
        let (round, fetches) = self.reader.plan(self.room_left().min(ROUND_MAX), forced, AT_ONCE);
        if fetches.is_empty() {
            return;
        }
        // Cutting profiles for messages is work: it is shared out.
        for fetches in fetches.chunks(fetches.len().div_ceil(READERS)) {
            self.reading += 1;
            let (outbox, events, flow) = (self.room.outbox.clone(), self.events.clone(), self.handle.flow);
            let (fetches, target, handle) = (fetches.to_vec(), target.clone(), self.handle.clone());
            tokio::task::spawn_blocking(move || {
                let read = |f: Fetch| {
                    let found = outbox.fetch_profiles(flow, f.partition, f.after_seq, f.limit);
                    // What was exported since the read began can be of audiences that only a newer target knows.
                    let target = handle.control.lock().batching.clone().unwrap_or_else(|| target.clone());
                    (f, found.into_iter().map(|export| cut(&target, export)).collect())
                };
                let found = fetches.into_iter().map(read).collect();
                // No listener: the flow has ended.
                let _ = events.send(Event::Read(round, found));
            });
        }
    }

    /// Whether what waits for a turn keeps the attempts busy for now. More of it would only be cold when it is sent.
    fn has_enough(&self, target: &Target) -> bool {
        let enough = (AHEAD * target.caps().users_max as usize).max(AHEAD_MIN);
        self.running > 0 && self.gather.has_full(enough as u64)
    }

    fn room_left(&self) -> usize {
        let open_max = self.target.as_ref().map_or(0, |t| t.caps().open_max);
        open_max.saturating_sub(self.gather.len() + self.lines.len())
    }

    fn start_attempts(&mut self, now: Timestamp) {
        let Some(target) = self.target.clone().filter(|_| !self.ending) else { return };
        let more = self.reading > 0 || (self.reader.is_behind() && self.room_left() >= FETCH_MIN);
        while self.handle.unreported.load(Ordering::Acquire) < self.room.window * 4 {
            if !self.pace.has_room(self.running, now) {
                self.give_up_late(now);
                return;
            }
            if self.making >= self.making_max {
                return;
            }
            let Some(parcel) = self.gather.next(now, more) else { return };
            let Some(ticket) = self.pace.start(self.running, now) else { return };
            self.running += 1;
            self.making += 1;
            let running = Some((parcel, ticket, target.clone()));
            let (events, hurried) = (self.events.clone(), self.hurried);
            let guard = Guard { events, running, hurried, sent: OnceLock::new() };
            tokio::spawn(guard.attempt(self.room.outbox.clone(), self.handle.flow));
        }
    }

    /// After the span of the retries a change is dead, tried or not (design, §11.8).
    fn give_up_late(&mut self, now: Timestamp) {
        if self.pace.opens_at().is_none() {
            return;
        }
        let until = Timestamp(now.0.saturating_sub(UNREACHABLE_MS));
        self.gather.give_up(until, &Arc::from("the destination could not be reached for 24 hours"));
    }

    /// Once everything was read, or nothing more can be, batches of before leave with what there is.
    fn give_up_restoring(&mut self) {
        if !self.gather.is_restoring() || self.target.is_none() || self.reading > 0 || self.resuming {
            return;
        }
        let is_read = !self.reader.is_behind() && !self.lines.is_gated();
        let is_full = self.running == 0 && self.room_left() < FETCH_MIN;
        if is_read || is_full {
            self.gather.give_up_restoring();
        }
    }

    /// When to look again without being woken. What could start already waits for something that wakes: the
    /// end of an attempt, a read, a report.
    fn next_instant(&self) -> Option<Timestamp> {
        self.target.as_ref()?;
        let due = self.gather.next_instant()?;
        match self.pace.opens_at() {
            Some(opens) => Some(due.max(opens)),
            None => Some(due).filter(|at| *at > self.room.clock.now()),
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Read(round, found) => {
                self.reading -= 1;
                for (fetch, changes) in found {
                    self.take(round, fetch, changes);
                    self.stage();
                }
                self.lines.taken(&self.reader);
                self.stage();
            }
            Event::Sent => self.making -= 1,
            Event::Ended(ended) => self.ended(ended),
        }
    }

    fn take(&mut self, round: u64, fetch: Fetch, changes: Vec<SliceChange>) {
        if !self.reader.counts(round, fetch) {
            return;
        }
        let count = changes.len();
        for change in changes {
            if self.reader.found(change.key, change.created) {
                self.lines.accept(change, round, &mut self.reader);
            }
        }
        self.reader.ended(round, fetch, count);
    }

    fn stage(&mut self) {
        let gather = &mut self.gather;
        self.lines.take_ready(|change| gather.stage(change));
    }

    fn ended(&mut self, attempt: Attempt) {
        self.running -= 1;
        let now = self.room.clock.now();
        let Attempt { parcel, ticket, target, verdict, hurried, took_us, sent } = attempt;
        self.making -= usize::from(!sent);
        let signal = match &verdict {
            Verdict::Judged { signal, .. } => *signal,
            Verdict::Failed(failure) => failure.signal,
            Verdict::Unsaid(_) => Signal::Nothing,
        };
        if self.target.as_ref().is_some_and(|current| Arc::ptr_eq(current, &target)) {
            self.pace.ended(ticket, signal, now);
        }
        {
            let mut metrics = self.handle.metrics.lock();
            metrics.attempts += 1;
            metrics.attempt_us.add(took_us);
            match &verdict {
                Verdict::Judged { class: Some(class), .. } => metrics.failures.add(*class),
                Verdict::Judged { class: None, .. } => {}
                Verdict::Failed(failure) => metrics.failures.add(failure.class),
                Verdict::Unsaid(_) => metrics.failures.add(Class::Configuration),
            }
            if let Some(reason) = verdict.trouble() {
                metrics.last_failure = Some((now, reason.to_owned()));
            }
        }
        // What the flow is told meanwhile holds for what is sent from now on.
        let is_over = self.target.is_none() || self.resuming;
        let was_shut_out = matches!(&verdict, Verdict::Failed(failure) if failure.class == Class::Token);
        let ended = decide(&target, &parcel, verdict, now, is_over);
        self.gather.ended(parcel.id, ended, true);
        // It was refused by the account as it was before.
        if was_shut_out && hurried != self.hurried {
            self.gather.hurry();
        }
    }

    /// Takes outcomes from the gather, reports them, and stages what waited for them. Whether there were any.
    fn settle(&mut self) -> bool {
        let mut outcomes = Vec::new();
        let mut any = false;
        loop {
            let finished = self.gather.take_finished();
            if finished.is_empty() {
                break;
            }
            any = true;
            outcomes.reserve(finished.len());
            let now = self.room.clock.now();
            let mut metrics = self.handle.metrics.lock();
            for change in finished {
                let attempts = change.attempts;
                let outcome = match change.end {
                    ChangeEnd::Delivered => {
                        metrics.delivered += 1;
                        metrics.identities += u64::from(change.note.identities);
                        metrics.latency_ms.add(now.0.saturating_sub(change.created.0).max(0) as u64);
                        Some(Outcome::Delivered { attempts, at: now })
                    }
                    ChangeEnd::Dead(reason) => {
                        metrics.dead += 1;
                        Some(Outcome::Dead { reason: reason.to_string(), attempts })
                    }
                    ChangeEnd::Nothing => Some(Outcome::Filtered(change.note.withheld.unwrap_or(Withheld::NoIdentity))),
                    ChangeEnd::Again => {
                        self.reader.forget(change.key);
                        None
                    }
                };
                outcomes.extend(outcome.map(|outcome| (change.key, outcome)));
                self.lines.finished(change.profile, &self.reader);
            }
            drop(metrics);
            self.stage();
        }
        // In one piece: a batch is not to be found half ended after a restart.
        self.room.reporter.report_all(&self.handle, outcomes);
        for id in self.gather.take_closed() {
            self.room.reporter.batch_ended(self.handle.flow, id);
        }
        any
    }

    /// Shows the present state in the metrics.
    fn show(&self) {
        let mut metrics = self.handle.metrics.lock();
        metrics.in_flight = self.running;
        metrics.queued = self.gather.len() + self.lines.len();
        metrics.backing_off = self.gather.backing_off();
        metrics.concurrency = self.pace.limit();
        metrics.circuit_open = self.pace.is_open();
        metrics.tokens_fetched =
            self.tokens_before + self.target.as_ref().map_or(0, |t| t.batching.authorize.fetched());
    }
}

/// Cuts an export into what each group gets of it.
fn cut(target: &Target, export: ProfileExport) -> SliceChange {
    let instance = &target.batching.instance;
    let profile = instance.target(export.source);
    let (mut pieces, mut note) = (SmallVec::new(), Note::default());
    instance.each_slice(&profile, &mut |slice| {
        note.identities += slice.identities;
        pieces.push(Piece { group: slice.group.clone(), part: slice.lane, users: slice.users, payload: slice });
    });
    if pieces.is_empty() {
        note.withheld = instance.withheld(&profile);
    }
    let ProfileExport { key, profile, lineage, created, .. } = export;
    Change { key, profile, lineage, created, note, pieces }
}

/// What a verdict means for the shipment, under the retry policy. `is_over`: nothing more is sent of it.
fn decide(target: &Target, parcel: &Parcel, verdict: Verdict, now: Timestamp, is_over: bool) -> Ended {
    let attempts = parcel.attempts + 1;
    let again = |retry_after_ms: Option<i64>| {
        let wait = target.retry().next_wait_ms(attempts, &parcel.idempotency_key(), retry_after_ms)?;
        Some(Timestamp(now.0.saturating_add(wait)))
    };
    let retry_or_die = |reason: String, retry_after_ms: Option<i64>| match again(retry_after_ms) {
        Some(_) if is_over => Ended::Forget,
        Some(at) => Ended::Retry(at),
        None => Ended::Dead(reason.into()),
    };
    let bisect = |reason: String| match is_over && parcel.pieces.len() > 1 {
        true => Ended::Forget,
        false => Ended::Bisect(reason.into()),
    };
    match verdict {
        Verdict::Unsaid(reason) => bisect(reason),
        // A token that cannot be had now, or a login that is missing, can be mended by a person.
        Verdict::Failed(failure) if failure.retry || failure.class == Class::Token => {
            retry_or_die(failure.reason, failure.retry_after_ms)
        }
        Verdict::Failed(failure) => Ended::Dead(failure.reason.into()),
        Verdict::Judged { judgement, retry_after_ms, .. } => match judgement {
            Judgement::AllDelivered => Ended::Delivered,
            Judgement::AllRetry { reason } => retry_or_die(reason, retry_after_ms),
            Judgement::AllRejected { reason, whole_batch: true } => bisect(reason),
            Judgement::AllRejected { reason, whole_batch: false } => Ended::Dead(reason.into()),
            Judgement::PerSlice(outcomes) => {
                let at = again(retry_after_ms);
                let end = |outcome| match outcome {
                    SliceOutcome::Delivered => PieceEnd::Delivered,
                    SliceOutcome::Rejected { reason } => PieceEnd::Dead(reason.into()),
                    SliceOutcome::Retry { reason } if at.is_none() => PieceEnd::Dead(reason.into()),
                    SliceOutcome::Retry { .. } if is_over => PieceEnd::Forget,
                    SliceOutcome::Retry { .. } => PieceEnd::Retry,
                };
                Ended::Each(outcomes.into_iter().map(end).collect(), at.unwrap_or(now))
            }
        },
    }
}

/// Tells the flow how an attempt ended, even if it panicked.
struct Guard {
    events: mpsc::UnboundedSender<Event>,
    running: Option<(Parcel, Ticket, Arc<Target>)>,
    hurried: u64,
    /// When the request was on its way.
    sent: OnceLock<Instant>,
}

impl Guard {
    async fn attempt(mut self, outbox: Arc<dyn Outbox>, flow: FlowNo) {
        if let Some((parcel, _, target)) = &self.running {
            let unrecorded = !parcel.recorded && target.caps().users_max > 1;
            let record = unrecorded.then_some(Record { outbox, flow });
            let verdict = attempt::deliver(target, parcel, record, || self.tell_sent()).await;
            self.tell(verdict);
        }
    }

    #[expect(clippy::disallowed_methods, reason = "measures how long an answer takes")]
    fn tell_sent(&self) {
        if self.sent.set(Instant::now()).is_ok() {
            // No listener: the flow was dropped.
            let _ = self.events.send(Event::Sent);
        }
    }

    fn tell(&mut self, verdict: Verdict) {
        if let Some((parcel, ticket, target)) = self.running.take() {
            let took_us = self.sent.get().map_or(0, |sent| sent.elapsed().as_micros() as u64);
            let sent = self.sent.get().is_some();
            // No listener: the flow was dropped.
            let hurried = self.hurried;
            let _ = self.events.send(Event::Ended(Attempt { parcel, ticket, target, verdict, hurried, took_us, sent }));
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.tell(Verdict::Failed(Failure::cut_off()));
    }
}
