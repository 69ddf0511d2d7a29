//! The exports of one flow that are known and not finished, and which of them may go now.
//!
//! In: fetched exports, ends of attempts, the time. Out: the next job, and what to fetch. Pure.
//!
//! One line per profile, in order. Only the first export of a line can go, and only once
//! - no earlier export of a profile in its lineage is unfinished, and
//! - if it has a lineage: every partition was read past its instant, for the exports of a merged
//!   profile may lie in another partition.
//!
//! Always: an export is in one line once, until it is finished or forgotten. Bodies in memory are
//! bounded by the window; exports beyond it that cannot go soon are *parked*: their bodies are
//! dropped and fetched again when their turn comes, so that profiles in a long backoff do not
//! keep others from going on.

use crate::port::{Export, ExportKey};
use crate::reader::{FETCH_MIN, Fetch, Reader};
use bytes::Bytes;
use model::{ProfileId, Timestamp};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

/// Known exports per flow, parked ones included; beyond it nothing is fetched.
const KNOWN_MAX: usize = 65_536;
/// Bodies that a line keeps when bodies are dropped although the line moves.
const KEEP_PER_LINE: usize = 8;
/// Settled lineages that are remembered.
const SETTLED_MAX: usize = 65_536;

/// An export whose turn it is.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) key: ExportKey,
    pub(crate) profile: ProfileId,
    pub(crate) created: Timestamp,
    pub(crate) idempotency_key: [u8; 16],
    pub(crate) identities: u32,
    /// None: parked, to be fetched.
    pub(crate) body: Option<Bytes>,
    /// Attempts made before.
    pub(crate) attempts: u32,
}

pub(crate) struct Queue {
    lines: HashMap<ProfileId, Line>,
    ready: VecDeque<ProfileId>,
    backoff: BTreeSet<(Timestamp, ProfileId)>,
    /// By the merged profile that is waited for: the profiles that wait.
    behind: HashMap<ProfileId, Vec<ProfileId>>,
    /// Profiles that wait until partitions are read.
    gated: Vec<ProfileId>,
    /// Merged profiles of which everything earlier is known.
    settled: HashSet<ProfileId>,
    reader: Reader,
    known: usize,
    bodies: usize,
    /// Whether something came to wait since bodies were last dropped.
    parkable: bool,
}

struct Line {
    items: VecDeque<Item>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    Running,
    Backoff(Timestamp),
    Behind,
    Gated,
}

struct Item {
    job: Job,
    lineage: Box<[ProfileId]>,
    /// The round in which an export with a lineage was read.
    gate: Option<u64>,
}

impl Queue {
    pub(crate) fn new(partitions: u16) -> Queue {
        Queue {
            lines: HashMap::new(),
            ready: VecDeque::new(),
            backoff: BTreeSet::new(),
            behind: HashMap::new(),
            gated: Vec::new(),
            settled: HashSet::new(),
            reader: Reader::new(partitions),
            known: 0,
            bodies: 0,
            parkable: false,
        }
    }

    /// Unfinished exports.
    pub(crate) fn len(&self) -> usize {
        self.known
    }

    /// Profiles that wait for their next attempt.
    pub(crate) fn backing_off(&self) -> usize {
        self.backoff.len()
    }

    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// When the next backoff ends.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.backoff.first().map(|(at, _)| *at)
    }

    /// A partition may hold something new.
    pub(crate) fn mark(&mut self, partition: usize) {
        self.reader.mark(partition);
    }

    /// What to read next: of partitions that may hold something, as much as fits into the window.
    pub(crate) fn plan(&mut self, window: usize) -> (u64, Vec<Fetch>) {
        if self.bodies + FETCH_MIN > window && self.parkable && self.reader.is_behind() {
            self.park(window / 2);
        }
        let budget = if self.known < KNOWN_MAX { window.saturating_sub(self.bodies) } else { 0 };
        // Who waits for a partition to be read must not wait for room.
        let forced = budget < FETCH_MIN && !self.gated.is_empty() && self.ready.is_empty();
        self.reader.plan(budget, forced, FETCH_MIN)
    }

    /// Takes what a read of a round found. A read from before the last pause counts as not made.
    pub(crate) fn take(&mut self, round: u64, fetch: Fetch, exports: Vec<Export>) {
        if !self.reader.counts(round, fetch) {
            return;
        }
        let count = exports.len();
        for export in exports {
            if self.reader.found(export.key, export.created) {
                self.push(round, export);
            }
        }
        self.reader.ended(round, fetch, count);
    }

    /// To be called after the reads of a round: who waited for them may go.
    pub(crate) fn taken(&mut self) {
        for profile in std::mem::take(&mut self.gated) {
            self.settle(profile);
        }
    }

    fn push(&mut self, round: u64, export: Export) {
        let profile = export.profile;
        self.settled.remove(&profile);
        let lineage: Box<[ProfileId]> = export.lineage.into_iter().filter(|p| *p != profile).collect();
        let gate = (!lineage.iter().all(|p| self.settled.contains(p))).then_some(round);
        if gate.is_some() {
            self.reader.mark_all();
        }
        let job = Job {
            key: export.key,
            profile,
            created: export.created,
            idempotency_key: export.idempotency_key,
            identities: export.identities,
            body: Some(export.body.into()),
            attempts: 0,
        };
        self.known += 1;
        self.bodies += 1;
        let item = Item { job, lineage, gate };
        match self.lines.get_mut(&profile) {
            Some(line) => {
                line.items.push_back(item);
                let active = matches!(line.state, State::Ready | State::Running);
                self.parkable |= !active || line.items.len() > KEEP_PER_LINE;
            }
            None => {
                self.lines.insert(profile, Line { items: VecDeque::from([item]), state: State::Gated });
                self.settle(profile);
            }
        }
    }

    /// Decides what the line of a profile does next, when its first export is neither running nor
    /// backing off.
    fn settle(&mut self, profile: ProfileId) {
        let Some(line) = self.lines.get(&profile) else { return };
        let Some(first) = line.items.front() else {
            self.lines.remove(&profile);
            for waiting in self.behind.remove(&profile).unwrap_or_default() {
                self.settle(waiting);
            }
            return;
        };
        let state =
            if first.gate.is_some_and(|gate| !self.reader.is_read(gate, first.job.key.partition, first.job.created)) {
                self.gated.push(profile);
                State::Gated
            } else if let Some(earlier) = self.earlier(first) {
                self.behind.entry(earlier).or_default().push(profile);
                State::Behind
            } else {
                if first.gate.is_some() {
                    if self.settled.len() >= SETTLED_MAX {
                        self.settled.clear();
                    }
                    self.settled.extend(first.lineage.iter().copied());
                }
                self.ready.push_back(profile);
                State::Ready
            };
        self.parkable |= state != State::Ready;
        if let Some(line) = self.lines.get_mut(&profile) {
            line.state = state;
        }
    }

    /// A merged profile with an unfinished earlier export.
    fn earlier(&self, item: &Item) -> Option<ProfileId> {
        let first = |p: &ProfileId| self.lines.get(p).and_then(|line| line.items.front());
        item.lineage.iter().find(|p| first(p).is_some_and(|f| f.job.created <= item.job.created)).copied()
    }

    /// When the export was made that would start next.
    pub(crate) fn next_created(&self) -> Option<Timestamp> {
        let line = self.lines.get(self.ready.front()?)?;
        line.items.front().map(|item| item.job.created)
    }

    /// Starts the next job.
    pub(crate) fn start(&mut self) -> Option<Job> {
        let profile = self.ready.pop_front()?;
        let line = self.lines.get_mut(&profile)?;
        line.state = State::Running;
        line.items.front().map(|item| item.job.clone())
    }

    /// The running export of a profile is finished (or gone).
    pub(crate) fn finish(&mut self, profile: ProfileId) {
        self.pop(profile);
        // A later export of a merged profile does not hold back who waited for this one.
        for waiting in self.behind.remove(&profile).unwrap_or_default() {
            self.settle(waiting);
        }
        self.settle(profile);
    }

    fn pop(&mut self, profile: ProfileId) -> Option<ExportKey> {
        let item = self.lines.get_mut(&profile)?.items.pop_front()?;
        self.known -= 1;
        self.bodies -= usize::from(item.job.body.is_some());
        Some(item.job.key)
    }

    /// The running export of a profile tries again at `at`.
    pub(crate) fn back_off(&mut self, profile: ProfileId, at: Timestamp, attempts: u32) {
        if let Some(line) = self.lines.get_mut(&profile) {
            line.state = State::Backoff(at);
            if let Some(first) = line.items.front_mut() {
                first.job.attempts = attempts;
            }
            self.backoff.insert((at, profile));
            self.parkable = true;
        }
    }

    /// Ends all backoffs that are over.
    pub(crate) fn wake_due(&mut self, now: Timestamp) {
        while let Some((at, profile)) = self.backoff.first().copied()
            && at <= now
        {
            self.backoff.pop_first();
            self.settle(profile);
        }
    }

    /// Forgets the running export of a profile, to be fetched again after [`Queue::resume`].
    pub(crate) fn forget_running(&mut self, profile: ProfileId) {
        if let Some(key) = self.pop(profile) {
            self.reader.forget(key);
        }
        self.settle(profile);
    }

    /// Forgets everything that is not running.
    pub(crate) fn forget(&mut self) {
        self.reader.void();
        for line in self.lines.values_mut() {
            let keep = usize::from(line.state == State::Running);
            for item in line.items.drain(keep.min(line.items.len())..) {
                self.known -= 1;
                self.bodies -= usize::from(item.job.body.is_some());
                self.reader.forget(item.job.key);
            }
        }
        self.lines.retain(|_, line| !line.items.is_empty());
        self.ready.clear();
        self.backoff.clear();
        self.behind.clear();
        self.gated.clear();
        self.settled.clear();
    }

    /// Reads on, and what was forgotten again.
    pub(crate) fn resume(&mut self) {
        self.reader.resume();
    }

    /// Drops bodies of exports that cannot go soon, until `target` are left or none can be dropped.
    fn park(&mut self, target: usize) {
        for line in self.lines.values_mut() {
            let keep = if matches!(line.state, State::Ready | State::Running) { KEEP_PER_LINE } else { 0 };
            for item in line.items.iter_mut().skip(keep) {
                self.bodies -= usize::from(item.job.body.take().is_some());
            }
            if self.bodies <= target {
                return;
            }
        }
        self.parkable = false;
    }
}

#[cfg(test)]
mod tests;
