//! Timers and exports that share a row.

use crate::world::{AudienceDoc, DAY, FlowDoc, Machine, SANDBOX, identity, in_record};
use engine::Outcome;
use model::{DatasetNo, FlowNo, PartitionNo, ProfileId, Status, Timestamp, Value};
use profile::{Record, RecordKind};
use std::sync::Arc;
use store::memory::MemoryStore;

const START: i64 = 1_768_867_200_000;
const HOUR: i64 = 3_600_000;
const CACHE: usize = 100_000_000;
const PEOPLE: usize = 20;

fn event(who: usize, kind: &str, at: i64) -> Record {
    let mut body = Value::Object(Vec::new());
    body.set(&["eventType"], Value::Str(kind.into()));
    Record {
        kind: RecordKind::Event,
        dataset: DatasetNo(23),
        id: format!("{kind}{who}").into(),
        timestamp: Timestamp(at),
        identities: vec![in_record(identity(6, &format!("p{who}@example.org")), true)],
        body,
    }
}

fn audience(id: &str, pql: &str) -> AudienceDoc {
    AudienceDoc { id: id.into(), pql: pql.into(), opt_out: false }
}

fn people(machine: &Machine) -> Vec<(ProfileId, usize)> {
    let id = |who: usize| {
        let found = machine.engine().profile_of(SANDBOX, &identity(6, &format!("p{who}@example.org")));
        found.expect("a look").expect("a profile").id
    };
    let mut people: Vec<(ProfileId, usize)> = (0..PEOPLE).map(|who| (id(who), who)).collect();
    people.sort();
    people
}

/// Members of any audience.
fn members(machine: &Machine) -> usize {
    let is_member = |id: &ProfileId| {
        let stored = machine.engine().profile(SANDBOX, *id).expect("a look").expect("a profile");
        stored.profile.memberships.iter().any(|(_, membership)| membership.status == Status::Realized)
    };
    people(machine).iter().filter(|(id, _)| is_member(id)).count()
}

/// A scan sets one timer for all; some of them get an earlier one in common, and with it the first one again.
#[test]
fn timers_of_a_row_are_not_lost_when_some_move() {
    let machine = Machine::new(1, 1, CACHE, Timestamp(START));
    let hour = r#"xEvent[eventType = "b" and timestamp occurs <= 1 hour before now].count() >= 1"#;
    machine.change(vec![audience("hour", hour).change()]);
    machine.settle();
    (0..PEOPLE).for_each(|who| machine.append(vec![event(who, "a", START)]));
    machine.settle();
    let days = r#"xEvent[eventType = "a" and timestamp occurs <= 10 days before now].count() >= 1"#;
    machine.change(vec![audience("days", days).change()]);
    machine.settle();
    assert_eq!(members(&machine), PEOPLE);
    machine.clock.advance(HOUR).expect("forward");
    machine.settle();
    for (_, who) in &people(&machine)[..2] {
        machine.append(vec![event(*who, "b", START + HOUR)]);
    }
    for wait in [0, HOUR + 1, 10 * DAY] {
        machine.clock.advance(wait).expect("forward");
        machine.settle();
    }
    assert_eq!(members(&machine), 0);
}

/// The store is lost: what the log says was delivered is not given out again.
#[test]
fn delivered_exports_stay_so_when_the_store_is_made_anew() {
    let mut machine = Machine::new(1, 1, CACHE, Timestamp(START));
    machine.change(vec![audience("x", r#"xEvent[eventType = "a"].count() >= 1"#).change()]);
    let mapped = [("x".to_owned(), machine.position() + 1)].into_iter().collect();
    let flow = FlowDoc { id: "f", enabled: true, triggers: [true; 3], attributes: Vec::new(), mapped };
    machine.change(vec![flow.change()]);
    let (flow, partition) = (FlowNo(machine.position() as u32), PartitionNo(0));
    machine.settle();
    (0..5).for_each(|who| machine.append(vec![event(who, "a", START)]));
    machine.settle();
    let numbers = |machine: &Machine, after: u64| -> Vec<u64> {
        let waiting = machine.engine().waiting(flow, partition, after, 100).expect("a look");
        waiting.iter().map(|waiting| waiting.seq).collect()
    };
    let all = numbers(&machine, 0);
    assert_eq!(all.len(), 5);
    let delivered = all[1..].iter().map(|seq| (flow, partition, *seq, Outcome::Delivered)).collect();
    machine.engine().report(delivered).expect("a report");
    machine.settle();
    machine.reopen_on(Arc::new(MemoryStore::new()));
    machine.settle();
    assert_eq!(numbers(&machine, 0), all[..1]);
    assert!(numbers(&machine, all[0]).is_empty());
    let ledger = machine.engine().ledger(flow).expect("a look");
    assert_eq!((ledger.waiting, ledger.exported, ledger.is_balanced()), (1, 4, true));
}

#[test]
fn a_profile_that_was_looked_at_without_a_change_counts_as_evaluated() {
    let machine = Machine::new(1, 1, CACHE, Timestamp(START));
    machine.change(vec![audience("hour", r#"xEvent[eventType = "z"].count() >= 1"#).change()]);
    machine.settle();
    machine.append(vec![event(0, "a", START)]);
    machine.settle();
    machine.change(vec![audience("later", r#"xEvent[eventType = "b"].count() >= 1"#).change()]);
    machine.settle();
    let changed_n = machine.position();
    let stored =
        machine.engine().profile_of(SANDBOX, &identity(6, "p0@example.org")).expect("a look").expect("a profile");
    let partition = stored.id.partition(SANDBOX, machine.engine().partitions());
    assert!(stored.profile.plan_n < changed_n, "the look left no trace in the row");
    assert_eq!(machine.engine().scanned_n(SANDBOX, partition).expect("a look"), changed_n);
}
