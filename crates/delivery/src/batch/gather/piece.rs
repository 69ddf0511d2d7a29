//! What goes through the gather: changes, cut into pieces, put together in shipments.
//!
//! Always: a shipment of the same pieces in the same order has the same idempotency key, also after a restart.

use crate::batch::line::Ordered;
use crate::port::{BatchRecord, ExportKey};
use destination::message::Withheld;
use model::{PartitionNo, ProfileId, Timestamp};
use smallvec::SmallVec;
use std::sync::Arc;

/// One change of a profile.
#[derive(Debug, Clone)]
pub(crate) struct Change<G, P> {
    pub(crate) key: ExportKey,
    pub(crate) profile: ProfileId,
    pub(crate) lineage: Vec<ProfileId>,
    pub(crate) created: Timestamp,
    pub(crate) note: Note,
    pub(crate) pieces: SmallVec<[Piece<G, P>; 1]>,
}

/// What is told of a change at its end, beside how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Note {
    /// How many identities it tells of.
    pub(crate) identities: u32,
    /// Why it has no pieces.
    pub(crate) withheld: Option<Withheld>,
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
    pub(super) lane: Lane,
    pub(crate) created: Timestamp,
    pub(crate) users: u32,
    /// The identities of the change, if this is all of it.
    pub(super) only: Option<u32>,
    pub(crate) payload: P,
}

/// A profile and the part of its state that a piece tells of.
pub(super) type Lane = (ProfileId, u64);

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
