//! The promises of [`Log`].

use super::{OpenLog, Sequence, fresh};
use crate::{Entry, Log, StreamId};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};

const OK: &str = "the log answers";
const A: StreamId = StreamId(1);
const B: StreamId = StreamId(u32::MAX);

type Case = (&'static str, fn(Arc<dyn Log>));

const CASES: [Case; 7] = [
    ("offsets_and_stamps", offsets_and_stamps),
    ("replay", replay),
    ("observer", observer),
    ("threads", threads),
    ("order", order),
    ("submit_from_done", submit_from_done),
    ("trim", trim),
];

/// Runs all cases that need no reopening.
pub fn check(open: OpenLog<'_>, dir: &Path) {
    for (name, case) in CASES {
        case(open(&fresh(dir, name)).into());
    }
}

/// Entries, offsets and stamps go on after closing and opening, and after a trim.
pub fn check_reopen(open: OpenLog<'_>, dir: &Path) {
    let dir = fresh(dir, "reopen");
    let mut model: Vec<Entry> = Vec::new();
    for round in 0..5u64 {
        let log = open(&dir);
        assert_eq!(all(&*log), model, "round {round}");
        for stream in [A, B, StreamId(3)] {
            assert_eq!(log.last(stream), last_of(&model, stream), "round {round}");
        }
        assert_eq!(log.last_stamp(), model.last().map_or(i64::MIN, |entry| entry.stamp));
        random_appends(&*log, &mut model, round);
    }
    let log = open(&dir);
    log.trim(&|_| u64::MAX).expect(OK);
    let left = all(&*log);
    assert_eq!(left[..], model[model.len() - left.len()..], "a trim removes from the front only");
    drop(log);
    let log = open(&dir);
    assert_eq!(all(&*log), left);
    let appended = log.append(vec![(A, b"next".to_vec()), (B, Vec::new())], i64::MIN).expect(OK);
    assert_eq!(appended.offsets, [last_of(&model, A) + 1, last_of(&model, B) + 1], "offsets go on after a trim");
    assert_eq!(appended.stamp, model.last().map_or(0, |entry| entry.stamp), "stamps never decrease");
}

fn offsets_and_stamps(log: Arc<dyn Log>) {
    assert_eq!((log.last(A), log.last_stamp()), (0, i64::MIN));
    let one = log.append(vec![(A, b"1".to_vec()), (B, b"2".to_vec()), (A, b"3".to_vec())], 1000).expect(OK);
    assert_eq!((one.offsets, one.stamp), (vec![1, 1, 2], 1000));
    let two = log.append(vec![(B, Vec::new())], 999).expect(OK);
    assert_eq!((two.offsets, two.stamp), (vec![2], 1000), "a stamp never decreases");
    let none = log.append(Vec::new(), 5000).expect(OK);
    assert_eq!((none.offsets, none.stamp), (vec![], 1000), "an empty group changes nothing");
    let three = log.append(vec![(A, vec![0; 100_000])], 1001).expect(OK);
    assert_eq!((three.offsets, three.stamp), (vec![3], 1001));
    assert_eq!((log.last(A), log.last(B), log.last(StreamId(2)), log.last_stamp()), (3, 2, 0, 1001));
    assert!(log.bytes() > 100_000);
}

fn replay(log: Arc<dyn Log>) {
    let mut model = Vec::new();
    random_appends(&*log, &mut model, 7);
    assert_eq!(all(&*log), model, "a replay is in physical order");
    let half = last_of(&model, A) / 2;
    let mut found = Vec::new();
    let after = |stream| if stream == A { half } else { 0 };
    let mut visit = |entry| {
        found.push(entry);
        ControlFlow::Continue(())
    };
    log.replay(&after, &mut visit).expect(OK);
    let expected: Vec<_> = model.iter().filter(|e| e.offset > after(e.stream)).cloned().collect();
    assert_eq!(found, expected);
    let mut seen = 0;
    let mut visit = |_| {
        seen += 1;
        if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    log.replay(&|_| 0, &mut visit).expect(OK);
    assert_eq!(seen, 3, "a visitor ends the replay");
    log.replay(&|stream| log.last(stream), &mut |_| panic!("there is nothing after the last")).expect(OK);
}

fn observer(log: Arc<dyn Log>) {
    log.append(vec![(A, b"before".to_vec())], 1).expect(OK);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    log.set_observer(Box::new(move |entry| sink.lock().expect("no panic").push(entry.clone())));
    let mut model = all(&*log);
    let before = model.len();
    for n in 0..50 {
        let appended = log.append(vec![(A, vec![n]), (B, vec![n, n])], i64::from(n)).expect(OK);
        // `append` returns after `done`, so the observer has seen the group.
        let seen = seen.lock().expect("no panic");
        assert_eq!(seen.last().map(|entry| entry.offset), appended.offsets.last().copied());
    }
    model = all(&*log);
    assert_eq!(seen.lock().expect("no panic")[..], model[before..], "the observer sees all, in physical order");
}

fn threads(log: Arc<dyn Log>) {
    std::thread::scope(|scope| {
        for number in 0..4u8 {
            let log = &log;
            scope.spawn(move || {
                for n in 0..100u8 {
                    let group = vec![(A, vec![number, n, 0]), (StreamId(9), vec![number, n]), (A, vec![number, n, 1])];
                    let appended = log.append(group, 0).expect(OK);
                    assert_eq!(appended.offsets[2], appended.offsets[0] + 1, "a group is not mixed with another");
                }
            });
        }
    });
    let entries = all(&*log);
    assert_eq!((entries.len(), log.last(A), log.last(StreamId(9))), (1200, 800, 400));
    for group in entries.chunks(3) {
        assert_eq!(group[0].payload[..2], group[1].payload[..]);
        assert_eq!(group[0].payload[..2], group[2].payload[..2]);
    }
    for number in 0..4 {
        let own = entries.iter().filter(|entry| entry.payload[0] == number && entry.stream == StreamId(9));
        assert!(own.map(|entry| entry.payload[1]).eq(0..100), "what one thread appended stays in order");
    }
}

fn order(log: Arc<dyn Log>) {
    let (sender, receiver) = mpsc::channel();
    for n in 0..500u64 {
        let sender = sender.clone();
        let done = Box::new(move |result: crate::Result<crate::Appended>| {
            let appended = result.expect(OK);
            // The receiver lives to the end of the test.
            drop(sender.send((n, appended.offsets)));
        });
        log.submit(vec![(A, n.to_be_bytes().to_vec())], 0, done);
    }
    drop(sender);
    let answers: Vec<_> = receiver.iter().collect();
    let expected: Vec<_> = (0..500).map(|n| (n, vec![n + 1])).collect();
    assert_eq!(answers, expected, "groups become durable, and are answered, in the order submitted");
}

fn submit_from_done(log: Arc<dyn Log>) {
    let (sender, receiver) = mpsc::channel();
    chain(Arc::clone(&log), 20, sender);
    assert_eq!(receiver.recv(), Ok(20), "a callback may submit");
}

fn chain(log: Arc<dyn Log>, left: u32, sender: mpsc::Sender<u64>) {
    let next = Arc::clone(&log);
    let done = Box::new(move |result: crate::Result<crate::Appended>| {
        let appended = result.expect(OK);
        if left > 1 {
            chain(next, left - 1, sender);
        } else {
            sender.send(appended.offsets[0]).expect("the test waits");
        }
    });
    log.submit(vec![(B, Vec::new())], 0, done);
}

fn trim(log: Arc<dyn Log>) {
    let mut model = Vec::new();
    random_appends(&*log, &mut model, 3);
    let before = log.bytes();
    assert_eq!(log.trim(&|_| 0).expect(OK), 0, "what is needed stays");
    assert_eq!(all(&*log), model);
    let keep = BTreeMap::from([(A, last_of(&model, A) / 2), (B, last_of(&model, B) / 2)]);
    let keep_after = |stream: StreamId| keep.get(&stream).copied().unwrap_or(u64::MAX);
    let freed = log.trim(&keep_after).expect(OK);
    assert_eq!(log.bytes(), before - freed);
    let left = all(&*log);
    let needed: Vec<_> = model.iter().filter(|e| e.offset > keep_after(e.stream)).cloned().collect();
    let found: Vec<_> = left.iter().filter(|e| e.offset > keep_after(e.stream)).cloned().collect();
    assert_eq!(found, needed, "nothing above the mark is trimmed");
    log.trim(&|stream| log.last(stream)).expect("a mark may ask the log");
    assert_eq!(log.last(A), last_of(&model, A), "the last offset outlives its entries");
}

fn random_appends(log: &dyn Log, model: &mut Vec<Entry>, seed: u64) {
    let mut sequence = Sequence::new(seed);
    for _ in 0..120 {
        let now = 1_000 * seed as i64 + sequence.below(2_000) as i64;
        let streams = [A, B, StreamId(3)];
        let group: Vec<_> = (0..sequence.below(6))
            .map(|_| {
                (streams[sequence.below(3) as usize], vec![sequence.below(256) as u8; sequence.below(300) as usize])
            })
            .collect();
        let appended = log.append(group.clone(), now).expect(OK);
        for ((stream, payload), offset) in group.into_iter().zip(appended.offsets) {
            model.push(Entry { stream, offset, stamp: appended.stamp, payload: payload.into() });
        }
    }
}

fn last_of(entries: &[Entry], stream: StreamId) -> u64 {
    entries.iter().rev().find(|entry| entry.stream == stream).map_or(0, |entry| entry.offset)
}

fn all(log: &dyn Log) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut visit = |entry| {
        entries.push(entry);
        ControlFlow::Continue(())
    };
    log.replay(&|_| 0, &mut visit).expect(OK);
    entries
}
