//! Every entry of the log reads back, as do the small rows; arbitrary bytes never panic.

use super::*;
use crate::census::{Census, Stock};
use crate::dead::DeadLetter;
use crate::ledger::Ledger;
use crate::progress::Progress;
use activation::{Export, Reasons};
use model::{AudienceNo, Identity, NamespaceId, Value};
use profile::{AuthState, RecordIdentity, RecordKind};
use proptest::prelude::*;

fn id() -> impl Strategy<Value = Xid> {
    any::<[u8; 16]>().prop_map(Xid)
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..40)
}

fn numbers() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(any::<u64>(), 0..5)
}

prop_compose! {
    fn record()(event in any::<bool>(), no in any::<u32>(), name in ".{0,9}", at in any::<i64>()) -> Record {
        let identity = Identity { namespace: NamespaceId(no), value: name.as_str().into() };
        let state = AuthState::Authenticated;
        let identities = vec![RecordIdentity { identity, state, primary: true, mapped: event, in_graph: !event }];
        let kind = if event { RecordKind::Event } else { RecordKind::Attributes };
        let body = Value::Object(vec![("city".into(), Value::Int(at))]);
        Record { kind, dataset: DatasetNo(no), id: name.into(), timestamp: Timestamp(at), identities, body }
    }
}

fn outcome() -> impl Strategy<Value = (FlowNo, u64, Outcome)> {
    let fate = prop_oneof![
        Just(Outcome::Delivered),
        (".{0,20}", any::<u32>()).prop_map(|(reason, attempts)| Outcome::Dead { reason: reason.into(), attempts }),
        prop::sample::select(&activation::Filtered::ALL[..]).prop_map(Outcome::Filtered),
    ];
    (any::<u32>(), any::<u64>(), fate).prop_map(|(flow, seq, fate)| (FlowNo(flow), seq, fate))
}

fn event() -> impl Strategy<Value = ([u8; 10], Vec<u8>)> {
    (any::<[u8; 10]>(), bytes())
}

fn plain() -> impl Strategy<Value = Command> {
    let sandbox = || any::<u32>().prop_map(SandboxId);
    let flow = || any::<u32>().prop_map(FlowNo);
    prop_oneof![
        (sandbox(), record()).prop_map(|(sandbox, record)| Command::Resolve { sandbox, record }),
        (sandbox(), id(), prop::collection::vec(id(), 0..4)).prop_map(|(sandbox, profile, xids)| Command::Detach {
            sandbox,
            profile,
            xids
        }),
        (sandbox(), id(), any::<i64>(), record()).prop_map(|(sandbox, profile, received, record)| Command::Apply {
            sandbox,
            profile,
            received: Timestamp(received),
            record
        }),
        (sandbox(), id(), id()).prop_map(|(sandbox, profile, loser)| Command::AwaitAbsorb { sandbox, profile, loser }),
        (sandbox(), id(), id()).prop_map(|(sandbox, profile, winner)| Command::HandOver { sandbox, profile, winner }),
        (sandbox(), id(), id(), bytes(), prop::collection::vec(event(), 0..4)).prop_map(
            |(sandbox, profile, loser, row, events)| Command::Absorb { sandbox, profile, loser, row, events }
        ),
        any::<u64>().prop_map(|n| Command::PlanChanged { n }),
        (sandbox(), any::<u32>(), prop::option::of(id())).prop_map(|(sandbox, dataset, after)| Command::Erase {
            sandbox,
            dataset: DatasetNo(dataset),
            after,
        }),
        (sandbox(), any::<u64>(), prop::option::of(id())).prop_map(|(sandbox, n, after)| Command::Scan {
            sandbox,
            n,
            after
        }),
        Just(Command::Tick),
        prop::collection::vec(outcome(), 0..4).prop_map(|outcomes| Command::Outcomes { outcomes }),
        (flow(), numbers()).prop_map(|(flow, seqs)| Command::ReplayDead { flow, seqs }),
        (sandbox(), id(), flow()).prop_map(|(sandbox, profile, flow)| Command::ExportNow { sandbox, profile, flow }),
        (sandbox(), id()).prop_map(|(sandbox, profile)| Command::DeleteProfile { sandbox, profile }),
        (sandbox(), any::<u32>(), bytes(), bytes()).prop_map(|(sandbox, dataset, message, violations)| {
            Command::Quarantine { sandbox, dataset: DatasetNo(dataset), message, violations }
        }),
        (sandbox(), numbers()).prop_map(|(sandbox, numbers)| Command::ReleaseQuarantine { sandbox, numbers }),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        plain(),
        (any::<u32>(), any::<u64>(), any::<u32>(), plain()).prop_map(|(source, offset, k, inner)| {
            Command::Derived { source: StreamId(source), offset, k, inner: Box::new(inner) }
        }),
    ]
}

prop_compose! {
    fn letter()(died in any::<i64>(), attempts in any::<u32>(), reason in ".{0,30}", profile in id()) -> DeadLetter {
        let export = Export {
            sandbox: SandboxId(1),
            profile,
            lineage: vec![profile],
            at: Timestamp(died),
            reasons: Reasons::ATTRIBUTE,
            memberships: Vec::new(),
            identities: Vec::new(),
            attributes: Value::Null,
        };
        DeadLetter { died: Timestamp(died), attempts, reason: reason.into(), export }
    }
}

proptest! {
    #[test]
    fn a_command_reads_back(command in command()) {
        prop_assert_eq!(Command::decode(&command.encode()), Ok(command));
    }

    #[test]
    fn a_cut_command_is_an_error(command in command(), cut in 0usize..10_000) {
        let entry = command.encode();
        prop_assert!(Command::decode(&entry[..cut % entry.len()]).is_err());
    }

    #[test]
    fn a_dead_letter_reads_back(letter in letter()) {
        prop_assert_eq!(DeadLetter::decode(&letter.encode()), Ok(letter));
    }

    #[test]
    fn small_rows_read_back(numbers in prop::collection::vec(any::<(u32, u64, u32)>(), 0..5), counts in any::<[u64; 11]>()) {
        let seen = numbers.iter().map(|(source, offset, k)| (*source, (*offset, *k))).collect();
        let scanned = numbers.iter().map(|(sandbox, n, _)| (SandboxId(*sandbox), *n)).collect();
        let progress = Progress { offset: counts[0], plan_n: counts[1], seen, scanned };
        prop_assert_eq!(Progress::decode(&progress.encode()), Ok(progress));
        let mut census = Census::default();
        for (no, profiles, events) in numbers {
            census.stock.insert(SandboxId(no), Stock { profiles, events: u64::from(events) });
            *census.members.of_mut(AudienceNo(no)) = profiles;
        }
        prop_assert_eq!(Census::decode(&census.encode()), Ok(census));
        let [received, exported, waiting, dead, filtered @ ..] = counts;
        let ledger = Ledger { received, exported, filtered, waiting, dead };
        prop_assert_eq!(Ledger::decode(&ledger.encode()), Ok(ledger));
    }

    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300), tag in 0u8..17) {
        let _ = DeadLetter::decode(&bytes);
        let _ = Census::decode(&bytes);
        let _ = Progress::decode(&bytes);
        let _ = Ledger::decode(&bytes);
        let _ = Command::decode(&bytes);
        if let [format, second, ..] = &mut bytes[..] {
            (*format, *second) = (FORMAT, tag);
        }
        let _ = Command::decode(&bytes);
    }

    #[test]
    fn damaged_entries_never_panic(command in command(), at in 0usize..10_000, byte in any::<u8>()) {
        let mut entry = command.encode();
        let at = at % entry.len();
        entry[at] = byte;
        let _ = Command::decode(&entry);
    }
}
