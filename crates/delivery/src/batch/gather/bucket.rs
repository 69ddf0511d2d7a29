//! The pieces of one group that wait to leave.
//!
//! Always: `users` are those of all pieces, `blocked` those of pieces whose lane is in a shipment; `due` is never later
//! than when the oldest piece that may leave is as old as it may become.

use super::Staged;
use model::Timestamp;
use std::collections::VecDeque;

/// The pieces of one group that wait to leave.
pub(super) struct Bucket<P> {
    pub(super) pieces: VecDeque<Staged<P>>,
    pub(super) users: u64,
    /// Those of lanes that are in shipments, too.
    pub(super) blocked: u64,
    /// When it is due, while it is in `due`; none while all of it is blocked.
    pub(super) due: Option<Timestamp>,
    /// Whether it may be due later than that: its oldest piece has left.
    pub(super) stale: bool,
    /// Whether it is in the list of full ones.
    pub(super) queued: bool,
}

impl<P> Bucket<P> {
    /// When its oldest piece is so old.
    pub(super) fn due_at(&self, age_ms: i64) -> Option<Timestamp> {
        let oldest = self.pieces.iter().map(|piece| piece.created.0).min()?;
        Some(Timestamp(oldest.saturating_add(age_ms)))
    }

    pub(super) fn new() -> Bucket<P> {
        Bucket { pieces: VecDeque::new(), users: 0, blocked: 0, due: None, stale: false, queued: false }
    }
}
