//! Data sets as clients of the catalog see them.

mod world;

use registry::Kind;
use registry::{catalog, dataset};
use serde_json::{Value as Json, json};
use world::{SANDBOX, World, data_set_body, union_tag};

const IDENTITY_MAP: &str = "https://ns.adobe.com/xdm/context/identitymap";

fn list(world: &World, parameters: &[(&str, &str)]) -> Result<Vec<String>, String> {
    let owned: Vec<(String, String)> = parameters.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let listed = world.call(|docs, caller| catalog::list(docs, caller, &owned)).map_err(|e| e.detail)?;
    Ok(listed
        .as_object()
        .expect("keyed by id")
        .values()
        .map(|d| d["name"].as_str().unwrap_or_default().to_owned())
        .collect())
}

#[test]
fn a_data_set_feeds_profiles_once_its_schema_is_in_a_union() {
    let mut world = World::new();
    let schema = world.schema("Customers", &[IDENTITY_MAP]);
    let tags = json!({"unifiedProfile": ["enabled: true", "isUpsert: true"], "unifiedIdentity": ["enabled: true"]});
    let error = world.data_set(data_set_body(&schema, tags.clone())).expect_err("not in a union");
    assert_eq!(error.detail, format!("tags.unifiedProfile: the schema {schema} is not enabled for Profile (union)"));
    world.patch(Kind::Schema, &schema, union_tag()).expect("tagged");
    let id = world.data_set(data_set_body(&schema, tags)).expect("created");
    let info = dataset(&world.docs, SANDBOX, &id).expect("stored");
    assert!(info.profile_enabled && info.identity_enabled && info.upsert);
    assert_eq!(id.len(), 24);
    let shown = world.call(|docs, caller| catalog::get(docs, caller, &id, &[])).expect("found");
    assert_eq!(shown[&id]["schemaRef"]["id"], schema);
}

#[test]
fn both_forms_of_change_work() {
    let mut world = World::new();
    let schema = world.schema("Customers", &[IDENTITY_MAP]);
    world.patch(Kind::Schema, &schema, union_tag()).expect("tagged");
    let mut body = data_set_body(&schema, json!({}));
    body.as_object_mut().expect("object").remove("tags");
    let id = world.data_set(body).expect("created");
    let operations = json!([
        {"op": "add", "path": "/tags/unifiedProfile", "value": ["enabled:true", "isUpsert:true"]},
        {"op": "add", "path": "/tags/unifiedIdentity", "value": ["enabled:true"]},
    ]);
    let mut patch = |body: Json| world.change(|docs, caller| catalog::patch(docs, caller, &id, &body));
    assert_eq!(patch(operations).expect("changed"), json!([format!("@/dataSets/{id}")]));
    patch(json!({"description": "All", "tags": {"adobe/pqs/table": ["customers"]}})).expect("changed");
    let refused = [
        json!({"schemaRef": {"id": "https://ns.adobe.com/acme/schemas/none"}}),
        json!({"tags": {"unifiedProfile": ["on"]}}),
        json!({"tags": {"unifiedProfile": "enabled:true"}}),
        json!({"extensions": {"adobe_lakeHouse": {"rowExpiration": {"ttlValue": "P3Y"}}}}),
        json!({"name": null}),
        json!({"fileDescription": {"format": "xls"}}),
        json!([{"op": "remove", "path": "/tags/none"}]),
    ];
    let lines: Vec<String> = refused.into_iter().map(|body| patch(body).expect_err("refused").detail).collect();
    insta::assert_snapshot!("data_set_refusals", lines.join("\n"));
    let shown = world.call(|docs, caller| catalog::get(docs, caller, &id, &[])).expect("found");
    assert_eq!((&shown[&id]["description"], &shown[&id]["version"]), (&json!("All"), &json!("1.0.2")));
    assert_eq!(shown[&id]["tags"]["unifiedProfile"], json!(["enabled:true", "isUpsert:true"]));
}

#[test]
fn lists_filter_sort_and_page() {
    let mut world = World::new();
    let schema = world.schema("Customers", &[]);
    for name in ["b", "a", "c"] {
        let mut body = data_set_body(&schema, json!({"team": [name, "all"]}));
        body["name"] = json!(name);
        world.data_set(body).expect("created");
    }
    assert_eq!(list(&world, &[]).expect("listed"), ["b", "a", "c"]);
    assert_eq!(list(&world, &[("orderBy", "desc:name"), ("limit", "2")]).expect("listed"), ["c", "b"]);
    assert_eq!(list(&world, &[("orderBy", "asc:name"), ("start", "2")]).expect("listed"), ["c"]);
    assert_eq!(list(&world, &[("property", "name~^[ab]$")]).expect("listed"), ["b", "a"]);
    assert_eq!(list(&world, &[("tags", "team:c")]).expect("listed"), ["c"]);
    assert_eq!(list(&world, &[("name", "a")]).expect("listed"), ["a"]);
    assert_eq!(list(&world, &[("limit", "101")]), Err("limit: must be 1 to 100, is 101".to_owned()));
    assert_eq!(list(&world, &[("colour", "red")]), Err("colour is no query parameter of this list".to_owned()));
}
