//! Every rule of a flow body.

use super::*;

#[test]
fn flow_creation_is_checked() {
    let mut world = World::new();
    let (base, source, target) = world.ends();
    let body = flow_body(&source, &target);
    let with = |member: &str, value: Json| {
        let mut body = body.clone();
        body[member] = value;
        body
    };
    let params = |params: Json| with("transformations", json!([{ "name": "GeneralTransform", "params": params }]));
    let audiences = |list: Json| params(json!({ "segmentSelectors": { "selectors": list } }));
    let attributes = |list: Json| params(json!({ "profileSelectors": { "selectors": list } }));
    let audience_with = |name: &str, value: Json| {
        let mut selector = audience("aud-1");
        selector["value"][name] = value;
        audiences(json!([selector]))
    };
    let attribute_with = |name: &str, value: Json| {
        let mut selector = attribute("loyalty.points");
        selector["value"][name] = value;
        attributes(json!([selector]))
    };
    let cases: Vec<(Json, &str, String)> = vec![
        (with("state", json!("enabled")), "1410-400", "state cannot be given on create; use the action endpoint afterwards".into()),
        (with("flowSpec", json!({ "id": HTTP_API_FLOW })), "1425-422", "flowSpec.version is missing".into()),
        (with("flowSpec", spec("1a0514a6-33d4-4c7f-aff8-594799c47549")), "1413-400", "flowSpec.id 1a0514a6-33d4-4c7f-aff8-594799c47549 (Amazon S3) is not served yet".into()),
        (with("scheduleParams", json!({ "frequency": "day" })), "1425-400", "scheduleParams does not apply: this flow spec streams".into()),
        (with("sourceConnectionIds", json!([])), "1425-400", "sourceConnectionIds must be an array of exactly one id".into()),
        (with("sourceConnectionIds", json!(["q"])), "1428-400", "sourceConnectionIds[0] q names no source connection".into()),
        (with("targetConnectionIds", json!([base])), "1428-400", format!("targetConnectionIds[0] {base} names no target connection")),
        (with("colour", json!(1)), "1425-400", "colour is not known here; known: name, description, flowSpec, sourceConnectionIds, targetConnectionIds, transformations, scheduleParams".into()),
        (with("transformations", json!([{ "name": "Mapping" }])), "1425-400", "transformations[0].name must be GeneralTransform, not \"Mapping\"".into()),
        (params(json!({ "mandatoryFields": ["a"] })), "1425-400", "transformations[0].params.mandatoryFields applies to file-based destinations only; leave it empty".into()),
        (params(json!({ "profileMapping": { "mappingId": "m" } })), "1425-400", "transformations[0].params.profileMapping (mapping sets) is not served yet; use profileSelectors; leave it empty".into()),
        (params(json!({ "activationTriggers": { "identityChanges": 1 } })), "1425-400", "transformations[0].params.activationTriggers.identityChanges must be true or false".into()),
        (params(json!({ "activationTriggers": { "x": true } })), "1425-400", "transformations[0].params.activationTriggers.x is not known here; known: attributeChanges, segmentationChanges, externalSegmentationChanges, identityChanges".into()),
        (audiences(json!([audience("aud-9")])), "1425-400", "segmentSelectors.selectors[0].value.id aud-9 names no audience".into()),
        (audiences(json!([audience("aud-1"), audience("aud-1")])), "1425-400", "segmentSelectors.selectors[1].value.id aud-1 is mapped twice".into()),
        (audiences(json!([attribute("loyalty.points")])), "1425-400", "segmentSelectors.selectors[0].type must be PLATFORM_SEGMENT, not \"JSON_PATH\"".into()),
        (audience_with("id", json!("")), "1425-400", "segmentSelectors.selectors[0].value.id is missing".into()),
        (audience_with("colour", json!(1)), "1425-400", "segmentSelectors.selectors[0].value.colour is not known here; known: id, name, description, createTime, updateTime".into()),
        (audience_with("exportMode", json!("DAILY_FULL_EXPORT")), "1425-400", "segmentSelectors.selectors[0].value.exportMode applies to file-based destinations only".into()),
        (audience_with("namespace", json!("aamSegments")), "1425-400", "segmentSelectors.selectors[0].value.namespace (external audiences) is not served yet".into()),
        (attributes(json!([attribute("person.shoe")])), "1425-400", "profileSelectors.selectors[0].value.path person.shoe: not a field of the union schema".into()),
        (attributes(json!([attribute("loyalty.points"), attribute("loyalty.points")])), "1425-400", "profileSelectors.selectors[1].value.path loyalty.points is mapped twice".into()),
        (attributes(json!([attribute("identityMap.Email")])), "1425-400", "profileSelectors.selectors[0].value.path identityMap.Email: identityMap is part of every export and cannot be mapped".into()),
        (attribute_with("operator", json!("IN")), "1425-400", "profileSelectors.selectors[0].value.operator must be EXISTS, not \"IN\"".into()),
        (attribute_with("identity", json!({ "namespace": "Email" })), "1425-400", "profileSelectors.selectors[0].value.identity: identities cannot be mapped to this destination; all of them are exported".into()),
        (attribute_with("mapping", json!({ "destinationXdmPath": "points" })), "1425-400", "profileSelectors.selectors[0].value.mapping.destinationXdmPath must be \"loyalty.points\": this destination keeps paths and exports all identities".into()),
        (attribute_with("mapping", json!({ "primaryIdentity": true })), "1425-400", "profileSelectors.selectors[0].value.mapping.primaryIdentity must be false: this destination keeps paths and exports all identities".into()),
        (attribute_with("colour", json!(1)), "1425-400", "profileSelectors.selectors[0].value.colour is not known here; known: path, operator, identity, mapping".into()),
    ];
    let before = world.docs.n;
    for (body, code, detail) in cases {
        refused(world.flow(&body), code, &detail);
    }
    assert_eq!(world.docs.n, before);
    let long_form = json!({
        "sourceType": "text/x.schema-path", "source": "segmentMembership.status", "identity": false,
        "primaryIdentity": false, "functionVersion": 0, "sourceAttribute": "loyalty.points", "destinationXdmPath": "loyalty.points",
    });
    world.flow(&attribute_with("mapping", long_form)).unwrap();
}
