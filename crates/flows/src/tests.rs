//! Rules of the Flow Service, one table or story each. The world below is one sandbox that
//! applies decisions as the control stream would.

#![allow(clippy::unwrap_used)]

use crate::*;
use model::{Caller, Collection, DocSet, SandboxId, Timestamp};
use serde_json::{Value as Json, json};
use std::cell::Cell;

mod accounts;
mod flow_changes;
mod flow_creation;
mod targets;
mod views;

static SHIPPED: std::sync::LazyLock<Catalog> = std::sync::LazyLock::new(Catalog::default);

const AUDIENCES: [&str; 3] = ["aud-1", "aud-2", "aud-3"];
const SECRETS: [&str; 4] = ["s3cr3t-token", "s3cr3t-client", "s3cr3t-pass", "n3w-s3cr3t"];

struct World {
    docs: DocSet,
    now: Timestamp,
    drawn: Cell<u8>,
}

impl World {
    fn new() -> World {
        World { docs: DocSet::default(), now: Timestamp(1_770_000_000_000), drawn: Cell::new(0) }
    }

    fn with<T>(&self, f: impl FnOnce(&Caller<'_>) -> T) -> T {
        let fresh = || {
            self.drawn.set(self.drawn.get() + 1);
            [self.drawn.get(); 16]
        };
        f(&Caller {
            org: "ORG@AdobeOrg",
            tenant: "acme",
            sandbox: SandboxId(1),
            sandbox_name: "prod",
            client: "client-1",
            now: self.now,
            fresh: &fresh,
        })
    }

    fn accept(&mut self, decision: Result<Decision>) -> Result<Decision> {
        let decision = decision?;
        for change in &decision.changes {
            if let Some(body) = &change.body {
                let text = body.to_string();
                assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "a secret is stored in the clear: {text}");
            }
            self.docs.apply(self.docs.n + 1, self.now, change);
        }
        self.now = Timestamp(self.now.0 + 1000);
        Ok(decision)
    }

    fn base(&mut self, body: &Json) -> Result<Decision> {
        let decision = self.with(|caller| connections::create(caller, body, &outside()));
        self.accept(decision)
    }

    fn source(&mut self, body: &Json) -> Result<Decision> {
        let decision = self.with(|caller| source_connections::create(&self.docs, caller, body, &outside()));
        self.accept(decision)
    }

    fn target(&mut self, body: &Json) -> Result<Decision> {
        let decision = self.with(|caller| target_connections::create(&self.docs, caller, body, &outside()));
        self.accept(decision)
    }

    fn flow(&mut self, body: &Json) -> Result<Decision> {
        let decision = self.with(|caller| dataflows::create(&self.docs, caller, body, &lookups()));
        self.accept(decision)
    }

    fn patch_flow(&mut self, id: &str, if_match: Option<&str>, body: &Json) -> Result<Decision> {
        let decision = self.with(|caller| dataflows::patch(&self.docs, caller, id, if_match, body, &lookups()));
        self.accept(decision)
    }

    fn patch_now(&mut self, id: &str, body: &Json) -> Result<Decision> {
        let tag = self.get_flow(id)["etag"].as_str().unwrap().to_owned();
        self.patch_flow(id, Some(&tag), body)
    }

    fn act(&mut self, id: &str, op: &str, sub_op: Option<&str>) -> Result<Decision> {
        let decision = self.with(|caller| dataflows::act(&self.docs, caller, id, None, Some(op), sub_op, &Json::Null));
        self.accept(decision)
    }

    fn get_flow(&self, id: &str) -> Json {
        let body = self.with(|caller| dataflows::get(&self.docs, caller, id, &|_| None)).unwrap();
        assert_eq!(body["items"].as_array().unwrap().len(), 1);
        body["items"][0].clone()
    }

    fn get_base(&self, id: &str) -> Json {
        self.with(|caller| connections::get(&self.docs, caller, id, &outside())).unwrap()["items"][0].clone()
    }

    fn list(&self, pairs: &[(&str, &str)]) -> Result<Json> {
        let query = Query::from_pairs(pairs)?;
        self.with(|caller| dataflows::list(&self.docs, caller, &query, &|_| None))
    }

    /// Base, source and target connection with the usual settings.
    fn ends(&mut self) -> (String, String, String) {
        let base = self.base(&bearer());
        let base = self.id_of(base);
        let source = self.source(&profile_store());
        let source = self.id_of(source);
        let target = self.target(&http_target(&base, json!({ "httpEndpoint": "https://in.example.org/p" })));
        let target = self.id_of(target);
        (base, source, target)
    }

    fn id_of(&self, decision: Result<Decision>) -> String {
        decision.unwrap().body["id"].as_str().unwrap().to_owned()
    }

    fn usual_flow(&mut self) -> String {
        let (_, source, target) = self.ends();
        let flow = self.flow(&flow_body(&source, &target));
        self.id_of(flow)
    }
}

fn outside() -> Outside<'static> {
    Outside {
        seal: &|secret| format!("sealed:{}", secret.len()),
        inlet_base: "http://localhost:8080",
        reachable: &reachable,
        catalog: &SHIPPED,
        offered_values: &|_| None,
    }
}

fn reachable(url: &url::Url) -> std::result::Result<(), String> {
    if url.host_str() == Some("10.0.0.1") { Err("10.0.0.1 is private".into()) } else { Ok(()) }
}

fn lookups() -> Lookups<'static> {
    Lookups {
        audience_namespace: &|id| AUDIENCES.contains(&id).then(|| SEGMENTATION_SERVICE.into()),
        attribute_type: &|path| match path {
            "person.name.firstName" | "person.name.lastName" | "personalEmail.address" => Ok(Type::String),
            "loyalty.points" => Ok(Type::Integer),
            "orders" => Ok(Type::Array(std::sync::Arc::new(Type::String))),
            _ => Err("not a field of the union schema".into()),
        },
        namespace_is_custom: &|code| match code {
            "Email" | "Phone" => Some(false),
            "crmId" => Some(true),
            _ => None,
        },
        target_attributes: &|| None,
        catalog: &SHIPPED,
    }
}

fn spec(id: &str) -> Json {
    json!({ "id": id, "version": "1.0" })
}

fn bearer() -> Json {
    account("Bearer token", json!({ "token": "s3cr3t-token" }))
}

fn account(spec_name: &str, params: Json) -> Json {
    json!({ "name": "Account", "connectionSpec": spec(HTTP_API), "auth": { "specName": spec_name, "params": params } })
}

fn oauth(extra: Json) -> Json {
    let mut params =
        json!({ "accessTokenUrl": "https://id.example.org/token", "clientId": "me", "clientSecret": "s3cr3t-client" });
    for (name, value) in extra.as_object().unwrap() {
        params[name] = value.clone();
    }
    account("OAuth2 Client Credentials", params)
}

fn profile_store() -> Json {
    json!({ "name": "Profiles", "connectionSpec": spec(PROFILE_STORE) })
}

fn http_target(base: &str, params: Json) -> Json {
    json!({ "name": "Endpoint", "baseConnectionId": base, "connectionSpec": spec(HTTP_API), "params": params })
}

fn flow_body(source: &str, target: &str) -> Json {
    json!({
        "name": "Export",
        "flowSpec": spec(HTTP_API_FLOW),
        "sourceConnectionIds": [source],
        "targetConnectionIds": [target],
        "transformations": [{
            "name": "General Transform",
            "params": {
                "mandatoryFields": [],
                "primaryFields": [],
                "profileMapping": {},
                "segmentSelectors": { "selectors": [] },
                "profileSelectors": { "selectors": [] },
            },
        }],
    })
}

fn audience(id: &str) -> Json {
    json!({ "type": "PLATFORM_SEGMENT", "value": { "id": id } })
}

fn attribute(path: &str) -> Json {
    json!({ "type": "JSON_PATH", "value": { "path": path, "operator": "EXISTS" } })
}

fn add(list: &str, value: Json) -> Json {
    json!({ "op": "add", "path": format!("/transformations/0/params/{list}/selectors/-"), "value": value })
}

fn mapped(flow: &Json, list: &str, member: &str) -> Vec<String> {
    let selectors = flow["transformations"][0]["params"][list]["selectors"].as_array().unwrap();
    selectors.iter().map(|selector| selector["value"][member].as_str().unwrap().to_owned()).collect()
}

/// Asserts code and detail of a refusal, and that its body carries both with the status.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T>, code: &str, detail: &str) {
    let error = result.unwrap_err();
    assert_eq!((error.code().as_str(), error.body()["errorMessage"].as_str().unwrap()), (code, detail));
    let body = error.body();
    assert_eq!(body["status"], error.status());
    assert_eq!(body["code"], error.code());
    assert_eq!(body["errorDetails"], body["errorMessage"]);
    assert_ne!(body["title"], "Request refused");
    let text = body.to_string();
    assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "{text}");
}
