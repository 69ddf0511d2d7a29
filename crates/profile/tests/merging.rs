//! The tables of profile.md §6.2 and §6.3, replacement and late writes, and united profiles.
#![allow(clippy::unwrap_used)]

use model::{AudienceNo, DatasetNo, Identity, Membership, NamespaceId, ProfileId, Status, Timestamp, Value, Xid};
use profile::{
    AttributeMerge, AuthState, Fragment, Graph, MergePolicy, Profile, Record, RecordIdentity, RecordKind, attributes,
    identity_map,
};
use proptest::prelude::*;

const A: u32 = 1;
const B: u32 = 2;
const C: u32 = 3;

fn id(value: &str) -> Identity {
    Identity { namespace: NamespaceId(6), value: value.into() }
}

fn fragment(dataset: u32, identity: &str, written: i64, body: &str) -> Fragment {
    let body = Value::from_json(body.as_bytes()).unwrap();
    Fragment { dataset: DatasetNo(dataset), identity: id(identity), written: Timestamp(written), body }
}

fn profile(fragments: &[(u32, &str, i64, &str)]) -> Profile {
    let mut profile = Profile::default();
    for (dataset, identity, written, body) in fragments {
        profile.write_fragment(fragment(*dataset, identity, *written, body));
    }
    profile
}

fn policy(graph: Graph, attributes: AttributeMerge) -> MergePolicy {
    MergePolicy { id: "p".into(), graph, attributes }
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().map(|(n, v)| (n, sorted(v))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields)
        }
        other => other,
    }
}

fn json(text: &str) -> Value {
    sorted(Value::from_json(text.as_bytes()).unwrap())
}

type Row = (&'static str, &'static [(u32, &'static str, i64, &'static str)], &'static str, &'static str);

/// Why; fragments; the merge by time; the merge by precedence [A, B].
const TABLE: &[Row] = &[
    (
        "the later wins a leaf",
        &[(A, "i", 1, r#"{"city":"X","tier":1}"#), (B, "i", 2, r#"{"city":"Y"}"#)],
        r#"{"city":"Y","tier":1}"#,
        r#"{"city":"X","tier":1}"#,
    ),
    (
        "objects recurse",
        &[(A, "i", 2, r#"{"name":{"first":"P"}}"#), (B, "i", 1, r#"{"name":{"last":"Q"}}"#)],
        r#"{"name":{"first":"P","last":"Q"}}"#,
        r#"{"name":{"first":"P","last":"Q"}}"#,
    ),
    (
        "arrays are whole",
        &[(A, "i", 1, r#"{"tags":[1,2]}"#), (B, "i", 2, r#"{"tags":[3]}"#)],
        r#"{"tags":[3]}"#,
        r#"{"tags":[1,2]}"#,
    ),
    (
        "an empty array is one",
        &[(A, "i", 1, r#"{"tags":[1,2]}"#), (B, "i", 2, r#"{"tags":[]}"#)],
        r#"{"tags":[]}"#,
        r#"{"tags":[1,2]}"#,
    ),
    (
        "unlisted data sets are left out",
        &[(A, "i", 1, r#"{"city":"X"}"#), (C, "i", 3, r#"{"city":"Z","more":1}"#)],
        r#"{"city":"Z","more":1}"#,
        r#"{"city":"X"}"#,
    ),
    (
        "replacement resets all leaves of a fragment",
        &[(A, "i", 1, r#"{"city":"X","tier":1}"#), (A, "i", 2, r#"{"city":"W"}"#)],
        r#"{"city":"W"}"#,
        r#"{"city":"W"}"#,
    ),
    (
        "a late write of the same fragment is ignored",
        &[(A, "i", 2, r#"{"city":"W"}"#), (A, "i", 1, r#"{"city":"X","tier":1}"#)],
        r#"{"city":"W"}"#,
        r#"{"city":"W"}"#,
    ),
    (
        "equal times: the smaller data set",
        &[(B, "i", 1, r#"{"city":"Y"}"#), (A, "i", 1, r#"{"city":"X"}"#)],
        r#"{"city":"X"}"#,
        r#"{"city":"X"}"#,
    ),
    (
        "equal times and data set: the smaller identity",
        &[(A, "j", 1, r#"{"city":"J"}"#), (A, "i", 1, r#"{"city":"I"}"#)],
        r#"{"city":"I"}"#,
        r#"{"city":"I"}"#,
    ),
    (
        "ties inside a data set by time",
        &[(A, "i", 1, r#"{"city":"I"}"#), (A, "j", 2, r#"{"city":"J"}"#)],
        r#"{"city":"J"}"#,
        r#"{"city":"J"}"#,
    ),
    (
        "a fragment without the leaf, or with null, has no opinion",
        &[(A, "i", 3, r#"{"city":null,"o":{"a":null}}"#), (B, "i", 1, r#"{"city":"Y","o":{"a":1}}"#)],
        r#"{"city":"Y","o":{"a":1}}"#,
        r#"{"city":"Y","o":{"a":1}}"#,
    ),
    (
        "a scalar and an object: the winner's shape",
        &[(A, "i", 1, r#"{"x":{"a":1},"y":1}"#), (B, "i", 2, r#"{"x":5,"y":{"b":2}}"#)],
        r#"{"x":5,"y":{"b":2}}"#,
        r#"{"x":{"a":1},"y":1}"#,
    ),
    ("nothing", &[], "{}", "{}"),
];

#[test]
fn the_table_of_merges() {
    let by_time = policy(Graph::Pdg, AttributeMerge::TimestampOrdered);
    let by_precedence = policy(Graph::Pdg, AttributeMerge::DatasetPrecedence(vec![DatasetNo(A), DatasetNo(B)]));
    for (why, fragments, time, precedence) in TABLE {
        let profile = profile(fragments);
        assert_eq!(sorted(attributes(&profile, &by_time, None)), json(time), "{why}: by time");
        assert_eq!(sorted(attributes(&profile, &by_precedence, None)), json(precedence), "{why}: by precedence");
    }
}

#[test]
fn precedence_is_the_order_of_the_list() {
    let profile = profile(&[(A, "i", 9, r#"{"city":"X","a":1}"#), (B, "i", 1, r#"{"city":"Y"}"#)]);
    let order = AttributeMerge::DatasetPrecedence(vec![DatasetNo(B), DatasetNo(A)]);
    assert_eq!(sorted(attributes(&profile, &policy(Graph::Pdg, order), None)), json(r#"{"city":"Y","a":1}"#));
}

#[test]
fn without_a_graph_only_the_identity_that_was_asked_for() {
    let profile = profile(&[(A, "1", 1, r#"{"a":1}"#), (B, "1", 2, r#"{"b":1}"#), (A, "2", 3, r#"{"a":2,"c":1}"#)]);
    let alone = policy(Graph::None, AttributeMerge::TimestampOrdered);
    assert_eq!(sorted(attributes(&profile, &alone, Some(&id("1")))), json(r#"{"a":1,"b":1}"#));
    assert_eq!(attributes(&profile, &alone, Some(&id("3"))), json("{}"));
    let stitched = policy(Graph::Pdg, AttributeMerge::TimestampOrdered);
    assert_eq!(sorted(attributes(&profile, &stitched, Some(&id("1")))), json(r#"{"a":2,"b":1,"c":1}"#));
}

#[test]
fn a_write_tells_whether_it_counted() {
    let mut profile = profile(&[(A, "i", 5, "{}")]);
    for (written, counted) in [(4, false), (5, true), (6, true), (5, false)] {
        assert_eq!(profile.write_fragment(fragment(A, "i", written, "{}")), counted, "{written}");
    }
    assert_eq!(profile.fragments.len(), 1);
    assert!(profile.write_fragment(fragment(A, "j", 1, "{}")), "another identity is another fragment");
    assert!(profile.write_fragment(fragment(B, "i", 1, "{}")), "another data set is another fragment");
}

fn record(kind: RecordKind, at: i64, identities: &[(&str, bool)]) -> Record {
    let identities = identities.iter().enumerate().map(|(i, (value, in_graph))| RecordIdentity {
        identity: id(value),
        state: AuthState::default(),
        primary: i == 0,
        mapped: true,
        in_graph: *in_graph,
    });
    let identities = identities.collect();
    let body = Value::Object(Vec::new());
    Record { kind, dataset: DatasetNo(A), id: "e".into(), timestamp: Timestamp(at), identities, body }
}

#[test]
fn identities_and_links_keep_their_first_and_last_time() {
    let mut profile = Profile::default();
    assert!(profile.observe(&record(RecordKind::Event, 20, &[("b", true), ("a", true), ("n", false)])));
    assert!(!profile.observe(&record(RecordKind::Event, 10, &[("a", true), ("b", true)])), "nothing new");
    assert!(profile.observe(&record(RecordKind::Attributes, 30, &[("c", true), ("b", true)])));
    let seen: Vec<_> = profile.identities.iter().map(|k| (k.identity.value.as_str(), k.first.0, k.last.0)).collect();
    assert_eq!(seen, [("b", 10, 30), ("a", 10, 20), ("c", 30, 30)], "one outside graphs is left out");
    let links: Vec<_> =
        profile.links.iter().map(|l| (l.a.value.as_str(), l.b.value.as_str(), l.first.0, l.last.0)).collect();
    assert_eq!(links, [("a", "b", 10, 20), ("b", "c", 30, 30)]);
    profile.drop_identity(&id("b"));
    assert!(profile.links.is_empty(), "links go with their ends");
    assert_eq!(profile.identities.len(), 2);
}

#[test]
fn a_primary_identity_outside_graphs_stands_for_itself_alone() {
    let mut profile = Profile::default();
    assert!(profile.observe(&record(RecordKind::Event, 20, &[("n", false), ("a", true), ("b", true)])));
    let seen: Vec<_> = profile.identities.iter().map(|k| k.identity.value.as_str()).collect();
    assert_eq!((seen, profile.links.len()), (vec!["n"], 0), "the others lead to profiles of their own");
}

#[test]
fn the_identity_map_groups_by_namespace() {
    let ids = [id("a"), Identity { namespace: NamespaceId(4), value: "1".into() }, id("b")];
    let map = identity_map(&ids, &|n| if n.0 == 6 { "Email".into() } else { "ECID".into() });
    assert_eq!(sorted(map), json(r#"{"ECID":[{"id":"1"}],"Email":[{"id":"a"},{"id":"b"}]}"#));
}

const IN: Status = Status::Realized;
const OUT: Status = Status::Exited;

#[test]
fn memberships_of_united_profiles() {
    for (mine, theirs, both) in [
        (None, Some((IN, 5)), Some((IN, 5))),
        (None, Some((OUT, 5)), Some((OUT, 5))),
        (Some((IN, 3)), None, Some((IN, 3))),
        (Some((IN, 3)), Some((IN, 5)), Some((IN, 3))),
        (Some((IN, 5)), Some((IN, 3)), Some((IN, 3))),
        (Some((IN, 5)), Some((OUT, 9)), Some((IN, 5))),
        (Some((OUT, 9)), Some((IN, 5)), Some((IN, 5))),
        (Some((OUT, 5)), Some((OUT, 9)), Some((OUT, 9))),
    ] {
        let side = |m: Option<(Status, i64)>| {
            let mut profile = Profile { created: Timestamp(1), ..Profile::default() };
            if let Some((status, since)) = m {
                profile.set_membership(AudienceNo(1), Membership { status, since: Timestamp(since) });
            }
            profile
        };
        let mut united = side(mine);
        united.absorb(side(theirs), Xid([9; 16]));
        let seen = united.membership(AudienceNo(1)).map(|m| (m.status, m.since.0));
        assert_eq!(seen, both, "{mine:?} with {theirs:?}");
    }
}

#[test]
fn a_united_profile_was_looked_at_by_the_older_plan_and_remembers_whom_it_took_in() {
    let at = |created, plan_n, lineage: &[u8]| Profile {
        created: Timestamp(created),
        plan_n,
        lineage: lineage.iter().map(|n| Xid([*n; 16])).collect(),
        ..Profile::default()
    };
    for (mine, theirs, plan_n, created) in [
        (at(1, 7, &[]), at(2, 5, &[]), 5, 1),
        (at(1, 5, &[]), at(2, 7, &[]), 5, 1),
        // Sides without a profile of their own (deleted before) have missed nothing.
        (at(1, 7, &[]), at(0, 0, &[]), 7, 1),
        (at(0, 0, &[]), at(2, 5, &[]), 5, 2),
    ] {
        let mut united = mine;
        united.absorb(theirs, Xid([1; 16]));
        assert_eq!((united.plan_n, united.created.0), (plan_n, created));
    }
    let mut united = at(1, 1, &[2]);
    united.absorb(at(2, 1, &[4, 2]), Xid([3; 16]));
    let lineage: Vec<u8> = united.lineage.iter().map(|l| l.0[0]).collect();
    assert_eq!(lineage, [2, 3, 4]);
}

/// What does not depend on the order in which things came.
fn essence(profile: &Profile) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut identities: Vec<_> = profile.identities.iter().map(|k| (k.identity.clone(), k.first, k.last)).collect();
    identities.sort();
    let mut lineage: Vec<ProfileId> = profile.lineage.clone();
    lineage.sort();
    let view = attributes(profile, &policy(Graph::Pdg, AttributeMerge::TimestampOrdered), None);
    (identities, profile.links.clone(), profile.fragments.clone(), profile.memberships.clone(), lineage, view)
}

fn shuffled<T: Clone>(items: &[T], keys: &[u64]) -> Vec<T> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|i| keys[i % keys.len()].rotate_left(*i as u32));
    order.into_iter().map(|i| items[i].clone()).collect()
}

prop_compose! {
    fn side(n: u8)(
        records in prop::collection::vec((0usize..5, 0usize..5, 0u32..3, 0u8..4), 1..8),
        memberships in prop::collection::vec((0u32..4, any::<bool>(), 1i64..50), 0..4),
    ) -> Profile {
        let names = ["a", "b", "c", "d", "e"];
        let mut profile = Profile { created: Timestamp(1), ..Profile::default() };
        for (i, (first, second, dataset, what)) in records.into_iter().enumerate() {
            // Every write has an instant of its own, as the log has stamps.
            let at = i64::from(n) * 100 + i as i64;
            let mut record = record(RecordKind::Attributes, at, &[(names[first], true), (names[second], true)]);
            record.dataset = DatasetNo(dataset);
            profile.observe(&record);
            let body = format!(r#"{{"f{what}":{{"n":{at}}},"all":{at}}}"#);
            profile.write_fragment(fragment(dataset, names[first], at, &body));
        }
        for (no, exited, since) in memberships {
            let status = if exited { OUT } else { IN };
            profile.set_membership(AudienceNo(no), Membership { status, since: Timestamp(since) });
        }
        profile
    }
}

proptest! {
    #[test]
    fn uniting_does_not_depend_on_the_order(
        sides in (side(1), side(2), side(3), side(4)),
        keys in prop::collection::vec(any::<u64>(), 4),
    ) {
        let sides = [sides.0, sides.1, sides.2, sides.3];
        let others: Vec<(u8, Profile)> = (2..).zip(sides[1..].iter().cloned()).collect();
        let unite = |others: Vec<(u8, Profile)>| {
            let mut winner = sides[0].clone();
            for (n, other) in others {
                winner.absorb(other, Xid([n; 16]));
            }
            winner
        };
        let one = unite(others.clone());
        prop_assert_eq!(essence(&one), essence(&unite(shuffled(&others, &keys))));
        // In pairs: (1 + 2) + (3 + 4).
        let mut right = sides[2].clone();
        right.absorb(sides[3].clone(), Xid([4; 16]));
        let mut left = sides[0].clone();
        left.absorb(sides[1].clone(), Xid([2; 16]));
        left.absorb(right, Xid([3; 16]));
        prop_assert_eq!(essence(&one), essence(&left));
    }

    #[test]
    fn writes_in_any_order_give_the_same_view(
        writes in prop::collection::vec((0u32..3, 0usize..3, 0u8..4), 1..12),
        keys in prop::collection::vec(any::<u64>(), 5),
    ) {
        let writes: Vec<_> = writes.into_iter().zip(1i64..).collect();
        let apply = |writes: &[((u32, usize, u8), i64)]| {
            let mut profile = Profile::default();
            for ((dataset, identity, what), at) in writes {
                let body = format!(r#"{{"f{what}":{at},"o":{{"k{what}":{at}}}}}"#);
                profile.write_fragment(fragment(*dataset, ["i", "j", "k"][*identity], *at, &body));
            }
            profile
        };
        let (one, other) = (apply(&writes), apply(&shuffled(&writes, &keys)));
        prop_assert_eq!(&one.fragments, &other.fragments);
        let by_time = policy(Graph::Pdg, AttributeMerge::TimestampOrdered);
        prop_assert_eq!(attributes(&one, &by_time, None), attributes(&other, &by_time, None));
    }
}
