//! The embedded engine passes the contract, and survives being killed.

#![expect(clippy::disallowed_methods, reason = "a child process is killed after some real time")]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use store::contract::{Sequence, log, machine, rows};
use store::{Log, Store, compare};
use store_local::{DataDir, DiskFiles, FjallStore, LocalLog, LogOptions, Segments, StoreOptions, snapshot};

const CHILD: &str = "RIVERMOUTH_KILL_TEST_DIR";

fn open_store(dir: &Path) -> Box<dyn Store> {
    // Small memory tables, so that flushes happen within a test.
    let options = StoreOptions { cache_bytes: 4 << 20, memtable_bytes: 1 << 20, worker_threads: 2 };
    Box::new(FjallStore::open_with(dir, options).expect("the store opens"))
}

fn open_log(dir: &Path) -> Box<dyn Log> {
    let options = LogOptions { segment_bytes: 16 << 10 };
    Box::new(LocalLog::open_with(dir, options, DiskFiles).expect("the log opens"))
}

fn temp() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

#[test]
fn rows_keep_their_promises() {
    rows::check(&open_store, temp().path());
}

#[test]
fn rows_survive_reopening() {
    rows::check_reopen(&open_store, temp().path());
}

#[test]
fn log_keeps_its_promises() {
    log::check(&open_log, temp().path());
}

#[test]
fn log_survives_reopening() {
    log::check_reopen(&open_log, temp().path());
}

#[test]
fn rebuilding_gives_the_same_rows() {
    machine::check_rebuild(&open_store, &open_log, temp().path());
}

#[test]
fn snapshot_and_trimmed_log_give_the_same_rows() {
    let temp = temp();
    let data = DataDir::open(temp.path().join("data")).expect("opens");
    let original = open_store(&data.store());
    let log = open_log(&data.log());
    for seq in 1..=3 {
        machine::run(&*log, &*original, 60, &|_| ());
        let mark = machine::applied(&*original);
        let view = original.snapshot().expect("snapshot");
        let info = snapshot::write(&data.snapshots(), seq, &*view).expect("written");
        assert_eq!(info.rows[0], 1);
        if seq == 2 {
            assert!(log.trim(&|_| mark).expect("trimmed") > 0);
        }
    }
    machine::run(&*log, &*original, 60, &|_| ());
    let kept: Vec<_> = snapshot::list(&data.snapshots()).expect("listed").into_iter().map(|(seq, _)| seq).collect();
    assert_eq!(kept, [2, 3], "the two newest stay");

    let rebuild = |name: &str| {
        let store = open_store(&temp.path().join(name));
        let seq = snapshot::restore_latest(&data.snapshots(), &*store).expect("restored");
        assert!(!snapshot::is_unfinished(&*store).expect("answers"));
        machine::catch_up(&*log, &*store);
        assert_eq!(compare(&*original, &*store).expect("compared"), None);
        seq
    };
    assert_eq!(rebuild("newest"), Some(3));
    // Every kind of damage to the newest leads to the one before it.
    let newest = data.snapshots().join(format!("{:020}.snap", 3));
    let good = fs::read(&newest).expect("read");
    let mut sequence = Sequence::new(1);
    for round in 0..40 {
        let mut bad = good.clone();
        let at = sequence.below(bad.len() as u64) as usize;
        match round % 3 {
            0 => bad[at] ^= 1 << sequence.below(8),
            1 => bad.truncate(at),
            _ => bad.extend_from_slice(b"more"),
        }
        fs::write(&newest, &bad).expect("written");
        let error = snapshot::check(&newest).expect_err("damage is found");
        assert!(error.is_damaged(), "{error}");
    }
    assert_eq!(rebuild("older"), Some(2));
    fs::write(data.snapshots().join(format!("{:020}.snap", 2)), b"").expect("written");
    let store = open_store(&temp.path().join("none"));
    let error = snapshot::restore_latest(&data.snapshots(), &*store).expect_err("all are damaged");
    assert!(error.is_damaged());
    let error = snapshot::restore_latest(&data.snapshots(), &*original).expect_err("not empty");
    assert!(error.is_invalid());
}

#[test]
fn a_second_opening_is_refused() {
    let temp = temp();
    let data = DataDir::open(temp.path().join("data")).expect("opens");
    let error = DataDir::open(temp.path().join("data")).expect_err("it is in use");
    assert!(error.is_locked(), "{error}");
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    assert!(DataDir::exists(data.root()));
    #[cfg(unix)]
    for path in [data.root().to_path_buf(), data.log(), data.store(), data.snapshots(), data.keys()] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).expect("is there").permissions().mode() & 0o777, 0o700, "{}", path.display());
    }
    data.remove_store().expect("removed");
    drop(data);
    DataDir::open(temp.path().join("data")).expect("the lock is free again");
}

#[test]
fn a_killed_first_start_is_no_obstacle() {
    let temp = temp();
    fs::write(temp.path().join("lock"), b"").expect("written");
    fs::write(temp.path().join("0.jnl"), b"").expect("written");
    FjallStore::open(temp.path()).expect("the store opens");
}

/// The child of the test below: works until it is killed. Does nothing when run as a test.
#[test]
fn kill_child() {
    let Ok(root) = std::env::var(CHILD) else { return };
    let data = DataDir::open(&root).expect("the directory is free");
    let (log, store) = (open_log(&data.log()), open_store(&data.store()));
    let file = OpenOptions::new().append(true).create(true).open(Path::new(&root).join("acknowledged"));
    let file = file.expect("opens");
    machine::run(&*log, &*store, u64::MAX, &|offset| {
        (&file).write_all(&offset.to_be_bytes()).expect("written");
    });
}

#[test]
fn a_killed_process_loses_nothing_acknowledged() {
    let temp = temp();
    let root = temp.path().join("data");
    let mut sequence = Sequence::new(u64::from(std::process::id()));
    let mut before = 0;
    for round in 0..6 {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "kill_child", "--nocapture"])
            .env(CHILD, &root)
            .stdout(Stdio::null())
            .spawn()
            .expect("the child starts");
        std::thread::sleep(Duration::from_millis(100 + sequence.below(500)));
        child.kill().expect("SIGKILL is sent");
        child.wait().expect("it ends");
        let data = DataDir::open(&root).expect("the lock went with the process");
        let bytes = fs::read(root.join("acknowledged")).unwrap_or_default();
        let acknowledged = bytes.chunks_exact(8).last().map_or(0, |n| u64::from_be_bytes(n.try_into().expect("eight")));
        let (log, store) = (open_log(&data.log()), open_store(&data.store()));
        machine::verify(&*log, &*store, acknowledged);
        Segments::check(&data.log()).expect("the log is sound");
        assert!(round == 0 || acknowledged >= before);
        before = acknowledged;
    }
    assert!(before > 0, "the children did some work");
}
