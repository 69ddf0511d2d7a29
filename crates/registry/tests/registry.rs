//! The registry as its clients see it: composition, evolution, use, unions, descriptors.

mod world;

use model::{Collection, DocChange, Type};
use registry::{
    Container, Kind, Namespaces, compile_schema, descriptor, identity_paths, resource, stats, union, union_types,
};
use serde_json::{Value as Json, json};
use world::{FULL, SANDBOX, World, data_set_body, group, namespaces, schema, union_tag};

const DETAILS: &str = "https://ns.adobe.com/xdm/context/profile-person-details";
const PROFILE: &str = "https://ns.adobe.com/xdm/context/profile";
const EVENT: &str = "https://ns.adobe.com/xdm/context/experienceevent";
const IDENTITY_MAP: &str = "https://ns.adobe.com/xdm/context/identitymap";

#[test]
fn a_schema_is_composed_of_a_class_and_field_groups() {
    let mut world = World::new();
    let loyalty = world.group(
        "Loyalty",
        json!({"points": {"type": "integer"}, "tier": {"type": "string", "enum": ["gold", "silver"]}}),
    );
    let id = world.schema("Customers", &[DETAILS, &loyalty]);
    let full = world.get(Kind::Schema, &id, FULL).expect("found");
    assert_eq!(
        full.pointer("/properties/person/properties/name/properties/firstName/meta:xdmField"),
        Some(&json!("xdm:firstName"))
    );
    assert_eq!(full.pointer("/properties/_acme/properties/points/meta:xdmType"), Some(&json!("int")));
    assert_eq!(full["meta:class"], PROFILE);
    let alt_id = full["meta:altId"].as_str().expect("text").to_owned();
    assert!(alt_id.starts_with("_acme.schemas."));
    let mut written = world.get(Kind::Schema, &alt_id, "application/vnd.adobe.xed+json;version=1").expect("found");
    written["meta:registryMetadata"] = json!("…");
    insta::assert_snapshot!("schema_as_written", serde_json::to_string_pretty(&written).expect("JSON"));
    let encoded = id.replace(':', "%3A").replace('/', "%2F");
    assert_eq!(world.get(Kind::Schema, &encoded, FULL).expect("found")["$id"], id);
    let compiled = compile_schema(&world.docs, SANDBOX, &id).expect("compiles");
    let record = json!({"person": {"name": {"firstName": "Ann"}}, "_acme": {"points": 3, "tier": "gold"}});
    assert_eq!(xdm::validate(&compiled, &model::Value::from(&record)), []);
    let wrong = xdm::validate(&compiled, &model::Value::from(&json!({"_acme": {"tier": "tin"}})));
    assert_eq!(wrong[0].pointer, "/_acme/tier");
}

#[test]
fn refusals_name_the_member_and_the_rule() {
    let mut world = World::new();
    world.group("Taken", json!({"a": {"type": "string"}}));
    let bodies = [
        (Kind::Schema, json!({"title": "S"})),
        (Kind::Schema, json!({"allOf": [{"$ref": PROFILE}]})),
        (Kind::Schema, schema("S", PROFILE, &[EVENT])),
        (Kind::Schema, schema("S", PROFILE, &["https://ns.adobe.com/acme/mixins/none"])),
        (Kind::Schema, schema("S", EVENT, &["https://ns.adobe.com/xdm/mixins/profile-consents"])),
        (Kind::Schema, json!({"title": "S", "allOf": [{"$ref": PROFILE}], "properties": {}})),
        (Kind::Schema, json!({"title": "S", "allOf": [{"$ref": PROFILE}], "meta:immutableTags": ["union"]})),
        (Kind::FieldGroup, group("Taken", json!({"a": {"type": "string"}}))),
        (Kind::FieldGroup, group("G", json!({"_a": {"type": "string"}}))),
        (Kind::FieldGroup, group("G", json!({"a": {"type": "string"}, "A": {"type": "string"}}))),
        (Kind::FieldGroup, group("G", json!({"a": {"type": "text"}}))),
        (Kind::FieldGroup, group("G", json!({"a": {"type": "string", "format": "hostname"}}))),
        (Kind::FieldGroup, group("G", json!({"a": {"type": "string", "pattern": "("}}))),
        (Kind::FieldGroup, group("G", json!({"a": {"type": "string", "colour": "red"}}))),
        (Kind::FieldGroup, group("G", json!({"a": {"type": "array"}}))),
        (Kind::FieldGroup, group("G", json!({"a": {"type": "integer", "pattern": "x"}}))),
        (Kind::FieldGroup, group("G", json!({"a": {"type": "integer", "minimum": "1"}}))),
        (Kind::FieldGroup, group("G", json!({"a": {"type": "string", "meta:xdmType": "date"}}))),
        (Kind::FieldGroup, json!({"title": "G", "definitions": {"x": {"properties": {"_acme": {"type": "object"}}}}})),
        (Kind::FieldGroup, json!({"title": "G", "properties": {"points": {"type": "integer"}}})),
        (Kind::Class, json!({"title": "C", "allOf": []})),
        (
            Kind::DataType,
            json!({"title": "D", "properties": {"a": {"$ref": "https://ns.adobe.com/acme/datatypes/none"}}}),
        ),
    ];
    let lines: Vec<String> = bodies
        .iter()
        .map(|(kind, body)| {
            let error = world.create(*kind, body).expect_err("refused");
            format!("{} {}: {}", error.code, error.title, error.detail)
        })
        .collect();
    insta::assert_snapshot!("refusals", lines.join("\n"));
}

#[test]
fn a_schema_in_use_changes_additively_only() {
    let mut world = World::new();
    let loyalty = world.group(
        "Loyalty",
        json!({"tier": {"type": "string", "enum": ["gold", "silver"]}, "points": {"type": "integer"}}),
    );
    let id = world.schema("Customers", &[&loyalty]);
    let at = "/definitions/customFields/properties/_acme/properties";
    let remove = json!([{"op": "remove", "path": format!("{at}/points")}]);
    let add = json!([{"op": "add", "path": format!("{at}/points"), "value": {"type": "integer"}}]);
    world.patch(Kind::FieldGroup, &loyalty, remove.clone()).expect("nothing uses it yet");
    world.patch(Kind::FieldGroup, &loyalty, add).expect("added");
    world.data_set(data_set_body(&id, json!({}))).expect("created");
    let error = world.patch(Kind::FieldGroup, &loyalty, remove).expect_err("in use");
    assert_eq!(
        error.detail,
        format!("the field group is in use, so only additive changes are possible: {id} /_acme/points: is removed")
    );
    let narrow = json!([{"op": "replace", "path": format!("{at}/tier/enum"), "value": ["gold"]}]);
    assert!(world.patch(Kind::FieldGroup, &loyalty, narrow).is_err());
    let widen = json!([{"op": "replace", "path": format!("{at}/tier/enum"), "value": ["gold", "silver", "tin"]}]);
    let answer = world.patch(Kind::FieldGroup, &loyalty, widen).expect("additive");
    assert_eq!(answer["version"], "1.3");
    let without = world
        .change(|docs, caller| resource::replace(docs, caller, Kind::Schema, &id, &schema("Customers", PROFILE, &[])));
    assert_eq!(without.expect_err("in use").code, "XDM-1530-400");
}

#[test]
fn what_is_used_is_not_deleted() {
    let mut world = World::new();
    let loyalty = world.group("Loyalty", json!({"tier": {"type": "string"}}));
    let class =
        world.id(Kind::Class, json!({"title": "Hotels", "allOf": [{"$ref": "https://ns.adobe.com/xdm/data/record"}]}));
    let id = world.schema("Customers", &[&loyalty]);
    let hotels = world.id(Kind::Schema, schema("Hotel", &class, &[]));
    assert_eq!(world.delete(Kind::FieldGroup, &loyalty).expect_err("used").code, "XDM-1540-400");
    assert_eq!(world.delete(Kind::Class, &class).expect_err("used").code, "XDM-1540-400");
    let data_set = world.data_set(data_set_body(&id, json!({}))).expect("created");
    assert!(world.delete(Kind::Schema, &id).expect_err("used").detail.contains(&data_set));
    let policy = json!({"name": "Shop first", "attributeMerge": {"type": "dataSetPrecedence", "order": [data_set]}});
    world.apply(vec![DocChange::put(SANDBOX, Collection::MergePolicy, "p1", policy, "test")]);
    let error = world.change(|docs, caller| registry::catalog::delete(docs, caller, &data_set)).expect_err("used");
    let detail = format!("the data set {data_set} is in the order of the merge policy p1 (\"Shop first\")");
    assert_eq!((error.status, error.detail), (400, detail));
    world.apply(vec![DocChange::delete(SANDBOX, Collection::MergePolicy, "p1", "test")]);
    world.change(|docs, caller| registry::catalog::delete(docs, caller, &data_set)).expect("deleted");
    for (kind, id) in
        [(Kind::Schema, &id), (Kind::FieldGroup, &loyalty), (Kind::Schema, &hotels), (Kind::Class, &class)]
    {
        world.delete(kind, id).expect("unused");
    }
    assert_eq!(world.get(Kind::Schema, &id, FULL).expect_err("gone").code, "XDM-1012-404");
}

#[test]
fn a_schema_joins_its_union_with_an_identity() {
    let mut world = World::new();
    let email = world.group("Email", json!({"email": {"type": "string"}, "age": {"type": "integer"}}));
    let first = world.schema("First", &[&email, DETAILS]);
    assert_eq!(world.patch(Kind::Schema, &first, union_tag()).expect_err("no identity").code, "XDM-1528-400");
    let identity = |path: &str, primary: bool| {
        json!({"@type": "xdm:descriptorIdentity", "xdm:sourceSchema": first, "xdm:sourceVersion": 1, "xdm:sourceProperty": path,
            "xdm:namespace": "Email", "xdm:property": "xdm:code", "xdm:isPrimary": primary})
    };
    let described = world.describe(identity("/_acme/email", true)).expect("created");
    let wrong = [
        identity("/_acme/none", false),
        identity("/_acme/age", false),
        identity("/person/name/fullName", true),
        identity("/_acme/email", false),
    ];
    let lines: Vec<String> = wrong.into_iter().map(|d| world.describe(d).expect_err("refused").detail).collect();
    insta::assert_snapshot!(
        "descriptor_refusals",
        lines.join("\n").replace(described["@id"].as_str().expect("id"), "ID").replace(&first, "SCHEMA")
    );
    let tagged = world.patch(Kind::Schema, &first, union_tag()).expect("tagged");
    assert_eq!(tagged["meta:immutableTags"], json!(["union"]));
    assert!(world.patch(Kind::Schema, &first, json!([{"op": "remove", "path": "/meta:immutableTags"}])).is_err());
    let primary = described["@id"].as_str().expect("id").to_owned();
    assert!(world.call(|docs, caller| descriptor::delete(docs, caller, &primary)).is_err());

    let record = xdm::validate(
        &compile_schema(&world.docs, SANDBOX, &first).expect("compiles"),
        &model::Value::from(&json!({"_acme": {"age": 3}})),
    );
    assert_eq!(record[0].message, "required key [email] not found");
    let known: Namespaces<'_> = &namespaces;
    let paths = identity_paths(&world.docs, SANDBOX, &first, known);
    assert_eq!((paths[0].path.join("."), paths[0].namespace.0, paths[0].primary), ("_acme.email".to_owned(), 6, true));

    let clash = world.id(Kind::FieldGroup, {
        let mut body = group("Clash", json!({"age": {"type": "string"}}));
        body["meta:intendedToExtend"] = json!([]);
        body
    });
    let second = world.schema("Second", &[&clash, IDENTITY_MAP]);
    let error = world.patch(Kind::Schema, &second, union_tag()).expect_err("the members disagree");
    assert_eq!((error.code, error.detail.contains("/_acme/age")), ("XDM-1413-400", true), "{}", error.detail);

    let union =
        world.call(|docs, caller| union::get(docs, caller, "_xdm.context.profile__union", FULL)).expect("exists");
    for path in ["_acme/properties/email", "identityMap", "segmentMembership", "timeSeriesEvents", "person"] {
        assert!(union.pointer(&format!("/properties/{path}")).is_some(), "{path}");
    }
    let (profile, event) = union_types(&world.docs, SANDBOX);
    assert_eq!(profile.at("_acme.age"), Some(&Type::Integer));
    assert_eq!(profile.at("identityMap.Email.id"), Some(&Type::String));
    assert_eq!(event, Type::Any);
    let listed = world.call(|docs, caller| {
        let query = [
            ("property".to_owned(), "meta:immutableTags==union".to_owned()),
            ("property".to_owned(), format!("meta:class=={PROFILE}")),
        ];
        resource::list(docs, caller, Container::Tenant, Kind::Schema, "application/vnd.adobe.xed-id+json", &query)
    });
    let listed = listed.expect("listed");
    assert_eq!((&listed["results"][0]["$id"], &listed["_page"]["count"]), (&json!(first), &json!(1)));
    assert_eq!(world.call(stats)["counts"]["unions"], 1);
}

#[test]
fn the_standard_library_is_served() {
    let world = World::new();
    let list = |kind| {
        world.call(|docs, caller| {
            let query = [("limit".to_owned(), "500".to_owned())];
            resource::list(docs, caller, Container::Global, kind, "application/vnd.adobe.xed-id+json", &query)
        })
    };
    assert_eq!(list(Kind::FieldGroup).expect("listed")["_page"]["count"], 225);
    let get = |kind, id: &str, accept: &str| {
        world.call(|docs, caller| resource::get(docs, caller, Container::Global, kind, id, accept))
    };
    let class = get(Kind::Class, "_xdm.context.experienceevent", FULL).expect("found");
    assert_eq!(class["required"], json!(["_id", "timestamp"]));
    let quiet = get(Kind::Class, "_xdm.context.profile", "application/vnd.adobe.xed-full-notext+json; version=1")
        .expect("found");
    assert!(quiet.get("title").is_none() && quiet.pointer("/properties/_repo/properties/createDate/title").is_none());
    let long = get(Kind::Class, "_xdm.context.experienceevent", "application/vnd.adobe.xdm-full+json; version=1")
        .expect("found");
    assert_eq!(long["required"], json!(["@id", "xdm:timestamp"]));
    assert!(long.pointer("/properties/xdm:eventMergeId").is_some());
    assert_eq!(get(Kind::Class, "_xdm.context.none", FULL).expect_err("unknown").code, "XDM-1012-404");
    assert_eq!(get(Kind::Class, "_xdm.context.profile", "application/json").expect_err("no form").code, "XDM-1007-400");
}

#[test]
fn every_standard_resource_resolves_and_compiles() {
    let world = World::new();
    for standard in registry::library().iter() {
        let flat = world
            .call(|docs, caller| resource::get(docs, caller, Container::Global, standard.kind, &standard.id, FULL));
        let flat = flat.unwrap_or_else(|e| panic!("{}: {e}", standard.id));
        xdm::Schema::from_json(&flat).unwrap_or_else(|e| panic!("{}: {e}", standard.id));
    }
}

#[test]
fn errors_have_the_shape_of_the_registry() {
    let world = World::new();
    let error = world.get(Kind::Schema, "_acme.schemas.none", FULL).expect_err("unknown");
    let body: Json = error.to_json("r-1", model::Timestamp(1_603_000_000_000));
    let expected = json!({
        "type": "http://ns.adobe.com/aep/errors/XDM-1012-404",
        "title": "Resource Not Found",
        "status": 404,
        "report": {
            "registryRequestId": "r-1",
            "timestamp": "10-18-2020 05:46:40",
            "detailed-message": "Requested resource _acme.schemas.none with version 1 is not found",
            "sub-errors": [],
        },
        "detail": "Requested resource _acme.schemas.none with version 1 is not found",
    });
    assert_eq!(body, expected);
}
