//! The tail of an outbox against its rows, and what it holds at most.

use super::*;
use model::Timestamp;
use proptest::prelude::*;
use std::collections::BTreeMap;

const FLOW: FlowNo = FlowNo(3);
const PARTITION: PartitionNo = PartitionNo(0);

fn queued(first: u64, count: u32, bytes: usize) -> Queued {
    Queued { flow: FLOW, waiting: Waiting::new(first, count, Timestamp(first as i64)), bytes: vec![0; bytes] }
}

fn numbers(given: &[Given]) -> Vec<u64> {
    let of = |g: &Given| {
        let (waiting, after) = (g.waiting, g.after);
        (waiting.first..=g.until).filter(move |seq| *seq > after && waiting.is_open(*seq))
    };
    given.iter().flat_map(of).collect()
}

#[derive(Debug, Clone)]
enum Step {
    Add(u32, usize),
    Read { after: u64, limit: usize },
    Close(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1u32..5, prop_oneof![Just(100), Just(BYTES_MAX / 3)]).prop_map(|(count, bytes)| Step::Add(count, bytes)),
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
                Step::Add(count, bytes) => {
                    held.add(queued(next, count, bytes));
                    rows.extend((0..u64::from(count)).map(|nth| (next + nth, ())));
                    next += u64::from(count) + 1;
                }
                Step::Read { after, limit } => {
                    let expected: Vec<u64> = rows.range(after + 1..).take(limit).map(|(seq, ())| *seq).collect();
                    if let Some(found) = held.read(FLOW, after, limit) {
                        prop_assert_eq!(numbers(&found), expected);
                    }
                }
                Step::Close(seq) => {
                    rows.remove(&seq);
                    held.close(FLOW, seq);
                }
            }
        }
        tails.clear(PARTITION);
        prop_assert_eq!(tails.bytes.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn an_export_is_given_out_once() {
    let tails = Tails::new(1);
    let mut held = tails.hold(PARTITION).unwrap();
    held.add(queued(5, 3, 10));
    held.add(queued(8, 1, 10));
    assert_eq!(held.read(FLOW, 3, 9).map(|given| numbers(&given)), None);
    assert_eq!(held.read(FLOW, 4, 2).map(|given| numbers(&given)), Some(vec![5, 6]));
    assert!(held.read(FLOW, 4, 2).is_none());
    held.close(FLOW, 7);
    held.close(FLOW, 7);
    assert_eq!(held.read(FLOW, 6, 9).map(|given| numbers(&given)), Some(vec![8]));
}
