//! What receivers get, letter by letter (activation.md §3.5, §3.6).
#![allow(clippy::unwrap_used)]

use activation::{Export, ExportedMembership, FlowPlan, MappedAudience, Names, Reasons, Triggers, payload};
use model::{AudienceNo, FlowNo, Identity, NamespaceId, SandboxId, SmolStr, Status, Timestamp, Value, Xid};

struct Numbers;

impl Names for Numbers {
    fn audience(&self, no: AudienceNo) -> Option<SmolStr> {
        (no.0 != 8).then(|| SmolStr::new(format!("id-{no}")))
    }
    fn namespace(&self, id: NamespaceId) -> SmolStr {
        match id.0 {
            4 => "ecid".into(),
            6 => "email_lc_sha256".into(),
            other => SmolStr::new(format!("ns\"{other}")),
        }
    }
}

fn flow(include_names: bool, include_timestamps: bool, legacy_status: bool) -> FlowPlan {
    let audience = MappedAudience {
        no: AudienceNo(1),
        id: "0b7c2f60".into(),
        name: "Spring \"cart\" abandoners".into(),
        mapped_n: 1,
        created: Timestamp(1_769_000_000_000),
        updated: Timestamp(1_769_000_500_000),
        mapping_created: Timestamp(1_769_100_000_000),
        mapping_updated: Timestamp(1_769_100_000_000),
    };
    FlowPlan {
        no: FlowNo(1),
        id: "f".into(),
        name: "F".into(),
        enabled: true,
        audiences: vec![audience],
        attributes: Vec::new(),
        triggers: Triggers { attribute: true, segmentation: true, identity: true },
        include_names,
        include_timestamps,
        legacy_status,
    }
}

fn membership(no: u32, status: Status, since: &str, changed: bool) -> ExportedMembership {
    ExportedMembership { audience: AudienceNo(no), status, since: Timestamp::parse(since).unwrap(), changed }
}

fn export(memberships: Vec<ExportedMembership>, attributes: &str) -> Export {
    let identity = |namespace, value: &str| Identity { namespace: NamespaceId(namespace), value: value.into() };
    Export {
        sandbox: SandboxId(1),
        profile: Xid([1; 16]),
        lineage: Vec::new(),
        at: Timestamp(0),
        reasons: Reasons::SEGMENTATION,
        memberships,
        identities: vec![identity(6, "0163b0"), identity(4, "31415"), identity(6, "b\"q")],
        attributes: Value::from_json(attributes.as_bytes()).unwrap(),
    }
}

fn text(export: &Export, flow: &FlowPlan) -> String {
    let text = String::from_utf8(payload(export, flow, &Numbers)).unwrap();
    let parsed: Value = Value::from_json(text.as_bytes()).unwrap();
    assert!(matches!(parsed, Value::Object(_)));
    text
}

const IDENTITIES: &str =
    r#""identityMap":{"ecid":[{"id":"31415"}],"email_lc_sha256":[{"id":"0163b0"},{"id":"b\"q"}]}}"#;

#[test]
fn the_documented_example() {
    let export = export(
        vec![
            membership(1, Status::Realized, "2026-02-03T10:15:00.999Z", true),
            membership(2, Status::Exited, "2026-01-29T08:00:00Z", false),
        ],
        r#"{"person":{"name":{"firstName":"Ines"},"birthDate":"1991-04-02"},"personalEmail":{"address":"i@e.org"}}"#,
    );
    let attributes =
        r#"{"person":{"name":{"firstName":"Ines"},"birthDate":"1991-04-02"},"personalEmail":{"address":"i@e.org"},"#;
    let first =
        r#""segmentMembership":{"ups":{"0b7c2f60":{"lastQualificationTime":"2026-02-03T10:15:00Z","status":"realized""#;
    let name = r#","name":"Spring \"cart\" abandoners""#;
    let times = concat!(
        r#","createdAt":1769000000000,"updatedAt":1769000500000"#,
        r#","mappingCreatedAt":1769100000000,"mappingUpdatedAt":1769100000000"#
    );
    let second = r#"},"id-2":{"lastQualificationTime":"2026-01-29T08:00:00Z","status":"exited"}}},"#;
    // The two switches are independent, and hold for mapped audiences only.
    for (names, timestamps, middle) in [
        (false, false, String::new()),
        (true, false, name.to_owned()),
        (false, true, times.to_owned()),
        (true, true, format!("{name}{times}")),
    ] {
        let expected = format!("{attributes}{first}{middle}{second}{IDENTITIES}");
        assert_eq!(text(&export, &flow(names, timestamps, false)), expected);
    }
}

#[test]
fn existing_is_a_word_of_the_seed_vocabulary_only() {
    for (status, changed, plain, legacy) in [
        (Status::Realized, true, "realized", "realized"),
        (Status::Realized, false, "realized", "existing"),
        (Status::Exited, true, "exited", "exited"),
        (Status::Exited, false, "exited", "exited"),
    ] {
        let export = export(vec![membership(1, status, "2026-02-03T10:15:00Z", changed)], "{}");
        for (seed, word) in [(false, plain), (true, legacy)] {
            let expected = format!(
                r#"{{"segmentMembership":{{"ups":{{"0b7c2f60":{{"lastQualificationTime":"2026-02-03T10:15:00Z","status":"{word}"}}}}}},{IDENTITIES}"#
            );
            assert_eq!(text(&export, &flow(false, false, seed)), expected);
        }
    }
}

#[test]
fn nothing_to_tell_is_still_json_and_a_deleted_audience_is_left_out() {
    let mut export = export(vec![membership(8, Status::Realized, "2026-02-03T10:15:00Z", true)], "{}");
    export.identities.clear();
    assert_eq!(text(&export, &flow(true, true, true)), r#"{"segmentMembership":{"ups":{}},"identityMap":{}}"#);
}

#[test]
fn service_fields_cannot_be_doubled_by_attributes() {
    let export = export(Vec::new(), r#"{"identityMap":{"x":1},"a":[1,null,"\n"],"segmentMembership":{}}"#);
    let expected = format!(r#"{{"a":[1,null,"\n"],"segmentMembership":{{"ups":{{}}}},{IDENTITIES}"#);
    assert_eq!(text(&export, &flow(false, false, false)), expected);
}
