//! Torn tails are cut, damage is reported, and the log equals a model under random use.

use proptest::prelude::*;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use store::{Entry, Log, StreamId};
use store_local::{DiskFiles, LocalLog, LogOptions, Segments};

const S: StreamId = StreamId(1);

fn open(dir: &Path) -> store::Result<LocalLog> {
    LocalLog::open_with(dir, LogOptions { segment_bytes: 1024 }, DiskFiles)
}

fn all(log: &dyn Log) -> store::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    log.replay(&|_| 0, &mut |entry| {
        entries.push(entry);
        ControlFlow::Continue(())
    })?;
    Ok(entries)
}

/// A log of `count` frames; gives the segments and the length of the last one before its last frame.
fn written(dir: &Path, count: u8) -> (Vec<PathBuf>, u64) {
    let log = open(dir).expect("opens");
    let mut before = 0;
    for n in 0..count {
        before = log.segments().last().map_or(0, |segment| segment.bytes);
        log.append(vec![(S, vec![n; 40]), (StreamId(2), vec![n])], i64::from(n)).expect("appended");
    }
    (log.segments().into_iter().map(|segment| segment.path).collect(), before)
}

#[test]
fn a_torn_last_frame_is_cut_at_every_byte() {
    let temp = tempfile::tempdir().expect("temp");
    let (segments, before) = written(temp.path(), 5);
    assert_eq!(segments.len(), 1);
    let good = fs::read(&segments[0]).expect("read");
    for cut in before as usize..good.len() {
        for tail in [&[][..], &[0; 100], &[0xff; 100], &[1; 9]] {
            fs::write(&segments[0], [&good[..cut], tail].concat()).expect("written");
            let torn = Segments::check(temp.path()).expect("a torn tail is no damage").0[0].torn_bytes;
            assert_eq!(torn, (cut + tail.len()) as u64 - before);
            let log = open(temp.path()).expect("a torn tail is cut");
            assert_eq!((log.last(S), log.last_stamp(), log.bytes()), (4, 3, before), "cut at {cut}");
            let next = log.append(vec![(S, b"next".to_vec())], 0).expect("it goes on");
            assert_eq!((next.offsets, next.stamp), (vec![5], 3));
            assert_eq!(all(&log).expect("replayed").len(), 9);
            drop(log);
            assert_eq!(all(&open(temp.path()).expect("opens")).expect("replayed").len(), 9);
        }
    }
}

#[test]
fn every_flipped_bit_is_found() {
    let temp = tempfile::tempdir().expect("temp");
    let (segments, before) = written(temp.path(), 4);
    let good = fs::read(&segments[0]).expect("read");
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        fs::write(&segments[0], &bad).expect("written");
        if bit / 8 >= before as usize {
            assert_eq!(open(temp.path()).expect("the last frame is cut").last(S), 3);
        } else {
            let error = open(temp.path()).err().expect("an earlier frame is damaged");
            assert!(error.is_damaged() && error.to_string().contains(".seg is damaged at byte"), "{error}");
            assert!(Segments::check(temp.path()).is_err_and(|e| e.is_damaged()));
        }
    }
}

#[test]
fn damage_of_an_older_segment_is_found() {
    let temp = tempfile::tempdir().expect("temp");
    let (segments, _) = written(temp.path(), 60);
    assert!(segments.len() > 3);
    Segments::check(temp.path()).expect("sound");
    let good = fs::read(&segments[1]).expect("read");
    for at in (0..good.len()).step_by(7) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        fs::write(&segments[1], &bad).expect("written");
        let error = open(temp.path()).and_then(|log| all(&log)).expect_err("damage is found");
        assert!(error.is_damaged() && error.to_string().contains("0002.seg is damaged at byte"), "{error}");
    }
    fs::write(&segments[1], &good[..good.len() - 1]).expect("written");
    assert!(open(temp.path()).and_then(|log| all(&log)).is_err_and(|e| e.is_damaged()), "an older one is never torn");
    assert!(Segments::check(temp.path()).is_err_and(|e| e.is_damaged()));
    fs::remove_file(&segments[1]).expect("removed");
    assert!(open(temp.path()).err().is_some_and(|e| e.is_damaged()), "a missing segment is damage");
}

#[test]
fn an_unfinished_segment_is_removed() {
    let temp = tempfile::tempdir().expect("temp");
    written(temp.path(), 2);
    let new = temp.path().join("00000000000000000002.new");
    fs::write(&new, b"half a head").expect("written");
    assert_eq!(open(temp.path()).expect("opens").last(S), 2);
    assert!(!new.exists());
}

#[test]
fn a_payload_of_frames_is_not_taken_for_frames() {
    let temp = tempfile::tempdir().expect("temp");
    let (segments, before) = written(temp.path(), 3);
    let bytes = fs::read(&segments[0]).expect("read");
    let log = open(temp.path()).expect("opens");
    log.append(vec![(S, bytes)], 0).expect("appended");
    drop(log);
    let good = fs::read(&segments[0]).expect("read");
    fs::write(&segments[0], &good[..good.len() - 1]).expect("written");
    assert_eq!(open(temp.path()).expect("the torn frame is cut").last(S), 3);
    assert!(before > 0);
}

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<(u32, Vec<u8>)>, i64),
    Reopen,
    Trim(u64),
    Tear(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let group = proptest::collection::vec((0u32..4, proptest::collection::vec(any::<u8>(), 0..120)), 1..6);
    prop_oneof![
        12 => (group, -100i64..100).prop_map(|(group, now)| Step::Append(group, now)),
        2 => Just(Step::Reopen),
        1 => (0u64..40).prop_map(Step::Trim),
        1 => (1u64..30).prop_map(Step::Tear),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn the_log_equals_a_vector(steps in proptest::collection::vec(step(), 1..60)) {
        let temp = tempfile::tempdir().expect("temp");
        let mut log = open(temp.path()).expect("opens");
        let mut model: Vec<Entry> = Vec::new();
        let mut trimmed = 0;
        for step in steps {
            match step {
                Step::Append(group, now) => {
                    let group: Vec<_> = group.into_iter().map(|(s, payload)| (StreamId(s), payload)).collect();
                    let appended = log.append(group.clone(), now).expect("appended");
                    prop_assert_eq!(appended.stamp, model.last().map_or(now, |entry| entry.stamp.max(now)));
                    for ((stream, payload), offset) in group.into_iter().zip(appended.offsets) {
                        let last = model.iter().filter(|entry| entry.stream == stream).count() as u64;
                        prop_assert_eq!(offset, last + 1);
                        model.push(Entry { stream, offset, stamp: appended.stamp, payload: payload.into() });
                    }
                }
                Step::Reopen => {
                    drop(log);
                    log = open(temp.path()).expect("opens");
                }
                Step::Trim(keep) => {
                    log.trim(&|_| keep).expect("trimmed");
                    let left = all(&log).expect("replayed").len();
                    prop_assert!(model[trimmed..model.len() - left].iter().all(|entry| entry.offset <= keep));
                    trimmed = model.len() - left;
                }
                Step::Tear(bytes) => {
                    // A frame that was never acknowledged: part of one, as a crash leaves it.
                    let segment = log.segments().pop().expect("there is one");
                    drop(log);
                    let mut content = fs::read(&segment.path).expect("read");
                    content.extend((0..bytes).map(|n| n as u8));
                    fs::write(&segment.path, content).expect("written");
                    log = open(temp.path()).expect("opens");
                }
            }
            prop_assert_eq!(&all(&log).expect("replayed")[..], &model[trimmed..]);
        }
        drop(log);
        let report = Segments::check(temp.path()).expect("sound");
        prop_assert_eq!(report.0.iter().map(|s| s.entries).sum::<u64>() as usize, model.len() - trimmed);
    }
}
