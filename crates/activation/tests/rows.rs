//! Rows of the outbox read back, and arbitrary bytes are an error, never a panic.

use activation::{Export, ExportedMembership, Reasons};
use model::{AudienceNo, Identity, NamespaceId, SandboxId, Status, Timestamp, Value, Xid};
use proptest::prelude::*;

fn xid() -> impl Strategy<Value = Xid> {
    any::<[u8; 16]>().prop_map(Xid)
}

fn membership() -> impl Strategy<Value = ExportedMembership> {
    (any::<u32>(), any::<bool>(), any::<i64>(), any::<bool>()).prop_map(|(no, exited, since, changed)| {
        let status = if exited { Status::Exited } else { Status::Realized };
        ExportedMembership { audience: AudienceNo(no), status, since: Timestamp(since), changed }
    })
}

fn identity() -> impl Strategy<Value = Identity> {
    (any::<u32>(), ".{0,40}").prop_map(|(n, v)| Identity { namespace: NamespaceId(n), value: v.into() })
}

fn attributes() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(
        "[a-z]{1,6}",
        prop_oneof![any::<i64>().prop_map(Value::Int), ".{0,9}".prop_map(|s| Value::Str(s.into()))],
        0..6,
    )
    .prop_map(|fields| Value::Object(fields.into_iter().map(|(n, v)| (n.into(), v)).collect()))
}

prop_compose! {
    fn export()(
        sandbox in any::<u32>(),
        profile in xid(),
        lineage in prop::collection::vec(xid(), 0..4),
        at in any::<i64>(),
        reasons in 0u8..32,
        memberships in prop::collection::vec(membership(), 0..5),
        identities in prop::collection::vec(identity(), 0..5),
        attributes in attributes(),
    ) -> Export {
        let (sandbox, at, reasons) = (SandboxId(sandbox), Timestamp(at), Reasons(reasons));
        Export { sandbox, profile, lineage, at, reasons, memberships, identities, attributes }
    }
}

proptest! {
    #[test]
    fn an_export_reads_back(export in export()) {
        let row = export.encode();
        prop_assert_eq!(Export::decode(&row), Ok(export));
    }

    #[test]
    fn a_cut_row_is_an_error(export in export(), cut in 0usize..10_000) {
        let row = export.encode();
        let cut = cut % row.len();
        prop_assert!(Export::decode(&row[..cut]).is_err());
    }

    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300), known in any::<bool>()) {
        if let Some(first) = bytes.first_mut().filter(|_| known) {
            *first = 1;
        }
        let _ = Export::decode(&bytes);
    }

    #[test]
    fn damaged_rows_never_panic(export in export(), at in 0usize..10_000, byte in any::<u8>()) {
        let mut row = export.encode();
        let at = at % row.len();
        row[at] = byte;
        let _ = Export::decode(&row);
    }
}
