//! Tables of the merge policy rules.

use super::*;
use model::Timestamp;

const SANDBOX: SandboxId = SandboxId(1);

struct World {
    docs: DocSet,
    ids: std::cell::Cell<u8>,
}

impl World {
    fn new() -> World {
        let mut world = World { docs: DocSet::default(), ids: std::cell::Cell::new(0) };
        let prod = json!({"no": 1, "id": "u-1", "type": "production", "isDefault": true});
        let dataset = |id: &str| DocChange::put(SANDBOX, Collection::Dataset, id, json!({}), "me");
        world.apply(vec![
            DocChange::put(SandboxId(0), Collection::Sandbox, "prod", prod, "me"),
            dataset("d1"),
            dataset("d2"),
        ]);
        let first = world.call(|_, caller| bootstrap_changes(caller));
        world.apply(first);
        world
    }

    fn call<T>(&self, f: impl FnOnce(&DocSet, &Caller<'_>) -> T) -> T {
        let fresh = || {
            self.ids.set(self.ids.get() + 1);
            [self.ids.get(); 16]
        };
        let caller = Caller {
            org: "O@AdobeOrg",
            tenant: "t",
            sandbox: SANDBOX,
            sandbox_name: "prod",
            client: "me",
            now: Timestamp(5_000),
            fresh: &fresh,
        };
        f(&self.docs, &caller)
    }

    fn apply(&mut self, changes: Vec<DocChange>) {
        for change in changes {
            self.docs.apply(self.docs.n + 1, Timestamp(5_500), &change);
        }
    }

    fn create(&mut self, body: Json) -> Result<SmolStr, Error> {
        let (changes, id) = self.call(|docs, caller| create(docs, caller, &body))?;
        self.apply(changes);
        Ok(id)
    }

    fn patch(&mut self, id: &str, body: Json) -> Result<(), Error> {
        let (changes, _) = self.call(|docs, caller| update(docs, caller, id, &body))?;
        self.apply(changes);
        Ok(())
    }

    fn policy(&self, id: &str) -> MergePolicy {
        merge_policies(&self.docs, SANDBOX).into_iter().find(|p| p.id == id).expect("there")
    }

    fn first(&self) -> SmolStr {
        merge_policies(&self.docs, SANDBOX)[0].id.clone()
    }
}

fn body() -> Json {
    json!({
        "name": "by source",
        "schema": {"name": PROFILE_CLASS},
        "identityGraph": {"type": "pdg"},
        "attributeMerge": {"type": "dataSetPrecedence", "order": ["d2", "d1"]},
    })
}

fn with(member: &str, value: Json) -> Json {
    let mut body = body();
    body[member] = value;
    body
}

#[test]
fn a_sandbox_starts_with_a_default_policy() {
    let world = World::new();
    let id = world.first();
    assert_eq!(
        world.call(|docs, caller| get(docs, caller, &id)).expect("there"),
        json!({
            "id": id.as_str(),
            "name": "Default Timebased",
            "imsOrgId": "O@AdobeOrg",
            "sandbox": {"sandboxId": "u-1", "sandboxName": "prod", "type": "production", "default": true},
            "schema": {"name": "_xdm.context.profile"},
            "version": 1,
            "identityGraph": {"type": "pdg"},
            "attributeMerge": {"type": "timestampOrdered"},
            "isActiveOnEdge": true,
            "default": true,
            "updateEpoch": 5,
        })
    );
}

#[test]
fn bad_bodies_are_refused_by_name() {
    let order = |order: Json| json!({"type": "dataSetPrecedence", "order": order});
    let cases = [
        (json!([]), "body: must be a JSON object, is `[]`"),
        (with("id", json!("x")), "id: is given by the service; leave it out"),
        (with("colour", json!(1)), "colour: is not a supported member"),
        (with("name", json!(" ")), "name: must have something to see in it, is blank"),
        (with("imsOrgId", json!("other")), "imsOrgId: must be `O@AdobeOrg`, is `other`"),
        (with("schema", json!(null)), "schema: is required"),
        (
            with("schema", json!({"name": "_xdm.context.account"})),
            "schema.name: must be `_xdm.context.profile`; other classes are not supported yet",
        ),
        (with("identityGraph", json!({"type": "all"})), "identityGraph.type: must be pdg or none, is `all`"),
        (with("identityGraph", json!({"kind": "pdg"})), "identityGraph.kind: is not a supported member"),
        (with("default", json!("yes")), "default: must be true or false, is `\"yes\"`"),
        (
            with("attributeMerge", json!({"type": "random"})),
            "attributeMerge.type: must be timestampOrdered or dataSetPrecedence, is `random`",
        ),
        (
            with("attributeMerge", json!({"type": "timestampOrdered", "order": ["d1"]})),
            "attributeMerge.order: goes with attributeMerge.type dataSetPrecedence only",
        ),
        (
            with("attributeMerge", order(json!([]))),
            "attributeMerge.order: must name at least one data set when attributeMerge.type is dataSetPrecedence",
        ),
        (with("attributeMerge", order(json!(["d1", "d9"]))), "attributeMerge.order[1]: there is no data set `d9`"),
        (
            with("attributeMerge", order(json!(["d1", "d1"]))),
            "attributeMerge.order[1]: names data set `d1` a second time",
        ),
        (with("attributeMerge", order(json!([7]))), "attributeMerge.order[0]: must be a data set id, is `7`"),
    ];
    let mut world = World::new();
    for (body, message) in cases {
        assert_eq!(world.create(body).expect_err(message).to_string(), message);
    }
}

#[test]
fn the_default_flag_moves_and_the_edge_flag_does_not() {
    let mut world = World::new();
    let first = world.first();
    let before = world.policy(&first).changed_n;
    let second = world.create(with("default", json!(true))).expect("made");
    assert!(!world.policy(&first).default && world.policy(&second).default);
    assert_eq!(world.policy(&first).changed_n, before, "what it does is unchanged");
    assert_eq!(
        world.policy(&second).order,
        AttributeMerge::DatasetPrecedence(vec![SmolStr::new("d2"), SmolStr::new("d1")])
    );

    let refused = world.create(with("isActiveOnEdge", json!(true))).expect_err("taken");
    assert!(refused.to_string().contains("active on edge already"), "{refused}");
    let refused = world.patch(&second, json!({"op": "add", "path": "/default", "value": false})).expect_err("needed");
    assert!(refused.to_string().starts_with("default: a sandbox needs a default"), "{refused}");
    world.patch(&first, json!({"op": "add", "path": "/isActiveOnEdge", "value": false})).expect("moved off");
    world.patch(&second, json!([{"op": "add", "path": "/idActiveOnEdge", "value": "true"}])).expect("moved on");
    assert!(world.policy(&second).active_on_edge);
}

#[test]
fn patches_change_what_they_name() {
    let mut world = World::new();
    let id = world.create(body()).expect("made");
    let made = world.policy(&id).changed_n;
    world.patch(&id, json!({"op": "add", "path": "/name", "value": "renamed"})).expect("good");
    assert_eq!(world.policy(&id).changed_n, made);
    world
        .patch(&id, json!([{"op": "add", "path": "/attributeMerge.type", "value": "timestampOrdered"}]))
        .expect("good");
    assert_eq!(world.policy(&id).order, AttributeMerge::TimestampOrdered);
    assert_eq!(world.policy(&id).changed_n, world.docs.n);
    let shown = world.call(|docs, caller| get(docs, caller, &id)).expect("there");
    assert_eq!((&shown["name"], &shown["version"]), (&json!("renamed"), &json!(3)));
    world.patch(&id, json!({"op": "add", "path": "/version", "value": 9})).expect("good");

    let cases = [
        (json!([]), "body: must have at least one operation"),
        (json!({"op": "replace", "path": "/name", "value": 1}), "op: must be add, is `replace`"),
        (json!({"op": "add", "path": "/name", "value": 1}), "name: must be a string, is `1`"),
        (json!({"op": "add", "path": "/name"}), "value: is required"),
        (
            json!({"op": "add", "path": "/version", "value": 1}),
            "value of /version: must be a whole number from 10 on, is `1`",
        ),
        (json!({"op": "add", "path": "/default", "value": 1}), "value of /default: must be true or false, is `1`"),
    ];
    for (body, message) in cases {
        assert_eq!(world.patch(&id, body).expect_err(message).to_string(), message);
    }
    let refused = world.patch(&id, json!({"op": "add", "path": "/id", "value": "x"})).expect_err("fixed");
    assert!(refused.to_string().ends_with("is `/id`"), "{refused}");
}

#[test]
fn what_a_client_got_it_may_put_back() {
    let mut world = World::new();
    let id = world.first();
    let shown = world.call(|docs, caller| get(docs, caller, &id)).expect("there");
    let (changes, _) = world.call(|docs, caller| replace(docs, caller, &id, &shown)).expect("good");
    world.apply(changes);
    let again = world.call(|docs, caller| get(docs, caller, &id)).expect("there");
    assert_eq!(again["version"], 2);
    assert_eq!(again["attributeMerge"], shown["attributeMerge"]);
    assert!(world.policy(&id).default && world.policy(&id).active_on_edge);
}

#[test]
fn what_is_needed_cannot_be_deleted() {
    let mut world = World::new();
    let delete = |world: &World, id: &str| world.call(|docs, caller| delete(docs, caller, id));
    let first = world.first();
    assert_eq!(delete(&world, &first).expect_err("default").kind(), Kind::InUse);
    let second = world.create(body()).expect("made");
    let audience = json!({"name": "a", "mergePolicyId": second.as_str()});
    world.apply(vec![DocChange::put(SANDBOX, Collection::Audience, "a-1", audience, "me")]);
    let refused = delete(&world, &second).expect_err("used");
    assert_eq!(refused.to_string(), format!("The merge policy {second} cannot be deleted: the audience a-1 uses it."));
    let none = json!({"op": "add", "path": "/identityGraph.type", "value": "none"});
    assert!(world.patch(&second, none).is_err());
    let third = world.create(body()).expect("made");
    delete(&world, &third).expect("free");
    assert_eq!(delete(&world, "nobody").expect_err("unknown").status(), 404);
}

#[test]
fn at_most_five_and_in_pages() {
    let mut world = World::new();
    for i in 0..4 {
        world.create(with("name", json!(format!("p{i}")))).expect("room");
    }
    assert_eq!(world.create(body()).expect_err("full").kind(), Kind::Limit);
    let list = |pairs: &[(&str, &str)]| {
        let pairs: Vec<_> = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        world.call(|docs, caller| list(docs, caller, &pairs))
    };
    let names = |list: &Json| {
        list["children"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|c| c["name"].as_str().unwrap_or("").to_owned())
            .collect::<Vec<_>>()
    };
    let page = list(&[("limit", "2"), ("orderby", "-name"), ("limit", "2")]).expect("good");
    assert_eq!(names(&page), ["p3", "p2"]);
    assert_eq!(page["_page"], json!({"count": 2, "next": "2"}));
    assert_eq!(page["_links"]["next"]["href"], "/config/mergePolicies?start=2&limit=2&orderby=-name");
    let last = list(&[("limit", "2"), ("start", "4")]).expect("good");
    assert_eq!((names(&last), &last["_page"]), (vec!["p3".to_owned()], &json!({"count": 1})));
    assert_eq!(last["_links"], json!({"next": {}}));
    assert_eq!(names(&list(&[("default", "True")]).expect("good")), ["Default Timebased"]);
    assert_eq!(names(&list(&[("schema.name", "other")]).expect("good")), Vec::<String>::new());
    for (pair, message) in [
        (("limit", "0"), "limit: must be a whole number from 1 to 1000, is `0`"),
        (("sort", "x"), "sort: is not a supported query parameter"),
        (("default", "1"), "default: must be true or false, is `1`"),
    ] {
        assert_eq!(list(&[pair]).expect_err(message).to_string(), message);
    }
}

#[test]
fn many_at_once_each_with_its_own_outcome() {
    let world = World::new();
    let first = world.first();
    let body = json!({"ids": [{"id": first.as_str()}, {"id": "nobody"}]});
    let found = world.call(|docs, caller| bulk_get(docs, caller, &body, "r")).expect("good");
    assert_eq!(found["results"][first.as_str()]["name"], "Default Timebased");
    assert_eq!(found["results"]["nobody"]["status"], 404);
    let empty = world.call(|docs, caller| bulk_get(docs, caller, &json!({"ids": []}), "r")).expect_err("empty");
    assert_eq!(empty.to_string(), "The number of requested IDs is invalid. Cannot be 0 or exceed 1000, is 0.");
}
