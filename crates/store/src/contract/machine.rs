//! A small state machine over a log and a store: state is a function of the log, whatever happens.
//!
//! Each entry of one stream changes a few rows and moves a counter in two keyspaces in the same batch. So
//! the store says by itself which entries it has consumed, and a reference store that consumes the same
//! entries must be equal to it byte for byte.

use super::rows::number;
use super::{OpenLog, OpenStore, Sequence, fresh};
use crate::memory::MemoryStore;
use crate::{Batch, Entry, Keyspace, Log, Store, StreamId, compare, digest};
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::mpsc;

const STREAM: StreamId = StreamId(5);
const APPLIED: &[u8] = b"applied";
const OK: &str = "the engine answers";
/// Groups on their way at once.
const WINDOW: usize = 16;

/// The batch that an entry causes in a store.
fn consume(store: &dyn Store, entry: &Entry) -> Batch {
    let mut sequence = Sequence::new(
        entry.payload.iter().fold(entry.offset, |sum, &b| sum.wrapping_mul(31).wrapping_add(u64::from(b))),
    );
    let mut batch = Batch::new();
    for _ in 0..3 {
        let key = sequence.below(200).to_be_bytes();
        let old = store.get(Keyspace::Profile, &key).expect(OK).unwrap_or_default();
        match sequence.below(8) {
            0 => batch.delete(Keyspace::Profile, key),
            _ => {
                let value = [&entry.stamp.to_be_bytes(), &old[..old.len().min(900)], &entry.payload[..]].concat();
                batch.put(Keyspace::Profile, key, value);
            }
        }
    }
    batch.put(Keyspace::Event, entry.offset.to_be_bytes(), &entry.payload[..]);
    if entry.offset > 100 {
        batch.delete(Keyspace::Event, (entry.offset - 100).to_be_bytes());
    }
    for ks in [Keyspace::Meta, Keyspace::Queue] {
        batch.put(ks, APPLIED, entry.offset.to_be_bytes());
    }
    batch
}

/// How far a store has come; panics when its two counters differ.
pub fn applied(store: &dyn Store) -> u64 {
    let [meta, queue] =
        [Keyspace::Meta, Keyspace::Queue].map(|ks| number(store.get(ks, APPLIED).expect(OK).as_deref()));
    assert_eq!(meta, queue, "a batch is atomic over keyspaces");
    meta
}

/// Brings a store up to the end of the log.
pub fn catch_up(log: &dyn Log, store: &dyn Store) {
    consume_to(log, store, u64::MAX);
}

fn consume_to(log: &dyn Log, store: &dyn Store, end: u64) {
    let from = applied(store);
    let mut visit = |entry: Entry| {
        if entry.offset > end {
            return ControlFlow::Break(());
        }
        store.commit(&consume(store, &entry)).expect(OK);
        ControlFlow::Continue(())
    };
    log.replay(&|_| from, &mut visit).expect(OK);
}

/// Appends `groups` groups and consumes them, keeping several on their way, as an engine does.
/// `acknowledged` is told the last offset of each group, in order, once it is durable.
pub fn run(log: &dyn Log, store: &dyn Store, groups: u64, acknowledged: &dyn Fn(u64)) {
    catch_up(log, store);
    let (sender, receiver) = mpsc::channel();
    let mut sequence = Sequence::new(log.last(STREAM));
    let mut waiting = 0;
    for _ in 0..groups {
        let count = 1 + sequence.below(5);
        let entries: Vec<_> =
            (0..count).map(|_| (STREAM, vec![sequence.below(256) as u8; sequence.below(700) as usize])).collect();
        let (sender, payloads) = (sender.clone(), entries.clone());
        // The receiver is gone only when this function has panicked already.
        let done = Box::new(move |result| drop(sender.send((payloads, result))));
        log.submit(entries, 1, done);
        waiting += 1;
        if waiting == WINDOW {
            waiting -= 1;
            consume_next(store, &receiver, acknowledged);
        }
    }
    (0..waiting).for_each(|_| consume_next(store, &receiver, acknowledged));
}

type Answer = (Vec<(StreamId, Vec<u8>)>, crate::Result<crate::Appended>);

fn consume_next(store: &dyn Store, answers: &mpsc::Receiver<Answer>, acknowledged: &dyn Fn(u64)) {
    let (payloads, appended) = answers.recv().expect("every group is answered");
    let appended = appended.expect(OK);
    for ((stream, payload), offset) in payloads.into_iter().zip(&appended.offsets) {
        let entry = Entry { stream, offset: *offset, stamp: appended.stamp, payload: payload.into() };
        store.commit(&consume(store, &entry)).expect(OK);
    }
    acknowledged(appended.offsets.last().copied().unwrap_or(0));
}

/// After a crash: every acknowledged entry is in the log, the store is what its entries made of an empty
/// one up to some entry, and it can be brought up to the end. The log must not have been trimmed.
pub fn verify(log: &dyn Log, store: &dyn Store, acknowledged: u64) {
    let last = log.last(STREAM);
    assert!(last >= acknowledged, "entry {acknowledged} was acknowledged, the log ends at {last}");
    let mut next = 1;
    let mut visit = |entry: Entry| {
        assert_eq!(entry.offset, next, "the log has no gap");
        next += 1;
        ControlFlow::Continue(())
    };
    log.replay(&|_| 0, &mut visit).expect(OK);
    assert_eq!(next, last + 1);
    let reached = applied(store);
    assert!(reached <= last, "the store is at {reached}, the log ends at {last}");
    let reference = MemoryStore::new();
    consume_to(log, &reference, reached);
    assert_eq!(compare(&reference, store).expect(OK), None, "the store is the state after entry {reached}");
    catch_up(log, store);
    catch_up(log, &reference);
    assert_eq!(compare(&reference, store).expect(OK), None, "the store reaches the end of the log");
}

/// Rebuilds the rows from a copy taken half-way and the rest of the log, and from the log alone; both
/// must equal the original byte for byte.
pub fn check_rebuild(open_store: OpenStore<'_>, open_log: OpenLog<'_>, dir: &Path) {
    let original = open_store(&fresh(dir, "rebuild_original"));
    let log = open_log(&fresh(dir, "rebuild_log"));
    run(&*log, &*original, 150, &|_| ());
    let copy = open_store(&fresh(dir, "rebuild_copy"));
    copy_rows(&*original, &*copy);
    run(&*log, &*original, 150, &|_| ());
    assert!(compare(&*original, &*copy).expect(OK).is_some(), "the copy is older");
    catch_up(&*log, &*copy);
    let fresh = open_store(&fresh(dir, "rebuild_fresh"));
    catch_up(&*log, &*fresh);
    let expected = digest(&*original.snapshot().expect(OK)).expect(OK);
    for rebuilt in [copy, fresh] {
        assert_eq!(compare(&*original, &*rebuilt).expect(OK), None);
        assert_eq!(digest(&*rebuilt.snapshot().expect(OK)).expect(OK), expected);
    }
}

fn copy_rows(from: &dyn Store, to: &dyn Store) {
    let snapshot = from.snapshot().expect(OK);
    let mut batch = Batch::new();
    for ks in Keyspace::ALL {
        let mut visit = |key: &[u8], value: &[u8]| {
            batch.put(ks, key, value);
            ControlFlow::Continue(())
        };
        snapshot.scan(ks, Bound::Unbounded, Bound::Unbounded, &mut visit).expect(OK);
    }
    to.commit(&batch).expect(OK);
}
