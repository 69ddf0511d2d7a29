//! What is legal in a folder, and most likely meant otherwise: names that no template will ever find, filters that do
//! not exist, documents that nobody uses.
//!
//! In: a folder without faults and its configurations. Out: warnings with file, field and place. Always: rendering is
//! as lenient as ever (destination-sdk.md §5.9); where it cannot be known what a template sees, nothing is said.

use super::visible::{Sight, unknown_paths};
use super::words::{Word, line_and_column, words};
use super::{Configs, Folder, Part};
use crate::config::{
    CustomerAuthentication, FileServerKind, Kind, Pattern, ServerTarget, Templated, linked_ids, nearest,
};
use crate::json::add_key;
use pebble::{Limits, Options, Template, Value};
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// Something that is legal, and most likely meant otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The file: a document, or a template of its own.
    pub file: String,
    /// The field of the document; empty for the whole file, and for a template of its own.
    pub field: String,
    /// Line and column inside the template, from 1.
    pub place: Option<(usize, usize)>,
    /// What is odd, and what was given.
    pub message: String,
}

/// A template of a document.
struct Source<'f> {
    part: Part,
    name: &'f str,
    /// The path of its text.
    path: String,
    text: &'f str,
}

impl Folder {
    /// What is odd, though nothing of it is wrong.
    pub fn warnings(&self, configs: &Configs) -> Vec<Warning> {
        let mut warnings = self.unused(configs);
        warnings.extend(self.connection_type(configs));
        warnings.extend(self.expected_patterns(configs));
        for source in self.sources() {
            self.source_warnings(configs, &source, &mut warnings);
        }
        warnings
    }

    pub(super) fn file(&self, part: Part, name: &str) -> String {
        self.places.get(&(part, name.to_owned())).cloned().unwrap_or_default()
    }

    /// Documents that the destination does not name.
    fn unused(&self, configs: &Configs) -> Vec<Warning> {
        let used = linked_ids(&configs.destination);
        let given = [
            (Part::Servers, Kind::Server, configs.servers.keys().collect::<Vec<_>>()),
            (Part::AudienceTemplates, Kind::AudienceTemplate, configs.audience_templates.keys().collect()),
            (Part::Credentials, Kind::Credential, configs.credentials.keys().collect()),
        ];
        let mut warnings = Vec::new();
        for (part, kind, names) in given {
            for name in names.into_iter().filter(|name| !used.contains(&(kind, name.as_str()))) {
                let message = format!("the destination does not use it: nothing names {name:?}");
                warnings.push(Warning { file: self.file(part, name), field: String::new(), place: None, message });
            }
        }
        warnings
    }

    /// The label of the card against the server behind it.
    fn connection_type(&self, configs: &Configs) -> Option<Warning> {
        let label = configs.destination.ui.connection_type.as_deref()?;
        let delivery = configs.destination.deliveries.first()?;
        let server = configs.servers.get(&delivery.destination_server_id)?;
        let (fitting, place): (&[&str], &str) = match &server.target {
            ServerTarget::Url { .. } => (&["Server-to-server"], "takes requests"),
            ServerTarget::File(file) => match file.kind {
                FileServerKind::S3 => (&["S3", "Cloud storage"], "is an S3 bucket"),
                FileServerKind::Sftp => (&["SFTP", "Cloud storage"], "is an SFTP directory"),
                FileServerKind::AdlsGen2 => (&["Azure Data Lake Storage", "Cloud storage"], "is a data lake"),
                FileServerKind::AzureBlob => (&["Azure Blob", "Cloud storage"], "is an Azure Blob container"),
                FileServerKind::Dlz => (&["DLZ", "Cloud storage"], "is a Data Landing Zone"),
                FileServerKind::GoogleCloud => (&["Cloud storage"], "is a bucket of Google Cloud Storage"),
            },
        };
        let message = format!("says {label:?}, but the server {place}: {} would fit", fitting.join(" or "));
        let field = "uiAttributes.connectionType".to_owned();
        let file = self.file(Part::Destination, "");
        (!fitting.contains(&label)).then_some(Warning { file, field, place: None, message })
    }

    /// Expected values are texts or patterns; one that is no pattern may be meant as one.
    fn expected_patterns(&self, configs: &Configs) -> Vec<Warning> {
        let mut warnings = Vec::new();
        for (index, authentication) in configs.destination.customer_authentications.iter().enumerate() {
            let CustomerAuthentication::OAuth2(oauth) = authentication else { continue };
            for validation in &oauth.validations {
                let Templated::Constant(text) = &validation.expected else { continue };
                let Err(error) = Pattern::compile(text) else { continue };
                warnings.push(Warning {
                    file: self.file(Part::Destination, ""),
                    field: format!("customerAuthenticationConfigurations[{index}]"),
                    place: None,
                    message: format!(
                        "the expectedValue of the validation {:?} is no pattern ({error}), so only the text itself \
                         matches; given {text:?}",
                        validation.name
                    ),
                });
            }
        }
        warnings
    }

    /// Every template of every document.
    fn sources(&self) -> Vec<Source<'_>> {
        let mut found = Vec::new();
        gather(Part::Destination, "", &self.destination, &mut String::new(), &mut found);
        for (part, documents) in [(Part::Servers, &self.servers), (Part::AudienceTemplates, &self.audience_templates)] {
            for (name, json) in documents {
                gather(part, name, json, &mut String::new(), &mut found);
            }
        }
        found
    }

    fn source_warnings(&self, configs: &Configs, source: &Source<'_>, warnings: &mut Vec<Warning>) {
        let metadata = source.part == Part::AudienceTemplates;
        let options = Options { path_macros: metadata, ..Options::destination() };
        let Ok(template) = Template::compile(&source.path, source.text, &options) else { return };
        let words = words(source.text, metadata);
        let document = self.file(source.part, source.name);
        let own = self.templates.get(&(document.clone(), source.path.clone()));
        let mut warn = |at: Option<usize>, message: String| {
            let (file, field) = match own {
                Some(template) => (template.clone(), String::new()),
                None => (document.clone(), source.path.clone()),
            };
            let place = Some(at.map_or((1, 1), |at| line_and_column(source.text, at)));
            let warning = Warning { file, field, place, message };
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        };
        unknown_calls(&words).into_iter().for_each(|(at, message)| warn(Some(at), message));
        let sight = Sight::of(configs, source.part, source.name, &source.path);
        let Some(shape) = sight.shape() else { return };
        let set: BTreeSet<&str> = words
            .windows(2)
            .filter(|pair| pair[0].is_first && pair[0].text == "set")
            .map(|pair| pair[1].text)
            .collect();
        for (path, known) in unknown_paths(&template.reads(), &shape) {
            if path.len() == 1 && set.contains(path[0].as_str()) {
                continue;
            }
            warn(place_of(&words, &path), unknown_path(&path, &known));
        }
    }
}

/// Templates of a value: `{templatingStrategy: PEBBLE_V1, value}`, and strings with macros in audience templates.
fn gather<'f>(part: Part, name: &'f str, json: &'f Json, path: &mut String, found: &mut Vec<Source<'f>>) {
    let before = path.len();
    match json {
        Json::String(text) if part == Part::AudienceTemplates && (text.contains("{{") || text.contains("{%")) => {
            found.push(Source { part, name, path: path.clone(), text });
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push_str(&format!("[{index}]"));
                gather(part, name, item, path, found);
                path.truncate(before);
            }
        }
        Json::Object(map) => {
            if let (Some("PEBBLE_V1"), Some(Json::String(text))) =
                (map.get("templatingStrategy").and_then(Json::as_str), map.get("value"))
            {
                add_key(path, "value");
                found.push(Source { part, name, path: path.clone(), text });
                path.truncate(before);
                return;
            }
            for (key, value) in map {
                add_key(path, key);
                gather(part, name, value, path, found);
                path.truncate(before);
            }
        }
        _ => {}
    }
}

/// Filters and functions that do not exist, also in branches that no case takes: the template engine is asked.
fn unknown_calls(words: &[Word<'_>]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut asked = BTreeSet::new();
    for (index, word) in words.iter().enumerate().filter(|(_, word)| !word.is_literal) {
        let previous = index.checked_sub(1).map(|at| words[at]).filter(|_| !word.is_first && word.before.is_none());
        let before = previous.map_or("", |word| word.text);
        let is_filter = word.before == Some('|') || (before == "filter" && previous.is_some_and(|word| word.is_first));
        let is_call = word.after == Some('(') && word.before != Some('.') && !matches!(before, "is" | "not");
        if !(is_filter || is_call) || !asked.insert((is_filter, word.text)) {
            continue;
        }
        let probe =
            if is_filter { format!("{{{{ 'a' | {} }}}}", word.text) } else { format!("{{{{ {}() }}}}", word.text) };
        let wanted = if is_filter { "there is no filter" } else { "there is no function" };
        let failed = |template: Template| template.render(&Value::map([]), &mut String::new(), &Limits::default());
        let Err(error) = Template::compile("", &probe, &Options::destination()).and_then(failed) else { continue };
        if error.message.starts_with(wanted) {
            let near = error.suggestion.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            found.push((word.at, format!("{}: a message whose rendering comes here fails{near}", error.message)));
        }
    }
    found
}

fn unknown_path(path: &[String], known: &[&str]) -> String {
    let (last, around) = path.split_last().map_or(("", &[][..]), |(last, around)| (last.as_str(), around));
    let near = nearest(last, known).map(|near| format!("; did you mean `{near}`?"));
    let near = near.unwrap_or_else(|| match known {
        [] => String::new(),
        known => format!("; known here: {}", known.join(", ")),
    });
    match around {
        [] => format!("templates do not see `{last}` here, so it prints nothing{near}"),
        around => format!("`{}` has no `{last}`, so it prints nothing{near}", around.join(".")),
    }
}

/// Where the last name of a path stands: behind the name before it, if it is written so anywhere.
fn place_of(words: &[Word<'_>], path: &[String]) -> Option<usize> {
    let (last, around) = path.split_last()?;
    let is_member = |word: &Word<'_>| word.before == Some('.') || (word.is_literal && word.before == Some('['));
    let Some(before) = around.last() else {
        return words.iter().find(|w| w.text == last && !w.is_literal && !is_member(w)).map(|w| w.at);
    };
    let pair = words.windows(2).find(|pair| pair[1].text == last && is_member(&pair[1]) && pair[0].text == before);
    let any = || words.iter().find(|word| word.text == last);
    pair.map(|pair| pair[1]).or_else(|| any().copied()).map(|word| word.at)
}
