//! Tests of the queue alone.

use super::*;
use model::{FlowNo, PartitionNo, Xid};
use proptest::prelude::*;

fn export(name: u8, partition: u16, seq: u64, created: i64, lineage: &[u8]) -> Export {
    Export {
        key: ExportKey { flow: FlowNo(1), partition: PartitionNo(partition), seq },
        profile: Xid([name; 16]),
        lineage: lineage.iter().map(|n| Xid([*n; 16])).collect(),
        created: Timestamp(created),
        idempotency_key: [0; 16],
        body: b"{}".to_vec(),
        identities: 1,
    }
}

/// Reads all marked partitions once, each from `waiting`.
fn read(queue: &mut Queue, waiting: &[Export], window: usize) -> usize {
    let (round, fetches) = queue.plan(window);
    for fetch in &fetches {
        let found = waiting.iter().filter(|e| e.key.partition == fetch.partition && e.key.seq > fetch.after_seq);
        queue.take(round, *fetch, found.take(fetch.limit).cloned().collect());
    }
    queue.taken();
    fetches.len()
}

fn started(queue: &mut Queue) -> Vec<u64> {
    std::iter::from_fn(|| queue.start()).map(|job| job.key.seq).collect()
}

#[test]
fn one_export_of_a_profile_at_a_time() {
    let mut queue = Queue::new(1);
    queue.mark(0);
    read(&mut queue, &[export(1, 0, 1, 0, &[]), export(1, 0, 2, 0, &[]), export(2, 0, 3, 0, &[])], 64);
    assert_eq!(started(&mut queue), [1, 3]);
    queue.finish(Xid([1; 16]));
    assert_eq!(started(&mut queue), [2]);
    queue.back_off(Xid([1; 16]), Timestamp(50), 1);
    queue.wake_due(Timestamp(49));
    assert_eq!(started(&mut queue), [] as [u64; 0]);
    queue.wake_due(Timestamp(50));
    assert_eq!(started(&mut queue), [2]);
    queue.finish(Xid([1; 16]));
    queue.finish(Xid([2; 16]));
    assert_eq!((queue.len(), queue.bodies, queue.lines.len()), (0, 0, 0));
}

#[test]
fn a_lineage_waits_until_every_partition_was_read() {
    let mut queue = Queue::new(3);
    let waiting = [export(1, 0, 1, 10, &[2]), export(2, 1, 1, 5, &[]), export(3, 0, 2, 10, &[])];
    queue.mark(0);
    assert_eq!(read(&mut queue, &waiting, 64), 1);
    assert_eq!(started(&mut queue), [2], "profile 3 goes on");
    assert_eq!(read(&mut queue, &waiting, 64), 3, "the others are read because of the lineage");
    assert_eq!(started(&mut queue), [1], "the merged profile");
    queue.finish(Xid([2; 16]));
    assert_eq!(started(&mut queue), [1]);
    queue.finish(Xid([1; 16]));
    assert_eq!(read(&mut queue, &[], 64), 0, "settled");
}

#[test]
fn a_later_export_of_a_merged_profile_does_not_hold_back() {
    let mut queue = Queue::new(1);
    queue.mark(0);
    let waiting = [export(1, 0, 1, 10, &[2]), export(2, 0, 2, 11, &[])];
    read(&mut queue, &waiting, 64);
    read(&mut queue, &waiting, 64);
    let mut both = started(&mut queue);
    both.sort_unstable();
    assert_eq!(both, [1, 2]);
}

#[test]
fn a_full_window_does_not_keep_a_lineage_waiting() {
    let mut queue = Queue::new(2);
    let mut waiting: Vec<Export> = (1..=200).map(|n| export(n as u8, 0, n, n as i64, &[201])).collect();
    waiting.extend((1..=200).map(|n| export(n as u8, 1, n, n as i64, &[202])));
    queue.mark(0);
    queue.mark(1);
    let mut finished = 0;
    for _ in 0..1000 {
        read(&mut queue, &waiting, 64);
        while let Some(job) = queue.start() {
            queue.finish(job.profile);
            finished += 1;
        }
        if finished == 400 {
            return;
        }
    }
    panic!("{finished} of 400");
}

#[test]
fn what_was_forgotten_comes_again_and_what_was_finished_does_not() {
    let mut queue = Queue::new(1);
    let waiting: Vec<Export> = (1..=5).map(|n| export(n as u8, 0, n, 0, &[])).collect();
    queue.mark(0);
    read(&mut queue, &waiting, 64);
    assert_eq!(started(&mut queue), [1, 2, 3, 4, 5]);
    queue.finish(Xid([2; 16]));
    queue.back_off(Xid([4; 16]), Timestamp(9), 1);
    queue.forget();
    queue.forget_running(Xid([1; 16]));
    assert_eq!(queue.len(), 2, "3 and 5 run on");
    queue.resume();
    // Nothing was applied yet: the outbox still shows everything.
    read(&mut queue, &waiting, 64);
    assert_eq!(started(&mut queue), [1, 4]);
    queue.mark(0);
    read(&mut queue, &waiting, 64);
    assert_eq!(started(&mut queue), [] as [u64; 0]);
}

#[test]
fn a_read_from_before_a_pause_does_not_count() {
    let mut queue = Queue::new(1);
    let waiting: Vec<Export> = (1..=3).map(|n| export(n as u8, 0, n, 0, &[])).collect();
    queue.mark(0);
    let (round, fetches) = queue.plan(64);
    queue.forget();
    queue.resume();
    queue.take(round, fetches[0], waiting.clone());
    assert_eq!(queue.len(), 0);
    read(&mut queue, &waiting, 64);
    assert_eq!(started(&mut queue), [1, 2, 3]);
}

#[test]
fn parked_exports_keep_no_body() {
    let mut queue = Queue::new(1);
    let waiting: Vec<Export> = (1..=100).map(|n| export(n as u8, 0, n, 0, &[])).collect();
    queue.mark(0);
    while read(&mut queue, &waiting, 64) > 0 {
        while let Some(job) = queue.start() {
            queue.back_off(job.profile, Timestamp(100), 1);
        }
    }
    assert_eq!(queue.len(), 100);
    assert!(queue.bodies <= 64, "{}", queue.bodies);
    queue.wake_due(Timestamp(100));
    let jobs: Vec<Job> = std::iter::from_fn(|| queue.start()).collect();
    assert_eq!(jobs.iter().filter(|j| j.body.is_some()).count(), queue.bodies);
}

const PARTITIONS: u16 = 3;

/// What happens around a queue.
#[derive(Debug, Clone)]
enum Happening {
    /// A profile (or who absorbed it) gets an export.
    Commit(u8),
    /// The first profile absorbs the second.
    Merge(u8, u8),
    Read,
    Start,
    /// A running attempt ends well.
    Finish(usize),
    /// A running attempt fails.
    Fail(usize),
    /// The engine applies reported outcomes.
    Apply,
    Tick,
    Disable,
    Enable,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => (0u8..8).prop_map(Happening::Commit),
        1 => (0u8..8, 0u8..8).prop_map(|(a, b)| Happening::Merge(a, b)),
        4 => Just(Happening::Read),
        4 => Just(Happening::Start),
        5 => (0usize..8).prop_map(Happening::Finish),
        2 => (0usize..8).prop_map(Happening::Fail),
        2 => Just(Happening::Apply),
        2 => Just(Happening::Tick),
        1 => Just(Happening::Disable),
        1 => Just(Happening::Enable),
    ]
}

/// The engine and the destination, as simple as can be.
struct Around {
    queue: Queue,
    /// All exports ever, in the order of their commits.
    all: Vec<Export>,
    finished: HashSet<ExportKey>,
    applied: HashSet<ExportKey>,
    running: Vec<Job>,
    absorbed_by: HashMap<u8, u8>,
    seqs: [u64; PARTITIONS as usize],
    now: i64,
    enabled: bool,
}

impl Around {
    fn root(&self, name: u8) -> u8 {
        self.absorbed_by.get(&name).map_or(name, |parent| self.root(*parent))
    }

    fn commit(&mut self, name: u8) {
        let name = self.root(name);
        let lineage: Vec<u8> = (0..8).filter(|n| *n != name && self.root(*n) == name).collect();
        let partition = u16::from(name) % PARTITIONS;
        let seq = &mut self.seqs[usize::from(partition)];
        *seq += 1;
        self.all.push(export(name, partition, *seq, self.now, &lineage));
        self.queue.mark(usize::from(partition));
    }

    fn read(&mut self) {
        if self.enabled {
            let waiting: Vec<Export> = self.all.iter().filter(|e| !self.applied.contains(&e.key)).cloned().collect();
            read(&mut self.queue, &waiting, 64);
        }
    }

    fn start(&mut self) {
        while self.enabled
            && let Some(job) = self.queue.start()
        {
            let at = self.all.iter().position(|e| e.key == job.key).expect("committed");
            let me = &self.all[at];
            for earlier in self.all[..at].iter().filter(|e| e.profile == me.profile || me.lineage.contains(&e.profile))
            {
                assert!(self.finished.contains(&earlier.key), "{:?} before {:?}", me.key, earlier.key);
            }
            assert!(!self.finished.contains(&job.key) && self.running.iter().all(|r| r.key != job.key));
            self.running.push(job);
        }
    }

    fn end(&mut self, at: usize, well: bool) {
        if self.running.is_empty() {
            return;
        }
        let job = self.running.swap_remove(at % self.running.len());
        if well {
            assert!(self.finished.insert(job.key));
            self.queue.finish(job.profile);
        } else if self.enabled {
            self.queue.back_off(job.profile, Timestamp(self.now + 3), job.attempts + 1);
        } else {
            self.queue.forget_running(job.profile);
        }
    }

    fn enable(&mut self, enabled: bool) {
        match (self.enabled, enabled) {
            (true, false) => self.queue.forget(),
            (false, true) => self.queue.resume(),
            _ => {}
        }
        self.enabled = enabled;
    }

    fn happen(&mut self, what: &Happening) {
        match *what {
            Happening::Commit(name) => self.commit(name),
            Happening::Merge(a, b) if self.root(a) != self.root(b) => {
                self.absorbed_by.insert(self.root(b), self.root(a));
            }
            Happening::Merge(..) => {}
            Happening::Read => self.read(),
            Happening::Start => self.start(),
            Happening::Finish(at) => self.end(at, true),
            Happening::Fail(at) => self.end(at, false),
            Happening::Apply => self.applied = self.finished.clone(),
            Happening::Tick => {
                self.now += 1;
                self.queue.wake_due(Timestamp(self.now));
            }
            Happening::Disable => self.enable(false),
            Happening::Enable => self.enable(true),
        }
    }
}

proptest! {
    /// Nothing starts before what must go first, nothing is lost, nothing is finished twice.
    #[test]
    fn order_holds_whatever_happens(happenings in prop::collection::vec(happening(), 0..200)) {
        let mut around = Around {
            queue: Queue::new(PARTITIONS),
            all: Vec::new(),
            finished: HashSet::new(),
            applied: HashSet::new(),
            running: Vec::new(),
            absorbed_by: HashMap::new(),
            seqs: [0; PARTITIONS as usize],
            now: 0,
            enabled: true,
        };
        happenings.iter().for_each(|what| around.happen(what));
        around.enable(true);
        for _ in 0..2 * around.all.len() + 8 {
            around.now += 3;
            around.queue.wake_due(Timestamp(around.now));
            around.read();
            around.start();
            while !around.running.is_empty() {
                around.end(0, true);
            }
        }
        prop_assert_eq!(around.finished.len(), around.all.len());
        prop_assert_eq!((around.queue.len(), around.queue.bodies, around.queue.lines.len()), (0, 0, 0));
    }
}
