//! From documents of the Authoring API to the files of a folder.

use super::text::yaml;
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

/// What the server sets, and a folder does not hold.
const SERVER_SET: &[&str] =
    &["instanceId", "createdDate", "lastModifiedDate", "imsOrg", "sandboxName", "sandboxId", "destConfigId"];
/// Fields that hold an id of another document, and the part that it is in.
const LINKS: &[(&str, &str)] = &[
    ("destinationServerId", "servers"),
    ("authenticationId", "credentials"),
    ("audienceTemplateId", "audience-templates"),
];
/// Templates that are longer, or have several lines, become files.
const INLINE_MAX: usize = 80;

/// Documents of one part: local name and document.
type Named = Vec<(String, Json)>;

pub(crate) fn files(
    destination: &Json,
    servers: &[Json],
    audience_templates: &[Json],
    credentials: &[Json],
    cases: &[(String, Json)],
) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut names: BTreeMap<(&str, String), String> = BTreeMap::new();
    let mut parts: Vec<(&str, Named)> = Vec::new();
    for (part, documents) in
        [("servers", servers), ("audience-templates", audience_templates), ("credentials", credentials)]
    {
        let mut taken = Vec::new();
        let mut named = Vec::new();
        for document in documents {
            let name = local_name(document, part, &taken);
            taken.push(name.clone());
            if let Some(id) = document.get("instanceId").and_then(Json::as_str) {
                names.insert((part, id.to_owned()), name.clone());
            }
            named.push((name, without_server_set(document)));
        }
        parts.push((part, named));
    }
    let mut destination = without_server_set(destination);
    rename_links(&mut destination, &names);
    extract(&mut destination, "destination", &mut files);
    files.insert("destination.yaml".to_owned(), yaml(&destination));
    for (part, named) in parts {
        for (name, mut document) in named {
            extract(&mut document, &name, &mut files);
            files.insert(format!("{part}/{name}.yaml"), yaml(&document));
        }
    }
    for (name, case) in cases {
        files.insert(format!("cases/{}.yaml", slug(name, "case")), yaml(case));
    }
    files
}

fn local_name(document: &Json, part: &str, taken: &[String]) -> String {
    let metadata = document.get("metadataTemplate").and_then(|template| template.get("name"));
    let name = document.get("name").or(metadata).and_then(Json::as_str).unwrap_or_default();
    let fallback = match part {
        "servers" => "server",
        "credentials" => "credential",
        _ => "template",
    };
    let base = slug(name, fallback);
    let mut name = base.clone();
    for number in 2.. {
        if !taken.contains(&name) {
            break;
        }
        name = format!("{base}-{number}");
    }
    name
}

/// Lower-case letters, digits and single hyphens.
fn slug(text: &str, fallback: &str) -> String {
    let mut slug = String::new();
    for c in text.chars().take(60) {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { fallback.to_owned() } else { slug.to_owned() }
}

fn without_server_set(document: &Json) -> Json {
    let mut document = document.clone();
    if let Json::Object(map) = &mut document {
        map.retain(|name, _| !SERVER_SET.contains(&name.as_str()));
    }
    document
}

fn rename_links(json: &mut Json, names: &BTreeMap<(&str, String), String>) {
    match json {
        Json::Array(items) => items.iter_mut().for_each(|item| rename_links(item, names)),
        Json::Object(map) => {
            for (field, value) in map.iter_mut() {
                let part = LINKS.iter().find(|(name, _)| name == field).map(|(_, part)| *part);
                match (part, &*value) {
                    (Some(part), Json::String(id)) => {
                        if let Some(name) = names.get(&(part, id.clone())) {
                            *value = Json::from(name.as_str());
                        }
                    }
                    _ => rename_links(value, names),
                }
            }
        }
        _ => {}
    }
}

/// Moves long templates into files of their own.
fn extract(json: &mut Json, name: &str, files: &mut BTreeMap<String, String>) {
    match json {
        Json::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                extract(item, &format!("{name}-{}", index + 1), files);
            }
        }
        Json::Object(map) if is_long_template(map) => {
            let base = format!("templates/{}", slug(name, "template"));
            let mut file = format!("{base}.peb");
            for number in 2.. {
                if !files.contains_key(&file) {
                    break;
                }
                file = format!("{base}-{number}.peb");
            }
            let fields = std::mem::take(map).into_iter();
            let mut text = String::new();
            *map = fields
                .map(|(field, value)| {
                    if field != "value" {
                        return (field, value);
                    }
                    text = value.as_str().unwrap_or_default().to_owned();
                    ("file".to_owned(), Json::from(file.as_str()))
                })
                .collect();
            text.push('\n');
            files.insert(file, text);
        }
        Json::Object(map) => {
            for (field, value) in map.iter_mut() {
                let name = match field.as_str() {
                    // Layers that say nothing about what the template is for.
                    "httpTemplate" | "urlBasedDestination" | "fileConfigurations" => name.to_owned(),
                    "requestBody" => format!("{name}-body"),
                    field => format!("{name}-{field}"),
                };
                extract(value, &name, files);
            }
        }
        _ => {}
    }
}

fn is_long_template(map: &Map<String, Json>) -> bool {
    let template = map.get("templatingStrategy").is_some_and(|strategy| strategy == "PEBBLE_V1");
    let value = map.get("value").and_then(Json::as_str);
    // The reader takes one line break, with or without a carriage return, off the end.
    let long = value.is_some_and(|text| (text.len() > INLINE_MAX || text.contains('\n')) && !text.ends_with('\r'));
    template && long && !map.contains_key("file")
}
