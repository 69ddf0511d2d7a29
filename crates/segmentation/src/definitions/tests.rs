//! Tables of the rules of segment definitions.
//!
//! Queries here are words that a small stand-in reads, so that each rule is seen alone:
//! `edge`, `streaming`, `batch`, `event` (reads one event), `in:ID …` (inSegment), `bad`.

use super::*;
use crate::evaluation::Obstacles;
use crate::query::Checked;
use crate::{AudienceSpec, audiences, merge_policies};
use model::{SandboxId, Timestamp};

const SANDBOX: SandboxId = SandboxId(1);

fn check(text: &str) -> Result<Checked, Vec<String>> {
    let mut checked =
        Checked { obstacles: Obstacles { streaming: None, edge: None }, references: Vec::new(), reads_events: false };
    for word in text.split_whitespace() {
        match word {
            "edge" => {}
            "streaming" => checked.obstacles.edge = Some("it says so".into()),
            "batch" => checked.obstacles = Obstacles::both("it says so"),
            "event" => checked.reads_events = true,
            word => match word.strip_prefix("in:") {
                Some(id) => checked.references.push(id.into()),
                None => return Err(vec![format!("expression.value: no such word {word}")]),
            },
        }
    }
    Ok(checked)
}

struct World {
    docs: DocSet,
    ids: std::cell::Cell<u8>,
    now: i64,
}

impl World {
    fn new() -> World {
        let mut world = World { docs: DocSet::default(), ids: std::cell::Cell::new(0), now: 1_000_000 };
        let prod = json!({"no": 1, "id": "u-1", "type": "production", "isDefault": true});
        world.apply(vec![DocChange::put(SandboxId(0), Collection::Sandbox, "prod", prod, "me")]);
        let first = world.call(|_, caller| merge_policies::bootstrap_changes(caller));
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
            now: Timestamp(self.now),
            fresh: &fresh,
        };
        f(&self.docs, &caller)
    }

    fn apply(&mut self, changes: Vec<DocChange>) {
        for change in changes {
            self.now += 1000;
            self.docs.apply(self.docs.n + 1, Timestamp(self.now), &change);
        }
    }

    fn create(&mut self, body: Json) -> Result<Accepted, Error> {
        let (changes, accepted) = self.call(|docs, caller| create_checked(docs, caller, &check, &body))?;
        self.apply(changes);
        Ok(accepted)
    }

    fn made(&mut self, name: &str, query: &str) -> SmolStr {
        self.create(definition(name, query)).expect("good").id
    }

    fn update(&mut self, id: &str, body: Json) -> Result<Accepted, Error> {
        let (changes, accepted) = self.call(|docs, caller| update_checked(docs, caller, &check, id, &body))?;
        self.apply(changes);
        Ok(accepted)
    }

    fn shown(&self, id: &str) -> Json {
        self.call(|docs, caller| get(docs, caller, id)).expect("there")
    }

    fn spec(&self, id: &str) -> AudienceSpec {
        audiences(&self.docs, SANDBOX).into_iter().find(|spec| spec.id == id).expect("there")
    }
}

fn definition(name: &str, query: &str) -> Json {
    json!({
        "name": name,
        "schema": {"name": "_xdm.context.profile"},
        "expression": {"type": "PQL", "format": "pql/text", "value": query},
    })
}

fn with(member: &str, value: Json) -> Json {
    let mut body = definition("a", "edge");
    body[member] = value;
    body
}

fn enabled(method: &str) -> Json {
    json!({ method: {"enabled": true} })
}

#[test]
fn a_definition_shows_what_it_was_given_and_more() {
    let mut world = World::new();
    let mut body = definition("Sample", "batch");
    body["description"] = json!("d");
    body["payloadSchema"] = json!("string");
    body["ttlInDays"] = json!(30);
    let id = world.create(body).expect("good").id;
    let policy = merge_policies::merge_policies(&world.docs, SANDBOX)[0].id.clone();
    assert_eq!(
        world.shown(&id),
        json!({
            "id": id.as_str(),
            "schema": {"name": "_xdm.context.profile"},
            "profileInstanceId": "ups",
            "imsOrgId": "O@AdobeOrg",
            "sandbox": {"sandboxId": "u-1", "sandboxName": "prod", "type": "production", "default": true},
            "name": "Sample",
            "description": "d",
            "expression": {"type": "PQL", "format": "pql/text", "value": "batch"},
            "mergePolicyId": policy.as_str(),
            "evaluationInfo": {"batch": {"enabled": true}, "continuous": {"enabled": false}, "synchronous": {"enabled": false}},
            "payloadSchema": "string",
            "dataGovernancePolicy": {"excludeOptOut": true},
            "ttlInDays": 30,
            "creationTime": 1_003_000,
            "updateEpoch": 1003,
            "updateTime": 1_003_000,
        })
    );
}

#[test]
fn bad_bodies_are_refused_by_name() {
    let expression = |kind: &str, format: &str| json!({"type": kind, "format": format, "value": "edge"});
    let cases = [
        (with("id", json!("x")), 400, "id: is given by the service; leave it out"),
        (with("colour", json!("x")), 400, "colour: is not a supported member"),
        (with("name", json!(null)), 400, "name: is required"),
        (with("name", json!(7)), 400, "name: must be a string, is `7`"),
        (with("name", json!("a\nb")), 400, "name: must have no line breaks or control characters, has U+000A"),
        (with("name", json!("a\u{2028}b")), 400, "name: must have no line breaks or control characters, has U+2028"),
        (with("name", json!("a\u{7}")), 400, "name: must have no line breaks or control characters, has U+0007"),
        (
            with("name", json!("taken")),
            422,
            "name: the segment definition 02020202-0202-4202-8202-020202020202 has the name `taken` already",
        ),
        (with("schema", json!("x")), 400, "schema: must be an object, is `\"x\"`"),
        (
            with("schema", json!({"name": "_xdm.context.account"})),
            400,
            "schema.name: must be `_xdm.context.profile`, is `_xdm.context.account`; other classes are not supported yet",
        ),
        (with("expression", json!(null)), 400, "expression: is required"),
        (with("expression", expression("SQL", "pql/text")), 400, "expression.type: must be `PQL`, is `SQL`"),
        (
            with("expression", expression("PQL", "pql/json")),
            400,
            "expression.value: is not valid JSON: expected value at line 1 column 1",
        ),
        (
            with("expression", expression("PQL", "text")),
            400,
            "expression.format: must be `pql/text` or `pql/json`, is `text`",
        ),
        (
            with("expression", json!({"type": "PQL", "format": "pql/text", "value": "oops"})),
            400,
            "expression.value: no such word oops",
        ),
        (with("mergePolicyId", json!("m")), 400, "mergePolicyId: there is no merge policy `m`"),
        (with("profileInstanceId", json!("x")), 400, "profileInstanceId: must be `ups`, is `x`"),
        (with("ttlInDays", json!(7)), 400, "ttlInDays: must be 30, for so long exits are kept, is `7`"),
        (
            with("dataGovernancePolicy", json!({"excludeOptOut": 1})),
            400,
            "dataGovernancePolicy.excludeOptOut: must be true or false, is `1`",
        ),
        (
            with("evaluationInfo", json!({})),
            400,
            "evaluationInfo: one of batch, continuous and synchronous must be enabled; none is",
        ),
        (
            with("evaluationInfo", json!({"batch": {"enabled": true}, "continuous": {"enabled": true}})),
            400,
            "evaluationInfo: only one of batch, continuous and synchronous may be enabled",
        ),
        (
            with("evaluationInfo", json!({"batch": true})),
            400,
            "evaluationInfo.batch: must be {\"enabled\": true} or {\"enabled\": false}",
        ),
        (with("evaluationInfo", json!({"stream": {}})), 400, "evaluationInfo.stream: is not a supported member"),
    ];
    let mut world = World::new();
    world.made("taken", "edge");
    for (body, status, message) in cases {
        let error = world.create(body).expect_err(message);
        assert_eq!((error.status(), error.to_string().as_str()), (status, message));
    }
}

#[test]
fn the_method_is_the_best_or_the_one_asked_for() {
    let mut world = World::new();
    let profile_only = world.made("p", "edge");
    let event_based = world.made("e", "edge event");
    let (p, e) = (format!("in:{profile_only}"), format!("in:{event_based}"));
    let not_profile_only = format!(
        "edge evaluation is not possible: the audience `{event_based}` in inSegment does not read profile attributes only"
    );
    let cases: &[(&str, Option<&str>, Result<&str, &str>)] = &[
        ("edge", None, Ok("synchronous")),
        ("streaming", None, Ok("continuous")),
        ("batch", None, Ok("batch")),
        ("edge", Some("batch"), Ok("batch")),
        ("edge", Some("continuous"), Ok("continuous")),
        ("streaming", Some("synchronous"), Err("edge evaluation is not possible: it says so")),
        ("batch", Some("continuous"), Err("streaming evaluation is not possible: it says so")),
        (&p, None, Ok("synchronous")),
        (&e, None, Ok("continuous")),
        (&e, Some("synchronous"), Err(&not_profile_only)),
    ];
    for (i, (query, asked, expected)) in cases.iter().enumerate() {
        let mut body = definition(&format!("case {i}"), query);
        if let Some(asked) = asked {
            body["evaluationInfo"] = enabled(asked);
        }
        match (world.create(body), expected) {
            (Ok(accepted), Ok(method)) => {
                assert_eq!(world.shown(&accepted.id)["evaluationInfo"][*method]["enabled"], true, "{query}");
            }
            (Err(error), Err(rule)) => assert_eq!(error.to_string(), format!("evaluationInfo: {rule}")),
            (got, _) => panic!("{query} {asked:?}: {got:?}"),
        }
    }
}

#[test]
fn audiences_need_a_policy_that_stitches_and_edge_needs_the_edge_policy() {
    let mut world = World::new();
    for graph in ["none", "pdg"] {
        let body = json!({
            "schema": {"name": "_xdm.context.profile"},
            "identityGraph": {"type": graph},
            "attributeMerge": {"type": "timestampOrdered"},
        });
        let (changes, id) = world.call(|docs, caller| merge_policies::create(docs, caller, &body)).expect("good");
        world.apply(changes);
        let mut body = definition(graph, "edge");
        body["mergePolicyId"] = id.as_str().into();
        match graph {
            "none" => {
                let rule = format!(
                    "mergePolicyId: the merge policy `{id}` has identityGraph.type none; audiences on such a policy are not supported yet"
                );
                assert_eq!(world.create(body).expect_err("refused").to_string(), rule);
            }
            _ => {
                let made = world.create(body).expect("good").id;
                assert_eq!(world.shown(&made)["evaluationInfo"]["batch"]["enabled"], true);
            }
        }
    }
}

/// `meta` and `version` of an expression stay as they were given, and changing them changes no member (pql.md §15).
#[test]
fn notes_of_an_expression_are_kept() {
    let mut world = World::new();
    let noted =
        |meta: &str| json!({"type": "PQL", "format": "pql/text", "value": "edge", "meta": meta, "version": "2"});
    let id = world.create(with("expression", noted("m"))).expect("good").id;
    assert_eq!(world.shown(&id)["expression"], noted("m"));
    let before = world.spec(&id).changed_n;
    world.update(&id, json!({"expression": noted("n")})).expect("good");
    assert_eq!((world.shown(&id)["expression"].clone(), world.spec(&id).changed_n), (noted("n"), before));
    let mut wrong = noted("m");
    wrong["meta"] = json!(1);
    let error = world.update(&id, json!({ "expression": wrong })).expect_err("no text");
    assert_eq!(error.to_string(), "expression.meta: must be a string, is `1`");
}

#[test]
fn references_order_the_audiences_and_make_no_cycle() {
    let mut world = World::new();
    let a = world.made("a", "edge");
    let b = world.made("b", &format!("in:{a}"));
    let c = world.made("c", &format!("in:{b} in:{a}"));
    let set = |query: &str| json!({"expression": {"type": "PQL", "format": "pql/text", "value": query}});
    let d = world.made("d", "edge");
    world.update(&a, set(&format!("in:{d}"))).expect("good");
    let order: Vec<_> = audiences(&world.docs, SANDBOX).into_iter().map(|spec| spec.id).collect();
    assert_eq!(order, [d.clone(), a.clone(), b.clone(), c.clone()]);
    let error = world.update(&d, set(&format!("in:{c}"))).expect_err("a cycle");
    assert!(
        error
            .to_string()
            .starts_with(&format!("expression.value: the audiences that it reads make a cycle: {d} -> {c} -> ")),
        "{error}"
    );
    assert!(error.to_string().ends_with(&format!("{a} -> {d}")), "{error}");
    let own = world.update(&d, set(&format!("in:{d}"))).expect_err("itself");
    assert!(own.to_string().ends_with(&format!("{d} -> {d}")), "{own}");
    let accepted = world.update(&d, set("in:nobody")).expect("legal");
    assert_eq!(accepted.warnings, ["expression.value: there is no audience `nobody`; nobody is a member of it"]);
}

#[test]
fn a_long_chain_of_references_is_ordered() {
    let mut docs = DocSet::default();
    let id = |i: usize| format!("a{i:05}");
    for i in 0..20_000usize {
        let body = json!({"name": id(i), "_internal": {"references": [id(i + 1)]}});
        docs.apply(docs.n + 1, Timestamp(0), &DocChange::put(SANDBOX, Collection::Audience, id(i), body, "me"));
    }
    let specs = audiences(&docs, SANDBOX);
    assert_eq!((specs.len(), specs[0].id.as_str(), specs[19_999].id.as_str()), (20_000, "a19999", "a00000"));
}

#[test]
fn only_what_decides_membership_moves_changed_n() {
    let mut world = World::new();
    let id = world.made("a", "edge");
    let made = world.spec(&id).changed_n;
    world.update(&id, json!({"name": "b", "description": "x"})).expect("good");
    assert_eq!((world.spec(&id).changed_n, world.spec(&id).name.as_str()), (made, "b"));
    let twice = world.update(&id, json!({"description": null})).expect("good");
    assert_eq!(world.spec(&twice.id).changed_n, made);
    assert_eq!(world.shown(&id).get("description"), None);
    for change in [
        json!({"dataGovernancePolicy": {"excludeOptOut": false}}),
        json!({"expression": {"type": "PQL", "format": "pql/text", "value": "streaming"}}),
    ] {
        world.update(&id, change).expect("good");
        assert_eq!(world.spec(&id).changed_n, world.docs.n);
    }
    assert!(!world.spec(&id).exclude_opt_out);
    let policy = world.spec(&id).merge_policy;
    let rename = json!({"op": "add", "path": "/name", "value": "p"});
    let before = world.spec(&id).changed_n;
    let (changes, _) = world.call(|docs, caller| merge_policies::update(docs, caller, &policy, &rename)).expect("good");
    world.apply(changes);
    assert_eq!(world.spec(&id).changed_n, before);
}

#[test]
fn patches_keep_what_they_do_not_name() {
    let mut world = World::new();
    let id = world.made("a", "edge");
    world.made("b", "edge");
    world.update(&id, json!({"evaluationInfo": enabled("batch")})).expect("good");
    world.update(&id, json!({"name": "c"})).expect("good");
    assert_eq!(world.shown(&id)["evaluationInfo"]["batch"]["enabled"], true);
    let shown = world.shown(&id);
    world.update(&id, shown).expect("what a client got it may send back");
    let taken = world.update(&id, json!({"name": "b"})).expect_err("taken");
    assert_eq!((taken.status(), taken.code()), (422, "UPAPI-113434-422"));
    assert_eq!(
        world.update(&id, json!({"id": "x"})).expect_err("fixed").to_string(),
        format!("id: must be `{id}`, is `x`")
    );
    assert_eq!(world.update("nobody", json!({})).expect_err("unknown").status(), 404);
}

/// A method that was chosen stays or refuses the rule; one that was not follows the rule (profile.md §10.1).
#[test]
fn a_chosen_method_outlives_the_rule() {
    let rule = |query: &str| json!({"expression": {"type": "PQL", "format": "pql/text", "value": query}});
    let not_streaming = Err("evaluationInfo: streaming evaluation is not possible: it says so");
    // Chosen when it was made; changes, of which the last may be refused; the method then.
    type Case<'a> = (Option<&'a str>, &'a [Json], Result<&'a str, &'a str>);
    let both = |query: &str, method: &str| {
        let mut body = rule(query);
        body["evaluationInfo"] = enabled(method);
        body
    };
    let cases: &[Case<'_>] = &[
        (Some("batch"), &[rule("streaming")], Ok("batch")),
        (Some("batch"), &[json!({"name": "z"}), rule("streaming"), rule("edge")], Ok("batch")),
        (Some("continuous"), &[rule("batch")], not_streaming),
        (Some("continuous"), &[rule("streaming")], Ok("continuous")),
        (Some("continuous"), &[both("batch", "batch")], Ok("batch")),
        (None, &[rule("batch")], Ok("batch")),
        (None, &[rule("batch"), rule("edge")], Ok("synchronous")),
        (None, &[json!({"evaluationInfo": enabled("batch")}), rule("streaming")], Ok("batch")),
        (
            None,
            &[json!({"evaluationInfo": enabled("synchronous")}), rule("batch")],
            Err("evaluationInfo: edge evaluation is not possible: it says so"),
        ),
        (None, &[both("batch", "continuous")], not_streaming),
        (Some("batch"), &[json!({"evaluationInfo": null}), rule("streaming")], Ok("continuous")),
        // What a client got and sends back is no choice.
        (None, &[both("edge", "echo"), rule("batch")], Ok("batch")),
        (Some("batch"), &[both("edge", "echo"), rule("streaming")], Ok("batch")),
    ];
    for (chosen, changes, expected) in cases {
        let mut world = World::new();
        let mut body = definition("a", "edge");
        if let Some(method) = chosen {
            body["evaluationInfo"] = enabled(method);
        }
        let id = world.create(body).expect("good").id;
        let mut result = Ok(());
        for change in *changes {
            let echoed = change["evaluationInfo"].get("echo").is_some().then(|| world.shown(&id));
            result = world.update(&id, echoed.unwrap_or_else(|| change.clone())).map(drop);
        }
        let method = |info: &Json| {
            info.as_object().and_then(|all| all.iter().find(|(_, on)| on["enabled"] == true)?.0.clone().into())
        };
        let found: Option<String> = method(&world.shown(&id)["evaluationInfo"]);
        match (result, expected) {
            (Ok(()), Ok(expected)) => assert_eq!(found.as_deref(), Some(*expected), "{chosen:?} {changes:?}"),
            (Err(error), Err(rule)) => assert_eq!(error.to_string(), *rule, "{chosen:?} {changes:?}"),
            (result, _) => panic!("{chosen:?} {changes:?}: {result:?}, {found:?}"),
        }
    }
}

#[test]
fn the_same_holds_of_the_audiences_api() {
    use crate::audience_api;
    let schema = pql::Schema::untyped();
    let (streaming, batch) = ("person.a = 1", "xEvent[eventType = \"x\"].count() > 1");
    let rule = |query: &str| json!({"op": "replace", "path": "/expression/value", "value": query});
    let method = |name: &str| json!({"op": "add", "path": "/evaluationInfo", "value": enabled(name)});
    let refused = "evaluationInfo: streaming evaluation is not possible: it counts, aggregates or lists events";
    for (chosen, operations, expected) in [
        (Some("batch"), json!([rule("person.a = 2")]), Ok("batch")),
        (Some("continuous"), json!([rule(batch)]), Err(refused)),
        (Some("continuous"), json!(rule(batch)), Err(refused)),
        (None, json!([rule(batch)]), Ok("batch")),
        (None, json!([rule(batch), method("continuous")]), Err(refused)),
        (Some("batch"), json!([{"op": "remove", "path": "/evaluationInfo"}]), Ok("synchronous")),
    ] {
        let mut world = World::new();
        let mut body = definition("a", streaming);
        if let Some(method) = chosen {
            body["evaluationInfo"] = enabled(method);
        }
        let made = world.call(|docs, caller| audience_api::create(docs, caller, &schema, &body));
        let (changes, id) = made.expect("good");
        world.apply(changes);
        let none = |_: &str| None;
        let changed = world.call(|docs, caller| audience_api::update(docs, caller, &schema, &id, &operations, &none));
        match (changed, expected) {
            (Ok((changes, _)), Ok(method)) => {
                world.apply(changes);
                assert_eq!(world.shown(&id)["evaluationInfo"][method]["enabled"], true, "{chosen:?} {operations}");
            }
            (Err(error), Err(rule)) => assert_eq!(error.to_string(), rule, "{chosen:?} {operations}"),
            (changed, _) => panic!("{chosen:?} {operations}: {changed:?}"),
        }
    }
}

#[test]
fn patches_of_audiences_are_arrays_of_operations() {
    let mut world = World::new();
    let id = world.made("a", "edge");
    for (body, message) in [
        (
            json!({"name": "x"}),
            "body: must be an array of operations {\"op\", \"path\", \"value\"}, is `{\"name\":\"x\"}`",
        ),
        (json!("x"), "body: must be an array of operations {\"op\", \"path\", \"value\"}, is `\"x\"`"),
        (json!([]), "body: must have at least one operation"),
        (json!([7]), "[0]: must be an operation, is `7`"),
        (json!([{"op": "add", "value": 1}]), "[0].path: is required"),
    ] {
        let update = |docs: &DocSet, caller: &Caller<'_>| {
            crate::audience_api::update(docs, caller, &pql::Schema::untyped(), &id, &body, &|_| None)
        };
        assert_eq!(world.call(update).expect_err(message).to_string(), message);
    }
}

#[test]
fn definitions_and_external_audiences_share_names() {
    let mut world = World::new();
    let submit = |world: &World, name: &str| {
        let body = json!({"name": name, "fields": [{"name": "mail", "identityNs": "Email"}]});
        world.call(|docs, caller| crate::external::submit(docs, caller, &body))
    };
    let defined = world.made("taken", "edge");
    let error = submit(&world, "taken").expect_err("taken");
    let message = format!("name: the segment definition {defined} has the name `taken` already");
    assert_eq!((error.status(), error.to_string()), (422, message));
    let (changes, _) = submit(&world, "guests").expect("good");
    let external = changes[0].id.clone();
    world.apply(changes);
    let message = format!("name: the external audience {external} has the name `guests` already");
    let errors = [
        world.create(definition("guests", "edge")).expect_err("taken"),
        world.update(&defined, json!({"name": "guests"})).expect_err("taken"),
    ];
    for error in errors {
        assert_eq!((error.status(), error.to_string()), (422, message.clone()));
    }
    assert!(world.spec(&external).exclude_opt_out, "who opted out in general is in no uploaded audience either");
}

#[test]
fn what_is_used_cannot_be_deleted() {
    let mut world = World::new();
    let inner = world.made("inner", "edge");
    let outer = world.made("outer", &format!("in:{inner}"));
    let delete = |world: &World, id: &str, flow: Option<&str>| {
        world.call(|docs, caller| delete(docs, caller, id, &|_| flow.map(str::to_owned)))
    };
    let error = delete(&world, &inner, None).expect_err("used");
    assert_eq!(error.to_string(), format!("The audience {inner} cannot be deleted: the audience {outer} uses it."));
    let error = delete(&world, &outer, Some("f-1")).expect_err("activated");
    assert_eq!(error.to_string(), format!("The audience {outer} cannot be deleted: the dataflow f-1 activates it."));
    assert_eq!((error.status(), error.kind()), (400, Kind::InUse));
    let (changes, answer) = delete(&world, &outer, None).expect("free");
    assert_eq!(answer, json!({"status": true, "message": format!("The segment definition {outer} was deleted.")}));
    world.apply(changes);
    delete(&world, &inner, None).expect("free now");
}

#[test]
fn lists_are_filtered_sorted_and_cut() {
    let mut world = World::new();
    for (name, query) in [("a", "edge"), ("b", "streaming"), ("c", "batch"), ("d", "streaming")] {
        world.made(name, query);
    }
    let list = |pairs: &[(&str, &str)]| {
        let pairs: Vec<_> = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        world.call(|docs, caller| list(docs, caller, &pairs))
    };
    let names = |page: &Json| -> String {
        page["segments"].as_array().expect("a list").iter().filter_map(|s| s["name"].as_str()).collect()
    };
    let all = list(&[]).expect("good");
    assert_eq!(names(&all), "dcba");
    assert_eq!(
        all["page"],
        json!({"totalCount": 4, "totalPages": 1, "sortField": "creationTime", "sort": "desc", "pageSize": 4, "limit": 100})
    );
    assert_eq!(all["link"], json!({}));
    let first = list(&[("limit", "3"), ("sort", "name:asc,internalId:desc")]).expect("good");
    assert_eq!(names(&first), "abc");
    assert_eq!(first["link"]["next"], "/segment/definitions?start=3&limit=3&sort=name:asc,internalId:desc");
    assert_eq!(names(&list(&[("limit", "3"), ("page", "1"), ("sort", "name")]).expect("good")), "d");
    assert_eq!(names(&list(&[("limit", "3"), ("page", "9")]).expect("good")), "");
    assert_eq!(names(&list(&[("evaluationInfo.continuous.enabled", "True")]).expect("good")), "db");
    for (pairs, message) in [
        (&[("page", "1"), ("start", "1")][..], "page: excludes start; give one of them"),
        (
            &[("sort", "colour:asc")],
            "sort: must be FIELD:asc or FIELD:desc, FIELD of creationTime, updateTime, updateEpoch, name, id, internalId, is `colour:asc`",
        ),
        (&[("limit", "x")], "limit: must be a whole number from 1 to 1000, is `x`"),
        (
            &[("start", "18446744073709551616")],
            "start: must be a whole number from 0 to 18446744073709551615, is `18446744073709551616`",
        ),
    ] {
        assert_eq!(list(pairs).expect_err(message).to_string(), message);
    }
}

#[test]
fn real_queries_are_checked_against_the_union_schema() {
    use model::Type;
    let world = World::new();
    let schema = pql::Schema {
        profile: Type::object(vec![
            ("city".into(), Type::String),
            ("age".into(), Type::Integer),
            ("segmentMembership".into(), Type::Any),
        ]),
        event: Type::Any,
    };
    let inner = "54669488-03ab-4e0d-a694-37fe49e32be8";
    let both = format!("inSegment(\"{inner}\") and age > 3");
    let as_field = format!("segmentMembership.get(\"ups\").get(\"{inner}\").status in [\"realized\", \"existing\"]");
    let denied = format!("not (segmentMembership.ups.get(\"{inner}\").status = \"realized\")");
    let other = format!("segmentMembership.get(\"other\").get(\"{inner}\").status = \"realized\"");
    for (query, method, references) in [
        ("city = \"Rome\"", "synchronous", vec![]),
        ("select e from xEvent where e.eventType = \"order\"", "batch", vec![]),
        (both.as_str(), "synchronous", vec![inner]),
        (as_field.as_str(), "synchronous", vec![inner]),
        (denied.as_str(), "synchronous", vec![inner]),
        (other.as_str(), "synchronous", vec![]),
    ] {
        let (changes, _) =
            world.call(|docs, caller| create(docs, caller, &schema, &definition("a", query))).expect(query);
        let body = changes[0].body.as_ref().expect("a body");
        assert_eq!(body["evaluationInfo"][method]["enabled"], true, "{query}");
        assert_eq!(body["_internal"]["references"], json!(references), "{query}");
    }
    let error = world
        .call(|docs, caller| create(docs, caller, &schema, &definition("a", "town = \"Rome\"")))
        .expect_err("unknown");
    assert!(error.to_string().starts_with("expression.value, line 1, column 1: "), "{error}");
    let mut asked = definition("a", "select e from xEvent where e.eventType = \"order\"");
    asked["evaluationInfo"] = enabled("continuous");
    let error = world.call(|docs, caller| create(docs, caller, &schema, &asked)).expect_err("ineligible");
    assert_eq!(
        error.to_string(),
        "evaluationInfo: streaming evaluation is not possible: its events are not bounded to the last 24 hours"
    );
}
