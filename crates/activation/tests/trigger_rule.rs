//! The rule of activation.md §3.4 and §3.8, one line of it a case.
#![allow(clippy::unwrap_used)]

use activation::{Change, Export, Filtered, FlowPlan, MappedAudience, Reasons, Subject, Triggers, decide};
use model::{AudienceNo, FlowNo, Identity, Membership, NamespaceId, SandboxId, SmolStr, Status, Timestamp, Value, Xid};
use profile::{KnownIdentity, Profile};

const NOW: Timestamp = Timestamp(1_770_000_000_000);
const ENTER: Status = Status::Realized;
const EXIT: Status = Status::Exited;
/// The plan that maps audience 2.
const MAPPED_N: u64 = 40;

fn mapped(no: u32, mapped_n: u64) -> MappedAudience {
    MappedAudience {
        no: AudienceNo(no),
        id: SmolStr::new(format!("audience-{no}")),
        name: SmolStr::new(format!("Audience {no}")),
        mapped_n,
        created: Timestamp(1),
        updated: Timestamp(2),
        mapping_created: Timestamp(3),
        mapping_updated: Timestamp(4),
    }
}

/// Maps audiences 1 (long ago) and 2 (in plan 40), a leaf, a scalar and an object; not audience 9.
fn flow() -> FlowPlan {
    let path = |p: &str| p.split('.').map(SmolStr::new).collect();
    FlowPlan {
        no: FlowNo(7),
        id: "flow".into(),
        name: "Flow".into(),
        enabled: true,
        audiences: vec![mapped(1, 10), mapped(2, MAPPED_N)],
        attributes: vec![path("person.name.firstName"), path("city"), path("prefs")],
        triggers: Triggers { attribute: true, segmentation: true, identity: true },
        include_names: false,
        include_timestamps: false,
        legacy_status: false,
    }
}

fn profile(memberships: &[(u32, Status)]) -> Profile {
    let mut profile = Profile::default();
    for (no, status) in memberships {
        profile.set_membership(AudienceNo(*no), Membership { status: *status, since: Timestamp(i64::from(*no)) });
    }
    for (namespace, value) in [(6, "a@b.example"), (999, "x")] {
        let identity = Identity { namespace: NamespaceId(namespace), value: value.into() };
        profile.identities.push(KnownIdentity { identity, first: NOW, last: NOW });
    }
    profile
}

fn json(text: &str) -> Value {
    Value::from_json(text.as_bytes()).unwrap()
}

/// A verdict with the export made.
#[derive(Debug)]
enum Verdict {
    Nothing,
    Filtered(Filtered),
    Export(Box<Export>),
}

fn run(flow: &FlowPlan, profile: &Profile, change: &Change<'_>) -> Verdict {
    let attributes = json(
        r#"{"person":{"name":{"firstName":"Ines","lastName":"O"},"age":3},"prefs":{"a":[1]},"secret":"s","m":{"k":1}}"#,
    );
    let (sandbox, id, shares_policy) = (SandboxId(1), Xid([5; 16]), &|no: AudienceNo| no.0 < 9);
    let subject = Subject { sandbox, id, profile, attributes: &attributes, shares_policy, now: NOW };
    match decide(flow, subject, change) {
        activation::Verdict::Nothing => Verdict::Nothing,
        activation::Verdict::Filtered(reason) => Verdict::Filtered(reason),
        activation::Verdict::Export(draft) => {
            let (export, mut bytes) = (draft.export(), Vec::new());
            draft.encode_to(&mut bytes);
            assert_eq!(bytes, export.encode(), "a draft is written as its export is");
            Verdict::Export(Box::new(export))
        }
    }
}

/// A reason in one word.
fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Nothing => "-".into(),
        Verdict::Filtered(reason) => reason.as_str().into(),
        Verdict::Export(export) => {
            let names = [
                (Reasons::SEGMENTATION, "segmentation"),
                (Reasons::IDENTITY, "identity"),
                (Reasons::ATTRIBUTE, "attribute"),
                (Reasons::BACKFILL, "backfill"),
                (Reasons::REPLAY, "replay"),
            ];
            let all: Vec<&str> = names.iter().filter(|(r, _)| export.reasons.has(*r)).map(|(_, n)| *n).collect();
            all.join("+")
        }
    }
}

struct Case {
    why: &'static str,
    memberships: &'static [(u32, Status)],
    flips: &'static [(u32, Status)],
    identities: bool,
    written: Option<&'static str>,
    previous_n: u64,
    replay: bool,
    /// With all triggers; without attribute; without segmentation; without identity; flow disabled.
    expected: [&'static str; 5],
}

const CASE: Case = Case {
    why: "",
    memberships: &[],
    flips: &[],
    identities: false,
    written: None,
    previous_n: 100,
    replay: false,
    expected: ["-"; 5],
};

const OFF: &str = "trigger_off";
const DISABLED: &str = "flow_disabled";
const STRANGER: &str = "not_a_member";

const CASES: &[Case] = &[
    Case { why: "nothing happened", memberships: &[(1, ENTER)], ..CASE },
    Case {
        why: "1: absent or exited → realized",
        memberships: &[(1, ENTER)],
        flips: &[(1, ENTER)],
        expected: ["segmentation", "segmentation", OFF, "segmentation", DISABLED],
        ..CASE
    },
    Case {
        why: "1 and 5: realized → exited, a member of nothing afterwards",
        memberships: &[(1, EXIT)],
        flips: &[(1, EXIT)],
        expected: ["segmentation", "segmentation", OFF, "segmentation", DISABLED],
        ..CASE
    },
    Case { why: "4: an unmapped audience", memberships: &[(1, ENTER), (9, ENTER)], flips: &[(9, ENTER)], ..CASE },
    Case { why: "4: an unmapped exit", memberships: &[(9, EXIT)], flips: &[(9, EXIT)], ..CASE },
    Case {
        why: "1: a mapped one beside an unmapped one",
        memberships: &[(1, ENTER), (9, EXIT)],
        flips: &[(9, EXIT), (1, ENTER)],
        expected: ["segmentation", "segmentation", OFF, "segmentation", DISABLED],
        ..CASE
    },
    Case {
        why: "2: any identity",
        memberships: &[(1, ENTER)],
        identities: true,
        expected: ["identity", "identity", "identity", OFF, DISABLED],
        ..CASE
    },
    Case {
        why: "2 and 5: an identity of a stranger",
        identities: true,
        expected: [STRANGER, STRANGER, STRANGER, OFF, DISABLED],
        ..CASE
    },
    Case {
        why: "5: a former member is a stranger",
        memberships: &[(1, EXIT)],
        identities: true,
        expected: [STRANGER, STRANGER, STRANGER, OFF, DISABLED],
        ..CASE
    },
    Case {
        why: "5: a member of unmapped audiences is a stranger",
        memberships: &[(9, ENTER)],
        identities: true,
        expected: [STRANGER, STRANGER, STRANGER, OFF, DISABLED],
        ..CASE
    },
    Case {
        why: "5: an exit from an unmapped audience does not make eligible",
        memberships: &[(9, EXIT)],
        flips: &[(9, EXIT)],
        identities: true,
        expected: [STRANGER, STRANGER, STRANGER, OFF, DISABLED],
        ..CASE
    },
    Case {
        why: "3: a mapped leaf, equal or not",
        memberships: &[(1, ENTER)],
        written: Some(r#"{"person":{"name":{"firstName":"Ines"}}}"#),
        expected: ["attribute", OFF, "attribute", "attribute", DISABLED],
        ..CASE
    },
    Case {
        why: "3: below a mapped object",
        memberships: &[(1, ENTER)],
        written: Some(r#"{"prefs":{"deep":{"er":1}}}"#),
        expected: ["attribute", OFF, "attribute", "attribute", DISABLED],
        ..CASE
    },
    Case {
        why: "4: a sibling",
        memberships: &[(1, ENTER)],
        written: Some(r#"{"person":{"name":{"lastName":"O"}}}"#),
        ..CASE
    },
    Case { why: "4: another root", memberships: &[(1, ENTER)], written: Some(r#"{"town":"Paris"}"#), ..CASE },
    Case { why: "null is absent", memberships: &[(1, ENTER)], written: Some(r#"{"city":null}"#), ..CASE },
    Case { why: "an empty record", memberships: &[(1, ENTER)], written: Some("{}"), ..CASE },
    Case {
        why: "3 and 5: of a stranger",
        written: Some(r#"{"city":"Paris"}"#),
        expected: [STRANGER, OFF, STRANGER, STRANGER, DISABLED],
        ..CASE
    },
    Case {
        why: "6: an event that also matches an enabled kind still exports",
        memberships: &[(1, ENTER)],
        flips: &[(1, ENTER)],
        identities: true,
        written: Some(r#"{"city":"Paris"}"#),
        expected: [
            "segmentation+identity+attribute",
            "segmentation+identity",
            "identity+attribute",
            "segmentation+attribute",
            DISABLED,
        ],
        ..CASE
    },
    Case {
        why: "5 and 6: an exit makes eligible even where its own kind is off",
        memberships: &[(1, EXIT)],
        flips: &[(1, EXIT)],
        identities: true,
        expected: ["segmentation+identity", "segmentation+identity", "identity", "segmentation", DISABLED],
        ..CASE
    },
    Case {
        why: "backfill: a member since before the mapping, whatever is off",
        memberships: &[(2, ENTER)],
        previous_n: MAPPED_N - 1,
        expected: ["backfill", "backfill", "backfill", "backfill", DISABLED],
        ..CASE
    },
    Case { why: "backfill: only once", memberships: &[(2, ENTER)], previous_n: MAPPED_N, ..CASE },
    Case { why: "backfill: only members", memberships: &[(1, ENTER), (2, EXIT)], previous_n: MAPPED_N - 1, ..CASE },
    Case {
        why: "an entry in the same look is no backfill",
        memberships: &[(2, ENTER)],
        flips: &[(2, ENTER)],
        previous_n: MAPPED_N - 1,
        expected: ["segmentation", "segmentation", OFF, "segmentation", DISABLED],
        ..CASE
    },
    Case {
        why: "a replay asks for the present state of anybody",
        replay: true,
        expected: ["replay", "replay", "replay", "replay", DISABLED],
        ..CASE
    },
];

#[test]
fn every_line_of_the_rule() {
    let with = |change: &dyn Fn(&mut FlowPlan)| {
        let mut plan = flow();
        change(&mut plan);
        plan
    };
    let flows = [
        flow(),
        with(&|f| f.triggers.attribute = false),
        with(&|f| f.triggers.segmentation = false),
        with(&|f| f.triggers.identity = false),
        with(&|f| f.enabled = false),
    ];
    for case in CASES {
        let flips: Vec<(AudienceNo, Status)> = case.flips.iter().map(|(no, s)| (AudienceNo(*no), *s)).collect();
        let written = case.written.map(json);
        let change = Change {
            flips: &flips,
            identities: case.identities,
            written: written.as_ref(),
            previous_n: case.previous_n,
            replay: case.replay,
        };
        let seen: Vec<String> = flows.iter().map(|f| word(&run(f, &profile(case.memberships), &change))).collect();
        assert_eq!(seen, case.expected, "{}", case.why);
    }
}

fn export(memberships: &[(u32, Status)], change: &Change<'_>) -> Export {
    match run(&flow(), &profile(memberships), change) {
        Verdict::Export(export) => *export,
        other => panic!("an export: {other:?}"),
    }
}

#[test]
fn an_export_holds_all_identities_and_only_the_mapped_attributes_that_are_there() {
    let change = Change { identities: true, previous_n: 100, ..Change::default() };
    let export = export(&[(1, ENTER)], &change);
    assert_eq!(export.attributes, json(r#"{"person":{"name":{"firstName":"Ines"}},"prefs":{"a":[1]}}"#));
    let values: Vec<&str> = export.identities.iter().map(|i| i.value.as_str()).collect();
    assert_eq!(values, ["a@b.example", "x"], "all namespaces");
    assert_eq!((export.at, export.profile, export.sandbox), (NOW, Xid([5; 16]), SandboxId(1)));
}

#[test]
fn memberships_of_the_same_policy_are_there_mapped_ones_first() {
    let flips = [(AudienceNo(2), EXIT)];
    let change = Change { flips: &flips, previous_n: 100, ..Change::default() };
    let export = export(&[(0, ENTER), (1, ENTER), (2, EXIT), (3, EXIT), (9, ENTER)], &change);
    let seen: Vec<_> = export.memberships.iter().map(|m| (m.audience.0, m.status, m.since.0, m.changed)).collect();
    assert_eq!(seen, [(1, ENTER, 1, false), (2, EXIT, 2, true), (0, ENTER, 0, false), (3, EXIT, 3, false)]);
}

#[test]
fn a_backfill_marks_the_newly_mapped_audience_as_changed() {
    let change = Change { previous_n: MAPPED_N - 1, ..Change::default() };
    let export = export(&[(1, ENTER), (2, ENTER)], &change);
    let changed: Vec<_> = export.memberships.iter().map(|m| (m.audience.0, m.changed)).collect();
    assert_eq!(changed, [(1, false), (2, true)]);
}

#[test]
fn reasons_of_the_ledger_have_their_own_words() {
    let words: std::collections::HashSet<_> = Filtered::ALL.iter().map(|f| f.as_str()).collect();
    assert_eq!(words.len(), Filtered::ALL.len());
    for (i, reason) in Filtered::ALL.iter().enumerate() {
        assert_eq!(*reason as usize, i, "the place in ledger rows");
    }
}
