//! Search over audiences.

use super::{GOLD, UPS, message};
use serde_json::{Value as Json, json};
use testkit::World;

const CLASS: &str = "schema.name=_xdm.context.segmentdefinition";

#[test]
fn namespaces_entities_and_taxonomy_are_found() {
    let world = World::new();
    let ids: Vec<String> = ["Gold one", "Gold two", "Silver"].iter().map(|name| world.audience(name, GOLD)).collect();
    let get = |path: &str| world.api.with("x-ups-search-version", "1.0").get(&format!("{UPS}/search/{path}"));
    let namespaces = get(&format!("namespaces?{CLASS}")).ok();
    let expected = json!([{ "namespace": "AEPSegments", "displayName": "AEPSegments", "count": 3 }]);
    assert_eq!((&namespaces["namespaces"], &namespaces["totalCount"]), (&expected, &json!("1")), "{namespaces}");
    let entities =
        get("entities?schemaClass=_xdm.context.segmentdefinition&namespace=AEPSegments&s=name:gold&limit=1&page=1");
    let entities = entities.ok();
    assert_eq!(
        (&entities["entities"][0]["id"], &entities["page"]["totalCount"]),
        (&json!(ids[1]), &json!(2)),
        "{entities}"
    );
    assert_eq!(get(&format!("entities?{CLASS}&namespace=AAMTraits")).ok()["entities"], json!([]));
    let taxonomy = get(&format!("taxonomy?{CLASS}&namespace=AEPSegments&entityId={}", ids[2])).ok();
    let first = &taxonomy["taxonomy"][0];
    assert_eq!((&first["name"], &first["parentFolderId"]), (&json!("Silver"), &json!("root")), "{taxonomy}");
    let unknown = get(&format!("taxonomy?{CLASS}&namespace=AEPSegments&entityId=nobody")).ok();
    assert_eq!(unknown, json!({ "taxonomy": [], "status": { "message": "Cannot find entityId nobody." } }));
    for (path, said) in [
        ("namespaces".to_owned(), "schema.name: is required"),
        ("namespaces?schema.name=x".to_owned(), "schema.name: must be"),
        (format!("entities?{CLASS}"), "namespace: is required"),
        (format!("entities?{CLASS}&namespace=Mine"), "namespace: must be one of"),
        (format!("entities?{CLASS}&namespace=AEPSegments&s=name:(gold"), "s: has a `(` without its `)`"),
        (format!("entities?{CLASS}&namespace=AEPSegments&limit=51"), "limit: must be a whole number from 1 to 50"),
        (format!("taxonomy?{CLASS}&namespace=AEPSegments"), "entityId: is required"),
    ] {
        let refused: Json = get(&path).expect(400).json;
        assert!(message(&refused).starts_with(said), "{path}: {refused}");
    }
}
