//! The tail of an outbox against its rows, and what it holds at most.

use super::*;
use activation::Reasons;
use model::{SandboxId, Value, Xid};
use proptest::prelude::*;

const FLOW: FlowNo = FlowNo(3);
const PARTITION: PartitionNo = PartitionNo(0);

fn queued(seq: u64, bytes: usize) -> Queued {
    let export = Export {
        sandbox: SandboxId(1),
        profile: Xid([7; 16]),
        lineage: Vec::new(),
        at: Timestamp(seq as i64),
        reasons: Reasons::SEGMENTATION,
        memberships: Vec::new(),
        identities: Vec::new(),
        attributes: Value::Null,
    };
    Queued { flow: FLOW, seq, bytes, export: Box::new(export) }
}

#[derive(Debug, Clone)]
enum Step {
    Add(usize),
    Read { after: u64, limit: usize },
    Close(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop_oneof![Just(100), Just(BYTES_MAX / 3)].prop_map(Step::Add),
        2 => (0u64..30, 1usize..6).prop_map(|(after, limit)| Step::Read { after, limit }),
        3 => (1u64..30).prop_map(Step::Close),
    ]
}

proptest! {
    /// Whatever a tail says is what the rows would say; it may decline to answer.
    #[test]
    fn a_tail_agrees_with_the_rows(steps in prop::collection::vec(any_step(), 0..60), rows_before in 0u64..4) {
        let tails = Tails::new(1);
        let mut rows: BTreeMap<u64, ()> = (1..=rows_before).map(|seq| (seq, ())).collect();
        let mut next = rows_before + 1;
        for step in steps {
            let mut held = tails.hold(PARTITION).unwrap();
            match step {
                Step::Add(bytes) => {
                    held.add(queued(next, bytes));
                    rows.insert(next, ());
                    next += 2;
                }
                Step::Read { after, limit } => {
                    let expected: Vec<u64> = rows.range(after + 1..).take(limit).map(|(seq, ())| *seq).collect();
                    if let Some(found) = held.read(FLOW, after, limit) {
                        prop_assert_eq!(found.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), expected);
                    }
                }
                Step::Close(seq) => {
                    let waited = rows.remove(&seq).is_some();
                    match held.close(FLOW, seq) {
                        Known::Waited(at) => prop_assert!(waited && at.0 == seq as i64),
                        Known::Gone => prop_assert!(!waited),
                        Known::Unknown => {}
                    }
                }
            }
        }
        tails.clear(PARTITION);
        prop_assert_eq!(tails.bytes.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn an_export_is_given_out_once_and_settled_without_the_store() {
    let tails = Tails::new(1);
    let mut held = tails.hold(PARTITION).unwrap();
    for seq in 5..8 {
        held.add(queued(seq, 10));
    }
    assert_eq!(held.read(FLOW, 3, 9).map(|found| found.len()), None);
    assert_eq!(held.read(FLOW, 4, 2).map(|found| found.len()), Some(2));
    assert!(held.read(FLOW, 4, 2).is_none());
    assert_eq!(held.read(FLOW, 6, 9).map(|found| found.len()), Some(1));
    assert_eq!(held.close(FLOW, 6), Known::Waited(Timestamp(6)));
    assert_eq!(held.close(FLOW, 6), Known::Gone);
    assert_eq!(held.close(FLOW, 1), Known::Unknown);
}
