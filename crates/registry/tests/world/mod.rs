//! One sandbox that answers requests and applies the changes.
#![allow(dead_code)]

use model::{Caller, Collection, DocChange, DocSet, NamespaceId, SandboxId, Timestamp};
use registry::{Container, Error, Kind, catalog, descriptor, resource};
use serde_json::{Value as Json, json};
use std::cell::Cell;

pub(crate) const SANDBOX: SandboxId = SandboxId(1);
pub(crate) const FULL: &str = "application/vnd.adobe.xed-full+json; version=1";

pub(crate) struct World {
    pub(crate) docs: DocSet,
    n: u64,
    fresh: Cell<u8>,
}

pub(crate) fn namespaces(code: &str) -> Option<NamespaceId> {
    match code {
        "ECID" | "4" => Some(NamespaceId(4)),
        "Email" | "6" => Some(NamespaceId(6)),
        _ => None,
    }
}

impl World {
    pub(crate) fn new() -> World {
        let mut world = World { docs: DocSet::default(), n: 0, fresh: Cell::new(0) };
        let prod = json!({"id": "5a1c", "name": "prod", "type": "production"});
        world.apply(vec![DocChange::put(SandboxId(0), Collection::Sandbox, "prod", prod, "test")]);
        world
    }

    pub(crate) fn apply(&mut self, changes: Vec<DocChange>) {
        for change in changes {
            self.n += 1;
            self.docs.apply(self.n, Timestamp(1_600_000_000_000 + self.n as i64), &change);
        }
    }

    pub(crate) fn call<T>(&self, f: impl FnOnce(&DocSet, &Caller<'_>) -> T) -> T {
        let fresh = || {
            self.fresh.set(self.fresh.get() + 1);
            [self.fresh.get(); 16]
        };
        let now = Timestamp(1_600_000_000_000 + self.n as i64 + 1);
        let caller = Caller {
            org: "ABC@AdobeOrg",
            tenant: "acme",
            sandbox: SANDBOX,
            sandbox_name: "prod",
            client: "client",
            now,
            fresh: &fresh,
        };
        f(&self.docs, &caller)
    }

    pub(crate) fn change(
        &mut self,
        f: impl FnOnce(&DocSet, &Caller<'_>) -> Result<(Vec<DocChange>, Json), Error>,
    ) -> Result<Json, Error> {
        let (changes, answer) = self.call(f)?;
        self.apply(changes);
        Ok(answer)
    }

    pub(crate) fn create(&mut self, kind: Kind, body: &Json) -> Result<Json, Error> {
        self.change(|docs, caller| resource::create(docs, caller, kind, body))
    }

    pub(crate) fn id(&mut self, kind: Kind, body: Json) -> String {
        self.create(kind, &body).expect("created")["$id"].as_str().expect("an id").to_owned()
    }

    pub(crate) fn patch(&mut self, kind: Kind, id: &str, operations: Json) -> Result<Json, Error> {
        self.change(|docs, caller| resource::patch(docs, caller, kind, id, &operations))
    }

    pub(crate) fn delete(&mut self, kind: Kind, id: &str) -> Result<(), Error> {
        let changes = self.call(|docs, caller| resource::delete(docs, caller, kind, id))?;
        self.apply(changes);
        Ok(())
    }

    pub(crate) fn get(&self, kind: Kind, id: &str, accept: &str) -> Result<Json, Error> {
        self.call(|docs, caller| resource::get(docs, caller, Container::Tenant, kind, id, accept))
    }

    pub(crate) fn describe(&mut self, body: Json) -> Result<Json, Error> {
        self.change(|docs, caller| descriptor::create(docs, caller, &body, &namespaces))
    }

    pub(crate) fn data_set(&mut self, body: Json) -> Result<String, Error> {
        let answer = self.change(|docs, caller| catalog::create(docs, caller, &body))?;
        Ok(answer[0].as_str().expect("a reference").trim_start_matches("@/dataSets/").to_owned())
    }

    /// A field group with the given tenant fields, for profiles.
    pub(crate) fn group(&mut self, title: &str, fields: Json) -> String {
        self.id(Kind::FieldGroup, group(title, fields))
    }

    /// A profile schema of the given field groups.
    pub(crate) fn schema(&mut self, title: &str, groups: &[&str]) -> String {
        self.id(Kind::Schema, schema(title, "https://ns.adobe.com/xdm/context/profile", groups))
    }
}

pub(crate) fn group(title: &str, fields: Json) -> Json {
    json!({
        "title": title,
        "type": "object",
        "meta:intendedToExtend": ["https://ns.adobe.com/xdm/context/profile"],
        "definitions": {"customFields": {"properties": {"_acme": {"type": "object", "properties": fields}}}},
        "allOf": [{"$ref": "#/definitions/customFields"}],
    })
}

pub(crate) fn schema(title: &str, class: &str, groups: &[&str]) -> Json {
    let parts: Vec<Json> = [class].iter().chain(groups).map(|id| json!({"$ref": id})).collect();
    json!({"title": title, "type": "object", "allOf": parts})
}

pub(crate) const UNION: &str = r#"[{"op": "add", "path": "/meta:immutableTags", "value": ["union"]}]"#;

pub(crate) fn union_tag() -> Json {
    serde_json::from_str(UNION).expect("valid")
}

pub(crate) fn data_set_body(schema: &str, tags: Json) -> Json {
    json!({
        "name": "Customers",
        "schemaRef": {"id": schema, "contentType": "application/vnd.adobe.xed-full+json;version=1"},
        "tags": tags,
    })
}
