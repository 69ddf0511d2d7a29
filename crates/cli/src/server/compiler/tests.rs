//! Plans depend on documents alone, whatever was compiled before.

use super::*;
use model::{Caller, DocChange};
use serde_json::{Value as Json, json};
use std::cell::Cell;

const PROFILE: &str = "https://ns.adobe.com/xdm/context/profile";
const SANDBOX: SandboxId = SandboxId(1);

fn call<T>(docs: &DocSet, counter: &Cell<u8>, f: impl FnOnce(&DocSet, &Caller<'_>) -> T) -> T {
    let fresh = || {
        counter.set(counter.get() + 1);
        [counter.get(); 16]
    };
    let caller = Caller {
        org: "ABC@AdobeOrg",
        tenant: "acme",
        sandbox: SANDBOX,
        sandbox_name: "prod",
        client: "client",
        now: Timestamp(1_600_000_000_000),
        fresh: &fresh,
    };
    f(docs, &caller)
}

fn apply(docs: &mut DocSet, changes: Vec<DocChange>) {
    for change in changes {
        docs.apply(docs.n + 1, Timestamp(1_600_000_000_000 + docs.n as i64), &change);
    }
}

fn compiler() -> PlanCompiler {
    PlanCompiler::new(Arc::new(Catalogs::default()))
}

fn changed_n(compiler: &PlanCompiler, docs: &DocSet) -> u64 {
    compiler.sandbox(docs, SANDBOX).audiences.by_id("a").expect("there").changed_n
}

/// What a schema changed in the meaning of a rule is the same for a server that ran on and for one that started.
#[test]
fn the_position_of_a_change_of_meaning_survives_a_start_and_a_new_name() {
    let (mut docs, counter) = (DocSet::default(), Cell::new(0));
    let prod = json!({"id": "5a1c", "no": 1, "name": "prod", "type": "production", "isDefault": true});
    apply(&mut docs, vec![DocChange::put(SandboxId(0), Collection::Sandbox, "prod", prod, "me")]);
    let first = call(&docs, &counter, |_, caller| merge_policies::bootstrap_changes(caller));
    let policy = first[0].id.clone();
    apply(&mut docs, first);
    let audience = |name: &str, since: Option<u64>| {
        let mut body: Json = json!({
            "name": name, "mergePolicyId": policy.as_str(), "lifecycleState": "published",
            "expression": {"type": "PQL", "format": "pql/text", "value": "_acme.joined > date(2026, 1, 1)"},
        });
        if let Some(since) = since {
            body["_internal"] = json!({ "since": since });
        }
        DocChange::put(SANDBOX, Collection::Audience, "a", body, "me")
    };
    apply(&mut docs, vec![audience("one", None)]);
    let made_n = docs.n;
    let live = compiler();
    assert_eq!(changed_n(&live, &docs), made_n);
    let group = json!({
        "title": "G", "type": "object", "meta:intendedToExtend": [PROFILE],
        "definitions": {"customFields": {"properties": {"_acme": {"type": "object",
            "properties": {"joined": {"type": "string", "format": "date"}}}}}},
        "allOf": [{"$ref": "#/definitions/customFields"}],
    });
    let (changes, made) = call(&docs, &counter, |docs, caller| {
        registry::resource::create(docs, caller, registry::Kind::FieldGroup, &group)
    })
    .expect("group");
    apply(&mut docs, changes);
    let schema = json!({"title": "S", "type": "object", "allOf": [{"$ref": PROFILE}, {"$ref": "https://ns.adobe.com/xdm/context/identitymap"}, {"$ref": made["$id"]}]});
    let (changes, made) =
        call(&docs, &counter, |docs, caller| registry::resource::create(docs, caller, registry::Kind::Schema, &schema))
            .expect("schema");
    apply(&mut docs, changes);
    let tag = json!([{ "op": "add", "path": "/meta:immutableTags", "value": ["union"] }]);
    let id = made["$id"].as_str().expect("text");
    let (changes, _) =
        call(&docs, &counter, |docs, caller| registry::resource::patch(docs, caller, registry::Kind::Schema, id, &tag))
            .expect("tag");
    apply(&mut docs, changes);
    let ran_on = changed_n(&live, &docs);
    assert!(ran_on > made_n, "the rule means something else now");
    assert_eq!(changed_n(&compiler(), &docs), ran_on, "a server that starts");
    apply(&mut docs, vec![audience("two", Some(made_n))]);
    assert_eq!(changed_n(&live, &docs), ran_on, "a new name");
}
