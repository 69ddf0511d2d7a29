//! Rows of profiles, records and events read back; arbitrary bytes are an error, never a panic.

use model::codec::Reader;
use model::{AudienceNo, DatasetNo, Identity, Membership, NamespaceId, SmolStr, Status, Timestamp, Value, Xid};
use profile::{
    AuthState, Event, Fragment, KnownIdentity, Profile, Record, RecordIdentity, RecordKind, Row, event_name,
};
use proptest::prelude::*;

fn identity() -> impl Strategy<Value = Identity> {
    (any::<u32>(), ".{0,30}").prop_map(|(n, v)| Identity { namespace: NamespaceId(n), value: v.into() })
}

/// Any instant that a record can name.
fn instant() -> impl Strategy<Value = Timestamp> {
    (-62_167_219_200_000i64..=253_402_300_799_999).prop_map(Timestamp)
}

fn body() -> impl Strategy<Value = Value> {
    let leaf =
        prop_oneof![any::<i64>().prop_map(Value::Int), ".{0,9}".prop_map(|s| Value::Str(s.into())), Just(Value::Null)];
    prop::collection::btree_map("[a-z]{1,6}|city|person", leaf, 0..6)
        .prop_map(|fields| Value::Object(fields.into_iter().map(|(n, v)| (n.into(), v)).collect()))
}

prop_compose! {
    fn record()(
        event in any::<bool>(),
        dataset in any::<u32>(),
        id in ".{0,20}",
        timestamp in instant(),
        identities in prop::collection::vec((identity(), 0u8..3, any::<bool>(), any::<bool>(), any::<bool>()), 0..5),
        body in body(),
    ) -> Record {
        let states = [AuthState::Ambiguous, AuthState::Authenticated, AuthState::LoggedOut];
        let identities = identities
            .into_iter()
            .map(|(identity, state, primary, mapped, in_graph)| {
                RecordIdentity { identity, state: states[usize::from(state)], primary, mapped, in_graph }
            })
            .collect();
        let kind = if event { RecordKind::Event } else { RecordKind::Attributes };
        Record { kind, dataset: DatasetNo(dataset), id: id.into(), timestamp, identities, body }
    }
}

prop_compose! {
    fn profile()(
        times in (instant(), instant()),
        records in prop::collection::vec(record(), 0..5),
        known in prop::collection::vec((identity(), instant(), instant()), 0..3),
        fragments in prop::collection::vec((any::<u32>(), identity(), instant(), body()), 0..4),
        memberships in prop::collection::vec((any::<u32>(), any::<bool>(), instant()), 0..4),
        numbers in any::<(u64, u64)>(),
        timer in prop::option::of(instant().prop_filter("0 is none", |t| t.0 != 0)),
        ids in prop::collection::vec(any::<[u8; 16]>(), 0..4),
    ) -> Profile {
        let mut profile = Profile { created: times.0, modified: times.1, timer, ..Profile::default() };
        for (identity, a, b) in known {
            profile.identities.push(KnownIdentity { identity, first: a.min(b), last: a.max(b) });
        }
        for record in &records {
            profile.observe(record);
        }
        for (dataset, identity, written, body) in fragments {
            profile.write_fragment(Fragment { dataset: DatasetNo(dataset), identity, written, body });
        }
        for (no, exited, since) in memberships {
            let status = if exited { Status::Exited } else { Status::Realized };
            profile.set_membership(AudienceNo(no), Membership { status, since });
        }
        (profile.events, profile.plan_n) = numbers;
        profile.lineage = ids.iter().map(|i| Xid(*i)).collect();
        profile.awaiting = ids.iter().rev().map(|i| Xid(*i)).collect();
        profile
    }
}

proptest! {
    #[test]
    fn a_profile_reads_back(profile in profile()) {
        let row = Row::Profile(profile);
        prop_assert_eq!(Row::decode(&row.encode()), Ok(row));
    }

    #[test]
    fn a_cut_profile_is_an_error(profile in profile(), cut in 0usize..10_000) {
        let row = Row::Profile(profile).encode();
        prop_assert!(Row::decode(&row[..cut % row.len()]).is_err());
    }

    #[test]
    fn a_record_and_its_event_read_back(record in record()) {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        let mut reader = Reader::new(&bytes);
        let decoded = Record::decode(&mut reader);
        prop_assert_eq!(decoded.as_ref(), Ok(&record));
        prop_assert!(reader.is_empty());
        let event = Event::decode(&Event::encode(&record)).expect("an event");
        prop_assert_eq!(event.name(), event_name(record.dataset, &record.id));
        prop_assert_eq!(event, Event::of(record));
    }

    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300), first in 0u8..4) {
        let _ = Record::decode(&mut Reader::new(&bytes));
        if let Some(byte) = bytes.first_mut() {
            *byte = first;
        }
        let _ = Row::decode(&bytes);
        let _ = Event::decode(&bytes);
    }

    #[test]
    fn damaged_rows_never_panic(profile in profile(), record in record(), at in 0usize..10_000, byte in any::<u8>()) {
        for mut row in [Row::Profile(profile).encode(), Event::encode(&record)] {
            let at = at % row.len();
            row[at] = byte;
            let _ = Row::decode(&row);
            let _ = Event::decode(&row);
        }
    }
}

#[test]
fn a_forwarding_row_reads_back() {
    let row = Row::Forward(Xid([7; 16]));
    assert_eq!(Row::decode(&row.encode()), Ok(row));
}

#[test]
fn the_name_of_an_event_is_of_its_data_set_and_id() {
    let name = |dataset, id: &str| event_name(DatasetNo(dataset), &SmolStr::new(id));
    assert_eq!(name(1, "a"), name(1, "a"));
    assert_ne!(name(1, "a"), name(2, "a"));
    assert_ne!(name(1, "a"), name(1, "A"));
}
