//! The promises of [`Store`].

use super::{OpenStore, Sequence, fresh};
use crate::{Batch, Keyspace, Snapshot, Store};
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

const OK: &str = "the store answers";

type Rows = Vec<(Vec<u8>, Vec<u8>)>;
type Case = (&'static str, fn(&dyn Store));

const CASES: [Case; 9] = [
    ("ordering", ordering),
    ("bounds", bounds),
    ("prefix", prefix),
    ("batches", batches),
    ("keys", keys),
    ("compare_and_set", compare_and_set),
    ("snapshots", snapshots),
    ("whole_batches", whole_batches),
    ("random", random),
];

/// Runs all cases that need no reopening.
pub fn check(open: OpenStore<'_>, dir: &Path) {
    for (name, case) in CASES {
        case(&*open(&fresh(dir, name)));
    }
}

/// What was committed is there after closing and opening, twice, with and without `sync`.
pub fn check_reopen(open: OpenStore<'_>, dir: &Path) {
    let dir = fresh(dir, "reopen");
    let mut model = BTreeMap::new();
    for round in 0..3u64 {
        let store = open(&dir);
        assert_eq!(all(&*store, Keyspace::Profile), model.clone().into_iter().collect::<Rows>(), "round {round}");
        random_commits(&*store, &mut model, round);
        if round == 1 {
            store.sync().expect(OK);
        }
    }
    assert_eq!(all(&*open(&dir), Keyspace::Profile), model.into_iter().collect::<Rows>());
}

fn ordering(store: &dyn Store) {
    let keys: [&[u8]; 8] = [b"\0", b"\0\0", b"\x01", b"a", b"a\0", b"aa", b"b", b"\xff\xff"];
    let mut batch = Batch::new();
    for key in keys.iter().rev() {
        batch.put(Keyspace::Event, *key, [key, &b"!"[..]].concat());
    }
    store.commit(&batch).expect(OK);
    let expected: Rows = keys.iter().map(|key| (key.to_vec(), [key, &b"!"[..]].concat())).collect();
    assert_eq!(all(store, Keyspace::Event), expected, "a scan ascends by key bytes");
    assert!(all(store, Keyspace::Queue).is_empty(), "keyspaces are apart");
    let got = store.multi_get(Keyspace::Event, &[b"b", b"none", b"a"]).expect(OK);
    assert_eq!(got, [Some(b"b!".to_vec()), None, Some(b"a!".to_vec())]);
}

fn bounds(store: &dyn Store) {
    let mut batch = Batch::new();
    for key in [b"a", b"b", b"c", b"d"] {
        batch.put(Keyspace::Meta, *key, "");
    }
    store.commit(&batch).expect(OK);
    let scan = |from: Bound<&[u8]>, to: Bound<&[u8]>| {
        let mut found = String::new();
        let mut visit = |key: &[u8], _: &[u8]| {
            found.push(char::from(key[0]));
            ControlFlow::Continue(())
        };
        store.scan(Keyspace::Meta, from, to, &mut visit).expect(OK);
        found
    };
    use Bound::{Excluded, Included, Unbounded};
    assert_eq!(scan(Included(b"b"), Excluded(b"d")), "bc");
    assert_eq!(scan(Excluded(b"b"), Included(b"d")), "cd");
    assert_eq!(scan(Unbounded, Included(b"b")), "ab");
    assert_eq!(scan(Excluded(b"c"), Unbounded), "d");
    assert_eq!(scan(Included(b"bb"), Unbounded), "cd");
    assert_eq!(scan(Included(b"c"), Included(b"c")), "c");
    assert_eq!(scan(Excluded(b"c"), Excluded(b"c")), "", "an empty range");
    assert_eq!(scan(Included(b"d"), Included(b"a")), "", "an inverted range");
    let mut seen = 0;
    let mut visit = |_: &[u8], _: &[u8]| {
        seen += 1;
        if seen == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    store.scan(Keyspace::Meta, Unbounded, Unbounded, &mut visit).expect(OK);
    assert_eq!(seen, 2, "a visitor ends the scan");
}

fn prefix(store: &dyn Store) {
    let keys: [&[u8]; 7] = [b"a", b"a\xff", b"a\xff\x01", b"a\xff\xff", b"b", b"\xff", b"\xff\xff"];
    let mut batch = Batch::new();
    for key in keys {
        batch.put(Keyspace::Queue, key, "");
    }
    store.commit(&batch).expect(OK);
    for prefix in [&b""[..], b"a", b"a\xff", b"a\xff\xff", b"\xff", b"\xff\xff", b"c", b"b"] {
        let mut found = Vec::new();
        let mut visit = |key: &[u8], _: &[u8]| {
            found.push(key.to_vec());
            ControlFlow::Continue(())
        };
        store.scan_prefix(Keyspace::Queue, prefix, &mut visit).expect(OK);
        let mut snapshot_found = Vec::new();
        let mut visit = |key: &[u8], _: &[u8]| {
            snapshot_found.push(key.to_vec());
            ControlFlow::Continue(())
        };
        store.snapshot().expect(OK).scan_prefix(Keyspace::Queue, prefix, &mut visit).expect(OK);
        let expected: Vec<_> = keys.iter().filter(|key| key.starts_with(prefix)).map(|key| key.to_vec()).collect();
        assert_eq!(found, expected, "prefix {prefix:?}");
        assert_eq!(snapshot_found, expected, "prefix {prefix:?} of a snapshot");
    }
}

fn batches(store: &dyn Store) {
    let get = |key: &str| store.get(Keyspace::Profile, key.as_bytes()).expect(OK);
    store.commit(&Batch::new()).expect("an empty batch is fine");
    let mut batch = Batch::new();
    batch.put(Keyspace::Profile, "twice", "first");
    batch.put(Keyspace::Profile, "gone", "first");
    batch.put(Keyspace::Profile, "twice", "second");
    batch.delete(Keyspace::Profile, "gone");
    batch.delete(Keyspace::Profile, "back");
    batch.put(Keyspace::Profile, "back", "second");
    batch.put(Keyspace::Identity, "twice", "");
    assert_eq!((batch.len(), batch.is_empty(), batch.bytes()), (7, false, 53));
    store.commit(&batch).expect(OK);
    assert_eq!(get("twice"), Some(b"second".to_vec()), "of several changes to one row the last counts");
    assert_eq!(get("gone"), None);
    assert_eq!(get("back"), Some(b"second".to_vec()));
    assert_eq!(store.get(Keyspace::Identity, b"twice").expect(OK), Some(Vec::new()), "an empty value is a value");
    let mut batch = Batch::new();
    batch.delete(Keyspace::Profile, "twice");
    batch.delete(Keyspace::Profile, "never there");
    store.commit(&batch).expect(OK);
    assert_eq!(get("twice"), None);
}

fn keys(store: &dyn Store) {
    let longest = vec![7; crate::KEY_BYTES_MAX];
    for bad in [Vec::new(), vec![7; crate::KEY_BYTES_MAX + 1]] {
        let mut batch = Batch::new();
        batch.put(Keyspace::Meta, "fine", "");
        batch.put(Keyspace::Meta, bad.clone(), "");
        assert!(store.commit(&batch).is_err_and(|e| e.is_invalid()), "a key of {} bytes is refused", bad.len());
        assert_eq!(store.get(Keyspace::Meta, b"fine").expect(OK), None, "and nothing of its batch is applied");
        assert_eq!(store.get(Keyspace::Meta, &bad).expect(OK), None);
        let swapped = store.compare_and_set(Keyspace::Meta, &bad, None, Some(b""));
        assert!(swapped.is_err_and(|e| e.is_invalid()));
    }
    let mut batch = Batch::new();
    batch.put(Keyspace::Meta, longest.clone(), "long");
    store.commit(&batch).expect(OK);
    assert_eq!(store.get(Keyspace::Meta, &longest).expect(OK), Some(b"long".to_vec()));
}

fn compare_and_set(store: &dyn Store) {
    let set = |expected: Option<&[u8]>, new: Option<&[u8]>| {
        store.compare_and_set(Keyspace::Identity, b"k", expected, new).expect(OK)
    };
    assert!(!set(Some(b"1"), Some(b"2")), "an absent row equals no value");
    assert!(set(None, Some(b"1")));
    assert!(!set(None, Some(b"2")), "a present row is not absent");
    assert!(!set(Some(b""), Some(b"2")));
    assert!(set(Some(b"1"), Some(b"")));
    assert!(set(Some(b""), None));
    assert_eq!(store.get(Keyspace::Identity, b"k").expect(OK), None);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..50).for_each(|_| increment(store)));
        }
    });
    let sum = store.get(Keyspace::Identity, b"sum").expect(OK);
    assert_eq!(sum, Some(200u64.to_be_bytes().to_vec()), "no increment is lost");
}

fn increment(store: &dyn Store) {
    loop {
        let old = store.get(Keyspace::Identity, b"sum").expect(OK);
        let new = number(old.as_deref()) + 1;
        let set = store.compare_and_set(Keyspace::Identity, b"sum", old.as_deref(), Some(&new.to_be_bytes()));
        if set.expect(OK) {
            return;
        }
    }
}

fn snapshots(store: &dyn Store) {
    let mut batch = Batch::new();
    batch.put(Keyspace::Profile, "kept", "old");
    batch.put(Keyspace::Queue, "deleted", "old");
    store.commit(&batch).expect(OK);
    let before = store.snapshot().expect(OK);
    let mut batch = Batch::new();
    batch.put(Keyspace::Profile, "kept", "new");
    batch.put(Keyspace::Profile, "added", "new");
    batch.delete(Keyspace::Queue, "deleted");
    store.commit(&batch).expect(OK);
    let after = store.snapshot().expect(OK);
    let row = |key: &str, value: &str| (key.as_bytes().to_vec(), value.as_bytes().to_vec());
    assert_eq!(all_of(&*before, Keyspace::Profile), [row("kept", "old")]);
    assert_eq!(all_of(&*before, Keyspace::Queue), [row("deleted", "old")]);
    assert_eq!(before.get(Keyspace::Profile, b"added").expect(OK), None);
    assert_eq!(all_of(&*after, Keyspace::Profile), [row("added", "new"), row("kept", "new")]);
    assert_eq!(all_of(&*after, Keyspace::Queue), []);
    // It moves to another thread, as the one that writes snapshot files is.
    let moved = std::thread::scope(|scope| {
        scope.spawn(move || before.get(Keyspace::Profile, b"kept").expect(OK)).join().expect("no panic")
    });
    assert_eq!(moved, Some(b"old".to_vec()));
}

fn whole_batches(store: &dyn Store) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..500u64 {
                let mut batch = Batch::new();
                for ks in Keyspace::ALL {
                    batch.put(ks, "x", n.to_be_bytes());
                    batch.put(ks, "y", n.to_be_bytes());
                }
                store.commit(&batch).expect(OK);
            }
            stop.store(true, Ordering::Release);
        });
        scope.spawn(|| {
            while !stop.load(Ordering::Acquire) {
                let pair = store.multi_get(Keyspace::Event, &[b"x", b"y"]).expect(OK);
                assert_eq!(pair[0], pair[1], "multi_get sees whole batches");
                let snapshot = store.snapshot().expect(OK);
                let seen: Vec<Rows> = Keyspace::ALL.into_iter().map(|ks| all_of(&*snapshot, ks)).collect();
                assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "a snapshot sees whole batches");
            }
        });
    });
}

fn random(store: &dyn Store) {
    let mut model = BTreeMap::new();
    random_commits(store, &mut model, 42);
    assert_eq!(all(store, Keyspace::Profile), model.into_iter().collect::<Rows>());
    store.metrics();
}

fn random_commits(store: &dyn Store, model: &mut BTreeMap<Vec<u8>, Vec<u8>>, seed: u64) {
    let mut sequence = Sequence::new(seed);
    for _ in 0..200 {
        let mut batch = Batch::new();
        for _ in 0..sequence.below(20) {
            let key = sequence.below(300).to_string().into_bytes();
            if sequence.below(3) == 0 {
                model.remove(&key);
                batch.delete(Keyspace::Profile, key);
            } else {
                let value = vec![sequence.below(256) as u8; sequence.below(2000) as usize];
                model.insert(key.clone(), value.clone());
                batch.put(Keyspace::Profile, key, value);
            }
        }
        store.commit(&batch).expect(OK);
    }
}

fn all(store: &dyn Store, ks: Keyspace) -> Rows {
    let mut rows = Vec::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        rows.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    };
    store.scan(ks, Bound::Unbounded, Bound::Unbounded, &mut visit).expect(OK);
    rows
}

fn all_of(snapshot: &dyn Snapshot, ks: Keyspace) -> Rows {
    let mut rows = Vec::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        rows.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    };
    snapshot.scan(ks, Bound::Unbounded, Bound::Unbounded, &mut visit).expect(OK);
    rows
}

pub(super) fn number(bytes: Option<&[u8]>) -> u64 {
    bytes.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes)
}
