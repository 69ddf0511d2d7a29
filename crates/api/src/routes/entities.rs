//! Entities: `/data/core/ups/access/entities` (profile.md §8.1): one or many profiles, their events,
//! deletion of a profile.
//!
//! In: identities or XIDs and how to show them (`ask.rs`, `values.rs`). Out: merged profiles (`show.rs`) and pages
//! of events (`events.rs`), read from committed rows.
//!
//! Always: under a merge policy without stitching, only fragments and events of the asked identity
//! are shown. An unknown identity is no error but an empty profile.

mod ask;
mod events;
mod show;
#[cfg(test)]
mod tests;
mod values;

use crate::app::App;
use crate::error::{ApiError, respond};
use crate::gateway::{JsonBody, Requester};
use ask::{Ask, Named, NamespaceName, Subject};
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use engine::{Engine, SandboxPlan, StoredProfile};
use events::Page;
use model::{Identity, SandboxId, Xid};
use profile::{AttributeMerge, Graph, MergePolicy};
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;

const PATH: &str = "/data/core/ups/access/entities";

pub(super) fn routes() -> Router<App> {
    Router::new().route(PATH, get(one).post(many).delete(remove))
}

async fn one(
    State(app): State<App>,
    requester: Requester,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    let read = || {
        let (ask, named) = ask::of_query(&parameters)?;
        let room = Room::of(&app, &requester, &ask)?;
        let (xid, mut entity) = room.answer(&ask, &named)?;
        if ask.subject == Subject::Profile {
            return Ok(json!({ xid: entity }));
        }
        if let Some(next) = entity["_page"]["next"].as_str().filter(|next| !next.is_empty()) {
            entity["_links"]["next"]["href"] = Json::String(ask::next_address(&parameters, next));
        }
        Ok(entity)
    };
    Ok(respond(200, &read().map_err(refused(&requester))?, &[], "application/json"))
}

async fn many(State(app): State<App>, requester: Requester, JsonBody(body): JsonBody) -> Result<Response, ApiError> {
    let (ask, identities) = ask::of_body(&body).map_err(refused(&requester))?;
    let room = Room::of(&app, &requester, &ask).map_err(refused(&requester))?;
    let answers = identities.into_iter().map(|asked| {
        let named = asked.named.map_err(|refusal| (asked.shown.clone(), refusal))?;
        let ask = ask.at(asked.after);
        let (xid, mut entity) = room.answer(&ask, &named).map_err(|refusal| (named.id.clone(), refusal))?;
        if let Some(next) = entity["_page"]["next"].as_str().filter(|next| !next.is_empty()) {
            entity["_links"]["next"]["payload"] = ask::next_payload(&body, &asked.shown_identity, next);
        }
        entity["requestedIdentity"] = asked.shown_identity;
        Ok((xid, entity))
    });
    let (status, answer) = bulk(answers.collect());
    Ok(respond(status, &answer, &[], "application/json"))
}

/// The XID and what is shown of it, or the text of an identity and why nothing is.
type Answer = Result<(String, Json), (String, Refusal)>;

/// 200 and an object by XID when all were answered; else 207 and one item per asked identity.
fn bulk(answers: Vec<Answer>) -> (u16, Json) {
    if answers.iter().all(Result::is_ok) {
        return (200, Json::Object(answers.into_iter().flatten().collect::<Map<_, _>>()));
    }
    let item = |answer: Answer| match answer {
        Ok((xid, Json::Object(mut entity))) => {
            entity.insert("xid".into(), Json::String(xid));
            Json::Object(entity)
        }
        Ok((xid, _)) => json!({ "xid": xid }),
        Err((xid, refusal)) => json!({ "xid": xid, "error": refusal.item() }),
    };
    (207, answers.into_iter().map(item).collect())
}

async fn remove(
    State(app): State<App>,
    requester: Requester,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    let find = || {
        let (ask, named) = ask::of_deletion(&parameters)?;
        let room = Room::of(&app, &requester, &ask)?;
        let found = room.find(&named)?;
        let stored = found.stored.ok_or_else(|| Refusal::new(404, format!("there is no profile of {}", named.id)))?;
        if room.policy.graph == Graph::None && stored.profile.identities.len() > 1 {
            return Err(Refusal::invalid(
                "mergePolicyId: a policy without stitching names one identity of a larger profile; \
                 only a whole profile can be deleted, name a policy with identityGraph.type `pdg`",
            ));
        }
        Ok(stored.id)
    };
    let profile = find().map_err(refused(&requester))?;
    app.engine.delete_profile(requester.sandbox, profile).await.map_err(|e| ApiError::unavailable(&e))?;
    Ok(respond(202, &json!({}), &[], "application/json"))
}

/// Why a request, or one identity of it, is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refusal {
    status: u16,
    message: String,
}

impl Refusal {
    fn new(status: u16, message: impl Into<String>) -> Refusal {
        Refusal { status, message: message.into() }
    }

    fn invalid(message: impl Into<String>) -> Refusal {
        Refusal::new(400, message)
    }

    fn storage(error: &engine::Error) -> Refusal {
        tracing::error!(%error, "cannot read a profile");
        Refusal::new(500, "the profile cannot be read")
    }

    /// As an item of an answer to many identities.
    fn item(&self) -> Json {
        json!({ "message": self.message, "cause": self.message, "statusCode": self.status.to_string() })
    }
}

/// The shape of the profile services (profile.md §1.2).
fn refused(requester: &Requester) -> impl Fn(Refusal) -> ApiError + '_ {
    |Refusal { status, message }| {
        let code = format!("UPAPI-113434-{status}");
        let body = json!({
            "type": format!("https://ns.adobe.com/aep/errors/{code}"),
            "title": message,
            "status": status,
            "requestId": requester.request_id.as_str(),
            "errors": { status.to_string(): [{ "code": code, "message": message }] },
        });
        ApiError::new(status, body)
    }
}

/// Where one request reads: the sandbox, its plan and the merge policy in use.
struct Room<'a> {
    engine: &'a Engine,
    sandbox: SandboxId,
    plan: Arc<SandboxPlan>,
    policy: MergePolicy,
}

/// The profile that a request names.
struct Found {
    /// The XID of what was asked for, or the text that is none.
    xid: String,
    /// The identity that was asked for.
    asked: Option<Identity>,
    stored: Option<StoredProfile>,
}

impl<'a> Room<'a> {
    fn of(app: &'a App, requester: &Requester, ask: &Ask) -> Result<Room<'a>, Refusal> {
        let sandbox = requester.sandbox;
        let plan = app.current().plan.sandboxes.get(&sandbox).cloned().unwrap_or_default();
        let policy = policy(&plan.merge_policies, ask.policy.as_deref())?;
        Ok(Room { engine: &app.engine, sandbox, plan, policy })
    }

    fn answer(&self, ask: &Ask, named: &Named) -> Result<(String, Json), Refusal> {
        let found = self.find(named)?;
        let entity = match ask.subject {
            Subject::Profile => show::profile_entity(&found, self, &ask.fields),
            Subject::Events => {
                let page = self.events(ask, &found)?;
                show::event_page(&found.xid, &page, ask, &|id| self.plan.namespaces.code(id))
            }
        };
        Ok((found.xid, entity))
    }

    fn find(&self, named: &Named) -> Result<Found, Refusal> {
        let Some(namespace) = &named.namespace else { return self.find_xid(&named.id) };
        let id = match namespace {
            NamespaceName::Code(code) => self.plan.namespaces.id(code),
            NamespaceName::Id(id) => Some(*id).filter(|id| self.plan.namespaces.get(*id).is_some()),
        };
        let namespace =
            id.ok_or_else(|| Refusal::invalid(format!("entityIdNS: there is no identity namespace {namespace}")))?;
        let identity = Identity { namespace, value: named.id.as_str().into() };
        let stored = self.engine.profile_of(self.sandbox, &identity).map_err(|e| Refusal::storage(&e))?;
        Ok(Found { xid: identity.xid(self.sandbox).to_string(), asked: Some(identity), stored })
    }

    /// Any text may be an XID of another system, so one that is none of ours is only unknown.
    fn find_xid(&self, text: &str) -> Result<Found, Refusal> {
        let unknown = Found { xid: text.to_owned(), asked: None, stored: None };
        let Some(xid) = Xid::parse(text) else { return Ok(unknown) };
        let stored = self.engine.profile_of_xid(self.sandbox, xid).map_err(|e| Refusal::storage(&e))?;
        let Some(stored) = stored else { return Ok(unknown) };
        let known = stored.profile.identities.iter().map(|k| &k.identity);
        let mut identities = known.chain(stored.profile.fragments.iter().map(|f| &f.identity));
        let asked = identities.find(|i| i.xid(self.sandbox) == xid).cloned();
        // A profile keeps its name after it lost the identity that gave it: nothing of that identity is left.
        let gone = asked.is_none() && self.policy.graph == Graph::None;
        Ok(Found { xid: text.to_owned(), asked, stored: Some(stored).filter(|_| !gone) })
    }

    fn events(&self, ask: &Ask, found: &Found) -> Result<Page, Refusal> {
        let Some(stored) = &found.stored else { return Ok(Page::default()) };
        let mut all = self.engine.events(self.sandbox, stored.id).map_err(|e| Refusal::storage(&e))?;
        if self.policy.graph == Graph::None {
            all.retain(|e| e.identities.iter().any(|i| i.primary && Some(&i.identity) == found.asked.as_ref()));
        }
        Ok(events::page(all, &ask.events, &|id| self.plan.namespaces.code(id)))
    }
}

/// The policy that was named, else the default one, else none: no stitching (profile.md §8.1).
fn policy(policies: &[MergePolicy], named: Option<&str>) -> Result<MergePolicy, Refusal> {
    let none = || MergePolicy { id: "".into(), graph: Graph::None, attributes: AttributeMerge::TimestampOrdered };
    match named {
        None => Ok(policies.first().cloned().unwrap_or_else(none)),
        Some(id) => policies
            .iter()
            .find(|p| p.id == id)
            .cloned()
            .ok_or_else(|| Refusal::invalid(format!("mergePolicyId: there is no merge policy {id:?}"))),
    }
}
