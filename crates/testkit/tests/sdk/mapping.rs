//! Mapping ids that customers enter, and mappings that the author fixes (destination-sdk.md §3.6, §3.9).

use crate::scene::{Scene, identity, pebble};
use serde_json::{Value as Json, json};

const BODY: &str = r#"{"people":[{% for p in input.profiles %}{"ln":"{{ p.attributes.ln.value }}","tier":"{{ p.attributes.tier.value }}","add":[{% for s in p.segmentMembership.ups | added %}"{{ destination.namespaceSegmentAliases["ups"][s.key] }}"{% if not loop.last %},{% endif %}{% endfor %}]}{% if not loop.last %},{% endif %}{% endfor %}]}"#;

#[test]
fn entered_ids_and_fixed_mappings() {
    let scene = Scene::new();
    let server = scene.server(&json!({ "httpTemplate": { "requestBody": pebble(BODY) } }));
    let mut destination = Scene::destination(&server, &json!({}));
    destination["segmentMappingConfig"]["mapExperiencePlatformSegmentName"] = json!(false);
    destination["segmentMappingConfig"]["mapUserInput"] = json!(true);
    destination["schemaConfig"]["requiredMappings"] = json!([
        { "sourceType": "text/x.schema-path", "source": "person.name.lastName", "destination": "ln" },
        { "destination": "tier", "mandatoryRequired": true },
    ]);
    scene.author("destinations", &destination);
    let to = scene.connect("Partner", &Json::Null, &json!({}));
    let vips = scene.vips();
    let flow = scene.flow(&to, &[], &[identity("identityMap.Email", "identityMap.email")]);
    let map = |value: Json, tier: bool| {
        let at = |list: &str| format!("/transformations/0/params/{list}/selectors/-");
        let audience = json!({ "type": "PLATFORM_SEGMENT", "value": value });
        let mut operations = vec![json!({ "op": "add", "path": at("segmentSelectors"), "value": audience })];
        if tier {
            let mapping = crate::scene::attribute("personalEmail.address", "tier");
            operations.insert(0, json!({ "op": "add", "path": at("profileSelectors"), "value": mapping }));
        }
        scene.world.patch_flow(&flow, &json!(operations))
    };
    let without_id = map(json!({ "id": vips, "name": "Vips" }), true);
    assert!(without_id.status == 400 && without_id.text.contains("mappingId"), "{without_id:?}");
    let with_id = json!({ "id": vips, "name": "Vips", "mappingId": "6001" });
    let without_tier = map(with_id.clone(), false);
    assert!(without_tier.status == 400 && without_tier.text.contains("tier"), "{without_tier:?}");
    map(with_id, true).ok();
    let shown = scene.world.get_flow(&flow).to_string();
    assert!(shown.contains("\"6001\"") && shown.contains("\"ln\""), "{shown}");
    let tiered = scene.world.record(
        &[("CRMID", "c0"), ("Email", "Person0@Example.com")],
        json!({ "person": { "name": { "lastName": "L0", "firstName": "Vip" } }, "personalEmail": { "address": "gold@example.com" } }),
    );
    // Without the mandatory attribute nobody is sent.
    scene.world.send_and_settle(&[tiered, scene.person(1, "L1", "Vip")]);
    assert_eq!(
        scene.entries("/in"),
        [json!({ "ln": "L0", "tier": "gold@example.com", "add": ["6001"] })],
        "{}",
        scene.world.ledger(&flow)
    );
    let ledger = scene.world.ledger(&flow);
    let filtered: u64 = ledger["filtered"].as_object().expect("reasons").values().filter_map(Json::as_u64).sum();
    assert_eq!((&ledger["exported"], filtered, &ledger["balanced"]), (&json!(1), 1, &json!(true)), "{ledger}");
}
