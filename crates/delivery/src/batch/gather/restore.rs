//! Shipments of before a restart, put together again.
//!
//! In: what each unfinished shipment held, and changes as they are read again. Out: the same shipments, so
//! that a receiver that has seen one recognises it by its key.
//!
//! Always: a shipment that cannot be had again whole (a part of it ended meanwhile, or was taken back)
//! leaves with what there is. A shipment waits for earlier ones that it shares a lane with.

use super::{Gather, Lane, Sent, Staged};
use crate::port::{BatchRecord, ExportKey};
use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};
use std::hash::Hash;
use std::sync::Arc;

/// Shipments that wait for their pieces.
pub(super) struct Restoring<G, P> {
    places: HashMap<(ExportKey, u32), (u64, usize)>,
    shipments: HashMap<u64, Partial<G, P>>,
    /// How many pieces of a shipment wait for earlier ones of their lanes.
    behind: HashMap<u64, u32>,
}

struct Partial<G, P> {
    group: Option<G>,
    pieces: Vec<Option<Staged<P>>>,
    missing: usize,
    attempts: u32,
}

impl<G, P> Default for Restoring<G, P> {
    fn default() -> Restoring<G, P> {
        Restoring { places: HashMap::default(), shipments: HashMap::default(), behind: HashMap::default() }
    }
}

impl<G: Clone + Eq + Hash + Ord, P: Clone> Gather<G, P> {
    /// Expects these shipments again. To be called before anything is staged.
    pub(crate) fn restore(&mut self, records: Vec<BatchRecord>) {
        for record in records {
            self.next_id = self.next_id.max(record.id + 1);
            for (at, piece) in record.pieces.iter().enumerate() {
                self.restoring.places.insert(*piece, (record.id, at));
            }
            let (missing, attempts) = (record.pieces.len(), record.attempts);
            let pieces = record.pieces.iter().map(|_| None).collect();
            self.restoring.shipments.insert(record.id, Partial { group: None, pieces, missing, attempts });
        }
    }

    /// Whether shipments of before the restart are still incomplete.
    pub(crate) fn is_restoring(&self) -> bool {
        !self.restoring.shipments.is_empty()
    }

    /// Takes a piece that belongs to a shipment of before. Gives it back if it does not, or if it would
    /// overtake an earlier one of its lane.
    pub(super) fn put_back(&mut self, group: &G, piece: Staged<P>) -> Option<Staged<P>> {
        let Some((id, at)) = self.restoring.places.remove(&(piece.key, piece.nth)) else { return Some(piece) };
        let Some(partial) = self.restoring.shipments.get_mut(&id) else { return Some(piece) };
        let lane = self.lanes.entry(piece.lane).or_insert_with(super::LaneState::new);
        let last = lane.later.back().copied().or((lane.in_shipments > 0).then_some(lane.taken_by));
        let in_order = lane.in_bucket == 0 && lane.waiting.is_empty() && last.is_none_or(|last| last <= id);
        if !in_order || partial.group.as_ref().is_some_and(|g| g != group) {
            return Some(piece);
        }
        if last.is_some_and(|last| last != id) || !lane.later.is_empty() {
            lane.later.push_back(id);
            *self.restoring.behind.entry(id).or_default() += 1;
        } else {
            (lane.in_shipments, lane.taken_by) = (lane.in_shipments + 1, id);
        }
        partial.group = Some(group.clone());
        partial.pieces[at] = Some(piece);
        partial.missing -= 1;
        if partial.missing == 0 {
            self.complete(id);
        }
        None
    }

    /// The earlier shipments that held a lane have ended: the next one holds it. Whether there is one.
    pub(super) fn pass_on(&mut self, lane: Lane) -> bool {
        let Some(state) = self.lanes.get_mut(&lane) else { return false };
        let Some(id) = state.later.front().copied() else { return false };
        state.taken_by = id;
        while state.later.front() == Some(&id) {
            state.later.pop_front();
            state.in_shipments += 1;
            if let Some(behind) = self.restoring.behind.get_mut(&id) {
                *behind -= 1;
            }
        }
        if self.restoring.behind.get(&id) == Some(&0) {
            self.restoring.behind.remove(&id);
            if self.shipments.contains_key(&id) {
                self.ready.push_back(id);
            }
        }
        true
    }

    /// Everything was read: what is incomplete leaves with what there is.
    pub(crate) fn give_up_restoring(&mut self) {
        let mut ids: Vec<u64> = self.restoring.shipments.keys().copied().collect();
        ids.sort_unstable();
        ids.into_iter().for_each(|id| self.complete(id));
        self.restoring.places.clear();
    }

    fn complete(&mut self, id: u64) {
        let Some(partial) = self.restoring.shipments.remove(&id) else { return };
        let pieces: Vec<Staged<P>> = partial.pieces.into_iter().flatten().collect();
        let Some(group) = partial.group else { return self.closed.push(id) };
        // More than one if the destination takes less at a time than before: then one after the other.
        let cut = self.cut(pieces);
        let recorded = cut.len() == 1;
        let mut then = None;
        for (nth, pieces) in cut.into_iter().enumerate().rev() {
            let sent =
                Sent { attempts: partial.attempts, recorded, then, ..Sent::new(group.clone(), Arc::new(pieces)) };
            then = match nth {
                0 => self.shipments.insert(id, sent).and(None),
                _ => Some(self.insert(sent)),
            };
        }
        if !self.restoring.behind.contains_key(&id) {
            self.ready.push_back(id);
        }
    }

    /// As few shipments as are within the caps, in order.
    fn cut(&self, pieces: Vec<Staged<P>>) -> Vec<Vec<Staged<P>>> {
        let mut cut: Vec<Vec<Staged<P>>> = Vec::new();
        let (mut users, mut lanes) = (0u32, HashSet::default());
        for piece in pieces {
            let fits = users.saturating_add(piece.users) <= self.caps.users_max
                && !(self.caps.one_per_lane && lanes.contains(&piece.lane));
            if !fits || cut.is_empty() {
                (users, lanes) = (0, HashSet::default());
                cut.push(Vec::new());
            }
            users = users.saturating_add(piece.users);
            lanes.insert(piece.lane);
            cut.last_mut().into_iter().for_each(|last| last.push(piece.clone()));
        }
        cut
    }

    /// Pieces that wait for the rest of their shipment.
    pub(super) fn drop_restoring(&mut self) -> Vec<Staged<P>> {
        let partials = std::mem::take(&mut self.restoring).shipments;
        self.closed.extend(partials.keys());
        partials.into_values().flat_map(|p| p.pieces).flatten().collect()
    }
}
