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

mod bucket;
mod piece;
mod restore;

pub(crate) use self::piece::{Change, Note, Piece, Shipment, Staged};

use self::bucket::Bucket;
use self::piece::Lane;
use self::restore::Restoring;
use crate::port::ExportKey;
use model::{ProfileId, Timestamp};
use rustc_hash::FxHashMap as HashMap;
use std::collections::hash_map::Entry;
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
    pub(crate) note: Note,
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

pub(crate) struct Gather<G, P> {
    caps: Caps,
    /// Changes known and not finished.
    len: usize,
    /// Those of several pieces, and those that an ended shipment held: the usual change is all in its one piece.
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
    identities: u32,
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
            len: 0,
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
        self.len
    }

    /// Whether full shipments that could leave have about so many users.
    pub(crate) fn has_full(&self, users: u64) -> bool {
        let mut left = users.saturating_sub(self.ready.len() as u64 * u64::from(self.caps.users_max));
        left == 0
            || self.full.iter().any(|group| {
                left = left.saturating_sub(self.buckets.get(group).map_or(0, |bucket| bucket.users));
                left == 0
            })
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
        for group in &groups {
            self.unlist(group);
            self.weigh(group);
        }
    }

    /// Takes a change whose turn it is.
    pub(crate) fn stage(&mut self, change: Change<G, P>) {
        let left = change.pieces.len() as u32;
        let (profile, key, created, note) = (change.profile, change.key, change.created, change.note);
        if left == 0 {
            self.finished.push(Finished { key, created, profile, end: ChangeEnd::Nothing, note, attempts: 0 });
            return;
        }
        self.len += 1;
        let identities = note.identities;
        if left > 1 {
            self.open.insert(key, Open::new(profile, created, identities, left));
        }
        let only = (left == 1).then_some(identities);
        for (nth, piece) in change.pieces.into_iter().enumerate() {
            let lane = (profile, piece.part);
            let (nth, users) = (nth as u32, piece.users.max(1));
            let staged = Staged { key, nth, lane, created, users, only, payload: piece.payload };
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
        state.note_in_bucket(&group, piece.users);
        self.add_to_bucket(group, piece);
    }

    fn drop_in(&mut self, group: G, piece: Staged<P>) {
        self.lanes.entry(piece.lane).or_insert_with(LaneState::new).note_in_bucket(&group, piece.users);
        self.add_to_bucket(group, piece);
    }

    fn add_to_bucket(&mut self, group: G, piece: Staged<P>) {
        let due = Timestamp(piece.created.0.saturating_add(self.caps.age_ms));
        let bucket = match self.buckets.get_mut(&group) {
            Some(bucket) => bucket,
            None => self.buckets.entry(group.clone()).or_insert_with(Bucket::new),
        };
        bucket.users += u64::from(piece.users);
        bucket.pieces.push_back(piece);
        if bucket.users >= u64::from(self.caps.users_max) && !bucket.queued {
            bucket.queued = true;
            self.full.push_back(group.clone());
        }
        if bucket.due.is_none_or(|at| due < at) {
            match bucket.due.replace(due) {
                Some(at) => drop(self.due.remove(&(at, group.clone()))),
                // All else in it is blocked.
                None => bucket.stale = false,
            }
            self.due.insert((due, group));
        }
    }

    /// Puts a bucket into the lists that it belongs to; an empty one goes.
    fn weigh(&mut self, group: &G) {
        let Some(bucket) = self.buckets.get_mut(group) else { return };
        if bucket.pieces.is_empty() {
            self.unlist(group);
            self.buckets.remove(group);
            return;
        }
        if bucket.users >= u64::from(self.caps.users_max) && !bucket.queued {
            bucket.queued = true;
            self.full.push_back(group.clone());
        }
        if bucket.due.is_none()
            && let Some(at) = bucket.due_at(self.caps.age_ms)
        {
            (bucket.due, bucket.stale) = (Some(at), false);
            self.due.insert((at, group.clone()));
        }
    }

    /// Takes a bucket out of the list of those that leave by age.
    fn unlist(&mut self, group: &G) {
        if let Some(bucket) = self.buckets.get_mut(group)
            && let Some(at) = bucket.due.take()
        {
            self.due.remove(&(at, group.clone()));
        }
    }

    /// The bucket that is due first, and when.
    fn first_due(&mut self) -> Option<(Timestamp, G)> {
        loop {
            let (at, group) = self.due.first().cloned()?;
            match self.buckets.get(&group) {
                Some(bucket) if bucket.stale => {
                    self.unlist(&group);
                    self.weigh(&group);
                }
                _ => return Some((at, group)),
            }
        }
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
            let Some((at, group)) = self.first_due() else { return };
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
            let free = bucket.users - bucket.blocked;
            if free >= u64::from(self.caps.users_max) && bucket.due.is_some() {
                return Some(group);
            }
        }
        let (at, group) = self.first_due()?;
        let patience = if more { PATIENCE_MS } else { 0 };
        let late = at.0.saturating_add(patience) <= now.0;
        let crowded = !more && self.len() >= self.caps.open_max;
        (late || crowded).then_some(group)
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
            // What is left of its lane is blocked from now on.
            match state.in_shipments {
                0 => bucket.blocked += u64::from(state.users_in_bucket - piece.users),
                _ => bucket.blocked -= u64::from(piece.users),
            }
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
        bucket.stale = true;
        if taken.is_empty() {
            self.unlist(group);
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
        if record.is_some() && matches!(ended, Ended::Bisect(_) | Ended::Each(..)) {
            self.open_only(&sent.pieces);
        }
        self.close_or_repeat(id, sent, ended);
        if let Some(pieces) = record {
            self.keep_record(id, &pieces);
        }
    }

    /// Opens the changes of one piece: some of these will be unfinished, and their records have to be noted.
    fn open_only(&mut self, pieces: &[Staged<P>]) {
        for piece in pieces {
            if let Some(identities) = piece.only {
                let open = || Open::new(piece.lane.0, piece.created, identities, 1);
                self.open.entry(piece.key).or_insert_with(open);
            }
        }
    }

    /// The record of an ended shipment stays until all changes have ended that it holds pieces of.
    fn keep_record(&mut self, id: u64, pieces: &[Staged<P>]) {
        let mut kept = 0;
        let pieces = if self.open.is_empty() { &[] } else { pieces };
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
        self.count_off(piece, |open| {
            open.attempts = open.attempts.max(attempts);
            if let PieceEnd::Dead(reason) = end {
                open.dead.get_or_insert_with(|| reason.clone());
            }
        });
        self.free(piece.lane);
    }

    /// One piece fewer, after this was noted; the last one ends the change.
    fn count_off(&mut self, piece: &Staged<P>, note: impl FnOnce(&mut Open)) {
        let key = piece.key;
        let mut open = match (self.open.get_mut(&key), piece.only) {
            (Some(open), _) => {
                note(open);
                open.left -= 1;
                if open.left > 0 {
                    return;
                }
                let Some(open) = self.open.remove(&key) else { return };
                open
            }
            (None, Some(identities)) => {
                let mut open = Open::new(piece.lane.0, piece.created, identities, 0);
                note(&mut open);
                open
            }
            (None, None) => return,
        };
        self.len -= 1;
        self.release_records(std::mem::take(&mut open.records));
        let Open { profile, created, identities, attempts, dead, dropped, .. } = open;
        let end = match dead {
            _ if dropped => ChangeEnd::Again,
            Some(reason) => ChangeEnd::Dead(reason),
            None => ChangeEnd::Delivered,
        };
        let note = Note { identities, withheld: None };
        self.finished.push(Finished { key, created, profile, end, note, attempts });
    }

    /// A piece of a lane left its shipment: what waits behind it may be placed.
    fn free(&mut self, lane: Lane) {
        let Entry::Occupied(mut entry) = self.lanes.entry(lane) else { return };
        let state = entry.get_mut();
        state.in_shipments -= 1;
        if state.is_idle() {
            entry.remove();
            return;
        }
        if state.in_shipments > 0 || self.pass_on(lane) {
            return;
        }
        let Some(state) = self.lanes.get_mut(&lane) else { return };
        if state.in_bucket > 0 {
            // It blocked its bucket, perhaps.
            if let Some(group) = state.group.clone() {
                if let Some(bucket) = self.buckets.get_mut(&group) {
                    bucket.blocked -= u64::from(state.users_in_bucket);
                }
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
        self.count_off(piece, |open| open.dropped = true);
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
            self.count_off(piece, |open| open.dropped = true);
        }
    }

    /// Waits are over: what backs off is tried now.
    pub(crate) fn hurry(&mut self) {
        self.wake_due(Timestamp(i64::MAX));
    }
}

impl Open {
    fn new(profile: ProfileId, created: Timestamp, identities: u32, left: u32) -> Open {
        let (dead, attempts, dropped, records) = (None, 0, false, Vec::new());
        Open { profile, created, identities, left, dead, attempts, dropped, records }
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
    fn note_in_bucket(&mut self, group: &G, users: u32)
    where
        G: Clone,
    {
        if self.in_bucket == 0 {
            self.group = Some(group.clone());
        }
        self.in_bucket += 1;
        self.users_in_bucket += users;
    }

    /// Whether nothing is in it.
    fn is_idle(&self) -> bool {
        self.in_shipments == 0 && self.in_bucket == 0 && self.waiting.is_empty() && self.later.is_empty()
    }

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

#[cfg(test)]
mod tests;
