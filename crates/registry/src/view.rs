//! Resources of one sandbox together with the standard library, and what is composed of them.
//!
//! A [`View`] may look at documents as if one of them were already changed, so that a change can be
//! judged before it is made.

use crate::error::Error;
use crate::kind::Kind;
use crate::library::library;
use model::{Collection, Doc, DocSet, SandboxId};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use xdm::Behavior;

/// The resources of one sandbox, optionally with one replaced.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) docs: &'a DocSet,
    pub(crate) sandbox: SandboxId,
    /// `$id` and the body it is to have.
    pub(crate) changed: Option<(&'a str, &'a Json)>,
}

/// What a resource is put together from.
pub(crate) struct Composition {
    /// The class, for a schema.
    pub(crate) class: Option<String>,
    /// Everything it extends, near and far, without repetition.
    pub(crate) extends: Vec<String>,
}

impl<'a> View<'a> {
    pub(crate) fn new(docs: &'a DocSet, sandbox: SandboxId) -> View<'a> {
        View { docs, sandbox, changed: None }
    }

    pub(crate) fn with(self, id: &'a str, body: &'a Json) -> View<'a> {
        View { changed: Some((id, body)), ..self }
    }

    /// The document of an `$id`.
    pub(crate) fn body(&self, id: &str) -> Option<&'a Json> {
        if let Some((changed, body)) = self.changed
            && changed == id
        {
            return Some(body);
        }
        match library().get(id) {
            Some(standard) => Some(&standard.body),
            None => self.tenant(id).map(|doc| &doc.body),
        }
    }

    /// The kind of an `$id` that exists.
    pub(crate) fn kind(&self, id: &str) -> Option<Kind> {
        match library().get(id) {
            Some(standard) => Some(standard.kind),
            None => self.body(id).and_then(|_| tenant_kind(id)),
        }
    }

    /// The stored tenant resource of an `$id`.
    pub(crate) fn tenant(&self, id: &str) -> Option<&'a Arc<Doc>> {
        let collection = tenant_kind(id)?.collection()?;
        self.docs.get(self.sandbox, collection, &crate::library::alt_id(id))
    }

    /// All tenant schemas with their bodies as this view sees them.
    pub(crate) fn schemas(&self) -> impl Iterator<Item = (&'a str, &'a Json)> {
        let view = *self;
        let stored = self.docs.iter(self.sandbox, Collection::Schema).filter_map(|doc| doc.body["$id"].as_str());
        let added = self
            .changed
            .map(|(id, _)| id)
            .filter(|id| tenant_kind(id) == Some(Kind::Schema) && self.tenant(id).is_none());
        stored.chain(added).filter_map(move |id| view.body(id).map(|body| (id, body)))
    }

    /// One flat tree of fields.
    pub(crate) fn resolve(&self, body: &'a Json) -> Result<Json, Error> {
        let view = *self;
        Ok(xdm::resolve(body, &|id| view.body(id))?)
    }

    /// One flat tree of a schema, with its class and behaviour in the head, and the path of its
    /// primary identity required.
    pub(crate) fn resolve_schema(&self, id: &str, body: &'a Json) -> Result<Json, Error> {
        let mut flat = self.resolve(body)?;
        let composition = self.compose(id, body);
        flat["meta:class"] = json!(composition.class);
        flat["meta:extends"] = json!(composition.extends);
        if let Some(path) = crate::descriptor::primary_path(self.docs, self.sandbox, id) {
            require(&mut flat, path.trim_matches('/').split('/'));
        }
        Ok(flat)
    }

    /// What `body` extends; the class is the extended resource of kind class.
    pub(crate) fn compose(&self, id: &str, body: &Json) -> Composition {
        let mut seen = BTreeSet::from([id.to_owned()]);
        let mut extends = Vec::new();
        self.walk(body, &mut seen, &mut extends);
        let class = direct_refs(body).into_iter().find(|r| self.kind(r) == Some(Kind::Class));
        Composition { class, extends }
    }

    fn walk(&self, body: &Json, seen: &mut BTreeSet<String>, extends: &mut Vec<String>) {
        for id in direct_refs(body) {
            if seen.insert(id.clone()) {
                if let Some(inner) = self.body(&id) {
                    self.walk(inner, seen, extends);
                }
                extends.push(id);
            }
        }
    }

    /// The behaviour that a class or schema inherits.
    pub(crate) fn behavior(&self, id: &str, body: &Json) -> Option<Behavior> {
        self.compose(id, body).extends.iter().find_map(|id| Behavior::parse(id))
    }

    /// True if `body` uses `id` anywhere, near or far.
    pub(crate) fn uses(&self, body: &Json, id: &str) -> bool {
        let mut seen = BTreeSet::new();
        self.reaches(body, id, &mut seen)
    }

    fn reaches(&self, body: &Json, id: &str, seen: &mut BTreeSet<String>) -> bool {
        all_refs(body).into_iter().any(|r| {
            r == id || (seen.insert(r.clone()) && self.body(&r).is_some_and(|inner| self.reaches(inner, id, seen)))
        })
    }
}

/// The kind that a tenant `$id` (`https://ns.adobe.com/TENANT/KIND/HASH`) names.
pub(crate) fn tenant_kind(id: &str) -> Option<Kind> {
    let mut segments = id.strip_prefix("https://ns.adobe.com/")?.split('/');
    let (_, kind, hash) = (segments.next()?, segments.next()?, segments.next()?);
    (segments.next().is_none() && !hash.is_empty()).then(|| Kind::parse(kind)).flatten()
}

/// The resources that `allOf` names, without fragments; parts of the document itself are left out.
pub(crate) fn direct_refs(body: &Json) -> Vec<String> {
    let parts = body.get("allOf").and_then(Json::as_array).into_iter().flatten();
    parts.filter_map(reference).map(without_fragment).filter(|id| !id.is_empty()).map(str::to_owned).collect()
}

/// Every resource that is named anywhere in `body`.
pub(crate) fn all_refs(body: &Json) -> Vec<String> {
    let mut out = Vec::new();
    collect_refs(body, &mut out);
    out
}

fn collect_refs(node: &Json, out: &mut Vec<String>) {
    match node {
        Json::Object(members) => {
            if let Some(id) = reference(node).map(without_fragment).filter(|id| !id.is_empty())
                && !out.iter().any(|o| o == id)
            {
                out.push(id.to_owned());
            }
            members.values().for_each(|v| collect_refs(v, out));
        }
        Json::Array(items) => items.iter().for_each(|v| collect_refs(v, out)),
        _ => {}
    }
}

/// The target of `$ref`; published examples also spell it with a trailing blank.
pub(crate) fn reference(node: &Json) -> Option<&str> {
    node.get("$ref").or_else(|| node.get("$ref ")).and_then(Json::as_str)
}

fn without_fragment(reference: &str) -> &str {
    reference.split_once('#').map_or(reference, |(id, _)| id)
}

/// Marks each name of a path as required.
fn require<'p>(node: &mut Json, mut path: impl Iterator<Item = &'p str>) {
    let (Some(name), Json::Object(members)) = (path.next(), node) else { return };
    if members.get("properties").is_none_or(|p| p.get(name).is_none()) {
        return;
    }
    let required = members.entry("required").or_insert_with(|| json!([]));
    if let Json::Array(names) = required
        && !names.iter().any(|n| n == name)
    {
        names.push(json!(name));
    }
    if let Some(inner) = members.get_mut("properties").and_then(|p| p.get_mut(name)) {
        require(inner, path);
    }
}

/// True if the schema carries the `union` tag.
pub(crate) fn is_union_tagged(body: &Json) -> bool {
    body.get("meta:immutableTags").and_then(Json::as_array).is_some_and(|tags| tags.iter().any(|t| t == "union"))
}

/// Members of an object, or nothing.
pub(crate) fn members(node: &Json) -> impl Iterator<Item = (&String, &Json)> {
    static NONE: std::sync::LazyLock<Map<String, Json>> = std::sync::LazyLock::new(Map::new);
    node.as_object().unwrap_or(&NONE).iter()
}
