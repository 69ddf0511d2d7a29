//! A destination as a folder of files, for authors who keep their destinations under version control.
//!
//! In: file names with their texts. Out: the documents of the Authoring API with local names in place of ids; and
//! the way back, from documents to files. Always: no file is read or written here; a folder that was written from
//! documents reads as these documents.
//!
//! The layout: `destination.yaml`, `servers/NAME.yaml`, `audience-templates/NAME.yaml`, `credentials/NAME.yaml`,
//! `cases/NAME.yaml`, each also as JSON. A destination names the others by NAME where the API has an id. A templated
//! value may have `file: templates/body.peb` in place of `value`; the line break at the end of that file is not part
//! of the template, nor is a mark of byte order at its start.

pub(crate) mod text;
mod visible;
mod warnings;
mod words;
mod write;

pub use text::{parse, yaml};
pub use warnings::Warning;

use crate::config::{
    AudienceTemplateConfig, CredentialConfig, DestinationConfig, Fault, Kind, Linked, ServerConfig, check_links,
};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A destination and everything that it names.
#[derive(Clone, Debug, PartialEq)]
pub struct Folder {
    /// Name of the destination.
    pub name: String,
    /// The destination; ids are local names.
    pub destination: Json,
    /// Servers by local name.
    pub servers: BTreeMap<String, Json>,
    /// Audience templates by local name.
    pub audience_templates: BTreeMap<String, Json>,
    /// Credentials by local name.
    pub credentials: BTreeMap<String, Json>,
    /// Golden cases by name.
    pub cases: Vec<(String, Json)>,
    /// The file of each document.
    places: BTreeMap<(Part, String), String>,
    /// Where a template came from: document and path of its `value`, to its file.
    templates: BTreeMap<(String, String), String>,
}

/// What a folder holds already, so that a document that comes again is where it was.
#[derive(Clone, Debug, Default)]
pub struct Before<'f> {
    /// The folder, where it can be read.
    pub folder: Option<&'f Folder>,
    /// Local names, by the directory of the part (`servers`) and the id.
    pub names: BTreeMap<(String, String), String>,
}

impl Before<'_> {
    fn names_of(&self, part: &str) -> impl Iterator<Item = &str> {
        self.names.iter().filter(move |((of, _), _)| of == part).map(|(_, name)| name.as_str())
    }
}

/// Everything of a folder, read and checked.
#[derive(Clone, Debug)]
pub struct Configs {
    /// The destination.
    pub destination: Arc<DestinationConfig>,
    /// Servers by local name.
    pub servers: BTreeMap<String, Arc<ServerConfig>>,
    /// Audience templates by local name.
    pub audience_templates: BTreeMap<String, Arc<AudienceTemplateConfig>>,
    /// Credentials by local name.
    pub credentials: BTreeMap<String, Arc<CredentialConfig>>,
}

impl Configs {
    /// What a local name stands for.
    pub fn find(&self, kind: Kind, name: &str) -> Option<Linked> {
        match kind {
            Kind::Server => self.servers.get(name).cloned().map(Linked::Server),
            Kind::AudienceTemplate => self.audience_templates.get(name).cloned().map(Linked::AudienceTemplate),
            Kind::Credential => self.credentials.get(name).cloned().map(Linked::Credential),
        }
    }
}

/// A part of the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Destination,
    Servers,
    AudienceTemplates,
    Credentials,
    Cases,
}

const PARTS: [(&str, Part); 4] = [
    ("servers", Part::Servers),
    ("audience-templates", Part::AudienceTemplates),
    ("credentials", Part::Credentials),
    ("cases", Part::Cases),
];
const TEMPLATES: &str = "templates";

/// What a file of the folder is.
enum Role {
    Document(Part, String),
    /// Something that a document may name.
    Template,
    /// For people.
    Beside,
    Misplaced(String),
}

impl Folder {
    /// Reads a folder: relative paths (with `/`) and texts. A fault's path is `FILE` or `FILE: FIELD`.
    pub fn read(files: &BTreeMap<String, String>) -> Result<Folder, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut documents: BTreeMap<(Part, String), Json> = BTreeMap::new();
        let mut places: BTreeMap<(Part, String), String> = BTreeMap::new();
        let mut templates = BTreeMap::new();
        let mut used = BTreeSet::new();
        for (file, source) in files {
            let (part, name) = match role(file) {
                Role::Document(part, name) => (part, name),
                Role::Misplaced(message) => {
                    faults.push(Fault::new(file, message));
                    continue;
                }
                Role::Template | Role::Beside => continue,
            };
            if let Some(other) = places.get(&(part, name.clone())) {
                faults.push(Fault::new(file, format!("is the same document as {other}; keep one of them")));
                continue;
            }
            match text::parse(file, source) {
                Ok(mut json) => {
                    let mut resolving =
                        Resolving { file, files, faults: &mut faults, templates: &mut templates, used: &mut used };
                    resolving.resolve(&mut json, "");
                    places.insert((part, name.clone()), file.clone());
                    documents.insert((part, name), json);
                }
                Err(fault) if fault.path.is_empty() => faults.push(Fault::new(file, fault.message)),
                Err(fault) => faults.push(Fault::new(format!("{file}: {}", fault.path), fault.message)),
            }
        }
        for file in files.keys().filter(|file| matches!(role(file), Role::Template) && !used.contains(*file)) {
            faults.push(Fault::new(file, "no document names this file; remove it, or name it with `file: …`"));
        }
        let destination = documents.remove(&(Part::Destination, String::new()));
        if destination.is_none() && !files.keys().any(|file| matches!(role(file), Role::Document(Part::Destination, _)))
        {
            faults.push(Fault::new("destination.yaml", "is missing: a folder holds one destination"));
        }
        match destination {
            Some(destination) if faults.is_empty() => Ok(Folder::of(destination, documents, places, templates)),
            _ => Err(faults),
        }
    }

    fn of(
        destination: Json,
        documents: BTreeMap<(Part, String), Json>,
        places: BTreeMap<(Part, String), String>,
        templates: BTreeMap<(String, String), String>,
    ) -> Folder {
        let take = |part: Part| {
            let of_part = documents.iter().filter(move |((other, _), _)| *other == part);
            of_part.map(|((_, name), json)| (name.clone(), json.clone())).collect::<Vec<_>>()
        };
        Folder {
            name: destination.get("name").and_then(Json::as_str).unwrap_or_default().to_owned(),
            servers: take(Part::Servers).into_iter().collect(),
            audience_templates: take(Part::AudienceTemplates).into_iter().collect(),
            credentials: take(Part::Credentials).into_iter().collect(),
            cases: take(Part::Cases),
            destination,
            places,
            templates,
        }
    }

    /// Reads every document and checks what they name; faults name the file and the field.
    pub fn configs(&self) -> Result<Configs, Vec<Fault>> {
        let mut faults = Vec::new();
        let destination = DestinationConfig::parse(&self.destination);
        let destination = self.kept(Part::Destination, "", destination, &mut faults);
        let configs = Configs {
            servers: self.each(Part::Servers, &self.servers, ServerConfig::parse, &mut faults),
            audience_templates: self.each(
                Part::AudienceTemplates,
                &self.audience_templates,
                AudienceTemplateConfig::parse,
                &mut faults,
            ),
            credentials: self.each(Part::Credentials, &self.credentials, CredentialConfig::parse, &mut faults),
            destination: match destination {
                Some(destination) => destination,
                None => return Err(faults),
            },
        };
        // What could not be read has its own faults; a link to it is no further one.
        let unread = |kind: Kind, name: &str| match kind {
            Kind::Server => self.servers.contains_key(name),
            Kind::AudienceTemplate => self.audience_templates.contains_key(name),
            Kind::Credential => self.credentials.contains_key(name),
        };
        let missing = std::cell::Cell::new(false);
        let links = check_links(&configs.destination, &|kind, name| {
            let found = configs.find(kind, name);
            missing.set(missing.get() || (found.is_none() && unread(kind, name)));
            found
        });
        if !missing.get() {
            faults.extend(links.into_iter().map(|fault| self.placed(Part::Destination, "", fault)));
        }
        if faults.is_empty() { Ok(configs) } else { Err(faults) }
    }

    fn each<T>(
        &self,
        part: Part,
        documents: &BTreeMap<String, Json>,
        parse: impl Fn(&Json) -> Result<T, Vec<Fault>>,
        faults: &mut Vec<Fault>,
    ) -> BTreeMap<String, Arc<T>> {
        let read = documents
            .iter()
            .filter_map(|(name, json)| Some((name.clone(), self.kept(part, name, parse(json), faults)?)));
        read.collect()
    }

    fn kept<T>(&self, part: Part, name: &str, read: Result<T, Vec<Fault>>, faults: &mut Vec<Fault>) -> Option<Arc<T>> {
        match read {
            Ok(config) => Some(Arc::new(config)),
            Err(found) => {
                faults.extend(found.into_iter().map(|fault| self.placed(part, name, fault)));
                None
            }
        }
    }

    /// The fault with its file; a fault of a template names the template's file.
    fn placed(&self, part: Part, name: &str, fault: Fault) -> Fault {
        let unknown = String::new();
        let file = self.places.get(&(part, name.to_owned())).unwrap_or(&unknown);
        if let Some(template) = self.templates.get(&(file.clone(), fault.path.clone())) {
            return Fault::new(template, format!("{} (as {} of {file})", fault.message, fault.path));
        }
        let path = if fault.path.is_empty() { file.clone() } else { format!("{file}: {}", fault.path) };
        Fault::new(path, fault.message)
    }

    /// The files of a destination as the Authoring API shows it, with everything that it names. Ids become local
    /// names; longer templates become files of their own. What was there before keeps its names.
    pub fn from_api(
        destination: &Json,
        servers: &[Json],
        audience_templates: &[Json],
        credentials: &[Json],
        cases: &[(String, Json)],
        before: &Before<'_>,
    ) -> BTreeMap<String, String> {
        write::files(destination, servers, audience_templates, credentials, cases, before)
    }
}

fn role(file: &str) -> Role {
    let segments: Vec<&str> = file.split('/').collect();
    let last = segments.last().copied().unwrap_or_default();
    let stem = [".yaml", ".yml", ".json"].iter().find_map(|end| last.strip_suffix(end));
    if segments.iter().any(|segment| segment.starts_with('.')) {
        return Role::Beside;
    }
    match (segments.as_slice(), stem) {
        ([_], Some("destination")) => Role::Document(Part::Destination, String::new()),
        ([part, _], Some(stem)) => match PARTS.iter().find(|(name, _)| name == part) {
            Some((_, part)) if !stem.is_empty() => Role::Document(*part, stem.to_owned()),
            _ if *part == TEMPLATES => Role::Template,
            _ => Role::Misplaced(misplaced(part)),
        },
        ([TEMPLATES, ..], _) => Role::Template,
        (["cases", ..], _) => Role::Beside,
        (_, None) if last.ends_with(".peb") => Role::Template,
        (_, None) => Role::Beside,
        (_, Some(_)) => Role::Misplaced(misplaced(segments.first().copied().unwrap_or_default())),
    }
}

fn misplaced(given: &str) -> String {
    let known: Vec<String> = PARTS.iter().map(|(name, _)| format!("{name}/NAME.yaml")).collect();
    format!("is not part of the layout (destination.yaml, {}); given {given:?}", known.join(", "))
}

/// Putting the text of files in the place of `file` references.
struct Resolving<'a> {
    file: &'a str,
    files: &'a BTreeMap<String, String>,
    faults: &'a mut Vec<Fault>,
    templates: &'a mut BTreeMap<(String, String), String>,
    used: &'a mut BTreeSet<String>,
}

impl Resolving<'_> {
    fn resolve(&mut self, json: &mut Json, path: &str) {
        match json {
            Json::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.resolve(item, &format!("{path}[{index}]"));
                }
            }
            Json::Object(map) if map.contains_key("templatingStrategy") && map.contains_key("file") => {
                self.reference(map, path);
            }
            Json::Object(map) => {
                for (name, value) in map.iter_mut() {
                    let dot = if path.is_empty() { "" } else { "." };
                    self.resolve(value, &format!("{path}{dot}{name}"));
                }
            }
            _ => {}
        }
    }

    fn reference(&mut self, map: &mut serde_json::Map<String, Json>, path: &str) {
        let mut fault = |message: String| self.faults.push(Fault::new(format!("{}: {path}.file", self.file), message));
        let Some(Json::String(reference)) = map.get("file") else {
            return fault("must be the name of a file".to_owned());
        };
        if map.contains_key("value") {
            return fault("stands in the place of value; give one of the two".to_owned());
        }
        let name = reference.strip_prefix("./").unwrap_or(reference).to_owned();
        let Some(text) = self.files.get(&name) else {
            return fault(format!("there is no file {name:?} in this folder"));
        };
        // A mark of byte order says how the file is written; it is no part of the text.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let value = text.strip_suffix("\r\n").or_else(|| text.strip_suffix('\n')).unwrap_or(text);
        self.used.insert(name.clone());
        self.templates.insert((self.file.to_owned(), format!("{path}.value")), name);
        let fields = std::mem::take(map).into_iter();
        *map = fields
            .map(|(name, json)| if name == "file" { ("value".to_owned(), Json::from(value)) } else { (name, json) })
            .collect();
    }
}
