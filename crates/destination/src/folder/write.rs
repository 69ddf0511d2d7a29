//! From documents of the Authoring API to the files of a folder.

use super::text::yaml;
use super::{Before, Folder, PARTS, Part};
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
    before: &Before<'_>,
) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut names: BTreeMap<(&str, String), String> = BTreeMap::new();
    let mut parts: Vec<(&str, Named)> = Vec::new();
    for (part, documents) in
        [("servers", servers), ("audience-templates", audience_templates), ("credentials", credentials)]
    {
        let mut taken: Vec<String> = before.names_of(part).map(str::to_owned).collect();
        let mut named = Vec::new();
        for document in documents {
            let id = document.get("instanceId").and_then(Json::as_str);
            let known = id.and_then(|id| before.names.get(&(part.to_owned(), id.to_owned())).cloned());
            let name = known.unwrap_or_else(|| local_name(document, part, &taken));
            taken.push(name.clone());
            if let Some(id) = id {
                names.insert((part, id.to_owned()), name.clone());
            }
            named.push((name, without_server_set(document)));
        }
        parts.push((part, named));
    }
    let mut destination = without_server_set(destination);
    rename_links(&mut destination, &names);
    Templates::new(before, "destination", "", &mut files).extract(&mut destination, "destination", "");
    files.insert("destination.yaml".to_owned(), yaml(&destination));
    for (part, named) in parts {
        for (name, mut document) in named {
            Templates::new(before, part, &name, &mut files).extract(&mut document, &name, "");
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

/// Moves the templates of one document into files of their own: long ones, and those that had one before.
struct Templates<'f> {
    files: &'f mut BTreeMap<String, String>,
    before: Option<&'f Folder>,
    /// Where the document stood before.
    document: String,
}

impl<'f> Templates<'f> {
    fn new(before: &Before<'f>, part: &str, name: &str, files: &'f mut BTreeMap<String, String>) -> Templates<'f> {
        let part = PARTS.iter().find(|(word, _)| *word == part).map_or(Part::Destination, |(_, part)| *part);
        let document = before.folder.map(|folder| folder.file(part, name)).unwrap_or_default();
        Templates { files, before: before.folder, document }
    }

    fn extract(&mut self, json: &mut Json, name: &str, path: &str) {
        match json {
            Json::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.extract(item, &format!("{name}-{}", index + 1), &format!("{path}[{index}]"));
                }
            }
            Json::Object(map) if is_template(map) => self.template(map, name, path),
            Json::Object(map) => {
                for (field, value) in map.iter_mut() {
                    let name = match field.as_str() {
                        // Layers that say nothing about what the template is for.
                        "httpTemplate" | "urlBasedDestination" | "fileConfigurations" => name.to_owned(),
                        "requestBody" => format!("{name}-body"),
                        field => format!("{name}-{field}"),
                    };
                    let dot = if path.is_empty() { "" } else { "." };
                    self.extract(value, &name, &format!("{path}{dot}{field}"));
                }
            }
            _ => {}
        }
    }

    fn template(&mut self, map: &mut Map<String, Json>, name: &str, path: &str) {
        let text = map.get("value").and_then(Json::as_str).unwrap_or_default();
        let is_long = text.len() > INLINE_MAX || text.contains('\n');
        let place = (std::mem::take(&mut self.document), format!("{path}.value"));
        let mut kept = self.before.and_then(|folder| folder.templates.get(&place).cloned());
        self.document = place.0;
        let text = format!("{text}\n");
        // Two documents may have had the same.
        kept = kept.filter(|file| self.files.get(file).is_none_or(|other| *other == text));
        if kept.is_none() && !is_long {
            return;
        }
        let file = kept.unwrap_or_else(|| self.free(name));
        let fields = std::mem::take(map).into_iter();
        let moved = |(field, value)| match field == "value" {
            true => ("file".to_owned(), Json::from(file.as_str())),
            false => (field, value),
        };
        *map = fields.map(moved).collect();
        self.files.insert(file, text);
    }

    fn free(&self, name: &str) -> String {
        let base = format!("templates/{}", slug(name, "template"));
        let mut file = format!("{base}.peb");
        for number in 2.. {
            if !self.files.contains_key(&file) {
                break;
            }
            file = format!("{base}-{number}.peb");
        }
        file
    }
}

fn is_template(map: &Map<String, Json>) -> bool {
    let template = map.get("templatingStrategy").is_some_and(|strategy| strategy == "PEBBLE_V1");
    // The reader takes one line break, with or without a carriage return, off the end; a mark of byte order off the
    // start.
    let whole = |text: &str| !text.ends_with('\r') && !text.starts_with('\u{feff}');
    template && map.get("value").and_then(Json::as_str).is_some_and(whole) && !map.contains_key("file")
}
