//! What authored objects refer to, and who refers to them.

use crate::catalog::{Origin, connection_spec_id};
use crate::error::{Error, Result};
use crate::kind::{Kind, Parsed};
use crate::snapshot::{Objects, Working};
use destination::config::{self, DestinationConfig, Fault, Linked};
use model::{Collection, Doc, DocSet, SandboxId};
use serde_json::Value as Json;

/// Faults of what a destination refers to.
pub(crate) fn check(config: &DestinationConfig, objects: &dyn Objects) -> Vec<Fault> {
    check_with(config, &|kind, id| linked(kind, objects.object(kind, id)?))
}

fn check_with(config: &DestinationConfig, find: &dyn Fn(Kind, &str) -> Option<Linked>) -> Vec<Fault> {
    config::check_links(config, &|kind, id| {
        let kind = match kind {
            config::Kind::Server => Kind::Server,
            config::Kind::AudienceTemplate => Kind::AudienceTemplate,
            config::Kind::Credential => Kind::Credential,
        };
        find(kind, id)
    })
}

fn linked(kind: Kind, body: &Json) -> Option<Linked> {
    kind.parse(body).ok().and_then(parsed_link)
}

fn parsed_link(parsed: Parsed) -> Option<Linked> {
    Some(match parsed {
        Parsed::Server(config) => Linked::Server(config),
        Parsed::AudienceTemplate(config) => Linked::AudienceTemplate(config),
        Parsed::Credential(config) => Linked::Credential(config),
        Parsed::Destination(_) => return None,
    })
}

/// Refuses a change of an object that a destination could no longer use.
pub(crate) fn check_users(working: &Working<'_>, kind: Kind, id: &str, changed: &Parsed) -> Result<()> {
    for user in users(working.docs, working.sandbox, kind, id) {
        let Ok(Parsed::Destination(config)) = Kind::Destination.parse(&user.body) else { continue };
        let faults = check_with(&config, &|asked, asked_id| match (asked, asked_id) == (kind, id) {
            true => parsed_link(changed.clone()),
            false => linked(asked, working.object(asked, asked_id)?),
        });
        if let Some(fault) = faults.first() {
            return Err(Error::refused(format!("{} would no longer fit: {fault}", named(user))));
        }
    }
    Ok(())
}

/// The ids of a kind that a stored destination names, each once.
pub(crate) fn ids(destination: &Json, kind: Kind) -> Vec<&str> {
    let member = match kind {
        Kind::Destination => return Vec::new(),
        Kind::Server => "destinationServerId",
        Kind::AudienceTemplate => "audienceTemplateId",
        Kind::Credential => "authenticationId",
    };
    let mut found = Vec::new();
    collect(destination, member, &mut found);
    found
}

fn collect<'j>(value: &'j Json, member: &str, found: &mut Vec<&'j str>) {
    match value {
        Json::Object(fields) => {
            for (name, inner) in fields {
                match inner.as_str() {
                    Some(id) if name == member && !found.contains(&id) => found.push(id),
                    _ => collect(inner, member, found),
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| collect(item, member, found)),
        _ => {}
    }
}

/// Whether the server that a stored destination delivers to takes files.
pub(crate) fn exports_files(destination: &Json, objects: &dyn Objects) -> bool {
    let id = destination["destinationDelivery"][0]["destinationServerId"].as_str().unwrap_or_default();
    let server = objects.object(Kind::Server, id).and_then(|body| Kind::Server.parse(body).ok());
    matches!(server, Some(Parsed::Server(server)) if server.is_file())
}

/// The destinations of a sandbox whose working copy names an object.
fn users<'d>(docs: &'d DocSet, sandbox: SandboxId, kind: Kind, id: &str) -> impl Iterator<Item = &'d Doc> {
    let all = docs.iter(sandbox, Collection::AuthoringDestination).map(AsRef::as_ref);
    all.filter(move |doc: &&Doc| ids(&doc.body, kind).contains(&id))
}

/// Who refers to an object, named for a message.
pub(crate) fn user_of(docs: &DocSet, sandbox: SandboxId, kind: Kind, id: &str) -> Option<String> {
    if kind != Kind::Destination {
        return users(docs, sandbox, kind, id).next().map(named);
    }
    private_user(docs, sandbox, id).or_else(|| {
        let everywhere = |kind| docs.iter_everywhere(kind).map(|(_, doc)| doc.as_ref());
        connected(everywhere(Collection::TargetConnection), everywhere(Collection::BaseConnection), id, Origin::Public)
    })
}

/// A connection to the working copy of a destination, named for a message.
pub(crate) fn private_user(docs: &DocSet, sandbox: SandboxId, id: &str) -> Option<String> {
    let here = |kind| docs.iter(sandbox, kind).map(AsRef::as_ref);
    connected(here(Collection::TargetConnection), here(Collection::BaseConnection), id, Origin::Private)
}

fn connected<'d>(
    targets: impl Iterator<Item = &'d Doc>,
    bases: impl Iterator<Item = &'d Doc>,
    id: &str,
    origin: Origin,
) -> Option<String> {
    let spec = connection_spec_id(id, origin);
    let connects = |doc: &&Doc| doc.body["connectionSpec"]["id"] == spec.as_str();
    let mut targets = targets.map(|doc| (doc, "target connection"));
    let mut bases = bases.map(|doc| (doc, "base connection"));
    let found = targets.find(|(doc, _)| connects(doc)).or_else(|| bases.find(|(doc, _)| connects(doc)));
    found.map(|(doc, noun)| format!("{noun} {} ({})", doc.id, doc.body["name"].as_str().unwrap_or_default()))
}

fn named(destination: &Doc) -> String {
    let name = destination.body["name"].as_str().unwrap_or_default();
    format!("destination configuration {} ({name})", destination.id)
}
