//! Bad input of the segmentation service: each refusal names the field and the rule, and changes nothing.

use super::{GOLD, UPS, message};
use serde_json::{Value as Json, json};
use testkit::World;

/// Path, body and how the message begins.
type Case = (&'static str, Json, &'static str);

fn jobs_and_previews(gold: &str) -> Vec<Case> {
    let (jobs, preview) = ("ups/segment/jobs", "ups/preview");
    let twice = json!([{ "segmentId": gold }, { "segmentId": gold }]);
    vec![
        (jobs, json!({}), "body: must be an array of"),
        (jobs, json!([]), "body: must name 1 to 1500 segments, or `*`; names 0"),
        (jobs, json!([{}]), "[0].segmentId: is required"),
        (jobs, json!([{ "segmentId": "x" }]), "[0].segmentId: there is no segment definition `x`"),
        (jobs, json!([{ "segmentId": "*" }, { "segmentId": gold }]), "[0].segmentId: `*` stands alone"),
        (jobs, twice, "[1].segmentId: `"),
        (preview, json!({}), "predicateExpression: is required"),
        (preview, json!({ "predicateExpression": "1 +" }), "predicateExpression, line 1, column"),
        (preview, json!({ "predicateExpression": "person.shoe = 1" }), "predicateExpression, line 1, column"),
        (
            preview,
            json!({ "predicateExpression": "true", "graphType": "none" }),
            "graphType: `none` is not supported yet",
        ),
        (preview, json!({ "predicateExpression": "true", "predicateModel": "x" }), "predicateModel: must be"),
        (
            preview,
            json!({ "predicateExpression": "true", "mergePolicyId": "x" }),
            "mergePolicyId: there is no merge policy `x`",
        ),
    ]
}

fn exports(world: &World, gold: &str) -> Vec<Case> {
    let exports = "ups/export/jobs";
    let export = |member: &str, value: Json| {
        let mut body = json!({
            "fields": "person.name", "schema": { "name": "_xdm.context.profile" },
            "destination": { "datasetId": world.profile.dataset },
        });
        body[member] = value;
        body
    };
    let segments = |value: Json| export("filter", json!({ "segments": [value] }));
    vec![
        (exports, export("schema", Json::Null), "schema: is required"),
        (exports, export("fields", json!("person.shoe")), "fields: the union schema has no field `person.shoe`"),
        (exports, export("fields", json!("person.*.x")), "fields: must be paths such as"),
        (
            exports,
            export("destination", json!({ "datasetId": "x" })),
            "destination.datasetId: there is no data set `x`",
        ),
        (exports, export("fields", json!("person.name")), "destination.datasetId: must be a data set of the schema"),
        (exports, export("mergePolicy", json!({ "id": "x" })), "mergePolicy.id: there is no merge policy `x`"),
        (exports, segments(json!({ "segmentId": "x" })), "filter.segments[0].segmentId: there is no audience `x`"),
        (
            exports,
            segments(json!({ "segmentId": gold, "segmentNs": "aam" })),
            "filter.segments[0].segmentNs: memberships",
        ),
        (exports, segments(json!({ "segmentId": gold, "status": ["lost"] })), "filter.segments[0].status: must hold"),
        (
            exports,
            export("filter", json!({ "fromIngestTimestamp": "soon" })),
            "filter.fromIngestTimestamp: must be a date-time",
        ),
        (
            exports,
            export(
                "additionalFields",
                json!({ "eventList": { "filter": { "fromIngestTimestamp": "2026-01-01T00:00:00Z" } } }),
            ),
            "additionalFields.eventList.filter.fromIngestTimestamp: is not supported",
        ),
    ]
}

fn audiences() -> Vec<Case> {
    let (audiences, external) = ("ups/audiences", "ais/external-audience/submit");
    let submit = |member: &str, value: Json| {
        let mut body = json!({ "name": "x", "fields": [{ "name": "crm", "identityNs": "CRMID" }] });
        body[member] = value;
        body
    };
    let source = |value: Json| submit("sourceSpec", value);
    vec![
        (audiences, json!({ "name": "x", "type": "ExternalSegment" }), "type: external audiences are made by POST"),
        (
            audiences,
            json!({ "audienceId": "a", "type": "ExternalSegment", "namespace": "aam" }),
            "type: external audiences are made by POST",
        ),
        (
            audiences,
            json!({
                "name": "x", "ttlInDays": 60, "schema": { "name": "_xdm.context.profile" },
                "expression": { "type": "PQL", "format": "pql/text", "value": "true" },
            }),
            "ttlInDays: must be 30, for so long exits are kept",
        ),
        (
            audiences,
            json!({ "name": "x", "lifecycleState": "inactive" }),
            "lifecycleState: a new audience is draft or published",
        ),
        (
            audiences,
            json!({ "name": "x", "labels": ["C1"] }),
            "labels[0]: must be a label such as `core/C1`, is `\"C1\"`",
        ),
        (external, submit("audienceType", json!("accounts")), "audienceType: must be `people`, is `accounts`"),
        (external, submit("ttlInDays", json!(91)), "ttlInDays: must be a whole number from 1 to 90, is `91`"),
        (external, submit("fields", json!([{ "name": "a" }])), "fields: one field must have an identityNs"),
        (
            external,
            submit("fields", json!([{ "name": "a", "identityNs": "Nope" }])),
            "fields[0].identityNs: there is no identity namespace",
        ),
        (external, submit("fields", json!([])), "fields: must have 1 to 25 fields, has 0"),
        (external, source(json!({ "path": "a.csv" })), "sourceSpec.cloudType: must be `DLZ`"),
        (
            external,
            source(json!({ "params": { "path": "../a", "cloudType": "DLZ" } })),
            "sourceSpec.params.path: must be a relative path",
        ),
        (
            external,
            source(json!({ "path": "/etc/passwd", "cloudType": "DLZ" })),
            "sourceSpec.path: must be a relative path",
        ),
    ]
}

#[test]
fn bad_requests_are_refused_by_name_and_change_nothing() {
    let world = World::new();
    let gold = world.audience("gold", GOLD);
    let cases = [jobs_and_previews(&gold), exports(&world, &gold), audiences()].concat();
    for (path, body, said) in cases {
        let refused = world.api.post(&format!("/data/core/{path}"), &body).expect(400).json;
        assert!(message(&refused).starts_with(said), "{path} {body}: {refused}");
        let code = refused["type"].as_str().unwrap_or_default();
        assert!(code.starts_with("https://ns.adobe.com/aep/errors/UPAPI-"), "{refused}");
    }
    for (path, count) in [("segment/jobs", "/_page/totalCount"), ("export/jobs", "/page/totalCount")] {
        let list = world.api.get(&format!("{UPS}/{path}")).ok();
        assert_eq!(list.pointer(count), Some(&json!(0)), "{list}");
    }
    assert_eq!(world.api.get(&format!("{UPS}/audiences")).ok()["_page"]["totalCount"], 1);
}

/// Before a request is read, too, errors have the shape of this service (profile.md §1.2).
#[test]
fn what_cannot_be_read_is_refused_in_the_same_shape() {
    let world = World::new();
    let (json, csv) = ("application/json", "text/csv");
    for (path, body, kind, sandbox, status, code, said) in [
        ("ups/audiences", "{", json, "prod", 400, "UPLIB-101206-500", "There is a problem extracting the user JSON"),
        ("ups/segment/definitions", "", json, "prod", 400, "UPLIB-101206-500", "There is a problem extracting"),
        ("ups/preview", "{}", "text/plain", "prod", 400, "UPAPI-113434-400", "A valid content-type must be specified"),
        ("ups/segment/jobs", "[]", json, "nope", 404, "UPAPI-113430-404", "there is no sandbox \"nope\""),
        ("ais/external-audience/submit", "x", json, "prod", 400, "UPLIB-101206-500", "There is a problem extracting"),
        (
            "ais/external-audience/x/upload",
            "a",
            json,
            "prod",
            400,
            "UPAPI-113434-400",
            "the content-type must be text/csv",
        ),
        ("ais/external-audience/x/upload", "a", csv, "prod", 404, "UPAPI-113430-404", "The external audience x"),
    ] {
        let api = world.api.with("x-sandbox-name", sandbox);
        let headers = [("content-type", kind), ("x-request-id", "r-1")];
        let answer = api.send("POST", &format!("/data/core/{path}"), Some(body.into()), &headers).expect(status);
        let refused = &answer.json;
        assert_eq!(refused["type"], format!("https://ns.adobe.com/aep/errors/{code}"), "{path}: {refused}");
        assert_eq!((&refused["status"], &refused["requestId"]), (&json!(status), &json!("r-1")), "{path}: {refused}");
        assert_eq!(refused["errors"][status.to_string()][0]["code"], code, "{path}: {refused}");
        assert!(message(refused).starts_with(said), "{path}: {refused}");
    }
    let schemas = "/data/foundation/schemaregistry/tenant/schemas";
    let refused = world.api.send("POST", schemas, Some("{".into()), &[("content-type", json)]).expect(400).json;
    assert_eq!(refused["type"], "http://ns.adobe.com/aep/errors/XDM-1030-400", "{refused}");
}

#[test]
fn what_there_is_not_is_not_found() {
    let world = World::new();
    for path in [
        "ups/audiences/x",
        "ups/segment/jobs/x",
        "ups/config/schedules/x",
        "ups/preview/x",
        "ups/estimate/x",
        "ups/export/jobs/7",
        "ais/external-audience/task/x",
        "ais/external-audience/x/runs",
        "ais/external-audience/x/runs/y",
    ] {
        let answer = world.api.get(&format!("/data/core/{path}")).expect(404).json;
        assert!(message(&answer).contains("is not found"), "{path}: {answer}");
    }
}
