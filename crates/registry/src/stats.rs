//! What the organisation has in the registry (`GET /stats`).

use crate::kind::Kind;
use crate::library::{alt_id, library};
use crate::resource::own_id;
use crate::union;
use crate::view::View;
use model::{Caller, Doc, DocSet};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

const RECENT_MAX: usize = 10;

/// Counts, recent changes, and which classes are used.
pub fn stats(docs: &DocSet, caller: &Caller<'_>) -> Json {
    let view = View::new(docs, caller.sandbox);
    let count = |kind: Kind| kind.collection().map_or(0, |c| docs.count(caller.sandbox, c));
    let mut all: Vec<&Doc> = Kind::ALL
        .iter()
        .filter_map(|k| k.collection())
        .flat_map(|c| docs.iter(caller.sandbox, c))
        .map(|doc| &**doc)
        .collect();
    all.sort_by_key(|doc| std::cmp::Reverse((doc.created_at, doc.no)));
    let created: Vec<Json> = all.iter().take(RECENT_MAX).map(|doc| short(doc)).collect();
    all.sort_by_key(|doc| std::cmp::Reverse((doc.updated_at, doc.changed_n)));
    let updated: Vec<Json> = all.iter().take(RECENT_MAX).map(|doc| short(doc)).collect();
    json!({
        "imsOrg": caller.org,
        "tenantId": caller.tenant,
        "counts": {
            "schemas": count(Kind::Schema),
            "mixins": count(Kind::FieldGroup),
            "datatypes": count(Kind::DataType),
            "classes": count(Kind::Class),
            "unions": union::count(&view),
        },
        "recentlyCreatedResources": created,
        "recentlyUpdatedResources": updated,
        "classUsage": class_usage(&view),
    })
}

fn class_usage(view: &View<'_>) -> Vec<Json> {
    let mut usage: BTreeMap<String, Vec<Json>> = BTreeMap::new();
    for (id, body) in view.schemas() {
        if let Some(class) = union::class_of(view, id) {
            let schema = json!({
                "$id": id,
                "title": body["title"],
                "description": body["description"].as_str().unwrap_or_default(),
                "meta:altId": alt_id(id),
            });
            usage.entry(class).or_default().push(schema);
        }
    }
    let title = |class: &str| match library().get(class) {
        Some(standard) => standard.body["title"].clone(),
        None => view.body(class).map(|b| b["title"].clone()).unwrap_or_default(),
    };
    let usage = usage.into_iter();
    usage
        .map(|(class, of)| json!({ "$id": class, "title": title(&class), "numberOfSchemas": of.len(), "schemas": of }))
        .collect()
}

fn short(doc: &Doc) -> Json {
    json!({
        "title": doc.body["title"],
        "$id": own_id(doc),
        "meta:altId": doc.id.as_str(),
        "version": format!("1.{}", doc.revision - 1),
    })
}
