//! Rows of the outbox: what is put in comes out, and what is closed does not.

use super::*;
use activation::Reasons;
use model::{SandboxId, Value, Xid};
use store::memory::MemoryStore;
use store::{Batch, Store};

const FLOW: FlowNo = FlowNo(3);
const NO: PartitionNo = PartitionNo(5);

fn made(nth: u8) -> Export {
    Export {
        sandbox: SandboxId(1),
        profile: Xid([nth; 16]),
        lineage: Vec::new(),
        at: Timestamp(77),
        reasons: Reasons::SEGMENTATION,
        memberships: Vec::new(),
        identities: Vec::new(),
        attributes: Value::Null,
    }
}

fn put(store: &MemoryStore, first: u64, count: u8) -> Waiting {
    let mut row = Growing::new(first, Timestamp(77));
    for nth in 0..count {
        row.push(|out| made(nth).encode_to(out));
    }
    let (waiting, bytes) = row.finish();
    let mut batch = Batch::new();
    batch.put(Keyspace::Queue, key::outbox(FLOW, NO, waiting.last), bytes);
    store.commit(&batch).unwrap();
    waiting
}

fn write(store: &MemoryStore, row: &mut Waiting) {
    let mut batch = Batch::new();
    row.write(FLOW, NO, &mut batch);
    store.commit(&batch).unwrap();
}

fn waiting(store: &MemoryStore, from: Bound<u64>) -> Vec<u64> {
    let mut found = Vec::new();
    scan_rows(store, FLOW, NO, from, &mut |row, bytes| {
        assert_eq!(exports(bytes).count() as u64, row.count());
        found.extend((row.first..=row.last).filter(|seq| row.is_open(*seq)));
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    found
}

#[test]
fn a_row_is_found_by_each_of_its_numbers_and_goes_with_the_last() {
    let store = MemoryStore::new();
    let (first, second) = (put(&store, 1 << 20, 3), put(&store, 2 << 20, 1));
    assert_eq!(waiting(&store, Bound::Unbounded), [1 << 20, (1 << 20) + 1, (1 << 20) + 2, 2 << 20]);
    assert_eq!(waiting(&store, Bound::Excluded(first.last)), [2 << 20]);
    assert_eq!(find(&store, FLOW, NO, first.first + 1).unwrap(), Some(first));
    assert_eq!(find(&store, FLOW, NO, second.last).unwrap(), Some(second));
    assert_eq!(find(&store, FLOW, NO, first.last + 1).unwrap(), None);
    assert_eq!(find(&store, FLOW, NO, second.last + 1).unwrap(), None);

    let mut row = first;
    assert!(row.close(first.first + 1) && !row.close(first.first + 1) && !row.close(first.last + 1));
    let counts: Vec<usize> = (first.first - 2..=first.last + 1).map(|seq| row.count_after(seq)).collect();
    assert_eq!(counts, [2, 2, 1, 1, 0, 0]);
    write(&store, &mut row);
    assert_eq!(find(&store, FLOW, NO, first.last).unwrap(), Some(row));
    assert_eq!(waiting(&store, Bound::Excluded(first.first)), [1 << 20, (1 << 20) + 2, 2 << 20]);

    assert!(row.close(first.first) && row.close(first.last) && row.is_done());
    write(&store, &mut row);
    assert_eq!(find(&store, FLOW, NO, first.first).unwrap(), None);
    assert_eq!(waiting(&store, Bound::Unbounded), [2 << 20]);
    let mut left = 0;
    store
        .scan_prefix(Keyspace::Queue, b"", &mut |_, _| {
            left += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(left, 1, "nothing of a row that is done is left");
}

#[test]
fn exports_come_out_as_they_went_in() {
    let mut row = Growing::new(9, Timestamp(77));
    for nth in 0..COUNT_MAX as u8 {
        row.push(|out| made(nth).encode_to(out));
    }
    assert!(row.is_full());
    let (waiting, bytes) = row.finish();
    assert_eq!((waiting.first, waiting.count()), (9, u64::from(COUNT_MAX)));
    for nth in [0, 1, COUNT_MAX as u8 - 1] {
        assert_eq!(export(&bytes, u64::from(nth)).unwrap(), made(nth));
    }
    assert!(export(&bytes, u64::from(COUNT_MAX)).is_err());
    for end in 0..bytes.len() {
        // Damage is an error or fewer exports, never a panic.
        let _ = read_head(200, &bytes[..end]);
        assert!(exports(&bytes[..end]).count() < COUNT_MAX as usize);
    }
}
