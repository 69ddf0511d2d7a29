//! Whose turn it is when profiles were merged: what waits for a merged profile goes first.
//!
//! In: changes in the order in which partitions gave them out. Out: those that may be staged. Pure.
//!
//! Always: changes of a profile come out in order; one with a lineage only once every partition was
//! read past its instant and nothing earlier of a merged profile is unfinished.

use crate::reader::Reader;
use model::{PartitionNo, ProfileId, Timestamp};
use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};
use std::collections::VecDeque;
use std::collections::hash_map::Entry;

/// Settled lineages that are remembered.
const SETTLED_MAX: usize = 65_536;

/// What a line has to know of a change.
pub(crate) trait Ordered {
    fn profile(&self) -> ProfileId;
    fn lineage(&self) -> &[ProfileId];
    fn created(&self) -> Timestamp;
    fn partition(&self) -> PartitionNo;
}

pub(crate) struct Lines<T> {
    held: HashMap<ProfileId, VecDeque<(u64, T)>>,
    held_count: usize,
    /// Profiles that wait until partitions are read.
    gated: Vec<ProfileId>,
    /// By the merged profile that is waited for: the profiles that wait.
    behind: HashMap<ProfileId, Vec<ProfileId>>,
    /// Per profile with unfinished changes, held ones included: how many, and the instant of the first.
    unfinished: HashMap<ProfileId, (u32, Timestamp)>,
    /// Merged profiles of which everything earlier is known.
    settled: HashSet<ProfileId>,
    ready: Vec<T>,
}

impl<T> Default for Lines<T> {
    fn default() -> Lines<T> {
        Lines {
            held: HashMap::default(),
            held_count: 0,
            gated: Vec::new(),
            behind: HashMap::default(),
            unfinished: HashMap::default(),
            settled: HashSet::default(),
            ready: Vec::new(),
        }
    }
}

impl<T: Ordered> Lines<T> {
    /// Changes that are held.
    pub(crate) fn len(&self) -> usize {
        self.held_count
    }

    /// Whether something waits for partitions to be read.
    pub(crate) fn is_gated(&self) -> bool {
        !self.gated.is_empty()
    }

    /// Takes a change that was read in a round.
    pub(crate) fn accept(&mut self, change: T, round: u64, reader: &mut Reader) {
        let profile = change.profile();
        self.settled.remove(&profile);
        self.unfinished.entry(profile).or_insert((0, change.created())).0 += 1;
        if let Some(line) = self.held.get_mut(&profile) {
            line.push_back((round, change));
            self.held_count += 1;
            return;
        }
        let merged = |p: &&ProfileId| **p != profile;
        if change.lineage().iter().filter(merged).all(|p| self.settled.contains(p)) && self.earlier(&change).is_none() {
            self.ready.push(change);
            return;
        }
        reader.mark_all();
        self.held.insert(profile, VecDeque::from([(round, change)]));
        self.held_count += 1;
        self.settle(profile, reader);
    }

    /// To be called after the reads of a round.
    pub(crate) fn taken(&mut self, reader: &Reader) {
        for profile in std::mem::take(&mut self.gated) {
            self.settle(profile, reader);
        }
    }

    /// What may be staged now.
    pub(crate) fn take_ready(&mut self, take: impl FnMut(T)) {
        self.ready.drain(..).for_each(take);
    }

    fn settle(&mut self, profile: ProfileId, reader: &Reader) {
        while let Some((round, change)) = self.held.get(&profile).and_then(VecDeque::front) {
            let known = change.lineage().iter().all(|p| *p == profile || self.settled.contains(p));
            if !known && !reader.is_read(*round, change.partition(), change.created()) {
                self.gated.push(profile);
                return;
            }
            if let Some(earlier) = self.earlier(change) {
                self.behind.entry(earlier).or_default().push(profile);
                return;
            }
            if self.settled.len() >= SETTLED_MAX {
                self.settled.clear();
            }
            self.settled.extend(change.lineage().iter().copied().filter(|p| *p != profile));
            if let Some((_, change)) = self.held.get_mut(&profile).and_then(VecDeque::pop_front) {
                self.held_count -= 1;
                self.ready.push(change);
            }
        }
        self.held.remove(&profile);
    }

    /// A merged profile with an unfinished earlier change.
    fn earlier(&self, change: &T) -> Option<ProfileId> {
        let is_earlier = |p: &&ProfileId| {
            **p != change.profile() && self.unfinished.get(*p).is_some_and(|(_, first)| *first <= change.created())
        };
        change.lineage().iter().find(is_earlier).copied()
    }

    /// A change of this profile has ended.
    pub(crate) fn finished(&mut self, profile: ProfileId, reader: &Reader) {
        if self.forget_one(profile) && !self.behind.is_empty() {
            for waiting in self.behind.remove(&profile).unwrap_or_default() {
                self.settle(waiting, reader);
            }
        }
    }

    /// Counts one unfinished change off. Whether the profile has none any more.
    fn forget_one(&mut self, profile: ProfileId) -> bool {
        let Entry::Occupied(mut unfinished) = self.unfinished.entry(profile) else { return true };
        let (count, _) = unfinished.get_mut();
        *count -= 1;
        let is_last = *count == 0;
        if is_last {
            unfinished.remove();
        }
        is_last
    }

    /// Gives up all that is held or ready.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        let mut all: Vec<T> = std::mem::take(&mut self.ready);
        all.extend(self.held.drain().flat_map(|(_, line)| line).map(|(_, change)| change));
        self.held_count = 0;
        self.gated.clear();
        self.behind.clear();
        self.settled.clear();
        for change in &all {
            self.forget_one(change.profile());
        }
        all
    }
}
