//! What two runs must agree in: profiles, memberships, and what the receiver has last of each profile.

use crate::stream::{Stream, crm_id, email};
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use testkit::{Api, Receiver, ReceiverOptions, Script, Server, World};
use testkit::{Flow, Options};

/// Audiences over counts, sums and items, and two that time moves by whole days.
const AUDIENCES: [(&str, &str); 5] = [
    ("repeat-buyers", r#"xEvent[eventType = "commerce.purchases"].count() >= 3"#),
    ("big-spenders", r#"xEvent[eventType = "commerce.purchases"].sum(commerce.order.priceTotal) >= 250"#),
    ("active", r#"xEvent[eventType = "commerce.purchases" and timestamp occurs <= 90 days before now].count() >= 1"#),
    (
        "lapsed",
        r#"xEvent[eventType = "commerce.purchases"].count() >= 2 and not (exists E from xEvent where E.eventType = "commerce.purchases" and E.timestamp occurs <= 180 days before now)"#,
    ),
    (
        "bulk",
        r#"exists E from xEvent, I from E.productListItems where E.eventType = "commerce.purchases" and I.quantity >= 10"#,
    ),
];

/// A world with audiences and a flow of them all.
pub(crate) struct Scene {
    pub(crate) world: World,
    /// Id and name.
    audiences: Vec<(String, &'static str)>,
}

impl Scene {
    pub(crate) fn new(options: Options, script: Script) -> Scene {
        let receiver = ReceiverOptions { keep_last: true, kept_max: 0, script, ..ReceiverOptions::default() };
        let world = World::start(options, receiver);
        let audiences: Vec<(String, &str)> = AUDIENCES.map(|(name, pql)| (world.audience(name, pql), name)).into();
        let ids: Vec<&String> = audiences.iter().map(|(id, _)| id).collect();
        world.flow(&Flow::to(&ids));
        Scene { world, audiences }
    }

    /// Members of each audience.
    pub(crate) fn members(&self, server: &Server) -> BTreeMap<String, u64> {
        let status = server.status();
        let members = |id: &String| status["audiences"][id]["members"].as_u64().expect("a count");
        self.audiences.iter().map(|(id, name)| ((*name).to_owned(), members(id))).collect()
    }

    /// Everything that must be the same.
    pub(crate) fn state(&self, server: &Server, receiver: &Receiver, stream: &Stream) -> State {
        let (status, operator) = (server.status(), server.operator());
        let profile = |customer: u32| (crm_id(customer), self.profile(&operator, customer));
        let received = Api::new(&receiver.url(""));
        let last = |namespace: &str| {
            let bodies = received.get(&format!("/received/last?by={namespace}")).ok();
            let bodies = bodies.as_object().expect("bodies by identity").clone();
            bodies.into_iter().map(|(id, body)| (format!("{namespace} {id}"), self.timeless(body))).collect::<Vec<_>>()
        };
        State {
            counts: (status["profiles"].as_u64().unwrap_or(0), status["events"].as_u64().unwrap_or(0)),
            members: self.members(server),
            profiles: stream.customers().into_iter().map(profile).collect(),
            last: ["CRMID", "Email"].into_iter().flat_map(last).collect(),
        }
    }

    /// A profile without its times.
    fn profile(&self, operator: &Api, customer: u32) -> Json {
        let found = operator.get(&format!("/rivermouth/profiles?namespace=CRMID&id={}", crm_id(customer)));
        if found.status == 404 {
            return Json::Null;
        }
        let found = found.ok();
        let list = |name: &str| found[name].as_array().cloned().unwrap_or_default();
        let by = |items: Vec<Json>, key: &str, value: &str| -> Map<String, Json> {
            items.iter().map(|i| (i[key].as_str().unwrap_or_default().to_owned(), i[value].clone())).collect()
        };
        let mut audiences = by(list("audiences"), "name", "status");
        audiences.sort_keys();
        let mut events = by(list("events"), "_id", "body");
        events.sort_keys();
        json!({
            "identityMap": found["identityMap"], "attributes": found["attributes"],
            "audiences": audiences, "events": events,
        })
    }

    /// A delivered body without times, with names for the ids of this world.
    fn timeless(&self, mut body: Json) -> Json {
        let memberships = body["segmentMembership"]["ups"].as_object().cloned().unwrap_or_default();
        let named = |(id, membership): (String, Json)| {
            let name = self.audiences.iter().find(|(i, _)| *i == id).map_or(id.as_str(), |(_, name)| name);
            (name.to_owned(), membership["status"].clone())
        };
        let mut named: Map<String, Json> = memberships.into_iter().map(named).collect();
        named.sort_keys();
        body["segmentMembership"] = json!({ "ups": named });
        body
    }
}

/// Events of a customer, who may be two profiles still.
pub(crate) fn events_of(server: &Server, customer: u32) -> BTreeSet<String> {
    let operator = server.operator();
    let of = |namespace: &str, id: String| {
        let found = operator.get(&format!("/rivermouth/profiles?namespace={namespace}&id={id}"));
        let events = found.json["events"].as_array().cloned().unwrap_or_default();
        events.into_iter().filter_map(|e| e["_id"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    [of("CRMID", crm_id(customer)), of("Email", email(customer))].into_iter().flatten().collect()
}

/// Everything that must be the same.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    /// Profiles and events.
    pub(crate) counts: (u64, u64),
    /// Members by audience.
    pub(crate) members: BTreeMap<String, u64>,
    /// Profiles by CRM id.
    pub(crate) profiles: BTreeMap<String, Json>,
    /// The newest body that the receiver took, by identity.
    pub(crate) last: BTreeMap<String, Json>,
}

impl State {
    /// # Panics
    /// With the first differences.
    pub(crate) fn must_equal(&self, other: &State) {
        let mut found = differences("profile", &self.profiles, &other.profiles);
        found.extend(differences("newest body of", &self.last, &other.last));
        found.extend(differences("members of", &self.members, &other.members));
        if self.counts != other.counts {
            found.push(format!("profiles and events: {:?} and {:?}", self.counts, other.counts));
        }
        let shown = found.iter().take(5).map(String::as_str).collect::<Vec<_>>().join("\n");
        assert!(found.is_empty(), "{} differences, the first:\n{shown}", found.len());
    }
}

fn differences<V: PartialEq + Debug>(
    what: &str,
    left: &BTreeMap<String, V>,
    right: &BTreeMap<String, V>,
) -> Vec<String> {
    let mut keys: Vec<&String> = left.keys().chain(right.keys()).collect();
    keys.sort();
    keys.dedup();
    let differ = keys.into_iter().filter(|key| left.get(*key) != right.get(*key));
    differ.map(|key| format!("{what} {key}:\n  {:?}\n  {:?}", left.get(key), right.get(key))).collect()
}
