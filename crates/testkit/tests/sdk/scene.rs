//! A server and a partner, and what an author and a customer do with them.

use crate::partner::{Call, Partner, Reply, ok};
use serde_json::{Value as Json, json};
use testkit::{Answer, Options, ReceiverOptions, World};

pub(crate) const AUTHORING: &str = "/data/core/activation/authoring";
pub(crate) const FLOWS: &str = flows::BASE_PATH;
/// One entry of the message for each profile: hashed addresses, last name, aliases of what it entered and left.
const PEOPLE: &str = r#"{"people":[{% for p in input.profiles %}{"ids":[{% for i in p.identityMap.email %}"{{ i.id }}"{% if not loop.last %},{% endif %}{% endfor %}],"name":"{{ p.attributes.lastName.value }}","add":[{% for s in addedSegments(p.segmentMembership.ups) %}"{{ destination.segmentAliases[s.key] }}"{% if not loop.last %},{% endif %}{% endfor %}],"remove":[{% for s in removedSegments(p.segmentMembership.ups) %}"{{ destination.segmentAliases[s.key] }}"{% if not loop.last %},{% endif %}{% endfor %}]}{% if not loop.last %},{% endif %}{% endfor %}]}"#;

/// SHA-256 of the lower-case address of person `n`.
pub(crate) fn hashed(n: usize) -> String {
    const KNOWN: [&str; 4] = [
        "146097767970817eca5567a1939f3bd6abba40f769bf58a593cbd822e3a8f6a7",
        "18c0922f0e3b9e9e84a5ded2ff107ab7cc938e72dd9f9c8db6baa701b734623d",
        "e2a200cfd44d978ed24d94fde24085049e3d4b2e95cd893029cedaff65e591e1",
        "232920ff25d6faeb821ec83fd16af1a8a1f983620698e8cdd01c7f58cd1845c3",
    ];
    KNOWN[n].to_owned()
}

/// A templated value.
pub(crate) fn pebble(text: &str) -> Json {
    json!({ "templatingStrategy": "PEBBLE_V1", "value": text })
}

/// Lays objects over one another, member by member; null removes.
pub(crate) fn over(into: &mut Json, patch: &Json) {
    match (into, patch) {
        (Json::Object(into), Json::Object(patch)) => {
            for (name, value) in patch {
                if value.is_null() {
                    into.shift_remove(name);
                } else {
                    over(into.entry(name).or_insert(Json::Null), value);
                }
            }
        }
        (into, patch) => *into = patch.clone(),
    }
}

/// A connection to a destination, ready for flows.
#[derive(Debug, Clone)]
pub(crate) struct Connected {
    pub(crate) flow_spec: String,
    pub(crate) base: String,
    pub(crate) target: String,
}

pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) partner: Partner,
}

impl Scene {
    /// On the manual clock, with a partner that takes everything.
    pub(crate) fn new() -> Scene {
        Scene::start(Options::manual(World::START), |_| ok())
    }

    pub(crate) fn start(options: Options, plan: impl FnMut(&Call) -> Reply + Send + 'static) -> Scene {
        let partner = Partner::start(plan);
        Scene { world: World::start(options, ReceiverOptions::default()), partner }
    }

    /// Makes an authored object.
    pub(crate) fn try_author(&self, kind: &str, body: &Json) -> Answer {
        self.world.api.post(&format!("{AUTHORING}/{kind}"), body)
    }

    #[track_caller]
    pub(crate) fn author(&self, kind: &str, body: &Json) -> String {
        text(&self.try_author(kind, body).ok(), "instanceId")
    }

    /// A server of messages at the partner, with what is to be different.
    #[track_caller]
    pub(crate) fn server(&self, patch: &Json) -> String {
        let mut body = json!({
            "name": "Messages", "destinationServerType": "URL_BASED",
            "urlBasedDestination": { "url": pebble(&format!("{}/in", self.partner.url)) },
            "httpTemplate": {
                "httpMethod": "POST", "contentType": "application/json", "requestBody": pebble(PEOPLE),
            },
        });
        over(&mut body, patch);
        self.author("destination-servers", &body)
    }

    /// The body of a destination that sends to a server, with what is to be different.
    pub(crate) fn destination(server: &str, patch: &Json) -> Json {
        let mut body = json!({
            "name": "Partner", "description": "A partner", "status": "TEST",
            "customerDataFields": [],
            "uiAttributes": {
                "documentationLink": "http://www.adobe.com/go/destinations-partner-en", "category": "advertising",
                "connectionType": "Server-to-server", "frequency": "Streaming",
            },
            "schemaConfig": { "profileRequired": true, "segmentRequired": true, "identityRequired": true },
            "identityNamespaces": { "email": {
                "acceptsAttributes": true, "acceptsCustomNamespaces": true,
                "acceptedGlobalNamespaces": { "Email": { "requiredTransformation": "sha256(lower($))" } },
            } },
            "destinationDelivery": [{ "authenticationRule": "NONE", "destinationServerId": server }],
            "segmentMappingConfig": {
                "mapExperiencePlatformSegmentName": true, "mapExperiencePlatformSegmentId": false, "mapUserInput": false,
            },
            "aggregation": {
                "aggregationType": "BEST_EFFORT",
                "bestEffortAggregation": { "maxUsersPerRequest": 10, "splitUserById": false },
            },
            "backfillHistoricalProfileData": true,
        });
        over(&mut body, patch);
        body
    }

    /// The connection spec of a destination by its name, and the id of its flow spec.
    #[track_caller]
    pub(crate) fn card(&self, name: &str, origin: &str) -> (Json, String) {
        let found = self.try_card(name, origin);
        found.unwrap_or_else(|| panic!("no {origin} card {name}"))
    }

    pub(crate) fn try_card(&self, name: &str, origin: &str) -> Option<(Json, String)> {
        let list = |what: &str| {
            let found = self.world.api.get(&format!("{FLOWS}/{what}?limit=100")).ok();
            found["items"].as_array().expect("items").clone()
        };
        let mut specs = list("connectionSpecs").into_iter();
        let spec = specs.find(|spec| spec["name"] == name && spec["attributes"]["origin"] == origin)?;
        let leads =
            |flow: &Json| flow["targetConnectionSpecIds"].as_array().is_some_and(|ids| ids.contains(&spec["id"]));
        let flow_spec = list("flowSpecs").into_iter().find(leads).expect("a flow spec");
        Some((spec, text(&flow_spec, "id")))
    }

    /// A base connection.
    #[track_caller]
    pub(crate) fn account(&self, spec: &Json, auth: &Json) -> String {
        let mut body = json!({ "name": "Account", "connectionSpec": { "id": spec["id"], "version": "1.0" } });
        if !auth.is_null() {
            body["auth"] = auth.clone();
        }
        text(&self.world.api.post(&format!("{FLOWS}/connections"), &body).ok(), "id")
    }

    pub(crate) fn try_target(&self, spec: &Json, base: &str, params: &Json) -> Answer {
        let body = json!({
            "name": "Target", "baseConnectionId": base, "params": params,
            "connectionSpec": { "id": spec["id"], "version": "1.0" },
        });
        self.world.api.post(&format!("{FLOWS}/targetConnections"), &body)
    }

    /// Connects to the private destination of this name.
    #[track_caller]
    pub(crate) fn connect(&self, name: &str, auth: &Json, params: &Json) -> Connected {
        let (spec, flow_spec) = self.card(name, "private");
        let base = self.account(&spec, auth);
        let target = text(&self.try_target(&spec, &base, params).ok(), "id");
        Connected { flow_spec, base, target }
    }

    pub(crate) fn try_flow(&self, to: &Connected, audiences: &[&str], mapping: &[Json]) -> Answer {
        let source = json!({ "id": flows::PROFILE_STORE, "version": "1.0" });
        let source = json!({ "name": "Profile store", "connectionSpec": source });
        let source = text(&self.world.api.post(&format!("{FLOWS}/sourceConnections"), &source).ok(), "id");
        let audience = |id: &&str| json!({ "type": "PLATFORM_SEGMENT", "value": { "id": id, "name": id } });
        let body = json!({
            "name": "Activation", "flowSpec": { "id": to.flow_spec, "version": "1.0" },
            "sourceConnectionIds": [source], "targetConnectionIds": [to.target],
            "transformations": [{ "name": "GeneralTransform", "params": {
                "segmentSelectors": { "selectors": audiences.iter().map(audience).collect::<Vec<_>>() },
                "profileSelectors": { "selectors": mapping },
            } }],
        });
        self.world.api.post(&format!("{FLOWS}/flows"), &body)
    }

    /// Enters something else for a connection. Gives it as it was shown before.
    #[track_caller]
    pub(crate) fn change_account(&self, to: &Connected, params: &Json) -> Json {
        let path = format!("{FLOWS}/connections/{}", to.base);
        let shown = self.world.api.get(&path).ok();
        let etag = text(&shown["items"][0], "etag");
        let patch = json!([{ "op": "replace", "path": "/auth/params", "value": params }]);
        self.world.api.send("PATCH", &path, Some(patch.to_string().into_bytes()), &[("if-match", &etag)]).ok();
        shown
    }

    #[track_caller]
    pub(crate) fn flow(&self, to: &Connected, audiences: &[&str], mapping: &[Json]) -> String {
        text(&self.try_flow(to, audiences, mapping).ok(), "id")
    }

    /// The usual way: server, destination, connection, flow of one audience; its ids.
    pub(crate) fn activate(
        &self,
        server: &Json,
        destination: &Json,
        auth: &Json,
        audiences: &[&str],
    ) -> (Connected, String) {
        let server = self.server(server);
        self.author("destinations", &Scene::destination(&server, destination));
        let connected = self.connect("Partner", auth, &json!({}));
        let flow = self.flow(&connected, audiences, &usual());
        (connected, flow)
    }

    /// The audience of all whose first name is Vip.
    pub(crate) fn vips(&self) -> String {
        self.world.audience("Vips", "person.name.firstName = \"Vip\"")
    }

    /// A record of person `n`.
    pub(crate) fn person(&self, n: usize, last_name: &str, first_name: &str) -> Json {
        let (crm, address) = (format!("c{n}"), format!("Person{n}@Example.com"));
        let name = json!({ "person": { "name": { "lastName": last_name, "firstName": first_name } } });
        self.world.record(&[("CRMID", &crm), ("Email", &address)], name)
    }

    /// Sends people with a first name each, and waits until it is applied.
    pub(crate) fn people(&self, range: std::ops::Range<usize>, first_name: &str) {
        let people: Vec<Json> = range.map(|n| self.person(n, &format!("L{n}"), first_name)).collect();
        self.world.send(&people);
        self.world.wait_applied();
    }

    /// Entries of all messages that came to a path.
    pub(crate) fn entries(&self, path: &str) -> Vec<Json> {
        let calls = self.partner.calls(path).into_iter();
        calls.flat_map(|call| call.json()["people"].as_array().expect("people").clone()).collect()
    }

    /// Waits until this many requests of a flow were answered, and what that means was decided.
    pub(crate) fn answered(&self, flow: &str, count: usize) {
        let attempts = format!("rivermouth_delivery_attempts_total{{flow=\"{flow}\"}} {count}\n");
        let idle = format!("rivermouth_delivery_in_flight{{flow=\"{flow}\"}} 0\n");
        let done = |page: &String| page.contains(&attempts) && page.contains(&idle);
        testkit::until(&format!("{count} answers"), || self.world.server.metrics(), done);
    }

    /// That the ledger closes with these numbers.
    #[track_caller]
    pub(crate) fn check_ledger(&self, flow: &str, exported: u64, dead: u64) {
        let ledger = self.world.ledger(flow);
        let seen = (&ledger["exported"], &ledger["dead"], &ledger["waiting"], &ledger["balanced"]);
        assert_eq!(
            seen,
            (&json!(exported), &json!(dead), &json!(0), &json!(true)),
            "{ledger}\n{}",
            self.world.server.log()
        );
    }
}

pub(crate) fn attribute(source: &str, destination: &str) -> Json {
    json!({ "type": "JSON_PATH", "value": { "path": source, "operator": "EXISTS", "mapping": {
        "sourceType": "text/x.schema-path", "source": source, "destination": destination, "identity": false,
    } } })
}

pub(crate) fn identity(source: &str, destination: &str) -> Json {
    json!({ "type": "JSON_PATH", "value": { "path": source, "operator": "EXISTS", "mapping": {
        "sourceType": "text/x.schema-path", "source": source, "destination": destination, "identity": true,
    } } })
}

/// Address and last name.
pub(crate) fn usual() -> Vec<Json> {
    vec![identity("identityMap.Email", "identityMap.email"), attribute("person.name.lastName", "lastName")]
}

#[track_caller]
pub(crate) fn text(body: &Json, member: &str) -> String {
    body[member].as_str().unwrap_or_else(|| panic!("the answer lacks {member}: {body}")).to_owned()
}
