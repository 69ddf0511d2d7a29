//! Shipments of before a restart, put together again.
//!
//! In: what each unfinished shipment held, and changes as they are read again. Out: the same shipments, so
//! that a receiver that has seen one recognises it by its key.
//!
//! Always: a shipment that cannot be had again whole (a part of it ended meanwhile, or was taken back)
//! leaves with what there is; the order of lanes goes first.

use super::{Gather, Lane, Sent, Staged};
use crate::port::{BatchRecord, ExportKey};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// Shipments that wait for their pieces.
pub(super) struct Restoring<G, P> {
    places: HashMap<(ExportKey, u32), (u64, usize)>,
    shipments: HashMap<u64, Partial<G, P>>,
}

struct Partial<G, P> {
    group: Option<G>,
    pieces: Vec<Option<Staged<P>>>,
    missing: usize,
    attempts: u32,
}

impl<G, P> Default for Restoring<G, P> {
    fn default() -> Restoring<G, P> {
        Restoring { places: HashMap::new(), shipments: HashMap::new() }
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
        let in_order = lane.in_bucket == 0 && lane.waiting.is_empty() && (lane.in_shipments == 0 || lane.taken_by == id);
        if !in_order || partial.group.as_ref().is_some_and(|g| g != group) {
            return Some(piece);
        }
        (lane.in_shipments, lane.taken_by) = (lane.in_shipments + 1, id);
        partial.group = Some(group.clone());
        partial.pieces[at] = Some(piece);
        partial.missing -= 1;
        if partial.missing == 0 {
            self.complete(id);
        }
        None
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
        match partial.group {
            Some(group) if !pieces.is_empty() => {
                let sent = Sent {
                    group,
                    pieces: Arc::new(pieces),
                    attempts: partial.attempts,
                    running: false,
                    recorded: true,
                    then: None,
                };
                self.shipments.insert(id, sent);
                self.ready.push_back(id);
            }
            _ => self.closed.push(id),
        }
    }

    /// Pieces that wait for the rest of their shipment, and their lanes.
    pub(super) fn drop_restoring(&mut self) -> (Vec<Staged<P>>, Vec<Lane>) {
        let partials = std::mem::take(&mut self.restoring).shipments;
        self.closed.extend(partials.keys());
        let pieces: Vec<Staged<P>> = partials.into_values().flat_map(|p| p.pieces).flatten().collect();
        let lanes = pieces.iter().map(|p| p.lane).collect();
        (pieces, lanes)
    }
}
