//! The changes of a batching flow between outbox and request.
//!
//! In: changes cut into pieces (one per group that a change belongs to), the time, how shipments
//! ended. Out: the next shipment, and the outcome of each change once all its pieces have one. Pure.
//!
//! A *lane* is what has to stay in order: one profile and one part of its state (an audience, say).
//! A piece is in a shipment, in the bucket of its group, or waits behind earlier pieces of its lane.
//!
//! Always
//! - a shipment holds pieces of one group and at most `users_max` users, unless one piece alone has more;
//! - pieces of a lane leave in order: a later one is never under way while an earlier one is unfinished,
//!   except with it in the same shipment, behind it;
//! - a bucket leaves when it is full, when its oldest piece is `age_ms` old, or when memory is short;
//! - a change has exactly one outcome, after the last of its pieces; it is dead if any piece is.

mod restore;

use self::restore::Restoring;
use super::line::Ordered;
use crate::port::{BatchRecord, ExportKey};
use model::{PartitionNo, ProfileId, Timestamp};
use rustc_hash::FxHashMap as HashMap;
use std::collections::{BTreeSet, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

/// How long a bucket that could leave waits for more while more is being read.
const PATIENCE_MS: i64 = 1_000;

/// When a bucket leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caps {
    /// Most users of a shipment, at least 1.
    pub(crate) users_max: u32,
    /// How old the oldest piece may become; 0 for as soon as possible.
    pub(crate) age_ms: i64,
    /// Answers tell of single records: then a shipment never holds two pieces of a lane.
    pub(crate) one_per_lane: bool,
    /// Beyond this many open changes buckets leave early.
    pub(crate) open_max: usize,
}

/// One change of a profile.
#[derive(Debug, Clone)]
pub(crate) struct Change<G, P> {
    pub(crate) key: ExportKey,
    pub(crate) profile: ProfileId,
    pub(crate) lineage: Vec<ProfileId>,
    pub(crate) created: Timestamp,
    pub(crate) pieces: Vec<Piece<G, P>>,
}

/// What of a change goes to one group.
#[derive(Debug, Clone)]
pub(crate) struct Piece<G, P> {
    pub(crate) group: G,
    /// Which part of the profile's state it tells of.
    pub(crate) part: u64,
    /// Users that it adds to a message.
    pub(crate) users: u32,
    pub(crate) payload: P,
}

/// A piece on its way.
#[derive(Debug, Clone)]
pub(crate) struct Staged<P> {
    pub(crate) key: ExportKey,
    /// Which piece of the change.
    pub(crate) nth: u32,
    lane: Lane,
    pub(crate) created: Timestamp,
    pub(crate) users: u32,
    pub(crate) payload: P,
}

type Lane = (ProfileId, u64);

/// Pieces to be sent in one request.
#[derive(Debug, Clone)]
pub(crate) struct Shipment<G, P> {
    pub(crate) id: u64,
    pub(crate) group: G,
    pub(crate) pieces: Arc<Vec<Staged<P>>>,
    /// Attempts made before.
    pub(crate) attempts: u32,
    /// Whether what it holds was written down already.
    pub(crate) recorded: bool,
}

impl<G, P> Shipment<G, P> {
    /// What it holds, to be written down before its first attempt.
    pub(crate) fn record(&self) -> BatchRecord {
        let pieces = self.pieces.iter().map(|p| (p.key, p.nth)).collect();
        BatchRecord { id: self.id, attempts: self.attempts, pieces }
    }

    /// Names every piece; equal for the same pieces in the same order.
    pub(crate) fn idempotency_key(&self) -> [u8; 16] {
        use sha2::{Digest, Sha256};
        let mut hash = Sha256::new();
        for piece in self.pieces.iter() {
            hash.update(piece.key.flow.0.to_be_bytes());
            hash.update(piece.key.partition.0.to_be_bytes());
            hash.update(piece.key.seq.to_be_bytes());
            hash.update(piece.nth.to_be_bytes());
            // Another design may number other parts alike.
            hash.update(piece.lane.1.to_be_bytes());
        }
        let mut key = [0; 16];
        key.copy_from_slice(&hash.finalize()[..16]);
        key
    }
}

/// How a shipment ended.
#[derive(Debug, Clone)]
pub(crate) enum Ended {
    /// Every piece was taken.
    Delivered,
    /// Nothing was; the same again at this time.
    Retry(Timestamp),
    /// Nothing was, and nothing will be.
    Dead(Arc<str>),
    /// Nothing was, and the receiver did not say why: try halves.
    Bisect(Arc<str>),
    /// One end per piece; those to be retried go together, at this time.
    Each(Vec<PieceEnd>, Timestamp),
    /// Not to be sent now; its changes are to be read again.
    Forget,
}

/// How one piece ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PieceEnd {
    Delivered,
    Dead(Arc<str>),
    Retry,
    /// Not to be sent now; its change is to be read again.
    Forget,
}

/// How a change ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finished {
    pub(crate) key: ExportKey,
    pub(crate) created: Timestamp,
    pub(crate) profile: ProfileId,
    pub(crate) end: ChangeEnd,
    /// Most attempts that a piece took.
    pub(crate) attempts: u32,
}

/// The outcome of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChangeEnd {
    Delivered,
    Dead(Arc<str>),
    /// It had no pieces: no mapped identity.
    Nothing,
    /// Some piece was dropped: it is to be read again.
    Again,
}

impl<G, P> Ordered for Change<G, P> {
    fn profile(&self) -> ProfileId {
        self.profile
    }
    fn lineage(&self) -> &[ProfileId] {
        &self.lineage
    }
    fn created(&self) -> Timestamp {
        self.created
    }
    fn partition(&self) -> PartitionNo {
        self.key.partition
    }
}

pub(crate) struct Gather<G, P> {
    caps: Caps,
    open: HashMap<ExportKey, Open>,
    lanes: HashMap<Lane, LaneState<G, P>>,
    buckets: HashMap<G, Bucket<P>>,
    /// Buckets that could leave by age, by that time.
    due: BTreeSet<(Timestamp, G)>,
    full: VecDeque<G>,
    shipments: HashMap<u64, Sent<G, P>>,
    ready: VecDeque<u64>,
    backoff: BTreeSet<(Timestamp, u64)>,
    next_id: u64,
    finished: Vec<Finished>,
    /// Shipments whose records may go, since the last call.
    closed: Vec<u64>,
    /// Shipments that have ended before all of their changes have, and how many pieces those hold.
    kept: HashMap<u64, usize>,
    restoring: Restoring<G, P>,
}

struct Open {
    profile: ProfileId,
    created: Timestamp,
    left: u32,
    dead: Option<Arc<str>>,
    attempts: u32,
    /// A piece was dropped: no outcome, the change is read again.
    dropped: bool,
    /// Ended shipments that held pieces of it: a restart repeats them, so their records stay.
    records: Vec<u64>,
}

struct LaneState<G, P> {
    in_shipments: u32,
    /// The shipment that took last from the bucket.
    taken_by: u64,
    in_bucket: u32,
    users_in_bucket: u32,
    /// Which bucket, while `in_bucket` is not 0.
    group: Option<G>,
    waiting: VecDeque<(G, Staged<P>)>,
    /// Shipments of before a restart whose turn comes after those of `in_shipments`, once per piece.
    later: VecDeque<u64>,
}

struct Bucket<P> {
    pieces: VecDeque<Staged<P>>,
    users: u64,
    /// When it is due, while it is in `due`; none while all of it is blocked.
    due: Option<Timestamp>,
    /// Whether it is in the list of full ones.
    queued: bool,
}

struct Sent<G, P> {
    group: G,
    pieces: Arc<Vec<Staged<P>>>,
    /// Attempts that count against the retries.
    attempts: u32,
    /// Attempts of the larger shipments that it was cut from: those were answered.
    spent: u32,
    running: bool,
    recorded: bool,
    /// Shares lanes with this one, and goes first.
    then: Option<u64>,
}

impl<G: Clone + Eq + Hash + Ord, P: Clone> Gather<G, P> {
    pub(crate) fn new(caps: Caps) -> Gather<G, P> {
        Gather {
            caps,
            open: HashMap::default(),
            lanes: HashMap::default(),
            buckets: HashMap::default(),
            due: BTreeSet::new(),
            full: VecDeque::new(),
            shipments: HashMap::default(),
            ready: VecDeque::new(),
            backoff: BTreeSet::new(),
            next_id: 1,
            finished: Vec::new(),
            closed: Vec::new(),
            kept: HashMap::default(),
            restoring: Restoring::default(),
        }
    }

    /// Changes known and not finished.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// Shipments that wait for their next attempt.
    pub(crate) fn backing_off(&self) -> usize {
        self.backoff.len()
    }

    /// Outcomes since the last call.
    pub(crate) fn take_finished(&mut self) -> Vec<Finished> {
        std::mem::take(&mut self.finished)
    }

    /// Shipments of which nothing is left, since the last call: their records may go.
    pub(crate) fn take_closed(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.closed)
    }

    /// Other caps from now on.
    pub(crate) fn set_caps(&mut self, caps: Caps) {
        if caps == self.caps {
            return;
        }
        self.caps = caps;
        let groups: Vec<G> = self.buckets.keys().cloned().collect();
        groups.iter().for_each(|group| self.weigh(group));
    }

    /// Takes a change whose turn it is.
    pub(crate) fn stage(&mut self, change: Change<G, P>) {
        let left = change.pieces.len() as u32;
        let (profile, key, created) = (change.profile, change.key, change.created);
        if left == 0 {
            self.finished.push(Finished { key, created, profile, end: ChangeEnd::Nothing, attempts: 0 });
            return;
        }
        self.open
            .insert(key, Open { profile, created, left, dead: None, attempts: 0, dropped: false, records: Vec::new() });
        for (nth, piece) in change.pieces.into_iter().enumerate() {
            let lane = (profile, piece.part);
            let staged =
                Staged { key, nth: nth as u32, lane, created, users: piece.users.max(1), payload: piece.payload };
            if let Some(staged) = self.put_back(&piece.group, staged) {
                self.place(piece.group, staged);
            }
        }
    }

    /// Puts a piece into its bucket, or behind what is before it in its lane.
    fn place(&mut self, group: G, piece: Staged<P>) {
        let state = self.lanes.entry(piece.lane).or_insert_with(LaneState::new);
        let fits = state.in_bucket == 0
            || (!self.caps.one_per_lane
                && state.group.as_ref() == Some(&group)
                && state.users_in_bucket + piece.users <= self.caps.users_max);
        if state.in_shipments > 0 || !state.waiting.is_empty() || !fits {
            state.waiting.push_back((group, piece));
            return;
        }
        self.drop_in(group, piece);
    }

    fn drop_in(&mut self, group: G, piece: Staged<P>) {
        let state = self.lanes.entry(piece.lane).or_insert_with(LaneState::new);
        state.in_bucket += 1;
        state.users_in_bucket += piece.users;
        state.group = Some(group.clone());
        let due = Timestamp(piece.created.0.saturating_add(self.caps.age_ms));
        let bucket = self.buckets.entry(group.clone()).or_insert_with(Bucket::new);
        bucket.users += u64::from(piece.users);
        bucket.pieces.push_back(piece);
        if bucket.users >= u64::from(self.caps.users_max) && !bucket.queued {
            bucket.queued = true;
            self.full.push_back(group.clone());
        }
        if bucket.due.is_none_or(|at| due < at) {
            if let Some(at) = bucket.due.replace(due) {
                self.due.remove(&(at, group.clone()));
            }
            self.due.insert((due, group));
        }
    }

    /// Puts a bucket into the right lists anew; an empty one goes.
    fn weigh(&mut self, group: &G) {
        let Some(bucket) = self.buckets.get_mut(group) else { return };
        if let Some(at) = bucket.due.take() {
            self.due.remove(&(at, group.clone()));
        }
        let Some(oldest) = bucket.pieces.iter().map(|p| p.created).min() else {
            self.buckets.remove(group);
            return;
        };
        if bucket.users >= u64::from(self.caps.users_max) && !bucket.queued {
            bucket.queued = true;
            self.full.push_back(group.clone());
        }
        let at = Timestamp(oldest.0.saturating_add(self.caps.age_ms));
        bucket.due = Some(at);
        self.due.insert((at, group.clone()));
    }

    /// When something could leave without being told of anything new.
    pub(crate) fn next_instant(&self) -> Option<Timestamp> {
        if !self.ready.is_empty() || !self.full.is_empty() {
            return Some(Timestamp(i64::MIN));
        }
        let due = self.due.first().map(|(at, _)| *at);
        [due, self.backoff.first().map(|(at, _)| *at)].into_iter().flatten().min()
    }

    /// Ends all backoffs that are over.
    pub(crate) fn wake_due(&mut self, now: Timestamp) {
        while let Some((at, id)) = self.backoff.first().copied()
            && at <= now
        {
            self.backoff.pop_first();
            self.ready.push_back(id);
        }
    }

    /// What could leave now and was made before `until` is dead, and only that.
    pub(crate) fn give_up(&mut self, until: Timestamp, reason: &Arc<str>) {
        loop {
            let waiting = self.ready.front().copied();
            let is_late = |sent: &Sent<G, P>| sent.pieces.iter().any(|p| p.created <= until);
            if let Some(id) = waiting.filter(|id| self.shipments.get(id).is_some_and(is_late)) {
                self.ready.pop_front();
                self.give_up_shipment(id, until, reason);
                continue;
            }
            let Some((at, group)) = self.due.first().cloned() else { return };
            if at.0.saturating_sub(self.caps.age_ms) > until.0 {
                return;
            }
            if let Some(id) = self.take(&group) {
                self.give_up_shipment(id, until, reason);
            }
        }
    }

    fn give_up_shipment(&mut self, id: u64, until: Timestamp, reason: &Arc<str>) {
        let Some(sent) = self.shipments.get(&id) else { return };
        let end = |p: &Staged<P>| if p.created <= until { PieceEnd::Dead(reason.clone()) } else { PieceEnd::Retry };
        let ends = sent.pieces.iter().map(end).collect();
        self.ended(id, Ended::Each(ends, until), false);
        // What is left of it may go at once.
        self.wake_due(until);
    }

    /// The bucket that leaves next. Full ones in the order in which they filled.
    fn leaving(&mut self, now: Timestamp, more: bool) -> Option<G> {
        while let Some(group) = self.full.pop_front() {
            let Some(bucket) = self.buckets.get_mut(&group) else { continue };
            bucket.queued = false;
            if bucket.users >= u64::from(self.caps.users_max) && bucket.due.is_some() && self.is_full(&group) {
                return Some(group);
            }
        }
        let (at, group) = self.due.first()?;
        let patience = if more { PATIENCE_MS } else { 0 };
        let late = at.0.saturating_add(patience) <= now.0;
        let crowded = !more && self.len() >= self.caps.open_max;
        (late || crowded).then(|| group.clone())
    }

    /// Whether what is not blocked fills a shipment.
    fn is_full(&self, group: &G) -> bool {
        let Some(bucket) = self.buckets.get(group) else { return false };
        let is_free = |p: &&Staged<P>| self.lanes.get(&p.lane).is_none_or(|lane| lane.in_shipments == 0);
        let mut users = 0;
        bucket.pieces.iter().filter(is_free).any(|piece| {
            users += u64::from(piece.users);
            users >= u64::from(self.caps.users_max)
        })
    }

    /// Starts the next shipment. `more`: more is being read, which could fill buckets.
    pub(crate) fn next(&mut self, now: Timestamp, more: bool) -> Option<Shipment<G, P>> {
        loop {
            let id = match self.ready.pop_front() {
                Some(id) => id,
                None => {
                    let group = self.leaving(now, more)?;
                    match self.take(&group) {
                        Some(id) => id,
                        None => continue,
                    }
                }
            };
            let Some(sent) = self.shipments.get_mut(&id) else { continue };
            sent.running = true;
            let (group, pieces) = (sent.group.clone(), sent.pieces.clone());
            let recorded = std::mem::replace(&mut sent.recorded, true);
            return Some(Shipment { id, group, pieces, attempts: sent.attempts, recorded });
        }
    }

    /// Takes a shipment out of a bucket. None if all of it is blocked: then it is out of the lists
    /// until a lane of it is free again.
    fn take(&mut self, group: &G) -> Option<u64> {
        let id = self.next_id;
        let users_max = self.caps.users_max;
        let one_per_lane = self.caps.one_per_lane;
        let bucket = self.buckets.get_mut(group)?;
        let mut taken: Vec<Staged<P>> = Vec::with_capacity(bucket.pieces.len().min(users_max as usize));
        let mut left = VecDeque::new();
        let mut users = 0u32;
        while let Some(piece) = bucket.pieces.pop_front() {
            let fits = taken.is_empty() || users.saturating_add(piece.users) <= users_max;
            let state = self.lanes.entry(piece.lane).or_insert_with(LaneState::new);
            let free = state.in_shipments == 0 || (state.taken_by == id && !one_per_lane);
            if !fits {
                left.push_back(piece);
                break;
            }
            if !free {
                left.push_back(piece);
                continue;
            }
            users += piece.users;
            bucket.users -= u64::from(piece.users);
            state.in_shipments += 1;
            state.taken_by = id;
            state.in_bucket -= 1;
            state.users_in_bucket -= piece.users;
            if state.in_bucket == 0 {
                state.group = None;
            }
            taken.push(piece);
            if users >= users_max {
                break;
            }
        }
        while let Some(piece) = left.pop_back() {
            bucket.pieces.push_front(piece);
        }
        if taken.is_empty() {
            if let Some(at) = bucket.due.take() {
                self.due.remove(&(at, group.clone()));
            }
            return None;
        }
        self.next_id += 1;
        let pieces = Arc::new(taken);
        self.shipments.insert(id, Sent::new(group.clone(), pieces));
        self.weigh(group);
        Some(id)
    }

    /// A running shipment ended. `attempted`: the receiver was asked, so that an attempt is used up.
    pub(crate) fn ended(&mut self, id: u64, ended: Ended, attempted: bool) {
        let Some(mut sent) = self.shipments.remove(&id) else { return };
        sent.running = false;
        sent.attempts += u32::from(attempted);
        let record = (sent.recorded && !matches!(ended, Ended::Retry(_))).then(|| sent.pieces.clone());
        self.close_or_repeat(id, sent, ended);
        if let Some(pieces) = record {
            self.keep_record(id, &pieces);
        }
    }

    /// The record of an ended shipment stays until all changes have ended that it holds pieces of.
    fn keep_record(&mut self, id: u64, pieces: &[Staged<P>]) {
        let mut kept = 0;
        for piece in pieces {
            if let Some(open) = self.open.get_mut(&piece.key) {
                open.records.push(id);
                kept += 1;
            }
        }
        match kept {
            0 => self.closed.push(id),
            kept => drop(self.kept.insert(id, kept)),
        }
    }

    fn release_records(&mut self, records: Vec<u64>) {
        for id in records {
            let Some(left) = self.kept.get_mut(&id) else { continue };
            *left -= 1;
            if *left == 0 {
                self.kept.remove(&id);
                self.closed.push(id);
            }
        }
    }

    fn close_or_repeat(&mut self, id: u64, sent: Sent<G, P>, ended: Ended) {
        match ended {
            Ended::Delivered => self.close(sent, &PieceEnd::Delivered),
            Ended::Dead(reason) => self.close(sent, &PieceEnd::Dead(reason)),
            Ended::Retry(at) => {
                self.shipments.insert(id, sent);
                self.backoff.insert((at, id));
            }
            Ended::Bisect(reason) => self.bisect(sent, reason),
            Ended::Each(ends, at) => self.each(sent, &ends, at),
            Ended::Forget => {
                let then = sent.then;
                sent.pieces.iter().for_each(|piece| self.forget_piece(piece));
                self.follow(then);
            }
        }
    }

    fn close(&mut self, sent: Sent<G, P>, end: &PieceEnd) {
        for piece in sent.pieces.iter() {
            self.end_piece(piece, end, sent.tried());
        }
        self.follow(sent.then);
    }

    /// What waited for a shipment may go.
    fn follow(&mut self, then: Option<u64>) {
        if let Some(next) = then {
            self.ready.push_back(next);
        }
    }

    fn each(&mut self, sent: Sent<G, P>, ends: &[PieceEnd], at: Timestamp) {
        let mut again = Vec::new();
        for (piece, end) in sent.pieces.iter().zip(ends) {
            match end {
                PieceEnd::Retry => again.push(piece.clone()),
                PieceEnd::Forget => self.forget_piece(piece),
                end => self.end_piece(piece, end, sent.tried()),
            }
        }
        // What an end is missing for is asked again: nothing is lost to a short list.
        again.extend(sent.pieces.iter().skip(ends.len()).cloned());
        if again.is_empty() {
            self.follow(sent.then);
            return;
        }
        let id = self.insert(Sent { pieces: Arc::new(again), recorded: false, ..sent });
        self.backoff.insert((at, id));
    }

    fn insert(&mut self, sent: Sent<G, P>) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.shipments.insert(id, sent);
        id
    }

    /// Two halves instead; one after the other if a lane is in both, or something waits for both. They have
    /// all their retries: the whole was answered, and it takes many cuts to find one among thousands.
    fn bisect(&mut self, sent: Sent<G, P>, reason: Arc<str>) {
        if sent.pieces.len() < 2 {
            self.close(sent, &PieceEnd::Dead(reason));
            return;
        }
        let (left, right) = sent.pieces.split_at(sent.pieces.len() / 2);
        let lanes: std::collections::HashSet<Lane> = left.iter().map(|p| p.lane).collect();
        let in_order = sent.then.is_some() || right.iter().any(|p| lanes.contains(&p.lane));
        let half = |pieces: &[Staged<P>], then| {
            let spent = sent.tried();
            Sent { spent, then, ..Sent::new(sent.group.clone(), Arc::new(pieces.to_vec())) }
        };
        let second = self.insert(half(right, sent.then));
        let first = self.insert(half(left, in_order.then_some(second)));
        if !in_order {
            self.ready.push_front(second);
        }
        self.ready.push_front(first);
    }

    fn end_piece(&mut self, piece: &Staged<P>, end: &PieceEnd, attempts: u32) {
        if let Some(open) = self.open.get_mut(&piece.key) {
            open.attempts = open.attempts.max(attempts);
            if let PieceEnd::Dead(reason) = end {
                open.dead.get_or_insert_with(|| reason.clone());
            }
        }
        self.count_off(piece.key);
        self.free(piece.lane);
    }

    /// One piece fewer; the last one ends the change.
    fn count_off(&mut self, key: ExportKey) {
        let Some(open) = self.open.get_mut(&key) else { return };
        open.left -= 1;
        if open.left > 0 {
            return;
        }
        if let Some(open) = self.open.remove(&key) {
            let Open { profile, created, attempts, records, .. } = open;
            self.release_records(records);
            let end = match open.dead {
                _ if open.dropped => ChangeEnd::Again,
                Some(reason) => ChangeEnd::Dead(reason),
                None => ChangeEnd::Delivered,
            };
            self.finished.push(Finished { key, created, profile, end, attempts });
        }
    }

    /// A piece of a lane left its shipment: what waits behind it may be placed.
    fn free(&mut self, lane: Lane) {
        let Some(state) = self.lanes.get_mut(&lane) else { return };
        state.in_shipments -= 1;
        if state.in_shipments > 0 || self.pass_on(lane) {
            return;
        }
        let Some(state) = self.lanes.get_mut(&lane) else { return };
        if state.in_bucket > 0 {
            // It blocked its bucket, perhaps.
            if let Some(group) = state.group.clone() {
                self.weigh(&group);
            }
            return;
        }
        let Some((group, piece)) = state.waiting.pop_front() else {
            self.lanes.remove(&lane);
            return;
        };
        self.drop_in(group, piece);
        self.pull(lane);
    }

    /// Moves what waits in a lane into the bucket, as far as it may go along.
    fn pull(&mut self, lane: Lane) {
        while let Some(state) = self.lanes.get_mut(&lane)
            && let Some((group, piece)) = state.waiting.front()
            && !self.caps.one_per_lane
            && state.group.as_ref() == Some(group)
            && state.users_in_bucket + piece.users <= self.caps.users_max
            && let Some((group, piece)) = state.waiting.pop_front()
        {
            self.drop_in(group, piece);
        }
    }

    fn forget_piece(&mut self, piece: &Staged<P>) {
        if let Some(open) = self.open.get_mut(&piece.key) {
            open.dropped = true;
        }
        self.count_off(piece.key);
        self.free(piece.lane);
    }

    /// Forgets everything that is not running; the changes end with [`ChangeEnd::Again`].
    pub(crate) fn forget(&mut self) {
        let mut dropped: Vec<Staged<P>> = Vec::new();
        for (_, bucket) in self.buckets.drain() {
            dropped.extend(bucket.pieces);
        }
        self.due.clear();
        self.full.clear();
        self.ready.clear();
        self.backoff.clear();
        let idle: Vec<u64> = self.shipments.iter().filter(|(_, s)| !s.running).map(|(id, _)| *id).collect();
        self.closed.extend(&idle);
        dropped.extend(self.drop_restoring());
        for sent in idle.iter().filter_map(|id| self.shipments.remove(id)) {
            dropped.extend(sent.pieces.iter().cloned());
        }
        let mut lanes: HashMap<Lane, LaneState<G, P>> = HashMap::default();
        for (id, sent) in &mut self.shipments {
            sent.then = None;
            for piece in sent.pieces.iter() {
                let state = lanes.entry(piece.lane).or_insert_with(LaneState::new);
                (state.in_shipments, state.taken_by) = (state.in_shipments + 1, *id);
            }
        }
        for state in std::mem::replace(&mut self.lanes, lanes).into_values() {
            dropped.extend(state.waiting.into_iter().map(|(_, piece)| piece));
        }
        for piece in &dropped {
            if let Some(open) = self.open.get_mut(&piece.key) {
                open.dropped = true;
            }
            self.count_off(piece.key);
        }
    }

    /// Waits are over: what backs off is tried now.
    pub(crate) fn hurry(&mut self) {
        self.wake_due(Timestamp(i64::MAX));
    }
}

impl<G, P> Sent<G, P> {
    fn new(group: G, pieces: Arc<Vec<Staged<P>>>) -> Sent<G, P> {
        Sent { group, pieces, attempts: 0, spent: 0, running: false, recorded: false, then: None }
    }

    /// All attempts that its pieces were part of.
    fn tried(&self) -> u32 {
        self.spent + self.attempts
    }
}

impl<G, P> LaneState<G, P> {
    fn new() -> LaneState<G, P> {
        LaneState {
            in_shipments: 0,
            taken_by: 0,
            in_bucket: 0,
            users_in_bucket: 0,
            group: None,
            waiting: VecDeque::new(),
            later: VecDeque::new(),
        }
    }
}

impl<P> Bucket<P> {
    fn new() -> Bucket<P> {
        Bucket { pieces: VecDeque::new(), users: 0, due: None, queued: false }
    }
}

#[cfg(test)]
mod tests;
