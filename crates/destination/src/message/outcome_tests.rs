//! Answers of receivers, read as declared.

use super::*;
use SliceOutcome::Delivered;
use proptest::prelude::*;
use serde_json::json;

fn outcome(json: Json) -> Outcome {
    Outcome::parse(&json).expect("valid")
}

fn retry(reason: &str) -> SliceOutcome {
    SliceOutcome::Retry { reason: reason.to_owned() }
}

fn rejected(reason: &str) -> SliceOutcome {
    SliceOutcome::Rejected { reason: reason.to_owned() }
}

fn read(outcome: &Outcome, body: &[u8], entries: usize) -> Result<Reading, String> {
    outcome.read(body, entries, &|_, at| Ok(format!("id{at}")))
}

fn declared() -> [Outcome; 5] {
    [
        outcome(json!({"type": "STATUS_LIST", "list": "$.results[*]", "state": "$.status", "success": ["ok", 200],
            "retry": ["slow"], "message": "$.why"})),
        outcome(
            json!({"type": "FAILED_INDEXES", "list": "$.errors", "index": "$.at", "firstIndex": 1, "state": "$.code",
            "retry": [429], "message": "$.why"}),
        ),
        outcome(json!({"type": "FAILED_IDS", "list": "$.invalid[*].id",
            "entryId": {"templatingStrategy": "PEBBLE_V1", "value": "{{ entry.id }}"}})),
        outcome(json!({"type": "COUNTS", "failed": "$.failed", "error": "$.message"})),
        outcome(json!({"type": "COUNTS", "succeeded": "$.accepted"})),
    ]
}

#[test]
fn answers_are_read_as_declared() {
    let [list, indexes, ids, failed, succeeded] = declared();
    let each = |outcomes: Vec<SliceOutcome>| Ok(Reading::Each(outcomes));
    let suspect = |reason: &str| Ok(Reading::Suspect(reason.to_owned()));
    let unreadable = |reason: &str| Err(reason.to_owned());
    let cases: Vec<(&Outcome, Json, Result<Reading, String>)> = vec![
        (&list, json!({"results": [{"status": "ok"}, {"status": "200"}]}), each(vec![Delivered, Delivered])),
        (
            &list,
            json!({"results": [{"status": "slow", "why": "later"}, {"status": "bad", "why": {"a": 1}}]}),
            each(vec![retry("state `slow`: later"), rejected("state `bad`: {\"a\":1}")]),
        ),
        (&list, json!({"results": [{}, 7]}), each(vec![rejected("state ``"), rejected("state ``")])),
        (&list, json!({"results": [{"status": "ok"}]}), unreadable("1 states at `$.results[*]` for 2 entries")),
        (&list, json!({}), unreadable("nothing at `$.results[*]`")),
        (&list, json!({"results": "ok"}), unreadable("no list to read `$.results[*]` from, but text")),
        (&indexes, json!({}), each(vec![Delivered, Delivered])),
        (&indexes, json!({"errors": null}), each(vec![Delivered, Delivered])),
        (
            &indexes,
            json!({"errors": [{"at": 2, "code": 429}, {"at": "2", "code": 400, "why": "no"}]}),
            each(vec![Delivered, retry("state `429`")]),
        ),
        (&indexes, json!({"errors": [{"at": 0}]}), unreadable("index 0 names none of the 2 entries")),
        (&indexes, json!({"errors": [{"at": 3}]}), unreadable("index 3 names none of the 2 entries")),
        (&indexes, json!({"errors": [{"at": 1.0, "code": 400}]}), each(vec![rejected("state `400`"), Delivered])),
        (&indexes, json!({"errors": [{"at": 1.5}]}), unreadable("no whole number at `$.at`")),
        (&indexes, json!({"errors": [{"at": 1e300}]}), unreadable("no whole number at `$.at`")),
        (&indexes, json!({"errors": [{"at": -1}]}), unreadable("no whole number at `$.at`")),
        (&indexes, json!({"errors": {"at": 1}}), unreadable("no list at `$.errors`, but an object")),
        (&ids, json!({"invalid": [{"id": "id1"}]}), each(vec![Delivered, rejected("refused")])),
        (&ids, json!({"invalid": [{"id": "zz"}]}), suspect("refused an entry of an id that was not sent")),
        (&ids, json!({"invalid": [{"id": "id0"}, {"id": 7}]}), suspect("refused an entry of an id that was not sent")),
        (&ids, json!({"invalid": []}), each(vec![Delivered, Delivered])),
        (&failed, json!({"failed": 0}), each(vec![Delivered, Delivered])),
        (&failed, json!({"failed": "1", "message": "bad\nhash"}), suspect("1 of 2 refused: badhash")),
        (&failed, json!({"failed": 1.5}), unreadable("no whole number at `$.failed`")),
        (&failed, json!({"failed": 2.0}), suspect("2 of 2 refused")),
        (&failed, json!({"failed": 12}), suspect("12 of 2 refused")),
        (&succeeded, json!({"accepted": 2}), each(vec![Delivered, Delivered])),
        (&succeeded, json!({"accepted": 0}), suspect("2 of 2 refused")),
        (&succeeded, json!({"accepted": 3}), unreadable("it counts more than was sent")),
    ];
    for (outcome, answer, expected) in cases {
        assert_eq!(read(outcome, answer.to_string().as_bytes(), 2), expected, "{answer}");
    }
    assert_eq!(read(&list, b"", 2), unreadable("its body is empty"));
    assert!(read(&list, b"<html>", 2).is_err());
}

#[test]
fn declarations_are_checked() {
    let template = json!({"templatingStrategy": "PEBBLE_V1", "value": "{{ entry.id"});
    let cases: &[(Json, &[&str])] = &[
        (json!([]), &[""]),
        (json!({}), &["type"]),
        (json!({"type": "OTHER"}), &["type"]),
        (json!({"type": "STATUS_LIST"}), &["success", "list"]),
        (json!({"type": "STATUS_LIST", "list": "results", "success": []}), &["list", "success"]),
        (json!({"type": "FAILED_INDEXES", "list": "$.e", "firstIndex": 2, "extra": 1}), &["firstIndex", "extra"]),
        (json!({"type": "FAILED_IDS", "list": "$.e"}), &["entryId"]),
        (json!({"type": "FAILED_IDS", "list": "$.e", "entryId": template}), &["entryId.value"]),
        (json!({"type": "COUNTS"}), &["failed"]),
        (json!({"type": "COUNTS", "failed": "$.a", "succeeded": "$.b"}), &["failed"]),
        (json!({"type": "COUNTS", "failed": "$.a", "list": "$.b"}), &["list"]),
        (json!({"type": "COUNTS", "failed": "$.a", "statuses": ["2xx", 700]}), &["statuses"]),
        (json!({"type": "COUNTS", "failed": "$.a", "statuses": []}), &["statuses"]),
    ];
    for (json, expected) in cases {
        let faults = Outcome::parse(json).expect_err("refused");
        assert_eq!(&faults.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), expected, "{json}");
    }
    let statuses = outcome(json!({"type": "COUNTS", "failed": "$.a", "statuses": ["2xx", 400]}));
    assert!(statuses.applies(207) && statuses.applies(400) && !statuses.applies(401));
}

proptest! {
    #[test]
    fn any_answer_is_read(body in prop::collection::vec(any::<u8>(), 0..64), entries in 0usize..4) {
        for outcome in declared() {
            let _ = read(&outcome, &body, entries);
        }
    }

    #[test]
    fn any_json_is_read(value in any_json(), entries in 0usize..4) {
        let fields = ["results", "errors", "invalid", "failed", "accepted"];
        let body = Json::Object(fields.iter().map(|f| ((*f).to_owned(), value.clone())).collect()).to_string();
        for outcome in declared() {
            if let Ok(Reading::Each(each)) = read(&outcome, body.as_bytes(), entries) {
                prop_assert_eq!(each.len(), entries);
            }
        }
    }
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        (-2i64..4).prop_map(Json::from),
        prop::sample::select(vec!["ok", "id0", "id1", "slow", ""]).prop_map(Json::from)
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        let name = prop::sample::select(vec!["status", "at", "id", "code", "why"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec((name, inner), 0..4)
                .prop_map(|fields| fields.into_iter().map(|(n, v)| (n.to_owned(), v)).collect()),
        ]
    })
}
