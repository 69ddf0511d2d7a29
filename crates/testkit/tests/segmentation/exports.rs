//! Export jobs write fields of profiles as batches of a data set.

use super::{BUYERS, GOLD, UPS, ended, people, with_consent};
use serde_json::{Value as Json, json};
use testkit::{World, until};

const UNION: &str = "https://ns.adobe.com/xdm/context/profile__union";

fn dataset(world: &World, name: &str) -> String {
    let reference = json!({ "id": UNION, "contentType": "application/vnd.adobe.xed+json;version=1" });
    let made = world.api.post("/data/foundation/catalog/dataSets", &json!({ "name": name, "schemaRef": reference }));
    made.ok()[0].as_str().and_then(|id| id.rsplit('/').next()).expect("an id").to_owned()
}

fn export(world: &World, body: &Json) -> Json {
    let made = world.api.post(&format!("{UPS}/export/jobs"), body).expect(200);
    let id = made.json["id"].as_u64().expect("a number");
    assert!(made.header("x-location").is_some_and(|place| place.ends_with(&id.to_string())), "{made:?}");
    ended(world, &format!("{UPS}/export/jobs/{id}"), &["SUCCEEDED", "FAILED"])
}

fn rows(world: &World, path: &Json) -> Vec<Json> {
    let file = world.server.data_dir().join(path.as_str().expect("a path")).join("part-00000.jsonl");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let mut rows: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    rows.sort_by_key(Json::to_string);
    rows
}

#[test]
fn an_export_writes_the_fields_of_members() {
    let world = World::new();
    let gold = world.audience("gold", GOLD);
    people(&world);
    let dataset = dataset(&world, "export");
    let body = |more: Json| {
        let mut body = json!({
            "fields": "person.name.lastName,identities.id", "schema": { "name": "_xdm.context.profile" },
            "filter": { "segments": [{ "segmentId": gold, "segmentNs": "ups", "status": ["realized"] }] },
            "destination": { "datasetId": dataset },
        });
        for (name, value) in more.as_object().expect("members") {
            body[name] = value.clone();
        }
        body
    };
    let job = export(&world, &body(json!({})));
    assert_eq!(job["status"], "SUCCEEDED", "{job}");
    let row = |id: &str| json!({ "person": { "name": { "lastName": "gold" } }, "identities": [{ "id": id }] });
    assert_eq!(rows(&world, &job["destination"]["path"]), ["a", "b", "c"].map(row), "{job}");
    assert_eq!(job["metrics"]["totalExportedProfileCounter"], 3, "{job}");
    // Everybody, all fields, with events.
    let all =
        json!({ "fields": null, "filter": {}, "additionalFields": { "eventList": { "fields": "_id,timestamp" } } });
    let job = export(&world, &body(all));
    let all = rows(&world, &job["destination"]["path"]);
    assert_eq!(all.len(), 5, "{job}");
    let of_a = all.iter().find(|row| row["identityMap"]["CRMID"][0]["id"] == "a").expect("a");
    assert_eq!(of_a["segmentMembership"]["ups"][&gold]["status"], "realized", "{of_a}");
    assert_eq!(of_a["eventList"], json!([{ "_id": "p-a", "timestamp": "2026-03-01T11:00:00Z" }]), "{of_a}");
    // Time of qualification.
    let filter = |from: &str| {
        json!({ "filter": {
            "segments": [{ "segmentId": gold }], "segmentQualificationTime": { "startTime": from },
        } })
    };
    let count = |more: Json| export(&world, &body(more))["metrics"]["totalExportedProfileCounter"].clone();
    assert_eq!(count(filter("2026-03-01 12:00:00+00:00")), 3);
    assert_eq!(count(filter("2026-03-01T12:30:00Z")), 0);
    // What was exported goes with its data set.
    let exported = world.server.data_dir().join(format!("exports/{dataset}"));
    assert!(exported.is_dir(), "{}", exported.display());
    // A job has confirmed the members: they are existing, no longer realized.
    super::job(&world, &[&gold]);
    assert_eq!(count(json!({})), 0);
    assert_eq!(count(json!({ "filter": { "segments": [{ "segmentId": gold, "status": ["existing"] }] } })), 3);
    world.api.call("DELETE", &format!("/data/foundation/catalog/dataSets/{dataset}"), None).expect(200);
    until("the files go", || exported.exists(), |exists| !exists);
}

/// Whatever the filter, and though one audience takes them: who opted out in general is not exported.
#[test]
fn who_opted_out_is_not_exported() {
    let world = World::new();
    let gold = world.audience("gold", GOLD);
    let everybody = json!({
        "name": "everybody", "schema": { "name": "_xdm.context.profile" },
        "expression": { "type": "PQL", "format": "pql/text", "value": GOLD },
        "dataGovernancePolicy": { "excludeOptOut": false },
    });
    let everybody = world.api.post(&format!("{UPS}/segment/definitions"), &everybody).ok();
    let everybody = everybody["id"].as_str().expect("an id");
    with_consent(&world, "in", "in");
    with_consent(&world, "out", "out");
    assert_eq!((world.members(&gold), world.members(everybody)), (1, 2));
    let dataset = dataset(&world, "export");
    let row = json!({ "identityMap": { "CRMID": [{ "id": "in" }] } });
    for (filter, per_batch) in [
        (json!({}), false),
        (json!({ "segments": [{ "segmentId": everybody }] }), false),
        (json!({ "segments": [{ "segmentId": everybody }] }), true),
    ] {
        let body = json!({
            "fields": "identityMap.*", "schema": { "name": "_xdm.context.profile" }, "filter": filter,
            "destination": { "datasetId": dataset, "segmentPerBatch": per_batch },
        });
        let job = export(&world, &body);
        let of = if per_batch { &job["destination"]["batches"][everybody] } else { &job["destination"] };
        assert_eq!(rows(&world, &of["path"]), std::slice::from_ref(&row), "{filter}: {job}");
        assert_eq!(job["metrics"]["totalExportedProfileCounter"], 1, "{filter}: {job}");
    }
}

#[test]
fn each_audience_can_have_its_own_batch() {
    let world = World::new();
    let (gold, buyers) = (world.audience("gold", GOLD), world.audience("buyers", BUYERS));
    people(&world);
    let dataset = dataset(&world, "export");
    let job = export(
        &world,
        &json!({
            "fields": "identityMap.*", "schema": { "name": "_xdm.context.profile" },
            "filter": { "segments": [{ "segmentId": gold }, { "segmentId": buyers }] },
            "destination": { "datasetId": dataset, "segmentPerBatch": true },
        }),
    );
    let batches = &job["destination"]["batches"];
    for (audience, members) in [(&gold, ["a", "b", "c"]), (&buyers, ["a", "b", "d"])] {
        let row = |id: &str| json!({ "identityMap": { "CRMID": [{ "id": id }] } });
        assert_eq!(rows(&world, &batches[audience]["path"]), members.map(row), "{job}");
    }
    let list = world.api.get(&format!("{UPS}/export/jobs?status=SUCCEEDED&limit=1")).ok();
    assert_eq!((&list["records"][0]["id"], &list["page"]["totalCount"]), (&job["id"], &json!(1)), "{list}");
    let path = format!("{UPS}/export/jobs/{}", job["id"]);
    assert_eq!(world.api.call("DELETE", &path, None).ok()["message"], "Export job has been deleted");
    world.api.get(&path).expect(404);
}
