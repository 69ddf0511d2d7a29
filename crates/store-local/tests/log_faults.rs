//! Disks that are full and disks that fail: nothing acknowledged is lost, nothing refused appears.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use store::{Entry, Log, StreamId};
use store_local::{DiskFiles, Files, LocalLog, LogOptions, SegmentFile, Segments};

const S: StreamId = StreamId(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Half of the bytes are written, then the disk is full.
    Full,
    /// Half of the bytes are written, then the device fails.
    Write,
    /// The sync fails.
    Sync,
    /// The file cannot be cut.
    Truncate,
    Rename,
    SyncDir,
    Create,
}

/// Which operation fails from the nth on, until healed.
#[derive(Clone, Default)]
struct Plan(Arc<Mutex<Option<Fault>>>, Arc<AtomicU64>);

impl Plan {
    fn set(&self, fault: Option<Fault>, after: u64) {
        *self.0.lock().expect("no panic") = fault;
        self.1.store(after, Ordering::SeqCst);
    }

    fn hits(&self, faults: &[Fault]) -> Option<Fault> {
        let fault = self.0.lock().expect("no panic").filter(|fault| faults.contains(fault))?;
        // Saturating: from the nth on all fail.
        let left = self.1.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| Some(n.saturating_sub(1)));
        (left == Ok(0)).then_some(fault)
    }
}

fn error(fault: Fault) -> io::Error {
    io::Error::from_raw_os_error(if fault == Fault::Full { 28 } else { 5 })
}

struct FaultyFiles(Plan);

struct FaultyFile(Plan, Box<dyn SegmentFile>);

impl Files for FaultyFiles {
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        self.check(&[Fault::Create])?;
        Ok(Box::new(FaultyFile(self.0.clone(), DiskFiles.create(path)?)))
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(FaultyFile(self.0.clone(), DiskFiles.open(path)?)))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check(&[Fault::Rename])?;
        DiskFiles.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        DiskFiles.remove(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.check(&[Fault::SyncDir])?;
        DiskFiles.sync_dir(path)
    }
}

impl FaultyFiles {
    fn check(&self, faults: &[Fault]) -> io::Result<()> {
        self.0.hits(faults).map_or(Ok(()), |fault| Err(error(fault)))
    }
}

impl SegmentFile for FaultyFile {
    fn write_at(&mut self, position: u64, bytes: &[u8]) -> io::Result<()> {
        match self.0.hits(&[Fault::Full, Fault::Write, Fault::Truncate]) {
            None => self.1.write_at(position, bytes),
            Some(fault) => {
                self.1.write_at(position, &bytes[..bytes.len() / 2])?;
                Err(error(fault))
            }
        }
    }
    fn sync(&mut self) -> io::Result<()> {
        self.0.hits(&[Fault::Sync]).map_or_else(|| self.1.sync(), |fault| Err(error(fault)))
    }
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.0.hits(&[Fault::Truncate]).map_or_else(|| self.1.truncate(len), |fault| Err(error(fault)))
    }
}

fn open(dir: &Path, plan: &Plan) -> LocalLog {
    LocalLog::open_with(dir, LogOptions { segment_bytes: 1024 }, FaultyFiles(plan.clone())).expect("opens")
}

fn payloads(log: &dyn Log) -> Vec<u64> {
    let mut found = Vec::new();
    let mut visit = |entry: Entry| {
        found.push(u64::from_be_bytes(entry.payload[..8].try_into().expect("eight bytes")));
        ControlFlow::Continue(())
    };
    log.replay(&|_| 0, &mut visit).expect("replayed");
    found
}

/// Appends until `until`, with the fault from the nth operation on; gives what was acknowledged.
fn append(log: &LocalLog, from: u64, until: u64, check: impl Fn(&store::Error)) -> Vec<u64> {
    let mut acknowledged = Vec::new();
    for n in from..until {
        let payload = [&n.to_be_bytes()[..], &[7; 60]].concat();
        match log.append(vec![(S, payload)], 0) {
            Ok(appended) => {
                assert_eq!(appended.offsets, [log.last(S)]);
                acknowledged.push(n);
            }
            Err(error) => check(&error),
        }
    }
    acknowledged
}

#[test]
fn a_failed_write_leaves_no_trace_and_the_log_goes_on() {
    for fault in [Fault::Full, Fault::Write, Fault::Truncate, Fault::Create] {
        // Segments are created less often than frames are written.
        for after in 0..if fault == Fault::Create { 3 } else { 25 } {
            let temp = tempfile::tempdir().expect("temp");
            let plan = Plan::default();
            let log = open(temp.path(), &plan);
            plan.set(Some(fault), after);
            let mut acknowledged = append(&log, 0, 40, |e| {
                assert!(if fault == Fault::Full { e.is_full() } else { e.is_io() }, "{fault:?}: {e}");
            });
            assert!(acknowledged.len() < 40, "{fault:?}");
            assert_eq!(payloads(&log), acknowledged, "{fault:?} at {after}");
            plan.set(None, 0);
            acknowledged.extend(append(&log, 40, 60, |e| panic!("space has returned: {e}")));
            assert_eq!(payloads(&log), acknowledged);
            drop(log);
            assert_eq!(payloads(&open(temp.path(), &plan)), acknowledged);
            Segments::check(temp.path()).expect("sound");
        }
    }
}

#[test]
fn a_failed_sync_closes_the_log() {
    for fault in [Fault::Sync, Fault::SyncDir, Fault::Rename] {
        for after in 0..if fault == Fault::Sync { 25 } else { 3 } {
            let temp = tempfile::tempdir().expect("temp");
            let plan = Plan::default();
            let log = open(temp.path(), &plan);
            plan.set(Some(fault), after);
            let acknowledged = append(&log, 0, 40 * (1 + after), |e| assert!(e.is_closed(), "{fault:?}: {e}"));
            assert!(log.failure().is_some(), "{fault:?} at {after}");
            plan.set(None, 0);
            assert!(
                log.append(vec![(S, Vec::new())], 0).is_err_and(|e| e.is_closed()),
                "a healed disk changes nothing"
            );
            assert_eq!(payloads(&log), acknowledged, "what is durable can still be read");
            drop(log);
            let log = open(temp.path(), &plan);
            let found = payloads(&log);
            assert_eq!(found[..acknowledged.len()], acknowledged, "{fault:?} at {after}");
            assert!(found.len() <= acknowledged.len() + 1, "only the group whose sync failed may be found");
            log.append(vec![(S, 9u64.to_be_bytes().to_vec())], 0).expect("it goes on after opening");
            Segments::check(temp.path()).expect("sound");
        }
    }
}

#[test]
fn everyone_who_waits_is_answered() {
    let temp = tempfile::tempdir().expect("temp");
    let plan = Plan::default();
    let log = open(temp.path(), &plan);
    let (sender, receiver) = std::sync::mpsc::channel();
    for n in 0..2000 {
        if n == 1000 {
            plan.set(Some(Fault::Sync), 0);
        }
        let sender = sender.clone();
        let done = move |result: store::Result<store::Appended>| sender.send(result.is_ok()).expect("received");
        log.submit(vec![(S, vec![0; 100])], 0, Box::new(done));
    }
    drop((sender, log));
    let answers: Vec<bool> = receiver.iter().collect();
    assert_eq!(answers.len(), 2000);
    assert!(answers.is_sorted_by(|a, b| a >= b), "after the first refusal all are refused");
}

#[test]
fn a_panicking_observer_closes_the_log() {
    let temp = tempfile::tempdir().expect("temp");
    let log = open(temp.path(), &Plan::default());
    log.set_observer(Box::new(|_| panic!("expected by this test")));
    assert!(log.append(vec![(S, 1u64.to_be_bytes().to_vec())], 0).is_err_and(|e| e.is_closed()));
    assert!(log.append(vec![(S, Vec::new())], 0).is_err_and(|e| e.is_closed()));
    drop(log);
    assert_eq!(open(temp.path(), &Plan::default()).last(S), 1, "the entry was durable");
}

#[test]
fn a_group_above_the_limit_is_refused() {
    let temp = tempfile::tempdir().expect("temp");
    let log = open(temp.path(), &Plan::default());
    let error = log.append(vec![(S, vec![0; store_local::GROUP_BYTES_MAX + 1])], 0).expect_err("refused");
    assert!(error.is_invalid(), "{error}");
    log.append(vec![(S, vec![0; store_local::GROUP_BYTES_MAX])], 0).expect("the largest group fits");
    drop(log);
    assert_eq!(open(temp.path(), &Plan::default()).last(S), 1);
}
