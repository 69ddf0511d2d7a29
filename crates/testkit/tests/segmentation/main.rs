//! The segmentation service as clients see it: jobs, schedules, previews, exports, audiences, uploads, search.

mod audiences;
mod exports;
mod external;
mod jobs;
mod previews;
mod refusals;
mod schedules;
mod search;

use serde_json::{Value as Json, json};
use testkit::{World, until};

const UPS: &str = "/data/core/ups";
const GOLD: &str = "person.name.lastName = \"gold\"";
const BUYERS: &str =
    r#"xEvent[eventType = "commerce.purchases" and timestamp occurs <= 7 days before now].count() >= 1"#;

/// Five people: three are gold, two of them and one other bought something.
fn people(world: &World) {
    for (id, name) in [("a", "gold"), ("b", "gold"), ("c", "gold"), ("d", "silver"), ("e", "silver")] {
        world.send(&[world.person(&[("CRMID", id)], name)]);
    }
    for id in ["a", "b", "d"] {
        world.send(&[world.purchase(&format!("p-{id}"), &[("CRMID", id)], "2026-03-01T11:00:00Z", 10.0)]);
    }
    world.server.settle();
}

/// Somebody gold, who opted out in general or did not.
fn with_consent(world: &World, id: &str, general_opt_out: &str) {
    let details =
        ["profile-person-details", "profile-privacy"].map(|g| format!("https://ns.adobe.com/xdm/context/{g}"));
    let people = world.target(
        &format!("Consents of {id}: {general_opt_out}"),
        "https://ns.adobe.com/xdm/context/profile",
        &details,
    );
    let consent = json!({ "optOutType": "general_opt_out", "optOutValue": general_opt_out, "timestamp": World::START });
    let entity = json!({
        "identityMap": { "CRMID": [{ "id": id, "primary": true }] }, "person": { "name": { "lastName": "gold" } },
        "optOutConsentLevel": { "privacyOptOuts": [consent] },
    });
    world.send_and_settle(&[testkit::message(&world.org, &people, &entity)]);
}

/// Waits until the document at the path has one of the statuses, and gives it.
fn ended(world: &World, path: &str, statuses: &[&str]) -> Json {
    until(
        &format!("{path} becomes {statuses:?}"),
        || world.api.get(path).ok(),
        |doc| statuses.iter().any(|status| doc["status"] == *status || doc["state"] == *status),
    )
}

/// The first message of an error of this service.
fn message(body: &Json) -> String {
    let errors = body["errors"].as_object().unwrap_or_else(|| panic!("no errors in {body}"));
    let first = errors.values().next().and_then(|list| list[0]["message"].as_str());
    first.unwrap_or_else(|| panic!("no message in {body}")).to_owned()
}

/// Starts a job over audiences and waits for its end.
fn job(world: &World, audiences: &[&str]) -> Json {
    let body: Json = audiences.iter().map(|id| json!({ "segmentId": id })).collect();
    let made = world.api.post(&format!("{UPS}/segment/jobs"), &body).ok();
    let id = made["id"].as_str().expect("an id");
    ended(world, &format!("{UPS}/segment/jobs/{id}"), &["SUCCEEDED", "FAILED"])
}
