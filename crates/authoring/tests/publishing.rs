//! From the working copy to the catalog of every sandbox.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use authoring::publishing::{self, Verdict};
use authoring::{Kind, Origin, connection_spec_id};
use serde_json::{Value as Json, json};
use world::{DEV, PROD, World};

fn statuses(world: &World, id: &str) -> Vec<(String, String)> {
    let shown = world.with(|caller| publishing::get(&world.docs, caller, id)).unwrap();
    assert_eq!(shown["destinationId"], id);
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let list = shown["publishDetailsList"].as_array().unwrap();
    list.iter().map(|detail| (text(&detail["destinationType"]), text(&detail["status"]))).collect()
}

fn names(world: &World) -> Vec<(Origin, String)> {
    let catalog = world.catalog();
    let own = catalog.entries.iter().filter(|entry| entry.origin != Origin::BuiltIn);
    own.map(|entry| (entry.origin, entry.config.name.clone())).collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[test]
fn customers_see_what_was_approved() {
    let mut world = World::new();
    let (_, id) = world.destination(|_| {});
    let private = (Origin::Private, "Moviestar".to_owned());
    assert_eq!(names(&world), std::slice::from_ref(&private));
    assert_eq!(statuses(&world, &id), pairs(&[("DEV", "TEST")]));
    world.sandbox = DEV;
    assert_eq!(names(&world), []);
    world.sandbox = PROD;

    let first = world.publish(&id).unwrap();
    assert_eq!(statuses(&world, &id), pairs(&[("DEV", "TEST"), ("PUBLIC", "REVIEW")]));
    let twice = world.publish(&id).unwrap_err().to_string();
    assert_eq!(twice, format!("publish request {first} of Moviestar is under review already"));
    assert_eq!(names(&world), std::slice::from_ref(&private));

    // What the author changes after submitting is not part of it.
    let mut body = world.get(Kind::Destination, &id).unwrap()["items"][0].clone();
    body["name"] = json!("Moviestar 2");
    world.replace(Kind::Destination, &id, &body).unwrap();
    world.decide(&first, Verdict::Approve).unwrap();
    let changed = (Origin::Private, "Moviestar 2".to_owned());
    let public = (Origin::Public, "Moviestar".to_owned());
    assert_eq!(names(&world), [public.clone(), changed]);
    world.sandbox = DEV;
    assert_eq!(names(&world), [public]);
    world.sandbox = PROD;
    assert_eq!(world.get(Kind::Destination, &id).unwrap()["items"][0]["status"], "PUBLISHED");
    let list = world.with(|caller| publishing::list(&world.docs, caller));
    let published = &list[0]["publishDetailsList"][1];
    assert_eq!((&published["status"], &published["allowedOrgs"]), (&json!("PUBLISHED"), &json!(["*"])));
    assert!(published["publishedDate"].is_i64());

    // A newer one takes its place; one that is denied does not.
    let denied = world.publish(&id).unwrap();
    world.decide(&denied, Verdict::Deny).unwrap();
    let second = world.publish(&id).unwrap();
    world.decide(&second, Verdict::Approve).unwrap();
    let expected = [("DEV", "TEST"), ("PUBLIC", "DEPRECATED"), ("PUBLIC", "DENIED"), ("PUBLIC", "PUBLISHED")];
    assert_eq!(statuses(&world, &id), pairs(&expected));
    world.sandbox = DEV;
    assert_eq!(names(&world), [(Origin::Public, "Moviestar 2".to_owned())]);
    let late = world.decide(&denied, Verdict::Approve).unwrap_err().to_string();
    assert_eq!(late, format!("publish request {denied} is DENIED, not under review"));
    assert_eq!(publishing::reviews(&world.docs)["reviews"].as_array().unwrap().len(), 3);
}

#[test]
fn a_public_destination_stays_while_customers_are_connected() {
    let mut world = World::new();
    let (_, id) = world.destination(|_| {});
    let request = world.publish(&id).unwrap();
    world.decide(&request, Verdict::Approve).unwrap();
    let spec = connection_spec_id(&id, Origin::Public);
    world.sandbox = DEV;
    let base = world.base(&spec, world::bearer()).unwrap();
    world.sandbox = PROD;
    let error = world.delete(Kind::Destination, &id).unwrap_err().to_string();
    assert_eq!(error, format!("destination configuration {id} is in use by base connection {base} (Account)"));
    let empty = world.with(|caller| publishing::create(&world.docs, caller, &json!({}))).unwrap_err();
    assert_eq!(empty.to_string(), "destinationId: is missing: the id of a destination configuration");
}

#[test]
fn a_request_is_read_strictly() {
    let mut world = World::new();
    let (_, id) = world.destination(|body| {
        body["uiAttributes"].as_object_mut().unwrap().shift_remove("documentationLink");
    });
    let cases = [
        (json!([]), "the body must be an object"),
        (
            json!({ "destinationId": id, "reason": "x" }),
            "reason: is not known here; known: destinationId, destinationAccess, allowedOrgs",
        ),
        (json!({ "destinationId": id, "destinationAccess": "SOME" }), "destinationAccess: must be ALL; given \"SOME\""),
        (
            json!({ "destinationId": id, "destinationAccess": "LIMITED" }),
            "destinationAccess: LIMITED is not served: a destination is private (unpublished) or for all",
        ),
        (json!({ "destinationId": id, "allowedOrgs": ["a"] }), "allowedOrgs: must be [\"*\"]; given [\"a\"]"),
        (json!({ "destinationId": "x" }), "there is no destination configuration \"x\" in this sandbox"),
        (
            json!({ "destinationId": id }),
            "uiAttributes.documentationLink: is missing: a public destination links its documentation",
        ),
    ];
    for (body, detail) in cases {
        let error = world.with(|caller| publishing::create(&world.docs, caller, &body)).unwrap_err();
        assert_eq!(error.to_string(), detail, "{body}");
    }
}
