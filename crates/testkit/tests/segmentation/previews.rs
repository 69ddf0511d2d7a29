//! Previews read stored profiles for a predicate that is not kept.

use super::{BUYERS, GOLD, UPS, ended, people, with_consent};
use serde_json::{Value as Json, json};
use testkit::World;

fn preview(world: &World, pql: &str) -> Json {
    let body = json!({
        "predicateExpression": pql, "predicateType": "pql/text",
        "predicateModel": "_xdm.context.profile", "graphType": "pdg",
    });
    let answer = world.api.post(&format!("{UPS}/preview"), &body).expect(201);
    let id = answer.json["previewId"].as_str().expect("an id").to_owned();
    assert!(answer.header("x-location").is_some_and(|place| place.ends_with(&id)), "{answer:?}");
    ended(world, &format!("{UPS}/preview/{id}"), &["RESULT_READY"]);
    answer.json
}

#[test]
fn a_preview_finds_who_fits_and_an_estimate_counts_them() {
    let world = World::new();
    people(&world);
    for (pql, fits) in [(GOLD, 3), (BUYERS, 3), ("person.name.lastName = \"tin\"", 0), ("true", 5)] {
        let made = preview(&world, pql);
        let id = made["previewId"].as_str().expect("an id");
        let found = world.api.get(&format!("{UPS}/preview/{id}")).ok();
        let results = found["results"].as_array().expect("results");
        assert_eq!(results.len(), fits, "{pql}: {found}");
        let estimate = world.api.get(&format!("{UPS}/estimate/{id}")).ok();
        let figures = ["estimatedSize", "profilesMatchedSoFar", "profilesReadSoFar", "totalRows", "numRowsToRead"];
        assert_eq!(figures.map(|f| estimate[f].clone()), [fits, fits, 5, 5, 5].map(Json::from), "{pql}: {estimate}");
        assert_eq!((&estimate["standardError"], &estimate["state"]), (&json!(0), &json!("RESULT_READY")));
        for result in results {
            let xid = result["relatedObjects"][0]["objectId"].as_str().expect("an XID");
            let path = format!("{UPS}/access/entities?schema.name=_xdm.context.profile&entityId={xid}");
            assert!(world.api.get(&path).ok()[xid]["entity"].is_object(), "{result}");
        }
    }
}

/// As many as `plan` foretells, and as the audience then has (profile.md §10.4).
#[test]
fn who_opted_out_is_not_counted() {
    let world = World::new();
    with_consent(&world, "in", "in");
    with_consent(&world, "out", "out");
    let made = preview(&world, GOLD);
    let id = made["previewId"].as_str().expect("an id");
    let found = world.api.get(&format!("{UPS}/preview/{id}")).ok();
    assert_eq!(found["results"].as_array().map(Vec::len), Some(1), "{found}");
    let estimate = world.api.get(&format!("{UPS}/estimate/{id}")).ok();
    assert_eq!((&estimate["estimatedSize"], &estimate["totalRows"]), (&json!(1), &json!(2)), "{estimate}");
    let gold = world.audience("gold", GOLD);
    world.server.settle();
    assert_eq!(world.members(&gold), 1);
}

#[test]
fn results_come_in_pages_and_a_cancelled_preview_is_gone() {
    let world = World::new();
    people(&world);
    let made = preview(&world, "true");
    let path = format!("{UPS}/preview/{}", made["previewId"].as_str().expect("an id"));
    let mut seen = Vec::new();
    for (offset, size) in [(0, 2), (2, 2), (4, 1)] {
        let page = world.api.get(&format!("{path}?offset={offset}&limit=2")).ok();
        assert_eq!(page["page"], json!({ "offset": offset, "size": size, "totalCount": 5 }), "{page}");
        assert_eq!(page["link"].as_str().is_some_and(|link| !link.is_empty()), offset < 4, "{page}");
        seen.extend(page["results"].as_array().expect("results").iter().map(|r| r["objectId"].to_string()));
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 5);
    assert_eq!(world.api.call("DELETE", &path, None).ok()["status"], true);
    world.api.get(&path).expect(404);
    world.api.call("DELETE", &path, None).expect(404);
    world.api.get(&path.replace("/preview/", "/estimate/")).expect(404);
}
