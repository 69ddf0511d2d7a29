//! Resources as the wire shows them: the stored body with the members that the registry writes.

use crate::accept::Form;
use crate::descriptor;
use crate::error::Error;
use crate::kind::Kind;
use crate::library::{Standard, VERSION, alt_id};
use crate::view::{View, all_refs};
use model::{Caller, Collection, Doc, DocSet, SandboxId};
use serde_json::{Map, Value as Json, json};

/// What the registry knows about a stored resource beside its body.
pub(crate) struct Record {
    revision: u32,
    created: i64,
    updated: i64,
    created_by: String,
    updated_by: String,
}

impl Record {
    pub(crate) fn of(doc: &Doc) -> Record {
        Record {
            revision: doc.revision,
            created: doc.created_at.0,
            updated: doc.updated_at.0,
            created_by: doc.created_by.to_string(),
            updated_by: doc.updated_by.to_string(),
        }
    }

    /// What it will be once the caller's change is made.
    pub(crate) fn next(old: Option<&Doc>, caller: &Caller<'_>) -> Record {
        Record {
            revision: old.map_or(1, |doc| doc.revision + 1),
            created: old.map_or(caller.now, |doc| doc.created_at).0,
            updated: caller.now.0,
            created_by: old.map_or_else(|| caller.client.to_owned(), |doc| doc.created_by.to_string()),
            updated_by: caller.client.to_owned(),
        }
    }

    pub(crate) fn metadata(&self, body: &Json) -> Json {
        json!({
            "repo:createdDate": self.created,
            "repo:lastModifiedDate": self.updated,
            "xdm:createdClientId": self.created_by,
            "xdm:lastModifiedClientId": self.updated_by,
            "xdm:createdUserId": self.created_by,
            "xdm:lastModifiedUserId": self.updated_by,
            "eTag": e_tag(self.revision, body),
            "meta:globalLibVersion": VERSION,
        })
    }

    /// `1.0`, then one minor step per change.
    pub(crate) fn version(&self) -> String {
        format!("1.{}", self.revision - 1)
    }
}

/// Equal contents have equal tags (FNV-1a over the text of the body).
fn e_tag(revision: u32, body: &Json) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in body.to_string().bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}{revision:08x}")
}

/// A tenant resource in the asked form.
pub(crate) fn tenant(
    view: &View<'_>,
    caller: &Caller<'_>,
    kind: Kind,
    body: &Json,
    record: &Record,
    form: Form,
) -> Result<Json, Error> {
    let id = body["$id"].as_str().unwrap_or_default();
    let view = view.with(id, body);
    let composition = view.compose(id, body);
    let mut out = head(kind, id, &record.version(), body);
    put_body(&view, kind, id, body, form, &mut out)?;
    out.insert("refs".into(), json!(all_refs(body)));
    out.insert("imsOrg".into(), json!(caller.org));
    out.insert("meta:extensible".into(), json!(kind != Kind::Schema));
    out.insert("meta:abstract".into(), json!(kind != Kind::Schema));
    out.insert("meta:extends".into(), json!(composition.extends));
    out.insert("meta:xdmType".into(), json!("object"));
    out.insert("meta:registryMetadata".into(), record.metadata(body));
    if let Some(class) = composition.class.filter(|_| kind == Kind::Schema) {
        out.insert("meta:class".into(), json!(class));
    }
    put_owner(view.docs, caller, &mut out);
    Ok(finish(out, form, || descriptor::of_schema(&view, caller, id)))
}

/// A standard resource in the asked form.
pub(crate) fn standard(view: &View<'_>, standard: &Standard, form: Form) -> Result<Json, Error> {
    let mut out = head(standard.kind, &standard.id, "1.0", &standard.body);
    put_body(view, standard.kind, &standard.id, &standard.body, form, &mut out)?;
    out.insert("meta:xdmType".into(), json!("object"));
    out.insert("meta:registryMetadata".into(), json!({ "meta:globalLibVersion": VERSION }));
    out.insert("meta:containerId".into(), json!("global"));
    Ok(finish(out, form, Vec::new))
}

/// `meta:containerId` and the members that name organisation and sandbox.
pub(crate) fn put_owner(docs: &DocSet, caller: &Caller<'_>, out: &mut Map<String, Json>) {
    let sandbox = docs.get(SandboxId(0), Collection::Sandbox, caller.sandbox_name);
    let member = |key: &str| sandbox.and_then(|doc| doc.body[key].as_str());
    out.insert("meta:containerId".into(), json!("tenant"));
    out.insert("meta:sandboxId".into(), json!(member("id").unwrap_or(caller.sandbox_name)));
    out.insert("meta:sandboxType".into(), json!(member("type").unwrap_or("production")));
    out.insert("meta:tenantNamespace".into(), json!(format!("_{}", caller.tenant)));
}

/// `$id`, `meta:altId`, `title`, `version`: an entry of a list in its short form.
pub(crate) fn summary(document: &Json) -> Json {
    let keys = ["$id", "meta:altId", "version", "title"];
    Json::Object(keys.iter().filter_map(|k| Some(((*k).to_owned(), document.get(*k)?.clone()))).collect())
}

fn head(kind: Kind, id: &str, version: &str, body: &Json) -> Map<String, Json> {
    let mut out = Map::new();
    out.insert("$id".into(), json!(id));
    out.insert("meta:altId".into(), json!(alt_id(id)));
    out.insert("meta:resourceType".into(), json!(kind.resource_type()));
    out.insert("version".into(), json!(version));
    out.insert("title".into(), body["title"].clone());
    out.insert("type".into(), json!("object"));
    out.insert("description".into(), json!(body["description"].as_str().unwrap_or_default()));
    out
}

fn put_body(
    view: &View<'_>,
    kind: Kind,
    id: &str,
    body: &Json,
    form: Form,
    out: &mut Map<String, Json>,
) -> Result<(), Error> {
    let view = view.with(id, body);
    let resolved;
    let shown = match (form.full, kind) {
        (false, _) => body,
        (true, Kind::Schema) => {
            resolved = view.resolve_schema(id, body)?;
            &resolved
        }
        (true, _) => {
            resolved = view.resolve(body)?;
            &resolved
        }
    };
    for (key, value) in crate::view::members(shown) {
        if !out.contains_key(key) {
            out.insert(key.clone(), value.clone());
        }
    }
    Ok(())
}

/// A ready document without titles and descriptions, if the form asks for that.
pub(crate) fn in_form(mut out: Json, form: Form) -> Json {
    if !form.text {
        strip_text(&mut out);
    }
    if form.full_names { xdm::full_names(&out) } else { out }
}

fn finish(out: Map<String, Json>, form: Form, descriptors: impl FnOnce() -> Vec<Json>) -> Json {
    let mut out = Json::Object(out);
    if form.descriptors || form.deprecated {
        let all = descriptors();
        if form.deprecated {
            all.iter().for_each(|d| mark_deprecated(&mut out, d));
        }
        if form.descriptors {
            out["meta:descriptors"] = Json::Array(all);
        }
    }
    in_form(out, form)
}

fn mark_deprecated(doc: &mut Json, descriptor: &Json) {
    if descriptor["@type"] != "xdm:descriptorDeprecated" {
        return;
    }
    let path = descriptor["xdm:sourceProperty"].as_str().unwrap_or_default();
    let field = path.trim_matches('/').split('/').try_fold(doc, |at, name| at.get_mut("properties")?.get_mut(name));
    if let Some(Json::Object(field)) = field {
        field.insert("meta:status".into(), json!("deprecated"));
    }
}

/// Takes titles and descriptions away; fields that are called so stay.
fn strip_text(node: &mut Json) {
    let Json::Object(members) = node else { return };
    members.retain(|key, _| !matches!(key.as_str(), "title" | "description" | "meta:titleId" | "meta:descriptionId"));
    for key in ["properties", "definitions"] {
        if let Some(Json::Object(fields)) = members.get_mut(key) {
            fields.values_mut().for_each(strip_text);
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = members.get_mut(key) {
            strip_text(inner);
        }
    }
    if let Some(Json::Array(parts)) = members.get_mut("allOf") {
        parts.iter_mut().for_each(strip_text);
    }
}
