//! Random worlds: changes come, shipments end in every way, and at the end the books balance.

use super::*;
use crate::port::BatchRecord;
use model::{FlowNo, PartitionNo, Xid};
use proptest::prelude::*;
use std::collections::HashSet;

const GROUPS: u32 = 3;

fn change(seq: u64, profile: u8, created: i64, pieces: &[(u32, u64, u32)]) -> Change<u32, ()> {
    let piece =
        |(group, part, users): &(u32, u64, u32)| Piece { group: *group, part: *part, users: *users, payload: () };
    Change {
        key: ExportKey { flow: FlowNo(1), partition: PartitionNo(0), seq },
        profile: Xid([profile; 16]),
        lineage: Vec::new(),
        created: Timestamp(created),
        note: Note::default(),
        pieces: pieces.iter().map(piece).collect(),
    }
}

fn caps(users_max: u32, age_ms: i64) -> Caps {
    Caps { users_max, age_ms, one_per_lane: false, open_max: 1_000 }
}

#[test]
fn a_bucket_leaves_when_full_or_old_enough() {
    let mut gather = Gather::new(caps(2, 1_000));
    gather.stage(change(1, 1, 100, &[(0, 0, 1)]));
    assert!(gather.next(Timestamp(1_099), false).is_none());
    assert_eq!(gather.next_instant(), Some(Timestamp(1_100)));
    assert_eq!(gather.next(Timestamp(1_100), false).map(|s| s.pieces.len()), Some(1));
    gather.stage(change(2, 2, 2_000, &[(0, 0, 1)]));
    gather.stage(change(3, 3, 2_000, &[(0, 0, 1)]));
    assert_eq!(gather.next(Timestamp(2_000), true).map(|s| s.pieces.len()), Some(2));
}

#[test]
fn an_exit_waits_for_the_entry_before_it_even_in_another_group() {
    let mut gather = Gather::new(caps(10, 0));
    gather.stage(change(1, 1, 0, &[(0, 7, 1)]));
    gather.stage(change(2, 1, 0, &[(1, 7, 1)]));
    let entry = gather.next(Timestamp(0), false).expect("the entry leaves");
    assert_eq!(entry.group, 0);
    assert!(gather.next(Timestamp(0), false).is_none());
    gather.ended(entry.id, Ended::Retry(Timestamp(50)), true);
    gather.wake_due(Timestamp(49));
    assert!(gather.next(Timestamp(49), false).is_none());
    gather.wake_due(Timestamp(50));
    let again = gather.next(Timestamp(50), false).expect("again");
    assert_eq!(again.attempts, 1);
    assert_eq!(again.idempotency_key(), entry.idempotency_key());
    gather.ended(again.id, Ended::Delivered, true);
    assert_eq!(gather.next(Timestamp(50), false).map(|s| s.group), Some(1));
}

#[test]
fn halves_find_the_one_that_is_refused() {
    let mut gather = Gather::new(caps(8, 0));
    (1..=8).for_each(|n| gather.stage(change(n, n as u8, 0, &[(0, 0, 1)])));
    let mut requests = 0;
    while let Some(shipment) = gather.next(Timestamp(0), false) {
        requests += 1;
        let bad = shipment.pieces.iter().any(|p| p.key.seq == 5);
        let end = if bad { Ended::Bisect("refused".into()) } else { Ended::Delivered };
        gather.ended(shipment.id, end, true);
    }
    let dead: Vec<u64> =
        gather.take_finished().iter().filter(|f| f.end != ChangeEnd::Delivered).map(|f| f.key.seq).collect();
    assert_eq!((dead, requests), (vec![5], 7));
}

#[test]
fn after_a_restart_the_same_shipments_leave_again() {
    let mut gather = Gather::new(caps(3, 0));
    (1..=7).for_each(|n| gather.stage(change(n, n as u8, 0, &[(n as u32 % 2, 0, 1)])));
    let sent: Vec<_> = (0..2).filter_map(|_| gather.next(Timestamp(0), false)).collect();
    let records: Vec<BatchRecord> = sent.iter().map(Shipment::record).collect();
    // Both were on their way; of the second one a change has ended meanwhile.
    let mut again = Gather::new(caps(3, 0));
    again.restore(records);
    let gone = sent[1].pieces[0].key.seq;
    (1..=7).filter(|n| *n != gone).for_each(|n| again.stage(change(n, n as u8, 0, &[(n as u32 % 2, 0, 1)])));
    assert!(again.is_restoring());
    again.give_up_restoring();
    let first = again.next(Timestamp(0), false).expect("the first again");
    assert_eq!((first.id, first.idempotency_key(), first.recorded), (sent[0].id, sent[0].idempotency_key(), true));
    let second = again.next(Timestamp(0), false).expect("what is left of the second");
    let left: Vec<u64> = second.pieces.iter().map(|p| p.key.seq).collect();
    assert_eq!(left, sent[1].pieces[1..].iter().map(|p| p.key.seq).collect::<Vec<_>>());
    let rest = again.next(Timestamp(0), false).expect("what was in no shipment");
    assert!(rest.id > second.id && !rest.recorded);
}

#[derive(Debug, Clone)]
enum Step {
    Stage { profile: u8, pieces: Vec<(u32, u64, u32)> },
    Ship,
    End { which: usize, how: u8, mask: u64 },
    Pass(i64),
    Forget,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let piece = (0..GROUPS, 0..2u64, 1..3u32);
    let stage = (0..5u8, prop::collection::vec(piece, 0..4)).prop_map(|(profile, mut pieces)| {
        // The groups of one change differ, and so do its parts.
        let mut seen = HashSet::new();
        pieces.retain(|p| seen.insert(p.0) && seen.insert(100 + p.1 as u32));
        Step::Stage { profile, pieces }
    });
    let end = (any::<usize>(), 0..6u8, any::<u64>()).prop_map(|(which, how, mask)| Step::End { which, how, mask });
    let step = prop_oneof![
        5 => stage,
        4 => Just(Step::Ship),
        4 => end,
        2 => (0..400i64).prop_map(Step::Pass),
        1 => Just(Step::Forget),
    ];
    prop::collection::vec(step, 1..120)
}

/// What a test knows beside the gather.
#[derive(Default)]
struct World {
    now: i64,
    seq: u64,
    /// Per lane: the pieces that are not delivered or dead, in order.
    lanes: HashMap<(Xid, u64), Vec<(u64, u32)>>,
    running: Vec<Shipment<u32, ()>>,
    known: HashMap<u64, Change<u32, ()>>,
    ended: HashMap<u64, ChangeEnd>,
    refused: HashSet<u64>,
}

impl World {
    fn stage(&mut self, gather: &mut Gather<u32, ()>, change: Change<u32, ()>) {
        for (nth, piece) in change.pieces.iter().enumerate() {
            self.lanes.entry((change.profile, piece.part)).or_default().push((change.key.seq, nth as u32));
        }
        self.known.insert(change.key.seq, change.clone());
        gather.stage(change);
    }

    fn ship(&mut self, gather: &mut Gather<u32, ()>, caps: Caps) -> bool {
        let Some(shipment) = gather.next(Timestamp(self.now), false) else { return false };
        let users: u32 = shipment.pieces.iter().map(|p| p.users).sum();
        assert!(users <= caps.users_max || shipment.pieces.len() == 1, "{users} users in one request");
        for (at, piece) in shipment.pieces.iter().enumerate() {
            let lane = &self.lanes[&piece.lane];
            let place = lane.iter().position(|p| *p == (piece.key.seq, piece.nth)).expect("unfinished");
            for before in &lane[..place] {
                let earlier = shipment.pieces[..at].iter().any(|p| (p.key.seq, p.nth) == *before);
                assert!(earlier && !caps.one_per_lane, "{before:?} of the lane is unfinished and not in front");
            }
        }
        self.running.push(shipment);
        true
    }

    fn settle(&mut self, piece: &Staged<()>) {
        let lane = self.lanes.get_mut(&piece.lane).expect("known lane");
        lane.retain(|p| *p != (piece.key.seq, piece.nth));
    }

    fn end(&mut self, gather: &mut Gather<u32, ()>, which: usize, how: u8, mask: u64) {
        if self.running.is_empty() {
            return;
        }
        let shipment = self.running.swap_remove(which % self.running.len());
        let at = Timestamp(self.now + 10);
        let ended = match how {
            0 | 1 => Ended::Delivered,
            2 => Ended::Retry(at),
            3 => Ended::Bisect("whole".into()),
            4 => Ended::Dead("dead".into()),
            _ => {
                let end = |n: usize| match mask >> (n % 32 * 2) & 3 {
                    0 => PieceEnd::Retry,
                    1 => PieceEnd::Dead("one".into()),
                    _ => PieceEnd::Delivered,
                };
                Ended::Each((0..shipment.pieces.len()).map(end).collect(), at)
            }
        };
        for (n, piece) in shipment.pieces.iter().enumerate() {
            let (gone, refused) = match &ended {
                Ended::Delivered => (true, false),
                Ended::Dead(_) => (true, true),
                Ended::Bisect(_) => (shipment.pieces.len() == 1, true),
                Ended::Each(ends, _) => (ends[n] != PieceEnd::Retry, ends[n] != PieceEnd::Delivered),
                _ => (false, false),
            };
            if gone {
                self.settle(piece);
                if refused {
                    self.refused.insert(piece.key.seq);
                }
            }
        }
        gather.ended(shipment.id, ended, true);
    }

    /// Hears outcomes; what is to be read again is staged again, in order.
    fn hear(&mut self, gather: &mut Gather<u32, ()>) {
        let mut again = Vec::new();
        for finished in gather.take_finished() {
            let seq = finished.key.seq;
            if finished.end == ChangeEnd::Again {
                again.push(seq);
                self.lanes.values_mut().for_each(|lane| lane.retain(|p| p.0 != seq));
                continue;
            }
            let dead = matches!(finished.end, ChangeEnd::Dead(_));
            assert_eq!(dead, self.refused.contains(&seq), "change {seq}");
            assert!(self.ended.insert(seq, finished.end).is_none(), "change {seq} ended twice");
        }
        again.sort_unstable();
        for seq in again {
            self.refused.remove(&seq);
            let change = self.known[&seq].clone();
            self.stage(gather, change);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_change_ends_once_in_order_within_caps(
        steps in steps(), users_max in 1..5u32, age in 0..300i64, one_per_lane in any::<bool>(),
    ) {
        let caps = Caps { users_max, age_ms: age, one_per_lane, open_max: 1_000 };
        let mut gather = Gather::new(caps);
        let mut world = World::default();
        for step in steps {
            match step {
                Step::Stage { profile, pieces } => {
                    world.seq += 1;
                    let change = change(world.seq, profile, world.now, &pieces);
                    world.stage(&mut gather, change);
                }
                Step::Ship => { world.ship(&mut gather, caps); }
                Step::End { which, how, mask } => world.end(&mut gather, which, how, mask),
                Step::Pass(ms) => { world.now += ms; gather.wake_due(Timestamp(world.now)); }
                // Reading again keeps the order only once nothing is under way.
                Step::Forget if world.running.is_empty() => gather.forget(),
                Step::Forget => {}
            }
            world.hear(&mut gather);
        }
        // The receiver takes everything now: all that is left leaves, within its age.
        for _ in 0..10_000 {
            while world.ship(&mut gather, caps) {}
            while !world.running.is_empty() { world.end(&mut gather, 0, 0, 0); }
            world.hear(&mut gather);
            let Some(next) = gather.next_instant() else { break };
            world.now = world.now.max(next.0);
            gather.wake_due(Timestamp(world.now));
        }
        prop_assert_eq!(gather.len(), 0);
        prop_assert_eq!(world.ended.len() as u64, world.seq);
        prop_assert!(gather.lanes.is_empty() && gather.buckets.is_empty() && gather.shipments.is_empty());
        let nothing = world.ended.iter().filter(|(_, e)| **e == ChangeEnd::Nothing);
        prop_assert!(nothing.clone().all(|(seq, _)| world.known[seq].pieces.is_empty()));
    }
}
