//! One organisation with two sandboxes, `prod` and `dev`, that applies decisions as the control stream would.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(dead_code, reason = "each test file uses its part")]

use authoring::{Catalog, Catalogs, Kind, Outside, authored, publishing};
use flows::{Decision, Lookups, connections, dataflows, source_connections, target_connections};
use model::{Caller, Collection, DocChange, DocSet, SandboxId, Timestamp, Type};
use serde_json::{Value as Json, json};
use std::cell::Cell;
use std::sync::Arc;

pub(crate) const PROD: (SandboxId, &str) = (SandboxId(1), "prod");
pub(crate) const DEV: (SandboxId, &str) = (SandboxId(2), "dev");
pub(crate) const SECRETS: [&str; 3] = ["s3cr3t-platform", "s3cr3t-customer", "s3cr3t-token"];
pub(crate) const AUDIENCE: &str = "7f3b7a0e-aud-1";

pub(crate) struct World {
    pub(crate) docs: DocSet,
    pub(crate) now: Timestamp,
    pub(crate) sandbox: (SandboxId, &'static str),
    drawn: Cell<u8>,
    catalogs: Catalogs,
}

impl World {
    pub(crate) fn new() -> World {
        let mut world = World {
            docs: DocSet::default(),
            now: Timestamp(1_770_000_000_123),
            sandbox: PROD,
            drawn: Cell::new(0),
            catalogs: Catalogs::default(),
        };
        for (id, name) in [PROD, DEV] {
            let body = json!({ "id": format!("uuid-of-{name}"), "no": id.0 });
            world.apply(&[DocChange::put(SandboxId(0), Collection::Sandbox, name, body, "test")]);
            let audience = json!({ "name": "Likes pandas" });
            world.apply(&[DocChange::put(id, Collection::Audience, AUDIENCE, audience, "test")]);
        }
        world
    }

    pub(crate) fn with<T>(&self, f: impl FnOnce(&Caller<'_>) -> T) -> T {
        let fresh = || {
            self.drawn.set(self.drawn.get().wrapping_add(1));
            [self.drawn.get(); 16]
        };
        f(&Caller {
            org: "ORG@AdobeOrg",
            tenant: "acme",
            sandbox: self.sandbox.0,
            sandbox_name: self.sandbox.1,
            client: "client-1",
            now: self.now,
            fresh: &fresh,
        })
    }

    pub(crate) fn apply(&mut self, changes: &[DocChange]) {
        for change in changes {
            if let Some(body) = &change.body {
                let text = body.to_string();
                assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "a secret is stored in the clear: {text}");
            }
            self.docs.apply(self.docs.n + 1, self.now, change);
        }
        self.now = Timestamp(self.now.0 + 1000);
    }

    fn accept(&mut self, decided: authoring::Result<authoring::Change>) -> authoring::Result<Json> {
        let (changes, answer) = decided?;
        self.apply(&changes);
        let text = answer.to_string();
        assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "a secret is shown: {text}");
        Ok(answer)
    }

    // Authoring.

    pub(crate) fn create(&mut self, kind: Kind, body: &Json) -> authoring::Result<Json> {
        let decided = self.with(|caller| authored::create(&self.docs, caller, kind, body, &outside()));
        self.accept(decided)
    }

    pub(crate) fn replace(&mut self, kind: Kind, id: &str, body: &Json) -> authoring::Result<Json> {
        let decided = self.with(|caller| authored::replace(&self.docs, caller, kind, id, body, &outside()));
        self.accept(decided)
    }

    pub(crate) fn get(&self, kind: Kind, id: &str) -> authoring::Result<Json> {
        self.with(|caller| authored::get(&self.docs, caller, kind, id))
    }

    pub(crate) fn list(&self, kind: Kind) -> Json {
        self.with(|caller| authored::list(&self.docs, caller, kind))
    }

    pub(crate) fn delete(&mut self, kind: Kind, id: &str) -> authoring::Result<()> {
        let changes = self.with(|caller| authored::delete(&self.docs, caller, kind, id))?;
        self.apply(&changes);
        Ok(())
    }

    pub(crate) fn publish(&mut self, destination: &str) -> authoring::Result<String> {
        let body = json!({ "destinationId": destination, "destinationAccess": "ALL" });
        let decided = self.with(|caller| publishing::create(&self.docs, caller, &body));
        let answer = self.accept(decided)?;
        let last = answer["publishDetailsList"].as_array().unwrap().last().unwrap().clone();
        Ok(id_of(&last, "configId"))
    }

    pub(crate) fn decide(&mut self, request: &str, verdict: publishing::Verdict) -> authoring::Result<Json> {
        let decided = publishing::decide(&self.docs, request, verdict, self.now, "operator");
        self.accept(decided)
    }

    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.catalogs.get(&self.docs, self.sandbox.0)
    }

    /// Server and destination; gives their ids.
    pub(crate) fn destination(&mut self, change: impl FnOnce(&mut Json)) -> (String, String) {
        let server = self.create(Kind::Server, &server()).unwrap();
        let server = id_of(&server, "instanceId");
        let mut body = destination(&server);
        change(&mut body);
        let created = self.create(Kind::Destination, &body).unwrap();
        (server, id_of(&created, "instanceId"))
    }

    // Flow service.

    pub(crate) fn flow_service<T>(
        &self,
        f: impl FnOnce(&DocSet, &Caller<'_>, &flows::Outside<'_>, &Lookups<'_>) -> T,
    ) -> T {
        let catalog = self.catalog();
        let outside = flows::Outside {
            seal: &seal,
            inlet_base: "http://localhost:8080",
            reachable: &|_| Ok(()),
            catalog: &catalog.flows,
            offered_values: &|field| (field == "list").then(|| vec!["a".into(), "b".into()]),
        };
        let lookups = Lookups {
            audience_namespace: &|id| (id == AUDIENCE).then(|| flows::SEGMENTATION_SERVICE.into()),
            attribute_type: &attribute_type,
            namespace_is_custom: &|code| match code {
                "Email" | "Phone" => Some(false),
                "crmId" => Some(true),
                _ => None,
            },
            target_attributes: &|| Some(vec!["city".into(), "country".into()]),
            catalog: &catalog.flows,
        };
        self.with(|caller| f(&self.docs, caller, &outside, &lookups))
    }

    pub(crate) fn decided(&mut self, decision: flows::Result<Decision>) -> flows::Result<String> {
        let decision = decision?;
        self.apply(&decision.changes);
        Ok(id_of(&decision.body, "id"))
    }

    pub(crate) fn base(&mut self, spec: &str, auth: Json) -> flows::Result<String> {
        let body = json!({ "name": "Account", "connectionSpec": version(spec), "auth": auth });
        let decision = self.flow_service(|_, caller, outside, _| connections::create(caller, &body, outside));
        self.decided(decision)
    }

    pub(crate) fn target(&mut self, spec: &str, base: &str, params: Json) -> flows::Result<String> {
        let body = json!({
            "name": "Target", "baseConnectionId": base, "connectionSpec": version(spec), "params": params,
        });
        let decision =
            self.flow_service(|docs, caller, outside, _| target_connections::create(docs, caller, &body, outside));
        self.decided(decision)
    }

    pub(crate) fn source(&mut self) -> String {
        let body = json!({ "name": "Profiles", "connectionSpec": version(flows::PROFILE_STORE) });
        let decision =
            self.flow_service(|docs, caller, outside, _| source_connections::create(docs, caller, &body, outside));
        self.decided(decision).unwrap()
    }

    /// Account, target and source connection to a destination of the catalog.
    pub(crate) fn ends(&mut self, spec: &str) -> (String, String) {
        let base = self.base(spec, bearer()).unwrap();
        let target = self.target(spec, &base, json!({ "region": "eu" })).unwrap();
        (self.source(), target)
    }

    pub(crate) fn flow(
        &mut self,
        flow_spec: &str,
        ends: &(String, String),
        audiences: &Json,
        mapping: &Json,
    ) -> flows::Result<String> {
        let body = json!({
            "name": "Activation",
            "flowSpec": version(flow_spec),
            "sourceConnectionIds": [ends.0],
            "targetConnectionIds": [ends.1],
            "transformations": [{ "name": "GeneralTransform", "params": {
                "segmentSelectors": { "selectors": audiences },
                "profileSelectors": { "selectors": mapping },
            }}],
        });
        let decision = self.flow_service(|docs, caller, _, lookups| dataflows::create(docs, caller, &body, lookups));
        self.decided(decision)
    }
}

impl Default for World {
    fn default() -> World {
        World::new()
    }
}

pub(crate) fn seal(secret: &str) -> String {
    format!("sealed:{}", secret.len())
}

pub(crate) fn outside() -> Outside<'static> {
    Outside { seal: &seal }
}

pub(crate) fn id_of(value: &Json, member: &str) -> String {
    value[member].as_str().unwrap().to_owned()
}

pub(crate) fn version(id: &str) -> Json {
    json!({ "id": id, "version": "1.0" })
}

pub(crate) fn bearer() -> Json {
    json!({ "specName": "Bearer token", "params": { "token": "s3cr3t-token" } })
}

pub(crate) fn audience() -> Json {
    json!({ "type": "PLATFORM_SEGMENT", "value": { "id": AUDIENCE } })
}

pub(crate) fn mapped(source: &str, destination: &str) -> Json {
    json!({ "type": "JSON_PATH", "value": { "path": source, "operator": "EXISTS", "mapping": {
        "sourceType": "text/x.schema-path", "source": source, "destination": destination,
    }}})
}

fn attribute_type(path: &str) -> Result<Type, String> {
    match path {
        "person.name.firstName" | "personalEmail.address" | "homeAddress.city" => Ok(Type::String),
        "loyalty.points" => Ok(Type::Integer),
        "orders" => Ok(Type::Array(Arc::new(Type::String))),
        _ => Err("the union schema has no such field".into()),
    }
}

pub(crate) fn server() -> Json {
    json!({
        "name": "Receiver",
        "destinationServerType": "URL_BASED",
        "urlBasedDestination": {
            "url": { "templatingStrategy": "PEBBLE_V1", "value": "https://{{customerData.region}}.example.com/users" },
        },
        "httpTemplate": {
            "httpMethod": "POST",
            "requestBody": {
                "templatingStrategy": "PEBBLE_V1",
                "value": "[{% for profile in input.profiles %}{{ profile.identityMap.email[0].id | raw }}{% endfor %}]",
            },
            "contentType": "application/json",
        },
    })
}

pub(crate) fn destination(server: &str) -> Json {
    json!({
        "name": "Moviestar",
        "description": "A destination to try things with.",
        "status": "TEST",
        "customerAuthenticationConfigurations": [{ "authType": "BEARER" }],
        "customerDataFields": [
            { "name": "region", "type": "string", "title": "Region", "isRequired": true, "enum": ["eu", "us"] },
        ],
        "uiAttributes": {
            "documentationLink": "https://www.adobe.com/go/destinations-moviestar-en",
            "category": "mobile",
            "connectionType": "Server-to-server",
            "frequency": "Streaming",
        },
        "identityNamespaces": {
            "email": {
                "acceptsAttributes": true,
                "acceptsCustomNamespaces": false,
                "transformation": "sha256(lower($))",
                "acceptedGlobalNamespaces": { "Email": { "requiredTransformation": "sha256(lower($))" } },
            },
            "external": { "acceptsAttributes": false, "acceptsCustomNamespaces": true },
        },
        "schemaConfig": {
            "profileFields": [
                { "name": "firstName", "type": "string", "title": "First name" },
                { "name": "points", "type": "integer", "title": "Points" },
            ],
            "profileRequired": false,
            "segmentRequired": true,
            "identityRequired": true,
        },
        "segmentMappingConfig": { "mapExperiencePlatformSegmentName": false, "mapExperiencePlatformSegmentId": true },
        "aggregation": {
            "aggregationType": "BEST_EFFORT",
            "bestEffortAggregation": { "maxUsersPerRequest": 10, "splitUserById": false },
        },
        "destinationDelivery": [
            { "authenticationRule": "CUSTOMER_AUTHENTICATION", "destinationServerId": server },
        ],
    })
}
